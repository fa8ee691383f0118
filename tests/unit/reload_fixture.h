/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_RELOAD_FIXTURE_H
#define WEIR_TEST_RELOAD_FIXTURE_H
/*
 * reload_fixture - a supervisor's reload without workers
 *
 * The processes are boards that the test writes to; only the one that reads the file is forked, and the one that plays the relay.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "conf_fixture.h"
#include "guard/reload.h"

#define SECOND_US INT64_C(1000000)

static const char text_of_the_start[] = KAFKA STORE
        "handler = { deadline = \"10s\"; };\n"
        "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; processes = 2; },\n"
        " { name = \"b\"; plugin = \"p\"; group = \"h\"; topics = [ \"t\" ]; } );\n";
static const char text_of_another[] = KAFKA
        "store = { url = \"postgresql:///other\"; };\nhandler = { deadline = \"20s\"; };\n"
        "workers = ( { name = \"a\"; plugin = \"q\"; group = \"other\"; topics = [ \"t\" ]; processes = 2; } );\n";

static struct {
        const char *file; /* what read() finds; NULL = a mistake */
        int reads, took;
        const char *object; /* the bytes of each plugin; NULL = it cannot be read */
        struct weir_family family;
        struct weir_process_env env;
        struct weir_reload reload;
} world;

/* ---- the calls -------------------------------------------------------------------------------- */

static inline void become(void *context, const struct weir_birth *birth)
{
        (void)context;
        (void)birth;
}

static inline int read_file(void *context, int pad)
{
        (void)context;
        return world.file ? weir_kept_write(pad, world.file, strlen(world.file)) : -1;
}

static inline struct weir_conf *parse_text(void *context, const char *text, size_t size,
                                           struct weir_error *reterr)
{
        struct weir_conf *conf = NULL;

        (void)context;
        weir_conf_parse("t.cfg", text, size, NULL, &conf, NULL, reterr);
        return conf;
}

static inline int image(void *context, const struct weir_conf *conf,
                        const struct weir_conf_worker *worker, struct weir_image **ret,
                        struct weir_error *reterr)
{
        int file = memfd_create("p", MFD_CLOEXEC), r;

        (void)context;
        (void)conf;
        ck_assert_int_ge(file, 0);
        if (!world.object)
                r = weir_fail(reterr, WEIR_EABI, 0, "worker %s: no plugin", worker->name);
        else
                r = weir_kept_write(file, world.object, strlen(world.object)) < 0
                            ? -1
                            : weir_image_copy(file, worker->plugin, 64, ret, reterr);
        close(file);
        return r;
}

static inline int unfit(void *context, const struct weir_error *error)
{
        (void)context;
        ck_abort_msg("%s", error->text);
}

static inline void took(void *context, const struct weir_conf *conf)
{
        (void)context;
        (void)conf;
        world.took++;
}

static const struct weir_supervisor_calls calls = { become, read_file, parse_text, image,
                                                    unfit,  took,      NULL };

/* ---- a family of three workers and the relay -------------------------------------------------------- */

static inline void setup(void)
{
        struct reading reading = parse(text_of_the_start);
        const struct weir_process *of;

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        memset(&world, 0, sizeof world);
        world.env.calls = &calls;
        ck_assert_int_eq(weir_reload_init(&world.reload, reading.conf, &world.family, &world.env),
                         0);
        ck_assert_int_eq(weir_family_init(&world.family, reading.conf, NULL), 0);
        ck_assert_uint_eq(world.family.count, 4);
        for (size_t i = 0; i < 4; i++)
                world.family.processes[i].child.state = WEIR_CHILD_RUNS;
        for (size_t i = 0; i < 3; i++)
                world.family.processes[i].child.board->ready = 1;
        world.file = text_of_another;
        world.object = "old";
        ck_assert_int_eq(weir_family_try_images(&world.family, world.env.conf, &calls, &of, NULL),
                         0);
        weir_family_take_images(&world.family);
}

static inline void teardown(void)
{
        weir_reload_fini(&world.reload);
        weir_family_fini(&world.family);
}

static inline struct weir_child *child(size_t index)
{
        return &world.family.processes[index].child;
}

static inline struct weir_board_offer *board(size_t index)
{
        return &child(index)->board->offer;
}

/* A process that is there to be told to end. */
static inline void begin_process(size_t index)
{
        signal(SIGTERM, SIG_DFL); /* check has a handler for it, which ends the test */
        child(index)->pid = fork();
        ck_assert_int_ge(child(index)->pid, 0);
        if (child(index)->pid == 0) {
                alarm(25);
                for (;;)
                        pause();
        }
}

static inline int end_process(size_t index, int number)
{
        int status = 0;

        if (number)
                kill(child(index)->pid, number);
        ck_assert_int_eq(waitpid(child(index)->pid, &status, 0), child(index)->pid);
        return WTERMSIG(status);
}

static inline void ask(void)
{
        int status = 0;
        pid_t reader;

        weir_reload_ask(&world.reload);
        reader = world.reload.reader;
        ck_assert_int_gt(reader, 0);
        ck_assert_int_eq(waitpid(reader, &status, 0), reader);
        ck_assert(!weir_reload_reaped(&world.reload, reader + 1, status));
        ck_assert(weir_reload_reaped(&world.reload, reader, status));
}

static inline void look(void)
{
        weir_reload_look(&world.reload, weir_clock_us());
}

static inline void prepare(size_t index)
{
        board(index)->prepared = board(index)->offered;
}

/* What process @index is started with, by its bytes. */
static inline bool works_by(size_t index, const char *object)
{
        const struct weir_image *image = world.family.processes[index].image;
        char *bytes;
        size_t size;
        bool is;

        ck_assert_int_eq(weir_kept_read(image->fd, 64, &bytes, &size), 0);
        is = strcmp(bytes, object) == 0;
        free(bytes);
        return is;
}

/* Nothing here, in a process, or for one that is started now, is of another file. */
static inline void nothing_changed(void)
{
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_NONE);
        ck_assert_ptr_eq(world.env.conf, world.reload.first);
        ck_assert_int_eq(world.env.texts.good, world.env.texts.first);
        ck_assert_int_eq(world.took, 0);
        for (size_t i = 0; i < 4; i++) {
                ck_assert_uint_eq(board(i)->go, 0);
                ck_assert_ptr_null(world.family.processes[i].next);
                ck_assert(i == 3 || works_by(i, "old"));
                ck_assert(world.family.processes[i].watch.deadline_us < 20 * SECOND_US);
                ck_assert(!world.family.processes[i].renewed);
        }
}

#endif

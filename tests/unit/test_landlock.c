/* SPDX-License-Identifier: MIT */
/* test_landlock - where a worker may write, and that it may nowhere else */
#include <limits.h>
#include <sys/prctl.h>

#include "conf_fixture.h"
#include "guard/landlock.h"
#include "guard_fixture.h"

/* What the kernel says, asked here once more. */
static int version(void)
{
        long r = syscall(444, NULL, 0, 1);

        return r > 0 ? (int)r : 0;
}

static struct weir_guard_part part;

static void apply_to(const struct weir_landlock_conf *conf)
{
        EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        weir_landlock_apply(conf, &part);
}

/* The tests below are of a kernel that has it; on another one the report says so, and that is all. */
static bool apply(const char *write_to, const char *sink, bool exec)
{
        const struct weir_landlock_conf conf = { .write = &write_to,
                                                 .write_count = write_to ? 1 : 0,
                                                 .files = &sink,
                                                 .file_count = sink ? 1 : 0,
                                                 .exec = exec };

        apply_to(&conf);
        EXPECT_STATE(part, version() > 0 ? WEIR_GUARD_ACTIVE : WEIR_GUARD_ABSENT);
        return version() > 0;
}

static int make_file(const char *path)
{
        return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static void write_everywhere(void)
{
        int before = open(in_scratch("open"), O_WRONLY | O_CREAT, 0600);

        put("out.old", "old");
        EXPECT(mkdir(in_scratch("in"), 0700) == 0 && mkdir(in_scratch("out"), 0700) == 0);
        if (!apply(in_scratch("in"), NULL, false))
                return;
        EXPECT(strstr(part.text, in_scratch("in")));
        /* inside */
        EXPECT(make_file(in_scratch("in/a")) >= 0);
        EXPECT(mkdir(in_scratch("in/d"), 0700) == 0);
        EXPECT(rename(in_scratch("in/a"), in_scratch("in/b")) == 0);
        EXPECT(version() < 2 || rename(in_scratch("in/b"), in_scratch("in/d/b")) == 0);
        EXPECT(version() < 2 || truncate(in_scratch("in/d/b"), 0) == 0);
        EXPECT(version() < 2 || unlink(in_scratch("in/d/b")) == 0);
        EXPECT(symlink("x", in_scratch("in/l")) == 0);
        EXPECT(version() < 2 || rmdir(in_scratch("in/d")) == 0);
        /* outside */
        EXPECT_ERRNO(make_file(in_scratch("out/a")), EACCES);
        EXPECT_ERRNO(make_file(in_scratch("in/../out/a")), EACCES);
        EXPECT_ERRNO(mkdir(in_scratch("out/d"), 0700), EACCES);
        EXPECT_ERRNO(mkfifo(in_scratch("out/f"), 0600), EACCES);
        EXPECT_ERRNO(symlink("x", in_scratch("out/l")), EACCES);
        EXPECT_ERRNO(open(in_scratch("out.old"), O_WRONLY | O_CLOEXEC), EACCES);
        EXPECT_ERRNO(open(in_scratch("out.old"), O_RDWR | O_APPEND | O_CLOEXEC), EACCES);
        EXPECT_ERRNO(unlink(in_scratch("out.old")), EACCES);
        EXPECT_ERRNO(rmdir(in_scratch("out")), EACCES);
        EXPECT(rename(in_scratch("in/l"), in_scratch("out/l")) == -1);
        EXPECT(link(in_scratch("out.old"), in_scratch("in/hard")) == -1);
        EXPECT(version() < 3 || truncate(in_scratch("out.old"), 0) == -1);
        EXPECT_ERRNO(make_file("/weir-test-landlock"), EACCES);
        EXPECT_ERRNO(open("/dev/full", O_WRONLY | O_CLOEXEC), EACCES);
        /* LK3: what is open stays open, what may be read may be read */
        EXPECT(write(before, "x", 1) == 1);
        EXPECT(open(in_scratch("out.old"), O_RDONLY | O_CLOEXEC) >= 0);
        EXPECT(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
        EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
}

START_TEST(LK1_files_are_written_below_what_is_allowed_and_nowhere_else)
{
        in_process(write_everywhere);
}
END_TEST

static void write_from_a_child(void)
{
        int status = 0;
        pid_t child;

        if (!apply(NULL, NULL, false))
                return;
        EXPECT(strstr(part.text, "/dev/null only"));
        child = fork();
        if (child == 0)
                _exit(make_file(in_scratch("x")) == -1 && errno == EACCES ? 3 : 4);
        EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
}

START_TEST(LK1_a_child_process_is_inside_too)
{
        in_process(write_from_a_child);
}
END_TEST

static int run(const char *path)
{
        int status = 0;
        pid_t child = fork();

        if (child == 0) {
                execl(path, "true", (char *)NULL);
                _exit(errno == EACCES ? 99 : 98);
        }
        EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void copy_program(const char *to)
{
        int status = 0;
        pid_t child = fork();

        if (child == 0) {
                execlp("install", "install", "-m", "755", "/bin/true", to, (char *)NULL);
                _exit(98);
        }
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void run_a_program(void)
{
        EXPECT(mkdir(in_scratch("in"), 0700) == 0);
        copy_program(in_scratch("in/mine"));
        EXPECT(run(in_scratch("in/mine")) == 0);
        if (!apply(in_scratch("in"), NULL, false))
                return;
        EXPECT(run("/bin/true") == 99);
        EXPECT(run(in_scratch("in/mine")) == 99);
}

static void run_an_allowed_program(void)
{
        if (apply(NULL, NULL, true))
                EXPECT(run("/bin/true") == 0);
}

START_TEST(LK2_no_file_is_a_program_without_sandbox_exec)
{
        in_process(run_a_program);
        in_process(run_an_allowed_program);
}
END_TEST

static void signal_others(void)
{
        int ready[2], status = 0;
        pid_t child;
        char byte;

        EXPECT(pipe(ready) == 0);
        child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
                signal(SIGTERM, SIG_DFL);
                if (apply(NULL, NULL, false) && version() >= 6) {
                        EXPECT_ERRNO(kill(getppid(), 0), EPERM);
                        EXPECT_ERRNO(kill(getppid(), SIGKILL), EPERM);
                }
                EXPECT(kill(getpid(), 0) == 0);
                EXPECT(write(ready[1], "r", 1) == 1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        EXPECT(read(ready[0], &byte, 1) == 1);
        EXPECT(kill(child, SIGTERM) == 0); /* the supervisor can */
        EXPECT(waitpid(child, &status, 0) == child);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

START_TEST(LK4_a_worker_cannot_end_its_supervisor)
{
        in_process(signal_others);
}
END_TEST

/* ---- files of sinks ------------------------------------------------------------------------- */

static int append(const char *path) /* as lib/side/send_file.c does */
{
        int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
        int good = fd >= 0 && write(fd, "x\n", 2) == 2 ? 0 : -1;

        if (fd >= 0)
                close(fd);
        return good;
}

static void write_a_sink(void)
{
        char path[256];

        EXPECT(mkdir(in_scratch("logs"), 0700) == 0);
        put("logs/other", "other");
        snprintf(path, sizeof path, "%s", in_scratch("logs/lines"));
        if (!apply(NULL, path, false))
                return;
        EXPECT(append(path) == 0 && append(path) == 0);
        EXPECT_ERRNO(unlink(path), EACCES);
        EXPECT_ERRNO(unlink(in_scratch("logs/other")), EACCES);
        EXPECT_ERRNO(mkdir(in_scratch("logs/d"), 0700), EACCES);
        EXPECT_ERRNO(append(in_scratch("elsewhere")), EACCES);
}

static int go[2], gone[2];

/* Stays outside of the fence, and does what a rotation or an administrator does. */
static void start_helper(int (*does)(const char *path), const char *path)
{
        char byte;

        EXPECT(pipe(go) == 0 && pipe(gone) == 0);
        if (fork() == 0) {
                if (read(go[0], &byte, 1) != 1 || does(path) != 0)
                        _exit(1);
                _exit(write(gone[1], "g", 1) != 1);
        }
        close(gone[1]);
}

static void ask_helper(void)
{
        char byte;

        EXPECT(write(go[1], "g", 1) == 1 && read(gone[0], &byte, 1) == 1);
}

static int put_aside(const char *path)
{
        char to[260];

        snprintf(to, sizeof to, "%s.1", path);
        return rename(path, to);
}

static int make_directory(const char *path)
{
        return mkdir(path, 0700);
}

static void rotate_a_sink(void)
{
        char path[256];

        snprintf(path, sizeof path, "%s", put("lines", "old\n"));
        start_helper(put_aside, path);
        if (!apply(NULL, path, false))
                return;
        EXPECT(append(path) == 0);
        ask_helper();
        EXPECT(append(path) == 0);
}

static void follow_a_link_of_a_sink(void)
{
        char path[256];

        EXPECT(mkdir(in_scratch("a"), 0700) == 0 && mkdir(in_scratch("b"), 0700) == 0);
        put("b/real", "old\n");
        snprintf(path, sizeof path, "%s", in_scratch("a/link"));
        EXPECT(symlink("../b/real", path) == 0);
        if (!apply(NULL, path, false))
                return;
        EXPECT(append(path) == 0);
        EXPECT_ERRNO(append(in_scratch("a/new")), EACCES);
}

static void wait_for_a_directory(void)
{
        char path[256];

        start_helper(make_directory, in_scratch("missing"));
        snprintf(path, sizeof path, "%s", in_scratch("missing/lines"));
        if (!apply(NULL, path, false))
                return;
        EXPECT_ERRNO(append(path), ENOENT);
        ask_helper();
        EXPECT(append(path) == 0);
}

START_TEST(the_file_of_a_sink_is_made_written_and_made_anew)
{
        in_process(write_a_sink);
        in_process(rotate_a_sink);
        in_process(follow_a_link_of_a_sink);
        in_process(wait_for_a_directory);
}
END_TEST

static void write_to_a_pipe(void)
{
        int ends[2];

        EXPECT(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
        EXPECT(mkfifo(in_scratch("fifo"), 0600) == 0 && mkdir(in_scratch("d"), 0700) == 0);
        if (!apply(NULL, "/dev/stdout", false))
                return;
        EXPECT(open("/dev/stdout", O_WRONLY | O_APPEND | O_CLOEXEC) >= 0);
        EXPECT_ERRNO(open("/dev/full", O_WRONLY | O_CLOEXEC),
                     EACCES); /* /dev is not allowed with it */
}

static void write_to_a_fifo(void)
{
        char path[256];
        int reader;

        snprintf(path, sizeof path, "%s", in_scratch("fifo"));
        EXPECT(mkfifo(path, 0600) == 0);
        reader = open(path, O_RDONLY | O_NONBLOCK);
        if (!apply(NULL, path, false))
                return;
        EXPECT(open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK) >= 0);
        EXPECT_ERRNO(append(in_scratch("beside")), EACCES);
        close(reader);
}

START_TEST(a_sink_that_is_no_regular_file_opens_nothing_else)
{
        in_process(write_to_a_pipe);
        remove_scratch(), make_scratch();
        in_process(write_to_a_fifo);
}
END_TEST

/* ---- what is reported ----------------------------------------------------------------------- */

static void name_what_is_missing(void)
{
        const char *absent = in_scratch("absent"), *far = in_scratch("absent/too/far");
        const struct weir_landlock_conf places = { .write = &absent, .write_count = 1 };
        const struct weir_landlock_conf files = { .files = &far, .file_count = 1 };

        if (version() == 0)
                return;
        apply_to(&places);
        EXPECT_STATE(part, WEIR_GUARD_FAILED);
        EXPECT(strstr(part.text, absent) && strstr(part.text, "make it, or take it out"));
        apply_to(&files);
        EXPECT_STATE(part, WEIR_GUARD_FAILED);
        EXPECT(strstr(part.text, far) && strstr(part.text, "make it"));
        EXPECT(make_file(in_scratch("still")) >= 0); /* nothing was put up */
}

START_TEST(a_place_that_is_not_there_is_named)
{
        in_process(name_what_is_missing);
}
END_TEST

static void allow_everything(void)
{
        if (apply("/", NULL, false))
                EXPECT(make_file(in_scratch("x")) >= 0);
}

static void say_much(void)
{
        const char *places[40];
        const struct weir_landlock_conf conf = { .write = places, .write_count = 40 };

        for (size_t i = 0; i < 40; i++)
                places[i] = scratch;
        apply_to(&conf);
        EXPECT_STATE(part, version() > 0 ? WEIR_GUARD_ACTIVE : WEIR_GUARD_ABSENT);
        EXPECT(version() == 0 || strstr(part.text, "…, /dev/null"));
}

START_TEST(any_list_is_reported_in_bounds)
{
        in_process(allow_everything);
        in_process(say_much);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("landlock");
        TCase *tcase = tcase_create("landlock");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, LK1_files_are_written_below_what_is_allowed_and_nowhere_else);
        tcase_add_test(tcase, LK1_a_child_process_is_inside_too);
        tcase_add_test(tcase, LK2_no_file_is_a_program_without_sandbox_exec);
        tcase_add_test(tcase, LK4_a_worker_cannot_end_its_supervisor);
        tcase_add_test(tcase, the_file_of_a_sink_is_made_written_and_made_anew);
        tcase_add_test(tcase, a_sink_that_is_no_regular_file_opens_nothing_else);
        tcase_add_test(tcase, a_place_that_is_not_there_is_named);
        tcase_add_test(tcase, any_list_is_reported_in_bounds);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

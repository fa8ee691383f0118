/* SPDX-License-Identifier: MIT */
/*
 * hostile - a plugin that does what plugins must not, on demand, for the tests of the supervisor
 *
 * The type of an event says what: hostile.segfault, .abort, .overflow, .exit, .loop, .sleep, .leak, .finish (the
 * connection), .close (its socket), .disconnect (it, once), .commit, .write, .thread, .thread_dies,
 * .trap, .null (a call through a pointer), .usr1 (a signal that nobody handles), .descriptors (all closed), .limits (of the supervisor), .fork, .hold (all memory, once, and returns),
 * .large (a statement of 4 MiB). Any other type leaves a row in hostile.event and a line in the file of the option
 * "calls" (id, process), which no rollback takes back: it tells how often an event was in the handler.
 * Options: calls = file; sleep_ms = of hostile.sleep (default 600000); die = in open(); refuse = open() fails;
 * hang = open() does not return as long as that file is there.
 * The version is "hostile-1", once in the file: a copy with other digits is another version of the same plugin; open() of
 * hostile-8 aborts, and that of hostile-9 ends the process without a sign.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/worker.h>

struct hostile {
        struct weir_table *events;
        const char *calls;
        int64_t sleep_ms;
};

/* By this name in the stack. */
__attribute__((noinline)) static void hostile_hang(void)
{
        const struct timespec rest = { .tv_nsec = 10000000 };

        nanosleep(&rest, NULL);
}

static const char hostile_version[] = "hostile-1";

static int hostile_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        static const char *const columns[] = {
                "id", "topic", "partition", "offset", "attempt", NULL
        };
        struct hostile *hostile = calloc(1, sizeof *hostile);
        const volatile char *version = hostile_version; /* as it is in the file by now */
        bool die = version[8] == '8', refuse = false;
        const char *hang = NULL;
        int r;

        if (!hostile)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        hostile->sleep_ms = 600000;
        r = host->option_text(host, "calls", &hostile->calls, reterr);
        if (r >= 0)
                r = host->option_int(host, "sleep_ms", &hostile->sleep_ms, reterr);
        if (r >= 0)
                r = host->option_bool(host, "die", &die, reterr);
        if (r >= 0)
                r = host->option_bool(host, "refuse", &refuse, reterr);
        if (r >= 0)
                r = host->option_text(host, "hang", &hang, reterr);
        while (r >= 0 && hang && access(hang, F_OK) == 0)
                hostile_hang();
        if (r >= 0 && version[8] == '9')
                _exit(0);
        if (r >= 0 && die)
                abort();
        if (r >= 0 && refuse)
                r = weir_refuse(WEIR_ECONF, reterr, "%s: told to refuse",
                                host->option_where(host, "refuse"));
        if (r >= 0)
                r = weir_host_table(host, "hostile.event", columns, &hostile->events, reterr);
        if (r < 0)
                free(hostile);
        else
                *ret_self = hostile;
        return r < 0 ? r : 0;
}

static void hostile_close(void *self)
{
        free(self);
}

static void note_call(const char *file, const struct weir_event *event)
{
        char line[160];
        int size = snprintf(line, sizeof line, "%.100s %ld\n", event->id.ptr, (long)getpid());
        int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, line, (size_t)size) != size)
                abort();
        close(fd);
}

/* ---- what plugins must not ---------------------------------------------------------------------- */

static volatile int zero, deeper = 1;

__attribute__((noinline)) static void hostile_segfault(void)
{
        *(volatile int *)(intptr_t)zero = 1;
}

__attribute__((noinline)) static int hostile_overflow(int depth)
{
        volatile char room[4096];
        int below = 0;

        room[0] = (char)depth;
        if (deeper)
                below = hostile_overflow(depth + 1);
        return below + room[0];
}

static void (*volatile nothing)(void);
static volatile int calls_of_nothing;

__attribute__((noinline)) static void hostile_null(void)
{
        nothing();
        calls_of_nothing++; /* else the call would be a jump, with another caller */
}

/* Lanes have it blocked. */
static void hostile_usr1(void)
{
        sigset_t one;

        sigemptyset(&one);
        sigaddset(&one, SIGUSR1);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
        raise(SIGUSR1);
}

static void hostile_loop(void)
{
        while (!zero)
                ;
}

static void hostile_sleep(int64_t ms)
{
        struct timespec rest = { .tv_sec = (time_t)(ms / 1000),
                                 .tv_nsec = (long)(ms % 1000) * 1000000 };

        while (nanosleep(&rest, &rest) != 0)
                continue;
}

/* Until the memory ends, and then as careless programs do. */
/* The limit counts what could be used: to write to all of it would take longer than handler.deadline on a busy machine. */
static void hostile_leak(void)
{
        for (;;) {
                size_t size = (size_t)16 * 1024 * 1024;
                char *block = malloc(size);

                memset(block, 1, 4096);
        }
}

/* All that there is but for the crumbs, on which libraries live that would abort without; once, as told by a file beside
 * the one of the calls. */
static void hostile_hold(const char *calls)
{
        char path[1024];
        int fd;

        snprintf(path, sizeof path, "%s.held", calls ? calls : "");
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        close(fd);
        for (size_t size = (size_t)16 * 1024 * 1024; size >= 1024 * 1024; size /= 2)
                while (malloc(size)) /* NOLINT: meant */
                        continue;
}

static int hostile_large(struct weir_tx *tx, struct weir_error *reterr)
{
        static char text[4 * 1024 * 1024];

        memset(text, 'x', sizeof text - 1);
        return weir_tx_exec(tx, "SELECT length($1)", reterr, weir_text_z(text));
}

static void *idle_thread(void *arg)
{
        hostile_sleep(600000);
        return arg;
}

static void *deadly_thread(void *arg)
{
        hostile_sleep(300);
        hostile_segfault();
        return arg;
}

/* With the libpq that weir's process has: a test plugin is linked with nothing. */
static void *libpq(const char *name)
{
        void *pq = dlopen("libpq.so.5", RTLD_LAZY | RTLD_NOLOAD), *function;

        if (!pq)
                abort();
        function = dlsym(pq, name);
        dlclose(pq);
        return function;
}

static void hostile_commit(void *conn)
{
        void *(*exec)(void *, const char *) = NULL;
        void (*clear)(void *) = NULL;

        *(void **)&exec = libpq("PQexec");
        *(void **)&clear = libpq("PQclear");
        clear(exec(conn, "COMMIT"));
}

static void hostile_finish(void *conn)
{
        void (*finish)(void *) = NULL;

        *(void **)&finish = libpq("PQfinish");
        finish(conn);
}

static int socket_of(void *conn)
{
        int (*get)(const void *) = NULL;

        *(void **)&get = libpq("PQsocket");
        return get(conn);
}

/* As a network that breaks once. */
static void hostile_disconnect(void *conn)
{
        static int times;

        if (times++ == 0)
                shutdown(socket_of(conn), SHUT_RDWR);
}

/* Of its supervisor: a log without a byte. */
static void hostile_limits(void)
{
        const struct rlimit none = { 0, 0 };

        prlimit(getppid(), RLIMIT_FSIZE, &none, NULL);
}

/* It goes on after this where nobody ends it. */
static void hostile_trap(void)
{
#ifdef __x86_64__
        __asm__ volatile("int3");
#else
        raise(SIGTRAP);
#endif
}

/* What is left of it shall not outlive its worker. */
static void hostile_fork(void)
{
        if (fork() == 0)
                for (;;)
                        pause();
}

static int misbehave(struct hostile *hostile, struct weir_tx *tx, const struct weir_event *event,
                     const char *how, struct weir_error *reterr)
{
        pthread_t thread;

        if (!strcmp(how, "segfault"))
                hostile_segfault();
        else if (!strcmp(how, "abort"))
                abort();
        else if (!strcmp(how, "overflow"))
                return hostile_overflow(0);
        else if (!strcmp(how, "exit"))
                exit(0); /* NOLINT: meant */
        else if (!strcmp(how, "trap"))
                hostile_trap();
        else if (!strcmp(how, "null"))
                hostile_null();
        else if (!strcmp(how, "usr1"))
                hostile_usr1();
        else if (!strcmp(how, "descriptors"))
                syscall(SYS_close_range, 3, ~0u, 0);
        else if (!strcmp(how, "limits"))
                hostile_limits();
        else if (!strcmp(how, "fork"))
                hostile_fork();
        else if (!strcmp(how, "loop"))
                hostile_loop();
        else if (!strcmp(how, "sleep"))
                hostile_sleep(hostile->sleep_ms);
        else if (!strcmp(how, "leak"))
                hostile_leak();
        else if (!strcmp(how, "large"))
                return hostile_large(tx, reterr);
        else if (!strcmp(how, "hold"))
                hostile_hold(hostile->calls);
        else if (!strcmp(how, "finish"))
                hostile_finish(weir_tx_connection(tx));
        else if (!strcmp(how, "close"))
                close(socket_of(weir_tx_connection(tx)));
        else if (!strcmp(how, "disconnect"))
                hostile_disconnect(weir_tx_connection(tx));
        else if (!strcmp(how, "commit"))
                hostile_commit(weir_tx_connection(tx));
        else if (!strcmp(how, "write"))
                *(char *)(intptr_t)event->id.ptr = 'X';
        else if (!strcmp(how, "thread") && pthread_create(&thread, NULL, idle_thread, NULL) == 0)
                pthread_detach(thread);
        else if (!strcmp(how, "thread_dies") &&
                 pthread_create(&thread, NULL, deadly_thread, NULL) == 0)
                pthread_detach(thread);
        return 0;
}

static int hostile_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                          struct weir_error *reterr)
{
        struct hostile *hostile = self;
        struct weir_view id = event->id;

        if (hostile->calls)
                note_call(hostile->calls, event);
        if (weir_tx_append(tx, hostile->events, reterr, weir_text(id), weir_text_z(event->topic),
                           weir_int4(event->partition), weir_int8(event->offset),
                           weir_int4(event->attempt)) < 0)
                return reterr->code;
        if (strncmp(event->type.ptr, "hostile.", 8) == 0)
                return misbehave(hostile, tx, event, event->type.ptr + 8, reterr) < 0 ? reterr->code
                                                                                      : WEIR_DONE;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "hostile", .version = hostile_version, .open = hostile_open,
            .handle = hostile_handle, .close = hostile_close)

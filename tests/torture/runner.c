/* SPDX-License-Identifier: MIT */
/*
 * runner - every test once for every call that may fail, with that call failing
 *
 * First a test runs as it is, and the calls of weir's are counted: allocations, what goes to PostgreSQL, librdkafka. Then it runs
 * for each n of each kind, once with the n-th alone failing and once with all from the n-th on, in a process of its own.
 *
 * What is judged    is weir, not the test, and only what can be judged without knowing what a test is about:
 *     fails         a signal, an assert() of weir's, a sanitizer's finding; a block that weir allocated and that nobody
 *                   points to any more, looked for at the very place where a check fails (what a test holds in its hands then is
 *                   no leak) or behind the test; a test that does not end although one call alone failed.
 *     passes        the test came to its end with all of its checks true: weir did without that call, and its output was
 *                   checked by the test; or a check failed, or the test fell over what it was not given (its own frame is
 *                   the first one): weir said no, and nothing worse.
 * What is not       a wrong success that no check of the test would see; and whether a failed check means that weir reported the
 *                   failure: a test asserts the one result that it is about. So both numbers are printed apart.
 * Waiting           for PostgreSQL, Kafka and memory weir waits for ever, by design: where all calls fail from one on, a test that does
 *                   not end counts as "waits", not as a failure. So does a test that waits itself, in a call of its own, for what
 *                   weir did not do.
 * How much          TORTURE_EVERY=k: only every k-th n, beginning at one that TORTURE_SEED and the test decide. TORTURE_PLACES=p: of
 *                   a test and kind p of them at most, evenly. Both choose the same places on every machine; TORTURE_FRESH is a
 *                   second seed, by which a third as many come on top. TORTURE_MS does not: for a test and kind not longer than that, by
 *                   taking every k-th on the way; 0 = all. What was left out is printed.
 * Again             TORTURE_TEST=name TORTURE_AT=query:740 is one place of one test.
 * Database          a test that is broken off leaves rows. Where the next one then ends before its call came, the database is made
 *                   anew from a copy (database.c), and it runs again.
 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

enum { REFUSED = 77, FOUND = 86 /* exitcode= of the sanitizers, in run.sh */, LEAKED = 87 };
enum outcome { PASSED, CHECKED, WAITED, CRASHED, LEAK, HUNG };
static const char *const outcome_names[] = { "passed",  "refused", "waits",
                                             "CRASHED", "LEAK",    "HANGS" };

#define SAID_BYTES (256 * 1024)
#define LIMIT_MS 40000 /* a test waits for 20 s at most, most of them for 4 s here (WAIT_S) */
#define LAST_WORDS_MS 2000

struct torture_page *torture_page;

static const char *const kind_names[] = {
#define TORTURE_NAME(name, text) text,
        TORTURE_KINDS(TORTURE_NAME)
#undef TORTURE_NAME
};

static struct {
        unsigned long seed, fresh, every, most, budget_ms;
        const char *only;
        char kind; /* TORTURE_AT: the first letter of one, and a place of it */
        long at;
        unsigned long runs[HUNG + 1], places, left_out;
        bool database; /* there is one, and a copy */
        int said;      /* what the process in hand says, in a file without a name */
} run;

bool torture_fails(enum torture_kind kind)
{
        struct torture_page *page = torture_page;
        long n;

        if (!page || !page->test)
                return false;
        n = atomic_fetch_add(&page->calls[kind], 1) + 1;
        if (page->kind != (int)kind || n < page->at || (n > page->at && !page->lasting))
                return false;
        atomic_fetch_add(&page->hits, 1);
        return true;
}

/* ---- in the process of the test --------------------------------------------------------------- */

/* Frames that have ended still hold pointers, and a search that finds one there takes the block for held. */
static __attribute__((noinline)) void wipe_stack(void)
{
        char below[64 * 1024];

        explicit_bzero(below, sizeof below);
}

static int leaks(void)
{
        torture_page->kind = -1; /* nothing fails any more */
        wipe_stack();
        return __lsan_do_recoverable_leak_check();
}

void runner_refuse(const char *why)
{
        if (!torture_page || torture_page->test != getpid())
                _exit(EXIT_FAILURE); /* a process that the test made */
        snprintf(torture_page->why, sizeof torture_page->why, "%s", why);
        _exit(leaks() ? LEAKED : REFUSED);
}

/* In objects of tests exit() and abort() are these. */
__attribute__((noreturn)) void torture_exit(int status);
__attribute__((noreturn)) void torture_exit(int status)
{
        if (torture_page && torture_page->test == getpid())
                runner_refuse("exit()");
        exit(status);
}

__attribute__((noreturn)) void torture_abort(void);
__attribute__((noreturn)) void torture_abort(void)
{
        if (torture_page && torture_page->test == getpid())
                runner_refuse("abort()");
        abort();
}

/* In objects of weir's: a rule of weir's own does not hold. */
__attribute__((noreturn)) void torture___assert_fail(const char *rule, const char *file,
                                                     unsigned line, const char *function);
__attribute__((noreturn)) void torture___assert_fail(const char *rule, const char *file,
                                                     unsigned line, const char *function)
{
        fprintf(stderr, "%s:%u: %s: assert(%s)\n", file, line, function, rule);
        if (torture_page)
                torture_page->asserted = true;
        abort();
}

static __attribute__((noreturn)) void be_the_test(const TCase *tcase, const TTest *test, int i)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        dup2(run.said, STDOUT_FILENO);
        dup2(run.said, STDERR_FILENO);
        torture_page->test = getpid();
        if (tcase->setup)
                tcase->setup();
        test->fn(i);
        if (tcase->teardown)
                tcase->teardown();
        _exit(leaks() ? LEAKED : EXIT_SUCCESS);
}

/* ---- one run ------------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A block of weir's among the leaks: its stack goes through one of our wrappers. */
static bool weir_leaks(const char *said)
{
        for (const char *p = said; (p = strstr(p, " leak of ")); p++) {
                const char *end = strstr(p, "\n\n"), *wrapper = strstr(p, " in torture_");

                if (wrapper && (!end || wrapper < end))
                        return true;
        }
        return false;
}

/* Is it the test itself that fell over what weir did not give it, or that waits? Its own frame is the first with a source. */
static bool test_fell(const char *said)
{
        const char *stack = strstr(said, "    #0 "), *source = stack;

        while (source && (source = strstr(source, " in "))) {
                const char *end = source + strcspn(source, "\n"), *path = source + 4;

                path += strcspn(path, " \n");
                if (strncmp(path, " tests/unit/", 12) == 0)
                        return true;
                if (strncmp(path, " lib/", 5) == 0 || strncmp(path, " cmd/", 5) == 0)
                        return false;
                source = end;
        }
        return false;
}

static const char *what_was_said(void)
{
        static char text[SAID_BYTES];
        ssize_t size = pread(run.said, text, sizeof text - 1, 0);

        text[size > 0 ? size : 0] = '\0';
        return text;
}

static enum outcome judge(int status, bool hung)
{
        if (hung)
                return torture_page->lasting || test_fell(what_was_said()) ? WAITED : HUNG;
        if (torture_page->asserted || WIFSIGNALED(status))
                return CRASHED;
        switch (WEXITSTATUS(status)) {
        case EXIT_SUCCESS: return PASSED;
        case LEAKED:
                return weir_leaks(what_was_said()) ? LEAK : torture_page->why[0] ? CHECKED : PASSED;
        case REFUSED: return CHECKED;
        default: /* FOUND, and what ended the process behind our back */
                return test_fell(what_was_said()) ? CHECKED : CRASHED;
        }
}

static enum outcome run_once(const TCase *tcase, const TTest *test, int i, int kind, long at,
                             bool lasting, int *ret_status)
{
        int64_t deadline_ms = now_ms() + LIMIT_MS;
        bool hung = false;
        pid_t child, group;

        memset(torture_page, 0, sizeof *torture_page);
        torture_page->kind = kind;
        torture_page->at = at;
        torture_page->lasting = lasting;
        if (ftruncate(run.said, 0) < 0 || lseek(run.said, 0, SEEK_SET) < 0)
                abort();
        fflush(NULL);
        child = fork();
        if (child < 0) {
                perror("fork");
                exit(EXIT_FAILURE);
        }
        if (child == 0)
                be_the_test(tcase, test, i);
        setpgid(child, child);
        group = -child;
        while (waitpid(child, ret_status, WNOHANG) == 0) {
                const struct timespec pause = { 0, 500000 };

                if (now_ms() > deadline_ms) { /* first so that ASan says where it was */
                        kill(hung ? group : child, hung ? SIGKILL : SIGSEGV);
                        hung = true;
                        deadline_ms += LAST_WORDS_MS;
                }
                nanosleep(&pause, NULL);
        }
        kill(group, SIGKILL); /* what it forked */
        torture_page->kind = kind;
        return judge(*ret_status, hung);
}

static void report(SRunner *runner, const TTest *test, int i, enum outcome outcome, int status)
{
        const char *said = what_was_said(), *from = strstr(said, "ERROR:");

        runner->failed++;
        printf("not ok  %s[%d]: the %ld. %s fails%s: %s (status %#x) %s\n%.6000s\n", test->name, i,
               torture_page->at, kind_names[torture_page->kind],
               torture_page->lasting ? ", and all that follow" : "", outcome_names[outcome], status,
               torture_page->why, from ? from : said);
        fflush(stdout);
}

/* ---- all of them --------------------------------------------------------------------------------- */

static unsigned long mix(unsigned long seed, const char *name, long more)
{
        unsigned long hash = 1469598103934665603u ^ seed;

        for (; *name; name++)
                hash = (hash ^ (unsigned char)*name) * 1099511628211u;
        return (hash ^ (unsigned long)more) * 1099511628211u >> 17;
}

/* One place, the call alone and with all that follow. */
static void take(SRunner *runner, const TCase *tcase, const TTest *test, int i, int kind, long at)
{
        bool hit = false;

        for (int lasting = 0; lasting < 2; lasting++) {
                int status = 0;
                enum outcome outcome = run_once(tcase, test, i, kind, at, lasting, &status);

                /* not there: stopped by what an earlier one left in the database, or it took another way */
                if (torture_page->hits == 0 && outcome == CHECKED && run.database) {
                        database_renew();
                        outcome = run_once(tcase, test, i, kind, at, lasting, &status);
                }
                hit = hit || torture_page->hits > 0;
                if (torture_page->hits == 0 && outcome <= CHECKED)
                        continue;
                run.runs[outcome]++;
                if (run.at)
                        printf("%s: %s\n%s\n", outcome_names[outcome], torture_page->why,
                               what_was_said());
                if (outcome >= CRASHED)
                        report(runner, test, i, outcome, status);
                else
                        runner->passed++;
        }
        run.places += hit;
}

/* The places of one seed, but for those that another has taken. */
static void torture_by(SRunner *runner, const TCase *tcase, const TTest *test, int i, int kind,
                       long count, unsigned long seed, unsigned long most, bool *taken)
{
        unsigned long step = run.every;
        int64_t began_ms = now_ms();
        long first;

        if (most && ((unsigned long)count + most - 1) / most > step)
                step = ((unsigned long)count + most - 1) / most;
        first = 1 + (long)(mix(seed, test->name, i + kind) % step);
        for (long at = first; at <= count; at += (long)step) {
                if (!taken[at])
                        take(runner, tcase, test, i, kind, at);
                taken[at] = true;
                /* too slow for all of them: larger steps from here on */
                if (run.budget_ms && at < count) {
                        int64_t spent_ms = now_ms() - began_ms + 1, done = at / (long)step + 1;
                        int64_t left_ms = (int64_t)run.budget_ms - spent_ms;
                        int64_t wanted = left_ms > 0 ? (count - at) * spent_ms / done / left_ms + 1
                                                     : count - at + 1;

                        if (wanted > (int64_t)step)
                                step = (unsigned long)wanted;
                }
        }
}

static void torture(SRunner *runner, const TCase *tcase, const TTest *test, int i, int kind,
                    long count)
{
        bool *taken;

        if (run.at) {
                if (run.kind == kind_names[kind][0])
                        take(runner, tcase, test, i, kind, run.at);
                return;
        }
        taken = calloc((size_t)count + 1, sizeof *taken);
        if (!taken)
                abort();
        torture_by(runner, tcase, test, i, kind, count, run.seed, run.most, taken);
        if (run.fresh)
                torture_by(runner, tcase, test, i, kind, count, run.fresh, (run.most + 2) / 3,
                           taken);
        for (long at = 1; at <= count; at++)
                run.left_out += !taken[at];
        free(taken);
}

static void run_test(SRunner *runner, const TCase *tcase, const TTest *test, int i)
{
        long counts[TORTURE_KIND_COUNT];
        enum outcome outcome = CHECKED;
        int status = 0;

        if (run.only && !strstr(test->name, run.only))
                return;
        /* thrice: where many run side by side, some come too late */
        for (int tries = 0; outcome != PASSED && tries < 3; tries++) {
                if (run.database)
                        database_renew();
                outcome = run_once(tcase, test, i, -1, 0, false, &status);
        }
        if (outcome != PASSED) {
                runner->failed++;
                printf("not ok  %s[%d] fails by itself (status %#x): %s\n%.3000s\n", test->name, i,
                       status, torture_page->why, what_was_said());
                return;
        }
        for (int kind = 0; kind < TORTURE_KIND_COUNT; kind++)
                counts[kind] = torture_page->calls[kind];
        for (int kind = 0; kind < TORTURE_KIND_COUNT; kind++)
                torture(runner, tcase, test, i, kind, counts[kind]);
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
        const char *text = getenv(name);

        return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

void runner_run(SRunner *runner)
{
        const char *program = program_invocation_short_name, *at = getenv("TORTURE_AT");

        run.seed = setting("TORTURE_SEED", 1);
        run.every = setting("TORTURE_EVERY", 1);
        run.every = run.every ? run.every : 1;
        run.fresh = setting("TORTURE_FRESH", 0);
        run.most = setting("TORTURE_PLACES", 0);
        run.budget_ms = setting("TORTURE_MS", 0);
        run.only = getenv("TORTURE_TEST");
        if (at && sscanf(at, "%c%*[^:]:%ld", &run.kind, &run.at) != 2) {
                fprintf(stderr,
                        "TORTURE_AT: write it as allocation:16, query:740 or librdkafka:3\n");
                exit(EXIT_FAILURE);
        }
        run.said = memfd_create("said", MFD_CLOEXEC);
        torture_page = mmap(NULL, sizeof *torture_page, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (run.said < 0 || torture_page == MAP_FAILED)
                abort();
        run.database = database_keep();
        for (size_t c = 0; c < runner->suite->count; c++) {
                const TCase *tcase = runner->suite->cases[c];

                if (tcase->before)
                        tcase->before();
                for (size_t t = 0; t < tcase->count; t++)
                        for (int i = tcase->tests[t].first; i < tcase->tests[t].end; i++)
                                run_test(runner, tcase, tcase->tests[t].test, i);
                if (tcase->after)
                        tcase->after();
        }
        if (run.database)
                database_forget();
        munmap(torture_page, sizeof *torture_page);
        torture_page = NULL;
        printf("%s: %lu places, %lu left out; %lu passed, %lu refused, %lu waits, %lu crashed, %lu leak, %lu hang\n",
               program, run.places, run.left_out, run.runs[PASSED], run.runs[CHECKED],
               run.runs[WAITED], run.runs[CRASHED], run.runs[LEAK], run.runs[HUNG]);
        printf("%lu passed, %lu failed\n", runner->passed, runner->failed);
}

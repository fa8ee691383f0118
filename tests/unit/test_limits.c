/* SPDX-License-Identifier: MIT */
/* test_limits - memory ends at the limit, no core is left, nobody outlives his supervisor */
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "conf_fixture.h"
#include "guard/limits.h"
#include "guard_fixture.h"
#include "wait_fixture.h"

#define MIB(n) ((size_t)(n) << 20)

static struct weir_guard_part parts[WEIR_LIMITS_PARTS];

static void *touch(void *arg)
{
        char *p = malloc(MIB(8));

        EXPECT(p);
        memset(p, 1, MIB(8));
        free(p);
        return arg;
}

static void reach_the_limit(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(256) };
        void *volatile p, *volatile more;
        pthread_t thread;

        weir_limits_apply(&conf, parts);
        if (SHADOW) {
                EXPECT_STATE(parts[WEIR_LIMITS_MEMORY], WEIR_GUARD_ABSENT);
                return;
        }
        EXPECT_STATE(parts[WEIR_LIMITS_MEMORY], WEIR_GUARD_ACTIVE);
        EXPECT(strstr(parts[WEIR_LIMITS_MEMORY].text, "256 MiB"));
        p = malloc(MIB(128));
        EXPECT(p);
        more = malloc(MIB(200));
        EXPECT(!more);
        free(p);
        p = malloc(MIB(200)); /* what was given back can be had again */
        EXPECT(p);
        free(p);
        for (int i = 0; i < 16; i++) { /* arenas set addresses aside, which must not count */
                EXPECT(pthread_create(&thread, NULL, touch, NULL) == 0);
                EXPECT(pthread_join(thread, NULL) == 0);
        }
}

START_TEST(LM1_what_goes_beyond_the_limit_is_refused)
{
        in_process(reach_the_limit);
}
END_TEST

static void live_on_nothing(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = 4096 };

        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_MEMORY], SHADOW ? WEIR_GUARD_ABSENT : WEIR_GUARD_FAILED);
        EXPECT(SHADOW || strstr(parts[WEIR_LIMITS_MEMORY].text, "raise memory.limit"));
}

START_TEST(a_limit_that_nobody_can_live_with_is_said_at_once)
{
        in_process(live_on_nothing);
}
END_TEST

/* Does a crash in @before's process leave a core? */
static bool leaves_core(void (*before)(void))
{
        int status = 0;
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0) {
                struct rlimit limit;

                EXPECT(chdir(scratch) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0);
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_CORE, &limit);
                if (before)
                        before();
                signal(SIGABRT, SIG_DFL);
                abort();
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        return WCOREDUMP(status);
}

static void keep_no_core(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096) };
        struct rlimit limit;

        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_CORE], WEIR_GUARD_ACTIVE);
        EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
        EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0); /* what a pipe of core_pattern asks */
}

static void keep_a_core(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096), .core = true };
        struct rlimit before, after;

        EXPECT(getrlimit(RLIMIT_CORE, &before) == 0);
        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_CORE], WEIR_GUARD_OFF);
        EXPECT(getrlimit(RLIMIT_CORE, &after) == 0 && after.rlim_cur == before.rlim_max);
        EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
}

static void refuse_for_now(void)
{
        EXPECT(weir_limits_core(false) == 0);
        EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void refuse_and_take_back(void)
{
        refuse_for_now();
        EXPECT(weir_limits_core(true) == 0);
}

/* What it starts decides for itself: a supervisor's refusal does not hold its workers. */
static void refuse_and_start_a_worker(void)
{
        refuse_for_now();
        keep_a_core();
}

START_TEST(LM2_a_supervisor_leaves_no_core_and_its_workers_decide_for_themselves)
{
        bool possible = leaves_core(NULL);

        ck_assert(!leaves_core(refuse_for_now));
        ck_assert_int_eq(leaves_core(refuse_and_take_back), possible);
        ck_assert_int_eq(leaves_core(refuse_and_start_a_worker), possible);
}
END_TEST

START_TEST(LM2_a_crash_leaves_no_core_unless_it_is_asked_for)
{
        bool possible = leaves_core(NULL);

        ck_assert(!leaves_core(keep_no_core));
        ck_assert_int_eq(leaves_core(keep_a_core), possible);
}
END_TEST

/* ---- the supervisor ------------------------------------------------------------------------- */

static int told[2]; /* from the worker to the test */

static void on_alarm(int signal_number)
{
        (void)signal_number;
        if (write(told[1], "x", 1) == 1)
                _exit(1);
        _exit(2);
}

static void be_a_worker(pid_t supervisor)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096),
                                               .supervisor = supervisor };

        signal(SIGALRM, on_alarm);
        signal(SIGTERM, SIG_DFL); /* Check's would end the test too */
        alarm(20);
        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_PARENT], WEIR_GUARD_ACTIVE);
        EXPECT(write(told[1], "r", 1) == 1);
        for (;;)
                pause();
}

START_TEST(LM3_a_worker_ends_with_its_supervisor)
{
        pid_t supervisor;
        char byte = 0;

        ck_assert_int_eq(pipe(told), 0);
        supervisor = fork();
        ck_assert_int_ge(supervisor, 0);
        if (supervisor == 0) {
                pid_t self = getpid();

                if (fork() == 0)
                        be_a_worker(self);
                close(told[1]);
                for (;;)
                        pause();
        }
        close(told[1]);
        ck_assert_int_eq(read(told[0], &byte, 1), 1);
        ck_assert_int_eq(byte, 'r');
        ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
        ck_assert_int_eq(read(told[0], &byte, 1),
                         0); /* its end of the pipe was closed: it is gone */
        ck_assert_int_eq(waitpid(supervisor, NULL, 0), supervisor);
}
END_TEST

START_TEST(LM3_an_orphan_notices_that_it_was_too_late)
{
        pid_t supervisor;
        char byte = 0;

        ck_assert_int_eq(pipe(told), 0);
        supervisor = fork();
        ck_assert_int_ge(supervisor, 0);
        if (supervisor == 0) {
                pid_t self = getpid();

                if (fork() == 0) {
                        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096),
                                                               .supervisor = self };
                        int64_t deadline_us = wait_deadline_us();

                        while (getppid() == self && wait_more(deadline_us))
                                ;
                        weir_limits_apply(&conf, parts);
                        EXPECT_STATE(parts[WEIR_LIMITS_PARENT], WEIR_GUARD_FAILED);
                        EXPECT(strstr(parts[WEIR_LIMITS_PARENT].text, "has ended"));
                        EXPECT(write(told[1], "o", 1) == 1);
                        _exit(0);
                }
                _exit(0);
        }
        close(told[1]);
        ck_assert_int_eq(waitpid(supervisor, NULL, 0), supervisor);
        ck_assert_int_eq(read(told[0], &byte, 1), 1);
        ck_assert_int_eq(byte, 'o');
}
END_TEST

static void stand_alone(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096) };

        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_PARENT], WEIR_GUARD_OFF);
        EXPECT_STATE(parts[WEIR_LIMITS_PRIVILEGES], WEIR_GUARD_ACTIVE);
        EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

START_TEST(LM4_no_rights_are_gained_and_without_a_supervisor_nobody_is_followed)
{
        in_process(stand_alone);
}
END_TEST

static int raw_socket(void)
{
        return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

/* As root: /bin/sh of root's is told what it has. */
static bool a_program_has_capabilities(void)
{
        return WEXITSTATUS(system("while read -r name value; do [ \"$name\" = CapPrm: ] && "
                                  "[ $((0x$value & ~4)) != 0 ] && exit 7; done "
                                  "</proc/self/status; exit 0")) == 7;
}

static void give_up(void)
{
        const struct weir_limits_conf conf = { .memory_bytes = MIB(4096) };
        bool could = raw_socket() >= 0;

        EXPECT(!could || geteuid() != 0 || a_program_has_capabilities());
        weir_limits_apply(&conf, parts);
        EXPECT_STATE(parts[WEIR_LIMITS_PRIVILEGES], WEIR_GUARD_ACTIVE);
        EXPECT(raw_socket() < 0);
        EXPECT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13 /* CAP_NET_RAW */, 0, 0) == 0);
        EXPECT(!could || prctl(PR_CAPBSET_READ, 13, 0, 0, 0) == 0);
        EXPECT(!a_program_has_capabilities());
        EXPECT(geteuid() != 0 || strstr(parts[WEIR_LIMITS_PRIVILEGES].text, "root"));
        EXPECT(geteuid() != 0 || chown(scratch, 1, 1) == -1);
}

static void give_up_as_another(void)
{
        EXPECT(setuid(65534) == 0);
        give_up();
        EXPECT(strstr(parts[WEIR_LIMITS_PRIVILEGES].text, "no capabilities"));
}

START_TEST(LM5_root_inside_the_fence_has_no_capabilities)
{
        in_process(give_up);
        if (geteuid() == 0)
                in_process(give_up_as_another);
}
END_TEST

/* ---- what there is -------------------------------------------------------------------------- */

static void put_below(const char *path, const char *text)
{
        char directory[PATH_MAX];

        snprintf(directory, sizeof directory, "%s/%s", scratch, path);
        for (char *p = directory + strlen(scratch) + 1; (p = strchr(p, '/')) != NULL; p++) {
                *p = '\0';
                mkdir(directory, 0755);
                *p = '/';
        }
        put(path, text);
}

START_TEST(the_least_limit_above_us_counts)
{
        put_below("proc/self/cgroup", "0::/a.slice/b.service\n");
        put_below("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == UINT64_MAX);
        put_below("sys/fs/cgroup/a.slice/memory.max", "3000000\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == 3000000);
        put_below("sys/fs/cgroup/a.slice/b.service/memory.max", "2000000\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == 2000000);
        put_below("sys/fs/cgroup/memory.max", "1000000\n"); /* a container's root is a group */
        ck_assert(weir_limits_cgroup_bytes(scratch) == 1000000);
        put_below("proc/self/cgroup", "0::/\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == 1000000);
}
END_TEST

START_TEST(groups_of_the_first_version_count_too)
{
        put_below("proc/self/cgroup", "12:pids:/x\n11:cpu,memory:/docker/1\n0::/none\n");
        put_below("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "5000000\n");
        put_below("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n"); /* another tree's path */
        ck_assert(weir_limits_cgroup_bytes(scratch) == 5000000);
        put_below("proc/self/cgroup", "11:memory_not:/docker/1\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == UINT64_MAX);
        put_below("proc/self/cgroup", "");
        ck_assert(weir_limits_cgroup_bytes(scratch) == UINT64_MAX);
        put_below("proc/self/cgroup", "nonsense\n:\n::\n");
        ck_assert(weir_limits_cgroup_bytes(scratch) == UINT64_MAX);
}
END_TEST

START_TEST(without_a_limit_most_of_the_machine_is_allowed)
{
        uint64_t bytes = weir_limits_memory_bytes();
        uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

        ck_assert(bytes >= MIB(1024));
        ck_assert(bytes == MIB(1024) || bytes < all);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("limits");
        TCase *tcase = tcase_create("limits");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, LM1_what_goes_beyond_the_limit_is_refused);
        tcase_add_test(tcase, a_limit_that_nobody_can_live_with_is_said_at_once);
        tcase_add_test(tcase, LM2_a_crash_leaves_no_core_unless_it_is_asked_for);
        tcase_add_test(tcase,
                       LM2_a_supervisor_leaves_no_core_and_its_workers_decide_for_themselves);
        tcase_add_test(tcase, LM3_a_worker_ends_with_its_supervisor);
        tcase_add_test(tcase, LM3_an_orphan_notices_that_it_was_too_late);
        tcase_add_test(tcase, LM4_no_rights_are_gained_and_without_a_supervisor_nobody_is_followed);
        tcase_add_test(tcase, LM5_root_inside_the_fence_has_no_capabilities);
        tcase_add_test(tcase, the_least_limit_above_us_counts);
        tcase_add_test(tcase, groups_of_the_first_version_count_too);
        tcase_add_test(tcase, without_a_limit_most_of_the_machine_is_allowed);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

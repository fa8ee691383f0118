/* SPDX-License-Identifier: MIT */
/* test_sandbox - all of the fence together: proved, reported, inherited, and livable for the libraries */
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/thread.h"
#include "conf_fixture.h"
#include "guard/sandbox.h"
#include "guard_fixture.h"
#include "kafka/cluster.h"
#include "plugin_fixture.h"
#include "store_fixture.h"

static struct weir_sandbox_report report;
static struct weir_error error;

/* Every part is as it should be here: @part_off is off by configuration, Landlock is what the kernel has. */
static bool is_as_configured(int part_off)
{
        bool landlock = syscall(444, NULL, 0, 1) > 0;

        for (int i = 0; i < WEIR_SANDBOX_PARTS; i++) {
                int wanted = i == part_off                             ? WEIR_GUARD_OFF
                             : i == WEIR_SANDBOX_LANDLOCK && !landlock ? WEIR_GUARD_ABSENT
                             : i == WEIR_LIMITS_MEMORY && SHADOW       ? WEIR_GUARD_ABSENT
                                                                       : WEIR_GUARD_ACTIVE;

                if (report.parts[i].state == wanted)
                        continue;
                fprintf(stderr, "%s: %s: %s\n", weir_sandbox_part_name(i),
                        weir_guard_state_name(report.parts[i].state), report.parts[i].text);
                return false;
        }
        return true;
}

static struct weir_conf *conf_of(const char *text)
{
        struct reading reading = parse(text);

        EXPECT(reading.r == 0);
        return reading.conf;
}

static void apply(const char *text)
{
        struct weir_conf *conf = conf_of(text);
        int r = weir_sandbox_apply(conf, getppid(), &report, &error);

        if (r < 0)
                fprintf(stderr, "%s\n", error.text);
        EXPECT(r == 0);
        weir_conf_free(conf);
}

static void *look_around(void *arg)
{
        char name[16] = "";

        EXPECT(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
        EXPECT(!strcmp(name, "lane audit/0")); /* the thread named itself */
        EXPECT_ERRNO(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
        EXPECT_ERRNO(open("/weir-test-sandbox", O_WRONLY | O_CREAT, 0600), EACCES);
        return arg;
}

static void be_a_worker(void)
{
        pthread_t thread;

        apply(MINIMAL);
        EXPECT(is_as_configured(-1));
        EXPECT(weir_thread_start(&thread, WEIR_ROLE_LANE, "lane audit/0", look_around, NULL) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
        weir_sandbox_log(&report);
}

START_TEST(SB1_threads_of_a_worker_are_inside)
{
        if (!TSAN && syscall(444, NULL, 0, 1) > 0)
                in_process(be_a_worker);
}
END_TEST

static void *stay_outside(void *arg)
{
        pthread_barrier_wait(arg);
        return NULL;
}

static void come_too_late(void)
{
        struct weir_conf *conf = conf_of(MINIMAL);
        pthread_barrier_t barrier;
        pthread_t thread;

        pthread_barrier_init(&barrier, NULL, 2);
        EXPECT(pthread_create(&thread, NULL, stay_outside, &barrier) == 0);
        EXPECT(weir_sandbox_apply(conf, 0, &report, &error) == WEIR_ESYS);
        EXPECT(strstr(error.text, "threads run already"));
        EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0); /* nothing was given up */
        EXPECT(report.parts[0].state == WEIR_GUARD_FAILED);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
}

START_TEST(SB1_a_process_with_threads_is_refused)
{
        in_process(come_too_late);
}
END_TEST

/* What one switches off is off, and everything else as it was. */
static const struct {
        const char *text;
        int part;
} switches[] = {
        { MINIMAL "sandbox = { seccomp = false; };", WEIR_SANDBOX_SECCOMP },
        { MINIMAL "sandbox = { landlock = false; };", WEIR_SANDBOX_LANDLOCK },
        { MINIMAL "crash = { core = true; };", WEIR_LIMITS_CORE },
        { MINIMAL "sandbox = { exec = true; };", -1 },
        { MINIMAL "memory = { limit = \"512MiB\"; };", -1 },
};

START_TEST(a_trial_reports_each_part_and_leaves_the_caller_free)
{
        struct reading reading = parse(switches[_i].text);
        struct rlimit before, after;
        int fd;

        if (TSAN)
                return;
        getrlimit(RLIMIT_DATA, &before);
        ck_assert_msg(weir_sandbox_try(reading.conf, &report, &error) == 0, "%s", error.text);
        ck_assert(is_as_configured(switches[_i].part));
        getrlimit(RLIMIT_DATA, &after);
        ck_assert(before.rlim_cur == after.rlim_cur);
        ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
        ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
        fd = open(in_scratch("free"), O_WRONLY | O_CREAT, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(system("true"), 0);
        close(fd);
        done(&reading);
}
END_TEST

START_TEST(SB2_what_cannot_be_put_up_stops_the_start_with_words)
{
        struct reading reading = parse(MINIMAL "sandbox = { write = [ \"/no/such/place\" ]; };");

        if (TSAN || syscall(444, NULL, 0, 1) < 0)
                return;
        ck_assert_int_eq(weir_sandbox_try(reading.conf, &report, &error), WEIR_ECONF);
        ck_assert_ptr_nonnull(strstr(error.text, "sandbox: landlock: sandbox.write: "
                                                 "/no/such/place: No such file"));
        ck_assert_int_eq(report.parts[WEIR_SANDBOX_LANDLOCK].state, WEIR_GUARD_FAILED);
        done(&reading);
}
END_TEST

/* A filter that ends who calls setns, as a unit file without SystemCallErrorNumber= sets one up. */
static void be_inside_a_deadly_filter(void)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = { .len = 4, .filter = code };
        struct weir_conf *conf = conf_of(MINIMAL);

        EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
        EXPECT(weir_sandbox_try(conf, &report, &error) == WEIR_ESYS);
        EXPECT(strstr(error.text, "SystemCallErrorNumber=EPERM"));
}

START_TEST(a_filter_around_weir_that_kills_is_named)
{
        if (!TSAN)
                in_process(be_inside_a_deadly_filter);
}
END_TEST

static void lose_the_supervisor(void)
{
        struct weir_conf *conf = conf_of(MINIMAL);

        EXPECT(weir_sandbox_apply(conf, 1 << 22, &report, &error) == WEIR_ESYS);
        EXPECT(strstr(error.text, "sandbox: parent: the supervisor"));
}

START_TEST(a_worker_without_its_supervisor_does_not_start)
{
        if (!TSAN)
                in_process(lose_the_supervisor);
}
END_TEST

/* ---- the libraries inside ------------------------------------------------------------------- */

static void use_postgresql(void)
{
        struct weir_pg *pg;

        apply(MINIMAL);
        pg = fixture_connect();
        EXPECT(fixture_int(pg, "SELECT 40 + 2") == 42);
        weir_pg_close(pg);
}

START_TEST(SE3_postgresql_is_reached_from_inside)
{
        if (!TSAN)
                in_process(use_postgresql);
}
END_TEST

static void use_kafka(void)
{
        struct weir_devbroker *broker = NULL;
        struct weir_cluster *cluster = NULL;
        const char *topic = "audit";
        struct weir_cluster_conf conf = { .timeout_ms = 10000 };

        apply(MINIMAL);
        EXPECT(weir_devbroker_start(&topic, 1, 3, &broker, &error) == 0);
        conf.brokers = weir_devbroker_address(broker);
        EXPECT(weir_cluster_open(&conf, &cluster, &error) == 0);
        EXPECT(weir_cluster_partitions(cluster, topic, &error) == 3);
        weir_cluster_close(cluster);
        weir_devbroker_stop(broker);
}

START_TEST(SE3_kafka_is_reached_from_inside)
{
        if (!TSAN)
                in_process(use_kafka);
}
END_TEST

static void use_a_plugin(void)
{
        struct weir_plugin *plugin;

        apply(MINIMAL);
        plugin = must_load("probe"); /* through /proc/self/fd, of a process that is not dumpable */
        EXPECT(!strcmp(weir_plugin_worker(plugin)->name, "probe"));
        weir_plugin_unload(plugin);
}

START_TEST(SE3_a_plugin_is_loaded_from_inside)
{
        if (!TSAN)
                in_process(use_a_plugin);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("sandbox");
        TCase *tcase = tcase_create("sandbox");

        fixture_start("sandbox", false);
        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, SB1_threads_of_a_worker_are_inside);
        tcase_add_test(tcase, SB1_a_process_with_threads_is_refused);
        tcase_add_loop_test(tcase, a_trial_reports_each_part_and_leaves_the_caller_free, 0,
                            WEIR_COUNT_OF(switches));
        tcase_add_test(tcase, SB2_what_cannot_be_put_up_stops_the_start_with_words);
        tcase_add_test(tcase, a_filter_around_weir_that_kills_is_named);
        tcase_add_test(tcase, a_worker_without_its_supervisor_does_not_start);
        tcase_add_test(tcase, SE3_postgresql_is_reached_from_inside);
        tcase_add_test(tcase, SE3_kafka_is_reached_from_inside);
        tcase_add_test(tcase, SE3_a_plugin_is_loaded_from_inside);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

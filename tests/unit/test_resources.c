/* SPDX-License-Identifier: MIT */
/*
 * test_resources - what a process holds does not grow with the number of rebalances
 *
 * The whole of it runs here, as a program that embeds weir has it: runtime, members, lanes, transactions. Each worker
 * is alone in a group of its own, because the development broker takes two seconds for a rebalance, whoever is in it:
 * so many groups, so many rebalances at a time. A rebalance is asked for by the answer to a heartbeat, once as an
 * ordinary one (drained) and once as a lost one. After each portion everything comes to rest: every event is handled,
 * every lane reads. Then it is counted.
 *
 * The broker is another process: what it keeps must not be counted here.
 *
 * REBALANCES   how many, in all. The default shows a thread, a descriptor or a lane's memory that stays; 10,000 (seven
 *              minutes) show a hundred bytes that do.
 */
#include <dirent.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <weir/runtime.h>

#include "base/heap.h"
#include "flow/lane.h"
#include "kafka/cluster.h"
#include "kafka/devbroker.h"
#include "kafka/producer.h"
#include "plugin_fixture.h"
#include "store_fixture.h"

#define TOPIC "resources"
#define FEW 16  /* workers, by default */
#define MANY 64 /* … for a long run */
#define PARTITIONS 2
#define EVENTS 64 /* of each portion */
#define PORTIONS 10
#define GROWTH_BYTES                                                                               \
        (1 << 20) /* of what malloc has given out, in all: its noise is a fifth of that */
#define RESIDENT_BYTES (8 << 20) /* of what the process has: gaps between the pieces */
#define REST_US 500000           /* five heartbeats */
#define AGAIN_US 1000000
#define REBALANCE_IN_PROGRESS 27
#define ILLEGAL_GENERATION 22

static int workers = FEW;

/* ---- the broker, as another process ----------------------------------------------------------- */

static struct {
        pid_t pid;
        int ask, answer;
        char address[128];
} broker;

static void produce(struct weir_producer *producer, int64_t *next)
{
        struct weir_error error;

        for (int64_t end = *next + EVENTS; *next < end; (*next)++) {
                char id[32];
                const struct weir_header headers[] = {
                        { "ce_specversion", "1.0", 3 },
                        { "ce_id", id,
                          (size_t)snprintf(id, sizeof id, "e-%lld", (long long)*next) },
                        { "ce_source", "/test", 5 },
                        { "ce_type", "test.made", 9 },
                };

                if (weir_producer_send(producer, TOPIC, (int32_t)(*next % PARTITIONS),
                                       (struct weir_view){ id, headers[1].size },
                                       (struct weir_view){ "some data", 9 }, headers,
                                       WEIR_COUNT_OF(headers), 0, NULL, &error) < 0) {
                        fprintf(stderr, "produce: %s\n", error.text);
                        _exit(1);
                }
        }
        while (weir_producer_flush(producer, 1000) > 0)
                ;
}

/* One letter is one order, and each is answered by a letter when it is done. */
static void serve_broker(int orders, int answers)
{
        static const char *const topics[] = { TOPIC };
        struct weir_producer_conf conf = { 0 };
        struct weir_devbroker *mock;
        struct weir_producer *producer;
        struct weir_error error;
        int64_t next = 0;
        char order;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (weir_devbroker_start(topics, 1, PARTITIONS, &mock, &error) < 0)
                _exit(1);
        conf.brokers = weir_devbroker_address(mock);
        if (weir_producer_new(&conf, &producer, &error) < 0 ||
            dprintf(answers, "%s\n", conf.brokers) < 0)
                _exit(1);
        while (read(orders, &order, 1) == 1) {
                switch (order) {
                case 'p': produce(producer, &next); break;
                case 'r':
                        weir_devbroker_fail(mock, WEIR_API_HEARTBEAT, REBALANCE_IN_PROGRESS, 1);
                        break;
                case 'l':
                        weir_devbroker_fail(mock, WEIR_API_HEARTBEAT, ILLEGAL_GENERATION, 1);
                        break;
                default: weir_devbroker_fail(mock, WEIR_API_HEARTBEAT, 0, 0);
                }
                if (write(answers, &order, 1) != 1)
                        break;
        }
        weir_producer_free(producer);
        weir_devbroker_stop(mock);
        _exit(0);
}

static void broker_start(void)
{
        int orders[2], answers[2];
        size_t used = 0;

        ck_assert_int_eq(pipe(orders), 0);
        ck_assert_int_eq(pipe(answers), 0);
        broker.pid = fork();
        ck_assert_int_ge(broker.pid, 0);
        if (broker.pid == 0) {
                close(orders[1]);
                close(answers[0]);
                serve_broker(orders[0], answers[1]);
        }
        close(orders[0]);
        close(answers[1]);
        broker.ask = orders[1];
        broker.answer = answers[0];
        while (used + 1 < sizeof broker.address &&
               read(broker.answer, &broker.address[used], 1) == 1 && broker.address[used] != '\n')
                used++;
        broker.address[used] = '\0';
        ck_assert_uint_gt(used, 0);
}

static void order(char what)
{
        char answer = 0;

        ck_assert_int_eq(write(broker.ask, &what, 1), 1);
        ck_assert_int_eq(read(broker.answer, &answer, 1), 1);
        ck_assert_int_eq(answer, what);
}

static void broker_end(void)
{
        int status;

        close(broker.ask);
        ck_assert_int_eq(waitpid(broker.pid, &status, 0), broker.pid);
        close(broker.answer);
        ck_assert_int_eq(status, 0);
}

/* ---- what is held --------------------------------------------------------------------------- */

struct held {
        int64_t rebalances;
        size_t files, threads, used_bytes, resident_bytes;
};

static size_t entries(const char *path)
{
        DIR *directory = opendir(path);
        size_t count = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                count++;
        closedir(directory);
        return count - 2; /* . and .. */
}

static size_t resident(void)
{
        FILE *file = fopen("/proc/self/statm", "r");
        size_t all, here;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%zu %zu", &all, &here), 2);
        fclose(file);
        return here * (size_t)sysconf(_SC_PAGESIZE);
}

static struct held count_all(int64_t rebalances)
{
        struct mallinfo2 heap = mallinfo2();

        return (struct held){ .rebalances = rebalances,
                              .files = entries("/proc/self/fd"),
                              .threads = entries("/proc/self/task"),
                              .used_bytes = heap.uordblks + heap.hblkhd,
                              .resident_bytes = resident() };
}

/* ---- rebalances ------------------------------------------------------------------------------ */

/* Each lane that is started takes its position, and the epoch counts that. */
static int64_t rebalances(struct weir_pg *pg)
{
        return fixture_int(pg, "SELECT coalesce(sum(epoch), 0) / %d FROM weir.position",
                           PARTITIONS);
}

static void still_runs(struct weir_runtime *runtime)
{
        struct weir_error error = { 0 };

        ck_assert_msg(weir_runtime_wait(runtime, 10, &error) == 1, "it ended: %s", error.text);
}

/* Every lane runs, and has handled all there is. */
static bool rests(struct weir_pg *pg, int64_t events)
{
        return weir_lane_count() == workers * PARTITIONS &&
               fixture_int(pg, "SELECT coalesce(sum(next_offset), 0) FROM weir.position") ==
                       events * workers;
}

static struct held rest(struct weir_runtime *runtime, struct weir_pg *pg, int64_t events)
{
        int64_t deadline_us = weir_clock_us() + 60 * 1000000LL, since_us = weir_clock_us();

        /* What was asked for last is seen with the next heartbeat, and stops lanes. */
        while (weir_clock_us() - since_us < REST_US) {
                ck_assert_msg(weir_clock_us() < deadline_us, "no rest after 60 s");
                still_runs(runtime);
                if (!rests(pg, events))
                        since_us = weir_clock_us();
        }
        weir_heap_trim();
        return count_all(rebalances(pg));
}

/* An order that meets a member which is joining anyway is lost: so they are given again every second. Too many do no
 * harm, what is left is forgotten in the end. */
static void rebalance(struct weir_runtime *runtime, struct weir_pg *pg, int64_t goal)
{
        int64_t done = rebalances(pg), asked = done, again_us = weir_clock_us() + AGAIN_US;

        while (done < goal) {
                for (; asked < goal && asked < done + workers; asked++)
                        order(asked % 4 == 0 ? 'l' : 'r');
                still_runs(runtime);
                done = rebalances(pg);
                if (weir_clock_us() > again_us) {
                        again_us = weir_clock_us() + AGAIN_US;
                        asked = done;
                }
        }
        order('c');
}

static void make_tables(struct weir_pg *pg)
{
        struct weir_migrations set;
        char path[2 * PATH_MAX];

        snprintf(path, sizeof path, "%s/probe.migrations", plugin_directory());
        OK(weir_migrations_read("probe", path, &set, reterr));
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        weir_migrations_fini(&set);
}

static struct weir_runtime *start(void)
{
        static char path[256];
        struct weir_runtime_options options = { .size = sizeof options, .config_path = path };
        struct weir_runtime *runtime;
        FILE *file;

        snprintf(path, sizeof path, "%.200s/resources.%d.cfg",
                 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fprintf(file,
                "kafka = { brokers = \"%s\"; properties = [ \"session.timeout.ms=3300\",\n"
                "  \"heartbeat.interval.ms=100\", \"fetch.wait.max.ms=20\" ]; };\n"
                "store = { url = \"%s\"; };\nplugin_path = [ \"%s\" ];\nworkers = (",
                broker.address, fixture.url, plugin_directory());
        for (int i = 0; i < workers; i++)
                fprintf(file,
                        "%s\n  { name = \"w%d\"; plugin = \"probe\"; group = \"g%d\"; topics = [ \"%s\" "
                        "]; }",
                        i ? "," : "", i, i, TOPIC);
        fprintf(file, " );\n");
        fclose(file);
        OK(weir_runtime_new(&options, &runtime, reterr));
        unlink(path);
        OK(weir_runtime_start(runtime, reterr));
        return runtime;
}

static void end(struct weir_runtime *runtime)
{
        struct weir_error error = { 0 };
        int r;

        weir_runtime_stop(runtime, 20000);
        while ((r = weir_runtime_wait(runtime, 100, &error)) == 1)
                ;
        ck_assert_msg(r == 0, "%d: %s", r, error.text);
        weir_runtime_free(runtime);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_HEAP false /* the sanitizer's, which keeps what is freed */
#else
#define OWN_HEAP true
#endif

/* The first portion is left out: pools fill, connections are made. */
static void compare(const struct held *held, int portions)
{
        const struct held *first = &held[1], *last = &held[portions];
        size_t files = 0, used = 0, resident_first = 0;

        for (int i = 1; i <= portions / 2; i++) {
                files = held[i].files > files ? held[i].files : files;
                used = held[i].used_bytes > used ? held[i].used_bytes : used;
                resident_first = held[i].resident_bytes > resident_first ? held[i].resident_bytes
                                                                         : resident_first;
        }
        ck_assert_int_gt(last->rebalances, first->rebalances);
        ck_assert_uint_eq(last->threads, first->threads);
        /* A connection to PostgreSQL or to the broker may be new. */
        ck_assert_uint_le(last->files, files + 8);
        if (OWN_HEAP) {
                ck_assert_uint_le(last->used_bytes, used + GROWTH_BYTES);
                ck_assert_uint_le(last->resident_bytes, resident_first + RESIDENT_BYTES);
        }
}

START_TEST(files_threads_and_memory_are_flat_over_rebalances)
{
        const char *wish = getenv("REBALANCES");
        int64_t total = wish && atoll(wish) > 2 * FEW ? atoll(wish) : 2 * FEW;
        int portions = total < PORTIONS * MANY ? 2 : PORTIONS;
        struct held held[PORTIONS + 1];
        struct weir_runtime *runtime;
        struct weir_pg *pg = fixture_connect();

        workers = portions == PORTIONS ? MANY : FEW;
        weir_heap_shape();
        make_tables(pg);
        broker_start();
        order('p');
        runtime = start();
        held[0] = rest(runtime, pg, EVENTS);
        for (int i = 1; i <= portions; i++) {
                order('p');
                rebalance(runtime, pg, held[i - 1].rebalances + total / portions);
                held[i] = rest(runtime, pg, (int64_t)EVENTS * (i + 1));
                fprintf(stderr, "rebalances %lld files %zu threads %zu used %zu resident %zu\n",
                        (long long)held[i].rebalances, held[i].files, held[i].threads,
                        held[i].used_bytes, held[i].resident_bytes);
        }
        compare(held, portions);
        end(runtime);
        broker_end();
        weir_pg_close(pg);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("resources");
        TCase *tcase = tcase_create("resources");
        const char *wish = getenv("REBALANCES");

        fixture_start("resources", true);
        tcase_set_timeout(tcase, 60 + (wish ? atof(wish) : 0));
        tcase_add_test(tcase, files_threads_and_memory_are_flat_over_rebalances);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* test_relay - the relay's thread, on PostgreSQL and the development broker: no destination is in another's way */
#include "store_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "kafka/cluster.h"
#include "kafka/devbroker.h"
#include "side/relay.h"

#define S INT64_C(1000000)

static struct weir_pg *pg;
static struct weir_relay *relay;

static void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "TRUNCATE weir.outbox, weir.outbox_stream, weir.destination,"
                       " weir.dead_letter RESTART IDENTITY",
                       reterr));
}

static void tear_down(void)
{
        weir_pg_close(pg);
}

static void relay_start(const char *brokers, struct weir_conf_sink *sink)
{
        static struct weir_conf conf;

        conf = (struct weir_conf){ .store_url = fixture.url,
                                   .kafka_brokers = brokers,
                                   .sinks = sink,
                                   .sink_count = sink != NULL };
        OK(weir_relay_start(&conf, "test", &relay, reterr));
}

static void relay_end(void)
{
        weir_relay_stop(relay, weir_clock_us() + 2 * S);
        weir_relay_free(relay);
}

/* @count rows of @bytes each, spread over the shards, and the relay is told. */
static void put_rows(char kind, const char *name, int first, int count, int bytes)
{
        char sql[600];

        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.outbox (kind, destination, shard, key, header_names,"
                 " header_values, body, message_id, worker) SELECT '%c', '%s', i %% 64, 'k',"
                 " array['ce_id']::bytea[], array[(i::text)::bytea], (repeat('x', %d) || i)::bytea,"
                 " i, 'w' FROM generate_series(%d, %d) i; NOTIFY weir_outbox",
                 kind, name, bytes, first, first + count - 1);
        OK(weir_pg_run(pg, sql, reterr));
}

START_TEST(a_topic_without_a_leader_delays_no_other)
{
        const char *topics[] = { "good", "stuck" };
        struct weir_devbroker *broker = NULL;
        int64_t end_us = 0;

        OK(weir_devbroker_start(topics, 2, 1, &broker, reterr));
        OK(weir_devbroker_orphan(broker, "stuck", 0, reterr));
        relay_start(weir_devbroker_address(broker), NULL);
        put_rows('t', "stuck", 1, 60000, 10); /* more than are under way to all topics together */
        for (int n = 1; n <= 20 || weir_clock_us() < end_us; n++) {
                put_rows('t', "good", n, 1, 10);
                fixture_until(pg,
                              "NOT EXISTS (SELECT FROM weir.outbox WHERE destination = 'good')");
                if (n == 1) /* from now on: until the relay has all of the others that it takes */
                        end_us = weir_clock_us() + 4 * S;
        }
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox WHERE attempts = 0"),
                         60000);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.dead_letter"), 0);
        relay_end();
        weir_devbroker_stop(broker);
}
END_TEST

/* What somebody at the other end of @fd reads next; at least one byte. */
static size_t read_some(int fd, char *to, size_t room)
{
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        ssize_t got;

        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        got = read(fd, to, room);
        ck_assert_int_gt(got, 0);
        return (size_t)got;
}

static struct weir_conf_sink pipe_sink(void)
{
        static char path[PATH_MAX];
        const char *directory = getenv("TMPDIR");

        snprintf(path, sizeof path, "%s/weir-pipe.%d", directory ? directory : "/tmp",
                 (int)getpid());
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        return (struct weir_conf_sink){ .name = "pipe", .file = path, .where = "weir.cfg:1" };
}

START_TEST(a_pipe_without_a_reader_takes_nothing)
{
        struct weir_conf_sink sink = pipe_sink();
        char text[64];
        int fd;

        relay_start("127.0.0.1:1", &sink);
        put_rows('s', "pipe", 1, 3, 10);
        fixture_until(pg,
                      "EXISTS (SELECT FROM weir.destination WHERE error LIKE '%%nobody reads%%')");
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 3);
        fd = open(sink.file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
        ck_assert_uint_eq(read_some(fd, text, sizeof text), 3 * strlen("xxxxxxxxxx1\n"));
        relay_end();
        close(fd);
        unlink(sink.file);
}
END_TEST

/* Each line is longer than what a pipe takes as a whole or not at all, so that some are cut where it is full. */
START_TEST(a_pipe_that_is_full_has_what_it_took)
{
        enum { COUNT = 100, BYTES = 10001 };
        struct weir_conf_sink sink = pipe_sink();
        static char line[1 << 20];
        size_t used = 0, seen = 0;
        bool come[COUNT + 1] = { false };
        int fd = open(sink.file, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* it has no end meanwhile */

        ck_assert_int_ge(fd, 0);
        relay_start("127.0.0.1:1", &sink);
        put_rows('s', "pipe", 1, COUNT, BYTES);
        /* it is full before anybody has read */
        fixture_until(pg,
                      "(SELECT count(*) FROM weir.outbox) < %d"
                      " AND EXISTS (SELECT FROM weir.outbox WHERE attempts > 0)",
                      COUNT);
        while (seen < COUNT) {
                char *end;

                used += read_some(fd, line + used, sizeof line - used);
                while ((end = memchr(line, '\n', used)) != NULL) {
                        size_t size = (size_t)(end - line), x = strspn(line, "x");
                        int n = x == BYTES ? atoi(line + x) : 0;

                        /* half a line is on a line of its own */
                        ck_assert_msg(n > 0 || x == size, "a line of %zu bytes after %zu", size, x);
                        if (n > 0 && n <= COUNT && !come[n]) {
                                come[n] = true;
                                seen++;
                        }
                        used -= size + 1;
                        memmove(line, end + 1, used);
                }
        }
        fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
        relay_end();
        close(fd);
        unlink(sink.file);
}
END_TEST

START_TEST(a_question_that_nobody_answers_is_asked_less_and_less_often)
{
        struct weir_conf_sink sink = { .name = "hook",
                                       .url = "http://127.0.0.1:1/",
                                       .origin = "weir.example",
                                       .timeout_ms = 1000,
                                       .allow_plain = true,
                                       .allow_private = true,
                                       .where = "weir.cfg:1" };

        relay_start("127.0.0.1:1", &sink);
        put_rows('s', "hook", 1, 1, 10);
        fixture_until(pg, "EXISTS (SELECT FROM weir.destination WHERE failures >= 3)");
        ck_assert_int_ge(fixture_int(pg,
                                     "SELECT (extract(epoch FROM not_before - changed_at) * 1000)"
                                     "::int FROM weir.destination"),
                         3000);
        relay_end();
}
END_TEST

START_TEST(a_sink_that_cannot_be_used_condemns_no_event)
{
        struct weir_conf_sink sink = {
                .name = "hook",
                .url = "https://[:.:]/", /* an address to us, none to libcurl */
                .timeout_ms = 1000,
                .where = "weir.cfg:7"
        };

        relay_start("127.0.0.1:1", &sink);
        put_rows('s', "hook", 1, 3, 10);
        fixture_until(pg,
                      "EXISTS (SELECT FROM weir.dead_letter) OR EXISTS (SELECT FROM"
                      " weir.destination WHERE state = 'waiting' AND error LIKE '%%weir.cfg:7%%')");
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 3);
        relay_end();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("relay");
        TCase *tcase = tcase_create("relay");

        fixture_start("relay", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_topic_without_a_leader_delays_no_other);
        tcase_add_test(tcase, a_pipe_without_a_reader_takes_nothing);
        tcase_add_test(tcase, a_pipe_that_is_full_has_what_it_took);
        tcase_add_test(tcase, a_question_that_nobody_answers_is_asked_less_and_less_often);
        tcase_add_test(tcase, a_sink_that_cannot_be_used_condemns_no_event);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

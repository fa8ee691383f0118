/* SPDX-License-Identifier: MIT */
/* test_relay - the relay's thread, on PostgreSQL and the development broker: no destination is in another's way */
#include "outbox_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "kafka/cluster.h"
#include "kafka/devbroker.h"
#include "side/relay.h"

#define S INT64_C(1000000)

static struct weir_relay *relay;

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

static struct weir_conf_sink file_sink(const char *name)
{
        static char path[PATH_MAX];
        const char *directory = getenv("TMPDIR");

        snprintf(path, sizeof path, "%s/weir-%s.%d", directory ? directory : "/tmp", name,
                 (int)getpid());
        unlink(path);
        return (struct weir_conf_sink){ .name = name, .file = path, .where = "weir.cfg:1" };
}

static struct weir_conf_sink pipe_sink(void)
{
        struct weir_conf_sink sink = file_sink("pipe");

        ck_assert_int_eq(mkfifo(sink.file, 0600), 0);
        return sink;
}

/* A receiver that is not there. */
static struct weir_conf_sink down_sink(void)
{
        return (struct weir_conf_sink){ .name = "hook",
                                        .url = "http://127.0.0.1:1/",
                                        .timeout_ms = 1000,
                                        .allow_plain = true,
                                        .allow_private = true,
                                        .where = "weir.cfg:1" };
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
                        int n = 0;

                        if (x == BYTES && x < size) { /* a number, and nothing behind it */
                                char *rest;
                                long number = strtol(line + x, &rest, 10);

                                ck_assert_ptr_eq(rest, end);
                                ck_assert_int_le(number, COUNT);
                                n = (int)number;
                        }
                        /* half a line is on a line of its own */
                        ck_assert_msg(n > 0 || x == size, "a line of %zu bytes after %zu", size, x);
                        if (n > 0 && !come[n]) {
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
        struct weir_conf_sink sink = down_sink();

        sink.origin = "weir.example";
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

static void holds(const char *path, const char *wanted)
{
        char text[256];
        FILE *file = fopen(path, "r");

        ck_assert_ptr_nonnull(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        ck_assert_str_eq(text, wanted);
        unlink(path);
}

/* Another relay had it: this one knows of the wait from the row alone. */
START_TEST(what_is_behind_a_row_that_waits_does_not_overtake_it)
{
        struct weir_conf_sink sink = file_sink("file");

        put_rows('s', "file", 1, 4, 1);
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET shard = 5; UPDATE weir.outbox SET attempts = 1,"
                       " next_try_at = now() + interval '1 second' WHERE id = 2",
                       reterr));
        relay_start("127.0.0.1:1", &sink);
        fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
        relay_end();
        holds(sink.file, "x1\nx2\nx3\nx4\n");
}
END_TEST

/* Again and again, so that it is opened between any two statements of the relay. */
START_TEST(a_sink_that_was_opened_unheard_loses_nothing)
{
        enum { ROUNDS = 200 };
        struct weir_conf_sink sink = file_sink("file");

        OK(weir_pg_run(pg, "INSERT INTO weir.destination (kind, name) VALUES ('s', 'file')",
                       reterr));
        relay_start("127.0.0.1:1", &sink);
        for (int i = 1; i <= ROUNDS; i++) {
                OK(weir_pg_run(
                        pg,
                        "UPDATE weir.destination SET state = 'retired'; NOTIFY " WEIR_OUTBOX_CHANNEL
                        ", '" WEIR_OUTBOX_OPENED "'",
                        reterr)); /* the relay reads how all stand */
                put_rows('s', "file", 64 * i, 1, 1);
                fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
                OK(weir_pg_begin(pg, reterr));
                OK(weir_pg_run(pg, "UPDATE weir.destination SET state = 'open'", reterr));
                put_rows('s', "file", 64 * i + 64 * ROUNDS, 1, 1); /* of the same stream */
                OK(weir_pg_commit(pg, reterr));
                fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
        }
        ck_assert_int_gt(fixture_int(pg, "SELECT count(*) FROM weir.dead_letter"), ROUNDS / 2);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE message_id::int > %d",
                            64 * ROUNDS),
                0);
        relay_end();
        unlink(sink.file);
}
END_TEST

START_TEST(a_wait_that_an_operator_ends_is_over_here_too)
{
        struct weir_conf_sink sink = file_sink("file");

        put_rows('s', "file", 1, 1, 1);
        OK(weir_pg_run(pg, "UPDATE weir.outbox SET next_try_at = now() + interval '1 hour'",
                       reterr));
        relay_start("127.0.0.1:1", &sink);
        put_rows('s', "file", 65, 1, 1); /* behind it */
        put_rows('s', "file", 2, 1, 1);
        fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox WHERE shard = 2)");
        ck_assert_int_ge(weir_destination_open(pg, 's', "file", NULL), 0);
        fixture_until(pg, "NOT EXISTS (SELECT FROM weir.outbox)");
        relay_end();
        holds(sink.file, "x2\nx1\nx65\n");
}
END_TEST

START_TEST(a_receiver_that_is_down_uses_nothing_up)
{
        struct weir_conf_sink sink = down_sink();

        sink.give_up_ms = 1;
        put_rows('s', "hook", 1, 1, 10);
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET header_names = array['content-type']::bytea[],"
                       " header_values = array['text/plain']::bytea[]",
                       reterr));
        relay_start("127.0.0.1:1", &sink);
        fixture_until(pg, "coalesce((SELECT attempts >= 4 FROM weir.outbox), true)");
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox WHERE refused_us = 0"),
                         1);
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
        tcase_add_test(tcase, what_is_behind_a_row_that_waits_does_not_overtake_it);
        tcase_add_test(tcase, a_sink_that_was_opened_unheard_loses_nothing);
        tcase_add_test(tcase, a_wait_that_an_operator_ends_is_over_here_too);
        tcase_add_test(tcase, a_receiver_that_is_down_uses_nothing_up);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

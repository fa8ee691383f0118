/* SPDX-License-Identifier: MIT */
/* test_relay - the relay's thread, on PostgreSQL and the development broker: no destination is in another's way */
#include "store_fixture.h"

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

int main(void)
{
        Suite *suite = suite_create("relay");
        TCase *tcase = tcase_create("relay");

        fixture_start("relay", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_topic_without_a_leader_delays_no_other);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

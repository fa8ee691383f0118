/* SPDX-License-Identifier: MIT */
/* flow/preview: what would become of each record, on the development broker and PostgreSQL */
#include "store_fixture.h"

#include "event/key.h"
#include "flow/preview.h"
#include "kafka/cluster.h"
#include "kafka/devbroker.h"
#include "kafka/producer.h"

enum { PARTITIONS = 3, RANGES_MAX = 8 };

static struct weir_devbroker *broker;
static struct weir_producer *producer;
static struct weir_pg *pgs[WEIR_PREVIEW_LOOKS];
static struct weir_conf conf;
static struct weir_conf_worker worker;
static struct weir_preview preview;
static struct weir_preview_range ranges[RANGES_MAX];
static int64_t sent[2][PARTITIONS]; /* the next offset */

static void setup(void)
{
        static const char *const topics[] = { "t", "u" };
        struct weir_producer_conf how = { .client_id = "test", .timeout_ms = 20000 };

        OK(weir_devbroker_start(topics, 2, PARTITIONS, &broker, reterr));
        how.brokers = weir_devbroker_address(broker);
        OK(weir_producer_new(&how, &producer, reterr));
        for (size_t i = 0; i < WEIR_PREVIEW_LOOKS; i++)
                pgs[i] = fixture_connect();
        OK(weir_pg_run(pgs[0],
                       "TRUNCATE weir.dead_letter, weir.claim_1, weir.position RESTART IDENTITY"
                       " CASCADE",
                       reterr));
        conf = (struct weir_conf){ .kafka_brokers = how.brokers };
        worker = (struct weir_conf_worker){ .name = "w", .conf = &conf };
        memset(ranges, 0, sizeof ranges);
        memset(sent, 0, sizeof sent);
        preview = (struct weir_preview){ .conf = &conf,
                                         .worker = &worker,
                                         .space = "w",
                                         .ranges = ranges,
                                         .timeout_ms = 20000 };
}

static void teardown(void)
{
        for (size_t i = 0; i < WEIR_PREVIEW_LOOKS; i++)
                weir_pg_close(pgs[i]);
        weir_producer_free(producer);
        weir_devbroker_stop(broker);
}

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static int64_t send_to(const char *topic, int32_t partition, const char *media, const char *value)
{
        struct weir_header header = { .name = "content-type",
                                      .value = media,
                                      .size = media ? strlen(media) : 0 };

        OK(weir_producer_send(producer, topic, partition, view(NULL), view(value), &header,
                              media != NULL, 0, NULL, reterr));
        return sent[*topic == 'u'][partition]++;
}

static int64_t event(int32_t partition, const char *type, const char *id)
{
        char text[200];

        snprintf(text, sizeof text,
                 "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"%s\"}", id,
                 type);
        return send_to("t", partition, "application/cloudevents+json", text);
}

static void claim(const char *space, const char *id)
{
        fixture_int(pgs[0],
                    "INSERT INTO weir.claim_1 SELECT weir.claim_key('%s', '/s', '%s'), 1, 0"
                    " RETURNING 1",
                    space, id);
}

static void letter(int32_t position, int64_t offset, int item)
{
        fixture_int(pgs[0],
                    "INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\","
                    " item, header_names, header_values, class, reason, text, attempts,"
                    " plugin_version, first_failed_at) VALUES (%d, 'w', 't', 0, %lld, %d, '{}',"
                    " '{}', 'reject', 'x', 'x', 1, '1', now()) RETURNING 1",
                    position, (long long)offset, item);
}

/* All of @topic's partition, as a replay of it would have it. */
static struct weir_preview_range *add(const char *topic, int32_t partition)
{
        struct weir_preview_range *range = &ranges[preview.range_count++];

        *range = (struct weir_preview_range){ .topic = topic,
                                              .partition = partition,
                                              .position = partition + 1,
                                              .until_offset = sent[*topic == 'u'][partition] };
        return range;
}

static int look(struct weir_error *reterr)
{
        ck_assert_int_eq(weir_producer_flush(producer, 20000), 0);
        return weir_preview_run(&preview, pgs, WEIR_PREVIEW_LOOKS, reterr);
}

static void counts(const struct weir_preview_range *range, const char *wanted)
{
        char text[200];

        ck_assert_int_eq(range->events, range->left_out + range->applied + range->runs +
                                                range->repeated); /* PV2 */
        snprintf(text, sizeof text,
                 "records %lld undecodable %lld left out %lld applied %lld repeated %lld runs %lld"
                 " letters %lld",
                 (long long)range->records, (long long)range->undecodable,
                 (long long)range->left_out, (long long)range->applied, (long long)range->repeated,
                 (long long)range->runs, (long long)range->letters);
        ck_assert_str_eq(text, wanted);
}

/* One of each kind. */
static void send_all_kinds(void)
{
        event(0, "a", "applied");
        event(0, "a", "runs");
        event(0, "b", "runs");
        letter(1, event(0, "a", "dead"), 0);
        event(0, "b", "dead");
        letter(1, event(0, "a", "applied"), 0); /* its event was applied from another record */
        letter(1, send_to("t", 0, NULL, "no event"), -1);
        send_to("t", 0, NULL, "no event");
        send_to("t", 0, NULL, NULL);
        event(0, "b", "b");
        letter(2, 1, 0); /* of another partition */
        claim("w", "applied");
        claim("w@e", "b");
}

START_TEST(PV2_each_event_is_counted_as_what_would_become_of_it)
{
        send_all_kinds();
        add("t", 0);
        OK(look(reterr));
        counts(&ranges[0],
               "records 10 undecodable 3 left out 0 applied 2 repeated 2 runs 3 letters 2");
        ck_assert_int_eq(ranges[0].next_offset, 10);
        ck_assert_int_eq(ranges[0].halt.code, 0);
        ck_assert(!preview.repeated_unsure && !preview.letters_unsure);
}
END_TEST

START_TEST(what_the_filter_leaves_out_and_what_cannot_be_decoded_then_is_not_meant)
{
        static const char *const types[] = { "b" };
        const struct weir_filter filter = { .types = { types, 1 } };

        send_all_kinds();
        add("t", 0);
        preview.filter = &filter;
        OK(look(reterr));
        counts(&ranges[0],
               "records 10 undecodable 3 left out 4 applied 0 repeated 0 runs 3 letters 0");
}
END_TEST

START_TEST(another_epoch_has_claims_of_its_own)
{
        send_all_kinds();
        add("t", 0);
        preview.space = "w@e";
        OK(look(reterr));
        counts(&ranges[0],
               "records 10 undecodable 3 left out 0 applied 1 repeated 3 runs 3 letters 2");
}
END_TEST

START_TEST(a_range_ends_where_it_ends_and_others_are_read_with_it)
{
        send_all_kinds();
        event(2, "a", "runs"); /* the same as in partition 0 */
        event(2, "a", "c");
        send_to("u", 1, "application/cloudevents+json",
                "{\"specversion\":\"1.0\",\"id\":\"c\",\"source\":\"/s\",\"type\":\"a\"}");
        add("t", 0)->from_offset = 1;
        ranges[0].until_offset = 3;
        add("t", 1);
        add("t", 2);
        add("u", 0);
        add("u", 1);
        OK(look(reterr));
        ck_assert_int_eq(ranges[0].records, 2);
        ck_assert_int_eq(ranges[1].records + ranges[3].records, 0);
        ck_assert_int_eq(ranges[2].records, 2);
        ck_assert_int_eq(ranges[0].runs + ranges[2].runs, 2); /* "runs", in one of them, and "c" */
        ck_assert_int_eq(ranges[0].repeated + ranges[2].repeated, 2);
        counts(&ranges[4],
               "records 1 undecodable 0 left out 0 applied 0 repeated 1 runs 0 letters 0");
}
END_TEST

START_TEST(letters_are_known_by_their_place_in_the_record)
{
        int64_t offset;

        worker.accept_json_batch = true;
        offset =
                send_to("t", 0, "application/cloudevents-batch+json",
                        "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\"},"
                        "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"x\"},"
                        "{\"specversion\":\"1.0\",\"id\":\"3\",\"source\":\"/s\",\"type\":\"x\"}]");
        letter(1, offset, 0);
        letter(1, offset, 2);
        claim("w", "1");
        add("t", 0);
        OK(look(reterr));
        counts(&ranges[0],
               "records 1 undecodable 0 left out 0 applied 1 repeated 0 runs 2 letters 1");
}
END_TEST

START_TEST(a_letter_of_a_whole_record_is_one_of_each_of_its_events_and_the_other_way_round)
{
        static const char two[] =
                "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\"},"
                "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"x\"}]";

        worker.accept_json_batch = true;
        /* refused as a whole when it came, read now */
        letter(1, send_to("t", 0, "application/cloudevents-batch+json", two), -1);
        letter(1, event(0, "x", "3"), -1);
        /* read when it came, and refused now */
        letter(1, send_to("t", 0, NULL, "no event"), 4);
        event(0, "x", "4");
        add("t", 0);
        OK(look(reterr));
        counts(&ranges[0],
               "records 4 undecodable 1 left out 0 applied 0 repeated 0 runs 4 letters 4");
}
END_TEST

START_TEST(many_events_are_many_questions_and_every_answer_is_taken)
{
        enum { COUNT = 40000 }; /* two and a half questions on two connections */
        char id[32];

        for (int i = 0; i < COUNT; i++) {
                snprintf(id, sizeof id, "e-%d", i % 30000);
                event(i % 2, "a", id);
        }
        fixture_int(
                pgs[0],
                "WITH c AS (INSERT INTO weir.claim_1 SELECT weir.claim_key('w', '/s', 'e-' || i),"
                " 1, 0 FROM generate_series(0, 29999, 3) i RETURNING 1) SELECT count(*) FROM c");
        add("t", 0);
        add("t", 1);
        OK(look(reterr));
        ck_assert_int_eq(ranges[0].events + ranges[1].events, COUNT);
        ck_assert_int_eq(ranges[0].applied + ranges[1].applied, 10000 + 3334);
        ck_assert_int_eq(ranges[0].runs + ranges[1].runs, 20000);
        ck_assert_int_eq(ranges[0].repeated + ranges[1].repeated, COUNT - 20000 - 13334);
}
END_TEST

static bool end_here(void *context, int64_t done, int64_t total)
{
        int64_t *seen = context;

        seen[0] = done;
        seen[1] = total;
        return false;
}

START_TEST(whoever_watches_it_can_end_it)
{
        struct weir_error error = { .code = 0 };
        int64_t seen[2] = { -1, -1 };
        char id[32];

        for (int i = 0; i < 3000; i++) {
                snprintf(id, sizeof id, "e-%d", i);
                event(0, "a", id);
        }
        add("t", 0);
        preview.progress = end_here;
        preview.context = seen;
        ck_assert_int_eq(look(&error), WEIR_ESTOP);
        ck_assert_int_eq(seen[1], 3000);
        ck_assert_int_gt(seen[0], 0);
        ck_assert_int_lt(seen[0], 3000);
}
END_TEST

START_TEST(an_error_of_the_database_ends_it)
{
        struct weir_error error = { .code = 0 };

        event(0, "a", "1");
        add("t", 0);
        OK(weir_pg_run(pgs[0], "ALTER TABLE weir.claim_generation RENAME TO hidden", reterr));
        ck_assert_int_lt(look(&error), 0);
        ck_assert_str_eq(error.sqlstate, "42P01");
        OK(weir_pg_run(pgs[0], "ALTER TABLE weir.hidden RENAME TO claim_generation", reterr));
}
END_TEST

START_TEST(a_partition_that_is_not_there_is_named)
{
        struct weir_error error = { .code = 0 };

        event(0, "a", "1");
        add("t", 0);
        ranges[0].partition = 7;
        ck_assert_int_eq(look(&error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "no partition 7"));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("preview");
        TCase *tcase = tcase_create("preview");

        fixture_start("preview", true);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, PV2_each_event_is_counted_as_what_would_become_of_it);
        tcase_add_test(tcase,
                       what_the_filter_leaves_out_and_what_cannot_be_decoded_then_is_not_meant);
        tcase_add_test(tcase, another_epoch_has_claims_of_its_own);
        tcase_add_test(tcase, a_range_ends_where_it_ends_and_others_are_read_with_it);
        tcase_add_test(tcase, letters_are_known_by_their_place_in_the_record);
        tcase_add_test(
                tcase,
                a_letter_of_a_whole_record_is_one_of_each_of_its_events_and_the_other_way_round);
        tcase_add_test(tcase, many_events_are_many_questions_and_every_answer_is_taken);
        tcase_add_test(tcase, whoever_watches_it_can_end_it);
        tcase_add_test(tcase, an_error_of_the_database_ends_it);
        tcase_add_test(tcase, a_partition_that_is_not_there_is_named);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

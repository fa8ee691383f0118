/* SPDX-License-Identifier: MIT */
/* dead: the message for the topic, the round it counts, and row and message in one transaction */
#include "flow/dead.h"
#include "store_fixture.h"

int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        (void)record;
        (void)arena;
        return 0;
}
void weir_record_release(struct weir_record *record)
{
        (void)record;
}

static struct weir_arena arena;

static void setup(void)
{
        weir_arena_init(&arena, 4096);
}

static void teardown(void)
{
        weir_arena_fini(&arena);
}

static const char *header(const struct weir_outbox_message *message, const char *name)
{
        const char *found = NULL;

        for (size_t i = 0; i < message->header_count; i++)
                if (strcmp(message->headers[i].name, name) == 0) {
                        ck_assert_msg(!found, "%s is there twice", name);
                        found = message->headers[i].value;
                        ck_assert_uint_eq(strlen(found), message->headers[i].size);
                }
        return found;
}

static const struct weir_header own[] = {
        { "ce_id", "e", 1 },      { "weir_reason", "older", 5 }, { "weir_text", "older", 5 },
        { "weir_round", "2", 1 }, { "weir_unknown", "x", 1 },    { "Weir_x", NULL, 0 }
};

static struct weir_deadletter letter_of(const char *text)
{
        return (struct weir_deadletter){ .position = 7,
                                         .worker = "w",
                                         .topic = "orders",
                                         .partition = 3,
                                         .offset = 42,
                                         .key = { "k", 1 },
                                         .value = { "v\0w", 3 },
                                         .headers = own,
                                         .header_count = WEIR_COUNT_OF(own),
                                         .klass = "attempts",
                                         .reason = "handler",
                                         .text = text,
                                         .attempts = 5,
                                         .round = 3 };
}

START_TEST(D1_the_record_goes_as_it_came_with_our_headers_replaced)
{
        struct weir_deadletter letter = letter_of("not now");
        struct weir_outbox_message m;

        ck_assert_int_eq(weir_dead_message(&letter, 99, "orders.dead", &arena, &m), 0);
        ck_assert_int_eq(m.kind, WEIR_OUTBOX_TOPIC);
        ck_assert_str_eq(m.destination, "orders.dead");
        ck_assert_uint_eq(m.key.size, 1);
        ck_assert_uint_eq(m.body.size, 3);
        ck_assert_mem_eq(m.body.ptr, "v\0w", 3);
        ck_assert_str_eq(m.message_id.ptr, "weir-dead-99");
        ck_assert_int_eq(m.position, 7);
        ck_assert_int_eq(m.offset, 42);
        ck_assert_uint_eq(m.header_count, 2 + 9);
        ck_assert_str_eq(m.headers[0].name, "ce_id");
        ck_assert_str_eq(m.headers[1].name, "Weir_x"); /* names are case-sensitive: not ours */
        ck_assert_ptr_null(m.headers[1].value);
        ck_assert_str_eq(header(&m, "weir_reason"), "handler");
        ck_assert_str_eq(header(&m, "weir_class"), "attempts");
        ck_assert_str_eq(header(&m, "weir_text"), "not now");
        ck_assert_str_eq(header(&m, "weir_topic"), "orders");
        ck_assert_str_eq(header(&m, "weir_partition"), "3");
        ck_assert_str_eq(header(&m, "weir_offset"), "42");
        ck_assert_str_eq(header(&m, "weir_attempts"), "5");
        ck_assert_str_eq(header(&m, "weir_dead_letter"), "99");
        ck_assert_str_eq(header(&m, "weir_round"), "3");
        ck_assert_ptr_null(header(&m, "weir_unknown"));
}
END_TEST

START_TEST(D2_the_text_is_cut_between_characters)
{
        char text[WEIR_DEAD_TEXT_BYTES + 10];
        struct weir_deadletter letter = letter_of(text);
        struct weir_outbox_message m;

        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = '\0';
        ck_assert_int_eq(weir_dead_message(&letter, 1, "t", &arena, &m), 0);
        ck_assert_uint_eq(strlen(header(&m, "weir_text")), WEIR_DEAD_TEXT_BYTES);
        memcpy(text + WEIR_DEAD_TEXT_BYTES - 1, "\xe2\x82\xac", 3);
        ck_assert_int_eq(weir_dead_message(&letter, 1, "t", &arena, &m), 0);
        ck_assert_uint_eq(strlen(header(&m, "weir_text")), WEIR_DEAD_TEXT_BYTES - 1);
}
END_TEST

START_TEST(D3_the_round_is_that_of_a_letter_of_ours_and_one)
{
        struct weir_header headers[] = {
                { "weir_round", "7", 1 },       { "weir_topic", "orders", 6 },
                { "weir_partition", "0", 1 },   { "weir_offset", "42", 2 },
                { "weir_dead_letter", "9", 1 }, { "other", NULL, 0 }
        };
        static const struct {
                const char *value;
                int32_t round;
        } rounds[] = { { "7", 8 },
                       { "junk", 1 },
                       { "", 1 },
                       { "-7", 1 },
                       { "7x", 1 },
                       { "0", 1 },
                       { NULL, 1 },
                       { "999998", 999999 },
                       { "999999", 999999 },
                       { "1", 2 },
                       { " 7", 1 },
                       { "99999999", 999999 },
                       { "99999999999999999999", 1 } };

        ck_assert_int_eq(weir_dead_round(NULL, 0), 1);
        ck_assert_int_eq(weir_dead_round(headers, 6), 8);
        for (size_t i = 0; i < WEIR_COUNT_OF(rounds); i++) { /* it comes from outside */
                headers[0].value = rounds[i].value;
                headers[0].size = rounds[i].value ? strlen(rounds[i].value) : 0;
                ck_assert_int_eq(weir_dead_round(headers, 6), rounds[i].round);
        }
        headers[0] = (struct weir_header){ "weir_round", "7", 1 };
        for (size_t i = 1; i < 5; i++) { /* D3: with one of them missing, it is nobody's letter */
                struct weir_header without = headers[i];

                headers[i].name = "else";
                ck_assert_int_eq(weir_dead_round(headers, 6), 1);
                headers[i] = without;
        }
        headers[5] = headers[0]; /* two of them: ours replaces */
        ck_assert_int_eq(weir_dead_round(headers, 6), 1);
}
END_TEST

/* ---- row and message ------------------------------------------------------------------------ */

static struct weir_batch batch;
static struct weir_batch_record records[2];
static struct weir_item items[3];
static struct weir_refusal refusal = { .klass = WEIR_REFUSED_BAD_JSON, .at = 17 };

/* A record of three events, the second condemned; and one that is no event. */
static void make_batch(void)
{
        batch = (struct weir_batch){ .records = records, .record_count = 2, .items = items };
        batch.item_count = 3;
        weir_arena_init(&batch.arena, 4096);
        snprintf(refusal.reason, sizeof refusal.reason, "no json");
        for (uint32_t i = 0; i < 2; i++) {
                records[i] = (struct weir_batch_record){ .item_count = i ? 0 : 3,
                                                         .refusal = i ? &refusal : NULL };
                records[i].record = (struct weir_record){ .topic = "orders",
                                                          .partition = 3,
                                                          .offset = 50 + i,
                                                          .time_ms = 1000,
                                                          .value = { "v", 1 } };
        }
        for (uint32_t i = 0; i < 3; i++)
                items[i] = (struct weir_item){ .record = 0, .attempts = 1 };
        items[1].dead = true;
        items[1].klass = "reject";
        items[1].attempts = 4;
        snprintf(items[1].reason, sizeof items[1].reason, "22012");
        items[1].text = (char *)"words";
        items[1].event.source = (struct weir_view){ "/s", 2 };
        items[1].event.id = (struct weir_view){ "e", 1 };
        items[1].first_failed_us = INT64_C(1732819997474154);
}

static void keep(struct weir_pg *pg, int on_dead, bool end)
{
        const struct weir_conf_worker worker = { .name = "w",
                                                 .on_dead = on_dead,
                                                 .dead_letter_topic = "orders.dead" };
        struct weir_dead dead = { .worker = &worker, .version = "1.2" };
        struct weir_position position = { .id = 4242 };

        make_batch();
        OK(weir_pg_begin(pg, reterr));
        OK(weir_dead_keep(&dead, pg, &batch, 0, 2, &position, reterr));
        if (end)
                OK(weir_pg_commit(pg, reterr));
        else
                weir_pg_rollback(pg);
        weir_dead_fini(&dead);
        weir_arena_fini(&batch.arena);
}

START_TEST(only_what_is_dead_is_kept_with_all_that_is_known)
{
        struct weir_pg *pg = fixture_connect();

        keep(pg, WEIR_DEAD_KEEP, true);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.dead_letter WHERE position = 4242"),
                         2);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 50 AND item = 1"
                        " AND class = 'reject' AND reason = '22012' AND text = 'words'"
                        " AND attempts = 4 AND round = 1 AND source = '/s' AND event_id = 'e'"
                        " AND first_failed_at = '2024-11-28 18:53:17.474154Z'"),
                1);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 51 AND item = 0"
                        " AND class = 'decode' AND reason = 'bad-json' AND at_byte = 17"),
                1);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 0);
        weir_pg_close(pg);
}
END_TEST

START_TEST(publish_leaves_a_message_for_each_row_in_the_same_transaction)
{
        struct weir_pg *pg = fixture_connect();

        fixture_int(pg,
                    "WITH d AS (DELETE FROM weir.dead_letter RETURNING 1) SELECT count(*) FROM d");
        keep(pg, WEIR_DEAD_PUBLISH, false);
        ck_assert_int_eq(fixture_int(pg, "SELECT (SELECT count(*) FROM weir.outbox) +"
                                         " (SELECT count(*) FROM weir.dead_letter)"),
                         0);
        keep(pg, WEIR_DEAD_PUBLISH, true);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.outbox o JOIN weir.dead_letter d"
                                     " ON o.message_id = 'weir-dead-' || d.id"
                                     " WHERE o.kind = 't' AND o.destination = 'orders.dead'"
                                     " AND o.position = d.position AND o.\"offset\" = d.\"offset\""
                                     " AND o.body = d.value AND cardinality(o.header_names) = 9"),
                         2);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_message_whose_row_was_refused_goes_with_no_later_transaction)
{
        const struct weir_conf_worker worker = { .name = "w",
                                                 .on_dead = WEIR_DEAD_PUBLISH,
                                                 .dead_letter_topic = "orders.dead" };
        struct weir_dead dead = { .worker = &worker, .version = "1.2" };
        const struct weir_position position = { .id = 4242 };
        struct weir_pg *pg = fixture_connect();
        struct weir_error error;

        OK(weir_pg_run(pg,
                       "TRUNCATE weir.outbox, weir.dead_letter; ALTER TABLE weir.dead_letter"
                       " ADD CONSTRAINT refused CHECK (class <> 'decode')",
                       reterr));
        make_batch();
        OK(weir_pg_begin(pg, reterr));
        ck_assert_int_lt(weir_dead_keep(&dead, pg, &batch, 0, 2, &position, &error), 0);
        weir_pg_rollback(pg);
        OK(weir_pg_run(pg, "ALTER TABLE weir.dead_letter DROP CONSTRAINT refused", reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_dead_keep(&dead, pg, &batch, 0, 2, &position, reterr));
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 2);
        weir_dead_fini(&dead);
        weir_arena_fini(&batch.arena);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_halt_names_everything_and_the_ways_out)
{
        struct weir_conf_worker worker = {
                .name = "w", .on_dead = WEIR_DEAD_HALT, .dead_max_percent = 50, .dead_window = 1000
        };
        const struct weir_dead dead = { .worker = &worker };
        struct weir_error error;

        make_batch();
        records[0].record.key = (struct weir_view){ "k1", 2 };
        weir_dead_halt(&dead, &batch, 0, &error);
        ck_assert_ptr_nonnull(
                strstr(error.text, "orders/3 offset 50 key k1: reject, 22012: words"));
        ck_assert_ptr_nonnull(strstr(error.text, "on_dead is \"halt\""));
        ck_assert_ptr_nonnull(strstr(error.text, "; once mended, a restart or: "
                                                 "weir position set w orders/3 50 --reason again"));
        ck_assert_ptr_nonnull(strstr(error.text, "; the same with 51 loses that event: "
                                                 "nothing is kept of it"));
        items[1].klass = "crash"; /* a restart would not call it again */
        weir_dead_halt(&dead, &batch, 0, &error);
        ck_assert_ptr_nonnull(
                strstr(error.text, "; once mended: weir position set w orders/3 50 "));
        worker.on_dead = WEIR_DEAD_KEEP;
        weir_dead_halt(&dead, &batch, 1, &error);
        ck_assert_ptr_nonnull(strstr(error.text, "offset 51 key none: decode, bad-json: no json"));
        ck_assert_ptr_nonnull(strstr(error.text, "dead.max_share, 50 % of the last 1000"));
        ck_assert_ptr_nonnull(strstr(error.text, "weir position set w orders/3 51 --reason again"));
        ck_assert_ptr_null(strstr(error.text, "restart")); /* it would change nothing */
        records[0].record.key = (struct weir_view){ "a\0b\xff\xc3\xa9\n", 7 }; /* bytes, not text */
        weir_dead_halt(&dead, &batch, 0, &error);
        ck_assert_ptr_nonnull(strstr(error.text, "offset 50 key a\\x00b\\xff\xc3\xa9\\x0a: "));
        weir_arena_fini(&batch.arena);
}
END_TEST

START_TEST(a_halt_of_a_replay_leaves_the_live_position_alone)
{
        struct weir_conf_worker worker = {
                .name = "w", .on_dead = WEIR_DEAD_HALT, .dead_max_percent = 50, .dead_window = 1000
        };
        const struct weir_dead dead = { .worker = &worker, .replay = 7 };
        struct weir_error error;

        make_batch();
        for (int i = 0; i < 2; i++) {
                weir_dead_halt(&dead, &batch, 0, &error);
                ck_assert_ptr_nonnull(strstr(error.text,
                                             "; once mended: weir replay resume 7; one that is "
                                             "planned anew with --partition orders/3 --from 51 "));
                ck_assert_ptr_null(strstr(error.text, "weir position"));
                worker.on_dead = WEIR_DEAD_KEEP;
        }
        weir_arena_fini(&batch.arena);
}
END_TEST

START_TEST(a_halt_with_the_longest_names_leaves_the_ways_out_whole)
{
        char topic[250], name[64], key[200], text[WEIR_ERROR_TEXT_BYTES], command[400];
        struct weir_conf_worker worker = { .name = name,
                                           .dead_max_percent = 100,
                                           .dead_window = 1000000 };
        const struct weir_dead dead = { .worker = &worker };
        struct weir_error error;

        memset(topic, 't', sizeof topic - 1);
        topic[sizeof topic - 1] = '\0';
        memset(name, 'w', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        memset(key, 'k', sizeof key);
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        make_batch();
        records[0].record.topic = topic;
        records[0].record.partition = INT32_MAX;
        records[0].record.offset = INT64_MAX - 1;
        records[0].record.key = (struct weir_view){ key, sizeof key };
        batch.items[1].text = text;
        weir_dead_halt(&dead, &batch, 0, &error);
        snprintf(command, sizeof command, "weir position set %s %s/%d %lld --reason again", name,
                 topic, INT32_MAX, (long long)INT64_MAX - 1);
        ck_assert_ptr_nonnull(strstr(error.text, command));
        snprintf(command, sizeof command,
                 "the same with %lld loses that event: nothing is kept of it",
                 (long long)INT64_MAX);
        ck_assert_ptr_nonnull(strstr(error.text, command));
        weir_arena_fini(&batch.arena);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("dead");
        TCase *tcase = tcase_create("dead");

        fixture_start("dead", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, D1_the_record_goes_as_it_came_with_our_headers_replaced);
        tcase_add_test(tcase, D2_the_text_is_cut_between_characters);
        tcase_add_test(tcase, D3_the_round_is_that_of_a_letter_of_ours_and_one);
        tcase_add_test(tcase, only_what_is_dead_is_kept_with_all_that_is_known);
        tcase_add_test(tcase, publish_leaves_a_message_for_each_row_in_the_same_transaction);
        tcase_add_test(tcase, a_message_whose_row_was_refused_goes_with_no_later_transaction);
        tcase_add_test(tcase, a_halt_names_everything_and_the_ways_out);
        tcase_add_test(tcase, a_halt_of_a_replay_leaves_the_live_position_alone);
        tcase_add_test(tcase, a_halt_with_the_longest_names_leaves_the_ways_out_whole);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

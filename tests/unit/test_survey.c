/* SPDX-License-Identifier: MIT */
/* store/survey: what the tables say of ranges */
#include "store_fixture.h"

#include "store/survey.h"

static struct weir_pg *pg;

static void setup(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "TRUNCATE weir.batch, weir.dead_letter, weir.replay_range, weir.replay,"
                       " weir.position_change, weir.position RESTART IDENTITY CASCADE;"
                       " DO $$ DECLARE g int4; BEGIN FOR g IN SELECT generation FROM"
                       " weir.claim_generation LOOP EXECUTE format('TRUNCATE weir.claim_%s', g);"
                       " END LOOP; END $$",
                       reterr));
}

static void teardown(void)
{
        weir_pg_close(pg);
}

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
        char sql[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(sql, sizeof sql, format, ap);
        va_end(ap);
        OK(weir_pg_run(pg, sql, reterr));
}

static int32_t position(const char *worker, int partition)
{
        return (int32_t)fixture_int(
                pg,
                "INSERT INTO weir.position (worker, topic, partition, epoch, next_offset, owner)"
                " VALUES ('%s', 't', %d, 1, 0, '') RETURNING id",
                worker, partition);
}

static void batch(int32_t id, int64_t first, int64_t next)
{
        run("INSERT INTO weir.batch (position, first_offset, next_offset, epoch, records, events,"
            " fresh, dead, plugin_version) VALUES (%d, %lld, %lld, 1, 1, 1, 1, 0, '1')",
            id, (long long)first, (long long)next);
}

static void claims(int32_t id, int first, int until)
{
        run("INSERT INTO weir.claim_1 SELECT gen_random_uuid(), %d, i FROM"
            " generate_series(%d, %d) i",
            id, first, until - 1);
}

static void letter(int32_t id, int64_t offset, int item, const char *state, const char *klass)
{
        run("INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\", item,"
            " header_names, header_values, class, reason, text, attempts, plugin_version, state,"
            " first_failed_at) VALUES (%d, 'w', 't', 0, %lld, %d, '{}', '{}', '%s', 'x', 'x', 1,"
            " '1', '%s', now())",
            id, (long long)offset, item, klass, state);
}

static struct weir_survey_span span_of(int32_t id, int partition, int64_t from, int64_t until)
{
        return (struct weir_survey_span){ .topic = "t",
                                          .partition = partition,
                                          .from_offset = from,
                                          .until_offset = until,
                                          .position = id };
}

static void count(const char *epoch, struct weir_survey_span *spans, size_t span_count)
{
        OK(weir_survey_count(pg, "w", epoch, 30000, spans, span_count, reterr));
}

static int64_t unreached(int32_t id, int64_t from, int64_t until)
{
        struct weir_survey_span span = span_of(id, 0, from, until);

        count(NULL, &span, 1);
        return span.unreached;
}

START_TEST(what_no_transaction_passed_is_not_reached_whatever_they_repeat)
{
        int32_t id = position("w", 0);

        ck_assert_int_eq(unreached(id, 10, 60), 50);
        batch(id, 0, 20);
        batch(id, 20, 30);
        batch(id, 40, 50); /* 30 to 39 were jumped over */
        batch(id, 15, 28); /* and that was read once more */
        batch(id, 5, 49);  /* all of it */
        ck_assert_int_eq(unreached(id, 0, 60), 10);
        run("DELETE FROM weir.batch WHERE first_offset = 5");
        ck_assert_int_eq(unreached(id, 0, 60), 20);
        ck_assert_int_eq(unreached(id, 25, 45), 10);
        ck_assert_int_eq(unreached(id, 30, 40), 10);
        ck_assert_int_eq(unreached(id, 16, 17), 0);
        ck_assert_int_eq(unreached(id, 17, 17), 0);
        ck_assert_int_eq(unreached(id, 50, 70), 20);
}
END_TEST

START_TEST(letters_are_those_that_wait_of_events)
{
        int32_t id = position("w", 0), alien = position("v", 0);
        struct weir_survey_span spans[] = { span_of(id, 0, 10, 20), span_of(0, 1, 0, 100) };
        struct weir_survey_letter *list = NULL;
        size_t found = 0;
        bool more = true;

        letter(id, 9, 0, "kept", "reject");
        letter(id, 15, 1, "requeue", "reject");
        letter(id, 10, -1, "kept", "decode");
        letter(id, 15, 0, "kept", "reject");
        letter(id, 16, 0, "applied", "reject");
        letter(id, 17, 0, "dropped", "reject");
        letter(id, 18, 0, "kept", "deliver");
        letter(id, 20, 0, "kept", "reject");
        letter(alien, 15, 0, "kept", "reject");
        count(NULL, spans, 2);
        ck_assert_int_eq(spans[0].letters, 3);
        ck_assert_int_eq(spans[1].letters, 0);
        OK(weir_survey_letters(pg, spans, 2, 10, &list, &found, &more, reterr));
        ck_assert_uint_eq(found, 3);
        ck_assert(!more);
        ck_assert_int_eq(list[0].offset, 10);
        ck_assert_int_eq(list[0].item, -1);
        ck_assert_int_eq(list[1].item, 0);
        ck_assert_int_eq(list[2].item, 1);
        ck_assert_uint_eq(list[2].span, 0);
        free(list);
        OK(weir_survey_letters(pg, spans, 2, 2, &list, &found, &more, reterr));
        ck_assert_uint_eq(found, 2);
        ck_assert(more);
        free(list);
}
END_TEST

static void replay(int id, const char *policy, const char *epoch, int32_t at, int32_t live)
{
        run("INSERT INTO weir.replay (worker, policy, epoch, types, sources, subjects, ids, effects,"
            " if_missing, rate_per_s, asked_from, asked_to, plugin_version, state, owner, by)"
            " VALUES ('w', '%s', %s, '{}', '{}', '{}', '{}', false, 'fail', 0, '', '', '1', 'done',"
            " '', 'me')",
            policy, epoch);
        run("INSERT INTO weir.replay_range (replay, topic, partition, position, live_position,"
            " from_offset, until_offset) VALUES (%d, 't', 0, %d, %d, 0, 100)",
            id, at, live);
}

START_TEST(SY1_claims_are_counted_in_their_namespace)
{
        int32_t live = position("w", 0), missing = position("w@1", 0), again = position("w@2", 0);
        int32_t other = position("w@3", 0), alien = position("v", 0);
        struct weir_survey_span span = span_of(live, 0, 10, 20);

        replay(1, "missing", "NULL", missing, live);
        replay(2, "again", "'e'", again, live);
        replay(3, "again", "'f'", other, live);
        replay(4, "live", "NULL", live, live); /* no position of its own: counted once */
        claims(live, 5, 15);
        claims(missing, 15, 18);
        claims(again, 0, 12);
        claims(other, 19, 40);
        claims(alien, 0, 40);
        batch(live, 0, 15);
        batch(missing, 12, 18);
        batch(again, 0, 12);
        count(NULL, &span, 1);
        ck_assert_int_eq(span.applied, 8);
        ck_assert_int_eq(span.unreached, 2);
        count("e", &span, 1);
        ck_assert_int_eq(span.applied, 2);
        ck_assert_int_eq(span.unreached, 8);
        count("nobody", &span, 1);
        ck_assert_int_eq(span.applied, 0);
        ck_assert_int_eq(span.unreached, 10);
        letter(live, 12, 0, "kept", "reject"); /* letters of a replay hang on the live position */
        count("e", &span, 1);
        ck_assert_int_eq(span.letters, 1);
}
END_TEST

START_TEST(claims_of_all_generations_are_counted)
{
        int32_t live = position("w", 0);
        struct weir_survey_span spans[] = { span_of(live, 0, 0, 10), span_of(live, 0, 10, 20) };

        claims(live, 0, 12);
        fixture_int(pg, "SELECT weir.claim_switch()");
        run("INSERT INTO weir.claim_%lld SELECT gen_random_uuid(), %d, 15",
            (long long)fixture_int(pg, "SELECT max(generation) FROM weir.claim_generation"), live);
        count(NULL, spans, 2);
        ck_assert_int_eq(spans[0].applied, 10);
        ck_assert_int_eq(spans[1].applied, 3);
}
END_TEST

START_TEST(a_count_that_takes_too_long_is_none_and_leaves_the_connection_well)
{
        int32_t live = position("w", 0);
        struct weir_survey_span span = span_of(live, 0, 0, 20);
        struct weir_pg *holder = fixture_connect();

        claims(live, 0, 10);
        letter(live, 12, 0, "kept", "reject");
        OK(weir_pg_begin(holder, reterr));
        OK(weir_pg_run(holder, "LOCK weir.claim_1 IN ACCESS EXCLUSIVE MODE", reterr));
        OK(weir_survey_count(pg, "w", NULL, 50, &span, 1, reterr));
        weir_pg_rollback(holder);
        weir_pg_close(holder);
        ck_assert_int_eq(span.applied, -1);
        ck_assert_int_eq(span.letters, 1);
        ck_assert_int_eq(span.unreached, 20);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT (current_setting('statement_timeout') = '0')::int"),
                         1);
        count(NULL, &span, 1);
        ck_assert_int_eq(span.applied, 10);
}
END_TEST

static void worked(int32_t id, int first, int fresh, const char *at)
{
        run("INSERT INTO weir.batch (position, first_offset, next_offset, epoch, records, events,"
            " fresh, dead, plugin_version, at) VALUES (%d, %d, %d, 1, %d, %d, %d, 0, '1',"
            " timestamptz '2026-01-01 00:00:00Z' + interval '%s')",
            id, first, first + fresh, fresh, fresh, fresh, at);
}

START_TEST(the_pace_is_that_of_a_lane_with_enough_to_do)
{
        int32_t id = position("w", 0), idle = position("w", 1), alien = position("v", 0);
        struct weir_survey_pace pace;

        OK(weir_survey_pace(pg, "w", &pace, reterr));
        ck_assert_int_eq(pace.transactions, 0);
        for (int i = 0; i < 40; i++) { /* 100 events in 10 ms each, and a pause of an hour */
                char at[40];

                snprintf(at, sizeof at, "%d ms", 10 * i + (i >= 20 ? 3600000 : 0));
                worked(id, 100 * i, 100, at);
                snprintf(at, sizeof at, "%d s", i);
                worked(idle, i, 1, at); /* an event a second: that is how fast they came */
                worked(alien, 100 * i, 100, at);
        }
        OK(weir_survey_pace(pg, "w", &pace, reterr));
        ck_assert_int_eq(pace.transactions, 38); /* neither the last one nor the pause */
        ck_assert_int_eq(pace.events, 3800);
        ck_assert_double_eq_tol(pace.us_per_event, 100, 0.5);
        run("DELETE FROM weir.batch WHERE position = %d AND first_offset >= 500", id);
        OK(weir_survey_pace(pg, "w", &pace, reterr));
        ck_assert_int_eq(pace.transactions, 0); /* four say nothing */
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("survey");
        TCase *tcase = tcase_create("survey");

        fixture_start("survey", true);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, what_no_transaction_passed_is_not_reached_whatever_they_repeat);
        tcase_add_test(tcase, letters_are_those_that_wait_of_events);
        tcase_add_test(tcase, SY1_claims_are_counted_in_their_namespace);
        tcase_add_test(tcase, claims_of_all_generations_are_counted);
        tcase_add_test(tcase, a_count_that_takes_too_long_is_none_and_leaves_the_connection_well);
        tcase_add_test(tcase, the_pace_is_that_of_a_lane_with_enough_to_do);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

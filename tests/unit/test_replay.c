/* SPDX-License-Identifier: MIT */
/* store/replay: plans, whose they are, how far they are */
#include "store/claims.h"
#include "store/position.h"
#include "store/replay.h"
#include "store_fixture.h"

static struct weir_pg *pg;

static void setup(void)
{
        pg = fixture_connect();
}

static void teardown(void)
{
        weir_pg_run(pg,
                    "TRUNCATE weir.replay, weir.replay_range, weir.position, weir.position_change,"
                    " weir.batch, weir.parked, weir.claim_dropped",
                    NULL);
        weir_pg_close(pg);
}

static const struct weir_filter none;

static struct weir_replay_plan plan_of(const struct weir_replay_place *places, size_t count)
{
        return (struct weir_replay_plan){
                .worker = "w",
                .policy = "missing",
                .filter = &none,
                .max_lag = -1,
                .asked_from = "earliest",
                .asked_to = "now",
                .plugin_version = "1",
                .owner = "here:1",
                .places = places,
                .place_count = count,
        };
}

static int64_t insert(const struct weir_replay_plan *plan)
{
        int64_t id = -1;

        OK(weir_replay_insert(pg, plan, &id, reterr));
        return id;
}

static struct weir_replay *load(int64_t id)
{
        struct weir_replay *replay = NULL;

        OK(weir_replay_load(pg, id, &replay, reterr));
        return replay;
}

static int64_t one(void)
{
        static const struct weir_replay_place place = { "t", 0, 10, 20, 0 };
        struct weir_replay_plan plan = plan_of(&place, 1);

        return insert(&plan);
}

START_TEST(RY1_a_plan_is_its_row_its_ranges_and_their_positions)
{
        static const struct weir_replay_place places[] = { { "u", 1, 5, 5, 3 },
                                                           { "t", 0, 10, 20, 0 } };
        const char *const types[] = { "a", "quo\"te", "{b,c}" }, *const ids[] = { "\xc3\xa4\\" };
        const struct weir_filter filter = { .types = { types, 3 }, .ids = { ids, 1 } };
        struct weir_replay_plan plan = plan_of(places, 2);
        struct weir_replay *replay;
        struct weir_position live;
        int64_t id;

        OK(weir_position_take(pg, "w", "t", 0, "here:2", &live, reterr));
        OK(weir_position_begin(pg, &live, 100, reterr));
        plan.policy = "again";
        plan.epoch = "e1";
        plan.filter = &filter;
        plan.effects = plan.skip_missing = true;
        plan.rate_per_s = 7;
        plan.max_lag = 0;
        id = insert(&plan);
        replay = load(id);
        ck_assert_str_eq(replay->worker, "w");
        ck_assert_str_eq(replay->policy, "again");
        ck_assert_str_eq(replay->epoch, "e1");
        ck_assert_str_eq(replay->state, "running");
        ck_assert_str_eq(replay->owner, "here:1");
        ck_assert(replay->effects && replay->skip_missing && !replay->held);
        ck_assert_int_eq(replay->rate_per_s, 7);
        ck_assert_int_eq(replay->max_lag, 0);
        ck_assert_uint_eq(replay->filter.types.count, 3);
        for (size_t i = 0; i < 3; i++)
                ck_assert_str_eq(replay->filter.types.values[i], types[i]);
        ck_assert_uint_eq(replay->filter.sources.count + replay->filter.subjects.count, 0);
        ck_assert_uint_eq(replay->filter.ids.count, 1);
        ck_assert_str_eq(replay->filter.ids.values[0], ids[0]);
        ck_assert_uint_eq(replay->span_count, 2);
        ck_assert_str_eq(replay->spans[0].topic, "t");
        ck_assert_int_eq(replay->spans[0].live_position, live.id);
        ck_assert_int_ne(replay->spans[0].position, live.id);
        ck_assert_int_eq(replay->spans[0].next_offset, 10);
        ck_assert_int_eq(replay->spans[0].until_offset, 20);
        ck_assert_int_eq(replay->spans[1].from_offset, 5);
        weir_replay_free(replay);
        /* its own positions; the live one as it was, and one that was not there waits for its first start */
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.position WHERE worker = 'w@%lld'"
                                     " AND epoch = 0 AND owner = ''",
                                     (long long)id),
                         2);
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE worker = 'w'"
                                         " AND topic = 't'"),
                         100);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.position WHERE worker = 'w'"
                                         " AND topic = 'u' AND next_offset IS NULL"),
                         1);
}
END_TEST

START_TEST(RY1_a_plan_that_cannot_be_written_leaves_nothing)
{
        static const struct weir_replay_place places[] = { { "t", 0, 10, 20, 0 },
                                                           { "t", 1, 21, 20, 0 } };
        struct weir_replay_plan plan = plan_of(places, 2);
        struct weir_error error = { 0 };
        int64_t id = -1;

        ck_assert_int_eq(weir_replay_insert(pg, &plan, &id, &error), WEIR_ESQL);
        ck_assert_int_eq(id, -1);
        ck_assert_int_eq(fixture_int(pg, "SELECT (SELECT count(*) FROM weir.replay)"
                                         " + (SELECT count(*) FROM weir.position)"),
                         0);
}
END_TEST

START_TEST(RY2_of_two_who_resume_one_has_it)
{
        int64_t id = one();
        struct weir_replay *first = load(id), *second = load(id);
        bool stopped = false;

        OK(weir_replay_take(pg, first, "a:1", reterr));
        ck_assert_int_eq(weir_replay_take(pg, second, "b:1", NULL), 1);
        ck_assert_int_eq(weir_replay_stop(pg, second, &stopped, NULL), 1);
        ck_assert_int_eq(weir_replay_look(pg, id, "a:1", NULL), 0);
        ck_assert_int_eq(weir_replay_look(pg, id, "b:1", NULL), 2);
        ck_assert_int_eq(weir_replay_look(pg, id + 1, "a:1", NULL), 2);
        ck_assert_int_eq(weir_replay_end(pg, id, "b:1", "done", "", NULL), 1);
        OK(weir_replay_end(pg, id, "a:1", "done", "", reterr));
        ck_assert_int_eq(weir_replay_end(pg, id, "a:1", "failed", "", NULL), 1);
        ck_assert_int_eq(weir_replay_look(pg, id, "a:1", NULL), 2);
        weir_replay_free(first);
        weir_replay_free(second);
}
END_TEST

START_TEST(RY2_the_same_owner_once_more_is_another)
{
        int64_t id = one();
        struct weir_replay *first = load(id), *second;

        OK(weir_replay_take(pg, first, "here:1", reterr)); /* as the plan had it */
        second = load(id);
        ck_assert_int_eq(weir_replay_take(pg, first, "here:1", NULL), 1);
        OK(weir_replay_take(pg, second, "here:1", reterr));
        weir_replay_free(first);
        weir_replay_free(second);
}
END_TEST

START_TEST(who_goes_on_may_set_other_bounds)
{
        int64_t id = one();
        struct weir_replay *replay = load(id);

        replay->rate_per_s = 9;
        replay->max_lag = 5;
        replay->skip_missing = true;
        OK(weir_replay_take(pg, replay, "here:3", reterr));
        weir_replay_free(replay);
        replay = load(id);
        ck_assert_int_eq(replay->rate_per_s, 9);
        ck_assert_int_eq(replay->max_lag, 5);
        ck_assert(replay->skip_missing);
        replay->max_lag = -1;
        replay->skip_missing = false;
        OK(weir_replay_take(pg, replay, "here:3", reterr));
        weir_replay_free(replay);
        replay = load(id);
        ck_assert_int_eq(replay->max_lag, -1);
        ck_assert(!replay->skip_missing);
        weir_replay_free(replay);
}
END_TEST

START_TEST(RY3_who_is_there_is_asked_to_stop_and_who_is_gone_is_stopped)
{
        int64_t id = one();
        struct weir_replay *replay = load(id);
        struct weir_pg_conf conf = { .url = fixture.url, .application_name = "weir 17 there" };
        struct weir_pg *theirs = NULL;
        bool stopped = true;

        OK(weir_replay_take(pg, replay, "there:17", reterr));
        weir_replay_free(replay);
        OK(weir_pg_open(&conf, NULL, &theirs, reterr));
        replay = load(id);
        ck_assert(replay->held);
        OK(weir_replay_stop(pg, replay, &stopped, reterr));
        ck_assert(!stopped);
        ck_assert_int_eq(weir_replay_look(theirs, id, "there:17", NULL), 1);
        weir_replay_free(replay);
        weir_pg_close(theirs);
        fixture_until(pg, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
                          " WHERE application_name = 'weir 17 there')");
        replay = load(id);
        ck_assert(!replay->held);
        ck_assert_str_eq(replay->state, "stopping");
        OK(weir_replay_stop(pg, replay, &stopped, reterr));
        ck_assert(stopped);
        weir_replay_free(replay);
        replay = load(id);
        ck_assert_str_eq(replay->state, "stopped");
        ck_assert_int_eq(weir_replay_stop(pg, replay, &stopped, NULL), 1); /* it is */
        OK(weir_replay_take(pg, replay, "there:18", reterr));
        weir_replay_free(replay);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.replay WHERE ended_at IS NULL"),
                         1);
}
END_TEST

START_TEST(what_is_given_up_is_not_gone_on_with_once_claims_went)
{
        int64_t id = one();
        struct weir_replay *replay = load(id);
        struct weir_replay *seen;
        bool stopped;

        OK(weir_replay_stop(pg, replay, &stopped, reterr));
        weir_replay_free(replay);
        replay = load(id);
        OK(weir_replay_give_up(pg, replay, reterr));
        weir_replay_free(replay);
        replay = load(id);
        ck_assert_str_eq(replay->state, "failed");
        ck_assert_ptr_nonnull(strstr(replay->text, "given up by "));
        ck_assert_ptr_null(replay->gone);
        seen = replay;
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.claim_dropped VALUES (1, now() - interval '2 h',"
                       " now() - interval '1 h', now(), 'x')",
                       reterr));
        replay = load(id);
        ck_assert_ptr_nonnull(strstr(replay->gone, "generation 1 of claims was dropped at 2"));
        weir_replay_free(replay);
        ck_assert_int_eq(weir_replay_take(pg, seen, "here:1", NULL),
                         1); /* dropped since it was seen */
        weir_replay_free(seen);
        OK(weir_pg_run(pg, "UPDATE weir.claim_dropped SET dropped_at = now() - interval '1 h'",
                       reterr));
        replay = load(id);
        ck_assert_ptr_null(replay->gone); /* before it was planned */
        weir_replay_free(replay);
}
END_TEST

START_TEST(nobody_has_a_number_that_is_not_there)
{
        struct weir_replay *replay = NULL;

        ck_assert_int_eq(weir_replay_load(pg, 4711, &replay, NULL), 1);
        ck_assert_ptr_null(replay);
}
END_TEST

static int64_t cell(struct weir_pg_rows *rows, size_t row, size_t column)
{
        return weir_pg_rows_int(rows, row, column, -1);
}

START_TEST(RY4_the_trail_of_its_positions_is_its_progress)
{
        static const struct weir_replay_place places[] = { { "t", 0, 10, 20, 0 },
                                                           { "t", 1, 0, 30, 4 } };
        struct weir_replay_plan plan = plan_of(places, 2);
        int64_t id = insert(&plan), other = insert(&plan);
        struct weir_pg_rows *rows = NULL;
        struct weir_replay *replay;
        char sql[1200];

        snprintf(
                sql, sizeof sql,
                "INSERT INTO weir.batch (first_offset, next_offset, epoch, position, records,"
                " events, fresh, dead, plugin_version)"
                " SELECT 10, 14, 1, g.position, 4, 3, 1, 1, '1' FROM weir.replay_range g"
                " WHERE replay = %lld AND partition = 0"
                " UNION ALL SELECT 14, 15, 1, g.position, 0, 1, 1, 0, '1' FROM weir.replay_range g"
                " WHERE replay = %lld AND partition = 0"
                " UNION ALL SELECT 10, 20, 1, g.live_position, 9, 9, 9, 9, '1'"
                " FROM weir.replay_range g WHERE replay = %lld;"
                "UPDATE weir.position SET next_offset = 15 WHERE worker = 'w@%lld' AND partition = 0;"
                "UPDATE weir.position SET next_offset = 33 WHERE worker = 'w@%lld' AND partition = 1;"
                "UPDATE weir.replay_range SET withheld = 5 WHERE replay = %lld AND partition = 0;"
                "INSERT INTO weir.parked (position, topic, partition, \"offset\", item,"
                " header_names, header_values, source, event_id, attempts, reason, text,"
                " next_try_at) SELECT position, 't', 0, 12, 0, '{}', '{}', '/s', 'e', 1, '', '', now()"
                " FROM weir.replay_range WHERE replay = %lld AND partition = 0",
                (long long)id, (long long)id, (long long)id, (long long)id, (long long)id,
                (long long)id, (long long)id);
        OK(weir_pg_run(pg, sql, reterr));
        OK(weir_replay_spans(pg, id, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 2);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_NEXT), 15);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_RECORDS), 4);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_APPLIED), 2);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_SKIPPED), 2);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_DEAD), 1);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_PARKED), 1);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_WITHHELD), 5);
        ck_assert_int_eq(cell(rows, 1, WEIR_SPAN_NEXT),
                         30); /* behind the end there is nothing of it */
        ck_assert_int_eq(cell(rows, 1, WEIR_SPAN_RECORDS), 0);
        ck_assert_int_eq(cell(rows, 1, WEIR_SPAN_MISSING), 4);
        weir_pg_rows_free(rows);
        replay = load(id);
        ck_assert_int_eq(replay->spans[0].parked, 1);
        ck_assert_int_eq(replay->spans[1].parked, 0);
        ck_assert_int_eq(replay->spans[1].next_offset, 33);
        weir_replay_free(replay);
        OK(weir_replay_list(pg, "w", 0, 10, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 2);
        ck_assert_int_eq(cell(rows, 0, WEIR_REPLAY_ID), other);
        ck_assert_int_eq(cell(rows, 0, WEIR_REPLAY_PASSED), 0);
        ck_assert_int_eq(cell(rows, 0, WEIR_REPLAY_RECORDS), 0);
        ck_assert_int_eq(cell(rows, 1, WEIR_REPLAY_OFFSETS), 40);
        ck_assert_int_eq(cell(rows, 1, WEIR_REPLAY_PASSED), 35);
        ck_assert_int_eq(cell(rows, 1, WEIR_REPLAY_APPLIED), 2);
        ck_assert_int_eq(cell(rows, 1, WEIR_REPLAY_MISSING), 4);
        ck_assert_int_eq(cell(rows, 1, WEIR_REPLAY_RATE), -1);
        weir_pg_rows_free(rows);
        OK(weir_replay_list(pg, NULL, id, 10, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 1);
        weir_pg_rows_free(rows);
        OK(weir_replay_list(pg, "x", 0, 10, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 0);
        weir_pg_rows_free(rows);
        /* positions of replays are not among those that consume live */
        OK(weir_position_list(pg, NULL, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 2);
        weir_pg_rows_free(rows);
}
END_TEST

static void live_at(int32_t partition, int64_t offset)
{
        struct weir_position position;

        OK(weir_position_take(pg, "w", "t", partition, "here:2", &position, reterr));
        OK(weir_position_begin(pg, &position, offset, reterr));
}

START_TEST(live_goes_back_with_its_row_and_reason_or_not_at_all)
{
        static const struct weir_replay_place places[] = { { "t", 1, 3, 40, 0 },
                                                           { "t", 0, 10, 99, 0 } };
        struct weir_replay_plan plan = plan_of(places, 2);
        struct weir_pg_rows *rows = NULL;
        struct weir_error error = { 0 };
        int64_t id = -1;

        live_at(0, 50);
        live_at(1, 2);
        plan.policy = "live";
        ck_assert_int_eq(weir_replay_insert_live(pg, &plan, &id, &error), WEIR_EUSAGE);
        plan.reason = "a gap";
        ck_assert_int_eq(weir_replay_insert_live(pg, &plan, &id, &error), WEIR_EUSAGE);
        ck_assert_msg(strstr(error.text, "t/1: the live position stands at 2") != NULL, "%s",
                      error.text);
        ck_assert_int_eq(fixture_int(pg, "SELECT (SELECT count(*) FROM weir.replay) + (SELECT"
                                         " count(*) FROM weir.position WHERE next_offset = 10)"),
                         0);
        OK(weir_pg_run(pg, "UPDATE weir.position SET next_offset = 30 WHERE partition = 1",
                       reterr));
        /* what a lane does while the move waits for another one's row is not the replay's */
        OK(weir_pg_run(pg,
                       "CREATE FUNCTION weir.meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$"
                       "BEGIN INSERT INTO weir.batch (first_offset, next_offset, epoch, position,"
                       " records, events, fresh, dead, plugin_version) VALUES (12, 13, 1, NEW.id,"
                       " 1, 1, 1, 0, '1'); RETURN NEW; END $$; CREATE TRIGGER meanwhile BEFORE"
                       " UPDATE ON weir.position FOR EACH ROW EXECUTE FUNCTION weir.meanwhile()",
                       reterr));
        OK(weir_replay_insert_live(pg, &plan, &id, reterr));
        OK(weir_pg_run(pg, "DROP FUNCTION weir.meanwhile() CASCADE", reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(next_offset) FROM weir.position"), 13);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.position_change WHERE reason = 'a gap'"),
                2);
        OK(weir_pg_run(
                pg,
                "INSERT INTO weir.batch (first_offset, next_offset, epoch, position, records,"
                " events, fresh, dead, plugin_version, at) SELECT o, 50, 1, id, 5, 5, 0, 0,"
                " '1', t FROM weir.position, (VALUES (10, now()), (49, now()), (9, now()),"
                " (50, now()), (11, now() - interval '1 d')) v(o, t) WHERE partition = 0",
                reterr));
        OK(weir_replay_spans(pg, id, &rows, reterr));
        weir_pg_rows_free(rows);
        /* they go back once more: what comes of that is another replay's */
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.position_change (position, epoch, before, after, reason,"
                       " by, at) SELECT id, 9, 50, 10, 'again', 'me', now() + interval '1 h' FROM"
                       " weir.position; INSERT INTO weir.batch (first_offset, next_offset, epoch,"
                       " position, records, events, fresh, dead, plugin_version, at) SELECT 10, 50,"
                       " 9, id, 7, 7, 3, 0, '1', now() + interval '2 h' FROM weir.position",
                       reterr));
        OK(weir_replay_spans(pg, id, &rows, reterr));
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_FROM), 10);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_UNTIL),
                         50); /* where it stood, not what was planned */
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_SKIPPED), 10);
        ck_assert_int_eq(cell(rows, 0, WEIR_SPAN_APPLIED), 0);
        ck_assert_int_eq(cell(rows, 1, WEIR_SPAN_UNTIL), 30);
        weir_pg_rows_free(rows);
        OK(weir_replay_list(pg, NULL, id, 1, &rows, reterr));
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, WEIR_REPLAY_STATE).ptr, "done");
        ck_assert_int_eq(cell(rows, 0, WEIR_REPLAY_PASSED), 0);
        weir_pg_rows_free(rows);
}
END_TEST

START_TEST(the_last_claim_that_was_dropped_is_known)
{
        static const struct weir_replay_place place = { "t", 0, 10, 20, 0 };
        struct weir_replay_plan plan = plan_of(&place, 1);
        int64_t until_ms = 0;
        char text[32] = "x";

        OK(weir_replay_forgotten(pg, "w", NULL, &until_ms, text, reterr));
        ck_assert_str_eq(text, "");
        OK(weir_pg_run(
                pg,
                "INSERT INTO weir.claim_dropped (generation, since, until, dropped_by) VALUES"
                " (1, 'epoch', '1970-01-01T00:00:05Z', 'x'),"
                " (2, 'epoch', '1970-01-01T00:00:07Z', 'x')",
                reterr));
        OK(weir_replay_forgotten(pg, "w", NULL, &until_ms, text, reterr));
        ck_assert_int_eq(until_ms, 7000);
        ck_assert_str_eq(text, "1970-01-01T00:00:07Z");
        /* an epoch that began later has lost none */
        plan.policy = "again";
        plan.epoch = "e";
        insert(&plan);
        OK(weir_replay_forgotten(pg, "w", "e", &until_ms, text, reterr));
        ck_assert_str_eq(text, "");
        OK(weir_pg_run(pg, "UPDATE weir.replay SET created_at = '1970-01-01T00:00:06Z'", reterr));
        OK(weir_replay_forgotten(pg, "w", "e", &until_ms, text, reterr));
        ck_assert_int_eq(until_ms, 7000);
        OK(weir_replay_forgotten(pg, "w", "f", &until_ms, text, reterr));
        ck_assert_str_eq(text, "");
        OK(weir_replay_forgotten(pg, "other", "e", &until_ms, text, reterr));
        ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("replay");
        TCase *tests = tcase_create("replay");

        fixture_start("replay", true);
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, RY1_a_plan_is_its_row_its_ranges_and_their_positions);
        tcase_add_test(tests, RY1_a_plan_that_cannot_be_written_leaves_nothing);
        tcase_add_test(tests, RY2_of_two_who_resume_one_has_it);
        tcase_add_test(tests, RY2_the_same_owner_once_more_is_another);
        tcase_add_test(tests, who_goes_on_may_set_other_bounds);
        tcase_add_test(tests, RY3_who_is_there_is_asked_to_stop_and_who_is_gone_is_stopped);
        tcase_add_test(tests, what_is_given_up_is_not_gone_on_with_once_claims_went);
        tcase_add_test(tests, nobody_has_a_number_that_is_not_there);
        tcase_add_test(tests, RY4_the_trail_of_its_positions_is_its_progress);
        tcase_add_test(tests, live_goes_back_with_its_row_and_reason_or_not_at_all);
        tcase_add_test(tests, the_last_claim_that_was_dropped_is_known);
        suite_add_tcase(suite, tests);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* test_keeping - a generation is kept while anything needs it; the janitor does what is due */
#include "claims_fixture.h"

START_TEST(KP1_time_keeps_a_generation_and_the_longest_log)
{
        struct weir_keeping keeping = { .retention_ms = 10 * HOUR_MS };
        int32_t first = newest();

        is_kept(&keeping, first, "newest", "claims go there");
        next();
        is_kept(&keeping, first, "retention", "claims.retention");
        ck_assert_int_gt(judge(&keeping, first).left_ms, 9 * HOUR_MS);
        let_age(first, 11);
        is_kept(&keeping, first, "", "");
        keeping.log_ms = 20 * HOUR_MS;
        snprintf(keeping.topic, sizeof keeping.topic, "orders");
        is_kept(&keeping, first, "topic", "topic orders keeps records for 20h");
        ck_assert_int_le(judge(&keeping, first).left_ms, 9 * HOUR_MS);
        keeping.log_ms = -1;
        is_kept(&keeping, first, "topic", "of any age");
        ck_assert_int_eq(judge(&keeping, first).left_ms, -1);
        keeping.log_ms = 0;
        keeping.retention_ms = 0;
        is_kept(&keeping, first, "retention", "for ever");
}
END_TEST

START_TEST(CL3_a_letter_needs_the_generation_of_its_duplicate_and_no_other)
{
        static const struct {
                const char *state, *reason;
        } states[] = { { "kept", "dead_letter" }, { "requeue", "dead_letter" },
                       { "sent", "dead_letter" }, { "applied", "" },
                       { "duplicate", "" },       { "dropped", "" } };
        struct weir_keeping keeping = { .retention_ms = HOUR_MS };
        int32_t first = newest(), second;
        int64_t id, other;

        claim(400, KEYS); /* e-400 is applied: a duplicate of what died */
        second = next();
        claim(500, KEYS);
        next();
        let_age(second, 2);
        other = letter("kept", "'/s'", "'never-came-again'");
        is_kept(&keeping, first, "", "");
        for (size_t i = 0; i < WEIR_COUNT_OF(states); i++) {
                char sql[100];

                id = letter(states[i].state, "'/s'", "'e-400'");
                is_kept(&keeping, first, states[i].reason, *states[i].reason ? "dead letter" : "");
                is_kept(&keeping, second, "", "");
                snprintf(sql, sizeof sql, "DELETE FROM weir.dead_letter WHERE id = %lld",
                         (long long)id);
                OK(weir_pg_run(pg, sql, reterr));
        }
        id = letter("kept", "'/s'", "'e-400'"); /* in an epoch, whose claims are others */
        OK(weir_pg_run(pg, "UPDATE weir.dead_letter SET epoch = 'x'", reterr));
        is_kept(&keeping, first, "", "");
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter", reterr));
        id = letter("sent", "'/s'", "'e-400'");
        OK(weir_pg_run(pg, "UPDATE weir.dead_letter SET marked_at = now() - interval '2 h'",
                       reterr));
        is_kept(&keeping, first, "", "");
        (void)id;
        (void)other;
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter", reterr));
}
END_TEST

START_TEST(CL3_a_letter_without_a_name_needs_all_while_it_is_marked)
{
        struct weir_keeping keeping = { .retention_ms = HOUR_MS };
        int32_t first = newest();

        claim(600, KEYS);
        next();
        let_age(first, 2);
        letter("kept", "NULL", "NULL");
        is_kept(&keeping, first, "", "");
        letter("requeue", "NULL", "NULL");
        is_kept(&keeping, first, "dead_letter", "is any event");
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter", reterr));
        letter("requeue", "repeat('x', 4093)", "'e-600'"); /* was cut, perhaps */
        is_kept(&keeping, first, "dead_letter", "is any event");
        OK(weir_pg_run(pg, "UPDATE weir.dead_letter SET class = 'deliver'", reterr));
        is_kept(&keeping, first, "", "");
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter", reterr));
}
END_TEST

START_TEST(CL3_a_parked_event_needs_the_generation_of_its_duplicate)
{
        struct weir_keeping keeping = { .retention_ms = HOUR_MS };
        int32_t first = newest(), second;
        char sql[400];

        claim(700, KEYS);
        second = next();
        claim(800, KEYS);
        next();
        let_age(second, 2);
        snprintf(
                sql, sizeof sql,
                "INSERT INTO weir.parked (position, topic, partition, \"offset\", item,"
                " header_names, header_values, source, event_id, attempts, reason, text,"
                " next_try_at) VALUES (%d, 't', 0, 1, 0, '{}', '{}', '/s', 'e-805', 1, '', '', now())",
                position.id);
        OK(weir_pg_run(pg, sql, reterr));
        is_kept(&keeping, first, "", "");
        is_kept(&keeping, second, "parked", "parked event");
        OK(weir_pg_run(pg, "TRUNCATE weir.parked", reterr));
        is_kept(&keeping, second, "", "");
}
END_TEST

START_TEST(CL3_a_replay_that_goes_on_needs_all)
{
        static const struct {
                const char *policy, *state, *reason;
        } cases[] = { { "missing", "running", "replay" }, { "again", "stopping", "replay" },
                      { "again", "stopped", "replay" },   { "missing", "done", "" },
                      { "missing", "failed", "" },        { "live", "running", "" } };
        struct weir_keeping keeping = { .retention_ms = HOUR_MS };
        int32_t first = newest();

        claim(900, KEYS);
        next();
        let_age(first, 2);
        for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
                char sql[600];

                snprintf(sql, sizeof sql,
                         "INSERT INTO weir.replay (worker, policy, epoch, types, sources, subjects,"
                         " ids, effects, if_missing, rate_per_s, asked_from, asked_to,"
                         " plugin_version, state, owner, by) VALUES ('w', '%s', %s, '{}', '{}',"
                         " '{}', '{}', false, 'fail', 0, 'earliest', 'now', '1', '%s', 'x', 'x')",
                         cases[i].policy, *cases[i].policy == 'a' ? "'e'" : "NULL", cases[i].state);
                OK(weir_pg_run(pg, sql, reterr));
                is_kept(&keeping, first, cases[i].reason,
                        *cases[i].reason ? "weir replay resume" : "");
                OK(weir_pg_run(pg, "DELETE FROM weir.replay", reterr));
        }
}
END_TEST

START_TEST(JA1_a_longer_log_makes_longer_periods)
{
        const struct weir_conf conf = { .claims_period_ms = HOUR_MS,
                                        .claims_retention_ms = 2 * HOUR_MS };
        struct weir_keeping keeping;

        weir_keeping_by_conf(&conf, &keeping);
        ck_assert_int_eq(weir_keeping_period_ms(&conf, &keeping), HOUR_MS);
        keeping.log_ms = 140 * (int64_t)HOUR_MS;
        ck_assert_int_eq(weir_keeping_period_ms(&conf, &keeping), 10 * HOUR_MS);
        keeping.log_ms = -1;
        ck_assert_int_eq(weir_keeping_period_ms(&conf, &keeping), -1);
}
END_TEST

/* A role that may claim and not switch: nothing is changed, and what is missing has a name. */
START_TEST(a_role_without_the_right_is_told_which)
{
        char sql[600], grant[400];

        ck_assert_int_eq(weir_keeping_may(pg, grant, NULL), 0);
        snprintf(sql, sizeof sql,
                 "CREATE ROLE %s_small; GRANT USAGE ON SCHEMA weir TO %s_small;"
                 " SET ROLE %s_small",
                 fixture.name, fixture.name, fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        ck_assert_int_eq(weir_keeping_may(pg, grant, NULL), 1);
        ck_assert_ptr_nonnull(strstr(grant,
                                     "GRANT EXECUTE ON FUNCTION weir.claim_drop(integer,integer), "
                                     "weir.claim_sweep(), weir.claim_switch(integer) TO "));
        OK(weir_pg_run(pg, "RESET ROLE", reterr));
        OK(weir_pg_run(pg, grant, reterr));
        snprintf(sql, sizeof sql, "SET ROLE %s_small", fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        ck_assert_int_eq(weir_keeping_may(pg, grant, NULL), 0);
        ck_assert_int_gt(next(), 0); /* by the owner's rights */
        snprintf(sql, sizeof sql, "RESET ROLE; DROP OWNED BY %s_small; DROP ROLE %s_small",
                 fixture.name, fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
}
END_TEST

START_TEST(who_may_switch_may_drop_after_the_migration)
{
        struct weir_migrations set;
        char sql[300];

        OK(weir_migrations_read("weir", fixture_migrations(), &set, reterr));
        OK(weir_schema_down(pg, &set, 1, (int)set.count - 7, false, NULL,
                            reterr)); /* to before 0008 */
        snprintf(sql, sizeof sql,
                 "CREATE ROLE %s_old; GRANT EXECUTE ON FUNCTION weir.claim_switch() TO %s_old",
                 fixture.name, fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        ck_assert_int_gt(fixture_int(pg, "SELECT weir.claim_switch()"), 0); /* that of before */
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT (has_function_privilege('%s_old', 'weir.claim_drop(int4,"
                            " int4)', 'EXECUTE') AND has_function_privilege('%s_old',"
                            " 'weir.claim_sweep()', 'EXECUTE') AND NOT"
                            " has_function_privilege('%s_old', 'weir.claim_change(int4, int4,"
                            " int4)', 'EXECUTE'))::int",
                            fixture.name, fixture.name, fixture.name),
                1);
        weir_migrations_fini(&set);
        snprintf(sql, sizeof sql, "DROP OWNED BY %s_old; DROP ROLE %s_old", fixture.name,
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
}
END_TEST

#define JANITORS                                                                                   \
        "SELECT count(*) %s FROM pg_stat_activity WHERE application_name = 'weir janitor'"         \
        " AND datname = current_database()"

/* A look has begun after now, and has ended. */
static void until_it_looked(void)
{
        fixture_until(pg, JANITORS, "> 0");
        fixture_until(pg, JANITORS, "= 0");
}

static void janitor_until(const struct weir_conf *conf, const char *condition)
{
        struct weir_janitor *janitor = NULL;

        OK(weir_janitor_start(conf, &janitor, reterr));
        fixture_until(pg, "%s", condition);
        weir_janitor_free(janitor);
}

START_TEST(JA1_at_the_bound_the_newest_goes_on)
{
        const char *topics[] = { "t" };
        struct weir_devbroker *broker = NULL;
        struct weir_janitor *janitor = NULL;
        struct weir_conf conf = { .store_url = fixture.url,
                                  .claims_period_ms = 1000,
                                  .claims_retention_ms = 10 * (int64_t)HOUR_MS };
        int32_t first = newest();
        char condition[100];
        int64_t count;

        OK(weir_devbroker_start(topics, 1, 1, &broker, reterr));
        conf.kafka_brokers = weir_devbroker_address(broker);
        claim(1000, KEYS);
        let_age(first, 10000);
        snprintf(condition, sizeof condition,
                 "SELECT max(generation) > %d FROM weir.claim_generation", first);
        janitor_until(&conf, condition);
        ck_assert_int_eq(newest(), first + 1); /* which is empty: it is not followed, however old */
        while ((count = fixture_int(pg, "SELECT count(*) FROM weir.claim_generation")) <
               WEIR_CLAIM_LIVE_MAX)
                next();
        claim(2000, KEYS);
        OK(weir_pg_run(pg,
                       "UPDATE weir.claim_generation SET since = now() - interval '9 h'"
                       " + generation * interval '1 s'",
                       reterr));
        OK(weir_janitor_start(&conf, &janitor, reterr));
        until_it_looked();
        weir_janitor_free(janitor);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.claim_generation"), count);
        /* One goes, and there is room. */
        OK(weir_pg_run(pg,
                       "UPDATE weir.claim_generation SET since = since - interval '2 h' WHERE"
                       " generation <= (SELECT min(generation) + 1 FROM weir.claim_generation)",
                       reterr));
        janitor_until(&conf, "SELECT count(*) > 0 FROM weir.claim_dropped d JOIN"
                             " weir.claim_generation g ON g.generation > d.generation");
        weir_devbroker_stop(broker);
}
END_TEST

/* KP2: the cluster is away. Claims are old enough, and stay. */
START_TEST(KP2_no_answer_keeps_everything)
{
        struct weir_conf_worker worker = { .topics = (const char *[]){ "t" }, .topic_count = 1 };
        const struct weir_conf conf = { .store_url = fixture.url,
                                        .kafka_brokers = "127.0.0.1:1",
                                        .workers = &worker,
                                        .worker_count = 1,
                                        .claims_period_ms = 1000,
                                        .claims_retention_ms = 1000 };
        struct weir_janitor *janitor = NULL;
        struct weir_keeping keeping;
        struct weir_error error = { .code = 0 };
        int32_t first = newest();

        claim(900, KEYS);
        next();
        let_age(first, 1);
        ck_assert_int_lt(weir_keeping_ask(&conf, pg, NULL, 200, &keeping, &error), 0);
        OK(weir_janitor_start(&conf, &janitor, reterr));
        until_it_looked();
        weir_janitor_free(janitor);
        ck_assert_uint_eq(claim(900, KEYS), 0);
}
END_TEST
int main(void)
{
        Suite *suite = suite_create("keeping");
        TCase *tcase = tcase_create("keeping");

        fixture_start("keeping", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, KP1_time_keeps_a_generation_and_the_longest_log);
        tcase_add_test(tcase, CL3_a_letter_needs_the_generation_of_its_duplicate_and_no_other);
        tcase_add_test(tcase, CL3_a_letter_without_a_name_needs_all_while_it_is_marked);
        tcase_add_test(tcase, CL3_a_parked_event_needs_the_generation_of_its_duplicate);
        tcase_add_test(tcase, CL3_a_replay_that_goes_on_needs_all);
        tcase_add_test(tcase, JA1_a_longer_log_makes_longer_periods);
        tcase_add_test(tcase, a_role_without_the_right_is_told_which);
        tcase_add_test(tcase, who_may_switch_may_drop_after_the_migration);
        tcase_add_test(tcase, JA1_at_the_bound_the_newest_goes_on);
        tcase_add_test(tcase, KP2_no_answer_keeps_everything);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

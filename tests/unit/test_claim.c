/* SPDX-License-Identifier: MIT */
/* claim: a key is unique over all generations, whoever switches meanwhile; what was claimed can be given back */
#include "apply_fixture.h"
#include "store/claims.h"

#define RACE_PATIENCE_MS 15000 /* who is to wait behind the switch may take his time to come */

struct switcher {
        pthread_t thread;
        struct weir_pg *pg;
        int32_t generation;
        int result;
        struct weir_error error;
};

static void *switch_generation(void *arg)
{
        /* One try, a long one: weir_claim_switch() begins with short ones, and who comes between two of them waits
         * for nobody. */
        static const char sql[] = "SELECT weir.claim_switch($1)";
        struct switcher *switcher = arg;
        const struct weir_value patience = weir_int4(RACE_PATIENCE_MS);
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;

        switcher->result = weir_pg_query(switcher->pg, sql, &patience, 1, &rows, &switcher->error);
        if (switcher->result == 0)
                switcher->generation = (int32_t)weir_pg_rows_int(rows, 0, 0, 0);
        return NULL;
}

/* A claim that is open holds up a switch, and the switch a claim that was sent behind it. */
struct race {
        struct weir_pg *pg, *other;
        struct batch *batch;
        struct switcher switcher;
        struct claimer late;
};

static void run_race(struct race *race, int32_t partition, unsigned first_key, unsigned late_key)
{
        int64_t switcher_backend, late_backend;

        race->pg = fixture_connect();
        race->other = fixture_connect();
        race->switcher = (struct switcher){ .pg = fixture_connect() };
        race->late = (struct claimer){ .pg = fixture_connect() };
        switcher_backend = fixture_backend(race->switcher.pg);
        late_backend = fixture_backend(race->late.pg);
        race->batch = batch_of(race->pg, partition, first_key, KEYS);
        race->late.batch = batch_of(race->late.pg, partition + 1, late_key, KEYS);
        ck_assert_int_eq(apply(race->late.pg, race->late.batch),
                         0); /* so that it knows the generations of now */
        weir_pg_rollback(race->late.pg);
        ck_assert_int_eq(apply(race->pg, race->batch), 0);
        pthread_create(&race->switcher.thread, NULL, switch_generation, &race->switcher);
        fixture_until_waiting(race->other, switcher_backend);
        pthread_create(&race->late.thread, NULL, claim, &race->late);
        fixture_until_waiting(race->other, late_backend);
        OK(weir_pg_commit(race->pg, reterr));
        pthread_join(race->switcher.thread, NULL);
        ck_assert_msg(race->switcher.result == 0, "%s", race->switcher.error.text);
        pthread_join(race->late.thread, NULL);
        ck_assert_msg(race->late.result == 0, "%s", race->late.error.text);
}

static void end_race(struct race *race)
{
        free(race->batch);
        free(race->late.batch);
        weir_pg_close(race->pg);
        weir_pg_close(race->switcher.pg);
        weir_pg_close(race->late.pg);
        weir_pg_close(race->other);
}

START_TEST(a_key_is_unique_across_generations)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 20, 5000, KEYS);
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        for (int i = 0; i < 3; i++) {
                OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
                advance(batch);
                batch->keys[0] = key_of(
                        5100 + (unsigned)i); /* one new, the others from generations back */
                ck_assert_int_eq(apply(pg, batch), 0);
                ck_assert_uint_eq(fresh_count(batch), 1);
                ck_assert(batch->fresh[0]);
                OK(weir_pg_commit(pg, reterr));
                ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim_%d",
                                             generation),
                                 1);
        }
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) - count(DISTINCT key) FROM weir.claim"),
                         0);
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         KEYS + 3);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_switch_waits_for_the_open_claimer_and_holds_up_the_next)
{
        struct race race;
        struct claimer *late = &race.late;

        run_race(&race, 21, 6000, 6000);
        /* It was sent with the old statement, behind the switch. Its fence saw the new version only if
         * each statement of the pipeline took its own snapshot; otherwise it would have claimed in the
         * old generation. */
        ck_assert_uint_eq(fresh_count(late->batch), 0);
        late->batch->keys[0] = key_of(6100);
        advance(late->batch);
        ck_assert_int_eq(apply(late->pg, late->batch), 0);
        OK(weir_pg_commit(late->pg, reterr));
        ck_assert_int_eq(fixture_int(race.other, "SELECT count(*) FROM weir.claim_%d",
                                     race.switcher.generation),
                         1);
        end_race(&race);
}
END_TEST

/* Same race, with keys that are new: where do they land? */
START_TEST(a_claim_sent_before_a_switch_lands_in_the_new_generation)
{
        struct race race;

        run_race(&race, 23, 6500, 6600);
        ck_assert_uint_eq(fresh_count(race.late.batch), KEYS);
        ck_assert_int_eq(fixture_int(race.other,
                                     "SELECT count(*) FROM weir.claim_%d WHERE position = %d",
                                     race.switcher.generation, race.late.batch->position.id),
                         KEYS);
        end_race(&race);
}
END_TEST

START_TEST(a_generation_that_was_dropped_is_a_stale_statement_not_an_error)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 25, 6700, KEYS);
        int32_t generation;

        OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        OK(weir_pg_run(
                other,
                "BEGIN; SELECT pg_advisory_xact_lock(2003134834, 1); DROP VIEW weir.claim;"
                "DO $$ DECLARE g int; BEGIN FOR g IN SELECT generation FROM weir.claim_generation"
                " WHERE generation < (SELECT max(generation) FROM weir.claim_generation) LOOP"
                " EXECUTE format('DROP TABLE weir.claim_%s', g); END LOOP; END $$;"
                "DELETE FROM weir.claim_generation WHERE generation <"
                " (SELECT max(generation) FROM weir.claim_generation);"
                "UPDATE weir.claim_state SET version = version + 1; COMMIT",
                reterr));
        advance(batch);
        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.batch WHERE position = %d",
                                     batch->position.id),
                         2);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_switch_gives_up_when_a_claimer_stays_open)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 26, 6800, KEYS);
        struct weir_error error = { 0 };
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_int_eq(weir_claim_switch(other, 100, &generation, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_int_eq(weir_pg_classify(&error), WEIR_SQL_INFRASTRUCTURE);
        ck_assert(weir_pg_idle(other));
        OK(weir_pg_commit(pg, reterr));
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(rights_follow_a_switch)
{
        struct weir_pg *pg = fixture_connect();
        int32_t generation;
        char sql[512];

        snprintf(sql, sizeof sql, "CREATE ROLE %s_worker", fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        snprintf(sql, sizeof sql,
                 "DO $$ BEGIN EXECUTE format('GRANT SELECT, INSERT ON weir.claim_%%s TO %s_worker',"
                 " (SELECT max(generation) FROM weir.claim_generation)); END $$",
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        OK(weir_claim_switch(pg, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_table_privilege('%s_worker', 'weir.claim_%d', 'INSERT')::int",
                        fixture.name, generation),
                1);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_table_privilege('%s_worker', 'weir.claim_%d', 'DELETE')::int",
                        fixture.name, generation),
                0);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_function_privilege('%s_worker', 'weir.claim_switch()', 'EXECUTE')::int",
                        fixture.name),
                0);
        snprintf(sql, sizeof sql, "DROP OWNED BY %s_worker; DROP ROLE %s_worker", fixture.name,
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        weir_pg_close(pg);
}
END_TEST

START_TEST(what_was_claimed_in_this_transaction_can_be_taken_back)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 40, 41000, KEYS);
        struct weir_key two[] = { batch->keys[2], batch->keys[5] };
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_apply_unclaim(pg, two, 2, reterr));
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         KEYS - 2);
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.batch WHERE position = %d"
                                     " AND events = %d AND fresh = %d AND dead = 2",
                                     batch->position.id, KEYS - 2, KEYS - 2),
                         1);
        advance(batch);
        ck_assert_int_eq(apply(pg, batch), 0); /* they, and they alone, can be claimed again */
        ck_assert_uint_eq(fresh_count(batch), 2);
        ck_assert(batch->fresh[2] && batch->fresh[5]);
        weir_pg_rollback(pg);

        OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        for (size_t i = 0; i < KEYS; i++)
                batch->keys[i] = key_of(42000 + (unsigned)i);
        two[0] = batch->keys[0];
        ck_assert_int_eq(apply(pg, batch), 0); /* into the new generation */
        OK(weir_apply_unclaim(pg, two, 1, reterr));
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.claim WHERE position = %d"
                                     " AND generation = %d",
                                     batch->position.id, generation),
                         KEYS - 1);
        weir_pg_close(other);
        weir_pg_close(pg);
        free(batch);
}
END_TEST

START_TEST(a_claim_that_is_not_there_cannot_be_taken_back)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 41, 43000, KEYS);
        const struct weir_key missing = key_of(44000);
        struct weir_error error;

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_int_eq(weir_apply_unclaim(pg, &missing, 1, &error), WEIR_ESCHEMA);
        weir_pg_rollback(pg);
        weir_pg_close(pg);
        free(batch);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("claim");
        TCase *tcase = tcase_create("apply");

        fixture_start("claim", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, what_was_claimed_in_this_transaction_can_be_taken_back);
        tcase_add_test(tcase, a_claim_that_is_not_there_cannot_be_taken_back);
        tcase_add_test(tcase, a_key_is_unique_across_generations);
        tcase_add_test(tcase, a_switch_waits_for_the_open_claimer_and_holds_up_the_next);
        tcase_add_test(tcase, a_claim_sent_before_a_switch_lands_in_the_new_generation);
        tcase_add_test(tcase, a_switch_gives_up_when_a_claimer_stays_open);
        tcase_add_test(tcase, rights_follow_a_switch);
        tcase_add_test(tcase, a_generation_that_was_dropped_is_a_stale_statement_not_an_error);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* test_tx - what a handler may do with a transaction */
#include "tx_fixture.h"

#include <cjson/cJSON.h>

/* ---- rows ----------------------------------------------------------------------------------- */

HANDLER(child_before_parent)
{
        UNUSED;
        if (append_child(t, "c", "p", reterr) < 0)
                return reterr->code;
        return append_parent(t, "p", reterr);
}

START_TEST(rows_are_sent_in_the_order_of_the_tables_at_the_end)
{
        begin();
        ck_assert_int_eq(call(child_before_parent), WEIR_DONE);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"), 0);
        commit();
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM parent JOIN child ON parent.id = parent"), 1);
}
END_TEST

HANDLER(append_and_count)
{
        const struct weir_rows *rows = NULL;
        int64_t touched = -1;

        UNUSED;
        ck_assert_int_eq(append_parent(t, event->id.ptr, reterr), 0);
        ck_assert_int_eq(weir_tx_query(t, "SELECT id, NULL::text FROM parent WHERE id = $1", &rows,
                                       reterr, weir_text(event->id)),
                         0);
        ck_assert_uint_eq(weir_rows_count(t, rows), 1);
        ck_assert_str_eq(weir_rows_text(t, rows, 0, 0).ptr, event->id.ptr);
        ck_assert_ptr_null(weir_rows_text(t, rows, 0, 1).ptr);
        ck_assert_ptr_null(weir_rows_text(t, rows, 1, 0).ptr);
        ck_assert_ptr_null(weir_rows_text(t, rows, 0, 2).ptr);
        ck_assert_int_eq(append_parent(t, "second", reterr), 0);
        ck_assert_int_eq(weir_tx_exec_values(t, "UPDATE parent SET id = id", NULL, 0, &touched,
                                             reterr),
                         0);
        ck_assert_int_eq(touched, 2);
        ck_assert_str_eq(weir_rows_text(t, rows, 0, 0).ptr,
                         event->id.ptr); /* exec leaves the rows alone */
        return WEIR_DONE;
}

START_TEST(a_statement_sees_what_was_appended_before_it)
{
        begin();
        ck_assert_int_eq(call(append_and_count), WEIR_DONE);
        commit();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"), 2);
}
END_TEST

HANDLER(append_much)
{
        static char big[1024 * 1024];

        UNUSED;
        memset(big, 'x', sizeof big);
        for (int i = 0; i < 66; i++) {
                struct weir_view id = { big, sizeof big };

                if (weir_tx_append(t, handler.tables[1], reterr, weir_text(id), weir_text_z("p")) <
                    0)
                        return reterr->code;
        }
        return WEIR_DONE;
}

START_TEST(more_than_the_bound_is_sent_early_in_the_same_transaction)
{
        OK(weir_pg_run(pg, "INSERT INTO parent VALUES ('p')", reterr));
        begin();
        ck_assert_int_eq(call(append_much), WEIR_DONE);
        ck_assert_int_ge(fixture_int(pg, "SELECT count(*) FROM child"), 63);
        drop();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM child"), 0);
}
END_TEST

HANDLER(append_one)
{
        UNUSED;
        return append_parent(t, event->id.ptr, reterr);
}

START_TEST(a_detach_drops_what_was_not_sent)
{
        begin();
        ck_assert_int_eq(call(child_before_parent), WEIR_DONE);
        drop();
        begin();
        ck_assert_int_eq(call(append_one), WEIR_DONE);
        commit();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"), 1);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM child"), 0);
}
END_TEST

HANDLER(append_wrong_count)
{
        UNUSED;
        return weir_tx_append(t, handler.tables[1], reterr, weir_text_z("x"));
}
HANDLER(append_wrong_type)
{
        UNUSED;
        return weir_tx_append(t, handler.tables[0], reterr, weir_int4(1));
}
HANDLER(append_elsewhere)
{
        UNUSED;
        return weir_tx_append(t, (struct weir_table *)self, reterr, weir_int4(1));
}

START_TEST(a_row_that_does_not_fit_is_the_plugins_fault)
{
        ck_assert_int_eq(call_alone(append_wrong_count), WEIR_EUSAGE);
        ck_assert_int_eq(call_alone(append_wrong_type), WEIR_EUSAGE);
        says("public.parent");
        ck_assert_int_eq(call_alone(append_elsewhere), WEIR_EUSAGE);
        says("did not open");
}
END_TEST

/* ---- T2: who ends a transaction ------------------------------------------------------------- */

static const char *statement;
HANDLER(run_statement)
{
        UNUSED;
        weir_tx_exec_values(t, statement, NULL, 0, NULL, reterr);
        return WEIR_DONE;
}

START_TEST(statements_that_end_a_transaction_are_refused)
{
        static const char *const bad[] = { "COMMIT",
                                           "commit and chain",
                                           " \n;;rollback",
                                           "/* a /* b */ */ END",
                                           "-- x\nAbort",
                                           "begin",
                                           "START TRANSACTION",
                                           "SAVEPOINT a",
                                           "release a",
                                           "ROLLBACK TO a",
                                           "PREPARE TRANSACTION 'x'" };
        static const char *const good[] = { "SELECT 'commit'", "/* commit */ SELECT 1",
                                            "SELECT 1 -- commit", "SELECT 1 AS commits",
                                            "SET LOCAL work_mem = '1MB'" };

        for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
                statement = bad[i];
                begin();
                ck_assert_msg(call(run_statement) == WEIR_EUSAGE, "%s: %s", bad[i], said.text);
                says("by weir alone");
                ck_assert(weir_pg_in_transaction(pg));
                drop();
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(good); i++) {
                statement = good[i];
                ck_assert_msg(call_alone(run_statement) == WEIR_DONE, "%s: %s", good[i], said.text);
        }
}
END_TEST

/* ---- JSON ----------------------------------------------------------------------------------- */

HANDLER(read_json)
{
        const struct cJSON *tree = weir_event_json(t, event, reterr);
        struct weir_event copy = *event;

        UNUSED;
        if (!tree)
                return WEIR_REJECT;
        ck_assert_ptr_eq(tree, weir_event_json(t, event, reterr)); /* parsed once */
        ck_assert_ptr_null(weir_event_json(t, &copy, NULL));
        return cJSON_GetObjectItem(tree, "a")->valueint == 1 ? WEIR_DONE : WEIR_RETRY;
}

START_TEST(json_is_parsed_once_and_within_limits)
{
        struct weir_event good = event_of("g", "{\"a\":1}"), bad = event_of("b", "{\"a\":}"),
                          none = event_of("n", NULL), text = event_of("t", "hello");

        handler.worker.handle = read_json;
        text.data_kind = WEIR_DATA_TEXT;
        begin();
        ck_assert_int_eq(weir_handler_tx_call(tx, &good, &said), WEIR_DONE);
        ck_assert_int_eq(weir_handler_tx_call(tx, &bad, &said), WEIR_REJECT);
        says("bad-json at byte");
        ck_assert_int_eq(weir_handler_tx_call(tx, &none, &said), WEIR_REJECT);
        says("not JSON");
        ck_assert_int_eq(weir_handler_tx_call(tx, &text, &said), WEIR_REJECT);
        ck_assert_int_eq(weir_handler_tx_call(tx, &good, &said),
                         WEIR_DONE); /* the transaction was not lost */
        commit();
}
END_TEST

/* ---- batches -------------------------------------------------------------------------------- */

static int batch_outcome, batch_events[3];
static const char *batch_native;

static int handle_batch(void *self, struct weir_tx *t, const struct weir_event *const *events,
                        size_t count, int *outcomes, struct weir_error *reterr)
{
        (void)self;
        for (size_t i = 0; i < count; i++)
                ck_assert_int_eq(outcomes[i], WEIR_DONE);
        for (size_t i = count; i-- > 0;) /* out of order, and each twice */
                for (int twice = 0; twice < 2; twice++)
                        ck_assert_int_eq(cJSON_GetObjectItem(weir_event_json(t, events[i], reterr),
                                                             "n")
                                                 ->valueint,
                                         (int)i);
        if (batch_native) /* behind weir's back */
                PQclear(PQexec(weir_tx_connection(t), batch_native));
        memcpy(outcomes, batch_events, count * sizeof *outcomes);
        return batch_outcome;
}

static int call_batch(int outcome, int a, int b, int c, int outcomes[3])
{
        struct weir_event events[3] = { event_of("0", "{\"n\":0}"), event_of("1", "{\"n\":1}"),
                                        event_of("2", "{\"n\":2}") };
        const struct weir_event *list[3] = { &events[0], &events[1], &events[2] };
        int r;

        batch_outcome = outcome;
        batch_events[0] = a;
        batch_events[1] = b;
        batch_events[2] = c;
        memset(&said, 0, sizeof said);
        begin();
        r = weir_handler_tx_call_batch(tx, list, 3, outcomes, &said);
        drop();
        return r;
}

START_TEST(a_batch_is_as_good_as_its_worst_event)
{
        int o[3];

        handler.worker.handle_batch = handle_batch;
        ck_assert_int_eq(call_batch(0, WEIR_DONE, WEIR_SKIP, WEIR_DONE, o), 0);
        ck_assert_int_eq(o[1], WEIR_SKIP);
        ck_assert_int_eq(said.code, 0);
        ck_assert_int_eq(call_batch(0, WEIR_DONE, WEIR_REJECT, WEIR_DONE, o), WEIR_REJECT);
        ck_assert(o[0] == WEIR_DONE && o[1] == WEIR_REJECT && o[2] == WEIR_DONE);
        ck_assert_int_eq(call_batch(0, WEIR_DONE, 44, WEIR_DONE, o), WEIR_REJECT);
        ck_assert_int_eq(o[1], WEIR_REJECT);
        ck_assert_int_eq(call_batch(WEIR_RETRY, 0, 0, 0, o), WEIR_RETRY);
        ck_assert(o[0] == WEIR_RETRY && o[1] == WEIR_RETRY && o[2] == WEIR_RETRY);
        ck_assert_int_eq(call_batch(WEIR_SKIP, 0, 0, 0, o), 0);
        ck_assert(o[0] == WEIR_SKIP && o[2] == WEIR_SKIP);
        ck_assert_int_eq(call_batch(55, 0, 0, 0, o), WEIR_REJECT);
        ck_assert_int_eq(o[0], WEIR_REJECT);
}
END_TEST

START_TEST(a_batch_that_commits_is_rejected_whole)
{
        int o[3];

        handler.worker.handle_batch = handle_batch;
        batch_native = "COMMIT";
        ck_assert_int_eq(call_batch(0, 0, 0, 0, o), WEIR_REJECT);
        ck_assert(o[0] == WEIR_REJECT && o[1] == WEIR_REJECT && o[2] == WEIR_REJECT);
}
END_TEST

START_TEST(one_event_goes_to_handle_batch_where_there_is_one)
{
        struct weir_event event = event_of("0", "{\"n\":0}");

        handler.worker.handle_batch = handle_batch;
        batch_events[0] = WEIR_SKIP;
        begin();
        ck_assert_int_eq(weir_handler_tx_call(tx, &event, &said), WEIR_SKIP);
        drop();
}
END_TEST

HANDLER(reject_the_second)
{
        UNUSED;
        return event->id.ptr[0] == '1' ? WEIR_REJECT : WEIR_SKIP;
}

START_TEST(a_batch_without_handle_batch_stops_at_the_first_that_fails)
{
        int o[3];

        handler.worker.handle = reject_the_second;
        ck_assert_int_eq(call_batch(0, 0, 0, 0, o), WEIR_REJECT);
        ck_assert(o[0] == WEIR_SKIP && o[1] == WEIR_REJECT && o[2] == WEIR_DONE);
}
END_TEST

START_TEST(a_transaction_is_of_no_use_outside_of_the_handler)
{
        struct weir_error error = { .code = 0 };

        begin();
        ck_assert_int_eq(append_parent(weir_handler_tx_public(tx), "x", &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "outside of the handler"));
        commit(); /* and harms nothing */
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("tx");
        TCase *all = tcase_create("all");

        fixture_start("tx", false);
        tcase_add_checked_fixture(all, open_tables, close_tables);
        tcase_add_test(all, rows_are_sent_in_the_order_of_the_tables_at_the_end);
        tcase_add_test(all, a_statement_sees_what_was_appended_before_it);
        tcase_add_test(all, more_than_the_bound_is_sent_early_in_the_same_transaction);
        tcase_add_test(all, a_detach_drops_what_was_not_sent);
        tcase_add_test(all, a_row_that_does_not_fit_is_the_plugins_fault);
        tcase_add_test(all, statements_that_end_a_transaction_are_refused);
        tcase_add_test(all, json_is_parsed_once_and_within_limits);
        tcase_add_test(all, a_batch_is_as_good_as_its_worst_event);
        tcase_add_test(all, a_batch_that_commits_is_rejected_whole);
        tcase_add_test(all, one_event_goes_to_handle_batch_where_there_is_one);
        tcase_add_test(all, a_batch_without_handle_batch_stops_at_the_first_that_fails);
        tcase_add_test(all, a_transaction_is_of_no_use_outside_of_the_handler);
        suite_add_tcase(suite, all);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* test_verdict - what a handler's answer is worth, after what it did */
#include "tx_fixture.h"

/* ---- T1, T3: failures that are swallowed or reworded ---------------------------------------- */

static int divide(struct weir_tx *t, struct weir_error *reterr)
{
        return weir_tx_exec(t, "SELECT 1 / $1", reterr, weir_int4(0));
}

static int deadlock(struct weir_tx *t, struct weir_error *reterr)
{
        return weir_tx_exec_values(
                t, "DO $$BEGIN RAISE EXCEPTION 'lock' USING ERRCODE = '40P01'; END$$", NULL, 0,
                NULL, reterr);
}

HANDLER(divide_and_pass_on)
{
        UNUSED;
        return divide(t, reterr);
}
HANDLER(divide_and_done)
{
        UNUSED;
        divide(t, NULL);
        return WEIR_DONE;
}
HANDLER(divide_and_skip)
{
        UNUSED;
        divide(t, reterr);
        return WEIR_SKIP;
}
HANDLER(divide_and_nonsense)
{
        UNUSED;
        divide(t, reterr);
        return 99;
}
HANDLER(divide_and_retry)
{
        UNUSED;
        divide(t, NULL);
        return weir_refuse(WEIR_RETRY, reterr, "later");
}
HANDLER(divide_and_reject)
{
        UNUSED;
        divide(t, NULL);
        return WEIR_REJECT;
}
HANDLER(deadlock_and_reject)
{
        UNUSED;
        deadlock(t, reterr);
        return weir_reject(reterr, "never");
}
HANDLER(deadlock_and_done)
{
        UNUSED;
        deadlock(t, reterr);
        return WEIR_DONE;
}

START_TEST(a_failure_that_is_swallowed_is_not_done)
{
        ck_assert_int_eq(call_alone(divide_and_done), WEIR_ESQL);
        ck_assert_str_eq(said.sqlstate, "22012");
        ck_assert_int_eq(call_alone(divide_and_skip), WEIR_ESQL);
        ck_assert_int_eq(call_alone(divide_and_nonsense), WEIR_ESQL);
        ck_assert_int_eq(call_alone(divide_and_pass_on), WEIR_ESQL);
        ck_assert_int_eq(call_alone(deadlock_and_done), WEIR_ESQL);
        ck_assert_str_eq(said.sqlstate, "40P01");
}
END_TEST

START_TEST(a_flush_after_a_failure_fails_too)
{
        struct weir_error error = { .code = 0 };

        begin();
        ck_assert_int_eq(call(divide_and_done), WEIR_ESQL);
        ck_assert_int_eq(weir_handler_tx_flush(tx, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "22012");
        drop();
        begin(); /* the next transaction is innocent */
        commit();
}
END_TEST

START_TEST(the_handlers_word_counts_when_the_event_is_at_fault)
{
        ck_assert_int_eq(call_alone(divide_and_retry), WEIR_RETRY);
        ck_assert_str_eq(said.text, "later");
        ck_assert_int_eq(call_alone(divide_and_reject), WEIR_REJECT);
        says("division by zero");
        ck_assert_str_eq(said.sqlstate, "22012");
}
END_TEST

START_TEST(infrastructure_never_rejects_an_event)
{
        ck_assert_int_eq(call_alone(deadlock_and_reject), WEIR_ESQL);
        ck_assert_str_eq(said.sqlstate, "40P01");
}
END_TEST

HANDLER(go_on_after_a_failure)
{
        struct weir_error later = { .code = 0 };
        const struct weir_rows *rows = NULL;

        UNUSED;
        divide(t, reterr);
        ck_assert_int_eq(append_parent(t, "x", &later), WEIR_ESQL);
        ck_assert_str_eq(later.sqlstate, "22012");
        ck_assert_int_eq(weir_tx_query(t, "SELECT $1", &rows, NULL, weir_int4(1)), WEIR_ESQL);
        ck_assert_ptr_null(weir_tx_connection(t));
        return WEIR_DONE;
}

START_TEST(every_call_after_a_failure_says_the_first_one)
{
        ck_assert_int_eq(call_alone(go_on_after_a_failure), WEIR_ESQL);
}
END_TEST

HANDLER(lose_connection)
{
        UNUSED;
        return weir_tx_exec_values(t, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, 0,
                                   NULL, reterr);
}

START_TEST(a_lost_connection_is_nobodys_fault)
{
        ck_assert_int_eq(call_alone(lose_connection), WEIR_EDB);
}
END_TEST

/* ---- T2: the connection in a handler's hands ------------------------------------------------ */

static const char *native_sql[4];
HANDLER(use_connection)
{
        PGconn *conn;

        UNUSED;
        ck_assert_int_eq(append_parent(t, event->id.ptr, reterr), 0);
        conn = weir_tx_connection(t);
        ck_assert_ptr_nonnull(conn);
        for (size_t i = 0; i < WEIR_COUNT_OF(native_sql) && native_sql[i]; i++)
                PQclear(PQexec(conn, native_sql[i]));
        return WEIR_DONE;
}

static int native(const char *first, const char *second, const char *third)
{
        native_sql[0] = first;
        native_sql[1] = second;
        native_sql[2] = third;
        return call(use_connection);
}

START_TEST(an_honest_user_of_the_connection_is_done)
{
        begin();
        ck_assert_int_eq(native("UPDATE parent SET id = id || '!'", NULL, NULL), WEIR_DONE);
        commit();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent WHERE id = 'e1!'"), 1);
        begin(); /* several events of a transaction may use it */
        ck_assert_int_eq(native("DELETE FROM parent", NULL, NULL), WEIR_DONE);
        ck_assert_int_eq(native("SAVEPOINT a", "DELETE FROM parent", "ROLLBACK TO a"), WEIR_DONE);
        commit();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent WHERE id = 'e1'"), 1);
}
END_TEST

START_TEST(a_commit_behind_weirs_back_commits_nothing)
{
        static const char *const ends[] = { "COMMIT", "END", "COMMIT AND CHAIN",
                                            "PREPARE TRANSACTION 'x'" };

        for (size_t i = 0; i < WEIR_COUNT_OF(ends); i++) {
                begin();
                ck_assert_int_eq(native(ends[i], NULL, NULL), WEIR_REJECT);
                says("ended weir's transaction");
                ck_assert_int_eq(said.code, WEIR_EHANDLER);
                drop();
                ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"), 0);
        }
}
END_TEST

START_TEST(another_transaction_in_place_of_weirs_is_rejected)
{
        begin();
        ck_assert_int_eq(native("ROLLBACK", "BEGIN", NULL), WEIR_REJECT);
        says("ended weir's transaction");
        drop();
        begin();
        ck_assert_int_eq(native("CLOSE weir_guard", "COMMIT", "BEGIN"), WEIR_REJECT);
        says("weir_guard");
        drop();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"),
                         1); /* found out, not undone */
}
END_TEST

static const char *statement;
HANDLER(fail_on_connection)
{
        PGconn *conn = weir_tx_connection(t);
        PGresult *result = PQexec(conn, statement);

        UNUSED;
        snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "%s",
                 PQresultErrorField(result, PG_DIAG_SQLSTATE));
        PQclear(result);
        return weir_reject(reterr, "it failed");
}

START_TEST(a_failure_on_the_connection_is_judged_by_the_sqlstate_it_gives)
{
        statement = "SELECT 1/0";
        ck_assert_int_eq(call_alone(fail_on_connection), WEIR_REJECT);
        ck_assert_str_eq(said.text, "it failed");
        statement = "DO $$BEGIN RAISE EXCEPTION 'lock' USING ERRCODE = '40P01'; END$$";
        ck_assert_int_eq(call_alone(fail_on_connection), WEIR_ESQL);
        ck_assert_str_eq(said.sqlstate, "40P01");
}
END_TEST

/* As careful plugins do: a savepoint of its own, undone, the reason told; the transaction is sound. */
static int careful_outcome;
static bool careful_tells;
HANDLER(fail_and_undo)
{
        PGconn *conn = weir_tx_connection(t);
        PGresult *result;

        UNUSED;
        PQclear(PQexec(conn, "SAVEPOINT mine"));
        result = PQexec(conn, statement);
        if (careful_tells)
                snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "%s",
                         PQresultErrorField(result, PG_DIAG_SQLSTATE));
        PQclear(result);
        PQclear(PQexec(conn, "ROLLBACK TO SAVEPOINT mine"));
        if (careful_outcome == WEIR_RETRY)
                return weir_retry(reterr, "it failed");
        return careful_outcome == WEIR_REJECT ? weir_reject(reterr, "it failed") : careful_outcome;
}

START_TEST(infrastructure_that_a_savepoint_undid_uses_up_nothing)
{
        static const char *const states[] = { "40001", "40P01", "55P03", "57014", "53200",
                                              "53300", "08006", "25006", "58030" };
        char sql[120];

        statement = sql;
        careful_tells = true;
        for (size_t i = 0; i < WEIR_COUNT_OF(states); i++) {
                snprintf(sql, sizeof sql,
                         "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '%s'; END$$", states[i]);
                careful_outcome = WEIR_RETRY;
                ck_assert_int_eq(call_alone(fail_and_undo), WEIR_ESQL);
                ck_assert_str_eq(said.sqlstate, states[i]);
                ck_assert_str_eq(said.text, "it failed");
                careful_outcome = WEIR_REJECT;
                ck_assert_int_eq(call_alone(fail_and_undo), WEIR_ESQL);
                careful_outcome = WEIR_ESQL; /* what a call of weir's own would have returned */
                ck_assert_int_eq(call_alone(fail_and_undo), WEIR_ESQL);
                careful_outcome = WEIR_DONE; /* it could do without */
                ck_assert_int_eq(call_alone(fail_and_undo), WEIR_DONE);
        }
        careful_outcome = WEIR_RETRY;
        careful_tells = false; /* nobody can know */
        ck_assert_int_eq(call_alone(fail_and_undo), WEIR_RETRY);
        careful_tells = true;
        statement = "SELECT 1/0"; /* the event's own: the handler's word */
        ck_assert_int_eq(call_alone(fail_and_undo), WEIR_RETRY);
        careful_outcome = WEIR_REJECT;
        ck_assert_int_eq(call_alone(fail_and_undo), WEIR_REJECT);
        ck_assert_str_eq(said.sqlstate, "22012");
}
END_TEST

START_TEST(a_failure_on_the_connection_that_is_kept_quiet_is_tried_again)
{
        begin();
        ck_assert_int_eq(native("SELECT 1/0", NULL, NULL), WEIR_RETRY);
        says("WEIR_DONE after a statement on the connection failed");
        drop();
        begin();
        ck_assert_int_eq(native("SELECT pg_terminate_backend(pg_backend_pid())", NULL, NULL),
                         WEIR_EDB);
        drop();
}
END_TEST

/* ---- outcomes and words --------------------------------------------------------------------- */

HANDLER(plain_reject)
{
        UNUSED;
        return WEIR_REJECT;
}
HANDLER(plain_retry)
{
        UNUSED;
        return WEIR_RETRY;
}
HANDLER(plain_skip)
{
        UNUSED;
        return WEIR_SKIP;
}
HANDLER(nonsense)
{
        UNUSED;
        return weir_refuse(17, reterr, "seventeen");
}
HANDLER(negative)
{
        UNUSED;
        return -5;
}
HANDLER(forged)
{
        UNUSED;
        memset(reterr->text, 'a', sizeof reterr->text);
        memcpy(reterr->text, "a\nevent=b\x1b[31m \xff\xc3\xa9", 18);
        memcpy(reterr->text + sizeof reterr->text - 2, "\xc3\xa9", 2); /* no NUL, cut behind 0xc3 */
        return WEIR_REJECT;
}
HANDLER(empty_handed)
{
        struct weir_error none;

        UNUSED;
        memset(&none, 0, sizeof none);
        return memcmp(reterr, &none, sizeof none) == 0 ? WEIR_DONE : WEIR_REJECT;
}

START_TEST(an_outcome_without_a_reason_gets_one)
{
        ck_assert_int_eq(call_alone(plain_reject), WEIR_REJECT);
        says("plugin test 1 returned WEIR_REJECT and gave no reason");
        ck_assert_int_eq(said.code, WEIR_EHANDLER);
        ck_assert_int_eq(call_alone(plain_retry), WEIR_RETRY);
        says("WEIR_RETRY");
        ck_assert_int_eq(call_alone(plain_skip), WEIR_SKIP);
        ck_assert_int_eq(said.code, 0);
        ck_assert_int_eq(call_alone(empty_handed), WEIR_DONE);
}
END_TEST

START_TEST(what_is_no_outcome_is_rejected)
{
        ck_assert_int_eq(call_alone(nonsense), WEIR_REJECT);
        says("returned 17, which is no outcome: seventeen");
        ck_assert_int_eq(call_alone(negative), WEIR_REJECT);
        says("returned -5");
}
END_TEST

START_TEST(a_handlers_words_are_one_line_of_utf8)
{
        ck_assert_int_eq(call_alone(forged), WEIR_REJECT);
        ck_assert_ptr_null(strpbrk(said.text, "\n\x1b\xff"));
        says("a event=b?[31m ?\xc3\xa9");
        ck_assert_int_eq(said.text[strlen(said.text) - 1], 'a'); /* the half character is gone */
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("verdict");
        TCase *all = tcase_create("all");

        fixture_start("verdict", false);
        tcase_add_checked_fixture(all, open_tables, close_tables);
        tcase_add_test(all, a_failure_that_is_swallowed_is_not_done);
        tcase_add_test(all, a_flush_after_a_failure_fails_too);
        tcase_add_test(all, the_handlers_word_counts_when_the_event_is_at_fault);
        tcase_add_test(all, infrastructure_never_rejects_an_event);
        tcase_add_test(all, every_call_after_a_failure_says_the_first_one);
        tcase_add_test(all, a_lost_connection_is_nobodys_fault);
        tcase_add_test(all, an_honest_user_of_the_connection_is_done);
        tcase_add_test(all, a_commit_behind_weirs_back_commits_nothing);
        tcase_add_test(all, another_transaction_in_place_of_weirs_is_rejected);
        tcase_add_test(all, a_failure_on_the_connection_is_judged_by_the_sqlstate_it_gives);
        tcase_add_test(all, infrastructure_that_a_savepoint_undid_uses_up_nothing);
        tcase_add_test(all, a_failure_on_the_connection_that_is_kept_quiet_is_tried_again);
        tcase_add_test(all, an_outcome_without_a_reason_gets_one);
        tcase_add_test(all, what_is_no_outcome_is_rejected);
        tcase_add_test(all, a_handlers_words_are_one_line_of_utf8);
        suite_add_tcase(suite, all);
        return fixture_end(suite);
}

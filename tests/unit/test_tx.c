/* SPDX-License-Identifier: MIT */
/*
 * test_tx - what a handler may do to a transaction, and what becomes of it
 *
 * The handlers are functions of this file: struct weir_handler is replaced at link time by one that
 * holds a struct weir_worker and the tables. The database is real; each test opens the transaction
 * itself, as flow does.
 */
#include "store_fixture.h"

#include <cjson/cJSON.h>

#include "plugin/tx.h"

struct weir_handler {
        struct weir_worker worker;
        struct weir_table *tables[2];
        size_t table_count;
};

const struct weir_worker *weir_handler_worker(const struct weir_handler *handler)
{
        return &handler->worker;
}
void *weir_handler_self(const struct weir_handler *handler)
{
        return (void *)handler;
}
const char *weir_handler_version(const struct weir_handler *handler)
{
        return handler->worker.version;
}
size_t weir_handler_table_count(const struct weir_handler *handler)
{
        return handler->table_count;
}
struct weir_table *weir_handler_table(const struct weir_handler *handler, size_t index)
{
        return handler->tables[index];
}

typedef int handle_fn(void *self, struct weir_tx *tx, const struct weir_event *event,
                      struct weir_error *reterr);
typedef int batch_fn(void *self, struct weir_tx *tx, const struct weir_event *const *events,
                     size_t count, int *outcomes, struct weir_error *reterr);

static struct weir_pg *pg;
static struct weir_handler handler;
static struct weir_handler_tx *tx;
static struct weir_error said;

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static struct weir_event event_of(const char *id, const char *data)
{
        return (struct weir_event){ .size = sizeof(struct weir_event),
                                    .id = view(id),
                                    .source = view("test"),
                                    .type = view("t"),
                                    .data = view(data),
                                    .topic = "t",
                                    .data_kind = data ? WEIR_DATA_JSON : WEIR_DATA_NONE };
}

static void open_tables(void)
{
        static const char *const parent[] = { "id", NULL };
        static const char *const child[] = { "id", "parent", NULL };

        pg = fixture_connect();
        OK(weir_pg_run(
                pg,
                "DROP TABLE IF EXISTS public.child, public.parent;"
                "CREATE TABLE public.parent (id text PRIMARY KEY);"
                "CREATE TABLE public.child (id text, parent text NOT NULL REFERENCES public.parent)",
                reterr));
        OK(weir_table_open(pg, "public.parent", parent, &handler.tables[0], reterr));
        OK(weir_table_open(pg, "public.child", child, &handler.tables[1], reterr));
        handler.table_count = 2;
        handler.worker = (struct weir_worker){ .name = "test", .version = "1" };
        tx = weir_handler_tx_new(&handler, NULL);
        ck_assert_ptr_nonnull(tx);
        memset(&said, 0, sizeof said);
}

static void close_tables(void)
{
        weir_handler_tx_free(tx);
        weir_table_free(handler.tables[0]);
        weir_table_free(handler.tables[1]);
        weir_pg_close(pg);
}

static void begin(void)
{
        OK(weir_pg_begin(pg, reterr));
        weir_handler_tx_attach(tx, pg);
}

/* As flow ends a transaction: send, detach, commit. */
static void commit(void)
{
        OK(weir_handler_tx_flush(tx, reterr));
        weir_handler_tx_detach(tx);
        OK(weir_pg_commit(pg, reterr));
}

static void drop(void)
{
        weir_handler_tx_detach(tx);
        weir_pg_rollback(pg);
}

static int call(handle_fn *handle)
{
        struct weir_event event = event_of("e1", NULL);

        handler.worker.handle = handle;
        memset(&said, 0, sizeof said);
        return weir_handler_tx_call(tx, &event, &said);
}

/* Call @handle in a transaction of its own and roll back. */
static int call_alone(handle_fn *handle)
{
        int r;

        begin();
        r = call(handle);
        drop();
        return r;
}

static void says(const char *words)
{
        ck_assert_msg(strstr(said.text, words) != NULL, "\"%s\" is not in: %s", words, said.text);
}

#define HANDLER(name)                                                                              \
        static int name(void *self, struct weir_tx *t, const struct weir_event *event,             \
                        struct weir_error *reterr)
#define UNUSED (void)self, (void)t, (void)event, (void)reterr

static int append_parent(struct weir_tx *t, const char *id, struct weir_error *reterr)
{
        return weir_tx_append(t, handler.tables[0], reterr, weir_text_z(id));
}

static int append_child(struct weir_tx *t, const char *id, const char *parent,
                        struct weir_error *reterr)
{
        return weir_tx_append(t, handler.tables[1], reterr, weir_text_z(id), weir_text_z(parent));
}

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

START_TEST(a_detach_drops_what_was_not_sent)
{
        begin();
        ck_assert_int_eq(call(child_before_parent), WEIR_DONE);
        drop();
        begin();
        commit();
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM parent"), 0);
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

/* ---- T1, T3: failures that are swallowed or reworded ------------------------------------------
 * */

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

/* ---- T2: who ends a transaction -----------------------------------------------------------------
 * */

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

/* ---- outcomes and words -------------------------------------------------------------------------
 * */

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

/* ---- JSON -------------------------------------------------------------------------------------
 * */

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

/* ---- batches ------------------------------------------------------------------------------------
 * */

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
        if (batch_native)
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
        tcase_add_test(all, a_failure_that_is_swallowed_is_not_done);
        tcase_add_test(all, a_flush_after_a_failure_fails_too);
        tcase_add_test(all, the_handlers_word_counts_when_the_event_is_at_fault);
        tcase_add_test(all, infrastructure_never_rejects_an_event);
        tcase_add_test(all, every_call_after_a_failure_says_the_first_one);
        tcase_add_test(all, a_lost_connection_is_nobodys_fault);
        tcase_add_test(all, statements_that_end_a_transaction_are_refused);
        tcase_add_test(all, an_honest_user_of_the_connection_is_done);
        tcase_add_test(all, a_commit_behind_weirs_back_commits_nothing);
        tcase_add_test(all, another_transaction_in_place_of_weirs_is_rejected);
        tcase_add_test(all, a_failure_on_the_connection_is_judged_by_the_sqlstate_it_gives);
        tcase_add_test(all, a_failure_on_the_connection_that_is_kept_quiet_is_tried_again);
        tcase_add_test(all, an_outcome_without_a_reason_gets_one);
        tcase_add_test(all, what_is_no_outcome_is_rejected);
        tcase_add_test(all, a_handlers_words_are_one_line_of_utf8);
        tcase_add_test(all, json_is_parsed_once_and_within_limits);
        tcase_add_test(all, a_batch_is_as_good_as_its_worst_event);
        tcase_add_test(all, a_batch_that_commits_is_rejected_whole);
        tcase_add_test(all, one_event_goes_to_handle_batch_where_there_is_one);
        tcase_add_test(all, a_batch_without_handle_batch_stops_at_the_first_that_fails);
        tcase_add_test(all, a_transaction_is_of_no_use_outside_of_the_handler);
        suite_add_tcase(suite, all);
        return fixture_end(suite);
}

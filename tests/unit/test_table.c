/* SPDX-License-Identifier: MIT */
#include "store/table.h"
#include "store_fixture.h"

static const uint8_t uuid[16] = { 0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };

#define VIEW(text) ((struct weir_view){ (text), sizeof(text) - 1 })

static struct weir_table *open_table(struct weir_pg *pg, const char *name,
                                     const char *const *columns)
{
        struct weir_table *table;

        OK(weir_table_open(pg, name, columns, &table, reterr));
        return table;
}

static struct weir_table *make(struct weir_pg *pg, const char *name, const char *definition)
{
        static const char *const columns[] = { "a", NULL };
        static char qualified[80];
        char sql[512];

        snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS %s; CREATE TABLE %s (a %s)", name, name,
                 definition);
        OK(weir_pg_run(pg, sql, reterr));
        snprintf(qualified, sizeof qualified, "public.%s", name);
        return open_table(pg, qualified, columns);
}

static struct weir_rowbuffer *buffer_of(struct weir_table *table)
{
        struct weir_rowbuffer *buffer = weir_rowbuffer_new(table);

        ck_assert_ptr_nonnull(buffer);
        return buffer;
}

/* Append one value, send it, and read it back as text. */
static void round_trip(const char *type, struct weir_value value, const char *expected)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "trip", type);
        struct weir_rowbuffer *buffer = buffer_of(table);
        struct weir_pg_rows *rows;

        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        OK(weir_rowbuffer_send(buffer, pg, reterr));
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 0);
        OK(weir_pg_query(pg, "SELECT a::text FROM trip", NULL, 0, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 1);
        if (expected)
                ck_assert_msg(strcmp(weir_pg_rows_text(rows, 0, 0).ptr, expected) == 0, "%s: %s",
                              type, weir_pg_rows_text(rows, 0, 0).ptr);
        else
                ck_assert_ptr_null(weir_pg_rows_text(rows, 0, 0).ptr);
        weir_pg_rows_free(rows);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}

START_TEST(every_type_comes_back)
{
        struct weir_pg *pg = fixture_connect();

        OK(weir_pg_run(
                pg,
                "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN positive AS int8 CHECK (VALUE > 0)",
                reterr));
        weir_pg_close(pg);
        round_trip("text", weir_text(VIEW("a\tb\n\\N \xe2\x82\xac")), "a\tb\n\\N \xe2\x82\xac");
        round_trip("text", weir_text(VIEW("")), "");
        round_trip("text", weir_null(), NULL);
        round_trip("varchar(5)", weir_text(VIEW("abc")), "abc");
        round_trip("char(3)", weir_text(VIEW("abc")), "abc");
        round_trip("name", weir_text(VIEW("abc")), "abc");
        round_trip("json", weir_text(VIEW("{\"b\":1, \"a\":2}")), "{\"b\":1, \"a\":2}");
        round_trip("json", weir_jsonb(VIEW("[1]")), "[1]");
        round_trip("jsonb", weir_jsonb(VIEW("{\"b\":1,\"a\":9007199254740993}")),
                   "{\"a\": 9007199254740993, \"b\": 1}");
        round_trip("bytea", weir_bytea(VIEW("\0\1\377")), "\\x0001ff");
        round_trip("bool", weir_bool(true), "true");
        round_trip("bool", weir_bool(false), "false");
        round_trip("int2", weir_int4(-32768), "-32768");
        round_trip("int2", weir_int8(32767), "32767");
        round_trip("int4", weir_int4(INT32_MIN), "-2147483648");
        round_trip("int4", weir_int8(5), "5");
        round_trip("int8", weir_int4(-1), "-1");
        round_trip("int8", weir_int8(INT64_MAX), "9223372036854775807");
        round_trip("float4", weir_float8(1.5), "1.5");
        round_trip("float4", weir_float8(-__builtin_inf()), "-Infinity");
        round_trip("float8", weir_float8(0.1), "0.1");
        round_trip("float8", weir_float8(__builtin_nan("")), "NaN");
        round_trip("timestamptz", weir_timestamp_us(INT64_C(1732819997474154)),
                   "2024-11-28 18:53:17.474154+00");
        round_trip("timestamptz", weir_timestamp_us(-1), "1969-12-31 23:59:59.999999+00");
        round_trip("timestamptz", weir_timestamp_us(WEIR_TIME_NONE), NULL);
        round_trip("timestamp", weir_timestamp_us(0), "1970-01-01 00:00:00");
        round_trip("uuid", weir_uuid(uuid), "deadbeef-0001-0203-0405-060708090a0b");
        round_trip("mood", weir_text(VIEW("glad")), "glad");
        round_trip("positive", weir_int4(7), "7");
}
END_TEST

static void refused(const char *type, struct weir_value value, int code, const char *sqlstate)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "refuse", type);
        struct weir_rowbuffer *buffer = buffer_of(table);
        struct weir_error error = { 0 };

        ck_assert_msg(weir_rowbuffer_append(buffer, &value, 1, &error) == code, "%s: %d %s", type,
                      error.code, error.text);
        ck_assert_str_eq(error.sqlstate, sqlstate);
        ck_assert_ptr_nonnull(strstr(error.text, "column a"));
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 0);
        ck_assert_uint_eq(weir_rowbuffer_bytes(buffer), 0);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}

START_TEST(what_does_not_fit_is_refused_at_append_with_its_column)
{
        struct weir_value short_uuid = weir_uuid(uuid), unknown = weir_null();

        refused("text", weir_text(VIEW("a\0b")), WEIR_ESQL, "22021");
        refused("jsonb", weir_jsonb(VIEW("\"a\0b\"")), WEIR_ESQL, "22021");
        refused("int2", weir_int4(32768), WEIR_ESQL, "22003");
        refused("int4", weir_int8(INT64_C(2147483648)), WEIR_ESQL, "22003");
        refused("float4", weir_float8(1e39), WEIR_ESQL, "22003");
        refused("timestamptz", weir_timestamp_us(INT64_MIN + 1), WEIR_ESQL, "22008");
        refused("uuid", weir_text(VIEW("deadbeef-0001-0203-0405-060708090a0b")), WEIR_EUSAGE, "");
        refused("text", weir_int4(1), WEIR_EUSAGE, "");
        refused("text", weir_bytea(VIEW("x")), WEIR_EUSAGE, "");
        refused("bytea", weir_text(VIEW("x")), WEIR_EUSAGE, "");
        refused("jsonb", weir_text(VIEW("1")), WEIR_EUSAGE, "");
        refused("int4", weir_float8(1), WEIR_EUSAGE, "");
        refused("float8", weir_int4(1), WEIR_EUSAGE, "");
        refused("bool", weir_int4(1), WEIR_EUSAGE, "");
        short_uuid.size = 15;
        refused("uuid", short_uuid, WEIR_EUSAGE, "");
        unknown.kind = 99;
        refused("text", unknown, WEIR_EUSAGE, "");
}
END_TEST

START_TEST(a_wrong_number_of_values_is_refused)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "counted", "int");
        struct weir_rowbuffer *buffer = buffer_of(table);
        const struct weir_value values[] = { weir_int4(1), weir_int4(2) };
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_rowbuffer_append(buffer, values, 2, &error), WEIR_EUSAGE);
        OK(weir_rowbuffer_append(buffer, values, 1, reterr));
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 1);
        weir_rowbuffer_reset(buffer);
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 0);
        OK(weir_rowbuffer_send(buffer, pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM counted"), 0);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}
END_TEST

static void refused_by_copy(const char *type, struct weir_value value, const char *sqlstate,
                            int klass)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "copied", type);
        struct weir_rowbuffer *buffer = buffer_of(table);
        struct weir_error error = { 0 };

        OK(weir_pg_begin(pg, reterr));
        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        ck_assert_int_lt(weir_rowbuffer_send(buffer, pg, &error), 0);
        ck_assert_str_eq(error.sqlstate, sqlstate);
        ck_assert_int_eq(weir_pg_classify(&error), klass);
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 0);
        ck_assert(!weir_pg_broken(pg)); /* a refused COPY does not cost the connection */
        weir_pg_rollback(pg);
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM copied"), 0);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}

START_TEST(what_the_server_refuses_carries_its_state)
{
        refused_by_copy("jsonb", weir_jsonb(VIEW("{bad")), "22P02", WEIR_SQL_DATA);
        refused_by_copy("jsonb", weir_jsonb(VIEW("\"\\u0000\"")), "22P05", WEIR_SQL_DATA);
        refused_by_copy("text", weir_text(VIEW("\xff")), "22021", WEIR_SQL_DATA);
        refused_by_copy("int4 NOT NULL", weir_null(), "23502", WEIR_SQL_DATA);
        refused_by_copy("int4 CHECK (a > 0)", weir_int4(0), "23514", WEIR_SQL_DATA);
        refused_by_copy("varchar(2)", weir_text(VIEW("abc")), "22001", WEIR_SQL_DATA);
}
END_TEST

START_TEST(a_column_altered_meanwhile_is_not_the_events_fault)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "altered", "int4");
        struct weir_rowbuffer *buffer = buffer_of(table);
        const struct weir_value value = weir_int4(1);
        struct weir_error error = { 0 };

        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        OK(weir_pg_run(pg, "ALTER TABLE altered ALTER a TYPE int8", reterr));
        ck_assert_int_eq(weir_rowbuffer_send(buffer, pg, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(weir_pg_classify(&error), WEIR_SQL_INFRASTRUCTURE);
        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        OK(weir_pg_run(pg, "DROP TABLE altered", reterr));
        ck_assert_int_eq(weir_rowbuffer_send(buffer, pg, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "42P01");
        ck_assert(weir_pg_idle(pg));
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
        static const char *const good[] = { "a", NULL }, *const bad[] = { "a", "nope", NULL };
        static const char *const array[] = { "list", NULL }, *const made[] = { "twice", NULL };
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };
        struct weir_table *table = NULL;

        OK(weir_pg_run(
                pg,
                "CREATE TABLE known (a int, list int[], twice int GENERATED ALWAYS AS (a * 2) STORED);"
                "CREATE VIEW seen AS SELECT a FROM known",
                reterr));
        ck_assert_int_eq(weir_table_open(pg, "public.unknown", good, &table, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "public.unknown"));
        ck_assert_int_eq(weir_table_open(pg, "known", good, &table, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(weir_table_open(pg, "public.seen", good, &table, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(weir_table_open(pg, "public.known", bad, &table, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "nope"));
        ck_assert_int_eq(weir_table_open(pg, "public.known", array, &table, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "integer[]"));
        ck_assert_int_eq(weir_table_open(pg, "public.known", made, &table, &error), WEIR_ESCHEMA);
        ck_assert_ptr_null(table);
        weir_pg_close(pg);
}
END_TEST

START_TEST(names_that_need_quotes_work)
{
        static const char *const columns[] = { "Select \"x\"", NULL };
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table;
        struct weir_rowbuffer *buffer;
        struct weir_value value = weir_int4(5);

        OK(weir_pg_run(
                pg,
                "CREATE SCHEMA \"My Schema\"; CREATE TABLE \"My Schema\".\"a;b\" (\"Select \"\"x\"\"\" int)",
                reterr));
        table = open_table(pg, "My Schema.a;b", columns);
        ck_assert_str_eq(weir_table_name(table), "My Schema.a;b");
        buffer = buffer_of(table);
        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        OK(weir_rowbuffer_send(buffer, pg, reterr));
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT sum(\"Select \"\"x\"\"\") FROM \"My Schema\".\"a;b\""),
                         5);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}
END_TEST

START_TEST(many_rows_go_in_one_copy_and_memory_comes_back)
{
        enum { ROWS = 20000 };
        struct weir_pg *pg = fixture_connect();
        struct weir_table *table = make(pg, "many", "text");
        struct weir_rowbuffer *buffer = buffer_of(table);
        char text[400];

        memset(text, 'x', sizeof text);
        for (int i = 0; i < ROWS; i++) {
                struct weir_value value = weir_text((struct weir_view){ text, (size_t)(i % 400) });

                OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        }
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), ROWS);
        ck_assert_uint_gt(weir_rowbuffer_bytes(buffer), 2 * 1024 * 1024);
        OK(weir_rowbuffer_send(buffer, pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM many"), ROWS);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(length(a)) FROM many"),
                         (int64_t)ROWS / 400 * 399 * 200);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_copy_that_waits_for_a_lock_ends_by_the_latch)
{
        struct weir_pg *pg = fixture_connect(), *holder = fixture_connect();
        struct weir_table *table = make(pg, "locked", "int");
        struct weir_rowbuffer *buffer = buffer_of(table);
        const struct weir_value value = weir_int4(1);
        struct weir_error error = { 0 };
        struct weir_latch latch;

        OK(weir_pg_run(holder, "BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE", reterr));
        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        OK(weir_rowbuffer_append(buffer, &value, 1, reterr));
        ck_assert_int_eq(weir_rowbuffer_send(buffer, pg, &error), WEIR_ESTOP);
        ck_assert(weir_pg_broken(pg));
        ck_assert_uint_eq(weir_rowbuffer_rows(buffer), 0);
        weir_latch_fini(&latch);
        weir_rowbuffer_free(buffer);
        weir_table_free(table);
        weir_pg_close(pg);
        weir_pg_close(holder);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("table");
        TCase *tcase = tcase_create("table");

        fixture_start("table", false);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, every_type_comes_back);
        tcase_add_test(tcase, what_does_not_fit_is_refused_at_append_with_its_column);
        tcase_add_test(tcase, a_wrong_number_of_values_is_refused);
        tcase_add_test(tcase, what_the_server_refuses_carries_its_state);
        tcase_add_test(tcase, a_column_altered_meanwhile_is_not_the_events_fault);
        tcase_add_test(tcase, what_cannot_be_opened_is_named);
        tcase_add_test(tcase, names_that_need_quotes_work);
        tcase_add_test(tcase, many_rows_go_in_one_copy_and_memory_comes_back);
        tcase_add_test(tcase, a_copy_that_waits_for_a_lock_ends_by_the_latch);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

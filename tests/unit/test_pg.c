/* SPDX-License-Identifier: MIT */
/* pg: connecting, sessions, values, statements, and what a failure is called */
#include <poll.h>
#include <sys/socket.h>

#include "conf/value.h"
#include "listen_fixture.h"
#include "store_fixture.h"

#define WEIR(rows, row, column) weir_pg_rows_text(rows, row, column)

START_TEST(a_url_that_is_none_is_a_configuration_error_without_its_words)
{
        const char *const urls[] = { "password=hunter2 topsecret", "postgresql://u:hunter2%zz@h/d",
                                     "topsecret hunter2" };

        for (size_t i = 0; i < WEIR_COUNT_OF(urls); i++) {
                struct weir_pg_conf conf = { .url = urls[i] };
                struct weir_error error = { 0 };
                struct weir_pg *pg = NULL;

                ck_assert_int_eq(weir_pg_open(&conf, NULL, &pg, &error), WEIR_ECONF);
                ck_assert_ptr_null(strstr(error.text, "hunter2"));
                ck_assert_ptr_null(strstr(error.text, "topsecret"));
        }
}
END_TEST

/* U1 of lib/conf/url.c: libpq understands what the configuration accepts. Words in random order from a fixed seed. */
START_TEST(a_url_that_the_configuration_accepts_is_one_for_libpq)
{
        static const char *const words[] = { "u",
                                             "h",
                                             "1",
                                             "5432",
                                             ":",
                                             "@",
                                             "/",
                                             "?",
                                             "&",
                                             "=",
                                             "%3A",
                                             "%40",
                                             "%2F",
                                             "%20",
                                             "'",
                                             "\\",
                                             " ",
                                             "host",
                                             "port",
                                             "dbname",
                                             "user",
                                             "sslmode",
                                             "require",
                                             "[",
                                             "]",
                                             "::1",
                                             ",",
                                             "options",
                                             "-c x",
                                             "d",
                                             "application_name",
                                             "%" };
        static const char *const begins[] = { "postgresql://", "postgres://", "host=" };
        uint64_t state = 20260131;
        int accepted = 0;

        for (int i = 0; i < 100000; i++) {
                char url[256];
                size_t size = (size_t)snprintf(url, sizeof url, "%s", begins[i % 3]);
                struct weir_error error = { 0 };

                for (int k = 0; k < 2 + i % 9; k++) {
                        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
                        size += (size_t)snprintf(url + size, sizeof url - size, "%s",
                                                 words[(state >> 33) % WEIR_COUNT_OF(words)]);
                }
                if (weir_check_store_url(url))
                        continue;
                accepted++;
                ck_assert_msg(weir_pg_check_url(url, &error) == 0, "%s: %s", url, error.text);
        }
        ck_assert_int_gt(accepted, 1000);
}
END_TEST

START_TEST(an_unreachable_server_is_transient_and_named)
{
        struct weir_pg_conf conf = { .url = "postgresql://nobody@127.0.0.1:1/none",
                                     .password = "hunter2" };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;

        ck_assert_int_eq(weir_pg_open(&conf, NULL, &pg, &error), WEIR_EDB);
        ck_assert_ptr_nonnull(strstr(error.text, "127.0.0.1:1/none as nobody"));
        ck_assert_ptr_null(strstr(error.text, "hunter2"));
        ck_assert(weir_error_transient(error.code));
}
END_TEST

START_TEST(a_server_that_accepts_and_is_silent_ends_at_the_deadline)
{
        uint16_t port;
        int fd = listen_on(8, &port);
        char url[128];
        struct weir_pg_conf conf = { .url = url, .connect_timeout_ms = 150 };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;
        int64_t before_ms = weir_clock_ms();

        snprintf(url, sizeof url, "postgresql://u@127.0.0.1:%u/d", port);
        ck_assert_int_eq(weir_pg_open(&conf, NULL, &pg, &error), WEIR_EDB);
        ck_assert_int_ge(weir_clock_ms() - before_ms, 140);
        ck_assert_int_lt(weir_clock_ms() - before_ms, 5000);
        close(fd);
}
END_TEST

START_TEST(a_latch_ends_a_connect)
{
        uint16_t port;
        int fd = listen_on(8, &port);
        char url[128];
        struct weir_pg_conf conf = { .url = url, .connect_timeout_ms = 20000 };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;
        struct weir_latch latch;

        snprintf(url, sizeof url, "postgresql://u@127.0.0.1:%u/d", port);
        weir_latch_init(&latch);
        weir_latch_set(&latch);
        ck_assert_int_eq(weir_pg_open(&conf, &latch, &pg, &error), WEIR_ESTOP);
        weir_latch_fini(&latch);
        close(fd);
}
END_TEST

START_TEST(a_session_keeps_its_promises_whatever_the_role_says)
{
        static const char *const settings[][2] = {
                { "synchronous_commit", "on" },
                { "TimeZone", "UTC" },
                { "client_encoding", "UTF8" },
                { "default_transaction_isolation", "read committed" },
                { "idle_in_transaction_session_timeout", "1min" },
                { "application_name", "weir test" },
        };
        struct weir_pg *pg = fixture_connect();
        char sql[256];

        snprintf(sql, sizeof sql, "ALTER DATABASE %s SET synchronous_commit = off", fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        snprintf(sql, sizeof sql,
                 "ALTER DATABASE %s SET default_transaction_isolation = serializable",
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        weir_pg_close(pg);
        pg = fixture_connect();
        for (size_t i = 0; i < WEIR_COUNT_OF(settings); i++) {
                struct weir_value name = weir_text_z(settings[i][0]);
                struct weir_pg_rows *rows;

                OK(weir_pg_query(pg, "SELECT current_setting($1)", &name, 1, &rows, reterr));
                ck_assert_str_eq(WEIR(rows, 0, 0).ptr, settings[i][1]);
                weir_pg_rows_free(rows);
        }
        ck_assert_int_ge(weir_pg_server_version(pg), 120000);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_read_only_server_is_unavailable_not_poison)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };
        struct weir_pg_conf conf = { .application_name = "weir test" };
        char url[2200];

        OK(weir_pg_run(pg, "CREATE TABLE ro (a int)", reterr));
        OK(weir_pg_run(pg, "BEGIN READ ONLY", reterr));
        ck_assert_int_eq(weir_pg_run(pg, "INSERT INTO ro VALUES (1)", &error), WEIR_EDB);
        ck_assert_str_eq(error.sqlstate, "25006");
        ck_assert_int_eq(weir_pg_classify(&error), WEIR_SQL_INFRASTRUCTURE);
        weir_pg_rollback(pg);
        weir_pg_close(pg);

        snprintf(url, sizeof url, "%s options='-c default_transaction_read_only=on'", fixture.url);
        conf.url = url;
        pg = NULL;
        ck_assert_int_eq(weir_pg_open(&conf, NULL, &pg, &error), WEIR_EDB);
        ck_assert_ptr_nonnull(strstr(error.text, "read-only"));
        snprintf(url, sizeof url,
                 "%s options='-c default_transaction_read_only=on' target_session_attrs=any",
                 fixture.url);
        ck_assert_int_eq(weir_pg_open(&conf, NULL, &pg, &error), WEIR_EDB);
        ck_assert_ptr_nonnull(strstr(error.text, "read-only"));
}
END_TEST

START_TEST(every_kind_of_value_comes_back)
{
        static const uint8_t uuid[16] = { 0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                          0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
        static const char *const expected[] = { "a'b\xc3\xa4",
                                                "",
                                                "\\x0001ff",
                                                "{\"a\": 1}",
                                                "t",
                                                "-7",
                                                "-9223372036854775808",
                                                "0.1",
                                                "2024-11-28 18:53:17.474154+00",
                                                "00112233-4455-6677-8899-aabbccddeeff",
                                                NULL };
        const struct weir_value params[] = {
                weir_text_z("a'b\xc3\xa4"),
                weir_text_z(""),
                weir_bytea((struct weir_view){ "\0\1\377", 3 }),
                weir_jsonb((struct weir_view){ "{\"a\":1}", 7 }),
                weir_bool(true),
                weir_int4(-7),
                weir_int8(INT64_MIN),
                weir_float8(0.1),
                weir_timestamp_us(INT64_C(1732819997474154)),
                weir_uuid(uuid),
                weir_null(),
        };
        struct weir_pg *pg = fixture_connect();

        for (int again = 0; again < 2; again++) {
                struct weir_pg_rows *rows;

                OK(weir_pg_query(pg, "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text",
                                 params, WEIR_COUNT_OF(params), &rows, reterr));
                ck_assert_uint_eq(weir_pg_rows_count(rows), 1);
                for (size_t i = 0; i < WEIR_COUNT_OF(params); i++)
                        if (expected[i])
                                ck_assert_str_eq(WEIR(rows, 0, i).ptr, expected[i]);
                        else
                                ck_assert_ptr_null(WEIR(rows, 0, i).ptr);
                ck_assert_ptr_null(WEIR(rows, 1, 0).ptr);
                ck_assert_ptr_null(WEIR(rows, 0, 99).ptr);
                weir_pg_rows_free(rows);
        }
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_null_first_does_not_fix_the_type_of_a_parameter)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_value null = weir_null(), wide = weir_int8(7), narrow = weir_int4(7);
        const char *sql = "INSERT INTO nul (a) VALUES ($1)";

        OK(weir_pg_run(pg, "CREATE TABLE nul (a int)", reterr));
        OK(weir_pg_query(pg, sql, &null, 1, NULL, reterr));
        OK(weir_pg_query(pg, sql, &wide, 1, NULL, reterr));
        OK(weir_pg_query(pg, sql, &narrow, 1, NULL, reterr));
        OK(weir_pg_query(pg, sql, &null, 1, NULL, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(a) FROM nul"), 14);
        weir_pg_close(pg);
}
END_TEST

START_TEST(statements_are_prepared_once_and_at_most_64)
{
        struct weir_pg *pg = fixture_connect();
        char sql[64];

        for (int round = 0; round < 2; round++)
                for (int i = 0; i < 70; i++) {
                        snprintf(sql, sizeof sql, "SELECT %d", i);
                        ck_assert_int_eq(fixture_int(pg, "%s", sql), i);
                }
        ck_assert_uint_eq(pg->statement_count, WEIR_STATEMENTS_MAX);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM pg_prepared_statements"),
                         WEIR_STATEMENTS_MAX);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_failed_statement_has_its_state_words_and_line)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_pg_run(pg, "SELECT 1;\nSELECT 2;\nSELECT nonsense", &error),
                         WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "42703");
        ck_assert_ptr_nonnull(strstr(error.text, "line 3"));
        ck_assert_ptr_nonnull(strstr(error.text, "nonsense"));
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(weir_pg_run(pg, "COPY pg_class TO STDOUT", &error), WEIR_EUSAGE);
        ck_assert(weir_pg_broken(pg));
        ck_assert_int_eq(weir_pg_run(pg, "SELECT 1", &error), WEIR_EDB);
        weir_pg_close(pg);
}
END_TEST

START_TEST(the_states_have_their_classes)
{
        static const struct {
                const char *sqlstate;
                int code, klass;
        } table[] = {
                { "22P02", WEIR_ESQL, WEIR_SQL_DATA },
                { "22021", WEIR_ESQL, WEIR_SQL_DATA },
                { "22003", WEIR_ESQL, WEIR_SQL_DATA },
                { "23505", WEIR_ESQL, WEIR_SQL_DATA },
                { "23514", WEIR_ESQL, WEIR_SQL_DATA },
                { "08006", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "25P02", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "25P03", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "40001", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "40P01", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "40002", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "42P01", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "53100", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "53300", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "55P03", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "57014", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "57P01", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "58030", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "25006", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "XX000", WEIR_ESQL, WEIR_SQL_INFRASTRUCTURE },
                { "P0001", WEIR_ESQL, WEIR_SQL_DATA },
                { "", WEIR_EDB, WEIR_SQL_INFRASTRUCTURE },
                { "22P02", WEIR_ESCHEMA, WEIR_SQL_INFRASTRUCTURE },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(table); i++) {
                struct weir_error error = { .code = table[i].code };

                memcpy(error.sqlstate, table[i].sqlstate, strlen(table[i].sqlstate) + 1);
                ck_assert_msg(weir_pg_classify(&error) == table[i].klass, "%s", table[i].sqlstate);
        }
}
END_TEST

START_TEST(a_latch_ends_a_long_statement_at_once)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        int64_t backend = fixture_backend(pg), before_ms = weir_clock_ms();
        struct weir_error error = { 0 };
        struct weir_latch latch;

        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        ck_assert_int_eq(weir_pg_run(pg, "BEGIN; SELECT pg_sleep(600)", &error), WEIR_ESTOP);
        ck_assert_int_lt(weir_clock_ms() - before_ms, 2000);
        ck_assert(weir_pg_broken(pg));
        ck_assert(!weir_pg_in_transaction(pg));
        weir_pg_close(pg);
        /* ... and the server ends it too, or the position row would stay locked for ten minutes */
        fixture_until(other, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %lld",
                      (long long)backend);
        weir_latch_fini(&latch);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_killed_backend_is_a_broken_connection_with_the_servers_words)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct weir_error error = { 0 };

        OK(weir_pg_begin(pg, reterr));
        fixture_int(other, "SELECT pg_terminate_backend(%lld, 5000)::int",
                    (long long)fixture_backend(pg));
        ck_assert_int_eq(weir_pg_run(pg, "SELECT 1", &error), WEIR_EDB);
        ck_assert_str_eq(error.sqlstate, "57P01");
        ck_assert(weir_pg_broken(pg));
        ck_assert_int_eq(weir_pg_commit(pg, &error),
                         WEIR_EDB); /* not unknown: COMMIT was never sent */
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(an_answer_that_is_there_wins_over_the_latch)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_latch latch;
        struct pollfd answer = { .fd = weir_pg_socket(pg), .events = POLLIN };

        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        ck_assert_int_eq(PQsendQuery(pg->conn, "SELECT 1"), 1);
        ck_assert_int_eq(PQflush(pg->conn), 0);
        ck_assert_int_eq(poll(&answer, 1, 20000), 1);
        OK(weir_wire_wait(pg, POLLIN, INT64_MAX, "SELECT 1", reterr));
        ck_assert(!weir_pg_broken(pg));
        OK(weir_wire_finish(pg, NULL, "SELECT 1", reterr));
        weir_pg_close(pg);
        weir_latch_fini(&latch);
}
END_TEST

START_TEST(a_large_parameter_passes_while_the_server_answers_largely)
{
        struct weir_pg *pg = fixture_connect();
        size_t size = 24 * 1024 * 1024;
        char *text = malloc(size);
        struct weir_value param;
        struct weir_pg_rows *rows;

        memset(text, 'x', size);
        param = weir_text((struct weir_view){ text, size });
        OK(weir_pg_query(pg, "SELECT $1 || 'y'", &param, 1, &rows, reterr));
        ck_assert_uint_eq(WEIR(rows, 0, 0).size, size + 1);
        weir_pg_rows_free(rows);
        ck_assert_uint_le(pg->scratch.size, 1024 * 1024);
        free(text);
        weir_pg_close(pg);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("pg");
        TCase *tcase = tcase_create("pg");

        fixture_start("pg", false);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_url_that_the_configuration_accepts_is_one_for_libpq);
        tcase_add_test(tcase, a_url_that_is_none_is_a_configuration_error_without_its_words);
        tcase_add_test(tcase, an_unreachable_server_is_transient_and_named);
        tcase_add_test(tcase, a_server_that_accepts_and_is_silent_ends_at_the_deadline);
        tcase_add_test(tcase, a_latch_ends_a_connect);
        tcase_add_test(tcase, a_session_keeps_its_promises_whatever_the_role_says);
        tcase_add_test(tcase, a_read_only_server_is_unavailable_not_poison);
        tcase_add_test(tcase, every_kind_of_value_comes_back);
        tcase_add_test(tcase, a_null_first_does_not_fix_the_type_of_a_parameter);
        tcase_add_test(tcase, statements_are_prepared_once_and_at_most_64);
        tcase_add_test(tcase, a_failed_statement_has_its_state_words_and_line);
        tcase_add_test(tcase, the_states_have_their_classes);
        tcase_add_test(tcase, a_latch_ends_a_long_statement_at_once);
        tcase_add_test(tcase, a_killed_backend_is_a_broken_connection_with_the_servers_words);
        tcase_add_test(tcase, an_answer_that_is_there_wins_over_the_latch);
        tcase_add_test(tcase, a_large_parameter_passes_while_the_server_answers_largely);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

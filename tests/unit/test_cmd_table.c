/* SPDX-License-Identifier: MIT */
/* cmd/table: what stands in a column that is too narrow; the file itself, since commands are no library */
#include "../../cmd/table.c"

#include <check.h>

bool cmd_read_number(const char *text, int64_t least, int64_t most, int64_t *ret)
{
        char *end;

        *ret = strtoll(text, &end, 10);
        return *text && !*end && *ret >= least && *ret <= most;
}

static const char *print(const struct cmd_column *columns, size_t count, const char *const *cells,
                         size_t cell_count, const char *width)
{
        static char text[4096];
        struct weir_error error;
        struct cmd_table table;
        FILE *out = fmemopen(text, sizeof text, "w");

        ck_assert_ptr_nonnull(out);
        setenv("COLUMNS", width, 1);
        cmd_table_init(&table, columns, count);
        for (size_t i = 0; i < cell_count; i++)
                cmd_table_addf(&table, "%s", cells[i]);
        ck_assert_int_eq(cmd_table_print(out, &table, &error), 0);
        fclose(out);
        return text;
}

static const struct cmd_column numbered[] = { { "TOPIC/PARTITION", false, 60 },
                                              { "RECORDS", true, 0 },
                                              { "WITHHELD", true, 0 } };
static const char *const places[] = { "orders-of-the-north/10", "1", "2",
                                      "orders-of-the-north/11", "3", "4" };

START_TEST(what_fits_is_whole)
{
        ck_assert_str_eq(print(numbered, 3, places, 6, "80"),
                         "TOPIC/PARTITION         RECORDS  WITHHELD\n"
                         "orders-of-the-north/10        1         2\n"
                         "orders-of-the-north/11        3         4\n");
}
END_TEST

START_TEST(a_short_last_column_takes_no_more_than_it_needs)
{
        ck_assert_str_eq(print(numbered, 3, places, 6, "41"), print(numbered, 3, places, 6, "80"));
}
END_TEST

START_TEST(rows_that_differ_in_their_ends_do_not_look_alike)
{
        ck_assert_str_eq(print(numbered, 3, places, 6, "40"),
                         "TOPIC/PARTITION        RECORDS  WITHHELD\n"
                         "orders-of-…e-north/10        1         2\n"
                         "orders-of-…e-north/11        3         4\n");
}
END_TEST

START_TEST(prose_at_the_end_loses_its_end_and_words_count_as_letters)
{
        static const struct cmd_column columns[] = { { "WHERE", false, 60 }, { "WHY", false, 0 } };
        static const char *const cells[] = {
                "aaaaaaaaaaäääääääääöbbbbbbbbbb",
                "because it was so, and is so, and so on",
        };

        ck_assert_str_eq(print(columns, 2, cells, 2, "40"),
                         "WHERE               WHY\n"
                         "aaaaaaaaa…bbbbbbbb  because it was so, …\n");
}
END_TEST

START_TEST(no_cell_moves_the_cursor)
{
        static const char *const cells[] = { "a\033[31m\n", "\a", "x" };

        ck_assert_ptr_nonnull(strstr(print(numbered, 3, cells, 3, "80"), "a\\x1b[31m\\x0a"));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("cmd_table");
        TCase *tcase = tcase_create("cmd_table");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, what_fits_is_whole);
        tcase_add_test(tcase, a_short_last_column_takes_no_more_than_it_needs);
        tcase_add_test(tcase, rows_that_differ_in_their_ends_do_not_look_alike);
        tcase_add_test(tcase, prose_at_the_end_loses_its_end_and_words_count_as_letters);
        tcase_add_test(tcase, no_cell_moves_the_cursor);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

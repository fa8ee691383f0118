/* SPDX-License-Identifier: MIT */
/* replay_bar: share, speed and time left, by a clock of the test's own; the file itself, since commands are no library */
#include "../../cmd/replay_bar.c"

#include "store_fixture.h"

enum { SECOND = 1000000 };

static struct weir_pg *pg;
static struct weir_pg_rows *row, *spans;

static void setup(void)
{
        pg = fixture_connect();
}

static void teardown(void)
{
        weir_pg_rows_free(row);
        weir_pg_rows_free(spans);
        weir_pg_run(pg,
                    "TRUNCATE weir.replay, weir.replay_range, weir.position, weir.position_change",
                    NULL);
        weir_pg_close(pg);
}

/* Two partitions of 1000 and @second offsets; so many of the first are passed. */
static void look(int64_t passed, int64_t second)
{
        const struct weir_replay_place places[] = { { "t", 0, 0, 1000, 0 },
                                                    { "t", 1, 0, second, 7 } };
        const struct weir_filter none = { .types = { .count = 0 } };
        const struct weir_replay_plan plan = { .worker = "w",
                                               .policy = "missing",
                                               .filter = &none,
                                               .max_lag = -1,
                                               .asked_from = "earliest",
                                               .asked_to = "now",
                                               .plugin_version = "1",
                                               .owner = "here:1",
                                               .places = places,
                                               .place_count = 2 };
        char sql[120];
        int64_t id;

        OK(weir_replay_insert(pg, &plan, &id, reterr));
        snprintf(
                sql, sizeof sql,
                "UPDATE weir.position SET next_offset = %lld WHERE worker LIKE '%%@%%' AND partition = 0",
                (long long)passed);
        OK(weir_pg_run(pg, sql, reterr));
        OK(weir_replay_list(pg, NULL, id, 1, &row, reterr));
        OK(weir_replay_spans(pg, id, &spans, reterr));
}

START_TEST(the_speed_is_that_of_the_last_seconds)
{
        struct replay_bar bar = { .out = NULL };

        replay_bar_note(&bar, 5000, 10 * SECOND); /* of a replay that was resumed */
        ck_assert(bar.offsets_per_s == 0);
        replay_bar_note(&bar, 5100, 11 * SECOND);
        ck_assert(bar.offsets_per_s == 100);
        for (int i = 0; i < 20; i++)
                replay_bar_note(&bar, 5100, (12 + i) * (int64_t)SECOND);
        ck_assert(bar.offsets_per_s < 0.5); /* it stands, and nothing is promised */
        for (int i = 1; i < 20; i++)
                replay_bar_note(&bar, 5100 + i * 1000, (31 + i) * (int64_t)SECOND);
        ck_assert(bar.offsets_per_s > 990 && bar.offsets_per_s <= 1000);
}
END_TEST

START_TEST(a_line_has_share_speed_time_and_counts)
{
        struct replay_bar bar = { .offsets_per_s = 10 };
        char line[500];

        look(500, 1000);
        replay_bar_line(&bar, row, "", line, sizeof line);
        ck_assert_msg(strstr(line, "[######..................] 25 %, 10/s, 2 min left, applied 0, "
                                   "skipped 0, dead 0, missing 7") != NULL,
                      "%s", line);
        replay_bar_line(&bar, row, "somebody is behind", line, sizeof line);
        ck_assert_msg(strstr(line, "25 %, waits: somebody is behind, applied") != NULL, "%s", line);
        bar.offsets_per_s = 0;
        replay_bar_line(&bar, row, "", line, sizeof line);
        ck_assert_msg(strstr(line, "left") == NULL, "%s", line);
        replay_bar_line(&bar, row, "", line, 20); /* whatever the room */
        ck_assert_uint_eq(strlen(line), 19);
}
END_TEST

/* What is drawn, as one text. */
__attribute__((noinline)) static char *draw(struct replay_bar bar, int times)
{
        char *text = NULL;
        size_t size;

        bar.out = open_memstream(&text, &size);
        for (int i = 0; i < times; i++)
                replay_bar_show(&bar, row, spans, "", (i + 1) * (int64_t)SECOND);
        replay_bar_end(&bar);
        fclose(bar.out);
        return text;
}

START_TEST(partitions_have_a_line_each_where_they_fit)
{
        struct replay_bar bar = { .terminal = true, .width = 80, .height = 3 };
        char *text;

        look(1000, 0);
        text = draw(bar, 2);
        ck_assert_msg(strstr(text, "[########################] 100 % t/0: 1000 of 1000") != NULL,
                      "%s", text);
        ck_assert_msg(strstr(text, "100 % t/1: 0 of 0") != NULL, "%s", text);
        /* the second one over the first, and then both away */
        ck_assert_msg(strstr(text, "\033[3A") != strstr(text, "\033[3A\r\033[J"), "%s", text);
        ck_assert_ptr_eq(strstr(strstr(text, "\033[J"), "\n"), NULL);
        for (const char *at = text, *end; *at; at = end + 1) {
                end = strchr(at, '\n');
                if (!end)
                        break;
                ck_assert_int_le(end - at, 80 + 12); /* and the sequences */
        }
        free(text);
        bar = (struct replay_bar){ .terminal = true, .width = 80, .height = 2 };
        text = draw(bar, 1);
        ck_assert_ptr_null(strstr(text, "t/0"));
        free(text);
        bar = (struct replay_bar){ .terminal = false };
        text = draw(bar, 2);
        ck_assert_ptr_null(strstr(text, "\033"));
        free(text);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("replay_bar");
        TCase *tests = tcase_create("replay_bar");

        fixture_start("replay_bar", true);
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, the_speed_is_that_of_the_last_seconds);
        tcase_add_test(tests, a_line_has_share_speed_time_and_counts);
        tcase_add_test(tests, partitions_have_a_line_each_where_they_fit);
        suite_add_tcase(suite, tests);
        return fixture_end(suite);
}

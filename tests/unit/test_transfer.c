/* SPDX-License-Identifier: MIT */
/* flow/transfer: places in words, and what may be moved where */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/transfer.h"

static char note[WEIR_TRANSFER_NOTE_BYTES];
static int64_t to;

static struct weir_transfer at(int64_t position, int64_t committed)
{
        return (struct weir_transfer){
                .start_offset = 10, .end_offset = 50, .position = position, .committed = committed
        };
}

#define NOTES(part) ck_assert_msg(strstr(note, part) != NULL, "%s", note)

START_TEST(places_are_read_as_people_write_them)
{
        static const struct {
                const char *text;
                enum weir_where_kind kind;
                int64_t value;
        } good[] = {
                { "0", WEIR_WHERE_OFFSET, 0 },
                { "81200", WEIR_WHERE_OFFSET, 81200 },
                { "9223372036854775799", WEIR_WHERE_OFFSET, INT64_C(9223372036854775799) },
                { "earliest", WEIR_WHERE_EARLIEST, 0 },
                { "latest", WEIR_WHERE_LATEST, 0 },
                { "1970-01-01T00:00:01Z", WEIR_WHERE_TIME, 1000 },
                { "1970-01-01T00:00:01.0001Z", WEIR_WHERE_TIME, 1001 }, /* not before it */
                { "1970-01-01T02:00:01.001+02:00", WEIR_WHERE_TIME, 1001 },
                { "1970-01-02", WEIR_WHERE_TIME, 86400000 },
                { "1969-12-31", WEIR_WHERE_TIME, 0 }, /* no record is older */
                { "-2h", WEIR_WHERE_AGO, 7200000 },
                { "2h", WEIR_WHERE_AGO, 7200000 },
                { "-90s", WEIR_WHERE_AGO, 90000 },
                { "-7d", WEIR_WHERE_AGO, 604800000 },
        };
        static const char *const bad[] = {
                "",     "-5",       "+5", "5x", "-",           "--2h",       "yesterday",
                "-2h3", "Earliest", " 5", "5 ", "-2026-01-31", "2026-13-01", "99999999999999999999"
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(good); i++) {
                struct weir_where where;

                ck_assert_msg(weir_where_read(good[i].text, &where), "%s", good[i].text);
                ck_assert_msg(where.kind == good[i].kind, "%s", good[i].text);
                ck_assert_msg(where.value == good[i].value, "%s: %lld", good[i].text,
                              (long long)where.value);
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
                struct weir_where where;

                ck_assert_msg(!weir_where_read(bad[i], &where), "%s", bad[i]);
        }
}
END_TEST

START_TEST(TF1_what_is_taken_over_lies_in_the_log_both_ends_included)
{
        for (int64_t offset = 0; offset < 70; offset++) {
                struct weir_transfer in = at(30, offset), out = at(offset, 30);
                bool inside = offset >= 10 && offset <= 50;

                to = -2;
                ck_assert_int_eq(weir_transfer_in(&in, &to, note), !inside ? WEIR_TRANSFER_REFUSE
                                                                   : offset == 30
                                                                           ? WEIR_TRANSFER_SAME
                                                                           : WEIR_TRANSFER_MOVE);
                ck_assert_int_eq(to, inside ? offset : -2);
                to = -2;
                ck_assert_int_eq(weir_transfer_out(&out, &to, note), !inside ? WEIR_TRANSFER_REFUSE
                                                                     : offset == 30
                                                                             ? WEIR_TRANSFER_SAME
                                                                             : WEIR_TRANSFER_MOVE);
                ck_assert_int_eq(to, inside ? offset : -2);
        }
}
END_TEST

START_TEST(a_refusal_names_the_end_of_the_log_that_it_is_about)
{
        struct weir_transfer place = at(-1, 9);

        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_REFUSE);
        NOTES("committed offset 9 is below the log's start 10");
        place = at(-1, 51);
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_REFUSE);
        NOTES("committed offset 51 is beyond the log's end 50");
        place = at(51, -1);
        ck_assert_int_eq(weir_transfer_out(&place, &to, note), WEIR_TRANSFER_REFUSE);
        NOTES("position 51 is beyond the log's end 50");
}
END_TEST

START_TEST(TF2_nothing_to_move_is_no_reason_to_move)
{
        struct weir_transfer place = at(30, -1);

        to = -2;
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_LEAVE);
        ck_assert_str_eq(note, "no committed offset");
        place = at(-1, -1);
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_LEAVE);
        NOTES("workers.start");
        place = at(-1, 30);
        ck_assert_int_eq(weir_transfer_out(&place, &to, note), WEIR_TRANSFER_LEAVE);
        NOTES("not carried over");
        ck_assert_int_eq(to, -2);
}
END_TEST

START_TEST(TF3_a_move_says_how_it_will_be_felt)
{
        struct weir_transfer place = at(30, 20);

        place.parked = 1;
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_MOVE);
        NOTES("back by 10: read again");
        NOTES("1 parked event stay");
        place.committed = 40;
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_MOVE);
        NOTES("forward by 10: passed unread");
        place.committed = 30;
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_SAME);
        ck_assert_str_eq(note, "");
        place = at(-1, 40);
        ck_assert_int_eq(weir_transfer_in(&place, &to, note), WEIR_TRANSFER_MOVE);
        NOTES("begins there");
        place = at(30, 20);
        place.parked = 3;
        place.letters = 2;
        place.tried = 1;
        ck_assert_int_eq(weir_transfer_out(&place, &to, note), WEIR_TRANSFER_MOVE);
        NOTES("3 parked events not carried over");
        NOTES("2 dead letters not carried over");
        NOTES("1 event with attempts");
}
END_TEST

START_TEST(an_operator_goes_outside_of_the_log_by_force_only)
{
        struct weir_transfer place = at(30, -1), unseen = { -1, -1, 30, -1, 0, 0, 0 };

        ck_assert_int_eq(weir_transfer_to(&place, 51, false, note), WEIR_TRANSFER_REFUSE);
        ck_assert_int_eq(weir_transfer_to(&place, 9, false, note), WEIR_TRANSFER_REFUSE);
        ck_assert_int_eq(weir_transfer_to(&place, 51, true, note), WEIR_TRANSFER_MOVE);
        NOTES("beyond the log's end 50");
        NOTES("forward by 21");
        ck_assert_int_eq(weir_transfer_to(&place, 30, false, note), WEIR_TRANSFER_SAME);
        ck_assert_int_eq(weir_transfer_to(&unseen, 1000, false, note), WEIR_TRANSFER_MOVE);
}
END_TEST

START_TEST(a_note_is_bounded)
{
        struct weir_transfer place = { INT64_MAX - 1, INT64_MAX, INT64_MAX - 2, 1,
                                       INT64_MAX,     INT64_MAX, INT64_MAX };

        weir_transfer_to(&place, 1, true, note);
        ck_assert_uint_lt(strlen(note), sizeof note);
        NOTES("below the log's start");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("transfer");
        TCase *tcase = tcase_create("transfer");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, places_are_read_as_people_write_them);
        tcase_add_test(tcase, TF1_what_is_taken_over_lies_in_the_log_both_ends_included);
        tcase_add_test(tcase, a_refusal_names_the_end_of_the_log_that_it_is_about);
        tcase_add_test(tcase, TF2_nothing_to_move_is_no_reason_to_move);
        tcase_add_test(tcase, TF3_a_move_says_how_it_will_be_felt);
        tcase_add_test(tcase, an_operator_goes_outside_of_the_log_by_force_only);
        tcase_add_test(tcase, a_note_is_bounded);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

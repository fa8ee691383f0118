/* SPDX-License-Identifier: MIT */
/* anchor: which record may prove a log, when checks of it begin, pass and fail */
#include <check.h>
#include <stdlib.h>

#include "flow/anchor.h"

static struct weir_position at(int64_t last_offset)
{
        return (struct weir_position){ .next_offset = last_offset + 1,
                                       .last_offset = last_offset,
                                       .last_time_ms = last_offset * 10,
                                       .last_fingerprint = last_offset * 7 };
}

static int64_t adopted(const struct weir_anchor *anchor)
{
        struct weir_position position = at(999);

        if (!weir_anchor_adopt(anchor, &position))
                return -1;
        ck_assert_int_eq(position.next_offset, 1000); /* an identity is adopted, no position */
        ck_assert_int_eq(position.last_time_ms, position.last_offset * 10);
        ck_assert_int_eq(position.last_fingerprint, position.last_offset * 7);
        return position.last_offset;
}

static void note(struct weir_anchor *anchor, int64_t last_offset, uint64_t begun, uint64_t passed)
{
        struct weir_position position = at(last_offset);

        weir_anchor_note(anchor, &position, begun, passed);
}

static struct weir_anchor started_at(int64_t last_offset)
{
        struct weir_anchor anchor = { .needs = 99 };
        struct weir_position position = at(last_offset);

        weir_anchor_reset(&anchor, &position);
        return anchor;
}

START_TEST(what_was_compared_at_the_start_is_proven)
{
        struct weir_anchor none = started_at(-1), some = started_at(41);

        ck_assert_int_eq(adopted(&none), -1);
        ck_assert_int_eq(adopted(&some), 41);
}
END_TEST

START_TEST(a_record_is_proven_by_a_check_that_began_after_it)
{
        struct weir_anchor anchor = started_at(41);

        note(&anchor, 50, 3, 3);
        ck_assert_int_eq(adopted(&anchor), 41);
        note(&anchor, 60, 4, 3); /* begun, not passed */
        ck_assert_int_eq(adopted(&anchor), 41);
        note(&anchor, 70, 4, 4);
        ck_assert_int_eq(adopted(&anchor), 50); /* 60 and 70 came while it ran */
        note(&anchor, 80, 5, 5);
        ck_assert_int_eq(adopted(&anchor), 70);
}
END_TEST

START_TEST(a_record_handled_during_a_check_is_not_proven_by_it)
{
        struct weir_anchor anchor = started_at(41);

        note(&anchor, 50, 7, 6);
        note(&anchor, 50, 7, 7);
        ck_assert_int_eq(adopted(&anchor), 41);
        note(&anchor, 50, 8, 7); /* number 8 doubts: it never passes */
        ck_assert_int_eq(adopted(&anchor), 41);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("anchor");
        TCase *tcase = tcase_create("anchor");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, what_was_compared_at_the_start_is_proven);
        tcase_add_test(tcase, a_record_is_proven_by_a_check_that_began_after_it);
        tcase_add_test(tcase, a_record_handled_during_a_check_is_not_proven_by_it);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* suspicion: a death, written for each event that may have caused it */
#include "store/attempt.h"
#include "store/suspicion.h"
#include "position_fixture.h"

static int64_t blame(int64_t first, int64_t last, int32_t item)
{
        const struct weir_suspicion suspicion = { .kind = WEIR_SUSPECT_RECORD,
                                                  .topic = topic,
                                                  .first = first,
                                                  .last = last,
                                                  .item = item,
                                                  .death = "SIGSEGV\nprobe.so+0x1\xff" };
        int64_t written = -1;

        OK(weir_suspicion_write(pg, "w", &suspicion, 1, &written, reterr));
        return written;
}

static struct weir_attempt *load(size_t *ret_count)
{
        struct weir_attempt *list;

        OK(weir_attempt_load(pg, &position, &arena, &list, ret_count, reterr));
        return list;
}

START_TEST(deaths_add_up_beside_the_attempts)
{
        struct weir_attempt attempt = { .offset = 12, .item = 0, .attempts = 2 }, *list;
        size_t count;

        ck_assert_int_eq(blame(12, 12, 0), 1);
        OK(weir_attempt_save(pg, &position, &attempt, "handler", "later", reterr));
        ck_assert_int_eq(blame(12, 12, 0), 1);
        list = load(&count);
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(list[0].attempts, 2);
        ck_assert_int_eq(list[0].deaths, 2);
        ck_assert_ptr_nonnull(strstr(list[0].death, "SIGSEGV\nprobe.so+0x1"));
        free(list);
}
END_TEST

START_TEST(SU1_what_was_passed_is_not_suspected)
{
        size_t count;
        struct weir_attempt *list;

        ck_assert_int_eq(blame(9, 9, 0), 0);
        ck_assert_int_eq(blame(8, 11, -1), 2);
        list = load(&count);
        ck_assert_uint_eq(count, 2);
        ck_assert_int_eq(list[0].offset, 10);
        ck_assert_int_eq(list[0].item, -1);
        ck_assert_int_eq(list[1].offset, 11);
        free(list);
}
END_TEST

START_TEST(of_a_call_for_several_records_each_is_suspected_as_a_whole)
{
        struct weir_attempt *list;
        size_t count;

        ck_assert_int_eq(blame(10, 11, 3), 2);
        ck_assert_int_eq(blame(12, 12, 3), 1);
        list = load(&count);
        ck_assert_uint_eq(count, 3);
        ck_assert_int_eq(list[0].item, -1);
        ck_assert_int_eq(list[1].item, -1);
        ck_assert_int_eq(list[2].item, 3);
        free(list);
}
END_TEST

START_TEST(a_partition_that_nobody_has_taken_has_no_suspects)
{
        const struct weir_suspicion suspicion = {
                .topic = "nowhere", .first = 1, .last = 1, .death = "exit"
        };
        int64_t written = -1;

        OK(weir_suspicion_write(pg, "w", &suspicion, 1, &written, reterr));
        ck_assert_int_eq(written, 0);
}
END_TEST

START_TEST(SU2_all_of_a_death_or_nothing)
{
        const struct weir_suspicion suspicions[] = {
                { .topic = topic, .first = 20, .last = 20, .death = "exit" },
                { .topic = topic, .first = 21, .last = 21, .item = INT32_MIN, .death = "exit" },
        };
        struct weir_attempt *list;
        struct weir_error error;
        int64_t written;
        size_t count;

        OK(weir_pg_run(pg,
                       "ALTER TABLE weir.attempt ADD CONSTRAINT test CHECK (item >= -1) NOT VALID",
                       reterr));
        ck_assert_int_lt(weir_suspicion_write(pg, "w", suspicions, 2, &written, &error), 0);
        OK(weir_pg_run(pg, "ALTER TABLE weir.attempt DROP CONSTRAINT test", reterr));
        list = load(&count);
        ck_assert_uint_eq(count, 0);
        free(list);
}
END_TEST

START_TEST(a_call_for_very_many_is_bounded)
{
        ck_assert_int_eq(blame(100, INT64_MAX / 2, -1), 10000);
}
END_TEST

START_TEST(who_waits_for_a_lock_is_told_so)
{
        const struct weir_suspicion suspicion = { .kind = WEIR_SUSPECT_RECORD,
                                                  .topic = topic,
                                                  .first = 12,
                                                  .last = 12,
                                                  .death = "SIGSEGV" };
        struct weir_pg *holder = fixture_connect();
        struct weir_error refused;
        int64_t written = -1;

        OK(weir_pg_begin(holder, reterr));
        OK(weir_pg_run(holder, "LOCK weir.attempt IN ACCESS EXCLUSIVE MODE", reterr));
        OK(weir_suspicion_bound(pg, 50, 10000, reterr));
        ck_assert_int_lt(weir_suspicion_write(pg, "w", &suspicion, 1, &written, &refused), 0);
        ck_assert_ptr_nonnull(strstr(refused.text, "lock timeout"));
        weir_pg_close(holder);
        OK(weir_suspicion_bound(pg, 0, 0, reterr));
        ck_assert_int_eq(blame(12, 12, 0), 1); /* a second try does what the first could not */
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("suspicion");
        TCase *tcase = tcase_create("suspicion");

        fixture_start("suspicion", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, deaths_add_up_beside_the_attempts);
        tcase_add_test(tcase, SU1_what_was_passed_is_not_suspected);
        tcase_add_test(tcase, of_a_call_for_several_records_each_is_suspected_as_a_whole);
        tcase_add_test(tcase, a_partition_that_nobody_has_taken_has_no_suspects);
        tcase_add_test(tcase, SU2_all_of_a_death_or_nothing);
        tcase_add_test(tcase, a_call_for_very_many_is_bounded);
        tcase_add_test(tcase, who_waits_for_a_lock_is_told_so);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

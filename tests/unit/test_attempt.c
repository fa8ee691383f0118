/* SPDX-License-Identifier: MIT */
/* attempt: counted by the holder of the epoch, kept until the offset is passed */
#include <pthread.h>

#include "store/attempt.h"
#include "position_fixture.h"

static int save(const struct weir_position *holder, int64_t offset, int32_t item, int32_t attempts,
                int64_t wait_ms)
{
        struct weir_attempt attempt = {
                .offset = offset, .item = item, .attempts = attempts, .wait_ms = wait_ms
        };
        struct weir_error error = { 0 };
        int r = weir_attempt_save(pg, holder, &attempt, "handler", "not now", &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        return r;
}

static struct weir_attempt *load(size_t *ret_count)
{
        struct weir_attempt *list;

        OK(weir_attempt_load(pg, &position, &arena, &list, ret_count, reterr));
        return list;
}

START_TEST(an_attempt_is_counted_and_its_first_failure_stays)
{
        struct weir_attempt attempt = { .offset = 12, .item = 3, .attempts = 1, .wait_ms = 60000 },
                            *list;
        int64_t first_us;
        size_t count;

        OK(weir_attempt_save(pg, &position, &attempt, "handler", "a\xff", reterr));
        first_us = attempt.first_failed_us;
        ck_assert_int_gt(first_us, 1600000000000000);
        attempt.attempts = 2;
        OK(weir_attempt_save(pg, &position, &attempt, "22012", "b", reterr));
        ck_assert_int_eq(attempt.first_failed_us, first_us);
        list = load(&count);
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(list[0].offset, 12);
        ck_assert_int_eq(list[0].item, 3);
        ck_assert_int_eq(list[0].attempts, 2);
        ck_assert_int_eq(list[0].first_failed_us, first_us);
        ck_assert_int_le(list[0].wait_ms, 60000);
        ck_assert_int_gt(list[0].wait_ms, 40000);
        free(list);
}
END_TEST

START_TEST(a_wait_that_is_over_is_no_wait)
{
        size_t count;
        struct weir_attempt *list;

        ck_assert_int_eq(save(&position, 10, 0, 1, -5000), WEIR_KEPT_DONE);
        list = load(&count);
        ck_assert_int_eq(list[0].wait_ms, 0);
        free(list);
}
END_TEST

START_TEST(J1_another_epoch_writes_nothing)
{
        struct weir_position older = position;
        size_t count;
        struct weir_attempt *list;

        older.epoch--;
        ck_assert_int_eq(save(&older, 10, 0, 1, 0), WEIR_KEPT_FENCED);
        ck_assert_int_eq(save(&position, 10, 0, 1, 0), WEIR_KEPT_DONE);
        ck_assert_int_eq(save(&older, 10, 0, 7, 0), WEIR_KEPT_FENCED);
        list = load(&count);
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(list[0].attempts, 1);
        free(list);
}
END_TEST

struct other {
        struct weir_pg *pg;
        int outcome;
};

static void *save_in_thread(void *arg)
{
        struct other *other = arg;
        struct weir_attempt attempt = { .offset = 10, .attempts = 1 };

        other->outcome = weir_attempt_save(other->pg, &position, &attempt, "handler", "late", NULL);
        return NULL;
}

START_TEST(J1_a_taking_under_way_shuts_the_older_holder_out)
{
        struct other other = { .pg = fixture_connect() };
        int64_t backend = fixture_backend(other.pg);
        struct weir_pg *watch = fixture_connect();
        pthread_t thread;

        OK(weir_pg_begin(pg, reterr));
        fixture_int(pg, "UPDATE weir.position SET epoch = epoch + 1 WHERE id = %d RETURNING 1",
                    position.id);
        pthread_create(&thread, NULL, save_in_thread, &other);
        fixture_until_waiting(watch, backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(thread, NULL);
        ck_assert_int_eq(other.outcome, WEIR_KEPT_FENCED);
        weir_pg_close(other.pg);
        weir_pg_close(watch);
}
END_TEST

START_TEST(J2_passing_removes_what_is_passed_and_no_more)
{
        size_t count;
        struct weir_attempt *list;

        save(&position, 10, 0, 1, 0);
        save(&position, 10, 1, 2, 0);
        save(&position, 12, 0, 3, 0);
        OK(weir_pg_begin(pg, reterr));
        OK(weir_attempt_pass(pg, position.id, 12, reterr));
        weir_pg_rollback(pg);
        free(load(&count));
        ck_assert_uint_eq(count, 3);
        OK(weir_attempt_pass(pg, position.id, 12, reterr));
        list = load(&count);
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(list[0].offset, 12);
        free(list);
}
END_TEST

START_TEST(a_position_that_moved_on_has_no_use_for_older_attempts)
{
        size_t count;

        save(&position, 10, 0, 1, 0);
        position.next_offset = 11;
        free(load(&count));
        ck_assert_uint_eq(count, 0);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.attempt WHERE position = %d",
                                     position.id),
                         0);
}
END_TEST

START_TEST(an_operator_who_sets_the_position_gives_all_attempts_back)
{
        int64_t before;

        save(&position, 10, 0, 4, 0);
        OK(weir_position_set(pg, "w", topic, 0, 10, "again", &before, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.attempt WHERE position = %d",
                                     position.id),
                         0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("attempt");
        TCase *tcase = tcase_create("attempt");

        fixture_start("attempt", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, an_attempt_is_counted_and_its_first_failure_stays);
        tcase_add_test(tcase, a_wait_that_is_over_is_no_wait);
        tcase_add_test(tcase, J1_another_epoch_writes_nothing);
        tcase_add_test(tcase, J1_a_taking_under_way_shuts_the_older_holder_out);
        tcase_add_test(tcase, J2_passing_removes_what_is_passed_and_no_more);
        tcase_add_test(tcase, a_position_that_moved_on_has_no_use_for_older_attempts);
        tcase_add_test(tcase, an_operator_who_sets_the_position_gives_all_attempts_back);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

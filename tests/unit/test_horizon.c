/* SPDX-License-Identifier: MIT */
/* test_horizon - behind what a reading of the outbox goes on, and what a stream remembers of what it has read */
#include <check.h>
#include <stdlib.h>

#include "side/relay_state.h"

static struct weir_horizon horizon;

/* A reading that brought ids up to @highest_id while all before @oldest had ended; it drew @drawn if it was asked. */
static void read_it(int64_t highest_id, int64_t oldest, int64_t drawn)
{
        struct weir_outbox_sight sight = weir_horizon_ask(&horizon);

        sight.oldest = oldest;
        sight.drawn = sight.draw ? drawn : 0;
        weir_horizon_see(&horizon, &sight, highest_id);
}

static void set_up(void)
{
        horizon = (struct weir_horizon){ 0 };
}

START_TEST(HZ2_nothing_is_sure_while_one_who_began_before_goes_on)
{
        read_it(19, 100, 105);
        ck_assert_int_eq(horizon.sure_id, 0);
        read_it(30, 104, 110); /* 104 may have drawn 1 to 9 */
        ck_assert_int_eq(horizon.sure_id, 0);
        read_it(40, 105, 120);
        ck_assert_int_eq(horizon.sure_id, 19);
}
END_TEST

START_TEST(HZ1_what_is_sure_stays_and_goes_on)
{
        read_it(19, 100, 105);
        read_it(40, 106, 0);
        ck_assert_int_eq(horizon.sure_id, 19);
        read_it(15, 107, 108); /* the next mark: all that was read, not this reading */
        read_it(41, 107, 0);
        ck_assert_int_eq(horizon.sure_id, 19);
        read_it(41, 108, 0);
        ck_assert_int_eq(horizon.sure_id, 40);
}
END_TEST

START_TEST(a_reading_without_rows_says_nothing)
{
        read_it(19, 100, 105);
        read_it(0, 0, 0);
        ck_assert_int_eq(horizon.sure_id, 0);
        ck_assert(!weir_horizon_ask(&horizon).draw);
}
END_TEST

/* ---- a stream -------------------------------------------------------------------------------- */

static struct weir_outlet outlet = { .kind = 't' };
static struct weir_queue queue;

static int hold(int64_t id)
{
        struct weir_outbox_row *row = calloc(1, sizeof *row);

        ck_assert_ptr_nonnull(row);
        row->id = id;
        return weir_queue_hold(&queue, row);
}

static void take_all(const char *wanted)
{
        char text[256] = "";
        struct weir_parcel *parcel;

        while ((parcel = weir_queue_take(&queue)) != NULL) {
                size_t used = strlen(text);

                snprintf(text + used, sizeof text - used, "%s%lld", used ? " " : "",
                         (long long)parcel->row->id);
                queue.open++;
                weir_parcel_free(parcel);
        }
        ck_assert_str_eq(text, wanted);
}

static void open_queue(void)
{
        queue = (struct weir_queue){ .outlet = &outlet };
        weir_queue_begin(&queue);
}

static void close_queue(void)
{
        weir_queue_drop(&queue);
        free(queue.held);
        free(queue.known);
}

START_TEST(what_is_read_twice_is_held_once_and_what_comes_late_is_held)
{
        for (int64_t id = 10; id < 15; id++)
                ck_assert_int_eq(hold(id), 0);
        take_all("10 11 12 13 14");
        ck_assert_int_eq(hold(3), 0);
        ck_assert_int_eq(hold(10), 1);
        ck_assert_int_eq(hold(12), 1);
        ck_assert_int_eq(hold(14), 1);
        ck_assert_int_eq(hold(20), 0);
        take_all("3 20");
        ck_assert_int_eq(hold(3), 1);
        ck_assert_int_eq(hold(20), 1);
}
END_TEST

START_TEST(what_is_passed_is_forgotten)
{
        for (int64_t id = 10; id < 40; id++)
                ck_assert_int_eq(hold(id), 0);
        weir_queue_read(&queue, 20);
        ck_assert_int_eq(queue.after_id, 20);
        ck_assert_uint_eq(queue.known_count, 19);
        ck_assert_int_eq(queue.known[0], 21);
        weir_queue_read(&queue, 15);
        ck_assert_int_eq(queue.after_id, 20);
        weir_queue_read(&queue, 100);
        ck_assert_uint_eq(queue.known_count, 0);
}
END_TEST

START_TEST(what_goes_again_is_read_again_once_nothing_is_open)
{
        for (int64_t id = 10; id < 20; id++)
                ck_assert_int_eq(hold(id), 0);
        take_all("10 11 12 13 14 15 16 17 18 19");
        weir_queue_read(&queue, 19);
        ck_assert(!queue.rewind);
        weir_queue_rewind(&queue, 14);
        weir_queue_rewind(&queue, 17);
        ck_assert_int_eq(queue.after_id, 13);
        ck_assert(queue.rewind);
}
END_TEST

START_TEST(what_is_dropped_is_read_again)
{
        for (int64_t id = 10; id < 20; id++)
                ck_assert_int_eq(hold(id), 0);
        weir_queue_read(&queue, 19);
        weir_parcel_free(weir_queue_take(&queue));
        weir_queue_drop(&queue);
        ck_assert_int_eq(queue.after_id, 10);
        ck_assert(queue.rewind);
}
END_TEST

START_TEST(who_gets_a_stream_knows_nothing_of_it)
{
        ck_assert_int_eq(hold(10), 0);
        take_all("10");
        weir_queue_read(&queue, 10);
        weir_queue_begin(&queue);
        ck_assert_int_eq(queue.after_id, 0);
        ck_assert_uint_eq(queue.known_count, 0);
        ck_assert(queue.rewind); /* the former owner was we, and 10 is still open */
        queue.open = 0;
        weir_queue_begin(&queue);
        ck_assert(!queue.rewind);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("horizon");
        TCase *tcase = tcase_create("horizon"), *streams = tcase_create("stream");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, HZ2_nothing_is_sure_while_one_who_began_before_goes_on);
        tcase_add_test(tcase, HZ1_what_is_sure_stays_and_goes_on);
        tcase_add_test(tcase, a_reading_without_rows_says_nothing);
        tcase_add_checked_fixture(streams, open_queue, close_queue);
        tcase_add_test(streams, what_is_read_twice_is_held_once_and_what_comes_late_is_held);
        tcase_add_test(streams, what_is_passed_is_forgotten);
        tcase_add_test(streams, what_goes_again_is_read_again_once_nothing_is_open);
        tcase_add_test(streams, what_is_dropped_is_read_again);
        tcase_add_test(streams, who_gets_a_stream_knows_nothing_of_it);
        suite_add_tcase(suite, tcase);
        suite_add_tcase(suite, streams);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* share: the ring against a plain list, and the bound exactly */
#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "flow/share.h"

#define MANY 3000

static struct weir_share share;
static struct weir_batch batch;
static struct weir_refusal refusal;

static void start(uint32_t window, uint32_t percent)
{
        struct weir_conf_worker worker = { .dead_window = window, .dead_max_percent = percent };
        struct weir_error error;

        ck_assert_int_eq(weir_share_init(&share, &worker, &error), 0);
        batch.records = calloc(MANY, sizeof *batch.records);
        batch.record_count = MANY;
}

static void end(void)
{
        weir_share_fini(&share);
        free(batch.records);
}

static void push(uint32_t count, bool dead)
{
        while (count--)
                weir_share_push(&share, dead);
}

START_TEST(E1_the_next_one_beyond_the_share_is_not_allowed)
{
        start(100, 50);
        push(49, true);
        ck_assert(weir_share_allows(&share)); /* the fiftieth */
        push(1, true);
        ck_assert(!weir_share_allows(&share));
        push(50,
             false); /* the oldest bit is the first bad one now: it leaves when the next comes */
        ck_assert(weir_share_allows(&share));
        weir_share_reset(&share);
        ck_assert_uint_eq(share.ones, 0);
        end();
}
END_TEST

START_TEST(a_hundred_percent_is_never_too_many)
{
        start(10, 100);
        push(1000, true);
        ck_assert(weir_share_allows(&share));
        end();
}
END_TEST

START_TEST(E2_the_first_bad_ones_are_no_mass)
{
        start(1000, 50);
        push(499, true);
        ck_assert(weir_share_allows(&share));
        end();
}
END_TEST

START_TEST(the_ring_counts_what_a_list_counts)
{
        static bool list[MANY];
        uint32_t random = 1;

        start(77, 30);
        for (uint32_t i = 0; i < MANY; i++) {
                uint32_t ones = 0;

                random = random * 1664525 + 1013904223;
                list[i] = random >> 30 == 0;
                weir_share_push(&share, list[i]);
                for (uint32_t k = i >= 76 ? i - 76 : 0; k <= i; k++)
                        ones += list[k];
                ck_assert_uint_eq(share.ones, ones);
        }
        end();
}
END_TEST

START_TEST(the_room_of_a_batch_ends_where_pushing_would)
{
        uint32_t random = 7;

        start(64, 25);
        for (uint32_t i = 0; i < MANY; i++) {
                random = random * 1664525 + 1013904223;
                batch.records[i].refusal = random >> 30 == 0 ? &refusal : NULL;
        }
        for (size_t at = 0; at + 200 < MANY;) {
                size_t room = weir_share_room(&share, &batch, at, 200);

                ck_assert_uint_le(room, 64);
                for (size_t i = at; i < at + room; i++) {
                        bool dead = batch.records[i].refusal != NULL;

                        ck_assert(!dead || weir_share_allows(&share));
                        weir_share_push(&share, dead);
                        ck_assert_uint_le(share.ones, 16);
                }
                at += room;
                if (room < 64) { /* it stopped because the next one is too many */
                        ck_assert_ptr_nonnull(batch.records[at].refusal);
                        ck_assert(!weir_share_allows(&share));
                        batch.records[at].refusal = NULL;
                }
        }
        end();
}
END_TEST

START_TEST(what_is_parked_is_not_decided)
{
        struct weir_item items[MANY] = { 0 };

        start(10, 10);
        batch.items = items;
        for (uint32_t i = 0; i < MANY; i++) {
                batch.records[i].first_item = i;
                batch.records[i].item_count = 1;
                items[i].parked = WEIR_PARKED_BEHIND;
        }
        items[3].parked = WEIR_PARKED_NOT;
        items[3].dead = true;
        ck_assert_uint_eq(weir_share_room(&share, &batch, 0, 10), 10);
        push(1, true);
        ck_assert_uint_eq(weir_share_room(&share, &batch, 0, 10), 3);
        end();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("share");
        TCase *tcase = tcase_create("share");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, E1_the_next_one_beyond_the_share_is_not_allowed);
        tcase_add_test(tcase, a_hundred_percent_is_never_too_many);
        tcase_add_test(tcase, E2_the_first_bad_ones_are_no_mass);
        tcase_add_test(tcase, the_ring_counts_what_a_list_counts);
        tcase_add_test(tcase, the_room_of_a_batch_ends_where_pushing_would);
        tcase_add_test(tcase, what_is_parked_is_not_decided);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

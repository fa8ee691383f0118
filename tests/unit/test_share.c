/* SPDX-License-Identifier: MIT */
/* share: the ring against a plain list, and the bound exactly */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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

START_TEST(a_partition_that_halts_at_the_first_condemns_none)
{
        struct weir_conf_worker worker = { .dead_window = 100,
                                           .dead_max_percent = 100,
                                           .on_dead = WEIR_DEAD_HALT };
        struct weir_error error;

        start(100, 100);
        weir_share_fini(&share);
        ck_assert_int_eq(weir_share_init(&share, &worker, &error), 0);
        ck_assert(!weir_share_allows(&share));
        ck_assert_uint_eq(weir_share_room(&share, &batch, 0, MANY), MANY);
        batch.records[120].refusal = &refusal;
        ck_assert_uint_eq(weir_share_room(&share, &batch, 0, MANY), 120);
        ck_assert_uint_eq(weir_share_room(&share, &batch, 120, 1), 0);
        end();
}
END_TEST

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
        weir_share_fill(&share, NULL, 0);
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

/* Transactions of random size, some with bad records; what a start makes of them is never less than what was known. */
START_TEST(E3_what_the_trail_tells_is_what_was_known_or_stricter)
{
        enum { TRANSACTIONS = 200, WINDOW = 64 };
        struct weir_decided trail[TRANSACTIONS];
        static bool list[TRANSACTIONS * 8];
        uint32_t random = 11, used = 0;
        size_t count = 0;

        start(WINDOW, 50);
        for (uint32_t t = 0; t < TRANSACTIONS; t++) {
                uint32_t records, dead = 0;

                random = random * 1664525 + 1013904223;
                records = 1 + (random >> 28) % 8;
                for (uint32_t k = 0; k < records; k++) {
                        random = random * 1664525 + 1013904223;
                        list[used] = random >> 30 == 0;
                        dead += list[used];
                        weir_share_push(&share, list[used++]);
                }
                /* newest first */
                memmove(trail + 1, trail, count * sizeof *trail);
                trail[0] = (struct weir_decided){ 0, records, dead };
                for (size_t i = 1; i <= count; i++)
                        trail[i].newer += records;
                count++;
                {
                        struct weir_decided known[TRANSACTIONS];
                        struct weir_share before = share;
                        uint64_t bits[WINDOW / 64];
                        size_t known_count = 0;
                        uint32_t ones = share.ones;

                        memcpy(bits, share.bits, sizeof bits);
                        for (size_t i = 0; i < count; i++)
                                if (trail[i].dead && trail[i].newer < WINDOW)
                                        known[known_count++] = trail[i];
                        weir_share_fill(&share, known, known_count);
                        ck_assert_uint_ge(share.ones, ones);
                        ck_assert_uint_le(share.ones,
                                          ones + 7);          /* of the oldest transaction only */
                        for (uint32_t i = 0; i < WINDOW; i++) /* and they leave no earlier */
                                weir_share_push(&share, false);
                        ck_assert_uint_eq(share.ones, 0);
                        share = before;
                        memcpy(share.bits, bits, sizeof bits);
                }
        }
        end();
}
END_TEST

START_TEST(E3_the_bad_ones_of_a_transaction_leave_last)
{
        /* 3 bad ones of the last 10 records, and 2 of the 5 before them */
        const struct weir_decided trail[] = { { 0, 10, 3 }, { 10, 5, 2 } };

        start(20, 50);
        weir_share_fill(&share, trail, 2);
        ck_assert_uint_eq(share.ones, 5);
        push(8, false); /* twenty less the twelve newest: ages 11 and 10 are bad */
        ck_assert_uint_eq(share.ones, 5);
        push(1, false);
        ck_assert_uint_eq(share.ones, 4);
        push(8, false);
        ck_assert_uint_eq(share.ones, 3);
        push(3, false);
        ck_assert_uint_eq(share.ones, 0);
        end();
}
END_TEST

START_TEST(E3_a_condemned_parked_one_counts_once)
{
        /* ten records of which five were parked and then condemned one by one; a record of three bad events */
        const struct weir_decided parked[] = { { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 1 },
                                               { 0, 0, 1 }, { 0, 0, 1 }, { 10, 1, 3 } };

        start(20, 50);
        weir_share_fill(&share, parked, 6);
        ck_assert_uint_eq(share.ones, 6);
        ck_assert(weir_share_allows(&share));
        weir_share_fill(&share, NULL, 0);
        ck_assert_uint_eq(share.ones, 0);
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
        start(4, 25); /* the oldest was good, the next one not: what is parked pushes neither out */
        batch.items = items;
        push(1, false);
        push(1, true);
        push(2, false);
        batch.records[0] = (struct weir_batch_record){ .first_item = 0, .item_count = 1 };
        batch.records[1] = (struct weir_batch_record){ .first_item = 3, .item_count = 1 };
        ck_assert_uint_eq(weir_share_room(&share, &batch, 0, 2), 1);
        end();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("share");
        TCase *tcase = tcase_create("share");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, a_partition_that_halts_at_the_first_condemns_none);
        tcase_add_test(tcase, E1_the_next_one_beyond_the_share_is_not_allowed);
        tcase_add_test(tcase, a_hundred_percent_is_never_too_many);
        tcase_add_test(tcase, E2_the_first_bad_ones_are_no_mass);
        tcase_add_test(tcase, the_ring_counts_what_a_list_counts);
        tcase_add_test(tcase, the_room_of_a_batch_ends_where_pushing_would);
        tcase_add_test(tcase, E3_what_the_trail_tells_is_what_was_known_or_stricter);
        tcase_add_test(tcase, E3_the_bad_ones_of_a_transaction_leave_last);
        tcase_add_test(tcase, E3_a_condemned_parked_one_counts_once);
        tcase_add_test(tcase, what_is_parked_is_not_decided);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* flow/seen: a key that came before is recognised, in a stated amount of memory */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow/seen.h"

static struct weir_seen seen;

static void setup(void)
{
        seen = (struct weir_seen){ .slots = NULL };
}

static void teardown(void)
{
        weir_seen_fini(&seen);
}

/* Keys are hashes: any two of @number differ in the first bytes. */
static struct weir_key key_of(uint64_t number)
{
        uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15u;
        struct weir_key key = { .bytes = { 0 } };

        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        memcpy(key.bytes, &mixed, sizeof mixed);
        return key;
}

static int add(uint64_t number)
{
        const struct weir_key key = key_of(number);
        struct weir_error error = { .code = 0 };

        return weir_seen_add(&seen, &key, &error);
}

START_TEST(SN1_a_key_is_new_once)
{
        for (uint64_t i = 0; i < 100000; i++)
                ck_assert_int_eq(add(i), 0);
        for (uint64_t i = 0; i < 100000; i++)
                ck_assert_int_eq(add(i), 1);
        ck_assert_int_eq(add(100000), 0);
        ck_assert_uint_eq(seen.count, 100001);
        ck_assert(!seen.full);
}
END_TEST

START_TEST(a_key_of_zeroes_is_a_key)
{
        const struct weir_key key = { .bytes = { 0 } };
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(weir_seen_add(&seen, &key, &error), 0);
        ck_assert_int_eq(weir_seen_add(&seen, &key, &error), 1);
}
END_TEST

START_TEST(SN2_full_it_forgets_nothing_learns_nothing_and_says_so)
{
        for (uint64_t i = 0; i < WEIR_SEEN_KEYS_MAX; i++)
                if (add(i) != 0)
                        ck_abort_msg("key %llu", (unsigned long long)i);
        ck_assert(!seen.full);
        ck_assert_uint_le(seen.slot_count * sizeof *seen.slots, WEIR_SEEN_BYTES_MAX);
        ck_assert_int_eq(add(WEIR_SEEN_KEYS_MAX), 0);
        ck_assert(seen.full);
        ck_assert_int_eq(add(WEIR_SEEN_KEYS_MAX), 0); /* not learnt */
        ck_assert_int_eq(add(0), 1);
        ck_assert_int_eq(add(WEIR_SEEN_KEYS_MAX - 1), 1);
        ck_assert_uint_eq(seen.count, WEIR_SEEN_KEYS_MAX);
        ck_assert_uint_le(seen.slot_count * sizeof *seen.slots, WEIR_SEEN_BYTES_MAX);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("seen");
        TCase *tcase = tcase_create("seen");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, SN1_a_key_is_new_once);
        tcase_add_test(tcase, a_key_of_zeroes_is_a_key);
        tcase_add_test(tcase, SN2_full_it_forgets_nothing_learns_nothing_and_says_so);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

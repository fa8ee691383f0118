/* SPDX-License-Identifier: MIT */
/* suspect: who is condemned for the deaths of its process, and who must be alone to be tried */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow/policy.h"
#include "flow/suspect.h"

static const struct weir_conf conf = { .crash_attempts = 3 };
static const struct weir_conf_worker worker = { .name = "w", .conf = &conf };
static const struct weir_retry some = { .count = 1 }, none = { .count = 0 };
static struct weir_batch_record records[2];
static struct weir_item items[4];
static struct weir_batch batch;

/* A record of three events, and one of one. */
static void setup(void)
{
        records[0] = (struct weir_batch_record){ .first_item = 0, .item_count = 3 };
        records[1] = (struct weir_batch_record){ .first_item = 3, .item_count = 1 };
        batch = (struct weir_batch){
                .records = records, .record_count = 2, .items = items, .item_count = 4
        };
        items[3].record = 1;
        weir_arena_init(&batch.arena, 4096);
}

static void teardown(void)
{
        weir_arena_fini(&batch.arena);
}

START_TEST(SS2_deadly_often_enough_is_condemned_with_the_signal)
{
        items[0].deaths = 2;
        items[1].deaths = 3;
        items[1].attempts = 4;
        items[1].death = "SIGSEGV\nprobe.so+0x10";
        items[3].deaths = 9;
        weir_suspect_condemn(&worker, &some, &batch);
        ck_assert(!items[0].dead && !items[2].dead);
        ck_assert(items[1].dead && items[3].dead);
        ck_assert_str_eq(items[1].klass, WEIR_CLASS_CRASH);
        ck_assert_str_eq(items[1].reason, "SIGSEGV");
        ck_assert_ptr_nonnull(strstr(items[1].text, "probe.so+0x10"));
        ck_assert_int_eq(items[1].attempts, 7);
        ck_assert_str_eq(items[3].reason, ""); /* nobody said of what */
}
END_TEST

START_TEST(who_is_dead_already_stays_what_it_was)
{
        items[0].deaths = 3;
        items[0].attempts = 1;
        items[0].dead = true;
        items[0].klass = WEIR_CLASS_REJECT;
        weir_suspect_condemn(&worker, &some, &batch);
        ck_assert_str_eq(items[0].klass, WEIR_CLASS_REJECT);
        ck_assert_int_eq(items[0].attempts, 1);
}
END_TEST

START_TEST(nothing_is_looked_at_where_nothing_is_written_down)
{
        items[0].deaths = 3;
        weir_suspect_condemn(&worker, &none, &batch);
        ck_assert(!items[0].dead);
        ck_assert(!weir_suspect_at(&none, &batch, 0));
}
END_TEST

START_TEST(SS1_only_who_will_be_called_is_a_suspect)
{
        ck_assert(!weir_suspect_at(&some, &batch, 0));
        items[2].deaths = 1;
        ck_assert(weir_suspect_at(&some, &batch, 0));
        ck_assert(!weir_suspect_at(&some, &batch, 1));
        items[2].parked = WEIR_PARKED_BEHIND;
        ck_assert(!weir_suspect_at(&some, &batch, 0));
        items[2].parked = WEIR_PARKED_NOT;
        items[2].dead = true;
        ck_assert(!weir_suspect_at(&some, &batch, 0));
        items[1].deaths = 1;
        ck_assert(weir_suspect_at(&some, &batch, 0));
}
END_TEST

START_TEST(a_reason_is_the_signal_alone_and_bounded)
{
        char reason[8];

        weir_suspect_reason("stuck: 5 s", reason);
        ck_assert_str_eq(reason, "stuck");
        weir_suspect_reason("exit with status 3", reason);
        ck_assert_str_eq(reason, "exit");
        weir_suspect_reason("SIGWAYTOOLONG\n", reason);
        ck_assert_str_eq(reason, "SIGWAYT");
        weir_suspect_reason("", reason);
        ck_assert_str_eq(reason, "");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("suspect");
        TCase *tcase = tcase_create("suspect");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, SS2_deadly_often_enough_is_condemned_with_the_signal);
        tcase_add_test(tcase, who_is_dead_already_stays_what_it_was);
        tcase_add_test(tcase, nothing_is_looked_at_where_nothing_is_written_down);
        tcase_add_test(tcase, SS1_only_who_will_be_called_is_a_suspect);
        tcase_add_test(tcase, a_reason_is_the_signal_alone_and_bounded);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

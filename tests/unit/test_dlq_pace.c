/* SPDX-License-Identifier: MIT */
/* dlq_pace: how many letters a second, by a clock of the test's own; the file itself, since commands are no library */
#include <check.h>
#include <stdlib.h>

#include "../../cmd/dlq_pace.c"

enum { SECOND = 1000000, LOG_MAX = 100000 };

static struct {
        int64_t at_us, count;
} sent[LOG_MAX]; /* when each chunk was */
static size_t sent_count;

/* Requeue at @rate until @end_us. A chunk takes @chunk_us; the one that begins at or after @stall_at_us: @stall_us. */
static void run(int64_t rate, int64_t end_us, int64_t chunk_us, int64_t stall_at_us,
                int64_t stall_us)
{
        struct dlq_pace pace = { .total = INT64_MAX / 2, .rate = rate };
        int64_t now_us = 0;
        bool stalled = stall_us == 0;

        sent_count = 0;
        while (now_us < end_us && sent_count < LOG_MAX) {
                int64_t count = (int64_t)dlq_pace_next(&pace, 500);

                ck_assert_int_gt(count, 0);
                ck_assert_int_le(count, rate < 10 ? 1 : rate / 10);
                now_us += chunk_us;
                if (!stalled && now_us >= stall_at_us) {
                        stalled = true;
                        now_us += stall_us;
                }
                sent[sent_count].at_us = now_us;
                sent[sent_count++].count = count;
                pace.done += count;
                now_us += dlq_pace_owes_us(&pace, count, now_us);
        }
}

static int64_t most_in_a_second(void)
{
        int64_t most = 0, sum = 0;

        for (size_t end = 0, begin = 0; end < sent_count; end++) {
                sum += sent[end].count;
                while (sent[begin].at_us <= sent[end].at_us - SECOND)
                        sum -= sent[begin++].count;
                most = sum > most ? sum : most;
        }
        return most;
}

static int64_t all(void)
{
        int64_t sum = 0;

        for (size_t i = 0; i < sent_count; i++)
                sum += sent[i].count;
        return sum;
}

static const int64_t rates[] = { 1, 3, 7, 20, 50, 999, 4000 };

START_TEST(the_rate_is_reached_and_kept_to)
{
        int64_t rate = rates[_i], chunk = rate < 10 ? 1 : rate / 10;

        run(rate, 10 * SECOND, 1000, 0, 0);
        ck_assert_int_ge(all(), rate * 10 - 2 * chunk);
        ck_assert_int_le(all(), rate * 10 + 2 * chunk);
        ck_assert_int_le(most_in_a_second(), rate + chunk);
}
END_TEST

START_TEST(a_stall_is_made_up_for_by_one_chunk_at_most)
{
        int64_t rate = rates[_i], chunk = rate < 10 ? 1 : rate / 10;

        run(rate, 30 * SECOND, 1000, 10 * SECOND, 5 * SECOND);
        ck_assert_int_le(most_in_a_second(), rate + 2 * chunk);
        ck_assert_int_le(all(), rate * 25 + 3 * chunk); /* five seconds of it are given up */
        ck_assert_int_ge(all(), rate * 25 - 3 * chunk);
}
END_TEST

START_TEST(slow_chunks_follow_one_another_without_a_rest)
{
        struct dlq_pace pace = { .total = 1000, .rate = 20 };

        for (int64_t now_us = SECOND; now_us < 10 * SECOND; now_us += SECOND)
                ck_assert_int_eq(dlq_pace_owes_us(&pace, 2, now_us), 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("dlq_pace");
        TCase *tcase = tcase_create("dlq_pace");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, the_rate_is_reached_and_kept_to, 0,
                            (int)(sizeof rates / sizeof rates[0]));
        tcase_add_loop_test(tcase, a_stall_is_made_up_for_by_one_chunk_at_most, 0,
                            (int)(sizeof rates / sizeof rates[0]));
        tcase_add_test(tcase, slow_chunks_follow_one_another_without_a_rest);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* partition: what a member reads of its partitions, and from where (lib/kafka/partition.c, queue.c and assign.c) */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "consumer_fixture.h"

START_TEST(a_member_reads_what_was_written_in_order_and_says_how_far)
{
        struct weir_error error = { 0 };
        struct weir_log_range range;
        struct weir_record record;
        struct weir_arena arena;
        struct rig rig;
        struct weir_partition *p;
        struct weir_consumer_state state;
        int64_t offset;

        produce(100);
        rig_start(&rig, "g-read");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 1);
        ck_assert_str_eq(weir_partition_topic(p), "t");
        weir_partition_set_owner(p, &rig);
        ck_assert_ptr_eq(weir_partition_owner(p), &rig);

        /* The range is known before anything is fetched. */
        ck_assert_msg(weir_partition_range(p, 5000, &range, &error) == 0, "%s", error.text);
        ck_assert_int_eq(range.start_offset, 0);
        ck_assert_int_eq(range.end_offset, 100);
        ck_assert_int_eq(weir_partition_end(p), 100);
        /* This broker would say the log's end for every time: all records would be skipped. */
        ck_assert_int_eq(weir_partition_offset_at(p, 5000, 5000, &offset, &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "knows no times"));

        /* Nothing is read before fetch. */
        ck_assert_int_eq(weir_partition_read(p, 0, &record, &error), 0);
        ck_assert_int_eq(weir_partition_position(p), -1);

        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        for (int32_t n = 0; n < PARTITIONS; n++)
                for (int64_t i = 0; i < 100; i++)
                        if (n != 1)
                                ck_assert_int_eq(next_offset(find(&rig, n)), i);
        while (weir_partition_read(p, 1000, &record, &error) != 1)
                ;
        ck_assert_int_eq(record.offset, 0);
        ck_assert_int_eq(record.time_ms, 1000);
        ck_assert_ptr_null(record.key.ptr);
        ck_assert_mem_eq(record.value.ptr, "1/0", 3);
        weir_arena_init(&arena, 4096);
        ck_assert_int_eq(weir_record_headers(&record, &arena), 0);
        weir_record_release(&record); /* the copies outlive it */
        ck_assert_uint_eq(record.header_count, 3);
        ck_assert_str_eq(record.headers[0].name, "ce_id");
        ck_assert_str_eq(record.headers[0].value, "7");
        ck_assert_uint_eq(record.headers[0].size, 1);
        ck_assert_ptr_null(record.headers[1].value);
        ck_assert_ptr_nonnull(record.headers[2].value);
        ck_assert_uint_eq(record.headers[2].size, 0);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), 1);
        ck_assert_ptr_nonnull(record.key.ptr); /* empty is not absent */
        ck_assert_uint_eq(record.key.size, 0);
        ck_assert_int_eq(weir_record_headers(&record, &arena), 0);
        ck_assert_uint_eq(record.header_count, 0);
        weir_arena_fini(&arena);
        weir_record_release(&record);
        ck_assert_int_eq(weir_partition_position(p), 2);
        for (int64_t i = 2; i < 100; i++)
                ck_assert_int_eq(next_offset(p), i);
        ck_assert_int_eq(weir_partition_position(p), 100);
        weir_partition_store(p, 60);
        weir_partition_store(p, 61);
        weir_consumer_state(rig.consumer, &state);
        ck_assert(state.joined);
        ck_assert_uint_eq(state.assigned_count, PARTITIONS);
        ck_assert_uint_eq(state.rebalances, 1);
        ck_assert_str_eq(state.error, "");

        /* Close leaves, commits what was stored, and calls each partition back once. */
        rig_stop_polling(&rig);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 10000000), 0);
        ck_assert_uint_eq(rig.revoked_partitions, PARTITIONS);
        ck_assert_uint_eq(rig.lost_calls, 0);
        weir_consumer_state(rig.consumer, &state);
        ck_assert(!state.joined);
        ck_assert_uint_eq(state.assigned_count, 0);
        ck_assert_int_eq(committed("g-read", 1), 61);
        ck_assert_int_eq(committed("g-read", 2), -1);

        /* What a lane that comes late does has no effect and no danger. */
        weir_partition_store(p, 99);
        weir_partition_fetch(p, 1);
        weir_partition_halt(p);
        weir_partition_starves(p);
        weir_partition_wake(p);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), 0);
        ck_assert_int_eq(weir_partition_position(p), -1);
        ck_assert_uint_eq(weir_partition_queued(p), 0);
        ck_assert_int_eq(weir_partition_range(p, 1000, &range, &error), WEIR_ESTOP);
        rig_free(&rig);
}
END_TEST

/* What a bit that changed on the way looks like from here: the log ends before the record that was read. */
static _Atomic int64_t said_end = -1;

rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic,
                                                   int32_t number, int64_t *ret_start,
                                                   int64_t *ret_end)
{
        static __typeof__(&rd_kafka_get_watermark_offsets) real;
        rd_kafka_resp_err_t err;

        if (!real)
                *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_get_watermark_offsets");
        err = real(rk, topic, number, ret_start, ret_end);
        if (said_end >= 0)
                *ret_end = said_end;
        return err;
}

/* Offsets from @moved_from on are larger by @moved_by; @moves times, -1 = always. */
static _Atomic int64_t moved_from = -1, moved_by;
static _Atomic int moves;
static _Atomic unsigned seen[200]; /* records that had this offset */

rd_kafka_message_t *rd_kafka_consume_queue(rd_kafka_queue_t *queue, int timeout_ms)
{
        static __typeof__(&rd_kafka_consume_queue) real;
        rd_kafka_message_t *message;

        if (!real)
                *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_consume_queue");
        message = real(queue, timeout_ms);
        if (!message || message->err)
                return message;
        if (moved_from >= 0 && message->offset >= moved_from && moves != 0) {
                message->offset += moved_by;
                if (moves > 0)
                        moves--;
        }
        if (message->offset < 200)
                seen[message->offset]++;
        return message;
}

static struct weir_partition *start_moved(struct rig *rig, const char *group, int count)
{
        struct weir_partition *p;

        for (int i = 0; i < 200; i++)
                seen[i] = 0;
        produce(100);
        rig_start(rig, group);
        await_count(rig, &rig->assigned_calls, PARTITIONS);
        p = find(rig, 1);
        moved_from = 50;
        moved_by = 20;
        moves = count;
        weir_partition_fetch(p, 0);
        return p;
}

START_TEST(PA6_a_gap_that_is_not_there_the_second_time_was_none)
{
        struct rig rig;
        struct weir_partition *p = start_moved(&rig, "g-altered", 1);

        for (int64_t i = 0; i < 100; i++)
                ck_assert_int_eq(next_offset(p), i);
        ck_assert_uint_eq(seen[70], 2);
        moved_from = -1;
        rig_end(&rig);
}
END_TEST

START_TEST(PA6_a_gap_that_is_there_twice_is_one_and_the_next_is_believed_at_once)
{
        struct rig rig;
        struct weir_partition *p = start_moved(&rig, "g-gap", -1);

        for (int64_t i = 0; i < 50; i++)
                ck_assert_int_eq(next_offset(p), i);
        for (int64_t i = 70; i < 80; i++)
                ck_assert_int_eq(next_offset(p), i);
        ck_assert_uint_eq(seen[70], 2);
        moved_by = 25;
        for (int64_t i = 85; i < 100; i++)
                ck_assert_int_eq(next_offset(p), i);
        ck_assert_uint_eq(seen[85], 1);
        moved_from = -1;
        rig_end(&rig);
}
END_TEST

START_TEST(PA5_what_lies_beyond_the_end_of_the_log_is_read_again)
{
        struct weir_error error = { 0 };
        struct weir_record record;
        struct weir_partition *p;
        struct rig rig;
        int r;

        produce(100);
        rig_start(&rig, "g-beyond");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 1);
        said_end = 40;
        weir_partition_fetch(p, 0);
        for (int64_t i = 0; i < 40; i++)
                ck_assert_int_eq(next_offset(p), i);
        WAIT_UNTIL((r = weir_partition_read(p, 100, &record, &error)) != 0);
        ck_assert_int_eq(r, WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "came as offset 40, and the log ends at 40"));
        ck_assert_int_eq(weir_partition_read(p, 0, &record, &error), WEIR_ELOG); /* still */
        said_end = -1;
        weir_partition_fetch(p, 40);
        for (int64_t i = 40; i < 100; i++)
                ck_assert_int_eq(next_offset(p), i);
        rig_end(&rig);
}
END_TEST

struct lane {
        struct weir_partition *partition;
        int64_t until;
        int refetch_every;
        bool failed;
        char why[120];
};

static void *run_lane(void *p)
{
        struct lane *lane = p;
        int64_t expected = 0, deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };

        weir_partition_fetch(lane->partition, 0);
        while (expected < lane->until) {
                struct weir_record record;
                int r = weir_partition_read(lane->partition, 100, &record, &error);

                if (r < 0 || weir_clock_us() > deadline_us) {
                        lane->failed = true;
                        snprintf(lane->why, sizeof lane->why, "at %lld: %.80s", (long long)expected,
                                 r < 0 ? error.text : "time is over");
                        break;
                }
                if (r == 0)
                        continue;
                if (record.offset != expected) {
                        lane->failed = true;
                        snprintf(lane->why, sizeof lane->why, "%lld instead of %lld",
                                 (long long)record.offset, (long long)expected);
                }
                weir_record_release(&record);
                if (lane->failed)
                        break;
                expected++;
                weir_partition_store(lane->partition, expected);
                if (lane->refetch_every && expected % lane->refetch_every == 0)
                        weir_partition_fetch(lane->partition, expected);
        }
        return NULL;
}

START_TEST(PA1_assigns_under_load_lose_and_repeat_nothing)
{
        struct lane lanes[PARTITIONS];
        pthread_t threads[PARTITIONS];
        struct rig rig;

        produce(20000);
        rig_start(&rig, "g-load");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int i = 0; i < PARTITIONS; i++) {
                lanes[i] = (struct lane){ .partition = find(&rig, i),
                                          .until = 20000,
                                          .refetch_every = i == 0   ? 500
                                                           : i == 1 ? 3000
                                                                    : 0 };
                ck_assert_int_eq(weir_thread_start(&threads[i], WEIR_ROLE_LANE, "lane", run_lane,
                                                   &lanes[i]),
                                 0);
        }
        for (int i = 0; i < PARTITIONS; i++) {
                pthread_join(threads[i], NULL);
                ck_assert_msg(!lanes[i].failed, "partition %d: %s", i, lanes[i].why);
        }
        rig_end(&rig);
        /* Offsets stored across an assign are not forgotten. */
        for (int i = 0; i < PARTITIONS; i++)
                ck_assert_int_eq(committed("g-load", i), 20000);
}
END_TEST

/* A lane that went back and finds the queue empty asks where the client stands, to pass markers. What it hears must
 * not be where the lane before it stood: the records between would be passed unseen. */
START_TEST(AS5_after_a_fetch_the_client_does_not_speak_of_where_it_was)
{
        int64_t deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };
        struct weir_partition *p;
        struct rig rig;
        int empty = 0;

        produce(300);
        rig_start(&rig, "g-back");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        p = find(&rig, 0);
        for (int round = 0; round < 60; round++) {
                struct weir_record record = { .offset = -1 };
                int r;

                for (int64_t i = 0; i < 200; i++)
                        ck_assert_int_eq(next_offset(p), i);
                weir_partition_fetch(p, 0);
                while ((r = weir_partition_read(p, 0, &record, &error)) == 0) {
                        int64_t position = weir_partition_position(p);

                        ck_assert_msg(position < 0,
                                      "round %d: nothing was read, but it stands at %lld", round,
                                      (long long)position);
                        ck_assert_int_lt(weir_clock_us(), deadline_us);
                        empty++;
                }
                ck_assert_int_eq(r, 1);
                ck_assert_int_eq(record.offset, 0);
                weir_record_release(&record);
                weir_partition_fetch(p, 0);
        }
        ck_assert_int_gt(empty, 0);
        rig_end(&rig);
}
END_TEST

START_TEST(a_lane_goes_back_halts_breaks_and_is_revived)
{
        int64_t deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };
        struct weir_record record;
        struct rig rig;
        struct weir_partition *p, *q;
        int64_t began_us;
        int r;

        produce(200);
        rig_start(&rig, "g-revive");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 0);
        q = find(&rig, 3);
        weir_partition_fetch(p, 50);
        weir_partition_fetch(q, 0);
        ck_assert_int_eq(next_offset(p), 50);
        ck_assert_int_eq(next_offset(q), 0);

        /* Back to an earlier place: nothing of the later one is returned. */
        weir_partition_fetch(p, 10);
        ck_assert_int_eq(next_offset(p), 10);
        ck_assert_int_eq(next_offset(p), 11);

        /* Two wishes at once: the last one counts. */
        weir_partition_fetch(p, 150);
        weir_partition_fetch(p, 20);
        ck_assert_int_eq(next_offset(p), 20);

        /* Halted: silence here, the neighbour goes on, what was prefetched is dropped. */
        weir_partition_halt(p);
        ck_assert_int_eq(weir_partition_read(p, 100, &record, &error), 0);
        for (int64_t i = 1; i < 200; i++)
                ck_assert_int_eq(next_offset(q), i);
        weir_partition_fetch(p, 30);
        ck_assert_int_eq(next_offset(p), 30);

        /* Outside of the log: an error that names our own place, again and again, then revival. */
        weir_partition_fetch(p, 5000);
        do
                r = weir_partition_read(p, 1000, &record, &error);
        while (r == 0 && weir_clock_us() < deadline_us);
        ck_assert_int_eq(r, WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "topic t partition 0"));
        ck_assert_ptr_nonnull(strstr(error.text, "offset 5000"));
        memset(&error, 0, sizeof error);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "offset 5000"));
        weir_partition_fetch(p, 190);
        for (int64_t i = 190; i < 200; i++)
                ck_assert_int_eq(next_offset(p), i);

        /* A lane that starves hears of a longer log, and a wake ends a long read. */
        produce(5);
        while (weir_partition_end(q) != 205 && weir_clock_us() < deadline_us) {
                weir_partition_starves(q);
                if (weir_partition_read(p, 10, &record, &error) == 1)
                        weir_record_release(&record);
        }
        ck_assert_int_eq(weir_partition_end(q), 205);
        while (weir_partition_position(q) < 205)
                next_offset(q);
        began_us = weir_clock_us();
        weir_partition_wake(q);
        ck_assert_int_eq(weir_partition_read(q, 60000, &record, &error), 0);
        weir_partition_wake(q);
        ck_assert_int_eq(weir_partition_await(q, 60000, &error), 0);
        ck_assert_int_lt(weir_clock_us() - began_us, 30000000);
        rig_end(&rig);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("partition");
        TCase *tcase = tcase_create("consumer");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_member_reads_what_was_written_in_order_and_says_how_far);
        tcase_add_test(tcase, PA5_what_lies_beyond_the_end_of_the_log_is_read_again);
        tcase_add_test(tcase, PA6_a_gap_that_is_not_there_the_second_time_was_none);
        tcase_add_test(tcase,
                       PA6_a_gap_that_is_there_twice_is_one_and_the_next_is_believed_at_once);
        tcase_add_test(tcase, PA1_assigns_under_load_lose_and_repeat_nothing);
        tcase_add_test(tcase, AS5_after_a_fetch_the_client_does_not_speak_of_where_it_was);
        tcase_add_test(tcase, a_lane_goes_back_halts_breaks_and_is_revived);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

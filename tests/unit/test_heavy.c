/* SPDX-License-Identifier: MIT */
/*
 * heavy: partitions whose records are too large for their share take turns (lib/kafka/heavy.c), and lose nothing by it
 *
 * A share is 192 KiB here and a record 500 kB, so one of the four partitions fetches at a time. In both kinds of groups:
 * the development broker has both, and weir takes the one that its library does without loss.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdatomic.h>

#include "consumer_fixture.h"

#define FETCH_BYTES (1 << 20)
#define LARGE_BYTES 500000
#define BATCH_RECORDS 600 /* six shares, and a few kB as they were sent */
#define TOGETHER_US                                                                                \
        300000 /* what was on its way when a partition was put out is freed a moment later */

static const char *const strategies[] = { "range", "cooperative-sticky" };

/* ---- a client that refuses, when it is told to ------------------------------------------------- */

static _Atomic bool refuses;
static _Atomic unsigned refused;

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
        rd_kafka_resp_err_t (*real)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = NULL;

        if (atomic_load(&refuses)) {
                atomic_fetch_add(&refused, 1);
                return RD_KAFKA_RESP_ERR__STATE;
        }
        *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_assign");
        return real(rk, list);
}

/* ---- lanes --------------------------------------------------------------------------------------- */

/* The position of each partition, as PostgreSQL has it: who comes with another offset than this is too late, or has lost
 * something. */
static struct {
        pthread_mutex_t mutex;
        int64_t next[PARTITIONS]; /* @mutex */
        int64_t until;
        bool held[PARTITIONS]; /* @mutex  something lies in its queue */
        unsigned read;         /* @mutex */
        unsigned allowed;      /* @mutex  no more are read for now */
        bool abreast;      /* @mutex  no partition is read further than one record past another */
        bool over;         /* @mutex  lanes end */
        char failure[200]; /* @mutex */
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct lane {
        struct weir_partition *partition;
        pthread_t thread;
        bool started;
};

static void all_reset(int64_t until)
{
        pthread_mutex_lock(&all.mutex);
        memset(all.next, 0, sizeof all.next);
        memset(all.held, 0, sizeof all.held);
        all.until = until;
        all.read = 0;
        all.abreast = all.over = false;
        all.allowed = UINT32_MAX;
        all.failure[0] = '\0';
        pthread_mutex_unlock(&all.mutex);
}

static void allow(unsigned count)
{
        pthread_mutex_lock(&all.mutex);
        all.allowed = count;
        pthread_mutex_unlock(&all.mutex);
}

static unsigned read_so_far(void)
{
        unsigned count;

        pthread_mutex_lock(&all.mutex);
        count = all.read;
        pthread_mutex_unlock(&all.mutex);
        return count;
}

/* 1 = read one, 0 = not now, -1 = it is this lane's end. */
static int may_read(struct lane *lane)
{
        bool held = weir_partition_queued(lane->partition) > 0;
        int64_t next;
        int r = 1;

        pthread_mutex_lock(&all.mutex);
        all.held[weir_partition_number(lane->partition)] = held;
        next = all.next[weir_partition_number(lane->partition)];
        if (all.failure[0] || all.over)
                r = -1;
        else if (all.read >= all.allowed)
                r = 0;
        for (int i = 0; i < PARTITIONS && all.abreast && r > 0; i++)
                r = next <= all.next[i];
        pthread_mutex_unlock(&all.mutex);
        return weir_partition_revoked(lane->partition) ? -1 : r;
}

static void pass(struct lane *lane, const struct weir_record *record)
{
        int64_t *next = &all.next[record->partition];

        pthread_mutex_lock(&all.mutex);
        if (record->offset > *next)
                snprintf(all.failure, sizeof all.failure, "partition %d: %lld instead of %lld",
                         record->partition, (long long)record->offset, (long long)*next);
        if (record->offset == *next) {
                *next = record->offset + 1;
                all.read++;
        }
        pthread_mutex_unlock(&all.mutex);
        weir_partition_store(lane->partition, record->offset + 1);
}

static void *run_lane(void *p)
{
        struct lane *lane = p;
        struct weir_error error = { 0 };
        int64_t seen;
        int may;

        pthread_mutex_lock(&all.mutex);
        seen = all.next[weir_partition_number(lane->partition)];
        pthread_mutex_unlock(&all.mutex);
        weir_partition_fetch(lane->partition, seen);
        weir_partition_store(lane->partition,
                             seen); /* as lanes do: what was committed may be older */
        while ((may = may_read(lane)) >= 0) {
                struct weir_record record;
                int r = weir_partition_await(lane->partition, 20, &error);

                if (r > 0 && may)
                        r = weir_partition_read(lane->partition, 0, &record, &error);
                else if (r > 0)
                        r = poll(NULL, 0, 2); /* a lane inside a handler */
                seen = weir_partition_position(lane->partition);
                pthread_mutex_lock(&all.mutex);
                if (r < 0)
                        snprintf(all.failure, sizeof all.failure, "%.160s", error.text);
                /* What pass_markers() would believe. */
                if (r == 0 && seen > all.next[weir_partition_number(lane->partition)])
                        snprintf(all.failure, sizeof all.failure,
                                 "partition %d is said to be at %lld",
                                 weir_partition_number(lane->partition), (long long)seen);
                pthread_mutex_unlock(&all.mutex);
                if (r <= 0)
                        continue;
                pass(lane, &record);
                weir_record_release(&record);
        }
        return NULL;
}

/* A lane for each partition that came since. */
static void start_lanes(struct rig *rig, struct lane *lanes)
{
        size_t count;

        pthread_mutex_lock(&rig->mutex);
        count = rig->held_count;
        pthread_mutex_unlock(&rig->mutex);
        for (size_t i = 0; i < count; i++) {
                if (lanes[i].started)
                        continue;
                lanes[i].partition = rig->held[i];
                lanes[i].started = true;
                ck_assert_int_eq(weir_thread_start(&lanes[i].thread, WEIR_ROLE_LANE, "lane",
                                                   run_lane, &lanes[i]),
                                 0);
        }
}

static void join_lanes(struct lane *lanes)
{
        for (size_t i = 0; i < 64; i++) {
                if (lanes[i].started)
                        pthread_join(lanes[i].thread, NULL);
                lanes[i].started = false;
        }
        ck_assert_msg(!all.failure[0], "%s", all.failure);
}

static void end_lanes(struct lane *lanes)
{
        pthread_mutex_lock(&all.mutex);
        all.over = true;
        pthread_mutex_unlock(&all.mutex);
        join_lanes(lanes);
}

static bool all_read(struct rig *rig, struct lane *lanes)
{
        bool done = true;

        start_lanes(rig, lanes);
        pthread_mutex_lock(&all.mutex);
        for (int i = 0; i < PARTITIONS && !all.failure[0]; i++)
                done = done && all.next[i] >= all.until;
        pthread_mutex_unlock(&all.mutex);
        return done;
}

/* Does the client hold records of two of them? */
static bool beside_each_other(void)
{
        int count = 0;

        pthread_mutex_lock(&all.mutex);
        for (int i = 0; i < PARTITIONS; i++)
                count += all.held[i];
        pthread_mutex_unlock(&all.mutex);
        return count > 1;
}

static bool any_out(struct rig *rig)
{
        bool out = false;

        for (int32_t i = 0; i < PARTITIONS; i++)
                out = out || weir_partition_out(find(rig, i));
        return out;
}

/* ---- tests --------------------------------------------------------------------------------------- */

START_TEST(HV2_in_turns_nothing_is_lost_and_all_of_it_is_told)
{
        static struct lane lanes[64];
        int64_t apart_us;
        struct rig rig;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = strategies[_i];
        produce_filled(1, LARGE_BYTES, NULL);
        produce_filled(1, 50, NULL);
        produce_filled(1, LARGE_BYTES, NULL);
        all_reset(3);
        all.abreast = true; /* no turn reads it all */
        rig_start(&rig, "g-turns");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        apart_us = weir_clock_us();
        WAIT_UNTIL(({
                if (!beside_each_other())
                        apart_us = weir_clock_us();
                ck_assert_int_lt(weir_clock_us() - apart_us, TOGETHER_US);
                all_read(&rig, lanes);
        }));
        end_lanes(lanes);
        ck_assert_uint_eq(all.read, 3 * PARTITIONS);
        rig_end(&rig);
        for (int i = 0; i < PARTITIONS; i++)
                ck_assert_int_eq(committed("g-turns", i), 3);
}
END_TEST

START_TEST(a_member_comes_and_goes_while_partitions_are_out)
{
        static struct lane first_lanes[64], second_lanes[64];
        struct rig first, second;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "cooperative-sticky";
        produce_filled(7, LARGE_BYTES, NULL);
        all_reset(7);
        allow(PARTITIONS + 1);
        rig_start(&first, "g-both");
        await_count(&first, &first.assigned_calls, PARTITIONS);
        start_lanes(&first, first_lanes);
        WAIT_UNTIL(read_so_far() > PARTITIONS);
        rig_start(&second, "g-both");
        await_count(&second, &second.assigned_calls, PARTITIONS / 2);
        allow(3 * PARTITIONS);
        WAIT_UNTIL((start_lanes(&first, first_lanes), start_lanes(&second, second_lanes),
                    read_so_far() >= 3 * PARTITIONS));
        rig_stop_polling(&second);
        ck_assert_int_eq(weir_consumer_close(second.consumer, weir_clock_us() + 10000000), 0);
        join_lanes(second_lanes); /* theirs were revoked */
        rig_free(&second);
        allow(UINT32_MAX);
        WAIT_UNTIL(all_read(&first, first_lanes));
        for (int i = 0; i < PARTITIONS; i++) /* also what was said while they were out */
                WAIT_UNTIL(committed("g-both", i) == 7);
        end_lanes(first_lanes);
        ck_assert_uint_eq(all.read, 7 * PARTITIONS);
        rig_end(&first);
}
END_TEST

static void begin(struct rig *rig, struct lane *lanes, const char *group)
{
        rig_start(rig, group);
        await_count(rig, &rig->assigned_calls, PARTITIONS);
        start_lanes(rig, lanes);
}

static void finish(struct rig *rig, struct lane *lanes)
{
        allow(UINT32_MAX);
        WAIT_UNTIL(all_read(rig, lanes));
        end_lanes(lanes);
        rig_end(rig);
}

START_TEST(a_batch_that_is_larger_than_its_records_is_seen)
{
        static struct lane lanes[64];
        struct rig rig;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "range";
        produce_filled(BATCH_RECORDS, 2000, "lz4");
        all_reset(BATCH_RECORDS);
        allow(100);
        begin(&rig, lanes, "g-batch");
        WAIT_UNTIL(any_out(&rig)); /* were they taken for small, all would be fetched for good */
        finish(&rig, lanes);
}
END_TEST

START_TEST(GA1_a_large_record_is_seen_before_it_is_read)
{
        static struct lane lanes[64];
        struct rig rig;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = strategies[_i];
        produce_filled(1, 50, NULL);
        all_reset(2);
        allow(PARTITIONS);
        begin(&rig, lanes, "g-unread");
        WAIT_UNTIL(read_so_far() == PARTITIONS && !any_out(&rig)); /* small ones, and no turns */
        produce_filled(1, LARGE_BYTES, _i ? "lz4" : NULL);
        WAIT_UNTIL(any_out(&rig)); /* and nobody has read one */
        finish(&rig, lanes);
}
END_TEST

/* Read the next record of whichever partition has the turn; which. */
static struct weir_partition *first_of(struct rig *rig, struct weir_record *ret)
{
        struct weir_partition *found = NULL;
        struct weir_error error = { 0 };

        WAIT_UNTIL(({
                for (int32_t i = 0; i < PARTITIONS && !found; i++)
                        if (weir_partition_read(find(rig, i), 1, ret, &error) == 1)
                                found = find(rig, i);
                found;
        }));
        return found;
}

START_TEST(HV5_a_partition_leaves_when_its_lane_has_told_how_far_it_is)
{
        struct weir_error error = { 0 };
        struct weir_record record, other;
        struct weir_partition *p, *q;
        struct rig rig;
        int32_t number;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "range";
        produce_filled(3, LARGE_BYTES, NULL);
        rig_start(&rig, "g-told");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        p = first_of(&rig, &record);
        number = record.partition;
        WAIT_UNTIL(weir_partition_out(p)); /* its turn is over, with the record in hand */
        weir_partition_store(p, record.offset + 1);
        weir_record_release(&record);
        ck_assert_int_eq(weir_partition_read(p, 0, &other, &error), 0);
        q = first_of(&rig, &other);
        ck_assert_ptr_ne(p, q);
        weir_record_release(&other);
        rig_end(&rig);
        ck_assert_int_eq(committed("g-told", number), 1);
}
END_TEST

START_TEST(HV3_a_turn_lasts_while_its_lane_waits_for_room)
{
        struct weir_partition *p = NULL;
        struct weir_error error = { 0 };
        struct weir_record record;
        int64_t since_us;
        struct rig rig;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "range";
        produce_filled(2, LARGE_BYTES, NULL);
        rig_start(&rig, "g-room");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        for (int i = 0; i < 2; i++) { /* the first is the one of which nothing was known */
                p = first_of(&rig, &record);
                weir_record_release(&record);
                WAIT_UNTIL(({
                        weir_partition_await(p, 1, &error);
                        weir_partition_out(p);
                }));
        }
        p = NULL;
        WAIT_UNTIL(({ /* all of them want a turn: who has it now, unread? */
                      for (int32_t i = 0; i < PARTITIONS && !p; i++)
                              if (weir_partition_await(find(&rig, i), 1, &error) == 1)
                                      p = find(&rig, i);
                      p;
        }));
        since_us = weir_clock_us();
        WAIT_UNTIL(({
                weir_partition_waits(p);
                ck_assert(!weir_partition_out(p));
                weir_clock_us() - since_us > 7000000; /* longer than a turn ever is without it */
        }));
        WAIT_UNTIL(weir_partition_out(p)); /* it is silent now: elsewhere */
        rig_end(&rig);
}
END_TEST

START_TEST(a_place_past_the_end_is_told_although_others_wait)
{
        struct weir_error error = { 0 };
        struct weir_record record;
        struct weir_partition *p;
        struct rig rig;
        int r;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "range";
        produce_filled(4, LARGE_BYTES, NULL);
        rig_start(&rig, "g-past");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 2);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), i == 2 ? 5000 : 0);
        WAIT_UNTIL(({
                for (int32_t i = 0; i < PARTITIONS; i++)
                        if (i != 2 && weir_partition_read(find(&rig, i), 1, &record, &error) == 1)
                                weir_record_release(&record);
                r = weir_partition_read(p, 1, &record, &error);
                r != 0;
        }));
        ck_assert_int_eq(r, WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "offset 5000"));
        rig_end(&rig);
}
END_TEST

START_TEST(a_partition_that_could_not_be_put_out_is_read_on)
{
        struct weir_error error = { 0 };
        struct weir_record record;
        struct weir_partition *p;
        struct rig rig;

        rig_fetch_bytes = FETCH_BYTES;
        rig_strategy = "range";
        produce_filled(3, LARGE_BYTES, NULL);
        rig_start(&rig, "g-refused");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        p = first_of(&rig, &record);
        weir_record_release(&record);
        atomic_store(&refuses, true);
        WAIT_UNTIL(({
                if (weir_partition_read(p, 1, &record, &error) == 1)
                        weir_record_release(&record);
                atomic_load(&refused) > 0;
        }));
        for (int32_t i = 0; i < PARTITIONS; i++) /* nobody waits any more */
                if (find(&rig, i) != p)
                        weir_partition_halt(find(&rig, i));
        atomic_store(&refuses, false);
        produce_filled(1, LARGE_BYTES, NULL);
        while (next_offset(p) < 3)
                ;
        rig_end(&rig);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("heavy");
        TCase *tcase = tcase_create("heavy");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_loop_test(tcase, HV2_in_turns_nothing_is_lost_and_all_of_it_is_told, 0, 2);
        /* In the other kind of group: t5403. */
        tcase_add_test(tcase, a_member_comes_and_goes_while_partitions_are_out);
        tcase_add_test(tcase, HV5_a_partition_leaves_when_its_lane_has_told_how_far_it_is);
        tcase_add_test(tcase, a_batch_that_is_larger_than_its_records_is_seen);
        tcase_add_test(tcase, HV3_a_turn_lasts_while_its_lane_waits_for_room);
        tcase_add_loop_test(tcase, GA1_a_large_record_is_seen_before_it_is_read, 0, 2);
        tcase_add_test(tcase, a_place_past_the_end_is_told_although_others_wait);
        tcase_add_test(tcase, a_partition_that_could_not_be_put_out_is_read_on);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

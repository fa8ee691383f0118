/* SPDX-License-Identifier: MIT */
/* Tests of lib/kafka/room.c: what the client may hold is within what is meant for all partitions together. */
#include <check.h>
#include <stdlib.h>

#include "kafka/consumer_internal.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define OVERHEAD_BYTES 325 /* of a message, measured */

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* What a partition holds of messages of @bytes when nobody reads: it is fetched while it is below both limits. */
static uint64_t held(const struct weir_room *room, uint64_t bytes)
{
        uint64_t portion = room->portion_bytes / bytes;
        uint64_t messages = least(room->queue_bytes / bytes, room->message_count) + portion;

        return messages * (bytes + OVERHEAD_BYTES);
}

START_TEST(RM1_all_partitions_together_are_within_the_bound)
{
        static const uint64_t sizes[] = { 100, 200, 325, 1000, 3000 };
        static const uint32_t partitions[] = { 1, 2, 8, 64, 300 };
        static const uint64_t bounds[] = { MIB(4), MIB(32), MIB(256), MIB(4096) };

        for (size_t b = 0; b < WEIR_COUNT_OF(bounds); b++)
                for (size_t p = 0; p < WEIR_COUNT_OF(partitions); p++)
                        for (size_t s = 0; s < WEIR_COUNT_OF(sizes); s++) {
                                struct weir_room room;
                                uint64_t all;

                                weir_room_divide(MIB(16), bounds[b], partitions[p], &room);
                                all = partitions[p] * held(&room, sizes[s]) + room.response_bytes;
                                ck_assert_msg(all <= bounds[b],
                                              "%u partitions, messages of %llu: %llu of %llu",
                                              partitions[p], (unsigned long long)sizes[s],
                                              (unsigned long long)all,
                                              (unsigned long long)bounds[b]);
                        }
}
END_TEST

START_TEST(a_few_partitions_get_all_that_one_may_have)
{
        struct weir_room one, many, none;

        weir_room_divide(MIB(16), MIB(32), 1, &one);
        ck_assert_uint_eq(one.queue_bytes, MIB(8));
        ck_assert_uint_eq(one.portion_bytes, MIB(1));
        ck_assert_uint_eq(one.response_bytes, MIB(8));
        weir_room_divide(MIB(16), MIB(32), 64, &many);
        ck_assert_uint_eq(many.queue_bytes, MIB(24) / 64 / 2);
        ck_assert_uint_lt(many.message_count, one.message_count);
        weir_room_divide(MIB(16), MIB(32), 0,
                         &none); /* not counted yet, or there is no such topic */
        ck_assert_mem_eq(&none, &one, sizeof one);
}
END_TEST

START_TEST(what_is_set_is_never_nothing)
{
        struct weir_room room;

        weir_room_divide(1, MIB(4), 1000000, &room);
        ck_assert_uint_ge(room.queue_bytes, 1024);
        ck_assert_uint_ge(room.portion_bytes, 1024);
        ck_assert_uint_ge(room.message_count, 1);
        weir_room_divide(MIB(4), 0, 64, &room); /* without a bound a partition has its own */
        ck_assert_uint_eq(room.queue_bytes, MIB(4));
        ck_assert_uint_eq(room.message_count, 1000000);
        ck_assert_uint_eq(room.response_bytes, 0);
        weir_room_divide(MIB(4096), 0, 0, &room);
        ck_assert_uint_eq(room.queue_bytes / 1024, 2097151); /* as much as the property takes */
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("room");
        TCase *tcase = tcase_create("room");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, RM1_all_partitions_together_are_within_the_bound);
        tcase_add_test(tcase, a_few_partitions_get_all_that_one_may_have);
        tcase_add_test(tcase, what_is_set_is_never_nothing);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

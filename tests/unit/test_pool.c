/* SPDX-License-Identifier: MIT */
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "store/pool.h"
#include "store_fixture.h"

/* Of this test: backends of the one before may still be ending. */
static const char *pool_name(void)
{
        static char name[32];

        snprintf(name, sizeof name, "weir pool %d", (int)getpid());
        return name;
}

static struct weir_pool *pool_of(uint32_t max)
{
        struct weir_pg_conf conf = { .url = fixture.url, .application_name = pool_name() };
        struct weir_pool *pool;

        OK(weir_pool_new(&conf, max, &pool, reterr));
        return pool;
}

static int64_t open_connections(struct weir_pg *other)
{
        return fixture_int(other,
                           "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'",
                           pool_name());
}

struct asker {
        struct weir_pool *pool;
        struct weir_latch *interrupt;
        pthread_t thread;
        int result, order;
        atomic_int *next_order;
        atomic_int id;
};

static void *ask(void *arg)
{
        struct asker *asker = arg;
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;

        atomic_store(&asker->id, gettid());
        asker->result = weir_pool_acquire(asker->pool, asker->interrupt, &pg, &error);
        if (asker->next_order)
                asker->order = atomic_fetch_add(asker->next_order, 1);
        if (asker->result == 0)
                weir_pool_release(asker->pool, pg);
        return NULL;
}

/* A waiter sleeps in poll(), state S; there is nothing else to see from outside. Threads of others, a sanitizer's for
 * one, sleep too, so it is asked for by its number. */
static bool is_asleep(const struct asker *asker)
{
        char path[64], state = 0;
        pid_t thread = atomic_load(&asker->id);
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
        file = thread ? fopen(path, "r") : NULL;
        if (!file)
                return false;
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
                state = 0;
        fclose(file);
        return state == 'S';
}

/* It asks, and waits behind those that came before: asleep at two looks, so not for a lock that it met on its way. */
static void stand_in_line(struct asker *asker)
{
        pthread_create(&asker->thread, NULL, ask, asker);
        WAIT_UNTIL(is_asleep(asker) && usleep(2000) == 0 && is_asleep(asker));
}

START_TEST(a_pool_makes_connections_when_asked_and_keeps_them)
{
        struct weir_pool *pool = pool_of(4);
        struct weir_pg *other = fixture_connect(), *pg;
        int64_t backend;

        ck_assert_int_eq(open_connections(other), 0);
        OK(weir_pool_acquire(pool, NULL, &pg, reterr));
        backend = fixture_backend(pg);
        weir_pool_release(pool, pg);
        OK(weir_pool_acquire(pool, NULL, &pg, reterr));
        ck_assert_int_eq(fixture_backend(pg), backend);
        ck_assert_int_eq(open_connections(other), 1);
        weir_pool_release(pool, pg);
        weir_pool_free(pool);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_pool_never_exceeds_its_bound_and_serves_in_order)
{
        enum { ASKERS = 6 };
        struct weir_pool *pool = pool_of(2);
        struct weir_pg *other = fixture_connect(), *held[2];
        struct asker askers[ASKERS];
        atomic_int next_order = 0;

        for (int i = 0; i < 2; i++)
                OK(weir_pool_acquire(pool, NULL, &held[i], reterr));
        for (int i = 0; i < ASKERS; i++) {
                askers[i] = (struct asker){ .pool = pool, .next_order = &next_order };
                stand_in_line(&askers[i]);
        }
        ck_assert_int_eq(open_connections(other), 2);
        weir_pool_release(pool, held[0]); /* one place: they go one after the other */
        for (int i = 0; i < ASKERS; i++) {
                pthread_join(askers[i].thread, NULL);
                ck_assert_int_eq(askers[i].result, 0);
                ck_assert_int_eq(askers[i].order, i);
        }
        ck_assert_int_eq(open_connections(other), 2);
        weir_pool_release(pool, held[1]);
        weir_pool_free(pool);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_waiter_that_is_interrupted_leaves_no_gap)
{
        struct weir_pool *pool = pool_of(1);
        struct asker first, second;
        struct weir_latch latch;
        struct weir_pg *held;

        weir_latch_init(&latch);
        OK(weir_pool_acquire(pool, NULL, &held, reterr));
        first = (struct asker){ .pool = pool, .interrupt = &latch };
        second = (struct asker){ .pool = pool };
        stand_in_line(&first);
        stand_in_line(&second);
        weir_latch_set(&latch);
        pthread_join(first.thread, NULL);
        ck_assert_int_eq(first.result, WEIR_ESTOP);
        weir_pool_release(pool, held);
        pthread_join(second.thread, NULL);
        ck_assert_int_eq(second.result, 0);
        weir_latch_fini(&latch);
        weir_pool_free(pool);
}
END_TEST

START_TEST(the_last_waiter_may_be_interrupted_and_others_come_behind)
{
        struct weir_pool *pool = pool_of(1);
        struct asker first, second, third;
        struct weir_latch latch;
        struct weir_pg *held;

        weir_latch_init(&latch);
        OK(weir_pool_acquire(pool, NULL, &held, reterr));
        first = third = (struct asker){ .pool = pool };
        second = (struct asker){ .pool = pool, .interrupt = &latch };
        stand_in_line(&first);
        stand_in_line(&second);
        weir_latch_set(&latch);
        pthread_join(second.thread, NULL);
        ck_assert_int_eq(second.result, WEIR_ESTOP);
        stand_in_line(&third);
        weir_pool_release(pool, held);
        pthread_join(first.thread, NULL);
        pthread_join(third.thread, NULL);
        ck_assert_int_eq(first.result, 0);
        ck_assert_int_eq(third.result, 0);
        weir_latch_fini(&latch);
        weir_pool_free(pool);
}
END_TEST

/* Stands before the C library's: who waits for a place and has seen its interrupt is given the place right then. */
static struct weir_pool *given_in;
static struct weir_pg *_Atomic given;

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
        const struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
        int r = ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);

        if (r == 1 && count == 2 && fds[1].revents && given)
                weir_pool_release(given_in, atomic_exchange(&given, NULL));
        return r;
}

START_TEST(a_place_given_to_who_is_interrupted_is_not_lost)
{
        struct weir_pool *pool = pool_of(1);
        struct weir_latch latch;
        struct weir_pg *held;
        struct asker asker = { .pool = pool, .interrupt = &latch };

        weir_latch_init(&latch);
        OK(weir_pool_acquire(pool, NULL, &held, reterr));
        stand_in_line(&asker);
        given_in = pool;
        given = held;
        weir_latch_set(&latch);
        pthread_join(asker.thread, NULL);
        ck_assert_int_eq(asker.result, WEIR_ESTOP);
        ck_assert_ptr_null(given);
        OK(weir_pool_acquire(pool, NULL, &held, reterr)); /* or it would wait for ever */
        weir_pool_release(pool, held);
        weir_latch_fini(&latch);
        weir_pool_free(pool);
}
END_TEST

START_TEST(connections_that_the_server_closed_are_replaced)
{
        struct weir_pool *pool = pool_of(3);
        struct weir_pg *other = fixture_connect(), *held[3];
        struct pollfd fds[3];

        for (int i = 0; i < 3; i++)
                OK(weir_pool_acquire(pool, NULL, &held[i], reterr));
        for (int i = 0; i < 3; i++) {
                fds[i] = (struct pollfd){ .fd = PQsocket(weir_pg_native(held[i])),
                                          .events = POLLIN };
                weir_pool_release(pool, held[i]);
        }
        ck_assert_int_eq(
                fixture_int(other,
                            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                            " WHERE application_name = '%s'",
                            pool_name()),
                3);
        for (int i = 0; i < 3; i++) /* a backend is gone a little before its socket is closed */
                ck_assert_int_eq(poll(&fds[i], 1, 5000), 1);
        for (int i = 0; i < 3; i++) {
                OK(weir_pool_acquire(pool, NULL, &held[i], reterr));
                ck_assert_int_eq(fixture_int(held[i], "SELECT 7"), 7);
        }
        for (int i = 0; i < 3; i++)
                weir_pool_release(pool, held[i]);
        weir_pool_free(pool);
        weir_pg_close(other);
}
END_TEST

START_TEST(what_is_left_open_is_rolled_back_and_what_is_broken_is_closed)
{
        struct weir_pool *pool = pool_of(1);
        struct weir_pg *other = fixture_connect(), *pg;
        struct weir_error error = { 0 };
        struct weir_latch latch;
        int64_t backend;

        OK(weir_pg_run(other, "CREATE TABLE left_open (a int)", reterr));
        OK(weir_pool_acquire(pool, NULL, &pg, reterr));
        backend = fixture_backend(pg);
        OK(weir_pg_begin(pg, reterr));
        OK(weir_pg_run(pg, "INSERT INTO left_open VALUES (1)", reterr));
        weir_pool_release(pool, pg);
        OK(weir_pool_acquire(pool, NULL, &pg, reterr));
        ck_assert_int_eq(fixture_backend(pg), backend);
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM left_open"), 0);
        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        ck_assert_int_eq(weir_pg_run(pg, "SELECT pg_sleep(600)", &error), WEIR_ESTOP);
        weir_pool_release(pool, pg);
        OK(weir_pool_acquire(pool, NULL, &pg, reterr));
        ck_assert_int_ne(fixture_backend(pg), backend);
        weir_pool_release(pool, pg);
        weir_pool_free(pool);
        weir_latch_fini(&latch);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_place_survives_a_connect_that_fails)
{
        struct weir_pg_conf conf = { .url = "postgresql://nobody@127.0.0.1:1/none" };
        struct weir_error error = { 0 };
        struct weir_pool *pool;
        struct weir_pg *pg;

        OK(weir_pool_new(&conf, 1, &pool, reterr));
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(weir_pool_acquire(pool, NULL, &pg, &error), WEIR_EDB);
        weir_pool_free(pool);
        ck_assert_int_eq(weir_pool_new(&conf, 0, &pool, &error), WEIR_EUSAGE);
}
END_TEST

START_TEST(many_threads_share_few_connections)
{
        enum { THREADS = 12, ROUNDS = 40 };
        struct weir_pool *pool = pool_of(3);
        struct weir_pg *other = fixture_connect();

        for (int round = 0; round < ROUNDS; round++) {
                struct asker askers[THREADS];

                for (int i = 0; i < THREADS; i++) {
                        askers[i] = (struct asker){ .pool = pool };
                        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
                }
                for (int i = 0; i < THREADS; i++) {
                        pthread_join(askers[i].thread, NULL);
                        ck_assert_int_eq(askers[i].result, 0);
                }
        }
        WAIT_UNTIL(open_connections(other) <= 3); /* one that ends is listed a moment longer */
        weir_pool_free(pool);
        weir_pg_close(other);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("pool");
        TCase *tcase = tcase_create("pool");

        fixture_start("pool", false);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_pool_makes_connections_when_asked_and_keeps_them);
        tcase_add_test(tcase, a_pool_never_exceeds_its_bound_and_serves_in_order);
        tcase_add_test(tcase, a_waiter_that_is_interrupted_leaves_no_gap);
        tcase_add_test(tcase, the_last_waiter_may_be_interrupted_and_others_come_behind);
        tcase_add_test(tcase, a_place_given_to_who_is_interrupted_is_not_lost);
        tcase_add_test(tcase, connections_that_the_server_closed_are_replaced);
        tcase_add_test(tcase, what_is_left_open_is_rolled_back_and_what_is_broken_is_closed);
        tcase_add_test(tcase, a_place_survives_a_connect_that_fails);
        tcase_add_test(tcase, many_threads_share_few_connections);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

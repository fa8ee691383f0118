/* SPDX-License-Identifier: MIT */
/* pg: a COMMIT was done, was refused, or nobody knows */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "listen_fixture.h"
#include "store_fixture.h"

START_TEST(a_commit_of_a_failed_transaction_is_refused)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };

        OK(weir_pg_begin(pg, reterr));
        ck_assert(weir_pg_in_transaction(pg));
        ck_assert_int_eq(weir_pg_run(pg, "SELECT 1/0", &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "22012");
        ck_assert(!weir_pg_in_transaction(pg));
        ck_assert_int_eq(weir_pg_commit(pg, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "25P02");
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(weir_pg_commit(pg, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "25P01");
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_constraint_that_fails_at_commit_is_data)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };

        OK(weir_pg_run(pg, "CREATE TABLE defer (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
                       reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_pg_run(pg, "INSERT INTO defer VALUES (1), (1)", reterr));
        ck_assert_int_eq(weir_pg_commit(pg, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "23505");
        ck_assert_int_eq(weir_pg_classify(&error), WEIR_SQL_DATA);
        ck_assert(weir_pg_idle(pg));
        weir_pg_close(pg);
}
END_TEST

struct proxy {
        int listener, port;
        uint16_t server_port;
        bool forward_commit;
        pthread_t thread;
};

static int dial(uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static void *relay(void *arg)
{
        struct proxy *proxy = arg;
        int client = accept(proxy->listener, NULL, NULL), server = dial(proxy->server_port);
        struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
                                 { .fd = server, .events = POLLIN } };
        char buffer[65536];
        bool committing = false;

        while (poll(fds, 2, -1) > 0)
                for (int from = 0; from < 2; from++) {
                        ssize_t n;

                        if (!fds[from].revents)
                                continue;
                        n = read(fds[from].fd, buffer, sizeof buffer);
                        if (n <= 0 || (from == 1 && committing))
                                goto out;
                        if (from == 0 && memmem(buffer, (size_t)n, "COMMIT", 7)) {
                                committing = true;
                                if (!proxy->forward_commit)
                                        goto out;
                        }
                        if (write(fds[!from].fd, buffer, (size_t)n) != n)
                                goto out;
                }
out:
        close(client);
        close(server);
        return NULL;
}

static void commit_through_a_cut(bool forward_commit, int64_t rows_after)
{
        struct weir_pg *direct = fixture_connect(), *pg;
        struct proxy proxy = { .forward_commit = forward_commit };
        struct weir_error error = { 0 };
        uint16_t port;
        char url[512];

        proxy.server_port = (uint16_t)strtol(PQport(direct->conn), NULL, 10);
        proxy.listener = listen_on(8, &port);
        ck_assert_int_eq(pthread_create(&proxy.thread, NULL, relay, &proxy), 0);
        snprintf(url, sizeof url,
                 "host=127.0.0.1 port=%u dbname=%s user=%s password='%s' sslmode=disable "
                 "gssencmode=disable",
                 port, PQdb(direct->conn), PQuser(direct->conn), PQpass(direct->conn));
        pg = fixture_connect_to(url);
        OK(weir_pg_run(direct, "DROP TABLE IF EXISTS cut; CREATE TABLE cut (a int)", reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_pg_run(pg, "INSERT INTO cut VALUES (1)", reterr));
        ck_assert_int_eq(weir_pg_commit(pg, &error), WEIR_ECOMMIT);
        ck_assert_int_eq(error.code, WEIR_ECOMMIT);
        ck_assert(weir_pg_broken(pg));
        pthread_join(proxy.thread, NULL);
        close(proxy.listener);
        weir_pg_close(pg);
        ck_assert_int_eq(fixture_int(direct, "SELECT count(*) FROM cut"), rows_after);
        weir_pg_close(direct);
}

START_TEST(an_answer_to_commit_that_is_lost_is_unknown_and_it_happened)
{
        commit_through_a_cut(true, 1);
}
END_TEST

START_TEST(a_commit_that_is_lost_is_unknown_and_it_did_not_happen)
{
        commit_through_a_cut(false, 0);
}
END_TEST

START_TEST(a_commit_interrupted_by_the_latch_is_unknown)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_error error = { 0 };
        struct weir_latch latch;

        OK(weir_pg_run(
                pg,
                "CREATE TABLE slow (a int);"
                "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';"
                "CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION doze()",
                reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_pg_run(pg, "INSERT INTO slow VALUES (1)", reterr));
        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        ck_assert_int_eq(weir_pg_commit(pg, &error), WEIR_ECOMMIT);
        ck_assert(weir_pg_broken(pg));
        weir_pg_close(pg);
        weir_latch_fini(&latch);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("pg_commit");
        TCase *tcase = tcase_create("pg");

        fixture_start("pg_commit", false);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_commit_of_a_failed_transaction_is_refused);
        tcase_add_test(tcase, a_constraint_that_fails_at_commit_is_data);
        tcase_add_test(tcase, an_answer_to_commit_that_is_lost_is_unknown_and_it_happened);
        tcase_add_test(tcase, a_commit_that_is_lost_is_unknown_and_it_did_not_happen);
        tcase_add_test(tcase, a_commit_interrupted_by_the_latch_is_unknown);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* side/webhook: receivers that misbehave, many at a time, and the loop */
#include <sys/eventfd.h>

#include "webhook_fixture.h"

START_TEST(a_receiver_that_says_nothing_is_given_up_in_time)
{
        int64_t began_ms = weir_clock_ms();

        RUN(never);
        sink.timeout_ms = 300;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "within 300 ms; time was over waiting");
        ck_assert_int_ge((int)(weir_clock_ms() - began_ms), 300);
        ck_assert_int_lt((int)(weir_clock_ms() - began_ms), 10000);
        END_RUN();
}
END_TEST

/* A byte now and then, so that no wait between two of them is long. */
static void drip_head(struct exchange *x)
{
        put(x, "HTTP/1.1 200 OK\r\nX: ");
        while (put(x, "a") && !hung_up(x, 20))
                continue;
        x->closing = true;
}

static void drip_body(struct exchange *x)
{
        put(x, "HTTP/1.1 200 OK\r\nContent-Type: application/cloudevents+json\r\n"
               "Content-Length: 9999\r\n\r\n");
        while (put(x, " ") && !hung_up(x, 20))
                continue;
        x->closing = true;
}

START_TEST(dripping_headers_do_not_hold_a_request_open)
{
        RUN(drip_head);
        sink.timeout_ms = 300;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "time was over reading its answer");
        END_RUN();
}
END_TEST

START_TEST(a_dripping_body_does_not_undo_a_delivery_unless_it_is_the_reply)
{
        RUN(drip_body);
        sink.timeout_ms = 300;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 200, "answered 200");
        sink.reply_topic = "replies";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, false, 200, "was cut after");
        END_RUN();
}
END_TEST

static atomic_size_t poured;

static void pour_body(struct exchange *x)
{
        static const char zeros[16 << 10];

        put(x, "HTTP/1.1 200 OK\r\nContent-Type: application/cloudevents+json\r\n\r\n");
        while (put_bytes(x, zeros, sizeof zeros))
                atomic_fetch_add(&poured, sizeof zeros);
        x->closing = true;
}

START_TEST(an_endless_body_is_cut_off_and_the_event_was_taken)
{
        RUN(pour_body);
        sink.reply_topic = "replies";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 200, "ignored: longer than 64 KiB");
        ck_assert_ptr_null(client.last.reply);
        END_RUN(); /* joins the receiver: it was hung up on */
        ck_assert_uint_lt(atomic_load(&poured), 64u << 20);
}
END_TEST

static void pour_headers(struct exchange *x)
{
        put(x, "HTTP/1.1 200 OK\r\n");
        while (put(x, "X-Header: some text that is of no use to anybody\r\n"))
                continue;
        x->closing = true;
}

static void pour_line(struct exchange *x)
{
        put(x, "HTTP/1.1 200 OK\r\nX: ");
        while (put(x, "some text that is of no use to anybody, and does not end "))
                continue;
        x->closing = true;
}

static void pour_early_answers(struct exchange *x)
{
        while (put(x, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"))
                continue;
        x->closing = true;
}

static void pour_trailers(struct exchange *x)
{
        put(x, "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
        while (put(x, "X-Header: some text that is of no use to anybody\r\n"))
                continue;
        x->closing = true;
}

static const struct {
        answer_fn *answer;
        int status;
        const char *piece;
} floods[] = {
        { pour_headers, 0, "more than 64 KiB of headers" },
        { pour_line, 0, "header" },
        { pour_early_answers, 0, "more than 64 KiB of headers" },
        { pour_trailers, 500, "answered 500" },
};

START_TEST(a_flood_of_headers_is_cut_off)
{
        RUN(floods[_i].answer);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, floods[_i].status, floods[_i].piece);
        END_RUN();
}
END_TEST

/* ---- many, and the loop ------------------------------------------------------------------------- */

#define CROWD 100

static pthread_barrier_t crowd;

static void together(struct exchange *x)
{
        char text[16];

        if (strstr(x->head, "webhook-id: first-")) /* all are here at once, or nobody is answered */
                pthread_barrier_wait(&crowd);
        header_in(x, "ce-n", text, sizeof text);
        put(x, strtol(text, NULL, 10) % 2 ? "HTTP/1.1 204 No\r\n\r\n"
                                          : "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
}

struct one {
        char id[32], n[16];
        struct weir_header headers[2];
        struct weir_webhook_request request;
        int answered;
};

static int crowd_answered;

static void crowd_done(void *context, void *tag, const struct weir_webhook_result *result)
{
        struct weir_webhook **webhook = context;
        struct one *one = tag;

        crowd_answered++;
        one->answered++;
        ck_assert_int_eq(result->status, strtol(one->n, NULL, 10) % 2 ? 204 : 500);
        if (one->answered == 1) { /* once more, from inside */
                memcpy(one->id, "again", 5);
                OK(weir_webhook_send(*webhook, &one->request, reterr));
        }
}

START_TEST(a_hundred_are_open_at_a_time_and_done_may_send)
{
        static struct receiver receiver;
        static struct one ones[CROWD];
        struct weir_webhook *webhook;
        struct weir_conf_sink sink;

        pthread_barrier_init(&crowd, NULL, CROWD);
        receiver_start(&receiver, together);
        sink = sink_to(receiver.port);
        OK(weir_webhook_new("weir/test", crowd_done, &webhook, &webhook, reterr));
        for (int i = 0; i < CROWD; i++) {
                struct one *one = &ones[i];

                snprintf(one->id, sizeof one->id, "first-%d", i);
                snprintf(one->n, sizeof one->n, "%d", i);
                one->headers[0] = json_type;
                one->headers[1] = (struct weir_header){ "ce-n", one->n, strlen(one->n) };
                one->request = request_for(&sink);
                one->request.headers = one->headers;
                one->request.header_count = 2;
                one->request.message_id = VIEW(one->id);
                one->request.tag = one;
                OK(weir_webhook_send(webhook, &one->request, reterr));
        }
        ck_assert_uint_eq(weir_webhook_open_count(webhook), CROWD);
        while (weir_webhook_open_count(webhook))
                OK(weir_webhook_serve(webhook, NULL, 0, 1000, reterr));
        ck_assert_int_eq(crowd_answered, 2 * CROWD);
        ck_assert_int_eq(atomic_load(&receiver.requests), 2 * CROWD);
        for (int i = 0; i < CROWD; i++)
                ck_assert_int_eq(ones[i].answered, 2);
        ck_assert_int_le(atomic_load(&receiver.connections), CROWD + CROWD / 2);
        weir_webhook_free(webhook);
        receiver_stop(&receiver);
}
END_TEST

START_TEST(a_connection_is_used_again)
{
        RUN(remember);
        for (int i = 0; i < 10; i++) {
                deliver(&sink);
                expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        }
        ck_assert_int_eq(atomic_load(&receiver.requests), 10);
        ck_assert_int_eq(atomic_load(&receiver.connections), 1);
        END_RUN();
}
END_TEST

enum { TOGETHER = 8 };

static pthread_barrier_t eight; /* all are here at once, or nobody is answered */
static atomic_bool dying;
static atomic_int deaths;

static void answer_or_die(struct exchange *x)
{
        if (!atomic_load(&dying)) {
                pthread_barrier_wait(&eight);
                put(x, "HTTP/1.1 204 No Content\r\n\r\n");
                return;
        }
        atomic_fetch_add(&deaths, 1);
        x->closing = true;
}

START_TEST(an_attempt_is_one_request_though_its_connection_was_used_before)
{
        struct weir_webhook_request request;

        pthread_barrier_init(&eight, NULL, TOGETHER);
        RUN(answer_or_die);
        request = request_for(&sink);
        for (int i = 0; i < TOGETHER; i++) /* eight connections to use again */
                OK(weir_webhook_send(client.webhook, &request, reterr));
        serve_until(TOGETHER);
        ck_assert_int_eq(atomic_load(&receiver.connections), TOGETHER);
        atomic_store(&dying, true);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "ended before an answer");
        ck_assert_int_eq(atomic_load(&deaths), 1);
        END_RUN();
}
END_TEST

START_TEST(a_body_of_eight_mebibytes_arrives_whole)
{
        struct weir_webhook_request request;
        size_t size = 8u << 20;
        WEIR_FREE char *body = malloc(size + 1);

        RUN(remember);
        memset(body, 'x', size);
        body[size] = '\0';
        request = request_for(&sink);
        request.body = (struct weir_view){ body, size };
        OK(weir_webhook_send(client.webhook, &request, reterr));
        serve_until(1);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        ck_assert_uint_eq(seen.size, size);
        END_RUN();
}
END_TEST

START_TEST(a_descriptor_of_the_callers_ends_the_wait)
{
        struct pollfd extra[2] = { { .events = POLLIN }, { .events = POLLIN } };
        int pair[2];
        struct weir_webhook_request request;

        RUN(never);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        extra[0].fd = eventfd(0, EFD_CLOEXEC);
        extra[1].fd = pair[0];
        request = request_for(&sink);
        OK(weir_webhook_send(client.webhook, &request, reterr));
        OK(weir_webhook_serve(client.webhook, extra, 2, 10, reterr));
        ck_assert_int_eq(extra[0].revents | extra[1].revents, 0);
        eventfd_write(extra[0].fd, 1);
        OK(weir_webhook_serve(client.webhook, extra, 2, 1000000, reterr));
        ck_assert_int_eq(extra[0].revents, POLLIN);
        ck_assert_int_eq(extra[1].revents, 0);
        extra[0].events = 0;
        close(pair[1]);
        OK(weir_webhook_serve(client.webhook, extra, 2, 1000000, reterr));
        ck_assert(extra[1].revents & POLLHUP);
        ck_assert_uint_eq(weir_webhook_open_count(client.webhook), 1);
        weir_webhook_free(client.webhook); /* with one open: its done() is not called */
        ck_assert_int_eq(client.done, 0);
        close(pair[0]);
        close(extra[0].fd);
        receiver_stop(&receiver);
}
END_TEST

START_TEST(too_many_descriptors_are_refused)
{
        struct pollfd extra[WEIR_WEBHOOK_EXTRA_MAX + 1] = { 0 };

        client_start();
        ck_assert_int_eq(weir_webhook_serve(client.webhook, extra, WEIR_COUNT_OF(extra), 0, NULL),
                         WEIR_EUSAGE);
        weir_webhook_free(client.webhook);
        weir_webhook_free(NULL);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook");
        TCase *tcase = tcase_create("webhook");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, a_receiver_that_says_nothing_is_given_up_in_time);
        tcase_add_test(tcase, dripping_headers_do_not_hold_a_request_open);
        tcase_add_test(tcase, a_dripping_body_does_not_undo_a_delivery_unless_it_is_the_reply);
        tcase_add_test(tcase, an_endless_body_is_cut_off_and_the_event_was_taken);
        tcase_add_loop_test(tcase, a_flood_of_headers_is_cut_off, 0, WEIR_COUNT_OF(floods));
        tcase_add_test(tcase, a_hundred_are_open_at_a_time_and_done_may_send);
        tcase_add_test(tcase, a_connection_is_used_again);
        tcase_add_test(tcase, an_attempt_is_one_request_though_its_connection_was_used_before);
        tcase_add_test(tcase, a_body_of_eight_mebibytes_arrives_whole);
        tcase_add_test(tcase, a_descriptor_of_the_callers_ends_the_wait);
        tcase_add_test(tcase, too_many_descriptors_are_refused);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

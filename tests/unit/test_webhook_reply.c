/* SPDX-License-Identifier: MIT */
/* side/webhook_answer: statuses as they come over the wire, replies, consent */
#include "webhook_fixture.h"

/* ---- what comes back ---------------------------------------------------------------------------- */

static const struct {
        const char *answer;
        enum weir_webhook_action action;
        bool host;
        int status;
        int64_t wait_ms;
        const char *piece;
} answers[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", WEIR_WEBHOOK_DELIVERED, false, 200, -1,
          "answered 200" },
        { "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_DELIVERED, false, 202,
          -1, "answered 202" },
        { "HTTP/1.0 200 OK\r\n\r\nok", WEIR_WEBHOOK_DELIVERED, false, 200, -1, "answered 200" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nRetry-After: 5\r\n\r\n"
          "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_RETRY, true, 503, -1, "answered 503" },
        { "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_REFUSED, false, 302, -1, "redirects are not followed" },
        { "HTTP/1.1 307 Again\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_REFUSED, false, 307, -1, "redirects are not followed" },
        { "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_RETRY, true, 401, -1, "check token" },
        { "HTTP/1.1 408 Slow\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_RETRY, false, 408, -1,
          "answered 408" },
        { "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_RETIRED, false, 410, -1,
          "gone for good" },
        { "HTTP/1.1 415 No\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_REFUSED, false, 415, -1,
          "other mode" },
        { "HTTP/1.1 422 No\r\nContent-Length: 16\r\n\r\nfield \"n\"\tis\xc3\xa4\r\n",
          WEIR_WEBHOOK_REFUSED, false, 422, -1, "answered 422: field \"n\" is??" },
        { "HTTP/1.1 429 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_RETRY,
          true, 429, 120000, "answered 429" },
        { "HTTP/1.1 429 No\r\nDate: Sat, 04 Jul 2026 10:00:00 GMT\r\n"
          "Retry-After: Sat, 04 Jul 2026 10:05:00 GMT\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_RETRY, true, 429, 300000, "answered 429" },
        { "HTTP/1.1 429 No\r\nRetry-After: 5\r\nRetry-After: 6\r\nContent-Length: 0\r\n\r\n",
          WEIR_WEBHOOK_RETRY, true, 429, -1, "answered 429" },
        { "HTTP/1.1 503 No\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n", WEIR_WEBHOOK_RETRY,
          true, 503, 7000, "answered 503" },
        { "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nwhy", WEIR_WEBHOOK_RETRY, true, 500, -1,
          "answered 500: why" },
        { "HTTP/1.1 502 No\r\nContent-Length: 100\r\n\r\ncut", WEIR_WEBHOOK_RETRY, true, 502, -1,
          "answered 502: cut" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", WEIR_WEBHOOK_DELIVERED, false, 200,
          -1, "answered 200" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
          WEIR_WEBHOOK_DELIVERED, false, 200, -1, "answered 200" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
          "Retry-After: 9\r\n\r\n",
          WEIR_WEBHOOK_DELIVERED, false, 200, -1, "answered 200" },
        { "", WEIR_WEBHOOK_RETRY, true, 0, -1, "no answer" },
        { "HTTP/1.1 200 OK\r\nContent-Le", WEIR_WEBHOOK_RETRY, true, 0, -1, "crm" },
        { "HTTP/1.1 100 Continue\r\n\r\n", WEIR_WEBHOOK_RETRY, true, 0, -1, "crm" },
        { "SSH-2.0-OpenSSH_9.2\r\n", WEIR_WEBHOOK_RETRY, true, 0, -1, "no answer" },
        { "HTTP/1.1 20\r\n\r\n", WEIR_WEBHOOK_RETRY, true, 0, -1, "crm" },
};

START_TEST(an_answer_is_read_for_what_it_says)
{
        RUN(say_it);
        receiver.says = answers[_i].answer;
        deliver(&sink);
        expect_action(answers[_i].action, answers[_i].host, answers[_i].status, answers[_i].piece);
        ck_assert_int_eq((int)client.last.not_before_ms, (int)answers[_i].wait_ms);
        ck_assert_int_eq(atomic_load(&receiver.requests), 1);
        END_RUN();
}
END_TEST

START_TEST(what_a_body_echoes_is_blotted_out_before_it_is_quoted)
{
        char url[100], answer[400];

        RUN(say_it);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/?key=hunter2", receiver.port);
        sink.url = url;
        sink.token = "0123-token-0123";
        sink.secret = "s3cret-s3cret";
        sink.secret_next = "n3xt-n3xt";
        snprintf(answer, sizeof answer, "HTTP/1.1 400 No\r\nContent-Length: 76\r\n\r\n%-76.76s",
                 "bad Bearer 0123-token-0123 for /?key=hunter2, s3cret-s3cret and n3xt-n3xt");
        receiver.says = answer;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_REFUSED, false, 400, "bad Bearer ***");
        ck_assert_ptr_null(strstr(client.last.text, "0123"));
        ck_assert_ptr_null(strstr(client.last.text, "hunter2"));
        ck_assert_ptr_null(strstr(client.last.text, "s3cret"));
        ck_assert_ptr_null(strstr(client.last.text, "n3xt"));
        END_RUN();
}
END_TEST

START_TEST(an_echoed_url_is_blotted_out_in_any_form)
{
        char url[100];

        RUN(say_it);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/hooks/T0PS%%45CRET0?sig=hun%%74er2",
                 receiver.port);
        sink.url = url;
        receiver.says = "HTTP/1.1 404 No\r\nContent-Length: 62\r\n\r\n"
                        "no T0PSECRET0 /hooks/T0PS%45CRET0 sig=hun%74er2 hunter2 (t.w.)";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_REFUSED, false, 404, "answered 404: no *");
        ck_assert_ptr_nonnull(strstr(client.last.text, "(t.w.)"));
        ck_assert_ptr_null(strstr(client.last.text, "T0PS"));
        ck_assert_ptr_null(strstr(client.last.text, "er2"));
        END_RUN();
}
END_TEST

/* ---- replies ------------------------------------------------------------------------------------ */

#define EVENT "{\"specversion\":\"1.0\",\"id\":\"r-1\",\"source\":\"/r\",\"type\":\"t\"}"

static const struct {
        const char *head, *body, *reply_id, *piece;
} replies[] = {
        { "200 OK\r\nContent-Type: application/cloudevents+json", EVENT, "r-1", "answered 200" },
        { "201 Made\r\nContent-Type: application/cloudevents+json; charset=utf-8", EVENT, "r-1",
          "answered 201" },
        { "200 OK\r\nContent-Type: text/plain\r\nCE-ID: r%202\r\nce-source: /r\r\nce-type: t\r\n"
          "ce-specversion: 1.0",
          "hello", "r 2", "answered 200" },
        { "200 OK\r\nce-id: r3\r\nce-source: /r\r\nce-type: t\r\nce-specversion: 1.0", "", "r3",
          "answered 200" },
        { "200 OK\r\nce-id:\t r4 \t\r\nce-source: /r\r\nce-type: t\r\nce-specversion: 1.0", "",
          "r4", "answered 200" },
        { "200 OK\r\nContent-Type: application/json", "{\"ok\":true}", NULL, "answered 200" },
        { "200 OK", "", NULL, "answered 200" },
        { "202 OK\r\nContent-Type: application/cloudevents+json", EVENT, NULL,
          "ignored: only 200 and 201" },
        { "204 OK\r\nce-id: r3\r\nce-source: /r\r\nce-type: t\r\nce-specversion: 1.0", "", NULL,
          "ignored: only 200 and 201" },
        { "200 OK\r\nContent-Type: application/cloudevents+json\r\nContent-Type: text/plain", EVENT,
          NULL, "ignored: duplicate-attribute" },
        { "200 OK\r\nContent-Type: application/cloudevents+json", "{\"id\":\"x\"}", NULL,
          "ignored: missing-attribute" },
        { "200 OK\r\nContent-Type: application/cloudevents+json", "", NULL, "ignored: bad-json" },
        { "200 OK\r\nContent-Type: application/cloudevents+xml", "<x/>", NULL,
          "ignored: unsupported-format" },
        { "200 OK\r\nContent-Type: application/cloudevents-batch+json", "[" EVENT "]", NULL,
          "ignored: a batch that nobody asked for" },
        { "200 OK\r\nce-id: 1\r\nce-id: 2\r\nce-source: /r\r\nce-type: t\r\nce-specversion: 1.0",
          "", NULL, "ignored: duplicate-attribute" },
        { "200 OK\r\nce-id: 1", "", NULL, "ignored:" },
        { "200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/cloudevents+json", EVENT,
          NULL, "ignored: a content-encoding" },
        { "200 OK\r\nce-id: r3\r\n and more\r\nce-source: /r\r\nce-type: t\r\nce-specversion: 1.0",
          "", NULL, "ignored: a header over several lines" },
};

START_TEST(an_event_in_the_answer_is_decoded_or_a_note)
{
        char answer[1000];

        RUN(say_it);
        sink.reply_topic = "replies";
        snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                 replies[_i].head, strlen(replies[_i].body), replies[_i].body);
        receiver.says = answer;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, client.last.status, replies[_i].piece);
        ck_assert_msg(!client.last.reply == !replies[_i].reply_id, "%s", client.last.text);
        ck_assert_msg(!client.last.reply_dropped[0] == !strstr(replies[_i].piece, "ignored"),
                      "%s: %s", client.last.reply_dropped, client.last.text);
        if (replies[_i].reply_id)
                ck_assert_str_eq(client.reply_id, replies[_i].reply_id);
        sink.reply_topic = NULL;
        deliver(&sink);
        ck_assert_ptr_null(client.last.reply);
        ck_assert_ptr_null(strstr(client.last.text, "ignored"));
        ck_assert_str_eq(client.last.reply_dropped, "");
        END_RUN();
}
END_TEST

START_TEST(an_event_beside_an_error_is_no_answer)
{
        RUN(say_it);
        sink.reply_topic = "replies";
        receiver.says = "HTTP/1.1 404 No\r\nContent-Length: 3\r\n"
                        "Content-Type: application/cloudevents+json\r\n\r\n{ }";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_REFUSED, false, 404, "ignored: only 200 and 201");
        ck_assert_str_eq(client.last.reply_dropped, "status-404");
        END_RUN();
}
END_TEST

static void answer_at_length(struct exchange *x)
{
        put(x, "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n"
               "Content-Type: application/cloudevents+json\r\n\r\n");
        for (int i = 0; i < 70000 / 7 && put(x, "[1, 2],"); i++)
                continue;
        x->closing = true;
}

START_TEST(an_event_that_is_too_long_is_named_and_not_asked_for_again)
{
        RUN(answer_at_length);
        sink.reply_topic = "replies";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 200, "ignored: longer than 64 KiB");
        ck_assert_str_eq(client.last.reply_dropped, "over-limit");
        END_RUN();
}
END_TEST

START_TEST(a_refused_reply_does_not_say_our_secrets)
{
        char url[100];

        RUN(say_it);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/hook?key=hunter2", receiver.port);
        sink.url = url;
        sink.token = "0123-token-0123";
        sink.reply_topic = "replies";
        receiver.says = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nce-id: 1\r\nce-source: /r\r\n"
                        "ce-type: t\r\nce-specversion: hunter2 0123-token-0123\r\n"
                        "Connection: close\r\n\r\n"; /* the receiver ends it */
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 200, "ignored:");
        ck_assert_ptr_nonnull(strstr(client.last.text, "*******"));
        ck_assert_ptr_null(strstr(client.last.text, "hunter2"));
        ck_assert_ptr_null(strstr(client.last.text, "0123"));
        /* nor by the name of a header, which a refusal quotes too */
        receiver.says = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nce-id: 1\r\nce-source: /r\r\n"
                        "ce-type: t\r\nce-specversion: 1.0\r\nce-0123-token-0123: x\r\n\r\n";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 200, "ignored: bad-attribute-name");
        ck_assert_ptr_null(strstr(client.last.text, "0123"));
        END_RUN();
}
END_TEST

START_TEST(a_reply_that_is_cut_is_asked_for_again)
{
        RUN(say_it);
        sink.reply_topic = "replies";
        receiver.says = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"
                        "Content-Type: application/cloudevents+json\r\n\r\n" EVENT;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, false, 200, "was cut after");
        ck_assert_ptr_null(client.last.reply);
        END_RUN();
}
END_TEST

/* ---- consent ------------------------------------------------------------------------------------ */

static char consent[500];

static void answer_options(struct exchange *x)
{
        memcpy(&seen, x, sizeof seen);
        put(x, consent);
        x->closing = true;
}

static const struct {
        const char *answer;
        enum weir_webhook_action action;
        uint32_t rate;
        const char *piece;
} consents[] = {
        { "200 OK\r\nWebHook-Allowed-Origin: weir.example.com\r\nWebHook-Allowed-Rate: 100",
          WEIR_WEBHOOK_DELIVERED, 100, "consent to origin weir.example.com" },
        { "204 OK\r\nwebhook-allowed-origin: *\r\nwebhook-allowed-rate: *", WEIR_WEBHOOK_DELIVERED,
          0, "consent" },
        { "200 OK\r\nWebHook-Allowed-Origin: *", WEIR_WEBHOOK_DELIVERED, 120, "consent" },
        { "200 OK\r\nWebHook-Allowed-Origin:\t weir.example.com \t\r\nWebHook-Allowed-Rate:9\t",
          WEIR_WEBHOOK_DELIVERED, 9, "consent to origin weir.example.com" },
        { "200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 99999999999",
          WEIR_WEBHOOK_DELIVERED, UINT32_MAX, "consent" },
        { "500 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 5", WEIR_WEBHOOK_DELIVERED,
          5, "consent" },
        { "200 OK\r\nAllow: OPTIONS, POST", WEIR_WEBHOOK_REFUSED, 7, "without consent" },
        { "200 OK\r\nWebHook-Allowed-Origin: weir.example.com.evil.net", WEIR_WEBHOOK_REFUSED, 7,
          "without consent" },
        { "200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Origin:*\t",
          WEIR_WEBHOOK_DELIVERED, 120, "consent" }, /* twice the same, but for blanks */
        { "200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Origin: evil.net",
          WEIR_WEBHOOK_REFUSED, 7, "without consent" },
        { "405 No", WEIR_WEBHOOK_REFUSED, 7, "answered 405 to OPTIONS without consent" },
        { "302 No\r\nLocation: /\r\nWebHook-Allowed-Origin: *", WEIR_WEBHOOK_REFUSED, 7,
          "without consent" },
        { "410 No\r\nWebHook-Allowed-Origin: *", WEIR_WEBHOOK_RETIRED, 7, "without consent" },
        { "429 No\r\nRetry-After: 9", WEIR_WEBHOOK_RETRY, 7, "without consent" },
        { "503 No\r\nRetry-After: 9", WEIR_WEBHOOK_RETRY, 7, "without consent" },
};

START_TEST(consent_is_asked_for_by_options_and_only_a_header_gives_it)
{
        uint32_t rate = 7;
        int tag;

        RUN(answer_options);
        sink.origin = "weir.example.com";
        sink.request_rate = 120;
        sink.secret = "unused";
        snprintf(consent, sizeof consent, "HTTP/1.1 %s\r\nContent-Length: 3\r\n\r\nabc",
                 consents[_i].answer);
        OK(weir_webhook_ask(client.webhook, &sink, &rate, &tag, reterr));
        serve_until(1);
        ck_assert_ptr_eq(client.tag, &tag);
        expect_action(consents[_i].action, consents[_i].action == WEIR_WEBHOOK_RETRY,
                      client.last.status, consents[_i].piece);
        ck_assert_uint_eq(rate, consents[_i].rate);
        ck_assert_int_eq((int)client.last.not_before_ms,
                         consents[_i].action == WEIR_WEBHOOK_RETRY ? 9000 : -1);
        ck_assert_msg(strncmp(seen.head, "OPTIONS /hook HTTP/1.1\r\n", 24) == 0, "%s", seen.head);
        ck_assert_str_eq(seen_header("webhook-request-origin"), "weir.example.com");
        ck_assert_str_eq(seen_header("webhook-request-rate"), "120");
        ck_assert_ptr_null(seen_header("webhook-request-callback"));
        ck_assert_ptr_null(seen_header("webhook-signature"));
        ck_assert_ptr_null(seen_header("content-length"));
        END_RUN();
}
END_TEST

START_TEST(nobody_at_home_is_asked_again_and_no_origin_is_wrong_usage)
{
        struct weir_error error = { 0 };
        uint32_t rate = 7;

        RUN(say_it);
        receiver.says = "";
        ck_assert_int_eq(weir_webhook_ask(client.webhook, &sink, &rate, NULL, &error), WEIR_EUSAGE);
        sink.origin = "weir.example.com";
        OK(weir_webhook_ask(client.webhook, &sink, &rate, NULL, reterr));
        serve_until(1);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "no answer");
        ck_assert_uint_eq(rate, 7);
        END_RUN();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_reply");
        TCase *tcase = tcase_create("webhook");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, an_answer_is_read_for_what_it_says, 0, WEIR_COUNT_OF(answers));
        tcase_add_test(tcase, an_echoed_url_is_blotted_out_in_any_form);
        tcase_add_test(tcase, what_a_body_echoes_is_blotted_out_before_it_is_quoted);
        tcase_add_loop_test(tcase, an_event_in_the_answer_is_decoded_or_a_note, 0,
                            WEIR_COUNT_OF(replies));
        tcase_add_test(tcase, an_event_beside_an_error_is_no_answer);
        tcase_add_test(tcase, an_event_that_is_too_long_is_named_and_not_asked_for_again);
        tcase_add_test(tcase, a_refused_reply_does_not_say_our_secrets);
        tcase_add_test(tcase, a_reply_that_is_cut_is_asked_for_again);
        tcase_add_loop_test(tcase, consent_is_asked_for_by_options_and_only_a_header_gives_it, 0,
                            WEIR_COUNT_OF(consents));
        tcase_add_test(tcase, nobody_at_home_is_asked_again_and_no_origin_is_wrong_usage);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

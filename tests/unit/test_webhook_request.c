/* SPDX-License-Identifier: MIT */
/* side/webhook_request: what arrives, what is never sent, where nobody is connected to */
#include <dlfcn.h>
#include <netdb.h>

#include "webhook_fixture.h"

#include "side/signature.h"

/*
 * Names of this test: libcurl asks here. "loop.test" is 127.0.0.1 whatever its owner claims;
 * "silent.test" has a server that never answers.
 */
static pthread_mutex_t names_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t names_cond = PTHREAD_COND_INITIALIZER;
static bool names_open, names_asked;

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict ret)
{
        int (*next)(const char *, const char *, const struct addrinfo *,
                    struct addrinfo **) = (int (*)(const char *, const char *,
                                                   const struct addrinfo *,
                                                   struct addrinfo **))dlsym(RTLD_NEXT,
                                                                             "getaddrinfo");

        if (node && strcmp(node, "silent.test") == 0) {
                pthread_mutex_lock(&names_mutex);
                names_asked = true;
                pthread_cond_broadcast(&names_cond);
                while (!names_open)
                        pthread_cond_wait(&names_cond, &names_mutex);
                pthread_mutex_unlock(&names_mutex);
                return EAI_AGAIN;
        }
        if (node && strcmp(node, "loop.test") == 0)
                node = "127.0.0.1";
        if (node && strcmp(node, "nowhere.test") == 0)
                return EAI_NONAME;
        return next(node, service, hints, ret);
}

/* ---- what arrives ------------------------------------------------------------------------------- */

START_TEST(a_request_carries_the_event_its_id_and_who_sends_it)
{
        const struct weir_header headers[] = {
                { "ce-id", "a%20b", 5 },
                { "ce-empty", "", 0 },
                { "ce-none", NULL, 0 },
                { "Content-Type", "application/json", 16 },
        };
        struct weir_webhook_request request;
        char url[100];
        int tag;

        RUN(remember);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/a/../b?x=1", receiver.port);
        sink.url = url;
        sink.token = "t0ken";
        sink.origin = "weir.example.com";
        request = request_for(&sink);
        request.headers = headers;
        request.header_count = WEIR_COUNT_OF(headers);
        request.message_id = VIEW("a b.c");
        request.tag = &tag;
        OK(weir_webhook_send(client.webhook, &request, reterr));
        ck_assert_uint_eq(weir_webhook_open_count(client.webhook), 1);
        serve_until(1);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        ck_assert_ptr_eq(client.tag, &tag);
        ck_assert_int_eq((int)client.last.not_before_ms, -1);
        ck_assert_msg(strncmp(seen.head, "POST /a/../b?x=1 HTTP/1.1\r\n", 27) == 0, "%s",
                      seen.head);
        ck_assert_str_eq(seen_body, "{\"n\":1}");
        ck_assert_str_eq(seen_header("ce-id"), "a%20b");
        ck_assert_str_eq(seen_header("ce-empty"), "");
        ck_assert_ptr_null(seen_header("ce-none"));
        ck_assert_str_eq(seen_header("content-type"), "application/json");
        ck_assert_str_eq(seen_header("authorization"), "Bearer t0ken");
        ck_assert_str_eq(seen_header("webhook-request-origin"), "weir.example.com");
        ck_assert_str_eq(seen_header("webhook-id"), "a%20b%2Ec");
        ck_assert_str_eq(seen_header("user-agent"), "weir/test");
        ck_assert_ptr_null(seen_header("webhook-signature"));
        ck_assert_ptr_null(seen_header("expect"));
        ck_assert_ptr_null(seen_header("cookie"));
        END_RUN();
}
END_TEST

START_TEST(a_signature_verifies_and_each_attempt_has_its_own_time)
{
        char wanted[WEIR_SIGNATURE_BYTES];
        int64_t now_s = weir_clock_wall_us() / 1000000, time_s;

        RUN(remember);
        sink.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        sink.secret_next = "the next one";
        deliver(&sink);
        time_s = strtoll(seen_header("webhook-timestamp"), NULL, 10);
        ck_assert(time_s >= now_s && time_s <= now_s + 60);
        OK(weir_signature_make(sink.secret, sink.secret_next, "id-1", time_s, VIEW("{\"n\":1}"),
                               wanted, reterr));
        ck_assert_str_eq(seen_header("webhook-signature"), wanted);
        END_RUN();
}
END_TEST

START_TEST(a_token_in_the_query_is_kept_out_of_caches_and_texts)
{
        char url[100];

        RUN(remember);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/secret-path?a=b&access_token=hunter2",
                 receiver.port);
        sink.url = url;
        deliver(&sink);
        ck_assert_str_eq(seen_header("cache-control"), "no-store");
        ck_assert_ptr_null(strstr(client.last.text, "hunter2"));
        ck_assert_ptr_null(strstr(client.last.text, "secret-path"));
        END_RUN();
}
END_TEST

static const struct {
        const char *what;
        struct weir_header header;
        const char *body, *id, *piece;
} unsendable[] = {
        { "a line break", { "ce-x", "a\r\nhost: evil", 13 }, "{}", "i", "control character" },
        { "a NUL", { "ce-x", "a\0b", 3 }, "{}", "i", "control character" },
        { "our header", { "authorization", "x", 1 }, "{}", "i", "neither" },
        { "a signature", { "webhook-signature", "v1,x", 4 }, "{}", "i", "neither" },
        { "a framing header", { "transfer-encoding", "chunked", 7 }, "{}", "i", "neither" },
        { "a name with a colon", { "ce-x: y\r\nhost", "x", 1 }, "{}", "i", "neither" },
        { "a bare prefix", { "ce-", "x", 1 }, "{}", "i", "neither" },
        { "two types", { "Content-Type", "text/plain", 10 }, "{}", "i", "one content type" },
        { "no body", { "ce-x", "1", 1 }, NULL, "i", "structured mode" },
        { "an empty body", { "ce-x", "1", 1 }, "", "i", "structured mode" },
        { "no id", { "ce-x", "1", 1 }, "{}", "", "without an id" },
};

START_TEST(what_would_break_the_rules_is_refused_before_it_is_sent)
{
        struct weir_header headers[2];
        struct weir_webhook_request request;
        struct weir_error error = { 0 };

        RUN(remember);
        headers[0] = json_type;
        headers[1] = unsendable[_i].header;
        request = request_for(&sink);
        request.headers = headers;
        request.header_count = 2;
        request.message_id = VIEW(unsendable[_i].id);
        request.body = unsendable[_i].body ? VIEW(unsendable[_i].body)
                                           : (struct weir_view){ NULL, 0 };
        ck_assert_msg(weir_webhook_send(client.webhook, &request, &error) == WEIR_EUSAGE, "%s",
                      unsendable[_i].what);
        ck_assert_msg(strstr(error.text, unsendable[_i].piece), "%s", error.text);
        ck_assert_int_eq(atomic_load(&receiver.connections), 0);
        END_RUN();
}
END_TEST

START_TEST(no_content_type_is_refused)
{
        struct weir_webhook_request request;
        struct weir_error error = { 0 };

        RUN(remember);
        request = request_for(&sink);
        request.header_count = 0;
        ck_assert_int_eq(weir_webhook_send(client.webhook, &request, &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "not 0"));
        END_RUN();
}
END_TEST

static const struct {
        const char *url, *token, *secret, *piece;
        bool plain;
} bad_sinks[] = {
        { "http://example.com/", NULL, NULL, "not encrypted", false },
        { "ftp://example.com/", NULL, NULL, "https://", true },
        { "file:///etc/passwd", NULL, NULL, "its url", true },
        { "gopher://127.0.0.1:6379/_x", NULL, NULL, "https://", true },
        { "https://user:hunter2@example.com/", NULL, NULL, "use token", false },
        { "https://user@example.com/", NULL, NULL, "use token", false },
        { "example.com/hook", NULL, NULL, "https://host/path", false },
        { "https://", NULL, NULL, "https://host/path", false },
        { "https://exa mple.com/", NULL, NULL, "https://host/path", false },
        { "https://example.com:99999/", NULL, NULL, "https://host/path", false },
        { NULL, NULL, NULL, "https://host/path", false },
        { "https://example.com/?access_token=hunter2", "hunter2", NULL, "two tokens", false },
        { "https://example.com/", "hunter2\r\nx: y", NULL, "control character", false },
        { "https://example.com/", "", NULL, "empty", false },
        { "https://example.com/", NULL, "whsec_hunter2!", "base64", false },
};

START_TEST(a_sink_that_cannot_be_used_is_named_with_its_line)
{
        struct weir_conf_sink sink = sink_to(1);
        struct weir_webhook_request request;
        struct weir_error error = { 0 };

        client_start();
        sink.url = bad_sinks[_i].url;
        sink.token = bad_sinks[_i].token;
        sink.secret = bad_sinks[_i].secret;
        sink.allow_plain = bad_sinks[_i].plain;
        request = request_for(&sink);
        ck_assert_int_eq(weir_webhook_send(client.webhook, &request, &error), WEIR_ECONF);
        ck_assert_msg(strstr(error.text, bad_sinks[_i].piece), "%s", error.text);
        ck_assert_msg(strstr(error.text, "crm (weir.cfg:7)"), "%s", error.text);
        ck_assert_ptr_null(strstr(error.text, "hunter2"));
        weir_webhook_free(client.webhook);
}
END_TEST

/* ---- addresses ---------------------------------------------------------------------------------- */

static const char *const private_hosts[] = {
        "127.0.0.1",       "127.1",     "0x7f000001",         "2130706433",
        "017700000001",    "0",         "localhost",          "loop.test",
        "[::1]",           "[::]",      "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "10.0.0.1",  "169.254.169.254",    "192.168.1.1",
        "100.64.0.1",      "[fd00::1]", "[fe80::1]",          "224.0.0.1",
};

START_TEST(no_spelling_of_a_private_address_is_connected_to)
{
        char url[100];

        RUN(never);
        snprintf(url, sizeof url, "http://%s:%d/", private_hosts[_i], receiver.port);
        sink.url = url;
        sink.allow_private = false;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "set allow_private = true");
        ck_assert_int_eq(atomic_load(&receiver.connections), 0);
        END_RUN();
}
END_TEST

START_TEST(a_connection_opened_for_one_sink_does_not_serve_one_that_may_not)
{
        struct weir_conf_sink strict;

        RUN(remember);
        strict = sink;
        strict.allow_private = false;
        deliver(&sink);
        deliver(&sink);
        ck_assert_int_eq(atomic_load(&receiver.connections), 1);
        deliver(&strict);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "127.0.0.1 is refused: it is loopback");
        ck_assert_int_eq(atomic_load(&receiver.requests), 2);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        END_RUN();
}
END_TEST

START_TEST(proxies_of_the_environment_are_not_asked)
{
        static const char *const names[] = { "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY" };
        static struct receiver proxy;

        RUN(remember);
        receiver_start(&proxy, never);
        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
                char text[64];

                snprintf(text, sizeof text, "http://127.0.0.1:%d", proxy.port);
                setenv(names[i], text, 1);
        }
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        ck_assert_int_eq(atomic_load(&proxy.connections), 0);
        receiver_stop(&proxy);
        END_RUN();
}
END_TEST

START_TEST(a_receiver_that_is_down_is_told_apart)
{
        RUN(never);
        receiver_stop(&receiver);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "no answer: Failed to connect");
        sink.url = "http://nowhere.test/";
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "check url and DNS");
        weir_webhook_free(client.webhook);
}
END_TEST

START_TEST(a_resolver_that_does_not_answer_stops_neither_others_nor_the_end)
{
        struct weir_conf_sink silent, patient;
        struct weir_webhook_request request;

        RUN(remember);
        silent = sink;
        silent.url = "http://silent.test/";
        silent.timeout_ms = 300;
        request = request_for(&silent);
        OK(weir_webhook_send(client.webhook, &request, reterr));
        pthread_mutex_lock(&names_mutex);
        while (!names_asked) {
                pthread_mutex_unlock(&names_mutex);
                OK(weir_webhook_serve(client.webhook, NULL, 0, 1, reterr));
                pthread_mutex_lock(&names_mutex);
        }
        pthread_mutex_unlock(&names_mutex);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        serve_until(2);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0,
                      "within 300 ms; time was over looking up its name");
        patient = silent;
        patient.timeout_ms = 60000;
        request = request_for(&patient);
        OK(weir_webhook_send(client.webhook, &request, reterr));
        OK(weir_webhook_serve(client.webhook, NULL, 0, 0, reterr));
        weir_webhook_free(client.webhook); /* would hang with a resolver that is waited for */
        receiver_stop(&receiver);
        pthread_mutex_lock(&names_mutex);
        names_open = true;
        pthread_cond_broadcast(&names_cond);
        pthread_mutex_unlock(&names_mutex);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_request");
        TCase *tcase = tcase_create("webhook");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, a_request_carries_the_event_its_id_and_who_sends_it);
        tcase_add_test(tcase, a_signature_verifies_and_each_attempt_has_its_own_time);
        tcase_add_test(tcase, a_token_in_the_query_is_kept_out_of_caches_and_texts);
        tcase_add_loop_test(tcase, what_would_break_the_rules_is_refused_before_it_is_sent, 0,
                            WEIR_COUNT_OF(unsendable));
        tcase_add_test(tcase, no_content_type_is_refused);
        tcase_add_loop_test(tcase, a_sink_that_cannot_be_used_is_named_with_its_line, 0,
                            WEIR_COUNT_OF(bad_sinks));
        tcase_add_loop_test(tcase, no_spelling_of_a_private_address_is_connected_to, 0,
                            WEIR_COUNT_OF(private_hosts));
        tcase_add_test(tcase, a_connection_opened_for_one_sink_does_not_serve_one_that_may_not);
        tcase_add_test(tcase, proxies_of_the_environment_are_not_asked);
        tcase_add_test(tcase, a_receiver_that_is_down_is_told_apart);
        tcase_add_test(tcase, a_resolver_that_does_not_answer_stops_neither_others_nor_the_end);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

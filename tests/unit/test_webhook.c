/* SPDX-License-Identifier: MIT */
/* side/webhook: requests as they arrive, receivers that misbehave, addresses, many at a time */
#include <dlfcn.h>
#include <netdb.h>
#include <sys/eventfd.h>

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

#define RUN(answer)                                                                                \
        static struct receiver receiver;                                                           \
        struct weir_conf_sink sink;                                                                \
                                                                                                   \
        receiver_start(&receiver, answer);                                                         \
        client_start();                                                                            \
        sink = sink_to(receiver.port)
#define END_RUN()                                                                                  \
        do {                                                                                       \
                ck_assert_uint_eq(weir_webhook_open_count(client.webhook), 0);                     \
                weir_webhook_free(client.webhook);                                                 \
                receiver_stop(&receiver);                                                          \
        } while (0)

/* ---- what arrives ------------------------------------------------------------------------------- */

static struct exchange seen;
static char seen_body[256];

static void remember(struct exchange *x)
{
        memcpy(&seen, x, sizeof seen);
        snprintf(seen_body, sizeof seen_body, "%s", x->body);
        put(x, "HTTP/1.1 204 No Content\r\n\r\n");
}

static const char *seen_header(const char *name)
{
        static char text[1024];

        return header_in(&seen, name, text, sizeof text);
}

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

/* ---- what comes back ---------------------------------------------------------------------------- */

static void say_it(struct exchange *x)
{
        put(x, x->receiver->says);
        x->closing = true;
}

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
        snprintf(answer, sizeof answer, "HTTP/1.1 400 No\r\nContent-Length: 76\r\n\r\n%-76.76s",
                 "bad Bearer 0123-token-0123 for /?key=hunter2, s3cret-s3cret s3cret-s3cret");
        receiver.says = answer;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_REFUSED, false, 400, "bad Bearer ***");
        ck_assert_ptr_null(strstr(client.last.text, "0123"));
        ck_assert_ptr_null(strstr(client.last.text, "hunter2"));
        ck_assert_ptr_null(strstr(client.last.text, "s3cret"));
        END_RUN();
}
END_TEST

static void never(struct exchange *x)
{
        hung_up(x, -1);
        x->closing = true;
}

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
        { "200 OK\r\nContent-Type: application/json", "{\"ok\":true}", NULL, "answered 200" },
        { "200 OK", "", NULL, "answered 200" },
        { "202 OK\r\nContent-Type: application/cloudevents+json", EVENT, NULL, "answered 202" },
        { "200 OK\r\nContent-Type: application/cloudevents+json", "{\"id\":\"x\"}", NULL,
          "ignored: missing-attribute" },
        { "200 OK\r\nContent-Type: application/cloudevents+json", "", NULL, "ignored: bad-json" },
        { "200 OK\r\nContent-Type: application/cloudevents+xml", "<x/>", NULL,
          "ignored: unsupported-format" },
        { "200 OK\r\nContent-Type: application/cloudevents-batch+json", "[" EVENT "]", NULL,
          "a batch that nobody asked for" },
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
        if (replies[_i].reply_id)
                ck_assert_str_eq(client.reply_id, replies[_i].reply_id);
        sink.reply_topic = NULL;
        deliver(&sink);
        ck_assert_ptr_null(client.last.reply);
        ck_assert_ptr_null(strstr(client.last.text, "ignored"));
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

START_TEST(a_resolver_that_does_not_answer_stops_neither_others_nor_the_end)
{
        struct weir_conf_sink silent;
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
        silent.timeout_ms = 60000; /* of the next */
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        serve_until(2);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "time was over looking up its name");
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
        { "200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 99999999999",
          WEIR_WEBHOOK_DELIVERED, UINT32_MAX, "consent" },
        { "500 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 5", WEIR_WEBHOOK_DELIVERED,
          5, "consent" },
        { "200 OK\r\nAllow: OPTIONS, POST", WEIR_WEBHOOK_REFUSED, 7, "without consent" },
        { "200 OK\r\nWebHook-Allowed-Origin: weir.example.com.evil.net", WEIR_WEBHOOK_REFUSED, 7,
          "without consent" },
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
        Suite *suite = suite_create("webhook");
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
        tcase_add_loop_test(tcase, an_answer_is_read_for_what_it_says, 0, WEIR_COUNT_OF(answers));
        tcase_add_test(tcase, what_a_body_echoes_is_blotted_out_before_it_is_quoted);
        tcase_add_test(tcase, a_receiver_that_says_nothing_is_given_up_in_time);
        tcase_add_test(tcase, dripping_headers_do_not_hold_a_request_open);
        tcase_add_test(tcase, a_dripping_body_does_not_undo_a_delivery_unless_it_is_the_reply);
        tcase_add_test(tcase, a_receiver_that_is_down_is_told_apart);
        tcase_add_test(tcase, an_endless_body_is_cut_off_and_the_event_was_taken);
        tcase_add_loop_test(tcase, a_flood_of_headers_is_cut_off, 0, WEIR_COUNT_OF(floods));
        tcase_add_loop_test(tcase, an_event_in_the_answer_is_decoded_or_a_note, 0,
                            WEIR_COUNT_OF(replies));
        tcase_add_test(tcase, a_reply_that_is_cut_is_asked_for_again);
        tcase_add_loop_test(tcase, no_spelling_of_a_private_address_is_connected_to, 0,
                            WEIR_COUNT_OF(private_hosts));
        tcase_add_test(tcase, a_connection_opened_for_one_sink_does_not_serve_one_that_may_not);
        tcase_add_test(tcase, proxies_of_the_environment_are_not_asked);
        tcase_add_test(tcase, a_resolver_that_does_not_answer_stops_neither_others_nor_the_end);
        tcase_add_test(tcase, a_hundred_are_open_at_a_time_and_done_may_send);
        tcase_add_test(tcase, a_connection_is_used_again);
        tcase_add_test(tcase, a_body_of_eight_mebibytes_arrives_whole);
        tcase_add_test(tcase, a_descriptor_of_the_callers_ends_the_wait);
        tcase_add_test(tcase, too_many_descriptors_are_refused);
        tcase_add_loop_test(tcase, consent_is_asked_for_by_options_and_only_a_header_gives_it, 0,
                            WEIR_COUNT_OF(consents));
        tcase_add_test(tcase, nobody_at_home_is_asked_again_and_no_origin_is_wrong_usage);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

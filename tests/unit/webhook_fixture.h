/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_WEBHOOK_FIXTURE_H
#define WEIR_TEST_WEBHOOK_FIXTURE_H
/*
 * webhook_fixture - a receiver inside the test that can misbehave in every way, and a client for it
 *
 * A thread for each connection runs the test's own function on each request it reads. Nothing sleeps:
 * a receiver that is to be slow waits until the other side hangs up. Each test forks (Check), so what a
 * failed test leaves behind goes with its process.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "side/webhook.h"
#include "listen_fixture.h"

/* ---- the receiver ------------------------------------------------------------------------------- */

struct exchange {
        struct receiver *receiver;
        int fd;
        SSL *ssl;
        char head[16 << 10]; /* of the request, NUL behind */
        char *body;
        size_t size, kept; /* of the body; bytes of @head that belong to the next request */
        char kept_bytes[16 << 10];
        bool closing; /* set by the answer function: no further request on this connection */
};

typedef void answer_fn(struct exchange *x);

struct receiver {
        int fd, port;
        SSL_CTX *tls;
        answer_fn *answer;
        const char *says; /* for answer functions that say one thing */
        pthread_t thread;
        pthread_t workers[512];
        int fds[512];
        atomic_int connections, requests;
};

static inline ssize_t get(struct exchange *x, void *bytes, size_t size)
{
        return x->ssl ? SSL_read(x->ssl, bytes, (int)size) : recv(x->fd, bytes, size, 0);
}

/* false = the other side has gone. */
static inline bool put_bytes(struct exchange *x, const void *bytes, size_t size)
{
        const char *p = bytes;

        while (size) {
                ssize_t sent = x->ssl ? SSL_write(x->ssl, p, (int)size)
                                      : send(x->fd, p, size, MSG_NOSIGNAL);

                if (sent <= 0)
                        return false;
                p += sent;
                size -= (size_t)sent;
        }
        return true;
}

static inline bool put(struct exchange *x, const char *text)
{
        return put_bytes(x, text, strlen(text));
}

/* Until the other side hangs up, or for up to @timeout_ms (-1 = for ever). true = it has. */
static inline bool hung_up(struct exchange *x, int timeout_ms)
{
        struct pollfd pollfd = { x->fd, POLLRDHUP, 0 };

        return poll(&pollfd, 1, timeout_ms) > 0;
}

static inline const char *header_in(const struct exchange *x, const char *name, char *out,
                                    size_t room)
{
        size_t length = strlen(name);

        for (const char *line = strstr(x->head, "\r\n"); line && line[2];
             line = strstr(line + 2, "\r\n")) {
                const char *end = strstr(line + 2, "\r\n");

                if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
                        continue;
                line += 2 + length + 1;
                while (*line == ' ')
                        line++;
                snprintf(out, room, "%.*s", (int)(end - line), line);
                return out;
        }
        return NULL;
}

static inline bool read_request(struct exchange *x)
{
        size_t used = x->kept, head;
        char *end, text[32];

        memcpy(x->head, x->kept_bytes, used);
        x->head[used] = '\0';
        while (!(end = strstr(x->head, "\r\n\r\n"))) {
                ssize_t got = get(x, x->head + used, sizeof x->head - 1 - used);

                if (got <= 0)
                        return false;
                used += (size_t)got;
                x->head[used] = '\0';
        }
        head = (size_t)(end + 4 - x->head);
        free(x->body);
        x->size = header_in(x, "content-length", text, sizeof text) ? strtoul(text, NULL, 10) : 0;
        x->body = calloc(1, x->size + 1);
        x->kept = used - head > x->size ? used - head - x->size : 0;
        memcpy(x->body, x->head + head, used - head - x->kept);
        memcpy(x->kept_bytes, x->head + used - x->kept, x->kept);
        x->head[head] = '\0';
        for (size_t have = used - head - x->kept; have < x->size;) {
                ssize_t got = get(x, x->body + have, x->size - have);

                if (got <= 0)
                        return false;
                have += (size_t)got;
        }
        return true;
}

struct start {
        struct receiver *receiver;
        int fd;
};

static inline void *work(void *arg)
{
        struct start *start = arg;
        struct exchange *x = calloc(1, sizeof *x);

        *x = (struct exchange){ .receiver = start->receiver, .fd = start->fd };
        free(start);
        if (x->receiver->tls) {
                x->ssl = SSL_new(x->receiver->tls);
                SSL_set_fd(x->ssl, x->fd);
                x->closing = SSL_accept(x->ssl) != 1;
        }
        while (!x->closing && read_request(x)) {
                atomic_fetch_add(&x->receiver->requests, 1);
                x->receiver->answer(x);
        }
        SSL_free(x->ssl);
        shutdown(x->fd, SHUT_RDWR);
        free(x->body);
        free(x);
        return NULL;
}

static inline void *accept_all(void *arg)
{
        struct receiver *receiver = arg;
        int fd;

        while ((fd = accept4(receiver->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                struct start *start = malloc(sizeof *start);
                int count = atomic_load(&receiver->connections);

                *start = (struct start){ receiver, fd };
                receiver->fds[count] = fd;
                pthread_create(&receiver->workers[count], NULL, work, start);
                atomic_store(&receiver->connections, count + 1);
        }
        return NULL;
}

static inline void receiver_start(struct receiver *receiver, answer_fn *answer)
{
        uint16_t port;

        receiver->answer = answer;
        receiver->fd = listen_on(512, &port);
        receiver->port = port;
        ck_assert_int_eq(pthread_create(&receiver->thread, NULL, accept_all, receiver), 0);
}

static inline void receiver_stop(struct receiver *receiver)
{
        shutdown(receiver->fd, SHUT_RDWR);
        pthread_join(receiver->thread, NULL);
        for (int i = 0; i < atomic_load(&receiver->connections); i++) {
                shutdown(receiver->fds[i], SHUT_RDWR);
                pthread_join(receiver->workers[i], NULL);
                close(receiver->fds[i]);
        }
        close(receiver->fd);
        SSL_CTX_free(receiver->tls);
}

/* ---- the client --------------------------------------------------------------------------------- */

#define OK(call)                                                                                   \
        do {                                                                                       \
                struct weir_error error_ = { 0 };                                                  \
                struct weir_error *reterr = &error_;                                               \
                int r_ = (call);                                                                   \
                ck_assert_msg(r_ == 0, "%s: %d: %s", #call, r_, error_.text);                      \
                (void)reterr;                                                                      \
        } while (0)

#define VIEW(text) ((struct weir_view){ (text), strlen(text) })
#define TYPE(text) ((struct weir_header){ "content-type", (text), strlen(text) })

static struct {
        struct weir_webhook *webhook;
        struct weir_webhook_result last;
        struct weir_event reply; /* of the last */
        char reply_id[64];
        int done;
        void *tag;
} client;

static inline void client_done(void *context, void *tag, const struct weir_webhook_result *result)
{
        ck_assert_ptr_eq(context, &client);
        client.last = *result;
        client.tag = tag;
        client.done++;
        if (result->reply) {
                client.reply = *result->reply;
                snprintf(client.reply_id, sizeof client.reply_id, "%s", result->reply->id.ptr);
        }
        ck_assert_uint_lt(strlen(result->text), sizeof result->text);
        for (const char *p = result->text; *p; p++)
                ck_assert_msg(*p >= 0x20 && *p < 0x7f, "not plain: %s", result->text);
}

static inline void client_start(void)
{
        signal(SIGPIPE, SIG_IGN);
        OK(weir_webhook_new("weir/test", client_done, &client, &client.webhook, reterr));
}

static inline void serve_until(int done)
{
        while (client.done < done)
                OK(weir_webhook_serve(client.webhook, NULL, 0, 10000, reterr));
}

static struct weir_conf_sink sink_to(int port)
{
        static char url[64];

        snprintf(url, sizeof url, "http://127.0.0.1:%d/hook", port);
        return (struct weir_conf_sink){ .name = "crm",
                                        .url = url,
                                        .timeout_ms = 20000,
                                        .allow_plain = true,
                                        .allow_private = true,
                                        .where = "weir.cfg:7" };
}

static const struct weir_header json_type = { "content-type", "application/json", 16 };

static inline struct weir_webhook_request request_for(const struct weir_conf_sink *sink)
{
        return (struct weir_webhook_request){ .sink = sink,
                                              .message_id = VIEW("id-1"),
                                              .headers = &json_type,
                                              .header_count = 1,
                                              .body = VIEW("{\"n\":1}") };
}

/* Send one and wait for its result. */
static inline const struct weir_webhook_result *deliver(const struct weir_conf_sink *sink)
{
        struct weir_webhook_request request = request_for(sink);

        OK(weir_webhook_send(client.webhook, &request, reterr));
        serve_until(client.done + 1);
        return &client.last;
}

static inline void expect_action(enum weir_webhook_action action, bool host, int status,
                                 const char *piece)
{
        ck_assert_msg(client.last.action == action && client.last.host_at_fault == host &&
                              client.last.status == status && strstr(client.last.text, piece),
                      "action %d, host %d, status %d: %s", client.last.action,
                      client.last.host_at_fault, client.last.status, client.last.text);
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

/* ---- common manners ----------------------------------------------------------------------------- */

static struct exchange seen;
static char seen_body[256];

static inline void remember(struct exchange *x)
{
        memcpy(&seen, x, sizeof seen);
        snprintf(seen_body, sizeof seen_body, "%s", x->body);
        put(x, "HTTP/1.1 204 No Content\r\n\r\n");
}

static inline const char *seen_header(const char *name)
{
        static char text[1024];

        return header_in(&seen, name, text, sizeof text);
}

static inline void say_it(struct exchange *x)
{
        put(x, x->receiver->says);
        x->closing = true;
}

static inline void never(struct exchange *x)
{
        hung_up(x, -1);
        x->closing = true;
}

#endif

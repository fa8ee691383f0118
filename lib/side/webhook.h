/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_WEBHOOK_H
#define WEIR_SIDE_WEBHOOK_H
/*
 * webhook - CloudEvents over HTTP: many requests at a time on one thread
 *
 * Source   CloudEvents HTTP Protocol Binding 1.0.2 and HTTP 1.1 Web Hooks 1.0.2 (F1 to F13 of our notes);
 *          signature by Standard Webhooks 1.0.0.
 * Thread   one owner; done() is called inside weir_webhook_serve(), and may send or ask, not serve or free.
 *  W1  no redirect is followed; nothing is connected to but the addresses that were checked.
 *  W2  every request ends within its sink's timeout; headers and bodies of answers are bounded.
 *  W3  a secret or token never shows in a log or an error, nor does the path or query of a URL.
 *
 * A request needs a body and a content type, by the webhook rules: an event without data, with empty
 * data or without datacontenttype must have been encoded in structured mode. How many requests a sink
 * gets at a time, and how fast, is the caller's to keep.
 */
#include <poll.h>

#include "conf/conf.h"
#include "event/encode.h"

struct weir_webhook;

enum weir_webhook_action {
        WEIR_WEBHOOK_DELIVERED, /* 2xx */
        WEIR_WEBHOOK_RETRY,     /* 401 403 408 425 429 5xx, no answer: the same again, later */
        WEIR_WEBHOOK_REFUSED,   /* 3xx, other 4xx: again would not help */
        WEIR_WEBHOOK_RETIRED    /* 410: the sink wants nothing any more */
};

struct weir_webhook_result {
        enum weir_webhook_action action;
        bool host_at_fault; /* RETRY: no answer, 401, 403, 429 or 5xx: the whole destination waits */
        int status;         /* 0 = no answer */
        int64_t not_before_ms; /* RETRY: Retry-After, from now, capped; -1 = none */
        char text[256];        /* what happened, in words, plain ASCII, without secrets */
        const struct weir_event
                *reply; /* a CloudEvent in the answer, decoded; NULL = none; until done() returns */
        char reply_dropped
                [40]; /* why one that was there cannot be taken, in a word; "" = none was */
};

struct weir_webhook_request {
        const struct weir_conf_sink *sink;
        struct weir_view message_id;       /* webhook-id */
        const struct weir_header *headers; /* of the encoded event (HTTP binary or structured) */
        size_t header_count;
        struct weir_view body;
        void *tag;
};

typedef void weir_webhook_done_fn(void *context, void *tag,
                                  const struct weir_webhook_result *result);

int weir_webhook_new(const char *user_agent, weir_webhook_done_fn *done, void *context,
                     struct weir_webhook **ret, struct weir_error *reterr);
/* Queue a request; what it points to must live until done(). @request itself need not.
 * Errors   WEIR_EUSAGE  the message: no body, no content type, a header that may not be sent
 *          WEIR_ECONF   the sink: its url, token or secret cannot be used
 *          WEIR_ENOMEM */
int weir_webhook_send(struct weir_webhook *webhook, const struct weir_webhook_request *request,
                      struct weir_error *reterr);
/* Ask for consent (OPTIONS): done() gets DELIVERED when granted; *ret_rate (per minute, 0 = any) is set before.
 * No consent is REFUSED, 410 RETIRED, no answer, 429 and 5xx without consent RETRY. */
int weir_webhook_ask(struct weir_webhook *webhook, const struct weir_conf_sink *sink,
                     uint32_t *ret_rate, void *tag, struct weir_error *reterr);
/* Work for up to @timeout_ms, until a request has ended (done() was called), or until one of @extra is
 * ready (revents filled); up to WEIR_WEBHOOK_EXTRA_MAX of them. Returns 0; < 0 = out of memory and the like. */
#define WEIR_WEBHOOK_EXTRA_MAX 16
int weir_webhook_serve(struct weir_webhook *webhook, struct pollfd *extra, size_t extra_count,
                       int timeout_ms, struct weir_error *reterr);
size_t weir_webhook_open_count(const struct weir_webhook *webhook);
/* Open requests are given up; done() is not called for them. */
void weir_webhook_free(struct weir_webhook *webhook);

/* What a status means, and what an answer to OPTIONS grants: pure, for the vectors. */
enum weir_webhook_action weir_webhook_action_of(int status);
/* RETRY: may the receiver fail at this very event? Not by a status that speaks of a gateway, of load or of the sender. */
bool weir_webhook_blames_event(int status);
/* Seconds to wait by Retry-After (delta-seconds or HTTP-date against Date, else the clock), capped; -1 = unusable. */
#define WEIR_WEBHOOK_WAIT_MAX_S 86400
int64_t weir_webhook_retry_after_s(const char *retry_after, const char *date, int64_t now_s);
struct weir_webhook_grant {
        bool granted;
        int64_t rate_per_minute; /* -1 = "*"; 0 = not said */
};
struct weir_webhook_grant weir_webhook_grant_of(const char *origin, const char *allowed_origin,
                                                const char *allowed_rate);

#endif

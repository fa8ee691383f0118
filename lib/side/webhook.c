/* SPDX-License-Identifier: MIT */
/*
 * webhook - many requests at a time on one thread, which can wait for other things too
 *
 * libcurl's multi interface does the moving; here is who owns a transfer when. A transfer is on the open
 * list from send() until its result was said, then on the spare list: an easy handle that is used again
 * costs no allocation, and connections stay in the multi handle either way.
 *
 * Always true  WL1 a transfer is taken out of the multi handle before done() is called, so done() may
 *                  send the next request, which may be the same one again.
 *              WL2 done() is called once for each request that was accepted, unless free() comes first.
 *              WL3 serve() never sleeps past its time, past a result, nor past a descriptor of the
 *                  caller's: an outbox that waits for a row and for 100 answers does so in one poll().
 * Not chosen   curl_multi_socket_action() with epoll: pays from thousands of sockets on; here a
 *              destination has tens.
 *              revents of curl_multi_poll(): it drops POLLHUP and POLLERR, on which a caller would turn
 *              in circles; ours are asked for again without waiting.
 */
#include "side/webhook.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "side/webhook_request.h"

#define SPARE_MAX 256

struct weir_webhook {
        CURLM *multi;
        char *user_agent;
        weir_webhook_done_fn *done;
        void *context;
        struct weir_transfer *open, *spare;
        size_t open_count, spare_count;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void setup(void)
{
        global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int weir_webhook_new(const char *user_agent, weir_webhook_done_fn *done, void *context,
                     struct weir_webhook **ret, struct weir_error *reterr)
{
        struct weir_webhook *webhook = calloc(1, sizeof *webhook);

        pthread_once(&once, setup);
        if (webhook && global_code == CURLE_OK) {
                webhook->done = done;
                webhook->context = context;
                webhook->user_agent = strdup(user_agent);
                webhook->multi = curl_multi_init();
        }
        if (!webhook || !webhook->user_agent || !webhook->multi) {
                weir_webhook_free(webhook);
                return weir_fail(reterr, WEIR_ENOMEM, (int)global_code, "webhook client");
        }
        *ret = webhook;
        return 0;
}

static void open_push(struct weir_webhook *webhook, struct weir_transfer *transfer)
{
        transfer->previous = NULL;
        transfer->next = webhook->open;
        if (webhook->open)
                webhook->open->previous = transfer;
        webhook->open = transfer;
        webhook->open_count++;
}

static void open_remove(struct weir_webhook *webhook, struct weir_transfer *transfer)
{
        if (transfer->previous)
                transfer->previous->next = transfer->next;
        else
                webhook->open = transfer->next;
        if (transfer->next)
                transfer->next->previous = transfer->previous;
        webhook->open_count--;
}

static struct weir_transfer *spare_take(struct weir_webhook *webhook)
{
        struct weir_transfer *transfer = webhook->spare;

        if (!transfer)
                return weir_transfer_new();
        webhook->spare = transfer->next;
        webhook->spare_count--;
        transfer->next = NULL;
        return transfer;
}

static void spare_give(struct weir_webhook *webhook, struct weir_transfer *transfer)
{
        if (webhook->spare_count == SPARE_MAX) {
                weir_transfer_free(transfer);
                return;
        }
        weir_transfer_reset(transfer);
        transfer->next = webhook->spare;
        webhook->spare = transfer;
        webhook->spare_count++;
}

/* @r: what preparing @transfer came to. */
static int start(struct weir_webhook *webhook, struct weir_transfer *transfer, int r,
                 struct weir_error *reterr)
{
        CURLMcode code;

        if (r == 0) {
                code = curl_multi_add_handle(webhook->multi, transfer->easy);
                if (code)
                        r = weir_fail(reterr, WEIR_ENOMEM, (int)code, "request: %s",
                                      curl_multi_strerror(code));
        }
        if (r < 0)
                spare_give(webhook, transfer);
        else
                open_push(webhook, transfer);
        return r;
}

int weir_webhook_send(struct weir_webhook *webhook, const struct weir_webhook_request *request,
                      struct weir_error *reterr)
{
        struct weir_transfer *transfer = spare_take(webhook);

        if (!transfer)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "request for sink %s",
                                 request->sink->name);
        return start(webhook, transfer,
                     weir_transfer_deliver(transfer, request, webhook->user_agent, reterr), reterr);
}

int weir_webhook_ask(struct weir_webhook *webhook, const struct weir_conf_sink *sink,
                     uint32_t *ret_rate, void *tag, struct weir_error *reterr)
{
        struct weir_transfer *transfer = spare_take(webhook);

        if (!transfer)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "question to sink %s", sink->name);
        transfer->ret_rate = ret_rate;
        transfer->tag = tag;
        return start(webhook, transfer,
                     weir_transfer_ask(transfer, sink, webhook->user_agent, reterr), reterr);
}

/* Move all, say what has ended. Returns how many have, or < 0. */
static int perform(struct weir_webhook *webhook, struct weir_error *reterr)
{
        int running, left, ended = 0;
        CURLMcode code = curl_multi_perform(webhook->multi, &running);
        CURLMsg *message;

        if (code)
                return weir_fail(reterr, code == CURLM_OUT_OF_MEMORY ? WEIR_ENOMEM : WEIR_ESYS,
                                 (int)code, "webhooks: %s", curl_multi_strerror(code));
        while ((message = curl_multi_info_read(webhook->multi, &left))) {
                struct weir_webhook_result result;
                struct weir_transfer *transfer = NULL;
                CURL *easy = message->easy_handle;
                CURLcode outcome = message->data.result; /* the message goes with the handle */

                if (message->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
                weir_transfer_judge(transfer, outcome, &result);
                curl_multi_remove_handle(webhook->multi, easy);
                open_remove(webhook, transfer);
                webhook->done(webhook->context, transfer->tag, &result);
                spare_give(webhook, transfer);
                ended++;
        }
        return ended;
}

/* Wait for sockets, ours and @extra, up to @timeout_ms. 1 = one of @extra is ready, 0, or < 0. */
static int wait_for(struct weir_webhook *webhook, struct pollfd *extra, size_t count,
                    int timeout_ms, struct weir_error *reterr)
{
        struct curl_waitfd more[WEIR_WEBHOOK_EXTRA_MAX];
        CURLMcode code = CURLM_OK;

        for (size_t i = 0; i < count; i++)
                more[i] = (struct curl_waitfd){
                        .fd = extra[i].fd,
                        .events = (short)((extra[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                                          (extra[i].events & POLLPRI ? CURL_WAIT_POLLPRI : 0) |
                                          (extra[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
                };
        if (timeout_ms > 0)
                code = curl_multi_poll(webhook->multi, more, (unsigned)count, timeout_ms, NULL);
        if (code)
                return weir_fail(reterr, code == CURLM_OUT_OF_MEMORY ? WEIR_ENOMEM : WEIR_ESYS,
                                 (int)code, "waiting for webhooks: %s", curl_multi_strerror(code));
        for (size_t i = 0; i < count; i++)
                extra[i].revents = 0;
        return count && poll(extra, count, 0) > 0;
}

int weir_webhook_serve(struct weir_webhook *webhook, struct pollfd *extra, size_t extra_count,
                       int timeout_ms, struct weir_error *reterr)
{
        int64_t end_ms = weir_clock_ms() + (timeout_ms > 0 ? timeout_ms : 0);

        if (extra_count > WEIR_WEBHOOK_EXTRA_MAX)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%zu descriptors, at most %d", extra_count,
                                 WEIR_WEBHOOK_EXTRA_MAX);
        for (;;) {
                int ended = perform(webhook, reterr), ready;
                int64_t left_ms = ended ? 0 : end_ms - weir_clock_ms();

                if (ended < 0)
                        return ended;
                ready = wait_for(webhook, extra, extra_count, left_ms > 0 ? (int)left_ms : 0,
                                 reterr);
                if (ready < 0)
                        return ready;
                if (ready || left_ms <= 0)
                        return 0;
        }
}

size_t weir_webhook_open_count(const struct weir_webhook *webhook)
{
        return webhook->open_count;
}

void weir_webhook_free(struct weir_webhook *webhook)
{
        struct weir_transfer *next;

        if (!webhook)
                return;
        for (struct weir_transfer *transfer = webhook->open; transfer; transfer = next) {
                next = transfer->next;
                curl_multi_remove_handle(webhook->multi, transfer->easy);
                weir_transfer_free(transfer);
        }
        for (struct weir_transfer *transfer = webhook->spare; transfer; transfer = next) {
                next = transfer->next;
                weir_transfer_free(transfer);
        }
        if (webhook->multi)
                curl_multi_cleanup(webhook->multi);
        free(webhook->user_agent);
        free(webhook);
}

/* SPDX-License-Identifier: MIT */
/*
 * send_hook - rows become webhook requests; answers become outcomes, and new rows
 *
 * One request at a time for each stream keeps order; streams go side by side up to the sink's limit. Consent is asked
 * for before the first event of a sink that wants it, and again a day later, or when an operator has opened the sink. It
 * was given to an origin at a url: for another url or origin it is none. A refusal ends it, and is not an event's fault,
 * so the events wait.
 *
 * At fault      a receiver that dies at one event (it cuts the connection, never answers, sends garbage) gives no status
 *               that could blame it. What does is company: between two of its tries another event of the sink arrived,
 *               so the receiver was there. Without that nothing counts: a receiver that is down uses nothing up.
 */
#include "side/relay_state.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "event/encode.h"

#define CONSENT_US INT64_C(86400000000)

enum { REFUSED_WAIT_MS = 300000, ASK_FIRST_MS = 1000, ASK_MOST_MS = 60000 };

/* An answer that was an event and cannot become one of ours: the delivery counts, so this line is all of it. */
static void tell_dropped(const struct weir_parcel *parcel, const char *reason, const char *text)
{
        char id[80];

        snprintf(id, sizeof id, "%.*s", (int)parcel->row->message_id.size,
                 parcel->row->message_id.ptr);
        weir_log(WEIR_LOG_WARN, "relay.reply_dropped", LOG_S("sink", parcel->outlet->name),
                 LOG_S("id", &id[0]), LOG_I("row", parcel->row->id), LOG_S("reason", reason),
                 LOG_S("text", text));
}

/* The answer's event goes to reply_topic with the key of the event it answers. false: no valid event after all. */
static bool keep_reply(struct weir_relay *relay, const struct weir_parcel *parcel,
                       const struct weir_event *reply)
{
        const struct weir_conf_sink *sink = parcel->outlet->sink;
        struct weir_encode_options options = { .key = parcel->row->key };
        struct weir_outbox_message message = { .kind = WEIR_OUTBOX_TOPIC,
                                               .destination = sink->reply_topic,
                                               .key = parcel->row->key,
                                               .message_id = reply->id,
                                               .worker = parcel->row->worker,
                                               .position = parcel->row->position,
                                               .offset = parcel->row->offset };
        struct weir_refusal refusal = { .klass = WEIR_REFUSED_NOT };
        struct weir_error error = { .code = 0 };
        struct weir_encoded encoded;
        struct weir_arena arena;
        int r;

        weir_arena_init(&arena, 16384);
        r = weir_encode_kafka_binary(&arena, reply, &options, &encoded, &refusal);
        if (r == 0) {
                message.body = encoded.value;
                message.headers = encoded.headers;
                message.header_count = encoded.header_count;
                r = weir_outbox_add(relay->replies, &message, &error);
        }
        if (r != 0)
                tell_dropped(parcel, r > 0 ? weir_refusal_name(refusal.klass) : "store",
                             r > 0 ? refusal.reason : error.text);
        weir_arena_fini(&arena);
        return r == 0;
}

static void answered(struct weir_relay *relay, struct weir_outlet *outlet,
                     const struct weir_webhook_result *result)
{
        int outcome = result->action == WEIR_WEBHOOK_DELIVERED ? WEIR_PARCEL_DELIVERED
                      : result->action == WEIR_WEBHOOK_RETIRED ? WEIR_PARCEL_RETIRED
                                                               : WEIR_PARCEL_FAILED;

        outlet->asking = false;
        outlet->ask.host_at_fault = true;
        outlet->ask.not_before_ms = result->action == WEIR_WEBHOOK_REFUSED ? REFUSED_WAIT_MS
                                                                           : result->not_before_ms;
        if (outcome == WEIR_PARCEL_DELIVERED) {
                outlet->allowed_until_us = relay->now_us + CONSENT_US;
                outlet->allowed_rate = outlet->asked_rate;
                outlet->answered = outlet->news = relay->news = true;
                weir_log(WEIR_LOG_INFO, "relay.consent", LOG_S("sink", outlet->name),
                         LOG_I("rate_per_minute", outlet->allowed_rate));
        } else if (result->action != WEIR_WEBHOOK_RETRY) { /* what was granted before is over */
                outlet->allowed_until_us = 0;
                outlet->answered = outlet->news = relay->news = true;
        } else if (outlet->ask.not_before_ms < 0) {
                /* nothing can be sent: a single failure waits */
                outlet->ask.not_before_ms = weir_backoff_ms(ASK_FIRST_MS, ASK_MOST_MS,
                                                            outlet->breaker.failures + 1);
        }
        weir_parcel_end(relay, &outlet->ask, outcome, "consent", result->text);
}

static void done(void *context, void *tag, const struct weir_webhook_result *result)
{
        struct weir_relay *relay = context;
        struct weir_parcel *parcel = tag;
        char reason[40] = "no-answer";
        int outcome;

        relay->now_us = weir_clock_us();
        if (!parcel->queue) {
                answered(relay, parcel->outlet, result);
                return;
        }
        parcel->queue->flying = NULL;
        parcel->host_at_fault = result->host_at_fault;
        parcel->not_before_ms = result->not_before_ms;
        parcel->answered = weir_webhook_blames_event(result->status) ||
                           (parcel->queue->failed_us &&
                            parcel->outlet->delivered_us > parcel->queue->failed_us);
        if (result->status)
                snprintf(reason, sizeof reason, "http-%d", result->status);
        if (result->reply_dropped[0])
                tell_dropped(parcel, result->reply_dropped, result->text);
        switch (result->action) {
        case WEIR_WEBHOOK_DELIVERED:
                outcome = result->reply && parcel->outlet->sink->reply_topic &&
                                          keep_reply(relay, parcel, result->reply)
                                  ? WEIR_PARCEL_REPLIED
                                  : WEIR_PARCEL_DELIVERED;
                break;
        case WEIR_WEBHOOK_REFUSED: outcome = WEIR_PARCEL_REFUSED; break;
        case WEIR_WEBHOOK_RETIRED: outcome = WEIR_PARCEL_RETIRED; break;
        case WEIR_WEBHOOK_RETRY:
        default: outcome = WEIR_PARCEL_FAILED;
        }
        weir_parcel_end(relay, parcel, outcome, reason, result->text);
}

int weir_send_hook_open(struct weir_relay *relay, struct weir_error *reterr)
{
        return weir_webhook_new("weir/" WEIR_VERSION, done, relay, &relay->webhook, reterr);
}

int weir_send_hook(struct weir_relay *relay, struct weir_parcel *parcel, struct weir_error *reterr)
{
        struct weir_webhook_request request = { .sink = parcel->outlet->sink,
                                                .message_id = parcel->row->message_id,
                                                .headers = parcel->row->headers,
                                                .header_count = parcel->row->header_count,
                                                .body = parcel->row->body,
                                                .tag = parcel };
        struct weir_error error = { .code = 0 };

        parcel->queue->flying = parcel;
        if (weir_webhook_send(relay->webhook, &request, &error) == 0)
                return 0;
        parcel->queue->flying = NULL;
        if (error.code == WEIR_ENOMEM) {
                weir_parcel_end(relay, parcel, WEIR_PARCEL_GIVEN_UP, "", "");
                *reterr = error;
                return error.code;
        }
        if (error.code == WEIR_EUSAGE) { /* what cannot even be said to libcurl cannot be later */
                weir_parcel_end(relay, parcel, WEIR_PARCEL_REFUSED, "request", error.text);
                return 0;
        }
        parcel->host_at_fault = true; /* the sink, or the library: no event has done anything */
        parcel->not_before_ms = REFUSED_WAIT_MS;
        weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, "sink", error.text);
        return 0;
}

bool weir_send_hook_allowed(struct weir_relay *relay, struct weir_outlet *outlet)
{
        struct weir_error error = { .code = 0 };

        if (!outlet->sink->origin || outlet->allowed_until_us > relay->now_us)
                return true;
        if (outlet->asking)
                return false;
        weir_parcel_begin(relay, &outlet->ask);
        outlet->asking = true;
        if (weir_webhook_ask(relay->webhook, outlet->sink, &outlet->asked_rate, &outlet->ask,
                             &error) < 0) {
                outlet->asking = false;
                outlet->ask.host_at_fault = true;
                outlet->ask.not_before_ms = REFUSED_WAIT_MS;
                weir_parcel_end(relay, &outlet->ask, WEIR_PARCEL_FAILED, "consent", error.text);
        }
        return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * settle - what became of each row, first in memory, then in the table
 *
 * A sender's callback may not wait for PostgreSQL, so outcomes are collected, and settled in sets: one DELETE for
 * thousands of delivered rows. A relay that dies in between has delivered rows that are still there: they go again,
 * with the same id (O3). Outcomes outlive a lost connection: a confirmed row may be removed whoever has the lease by
 * then, since nobody can have changed it (O1).
 *
 * An answer that is an event becomes a row in the transaction that removes the delivered one: never one without the
 * other. When that transaction fails, the row stays, is delivered again, and answered again. Where a row is not there any
 * more, another relay that had the lease meanwhile has removed it, with an answer of its own: ours would be a second
 * one, and drawn by a transaction that has written nothing before (horizon.c).
 */
#include "side/relay_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/decode.h"
#include "store/reason.h"

enum {
        SET = 2000,
        ROW_FIRST_MS = 200,
        ROW_MOST_MS = 60000,
        HOST_FIRST_MS = 250,
        HOST_MOST_MS = 60000,
        SAID_FIRST = 4, /* tries of an event, and at every doubling */
        SAID_EVERY = 20 /* failures of a destination between two lines in the log */
};

static int64_t host_backoff_ms(uint32_t failures)
{
        return weir_backoff_ms(HOST_FIRST_MS, HOST_MOST_MS, failures);
}

void weir_parcel_begin(struct weir_relay *relay, struct weir_parcel *parcel)
{
        parcel->begun_us = relay->now_us;
        parcel->not_before_ms = -1;
        parcel->host_at_fault = parcel->answered = parcel->counted = false;
        parcel->outlet->in_flight++;
        relay->in_flight++;
        if (parcel->queue) {
                parcel->queue->in_flight++;
                parcel->queue->open++;
        }
}

/* ---- what it says about the destination ----------------------------------------------------- */

static void say(const struct weir_outlet *outlet, const char *event, int level, const char *text)
{
        weir_log(level, event, LOG_S(outlet->kind == 't' ? "topic" : "sink", outlet->name),
                 LOG_I("failures", outlet->breaker.failures), LOG_S("text", text));
}

static void judge_outlet(struct weir_relay *relay, struct weir_outlet *outlet, int outcome,
                         const struct weir_parcel *parcel, const char *text)
{
        struct weir_breaker *breaker = &outlet->breaker;
        bool news = false;

        switch (outcome) {
        case WEIR_PARCEL_DELIVERED:
        case WEIR_PARCEL_REPLIED:
                news = weir_breaker_delivered(breaker, parcel->begun_us);
                if (news)
                        say(outlet, "relay.open", WEIR_LOG_INFO, "delivered again");
                break;
        case WEIR_PARCEL_RETIRED:
                news = weir_breaker_retired(breaker);
                if (news)
                        say(outlet, "relay.retired", WEIR_LOG_ERROR,
                            "the receiver wants nothing any more; its events become dead letters "
                            "until it is opened by `weir relay open`");
                break;
        case WEIR_PARCEL_FAILED:
                if (!parcel->host_at_fault) {
                        weir_breaker_ended(breaker);
                        break;
                }
                news = weir_breaker_failed(breaker, parcel->begun_us, weir_clock_us(),
                                           parcel->not_before_ms, host_backoff_ms);
                if (news && breaker->failures % SAID_EVERY <= 3)
                        say(outlet, "relay.waits", WEIR_LOG_WARN, text);
                break;
        default: weir_breaker_ended(breaker);
        }
        if (!news)
                return;
        outlet->news = true;
        snprintf(outlet->news_text, sizeof outlet->news_text, "%s", text);
        relay->news = true;
}

/* What is still in the table is read again; what is behind it must not overtake. */
static void send_again(struct weir_parcel *parcel)
{
        weir_queue_drop(parcel->queue);
        weir_queue_rewind(parcel->queue, parcel->row->id);
}

void weir_parcel_end(struct weir_relay *relay, struct weir_parcel *parcel, int outcome,
                     const char *reason, const char *text)
{
        parcel->outlet->in_flight--;
        relay->in_flight--;
        judge_outlet(relay, parcel->outlet, outcome, parcel, text);
        if (!parcel->queue)
                return; /* a question, part of its outlet */
        parcel->queue->in_flight--;
        if (outcome == WEIR_PARCEL_DELIVERED || outcome == WEIR_PARCEL_REPLIED)
                parcel->outlet->delivered_us = weir_clock_us();
        else if (outcome == WEIR_PARCEL_FAILED)
                parcel->queue->failed_us = weir_clock_us();
        parcel->outcome = outcome;
        snprintf(parcel->reason, sizeof parcel->reason, "%s", reason);
        snprintf(parcel->text, sizeof parcel->text, "%s", text);
        parcel->next = NULL;
        *relay->settled_end = parcel;
        relay->settled_end = &parcel->next;
        relay->settled_count++;
        if (!relay->settled_us)
                relay->settled_us = weir_clock_us();
        if (outcome == WEIR_PARCEL_FAILED || outcome == WEIR_PARCEL_GIVEN_UP)
                send_again(parcel);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void mark_done(struct weir_parcel **list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                list[i]->outcome = WEIR_PARCEL_GIVEN_UP; /* nothing more to do for it */
}

static struct weir_outbox_name name_of(const struct weir_parcel *parcel)
{
        struct weir_outbox_name name = { .stream = weir_queue_stream(parcel->queue),
                                         .id = parcel->row->id };

        memcpy(name.place, parcel->row->place, sizeof name.place);
        return name;
}

/* Delivered rows, in sets. 1: some were not there any more. */
static int remove_all(struct weir_relay *relay, int outcome, struct weir_error *reterr)
{
        struct weir_outbox_name names[SET];
        struct weir_parcel *list[SET];
        struct weir_parcel *parcel = relay->settled;
        bool missing = false;
        int r = 0;

        while (r >= 0 && parcel) {
                size_t count = 0;

                for (; parcel && count < SET; parcel = parcel->next)
                        if (parcel->outcome == outcome) {
                                list[count] = parcel;
                                names[count++] = name_of(parcel);
                        }
                if (count)
                        r = weir_outbox_remove(relay->pg, names, count, reterr);
                missing = missing || r > 0;
                if (r >= 0)
                        relay->tidy.removed += count;
                if (r >= 0 && outcome == WEIR_PARCEL_DELIVERED)
                        mark_done(list, count);
        }
        return r < 0 ? r : missing;
}

static int settle_replies(struct weir_relay *relay, struct weir_error *reterr)
{
        bool any = false, missing;
        int r;

        for (const struct weir_parcel *p = relay->settled; p; p = p->next)
                any = any || p->outcome == WEIR_PARCEL_REPLIED;
        if (!any)
                return 0;
        r = weir_pg_begin(relay->pg, reterr);
        if (r == 0)
                r = remove_all(relay, WEIR_PARCEL_REPLIED, reterr); /* first: horizon.c says why */
        missing = r > 0;
        if (missing) /* whose answer is which, nobody knows here: what is there goes again */
                weir_pg_rollback(relay->pg);
        if (r == 0)
                r = weir_outbox_send(relay->replies, relay->pg, reterr);
        if (r == 0)
                r = weir_pg_commit(relay->pg, reterr);
        weir_outbox_reset(relay->replies);
        for (struct weir_parcel *p = relay->settled; p; p = p->next) {
                if (p->outcome != WEIR_PARCEL_REPLIED)
                        continue;
                if (missing)
                        send_again(p);
                p->outcome = WEIR_PARCEL_GIVEN_UP; /* removed, or it goes again */
        }
        return r < 0 ? r : 0;
}

static int note_names(void *context, const struct weir_event *event)
{
        *(struct weir_event *)context = *event;
        return 0;
}

/* Source and id of the event in a row, for the dead letter's reader. */
static void name_event(struct weir_arena *arena, const struct weir_parcel *parcel,
                       struct weir_outbox_refused *ret)
{
        struct weir_decoder decoder = { .arena = arena };
        struct weir_message message = { .key = parcel->row->key,
                                        .value = parcel->row->body,
                                        .headers = parcel->row->headers,
                                        .header_count = parcel->row->header_count };
        struct weir_event event = { .size = 0 };
        struct weir_refusal refusal;
        int mode, r;

        r = parcel->outlet->topic
                    ? weir_decode_kafka(&decoder, &message, note_names, &event, &mode, &refusal)
                    : weir_decode_http(&decoder, &message, note_names, &event, &mode, &refusal);
        ret->name = name_of(parcel);
        ret->source = ret->event_id = (struct weir_view){ NULL, 0 };
        if (r != 0 || !event.id.ptr)
                return;
        ret->source = event.source;
        ret->event_id = event.id;
}

/* @first and the ones behind it that were refused with the same words. */
static int bury(struct weir_relay *relay, struct weir_parcel *first, struct weir_error *reterr)
{
        enum { MANY = 500 };
        struct weir_outbox_refused refused[MANY];
        struct weir_parcel *list[MANY];
        struct weir_arena arena;
        size_t count = 0;
        int r;

        weir_arena_init(&arena, 16384);
        for (struct weir_parcel *p = first; p && count < MANY; p = p->next) {
                if (p->outcome != first->outcome || p->counted != first->counted ||
                    strcmp(p->reason, first->reason) != 0 || strcmp(p->text, first->text) != 0)
                        continue;
                name_event(&arena, p, &refused[count]);
                list[count++] = p;
        }
        r = weir_outbox_bury(relay->pg, refused, count, first->reason, first->text,
                             !first->counted && strcmp(first->reason, "retired") != 0, reterr);
        if (r == 0)
                weir_log(WEIR_LOG_WARN, "relay.dead",
                         LOG_S(first->outlet->kind == 't' ? "topic" : "sink", first->outlet->name),
                         LOG_I("events", count), LOG_I("id", first->row->id),
                         LOG_S("reason", first->reason), LOG_S("text", first->text),
                         LOG_S("next", weir_reason_next("deliver", first->reason)));
        if (r == 0)
                relay->tidy.removed += count;
        if (r == 0)
                mark_done(list, count);
        weir_arena_fini(&arena);
        return r;
}

/* The receiver answers, and fails at this event, for longer than the sink allows. */
static int give_up(struct weir_relay *relay, struct weir_parcel *parcel, int64_t refused_us,
                   struct weir_error *reterr)
{
        char reason[sizeof parcel->reason], text[sizeof parcel->text];

        snprintf(reason, sizeof reason, "gave-up-%.30s", parcel->reason);
        snprintf(text, sizeof text, "given up after %lld s: %.200s",
                 (long long)(refused_us / 1000000), parcel->text);
        memcpy(parcel->reason, reason, sizeof reason);
        memcpy(parcel->text, text, sizeof text);
        parcel->counted = true;
        return bury(relay, parcel, reterr);
}

static int postpone(struct weir_relay *relay, struct weir_parcel *parcel, struct weir_error *reterr)
{
        struct weir_queue *queue = parcel->queue;
        const struct weir_conf_sink *sink = parcel->outlet->sink;
        uint32_t attempts = (uint32_t)parcel->row->attempts + 1;
        int64_t wait_ms = weir_backoff_ms(ROW_FIRST_MS, ROW_MOST_MS, attempts);
        struct weir_outbox_name name = name_of(parcel);
        int64_t refused_us;
        int r;

        if (queue->not_before_us > relay->now_us)
                return 0; /* one of the same stream failed before it and leads */
        if (parcel->not_before_ms > wait_ms)
                wait_ms = parcel->not_before_ms;
        r = weir_outbox_postpone(relay->pg, &name, wait_ms * 1000, parcel->text, parcel->answered,
                                 &refused_us, reterr);
        if (r < 0)
                return r;
        if (parcel->answered && sink && sink->give_up_ms && refused_us >= sink->give_up_ms * 1000)
                return give_up(relay, parcel, refused_us, reterr);
        queue->not_before_us = relay->now_us + wait_ms * 1000;
        if (parcel->answered && attempts >= SAID_FIRST && (attempts & (attempts - 1)) == 0)
                weir_log(WEIR_LOG_WARN, "relay.event_waits", LOG_S("sink", parcel->outlet->name),
                         LOG_I("id", parcel->row->id), LOG_I("attempts", attempts),
                         LOG_I("failing_s", refused_us / 1000000), LOG_S("text", parcel->text),
                         LOG_S("action", "retry"));
        return 0;
}

int weir_outlet_tell(struct weir_relay *relay, struct weir_outlet *outlet, const char *text,
                     struct weir_error *reterr)
{
        struct weir_destination destination = {
                .kind = outlet->kind,
                .name = outlet->name,
                .target = outlet->target,
                .state = outlet->breaker.state,
                .failures = outlet->breaker.failures,
                .wait_us = outlet->breaker.not_before_us - weir_clock_us(),
                .probed = outlet->probed,
                .error = outlet->breaker.state == WEIR_DESTINATION_OPEN ? "" : text,
        };

        return weir_destination_write(relay->pg, &destination, reterr);
}

static int tell_news(struct weir_relay *relay, struct weir_error *reterr)
{
        bool overruled = false;
        int r = 0;

        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next) {
                if (!outlet->news)
                        continue;
                r = weir_outlet_tell(relay, outlet, outlet->news_text, reterr);
                overruled = overruled || r > 0;
                r = r > 0 ? 0 : r;
                if (r == 0 && outlet->answered)
                        r = weir_destination_allow(relay->pg, outlet->name, outlet->consent,
                                                   outlet->allowed_until_us
                                                           ? outlet->allowed_until_us -
                                                                     weir_clock_us()
                                                           : INT64_MIN,
                                                   (int32_t)outlet->allowed_rate, reterr);
                if (r == 0)
                        outlet->news = outlet->answered = outlet->probed = false;
        }
        if (r == 0)
                relay->news = false;
        return r == 0 && overruled ? weir_relay_read_states(relay, reterr) : r;
}

/* Forget what needs nothing any more. */
static void sweep(struct weir_relay *relay)
{
        struct weir_parcel **at = &relay->settled;

        while (*at) {
                struct weir_parcel *parcel = *at;

                if (parcel->outcome != WEIR_PARCEL_GIVEN_UP) {
                        at = &parcel->next;
                        continue;
                }
                *at = parcel->next;
                parcel->queue->open--;
                relay->settled_count--;
                weir_parcel_free(parcel);
        }
        relay->settled_end = at;
        if (!relay->settled)
                relay->settled_us = 0;
}

int weir_relay_settle(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = remove_all(relay, WEIR_PARCEL_DELIVERED, reterr);

        if (r >= 0)
                r = settle_replies(relay, reterr);
        for (struct weir_parcel *p = relay->settled; r == 0 && p; p = p->next) {
                if (p->outcome == WEIR_PARCEL_FAILED)
                        r = postpone(relay, p, reterr);
                else if (p->outcome == WEIR_PARCEL_REFUSED || p->outcome == WEIR_PARCEL_RETIRED)
                        r = bury(relay, p, reterr);
                if (r == 0)
                        p->outcome = WEIR_PARCEL_GIVEN_UP;
        }
        if (r == 0 && relay->news)
                r = tell_news(relay, reterr);
        sweep(relay);
        return r;
}

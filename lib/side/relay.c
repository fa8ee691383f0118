/* SPDX-License-Identifier: MIT */
/*
 * relay - one thread carries what was committed to where it belongs
 *
 * A round: hear, settle, look, read, send, wait. PostgreSQL is asked in short statements, each a transaction of its
 * own: nothing is open while a receiver is slow. The wait ends with a NOTIFY, an answer, a delivery report, a timer.
 *
 * Always true   O1..O3 of store/outbox.h, S1 S2 of store/stream.h, Y1 Y2 of relay_state.h.
 * When PostgreSQL goes away, so do the leases: what is under way comes to its end, what is confirmed is remembered and
 * removed after the reconnect, whoever owns the stream by then.
 * Known weak    resolving a host name and connecting to PostgreSQL may take seconds; webhooks that are under way wait
 *               for as long.
 * Not chosen    a thread for each destination: a hundred sinks would be a hundred connections.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "side/relay_state.h"

enum {
        AWAKE_LOOK_US = 10000,
        LOOK_US = 1000000,
        BALANCE_US = 1000000,
        SETTLE_US = 5000,
        SETTLE_COUNT = 2000,
        STOP_MOST_US = 5000000, /* what is under way for longer goes again later */
        ABORT_AFTER_US = 1000000
};

/* ---- a round -------------------------------------------------------------------------------- */

static bool settle_now(const struct weir_relay *relay)
{
        return relay->news || (relay->settled &&
                               (relay->settled_count >= SETTLE_COUNT || relay->in_flight == 0 ||
                                relay->stopping || relay->now_us - relay->settled_us >= SETTLE_US));
}

static int hear(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = weir_outbox_notified(relay->pg, reterr);

        if (r > 0) {
                relay->look_us = 0;
                relay->awake_until_us = relay->now_us + WEIR_OUTBOX_AWAKE_US;
        }
        if (r == 2)
                weir_relay_forget_waits(relay);
        return r < 0 ? r : 0;
}

static int look_and_send(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = 0;

        if (relay->balance_us <= relay->now_us) {
                r = weir_relay_balance(relay, reterr);
                relay->balance_us = relay->now_us + BALANCE_US;
        }
        if (r == 0 && relay->look_us <= relay->now_us) {
                r = weir_relay_look(relay, reterr);
                relay->look_us = relay->now_us +
                                 (relay->now_us < relay->awake_until_us ? AWAKE_LOOK_US : LOOK_US);
        }
        if (r == 0)
                r = weir_relay_fetch(relay, reterr);
        return r < 0 ? r : weir_relay_send(relay, reterr);
}

static int round_with_store(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = hear(relay, reterr);

        if (r == 0 && settle_now(relay))
                r = weir_relay_settle(relay, reterr);
        if (r == 0 && !relay->stopping)
                r = look_and_send(relay, reterr);
        if (r == 0 && settle_now(relay)) /* what was refused at once */
                r = weir_relay_settle(relay, reterr);
        if (r == 0)
                weir_relay_tidy(relay);
        if (r == 0)
                weir_relay_went_well(relay);
        return r;
}

/* ---- the wait ------------------------------------------------------------------------------- */

static void earlier(int64_t *at_us, int64_t other_us)
{
        if (other_us < *at_us)
                *at_us = other_us;
}

static int64_t next_due_us(const struct weir_relay *relay)
{
        int64_t at_us = relay->now_us + LOOK_US;

        if (relay->stopping)
                earlier(&at_us, relay->deadline_us);
        if (!relay->pg) {
                earlier(&at_us, relay->connect_us);
                return at_us;
        }
        if (relay->settled)
                earlier(&at_us, relay->settled_us + SETTLE_US);
        if (relay->stopping)
                return at_us;
        earlier(&at_us, relay->look_us);
        earlier(&at_us, relay->balance_us);
        for (const struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                if (outlet->type == WEIR_OUTLET_UNKNOWN)
                        continue;
                if (outlet->breaker.state == WEIR_DESTINATION_WAITING && !outlet->breaker.probing)
                        earlier(&at_us, outlet->breaker.not_before_us);
                for (const struct weir_queue *queue = outlet->queues; queue; queue = queue->next) {
                        if (queue->leased && queue->has_rows &&
                            queue->not_before_us > relay->now_us)
                                earlier(&at_us, queue->not_before_us);
                        if (queue->head < queue->count &&
                            weir_outlet_token_at_us(outlet) > relay->now_us)
                                earlier(&at_us, weir_outlet_token_at_us(outlet));
                }
        }
        return at_us;
}

static int wait_for_work(struct weir_relay *relay, struct weir_error *reterr)
{
        struct pollfd fds[] = {
                { .fd = relay->wake.fd, .events = POLLIN },
                { .fd = relay->pg ? weir_pg_socket(relay->pg) : -1, .events = POLLIN },
                { .fd = relay->pg ? weir_vacuum_socket(relay->tidy.vacuum) : -1, .events = POLLIN }
        };
        int64_t left_us = next_due_us(relay) - weir_clock_us();
        int timeout_ms = left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
        int r = 0;

        if (weir_webhook_open_count(relay->webhook))
                r = weir_webhook_serve(relay->webhook, fds, WEIR_COUNT_OF(fds), timeout_ms, reterr);
        else
                poll(fds, WEIR_COUNT_OF(fds), timeout_ms);
        weir_latch_clear(&relay->wake);
        weir_send_topic_serve(relay);
        return r < 0 ? r : 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool finished(const struct weir_relay *relay)
{
        if (!relay->stopping)
                return false;
        return (!relay->in_flight && (!relay->settled || !relay->pg)) ||
               weir_clock_us() >= relay->deadline_us;
}

static void drop_held(struct weir_relay *relay)
{
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                        weir_queue_drop(queue);
}

static void end(struct weir_relay *relay)
{
        struct weir_error error = { .code = 0 };
        int r = 0;

        if (relay->pg) {
                r = weir_relay_settle(relay, &error);
                if (r == 0)
                        r = weir_relay_give_back(relay, true, &error);
        }
        weir_log(r < 0 ? WEIR_LOG_WARN : WEIR_LOG_INFO, "relay.stopped",
                 LOG_I("under_way", relay->in_flight), LOG_I("unsettled", relay->settled_count),
                 LOG_S("error", r < 0 ? error.text : NULL));
        weir_vacuum_close(relay->tidy.vacuum);
        weir_pg_close(relay->pg);
        relay->pg = NULL;
        weir_latch_set(&relay->ended);
}

static void *run(void *context)
{
        struct weir_relay *relay = context;

        weir_log(WEIR_LOG_INFO, "relay.started", LOG_S("owner", relay->owner),
                 LOG_I("sinks", relay->conf->sink_count));
        while (!finished(relay)) {
                struct weir_error error = { .code = 0 };
                int r = 0;

                relay->now_us = weir_clock_us();
                if (relay->stopping)
                        drop_held(relay);
                if (!relay->pg && relay->connect_us <= relay->now_us)
                        r = weir_relay_connect(relay, &error);
                if (r == 0 && relay->pg)
                        r = round_with_store(relay, &error);
                if (r < 0)
                        weir_relay_disconnect(relay, &error);
                if (weir_send_topic_renew(relay, &error) < 0)
                        break; /* never: the same settings were good before */
                r = wait_for_work(relay, &error);
                if (r < 0)
                        weir_log(WEIR_LOG_WARN, "relay.webhook", LOG_S("error", error.text));
        }
        end(relay);
        return NULL;
}

int weir_relay_start(const struct weir_conf *conf, const char *owner, struct weir_relay **ret,
                     struct weir_error *reterr)
{
        struct weir_relay *relay = calloc(1, sizeof *relay);
        int r = 0;

        if (!relay)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "relay");
        relay->conf = conf;
        relay->wake.fd = relay->abort.fd = relay->ended.fd = -1;
        relay->settled_end = &relay->settled;
        snprintf(relay->owner, sizeof relay->owner, "%s", owner);
        if (weir_latch_init(&relay->wake) < 0 || weir_latch_init(&relay->abort) < 0 ||
            weir_latch_init(&relay->ended) < 0)
                r = weir_fail(reterr, WEIR_ESYS, 0, "relay: eventfd: %m");
        if (r == 0)
                r = weir_outbox_writer_new(NULL, &relay->replies, reterr);
        if (r == 0)
                r = weir_vacuum_new(&relay->tidy.vacuum, reterr);
        if (r == 0)
                r = weir_send_topic_open(relay, reterr);
        if (r == 0)
                r = weir_send_hook_open(relay, reterr);
        if (r == 0) {
                int number = weir_thread_start(&relay->thread, WEIR_ROLE_RELAY, "relay", run,
                                               relay);

                relay->started = number == 0;
                if (number)
                        r = weir_fail(reterr, WEIR_ESYS, number, "relay: thread: %s",
                                      strerror(number));
        }
        if (r < 0) {
                weir_relay_free(relay);
                return weir_error_prefix(reterr, "relay: ");
        }
        *ret = relay;
        return 0;
}

void weir_relay_stop(struct weir_relay *relay, int64_t deadline_us)
{
        int64_t most_us = weir_clock_us() + STOP_MOST_US;

        relay->deadline_us = deadline_us < most_us ? deadline_us : most_us;
        relay->stopping = true;
        weir_latch_set(&relay->wake);
}

int weir_relay_wait(struct weir_relay *relay, int timeout_ms)
{
        if (weir_latch_wait(&relay->ended, timeout_ms))
                return 0;
        if (relay->stopping && weir_clock_us() > relay->deadline_us + ABORT_AFTER_US)
                weir_latch_set(&relay->abort); /* it hangs in PostgreSQL */
        return 1;
}

void weir_relay_free(struct weir_relay *relay)
{
        if (!relay)
                return;
        if (relay->started) {
                weir_relay_stop(relay, 0);
                weir_latch_set(&relay->abort);
                pthread_join(relay->thread, NULL);
        }
        weir_send_topic_close(relay);
        weir_webhook_free(relay->webhook);
        while (relay->settled) {
                struct weir_parcel *parcel = relay->settled;

                relay->settled = parcel->next;
                weir_parcel_free(parcel);
        }
        weir_outlets_free(relay);
        weir_outbox_writer_free(relay->replies);
        weir_vacuum_free(relay->tidy.vacuum);
        weir_latch_fini(&relay->wake);
        weir_latch_fini(&relay->abort);
        weir_latch_fini(&relay->ended);
        free(relay);
}

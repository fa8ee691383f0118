/* SPDX-License-Identifier: MIT */
/*
 * session - the relay's connection to PostgreSQL, and how long to leave it alone when it ends
 *
 * Two ends are told apart. A connection that is lost comes back with its server: a second at most between two tries.
 * A statement that is refused (a right that is missing, a column that is not there) is refused again until a person
 * has mended it, and each new session does work for nothing: half a minute at most. What was delivered meanwhile
 * is remembered and removed first, so nothing goes twice for it.
 *
 * Always true   RS1 the count of vain sessions begins anew only when one has lasted for WELL_US: one that is refused
 *                  now and then, with rounds between that are good, waits as long as one that is refused each time.
 * Said          once for each end of another kind, then at every doubling of the count.
 */
#include "side/relay_state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
        LOST_FIRST_MS = 50,
        LOST_MOST_MS = 1000,
        REFUSED_FIRST_MS = 250,
        REFUSED_MOST_MS = 30000,
        WELL_US = 10000000
};

static const char *next_of(const char *sqlstate)
{
        static const struct {
                const char *state, *next;
        } nexts[] = {
                { "42501",
                  "grant the right that is named, in schema weir, to the role of store.url" },
                { "42", "weir migrate status: is the schema of this version, and unchanged?" },
                { "3F", "weir migrate status: is the schema of this version, and unchanged?" },
                { "25006", "the server is read-only: point store.url at the primary" },
                { "53100", "the server's disk is full: make room" },
                { "40", "none: weir tries again" },
                { "55P03", "none: weir tries again" },
                { "", "mend what PostgreSQL names; weir goes on by itself" },
        };
        size_t i = 0;

        while (strncmp(sqlstate, nexts[i].state, strlen(nexts[i].state)) != 0)
                i++;
        return nexts[i].next;
}

static void say(struct weir_relay *relay, const struct weir_error *error, int64_t wait_ms)
{
        relay->said = true;
        if (!relay->refused[0]) {
                weir_log(WEIR_LOG_WARN, "relay.store_lost", LOG_S("error", error->text),
                         LOG_I("attempt", relay->attempt), LOG_S("action", "retry"));
                return;
        }
        weir_log(WEIR_LOG_ERROR, "relay.store_refused", LOG_S("error", error->text),
                 LOG_S("sqlstate", relay->refused), LOG_I("attempt", relay->attempt),
                 LOG_I("wait_ms", wait_ms), LOG_S("action", "retry"),
                 LOG_S("next", next_of(relay->refused)));
}

static void forget_leases(struct weir_relay *relay)
{
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                outlet->leased = 0;
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next) {
                        weir_queue_drop(queue);
                        queue->leased = queue->leaving = queue->has_rows = false;
                        queue->asked_us = INT64_MIN / 2;
                }
        }
}

void weir_relay_disconnect(struct weir_relay *relay, const struct weir_error *error)
{
        const char *refused = error->code == WEIR_ESQL ? error->sqlstate : "";
        bool other = !relay->said || strcmp(refused, relay->refused) != 0;
        int64_t wait_ms;

        snprintf(relay->refused, sizeof relay->refused, "%.5s", refused);
        relay->attempt += relay->attempt < UINT32_MAX;
        relay->well_us = 0;
        wait_ms = refused[0] ? weir_backoff_ms(REFUSED_FIRST_MS, REFUSED_MOST_MS, relay->attempt)
                             : weir_backoff_ms(LOST_FIRST_MS, LOST_MOST_MS, relay->attempt);
        if (other || (relay->attempt >= 8 && (relay->attempt & (relay->attempt - 1)) == 0))
                say(relay, error, wait_ms);
        weir_vacuum_close(relay->tidy.vacuum);
        relay->tidy.begun_us = 0;
        weir_pg_close(relay->pg);
        relay->pg = NULL;
        relay->connect_us = weir_clock_us() + 1000 * wait_ms;
        forget_leases(relay);
}

int weir_relay_connect(struct weir_relay *relay, struct weir_error *reterr)
{
        struct weir_pg_conf store = { .url = relay->conf->store_url,
                                      .password = relay->conf->store_password,
                                      .application_name = "weir relay" };
        WEIR_FREE const char **sinks = calloc(relay->conf->sink_count + 1, sizeof(const char *));
        int r;

        if (!sinks)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "relay");
        for (size_t i = 0; i < relay->conf->sink_count; i++)
                sinks[i] = relay->conf->sinks[i].name;
        r = weir_pg_open(&store, &relay->abort, &relay->pg, reterr);
        if (r == 0)
                r = weir_stream_session(relay->pg, sinks, relay->conf->sink_count, &relay->number,
                                        reterr);
        if (r < 0)
                return r;
        relay->look_us = relay->balance_us = relay->walk_us = 0;
        relay->horizon = (struct weir_horizon){ 0 };
        return 0;
}

void weir_relay_went_well(struct weir_relay *relay)
{
        bool first = relay->well_us == 0, well;

        if (relay->attempt == 0)
                return;
        if (first)
                relay->well_us = relay->now_us;
        well = relay->now_us - relay->well_us >= WELL_US;
        if (relay->said && (relay->refused[0] ? well : first)) {
                weir_log(WEIR_LOG_INFO, "relay.store_back", LOG_I("attempts", relay->attempt));
                relay->said = false;
        }
        if (well)
                relay->attempt = 0; /* RS1 */
}

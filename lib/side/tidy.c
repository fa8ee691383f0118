/* SPDX-License-Identifier: MIT */
/*
 * tidy - the outbox is kept small by the one who knows what was removed
 *
 * The table is as large as what has waited in it at one time, and what was removed since the last vacuum. The latter is
 * bounded here: after each TIDY_ROWS of ours a vacuum is begun, beside the work, if the last one left it time for
 * that: a fifth of the time at most, since behind a backlog of millions one takes seconds. Several relays each count
 * their own.
 *
 * When nothing has moved for a moment, one more vacuum gives the end of the file back: a backlog that was worked off
 * must not lie there as empty pages until a next one.
 */
#include "side/relay_state.h"

#include "base/clock.h"
#include "base/log.h"

enum {
        TIDY_ROWS = 20000,
        TIDY_ROWS_IDLE = 1000,
        TIDY_US = 500000, /* from one to the next, at least */
        TIDY_SHARE = 4,
        IDLE_US = 2000000,
        FAILED_US = 60000000
};

static void fail(struct weir_relay *relay, int r, const struct weir_error *error)
{
        struct weir_tidy *tidy = &relay->tidy;

        tidy->next_us = weir_clock_us() + FAILED_US;
        if (r < 0 && !tidy->said)
                weir_log(WEIR_LOG_WARN, "relay.vacuum_failed", LOG_S("error", error->text),
                         LOG_S("action", "retry"));
        if (r > 0 && !tidy->said)
                weir_log(WEIR_LOG_INFO, "relay.vacuum_not_ours",
                         LOG_S("action", "left to autovacuum, which comes once a minute; where the "
                                         "outbox is busy, let the role own weir.outbox"));
        tidy->said = true;
}

static bool is_idle(const struct weir_relay *relay)
{
        return !relay->in_flight && !relay->settled &&
               relay->now_us - relay->awake_until_us > IDLE_US;
}

static bool wants_vacuum(const struct weir_relay *relay)
{
        const struct weir_tidy *tidy = &relay->tidy;

        if (relay->stopping || relay->now_us < tidy->next_us)
                return false;
        if (is_idle(relay))
                return tidy->removed >= TIDY_ROWS_IDLE || tidy->loose;
        return tidy->removed >= TIDY_ROWS;
}

void weir_relay_tidy(struct weir_relay *relay)
{
        struct weir_pg_conf store = { .url = relay->conf->store_url,
                                      .password = relay->conf->store_password,
                                      .application_name = "weir relay vacuum" };
        struct weir_tidy *tidy = &relay->tidy;
        struct weir_error error = { .code = 0 };
        int r = weir_vacuum_poll(tidy->vacuum, &error);

        if (r == 0 && tidy->begun_us) {
                int64_t now_us = weir_clock_us(), took_us = now_us - tidy->begun_us;

                tidy->next_us = now_us +
                                (TIDY_SHARE * took_us > TIDY_US ? TIDY_SHARE * took_us : TIDY_US);
                tidy->begun_us = 0;
                tidy->said = false;
                tidy->loose = !tidy->last;
                if (tidy->last)
                        weir_vacuum_close(tidy->vacuum);
        }
        if (r == 0 && wants_vacuum(relay)) {
                tidy->last = is_idle(relay);
                tidy->removed = 0;
                r = weir_vacuum_begin(tidy->vacuum, &store, &relay->abort, tidy->last, &error);
                tidy->begun_us = r == 0 ? weir_clock_us() : 0;
                if (r > 0)
                        fail(relay, r, &error);
        }
        if (r < 0) {
                tidy->begun_us = 0;
                fail(relay, r, &error);
        }
}

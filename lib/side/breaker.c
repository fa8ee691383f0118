/* SPDX-License-Identifier: MIT */
/*
 * breaker - three failures in a row are a receiver that is down; one is an event that it does not like
 *
 * A receiver may answer 500 to one event for ever. If a single failure closed the destination, that event would hold up
 * all others of it, so its own stream waits and the rest goes on; each success of the rest starts the count anew.
 *
 * The race      eight requests are under way when the receiver goes down; all eight fail within a millisecond. They
 *               are one failure seen eight times: without changed_us the first outage would begin with a wait for
 *               the eighth. And the other way round: seven are answered 200, late, after the eighth brought a
 *               Retry-After; taken for "it is back", they would cancel what the receiver has just asked for. So
 *               while it waits only a request begun since then counts: the probe.
 *               The same over processes: while we probe, another relay is told by an answer to an older request to come
 *               back in a minute. That is younger than our question, so the probe has no say any more.
 */
#include "side/breaker.h"

enum { PATIENCE = 3 };

enum weir_breaker_answer weir_breaker_ask(const struct weir_breaker *breaker, int64_t now_us)
{
        switch (breaker->state) {
        case WEIR_DESTINATION_OPEN: return WEIR_BREAKER_SEND;
        case WEIR_DESTINATION_RETIRED: return WEIR_BREAKER_RETIRED;
        default:
                return breaker->probing || now_us < breaker->not_before_us ? WEIR_BREAKER_WAIT
                                                                           : WEIR_BREAKER_PROBE;
        }
}

void weir_breaker_probe(struct weir_breaker *breaker)
{
        breaker->probing = true;
}

void weir_breaker_yield(struct weir_breaker *breaker, int64_t until_us)
{
        if (breaker->not_before_us < until_us)
                breaker->not_before_us = until_us;
}

/* An answer to a request that left before what we know now. */
static bool is_late(const struct weir_breaker *breaker, int64_t begun_us)
{
        return breaker->state == WEIR_DESTINATION_RETIRED ||
               (breaker->state == WEIR_DESTINATION_WAITING && begun_us < breaker->changed_us);
}

bool weir_breaker_delivered(struct weir_breaker *breaker, int64_t begun_us)
{
        bool changed = breaker->state == WEIR_DESTINATION_WAITING;

        if (is_late(breaker, begun_us))
                return false;
        breaker->probing = false;
        breaker->state = WEIR_DESTINATION_OPEN;
        breaker->failures = 0;
        return changed;
}

bool weir_breaker_failed(struct weir_breaker *breaker, int64_t begun_us, int64_t now_us,
                         int64_t wait_ms, int64_t (*backoff_ms)(uint32_t failures))
{
        bool probe = breaker->probing;
        int64_t until_us;

        if (is_late(breaker, begun_us)) {
                until_us = now_us + 1000 * wait_ms;
                if (breaker->state == WEIR_DESTINATION_RETIRED || wait_ms < 0 ||
                    until_us <= breaker->not_before_us)
                        return false;
                breaker->not_before_us =
                        until_us; /* no second failure, but more time is asked for */
                breaker->changed_us = now_us;
                breaker->probing = false;
                return true;
        }
        breaker->probing = false;
        breaker->failures++;
        if (breaker->state == WEIR_DESTINATION_OPEN && breaker->failures < PATIENCE && wait_ms < 0)
                return false;
        until_us = now_us + 1000 * (wait_ms >= 0 ? wait_ms : backoff_ms(breaker->failures));
        breaker->state = WEIR_DESTINATION_WAITING;
        if (probe || breaker->not_before_us < until_us)
                breaker->not_before_us = until_us;
        breaker->changed_us = now_us;
        return true;
}

bool weir_breaker_retired(struct weir_breaker *breaker)
{
        bool changed = breaker->state != WEIR_DESTINATION_RETIRED;

        breaker->state = WEIR_DESTINATION_RETIRED;
        breaker->probing = false;
        return changed;
}

void weir_breaker_ended(struct weir_breaker *breaker)
{
        breaker->probing = false;
}

void weir_breaker_learn(struct weir_breaker *breaker, int state, uint32_t failures,
                        int64_t not_before_us, int64_t held_us, int64_t now_us)
{
        bool probing = breaker->probing && state == WEIR_DESTINATION_WAITING;

        if (probing && not_before_us <= now_us)
                return; /* nothing new: the hold is ours */
        if (state == WEIR_DESTINATION_OPEN && breaker->state == WEIR_DESTINATION_OPEN)
                return; /* our count goes on */
        if (breaker->state != state || probing)
                breaker->changed_us = now_us;
        breaker->probing = false;
        breaker->state = state;
        breaker->failures = failures;
        breaker->not_before_us = not_before_us > held_us ? not_before_us : held_us;
}

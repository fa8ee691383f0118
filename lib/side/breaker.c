/* SPDX-License-Identifier: MIT */
/*
 * breaker - three failures in a row are a receiver that is down; one is an event that it does not like
 *
 * A receiver may answer 500 to one event for ever. If a single failure closed the destination, that event would hold up
 * all others of it, so its own stream waits and the rest goes on; each success of the rest starts the count anew.
 *
 * The race      eight requests are under way when the receiver goes down; all eight fail within a millisecond. They
 *               are one failure seen eight times: without changed_us the first outage would begin with a wait for
 *               the eighth.
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

bool weir_breaker_delivered(struct weir_breaker *breaker)
{
        bool changed = breaker->state == WEIR_DESTINATION_WAITING;

        breaker->probing = false;
        if (breaker->state == WEIR_DESTINATION_RETIRED)
                return false; /* a late answer to an early request */
        breaker->state = WEIR_DESTINATION_OPEN;
        breaker->failures = 0;
        return changed;
}

bool weir_breaker_failed(struct weir_breaker *breaker, int64_t begun_us, int64_t now_us,
                         int64_t wait_ms, int64_t (*backoff_ms)(uint32_t failures))
{
        bool probe = breaker->probing;
        int64_t until_us;

        if (breaker->state == WEIR_DESTINATION_RETIRED ||
            (breaker->state == WEIR_DESTINATION_WAITING && begun_us < breaker->changed_us))
                return false;
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
                        int64_t not_before_us)
{
        if (breaker->probing && state == WEIR_DESTINATION_WAITING)
                return; /* our own words */
        if (state == WEIR_DESTINATION_OPEN && breaker->state == WEIR_DESTINATION_OPEN)
                return; /* our count goes on */
        breaker->state = state;
        breaker->failures = failures;
        breaker->not_before_us = not_before_us;
}

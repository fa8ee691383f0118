/* SPDX-License-Identifier: MIT */
/*
 * rate - so many a second to one destination, whoever sends
 *
 * A receiver that grants 100 a minute grants them to us, not to each of our processes. So moments are handed out by one
 * row of the table: it says until when they are taken, and a relay takes the next few, as many as it has rows for and
 * at most a quarter of a second's worth. That is a statement four times a second and relay, or one for each event where
 * they are further apart than that; none per event at a rate that matters.
 *
 * Always true   RA1 a moment belongs to one relay; over any time no more leave than moments have passed.
 *               RA2 what could not leave in time leaves at most a tenth of a second's worth at once.
 * Lost          the moments of a relay that dies or stops: a quarter of a second at most.
 * Not chosen    the rate divided by the number of relays: a share whose owner has no rows is wasted, and the number is
 *               wrong whenever one starts or dies.
 */
#include "side/relay_state.h"

enum { TAKEN_PER_S = 4, BURSTS_PER_S = 10 };

/* The smaller of what the configuration allows and what the receiver granted, per second; 0 = any. */
static double rate_of(const struct weir_outlet *outlet)
{
        double own = outlet->sink ? outlet->sink->rate_per_s : 0;
        double granted = outlet->allowed_rate / 60.0;

        return own > 0 && (granted <= 0 || own < granted) ? own : granted;
}

static int64_t us_for(uint32_t count, double rate)
{
        return (int64_t)(count * 1e6 / rate) + 1;
}

static uint32_t held_up_to(const struct weir_outlet *outlet, uint32_t most)
{
        size_t count = 0;

        for (const struct weir_queue *queue = outlet->queues; queue && count < most;
             queue = queue->next)
                count += queue->count - queue->head;
        return count < most ? (uint32_t)count : most;
}

int weir_outlet_reserve(struct weir_relay *relay, struct weir_outlet *outlet,
                        struct weir_error *reterr)
{
        double rate = rate_of(outlet), most = rate / TAKEN_PER_S;
        uint32_t count;
        int64_t wait_us;
        int r;

        if (rate <= 0 || outlet->moments)
                return 0;
        count = held_up_to(outlet, most < 1 ? 1 : most > UINT32_MAX ? UINT32_MAX : (uint32_t)most);
        if (count == 0)
                return 0;
        r = weir_destination_reserve(relay->pg, outlet->kind, outlet->name, us_for(count, rate),
                                     &wait_us, reterr);
        if (r < 0)
                return r;
        outlet->moments = count;
        outlet->moment_us = relay->now_us + wait_us;
        return 0;
}

bool weir_outlet_token(struct weir_outlet *outlet, int64_t now_us)
{
        double rate = rate_of(outlet);
        int64_t oldest_us = now_us - 1000000 / BURSTS_PER_S;

        if (rate <= 0)
                return true;
        if (!outlet->moments || outlet->moment_us > now_us)
                return false;
        if (outlet->moment_us < oldest_us)
                outlet->moment_us = oldest_us;
        outlet->moment_us += us_for(1, rate);
        outlet->moments--;
        return true;
}

int64_t weir_outlet_token_at_us(const struct weir_outlet *outlet)
{
        return rate_of(outlet) > 0 && outlet->moments ? outlet->moment_us : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * pace - a debt in time, paid by waiting
 *
 * A batch is let through as soon as what went before is paid for, and its own records are added to the debt. So a batch of
 * any size passes, and lanes make none that is larger than weir_pace_most(): over a second the rate holds. What was not
 * used while nothing came is not saved up: a replay that was held must not make up for it with a burst.
 */
#include "flow/pace.h"

#include "base/clock.h"

#define LOOK_MS 100

void weir_pace_init(struct weir_pace *pace, uint32_t rate_per_s)
{
        *pace = (struct weir_pace){ .rate_per_s = rate_per_s };
        pthread_mutex_init(&pace->mutex, NULL);
}

void weir_pace_fini(struct weir_pace *pace)
{
        pthread_mutex_destroy(&pace->mutex);
}

void weir_pace_set_held(struct weir_pace *pace, bool held)
{
        pthread_mutex_lock(&pace->mutex);
        pace->held = held;
        pthread_mutex_unlock(&pace->mutex);
}

uint32_t weir_pace_most(const struct weir_pace *pace)
{
        return pace && pace->rate_per_s ? pace->rate_per_s : UINT32_MAX;
}

/* 0: go, and pay later; else look again so many milliseconds from now. */
static int64_t try_pass(struct weir_pace *pace, uint32_t count)
{
        int64_t now_us = weir_clock_us(), wait_ms = 0;

        pthread_mutex_lock(&pace->mutex);
        if (pace->held)
                wait_ms = LOOK_MS;
        else if (pace->rate_per_s && pace->due_us > now_us)
                wait_ms = (pace->due_us - now_us + 999) / 1000;
        if (!wait_ms && pace->rate_per_s)
                pace->due_us = (pace->due_us > now_us ? pace->due_us : now_us) +
                               (int64_t)count * 1000000 / pace->rate_per_s;
        pthread_mutex_unlock(&pace->mutex);
        return wait_ms < LOOK_MS ? wait_ms : LOOK_MS;
}

bool weir_pace_wait(struct weir_pace *pace, uint32_t count, struct weir_latch *waker)
{
        int64_t wait_ms;

        while ((wait_ms = try_pass(pace, count)) > 0)
                if (weir_latch_wait(waker, wait_ms))
                        return false;
        return true;
}

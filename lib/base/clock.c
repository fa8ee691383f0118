/* SPDX-License-Identifier: MIT */
/* clock - the two clocks and the one formula for waiting */
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
        struct timespec now;

        clock_gettime(id, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t weir_clock_us(void)
{
        return read_us(CLOCK_MONOTONIC);
}

int64_t weir_clock_wall_us(void)
{
        return read_us(CLOCK_REALTIME);
}

int64_t weir_backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t attempt)
{
        int64_t delay = first_ms > 0 ? first_ms : 1;

        while (attempt > 1 && delay < max_ms) {
                delay *= 2;
                attempt--;
        }
        if (delay > max_ms)
                delay = max_ms;
        /* Any cheap spread will do: this is not a secret. */
        return delay - (delay / 4 > 0 ? weir_clock_us() % (delay / 4) : 0);
}

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H
/* clock - monotonic time for waiting, wall time for records; never mixed */
#include <stdint.h>

int64_t weir_clock_us(void);      /* monotonic, microseconds; deadlines and durations */
int64_t weir_clock_wall_us(void); /* since 1970-01-01T00:00:00Z; only to be written down */
static inline int64_t weir_clock_ms(void)
{
        return weir_clock_us() / 1000;
}

/* Delay before try number @attempt (1 = the first repeat): first_ms doubled each time up to
 * max_ms, then shortened by up to a quarter at random, so that a crowd does not return at once. */
int64_t weir_backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t attempt);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_WAIT_FIXTURE_H
#define WEIR_TEST_WAIT_FIXTURE_H
/*
 * wait_fixture - what comes soon is asked for again and again, until a deadline
 *
 * The deadline lies below Check's own, so that a test which waits in vain says for what.
 */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

#ifndef WAIT_S /* tests/torture has no patience with what it has broken itself */
#define WAIT_S 20
#endif

static inline int64_t wait_deadline_us(void)
{
        return weir_clock_us() + WAIT_S * INT64_C(1000000);
}

/* Leave the others a millisecond; false = the deadline is past. */
static inline bool wait_more(int64_t deadline_us)
{
        const struct timespec pause = { 0, 1000000 };

        if (weir_clock_us() >= deadline_us)
                return false;
        nanosleep(&pause, NULL);
        return true;
}

#define WAIT_UNTIL(condition)                                                                      \
        do {                                                                                       \
                int64_t wait_deadline_ = wait_deadline_us();                                       \
                while (!(condition))                                                               \
                        ck_assert_msg(wait_more(wait_deadline_), "not within 20 s: %s",            \
                                      #condition);                                                 \
        } while (0)

#endif

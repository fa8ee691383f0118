/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_FAILPOINT_H
#define WEIR_BASE_FAILPOINT_H
/*
 * failpoint - places where a test ends or stops the process
 *
 * WEIR_FAILPOINT="name:action[:n]" in the environment: at the n-th passing (1) of the place @name, by any
 * thread, the process sends itself SIGKILL (kill), SIGSTOP (stop) or SIGABRT (abort). A stopped one says
 * failpoint.reached first, so that a test knows. Always compiled in, so that what is tested is what is
 * shipped; without the variable a place costs the reading of one flag. Any thread.
 */
#include <stdbool.h>

extern bool weir_failpoint_armed;

/* Read the environment: main thread, before others start. False: it is there and not understood. */
bool weir_failpoint_setup(void);
void weir_failpoint_reached(const char *name);

#define WEIR_FAILPOINT(name)                                                                       \
        do {                                                                                       \
                if (__builtin_expect(weir_failpoint_armed, false))                                 \
                        weir_failpoint_reached(name);                                              \
        } while (0)

#endif

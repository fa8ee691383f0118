/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_FAILPOINT_H
#define WEIR_BASE_FAILPOINT_H
/*
 * failpoint - places where a test ends or stops the process
 *
 * WEIR_FAILPOINT="name:action[:n]" in the environment: at the n-th passing (1) of the place @name, by any
 * thread, the process sends itself SIGKILL (kill), SIGSTOP (stop) or SIGABRT (abort). A stopped one says
 * failpoint.reached first, so that a test knows. Only in what is compiled with WEIR_FAILPOINTS, the test build (weir-test): in
 * what is shipped a place is no instruction at all, and the variable stops the start. Any thread.
 */
#include <stdbool.h>

/* Read the environment: main thread, before others start. NULL, or what is wrong with it, static text. */
const char *weir_failpoint_setup(void);

/* The places of this build, in the order of their names: the @index-th, NULL behind the last. The release build has none. */
const char *weir_failpoint_name(int index);

#ifdef WEIR_FAILPOINTS

extern bool weir_failpoint_armed;
void weir_failpoint_reached(const char *name);

/* The linker gathers the names, so no list of them can be out of date. */
#define WEIR_FAILPOINT(name)                                                                       \
        do {                                                                                       \
                static const char *const weir_failpoint_place                                      \
                        __attribute__((section("weir_failpoints"), used)) = (name);                \
                if (__builtin_expect(weir_failpoint_armed, false))                                 \
                        weir_failpoint_reached(weir_failpoint_place);                              \
        } while (0)

#else

#define WEIR_FAILPOINT(name)                                                                       \
        do {                                                                                       \
        } while (0)

#endif
#endif

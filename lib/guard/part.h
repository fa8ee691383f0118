/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_PART_H
#define WEIR_GUARD_PART_H
/*
 * part - one thing that a worker process gave up, and whether it is so
 *
 * No pointers: a report of parts goes through a pipe as it is.
 */
#include <stdarg.h>
#include <stdio.h>

enum weir_guard_state {
        WEIR_GUARD_OFF = 0, /* by configuration */
        WEIR_GUARD_ACTIVE,  /* and proved: what must be refused was tried, and refused */
        WEIR_GUARD_ABSENT,  /* this kernel, or what surrounds it, does not have it */
        WEIR_GUARD_FAILED   /* must not run like this; text says what to do */
};

struct weir_guard_part {
        int state; /* enum weir_guard_state */
        char text[220];
};

static inline const char *weir_guard_state_name(int state)
{
        return state == WEIR_GUARD_OFF      ? "off"
               : state == WEIR_GUARD_ACTIVE ? "active"
               : state == WEIR_GUARD_ABSENT ? "not in this kernel"
                                            : "failed";
}

__attribute__((format(printf, 3, 4))) static inline void weir_guard_say(
        struct weir_guard_part *part, enum weir_guard_state state, const char *format, ...)
{
        va_list args;

        part->state = state;
        va_start(args, format);
        vsnprintf(part->text, sizeof part->text, format, args);
        va_end(args);
}

#endif

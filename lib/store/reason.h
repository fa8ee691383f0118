/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_REASON_H
#define WEIR_STORE_REASON_H
/* reason - what to do about a dead letter of a class and reason: one line for the log, for people, for programs */

enum { WEIR_REASON_NEXT_BYTES = 160 }; /* none is longer, the NUL included */

/* weir.dead_letter.class and .reason; never NULL, static storage. Any thread. */
const char *weir_reason_next(const char *klass, const char *reason);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_REFUSAL_H
#define WEIR_EVENT_REFUSAL_H
/* refusal - class, reason and position of what cannot be an event; foreign bytes escaped */
#include "event/decode.h"

/* Fill @refusal (may be NULL) and return 1: `return weir_refusal_fill(r, WEIR_REFUSED_BAD_JSON, at, "...")`. */
__attribute__((format(printf, 4, 5))) int weir_refusal_fill(struct weir_refusal *refusal, int klass,
                                                            size_t at, const char *format, ...);
/* Put "element 3: bad-uri: " in front of the reason; the class becomes @klass. */
__attribute__((format(printf, 3, 4))) void weir_refusal_wrap(struct weir_refusal *refusal,
                                                             int klass, const char *format, ...);

/* Foreign bytes as they may stand in a reason: quoted, printable ASCII, cut with "..." */
struct weir_quote {
        char text[72];
};
const char *weir_quote(struct weir_quote *room, const char *bytes, size_t size);

/* @limits with every zero replaced by its default. @limits may be NULL. */
void weir_limits_fill(const struct weir_limits *limits, struct weir_limits *ret);

#endif

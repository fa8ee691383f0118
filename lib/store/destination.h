/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DESTINATION_H
#define WEIR_STORE_DESTINATION_H
/*
 * destination - how a topic or sink stands, for all relays: open, waiting until, retired
 *
 * A row is there only for a destination that had something to say, or has a rate; none means open.
 */
#include "store/outbox.h"

enum weir_destination_state {
        WEIR_DESTINATION_OPEN,
        WEIR_DESTINATION_WAITING, /* until not_before, then one request probes */
        WEIR_DESTINATION_RETIRED  /* 410: until an operator opens it */
};

struct weir_destination {
        int kind;
        const char *name;
        const char *target; /* hash of the address that the state belongs to; "" = whatever it is */
        int state;
        uint32_t failures; /* in a row */
        int64_t wait_us;   /* waiting: from now, may be past */
        int64_t probe_us;  /* reading: somebody probes for so long at most; <= 0 = nobody */
        bool probed;       /* writing: by whoever won weir_destination_probe(), of its outcome */
        const char *allowed_for; /* reading: hash of what consent was given to; "" = none was */
        int64_t allowed_us;      /* it lasts so long from now; INT64_MIN = there is none */
        int32_t allowed_rate;    /* a minute; 0 = no limit */
        const char *error;       /* reading: of the last failure, "" = none */
};
typedef void weir_destination_fn(void *context, const struct weir_destination *destination);

int weir_destination_read(struct weir_pg *pg, weir_destination_fn *take, void *context,
                          struct weir_error *reterr);
/* Target, state, failures, wait and error. What was retired at this target stays so until an operator opens it; what
 * was seen at another target is forgotten. A wait that is not over is made longer, never shorter, and not opened. 1: not
 * written, what the table says stands. */
int weir_destination_write(struct weir_pg *pg, const struct weir_destination *destination,
                           struct weir_error *reterr);
/* Consent was given to @allowed_for, or (@allowed_us INT64_MIN) refused to it: then there is none any more. */
int weir_destination_allow(struct weir_pg *pg, const char *sink, const char *allowed_for,
                           int64_t allowed_us, int32_t allowed_rate, struct weir_error *reterr);
/* Who may probe a destination whose wait is over? 1: we, and nobody else for @hold_us, or nobody else knows of this
 * target; 0: another relay, or it does not wait any more. */
int weir_destination_probe(struct weir_pg *pg, int kind, const char *name, const char *target,
                           int64_t hold_us, struct weir_error *reterr);
/* Take moments of a destination that is sent to at a rate: the next @span_us that nobody has taken begins in
 * *ret_wait_us (0 = now). */
int weir_destination_reserve(struct weir_pg *pg, int kind, const char *name, int64_t span_us,
                             int64_t *ret_wait_us, struct weir_error *reterr);
/* For the operator: every destination that has rows or a state. Columns: kind, name, rows, failed ones among them,
 * seconds since the oldest was made, relays at it, state, failures in a row, seconds until a wait ends, error (of it, else of
 * one of its rows). */
int weir_destination_overview(struct weir_pg *pg, struct weir_pg_rows **ret,
                              struct weir_error *reterr);
/* For the operator: open again what waits or was retired, and try at once what was postponed; consent must be asked for
 * anew. Relays are told. 1: was not known, so it is open. */
int weir_destination_open(struct weir_pg *pg, int kind, const char *name,
                          struct weir_error *reterr);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_POSITION_H
#define WEIR_STORE_POSITION_H
/*
 * position - the authority: one row per worker, topic and partition
 *
 *  P1  next_offset moves only by compare-and-set from the value the caller knows, in its epoch.
 *  P2  taking bumps the epoch; from then on every older holder updates zero rows.
 *  P3  the row carries the last record's offset, time and fingerprint: the identity of the log.
 */
#include "store/pg.h"

/* An owner is "host:pid", and the connections of that process are named "weir PID HOST": so a statement can tell
 * whether the owner of weir.position p is still there. The server cuts the name at 63 bytes: the pid stands first. */
#define WEIR_POSITION_OWNER "%s:%ld"
#define WEIR_POSITION_SESSION "weir %ld %s"
#define WEIR_POSITION_HELD                                                                         \
        "EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = current_database()"   \
        " AND a.application_name = left('weir ' || regexp_replace(p.owner, '^(.*):([0-9]+)$',"     \
        " '\\2 \\1'), 63))"

struct weir_position {
        int32_t id;
        int64_t epoch;
        int64_t next_offset; /* -1: no position yet, see weir_position_begin() */
        int64_t last_offset; /* record that last_* describe; -1: none */
        int64_t last_time_ms;
        int64_t last_fingerprint;
};

/* Bump the epoch (making the row on first sight) and read. Waits for a transaction of an older holder that is
 * still open, then shuts it out; one that lasts longer than 3 s is ended (55P03: call again). @owner is shown to operators ("host:pid"). Own transaction. */
int weir_position_take(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                       const char *owner, struct weir_position *ret, struct weir_error *reterr);
/* Set the first position of a row that has none. 0; 1 = fenced (another epoch, or there is one). */
int weir_position_begin(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                        struct weir_error *reterr);
/* Move over offsets that hold no record (transaction markers). 0; 1 = fenced. */
int weir_position_skip(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr);
/* Write last_* of @position, and nothing else: an older record by which the log is to be recognised. 0; 1 = fenced. */
int weir_position_identify(struct weir_pg *pg, const struct weir_position *position,
                           struct weir_error *reterr);
/* Read the row as it is after any open transaction on it has ended (locks it): resolves an unknown COMMIT.
 * A holder is ended after 3 s, likewise. An own transaction.
 * 0, *ret filled (id must be set); 1 = no such row. */
int weir_position_look(struct weir_pg *pg, int32_t id, struct weir_position *ret,
                       struct weir_error *reterr);

/* Operator's tools: `weir position show|set`. set records the change with its reason in
 * weir.position_change and bumps the epoch, so that a live lane lets go and takes it anew. */
int weir_position_set(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                      int64_t next_offset, const char *reason, int64_t *ret_before,
                      struct weir_error *reterr);

#endif

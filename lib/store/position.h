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

/* This process, in both words. */
enum { WEIR_POSITION_NAME_BYTES = 96 };
void weir_position_name(char ret_owner[WEIR_POSITION_NAME_BYTES],
                        char ret_session[WEIR_POSITION_NAME_BYTES]);

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

/* position_move.c: an operator's word. */
struct weir_position_move {
        const char *topic;
        int32_t partition;
        int64_t next_offset;
        int64_t before; /* out: -1 = there was none */
        bool moved;     /* out */
};
enum weir_position_moving {
        WEIR_MOVE_MAKE = 1, /* a partition that no worker was given yet gets its row */
        WEIR_MOVE_KEEP = 2  /* one that is there already is left alone: no word, the same epoch */
};
/* Move positions of @worker, all in one transaction or none. Each move is recorded with its reason in
 * weir.position_change and bumps the epoch, so that a live lane lets go and takes it anew. @moves are sorted. Waits for a
 * transaction of a lane that is open, 5 s at most (55P03). */
int weir_position_move(struct weir_pg *pg, const char *worker, struct weir_position_move *moves,
                       size_t count, int how, const char *reason, struct weir_error *reterr);
/* The same inside of a transaction, of which nothing may be committed when it fails. */
int weir_position_move_rows(struct weir_pg *pg, const char *worker,
                            struct weir_position_move *moves, size_t count, int how,
                            const char *reason, struct weir_error *reterr);
/* One of them; its row must be there. */
int weir_position_set(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                      int64_t next_offset, const char *reason, int64_t *ret_before,
                      struct weir_error *reterr);

/* position_list.c: to look at. Positions of @worker (NULL: of all that consume live), by worker, topic and partition. */
#define WEIR_POSITION_COLUMNS(X)                                                                   \
        X(WORKER, "worker", false, "p.worker")                                                     \
        X(TOPIC, "topic", false, "p.topic")                                                        \
        X(PARTITION, "partition", true, "p.partition")                                             \
        X(NEXT, "next_offset", true, "p.next_offset")                                              \
        X(EPOCH, "epoch", true, "p.epoch")                                                         \
        X(OWNER, "owner", false, "nullif(p.owner, '')")                                            \
        X(SINCE, "since", false, WEIR_POSITION_TIME("p.since"))                                    \
        X(UPDATED, "updated_at", false, WEIR_POSITION_TIME("p.updated_at"))                        \
        X(HELD, "held", true, "CASE WHEN " WEIR_POSITION_HELD " THEN 'true' ELSE 'false' END")     \
        X(PARKED, "parked", true, "(SELECT count(*) FROM weir.parked k WHERE k.position = p.id)")  \
        X(TRIED, "tried", true, "(SELECT count(*) FROM weir.attempt a WHERE a.position = p.id)")   \
        X(LETTERS, "dead_letters", true,                                                           \
          "(SELECT count(*) FROM weir.dead_letter d WHERE d.position = p.id"                       \
          " AND d.state IN ('kept', 'requeue'))")                                                  \
        X(CHANGED, "changed_at", false, WEIR_POSITION_TIME("c.at"))                                \
        X(REASON, "changed_because", false, "c.reason")
#define WEIR_POSITION_TIME(column)                                                                 \
        "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
enum weir_position_column {
#define WEIR_POSITION_ENUM(tag, name, number, sql) WEIR_AT_##tag,
        WEIR_POSITION_COLUMNS(WEIR_POSITION_ENUM)
#undef WEIR_POSITION_ENUM
                WEIR_AT_COLUMN_COUNT
};
int weir_position_list(struct weir_pg *pg, const char *worker, struct weir_pg_rows **ret,
                       struct weir_error *reterr);
/* Who moved what and why, newest first, at most @limit: at, worker, topic, partition, before, after, epoch, by, reason. */
enum weir_change_column {
        WEIR_CHANGE_AT,
        WEIR_CHANGE_WORKER,
        WEIR_CHANGE_TOPIC,
        WEIR_CHANGE_PARTITION,
        WEIR_CHANGE_BEFORE,
        WEIR_CHANGE_AFTER,
        WEIR_CHANGE_EPOCH,
        WEIR_CHANGE_BY,
        WEIR_CHANGE_REASON,
        WEIR_CHANGE_COLUMN_COUNT
};
int weir_position_changes(struct weir_pg *pg, const char *worker, int64_t limit,
                          struct weir_pg_rows **ret, struct weir_error *reterr);
/* Where the positions of @owner stand now, and those of others at which nothing happened for a minute, by number; at most @room, its
 * own first. To notice a move where no transaction would. */
struct weir_position_epoch {
        int32_t id;
        int64_t epoch;
};
int weir_position_epochs(struct weir_pg *pg, const char *worker, const char *owner,
                         struct weir_position_epoch *ret, size_t room, size_t *ret_count,
                         struct weir_error *reterr);

#endif

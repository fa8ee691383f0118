/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_REPLAY_H
#define WEIR_STORE_REPLAY_H
/*
 * replay - plans of replays, who carries one out, and how far it is
 *
 *  RY1  a plan is there whole or not at all: its row, its ranges, and their positions are one transaction.
 *  RY2  a state changes by compare-and-set: from what the caller saw, or in the name of the process that has it.
 *  RY3  at most one process has a replay, and one that is gone has none: it is gone when no session of the database bears
 *       its name. So the process that has one keeps a connection named WEIR_POSITION_SESSION.
 *  RY4  where a replay is stands in its positions, what it did in weir.batch; nothing here is needed to go on.
 */
#include "event/filter.h"
#include "store/pg.h"

/* A worker of weir.position: the name of the live one, and the number of the replay. */
#define WEIR_REPLAY_POSITION "%s@%lld"

struct weir_replay_place { /* of a plan, to be written */
        const char *topic;
        int32_t partition;
        int64_t from_offset, until_offset;
        int64_t missing; /* offsets that were asked for, and that the log has no more */
};
struct weir_replay_plan {
        const char *worker, *policy;
        const char *epoch; /* NULL, or that of policy again */
        const struct weir_filter *filter;
        bool effects, skip_missing;
        int32_t rate_per_s; /* 0 = no bound */
        int64_t max_lag;    /* -1 = no bound */
        const char *asked_from, *asked_to, *plugin_version, *owner, *reason;
        const struct weir_replay_place *places;
        size_t place_count;
};

/* RY1. It is running from then on, in the hands of plan->owner. Rows of the live worker are made where it never had the
 * partition: without an offset, so that it begins there as it would have. */
int weir_replay_insert(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t *ret_id,
                       struct weir_error *reterr);
/* Policy live: the positions of the worker go back to each from_offset, in the same transaction; it is done with that.
 * The reason is recorded with each move too. Errors as weir_position_move(). */
int weir_replay_insert_live(struct weir_pg *pg, const struct weir_replay_plan *plan,
                            int64_t *ret_id, struct weir_error *reterr);

/* ---- one that is there ---------------------------------------------------------------------- */

struct weir_replay_span {
        const char *topic;
        int32_t partition;
        int32_t position, live_position;
        int64_t from_offset, until_offset, next_offset;
        int64_t parked; /* events that wait for their next try */
};
struct weir_replay {
        int64_t id;
        const char *worker, *policy, *epoch, *state, *owner, *text, *asked_from, *asked_to;
        const char *since; /* started_at as PostgreSQL writes it: for RY2 */
        const char *gone;  /* NULL; or which claims that it may need were dropped since its plan */
        struct weir_filter filter;
        bool effects, skip_missing, held; /* RY3: its process is there */
        int32_t rate_per_s;
        int64_t max_lag;
        struct weir_replay_span *spans; /* by topic and partition */
        size_t span_count;
        /* what the words above lie in */
        struct weir_pg_rows *row, *span_rows, *filter_rows;
        const char **values;
};
/* 0; 1 = there is none with that number. */
int weir_replay_load(struct weir_pg *pg, int64_t id, struct weir_replay **ret,
                     struct weir_error *reterr);
void weir_replay_free(struct weir_replay *replay);
WEIR_DEFINE_FREEP(struct weir_replay, weir_replay_free)

/* RY2: @replay, as it was loaded, is running in the hands of @owner; with rate_per_s, max_lag and skip_missing as they are in
 * @replay now. 0; 1 = it is not as it was any more, or had failed and what would be kept for it was dropped since. */
int weir_replay_take(struct weir_pg *pg, const struct weir_replay *replay, const char *owner,
                     struct weir_error *reterr);
/* It is to end: stopping where its process is there, else stopped. 0; 1 = it is not as it was any more. */
int weir_replay_stop(struct weir_pg *pg, const struct weir_replay *replay, bool *ret_stopped,
                     struct weir_error *reterr);
/* One that is stopped is not gone on with: failed, and nothing is kept for it any more. 0; 1 likewise. */
int weir_replay_give_up(struct weir_pg *pg, const struct weir_replay *replay,
                        struct weir_error *reterr);
/* By @owner, who has it: @state is stopped, done or failed. 0; 1 = another has it. */
int weir_replay_end(struct weir_pg *pg, int64_t id, const char *owner, const char *state,
                    const char *text, struct weir_error *reterr);
/* What its process looks at. 0 go on; 1 it is to stop; 2 another has it. */
int weir_replay_look(struct weir_pg *pg, int64_t id, const char *owner, struct weir_error *reterr);

/* ---- replay_list.c: to look at ---------------------------------------------------------------- */

#define WEIR_REPLAY_TIME(column)                                                                   \
        "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define WEIR_REPLAY_COLUMNS(X)                                                                     \
        X(ID, "id", true, "p.id")                                                                  \
        X(WORKER, "worker", false, "p.worker")                                                     \
        X(POLICY, "policy", false, "p.policy")                                                     \
        X(EPOCH, "epoch", false, "p.epoch")                                                        \
        X(STATE, "state", false, "p.state")                                                        \
        X(HELD, "held", true, "CASE WHEN " WEIR_POSITION_HELD " THEN 'true' ELSE 'false' END")     \
        X(OFFSETS, "offsets", true, "s.offsets")                                                   \
        X(PASSED, "passed", true, "s.passed")                                                      \
        X(RECORDS, "records", true, "s.records")                                                   \
        X(APPLIED, "applied", true, "s.applied")                                                   \
        X(SKIPPED, "skipped", true, "s.skipped")                                                   \
        X(DEAD, "dead", true, "s.dead")                                                            \
        X(PARKED, "parked", true, "s.parked")                                                      \
        X(MISSING, "missing", true, "s.missing")                                                   \
        X(WITHHELD, "withheld", true, "s.withheld")                                                \
        X(CREATED, "created_at", false, WEIR_REPLAY_TIME("p.created_at"))                          \
        X(STARTED, "started_at", false, WEIR_REPLAY_TIME("p.started_at"))                          \
        X(ENDED, "ended_at", false, WEIR_REPLAY_TIME("p.ended_at"))                                \
        X(FROM, "from", false, "p.asked_from")                                                     \
        X(TO, "to", false, "p.asked_to")                                                           \
        X(EFFECTS, "effects", true, "CASE WHEN p.effects THEN 'true' ELSE 'false' END")            \
        X(IF_MISSING, "if_missing", false, "p.if_missing")                                         \
        X(RATE, "rate", true, "nullif(p.rate_per_s, 0)")                                           \
        X(MAX_LAG, "max_lag", true, "p.max_lag")                                                   \
        X(VERSION, "plugin_version", false, "p.plugin_version")                                    \
        X(OWNER, "owner", false, "p.owner")                                                        \
        X(BY, "by", false, "p.by")                                                                 \
        X(REASON, "reason", false, "nullif(p.reason, '')")                                         \
        X(TEXT, "text", false, "nullif(p.text, '')")
enum weir_replay_column {
#define WEIR_REPLAY_ENUM(tag, name, number, sql) WEIR_REPLAY_##tag,
        WEIR_REPLAY_COLUMNS(WEIR_REPLAY_ENUM)
#undef WEIR_REPLAY_ENUM
                WEIR_REPLAY_COLUMN_COUNT
};
/* Newest first, at most @limit; of @worker (NULL: of all), or only number @id (0: any). */
int weir_replay_list(struct weir_pg *pg, const char *worker, int64_t id, int64_t limit,
                     struct weir_pg_rows **ret, struct weir_error *reterr);

#define WEIR_SPAN_COLUMNS(X)                                                                       \
        X(TOPIC, "topic", false)                                                                   \
        X(PARTITION, "partition", true)                                                            \
        X(FROM, "from", true)                                                                      \
        X(UNTIL, "until", true)                                                                    \
        X(NEXT, "next_offset", true)                                                               \
        X(RECORDS, "records", true)                                                                \
        X(APPLIED, "applied", true)                                                                \
        X(SKIPPED, "skipped", true)                                                                \
        X(DEAD, "dead", true)                                                                      \
        X(PARKED, "parked", true)                                                                  \
        X(MISSING, "missing", true)                                                                \
        X(WITHHELD, "withheld", true)
enum weir_span_column {
#define WEIR_SPAN_ENUM(tag, name, number) WEIR_SPAN_##tag,
        WEIR_SPAN_COLUMNS(WEIR_SPAN_ENUM)
#undef WEIR_SPAN_ENUM
                WEIR_SPAN_COLUMN_COUNT
};
/* Its ranges, by topic and partition. */
int weir_replay_spans(struct weir_pg *pg, int64_t id, struct weir_pg_rows **ret,
                      struct weir_error *reterr);
/* Where the live @worker stands: topic, partition, next_offset, by topic and partition; without those never begun. */
int weir_replay_live(struct weir_pg *pg, const char *worker, struct weir_pg_rows **ret,
                     struct weir_error *reterr);
/* When the last claim was made of those that were dropped, in words; ret_text[0] = '\0': none were. With @epoch only those
 * that were made since @worker was first replayed in it: it may have had some of them. */
int weir_replay_forgotten(struct weir_pg *pg, const char *worker, const char *epoch,
                          int64_t *ret_until_ms, char ret_text[32], struct weir_error *reterr);

#endif

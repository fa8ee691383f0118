/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_STORE_H
#define WEIR_SIM_STORE_H
/*
 * store - the model of PostgreSQL: rows, transactions, connections; shared by the files that stand for lib/store
 *
 * READ COMMITTED, as far as weir leans on it: a statement sees what was committed when it looks at a row; who changes a
 * row has it until his transaction ends, and who wants it waits and then looks again.
 */
#include "event/key.h"
#include "sim.h"
#include "store/deadletter.h"
#include "store/outbox.h"
#include "store/parked.h"
#include "store/pool.h"
#include "store/position.h"

struct sim_tx;

/* ---- rows ----------------------------------------------------------------------------------- */

enum sim_table {
        SIM_POSITION,
        SIM_CLAIM,
        SIM_BATCH,
        SIM_CHANGE,
        SIM_ATTEMPT,
        SIM_PARKED,
        SIM_LETTER,
        SIM_EFFECT,
        SIM_OUTBOX,
        SIM_TABLES
};

struct sim_row {
        enum sim_table table;
        struct sim_tx *owner; /* who has changed or locked it */
        void *now;            /* as committed; NULL = it is not there */
        void *next;           /* as the owner sees it */
};

struct sim_position {
        int32_t id;
        const char *worker, *topic;
        int32_t partition;
        int64_t epoch, next_offset, last_offset, last_time_ms, last_fingerprint;
        const char *owner;
        int64_t updated_us;
};
struct sim_claim {
        struct weir_key key;
        int32_t position;
        int64_t offset;
};
struct sim_batch {
        int64_t id, first_offset, next_offset, epoch;
        int32_t position;
        uint32_t records, events, dead, parked, fresh;
        const char *version;
};
struct sim_change {
        int32_t position;
        int64_t id, epoch, before, after;
};
struct sim_attempt {
        int32_t position, item, attempts, deaths;
        int64_t offset, first_failed_us, next_us;
        const char *death;
};
/* A record as it was kept. */
struct sim_kept {
        int64_t time_ms;
        struct weir_view key, value;
        struct weir_header *headers;
        size_t header_count;
};
struct sim_parked {
        int64_t id, offset, first_failed_us, next_us;
        int32_t position, partition, item, attempts, deaths;
        const char *death;
        struct sim_kept record;
        struct weir_view source, event_id;
};
struct sim_letter {
        int64_t id, offset, failed_us, first_failed_us;
        int32_t position, partition, item, attempts, round, deaths;
        const char *klass, *reason, *state, *epoch, *death;
        bool withhold;
        struct sim_kept record;
        struct weir_view event_id;
};
struct sim_effect {
        int event, process;
        const char *space;
        int32_t position, partition, item;
        int64_t offset, seq; /* in the order of COMMITs */
        int key;
        bool skipped; /* nothing was written; known to the checker only */
        struct weir_key claim;
        bool deferred; /* COMMIT is refused for it */
};

struct sim_rows {
        struct sim_row **list;
        size_t count, room;
};
extern struct sim_rows sim_tables[SIM_TABLES];

/* As @tx sees it; NULL = it does not. @tx may be NULL. */
void *sim_row_seen(const struct sim_row *row, const struct sim_tx *tx);
struct sim_row *sim_row_insert(struct sim_tx *tx, enum sim_table table, void *data);
/* @data NULL: deleted. The row is locked by @tx. */
void sim_row_change(struct sim_tx *tx, struct sim_row *row, void *data);
/* Wait for the row. 0, or < 0 with @reterr. @timeout_us 0 = none. */
int sim_row_lock(struct weir_pg *pg, struct sim_row *row, int64_t timeout_us,
                 struct weir_error *reterr);
#define sim_row_each(row, tag)                                                                     \
        for (size_t i_##row = 0; i_##row < sim_tables[tag].count; i_##row++)                       \
                for (struct sim_row *row = sim_tables[tag].list[i_##row]; row; row = NULL)

/* ---- transactions --------------------------------------------------------------------------- */

struct sim_undo {
        struct sim_row *row;
        void *before;
        bool locked; /* it was locked by this step */
};

struct sim_tx {
        int number, process;
        struct weir_pg *pg; /* NULL = its client is gone */
        struct sim_undo *undos;
        size_t undo_count, undo_room;
        size_t savepoint; /* undo_count at it */
        bool has_savepoint, over, committing;
        struct sim_tx *waits_for;
};

struct weir_pg {
        int number, process;
        struct weir_pool *pool;
        struct weir_latch *interrupt;
        struct sim_tx *tx; /* open; NULL = idle */
        bool broken;       /* the client knows */
        bool lost;         /* the server, or the way, is gone */
        bool failed;       /* the transaction */
};

void sim_rows_reset(void);
void sim_store_reset(void);
struct sim_tx *sim_tx_begin(struct weir_pg *pg);
void sim_tx_undo(struct sim_tx *tx, size_t count); /* back to so many steps */
void sim_tx_rollback(struct sim_tx *tx);
bool sim_tx_deferred(const struct sim_tx *tx); /* COMMIT will be refused: a deferred constraint */
void sim_tx_commit(struct sim_tx *tx);
/* The client is gone in the middle of what it did. */
void sim_store_abandon(struct weir_pg *pg);
void sim_store_restart(int64_t away_us);
void sim_store_terminate(struct weir_pg *pg);
struct weir_pg *sim_store_connection(size_t index); /* any that is there; NULL = beyond the last */
void sim_store_process_died(int process);

/* A statement: begin, what it does, end. < 0: @reterr. In no transaction it has one of its own. */
struct sim_statement {
        struct weir_pg *pg;
        const char *name;
        bool own;
};
int sim_statement_begin(struct sim_statement *statement, struct weir_pg *pg, const char *name,
                        struct weir_error *reterr);
int sim_statement_end(struct sim_statement *statement, struct weir_error *reterr);
/* It failed in the middle with @r and @reterr. Returns @r. */
int sim_statement_fail(struct sim_statement *statement, int r);
int sim_sql_fail(struct weir_error *reterr, const char *state, const char *words);

/* ---- rows that more than one file knows ------------------------------------------------------ */

struct sim_row *sim_position_find(const char *worker, const char *topic, int32_t partition);
struct sim_row *sim_position_by_id(int32_t id);
/* FOR SHARE by the holder of an epoch: 0 = it holds it, 1 = not, < 0. */
int sim_position_mine(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_error *reterr);
/* The row, locked, if @position is what stands in it. 0; 1 = it is not; < 0. */
int sim_position_compare(struct weir_pg *pg, const struct weir_position *position, bool offset,
                         struct sim_row **ret, struct weir_error *reterr);
struct sim_position *sim_position_change(struct sim_tx *tx, struct sim_row *row);
void sim_trail_leave(struct sim_tx *tx, struct sim_batch batch);
struct sim_kept sim_kept_copy(const struct weir_kept_record *record);
void sim_kept_read(const struct sim_kept *kept, struct weir_kept_record *ret);
struct weir_view sim_view_copy(struct weir_view view);
int64_t sim_id(void);

/* An operator's word, and the supervisor's. */
int sim_operator_move(int32_t partition, int64_t next_offset);
void sim_suspect(int kind, int32_t partition, int64_t offset, int32_t item, int64_t row);

/* ---- judged at COMMIT (checker.c) ------------------------------------------------------------ */

void sim_judge_commit(const struct sim_tx *tx);

#endif

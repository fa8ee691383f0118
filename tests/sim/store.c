/* SPDX-License-Identifier: MIT */
/*
 * store - rows with two faces, transactions that can be undone, connections that break
 *
 * A row has what was committed and what its owner sees; undoing is putting back what a list of steps remembers, so a
 * savepoint is a length of that list.
 *
 * Always true   what is not committed is seen by its transaction alone; a rollback leaves no trace but time.
 *               a client that is gone leaves its transaction behind: it ends some time later, by rolling back, or, if
 *               COMMIT was on its way, maybe not. Its locks are held until then. That is what an unknown COMMIT is.
 * The race      1. COMMIT is sent  2. the connection breaks  3. the client connects anew and looks  4. the server
 *               comes to the COMMIT. Whoever looks without the lock of the row sees the past.
 * Not modelled  snapshots that last longer than a statement: weir has none. The plan of a statement, its types, its
 *               spelling: the unit tests run those against PostgreSQL.
 */
#include "store.h"

#include <string.h>

enum { DEADLOCK_US = 1000000 };

struct sim_rows sim_tables[SIM_TABLES];
static int64_t last_id;
static int last_tx;

void sim_rows_reset(void)
{
        memset(sim_tables, 0, sizeof sim_tables);
        last_id = last_tx = 0;
}

int64_t sim_id(void)
{
        return ++last_id;
}

int sim_sql_fail(struct weir_error *reterr, const char *state, const char *words)
{
        int code = strncmp(state, "57P0", 4) == 0 || strncmp(state, "08", 2) == 0 ? WEIR_EDB
                                                                                  : WEIR_ESQL;

        weir_fail(reterr, code, 0, "%s (SQLSTATE %s)", words, state);
        if (reterr)
                snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "%s", state);
        return code;
}

/* ---- rows ----------------------------------------------------------------------------------- */

void *sim_row_seen(const struct sim_row *row, const struct sim_tx *tx)
{
        return tx && row->owner == tx ? row->next : row->now;
}

static void remember(struct sim_tx *tx, struct sim_row *row, bool locked)
{
        if (tx->undo_count == tx->undo_room) {
                size_t room = tx->undo_room ? 2 * tx->undo_room : 32;
                struct sim_undo *undos = sim_alloc(room * sizeof *undos);

                if (tx->undo_count)
                        memcpy(undos, tx->undos, tx->undo_count * sizeof *undos);
                tx->undos = undos;
                tx->undo_room = room;
        }
        tx->undos[tx->undo_count++] = (struct sim_undo){ row, row->next, locked };
}

struct sim_row *sim_row_insert(struct sim_tx *tx, enum sim_table table, void *data)
{
        struct sim_rows *rows = &sim_tables[table];
        struct sim_row *row = sim_alloc(sizeof *row);

        if (rows->count == rows->room) {
                size_t room = rows->room ? 2 * rows->room : 64;
                struct sim_row **list = sim_alloc(room * sizeof *list);

                if (rows->count)
                        memcpy(list, rows->list, rows->count * sizeof *list);
                rows->list = list;
                rows->room = room;
        }
        rows->list[rows->count++] = row;
        row->table = table;
        row->owner = tx;
        remember(tx, row, true);
        row->next = data;
        return row;
}

static void take(struct sim_tx *tx, struct sim_row *row)
{
        if (row->owner == tx)
                return;
        row->owner = tx;
        row->next = row->now;
        remember(tx, row, true);
}

void sim_row_change(struct sim_tx *tx, struct sim_row *row, void *data)
{
        sim_check(row->owner == tx, "model", "a row is changed without its lock");
        remember(tx, row, false);
        row->next = data;
}

static bool circle(const struct sim_tx *tx)
{
        const struct sim_tx *at = tx->waits_for;

        for (int i = 0; at && i < 64; i++, at = at->waits_for)
                if (at == tx)
                        return true;
        return false;
}

int sim_row_lock(struct weir_pg *pg, struct sim_row *row, int64_t timeout_us,
                 struct weir_error *reterr)
{
        struct sim_tx *tx = pg->tx;
        int64_t until_us = timeout_us ? sim.now_us + timeout_us : INT64_MAX;
        int64_t look_us = sim.now_us + DEADLOCK_US;

        while (row->owner && row->owner != tx) {
                int64_t deadline_us = look_us < until_us ? look_us : until_us;

                tx->waits_for = row->owner;
                sim_trace("lock waits tx=%d for tx=%d", tx->number, row->owner->number);
                sim_wait(row->owner, sim_latch_channel(pg->interrupt), deadline_us);
                tx->waits_for = row->owner;
                if (pg->lost || tx->over) {
                        pg->broken = true;
                        return sim_sql_fail(reterr, "57P01", "terminating connection");
                }
                if (sim_latch_is_set(pg->interrupt) && row->owner && row->owner != tx) {
                        sim_store_abandon(pg);
                        return weir_fail(reterr, WEIR_ESTOP, 0, "interrupted in: lock");
                }
                if (row->owner && row->owner != tx && sim.now_us >= until_us)
                        return sim_sql_fail(reterr, "55P03", "lock timeout");
                if (row->owner && row->owner != tx && sim.now_us >= look_us && circle(tx))
                        return sim_sql_fail(reterr, "40P01", "deadlock detected");
                if (sim.now_us >= look_us)
                        look_us = sim.now_us + DEADLOCK_US;
        }
        tx->waits_for = NULL;
        take(tx, row);
        return 0;
}

/* ---- transactions --------------------------------------------------------------------------- */

struct sim_tx *sim_tx_begin(struct weir_pg *pg)
{
        struct sim_tx *tx = sim_alloc(sizeof *tx);

        tx->number = ++last_tx;
        tx->process = pg->process;
        tx->pg = pg;
        pg->tx = tx;
        pg->failed = false;
        return tx;
}

void sim_tx_undo(struct sim_tx *tx, size_t count)
{
        while (tx->undo_count > count) {
                struct sim_undo *undo = &tx->undos[--tx->undo_count];

                undo->row->next = undo->before;
                if (undo->locked)
                        undo->row->owner = NULL;
        }
}

bool sim_tx_deferred(const struct sim_tx *tx)
{
        for (size_t i = 0; i < tx->undo_count; i++) {
                const struct sim_row *row = tx->undos[i].row;

                if (row->table == SIM_EFFECT && row->next &&
                    ((const struct sim_effect *)row->next)->deferred)
                        return true;
        }
        return false;
}

static void end(struct sim_tx *tx)
{
        tx->over = true;
        if (tx->pg && tx->pg->tx == tx)
                tx->pg->tx = NULL;
        sim_wake(tx);
}

void sim_tx_rollback(struct sim_tx *tx)
{
        if (tx->over)
                return;
        sim_trace("tx=%d rolled back", tx->number);
        sim_tx_undo(tx, 0);
        end(tx);
}

void sim_tx_commit(struct sim_tx *tx)
{
        if (tx->over)
                return;
        sim_trace("tx=%d committed", tx->number);
        sim_judge_commit(tx);
        for (size_t i = 0; i < tx->undo_count; i++) {
                struct sim_row *row = tx->undos[i].row;

                row->now = row->next;
                row->owner = NULL;
        }
        end(tx);
}

/* What the server does with a transaction whose client is gone. */
static void *orphan_main(void *arg)
{
        struct sim_tx *tx = arg;
        struct sim_random *random = &sim.random[SIM_FAULTS];

        sim_sleep(sim_chance(random, 500000) ? 0 : sim_between(random, 1, 1200000));
        if (tx->committing && !sim_tx_deferred(tx) && sim_chance(random, 500000))
                sim_tx_commit(tx);
        else
                sim_tx_rollback(tx);
        return NULL;
}

void sim_store_abandon(struct weir_pg *pg)
{
        struct sim_tx *tx = pg->tx;

        pg->broken = pg->lost = true;
        if (!tx || tx->over)
                return;
        pg->tx = NULL;
        tx->pg = NULL;
        if (tx->undo_count == 0) {
                end(tx);
                return;
        }
        sim_trace("tx=%d abandoned%s", tx->number, tx->committing ? " in COMMIT" : "");
        sim_spawn(NULL, "backend", orphan_main, tx);
}

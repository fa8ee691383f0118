/* SPDX-License-Identifier: MIT */
/*
 * session - connections and the pool, in place of lib/store/pg.c and pool.c
 *
 * A statement is sent, arrives, is carried out, is answered: the connection can break before and after, its client can
 * be told to leave meanwhile, and then nobody knows. What the real code promises of each case is what is returned here.
 *
 * Always true   a broken connection is not used again; COMMIT is WEIR_ECOMMIT once it may have arrived (CM1 of pg.c).
 * Not modelled  whose turn it is in the pool: any, by the seed. SQL: weir_pg_run() knows the few texts that lib/flow sends, any other ends the seed.
 */
#include <string.h>

#include "plan.h"
#include "process.h"
#include "store.h"

enum { CONNECTIONS_MAX = 1024, LATENCY_US = 300 };

static struct weir_pg *connections[CONNECTIONS_MAX];
static size_t connection_count;
static int64_t away_until_us;

void sim_store_reset(void)
{
        sim_rows_reset();
        connection_count = 0;
        away_until_us = 0;
}

void sim_store_terminate(struct weir_pg *pg)
{
        struct sim_tx *tx = pg->tx;

        pg->lost = true;
        if (!tx)
                return;
        if (tx->committing && !sim_tx_deferred(tx) && sim_chance(&sim.random[SIM_FAULTS], 500000))
                sim_tx_commit(tx); /* it says that it is terminated after it committed */
        else
                sim_tx_rollback(tx);
}

struct weir_pg *sim_store_connection(size_t index)
{
        return index < connection_count ? connections[index] : NULL;
}

void sim_store_restart(int64_t away_us)
{
        away_until_us = sim.now_us + away_us;
        for (size_t i = 0; i < connection_count; i++)
                if (!connections[i]->lost)
                        sim_store_terminate(connections[i]);
}

void sim_store_process_died(int process)
{
        for (size_t i = 0; i < connection_count; i++)
                if (connections[i]->process == process && !connections[i]->lost)
                        sim_store_abandon(connections[i]);
}

/* ---- statements ----------------------------------------------------------------------------- */

/* Time passes until the server has answered. < 0: it was interrupted, or broke. */
static int travel(struct weir_pg *pg, const char *name, struct weir_error *reterr)
{
        int64_t us = sim_between(&sim.random[SIM_SCHEDULE], 1, LATENCY_US);

        if (sim_fault(SIM_SLOW))
                us = sim_between(&sim.random[SIM_FAULTS], 1000, 4000000);
        sim_point();
        us += sim.now_us;
        while (sim.now_us < us && !sim_latch_is_set(pg->interrupt) && !pg->lost)
                sim_wait(sim_latch_channel(pg->interrupt), pg, us);
        if (pg->lost) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection lost; in: %s", name);
        }
        if (sim.now_us < us) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_ESTOP, 0, "interrupted in: %s", name);
        }
        return 0;
}

int sim_statement_begin(struct sim_statement *statement, struct weir_pg *pg, const char *name,
                        struct weir_error *reterr)
{
        static const char *const states[] = { "40001", "53200", "57014", "53100", "55P03" };
        int r;

        *statement = (struct sim_statement){ .pg = pg, .name = name, .own = !pg->tx };
        if (pg->broken || pg->lost) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection is closed; in: %s", name);
        }
        if (sim_fault(SIM_LOST_BEFORE)) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection lost before: %s", name);
        }
        r = travel(pg, name, reterr);
        if (r < 0)
                return r;
        sim_trace("sql %s c%d", name, pg->number);
        if (pg->failed)
                return sim_sql_fail(reterr, "25P02", "current transaction is aborted");
        if (sim_fault(SIM_REFUSED)) {
                pg->failed = pg->tx != NULL;
                return sim_sql_fail(reterr, states[sim_below(&sim.random[SIM_FAULTS], 5)],
                                    "refused by the seed");
        }
        if (statement->own)
                sim_tx_begin(pg);
        return 0;
}

int sim_statement_end(struct sim_statement *statement, struct weir_error *reterr)
{
        struct weir_pg *pg = statement->pg;

        if (pg->lost) { /* terminated meanwhile */
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection lost; in: %s", statement->name);
        }
        if (statement->own)
                sim_tx_commit(pg->tx);
        if (!sim_fault(SIM_LOST_AFTER))
                return 0;
        sim_store_abandon(pg);
        return weir_fail(reterr, WEIR_EDB, 0, "connection lost after: %s", statement->name);
}

int sim_statement_fail(struct sim_statement *statement, int r)
{
        struct weir_pg *pg = statement->pg;

        if (pg->tx && statement->own)
                sim_tx_rollback(pg->tx);
        else if (pg->tx)
                pg->failed = true;
        return r;
}

/* ---- lib/store/pg.h -------------------------------------------------------------------------- */

bool weir_pg_broken(const struct weir_pg *pg)
{
        return pg->broken;
}

bool weir_pg_idle(const struct weir_pg *pg)
{
        return !pg->broken && !pg->tx && !pg->failed;
}

static int end_now(struct weir_pg *pg, const char *state, const char *words,
                   struct weir_error *reterr)
{
        if (pg->tx)
                sim_tx_rollback(pg->tx);
        pg->failed = false;
        return sim_sql_fail(reterr, state, words);
}

int weir_pg_begin(struct weir_pg *pg, struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "BEGIN", reterr);

        if (r == 0 && !statement.own)
                sim_fail("model", "BEGIN inside of a transaction");
        if (r == 0 && sim_fault(SIM_LOST_AFTER)) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection lost after: BEGIN");
        }
        return r;
}

int weir_pg_commit(struct weir_pg *pg, struct weir_error *reterr)
{
        struct sim_tx *tx = pg->tx;

        if (pg->broken || pg->lost) {
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_EDB, 0, "connection was lost before COMMIT");
        }
        if (!tx)
                return end_now(pg, "25P01", "no transaction is open", reterr);
        tx->committing = !pg->failed;
        if (sim_fault(SIM_COMMIT_LOST)) {
                if (tx->committing && !sim_tx_deferred(tx) &&
                    sim_chance(&sim.random[SIM_FAULTS], 300000))
                        sim_tx_commit(tx);
                sim_store_abandon(pg);
                return weir_fail(reterr, WEIR_ECOMMIT, 0, "outcome of COMMIT unknown");
        }
        if (travel(pg, "COMMIT", reterr) < 0) {
                if (reterr)
                        reterr->code = WEIR_ECOMMIT;
                return WEIR_ECOMMIT;
        }
        if (pg->failed)
                return end_now(pg, "25P02", "COMMIT was answered by ROLLBACK", reterr);
        if (sim_tx_deferred(tx))
                return end_now(pg, "23503", "a deferred constraint is violated", reterr);
        sim_tx_commit(tx);
        return 0;
}

void weir_pg_rollback(struct weir_pg *pg)
{
        struct weir_error error;

        if (pg->broken || travel(pg, "ROLLBACK", &error) < 0) {
                pg->broken = true;
                return;
        }
        if (pg->tx)
                sim_tx_rollback(pg->tx);
        pg->failed = false;
}

static int go_back(struct weir_pg *pg)
{
        if (!pg->tx || !pg->tx->has_savepoint)
                return -1;
        sim_tx_undo(pg->tx, pg->tx->savepoint);
        pg->failed = false;
        sim_wake(pg->tx); /* who waits for a row that was given back */
        return 0;
}

int weir_pg_run(struct weir_pg *pg, const char *sql, struct weir_error *reterr)
{
        struct sim_statement statement;
        bool back = strncmp(sql, "ROLLBACK TO", 11) == 0, failed = pg->failed;
        int r;

        pg->failed = back ? false : failed; /* the one statement that a failed one takes */
        r = sim_statement_begin(&statement, pg, sql, reterr);
        if (r < 0) {
                pg->failed = pg->failed || failed;
                return r;
        }
        if (back) {
                if (go_back(pg) < 0)
                        return sim_statement_fail(&statement, sim_sql_fail(reterr, "3B001",
                                                                           "no such savepoint"));
        } else if (strstr(sql, "SAVEPOINT weir_spare")) {
                pg->tx->has_savepoint = true;
                pg->tx->savepoint = pg->tx->undo_count;
        } else if (strcmp(sql, "SET CONSTRAINTS ALL IMMEDIATE") == 0) {
                if (sim_tx_deferred(pg->tx))
                        return sim_statement_fail(
                                &statement,
                                sim_sql_fail(reterr, "23503", "a deferred constraint is violated"));
        } else if (strcmp(sql, "SET CONSTRAINTS ALL DEFERRED") != 0) {
                sim_fail("model", "unknown statement: %s", sql);
        }
        return sim_statement_end(&statement, reterr);
}

int weir_pg_classify(const struct weir_error *error)
{
        static const char *const data[] = { "21", "22", "23", "44", "54", "P0" };

        for (size_t i = 0; error->code == WEIR_ESQL && i < sizeof data / sizeof *data; i++)
                if (strncmp(error->sqlstate, data[i], 2) == 0)
                        return WEIR_SQL_DATA;
        return WEIR_SQL_INFRASTRUCTURE;
}

/* ---- lib/store/pool.h ------------------------------------------------------------------------ */

struct weir_pool {
        uint32_t max, places; /* places: given out or idle */
        int process;
        struct weir_pg *idle[8];
        size_t idle_count;
        uint64_t asked, served; /* numbers of those who wait */
        int out;
};

int weir_pool_new(const struct weir_pg_conf *conf, uint32_t max, struct weir_pool **ret,
                  struct weir_error *reterr)
{
        (void)conf;
        (void)reterr;
        *ret = sim_alloc(sizeof **ret);
        (*ret)->max = max;
        (*ret)->process = sim_here() ? sim_here()->number : -1;
        return 0;
}

void weir_pool_free(struct weir_pool *pool)
{
        sim_check(pool->out == 0, "pool", "%d connections were never given back", pool->out);
        for (size_t i = 0; i < pool->idle_count; i++)
                pool->idle[i]->lost = pool->idle[i]->broken = true;
}

static int open_one(struct weir_pool *pool, struct weir_pg **ret, struct weir_error *reterr)
{
        struct weir_pg *pg;

        sim_point();
        if (sim.now_us < away_until_us || sim_fault(SIM_NO_CONNECTION))
                return weir_fail(reterr, WEIR_EDB, 0, "connection refused");
        pg = sim_alloc(sizeof *pg);
        if (connection_count == CONNECTIONS_MAX) {
                size_t kept = 0;

                for (size_t i = 0; i < connection_count; i++)
                        if (!connections[i]->lost)
                                connections[kept++] = connections[i];
                connection_count = kept;
        }
        sim_check(connection_count < CONNECTIONS_MAX, "pool", "too many connections");
        pg->number = (int)connection_count;
        pg->process = pool->process;
        pg->pool = pool;
        connections[connection_count++] = pg;
        *ret = pg;
        return 0;
}

static void give_place(struct weir_pool *pool, struct weir_pg *pg)
{
        pool->out--;
        if (pg)
                pool->idle[pool->idle_count++] = pg;
        else
                pool->places--;
        sim_wake(pool);
}

int weir_pool_acquire(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret,
                      struct weir_error *reterr)
{
        struct weir_pg *pg = NULL;

        sim_point();
        while (!pool->idle_count && pool->places == pool->max) {
                if (sim_latch_is_set(interrupt))
                        return weir_fail(reterr, WEIR_ESTOP, 0,
                                         "interrupted while waiting for a connection of the pool");
                sim_wait(pool, sim_latch_channel(interrupt), INT64_MAX);
        }
        pool->out++;
        if (pool->idle_count)
                pg = pool->idle[--pool->idle_count];
        else
                pool->places++;
        if (pg && pg->lost) {
                pg->broken = true;
                pg = NULL;
        }
        if (!pg) {
                int r = open_one(pool, &pg, reterr);

                if (r < 0) {
                        give_place(pool, NULL);
                        return r;
                }
        }
        pg->interrupt = interrupt;
        *ret = pg;
        return 0;
}

void weir_pool_release(struct weir_pool *pool, struct weir_pg *pg)
{
        if (!pg)
                return;
        if (!pg->broken && !weir_pg_idle(pg))
                weir_pg_rollback(pg);
        if (pg->broken)
                sim_store_abandon(pg);
        pg->interrupt = NULL;
        give_place(pool, pg->broken ? NULL : pg);
}

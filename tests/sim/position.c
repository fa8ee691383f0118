/* SPDX-License-Identifier: MIT */
/*
 * position - weir.position and an operator's moves, in place of lib/store/position.c, position_move.c and withheld.c
 *
 * What those files say in SQL is said here in C, by their comments and not by their text: a compare-and-set under the
 * lock of the row, an epoch that a taker raises.
 *
 * The race      of a taker with a holder that hangs: after three seconds the holder's session is ended, as there.
 */
#include "store/position.h"

#include <string.h>

#include "base/clock.h"
#include "kafka.h"
#include "store.h"
#include "store/withheld.h"

enum { HOLDER_WAIT_US = 3000000, MOVE_WAIT_US = 5000000 };

struct sim_row *sim_position_find(const char *worker, const char *topic, int32_t partition)
{
        sim_row_each(row, SIM_POSITION)
        {
                const struct sim_position *p = row->now;

                if (p && p->partition == partition && !strcmp(p->worker, worker) &&
                    !strcmp(p->topic, topic))
                        return row;
        }
        return NULL;
}

struct sim_row *sim_position_by_id(int32_t id)
{
        sim_row_each(row, SIM_POSITION)
        {
                const struct sim_position *p = row->now;

                if (p && p->id == id)
                        return row;
        }
        return NULL;
}

struct sim_position *sim_position_change(struct sim_tx *tx, struct sim_row *row)
{
        struct sim_position *changed = sim_alloc(sizeof *changed);

        *changed = *(struct sim_position *)sim_row_seen(row, tx);
        changed->updated_us = weir_clock_us();
        sim_row_change(tx, row, changed);
        return changed;
}

static void read_row(const struct sim_position *p, struct weir_position *ret)
{
        *ret = (struct weir_position){ .id = p->id,
                                       .epoch = p->epoch,
                                       .next_offset = p->next_offset,
                                       .last_offset = p->last_offset,
                                       .last_time_ms = p->last_time_ms,
                                       .last_fingerprint = p->last_fingerprint };
}

/* Alone in its transaction: lock, and end a holder that hangs. */
static int lock_alone(struct weir_pg *pg, struct sim_row *row, struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = weir_pg_begin(pg, reterr);

        if (r < 0)
                return r;
        r = sim_statement_begin(&statement, pg, "lock position", reterr);
        if (r == 0) {
                r = sim_row_lock(pg, row, HOLDER_WAIT_US, reterr);
                if (r == 0)
                        return 0;
                sim_statement_fail(&statement, r);
        }
        weir_pg_rollback(pg);
        if (strcmp(reterr->sqlstate, "55P03") == 0 && row->owner) {
                sim_trace("holder tx=%d is ended", row->owner->number);
                if (row->owner->pg)
                        sim_store_terminate(row->owner->pg);
                else
                        sim_tx_rollback(row->owner);
        }
        return r;
}

static struct sim_position *make(struct sim_tx *tx, const char *worker, const char *topic,
                                 int32_t partition)
{
        struct sim_position *made = sim_alloc(sizeof *made);

        *made = (struct sim_position){ .id = (int32_t)sim_id(),
                                       .worker = sim_copy(worker, strlen(worker)),
                                       .topic = sim_copy(topic, strlen(topic)),
                                       .partition = partition,
                                       .next_offset = -1,
                                       .last_offset = -1,
                                       .last_time_ms = -1,
                                       .owner = "" };
        sim_row_insert(tx, SIM_POSITION, made);
        return made;
}

int weir_position_take(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                       const char *owner, struct weir_position *ret, struct weir_error *reterr)
{
        struct sim_row *row = sim_position_find(worker, topic, partition);
        struct sim_position *taken;
        struct sim_statement statement;
        struct weir_position got;
        int r;

        if (!row) {
                r = sim_statement_begin(&statement, pg, "make position", reterr);
                if (r == 0 && !sim_position_find(worker, topic, partition))
                        make(pg->tx, worker, topic, partition);
                if (r == 0)
                        r = sim_statement_end(&statement, reterr);
                if (r < 0)
                        return r;
                row = sim_position_find(worker, topic, partition);
        }
        r = lock_alone(pg, row, reterr);
        if (r < 0)
                return r;
        taken = sim_position_change(pg->tx, row);
        taken->epoch++;
        taken->owner = sim_copy(owner, strlen(owner));
        read_row(taken, &got);
        r = weir_pg_commit(pg, reterr);
        if (r < 0)
                return r;
        sim_trace("took %s/%d epoch=%lld next=%lld", worker, partition, (long long)got.epoch,
                  (long long)got.next_offset);
        *ret = got;
        return 0;
}

int weir_position_look(struct weir_pg *pg, int32_t id, struct weir_position *ret,
                       struct weir_error *reterr)
{
        struct sim_row *row = sim_position_by_id(id);
        struct weir_position got;
        int r;

        if (!row)
                return 1;
        r = lock_alone(pg, row, reterr);
        if (r < 0)
                return r;
        read_row(sim_row_seen(row, pg->tx), &got);
        r = weir_pg_commit(pg, reterr);
        if (r == 0)
                *ret = got;
        return r;
}

int sim_position_compare(struct weir_pg *pg, const struct weir_position *position, bool offset,
                         struct sim_row **ret, struct weir_error *reterr)
{
        const struct sim_position *seen;
        int r;

        *ret = sim_position_by_id(position->id);
        if (!*ret)
                return 1;
        r = sim_row_lock(pg, *ret, 0, reterr);
        if (r < 0)
                return r;
        seen = sim_row_seen(*ret, pg->tx);
        return seen->epoch != position->epoch ||
               (offset && seen->next_offset != position->next_offset);
}

int sim_position_mine(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_error *reterr)
{
        struct sim_row *row;

        return sim_position_compare(pg, position, false, &row, reterr);
}

static void note_change(struct sim_tx *tx, const struct sim_position *moved, int64_t before)
{
        struct sim_change *note = sim_alloc(sizeof *note);

        *note = (struct sim_change){ moved->id, sim_id(), moved->epoch, before,
                                     moved->next_offset };
        sim_row_insert(tx, SIM_CHANGE, note);
}

void sim_trail_leave(struct sim_tx *tx, struct sim_batch batch)
{
        struct sim_batch *row = sim_alloc(sizeof *row);

        *row = batch;
        row->id = sim_id();
        sim_row_insert(tx, SIM_BATCH, row);
}

int weir_position_begin(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                        struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_position *moved;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "begin position", reterr);

        if (r < 0)
                return r;
        r = sim_position_compare(pg, position, false, &row, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (r == 0 && ((struct sim_position *)sim_row_seen(row, pg->tx))->next_offset >= 0)
                r = 1;
        if (r == 0) {
                moved = sim_position_change(pg->tx, row);
                moved->next_offset = next_offset;
                note_change(pg->tx, moved, -1);
        }
        if (sim_statement_end(&statement, reterr) < 0)
                return reterr->code;
        if (r == 0)
                position->next_offset = next_offset;
        return r;
}

int weir_position_skip(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "skip", reterr);

        if (r < 0)
                return r;
        r = sim_position_compare(pg, position, true, &row, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (r == 0) {
                sim_position_change(pg->tx, row)->next_offset = next_offset;
                sim_trail_leave(pg->tx, (struct sim_batch){ .position = position->id,
                                                            .first_offset = position->next_offset,
                                                            .next_offset = next_offset,
                                                            .epoch = position->epoch,
                                                            .version = "" });
        }
        if (sim_statement_end(&statement, reterr) < 0)
                return reterr->code;
        if (r == 0)
                position->next_offset = next_offset;
        return r;
}

int weir_position_identify(struct weir_pg *pg, const struct weir_position *position,
                           struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_position *moved;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "identify", reterr);

        if (r < 0)
                return r;
        r = sim_position_compare(pg, position, true, &row, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (r == 0) {
                moved = sim_position_change(pg->tx, row);
                moved->last_offset = position->last_offset;
                moved->last_time_ms = position->last_time_ms;
                moved->last_fingerprint = position->last_fingerprint;
        }
        return sim_statement_end(&statement, reterr) < 0 ? reterr->code : r;
}

int weir_position_epochs(struct weir_pg *pg, const char *worker, const char *owner,
                         struct weir_position_epoch *ret, size_t room, size_t *ret_count,
                         struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "epochs", reterr);

        if (r < 0)
                return r;
        *ret_count = 0;
        sim_row_each(row, SIM_POSITION)
        {
                const struct sim_position *p = row->now;

                if (p && !strcmp(p->worker, worker) && *ret_count < room &&
                    (!strcmp(p->owner, owner) || weir_clock_us() - p->updated_us > 60000000))
                        ret[(*ret_count)++] = (struct weir_position_epoch){ p->id, p->epoch };
        }
        return sim_statement_end(&statement, reterr);
}

int weir_withheld_add(struct weir_pg *pg, int32_t position, int64_t count,
                      struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "withheld", reterr);

        (void)position;
        (void)count;
        return r < 0 ? r : sim_statement_end(&statement, reterr);
}

int weir_withheld_pass(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr)
{
        struct weir_position moved = *position;
        int r = weir_pg_begin(pg, reterr);

        if (r == 0)
                r = weir_position_skip(pg, &moved, next_offset, reterr);
        if (r != 0) {
                weir_pg_rollback(pg);
                return r;
        }
        r = weir_pg_commit(pg, reterr);
        if (r == 0)
                *position = moved;
        return r;
}

/* ---- an operator ---------------------------------------------------------------------------- */

/* 0; 1 = there is no such row yet, or it was held for too long. */
int sim_operator_move(int32_t partition, int64_t next_offset)
{
        struct weir_pg pg = { .number = -1, .process = -1 };
        struct sim_row *row = sim_position_find("w", "t", partition);
        struct weir_error error;
        struct sim_position *moved;
        int64_t before;

        if (!row)
                return 1;
        sim_tx_begin(&pg);
        if (sim_row_lock(&pg, row, MOVE_WAIT_US, &error) < 0 ||
            (sim_logs[partition].position_is_old && next_offset)) { /* meant for another log */
                sim_tx_rollback(pg.tx);
                return 1;
        }
        moved = sim_position_change(pg.tx, row);
        before = moved->next_offset;
        moved->epoch++;
        moved->next_offset = next_offset;
        moved->last_offset = moved->last_time_ms = -1;
        moved->last_fingerprint = 0;
        sim_row_each(attempt, SIM_ATTEMPT)
        {
                const struct sim_attempt *a = attempt->now;

                if (a && a->position == moved->id && sim_row_lock(&pg, attempt, 0, &error) == 0)
                        sim_row_change(pg.tx, attempt, NULL);
        }
        sim_row_each(parked, SIM_PARKED)
        {
                const struct sim_parked *p = parked->now;
                struct sim_parked *absolved = sim_alloc(sizeof *absolved);

                if (!p || p->position != moved->id || !p->deaths ||
                    sim_row_lock(&pg, parked, 0, &error) < 0 || !parked->next)
                        continue;
                *absolved = *(const struct sim_parked *)parked->next;
                absolved->deaths = 0;
                absolved->death = NULL;
                sim_row_change(pg.tx, parked, absolved);
        }
        note_change(pg.tx, moved, before);
        sim_logs[partition].position_is_old = false;
        sim_log_give_up(partition, before, next_offset);
        sim_trace("operator moves %d from %lld to %lld", partition, (long long)before,
                  (long long)next_offset);
        sim_tx_commit(pg.tx);
        return 0;
}

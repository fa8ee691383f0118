/* SPDX-License-Identifier: MIT */
/*
 * claim - the fence and the claims, in place of lib/store/apply.c and unclaim.c
 *
 * A transaction begins with a compare-and-set on its position, under the row's lock, and with its keys, in their order:
 * each is inserted, or found; one that somebody else is about to claim is waited for.
 *
 * Flights       apply.c sometimes begins anew, because a claim was there or the generations were switched. In between
 *               nothing is held, and another may come: that is SIM_AGAIN.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "store/apply.h"

static int by_key(const void *a, const void *b)
{
        return memcmp(*(const struct weir_key *const *)a, *(const struct weir_key *const *)b,
                      sizeof(struct weir_key));
}

/* Claim one key, or find it claimed. < 0. */
static int claim(struct weir_pg *pg, const struct weir_apply *apply, const struct weir_key *key,
                 bool *ret_fresh, struct weir_error *reterr)
{
        struct sim_claim *made;

        *ret_fresh = false;
        for (size_t i = 0; i < sim_tables[SIM_CLAIM].count; i++) {
                struct sim_row *row = sim_tables[SIM_CLAIM].list[i];
                const struct sim_claim *there = row->owner ? row->next : row->now;
                int r;

                if (row->owner && !there) /* about to be deleted: as it was */
                        there = row->now;
                if (!there || memcmp(&there->key, key, sizeof *key) != 0)
                        continue;
                if (row->owner && row->owner != pg->tx) {
                        bool gone;

                        r = sim_row_lock(pg, row, 0, reterr); /* wait for the open claimer */
                        if (r < 0)
                                return r;
                        gone = !sim_row_seen(row, pg->tx);
                        if (gone)
                                continue;
                }
                if (sim_row_seen(row, pg->tx))
                        return 0;
        }
        made = sim_alloc(sizeof *made);
        *made = (struct sim_claim){ *key, apply->position->id, apply->offsets[key - apply->keys] };
        sim_row_insert(pg->tx, SIM_CLAIM, made);
        *ret_fresh = true;
        return 0;
}

static int claim_all(struct weir_pg *pg, const struct weir_apply *apply, bool *ret_fresh,
                     struct weir_error *reterr)
{
        const struct weir_key **order = sim_alloc((apply->key_count + 1) * sizeof *order);
        struct sim_batch trail = { .position = apply->position->id,
                                   .first_offset = apply->first_offset,
                                   .next_offset = apply->next_offset,
                                   .epoch = apply->position->epoch,
                                   .records = apply->record_count,
                                   .events = apply->event_count,
                                   .dead = apply->dead_count,
                                   .parked = apply->parked_count,
                                   .version = apply->plugin_version };

        for (size_t i = 0; i < apply->key_count; i++)
                order[i] = &apply->keys[i];
        qsort(order, apply->key_count, sizeof *order, by_key);
        for (size_t i = 0; i < apply->key_count; i++) {
                bool *fresh = &ret_fresh[order[i] - apply->keys];
                int r = claim(pg, apply, order[i], fresh, reterr);

                if (r < 0)
                        return r;
                trail.fresh += *fresh;
        }
        sim_trail_leave(pg->tx, trail);
        return 0;
}

static int begin_once(struct weir_pg *pg, const struct weir_apply *apply, bool *ret_fresh,
                      struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_position *moved;
        struct sim_row *row;
        int r;

        sim_check(!pg->tx, "model", "a transaction is open already");
        r = sim_statement_begin(&statement, pg, "fence and claim", reterr);
        if (r < 0)
                return r;
        statement.own = false; /* it stays open */
        r = sim_position_compare(pg, apply->position, true, &row, reterr);
        if (r == 0) {
                moved = sim_position_change(pg->tx, row);
                moved->next_offset = apply->next_offset;
                moved->last_offset = apply->last_offset;
                moved->last_time_ms = apply->last_time_ms;
                moved->last_fingerprint = apply->last_fingerprint;
                r = claim_all(pg, apply, ret_fresh, reterr);
        }
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (sim_statement_end(&statement, reterr) < 0)
                return reterr->code;
        return r;
}

int weir_apply_begin(struct weir_pg *pg, const struct weir_apply *apply, bool *ret_fresh,
                     struct weir_error *reterr)
{
        for (int flight = 0;; flight++) {
                int r = begin_once(pg, apply, ret_fresh, reterr);

                if (r == 0 && flight < 3 && sim_fault(SIM_AGAIN)) {
                        weir_pg_rollback(pg);
                        continue;
                }
                if (r != 0 && !weir_pg_idle(pg))
                        weir_pg_rollback(pg);
                return r;
        }
}

int weir_apply_unclaim(struct weir_pg *pg, const struct weir_key *keys, size_t count,
                       struct weir_error *reterr)
{
        struct sim_statement statement;
        size_t gone = 0;
        int r = sim_statement_begin(&statement, pg, "unclaim", reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < count; i++)
                sim_row_each(row, SIM_CLAIM)
                {
                        const struct sim_claim *c = sim_row_seen(row, pg->tx);

                        if (!c || row->owner != pg->tx || memcmp(&c->key, &keys[i], sizeof *keys))
                                continue;
                        sim_row_change(pg->tx, row, NULL);
                        gone++;
                }
        sim_check(gone == count, "unclaim", "%zu of %zu claims are there", gone, count);
        for (size_t i = sim_tables[SIM_BATCH].count; i-- > 0;) {
                struct sim_row *row = sim_tables[SIM_BATCH].list[i];
                struct sim_batch *trail;

                if (row->owner != pg->tx)
                        continue;
                trail = sim_alloc(sizeof *trail);
                *trail = *(struct sim_batch *)row->next;
                trail->events -= (uint32_t)count;
                trail->fresh -= (uint32_t)count;
                trail->dead += (uint32_t)count;
                sim_row_change(pg->tx, row, trail);
                break;
        }
        return sim_statement_end(&statement, reterr);
}

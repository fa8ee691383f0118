/* SPDX-License-Identifier: MIT */
/*
 * apply - everything between BEGIN and COMMIT
 *
 * Always true   I2  a handler's effects and its claim are in one transaction: both or none.
 *               I4  the dead letter and the step over its offset are in one transaction.
 *               I5  the position moves by compare-and-set, from what this lane wrote or read last.
 * The race      1. COMMIT is sent  2. the connection breaks  3. a second transaction for the same records
 *               starts: its fence waits for the row lock of the first, then sees next_offset moved, and
 *               updates nothing. Even a caller that forgot to look cannot double an effect.
 * A handler is never called for an event whose key was claimed before: duplicates cost no rollback.
 * Not chosen    SAVEPOINT per event (slow on the good path; see flow/spare for one per culprit); claiming a condemned event: requeueing it
 *               later would find its own claim and do nothing.
 */
#include "flow/apply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <weir/worker.h>

#include "base/board.h"
#include "base/failpoint.h"
#include "flow/spare.h"
#include "store/withheld.h"

static int fault(struct weir_fault *ret, int outcome, uint32_t item)
{
        ret->outcome = outcome;
        ret->item = item;
        return WEIR_FAULT;
}

/* One event through handle(), or through handle_batch() alone. */
static int handle_one(struct weir_applier *applier, const struct weir_event *event,
                      struct weir_error *reterr)
{
        int outcome = WEIR_DONE;
        int r;

        if (!applier->plugin->handle_batch)
                return weir_handler_tx_call(applier->tx, event, reterr);
        r = weir_handler_tx_call_batch(applier->tx, &event, 1, &outcome, reterr);
        return r == WEIR_DONE || r == WEIR_SKIP ? outcome : r;
}

/*
 * Rows are sent, so that a failing COPY has a name. A COMMIT that fails names nobody either: its event would be
 * taken for the weather and the partition would wait for ever. So after one (blame), deferred constraints are
 * looked at here; and deferred again at once, the next event of the same record has a right to it.
 */
static int check_alone(struct weir_applier *applier, struct weir_pg *pg, struct weir_error *reterr)
{
        int r = weir_handler_tx_flush(applier->tx, reterr);

        if (r == 0 && applier->blame)
                r = weir_pg_run(pg, "SET CONSTRAINTS ALL IMMEDIATE", reterr);
        if (r == 0 && applier->blame)
                r = weir_pg_run(pg, "SET CONSTRAINTS ALL DEFERRED", reterr);
        return r;
}

int weir_applier_handle(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                        size_t from, size_t to, bool alone, size_t *ret_at, struct weir_fault *ret)
{
        struct weir_claims *claims = &applier->claims;

        for (size_t i = from; i < to; i++) {
                int outcome;

                if (!claims->fresh[i])
                        continue;
                weir_board_item(weir_batch_item_index(batch, claims->items[i]));
                applier->calls++;
                outcome = handle_one(applier, &batch->items[claims->items[i]].event, &ret->error);
                if (alone && (outcome == WEIR_DONE || outcome == WEIR_SKIP))
                        outcome = check_alone(applier, pg, &ret->error);
                if (outcome == WEIR_DONE || outcome == WEIR_SKIP)
                        continue;
                *ret_at = i;
                return fault(ret, outcome, claims->items[i]);
        }
        return WEIR_APPLIED;
}

static int make_room(struct weir_applier *applier, size_t need)
{
        if (need <= applier->room)
                return 0;
        free(applier->events);
        free(applier->outcomes);
        applier->events = calloc(need, sizeof *applier->events);
        applier->outcomes = calloc(need, sizeof *applier->outcomes);
        applier->room = applier->events && applier->outcomes ? need : 0;
        return applier->room ? 0 : WEIR_ENOMEM;
}

static bool is_good(int outcome)
{
        return outcome == WEIR_DONE || outcome == WEIR_SKIP;
}

/* Which event of a batch call failed: the first whose outcome says so. An outcome that holds for all names nobody:
 * taking the first for it would call the rest once for each event, and a thousand are a million. */
static uint32_t culprit(const struct weir_applier *applier, size_t count, int *ret_outcome)
{
        const struct weir_claims *claims = &applier->claims;
        size_t same = 0;

        while (same < count && applier->outcomes[same] == applier->outcomes[0])
                same++;
        if (same == count && count > 1)
                return WEIR_NO_ITEM;

        for (size_t i = 0, k = 0; i < claims->count; i++) {
                if (!claims->fresh[i])
                        continue;
                if (!is_good(applier->outcomes[k])) {
                        if (*ret_outcome >= 0)
                                *ret_outcome = applier->outcomes[k];
                        return claims->items[i];
                }
                k++;
        }
        return WEIR_NO_ITEM;
}

static int handle_together(struct weir_applier *applier, struct weir_batch *batch,
                           struct weir_fault *ret)
{
        struct weir_claims *claims = &applier->claims;
        size_t count = 0;
        uint32_t item;
        int outcome;

        if (make_room(applier, claims->count) < 0) {
                weir_fail(&ret->error, WEIR_ENOMEM, 0, "batch of %zu events", claims->count);
                return fault(ret, WEIR_ENOMEM, WEIR_NO_ITEM);
        }
        for (size_t i = 0; i < claims->count; i++)
                if (claims->fresh[i]) {
                        applier->events[count] = &batch->items[claims->items[i]].event;
                        applier->outcomes[count++] = WEIR_DONE;
                }
        if (count == 0)
                return WEIR_APPLIED;
        weir_board_item(-1);
        applier->calls += (uint32_t)count;
        outcome = weir_handler_tx_call_batch(applier->tx, applier->events, count, applier->outcomes,
                                             &ret->error);
        item = culprit(applier, count, &outcome);
        return is_good(outcome) ? WEIR_APPLIED : fault(ret, outcome, item);
}

/* What is not applied is kept, in the transaction that passes its offset (I4, V1); what was counted goes (J2). */
static int keep(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                size_t first, size_t count, const struct weir_position *position,
                struct weir_fault *ret)
{
        uint32_t withheld = weir_handler_tx_withheld(applier->tx);
        int r = 0;

        applier->dead->withheld = 0;
        if (applier->claims.dead_count)
                r = weir_dead_keep(applier->dead, pg, batch, first, count, position, &ret->error);
        if (r == 0 && applier->claims.parked_count)
                r = weir_park_keep(applier->park, pg, batch, first, count, position->id,
                                   &ret->error);
        if (r == 0)
                r = weir_retry_pass(applier->retry, pg, position->id, ret->next_offset,
                                    &ret->error);
        withheld += applier->dead->withheld;
        if (r == 0 && withheld)
                r = weir_withheld_add(pg, position->id, withheld, &ret->error);
        return r < 0 ? fault(ret, r, WEIR_NO_ITEM) : WEIR_APPLIED;
}

static int inside(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                  size_t first, size_t count, const struct weir_position *position,
                  struct weir_fault *ret)
{
        size_t at;
        int r;

        weir_handler_tx_attach(applier->tx, pg, position->id);
        if (applier->plugin->handle_batch && count > 1)
                r = handle_together(applier, batch, ret);
        else if (weir_spare_ready(applier, count))
                r = weir_spare_handle(applier, pg, batch, first, count, position, ret);
        else
                r = weir_applier_handle(applier, pg, batch, 0, applier->claims.count, count == 1,
                                        &at, ret);
        if (r == WEIR_APPLIED && weir_handler_tx_flush(applier->tx, &ret->error) < 0)
                r = fault(ret, ret->error.code, WEIR_NO_ITEM);
        weir_handler_tx_detach(applier->tx);
        WEIR_FAILPOINT("apply.handled");
        return r == WEIR_APPLIED ? keep(applier, pg, batch, first, count, position, ret) : r;
}

/* The position as it will be behind records [first, first + count). */
static int describe(const struct weir_batch *batch, size_t first, size_t count,
                    struct weir_apply *ret)
{
        const struct weir_record *last = &batch->records[first + count - 1].record;

        ret->next_offset = last->offset + 1;
        ret->last_offset = last->offset;
        ret->last_time_ms = last->time_ms;
        return weir_key_fingerprint(last->time_ms, last->key, last->value, &ret->last_fingerprint);
}

void weir_applier_advance(const struct weir_batch *batch, size_t first, size_t count,
                          struct weir_position *position)
{
        struct weir_apply apply = { 0 };

        describe(batch, first, count, &apply);
        assert(apply.next_offset > position->next_offset); /* I5: never back */
        position->next_offset = apply.next_offset;
        position->last_offset = apply.last_offset;
        position->last_time_ms = apply.last_time_ms;
        position->last_fingerprint = apply.last_fingerprint;
}

static uint32_t parked_records(const struct weir_applier *applier, const struct weir_batch *batch,
                               size_t first, size_t count)
{
        uint32_t parked = 0;

        for (size_t i = first; applier->claims.parked_count && i < first + count; i++)
                parked += weir_batch_fate(batch, i) == WEIR_FATE_PARKED;
        return parked;
}

int weir_applier_run(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                     size_t first, size_t count, struct weir_position *position,
                     struct weir_applied_counts *counts, struct weir_fault *ret_fault)
{
        struct weir_claims *claims = &applier->claims;
        struct weir_apply apply = { .position = position,
                                    .record_count = (uint32_t)count,
                                    .plugin_version = applier->version };
        int r;

        weir_board_do(WEIR_BOARD_APPLIES);
        applier->calls = 0;
        memset(ret_fault, 0, sizeof *ret_fault);
        ret_fault->item = WEIR_NO_ITEM;
        if (weir_claims_collect(claims, batch, first, count, &ret_fault->error) < 0)
                return fault(ret_fault, WEIR_ENOMEM, WEIR_NO_ITEM);
        if (describe(batch, first, count, &apply) < 0) {
                weir_fail(&ret_fault->error, WEIR_ENOMEM, 0, "fingerprint");
                return fault(ret_fault, WEIR_ENOMEM, WEIR_NO_ITEM);
        }
        apply.event_count = claims->event_count;
        apply.dead_count = claims->dead_count;
        apply.parked_count = parked_records(applier, batch, first, count);
        apply.keys = claims->keys;
        apply.offsets = claims->offsets;
        apply.key_count = claims->count;
        apply.first_offset =
                position->next_offset; /* offsets without a record before it are passed too */
        ret_fault->next_offset = apply.next_offset;

        r = weir_apply_begin(pg, &apply, claims->fresh, &ret_fault->error);
        WEIR_FAILPOINT("apply.begun");
        if (r > 0)
                return WEIR_FENCED;
        if (r < 0)
                return fault(ret_fault, r, WEIR_NO_ITEM);
        r = inside(applier, pg, batch, first, count, position, ret_fault);
        if (r != WEIR_APPLIED) {
                weir_pg_rollback(pg);
                return r;
        }
        WEIR_FAILPOINT("apply.kept");
        r = weir_pg_commit(pg, &ret_fault->error);
        if (r < 0)
                return fault(ret_fault, r, WEIR_NO_ITEM);
        WEIR_FAILPOINT("apply.committed");
        weir_applier_advance(batch, first, count, position);
        counts->events += claims->event_count;
        counts->dead += claims->dead_count;
        for (size_t i = 0; i < claims->count; i++)
                counts->fresh += claims->fresh[i];
        return WEIR_APPLIED;
}

void weir_applier_fini(struct weir_applier *applier)
{
        weir_claims_fini(&applier->claims);
        free(applier->events);
        free(applier->outcomes);
}

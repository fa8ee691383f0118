/* SPDX-License-Identifier: MIT */
/*
 * rerun - one event, one small transaction, the same promise
 *
 * A parked event and a marked dead letter are the same thing: a record that lies in a table, whole, with one
 * event of it to be run. It is decoded again from its bytes, and then
 *      BEGIN · fence · claim · handle · its row (removed, or 'applied', or 'duplicate') · COMMIT
 * The fence sets the position to where it is: no offset is passed, but the epoch is proved and the position row
 * locked, so that a taker waits and a former holder updates nothing.
 *
 * Always true   Z1  claim, effect and the change of the row are one transaction: however often an event
 *                   is parked, marked, duplicated or tried, it comes into effect once.
 * The race      1. an operator marks a dead letter; a duplicate of its event arrives  2. whichever claims first is
 *               applied; the other finds the claim: the letter becomes 'duplicate', the record is passed.
 * Trail         each transaction leaves a row in weir.batch of no records and no offsets, so that the sum of fresh
 *               events stays the number of claims.
 */
#include "flow/rerun.h"

#include <stdio.h>
#include <string.h>
#include <weir/worker.h>

#include "base/failpoint.h"
#include "flow/policy.h"
#include "flow/replaying.h"
#include "flow/suspect.h"
#include "store/withheld.h"

void weir_rerun_init(struct weir_rerun *rerun, const struct weir_conf_worker *worker,
                     const struct weir_batch_rules *rules)
{
        rerun->worker = worker;
        rerun->rules = rules;
        weir_batch_init(&rerun->batch, worker->name, NULL, worker->accept_json_batch);
}

void weir_rerun_fini(struct weir_rerun *rerun)
{
        weir_batch_fini(&rerun->batch);
        weir_claims_fini(&rerun->claims);
}

/* Decode it again. What else the record holds is left out; the event itself stays. < 0: WEIR_ENOMEM. */
static int decode(struct weir_rerun *rerun, struct weir_error *reterr)
{
        const struct weir_kept_event *kept = &rerun->kept;
        struct weir_record record = {
                .topic = weir_partition_topic(rerun->partition),
                .partition = weir_partition_number(rerun->partition),
                .offset = kept->offset,
                .time_ms = kept->record.record_time_ms,
                .key = kept->record.key,
                .value = kept->record.value,
                .headers = (struct weir_header *)kept->record.headers,
                .header_count = kept->record.header_count,
        };
        struct weir_batch_rules of_epoch = { rerun->space, kept->epoch.ptr, NULL };
        struct weir_batch *batch = &rerun->batch;
        int r;

        weir_batch_reset(batch);
        weir_replaying_space(rerun->worker->name, kept->epoch.ptr, rerun->space);
        weir_batch_set_rules(batch, rerun->worker->name,
                             kept->epoch.ptr ? &of_epoch : rerun->rules);
        r = weir_batch_add(batch, &record, reterr);
        if (r < 0)
                return r;
        if (!batch->records[0].refusal && !kept->whole &&
            (uint32_t)kept->item >= batch->item_count) {
                struct weir_refusal *refusal = weir_arena_alloc(&batch->arena, sizeof *refusal);

                if (!refusal)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "refusal");
                *refusal = (struct weir_refusal){ .klass = WEIR_REFUSED_BATCH_ELEMENT };
                snprintf(refusal->reason, sizeof refusal->reason,
                         "the record holds %zu events, not %d", batch->item_count, kept->item + 1);
                batch->records[0].refusal = refusal;
                batch->records[0].item_count = 0;
                batch->item_count = 0;
        }
        for (uint32_t i = 0; i < batch->item_count; i++) {
                batch->items[i].attempts = kept->attempts;
                batch->items[i].event.attempt = kept->attempts + 1;
                batch->items[i].first_failed_us = kept->first_failed_us;
                if (!kept->whole && i != (uint32_t)kept->item)
                        batch->items[i].parked = WEIR_PARKED_BEHIND;
        }
        return 0;
}

int weir_rerun_decode(struct weir_rerun *rerun, struct weir_fault *ret)
{
        const struct weir_refusal *refusal;
        int r = decode(rerun, &ret->error);

        refusal = r == 0 ? rerun->batch.records[0].refusal : NULL;
        ret->outcome = r == 0 ? WEIR_EDECODE : r;
        ret->item = WEIR_NO_ITEM;
        if (refusal)
                weir_fail(&ret->error, WEIR_EDECODE, 0, "%s", refusal->reason);
        return refusal ? 1 : r;
}

static int begin(struct weir_rerun *rerun, const struct weir_position *position, bool dead,
                 struct weir_error *reterr)
{
        struct weir_claims *claims = &rerun->claims;
        const struct weir_apply apply = {
                .position = position,
                .first_offset = position->next_offset,
                .next_offset = position->next_offset,
                .last_offset = position->last_offset,
                .last_time_ms = position->last_time_ms,
                .last_fingerprint = position->last_fingerprint,
                .event_count = dead ? 0 : claims->event_count,
                .dead_count = dead,
                .plugin_version = rerun->applier->version,
                .keys = claims->keys,
                .offsets = claims->offsets,
                .key_count = dead ? 0 : claims->count,
        };

        return weir_apply_begin(rerun->pg, &apply, claims->fresh, reterr);
}

static int handle(struct weir_rerun *rerun, size_t *ret_fresh, struct weir_fault *ret)
{
        struct weir_claims *claims = &rerun->claims;
        int r = WEIR_DONE;

        for (size_t i = 0; i < claims->count && (r == WEIR_DONE || r == WEIR_SKIP); i++) {
                if (!claims->fresh[i])
                        continue;
                ++*ret_fresh;
                ret->item = claims->items[i];
                r = weir_handler_tx_call(rerun->applier->tx,
                                         &rerun->batch.items[claims->items[i]].event, &ret->error);
        }
        WEIR_FAILPOINT("aside.handled");
        if (r == WEIR_DONE || r == WEIR_SKIP)
                r = weir_handler_tx_flush(rerun->applier->tx, &ret->error);
        if (r == 0) /* it is alone here: what COMMIT would refuse is its fault */
                r = weir_pg_run(rerun->pg, "SET CONSTRAINTS ALL IMMEDIATE", &ret->error);
        return r;
}

static int settle(struct weir_rerun *rerun, bool applied, struct weir_error *reterr)
{
        return rerun->parked ? weir_parked_remove(rerun->pg, rerun->kept.id, reterr)
                             : weir_deadletter_settle(rerun->pg, rerun->kept.id, applied, reterr);
}

static enum weir_rerun_step fail(struct weir_rerun *rerun, struct weir_fault *fault, int outcome)
{
        fault->outcome = outcome;
        if (!weir_pg_broken(rerun->pg) && !weir_pg_idle(rerun->pg))
                weir_pg_rollback(rerun->pg);
        return WEIR_RERUN_FAILED;
}

/* Close the transaction in which the event was decided. @changed what settle() said. */
static enum weir_rerun_step commit(struct weir_rerun *rerun, int changed, struct weir_fault *fault)
{
        int r;

        if (changed < 0)
                return fail(rerun, fault, changed);
        if (changed != WEIR_KEPT_DONE) {
                weir_pg_rollback(rerun->pg);
                return WEIR_RERUN_GONE;
        }
        WEIR_FAILPOINT("aside.settled");
        r = weir_pg_commit(rerun->pg, &fault->error);
        if (r < 0)
                return fail(rerun, fault, r);
        WEIR_FAILPOINT("aside.committed");
        return WEIR_RERUN_DONE;
}

/* A letter's word holds for its event, whoever runs it; what is parked is the lane's own. */
static bool withholds(const struct weir_rerun *rerun)
{
        return rerun->parked ? rerun->applier->dead->withhold : rerun->kept.withhold;
}

enum weir_rerun_step weir_rerun_apply(struct weir_rerun *rerun,
                                      const struct weir_position *position, size_t *ret_fresh,
                                      struct weir_fault *fault)
{
        struct weir_claims *claims = &rerun->claims;
        uint32_t withheld;
        int r = weir_claims_collect(claims, &rerun->batch, 0, 1, &fault->error);

        if (r == 0)
                r = begin(rerun, position, false, &fault->error);
        if (r > 0)
                return WEIR_RERUN_FENCED;
        if (r < 0)
                return fail(rerun, fault, r);
        weir_handler_tx_attach(rerun->applier->tx, rerun->pg, position->id);
        weir_handler_tx_withhold(rerun->applier->tx, withholds(rerun));
        *ret_fresh = 0;
        r = handle(rerun, ret_fresh, fault);
        weir_handler_tx_withhold(rerun->applier->tx, rerun->applier->dead->withhold);
        withheld = weir_handler_tx_withheld(rerun->applier->tx);
        weir_handler_tx_detach(rerun->applier->tx);
        if (r != 0)
                return fail(rerun, fault, r);
        fault->item = WEIR_NO_ITEM;
        if (withheld &&
            (r = weir_withheld_add(rerun->pg, position->id, withheld, &fault->error)) < 0)
                return fail(rerun, fault, r);
        return commit(rerun, settle(rerun, *ret_fresh > 0, &fault->error), fault); /* Z1 */
}

/* ---- for the last time ---------------------------------------------------------------------- */

static void describe(struct weir_rerun *rerun, const struct weir_fault *fault, const char *klass)
{
        struct weir_batch *batch = &rerun->batch;
        struct weir_item *item;

        if (batch->records[0].refusal)
                return;
        item = &batch->items[fault->item != WEIR_NO_ITEM ? fault->item
                                                         : (uint32_t)rerun->kept.item];
        item->dead = true;
        item->klass = klass;
        item->attempts = rerun->kept.attempts + 1;
        if (strcmp(klass, WEIR_CLASS_CRASH) == 0)
                weir_suspect_reason(fault->error.text, item->reason);
        else
                snprintf(item->reason, sizeof item->reason, "%s",
                         weir_policy_reason(&fault->error));
        item->text = weir_arena_copy(&batch->arena, fault->error.text, strlen(fault->error.text));
}

enum weir_rerun_step weir_rerun_bury(struct weir_rerun *rerun, const struct weir_position *position,
                                     const char *klass, struct weir_fault *fault)
{
        int r = begin(rerun, position, true, &fault->error);

        if (r == 0)
                describe(rerun, fault, klass);
        if (r > 0)
                return WEIR_RERUN_FENCED;
        if (r < 0)
                return fail(rerun, fault, r);
        r = weir_dead_keep(rerun->applier->dead, rerun->pg, &rerun->batch, 0, 1, position,
                           &fault->error);
        if (r < 0)
                return fail(rerun, fault, r);
        return commit(rerun, weir_parked_remove(rerun->pg, rerun->kept.id, &fault->error), fault);
}

enum weir_rerun_step weir_rerun_publish(struct weir_rerun *rerun,
                                        const struct weir_position *position,
                                        const struct weir_deadletter_failure *failure,
                                        struct weir_fault *fault)
{
        const struct weir_kept_event *kept = &rerun->kept;
        const struct weir_deadletter letter = {
                .position = position->id,
                .worker = rerun->applier->worker,
                .topic = weir_partition_topic(rerun->partition),
                .partition = weir_partition_number(rerun->partition),
                .offset = kept->offset,
                .key = kept->record.key,
                .value = kept->record.value,
                .headers = kept->record.headers,
                .header_count = kept->record.header_count,
                .klass = failure->klass,
                .reason = failure->reason,
                .text = failure->text,
                .attempts = failure->attempts,
                .round = kept->round,
        };
        struct weir_fault failed = { .item = WEIR_NO_ITEM }; /* @fault may hold the text */
        enum weir_rerun_step step;
        int r = weir_pg_begin(rerun->pg, &failed.error);

        if (r == 0)
                r = weir_deadletter_fail(rerun->pg, position, failure, &failed.error);
        if (r > 0) {
                weir_pg_rollback(rerun->pg);
                return r == WEIR_KEPT_FENCED ? WEIR_RERUN_FENCED : WEIR_RERUN_GONE;
        }
        if (r == 0)
                r = weir_dead_publish(rerun->applier->dead, rerun->pg, &letter, kept->id,
                                      &rerun->batch.arena, &failed.error);
        step = r < 0 ? fail(rerun, &failed, r) : commit(rerun, WEIR_KEPT_DONE, &failed);
        if (step == WEIR_RERUN_FAILED)
                *fault = failed;
        return step;
}

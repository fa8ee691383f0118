/* SPDX-License-Identifier: MIT */
/*
 * aside - one event, one small transaction, the same promise
 *
 * A parked event and a marked dead letter are the same thing: a record that lies in a table, whole, with one
 * event of it to be run. It is decoded again from its bytes, and then
 *      BEGIN · fence · claim · handle · its row (removed, or 'applied', or 'duplicate') · COMMIT
 * The fence sets the position to where it is: no offset is passed, but the epoch is proved and the position row
 * locked, so that a taker waits and a former holder updates nothing.
 *
 * Always true   Z1  claim, effect and the change of the row are one transaction: however often an event
 *                   is parked, marked, duplicated or tried, it comes into effect once.
 *               Z2  of one key only the first parked event is tried (K3).
 *               Z3  infrastructure failures use up no attempts: the row stays as it is.
 * The race      1. an operator marks a dead letter; a duplicate of its event arrives  2. whichever claims first is
 *               applied; the other finds the claim: the letter becomes 'duplicate', the record is passed.
 * Unknown COMMIT   the position says nothing here, since it does not move. The row does: the open transaction is
 *               waited for (look locks the position), then the table is read anew.
 * Trail         each transaction leaves a row in weir.batch of no records and no offsets, so that the sum of fresh
 *               events stays the number of claims.
 * Not chosen    a thread or a worker of its own: it would need a fence of its own against the lane.
 */
#include "flow/aside.h"

#include <stdio.h>
#include <string.h>
#include <weir/worker.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "flow/policy.h"
#include "flow/marks.h"

#define TURN_US 100000 /* the partition flows on after so long */
#define LOOK_EVERY_US 1000000
#define LETTERS_MAX 64
#define WAIT_FIRST_MS 50
#define WAIT_MAX_MS 1000
#define ARENA_BLOCK_BYTES (64 * 1024)

/* The event in hand: of an entry of the park, or (entry NULL) a dead letter. */
struct work {
        struct weir_park_entry *entry;
        struct weir_kept_event kept;
};

enum step { STEP_DONE, STEP_FAILED, STEP_GONE, STEP_FENCED };

void weir_aside_init(struct weir_aside *aside)
{
        const struct weir_conf_worker *worker = aside->env->worker;

        weir_batch_init(&aside->batch, worker->name, NULL, worker->accept_json_batch);
        weir_arena_init(&aside->arena, ARENA_BLOCK_BYTES);
}

void weir_aside_fini(struct weir_aside *aside)
{
        weir_batch_fini(&aside->batch);
        weir_claims_fini(&aside->claims);
        weir_arena_fini(&aside->arena);
}

#define ASIDE_FIELDS(aside, work)                                                                  \
        LOG_S("worker", (aside)->env->worker->name),                                               \
                LOG_S("topic", weir_partition_topic((aside)->partition)),                          \
                LOG_I("partition", weir_partition_number((aside)->partition)),                     \
                LOG_I("offset", (work)->kept.offset),                                              \
                LOG_S((work)->entry ? "parked" : "requeued", "yes"), LOG_I("row", (work)->kept.id)

static int connect_for(struct weir_aside *aside, struct weir_error *reterr)
{
        return aside->pg ? 0
                         : weir_pool_acquire(aside->env->pool, aside->abort, &aside->pg, reterr);
}

/* Z3. */
static void wait_for_world(struct weir_aside *aside, const struct weir_error *error)
{
        aside->failures++;
        aside->not_before_us = weir_clock_us() +
                               weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, aside->failures) * 1000;
        if (aside->failures == 1 || aside->failures % 30 == 0)
                weir_log(WEIR_LOG_WARN, "aside.waits", LOG_S("worker", aside->env->worker->name),
                         LOG_S("topic", weir_partition_topic(aside->partition)),
                         LOG_I("partition", weir_partition_number(aside->partition)),
                         LOG_S("sqlstate", error->sqlstate), LOG_S("error", error->text),
                         LOG_I("attempt", aside->failures), LOG_S("action", "retry"));
}

/* ---- one event ----------------------------------------------------------------------------- */

/* Decode it again. What else the record holds is left out; the event itself stays. < 0: WEIR_ENOMEM. */
static int decode(struct weir_aside *aside, const struct work *work, struct weir_error *reterr)
{
        const struct weir_kept_event *kept = &work->kept;
        struct weir_record record = {
                .topic = weir_partition_topic(aside->partition),
                .partition = weir_partition_number(aside->partition),
                .offset = kept->offset,
                .time_ms = kept->record.record_time_ms,
                .key = kept->record.key,
                .value = kept->record.value,
                .headers = (struct weir_header *)kept->record.headers,
                .header_count = kept->record.header_count,
        };
        struct weir_batch *batch = &aside->batch;
        int r;

        weir_batch_reset(batch);
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

/* Is it no event (any more)? Then @ret says why. */
static bool undecodable(const struct weir_aside *aside, struct weir_fault *ret)
{
        const struct weir_refusal *refusal = aside->batch.records[0].refusal;

        if (!refusal)
                return false;
        ret->outcome = WEIR_EDECODE;
        ret->item = WEIR_NO_ITEM;
        weir_fail(&ret->error, WEIR_EDECODE, 0, "%s", refusal->reason);
        return true;
}

static int begin(struct weir_aside *aside, const struct weir_position *position, bool dead,
                 struct weir_error *reterr)
{
        struct weir_claims *claims = &aside->claims;
        const struct weir_apply apply = {
                .position = position,
                .first_offset = position->next_offset,
                .next_offset = position->next_offset,
                .last_offset = position->last_offset,
                .last_time_ms = position->last_time_ms,
                .last_fingerprint = position->last_fingerprint,
                .event_count = dead ? 0 : claims->event_count,
                .dead_count = dead,
                .plugin_version = aside->applier->version,
                .keys = claims->keys,
                .offsets = claims->offsets,
                .key_count = dead ? 0 : claims->count,
        };

        return weir_apply_begin(aside->pg, &apply, claims->fresh, reterr);
}

static int handle(struct weir_aside *aside, size_t *ret_fresh, struct weir_fault *ret)
{
        struct weir_claims *claims = &aside->claims;
        int r = WEIR_DONE;

        for (size_t i = 0; i < claims->count && (r == WEIR_DONE || r == WEIR_SKIP); i++) {
                if (!claims->fresh[i])
                        continue;
                ++*ret_fresh;
                ret->item = claims->items[i];
                r = weir_handler_tx_call(aside->applier->tx,
                                         &aside->batch.items[claims->items[i]].event, &ret->error);
        }
        WEIR_FAILPOINT("aside.handled");
        if (r == WEIR_DONE || r == WEIR_SKIP)
                r = weir_handler_tx_flush(aside->applier->tx, &ret->error);
        if (r == 0) /* it is alone here: what COMMIT would refuse is its fault */
                r = weir_pg_run(aside->pg, "SET CONSTRAINTS ALL IMMEDIATE", &ret->error);
        return r;
}

static int settle(struct weir_aside *aside, const struct work *work, bool applied,
                  struct weir_error *reterr)
{
        return work->entry ? weir_parked_remove(aside->pg, work->kept.id, reterr)
                           : weir_deadletter_settle(aside->pg, work->kept.id, applied, reterr);
}

static enum step fail(struct weir_aside *aside, struct weir_fault *fault, int outcome)
{
        fault->outcome = outcome;
        if (!weir_pg_broken(aside->pg) && !weir_pg_idle(aside->pg))
                weir_pg_rollback(aside->pg);
        return STEP_FAILED;
}

/* Close the transaction in which the event was decided. @changed what settle() said. */
static enum step commit(struct weir_aside *aside, int changed, struct weir_fault *fault)
{
        int r;

        if (changed < 0)
                return fail(aside, fault, changed);
        if (changed != WEIR_KEPT_DONE) {
                weir_pg_rollback(aside->pg);
                return STEP_GONE;
        }
        WEIR_FAILPOINT("aside.settled");
        r = weir_pg_commit(aside->pg, &fault->error);
        if (r < 0)
                return fail(aside, fault, r);
        WEIR_FAILPOINT("aside.committed");
        return STEP_DONE;
}

/* Z1. */
static enum step apply(struct weir_aside *aside, const struct work *work,
                       const struct weir_position *position, struct weir_fault *fault)
{
        struct weir_claims *claims = &aside->claims;
        size_t fresh = 0;
        enum step step;
        int r = weir_claims_collect(claims, &aside->batch, 0, 1, &fault->error);

        if (r == 0)
                r = begin(aside, position, false, &fault->error);
        if (r > 0)
                return STEP_FENCED;
        if (r < 0)
                return fail(aside, fault, r);
        weir_handler_tx_attach(aside->applier->tx, aside->pg, position->id);
        r = handle(aside, &fresh, fault);
        weir_handler_tx_detach(aside->applier->tx);
        if (r != 0)
                return fail(aside, fault, r);
        fault->item = WEIR_NO_ITEM;
        step = commit(aside, settle(aside, work, fresh > 0, &fault->error), fault);
        if (step != STEP_DONE)
                return step;
        aside->counts->events += claims->event_count;
        aside->counts->fresh += fresh;
        weir_log(WEIR_LOG_DEBUG, "aside.applied", ASIDE_FIELDS(aside, work), LOG_I("fresh", fresh));
        return STEP_DONE;
}

/* ---- failures ------------------------------------------------------------------------------ */

static void describe(struct weir_aside *aside, const struct work *work,
                     const struct weir_fault *fault, const char *klass)
{
        struct weir_batch *batch = &aside->batch;
        struct weir_item *item;

        if (batch->records[0].refusal)
                return;
        item = &batch->items[fault->item != WEIR_NO_ITEM ? fault->item : (uint32_t)work->kept.item];
        item->dead = true;
        item->klass = klass;
        item->attempts = work->kept.attempts + 1;
        snprintf(item->reason, sizeof item->reason, "%s", weir_policy_reason(&fault->error));
        item->text = weir_arena_copy(&batch->arena, fault->error.text, strlen(fault->error.text));
}

static enum weir_run halt(struct weir_aside *aside, const struct work *work,
                          const struct weir_position *position, const struct weir_error *error)
{
        const struct weir_conf_worker *worker = aside->env->worker;
        const char *topic = weir_partition_topic(aside->partition);
        int32_t partition = weir_partition_number(aside->partition);

        weir_fail(
                &aside->halt, WEIR_EHANDLER, 0,
                "%s/%d offset %lld, parked: %.100s; more than dead.max_share, %u %% of the last %u, "
                "failed: is it the plugin? It stays parked. To go on: a restart, or "
                "weir position set %s %s/%d %lld --reason again",
                topic, partition, (long long)work->kept.offset, error->text,
                worker->dead_max_percent, worker->dead_window, worker->name, topic, partition,
                (long long)position->next_offset);
        return WEIR_RUN_HALTED;
}

/* A parked event has failed for the last time: dead letter and row in one transaction. */
static enum step bury(struct weir_aside *aside, const struct work *work,
                      const struct weir_position *position, struct weir_fault *fault)
{
        int r = begin(aside, position, true, &fault->error);

        if (r > 0)
                return STEP_FENCED;
        if (r < 0)
                return fail(aside, fault, r);
        r = weir_dead_keep(aside->applier->dead, aside->pg, &aside->batch, 0, 1, position,
                           &fault->error);
        if (r < 0)
                return fail(aside, fault, r);
        return commit(aside, weir_parked_remove(aside->pg, work->kept.id, &fault->error), fault);
}

static void log_failure(const struct weir_aside *aside, const struct work *work,
                        const struct weir_error *error, const char *klass, bool last)
{
        weir_log(WEIR_LOG_WARN, last ? "event.dead" : "event.retries", ASIDE_FIELDS(aside, work),
                 LOG_I("attempt", work->kept.attempts + 1), LOG_S("class", klass),
                 LOG_S("reason", weir_policy_reason(error)), LOG_S("error", error->text),
                 LOG_S("action", last ? "dead" : "retry"));
}

/* Count the failure in the row and let it wait, or (a dead letter, @last) be kept for a person. */
static enum step count(struct weir_aside *aside, struct work *work,
                       const struct weir_position *position, const char *klass, bool last,
                       struct weir_fault *fault)
{
        const char *reason = weir_policy_reason(&fault->error), *text = fault->error.text;
        struct weir_parked parked = {
                .id = work->kept.id,
                .attempts = work->kept.attempts + 1,
                .wait_ms = weir_policy_delay_ms(aside->env->worker, work->kept.attempts + 1),
        };
        const struct weir_refusal *refusal = aside->batch.records[0].refusal;
        const struct weir_deadletter_failure failure = {
                .id = work->kept.id,
                .attempts = parked.attempts,
                .last = last,
                .klass = klass,
                .reason = refusal ? weir_refusal_name(refusal->klass) : reason,
                .text = text,
                .at_byte = refusal ? (int64_t)refusal->at : -1,
                .plugin_version = aside->applier->version,
        };
        struct weir_error error = { .code = 0 };
        int r;

        WEIR_FAILPOINT("aside.failed");
        r = work->entry ? weir_parked_postpone(aside->pg, position, &parked, reason, text, &error)
                        : weir_deadletter_fail(aside->pg, position, &failure, &error);
        if (r < 0) {
                fault->error = error;
                return fail(aside, fault, r);
        }
        if (r == WEIR_KEPT_DONE && work->entry) {
                work->entry->attempts = parked.attempts;
                work->entry->due_us = weir_clock_us() + parked.wait_ms * 1000;
        }
        return r == WEIR_KEPT_FENCED ? STEP_FENCED : r == WEIR_KEPT_GONE ? STEP_GONE : STEP_DONE;
}

/* ---- one turn ------------------------------------------------------------------------------ */

static enum weir_run world_failed(struct weir_aside *aside, const struct weir_fault *fault)
{
        switch (weir_policy_action(fault->outcome, &fault->error)) {
        case WEIR_ACTION_LEAVE: return WEIR_RUN_STOPPED;
        case WEIR_ACTION_LOOK: aside->unsure = true; break;
        default: break;
        }
        wait_for_world(aside, &fault->error);
        return WEIR_RUN_DONE;
}

/* What a step that concerns nobody's event came to. */
static enum weir_run conclude(struct weir_aside *aside, struct work *work, enum step step,
                              bool decided, bool dead, const struct weir_fault *fault)
{
        switch (step) {
        case STEP_FENCED: return WEIR_RUN_FENCED;
        case STEP_FAILED: return world_failed(aside, fault);
        case STEP_GONE: aside->unsure = work->entry != NULL; return WEIR_RUN_DONE;
        default: break;
        }
        aside->failures = 0;
        if (decided && work->entry) {
                weir_share_push(aside->share, dead);
                weir_park_remove(aside->applier->park, work->entry);
        }
        return WEIR_RUN_DONE;
}

static enum weir_run failed(struct weir_aside *aside, struct work *work,
                            const struct weir_position *position, struct weir_fault *fault)
{
        enum weir_action action = weir_policy_action(fault->outcome, &fault->error);
        const char *klass = aside->batch.records[0].refusal ? WEIR_CLASS_DECODE
                                                            : weir_policy_class(action);
        struct weir_error said = fault->error;
        bool last = action == WEIR_ACTION_DEAD ||
                    !weir_policy_again(aside->env->worker, work->kept.attempts + 1);
        enum step step;

        if (!klass) /* not the event's fault */
                return world_failed(aside, fault);
        if (!last || !work->entry) {
                step = count(aside, work, position, klass, last, fault);
        } else if (!weir_share_allows(aside->share)) {
                return halt(aside, work, position, &said);
        } else {
                describe(aside, work, fault, klass);
                step = bury(aside, work, position, fault);
                aside->counts->dead += step == STEP_DONE;
        }
        if (step == STEP_DONE)
                log_failure(aside, work, &said, klass, last);
        return conclude(aside, work, step, last, true, fault);
}

static enum weir_run run_one(struct weir_aside *aside, struct work *work,
                             const struct weir_position *position)
{
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        enum step step;
        int r = connect_for(aside, &fault.error);

        weir_arena_reset(&aside->arena);
        if (r == 0)
                r = work->entry ? weir_parked_read(aside->pg, work->entry->id, &aside->arena,
                                                   &work->kept, &fault.error)
                                : weir_deadletter_read(aside->pg, work->kept.id, &aside->arena,
                                                       &work->kept, &fault.error);
        if (r > 0)
                return conclude(aside, work, STEP_GONE, false, false, &fault);
        if (r == 0)
                r = decode(aside, work, &fault.error);
        if (r < 0) {
                fault.outcome = r;
                return world_failed(aside, &fault);
        }
        if (undecodable(aside, &fault))
                return failed(aside, work, position, &fault);
        step = apply(aside, work, position, &fault);
        return step == STEP_FAILED ? failed(aside, work, position, &fault)
                                   : conclude(aside, work, step, true, false, &fault);
}

/* After an unknown COMMIT: wait for its transaction to end, then read what there is. */
static enum weir_run make_sure(struct weir_aside *aside, const struct weir_position *position)
{
        struct weir_position now = { .id = position->id };
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        int r = connect_for(aside, &fault.error);

        if (r == 0)
                r = weir_position_look(aside->pg, position->id, &now, &fault.error);
        if (r > 0 || (r == 0 && now.epoch != position->epoch))
                return WEIR_RUN_FENCED;
        if (r == 0)
                r = weir_park_load(aside->applier->park, aside->pg, position->id, &fault.error);
        fault.outcome = r;
        if (r < 0)
                return world_failed(aside, &fault);
        aside->unsure = false;
        return WEIR_RUN_DONE;
}

static bool may_go_on(const struct weir_aside *aside, int64_t until_us)
{
        int64_t now_us = weir_clock_us();

        return now_us < until_us && now_us >= aside->not_before_us && !aside->unsure &&
               !aside->stopping(aside->context);
}

static enum weir_run run_letters(struct weir_aside *aside, const struct weir_position *position,
                                 int64_t until_us)
{
        const struct weir_conf_worker *worker = aside->env->worker;
        const struct weir_deadletter_delay delay = { worker->retry_first_delay_ms,
                                                     worker->retry_max_delay_ms,
                                                     worker->retry_factor };
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        enum weir_run run = WEIR_RUN_DONE;
        int64_t ids[LETTERS_MAX];
        size_t count_ids = 0;
        int r;

        if (!aside->env->marks || weir_clock_us() < aside->look_at_us)
                return WEIR_RUN_DONE;
        aside->look_at_us = weir_clock_us() + LOOK_EVERY_US;
        if (!weir_marks_has(aside->env->marks, aside->env->pool, aside->abort, position->id))
                return WEIR_RUN_DONE;
        r = connect_for(aside, &fault.error);
        if (r == 0)
                r = weir_deadletter_due(aside->pg, position->id, &delay, ids, LETTERS_MAX,
                                        &count_ids, &fault.error);
        fault.outcome = r;
        if (r < 0)
                return world_failed(aside, &fault);
        for (size_t i = 0; i < count_ids && run == WEIR_RUN_DONE; i++) {
                struct work work = { .kept = { .id = ids[i] } };

                if (!may_go_on(aside, until_us)) {
                        aside->look_at_us = 0; /* there is more */
                        break;
                }
                run = run_one(aside, &work, position);
        }
        if (count_ids == LETTERS_MAX)
                aside->look_at_us = 0;
        return run;
}

enum weir_run weir_aside_run(struct weir_aside *aside, const struct weir_position *position)
{
        struct weir_park *park = aside->applier->park;
        int64_t until_us = weir_clock_us() + TURN_US;
        enum weir_run run = WEIR_RUN_DONE;
        struct weir_park_entry *entry;

        if (weir_clock_us() < aside->not_before_us)
                return WEIR_RUN_DONE;
        if (aside->unsure)
                run = make_sure(aside, position);
        while (run == WEIR_RUN_DONE && may_go_on(aside, until_us) &&
               (entry = weir_park_due(park, weir_clock_us()))) {
                struct work work = { .entry = entry, .kept = { .id = entry->id } };

                run = run_one(aside, &work, position);
        }
        if (run == WEIR_RUN_DONE && may_go_on(aside, until_us + TURN_US))
                run = run_letters(aside, position, until_us + TURN_US);
        if (aside->pg)
                weir_pool_release(aside->env->pool, WEIR_TAKE(aside->pg));
        weir_batch_reset(&aside->batch);
        return run;
}

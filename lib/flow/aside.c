/* SPDX-License-Identifier: MIT */
/*
 * aside - who is run beside the partition's order, when, and what its failure means
 *
 * How one is run is rerun.c's; here is the choice, and the same table of failures that holds for the partition.
 *
 * Always true   Z2  of one key only the first parked event is tried (V3).
 *               Z3  infrastructure failures use up no attempts: the row stays as it is.
 *               Z4  the partition flows on: a turn is bounded, and nothing here waits.
 * Connections   one at most in the hand of a lane. The look for marks takes one of its own, so ours goes back first: with
 *               store.connections = 1 it would wait for itself, with n workers on n connections all for all.
 * Unknown COMMIT   the position says nothing here, since it does not move. The row does: the open transaction is
 *               waited for (look locks the position), then the table is read anew.
 * Not chosen    a thread or a worker of its own: it would need a fence of its own against the lane.
 */
#include "flow/aside.h"

#include <stdio.h>
#include <string.h>
#include <weir/worker.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "flow/gate.h"
#include "flow/policy.h"
#include "flow/marks.h"
#include "flow/suspect.h"
#include "store/reason.h"

#define LOOK_EVERY_US 1000000
#define LETTERS_MAX 64
#define WAIT_FIRST_MS 50
#define WAIT_MAX_MS 1000
#define ARENA_BLOCK_BYTES (64 * 1024)

void weir_aside_init(struct weir_aside *aside)
{
        weir_rerun_init(&aside->rerun, aside->env->worker, aside->rules);
        aside->rerun.applier = aside->applier;
        aside->rerun.partition = aside->partition;
        weir_arena_init(&aside->arena, ARENA_BLOCK_BYTES);
}

void weir_aside_fini(struct weir_aside *aside)
{
        weir_rerun_fini(&aside->rerun);
        weir_arena_fini(&aside->arena);
}

#define ASIDE_FIELDS(aside)                                                                        \
        LOG_S("worker", (aside)->env->worker->name),                                               \
                LOG_S("topic", weir_partition_topic((aside)->partition)),                          \
                LOG_I("partition", weir_partition_number((aside)->partition)),                     \
                LOG_I("offset", (aside)->rerun.kept.offset),                                       \
                LOG_S((aside)->rerun.parked ? "parked" : "requeued", "yes"),                       \
                LOG_I("row", (aside)->rerun.kept.id)

static void give_back(struct weir_aside *aside)
{
        if (aside->pg)
                weir_pool_release(aside->env->pool, WEIR_TAKE(aside->pg));
}

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

/* ---- failures ------------------------------------------------------------------------------ */

/* Processes have died of it often enough: it is not called again. */
static bool is_deadly(const struct weir_aside *aside)
{
        return aside->rerun.kept.deaths > 0 &&
               weir_policy_deadly(aside->env->worker, aside->rerun.kept.deaths);
}

static enum weir_run halt(struct weir_aside *aside, const struct weir_position *position,
                          const struct weir_error *error)
{
        const struct weir_conf_worker *worker = aside->env->worker;
        const char *topic = weir_partition_topic(aside->partition);
        int32_t partition = weir_partition_number(aside->partition);
        char why[120], way[WEIR_ERROR_TEXT_BYTES];

        /* Parked before the configuration said "halt": the two are refused together. */
        if (worker->on_dead == WEIR_DEAD_HALT)
                snprintf(why, sizeof why,
                         "on_dead is \"halt\", with \"keep\" it would be a dead letter.");
        else
                snprintf(
                        why, sizeof why,
                        "more than dead.max_share, %u %% of the last %u, failed: is it the plugin?",
                        worker->dead_max_percent, worker->dead_window);
        /* A replay does not move the live position. */
        if (aside->env->replaying)
                snprintf(way, sizeof way, ": weir replay resume %lld",
                         (long long)aside->env->replaying->id);
        else
                snprintf(
                        way, sizeof way, "%s: weir position set %s %s/%d %lld --reason again",
                        worker->on_dead == WEIR_DEAD_HALT
                                ? is_deadly(aside) ? "" : ", a restart, or" /* deaths outlive it */
                                : ", with a new count (another version of the plugin has one by itself)",
                        worker->name, topic, partition, (long long)position->next_offset);
        weir_fail(
                &aside->halt, WEIR_EHANDLER, 0,
                "%s/%d offset %lld, parked: %.100s; %s It stays parked. To go on, once it is mended%s",
                topic, partition, (long long)aside->rerun.kept.offset, error->text, why, way);
        return WEIR_RUN_HALTED;
}

/* A record that still is no event has no SQLSTATE and no handler. */
static const char *reason_of(const struct weir_aside *aside, const struct weir_error *error)
{
        const struct weir_refusal *refusal = aside->rerun.batch.records[0].refusal;

        if (refusal)
                return weir_refusal_name(refusal->klass);
        return is_deadly(aside) ? aside->signal : weir_policy_reason(error);
}

static void log_failure(const struct weir_aside *aside, const struct weir_error *error,
                        const char *klass, bool last)
{
        weir_log(WEIR_LOG_WARN, last ? "event.dead" : "event.retries", ASIDE_FIELDS(aside),
                 LOG_I("attempt", aside->rerun.kept.attempts + 1), LOG_S("class", klass),
                 LOG_S("reason", reason_of(aside, error)), LOG_S("error", error->text),
                 LOG_S("action", last ? "dead" : "retry"),
                 LOG_S("next", last ? weir_reason_next(klass, reason_of(aside, error)) : ""));
}

/* Count the failure in the row and let it wait, or (a dead letter, @last) be kept for a person. */
static enum weir_rerun_step count(struct weir_aside *aside, struct weir_park_entry *entry,
                                  const struct weir_position *position, const char *klass,
                                  bool last, struct weir_fault *fault)
{
        const char *reason = reason_of(aside, &fault->error), *text = fault->error.text;
        struct weir_parked parked = {
                .id = aside->rerun.kept.id,
                .attempts = aside->rerun.kept.attempts + 1,
                .wait_ms = weir_policy_delay_ms(aside->env->worker, aside->rerun.kept.attempts + 1),
        };
        const struct weir_refusal *refusal = aside->rerun.batch.records[0].refusal;
        const struct weir_deadletter_failure failure = {
                .id = aside->rerun.kept.id,
                .attempts = parked.attempts,
                .last = last,
                .klass = klass,
                .reason = reason,
                .text = text,
                .at_byte = refusal ? (int64_t)refusal->at : -1,
                .plugin_version = aside->applier->version,
        };
        struct weir_error error = { .code = 0 };
        int r;

        WEIR_FAILPOINT("aside.failed");
        if (!entry && last && aside->env->worker->on_dead == WEIR_DEAD_PUBLISH &&
            !aside->rerun.kept.withhold)
                return weir_rerun_publish(&aside->rerun, position, &failure, fault);
        r = entry ? weir_parked_postpone(aside->pg, position, &parked, reason, text, &error)
                  : weir_deadletter_fail(aside->pg, position, &failure, &error);
        if (r < 0) {
                fault->error = error;
                fault->outcome = r;
                return WEIR_RERUN_FAILED;
        }
        if (r == WEIR_KEPT_DONE && entry) {
                entry->attempts = parked.attempts;
                entry->due_us = weir_clock_us() + parked.wait_ms * 1000;
        }
        return r == WEIR_KEPT_FENCED ? WEIR_RERUN_FENCED
               : r == WEIR_KEPT_GONE ? WEIR_RERUN_GONE
                                     : WEIR_RERUN_DONE;
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
static enum weir_run conclude(struct weir_aside *aside, struct weir_park_entry *entry,
                              enum weir_rerun_step step, bool decided, bool dead,
                              const struct weir_fault *fault)
{
        switch (step) {
        case WEIR_RERUN_FENCED: return WEIR_RUN_FENCED;
        case WEIR_RERUN_FAILED: return world_failed(aside, fault);
        case WEIR_RERUN_GONE: aside->unsure = entry != NULL; return WEIR_RUN_DONE;
        default: break;
        }
        aside->failures = 0;
        if (decided && entry) {
                weir_share_push(aside->share, dead);
                weir_park_remove(aside->applier->park, entry);
        }
        return WEIR_RUN_DONE;
}

static const char *class_of(const struct weir_aside *aside, enum weir_action action)
{
        if (is_deadly(aside))
                return WEIR_CLASS_CRASH;
        return aside->rerun.batch.records[0].refusal ? WEIR_CLASS_DECODE
                                                     : weir_policy_class(action);
}

static enum weir_run failed(struct weir_aside *aside, struct weir_park_entry *entry,
                            const struct weir_position *position, struct weir_fault *fault)
{
        enum weir_action action = weir_policy_action(fault->outcome, &fault->error);
        const char *klass = class_of(aside, action);
        struct weir_error said = fault->error;
        bool last = action == WEIR_ACTION_DEAD ||
                    !weir_policy_again(aside->env->worker, aside->rerun.kept.attempts + 1);
        enum weir_rerun_step step;

        if (!klass) /* not the event's fault */
                return world_failed(aside, fault);
        if (!last || !entry) {
                step = count(aside, entry, position, klass, last, fault);
        } else if (!weir_share_allows(aside->share)) {
                return halt(aside, position, &said);
        } else {
                step = weir_rerun_bury(&aside->rerun, position, klass, fault);
                aside->counts->dead += step == WEIR_RERUN_DONE;
        }
        aside->postponed = step == WEIR_RERUN_DONE && !last;
        if (step == WEIR_RERUN_DONE)
                log_failure(aside, &said, klass, last);
        return conclude(aside, entry, step, last, true, fault);
}

/* The event of @entry, or (NULL) the dead letter @id. */
static enum weir_run run_one(struct weir_aside *aside, struct weir_park_entry *entry, int64_t id,
                             const struct weir_position *position)
{
        struct weir_rerun *rerun = &aside->rerun;
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        enum weir_rerun_step step;
        size_t fresh = 0;
        int r = connect_for(aside, &fault.error);

        weir_arena_reset(&aside->arena);
        rerun->parked = entry != NULL;
        rerun->pg = aside->pg;
        fault.outcome = r;
        if (r == 0) {
                r = entry ? weir_parked_read(aside->pg, id, &aside->arena, &rerun->kept,
                                             &fault.error)
                          : weir_deadletter_read(aside->pg, id, &aside->arena, &rerun->kept,
                                                 &fault.error);
                fault.outcome = r;
                if (r > 0)
                        return conclude(aside, entry, WEIR_RERUN_GONE, false, false, &fault);
        }
        if (r == 0)
                r = weir_rerun_decode(rerun, &fault);
        if (r < 0)
                return world_failed(aside, &fault);
        if (r > 0)
                return failed(aside, entry, position, &fault);
        if (is_deadly(aside)) {
                weir_suspect_reason(rerun->kept.death.ptr ? rerun->kept.death.ptr : "",
                                    aside->signal);
                fault.outcome = weir_fail(&fault.error, WEIR_EHANDLER, 0, "%s",
                                          rerun->kept.death.ptr ? rerun->kept.death.ptr : "");
                return failed(aside, entry, position, &fault);
        }
        if (aside->env->gate && !weir_gate_enter(aside->env->gate, rerun->kept.deaths > 0,
                                                 aside->stopping, aside->context))
                return WEIR_RUN_STOPPED;
        weir_board_aside(entry ? WEIR_BOARD_PARKED : WEIR_BOARD_LETTER, id);
        step = weir_rerun_apply(rerun, position, &fresh, &fault);
        weir_board_aside(WEIR_BOARD_RECORD, 0);
        if (aside->env->gate)
                weir_gate_leave(aside->env->gate);
        if (step == WEIR_RERUN_FAILED)
                return failed(aside, entry, position, &fault);
        if (step == WEIR_RERUN_DONE) {
                aside->counts->events += rerun->claims.event_count;
                aside->counts->fresh += fresh;
                weir_log(WEIR_LOG_DEBUG, "aside.applied", ASIDE_FIELDS(aside),
                         LOG_I("fresh", fresh));
        }
        return conclude(aside, entry, step, true, false, &fault);
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

static bool among(const uint64_t *hashes, size_t count, uint64_t hash)
{
        for (size_t i = 0; i < count; i++)
                if (hashes[i] == hash)
                        return true;
        return false;
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
        struct weir_deadletter_turn turns[LETTERS_MAX];
        uint64_t waiting[LETTERS_MAX]; /* keys of which one was postponed in this turn (X6) */
        size_t turn_count = 0, waiting_count = 0;
        int r;

        if (!aside->env->marks || weir_clock_us() < aside->look_at_us)
                return WEIR_RUN_DONE;
        aside->look_at_us = weir_clock_us() + LOOK_EVERY_US;
        give_back(aside);
        if (!weir_marks_has(aside->env->marks, aside->env, aside->abort, position->id))
                return weir_marks_moved(aside->env->marks, position) ? WEIR_RUN_FENCED
                                                                     : WEIR_RUN_DONE;
        r = connect_for(aside, &fault.error);
        if (r == 0)
                r = weir_deadletter_due(aside->pg, position->id, &delay, turns, LETTERS_MAX,
                                        &turn_count, &fault.error);
        fault.outcome = r;
        if (r < 0)
                return world_failed(aside, &fault);
        for (size_t i = 0; i < turn_count && run == WEIR_RUN_DONE; i++) {
                if (!may_go_on(aside, until_us)) {
                        aside->look_at_us = 0; /* there is more */
                        break;
                }
                if (among(waiting, waiting_count, turns[i].key_hash))
                        continue;
                aside->postponed = false;
                run = run_one(aside, NULL, turns[i].id, position);
                if (aside->postponed && turns[i].key_hash)
                        waiting[waiting_count++] = turns[i].key_hash;
        }
        if (turn_count == LETTERS_MAX)
                aside->look_at_us = 0;
        return run;
}

bool weir_aside_hungry(struct weir_aside *aside)
{
        int64_t now_us = weir_clock_us();

        if (aside->unsure || now_us < aside->not_before_us)
                return false;
        return (aside->env->marks && aside->look_at_us == 0) ||
               weir_park_due(aside->applier->park, now_us);
}

enum weir_run weir_aside_run(struct weir_aside *aside, const struct weir_position *position,
                             int64_t most_us)
{
        struct weir_park *park = aside->applier->park;
        int64_t until_us = weir_clock_us() + most_us;
        enum weir_run run = WEIR_RUN_DONE;
        struct weir_park_entry *entry;

        if (weir_clock_us() < aside->not_before_us)
                return WEIR_RUN_DONE;
        if (aside->unsure)
                run = make_sure(aside, position);
        while (run == WEIR_RUN_DONE && may_go_on(aside, until_us) &&
               (entry = weir_park_due(park, weir_clock_us())))
                run = run_one(aside, entry, entry->id, position);
        if (run == WEIR_RUN_DONE && may_go_on(aside, until_us))
                run = run_letters(aside, position, until_us);
        give_back(aside);
        weir_batch_reset(&aside->rerun.batch);
        return run;
}

/* SPDX-License-Identifier: MIT */
/*
 * run - batches without shared fate
 *
 * The happy path is one transaction for the whole batch. When that fails it is rolled back and the batch is
 * cut (flow/cut): up to the event at fault where that is known (the handler was inside it), in halves where it is not
 * (a COPY failed), down to single records. Good events commit together, the culprit stands alone and meets its
 * policy, order is kept because records are only ever taken from the front.
 *
 * Why not plainly one by one: a single transaction costs as much as forty events in a batch; one bad event
 * in each batch would bring a lane from 100,000 events a second to 2,500.
 *
 * Infrastructure condemns nobody, but cuts too where the server answers: a batch that takes longer than a
 * statement may would never pass whole, and one event's missing table must not hold up those before it.
 *
 * Waiting   infrastructure failures and RETRY wait with nothing open (flow/hold): no transaction, no connection. A stop
 *           ends every wait. While an event waits for its next try, what stands aside (flow/aside) goes on.
 * Counting  a handler's RETRY is an attempt wherever it was said, in a batch of many or alone: attempts are calls.
 *           It is written down (flow/retry) before anything else is done, and the event is alone from then on.
 */
#include "flow/run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "flow/cut.h"
#include "flow/gate.h"
#include "flow/policy.h"
#include "flow/spare.h"
#include "flow/suspect.h"
#include "store/reason.h"

#define ASIDE_BUSY_US 20000  /* between two batches: the partition flows on */
#define ASIDE_IDLE_US 500000 /* records that come meanwhile wait so long */
#define SLICE_MS 250         /* a waiting partition looks so often what is due beside it */

static bool all_allowed(void *context, const struct weir_batch *batch, size_t first, size_t count)
{
        const struct weir_runner *runner = context;

        return weir_share_room(&runner->share, batch, first, count) == count;
}

static struct weir_replay_range *range_of(const struct weir_lane_env *env,
                                          const struct weir_partition *partition)
{
        return env->replaying
                       ? weir_replaying_range(env->replaying, weir_partition_topic(partition),
                                              weir_partition_number(partition))
                       : NULL;
}

int weir_runner_init(struct weir_runner *runner, const struct weir_lane_env *env,
                     struct weir_partition *partition, struct weir_latch *abort,
                     struct weir_latch *waker, int (*stopping)(void *), void *context,
                     struct weir_error *reterr)
{
        *runner = (struct weir_runner){ .env = env, .partition = partition };
        runner->hold = (struct weir_hold){ .env = env,
                                           .partition = partition,
                                           .abort = abort,
                                           .waker = waker,
                                           .stopping = stopping,
                                           .context = context };
        runner->applier.worker = env->worker->name;
        runner->applier.version = weir_handler_version(env->handler);
        runner->applier.plugin = weir_handler_worker(env->handler);
        runner->applier.dead = &runner->dead;
        runner->applier.park = &runner->park;
        runner->applier.retry = &runner->retry;
        runner->applier.allowed = all_allowed;
        runner->applier.allowed_context = runner;
        runner->dead = (struct weir_dead){ .worker = env->worker,
                                           .version = runner->applier.version };
        runner->range = range_of(env, partition);
        if (env->replaying) {
                runner->rules = (struct weir_batch_rules){ env->replaying->space,
                                                           env->replaying->name,
                                                           env->replaying->filter };
                runner->dead.replay = env->replaying->id;
                runner->dead.position = runner->range->live_position;
                runner->dead.epoch = env->replaying->epoch;
                runner->dead.withhold = !env->replaying->effects;
                runner->applier.spare_never = true; /* what it undoes was counted as withheld */
        }
        runner->aside = (struct weir_aside){ .env = env,
                                             .partition = partition,
                                             .abort = abort,
                                             .stopping = stopping,
                                             .context = context,
                                             .applier = &runner->applier,
                                             .share = &runner->share,
                                             .counts = &runner->counts,
                                             .rules = env->replaying ? &runner->rules : NULL };
        weir_aside_init(&runner->aside);
        weir_park_init(&runner->park, env->worker);
        if (weir_share_init(&runner->share, env->worker, reterr) < 0)
                return WEIR_ENOMEM;
        runner->applier.tx = weir_handler_tx_new(env->handler, NULL);
        if (!runner->applier.tx)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "transaction of a lane");
        weir_handler_tx_withhold(runner->applier.tx, runner->dead.withhold);
        return 0;
}

void weir_runner_fini(struct weir_runner *runner)
{
        if (!runner->env) /* never initialised */
                return;
        weir_hold_release(&runner->hold);
        weir_aside_fini(&runner->aside);
        weir_dead_fini(&runner->dead);
        weir_share_fini(&runner->share);
        weir_park_fini(&runner->park);
        weir_retry_fini(&runner->retry);
        weir_applier_fini(&runner->applier);
        weir_handler_tx_free(runner->applier.tx);
}

/* ---- one range ---------------------------------------------------------------------------- */

static enum weir_run passed(struct weir_runner *runner, const struct weir_position *position)
{
        weir_board_moved(position->next_offset);
        if (runner->range)
                runner->range->next_offset = position->next_offset;
        weir_hold_resume(&runner->hold, position);
        runner->applier.blame = false;
        weir_partition_store(runner->partition, position->next_offset); /* I7 */
        return WEIR_RUN_DONE;
}

/* ---- an event that failed ------------------------------------------------------------------ */

#define ITEM_FIELDS(item)                                                                          \
        LOG_I("offset", (item)->event.offset), LOG_S("source", (item)->event.source.ptr),          \
                LOG_S("id", (item)->event.id.ptr), LOG_I("attempt", (item)->attempts)

/* A record that holds no event has no source and id to name. */
static void log_refused(const struct weir_runner *runner, const struct weir_batch_record *entry)
{
        const char *reason = weir_refusal_name(entry->refusal->klass);

        weir_log(WEIR_LOG_WARN, "event.dead", WEIR_HOLD_FIELDS(&runner->hold),
                 LOG_I("offset", entry->record.offset), LOG_S("class", WEIR_CLASS_DECODE),
                 LOG_S("reason", reason), LOG_S("error", entry->refusal->reason),
                 LOG_I("at_byte", entry->refusal->at), LOG_S("action", "dead"),
                 LOG_S("next", weir_reason_next(WEIR_CLASS_DECODE, reason)));
}

/* After COMMIT: what it decided is now known to everybody concerned. */
static void settle(struct weir_runner *runner, const struct weir_batch *batch, size_t first,
                   size_t count, const struct weir_position *position)
{
        for (size_t i = first; i < first + count; i++) {
                const struct weir_batch_record *entry = &batch->records[i];
                enum weir_fate fate = weir_batch_fate(batch, i);

                if (fate != WEIR_FATE_PARKED)
                        weir_share_push(&runner->share, fate == WEIR_FATE_DEAD);
                if (fate != WEIR_FATE_DEAD)
                        continue;
                if (entry->refusal)
                        log_refused(runner, entry);
                for (uint32_t k = entry->first_item; k < entry->first_item + entry->item_count;
                     k++) {
                        const struct weir_item *item = &batch->items[k];

                        if (item->dead)
                                weir_log(WEIR_LOG_WARN, "event.dead",
                                         WEIR_HOLD_FIELDS(&runner->hold), ITEM_FIELDS(item),
                                         LOG_S("class", item->klass), LOG_S("reason", item->reason),
                                         LOG_S("error", item->text), LOG_S("action", "dead"),
                                         LOG_S("next",
                                               weir_reason_next(item->klass, item->reason)));
                }
        }
        if (runner->park.marked)
                weir_park_kept(&runner->park, batch, first, count);
        weir_retry_passed(&runner->retry, position->next_offset);
}

/* The events of parked keys are sent to the park anew, as it is now. Without memory the next record waits. */
static void mark(struct weir_runner *runner, struct weir_batch *batch, struct weir_cut *cut)
{
        struct weir_error error;

        if (weir_park_mark(&runner->park, batch, cut->done, &cut->stuck, &error) < 0)
                cut->stuck = cut->done;
}

/* Infrastructure failed while something was to be written down. */
static enum weir_run wait_or_leave(struct weir_runner *runner, const struct weir_position *position,
                                   int r, const struct weir_error *error)
{
        if (weir_policy_action(r, error) == WEIR_ACTION_LEAVE)
                return WEIR_RUN_STOPPED;
        return weir_hold_wait(&runner->hold, position, error) ? WEIR_RUN_DONE : WEIR_RUN_STOPPED;
}

/* J1: in the table before the wait. Tried until it is there, as long as we may live. */
static enum weir_run note(struct weir_runner *runner, struct weir_batch *batch, uint32_t index,
                          int64_t wait_ms, const struct weir_position *position)
{
        for (;;) {
                struct weir_error error;
                enum weir_run run;
                int r = weir_hold_connect(&runner->hold, &error);

                if (r == 0)
                        r = weir_retry_note(&runner->retry, runner->hold.pg, position, batch, index,
                                            wait_ms, &error);
                if (r >= 0)
                        return r == WEIR_KEPT_DONE ? WEIR_RUN_DONE : WEIR_RUN_FENCED;
                run = wait_or_leave(runner, position, r, &error);
                if (run != WEIR_RUN_DONE)
                        return run;
        }
}

static enum weir_run retry(struct weir_runner *runner, struct weir_batch *batch,
                           struct weir_cut *cut, const struct weir_position *position,
                           const struct weir_fault *fault)
{
        const struct weir_conf_worker *worker = runner->env->worker;
        struct weir_item *item = &batch->items[fault->item];
        struct weir_error error;
        enum weir_run run = WEIR_RUN_DONE;
        bool parked;
        int64_t wait_ms;

        item->attempts++;
        item->event.attempt = item->attempts + 1;
        weir_batch_describe(batch, item, weir_policy_reason(&fault->error), fault->error.text);
        if (!weir_policy_again(worker, item->attempts)) {
                weir_batch_condemn(item, weir_policy_class(WEIR_ACTION_RETRY));
                weir_cut_absolve(cut, batch, &runner->retry);
                return WEIR_RUN_DONE;
        }
        wait_ms = weir_policy_delay_ms(worker, item->attempts);
        parked = weir_park_fail(&runner->park, batch, fault->item, wait_ms, &error) > 0;
        if (parked) {
                mark(runner, batch, cut);
        } else {
                run = note(runner, batch, fault->item, wait_ms, position);
                if (item->record < cut->suspect)
                        cut->suspect = item->record;
        }
        if (run == WEIR_RUN_DONE)
                weir_log(WEIR_LOG_WARN, parked ? "event.parked" : "event.retries",
                         WEIR_HOLD_FIELDS(&runner->hold), ITEM_FIELDS(item),
                         LOG_I("wait_ms", wait_ms), LOG_S("error", fault->error.text),
                         LOG_S("action", "retry"));
        return run;
}

/* A transaction of @count records failed for a reason that one of them has. Returns WEIR_RUN_DONE to go on. */
static enum weir_run handle_fault(struct weir_runner *runner, struct weir_batch *batch,
                                  struct weir_cut *cut, size_t count,
                                  const struct weir_position *position,
                                  const struct weir_fault *fault, enum weir_action action)
{
        struct weir_item *item;

        if (fault->item == WEIR_NO_ITEM && count > 1) {
                cut->limit = count / 2;
                return WEIR_RUN_DONE;
        }
        if (fault->item == WEIR_NO_ITEM && action == WEIR_ACTION_DEAD && !runner->applier.blame) {
                runner->applier.blame = true; /* COMMIT was refused: find out for which event */
                return WEIR_RUN_DONE;
        }
        if (fault->item == WEIR_NO_ITEM) /* weir's own statement was refused: no event to blame */
                return weir_hold_wait(&runner->hold, position, &fault->error) ? WEIR_RUN_DONE
                                                                              : WEIR_RUN_STOPPED;
        if (action == WEIR_ACTION_RETRY)
                return retry(runner, batch, cut, position, fault);
        item = &batch->items[fault->item];
        if (count > 1) {
                cut->suspect = item->record;
                weir_spare_expect(&runner->applier);
                return WEIR_RUN_DONE;
        }
        item->attempts++;
        weir_batch_describe(batch, item, weir_policy_reason(&fault->error), fault->error.text);
        weir_batch_condemn(item, weir_policy_class(action));
        weir_cut_absolve(cut, batch, &runner->retry);
        return WEIR_RUN_DONE;
}

/* The server is there and refuses so much, again: less may pass (a statement's time, locks, the table of one event). */
static void narrow(const struct weir_runner *runner, const struct weir_batch *batch,
                   struct weir_cut *cut, size_t count, const struct weir_fault *fault)
{
        if (fault->outcome != WEIR_ESQL || count == 1 || runner->hold.waits == 0)
                return;
        if (fault->item != WEIR_NO_ITEM)
                cut->suspect = batch->items[fault->item].record;
        else
                cut->limit = count / 2;
}

static enum weir_run commit_done(struct weir_runner *runner, struct weir_batch *batch,
                                 struct weir_cut *cut, size_t count,
                                 const struct weir_position *position)
{
        settle(runner, batch, cut->done, count, position);
        weir_cut_move(cut, batch, &runner->retry, count);
        return passed(runner, position);
}

/* weir_applier_run(), with the gate around it. */
static int apply(struct weir_runner *runner, struct weir_batch *batch, size_t first, size_t count,
                 struct weir_position *position, struct weir_fault *ret)
{
        struct weir_gate *gate = runner->env->gate;
        bool alone = weir_suspect_at(&runner->retry, batch, first);
        int r;

        if (gate && !weir_gate_enter(gate, alone, runner->hold.stopping, runner->hold.context)) {
                ret->outcome = weir_fail(&ret->error, WEIR_ESTOP, 0, "stopped at the gate");
                return WEIR_FAULT;
        }
        if (alone)
                weir_log(WEIR_LOG_WARN, "event.suspected", WEIR_HOLD_FIELDS(&runner->hold),
                         LOG_I("offset", batch->records[first].record.offset),
                         LOG_S("action", "alone"));
        r = weir_applier_run(&runner->applier, runner->hold.pg, batch, first, count, position,
                             &runner->counts, ret);
        if (gate)
                weir_gate_leave(gate);
        return r;
}

static enum weir_run run_range(struct weir_runner *runner, struct weir_batch *batch,
                               struct weir_cut *cut, struct weir_position *position)
{
        size_t count = weir_share_room(&runner->share, batch, cut->done,
                                       weir_cut_count(cut, batch));
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        enum weir_action action;
        int r;

        if (count == 0) {
                weir_dead_halt(&runner->dead, batch, cut->done, &runner->halt);
                return WEIR_RUN_HALTED;
        }
        runner->applier.calls = 0; /* those of the last range were committed, or counted */
        r = weir_hold_connect(&runner->hold, &fault.error);
        fault.outcome = r;
        if (r == 0) {
                r = apply(runner, batch, cut->done, count, position, &fault);
                if (r == WEIR_FENCED)
                        return WEIR_RUN_FENCED;
                if (r == WEIR_APPLIED)
                        return commit_done(runner, batch, cut, count, position);
        }
        action = weir_policy_action(fault.outcome, &fault.error);
        if (action == WEIR_ACTION_LEAVE || runner->hold.stopping(runner->hold.context))
                runner->counts.abandoned += runner->applier.calls;
        switch (action) {
        case WEIR_ACTION_LEAVE: return WEIR_RUN_STOPPED;
        case WEIR_ACTION_WAIT:
                narrow(runner, batch, cut, count, &fault);
                return weir_hold_wait(&runner->hold, position, &fault.error) ? WEIR_RUN_DONE
                                                                             : WEIR_RUN_STOPPED;
        case WEIR_ACTION_LOOK:
                switch (weir_hold_look(&runner->hold, position, fault.next_offset)) {
                case WEIR_LOOK_COMMITTED:
                        weir_applier_advance(batch, cut->done, count, position);
                        return commit_done(runner, batch, cut, count, position);
                case WEIR_LOOK_NOT: return WEIR_RUN_DONE; /* again */
                case WEIR_LOOK_FENCED: return WEIR_RUN_FENCED;
                default: return WEIR_RUN_STOPPED;
                }
        default: return handle_fault(runner, batch, cut, count, position, &fault, action);
        }
}

/* ---- a turn of the partition ---------------------------------------------------------------- */

enum weir_run weir_runner_aside(struct weir_runner *runner, const struct weir_position *position,
                                bool idle)
{
        enum weir_run run;

        weir_board_do(WEIR_BOARD_ASKS);   /* where it stands still, it is not for want of records */
        weir_hold_release(&runner->hold); /* aside takes its own: never two in one hand */
        run = weir_aside_run(&runner->aside, position, idle ? ASIDE_IDLE_US : ASIDE_BUSY_US);
        if (run == WEIR_RUN_HALTED)
                runner->halt = runner->aside.halt;
        return run;
}

/* The partition waits; what stands aside does not. */
static enum weir_run wait_turn(struct weir_runner *runner, struct weir_batch *batch,
                               struct weir_cut *cut, const struct weir_position *position)
{
        int64_t turn = weir_cut_turn_us(cut, batch), left_ms;
        enum weir_run run;

        while (turn) {
                weir_board_do(WEIR_BOARD_RETRIES);
                left_ms = (turn - weir_clock_us() + 999) / 1000;
                if (left_ms > 0 &&
                    !weir_hold_rest(&runner->hold, left_ms < SLICE_MS ? left_ms : SLICE_MS))
                        return WEIR_RUN_STOPPED;
                run = weir_runner_aside(runner, position, left_ms > SLICE_MS);
                if (run != WEIR_RUN_DONE)
                        return run;
                mark(runner, batch, cut);
                turn = weir_cut_turn_us(cut, batch);
        }
        WEIR_FAILPOINT("retry.turn");
        return WEIR_RUN_DONE;
}

static int fill_share(struct weir_runner *runner, struct weir_pg *pg,
                      const struct weir_position *position, struct weir_error *reterr)
{
        WEIR_FREE struct weir_decided *decided = NULL;
        size_t count = 0;
        int r = 0;

        if (weir_share_matters(&runner->share) && position->next_offset >= 0)
                r = weir_decided_load(pg, position, runner->applier.version, runner->share.window,
                                      &decided, &count, reterr);
        if (r == 0)
                weir_share_fill(&runner->share, decided, count);
        return r;
}

int weir_runner_took(struct weir_runner *runner, struct weir_pg *pg,
                     const struct weir_position *position, struct weir_error *reterr)
{
        int r = weir_retry_load(&runner->retry, pg, position, reterr);

        if (r == 0)
                r = weir_park_load(&runner->park, pg, position->id, reterr);
        if (r == 0)
                r = fill_share(runner, pg, position, reterr);
        runner->aside.unsure = false;
        return r;
}

enum weir_run weir_runner_run(struct weir_runner *runner, struct weir_batch *batch,
                              struct weir_position *position)
{
        struct weir_cut cut;
        enum weir_run r = WEIR_RUN_DONE;

        WEIR_ON(WEIR_ROLE_LANE);
        weir_retry_meet(&runner->retry, batch);
        weir_suspect_condemn(runner->env->worker, &runner->retry, batch);
        weir_cut_begin(&cut, batch, &runner->retry);
        mark(runner, batch, &cut);
        while (r == WEIR_RUN_DONE && cut.done < batch->record_count) {
                assert(batch->records[cut.done].record.offset >=
                       position->next_offset); /* I3: never behind */
                /* Told to leave: the transaction in hand was finished, the rest is somebody's later. */
                r = runner->hold.stopping(runner->hold.context)
                            ? WEIR_RUN_STOPPED
                            : wait_turn(runner, batch, &cut, position);
                if (r == WEIR_RUN_DONE)
                        r = run_range(runner, batch, &cut, position);
        }
        weir_hold_release(&runner->hold);
        return r;
}

enum weir_run weir_runner_pass_markers(struct weir_runner *runner, struct weir_position *position)
{
        int64_t seen = weir_partition_position(runner->partition);
        struct weir_error error;
        int r;

        if (runner->range && seen > runner->range->until_offset) /* RP1 */
                seen = runner->range->until_offset;
        if (seen <= position->next_offset)
                return WEIR_RUN_DONE;
        weir_board_do(WEIR_BOARD_APPLIES);
        r = weir_hold_connect(&runner->hold, &error);
        if (r == 0)
                r = weir_position_skip(runner->hold.pg, position, seen, &error);
        weir_hold_release(&runner->hold);
        if (r == 0)
                return passed(runner, position);
        /* A failure loses nothing: they are passed later, the next idle moment tries again. */
        return r > 0 ? WEIR_RUN_FENCED : WEIR_RUN_DONE;
}

/* SPDX-License-Identifier: MIT */
/*
 * run - batches without shared fate
 *
 * The happy path is one transaction for the whole batch. When that fails it is rolled back and the batch is
 * cut: up to the event at fault where that is known (the handler was inside it), in halves where it is not
 * (a COPY failed), down to single records. Good events commit together, the culprit stands alone and meets its
 * policy, order is kept because records are only ever taken from the front.
 *
 * Why not plainly one by one: a single transaction costs as much as forty events in a batch; one bad event
 * in each batch would bring a lane from 100,000 events a second to 2,500.
 *
 * Infrastructure condemns nobody, but cuts too where the server answers: a batch that takes longer than a
 * statement may would never pass whole, and one event's missing table must not hold up those before it.
 *
 * Waiting   infrastructure failures and RETRY wait here, with nothing open: no transaction, no connection. A stop
 *           ends every wait.
 */
#include "flow/run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "flow/policy.h"

#define WAIT_FIRST_MS 50
#define WAIT_MAX_MS 1000
#define LOG_EVERY 30 /* repeats of one wait, in tries */

int weir_runner_init(struct weir_runner *runner, const struct weir_lane_env *env,
                     struct weir_partition *partition, struct weir_latch *abort,
                     struct weir_latch *waker, int (*stopping)(void *), void *context,
                     struct weir_error *reterr)
{
        *runner = (struct weir_runner){ .env = env,
                                        .partition = partition,
                                        .abort = abort,
                                        .waker = waker,
                                        .stopping = stopping,
                                        .context = context };
        runner->applier.worker = env->worker->name;
        runner->applier.version = weir_handler_version(env->handler);
        runner->applier.plugin = weir_handler_worker(env->handler);
        runner->applier.tx = weir_handler_tx_new(env->handler, NULL);
        return runner->applier.tx ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "transaction of a lane");
}

static void give_back(struct weir_runner *runner)
{
        if (runner->pg)
                weir_pool_release(runner->env->pool, WEIR_TAKE(runner->pg));
}

void weir_runner_fini(struct weir_runner *runner)
{
        give_back(runner);
        weir_applier_fini(&runner->applier);
        weir_handler_tx_free(runner->applier.tx);
}

static bool rest(struct weir_runner *runner, int64_t ms)
{
        give_back(runner); /* nobody waits with a connection in hand */
        return !weir_latch_wait(runner->waker, ms) && !runner->stopping(runner->context);
}

static int connect_for(struct weir_runner *runner, struct weir_error *reterr)
{
        if (runner->pg && weir_pg_broken(runner->pg))
                give_back(runner);
        return runner->pg
                       ? 0
                       : weir_pool_acquire(runner->env->pool, runner->abort, &runner->pg, reterr);
}

#define RUN_FIELDS(runner)                                                                         \
        LOG_S("worker", (runner)->env->worker->name),                                              \
                LOG_S("topic", weir_partition_topic((runner)->partition)),                         \
                LOG_I("partition", weir_partition_number((runner)->partition))

/* false = stop. */
static bool wait_for_world(struct weir_runner *runner, const struct weir_position *position,
                           const struct weir_error *error)
{
        uint32_t attempt = ++runner->waits;

        if (attempt == 1 || attempt % LOG_EVERY == 0)
                weir_log(WEIR_LOG_WARN, "lane.waits", RUN_FIELDS(runner),
                         LOG_I("offset", position->next_offset), LOG_S("for", "database"),
                         LOG_S("sqlstate", error->sqlstate), LOG_S("error", error->text),
                         LOG_I("attempt", attempt), LOG_S("action", "retry"));
        return rest(runner, weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, attempt));
}

static void world_is_back(struct weir_runner *runner, const struct weir_position *position)
{
        if (runner->waits)
                weir_log(WEIR_LOG_INFO, "lane.resumed", RUN_FIELDS(runner),
                         LOG_I("offset", position->next_offset), LOG_I("attempts", runner->waits));
        runner->waits = 0;
}

/* ---- one range ---------------------------------------------------------------------------- */

enum look { LOOK_COMMITTED, LOOK_NOT, LOOK_FENCED, LOOK_STOPPED };

/* The answer to COMMIT was lost. The row tells: look() waits for the old transaction to end first. */
static enum look look(struct weir_runner *runner, const struct weir_position *position,
                      int64_t next_offset)
{
        struct weir_position now;
        struct weir_error error;

        for (;;) {
                int r = connect_for(runner, &error);

                if (r == 0)
                        r = weir_position_look(runner->pg, position->id, &now, &error);
                if (r >= 0) {
                        enum look result = r > 0 || now.epoch != position->epoch ? LOOK_FENCED
                                           : now.next_offset == next_offset      ? LOOK_COMMITTED
                                           : now.next_offset == position->next_offset ? LOOK_NOT
                                                                                      : LOOK_FENCED;

                        weir_log(WEIR_LOG_WARN, "commit.looked", RUN_FIELDS(runner),
                                 LOG_I("expected", next_offset),
                                 LOG_I("found", r > 0 ? -1 : now.next_offset),
                                 LOG_S("outcome", result == LOOK_COMMITTED ? "committed"
                                                  : result == LOOK_NOT     ? "rolled back"
                                                                           : "fenced"));
                        return result;
                }
                if (!wait_for_world(runner, position, &error))
                        return LOOK_STOPPED;
        }
}

static enum weir_run passed(struct weir_runner *runner, const struct weir_position *position)
{
        world_is_back(runner, position);
        runner->applier.blame = false;
        weir_partition_store(runner->partition, position->next_offset); /* I7 */
        return WEIR_RUN_DONE;
}

static void condemn(struct weir_runner *runner, struct weir_batch *batch, uint32_t index,
                    const struct weir_fault *fault)
{
        struct weir_item *item = &batch->items[index];

        item->dead = true;
        snprintf(item->reason, sizeof item->reason, "%s",
                 fault->error.sqlstate[0] ? fault->error.sqlstate : "handler");
        item->text = weir_arena_copy(&batch->arena, fault->error.text, strlen(fault->error.text));
        weir_log(WEIR_LOG_WARN, "event.dead", RUN_FIELDS(runner),
                 LOG_I("offset", item->event.offset), LOG_S("source", item->event.source.ptr),
                 LOG_S("id", item->event.id.ptr), LOG_S("class", "reject"),
                 LOG_S("reason", item->reason), LOG_S("error", fault->error.text),
                 LOG_S("action", "dead"));
}

/* false = stop. */
static bool wait_for_retry(struct weir_runner *runner, struct weir_batch *batch, uint32_t index,
                           const struct weir_fault *fault)
{
        struct weir_item *item = &batch->items[index];
        const struct weir_conf_worker *worker = runner->env->worker;
        int64_t wait_ms;

        item->attempts++;
        item->event.attempt = item->attempts + 1;
        wait_ms = weir_backoff_ms(worker->retry_first_delay_ms, worker->retry_max_delay_ms,
                                  (uint32_t)item->attempts);
        weir_log(WEIR_LOG_WARN, "event.retries", RUN_FIELDS(runner),
                 LOG_I("offset", item->event.offset), LOG_S("source", item->event.source.ptr),
                 LOG_S("id", item->event.id.ptr), LOG_I("attempt", item->attempts),
                 LOG_I("wait_ms", wait_ms), LOG_S("error", fault->error.text),
                 LOG_S("action", "retry"));
        return rest(runner, wait_ms);
}

/* How much of the batch the next transaction takes. */
struct cut {
        size_t done;  /* records passed */
        size_t limit; /* at most so many: halved where the culprit is unknown, doubled on success */
        size_t suspect; /* the record at fault: run up to it, then it alone; SIZE_MAX = none */
};

static size_t next_count(const struct cut *cut, const struct weir_batch *batch)
{
        size_t count = batch->record_count - cut->done;

        if (cut->suspect == cut->done)
                return 1;
        if (cut->suspect != SIZE_MAX)
                count = cut->suspect - cut->done;
        return count < cut->limit ? count : cut->limit;
}

static void move_on(struct cut *cut, size_t count)
{
        cut->done += count;
        if (cut->suspect < cut->done)
                cut->suspect = SIZE_MAX;
        if (cut->limit < SIZE_MAX / 2)
                cut->limit *= 2;
}

/* A transaction of @count records failed for a reason that one of them has. Returns WEIR_RUN_DONE to go on. */
static enum weir_run handle_fault(struct weir_runner *runner, struct weir_batch *batch,
                                  struct cut *cut, size_t count,
                                  const struct weir_position *position,
                                  const struct weir_fault *fault, enum weir_action action)
{
        if (count > 1) {
                if (fault->item != WEIR_NO_ITEM)
                        cut->suspect = batch->items[fault->item].record;
                else
                        cut->limit = count / 2;
                return WEIR_RUN_DONE;
        }
        if (fault->item == WEIR_NO_ITEM && action == WEIR_ACTION_DEAD && !runner->applier.blame) {
                runner->applier.blame = true; /* COMMIT was refused: find out for which event */
                return WEIR_RUN_DONE;
        }
        if (fault->item == WEIR_NO_ITEM) /* weir's own statement was refused: no event to blame */
                return wait_for_world(runner, position, &fault->error) ? WEIR_RUN_DONE
                                                                       : WEIR_RUN_STOPPED;
        if (action == WEIR_ACTION_RETRY)
                return wait_for_retry(runner, batch, fault->item, fault) ? WEIR_RUN_DONE
                                                                         : WEIR_RUN_STOPPED;
        condemn(runner, batch, fault->item, fault);
        return WEIR_RUN_DONE;
}

/* The server is there and refuses so much, again: less may pass (a statement's time, locks, the table of one event). */
static void narrow(const struct weir_runner *runner, const struct weir_batch *batch,
                   struct cut *cut, size_t count, const struct weir_fault *fault)
{
        if (fault->outcome != WEIR_ESQL || count == 1 || runner->waits == 0)
                return;
        if (fault->item != WEIR_NO_ITEM)
                cut->suspect = batch->items[fault->item].record;
        else
                cut->limit = count / 2;
}

static enum weir_run run_range(struct weir_runner *runner, struct weir_batch *batch,
                               struct cut *cut, struct weir_position *position)
{
        size_t count = next_count(cut, batch);
        struct weir_fault fault = { .item = WEIR_NO_ITEM };
        enum weir_action action;
        int r = connect_for(runner, &fault.error);

        fault.outcome = r;
        if (r == 0) {
                r = weir_applier_run(&runner->applier, runner->pg, batch, cut->done, count,
                                     position, &runner->counts, &fault);
                if (r == WEIR_FENCED)
                        return WEIR_RUN_FENCED;
                if (r == WEIR_APPLIED) {
                        move_on(cut, count);
                        return passed(runner, position);
                }
        }
        action = weir_policy_action(fault.outcome, &fault.error);
        switch (action) {
        case WEIR_ACTION_LEAVE: return WEIR_RUN_STOPPED;
        case WEIR_ACTION_WAIT:
                narrow(runner, batch, cut, count, &fault);
                return wait_for_world(runner, position, &fault.error) ? WEIR_RUN_DONE
                                                                      : WEIR_RUN_STOPPED;
        case WEIR_ACTION_LOOK:
                switch (look(runner, position, fault.next_offset)) {
                case LOOK_COMMITTED:
                        weir_applier_advance(batch, cut->done, count, position);
                        move_on(cut, count);
                        return passed(runner, position);
                case LOOK_NOT: return WEIR_RUN_DONE; /* again */
                case LOOK_FENCED: return WEIR_RUN_FENCED;
                default: return WEIR_RUN_STOPPED;
                }
        default: return handle_fault(runner, batch, cut, count, position, &fault, action);
        }
}

enum weir_run weir_runner_run(struct weir_runner *runner, struct weir_batch *batch,
                              struct weir_position *position)
{
        struct cut cut = { .done = 0, .limit = SIZE_MAX, .suspect = SIZE_MAX };
        enum weir_run r = WEIR_RUN_DONE;

        WEIR_ON(WEIR_ROLE_LANE);
        while (r == WEIR_RUN_DONE && cut.done < batch->record_count) {
                assert(batch->records[cut.done].record.offset >=
                       position->next_offset); /* I3: never behind */
                /* Told to leave: the transaction in hand was finished, the rest is somebody's later. */
                r = runner->stopping(runner->context) ? WEIR_RUN_STOPPED
                                                      : run_range(runner, batch, &cut, position);
        }
        give_back(runner);
        return r;
}

enum weir_run weir_runner_pass_markers(struct weir_runner *runner, struct weir_position *position)
{
        int64_t seen = weir_partition_position(runner->partition);
        struct weir_error error;
        int r;

        if (seen <= position->next_offset)
                return WEIR_RUN_DONE;
        r = connect_for(runner, &error);
        if (r == 0)
                r = weir_position_skip(runner->pg, position, seen, &error);
        give_back(runner);
        if (r == 0)
                return passed(runner, position);
        if (r > 0)
                return WEIR_RUN_FENCED;
        /* Nothing is lost by passing them later; the next idle moment tries again. */
        return WEIR_RUN_DONE;
}

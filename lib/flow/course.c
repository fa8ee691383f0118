/* SPDX-License-Identifier: MIT */
/*
 * course - the life of one assigned partition
 *
 *      take ──▶ locate ──▶ consume ──▶ (fenced | broken | halted | standing | stop)
 *       ▲          ▲           │
 *       │          └─ broken ──┤   the client yields nothing more: start anew at our own next_offset
 *       └─ fenced, halted, ────┘   another epoch, or an operator's word, is needed
 *          standing
 *
 * take     bumps the epoch: from here on every older holder of the partition updates zero rows.
 * locate   compares the position with the log and says where fetching starts (locate.h).
 * consume  reads a batch, runs it, tells Kafka, for ever.
 *
 * Always true   I1  a record is passed only by a committed transaction that applied or kept it.
 *               I6  only the holder of the current epoch commits (the fence in store/apply).
 *               I7  Kafka is told an offset only after the COMMIT that passed it.
 * The race      1. revoked, the lane is inside a handler  2. the drain deadline passes, the partition is given up
 *               3. another member takes it, epoch 4 -> 5  4. the handler returns, the lane sends its
 *               fence with epoch 4: never happens, the fence was sent before the handler; its row lock makes
 *               the other's take wait until this transaction ends. With the interrupt set it is rolled back.
 * Not chosen    pausing the partition while the database is away: not reading is enough, and a
 *               resume costs a second and the prefetch.
 */
#include <string.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/log.h"
#include "flow/lane_internal.h"
#include "flow/locate.h"
#include "flow/pace.h"

#define WAIT_FIRST_MS 100
#define WAIT_MAX_MS 1000
#define FENCED_WAIT_MS 5000
#define HALTED_LOOK_MS 5000
#define REPLAYED_LOOK_MS 20 /* at what is parked, behind the end of the range */
#define BROKEN_MAX 5        /* damage at one offset, tried so often, is no accident */

/* Wait between tries. false = stop. */
static bool rest(struct weir_lane *lane, int64_t ms)
{
        return !weir_latch_wait(&lane->waker, ms) && !lane->stop;
}

/* ---- take --------------------------------------------------------------------------------- */

static const char *position_worker(const struct weir_lane *lane)
{
        return lane->env->replaying ? lane->env->replaying->position_worker
                                    : lane->env->worker->name;
}

static int take_once(struct weir_lane *lane, struct weir_error *reterr)
{
        struct weir_pg *pg;
        int r = weir_pool_acquire(lane->env->pool, &lane->abort, &pg, reterr);

        if (r < 0)
                return r;
        r = weir_position_take(pg, position_worker(lane), weir_partition_topic(lane->partition),
                               weir_partition_number(lane->partition), lane->env->owner,
                               &lane->position, reterr);
        if (r == 0)
                r = weir_runner_took(&lane->runner, pg, &lane->position, reterr);
        weir_pool_release(lane->env->pool, pg);
        return r;
}

/* false = stop. */
static bool take(struct weir_lane *lane)
{
        struct weir_error error;

        weir_board_do(WEIR_BOARD_TAKES);
        for (uint32_t attempt = 1;; attempt++) {
                int64_t wait_ms = weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, attempt);

                if (lane->stop)
                        return false;
                if (take_once(lane, &error) == 0)
                        return true;
                if (attempt == 1 || attempt % 30 == 0)
                        weir_log(WEIR_LOG_WARN, "lane.waits", LANE_FIELDS(lane),
                                 LOG_S("for", "position"), LOG_S("error", error.text),
                                 LOG_I("attempt", attempt), LOG_S("action", "retry"));
                if (!rest(lane, wait_ms))
                        return false;
        }
}

/* ---- locate ------------------------------------------------------------------------------- */

/* An operator moved the row, or another process took it. */
static bool epoch_changed(struct weir_lane *lane)
{
        struct weir_position now = { .id = lane->position.id };
        struct weir_error error;
        struct weir_pg *pg;
        int r;

        if (weir_pool_acquire(lane->env->pool, &lane->abort, &pg, &error) < 0)
                return false;
        r = weir_position_look(pg, lane->position.id, &now, &error);
        weir_pool_release(lane->env->pool, pg);
        return r > 0 || (r == 0 && now.epoch != lane->position.epoch);
}

enum next { NEXT_TAKE, NEXT_LOCATE, NEXT_CONSUME, NEXT_STAND, NEXT_STOP };

/* A replay's lane waits for no operator and takes nothing back: it says how it ended. */
static enum next end_replay(struct weir_lane *lane, enum weir_replay_end how,
                            const struct weir_error *why)
{
        struct weir_replay_range *range = lane->runner.range;

        if (why)
                range->error = *why;
        range->end = how;
        weir_partition_finish(lane->partition);
        weir_log(why ? WEIR_LOG_ERROR : WEIR_LOG_INFO, "replay.range_ended", LANE_FIELDS(lane),
                 LOG_I("replay", lane->env->replaying->id),
                 LOG_I("offset", lane->position.next_offset), LOG_I("until", range->until_offset),
                 LOG_S("how", how == WEIR_REPLAY_DONE     ? "done"
                              : how == WEIR_REPLAY_FAILED ? "failed"
                                                          : "taken by another process"),
                 LOG_S("error", why ? why->text : ""));
        return NEXT_STOP;
}

static bool replayed(const struct weir_lane *lane)
{
        return lane->runner.range &&
               lane->position.next_offset >= lane->runner.range->until_offset &&
               lane->runner.park.count == 0;
}

/* Only a new reason is logged. */
static void halt(struct weir_lane *lane, const struct weir_error *why)
{
        weir_partition_halt(lane->partition);
        weir_board_do(WEIR_BOARD_HALTS);
        if (strcmp(lane->halt_text, why->text)) {
                weir_log(WEIR_LOG_ERROR, "lane.halted", LANE_FIELDS(lane),
                         LOG_I("offset", lane->position.next_offset), LOG_S("error", why->text),
                         LOG_S("action", "halt"));
                snprintf(lane->halt_text, sizeof lane->halt_text, "%s", why->text);
        }
}

/* The partition stands still, the others go on. What ends it: an operator who sets the position, or a log that
 * fits again. The state is checked quietly. */
static enum next halted(struct weir_lane *lane, const struct weir_error *why)
{
        if (lane->runner.range)
                return end_replay(lane, WEIR_REPLAY_FAILED, why);
        halt(lane, why);
        if (!rest(lane, HALTED_LOOK_MS))
                return NEXT_STOP;
        return epoch_changed(lane) ? NEXT_TAKE : NEXT_LOCATE;
}

static int identify_once(struct weir_lane *lane, struct weir_error *reterr)
{
        struct weir_pg *pg;
        int r;

        weir_board_do(WEIR_BOARD_TAKES);
        r = weir_pool_acquire(lane->env->pool, &lane->abort, &pg, reterr);
        if (r < 0)
                return r;
        r = weir_position_identify(pg, &lane->position, reterr);
        weir_pool_release(lane->env->pool, pg);
        return r;
}

static enum next fenced(struct weir_lane *lane);

/* Maybe the topic was made anew under us: compare a record that is certainly of the old log. The row gets it too: the
 * next lane must not take a record of the new log for proof, whatever becomes of this process. */
static enum next doubted(struct weir_lane *lane, const struct weir_error *why)
{
        struct weir_error error;

        weir_log(WEIR_LOG_WARN, "lane.doubts", LANE_FIELDS(lane),
                 LOG_I("offset", lane->position.next_offset), LOG_S("error", why->text),
                 LOG_S("action", "compare"));
        if (!weir_anchor_adopt(&lane->anchor, &lane->position))
                return NEXT_LOCATE;
        for (uint32_t attempt = 1;; attempt++) {
                int r = identify_once(lane, &error);

                if (r >= 0)
                        return r > 0 ? fenced(lane) : NEXT_LOCATE;
                if (!rest(lane, weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, attempt)))
                        return NEXT_STOP;
        }
}

/* Halted by a policy: calling the handler again every few seconds would only fail again. An operator's word is
 * needed (a position, also the same one), or a start with something mended. */
static enum next stand(struct weir_lane *lane)
{
        if (lane->runner.range)
                return end_replay(lane, WEIR_REPLAY_FAILED, &lane->runner.halt);
        halt(lane, &lane->runner.halt);
        while (rest(lane, HALTED_LOOK_MS))
                if (epoch_changed(lane)) {
                        lane->halt_text[0] = '\0';
                        return NEXT_TAKE;
                }
        return NEXT_STOP;
}

/* ---- consume ------------------------------------------------------------------------------ */

static bool repeated_damage(struct weir_lane *lane, const struct weir_error *error)
{
        if (lane->broken_offset != lane->position.next_offset)
                lane->broken_count = 0;
        lane->broken_offset = lane->position.next_offset;
        lane->broken_count++;
        return error->code == WEIR_ELOG && lane->broken_count >= BROKEN_MAX;
}

static enum next damaged(struct weir_lane *lane, struct weir_error *error)
{
        const char *topic = weir_partition_topic(lane->partition);
        int32_t number = weir_partition_number(lane->partition);
        char way[WEIR_ERROR_TEXT_BYTES];

        /* Of a replay the live position is no way out: set it would move another's work. */
        if (lane->runner.range)
                snprintf(way, sizeof way,
                         "weir replay resume %lld tries again; one that is planned anew with "
                         "--partition %s/%d --from OFFSET leaves the damage out",
                         (long long)lane->env->replaying->id, topic, number);
        else
                snprintf(way, sizeof way, "weir position set %s %s/%d OFFSET --reason WHY",
                         lane->env->worker->name, topic, number);
        weir_error_prefix(error,
                          "%s/%d cannot be read at offset %lld after %d tries; to go on behind the "
                          "damage: %s: ",
                          topic, number, (long long)lane->position.next_offset, BROKEN_MAX, way);
        return halted(lane, error);
}

static enum next broken(struct weir_lane *lane, struct weir_error *error)
{
        if (repeated_damage(lane, error))
                return damaged(lane, error);
        weir_log(WEIR_LOG_WARN, "lane.broken", LANE_FIELDS(lane),
                 LOG_I("offset", lane->position.next_offset), LOG_S("error", error->text),
                 LOG_I("attempt", lane->broken_count), LOG_S("action", "retry"));
        return rest(lane, weir_backoff_ms(500, 10000, lane->broken_count)) ? NEXT_LOCATE
                                                                           : NEXT_STOP;
}

static enum next fenced(struct weir_lane *lane)
{
        weir_log(WEIR_LOG_WARN, "lane.fenced", LANE_FIELDS(lane),
                 LOG_I("epoch", lane->position.epoch), LOG_I("offset", lane->position.next_offset),
                 LOG_S("action", "retry"));
        if (lane->runner.range)
                return end_replay(lane, WEIR_REPLAY_TAKEN, NULL);
        weir_partition_halt(lane->partition);
        /* Either the group tells us meanwhile that the partition is gone, or it is ours and was taken by a
         * member that did not know yet (or by an operator): then take it back. */
        return rest(lane, FENCED_WAIT_MS) ? NEXT_TAKE : NEXT_STOP;
}

static void note_identity(struct weir_lane *lane)
{
        uint64_t begun, passed;

        weir_partition_checks(lane->partition, &begun, &passed);
        weir_anchor_note(&lane->anchor, &lane->position, begun, passed);
}

/* False: fenced. Without the database the record is kept in mind, and written with the next try. */
static bool adopt_identity(struct weir_lane *lane)
{
        struct weir_error error;
        int r;

        if (!lane->intake.adopted)
                return true;
        lane->position.last_offset = lane->intake.known.last_offset;
        lane->position.last_time_ms = lane->intake.known.last_time_ms;
        lane->position.last_fingerprint = lane->intake.known.last_fingerprint;
        r = identify_once(lane, &error);
        if (r == 0) {
                lane->intake.adopted = false;
                weir_anchor_reset(&lane->anchor, &lane->position);
        }
        return r <= 0;
}

static enum next after(enum weir_run run)
{
        switch (run) {
        case WEIR_RUN_FENCED: return NEXT_TAKE;
        case WEIR_RUN_HALTED: return NEXT_STAND;
        case WEIR_RUN_STOPPED: return NEXT_STOP;
        default: return NEXT_CONSUME;
        }
}

/* A replay has no hurry. False = stop. */
static bool pace(struct weir_lane *lane)
{
        const struct weir_replaying *replaying = lane->env->replaying;

        return !replaying || !replaying->pace ||
               weir_pace_wait(replaying->pace, (uint32_t)weir_intake_count(&lane->intake),
                              &lane->waker);
}

static enum weir_run run_batch(struct weir_lane *lane)
{
        enum weir_run run = WEIR_RUN_DONE;
        bool idle = weir_intake_count(&lane->intake) == 0;

        if (!idle) {
                if (!pace(lane))
                        return WEIR_RUN_STOPPED;
                run = weir_runner_run(&lane->runner, weir_intake_batch(&lane->intake),
                                      &lane->position);
                if (run == WEIR_RUN_DONE) {
                        lane->broken_count = 0;
                        lane->halt_text[0] = '\0';
                }
        } else if (weir_intake_idle(&lane->intake) || lane->intake.ended) {
                run = weir_runner_pass_markers(&lane->runner, &lane->position);
        }
        return run == WEIR_RUN_DONE ? weir_runner_aside(&lane->runner, &lane->position, idle) : run;
}

static enum next consume(struct weir_lane *lane, struct weir_error *error, bool *ret_broken)
{
        *ret_broken = false;
        while (!lane->stop) {
                enum weir_run run = WEIR_RUN_DONE;
                int r;

                weir_board_do(WEIR_BOARD_READS);
                if (replayed(lane))
                        return end_replay(lane, WEIR_REPLAY_DONE, NULL);
                if (lane->intake.ended && !rest(lane, REPLAYED_LOOK_MS))
                        return NEXT_STOP;
                note_identity(lane);
                weir_board_log_end(weir_partition_end(lane->partition));
                lane->intake.hurried = weir_aside_hungry(&lane->runner.aside);
                r = weir_intake_collect(&lane->intake, lane->partition, &lane->position, error);
                if (r < 0 && weir_intake_count(&lane->intake) == 0) {
                        *ret_broken = true;
                        return NEXT_LOCATE;
                }
                run = adopt_identity(lane) ? run_batch(lane) : WEIR_RUN_FENCED;
                weir_intake_drop(&lane->intake);
                if (run != WEIR_RUN_DONE)
                        return after(run);
                if (r < 0) {
                        *ret_broken = true;
                        return NEXT_LOCATE;
                }
        }
        return NEXT_STOP;
}

static enum next live_once(struct weir_lane *lane, enum next step)
{
        struct weir_locate locate = { .worker = lane->env->worker,
                                      .pool = lane->env->pool,
                                      .partition = lane->partition,
                                      .abort = &lane->abort,
                                      .waker = &lane->waker,
                                      .stopping = weir_lane_stopping,
                                      .context = lane,
                                      .replaying = lane->env->replaying,
                                      .range = lane->runner.range };
        struct weir_error error;
        bool is_broken = false;

        switch (step) {
        case NEXT_TAKE: return take(lane) ? NEXT_LOCATE : NEXT_STOP;
        case NEXT_LOCATE:
                weir_board_do(WEIR_BOARD_LOCATES);
                switch (weir_locate_start(&locate, &lane->position, &error)) {
                case WEIR_LOCATED:
                        if (!lane->halt_text[0])
                                weir_log(WEIR_LOG_INFO, "lane.runs", LANE_FIELDS(lane),
                                         LOG_I("offset", lane->position.next_offset),
                                         LOG_I("epoch", lane->position.epoch));
                        /* What Kafka believes may be older (a kill before the commit) or not ours (a reset). */
                        weir_partition_store(lane->partition, lane->position.next_offset); /* I7 */
                        weir_board_at(lane->position.next_offset);
                        weir_intake_restart(&lane->intake);
                        weir_anchor_reset(&lane->anchor, &lane->position);
                        return NEXT_CONSUME;
                case WEIR_LOCATE_FENCED: return fenced(lane);
                case WEIR_LOCATE_HALT: return halted(lane, &error);
                default: return NEXT_STOP;
                }
        case NEXT_CONSUME:
                step = consume(lane, &error, &is_broken);
                if (is_broken && weir_partition_doubted(lane->partition))
                        return doubted(lane, &error);
                if (is_broken)
                        return lane->intake.foreign_log ? halted(lane, &error)
                                                        : broken(lane, &error);
                return step == NEXT_TAKE ? fenced(lane) : step;
        case NEXT_STAND: return stand(lane);
        default: return NEXT_STOP;
        }
}

void weir_course_run(struct weir_lane *lane)
{
        enum next step = NEXT_TAKE;

        while (step != NEXT_STOP)
                step = live_once(lane, step);
}

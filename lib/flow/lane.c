/* SPDX-License-Identifier: MIT */
/*
 * lane - the thread of an assigned partition, and who may still look at it
 *
 * What it does there is course.c's. Two hold it, the member and its own thread, and the last one frees it: a
 * lane whose handler hangs is given up (detached) and outlives the member's interest, and its partition must outlive
 * its reading.
 *
 * Always true   no record is in hand when the lane says that it has finished: the client could not be closed.
 *               The user of a setup is counted out last: what the lane frees may be of the plugin's making, and the
 *               plugin may be unmapped after that (setup.c). Only then it is no lane any more: weir_lane_count().
 */
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "base/log.h"
#include "flow/lane_internal.h"
#include "flow/pace.h"

static atomic_int running_count;

int weir_lane_count(void)
{
        return running_count;
}

int weir_lane_stopping(void *context)
{
        struct weir_lane *lane = context;

        return lane->stop;
}

static void put(struct weir_lane *lane)
{
        if (atomic_fetch_sub(&lane->references, 1) != 1)
                return;
        weir_intake_fini(&lane->intake);
        weir_runner_fini(&lane->runner);
        weir_latch_fini(&lane->waker);
        weir_latch_fini(&lane->abort);
        pthread_cond_destroy(&lane->cond);
        pthread_mutex_destroy(&lane->mutex);
        if (lane->partition)
                weir_partition_unref(lane->partition);
        free(lane);
}

static void *lane_main(void *arg)
{
        struct weir_lane *lane = arg;
        atomic_int *users;

        WEIR_ON(WEIR_ROLE_LANE);
        weir_board_claim(weir_partition_topic(lane->partition),
                         weir_partition_number(lane->partition));
        weir_course_run(lane);
        weir_board_release();
        weir_intake_drop(
                &lane->intake); /* no record in hand when we are out: the client could not close */
        weir_log(WEIR_LOG_INFO, "lane.stopped", LANE_FIELDS(lane),
                 LOG_I("offset", lane->position.next_offset),
                 LOG_I("events", lane->runner.counts.events),
                 LOG_I("applied", lane->runner.counts.fresh),
                 LOG_I("dead", lane->runner.counts.dead),
                 LOG_I("abandoned", lane->runner.counts.abandoned));
        pthread_mutex_lock(&lane->mutex);
        lane->finished = true;
        pthread_cond_broadcast(&lane->cond);
        pthread_mutex_unlock(&lane->mutex);
        users = lane->env->users;
        put(lane); /* what it frees may be of the plugin's making */
        if (users)
                atomic_fetch_sub(users, 1);
        /* The last: with no lane left the runtime frees all that was touched above. */
        atomic_fetch_sub(&running_count, 1);
        return NULL;
}

int weir_lane_start(const struct weir_lane_env *env, struct weir_partition *partition,
                    struct weir_lane **ret, struct weir_error *reterr)
{
        struct weir_lane *lane = calloc(1, sizeof *lane);
        char name[16];
        int r;

        if (!lane) {
                weir_partition_unref(partition);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "lane");
        }
        lane->references = 2; /* the caller's and the thread's */
        lane->own_env = *env;
        lane->env = &lane->own_env;
        lane->partition = partition;
        lane->waker.fd = lane->abort.fd = -1;
        pthread_mutex_init(&lane->mutex, NULL);
        weir_cond_init(&lane->cond);
        weir_intake_init(&lane->intake, env->worker, env->budget, &lane->waker);
        r = weir_latch_init(&lane->waker);
        if (r == 0)
                r = weir_latch_init(&lane->abort);
        if (r < 0) {
                weir_fail(reterr, WEIR_ESYS, -r, "eventfd: %s", strerror(-r));
                goto fail;
        }
        if (weir_runner_init(&lane->runner, lane->env, partition, &lane->abort, &lane->waker,
                             weir_lane_stopping, lane, reterr) < 0)
                goto fail;
        lane->runner.hold.credit = &lane->intake.credit;
        if (lane->runner.range)
                weir_intake_bound(&lane->intake, &lane->runner.rules,
                                  lane->runner.range->until_offset,
                                  weir_pace_most(env->replaying->pace));
        snprintf(name, sizeof name, "lane-%d", weir_partition_number(partition) % 100000000);
        atomic_fetch_add(&running_count, 1);
        if (env->users)
                atomic_fetch_add(env->users, 1);
        r = weir_thread_start(&lane->thread, WEIR_ROLE_LANE, name, lane_main, lane);
        if (r) {
                atomic_fetch_sub(&running_count, 1);
                if (env->users)
                        atomic_fetch_sub(env->users, 1);
                weir_fail(reterr, WEIR_ESYS, r, "thread for %s/%d: %s",
                          weir_partition_topic(partition), weir_partition_number(partition),
                          strerror(r));
                goto fail;
        }
        *ret = lane;
        return 0;
fail:
        r = reterr->code;
        lane->references = 1;
        put(lane);
        return r;
}

void weir_lane_stop(struct weir_lane *lane, enum weir_lane_stop how)
{
        if (lane->stop < (int)how)
                lane->stop = (int)how;
        weir_latch_set(&lane->waker);
        if (how == WEIR_LANE_ABORT)
                weir_latch_set(&lane->abort);
        weir_partition_wake(lane->partition);
}

const struct weir_lane_env *weir_lane_env(const struct weir_lane *lane)
{
        return &lane->own_env;
}

bool weir_lane_wait(struct weir_lane *lane, int64_t deadline_us)
{
        bool finished;

        pthread_mutex_lock(&lane->mutex);
        while (!lane->finished && weir_cond_wait_until(&lane->cond, &lane->mutex, deadline_us))
                ;
        finished = lane->finished;
        pthread_mutex_unlock(&lane->mutex);
        return finished;
}

void weir_lane_unref(struct weir_lane *lane)
{
        bool finished;

        if (!lane)
                return;
        pthread_mutex_lock(&lane->mutex);
        finished = lane->finished;
        pthread_mutex_unlock(&lane->mutex);
        if (finished)
                pthread_join(lane->thread, NULL);
        else
                pthread_detach(lane->thread);
        put(lane);
}

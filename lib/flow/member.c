/* SPDX-License-Identifier: MIT */
/*
 * member - the poll thread and the book of lanes
 *
 * The poll thread does every group call and nothing that waits for a database: lanes take their positions and
 * say where to fetch, the poll thread only starts and stops them.
 *
 * Revocation    drain first, fence after: lanes finish the transaction in hand and store its offset; only a
 *               lane that is not out at the drain deadline is interrupted (its connection is closed, PostgreSQL
 *               rolls back), and one that hangs in its handler is given up. It can do no harm: the next owner
 *               bumps the epoch. A partition lost (somebody else may own it) is not drained: what is in hand would
 *               be fenced at best.
 */
#include "flow/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "flow/gate.h"
#include "flow/marks.h"
#include "flow/replaying.h"

#define SERVE_MS 500
#define SOON_MS 20 /* while lanes go over, or replay: who is through is looked for so often */
#define ABORT_GRACE_US 500000
#define UNSTARTED_CLOSE_US 2000000
#define LANE_AGAIN_US 1000000 /* a lane that could not be started */
#define REMAKE_US 5000000     /* to leave the group, beyond the drain */

struct weir_member {
        const struct weir_conf *conf;
        struct weir_lane_env own_env; /* the caller's, and what its lanes share */
        const struct weir_lane_env *env;
        struct weir_marks marks;
        struct weir_gate gate;
        struct weir_consumer *consumer; /* @mutex to change, and for others than the poll thread */
        pthread_t thread;
        bool started;

        int64_t reloads_since_us; /* poll thread: lanes go over; 0 = none does */
        int64_t start_at_us; /* poll thread: partitions without a lane get one; 0 = all have one */
        struct weir_partition **partitions; /* poll thread: assigned, with a lane or without */
        size_t partition_count, partition_room;

        pthread_mutex_t mutex;
        pthread_cond_t cond;
        struct weir_lane_env next_env;     /* @mutex: where reload is set */
        const struct weir_conf *next_conf; /* @mutex */
        bool reload;                       /* @mutex */
        bool stop;                         /* @mutex */
        int64_t stop_at_us;                /* @mutex */
        int end;                           /* @mutex enum weir_member_end */
        struct weir_error error;           /* @mutex */
};

static void start_lane(struct weir_member *member, struct weir_partition *partition)
{
        struct weir_lane *lane = NULL;
        struct weir_error error;

        if (weir_lane_start(member->env, partition, &lane, &error) == 0) {
                weir_partition_set_owner(partition, lane);
                return;
        }
        /* No memory, no thread: the partition is ours and unread until there is one. */
        if (!member->start_at_us)
                weir_log(WEIR_LOG_ERROR, "lane.failed", LOG_S("worker", member->env->worker->name),
                         LOG_S("topic", weir_partition_topic(partition)),
                         LOG_I("partition", weir_partition_number(partition)),
                         LOG_S("error", error.text), LOG_S("action", "retry"));
        member->start_at_us = weir_clock_us() + LANE_AGAIN_US;
}

/* Nobody else reads what the group gave to us, so those that could not be started are started again. */
static void start_missing(struct weir_member *member)
{
        bool missing = false;

        if (!member->start_at_us || weir_clock_us() < member->start_at_us)
                return;
        for (size_t i = 0; i < member->partition_count; i++) {
                if (weir_partition_owner(member->partitions[i]))
                        continue;
                weir_partition_ref(member->partitions[i]);
                start_lane(member, member->partitions[i]);
                missing = missing || !weir_partition_owner(member->partitions[i]);
        }
        if (!missing)
                member->start_at_us = 0;
}

static bool remember(struct weir_member *member, struct weir_partition *partition)
{
        size_t room = member->partition_room ? 2 * member->partition_room : 16;
        struct weir_partition **partitions;

        if (member->partition_count == member->partition_room) {
                partitions = reallocarray(member->partitions, room,
                                          sizeof(struct weir_partition *));
                if (!partitions)
                        return false;
                member->partitions = partitions;
                member->partition_room = room;
        }
        member->partitions[member->partition_count++] = partition;
        return true;
}

static void forget(struct weir_member *member, const struct weir_partition *partition)
{
        for (size_t i = 0; i < member->partition_count; i++)
                if (member->partitions[i] == partition) {
                        member->partitions[i] = member->partitions[--member->partition_count];
                        return;
                }
}

static void on_assigned(void *context, struct weir_partition *partition)
{
        struct weir_member *member = context;

        WEIR_ON(WEIR_ROLE_POLL);
        if (!remember(member, partition)) /* it works, but keeps its settings over a reload */
                weir_log(WEIR_LOG_WARN, "lane.unlisted", LOG_S("worker", member->env->worker->name),
                         LOG_S("topic", weir_partition_topic(partition)),
                         LOG_I("partition", weir_partition_number(partition)));
        start_lane(member, partition);
}

static bool wait_all(struct weir_partition *const *partitions, size_t count, int64_t deadline_us)
{
        bool all = true;

        for (size_t i = 0; i < count; i++) {
                struct weir_lane *lane = weir_partition_owner(partitions[i]);

                if (lane && !weir_lane_wait(lane, deadline_us))
                        all = false;
        }
        return all;
}

static void stop_all(struct weir_partition *const *partitions, size_t count,
                     enum weir_lane_stop how)
{
        for (size_t i = 0; i < count; i++)
                if (weir_partition_owner(partitions[i]))
                        weir_lane_stop(weir_partition_owner(partitions[i]), how);
}

/* How it went, for the log. */
static const char *end_lanes(struct weir_partition *const *partitions, size_t count, bool lost,
                             int64_t deadline_us)
{
        const char *how = lost ? "lost" : "drained";

        stop_all(partitions, count, lost ? WEIR_LANE_ABORT : WEIR_LANE_DRAIN);
        if (!wait_all(partitions, count, deadline_us - ABORT_GRACE_US)) {
                how = "interrupted";
                stop_all(partitions, count, WEIR_LANE_ABORT);
                if (!wait_all(partitions, count, deadline_us))
                        how = "given up";
        }
        for (size_t i = 0; i < count; i++) {
                weir_lane_unref(weir_partition_owner(partitions[i]));
                weir_partition_set_owner(partitions[i], NULL);
        }
        return how;
}

static void on_revoked(void *context, struct weir_partition *const *partitions, size_t count,
                       bool lost, int64_t deadline_us)
{
        struct weir_member *member = context;
        int64_t began_us = weir_clock_us();
        const char *how;

        WEIR_ON(WEIR_ROLE_POLL);
        how = end_lanes(partitions, count, lost, deadline_us);
        for (size_t i = 0; i < count; i++)
                forget(member, partitions[i]);
        weir_log(WEIR_LOG_INFO, "group.revoked", LOG_S("worker", member->env->worker->name),
                 LOG_I("partitions", count), LOG_S("lanes", how),
                 LOG_I("took_ms", (weir_clock_us() - began_us) / 1000));
}

static const struct weir_consumer_events member_events = { .assigned = on_assigned,
                                                           .revoked = on_revoked };

/* What is over already needs no lane. */
static size_t place(const struct weir_replaying *replaying, struct weir_consumer_place *ret)
{
        size_t count = 0;

        for (size_t i = 0; i < replaying->range_count; i++)
                if (replaying->ranges[i].end == WEIR_REPLAY_RUNS)
                        ret[count++] = (struct weir_consumer_place){
                                replaying->ranges[i].topic, replaying->ranges[i].partition
                        };
        return count;
}

/* @partitions 0: it is not known yet how many the topics have. */
static int make_consumer(struct weir_member *member, uint32_t partitions,
                         struct weir_consumer **ret, struct weir_error *reterr)
{
        const struct weir_lane_env *env = member->env;
        const struct weir_conf *conf = member->conf;
        WEIR_FREE struct weir_consumer_place *places = NULL;
        struct weir_consumer_conf consumer = {
                .brokers = conf->kafka_brokers,
                .group = env->worker->group,
                .client_id = env->owner,
                .instance_id = env->instance,
                .properties = conf->properties,
                .property_count = conf->property_count,
                .topics = env->worker->topics,
                .topic_count = env->worker->topic_count,
                .queue_bytes = conf->memory_queue_bytes,
                .fetch_bytes = env->fetch_bytes,
                .partitions = partitions,
                .drain_ms = conf->stop_drain_ms,
                .events = &member_events,
                .context = member,
        };
        int r;

        if (env->replaying) {
                places = calloc(env->replaying->range_count + 1, sizeof *places);
                if (!places)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "worker %s", env->worker->name);
                consumer.places = places;
                consumer.place_count = place(env->replaying, places);
                if (consumer.place_count == 0)
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "replay %lld: nothing is left of it",
                                         (long long)env->replaying->id);
        }
        r = weir_consumer_new(&consumer, ret, reterr);

        return r < 0 ? weir_error_prefix(reterr, "worker %s: ", env->worker->name) : 0;
}

int weir_member_new(const struct weir_conf *conf, const struct weir_lane_env *env,
                    struct weir_member **ret, struct weir_error *reterr)
{
        struct weir_member *member = calloc(1, sizeof *member);
        int r;

        if (!member)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "worker %s", env->worker->name);
        member->conf = conf;
        member->own_env = *env;
        member->own_env.marks = env->replaying ? NULL : &member->marks;
        weir_gate_init(&member->gate);
        member->own_env.gate = &member->gate;
        member->env = &member->own_env;
        weir_marks_init(&member->marks);
        member->end = WEIR_MEMBER_RUNS;
        pthread_mutex_init(&member->mutex, NULL);
        weir_cond_init(&member->cond);
        r = make_consumer(member, 0, &member->consumer, reterr);
        if (r < 0) {
                weir_member_free(member);
                return r;
        }
        *ret = member;
        return 0;
}

static bool told_to_stop(struct weir_member *member, int64_t *ret_deadline_us)
{
        bool stop;

        pthread_mutex_lock(&member->mutex);
        stop = member->stop;
        *ret_deadline_us = member->stop_at_us;
        pthread_mutex_unlock(&member->mutex);
        return stop;
}

static void begin_reload(struct weir_member *member)
{
        member->reloads_since_us = weir_clock_us();
        pthread_mutex_lock(&member->mutex);
        member->own_env = member->next_env;
        member->own_env.marks = member->own_env.replaying ? NULL : &member->marks;
        member->own_env.gate = &member->gate;
        member->conf = member->next_conf;
        pthread_mutex_unlock(&member->mutex);
        stop_all(member->partitions, member->partition_count, WEIR_LANE_DRAIN);
}

static void end_reload(struct weir_member *member)
{
        weir_log(WEIR_LOG_INFO, "worker.reloaded", LOG_S("worker", member->env->worker->name),
                 LOG_S("version", weir_handler_version(member->env->handler)),
                 LOG_I("partitions", member->partition_count),
                 LOG_I("took_ms", (weir_clock_us() - member->reloads_since_us) / 1000));
        member->reloads_since_us = 0;
        pthread_mutex_lock(&member->mutex);
        member->reload = false;
        pthread_cond_broadcast(&member->cond);
        pthread_mutex_unlock(&member->mutex);
}

/* A lane's settings never change under it: at its next batch it ends, and another takes its place. Each in its own time:
 * one inside a slow handler is waited for (a handler that hangs is guard/watch's), and the others are not. */
static void reload(struct weir_member *member)
{
        size_t left = 0;

        if (!member->reloads_since_us)
                begin_reload(member);
        for (size_t i = 0; i < member->partition_count; i++) {
                struct weir_partition *partition = member->partitions[i];
                struct weir_lane *lane = weir_partition_owner(partition);

                if (lane && weir_lane_env(lane)->users == member->env->users)
                        continue; /* it has begun since */
                if (lane && !weir_lane_wait(lane, 0)) {
                        left++;
                        continue;
                }
                weir_lane_unref(lane);
                weir_partition_set_owner(partition, NULL);
                weir_partition_ref(partition);
                start_lane(member, partition);
        }
        if (left == 0)
                end_reload(member);
}

static bool told_to_reload(struct weir_member *member)
{
        bool told;

        pthread_mutex_lock(&member->mutex);
        told = member->reload;
        pthread_mutex_unlock(&member->mutex);
        return told;
}

void weir_member_reload(struct weir_member *member, const struct weir_conf *conf,
                        const struct weir_lane_env *env)
{
        pthread_mutex_lock(&member->mutex);
        member->next_env = *env;
        member->next_conf = conf;
        member->reload = true;
        weir_consumer_wake(member->consumer);
        pthread_mutex_unlock(&member->mutex);
}

bool weir_member_reloaded(struct weir_member *member)
{
        return !told_to_reload(member);
}

/* The group is left and joined again: rare (a topic got more partitions), but for the first time, when nothing was
 * joined yet. Returns as weir_consumer_close(), or < 0. */
static int remake(struct weir_member *member, struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + member->conf->stop_drain_ms * 1000 + REMAKE_US;
        uint32_t partitions = weir_consumer_outgrown(member->consumer);
        struct weir_consumer *made, *before = member->consumer;
        struct weir_consumer_state state;
        int r;

        weir_consumer_state(before, &state);
        weir_log(state.rebalances ? WEIR_LOG_WARN : WEIR_LOG_DEBUG, "group.partitions",
                 LOG_S("worker", member->env->worker->name), LOG_I("partitions", partitions),
                 LOG_S("action", "join again"));
        r = weir_consumer_close(before, deadline_us);
        if (r != 0)
                return r;
        r = make_consumer(member, partitions, &made, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&member->mutex);
        member->consumer = made;
        pthread_mutex_unlock(&member->mutex);
        weir_consumer_free(before);
        return 0;
}

/* A replay is over: every lane has come to its end. */
static bool replayed(const struct weir_member *member)
{
        return member->env->replaying && weir_replaying_over(member->env->replaying) &&
               wait_all(member->partitions, member->partition_count, 0);
}

/* Until it is told to stop. > 0: it could not leave the group, and had its time. */
static int serve(struct weir_member *member, int64_t *ret_deadline_us, struct weir_error *reterr)
{
        int r = 0;

        while (r == 0 && !told_to_stop(member, ret_deadline_us)) {
                bool soon;

                if (replayed(member)) {
                        *ret_deadline_us = weir_clock_us() + member->conf->stop_deadline_ms * 1000;
                        break;
                }
                if (told_to_reload(member))
                        reload(member);
                start_missing(member);
                soon = member->reloads_since_us || member->env->replaying;
                r = weir_consumer_serve(member->consumer, soon ? SOON_MS : SERVE_MS, reterr);
                if (r > 0)
                        r = remake(member, reterr);
        }
        if (r < 0) {
                *ret_deadline_us = weir_clock_us() + member->conf->stop_deadline_ms * 1000;
                weir_log(WEIR_LOG_ERROR, "group.failed", LOG_S("worker", member->env->worker->name),
                         LOG_S("group", member->env->worker->group), LOG_S("error", reterr->text),
                         LOG_S("action", "stop"));
        }
        return r;
}

static void *member_main(void *arg)
{
        struct weir_member *member = arg;
        struct weir_error error = { 0 };
        int64_t deadline_us = 0;
        int served = serve(member, &deadline_us, &error);
        int end = served < 0 ? WEIR_MEMBER_FAILED : WEIR_MEMBER_ENDED;

        if (served > 0 || weir_consumer_close(member->consumer, deadline_us) != 0) {
                weir_log(WEIR_LOG_WARN, "group.not_left",
                         LOG_S("worker", member->env->worker->name),
                         LOG_S("group", member->env->worker->group),
                         LOG_I("lanes", weir_lane_count()),
                         LOG_S("hint",
                               "the group notices after session.timeout.ms; nothing is lost"));
                if (end == WEIR_MEMBER_ENDED)
                        end = WEIR_MEMBER_STUCK;
        } else {
                weir_log(WEIR_LOG_INFO, "group.left", LOG_S("worker", member->env->worker->name),
                         LOG_S("group", member->env->worker->group));
        }
        pthread_mutex_lock(&member->mutex);
        member->end = end;
        member->error = error;
        pthread_cond_broadcast(&member->cond);
        pthread_mutex_unlock(&member->mutex);
        return NULL;
}

int weir_member_start(struct weir_member *member, struct weir_error *reterr)
{
        int r = weir_thread_start(&member->thread, WEIR_ROLE_POLL, "poll", member_main, member);

        if (r)
                return weir_fail(reterr, WEIR_ESYS, r, "poll thread of worker %s: %s",
                                 member->env->worker->name, strerror(r));
        member->started = true;
        return 0;
}

void weir_member_stop(struct weir_member *member, int64_t deadline_us)
{
        pthread_mutex_lock(&member->mutex);
        if (!member->stop || deadline_us < member->stop_at_us)
                member->stop_at_us = deadline_us;
        member->stop = true;
        weir_consumer_wake(member->consumer);
        pthread_mutex_unlock(&member->mutex);
}

int weir_member_wait(struct weir_member *member, int timeout_ms, struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + (int64_t)timeout_ms * 1000;
        int end;

        pthread_mutex_lock(&member->mutex);
        while (member->end == WEIR_MEMBER_RUNS &&
               weir_cond_wait_until(&member->cond, &member->mutex, deadline_us))
                ;
        end = member->end;
        if (end == WEIR_MEMBER_FAILED && reterr)
                *reterr = member->error;
        pthread_mutex_unlock(&member->mutex);
        return end;
}

void weir_member_free(struct weir_member *member)
{
        if (!member)
                return;
        if (member->started)
                pthread_join(member->thread, NULL);
        else if (member->consumer) /* never served: it has joined nothing yet */
                weir_consumer_close(member->consumer, weir_clock_us() + UNSTARTED_CLOSE_US);
        weir_consumer_free(member->consumer);
        weir_marks_fini(&member->marks);
        weir_gate_fini(&member->gate);
        free(member->partitions);
        pthread_cond_destroy(&member->cond);
        pthread_mutex_destroy(&member->mutex);
        free(member);
}

/* SPDX-License-Identifier: MIT */
/*
 * consumer - the group member's client: made, polled, told what the table of group.c says, ended
 *
 * Rebalances come as events, not callbacks: while lanes drain, nothing of librdkafka is on this
 * thread's stack, and close can be bounded. Every rebalance event is answered in the call that
 * took it (G1).
 *
 * Always true   M1  the client is destroyed only when parting is empty: no lane inside, no record
 *                   out. Otherwise close says 1, because destroy would wait for ever.
 *               M2  close ends at its deadline also with the brokers dead: librdkafka's own close
 *                   waits a session timeout for a commit, its destroy may too.
 * Not chosen    rd_kafka_rebalance_protocol(): NULL during close, and can hang (#4041). What was
 *               configured is known here.
 *               rd_kafka_consumer_close(): no deadline.
 *               max.poll.interval.ms as it comes, five minutes: so long a JoinGroup is waited for, too, and a
 *               broker that loses one (4.1.0, fenced by its own controller and elected again meanwhile, had it open
 *               as long as we looked) keeps the whole group from its work until then. This thread polls
 *               every second, and is away for no longer than a drain.
 *               An explicit commit at revocation: racing a rebalance it can lose the assignment;
 *               librdkafka commits what is stored when it unassigns.
 * Threads       poll, except wake and state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "conf/conf.h"
#include "kafka/cluster.h"
#include "kafka/compat.h"
#include "kafka/consumer_internal.h"

#define DEFAULT_QUEUE_BYTES (4u << 20)
#define POLL_LIMIT_MS 1000 /* librdkafka wants to be polled; its timers for us live there */
#define SESSION_MS 15000
#define REJOIN_MS 30000 /* beside the drain: the last commit, and a main thread that gets no time */

/* ---- made ----------------------------------------------------------------------------------- */

static void name_client(char *ret, size_t room, const char *wish)
{
        static _Atomic uint32_t counter;

        snprintf(ret, room, "%s-%ld-%u", wish && *wish ? wish : "weir", (long)getpid(),
                 (unsigned)atomic_fetch_add(&counter, 1));
}

static bool is_cooperative(rd_kafka_conf_t *conf)
{
        char value[128] = "";
        size_t size = sizeof value;

        if (rd_kafka_conf_get(conf, "group.protocol", value, &size) == RD_KAFKA_CONF_OK &&
            !strcmp(value, "consumer"))
                return true; /* KIP-848 assigns by increments only */
        size = sizeof value;
        return rd_kafka_conf_get(conf, "partition.assignment.strategy", value, &size) ==
                       RD_KAFKA_CONF_OK &&
               strstr(value, "cooperative") != NULL;
}

static uint32_t partitions_of(const struct weir_consumer_conf *conf)
{
        return conf->place_count ? (uint32_t)conf->place_count : conf->partitions;
}

/* max.poll.interval.ms: how long a member may take to join a rebalance, and how long its own join is waited for. */
static int64_t rejoin_ms(const struct weir_consumer_conf *conf)
{
        const char *asked = weir_client_property(conf->properties, conf->property_count,
                                                 "session.timeout.ms");
        int64_t session_ms = asked ? strtoll(asked, NULL, 10) : SESSION_MS;
        int64_t least_ms = conf->drain_ms + REJOIN_MS;

        return session_ms > least_ms ? session_ms : least_ms; /* less is refused */
}

static int make_conf(struct weir_consumer *consumer, const struct weir_consumer_conf *conf,
                     rd_kafka_conf_t **ret, struct weir_error *reterr)
{
        const char *protocol = weir_client_property(conf->properties, conf->property_count,
                                                    "group.protocol");
        /* KIP-848: the broker owns these three; setting them is an error from 2.10 on. */
        bool classic = !protocol || strcmp(protocol, "consumer") != 0;
        bool placed = conf->place_count > 0;
        char queue_text[24], count_text[24], portion_text[24], response_text[24];
        char interval_text[24], rejoin_text[24];
        struct weir_room room;
        const struct weir_client_setting defaults[] = {
                { "client.id", consumer->client_id, false },
                { "session.timeout.ms", classic ? WEIR_STR_(SESSION_MS) : NULL, false },
                { "heartbeat.interval.ms", classic ? "1000" : NULL, false },
                { "partition.assignment.strategy",
                  !classic                                          ? NULL
                  : placed || rd_kafka_version() < WEIR_KAFKA_2_6_1 ? "range"
                                                                    : "cooperative-sticky",
                  false },
                { "max.poll.interval.ms", rejoin_text, false },
                /* A request that waits for a coordinator that was killed waits so long (seen: the default minute),
                 * and nothing else of the group goes on meanwhile. */
                { "socket.timeout.ms", "10000", false },
                { "reconnect.backoff.ms", "50", false },
                { "reconnect.backoff.max.ms", "500", false },
                { "fetch.wait.max.ms", "50", false },
                { "fetch.queue.backoff.ms", "10", true },
                { "topic.metadata.refresh.interval.ms", "30000", false },
                { "auto.commit.interval.ms", "1000", false },
                { "isolation.level", "read_committed", false },
                { "enable.metrics.push", "false", true },
        };
        const struct weir_client_setting fixed[] = {
                { "bootstrap.servers", conf->brokers, false },
                { "group.id", conf->group, false },
                { "group.instance.id", conf->instance_id, false },
                { "enable.auto.commit", placed ? "false" : "true", false },
                { "enable.auto.offset.store", "false", false },
                { "auto.offset.reset", "error", false },
                { "enable.partition.eof", "false", false },
                { "check.crcs", "true", false },
                { "allow.auto.create.topics", "false", false },
                { "queued.min.messages", count_text, false },
                { "queued.max.messages.kbytes", queue_text, false },
                { "fetch.message.max.bytes", portion_text, false },
                { "fetch.max.bytes", conf->fetch_bytes ? response_text : NULL, false },
                { "statistics.interval.ms", interval_text, false },
                /* Of producers; but fetch.max.bytes may not be less. */
                { "message.max.bytes", conf->fetch_bytes ? "1000" : NULL, false },
        };

        weir_room_divide(conf->queue_bytes ? conf->queue_bytes : DEFAULT_QUEUE_BYTES,
                         conf->fetch_bytes, partitions_of(conf), &room);
        snprintf(queue_text, sizeof queue_text, "%" PRIu64, room.queue_bytes / 1024);
        snprintf(count_text, sizeof count_text, "%" PRIu64, room.message_count);
        snprintf(portion_text, sizeof portion_text, "%" PRIu64, room.portion_bytes);
        snprintf(response_text, sizeof response_text, "%" PRIu64, room.response_bytes);
        snprintf(interval_text, sizeof interval_text, "%" PRIu32,
                 weir_gauge_interval_ms(conf->fetch_bytes, partitions_of(conf)));
        snprintf(rejoin_text, sizeof rejoin_text, "%" PRId64, rejoin_ms(conf));
        return weir_client_conf(defaults, WEIR_COUNT_OF(defaults), conf->properties,
                                conf->property_count, fixed, WEIR_COUNT_OF(fixed), &consumer->log,
                                ret, reterr);
}

static int name_topics(struct weir_consumer *consumer, const struct weir_consumer_conf *conf,
                       struct weir_error *reterr)
{
        consumer->topics = rd_kafka_topic_partition_list_new((int)conf->topic_count);
        if (!consumer->topics)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "subscription of group %s", conf->group);
        for (size_t i = 0; i < conf->place_count; i++)
                rd_kafka_topic_partition_list_add(consumer->topics, conf->places[i].topic,
                                                  conf->places[i].partition);
        for (size_t i = 0; i < conf->topic_count && !consumer->placed; i++)
                rd_kafka_topic_partition_list_add(consumer->topics, conf->topics[i],
                                                  RD_KAFKA_PARTITION_UA);
        return 0;
}

static int subscribe(struct weir_consumer *consumer, struct weir_error *reterr)
{
        rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer->rk, consumer->topics);

        if (err)
                return weir_client_fail(&consumer->log, err, reterr, "client %s: subscribe",
                                        consumer->client_id);
        rd_kafka_topic_partition_list_destroy(consumer->topics);
        consumer->topics = NULL;
        return 0;
}

void weir_consumer_unref(struct weir_consumer *consumer)
{
        if (atomic_fetch_sub(&consumer->refs, 1) != 1)
                return;
        weir_client_log_fini(&consumer->log);
        if (consumer->topics)
                rd_kafka_topic_partition_list_destroy(consumer->topics);
        pthread_mutex_destroy(&consumer->mutex);
        free(consumer->client_id);
        free(consumer->partitions);
        free(consumer->taken);
        free(consumer->turns);
        while (consumer->sights) {
                struct weir_sight *sight = consumer->sights;

                consumer->sights = sight->next;
                free(sight);
        }
        free(consumer);
}

static void unref_new(struct weir_consumer **consumer)
{
        if (!*consumer)
                return;
        if ((*consumer)->queue)
                rd_kafka_queue_destroy((*consumer)->queue);
        if ((*consumer)->rk) /* never polled, so it joined nothing */
                rd_kafka_destroy_flags((*consumer)->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        weir_consumer_unref(*consumer);
}

int weir_consumer_new(const struct weir_consumer_conf *conf, struct weir_consumer **ret,
                      struct weir_error *reterr)
{
        WEIR_CLEANUP(unref_new) struct weir_consumer *consumer = calloc(1, sizeof *consumer);
        rd_kafka_conf_t *rk_conf;
        char client_id[160];
        int r;

        if (!consumer)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "consumer of group %s", conf->group);
        name_client(client_id, sizeof client_id, conf->client_id);
        consumer->refs = 1;
        consumer->client_id = strdup(client_id);
        weir_client_log_init(&consumer->log, consumer->client_id);
        pthread_mutex_init(&consumer->mutex, NULL);
        consumer->events = conf->events;
        consumer->context = conf->context;
        consumer->drain_us = conf->drain_ms * 1000;
        consumer->fetch_bytes = conf->fetch_bytes;
        consumer->room_for = partitions_of(conf);
        consumer->light_bytes = weir_room_share(consumer->fetch_bytes, consumer->room_for);
        consumer->turns_due_us = INT64_MAX;
        if (!consumer->client_id)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "consumer of group %s", conf->group);
        r = weir_kafka_check_properties(conf->properties, conf->property_count, reterr);
        if (r < 0)
                return r;
        r = make_conf(consumer, conf, &rk_conf, reterr);
        if (r < 0)
                return r;
        rd_kafka_conf_set_events(rk_conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
                                                  RD_KAFKA_EVENT_OFFSET_COMMIT |
                                                  RD_KAFKA_EVENT_STATS);
        consumer->placed = conf->place_count > 0;
        consumer->cooperative = !consumer->placed && is_cooperative(rk_conf);
        r = weir_client_open(RD_KAFKA_CONSUMER, &rk_conf, &consumer->rk, reterr);
        if (r < 0)
                return r;
        rd_kafka_poll_set_consumer(consumer->rk);
        consumer->queue = rd_kafka_queue_get_consumer(consumer->rk);
        if (!consumer->queue)
                return weir_fail(reterr, WEIR_EKAFKA, 0, "group %s: no queue", conf->group);
        r = name_topics(consumer, conf, reterr);
        if (r == 0 && !consumer->placed &&
            (!conf->fetch_bytes || conf->partitions)) /* else when they are counted */
                r = subscribe(consumer, reterr);
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(consumer);
        return 0;
}

/* ---- polled --------------------------------------------------------------------------------- */

/* The other one does not know us either: only the id that both have says where to look. */
static void name_rival(struct weir_consumer *consumer)
{
        char instance[160] = "?";
        size_t size = sizeof instance;

        rd_kafka_conf_get(rd_kafka_conf(consumer->rk), "group.instance.id", instance, &size);
        snprintf(consumer->fatal, sizeof consumer->fatal,
                 "another process has joined with our group.instance.id %s (FENCED_INSTANCE_ID); "
                 "each needs its own: stop one of them, on whatever machine it is",
                 instance);
}

static void fail_for_good(struct weir_consumer *consumer)
{
        rd_kafka_resp_err_t err;
        char text[200];

        err = rd_kafka_fatal_error(consumer->rk, text, sizeof text);
        if (!err)
                return;
        snprintf(consumer->fatal, sizeof consumer->fatal, "%s: %s", rd_kafka_err2name(err), text);
        if (err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
                name_rival(consumer);
        weir_client_log_error(&consumer->log, err, text);
        weir_group_step(&consumer->group, WEIR_GROUP_ON_FATAL);
        atomic_store(&consumer->joined, false);
}

static void note_commit(struct weir_consumer *consumer, rd_kafka_event_t *event)
{
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);

        if (!err)
                weir_client_log_clear(&consumer->log);
        if (!err || err == RD_KAFKA_RESP_ERR__NO_OFFSET)
                return;
        weir_log(WEIR_LOG_DEBUG, "kafka.commit_failed", LOG_S("client", consumer->client_id),
                 LOG_S("error", rd_kafka_err2name(err)), LOG_S("action", "retry"));
        weir_assign_owe(consumer, rd_kafka_event_topic_partition_list(event));
}

/* Takes @event. @limit_us: no drain goes past it. */
static void handle(struct weir_consumer *consumer, rd_kafka_event_t *event, int64_t limit_us)
{
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);

        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE: weir_rebalance_answer(consumer, event, limit_us); break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT: note_commit(consumer, event); break;
        case RD_KAFKA_EVENT_STATS: weir_gauge_read(consumer, rd_kafka_event_stats(event)); break;
        case RD_KAFKA_EVENT_ERROR:
                if (rd_kafka_event_error_is_fatal(event) || err == RD_KAFKA_RESP_ERR__FATAL)
                        fail_for_good(consumer);
                else
                        weir_client_log_error(&consumer->log, err,
                                              rd_kafka_event_error_string(event));
                break;
        default: break;
        }
        rd_kafka_event_destroy(event);
}

int weir_consumer_serve(struct weir_consumer *consumer, int timeout_ms, struct weir_error *reterr)
{
        int64_t now_us, due_us, kick_us;
        rd_kafka_event_t *event;
        int wait_ms = timeout_ms < POLL_LIMIT_MS ? timeout_ms : POLL_LIMIT_MS;

        WEIR_ON(WEIR_ROLE_POLL);
        if (consumer->placed && consumer->topics)
                weir_rebalance_place(consumer);
        if (consumer->topics && weir_room_check(consumer, weir_clock_us()) == 0 &&
            subscribe(consumer, reterr) < 0)
                return reterr->code;
        if (consumer->outgrown)
                return 1;
        if (consumer->group != WEIR_GROUP_FAILED) {
                now_us = weir_clock_us();
                due_us = weir_assign_serve(consumer, now_us);
                kick_us = weir_assign_kick(consumer, now_us);
                weir_landmark_serve(consumer, now_us);
                now_us = weir_clock_us();
                due_us = kick_us < due_us ? kick_us : due_us;
                if (due_us != INT64_MAX && (due_us - now_us + 999) / 1000 < wait_ms)
                        wait_ms = due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
                event = rd_kafka_queue_poll(consumer->queue, wait_ms);
                consumer->polled = true;
                while (event) {
                        handle(consumer, event, INT64_MAX);
                        if (consumer->group == WEIR_GROUP_FAILED)
                                break;
                        event = rd_kafka_queue_poll(consumer->queue, 0);
                }
                weir_rebalance_sweep(consumer);
        }
        if (consumer->group == WEIR_GROUP_FAILED)
                return weir_fail(reterr, WEIR_EFATAL, 0,
                                 "Kafka client %s: fatal: %s; the worker must be started again",
                                 consumer->client_id, consumer->fatal);
        weir_assign_serve(consumer, weir_clock_us());
        return consumer->outgrown ? 1 : 0;
}

uint32_t weir_consumer_outgrown(const struct weir_consumer *consumer)
{
        return consumer->outgrown;
}

void weir_consumer_wake(struct weir_consumer *consumer)
{
        pthread_mutex_lock(&consumer->mutex);
        if (consumer->queue)
                rd_kafka_queue_yield(consumer->queue);
        pthread_mutex_unlock(&consumer->mutex);
}

void weir_consumer_state(struct weir_consumer *consumer, struct weir_consumer_state *ret)
{
        *ret = (struct weir_consumer_state){
                .joined = atomic_load(&consumer->joined),
                .assigned_count = atomic_load(&consumer->assigned_count),
                .rebalances = atomic_load(&consumer->rebalances),
        };
        weir_client_log_last(&consumer->log, ret->error, sizeof ret->error);
}

/* ---- ended ---------------------------------------------------------------------------------- */

/* Answer events until the group is left. False = the deadline came first. */
static bool leave(struct weir_consumer *consumer, int64_t deadline_us)
{
        /* Part of what is left belongs to the commit and the goodbye that follow the drain. */
        int64_t limit_us = deadline_us - (deadline_us - weir_clock_us()) / 4;

        while (consumer->group == WEIR_GROUP_CLOSING && !rd_kafka_consumer_closed(consumer->rk)) {
                int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
                rd_kafka_event_t *event;

                if (left_ms <= 0)
                        return false;
                event = rd_kafka_queue_poll(consumer->queue, left_ms < 50 ? (int)left_ms : 50);
                if (event)
                        handle(consumer, event, limit_us);
        }
        return true;
}

static void begin_leave(struct weir_consumer *consumer)
{
        rd_kafka_error_t *error;

        if (!consumer->polled) { /* closing a consumer that was never polled can hang (#4884) */
                rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, 0);

                if (event)
                        handle(consumer, event, weir_clock_us());
        }
        error = rd_kafka_consumer_close_queue(consumer->rk, consumer->queue);
        if (!error)
                return;
        weir_log(WEIR_LOG_WARN, "kafka.close_refused", LOG_S("client", consumer->client_id),
                 LOG_S("text", rd_kafka_error_string(error)), LOG_S("action", "abandon"));
        rd_kafka_error_destroy(error);
        weir_group_step(&consumer->group, WEIR_GROUP_ON_FATAL);
}

/* There is no group to be left, and nobody to wait for but lanes. */
static void displace(struct weir_consumer *consumer, int64_t deadline_us)
{
        weir_rebalance_drain(consumer, NULL, false, true, deadline_us);
        weir_group_step(&consumer->group, WEIR_GROUP_ON_LEFT);
}

/* Wait until no lane is inside and no record is out. */
static bool settle(struct weir_consumer *consumer, int64_t deadline_us)
{
        for (;;) {
                struct timespec tick = { .tv_nsec = 1000000 };

                weir_rebalance_sweep(consumer);
                if (!consumer->parting)
                        return true;
                if (weir_clock_us() >= deadline_us)
                        return false;
                nanosleep(&tick, NULL); /* lanes that were given up tell nobody */
        }
}

static void report_unclosed(const struct weir_consumer *consumer, const char *why)
{
        weir_log(WEIR_LOG_WARN, "kafka.not_closed", LOG_S("client", consumer->client_id),
                 LOG_S("state", weir_group_state_name(consumer->group)), LOG_S("why", why),
                 LOG_S("action", "exit"));
}

int weir_consumer_close(struct weir_consumer *consumer, int64_t deadline_us)
{
        rd_kafka_queue_t *queue = consumer->queue;
        rd_kafka_t *rk = consumer->rk;

        WEIR_ON(WEIR_ROLE_POLL);
        if (!rk)
                return 0;
        if (weir_group_step(&consumer->group, WEIR_GROUP_ON_CLOSE) == WEIR_GROUP_DO_LEAVE) {
                if (consumer->placed)
                        displace(consumer, deadline_us);
                else
                        begin_leave(consumer);
        }
        atomic_store(&consumer->joined, false);
        if (!leave(consumer, deadline_us)) {
                /* The commit or the coordinator does not answer. Lanes were told before. */
                weir_rebalance_drain(consumer, NULL, true, false, deadline_us);
                report_unclosed(consumer, "the coordinator did not answer in time");
                return 1;
        }
        if (consumer->group == WEIR_GROUP_FAILED) /* also: it failed while it was leaving */
                weir_group_step(&consumer->group, WEIR_GROUP_ON_CLOSE);
        else
                weir_group_step(&consumer->group, WEIR_GROUP_ON_LEFT);
        if (consumer->partition_count)
                weir_rebalance_drain(consumer, NULL, true, false, deadline_us);
        if (!settle(consumer, deadline_us)) {
                report_unclosed(consumer, "a lane still holds a record or is inside librdkafka");
                return 1;
        }
        pthread_mutex_lock(&consumer->mutex);
        consumer->queue = NULL;
        pthread_mutex_unlock(&consumer->mutex);
        rd_kafka_queue_destroy(queue);
        consumer->rk = NULL;
        if (weir_client_destroy(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, deadline_us)) {
                report_unclosed(consumer, "librdkafka's threads did not end in time");
                return 1;
        }
        return 0;
}

void weir_consumer_free(struct weir_consumer *consumer)
{
        if (!consumer)
                return;
        assert(!consumer->rk); /* close returned 0 */
        weir_consumer_unref(consumer);
}

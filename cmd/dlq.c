/* SPDX-License-Identifier: MIT */
/*
 * dlq - dead letters: look, send round again, put away
 *
 * Nothing here deletes, and nothing here touches an effect: a letter's state says what is to be done with it, and the
 * worker or the relay does it in a transaction of its own.
 *
 * Times ago are made absolute here, once, by the database's clock, which failed_at is of.
 * --to      a name that is no topic would send every letter into the outbox, and from there into another dead letter,
 *           a round older. So the brokers are asked before the database is, by a question that creates nothing; who
 *           cannot be asked stops it too: nothing is lost by a letter that stays kept.
 */
#include <string.h>

#include "base/failpoint.h"
#include "cmd.h"
#include "dlq.h"
#include "kafka/cluster.h"

static const char name[] = "dlq";

#define ASK_TIMEOUT_MS 5000

static int fix_times(struct weir_pg *pg, struct dlq_order *order, struct weir_error *reterr)
{
        int64_t now_us = 0;
        int r;

        if (!order->since_ago && !order->until_ago)
                return 0;
        r = weir_deadletter_now(pg, &now_us, reterr);
        if (order->since_ago)
                order->filter.since_us = now_us - order->filter.since_us;
        if (order->until_ago)
                order->filter.until_us = now_us - order->filter.until_us;
        return r;
}

static int find_topic(const struct weir_conf *conf, const char *topic, struct weir_error *reterr)
{
        const struct weir_cluster_conf how = { .brokers = conf->kafka_brokers,
                                               .properties = conf->properties,
                                               .property_count = conf->property_count,
                                               .timeout_ms = ASK_TIMEOUT_MS };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        int r = weir_cluster_open(&how, &cluster, reterr);

        if (r == 0)
                r = weir_cluster_partitions(cluster, topic, reterr);
        if (r < 0)
                return weir_error_prefix(reterr,
                                         "nothing was requeued: --to asks whether topic %s is "
                                         "there, and nobody answers: ",
                                         topic);
        if (r == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "nothing was requeued: topic %s does not exist at %s; mend the "
                                 "name, or create it, weir never does",
                                 topic, how.brokers);
        return 0;
}

static int run(struct weir_pg *pg, struct dlq_order *order, struct weir_error *reterr)
{
        int r = fix_times(pg, order, reterr);

        if (r < 0)
                return r;
        switch (order->verb) {
        case DLQ_SHOW: return dlq_show(pg, order, reterr);
        case DLQ_STATS: return dlq_stats(pg, order, reterr);
        case DLQ_REQUEUE: return dlq_requeue(pg, order, reterr);
        case DLQ_DROP: return dlq_drop(pg, order, reterr);
        case DLQ_LIST:
        default: return dlq_list(pg, order, reterr);
        }
}

int cmd_dlq(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_pg_conf store = { .application_name = "weir dlq" };
        struct weir_error error = { 0 };
        const char *trouble;
        struct dlq_order order;
        int r = cmd_check_words(argc, argv);

        if (r == CMD_DONE)
                r = dlq_parse(argc, argv, &order);
        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        r = cmd_load(name, order.config, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        trouble = weir_failpoint_setup();
        if (trouble)
                return cmd_say(CMD_USAGE, name, "%s", trouble);
        store.url = conf->store_url;
        store.password = conf->store_password;
        r = order.to ? find_topic(conf, order.to, &error) : 0;
        if (r == 0)
                r = weir_pg_open(&store, NULL, &pg, &error);
        if (r == 0)
                r = run(pg, &order, &error);
        if (r < 0 && (strcmp(error.sqlstate, "42P01") == 0 || strcmp(error.sqlstate, "42703") == 0))
                weir_error_prefix(&error,
                                  "the tables of weir are not there, run `weir migrate up`: ");
        return r < 0 ? cmd_fail(name, &error) : r;
}

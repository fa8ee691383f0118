/* SPDX-License-Identifier: MIT */
/*
 * keeping - the oldest record that can still come decides about the oldest claim
 *
 * A position can be set back, or come back with a restored database, to any record that the log still has; its event is
 * recognised by its claim. So claims live as long as the longest of the logs, and claims.retention at least: that is for
 * what comes again by another way, from a producer's own retries or out of another system.
 *
 * Always true   KP1, KP2.
 * Which topics  those of the file, and those of weir.position that this cluster knows: another file may have the same
 *               database. Where it has another cluster too, claims.retention has to be as long as that one keeps.
 * Known weak    records whose time was made by their producer may be kept for longer than the topic says: Kafka counts
 *               from that time.
 * Not chosen    remembering in a table what each process was told: a topic that nobody reads any more would count for
 *               ever.
 */
#include "side/keeping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "kafka/cluster.h"
#include "store/rights.h"

void weir_keeping_by_conf(const struct weir_conf *conf, struct weir_keeping *ret)
{
        *ret = (struct weir_keeping){ .retention_ms = conf->claims_retention_ms };
}

/* 0; KP2: < 0. */
static int ask_topic(struct weir_cluster *cluster, const char *topic, struct weir_keeping *keeping,
                     struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        int64_t ms = 0;
        int r = weir_cluster_topic_keeps(cluster, topic, &ms, &error);

        if (r < 0) {
                *reterr = error;
                return r;
        }
        if (r == 2 && keeping->silent_count++ == 0)
                snprintf(keeping->silent, sizeof keeping->silent, "%.299s", error.text);
        if (r > 0 || keeping->log_ms < 0 || (ms >= 0 && ms <= keeping->log_ms))
                return 0;
        keeping->log_ms = ms;
        snprintf(keeping->topic, sizeof keeping->topic, "%s", topic);
        return 0;
}

static int ask_each(struct weir_cluster *cluster, const struct weir_pg_rows *topics,
                    struct weir_latch *stop, struct weir_keeping *keeping,
                    struct weir_error *reterr)
{
        for (size_t i = 0; i < weir_pg_rows_count(topics); i++) {
                int r = ask_topic(cluster, weir_pg_rows_text(topics, i, 0).ptr, keeping, reterr);

                if (r < 0)
                        return r;
                if (stop && weir_latch_wait(stop, 0))
                        return weir_fail(reterr, WEIR_ESTOP, 0, "stopped");
        }
        return 0;
}

/* Those of the file, then those of weir.position, each once. */
static int read_topics(const struct weir_conf *conf, struct weir_pg *pg, struct weir_pg_rows **ret,
                       struct weir_error *reterr)
{
        size_t size = 0;
        char *list = NULL;
        FILE *out = open_memstream(&list, &size);
        struct weir_value topics;
        int r;

        if (!out)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "topics");
        for (size_t i = 0; i < conf->worker_count; i++)
                for (size_t k = 0; k < conf->workers[i].topic_count; k++)
                        fprintf(out, "%s,", conf->workers[i].topics[k]); /* holds no comma */
        if (fclose(out) != 0) {
                free(list);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "topics");
        }
        topics = weir_text_z(list);
        r = weir_pg_query(pg,
                          "SELECT DISTINCT topic FROM (SELECT pg_catalog.unnest("
                          "pg_catalog.string_to_array($1::text, ',')) AS topic UNION ALL"
                          " SELECT topic FROM weir.position) t WHERE topic <> '' ORDER BY topic",
                          &topics, 1, ret, reterr);
        free(list);
        return r;
}

int weir_keeping_ask(const struct weir_conf *conf, struct weir_pg *pg, struct weir_latch *stop,
                     int timeout_ms, struct weir_keeping *ret, struct weir_error *reterr)
{
        const struct weir_cluster_conf cluster_conf = { .brokers = conf->kafka_brokers,
                                                        .properties = conf->properties,
                                                        .property_count = conf->property_count,
                                                        .timeout_ms = timeout_ms };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *topics = NULL;
        struct weir_keeping keeping;
        int r = read_topics(conf, pg, &topics, reterr);

        weir_keeping_by_conf(conf, &keeping);
        if (r == 0)
                r = weir_cluster_open(&cluster_conf, &cluster, reterr);
        if (r == 0)
                r = ask_each(cluster, topics, stop, &keeping, reterr);
        if (r == 0)
                *ret = keeping;
        return r;
}

int64_t weir_keeping_ms(const struct weir_keeping *keeping)
{
        if (keeping->retention_ms == 0 || keeping->log_ms < 0)
                return -1;
        return keeping->retention_ms > keeping->log_ms ? keeping->retention_ms : keeping->log_ms;
}

int64_t weir_keeping_period_ms(const struct weir_conf *conf, const struct weir_keeping *keeping)
{
        int64_t keep_ms = weir_keeping_ms(keeping);
        int64_t least_ms = keep_ms /
                           (WEIR_CLAIM_LIVE_MAX - 2); /* the newest, and one that is due */

        if (keep_ms < 0)
                return -1;
        return conf->claims_period_ms > least_ms ? conf->claims_period_ms : least_ms;
}

static void keep(struct weir_claim_fate *fate, int64_t left_ms, const char *reason)
{
        fate->left_ms = left_ms;
        fate->reason = reason;
}

int weir_keeping_judge(const struct weir_keeping *keeping, struct weir_pg *pg,
                       const struct weir_claim_generation *generation, struct weir_claim_fate *ret,
                       struct weir_error *reterr)
{
        int64_t log_left_ms = keeping->log_ms - generation->closed_ms;
        int64_t left_ms = keeping->retention_ms - generation->closed_ms;
        struct weir_claim_needed needed;
        char length[32];
        int r;

        *ret = (struct weir_claim_fate){ .may_go = false, .reason = "" };
        if (generation->closed_ms < 0) {
                keep(ret, -1, "newest");
                snprintf(ret->text, sizeof ret->text, "claims go there");
                return 0;
        }
        if (keeping->retention_ms == 0) {
                keep(ret, -1, "retention");
                snprintf(ret->text, sizeof ret->text,
                         "claims.retention is 0s: claims are kept for ever");
                return 0;
        }
        if (keeping->log_ms < 0) {
                keep(ret, -1, "topic");
                snprintf(ret->text, sizeof ret->text,
                         "topic %s keeps records of any age, which may be read again",
                         keeping->topic);
                return 0;
        }
        if (left_ms > 0 && left_ms >= log_left_ms) {
                keep(ret, left_ms, "retention");
                snprintf(ret->text, sizeof ret->text, "claims.retention");
                return 0;
        }
        if (log_left_ms > 0) {
                keep(ret, log_left_ms, "topic");
                weir_duration_write(length, keeping->log_ms * 1000);
                snprintf(ret->text, sizeof ret->text,
                         "topic %s keeps records for %s, which may be read again", keeping->topic,
                         length);
                return 0;
        }
        r = weir_claim_need(pg, generation->number, keeping->retention_ms, &needed, reterr);
        if (r > 0) {
                keep(ret, 0, needed.reason);
                snprintf(ret->text, sizeof ret->text, "%s", needed.text);
        }
        ret->may_go = r == 0;
        return r < 0 ? r : 0;
}

int weir_keeping_may(struct weir_pg *pg, char ret_grant[400], struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_rights_unused(pg, &rows, reterr);

        if (r < 0 || weir_pg_rows_count(rows) == 0)
                return r;
        snprintf(ret_grant, 400, "%s", weir_pg_rows_text(rows, 0, 0).ptr);
        return 1;
}

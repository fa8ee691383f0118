/* SPDX-License-Identifier: MIT */
/*
 * replay_lag - log ends less live positions, summed
 *
 * The committed ends, as everywhere: an open transaction of a producer is no lag of the worker. A partition that the worker
 * never began has none either: it would be all of its log, and a replay beside it takes nothing from it.
 * Known weak    a live worker that is stopped lags more and more, and the replay waits for it: what was asked for is that
 *               live consumption does not suffer, and who stops it can lift the bound with weir replay resume.
 */
#include "replay_lag.h"

#include <stdlib.h>
#include <string.h>

#include "store/replay.h"

enum { ASK_MS = 2000 };

int replay_lag_open(const struct weir_conf *conf, const struct weir_conf_worker *worker,
                    struct replay_lag *ret, struct weir_error *reterr)
{
        const struct weir_cluster_conf how = { .brokers = conf->kafka_brokers,
                                               .properties = conf->properties,
                                               .property_count = conf->property_count,
                                               .timeout_ms = ASK_MS };

        *ret = (struct replay_lag){ .worker = worker, .records = -1 };
        return weir_cluster_open(&how, &ret->cluster, reterr);
}

void replay_lag_close(struct replay_lag *lag)
{
        weir_cluster_close(lag->cluster);
        lag->cluster = NULL;
}

static bool reads(const struct weir_conf_worker *worker, const char *topic)
{
        for (size_t i = 0; i < worker->topic_count; i++)
                if (!strcmp(worker->topics[i], topic))
                        return true;
        return false;
}

int replay_lag_look(struct replay_lag *lag, struct weir_pg *pg, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        WEIR_FREE struct weir_cluster_offset *ends = NULL;
        WEIR_FREE int64_t *nexts = NULL;
        size_t count = 0;
        int64_t sum = 0;
        int r = weir_replay_live(pg, lag->worker->name, &rows, reterr);

        if (r < 0)
                return r;
        ends = calloc(weir_pg_rows_count(rows) + 1, sizeof *ends);
        nexts = calloc(weir_pg_rows_count(rows) + 1, sizeof *nexts);
        if (!ends || !nexts)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions",
                                 weir_pg_rows_count(rows));
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++) {
                if (!reads(lag->worker, weir_pg_rows_text(rows, i, 0).ptr))
                        continue;
                ends[count] = (struct weir_cluster_offset){
                        weir_pg_rows_text(rows, i, 0).ptr, (int32_t)weir_pg_rows_int(rows, i, 1, 0),
                        -1
                };
                nexts[count++] = weir_pg_rows_int(rows, i, 2, 0);
        }
        if (count)
                r = weir_cluster_offsets(lag->cluster, ends, count, WEIR_OFFSETS_END, reterr);
        for (size_t i = 0; r == 0 && i < count; i++)
                if (ends[i].offset > nexts[i])
                        sum += ends[i].offset - nexts[i];
        if (r == 0)
                lag->records = sum;
        return r;
}

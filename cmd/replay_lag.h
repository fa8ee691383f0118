/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_LAG_H
#define WEIR_CMD_REPLAY_LAG_H
/* replay_lag - how far the live worker is behind its logs, for a replay that is to stand back then */
#include "conf/conf.h"
#include "kafka/cluster.h"
#include "store/pg.h"

struct replay_lag {
        const struct weir_conf_worker *worker;
        struct weir_cluster *cluster;
        int64_t records; /* at the last look that was answered; -1 = there was none */
};
int replay_lag_open(const struct weir_conf *conf, const struct weir_conf_worker *worker,
                    struct replay_lag *ret, struct weir_error *reterr);
int replay_lag_look(struct replay_lag *lag, struct weir_pg *pg, struct weir_error *reterr);
void replay_lag_close(struct replay_lag *lag);

#endif

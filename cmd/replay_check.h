/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_CHECK_H
#define WEIR_CMD_REPLAY_CHECK_H
/* replay_check - may this worker's events be replayed, by this program, on these tables? */
#include "conf/conf.h"
#include "store/pg.h"

struct replay_checked {
        const struct weir_conf_worker *worker;
        char version[64]; /* of its plugin */
};
int replay_check(const struct weir_conf *conf, const char *worker, struct weir_pg *pg,
                 struct replay_checked *ret, struct weir_error *reterr);

#endif

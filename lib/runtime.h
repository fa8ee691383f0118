/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LIB_RUNTIME_H
#define WEIR_LIB_RUNTIME_H
/* runtime - the inner door: for callers that load the configuration themselves */
#include <weir/runtime.h>

#include "conf/conf.h"

/* weir_conf_load(), with what the librdkafka and the libpq in use say of it in the same list. Every command
 * reads its configuration through this. */
int weir_runtime_load(const char *path, struct weir_conf **ret,
                      struct weir_conf_problems *ret_problems, struct weir_error *reterr);

enum weir_runtime_parts {
        WEIR_RUNTIME_ALL = 0,
        WEIR_RUNTIME_WORKERS, /* the relay runs elsewhere */
        WEIR_RUNTIME_RELAY    /* no worker, no plugin */
};

/* Takes over @conf, also on failure. */
int weir_runtime_with(struct weir_conf *conf, const struct weir_runtime_options *options,
                      enum weir_runtime_parts parts, struct weir_runtime **ret,
                      struct weir_error *reterr);

#endif

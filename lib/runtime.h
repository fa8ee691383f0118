/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LIB_RUNTIME_H
#define WEIR_LIB_RUNTIME_H
/* runtime - the inner door: for callers that have loaded the configuration themselves */
#include <weir/runtime.h>

#include "conf/conf.h"

/* Takes over @conf, also on failure. */
int weir_runtime_with(struct weir_conf *conf, const struct weir_runtime_options *options,
                      struct weir_runtime **ret, struct weir_error *reterr);

#endif

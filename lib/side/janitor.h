/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_JANITOR_H
#define WEIR_SIDE_JANITOR_H
/*
 * janitor - begins generations of claims when their time has come, and drops those that nothing needs
 *
 * A thread beside the relay, which looks a few times a period and holds nothing between. Of all processes one looks at
 * a time.
 * Thread   start, free: main. stop: any.
 */
#include "base/error.h"
#include "conf/conf.h"

struct weir_janitor;

/* @conf outlives it. claims.retention of 0: nothing is started, *ret is NULL. */
int weir_janitor_start(const struct weir_conf *conf, struct weir_janitor **ret,
                       struct weir_error *reterr);
/* Returns at once; what is under way is rolled back. NULL is fine. */
void weir_janitor_stop(struct weir_janitor *janitor);
void weir_janitor_free(struct weir_janitor *janitor);

#endif

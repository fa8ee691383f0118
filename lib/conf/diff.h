/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_DIFF_H
#define WEIR_CONF_DIFF_H
/*
 * diff - what differs between two configurations, and whether a running process can take it over
 *
 * Thread   any.
 */
#include "conf/conf.h"

/* One difference. @key "workers.batch.linger"; @of the name of its worker or sink, NULL = of the file. */
typedef void weir_conf_difference(void *context, const char *key, const char *of, bool reloadable);

/* Both must come from weir_conf_load() or weir_conf_parse(). The number of differences, or WEIR_ENOMEM. A worker or sink
 * that is in one of them only is one difference, "workers" or "sinks". Secrets are compared, never shown. */
int weir_conf_diff(const struct weir_conf *before, const struct weir_conf *after,
                   weir_conf_difference *told, void *context, struct weir_error *reterr);

/* KE1. Give @conf the values of @running wherever a running process cannot take over another one; workers are such a
 * value. 0 or WEIR_ENOMEM: @conf is of no use then. */
int weir_conf_keep(const struct weir_conf *running, struct weir_conf *conf,
                   struct weir_error *reterr);

#endif

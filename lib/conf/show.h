/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_SHOW_H
#define WEIR_CONF_SHOW_H
/* show - a value as `weir config show` prints it, with a newline behind */
#include <stdio.h>

#include "conf/key.h"

/* @base: what @key's offset counts from. */
void weir_conf_print_value(FILE *out, const struct weir_key *key, const void *base,
                           const struct weir_conf *conf);

#endif

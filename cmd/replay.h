/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_H
#define WEIR_CMD_REPLAY_H
/* replay - what the files of `weir replay` share */
#include "conf/conf.h"
#include "store/pg.h"

/* argv[0] is "replay", the rest is what followed the verb. Prints its own help on --help. Returns an exit code. */
typedef int replay_fn(int argc, char **argv);
replay_fn replay_start, replay_resume, replay_stop, replay_list, replay_show;

/* The file of -c and a connection to its database. CMD_DONE, or an exit code: it was said why. */
int replay_open(const char *config, struct weir_conf **ret_conf, struct weir_pg **ret_pg);
/* Says what failed, with the way out where tables are not there. Returns an exit code. */
int replay_fail(struct weir_error *error);

#endif

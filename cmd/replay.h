/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_H
#define WEIR_CMD_REPLAY_H
/* replay - what the files of `weir replay` share */
#include <getopt.h>

#include "conf/conf.h"
#include "store/pg.h"

/* argv[0] is "replay", the rest is what followed the verb. Prints its own help on --help. Returns an exit code. */
typedef int replay_fn(int argc, char **argv);
replay_fn replay_preview, replay_start, replay_resume, replay_stop, replay_list, replay_show;

/* The file of -c and a connection to its database. CMD_DONE, or an exit code: it was said why. */
int replay_open(const char *config, struct weir_conf **ret_conf, struct weir_pg **ret_pg);
/* The same in the name of @session: of a process that has a replay (RY3). */
int replay_open_as(const char *config, const char *session, struct weir_conf **ret_conf,
                   struct weir_pg **ret_pg);
/* Says what failed, with the way out where tables are not there. Returns an exit code. */
int replay_fail(struct weir_error *error);

/* Command lines of one number: -c, -j, and what @more takes of the rest. CMD_DONE, CMD_USAGE, or -1: the help was printed. */
struct replay_one {
        const char *help, *config;
        int64_t id;
        bool json;
};
typedef int replay_more_fn(void *context, int option);
int replay_one_parse(int argc, char **argv, const char *shorts, const struct option *options,
                     replay_more_fn *more, void *context, struct replay_one *ret);

/* replay_show.c: all of replay @id on standard output: its row, its partitions. *ret_dead may be NULL. An exit code, or < 0. */
int replay_report(struct weir_pg *pg, int64_t id, bool json, int64_t *ret_dead,
                  struct weir_error *reterr);

/* replay_run.c: the replay that this process has, as @owner, to its end. Takes over @conf. Returns an exit code. */
struct replay_run {
        const char *owner, *session;
        int64_t id;
        bool json, quiet;
};
int replay_run(const struct replay_run *run, struct weir_conf *conf, struct weir_pg **pg);

#endif

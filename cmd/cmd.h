/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_H
#define WEIR_CMD_H
/* cmd - what every subcommand shares: exit codes, options, output, the configuration file */
#include <getopt.h>

#include "base/error.h"
#include "conf/conf.h"

enum { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_MEMORY = 71, CMD_CONFIG = 78 };

/* A subcommand: argv[0] is its name. Prints its own help on --help. Returns an exit code. */
typedef int cmd_fn(int argc, char **argv);
cmd_fn cmd_run, cmd_check, cmd_migrate, cmd_emit, cmd_tail, cmd_decode, cmd_dev, cmd_config,
        cmd_position, cmd_replay, cmd_relay, cmd_dlq, cmd_claims, cmd_version;

/* "weir NAME: text" on standard error; returns @code. */
__attribute__((format(printf, 3, 4))) int cmd_say(int code, const char *name, const char *format,
                                                  ...);
/* Error of a library call: prints it, returns CMD_FAILED (CMD_CONFIG for WEIR_ECONF). */
int cmd_fail(const char *name, const struct weir_error *error);
/* Load the file of -c (NULL: WEIR_CONFIG, else ./weir.cfg), print every problem. CMD_DONE or CMD_CONFIG. */
int cmd_load(const char *name, const char *path, struct weir_conf **ret);
/* "try 'weir NAME --help'"; returns CMD_USAGE. */
int cmd_usage(const char *name);
/* getopt_long() that says itself what is wrong, with the option that was probably meant; then '?'. argv[0]
 * is the subcommand. @shorts without a leading ':'. */
int cmd_option(int argc, char **argv, const char *shorts, const struct option *options);
/* A command whose verbs take different options. */
struct cmd_verbs {
        const char *name, *help, *shorts;
        const struct option *options;         /* 64 at most */
        int (*verbs_of)(int option);          /* bits of the verbs that take it */
        int (*take)(int option, void *order); /* CMD_DONE, or what the command ends with */
};
/* All options into @order; *ret_seen: bit i, options[i] was given. -1: the help was asked for, and printed. */
int cmd_take_options(int argc, char **argv, const struct cmd_verbs *verbs, void *order,
                     uint64_t *ret_seen);
/* The first of @seen that @verb, said as @word, does not take is named: CMD_USAGE. */
int cmd_check_options(const struct cmd_verbs *verbs, uint64_t seen, int verb, const char *word);
/* What is said on the command line is looked for, and kept, in a database whose texts are UTF-8. CMD_DONE, or CMD_USAGE:
 * it was said which word is not. The file of -c may be named by any bytes. */
int cmd_check_words(int argc, char **argv);
/* Digits only, @min to @max: no sign, no blanks, nothing behind. */
bool cmd_read_number(const char *text, int64_t min, int64_t max, int64_t *ret);
/* The word of @words (@count of them, @stride bytes apart) that was probably meant; NULL = none is near. */
const char *cmd_nearest(const char *wrong, const char *const *words, size_t count, size_t stride);
/* A verb that is none, or goes on wrongly: says which was probably meant, else @all. @wrong NULL: none was given. Returns
 * CMD_USAGE. */
int cmd_no_verb(const char *name, const char *wrong, const char *const *verbs, size_t count,
                const char *all);
/* Flush standard output. CMD_DONE; CMD_FAILED: something of it was not written, now or before; said once. */
int cmd_flush(const char *name);
/* @text as a JSON string on standard output; NULL = null. For short words that are UTF-8 already. */
void cmd_print_json(const char *text);
/* Forget what standard output could not take: its reader went away, and that is no error. */
void cmd_drop_output(void);
/* Log level and form as the configuration says. */
void cmd_log_setup(const struct weir_conf *conf);
/* weir's own migrations: $WEIR_MIGRATIONS, else share/weir/migrations of the installation, else the
 * source tree's beside build/. NULL = not found. Static storage. */
const char *cmd_migrations_path(void);

#endif

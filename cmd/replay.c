/* SPDX-License-Identifier: MIT */
/*
 * replay - read a range of the log once more, beside what is consumed live
 *
 * One table of verbs: it is the dispatcher, the list of near names and the overview. Each verb has its own options, so the
 * verb comes first.
 */
#include "replay.h"

#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "cmd.h"

static const char name[] = "replay";

static const struct {
        const char *name;
        replay_fn *run;
        const char *line;
} verbs[] = {
        { "preview", replay_preview, "say what a replay would do, and do nothing" },
        { "start", replay_start, "plan a replay of a worker's topics, and run it to its end" },
        { "resume", replay_resume, "go on with one that was stopped, killed, or failed" },
        { "stop", replay_stop, "let one end after the transaction in hand" },
        { "list", replay_list, "all of them, newest first" },
        { "show", replay_show, "one of them, partition by partition" },
};

static void print_help(void)
{
        fputs("usage: weir replay VERB ...\n\n"
              "Reads a range of a worker's topics once more, in the worker's plugin, beside what it consumes live.\n\n",
              stdout);
        for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++)
                printf("  %-8s %s\n", verbs[i].name, verbs[i].line);
        fputs("\n'weir replay VERB --help' explains one of them, with examples.\n", stdout);
}

int cmd_replay(int argc, char **argv)
{
        const char *words[WEIR_COUNT_OF(verbs)];
        const char *word = argc > 1 ? argv[1] : NULL;
        int r = cmd_check_words(argc, argv);

        if (r != CMD_DONE)
                return r;
        if (word && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
                print_help();
                return CMD_DONE;
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++) {
                words[i] = verbs[i].name;
                if (word && !strcmp(word, verbs[i].name)) {
                        argv[1] = argv[0];
                        return verbs[i].run(argc - 1, argv + 1);
                }
        }
        return cmd_no_verb(name, word, words, WEIR_COUNT_OF(words),
                           "preview WORKER, start WORKER, resume ID, stop ID, list or show ID: "
                           "the verb comes before its options");
}

int replay_open(const char *config, struct weir_conf **ret_conf, struct weir_pg **ret_pg)
{
        return replay_open_as(config, "weir replay", ret_conf, ret_pg);
}

int replay_open_as(const char *config, const char *session, struct weir_conf **ret_conf,
                   struct weir_pg **ret_pg)
{
        struct weir_pg_conf store = { .application_name = session };
        struct weir_error error = { 0 };
        const char *trouble;
        int r = cmd_load(name, config, ret_conf);

        if (r != CMD_DONE)
                return r;
        cmd_log_setup(*ret_conf);
        trouble = weir_failpoint_setup();
        if (trouble)
                return cmd_say(CMD_USAGE, name, "%s", trouble);
        store.url = (*ret_conf)->store_url;
        store.password = (*ret_conf)->store_password;
        r = weir_pg_open(&store, NULL, ret_pg, &error);
        return r < 0 ? replay_fail(&error) : CMD_DONE;
}

int replay_fail(struct weir_error *error)
{
        if (strcmp(error->sqlstate, "42P01") == 0 || strcmp(error->sqlstate, "42703") == 0)
                weir_error_prefix(error,
                                  "the tables of weir are not there, run `weir migrate up`: ");
        return cmd_fail(name, error);
}

int replay_one_parse(int argc, char **argv, const char *shorts, const struct option *options,
                     replay_more_fn *more, void *context, struct replay_one *ret)
{
        int c, r = CMD_DONE;

        while (r == CMD_DONE && (c = cmd_option(argc, argv, shorts, options)) != -1)
                switch (c) {
                case 'c': ret->config = optarg; break;
                case 'j': ret->json = true; break;
                case 'h': fputs(ret->help, stdout); return -1;
                case '?': return cmd_usage(name);
                default: r = more(context, c);
                }
        if (r != CMD_DONE)
                return r;
        if (argc - optind != 1 || !cmd_read_number(argv[optind], 1, INT64_MAX, &ret->id))
                return cmd_say(CMD_USAGE, name,
                               "name one replay by its number, as weir replay list has it");
        return CMD_DONE;
}

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_command - command lines: the first line is the command, each further one a word
 *
 * Rules      a line is understood, or refused with CMD_USAGE, and nothing else; what is understood lies in its bounds.
 * Quiet      what the parsers say goes to /dev/null meanwhile.
 */
#include <fcntl.h>
#include <unistd.h>

#include "cmd.h"
#include "dlq.h"
#include "emit.h"
#include "fuzz.h"
#include "position.h"
#include "replay_option.h"

#define WORDS 24

static void parse_position(int argc, char **argv)
{
        struct position_order order;
        int r = position_parse(argc, argv, &order);

        MUST(r == CMD_DONE || r == CMD_USAGE || r == -1);
        if (r != CMD_DONE)
                return;
        MUST(order.verb && (order.verb & (order.verb - 1)) == 0);
        MUST(order.partition >= -1 && order.limit >= 1 && order.limit <= 1000000);
        MUST(order.topic_count <= POSITION_TOPICS_MAX);
        MUST(order.verb != POSITION_SET || (order.worker && order.topic[0]));
        if (order.verb == POSITION_SET && !order.dry_run)
                MUST(order.reason && order.reason[strspn(order.reason, " \t\n")]);
}

static void parse_dlq(int argc, char **argv)
{
        struct dlq_order order;
        struct weir_deadletter_where where;
        int r = dlq_parse(argc, argv, &order);

        MUST(r == CMD_DONE || r == CMD_USAGE || r == -1);
        if (r != CMD_DONE)
                return;
        MUST(order.verb && (order.verb & (order.verb - 1)) == 0);
        MUST(order.limit >= 0 && order.rate >= 0 && order.max_rounds >= 0);
        MUST(order.verb != DLQ_SHOW || order.id >= 1);
        weir_deadletter_where_make(&order.filter, &where);
        MUST(where.count <= sizeof where.values / sizeof where.values[0]);
}

static void parse_emit(int argc, char **argv)
{
        struct emit_wanted wanted;
        int r = emit_parse(argc, argv, &wanted);

        MUST(r == CMD_DONE || r == CMD_USAGE || r == -1);
        if (r != CMD_DONE)
                return;
        MUST(wanted.partition >= -1 && wanted.timeout_ms > 0);
        MUST(wanted.event.extension_count <= EMIT_EXTENSIONS_MAX);
}

static int range_verbs(int option)
{
        (void)option;
        return 1;
}

static int range_option(int option, void *order)
{
        int r = replay_range_option(option, order);

        return r < 0 ? CMD_USAGE : r;
}

static void parse_range(int argc, char **argv)
{
        static const struct option options[] = { REPLAY_RANGE_OPTIONS,
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        static const struct cmd_verbs verbs = { "replay", "",          REPLAY_RANGE_SHORTS "h",
                                                options,  range_verbs, range_option };
        static struct replay_range_order order; /* large */
        uint64_t seen;
        int r;

        memset(&order, 0, sizeof order);
        r = cmd_take_options(argc, argv, &verbs, &order, &seen);
        if (r == CMD_DONE)
                r = replay_range_check(&order, argc - optind, argv + optind);
        MUST(r == CMD_DONE || r == CMD_USAGE || r == -1);
        MUST(order.place_count <= REPLAY_PLACES_MAX);
        for (size_t i = 0; r == CMD_DONE && i < order.place_count; i++)
                MUST(order.places[i].topic[0] && order.places[i].partition >= -1);
        replay_range_fini(&order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *argv[WORDS + 2];
        struct fuzz fuzz;
        int argc = 0, quiet = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(1), err = dup(2);

        MUST(quiet >= 0 && out >= 0 && err >= 0);
        fuzz_begin(&fuzz, data, size);
        while (argc == 0 || (argc <= WORDS && fuzz.next < fuzz.end))
                argv[argc++] = (char *)(uintptr_t)fuzz_line(&fuzz).ptr;
        argv[argc] = NULL;
        optind = 0; /* anew, says getopt(3) */
        fflush(NULL);
        dup2(quiet, 1);
        dup2(quiet, 2);
        switch (argv[0][0]) {
        case 'p': parse_position(argc, argv); break;
        case 'd': parse_dlq(argc, argv); break;
        case 'e': parse_emit(argc, argv); break;
        default: parse_range(argc, argv); break;
        }
        fflush(NULL);
        dup2(out, 1);
        dup2(err, 2);
        close(quiet);
        close(out);
        close(err);
        fuzz_end(&fuzz);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * position_option - the command line of `weir position`
 *
 * An option that its verb does not know is refused, never ignored: `set --group` must not look as if the group decided.
 * A time ago is written with a sign, as in "-2h", and getopt would take it for an option: such a word, which no option
 * can be, is handed on without its sign, unless it is the value of an option.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "position.h"

static const char name[] = "position";

#define LOG_LIMIT 100

static const char help[] =
        "usage: weir position show [WORKER] [--no-kafka] [--json] [-c FILE]\n"
        "       weir position log [WORKER] [-n N] [--json] [-c FILE]\n"
        "       weir position set WORKER TOPIC/PARTITION OFFSET --reason TEXT [--dry-run] [--force]\n"
        "       weir position set WORKER TOPIC[/PARTITION] earliest|latest|TIME --reason TEXT [--dry-run]\n"
        "       weir position import WORKER [--group GROUP] [--topic TOPIC].. --reason TEXT [--yes]\n"
        "       weir position export WORKER [--group GROUP] [--topic TOPIC].. --reason TEXT [--yes]\n\n"
        "A position is the offset at which a worker goes on: the first record that it has not handled.\n\n"
        "show    every partition: next offset, lag, log start and end, parked events, dead letters, epoch,\n"
        "        owner (in brackets: that process is gone), last movement, and what makes it halt. Where\n"
        "        Kafka does not answer, the log is left out\n"
        "log     who moved which position, from where to where, and why; newest first\n"
        "set     let the worker go on there: an offset; earliest, latest; the first record at or after a\n"
        "        time, 2026-11-01T12:00:00Z, 2026-11-01 or -2h (the log's end where there is none). TOPIC\n"
        "        alone: all of its partitions, in one transaction\n"
        "import  take the committed offsets of a consumer group (default: the worker's own): moving in from\n"
        "        another consumer. All partitions, in one transaction\n"
        "export  write the positions into a group as its committed offsets: moving out, to a consumer that\n"
        "        goes on exactly there. The reason is kept with them. Parked events, attempts and dead\n"
        "        letters stay with weir\n\n"
        "import and export show what they would do, partition by partition, and write with --yes only. A\n"
        "partition whose offset is not in its log is refused, and then nothing is written; --partial writes\n"
        "the others. One without an offset is left as it is.\n\n"
        "A running worker lets go of a partition that was moved and takes it anew. Forward skips records for\n"
        "good; backward reads them again, and events whose claims are still kept are not handled twice.\n\n"
        "  -r, --reason TEXT   why; what the next person reads\n"
        "  -g, --group GROUP   import, export: of this group instead of the worker's\n"
        "  -t, --topic TOPIC   import, export: of these topics of the worker only (may be repeated)\n"
        "      --dry-run       show what would be done, do nothing\n"
        "  -y, --yes           import, export: do it\n"
        "      --partial       import, export: do it for those partitions that can\n"
        "      --force         set: outside of the log, or unseen. import: although the group has members,\n"
        "                      whose offsets move on. export: although the worker runs, and moves on\n"
        "      --no-kafka      show: do not ask for the log\n"
        "  -n, --limit N       log: at most N (100)\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -j, --json          for programs\n"
        "  -h, --help          this text\n\n"
        "Exit status: 0 done, or shown; 1 refused or failed; 2 wrong usage; 78 bad configuration.\n\n"
        "examples:\n"
        "  weir position show audit\n"
        "  weir position set audit orders/3 81200 --reason 'retention passed us, lost range accepted'\n"
        "  weir position set audit orders -2h --dry-run\n"
        "  weir position import audit --group old-consumer\n"
        "  weir position import audit --group old-consumer --reason 'moving in' --yes\n"
        "  weir position export audit --group new-consumer --reason 'moving out' --yes\n";

enum { OPT_DRY = 256, OPT_PARTIAL, OPT_FORCE, OPT_NO_KAFKA };

#define ALL_VERBS (POSITION_SHOW | POSITION_LOG | POSITION_SET | POSITION_IMPORT | POSITION_EXPORT)
#define TRANSFER_VERBS (POSITION_IMPORT | POSITION_EXPORT)
#define MOVE_VERBS (POSITION_SET | TRANSFER_VERBS)

static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                         { "reason", required_argument, NULL, 'r' },
                                         { "group", required_argument, NULL, 'g' },
                                         { "topic", required_argument, NULL, 't' },
                                         { "dry-run", no_argument, NULL, OPT_DRY },
                                         { "yes", no_argument, NULL, 'y' },
                                         { "partial", no_argument, NULL, OPT_PARTIAL },
                                         { "force", no_argument, NULL, OPT_FORCE },
                                         { "no-kafka", no_argument, NULL, OPT_NO_KAFKA },
                                         { "limit", required_argument, NULL, 'n' },
                                         { "json", no_argument, NULL, 'j' },
                                         { "help", no_argument, NULL, 'h' },
                                         { 0 } };

static int verbs_of(int option)
{
        switch (option) {
        case 'r':
        case OPT_DRY:
        case OPT_FORCE: return MOVE_VERBS;
        case 'g':
        case 't':
        case 'y':
        case OPT_PARTIAL: return TRANSFER_VERBS;
        case 'n': return POSITION_LOG;
        case OPT_NO_KAFKA: return POSITION_SHOW;
        default: return ALL_VERBS;
        }
}

static int take_option(int option, void *order)
{
        struct position_order *ret = order;

        switch (option) {
        case 'c': ret->config = optarg; break;
        case 'r': ret->reason = optarg; break;
        case 'g': ret->group = optarg; break;
        case 't':
                if (ret->topic_count == POSITION_TOPICS_MAX)
                        return cmd_say(CMD_USAGE, name, "--topic: %d of them at most",
                                       POSITION_TOPICS_MAX);
                ret->topics[ret->topic_count++] = optarg;
                break;
        case OPT_DRY: ret->dry_run = true; break;
        case 'y': ret->yes = true; break;
        case OPT_PARTIAL: ret->partial = true; break;
        case OPT_FORCE: ret->force = true; break;
        case OPT_NO_KAFKA: ret->no_kafka = true; break;
        case 'n':
                if (!cmd_read_number(optarg, 1, 1000000, &ret->limit))
                        return cmd_say(CMD_USAGE, name,
                                       "--limit: '%s' is not a number from 1 to 1000000", optarg);
                break;
        case 'j': ret->json = true; break;
        default: return cmd_usage(name);
        }
        return CMD_DONE;
}

/* ---- what follows the verb ------------------------------------------------------------------ */

/* "topic/partition", or "topic". The last slash counts, although Kafka allows none in a topic. */
static int take_place(const char *place, struct position_order *ret)
{
        const char *slash = strrchr(place, '/');
        size_t size = slash ? (size_t)(slash - place) : strlen(place);
        int64_t number = -1;

        if (size == 0 || size >= sizeof ret->topic)
                return cmd_say(CMD_USAGE, name, "'%s': write it as TOPIC or TOPIC/PARTITION",
                               place);
        memcpy(ret->topic, place, size);
        ret->topic[size] = '\0';
        if (slash && !cmd_read_number(slash + 1, 0, INT32_MAX, &number))
                return cmd_say(CMD_USAGE, name, "'%s': the partition is a number from 0", place);
        ret->partition = (int32_t)number;
        return CMD_DONE;
}

static int take_set(int argc, char **argv, struct position_order *ret)
{
        int r;

        if (argc != 4)
                return cmd_say(CMD_USAGE, name,
                               "set takes three words: WORKER TOPIC/PARTITION OFFSET");
        r = take_place(argv[2], ret);
        if (r != CMD_DONE)
                return r;
        if (!weir_where_read(argv[3], &ret->where))
                return cmd_say(CMD_USAGE, name,
                               "'%s': the offset is a number from 0, earliest, latest, or a time: "
                               "2026-01-31T08:00:00Z, 2026-01-31, -2h",
                               argv[3]);
        if (ret->partition < 0 && ret->where.kind == WEIR_WHERE_OFFSET)
                return cmd_say(CMD_USAGE, name,
                               "offset %s is that of one partition: write %s/PARTITION; all of "
                               "them can go to earliest, latest or a time",
                               argv[3], ret->topic);
        return CMD_DONE;
}

static bool blank(const char *text)
{
        return !text || !text[strspn(text, " \t\n")];
}

static int take_verb(int argc, char **argv, struct position_order *ret)
{
        static const char *const words[] = { "show", "log", "set", "import", "export" };
        bool writes;

        for (size_t i = 0; argc > 0 && i < WEIR_COUNT_OF(words); i++)
                if (strcmp(argv[0], words[i]) == 0)
                        ret->verb = (enum position_verb)(1 << i);
        if (!ret->verb)
                return cmd_no_verb(name, argc > 0 ? argv[0] : NULL, words, WEIR_COUNT_OF(words),
                                   "show, log, set WORKER TOPIC/PARTITION OFFSET, import WORKER or "
                                   "export WORKER");
        ret->worker = argc > 1 ? argv[1] : NULL;
        if (ret->verb != POSITION_SET && argc > 2)
                return cmd_say(CMD_USAGE, name, "unexpected '%s'", argv[2]);
        if (ret->verb & TRANSFER_VERBS && argc != 2)
                return cmd_say(CMD_USAGE, name, "%s takes the name of a worker", argv[0]);
        if (ret->verb == POSITION_SET) {
                int r = take_set(argc, argv, ret);

                if (r != CMD_DONE)
                        return r;
        }
        writes = !ret->dry_run && (ret->verb == POSITION_SET || ret->yes);
        if (writes && blank(ret->reason))
                return cmd_say(CMD_USAGE, name,
                               "%s needs --reason: it is what the next person reads", argv[0]);
        return CMD_DONE;
}

/* "-2h" behind a word that is no option. */
static void free_times(int argc, char **argv)
{
        for (int i = 2; i < argc && strcmp(argv[i], "--"); i++) {
                size_t digits = argv[i][0] == '-' ? strspn(argv[i] + 1, "0123456789") : 0;

                if (digits && argv[i][1 + digits] >= 'a' && argv[i][1 + digits] <= 'z' &&
                    argv[i - 1][0] != '-')
                        argv[i]++;
        }
}

int position_parse(int argc, char **argv, struct position_order *ret)
{
        static const struct cmd_verbs verbs = { name,    help,     "c:r:g:t:yn:jh",
                                                options, verbs_of, take_option };
        uint64_t seen;
        int r;

        *ret = (struct position_order){ .partition = -1, .limit = LOG_LIMIT };
        free_times(argc, argv);
        r = cmd_take_options(argc, argv, &verbs, ret, &seen);
        if (r != CMD_DONE)
                return r;
        r = take_verb(argc - optind, argv + optind, ret);
        if (r == CMD_DONE)
                r = cmd_check_options(&verbs, seen, (int)ret->verb, argv[optind]);
        return r;
}

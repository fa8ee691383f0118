/* SPDX-License-Identifier: MIT */
/*
 * dlq_option - the command line of `weir dlq`
 *
 * Always true   U1  an option that its verb does not know is refused, never ignored: a drop must not take more than
 *                   the words say.
 *               U2  --reason chooses letters, with every verb. Why one does it is --note: one word with two meanings
 *                   would turn `list --reason X` into a drop of everything else that was named.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "conf/value.h"
#include "dlq.h"
#include "store/deadletter.h"

static const char name[] = "dlq";

#define LIST_LIMIT 100
#define LIST_LIMIT_MOST 10000
#define MAX_ROUNDS 3

static const char help[] =
        "usage: weir dlq list | stats [FILTER..] [--json] [-c FILE]\n"
        "       weir dlq show ID [--raw | --json] [-c FILE]\n"
        "       weir dlq requeue [FILTER..] [--to TOPIC] [--dry-run] [--rate N] [--wait] [-c FILE]\n"
        "       weir dlq drop FILTER.. | --all --note TEXT [--yes] [-c FILE]\n\n"
        "Dead letters: the records that could not be handled or delivered, each whole and with its reason.\n\n"
        "list      newest first, at most --limit of them (100)\n"
        "stats     how many by worker, class and reason, since when, by hour, and what to do next\n"
        "show      one of them, all of it, and what to do next: --raw writes the bytes of its value, --json\n"
        "          has everything\n"
        "requeue   run the events again. In place: they are marked, and the worker that holds their\n"
        "          partition runs them with all of their attempts, beside what it consumes. What was to be\n"
        "          delivered goes back into the outbox, for where it was going. --to sends the records to\n"
        "          a topic instead. Ctrl-C ends it after the chunk in hand; the same command goes on: only\n"
        "          what is still kept is taken. However often an event is requeued or arrives, it comes\n"
        "          into effect once.\n"
        "drop      mark as dropped: out of the way, still in the table. --state requeue takes a mark back\n\n"
        "which ones, all of what is said:\n"
        "  -w, --worker NAME     of this worker\n"
        "  -t, --topic NAME      of this topic\n"
        "  -p, --partition N     of this partition\n"
        "      --class CLASS     decode (no event), reject (refused by the handler or the database), attempts\n"
        "                        (used up), deliver (a receiver refused it)\n"
        "      --reason TEXT     reason or text holds TEXT, capitals or not\n"
        "      --since WHEN      failed last at or after: RFC 3339, a date (UTC), or so long ago: 90s 2h 7d\n"
        "      --until WHEN      failed last before\n"
        "  -i, --id IDS          17  17,20-25  40-  (may be repeated)\n"
        "      --state STATE     kept (default), requeue, applied, duplicate, sent, dropped, any; requeue\n"
        "                        takes kept or dropped, drop takes kept or requeue\n"
        "  -n, --limit N         at most N; requeue and drop: the oldest\n\n"
        "requeue:\n"
        "      --to TOPIC        to this topic: key, value and headers as they came, and weir_* headers that\n"
        "                        say where from and why; not what was to be delivered. It must exist\n"
        "      --dry-run         show by reason what would be done, do nothing\n"
        "      --rate N          at most N a second\n"
        "      --max-rounds N    leave alone what went through N rounds already (3), and count it\n"
        "      --wait            in place: until each is applied, a duplicate, or kept again\n"
        "      --note TEXT       why; stays with the letter\n\n"
        "drop:\n"
        "      --note TEXT       why; needed\n"
        "      --all             needed where nothing else says which ones\n"
        "      --dry-run         as above\n"
        "  -y, --yes             do not ask\n\n"
        "  -c, --config FILE     configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -j, --json            for programs\n"
        "  -h, --help            this text\n\n"
        "Exit status: 0 done; 1 something failed, was interrupted (it says how many are left) or, with\n"
        "--wait, is kept again; 2 wrong usage; 78 bad configuration.\n\n"
        "examples:\n"
        "  weir dlq stats --since 2h\n"
        "  weir dlq list --worker audit --reason 'not null'\n"
        "  weir dlq show 17 --raw | jq .\n"
        "  weir dlq requeue --worker audit --class reject --dry-run\n"
        "  weir dlq requeue --worker audit --class reject --rate 50 --wait --note 'fixed in 1.4'\n"
        "  weir dlq drop --id 17,20-25 --note 'test data'\n";

enum {
        OPT_CLASS = 256,
        OPT_REASON,
        OPT_SINCE,
        OPT_UNTIL,
        OPT_STATE,
        OPT_TO,
        OPT_DRY,
        OPT_RATE,
        OPT_ROUNDS,
        OPT_WAIT,
        OPT_NOTE,
        OPT_ALL,
        OPT_RAW
};

static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { "worker", required_argument, NULL, 'w' },
        { "topic", required_argument, NULL, 't' },
        { "partition", required_argument, NULL, 'p' },
        { "class", required_argument, NULL, OPT_CLASS },
        { "reason", required_argument, NULL, OPT_REASON },
        { "since", required_argument, NULL, OPT_SINCE },
        { "until", required_argument, NULL, OPT_UNTIL },
        { "id", required_argument, NULL, 'i' },
        { "state", required_argument, NULL, OPT_STATE },
        { "limit", required_argument, NULL, 'n' },
        { "to", required_argument, NULL, OPT_TO },
        { "dry-run", no_argument, NULL, OPT_DRY },
        { "rate", required_argument, NULL, OPT_RATE },
        { "max-rounds", required_argument, NULL, OPT_ROUNDS },
        { "wait", no_argument, NULL, OPT_WAIT },
        { "note", required_argument, NULL, OPT_NOTE },
        { "all", no_argument, NULL, OPT_ALL },
        { "yes", no_argument, NULL, 'y' },
        { "raw", no_argument, NULL, OPT_RAW },
        { 0 },
};

/* U1: which verbs know it. */
static int verbs_of(int option)
{
        switch (option) {
        case OPT_RAW: return DLQ_SHOW;
        case OPT_TO:
        case OPT_RATE:
        case OPT_ROUNDS:
        case OPT_WAIT: return DLQ_REQUEUE;
        case OPT_ALL:
        case 'y': return DLQ_DROP;
        case OPT_NOTE:
        case OPT_DRY: return DLQ_REQUEUE | DLQ_DROP;
        case 'c':
        case 'j': return DLQ_LIST | DLQ_SHOW | DLQ_STATS | DLQ_REQUEUE | DLQ_DROP;
        case 'n': return DLQ_LIST | DLQ_REQUEUE | DLQ_DROP;
        default: return DLQ_LIST | DLQ_STATS | DLQ_REQUEUE | DLQ_DROP;
        }
}

static const char *option_name(int option)
{
        for (size_t i = 0; options[i].name; i++)
                if (options[i].val == option)
                        return options[i].name;
        return "?";
}

static int take_number(int option, int64_t min, int64_t max, int64_t *ret)
{
        if (cmd_read_number(optarg, min, max, ret))
                return CMD_DONE;
        return cmd_say(CMD_USAGE, name, "--%s: '%s' is not a number from %lld to %lld",
                       option_name(option), optarg, (long long)min, (long long)max);
}

static int take_when(int option, int64_t *ret_us, bool *ret_ago)
{
        if (weir_deadletter_when_read(optarg, ret_us, ret_ago))
                return CMD_DONE;
        return cmd_say(CMD_USAGE, name,
                       "--%s: '%s' is none of 2026-01-31T08:00:00Z, 2026-01-31, 90s, 2h, 7d",
                       option_name(option), optarg);
}

static int take_filter(int option, struct dlq_order *ret)
{
        struct weir_deadletter_filter *filter = &ret->filter;
        const char *wrong;
        int64_t number = 0;
        int r = CMD_DONE;

        ret->filtered = ret->filtered || option != OPT_STATE;
        switch (option) {
        case 'w': filter->worker = optarg; break;
        case 't': filter->topic = optarg; break;
        case OPT_REASON: filter->reason = optarg; break;
        case OPT_CLASS:
                filter->klass = optarg;
                if (!weir_deadletter_is_class(optarg))
                        return cmd_say(CMD_USAGE, name,
                                       "--class: '%s' is none of decode, reject, attempts, deliver",
                                       optarg);
                break;
        case OPT_STATE:
                ret->any_state = strcmp(optarg, "any") == 0;
                filter->state = ret->any_state ? NULL : optarg;
                if (!ret->any_state && !weir_deadletter_is_state(optarg))
                        return cmd_say(CMD_USAGE, name,
                                       "--state: '%s' is none of kept, requeue, applied, "
                                       "duplicate, sent, dropped, any",
                                       optarg);
                break;
        case 'p':
                r = take_number(option, 0, INT32_MAX, &number);
                filter->partition = (int32_t)number;
                break;
        case OPT_SINCE: return take_when(option, &filter->since_us, &ret->since_ago);
        case OPT_UNTIL: return take_when(option, &filter->until_us, &ret->until_ago);
        case 'i':
                wrong = weir_deadletter_filter_ids(filter, optarg);
                if (wrong)
                        return cmd_say(CMD_USAGE, name, "--id: '%s': %s", optarg, wrong);
                break;
        default: return cmd_usage(name);
        }
        return r;
}

static int take_option(int option, void *order)
{
        struct dlq_order *ret = order;
        int64_t number = 0;
        int r;

        switch (option) {
        case 'c': ret->config = optarg; break;
        case 'j': ret->json = true; break;
        case 'y': ret->yes = true; break;
        case 'n': return take_number(option, 1, INT64_MAX, &ret->limit);
        case OPT_TO: ret->to = optarg; break;
        case OPT_DRY: ret->dry_run = true; break;
        case OPT_RATE: return take_number(option, 1, 1000000, &ret->rate);
        case OPT_ROUNDS:
                r = take_number(option, 1, WEIR_ROUND_MAX + 1, &number);
                ret->max_rounds = (int32_t)number;
                return r;
        case OPT_WAIT: ret->wait = true; break;
        case OPT_NOTE: ret->note = optarg; break;
        case OPT_ALL: ret->all = true; break;
        case OPT_RAW: ret->raw = true; break;
        default: return take_filter(option, ret);
        }
        return CMD_DONE;
}

/* ---- what must hold between them ------------------------------------------------------------ */

static bool blank(const char *text)
{
        return !text || !text[strspn(text, " \t\n")];
}

static bool state_is(const struct dlq_order *order, const char *one, const char *other)
{
        return order->filter.state &&
               (strcmp(order->filter.state, one) == 0 || strcmp(order->filter.state, other) == 0);
}

static int check_requeue(const struct dlq_order *order)
{
        const char *wrong = order->to ? weir_check_topic(order->to) : NULL;

        if (!state_is(order, "kept", "dropped"))
                return cmd_say(CMD_USAGE, name, "requeue takes what is --state kept or dropped");
        if (wrong)
                return cmd_say(CMD_USAGE, name, "--to: '%s': %s", order->to, wrong);
        if (order->to && order->wait)
                return cmd_say(CMD_USAGE, name,
                               "--wait is for what is requeued in place; of what goes to a topic "
                               "`weir relay status` shows what has not left yet");
        if (order->to && order->filter.klass && strcmp(order->filter.klass, "deliver") == 0)
                return cmd_say(CMD_USAGE, name,
                               "what was to be delivered goes back to its destination: leave --to "
                               "out");
        return CMD_DONE;
}

static int check_drop(const struct dlq_order *order)
{
        if (!state_is(order, "kept", "requeue"))
                return cmd_say(CMD_USAGE, name, "drop takes what is --state kept or requeue");
        if (!order->filtered && !order->all)
                return cmd_say(CMD_USAGE, name, "say which ones to drop, or --all");
        if (order->filtered && order->all)
                return cmd_say(CMD_USAGE, name, "--all, or which ones: not both");
        if (blank(order->note) && !order->dry_run)
                return cmd_say(CMD_USAGE, name,
                               "drop needs --note: why; it is what the next person reads");
        return CMD_DONE;
}

static int check(struct dlq_order *order)
{
        if (!order->any_state && !order->filter.state)
                order->filter.state = "kept";
        switch (order->verb) {
        case DLQ_LIST:
                if (order->limit > LIST_LIMIT_MOST)
                        return cmd_say(CMD_USAGE, name, "list shows %d at most; page by --id",
                                       LIST_LIMIT_MOST);
                if (!order->limit)
                        order->limit = LIST_LIMIT;
                return CMD_DONE;
        case DLQ_SHOW:
                if (order->raw && order->json)
                        return cmd_say(CMD_USAGE, name, "--raw or --json, not both");
                return CMD_DONE;
        case DLQ_REQUEUE: return check_requeue(order);
        case DLQ_DROP: return check_drop(order);
        case DLQ_STATS:
        default: return CMD_DONE;
        }
}

static int take_verb(int argc, char **argv, struct dlq_order *ret)
{
        static const char *const words[] = { "list", "show", "stats", "requeue", "drop" };
        static const enum dlq_verb verbs[] = { DLQ_LIST, DLQ_SHOW, DLQ_STATS, DLQ_REQUEUE,
                                               DLQ_DROP };

        for (size_t i = 0; argc > 0 && i < WEIR_COUNT_OF(words); i++)
                if (strcmp(argv[0], words[i]) == 0)
                        ret->verb = verbs[i];
        if (!ret->verb)
                return cmd_no_verb(name, argc > 0 ? argv[0] : NULL, words, WEIR_COUNT_OF(words),
                                   "list, show ID, stats, requeue or drop");
        if (ret->verb == DLQ_SHOW) {
                if (argc != 2 || !cmd_read_number(argv[1], 1, INT64_MAX, &ret->id))
                        return cmd_say(CMD_USAGE, name, "show takes one id: weir dlq show 17");
        } else if (argc != 1) {
                return cmd_say(CMD_USAGE, name, "unexpected '%s'; which ones is said by options",
                               argv[1]);
        }
        return CMD_DONE;
}

int dlq_parse(int argc, char **argv, struct dlq_order *ret)
{
        static const struct cmd_verbs verbs = { name,    help,     "c:jhw:t:p:i:n:y",
                                                options, verbs_of, take_option };
        uint64_t seen;
        int r;

        *ret = (struct dlq_order){ .max_rounds = MAX_ROUNDS };
        weir_deadletter_filter_init(&ret->filter);
        r = cmd_take_options(argc, argv, &verbs, ret, &seen);
        if (r != CMD_DONE)
                return r;
        r = take_verb(argc - optind, argv + optind, ret);
        if (r == CMD_DONE)
                r = cmd_check_options(&verbs, seen, (int)ret->verb, argv[optind]);
        return r == CMD_DONE ? check(ret) : r;
}

/* SPDX-License-Identifier: MIT */
/*
 * replay_option - from where, to where, which of it, and under which claims
 *
 * The policy has no default. Each of the three does something else with an event that was handled before, and who did not
 * choose would learn afterwards which one it was: so a command without it ends with the three in words.
 *
 * An offset is a place in one partition. Where several are meant it would cut each of them at another moment, so it is
 * refused, as `weir position set` refuses it.
 */
#include "replay_option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd.h"
#include "conf/value.h"

static const char name[] = "replay";

static const char *const policies[] = { [REPLAY_POLICY_NONE] = "-",
                                        [REPLAY_MISSING] = "missing",
                                        [REPLAY_AGAIN] = "again",
                                        [REPLAY_LIVE] = "live" };

const char *replay_policy_name(enum replay_policy policy)
{
        return policies[policy];
}

/* ---- one by one ----------------------------------------------------------------------------- */

static int take_where(const char *option, const char *text, struct weir_where *ret)
{
        if (!strcmp(text, "now"))
                *ret = (struct weir_where){ .kind = WEIR_WHERE_LATEST };
        else if (!weir_where_read(text, ret))
                return cmd_say(CMD_USAGE, name,
                               "--%s: '%s' is none of earliest, now, an offset, or a time: "
                               "2026-01-31T08:00:00Z, 2026-01-31, 2h",
                               option, text);
        return CMD_DONE;
}

/* A topic has no slash, so the last one is ours. */
static int take_place(const char *text, struct replay_range_order *ret)
{
        const char *slash = strrchr(text, '/');
        size_t size = slash ? (size_t)(slash - text) : strlen(text);
        struct replay_place *place;
        int64_t number = -1;

        if (size == 0 || size >= sizeof place->topic)
                return cmd_say(
                        CMD_USAGE, name,
                        "--partition: '%s': write it as TOPIC/PARTITION, or TOPIC for all of "
                        "its partitions",
                        text);
        if (slash && !cmd_read_number(slash + 1, 0, INT32_MAX, &number))
                return cmd_say(CMD_USAGE, name,
                               "--partition: '%s': the partition is a number from 0", text);
        if (!ret->places)
                ret->places = calloc(REPLAY_PLACES_MAX, sizeof *ret->places);
        if (!ret->places)
                return cmd_say(CMD_USAGE, name, "out of memory");
        if (ret->place_count == REPLAY_PLACES_MAX)
                return cmd_say(CMD_USAGE, name, "--partition: %d of them at most",
                               REPLAY_PLACES_MAX);
        place = &ret->places[ret->place_count];
        memcpy(place->topic, text, size);
        place->topic[size] = '\0';
        place->partition = (int32_t)number;
        for (size_t i = 0; i < ret->place_count; i++)
                if (!strcmp(ret->places[i].topic, place->topic) &&
                    (ret->places[i].partition < 0 || place->partition < 0 ||
                     ret->places[i].partition == place->partition))
                        return cmd_say(CMD_USAGE, name, "--partition: '%s' is named twice", text);
        ret->place_count++;
        return CMD_DONE;
}

static int take_value(const char *option, const char **values, struct weir_filter_list *list)
{
        if (list->count == REPLAY_VALUES_MAX)
                return cmd_say(CMD_USAGE, name, "--%s: %d of them at most", option,
                               REPLAY_VALUES_MAX);
        if (!*optarg)
                return cmd_say(CMD_USAGE, name, "--%s: no event has an empty one", option);
        values[list->count++] = optarg;
        list->values = values;
        return CMD_DONE;
}

static int take_policy(struct replay_range_order *ret)
{
        for (size_t i = REPLAY_MISSING; i < WEIR_COUNT_OF(policies); i++)
                if (!strcmp(optarg, policies[i])) {
                        ret->policy = (enum replay_policy)i;
                        return CMD_DONE;
                }
        return cmd_say(CMD_USAGE, name, "--policy: '%s' is none of missing, again, live", optarg);
}

int replay_range_option(int option, struct replay_range_order *ret)
{
        switch (option) {
        case 'c': ret->config = optarg; return CMD_DONE;
        case 'p': return take_place(optarg, ret);
        case OPT_REPLAY_FROM: ret->from = optarg; return take_where("from", optarg, &ret->from_at);
        case OPT_REPLAY_TO: ret->to = optarg; return take_where("to", optarg, &ret->to_at);
        case OPT_REPLAY_TYPE: return take_value("type", ret->types, &ret->filter.types);
        case OPT_REPLAY_SOURCE: return take_value("source", ret->sources, &ret->filter.sources);
        case OPT_REPLAY_SUBJECT: return take_value("subject", ret->subjects, &ret->filter.subjects);
        case OPT_REPLAY_ID: return take_value("id", ret->ids, &ret->filter.ids);
        case OPT_REPLAY_POLICY: return take_policy(ret);
        case OPT_REPLAY_EPOCH: ret->epoch = optarg; return CMD_DONE;
        default: return -1;
        }
}

/* ---- together ------------------------------------------------------------------------------- */

static int check_epoch(const struct replay_range_order *order)
{
        const char *epoch = order->epoch;
        size_t size = epoch ? strlen(epoch) : 0;

        if (order->policy != REPLAY_AGAIN)
                return epoch ? cmd_say(CMD_USAGE, name,
                                       "--epoch is the name of the claims of --policy again; %s "
                                       "has the worker's own",
                                       policies[order->policy])
                             : CMD_DONE;
        if (!epoch)
                return cmd_say(CMD_USAGE, name,
                               "--policy again needs --epoch NAME: every event runs once more in "
                               "that epoch, and never twice in it, whoever replays it how often");
        if (size == 0 || size > REPLAY_EPOCH_MAX ||
            strspn(epoch, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") !=
                    size)
                return cmd_say(CMD_USAGE, name,
                               "--epoch: '%s': 1 to %d letters, digits, dots, _ and -", epoch,
                               REPLAY_EPOCH_MAX);
        if (!strcmp(epoch, policies[REPLAY_MISSING]))
                return cmd_say(CMD_USAGE, name,
                               "--epoch: plugins are told 'missing' by --policy missing: choose "
                               "another name");
        return CMD_DONE;
}

static bool one_partition(const struct replay_range_order *order)
{
        return order->place_count == 1 && order->places[0].partition >= 0;
}

static int check_where(const char *option, const char *text, const struct weir_where *where,
                       const struct replay_range_order *order)
{
        if (!text || where->kind != WEIR_WHERE_OFFSET || one_partition(order))
                return CMD_DONE;
        return cmd_say(CMD_USAGE, name,
                       "--%s: offset %s is that of one partition: name it with --partition "
                       "TOPIC/PARTITION; several can begin and end at earliest, now or a time",
                       option, text);
}

int replay_range_check(struct replay_range_order *ret, int count, char **words)
{
        int r = CMD_DONE;

        if (count < 1)
                return cmd_say(CMD_USAGE, name, "name the worker whose topics are to be replayed");
        if (count > 1)
                return cmd_say(CMD_USAGE, name, "unexpected '%s'", words[1]);
        ret->worker = words[0];
        if (!ret->from)
                ret->from_at = (struct weir_where){ .kind = WEIR_WHERE_EARLIEST };
        if (!ret->to)
                ret->to_at = (struct weir_where){ .kind = WEIR_WHERE_LATEST };
        if (ret->policy == REPLAY_POLICY_NONE)
                return cmd_say(
                        CMD_USAGE, name,
                        "say what is to become of events that were handled before, it is not "
                        "guessed:\n"
                        "  --policy missing            only what has no claim runs: heals gaps\n"
                        "  --policy again --epoch NAME every event runs once more, once in that "
                        "epoch\n"
                        "  --policy live --yes         the live position itself goes back: what has "
                        "no claim runs there");
        r = check_epoch(ret);
        if (r == CMD_DONE)
                r = check_where("from", ret->from, &ret->from_at, ret);
        if (r == CMD_DONE)
                r = check_where("to", ret->to, &ret->to_at, ret);
        return r;
}

void replay_range_fini(struct replay_range_order *order)
{
        free(order->places);
        order->places = NULL;
        order->place_count = 0;
}

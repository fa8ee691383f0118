/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_OPTION_H
#define WEIR_CMD_REPLAY_OPTION_H
/*
 * replay_option - which records, and under which policy: options that mean the same wherever they are taken
 *
 * A verb puts REPLAY_RANGE_OPTIONS into its table, hands every option to replay_range_option() first, and calls
 * replay_range_check() when all are read. The order is filled in place and may not be moved: the filter points into it.
 */
#include <getopt.h>

#include "event/filter.h"
#include "flow/transfer.h"

enum replay_policy { REPLAY_POLICY_NONE, REPLAY_MISSING, REPLAY_AGAIN, REPLAY_LIVE };

enum { REPLAY_VALUES_MAX = 64, REPLAY_PLACES_MAX = 1024, REPLAY_EPOCH_MAX = 63 };

struct replay_place {
        char topic[250];   /* Kafka allows 249 */
        int32_t partition; /* -1 = all of it */
};
struct replay_range_order {
        const char *config, *worker;
        enum replay_policy policy;
        const char *epoch;         /* of AGAIN */
        const char *from, *to;     /* in the operator's words; NULL = earliest, now */
        struct weir_where from_at; /* "now" is WEIR_WHERE_LATEST */
        struct weir_where to_at;
        struct replay_place *places; /* none: all that the worker reads */
        size_t place_count;
        const char *types[REPLAY_VALUES_MAX], *sources[REPLAY_VALUES_MAX];
        const char *subjects[REPLAY_VALUES_MAX], *ids[REPLAY_VALUES_MAX];
        struct weir_filter filter; /* empty: all events */
};

enum {
        OPT_REPLAY_FROM = 512,
        OPT_REPLAY_TO,
        OPT_REPLAY_TYPE,
        OPT_REPLAY_SOURCE,
        OPT_REPLAY_SUBJECT,
        OPT_REPLAY_ID,
        OPT_REPLAY_POLICY,
        OPT_REPLAY_EPOCH
};
#define REPLAY_RANGE_SHORTS "c:p:"
#define REPLAY_RANGE_OPTIONS                                                                       \
        { "config", required_argument, NULL, 'c' }, { "partition", required_argument, NULL, 'p' }, \
                { "from", required_argument, NULL, OPT_REPLAY_FROM },                              \
                { "to", required_argument, NULL, OPT_REPLAY_TO },                                  \
                { "type", required_argument, NULL, OPT_REPLAY_TYPE },                              \
                { "source", required_argument, NULL, OPT_REPLAY_SOURCE },                          \
                { "subject", required_argument, NULL, OPT_REPLAY_SUBJECT },                        \
                { "id", required_argument, NULL, OPT_REPLAY_ID },                                  \
                { "policy", required_argument, NULL, OPT_REPLAY_POLICY },                          \
        {                                                                                          \
                "epoch", required_argument, NULL, OPT_REPLAY_EPOCH                                 \
        }

/* What these options mean, for a help text. */
#define REPLAY_RANGE_HELP                                                                                   \
        "      --from WHERE        earliest (default), now, an offset, or a time: 2026-11-01T12:00:00Z,\n"  \
        "                          2026-11-01, 2h (ago): the first record at or after it\n"                 \
        "      --to WHERE          the same words; now (default) is the end of the log at the start. The\n" \
        "                          record at that place is the first that is not taken\n"                   \
        "  -p, --partition PLACE   TOPIC/PARTITION or TOPIC (may be repeated); else all that the worker\n"  \
        "                          reads\n"                                                                 \
        "      --type, --source, --subject, --id TEXT\n"                                                    \
        "                          events with this attribute only, byte for byte; one repeated: any of\n"  \
        "                          them; different ones: all of them\n"

/* CMD_DONE, CMD_USAGE (it was said why), or -1: it is none of these. */
int replay_range_option(int option, struct replay_range_order *ret);
/* What must hold between them. @words are those that are left: the name of the worker. */
int replay_range_check(struct replay_range_order *ret, int count, char **words);
void replay_range_fini(struct replay_range_order *order);
const char *replay_policy_name(enum replay_policy policy);

#endif

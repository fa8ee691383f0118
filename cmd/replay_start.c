/* SPDX-License-Identifier: MIT */
/*
 * replay_start - plan a replay, show the plan, write it down, carry it out
 *
 * Beside the live worker, with lanes and positions of its own; or by the live worker itself, whose positions go back then.
 * The second one has no claims of its own, no bound and no filter: who takes over a live lane takes over what it does. So
 * what it cannot do is refused there, with the reason, and not left out in silence.
 *
 * Order         whatever can be refused is refused before the plan is written: words, plugin, schema, logs. From then on there
 *               is a number, and what fails has failed under it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "flow/plan.h"
#include "position.h"
#include "replay.h"
#include "replay_check.h"
#include "replay_option.h"
#include "replay_plan.h"
#include "store/position.h"
#include "store/replay.h"

static const char name[] = "replay";

static const char help[] =
        "usage: weir replay start WORKER --policy missing | again --epoch NAME | live --yes\n"
        "                         [--from WHERE] [--to WHERE] [--partition PLACE]...\n"
        "                         [--type TEXT] [--source TEXT] [--subject TEXT] [--id TEXT]...\n"
        "                         [--beside | --live] [--rate N] [--max-lag N] [--if-missing fail|skip]\n"
        "                         [--with-effects] [--reason TEXT] [--dry-run] [--quiet] [--json] [-c FILE]\n\n"
        "Reads a range of the worker's topics once more, from where to where being fixed at the start, and runs its\n"
        "events in the worker's plugin: in this process, beside the live worker, which goes on as it does. Joins no\n"
        "group and tells Kafka nothing. Killed at any moment it goes on with weir replay resume.\n\n"
        "      --policy missing    only events without a claim run: heals gaps, and what was handled stays as it is\n"
        "      --policy again      every event runs once more: once in the --epoch NAME, whatever is killed and\n"
        "                          however often that epoch is replayed\n"
        "      --policy live       the live positions go back to --from, while the worker runs: it reads from there\n"
        "                          on, and runs what has no claim. With --yes and --reason; else only the plan is shown\n"
        "      --epoch NAME        letters, digits, . _ -; plugins see it as event->replay ('missing' with\n"
        "                          --policy missing)\n\n" REPLAY_RANGE_HELP "\n"
        "      --beside            in this process (default)\n"
        "      --live              in the live lanes: --policy missing means live then; again is refused\n"
        "      --rate N            N records a second at most; else as fast as it goes, with half of\n"
        "                          store.connections and a quarter of memory.budget\n"
        "      --max-lag N         wait while the live worker is more than N records behind its logs\n"
        "      --if-missing WORD   offsets of the range that retention took: fail (default) or skip, and count\n"
        "      --with-effects      what handlers emit and deliver leaves; else it is counted as withheld\n"
        "  -r, --reason TEXT       why; what the next person reads\n"
        "  -n, --dry-run           show the plan, do nothing\n"
        "  -y, --yes               policy live: do it\n"
        "  -q, --quiet             no bar, and in the log only what goes wrong\n"
        "  -j, --json              plan or report as JSON\n"
        "  -c, --config FILE       configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help              this text\n\n"
        "SIGINT, SIGTERM: the transactions in hand are finished, and it is stopped; a second signal hurries, a third\n"
        "ends at once. weir replay stop does it from elsewhere.\n"
        "Exit status: 0 done; 1 failed, stopped, or an event of it became a dead letter; 2 wrong usage, also a range\n"
        "that is not in the log; 78 bad configuration.\n\n"
        "examples:\n"
        "  weir replay start audit --policy missing --from 2026-11-01 --to 2026-11-02 --dry-run\n"
        "  weir replay start audit --policy again --epoch fix-14 --type order.paid --rate 500 --max-lag 10000\n"
        "  weir replay start audit --policy live --from -2h --reason 'gap after the restore' --yes\n";

enum { OPT_BESIDE = 256, OPT_LIVE, OPT_RATE, OPT_MAX_LAG, OPT_IF_MISSING, OPT_EFFECTS };

struct start_order {
        struct replay_range_order range;
        bool beside, live, effects, yes, dry_run, quiet, json;
        int64_t rate, max_lag; /* -1 = no bound */
        const char *if_missing, *reason;
};

/* ---- words ---------------------------------------------------------------------------------- */

static int take_option(int option, struct start_order *ret)
{
        int r = replay_range_option(option, &ret->range);

        if (r >= 0)
                return r;
        switch (option) {
        case OPT_BESIDE: ret->beside = true; break;
        case OPT_LIVE: ret->live = true; break;
        case OPT_RATE:
                if (!cmd_read_number(optarg, 1, INT32_MAX, &ret->rate))
                        return cmd_say(CMD_USAGE, name, "--rate: '%s' is not a number from 1 to %d",
                                       optarg, INT32_MAX);
                break;
        case OPT_MAX_LAG:
                if (!cmd_read_number(optarg, 0, INT64_MAX, &ret->max_lag))
                        return cmd_say(CMD_USAGE, name, "--max-lag: '%s' is not a number from 0",
                                       optarg);
                break;
        case OPT_IF_MISSING:
                if (strcmp(optarg, "fail") != 0 && strcmp(optarg, "skip") != 0)
                        return cmd_say(CMD_USAGE, name, "--if-missing: '%s' is none of fail, skip",
                                       optarg);
                ret->if_missing = optarg;
                break;
        case OPT_EFFECTS: ret->effects = true; break;
        case 'r': ret->reason = optarg; break;
        case 'n': ret->dry_run = true; break;
        case 'y': ret->yes = true; break;
        case 'q': ret->quiet = true; break;
        case 'j': ret->json = true; break;
        default: return cmd_usage(name);
        }
        return CMD_DONE;
}

static bool blank(const char *text)
{
        return !text || !text[strspn(text, " \t\n")];
}

/* The live lanes do what they do: which of the options would change that? NULL = none. */
static const char *beyond_live(const struct start_order *order)
{
        return order->range.to                            ? "--to: the live worker has no end"
               : !weir_filter_empty(&order->range.filter) ? "a filter: the live worker runs all"
               : order->rate > 0                          ? "--rate: live lanes have none"
               : order->max_lag >= 0                      ? "--max-lag: it is the live worker"
               : order->effects    ? "--with-effects: what live lanes emit leaves anyhow"
               : order->if_missing ? "--if-missing: a position lies in the log"
                                   : NULL;
}

static int check_live(struct start_order *order)
{
        const char *beyond;

        if (order->live && order->range.policy == REPLAY_AGAIN)
                return cmd_say(CMD_USAGE, name,
                               "--live has no --policy again: live lanes claim in the worker's own "
                               "name and have no epoch, so nothing that was handled would run; "
                               "--beside does it");
        if (order->beside && (order->live || order->range.policy == REPLAY_LIVE))
                return cmd_say(CMD_USAGE, name, "--beside or in the live lanes: not both");
        if (order->live)
                order->range.policy = REPLAY_LIVE;
        if (order->range.policy != REPLAY_LIVE)
                return order->yes ? cmd_say(CMD_USAGE, name, "--yes is for --policy live")
                                  : CMD_DONE;
        beyond = beyond_live(order);
        if (beyond)
                return cmd_say(CMD_USAGE, name, "--policy live takes no %s", beyond);
        if (order->yes && !order->dry_run && blank(order->reason))
                return cmd_say(CMD_USAGE, name,
                               "--policy live needs --reason: it is what the next person reads");
        return CMD_DONE;
}

/* CMD_DONE, CMD_USAGE, or -1: the help was printed. */
static int parse(int argc, char **argv, struct start_order *ret)
{
        static const struct option options[] = {
                REPLAY_RANGE_OPTIONS,
                { "beside", no_argument, NULL, OPT_BESIDE },
                { "live", no_argument, NULL, OPT_LIVE },
                { "rate", required_argument, NULL, OPT_RATE },
                { "max-lag", required_argument, NULL, OPT_MAX_LAG },
                { "if-missing", required_argument, NULL, OPT_IF_MISSING },
                { "with-effects", no_argument, NULL, OPT_EFFECTS },
                { "reason", required_argument, NULL, 'r' },
                { "dry-run", no_argument, NULL, 'n' },
                { "yes", no_argument, NULL, 'y' },
                { "quiet", no_argument, NULL, 'q' },
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 }
        };
        int option, r;

        while ((option = cmd_option(argc, argv, REPLAY_RANGE_SHORTS "r:nyqjh", options)) != -1) {
                if (option == 'h') {
                        fputs(help, stdout);
                        return -1;
                }
                r = option == '?' ? cmd_usage(name) : take_option(option, ret);
                if (r != CMD_DONE)
                        return r;
        }
        r = replay_range_check(&ret->range, argc - optind, argv + optind);
        return r == CMD_DONE ? check_live(ret) : r;
}

/* ---- what is written down --------------------------------------------------------------------- */

/* Events that were handled so long ago that their claim went would run again, and nobody could tell. */
static int warn_forgotten(struct weir_pg *pg, const struct start_order *order,
                          struct weir_error *reterr)
{
        char when[32];
        int r = replay_forgotten(pg, &order->range, when, reterr);

        if (r < 0 || !*when)
                return r;
        cmd_say(0, name,
                "claims that were made until %s were dropped (weir claims): what %s before then has "
                "none, and runs again",
                when, order->range.epoch ? "ran in that epoch" : "was handled");
        return 0;
}

static void describe(const struct start_order *order, const struct replay_checked *checked,
                     const char *owner, struct weir_replay_plan *ret)
{
        *ret = (struct weir_replay_plan){
                .worker = checked->worker->name,
                .policy = replay_policy_name(order->range.policy),
                .epoch = order->range.epoch,
                .filter = &order->range.filter,
                .effects = order->effects,
                .skip_missing = order->if_missing && strcmp(order->if_missing, "skip") == 0,
                .rate_per_s = order->rate < 0 ? 0 : (int32_t)order->rate,
                .max_lag = order->max_lag,
                .asked_from = order->range.from ? order->range.from : "earliest",
                .asked_to = order->range.to ? order->range.to : "now",
                .plugin_version = checked->version,
                .owner = owner,
                .reason = order->reason,
        };
}

static int fill_places(const struct weir_plan *plan, bool live, struct weir_replay_place **ret,
                       struct weir_replay_plan *written, struct weir_error *reterr)
{
        struct weir_replay_place *places = calloc(plan->count + 1, sizeof *places);
        size_t count = 0;

        if (!places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count);
        for (size_t i = 0; i < plan->count; i++) {
                const struct weir_plan_range *range = &plan->ranges[i];

                if (!live || replay_goes_back(range))
                        places[count++] = (struct weir_replay_place){
                                range->topic, range->partition, range->from_offset,
                                live ? range->live_offset : range->until_offset, range->missing
                        };
        }
        written->places = *ret = places;
        written->place_count = count;
        return 0;
}

/* ---- the two places --------------------------------------------------------------------------- */

static int move_live(struct weir_pg *pg, const struct start_order *order,
                     struct weir_replay_plan *written, struct weir_error *reterr)
{
        int64_t id = 0;
        int r;

        if (written->place_count == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "nothing was moved: worker %s stands at or before --from "
                                 "everywhere, and reads on from there",
                                 written->worker);
        if (!order->yes) {
                if (!order->json)
                        puts("nothing was moved; --yes --reason TEXT does it");
                return CMD_DONE;
        }
        r = weir_replay_insert_live(pg, written, &id, reterr);
        if (r == 0)
                r = replay_report(pg, id, order->json, NULL, reterr);
        return r;
}

static int run_beside(struct weir_pg **pg, struct weir_conf **conf, const struct start_order *order,
                      const struct weir_plan *plan, const struct weir_replay_plan *written,
                      const char *session, struct weir_error *reterr)
{
        struct replay_run run = { .owner = written->owner,
                                  .session = session,
                                  .json = order->json,
                                  .quiet = order->quiet };
        int r = weir_replay_insert(*pg, written, &run.id, reterr);

        if (r < 0)
                return r;
        if (!order->quiet)
                cmd_say(0, name,
                        "replay %" PRId64 " of worker %s: %" PRId64 " offsets in %zu "
                        "partition%s",
                        run.id, written->worker, plan->offsets, plan->count,
                        plan->count == 1 ? "" : "s");
        return replay_run(&run, WEIR_TAKE(*conf), pg);
}

static int start(struct weir_pg **pg, struct weir_conf **conf, const struct start_order *order,
                 const char *owner, const char *session, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plan_fini) struct weir_plan plan = { .count = 0 };
        WEIR_FREE struct weir_replay_place *places = NULL;
        bool live = order->range.policy == REPLAY_LIVE;
        struct weir_replay_plan written;
        struct replay_checked checked;
        int r = replay_check(*conf, order->range.worker, *pg, &checked, reterr);

        if (r < 0)
                return r;
        describe(order, &checked, owner, &written);
        r = replay_plan(*conf, checked.worker, &order->range, written.skip_missing, *pg, &plan,
                        reterr);
        if (r == 0)
                r = warn_forgotten(*pg, order, reterr);
        if (r == 0)
                r = fill_places(&plan, live, &places, &written, reterr);
        if (r < 0)
                return r;
        if (order->dry_run || (live && !order->yes)) {
                r = replay_plan_print(&plan, &order->range, order->json, reterr);
                if (r < 0 || !live) {
                        if (r == 0 && !order->json)
                                puts("nothing was started");
                        return r;
                }
        }
        if (live && order->dry_run) {
                if (!order->json)
                        puts("nothing was moved");
                return CMD_DONE;
        }
        return live ? move_live(*pg, order, &written, reterr)
                    : run_beside(pg, conf, order, &plan, &written, session, reterr);
}

int replay_start(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        char owner[WEIR_POSITION_NAME_BYTES], session[WEIR_POSITION_NAME_BYTES];
        struct start_order order = { .rate = -1, .max_lag = -1 };
        struct weir_error error = { 0 };
        int r = parse(argc, argv, &order);

        weir_position_name(owner, session);
        if (r == CMD_DONE) {
                r = replay_open_as(order.range.config, session, &conf, &pg);
                if (r == CMD_DONE)
                        r = start(&pg, &conf, &order, owner, session, &error);
                if (r < 0)
                        r = replay_fail(&error);
        } else if (r < 0) {
                r = CMD_DONE;
        }
        replay_range_fini(&order.range);
        return r;
}

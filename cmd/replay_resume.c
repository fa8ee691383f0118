/* SPDX-License-Identifier: MIT */
/*
 * replay_resume - go on with a replay, end one, give one up
 *
 * A replay has no state but the database's, so going on is what starting is, without a plan. Bounds may be set anew:
 * who resumes has seen what the ones of before did.
 *
 * The log       is compared again (PL3). Lanes know it by what they have read of it; of a partition of which a replay has read
 *               nothing the live worker alone can tell that the topic was made anew since the plan.
 * Given up      while a replay is not through, no claims are dropped, for it looks up events of any age. So one that nobody
 *               wants any more has to be put out of the way, and that is said, not guessed from its age.
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
#include "store/position.h"
#include "store/replay.h"

static const char name[] = "replay";

enum { ASK_MS = 10000 };
enum { OPT_IF_MISSING = 256, OPT_RATE, OPT_MAX_LAG, OPT_GIVE_UP };

static int load(struct weir_pg *pg, int64_t id, struct weir_replay **ret, struct weir_error *reterr)
{
        int r = weir_replay_load(pg, id, ret, reterr);

        return r > 0 ? weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "there is no replay %" PRId64 "; see weir replay list", id)
                     : r;
}

static bool is(const struct weir_replay *replay, const char *state)
{
        return strcmp(replay->state, state) == 0;
}

static int changed(int64_t id)
{
        return cmd_say(CMD_FAILED, name,
                       "replay %" PRId64 " was changed by somebody else just now; weir replay show "
                       "%" PRId64,
                       id, id);
}

/* ---- resume --------------------------------------------------------------------------------- */

static const char resume_help[] =
        "usage: weir replay resume ID [--if-missing fail|skip] [--rate N] [--max-lag N]\n"
        "                          [--quiet] [--json] [-c FILE]\n\n"
        "Goes on with a replay that was stopped, that failed, or whose process is gone, exactly where it was: what is\n"
        "committed is not done again. Range, policy, epoch, filter and effects are those of its plan.\n\n"
        "      --if-missing WORD   fail: what retention took of the rest is an error; skip: it is counted\n"
        "      --rate N            records a second at most from now on; 0: as fast as it goes\n"
        "      --max-lag N         wait while the live worker is more than N records behind; 'none': do not\n"
        "  -q, --quiet             no bar, and in the log only what goes wrong\n"
        "  -j, --json              the report as JSON\n"
        "  -c, --config FILE       configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help              this text\n\n"
        "Exit status: as weir replay start.\n\n"
        "example:\n"
        "  weir replay resume 3 --rate 500\n";

struct bounds {
        int64_t rate, max_lag; /* -1 = as it was; max_lag -2 = none */
        const char *if_missing;
        bool quiet;
};

static int take_bounds(void *context, int option)
{
        struct bounds *bounds = context;

        switch (option) {
        case OPT_IF_MISSING:
                if (strcmp(optarg, "fail") != 0 && strcmp(optarg, "skip") != 0)
                        return cmd_say(CMD_USAGE, name, "--if-missing: '%s' is none of fail, skip",
                                       optarg);
                bounds->if_missing = optarg;
                return CMD_DONE;
        case OPT_RATE:
                if (!cmd_read_number(optarg, 0, INT32_MAX, &bounds->rate))
                        return cmd_say(CMD_USAGE, name, "--rate: '%s' is not a number from 0 to %d",
                                       optarg, INT32_MAX);
                return CMD_DONE;
        case OPT_MAX_LAG:
                if (strcmp(optarg, "none") == 0)
                        bounds->max_lag = -2;
                else if (!cmd_read_number(optarg, 0, INT64_MAX, &bounds->max_lag))
                        return cmd_say(CMD_USAGE, name,
                                       "--max-lag: '%s' is neither a number from 0 nor 'none'",
                                       optarg);
                return CMD_DONE;
        case 'q': bounds->quiet = true; return CMD_DONE;
        default: return cmd_usage(name);
        }
}

/* May it be gone on with? 0, or < 0: why not. */
static int check(const struct weir_replay *replay, struct weir_error *reterr)
{
        long long id = (long long)replay->id;

        if (is(replay, "done"))
                return weir_fail(
                        reterr, WEIR_EUSAGE, 0,
                        "replay %lld is done: nothing is left of it; weir replay show %lld", id,
                        id);
        if (!is(replay, "stopped") && !is(replay, "failed") && replay->held)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "replay %lld is %s, by process %s: weir replay show %lld --watch, "
                                 "or weir replay stop %lld first",
                                 id, replay->state, replay->owner, id, id);
        if (replay->gone && is(replay, "failed"))
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "replay %lld had failed, and %s: what was handled before can no "
                                 "longer be told from what was not; plan a new one (weir replay "
                                 "preview says what it would do)",
                                 id, replay->gone);
        if (replay->gone) /* by force: nothing else drops what it needs */
                cmd_say(CMD_DONE, name,
                        "%s, since replay %lld was planned: what was handled under them and lies "
                        "ahead of it runs again",
                        replay->gone, id);
        return 0;
}

static int verify(const struct weir_conf *conf, const struct weir_conf_worker *worker,
                  const struct weir_replay *replay, struct weir_pg *pg, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        WEIR_FREE struct weir_plan_place *places = calloc(replay->span_count + 1, sizeof *places);
        struct weir_plan_order order = {
                .conf = conf, .worker = worker, .places = places, .timeout_ms = ASK_MS
        };
        int r;

        if (!places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", replay->span_count);
        for (size_t i = 0; i < replay->span_count; i++)
                if (replay->spans[i].next_offset < replay->spans[i].until_offset)
                        places[order.place_count++] = (struct weir_plan_place){
                                replay->spans[i].topic, replay->spans[i].partition
                        };
        if (order.place_count == 0)
                return 0;
        r = position_cluster(conf, ASK_MS, &cluster, reterr);
        return r == 0 ? weir_plan_verify(&order, pg, cluster, reterr) : r;
}

static void set_bounds(struct weir_replay *replay, const struct bounds *bounds)
{
        if (bounds->rate >= 0)
                replay->rate_per_s = (int32_t)bounds->rate;
        if (bounds->max_lag != -1)
                replay->max_lag = bounds->max_lag == -2 ? -1 : bounds->max_lag;
        if (bounds->if_missing)
                replay->skip_missing = strcmp(bounds->if_missing, "skip") == 0;
}

int replay_resume(int argc, char **argv)
{
        static const struct option options[] = {
                { "if-missing", required_argument, NULL, OPT_IF_MISSING },
                { "rate", required_argument, NULL, OPT_RATE },
                { "max-lag", required_argument, NULL, OPT_MAX_LAG },
                { "quiet", no_argument, NULL, 'q' },
                { "json", no_argument, NULL, 'j' },
                { "config", required_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                { 0 }
        };
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        WEIR_CLEANUP(weir_replay_freep) struct weir_replay *replay = NULL;
        char owner[WEIR_POSITION_NAME_BYTES], session[WEIR_POSITION_NAME_BYTES];
        struct bounds bounds = { .rate = -1, .max_lag = -1 };
        struct replay_one one = { .help = resume_help };
        struct replay_checked checked;
        struct replay_run run;
        struct weir_error error = { 0 };
        int r = replay_one_parse(argc, argv, "qjc:h", options, take_bounds, &bounds, &one);

        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        weir_position_name(owner, session);
        r = replay_open_as(one.config, session, &conf, &pg);
        if (r != CMD_DONE)
                return r;
        r = load(pg, one.id, &replay, &error);
        if (r == 0)
                r = check(replay, &error);
        if (r == 0)
                r = replay_check(conf, replay->worker, pg, &checked, &error);
        if (r == 0)
                r = verify(conf, checked.worker, replay, pg, &error);
        if (r == 0) {
                set_bounds(replay, &bounds);
                r = weir_replay_take(pg, replay, owner, &error);
        }
        if (r < 0)
                return replay_fail(&error);
        if (r > 0)
                return changed(one.id);
        run = (struct replay_run){ .owner = owner,
                                   .session = session,
                                   .id = one.id,
                                   .json = one.json,
                                   .quiet = bounds.quiet };
        return replay_run(&run, WEIR_TAKE(conf), &pg);
}

/* ---- stop ----------------------------------------------------------------------------------- */

static const char stop_help[] =
        "usage: weir replay stop ID [--give-up] [-c FILE]\n\n"
        "Lets replay ID end after the transactions in hand: its process sees it within a second. Where that process is\n"
        "gone it is stopped at once. weir replay resume ID goes on exactly there.\n\n"
        "      --give-up           it is not gone on with: failed. Until a replay is done or given up no claims are\n"
        "                          dropped, since it may need any of them\n"
        "  -c, --config FILE       configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help              this text\n\n"
        "Exit status: 0 stopped, or told to stop; 1 failed; 2 wrong usage, or there is nothing to stop; 78 bad\n"
        "configuration.\n\n"
        "example:\n"
        "  weir replay stop 3\n";

static int take_give_up(void *context, int option)
{
        bool *give_up = context;

        if (option != OPT_GIVE_UP)
                return cmd_usage(name);
        *give_up = true;
        return CMD_DONE;
}

static int give_up(struct weir_pg *pg, const struct weir_replay *replay, struct weir_error *reterr)
{
        int r;

        if (is(replay, "done") || is(replay, "failed"))
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "replay %lld is %s: nothing is kept for it", (long long)replay->id,
                                 replay->state);
        if (!is(replay, "stopped") && replay->held)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "replay %lld is %s, by process %s: stop it first",
                                 (long long)replay->id, replay->state, replay->owner);
        r = weir_replay_give_up(pg, replay, reterr);
        if (r != 0)
                return r < 0 ? r : changed(replay->id);
        printf("replay %" PRId64 " given up\n", replay->id);
        return CMD_DONE;
}

static int end(struct weir_pg *pg, const struct weir_replay *replay, struct weir_error *reterr)
{
        bool stopped = false;
        int r;

        if (!is(replay, "running") && !is(replay, "stopping"))
                return weir_fail(reterr, WEIR_EUSAGE, 0, "replay %lld is %s%s",
                                 (long long)replay->id, replay->state,
                                 is(replay, "stopped") ? " already; --give-up ends it for good"
                                                       : "");
        r = weir_replay_stop(pg, replay, &stopped, reterr);
        if (r != 0)
                return r < 0 ? r : changed(replay->id);
        if (stopped)
                printf("replay %" PRId64 " stopped: its process, %s, was gone\n", replay->id,
                       replay->owner);
        else
                printf("replay %" PRId64 " stops: told to process %s\n", replay->id, replay->owner);
        return CMD_DONE;
}

int replay_stop(int argc, char **argv)
{
        static const struct option options[] = { { "give-up", no_argument, NULL, OPT_GIVE_UP },
                                                 { "config", required_argument, NULL, 'c' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        WEIR_CLEANUP(weir_replay_freep) struct weir_replay *replay = NULL;
        struct replay_one one = { .help = stop_help };
        struct weir_error error = { 0 };
        bool for_good = false;
        int r = replay_one_parse(argc, argv, "c:h", options, take_give_up, &for_good, &one);

        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        r = replay_open(one.config, &conf, &pg);
        if (r != CMD_DONE)
                return r;
        r = load(pg, one.id, &replay, &error);
        if (r == 0)
                r = for_good ? give_up(pg, replay, &error) : end(pg, replay, &error);
        return r < 0 ? replay_fail(&error) : r;
}

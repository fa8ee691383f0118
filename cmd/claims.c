/* SPDX-License-Identifier: MIT */
/*
 * claims - see which events weir still knows, begin a generation, drop one
 *
 * `weir run` does both by itself (side/janitor.c); this is for looking, and for the day when the disk is full. A drop
 * without --force is judged as the janitor judges. With it, the operator says that those events do not come again: what
 * comes all the same is handled again, and nothing undoes that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "conf/value.h"
#include "side/keeping.h"

static const char name[] = "claims";

static const char help[] =
        "usage: weir claims [show] [--exact] [--json] [-c FILE]\n"
        "       weir claims switch [-c FILE]\n"
        "       weir claims drop [GENERATION] [--force] [--dry-run] [-c FILE]\n\n"
        "A claim is how weir knows that it has handled an event. Claims are kept in generations: a new one is\n"
        "begun every claims.period, and one is dropped whole when its last claim is older than\n"
        "claims.retention and than any record in the topics, and nothing that is parked or dead needs it.\n"
        "weir run does this by itself.\n\n"
        "show     every generation: its claims, from when to when, its size, what keeps it, and when it may go\n"
        "switch   begin the next one now\n"
        "drop     take out those that may go, or GENERATION if it may; a duplicate of an event whose claim was\n"
        "         dropped is handled again\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -e, --exact         show: count the claims; reads all of them (else as PostgreSQL reckons)\n"
        "  -f, --force         drop: GENERATION, whatever keeps it; Kafka is not asked\n"
        "  -n, --dry-run       drop: say which would go, and change nothing\n"
        "  -j, --json          show: as a JSON array\n"
        "  -h, --help          this text\n\n"
        "Exit status: 1 when GENERATION may not go, or a lock was not had in time: claims are made all the time,\n"
        "so both wait for a moment in which nobody claims.\n\n"
        "examples:\n"
        "  weir claims\n"
        "  weir claims drop --dry-run\n"
        "  weir claims drop 3 --force\n";

enum { ASK_TIMEOUT_MS = 3000 };
enum verb { SHOW = 1, SWITCH, DROP };

struct order {
        const char *config;
        enum verb verb;
        int64_t generation; /* 0 = those that may go */
        bool exact, force, dry_run, json;
};

struct claims { /* as they stand */
        struct weir_conf *conf;
        struct weir_pg *pg;
        struct weir_keeping keeping;
        char unasked[300]; /* Kafka was not; "" = it was */
        struct weir_claim_generation *list;
        struct weir_claim_fate *fates;
        size_t count;
};

/* ---- show ---------------------------------------------------------------------------------------- */

/* The two largest units that it has: 13d4h. */
static void write_left(char ret[32], int64_t ms)
{
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = { { "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "s", 1000 } };
        size_t i = 0;

        while (i + 1 < WEIR_COUNT_OF(units) && ms < units[i].ms)
                i++;
        if (i + 1 == WEIR_COUNT_OF(units) || ms % units[i].ms < units[i + 1].ms)
                snprintf(ret, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
        else
                snprintf(ret, 32, "%" PRId64 "%s%" PRId64 "%s", ms / units[i].ms, units[i].unit,
                         ms % units[i].ms / units[i + 1].ms, units[i + 1].unit);
}

static void write_bytes(char ret[32], int64_t bytes)
{
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
        size_t i = 0;

        for (; bytes >= 10240 && i + 1 < WEIR_COUNT_OF(units); i++)
                bytes = (bytes + 512) / 1024;
        snprintf(ret, 32, "%" PRId64 " %s", bytes, units[i]);
}

static void print_table(const struct claims *claims, bool exact)
{
        printf("%10s  %-20s  %-20s  %12s  %10s  %-8s %s\n", "GENERATION", "SINCE", "UNTIL",
               exact ? "CLAIMS" : "CLAIMS ~", "SIZE", "GOES IN", "KEPT BY");
        for (size_t i = 0; i < claims->count; i++) {
                const struct weir_claim_generation *generation = &claims->list[i];
                const struct weir_claim_fate *fate = &claims->fates[i];
                char size[32], left[32] = "-";

                write_bytes(size, generation->bytes);
                if (fate->may_go)
                        snprintf(left, sizeof left, "now");
                else if (fate->left_ms > 0)
                        write_left(left, fate->left_ms);
                printf("%10" PRId32 "  %-20s  %-20s  %12" PRId64 "  %10s  %-8s %s%s%s\n",
                       generation->number, generation->since,
                       *generation->until ? generation->until : "-", generation->rows, size, left,
                       fate->reason, *fate->text ? ": " : "", fate->text);
        }
}

static void print_json(const struct claims *claims)
{
        for (size_t i = 0; i < claims->count; i++) {
                const struct weir_claim_generation *generation = &claims->list[i];
                const struct weir_claim_fate *fate = &claims->fates[i];

                printf("%s{\"generation\":%" PRId32 ",\"since\":", i ? ",\n " : "[",
                       generation->number);
                cmd_print_json(generation->since);
                fputs(",\"until\":", stdout);
                cmd_print_json(*generation->until ? generation->until : NULL);
                printf(",\"claims\":%" PRId64 ",\"bytes\":%" PRId64 ",\"may_go\":%s,\"left_ms\":",
                       generation->rows, generation->bytes, fate->may_go ? "true" : "false");
                if (fate->left_ms >= 0)
                        printf("%" PRId64, fate->left_ms);
                else
                        fputs("null", stdout);
                fputs(",\"kept_by\":", stdout);
                cmd_print_json(*fate->reason ? fate->reason : NULL);
                fputs(",\"because\":", stdout);
                cmd_print_json(*fate->text ? fate->text : NULL);
                putchar('}');
        }
        puts("]");
}

static int show(struct claims *claims, const struct order *order)
{
        if (claims->unasked[0])
                cmd_say(CMD_DONE, name,
                        "Kafka did not say how long the topics keep their records (%s); as if for no "
                        "longer than claims.retention",
                        claims->unasked);
        if (claims->keeping.silent_count)
                cmd_say(CMD_DONE, name,
                        "%zu topic%s does not say for how long it keeps records: %s",
                        claims->keeping.silent_count,
                        claims->keeping.silent_count == 1 ? "" : "s, of which the first",
                        claims->keeping.silent);
        if (order->json)
                print_json(claims);
        else
                print_table(claims, order->exact);
        return CMD_DONE;
}

/* ---- switch and drop ------------------------------------------------------------------------------- */

static int fail(const struct weir_error *error)
{
        if (!strcmp(error->sqlstate, "55P03"))
                return cmd_say(
                        CMD_FAILED, name,
                        "some transaction that claims, or reads weir.claim, is open for longer "
                        "than %d ms: nothing was changed, try again (%s)",
                        WEIR_CLAIM_PATIENCE_MS, error->text);
        return cmd_fail(name, error);
}

static int switch_now(struct weir_pg *pg)
{
        struct weir_error error = { .code = 0 };
        int32_t generation;
        int r = weir_claim_switch(pg, WEIR_CLAIM_PATIENCE_MS, &generation, &error);

        if (r < 0)
                return fail(&error);
        printf("generation %" PRId32 " begun\n", generation);
        return CMD_DONE;
}

static int drop_one(struct claims *claims, size_t i, const struct order *order)
{
        const struct weir_claim_generation *generation = &claims->list[i];
        struct weir_claim_needed needed;
        struct weir_error error = { .code = 0 };
        char size[32];
        int r = 0;

        if (!order->dry_run)
                r = weir_claim_drop(claims->pg, generation->number, WEIR_CLAIM_PATIENCE_MS,
                                    order->force ? NULL : &needed, &error);
        if (r < 0)
                return fail(&error);
        if (r > 0)
                return cmd_say(CMD_FAILED, name, "generation %" PRId32 " stays: %s",
                               generation->number, needed.text);
        write_bytes(size, generation->bytes);
        printf("generation %" PRId32 " %s: about %" PRId64 " claims, %s, last one %s\n",
               generation->number, order->dry_run ? "would go" : "dropped", generation->rows, size,
               generation->until);
        return CMD_DONE;
}

/* Tables of what was taken out, also by others before. */
static int sweep(struct weir_pg *pg)
{
        struct weir_error error = { .code = 0 };
        int r = weir_claim_sweep(pg, &error);

        if (r == WEIR_ESQL && !strcmp(error.sqlstate, "55P03"))
                return cmd_say(
                        CMD_DONE, name,
                        "somebody reads the table, a dump perhaps: its space comes back when "
                        "weir run, or weir claims drop, finds it free");
        return r < 0 ? cmd_fail(name, &error) : CMD_DONE;
}

static int drop_named(struct claims *claims, const struct order *order)
{
        for (size_t i = 0; i < claims->count; i++) {
                const struct weir_claim_fate *fate = &claims->fates[i];
                char left[32];

                if (claims->list[i].number != order->generation)
                        continue;
                if (!strcmp(fate->reason, "newest"))
                        return cmd_say(CMD_FAILED, name,
                                       "generation %" PRId64
                                       " is the newest, claims go there: weir "
                                       "claims switch first",
                                       order->generation);
                if (fate->may_go || order->force)
                        return drop_one(claims, i, order);
                write_left(left, fate->left_ms > 0 ? fate->left_ms : 0);
                return cmd_say(CMD_FAILED, name,
                               "generation %" PRId64
                               " is kept by %s%s%s%s; --force drops it all the "
                               "same, and a duplicate of any of its events is handled again",
                               order->generation, fate->text, fate->left_ms > 0 ? ", for " : "",
                               fate->left_ms > 0 ? left : "", fate->left_ms > 0 ? " more" : "");
        }
        return cmd_say(CMD_FAILED, name, "no generation %" PRId64 "; see weir claims",
                       order->generation);
}

static int drop(struct claims *claims, const struct order *order)
{
        size_t gone = 0;
        int r = CMD_DONE;

        if (claims->unasked[0] && !order->force)
                return cmd_say(
                        CMD_FAILED, name,
                        "Kafka did not say how long the topics keep their records: %s; --force "
                        "with a GENERATION does not ask",
                        claims->unasked);
        if (order->generation)
                r = drop_named(claims, order);
        for (size_t i = 0; r == CMD_DONE && !order->generation && i < claims->count; i++) {
                if (!claims->fates[i].may_go)
                        continue;
                r = drop_one(claims, i, order);
                gone++;
        }
        if (r == CMD_DONE && !order->generation && !gone)
                puts("none may go; weir claims says what keeps them");
        return r == CMD_DONE && !order->dry_run ? sweep(claims->pg) : r;
}

/* ---- the command ----------------------------------------------------------------------------------- */

static int read_all(struct claims *claims, const struct order *order, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        int r;

        weir_keeping_by_conf(claims->conf, &claims->keeping);
        if (!order->force && claims->conf->claims_retention_ms > 0 &&
            weir_keeping_ask(claims->conf, claims->pg, NULL, ASK_TIMEOUT_MS, &claims->keeping,
                             &error) < 0)
                snprintf(claims->unasked, sizeof claims->unasked, "%.299s", error.text);
        r = weir_claims_list(claims->pg, order->exact, &claims->list, &claims->count, reterr);
        if (r < 0)
                return r;
        claims->fates = calloc(claims->count, sizeof *claims->fates);
        if (!claims->fates)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "generations of claims");
        for (size_t i = 0; r == 0 && i < claims->count; i++)
                r = weir_keeping_judge(&claims->keeping, claims->pg, &claims->list[i],
                                       &claims->fates[i], reterr);
        return r;
}

static int take_verb(int argc, char **argv, struct order *ret)
{
        static const char *const verbs[] = { "show", "switch", "drop" };
        const char *word = argc > 0 ? argv[0] : "show";

        for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++)
                if (!strcmp(word, verbs[i]))
                        ret->verb = (enum verb)(i + 1);
        if (argc == 2 && ret->verb == DROP &&
            !cmd_read_number(argv[1], 1, INT32_MAX, &ret->generation))
                return cmd_say(CMD_USAGE, name, "'%s': a generation is a number from 1", argv[1]);
        if (!ret->verb || argc > 2 || (argc == 2 && ret->verb != DROP))
                return cmd_no_verb(name, word, verbs, WEIR_COUNT_OF(verbs),
                                   "show, switch, or drop [GENERATION]");
        if (ret->verb != SHOW && (ret->exact || ret->json))
                return cmd_say(CMD_USAGE, name, "--exact and --json are for show");
        if (ret->verb != DROP && (ret->force || ret->dry_run))
                return cmd_say(CMD_USAGE, name, "--force and --dry-run are for drop");
        if (ret->force && !ret->generation)
                return cmd_say(CMD_USAGE, name, "--force wants the one GENERATION that is meant");
        return CMD_DONE;
}

static int read_order(int argc, char **argv, struct order *ret)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "exact", no_argument, NULL, 'e' },
                                                 { "force", no_argument, NULL, 'f' },
                                                 { "dry-run", no_argument, NULL, 'n' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        int c;

        while ((c = cmd_option(argc, argv, "c:efnjh", options)) != -1)
                switch (c) {
                case 'c': ret->config = optarg; break;
                case 'e': ret->exact = true; break;
                case 'f': ret->force = true; break;
                case 'n': ret->dry_run = true; break;
                case 'j': ret->json = true; break;
                case 'h': fputs(help, stdout); return -1;
                default: return cmd_usage(name);
                }
        return take_verb(argc - optind, argv + optind, ret);
}

static int carry_out(struct claims *claims, const struct order *order)
{
        struct weir_error error = { .code = 0 };
        int r;

        if (order->verb == SWITCH)
                return switch_now(claims->pg);
        r = read_all(claims, order, &error);
        if (r < 0)
                return cmd_fail(name, &error);
        return order->verb == SHOW ? show(claims, order) : drop(claims, order);
}

int cmd_claims(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_pg_conf store = { .application_name = "weir claims" };
        struct weir_error error = { .code = 0 };
        struct order order = { .config = NULL };
        struct claims claims = { .conf = NULL };
        int r = cmd_check_words(argc, argv);

        if (r == CMD_DONE)
                r = read_order(argc, argv, &order);
        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        r = cmd_load(name, order.config, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        store.url = conf->store_url;
        store.password = conf->store_password;
        if (weir_pg_open(&store, NULL, &pg, &error) < 0)
                return cmd_fail(name, &error);
        claims.conf = conf;
        claims.pg = pg;
        r = carry_out(&claims, &order);
        free(claims.list);
        free(claims.fates);
        if (r != CMD_DONE)
                return r;
        return cmd_flush(name);
}

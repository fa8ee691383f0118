/* SPDX-License-Identifier: MIT */
/*
 * relay - see what waits to leave the database, and open a destination that was closed
 *
 * A receiver that answered 410 Gone wants nothing any more; only a person can know that it does again. Opening is also
 * the way to not wait for the end of a backoff. What became a dead letter meanwhile stays one.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "store/destination.h"

static const char name[] = "relay";

static const char help[] =
        "usage: weir relay status [-c FILE] [--json]\n"
        "       weir relay open sink|topic NAME [-c FILE]\n\n"
        "status   every destination that has rows in the outbox, or a state: rows, failed ones among them,\n"
        "         age of the oldest in seconds, relays that send there, state, error\n"
        "open     send there again now: a sink that answered 410 Gone, or one that waits, its rows too;\n"
        "         where the sink has an origin, consent is asked for first\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -j, --json          status: as a JSON array\n"
        "  -h, --help          this text\n\n"
        "examples:\n"
        "  weir relay status\n"
        "  weir relay open sink billing\n";

static const char *const keys[] = { "kind",   "name",  "rows",     "failed",      "oldest_s",
                                    "relays", "state", "failures", "wait_left_s", "error" };

static bool is_number(size_t column)
{
        return (column >= 2 && column <= 5) || column == 7 || column == 8;
}

static const char *kind_of(struct weir_view kind)
{
        return kind.ptr[0] == WEIR_OUTBOX_TOPIC ? "topic" : "sink";
}

static void print_json_text(const char *text)
{
        putchar('"');
        for (const char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
                        printf("\\u%04x", (unsigned char)*p);
                else
                        putchar(*p);
        putchar('"');
}

static void print_json(const struct weir_pg_rows *rows)
{
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        struct weir_view text = weir_pg_rows_text(rows, row, i);

                        printf("%s\"%s\":", i ? "," : "", keys[i]);
                        if (!text.ptr)
                                fputs("null", stdout);
                        else if (is_number(i))
                                fputs(text.ptr, stdout);
                        else
                                print_json_text(i == 0 ? kind_of(text) : text.ptr);
                }
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

static void print_table(const struct weir_pg_rows *rows)
{
        printf("%-5s %-32s %10s %8s %8s %6s  %-8s %s\n", "KIND", "NAME", "ROWS", "FAILED", "OLDEST",
               "RELAYS", "STATE", "ERROR");
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                const char *text[WEIR_COUNT_OF(keys)];

                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        struct weir_view view = weir_pg_rows_text(rows, row, i);

                        text[i] = view.ptr ? view.ptr : "";
                }
                printf("%-5s %-32s %10s %8s %7ss %6s  %-8s %s\n",
                       kind_of(weir_pg_rows_text(rows, row, 0)), text[1], text[2], text[3], text[4],
                       text[5], text[6], text[9]);
        }
}

static int show(struct weir_pg *pg, bool json, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_destination_overview(pg, &rows, reterr);

        if (r < 0)
                return r;
        if (json)
                print_json(rows);
        else
                print_table(rows);
        return 0;
}

static int open_it(struct weir_pg *pg, const struct weir_conf *conf, const char *kind,
                   const char *what, struct weir_error *reterr)
{
        int r = weir_destination_open(pg, kind[0], what, reterr);

        if (r < 0)
                return r;
        if (r > 0 && kind[0] == WEIR_OUTBOX_SINK && !weir_conf_sink_find(conf, what))
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "%s has no sink %s, and nothing is known of one; see weir relay "
                                 "status",
                                 conf->path, what);
        printf("%s %s: %s\n", kind[0] == WEIR_OUTBOX_TOPIC ? "topic" : "sink", what,
               r ? "was open" : "open");
        return 0;
}

static int no_verb(const char *word)
{
        static const char *const verbs[] = { "status", "open" };

        return cmd_no_verb(name, word, verbs, WEIR_COUNT_OF(verbs),
                           "status, or open sink NAME, or open topic NAME");
}

int cmd_relay(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_pg_conf store = { .application_name = "weir relay command" };
        struct weir_error error = { 0 };
        const char *path = NULL;
        bool json = false, opens;
        int c, r = cmd_check_words(argc, argv);

        if (r != CMD_DONE)
                return r;
        while ((c = cmd_option(argc, argv, "c:jh", options)) != -1)
                switch (c) {
                case 'c': path = optarg; break;
                case 'j': json = true; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage(name);
                }
        argc -= optind;
        argv += optind;
        opens = argc == 3 && strcmp(argv[0], "open") == 0 &&
                (strcmp(argv[1], "sink") == 0 || strcmp(argv[1], "topic") == 0);
        if (!opens && !(argc == 1 && strcmp(argv[0], "status") == 0))
                return no_verb(argc > 0 ? argv[0] : NULL);
        r = cmd_load(name, path, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        store.url = conf->store_url;
        store.password = conf->store_password;
        r = weir_pg_open(&store, NULL, &pg, &error);
        if (r == 0)
                r = opens ? open_it(pg, conf, argv[1], argv[2], &error) : show(pg, json, &error);
        if (r < 0 && strcmp(error.sqlstate, "42P01") == 0)
                weir_error_prefix(&error,
                                  "the tables of weir are not there, run `weir migrate up`: ");
        if (r < 0)
                return cmd_fail(name, &error);
        return cmd_flush(name);
}

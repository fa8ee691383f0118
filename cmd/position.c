/* SPDX-License-Identifier: MIT */
/*
 * position - see where every partition stands, and move one when its log was lost
 *
 * weir never skips by itself: a partition whose records are gone stops and names this command. The
 * move is an operator's decision that nobody can take back, so it wants a reason, and the reason
 * stays in weir.position_change beside the two offsets.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "store/position.h"

static const char name[] = "position";

static const char help[] =
        "usage: weir position show [-c FILE] [--json]\n"
        "       weir position set WORKER TOPIC/PARTITION OFFSET --reason TEXT [-c FILE]\n\n"
        "show   every partition: next offset, epoch, owner, last movement\n"
        "set    let the worker go on at OFFSET. A running worker lets go of the partition and "
        "takes\n"
        "       it anew. Forward skips records for good; backward reads them again, and events "
        "whose\n"
        "       claims are still kept are not handled twice.\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -r, --reason TEXT   set: why; stays in weir.position_change\n"
        "  -j, --json          show: as a JSON array\n"
        "  -h, --help          this text\n\n"
        "examples:\n"
        "  weir position show\n"
        "  weir position set audit orders/3 81200 --reason 'retention passed us, lost range "
        "accepted'\n";

struct order {
        const char *config, *reason, *worker;
        char topic[250]; /* Kafka allows 249 */
        int32_t partition;
        int64_t offset;
        bool json;
};

static void print_json(const struct weir_pg_rows *rows)
{
        static const char *const keys[] = { "worker", "topic", "partition", "next_offset",
                                            "epoch",  "owner", "since",     "updated_at" };
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        struct weir_view text = weir_pg_rows_text(rows, row, i);

                        printf("%s\"%s\":", i ? "," : "", keys[i]);
                        if (i >= 2 && i <= 4 && text.ptr)
                                fputs(text.ptr, stdout);
                        else
                                cmd_print_json(text.ptr);
                }
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

static void print_table(const struct weir_pg_rows *rows)
{
        printf("%-16s %-32s %12s %6s  %-24s %s\n", "WORKER", "TOPIC/PARTITION", "NEXT", "EPOCH",
               "OWNER", "UPDATED");
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                char where[272];
                struct weir_view next = weir_pg_rows_text(rows, row, 3);

                snprintf(where, sizeof where, "%s/%s", weir_pg_rows_text(rows, row, 1).ptr,
                         weir_pg_rows_text(rows, row, 2).ptr);
                printf("%-16s %-32s %12s %6s  %-24s %s\n", weir_pg_rows_text(rows, row, 0).ptr,
                       where, next.ptr ? next.ptr : "-", weir_pg_rows_text(rows, row, 4).ptr,
                       weir_pg_rows_text(rows, row, 5).ptr, weir_pg_rows_text(rows, row, 7).ptr);
        }
}

static int show(struct weir_pg *pg, bool json, struct weir_error *reterr)
{
#define AS_TEXT(column)                                                                            \
        "pg_catalog.to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        static const char sql[] =
                "SELECT worker, topic, partition, next_offset, epoch, owner, " AS_TEXT("since") ", " AS_TEXT(
                        "updated_at") " FROM weir.position ORDER BY worker, topic, partition";
#undef AS_TEXT
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        if (r < 0)
                return r;
        if (json)
                print_json(rows);
        else
                print_table(rows);
        return 0;
}

static int set(struct weir_pg *pg, const struct order *order, struct weir_error *reterr)
{
        int64_t before = -1;
        int r = weir_position_set(pg, order->worker, order->topic, order->partition, order->offset,
                                  order->reason, &before, reterr);

        if (r < 0)
                return r;
        printf("%s %s/%d: next offset %" PRId64 ", was ", order->worker, order->topic,
               order->partition, order->offset);
        if (before < 0)
                puts("not set");
        else
                printf("%" PRId64 "\n", before);
        return 0;
}

/* "topic/partition" and the offset. The last slash counts, although Kafka allows none in a topic. */
static int read_place(const char *place, const char *offset, struct order *ret)
{
        const char *slash = strrchr(place, '/');
        int64_t number;

        if (!slash || slash == place || (size_t)(slash - place) >= sizeof ret->topic)
                return cmd_say(CMD_USAGE, name, "'%s': write it as TOPIC/PARTITION", place);
        memcpy(ret->topic, place, (size_t)(slash - place));
        ret->topic[slash - place] = '\0';
        if (!cmd_read_number(slash + 1, 0, INT32_MAX, &number))
                return cmd_say(CMD_USAGE, name, "'%s': the partition is a number from 0", place);
        ret->partition = (int32_t)number;
        if (!cmd_read_number(offset, 0, INT64_MAX - 1, &ret->offset))
                return cmd_say(CMD_USAGE, name, "'%s': the offset is a number from 0", offset);
        return CMD_DONE;
}

static int read_order(int argc, char **argv, struct order *ret, bool *ret_help)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "reason", required_argument, NULL, 'r' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        int c;

        while ((c = cmd_option(argc, argv, "c:r:jh", options)) != -1)
                switch (c) {
                case 'c': ret->config = optarg; break;
                case 'r': ret->reason = optarg; break;
                case 'j': ret->json = true; break;
                case 'h':
                        fputs(help, stdout);
                        *ret_help = true;
                        return CMD_DONE;
                default: return cmd_usage(name);
                }
        argc -= optind;
        argv += optind;
        if (argc == 1 && strcmp(argv[0], "show") == 0)
                return CMD_DONE;
        if (argc != 4 || strcmp(argv[0], "set") != 0) {
                static const char *const verbs[] = { "show", "set" };

                return cmd_no_verb(name, argc > 0 ? argv[0] : NULL, verbs, WEIR_COUNT_OF(verbs),
                                   "show, or set WORKER TOPIC/PARTITION OFFSET");
        }
        if (!ret->reason || !ret->reason[strspn(ret->reason, " \t\n")])
                return cmd_say(CMD_USAGE, name,
                               "set needs --reason: it is what the next person reads");
        ret->worker = argv[1];
        return read_place(argv[2], argv[3], ret);
}

int cmd_position(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct order order = { .config = NULL };
        struct weir_pg_conf store = { .application_name = "weir position" };
        struct weir_error error = { 0 };
        bool helped = false;
        int r = cmd_check_words(argc, argv);

        if (r == CMD_DONE)
                r = read_order(argc, argv, &order, &helped);
        if (r != CMD_DONE || helped)
                return r;
        r = cmd_load(name, order.config, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        store.url = conf->store_url;
        store.password = conf->store_password;
        r = weir_pg_open(&store, NULL, &pg, &error);
        if (r == 0)
                r = order.worker ? set(pg, &order, &error) : show(pg, order.json, &error);
        if (r < 0 && strcmp(error.sqlstate, "42P01") == 0)
                weir_error_prefix(&error,
                                  "the tables of weir are not there, run `weir migrate up`: ");
        if (r < 0)
                return cmd_fail(name, &error);
        return CMD_DONE;
}

/* SPDX-License-Identifier: MIT */
/*
 * position - see where every partition stands, move one, move all of them in from another consumer or out to one
 *
 * weir never skips by itself: a partition whose records are gone stops and names this command. A
 * move is an operator's decision that nobody can take back, so it wants a reason, and the reason
 * stays beside the two offsets: in weir.position_change, or with the committed offset in Kafka.
 *
 * Where one word moves many partitions (import, export) nothing is written without --yes: what would be is shown first.
 */
#include "position.h"

#include <string.h>

#include "base/failpoint.h"
#include "cmd.h"

static const char name[] = "position";

static int run(struct weir_pg *pg, const struct weir_conf *conf, const struct position_order *order,
               struct weir_error *reterr)
{
        switch (order->verb) {
        case POSITION_LOG: return position_log(pg, order, reterr);
        case POSITION_SET: return position_set(pg, conf, order, reterr);
        case POSITION_IMPORT: return position_import(pg, conf, order, reterr);
        case POSITION_EXPORT: return position_export(pg, conf, order, reterr);
        case POSITION_SHOW:
        default: return position_show(pg, conf, order, reterr);
        }
}

int cmd_position(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_pg_conf store = { .application_name = "weir position" };
        struct weir_error error = { 0 };
        const char *trouble;
        struct position_order order;
        int r = cmd_check_words(argc, argv);

        if (r == CMD_DONE)
                r = position_parse(argc, argv, &order);
        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        r = cmd_load(name, order.config, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        trouble = weir_failpoint_setup();
        if (trouble)
                return cmd_say(CMD_USAGE, name, "%s", trouble);
        store.url = conf->store_url;
        store.password = conf->store_password;
        r = weir_pg_open(&store, NULL, &pg, &error);
        if (r == 0)
                r = run(pg, conf, &order, &error);
        if (r < 0 && (strcmp(error.sqlstate, "42P01") == 0 || strcmp(error.sqlstate, "42703") == 0))
                weir_error_prefix(&error,
                                  "the tables of weir are not there, run `weir migrate up`: ");
        return r < 0 ? cmd_fail(name, &error) : r;
}

/* SPDX-License-Identifier: MIT */
/*
 * dlq_wait - who will run what was marked, and what became of it
 *
 * A mark is a wish: the lane that holds the partition runs the event. Where nobody holds it, it waits, and a person
 * should know that before he looks for the reason elsewhere. "Holds" is what the database sees: a session of the
 * process that weir.position names. It is a hint, never a condition.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd.h"
#include "store/deadletter_mark.h"

#define LONELY_SHOWN 5
#define LOOK_EVERY_US 200000
#define STILL_US 15000000 /* nothing has moved for so long: say so */

static const char name[] = "dlq";

int dlq_warn_lonely(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                    struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_deadletter_lonely(pg, filter, LONELY_SHOWN + 1, &rows, reterr);

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                if (i == LONELY_SHOWN) {
                        cmd_say(0, name, "... and others: weir position show");
                        break;
                }
                cmd_say(0, name,
                        "no live worker %s holds %s/%s: %s dead letters wait until one does (weir "
                        "run), or send them with --to",
                        weir_pg_rows_text(rows, i, 0).ptr, weir_pg_rows_text(rows, i, 1).ptr,
                        weir_pg_rows_text(rows, i, 2).ptr, weir_pg_rows_text(rows, i, 3).ptr);
        }
        return r;
}

/* Those of @by that still wait. */
static int warn_still(struct weir_pg *pg, int64_t first_id, int64_t last_id, int64_t left,
                      struct weir_error *reterr)
{
        struct weir_deadletter_filter filter;

        weir_deadletter_filter_init(&filter);
        filter.state = "requeue";
        filter.above_id = first_id - 1;
        filter.upto_id = last_id;
        cmd_say(0, name,
                "%" PRId64 " still wait, none was run for %d s: a partition that nobody holds or "
                "that halted (weir position show), or a delay between attempts",
                left, STILL_US / 1000000);
        return dlq_warn_lonely(pg, &filter, reterr);
}

static int report(struct weir_pg *pg, const char *by, int64_t first_id, int64_t last_id,
                  int64_t marked, bool json, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_deadletter_outcome(pg, by, first_id, last_id, &rows, reterr);
        int64_t others = marked;
        int code = CMD_DONE;

        if (r < 0)
                return r;
        fputs(json ? "{" : "", stdout);
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++) {
                const char *state = weir_pg_rows_text(rows, i, 0).ptr;
                int64_t count = weir_pg_rows_int(rows, i, 1, 0);

                if (strcmp(state, "applied") != 0 && strcmp(state, "duplicate") != 0)
                        code = CMD_FAILED;
                others -= count;
                printf(json ? "%s\"%s\":%" PRId64 : "%s%s %" PRId64, i ? ", " : "", state, count);
        }
        if (others > 0) /* marked, run, and marked by somebody else since */
                printf(json ? "%s\"others\":%" PRId64 : "%sno longer ours %" PRId64,
                       weir_pg_rows_count(rows) ? ", " : "", others);
        puts(json ? "}" : "");
        return code;
}

int dlq_wait_outcome(struct weir_pg *pg, const char *by, int64_t first_id, int64_t last_id,
                     int64_t marked, bool json, struct weir_error *reterr)
{
        int64_t left = marked, moved_us = weir_clock_us();
        struct dlq_pace pace;
        bool told = false;
        int r = 0, code;

        dlq_pace_begin(&pace, "settled", marked, 0);
        while (r == 0 && !dlq_interrupted()) {
                int64_t now = left;

                r = weir_deadletter_waiting(pg, by, &now, reterr);
                if (r < 0 || now == 0)
                        break;
                if (now != left) {
                        moved_us = weir_clock_us();
                        told = false;
                }
                dlq_pace_step(&pace, left - now);
                left = now;
                if (!told && weir_clock_us() - moved_us > STILL_US) {
                        dlq_pace_end(&pace);
                        told = true;
                        r = warn_still(pg, first_id, last_id, left, reterr);
                }
                if (r == 0)
                        dlq_rest(LOOK_EVERY_US);
        }
        dlq_pace_end(&pace);
        code = r < 0 ? r : report(pg, by, first_id, last_id, marked, json, reterr);
        if (code >= 0 && dlq_interrupted())
                return cmd_say(CMD_FAILED, name,
                               "interrupted; what is marked will be run all the same");
        return code;
}

/* SPDX-License-Identifier: MIT */
/*
 * hold - PostgreSQL may be away for as long as it likes
 *
 * A lane keeps its connection from one transaction of a batch to the next, since the pool is asked for each one
 * otherwise, and never while it waits: what waits with a connection in hand takes it from a lane that could work, and
 * with as many waiting lanes as places (L1) nothing moves at all. So every wait goes through rest(), which
 * lets go first.
 *
 * The race      1. COMMIT is sent  2. the connection breaks  3. look() reads the row while the server still commits:
 *               it would see the old offset, and the batch would be run twice. weir_position_look() locks the row,
 *               so it waits for that transaction to end first.
 * Not chosen    giving up after so many tries: nobody is helped by a lane that ends, the next one finds the same server.
 */
#include "flow/hold.h"

#include "base/board.h"
#include "base/clock.h"

#define WAIT_FIRST_MS 50
#define WAIT_MAX_MS 1000
#define LOG_EVERY 30 /* repeats of one wait, in tries */

void weir_hold_release(struct weir_hold *hold)
{
        if (hold->pg)
                weir_pool_release(hold->env->pool, WEIR_TAKE(hold->pg));
}

bool weir_hold_rest(struct weir_hold *hold, int64_t ms)
{
        bool woken;

        weir_hold_release(hold); /* nobody waits with a connection in hand */
        if (hold->credit)
                weir_credit_rest(hold->credit, true);
        woken = weir_latch_wait(hold->waker, ms);
        if (hold->credit)
                weir_credit_rest(hold->credit, false);
        return !woken && !hold->stopping(hold->context);
}

int weir_hold_connect(struct weir_hold *hold, struct weir_error *reterr)
{
        if (hold->pg && weir_pg_broken(hold->pg))
                weir_hold_release(hold);
        return hold->pg ? 0 : weir_pool_acquire(hold->env->pool, hold->abort, &hold->pg, reterr);
}

bool weir_hold_wait(struct weir_hold *hold, const struct weir_position *position,
                    const struct weir_error *error)
{
        uint32_t attempt = ++hold->waits;

        if (attempt == 1 || attempt % LOG_EVERY == 0)
                weir_log(WEIR_LOG_WARN, "lane.waits", WEIR_HOLD_FIELDS(hold),
                         LOG_I("offset", position->next_offset),
                         LOG_S("for", error->code == WEIR_ENOMEM ? "memory" : "database"),
                         LOG_S("sqlstate", error->sqlstate), LOG_S("error", error->text),
                         LOG_I("attempt", attempt), LOG_S("action", "retry"));
        weir_board_do(WEIR_BOARD_WAITS);
        return weir_hold_rest(hold, weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, attempt));
}

void weir_hold_resume(struct weir_hold *hold, const struct weir_position *position)
{
        if (hold->waits)
                weir_log(WEIR_LOG_INFO, "lane.resumed", WEIR_HOLD_FIELDS(hold),
                         LOG_I("offset", position->next_offset), LOG_I("attempts", hold->waits));
        hold->waits = 0;
}

enum weir_look weir_hold_look(struct weir_hold *hold, const struct weir_position *position,
                              int64_t next_offset)
{
        struct weir_position now;
        struct weir_error error;

        for (;;) {
                int r = weir_hold_connect(hold, &error);

                if (r == 0)
                        r = weir_position_look(hold->pg, position->id, &now, &error);
                if (r >= 0) {
                        enum weir_look result = WEIR_LOOK_FENCED;

                        if (r == 0 && now.epoch == position->epoch)
                                result = now.next_offset == next_offset ? WEIR_LOOK_COMMITTED
                                         : now.next_offset == position->next_offset
                                                 ? WEIR_LOOK_NOT
                                                 : WEIR_LOOK_FENCED;
                        weir_log(WEIR_LOG_WARN, "commit.looked", WEIR_HOLD_FIELDS(hold),
                                 LOG_I("expected", next_offset),
                                 LOG_I("found", r > 0 ? -1 : now.next_offset),
                                 LOG_S("outcome", result == WEIR_LOOK_COMMITTED ? "committed"
                                                  : result == WEIR_LOOK_NOT     ? "rolled back"
                                                                                : "fenced"));
                        return result;
                }
                if (!weir_hold_wait(hold, position, &error))
                        return WEIR_LOOK_STOPPED;
        }
}

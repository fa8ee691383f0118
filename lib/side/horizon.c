/* SPDX-License-Identifier: MIT */
/*
 * horizon - ids are drawn in one order and become visible in another
 *
 * The race      1. lane A draws ids 1 to 9  2. lane B draws 10 to 19 and commits  3. the relay reads 10 to 19
 *               4. A commits, draws 20 and commits. A relay that went on behind 19 would send 20, and 1 never, though
 *               both may be of one key.
 * So a reading leaves a mark: the highest id that was visible, and a number of transaction drawn then. Whoever drew a
 * lower id had drawn a lower number before, because it had written: a lane its position, an operator's command the
 * letters it sends round, the relay the row that it removes. A later reading whose snapshot says that all lower
 * numbers have ended has seen their rows, so the next may begin behind the mark.
 *
 * Known weak    whoever inserts into weir.outbox as the first thing that it writes has a moment between its id and its
 *               number. weir itself does not.
 *               a transaction that stays open, anywhere on the server, holds the mark: readings then begin where
 *               nothing of the stream is under way, as before.
 * Not chosen    txid_snapshot_xmax() instead of a drawn number: it is behind the last transaction that has ended, and
 *               one that began later and still runs is beyond it.
 */
#include "side/horizon.h"

struct weir_outbox_sight weir_horizon_ask(const struct weir_horizon *horizon)
{
        return (struct weir_outbox_sight){ .draw = horizon->mark_drawn == 0 };
}

void weir_horizon_see(struct weir_horizon *horizon, const struct weir_outbox_sight *sight,
                      int64_t highest_id)
{
        if (horizon->read_id < highest_id)
                horizon->read_id = highest_id;
        if (horizon->mark_drawn && sight->oldest >= horizon->mark_drawn) {
                if (horizon->sure_id < horizon->mark_id)
                        horizon->sure_id = horizon->mark_id;
                horizon->mark_drawn = 0;
        }
        if (sight->drawn) {
                horizon->mark_id = horizon->read_id;
                horizon->mark_drawn = sight->drawn;
        }
}

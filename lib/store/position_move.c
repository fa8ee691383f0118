/* SPDX-License-Identifier: MIT */
/*
 * position_move - an operator's word: several positions, one transaction, one reason
 *
 * A move that was half done is worse than none: of two partitions of a topic one would be read from the old place and one
 * from the new, and nobody could tell afterwards which. So all rows change in one transaction, or none.
 *
 * Always true   PM1 a move leaves a row in weir.position_change, in its transaction; what was left where it is leaves none.
 *               PM2 a move bumps the epoch under the row's lock: whatever a lane has begun with the older one is committed
 *                   before it, and counts, or is rolled back.
 * Locks         taken in the order of topic and partition by every mover, so two operators cannot wait for each other. A lane
 *               locks its row before it locks anything else (the fence comes first), so none that waits for us holds what
 *               we wait for. One that holds its row for long, in a slow handler, is waited for, never ended: a move is
 *               no emergency, and who ordered it can be told who stands in the way.
 * Identity      the record by which the log is recognised goes: it is not the one before the new offset.
 * Not chosen    a compare with the position that the operator saw: below a live worker it has moved on each time. The row's
 *               lock says what it was, and that is what is reported and recorded.
 */
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/position.h"

#define WAIT "5s"
#define BY_NAME "worker = $1 AND topic = $2 AND partition = $3"

static int by_place(const void *a, const void *b)
{
        const struct weir_position_move *one = a, *other = b;
        int topics = strcmp(one->topic, other->topic);

        return topics ? topics
                      : (one->partition > other->partition) - (one->partition < other->partition);
}

static int find_row(struct weir_pg *pg, const struct weir_value *names, bool make, int32_t *ret_id,
                    int64_t *ret_before, struct weir_error *reterr)
{
        static const char lock[] = "SELECT id, next_offset FROM weir.position WHERE " BY_NAME
                                   " FOR UPDATE";
        static const char add[] =
                "INSERT INTO weir.position (worker, topic, partition, epoch, owner)"
                " VALUES ($1, $2, $3, 0, '') ON CONFLICT DO NOTHING";

        for (int attempt = 0;; attempt++) {
                WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
                int r = weir_pg_query(pg, lock, names, 3, &rows, reterr);

                if (r < 0)
                        return r;
                if (weir_pg_rows_count(rows) == 1) {
                        *ret_id = (int32_t)weir_pg_rows_int(rows, 0, 0, 0);
                        *ret_before = weir_pg_rows_int(rows, 0, 1, -1);
                        return 0;
                }
                if (!make || attempt)
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "no position of worker %s for %s/%d: it is made when "
                                         "the worker is first given the partition; `weir position "
                                         "show` lists them",
                                         (const char *)names[0].u.ptr, (const char *)names[1].u.ptr,
                                         (int)names[2].u.i64);
                r = weir_pg_query(pg, add, names, 3, NULL, reterr);
                if (r < 0)
                        return r;
        }
}

static int move_row(struct weir_pg *pg, const char *worker, struct weir_position_move *move,
                    int how, const char *reason, struct weir_error *reterr)
{
        static const char write[] =
                "UPDATE weir.position SET epoch = epoch + 1, next_offset = $2, last_offset = NULL,"
                " last_time_ms = NULL, last_fingerprint = NULL, updated_at = now() WHERE id = $1";
        /* A person has looked: what is tried from here has all of its attempts. */
        static const char clear[] = "DELETE FROM weir.attempt WHERE position = $1";
        /* … what is parked too, or one of which processes died would never be called again, mended or not. */
        static const char absolve[] = "UPDATE weir.parked SET deaths = 0, death = NULL"
                                      " WHERE position = $1 AND deaths > 0";
        static const char note[] =
                "INSERT INTO weir.position_change (position, epoch, before, after, reason, by)"
                " SELECT id, epoch, $2, next_offset, $3, session_user FROM weir.position"
                " WHERE id = $1";
        const struct weir_value names[] = { weir_text_z(worker), weir_text_z(move->topic),
                                            weir_int4(move->partition) };
        struct weir_value params[3];
        int32_t id = 0;
        int r;

        r = find_row(pg, names, how & WEIR_MOVE_MAKE, &id, &move->before, reterr);
        move->moved = r == 0 && !(how & WEIR_MOVE_KEEP && move->before == move->next_offset);
        if (!move->moved)
                return r;
        params[0] = weir_int4(id);
        params[1] = weir_int8(move->next_offset);
        r = weir_pg_query(pg, write, params, 2, NULL, reterr);
        if (r == 0)
                r = weir_pg_query(pg, clear, params, 1, NULL, reterr);
        if (r == 0)
                r = weir_pg_query(pg, absolve, params, 1, NULL, reterr);
        if (r < 0)
                return r;
        params[1] = move->before < 0 ? weir_null() : weir_int8(move->before);
        params[2] = weir_text_z(reason);
        return weir_pg_query(pg, note, params, 3, NULL, reterr);
}

int weir_position_move_rows(struct weir_pg *pg, const char *worker,
                            struct weir_position_move *moves, size_t count, int how,
                            const char *reason, struct weir_error *reterr)
{
        int r = weir_pg_run(pg, "SET LOCAL lock_timeout = '" WAIT "'", reterr);

        qsort(moves, count, sizeof *moves, by_place);
        for (size_t i = 0; r == 0 && i < count; i++) {
                r = move_row(pg, worker, &moves[i], how, reason, reterr);
                if (r < 0 && !strcmp(reterr->sqlstate, "55P03"))
                        weir_error_prefix(
                                reterr,
                                "a transaction of worker %s has held the position of "
                                "%s/%d for " WAIT ", so nothing was moved; `weir "
                                "position show` names its process, try again or stop it: ",
                                worker, moves[i].topic, (int)moves[i].partition);
        }
        return r;
}

int weir_position_move(struct weir_pg *pg, const char *worker, struct weir_position_move *moves,
                       size_t count, int how, const char *reason, struct weir_error *reterr)
{
        int r;

        for (size_t i = 0; i < count; i++)
                if (moves[i].next_offset < 0)
                        return weir_fail(reterr, WEIR_EUSAGE, 0, "%s/%d: offset %lld is negative",
                                         moves[i].topic, (int)moves[i].partition,
                                         (long long)moves[i].next_offset);
        if (!reason || !*reason)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "worker %s: moving a position needs a reason", worker);
        r = weir_pg_begin(pg, reterr);
        if (r < 0)
                return r;
        r = weir_position_move_rows(pg, worker, moves, count, how, reason, reterr);
        if (r < 0) {
                weir_pg_rollback(pg);
                return r;
        }
        WEIR_FAILPOINT("position.moved");
        r = weir_pg_commit(pg, reterr);
        if (r == WEIR_ECOMMIT)
                weir_error_prefix(reterr,
                                  "all or none was moved, `weir position log %s` says "
                                  "which: ",
                                  worker);
        return r;
}

int weir_position_set(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                      int64_t next_offset, const char *reason, int64_t *ret_before,
                      struct weir_error *reterr)
{
        struct weir_position_move move = { .topic = topic,
                                           .partition = partition,
                                           .next_offset = next_offset };
        int r = weir_position_move(pg, worker, &move, 1, 0, reason, reterr);

        if (r == 0)
                *ret_before = move.before;
        return r;
}

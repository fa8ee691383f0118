/* SPDX-License-Identifier: MIT */
/*
 * claims - which generations there are, and which of them something still needs
 *
 * A claim is needed for as long as its event can come again. Out of a log: for as long as the log has records, which is
 * the caller's to know (side/keeping.h). Out of weir's own tables: for as long as an event lies there that is not
 * decided. An event has no claim of its own while it is parked or dead; what decides, when it is run, is whether a
 * duplicate of it was claimed meanwhile. So the row needs exactly the generation in which the claim of its name is, and
 * that is found by looking: the name is in the row, the key is made of it, the index of the generation is asked.
 *
 * Always true   CL3. It needs no lock against what is written meanwhile: a generation that is closed gets no claims any
 *                   more, and an event that comes to be parked or dead now was fresh now, so it has no claim there.
 * The race      1. letter 17 is kept, its duplicate is applied into generation 3  2. generation 3 is old enough  3. 17
 *               is run again: with generation 3 it is a duplicate, without it is handled twice.
 * Replays       read a range of the log again, of any age: until one is through, or given up, everything is needed. A
 *               replay that failed by itself keeps nothing: whether it may be gone on with is judged then (store/replay).
 * Without names a record that was no event has none (class decode, a whole batch). Marked to be run again it may be any
 *               event: then everything is needed, for the second until it was run. Merely kept it needs nothing: it
 *               never was an event, and may lie there for years.
 * Not chosen    keeping every generation that is younger than the oldest letter: one letter that nobody looks at would
 *               keep all claims for ever, and slow every event down.
 */
#include "store/claims.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/wire.h"

enum { TRY_FIRST_MS = 20, PAUSE = 4 }; /* a pause is so many times the try before it */

#define TIME(column)                                                                               \
        "pg_catalog.to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define AGE_MS(column)                                                                             \
        "(extract(epoch FROM pg_catalog.clock_timestamp() - " column ") * 1000)::int8"

static int count_rows(struct weir_pg *pg, struct weir_claim_generation *generation,
                      struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char sql[80];
        int r;

        snprintf(sql, sizeof sql, "SELECT count(*) FROM weir.claim_%" PRId32, generation->number);
        r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);
        if (r == 0)
                generation->rows = weir_pg_rows_int(rows, 0, 0, 0);
        return r;
}

static void copy_time(char ret[24], struct weir_view text)
{
        snprintf(ret, 24, "%.*s", (int)text.size, text.ptr ? text.ptr : "");
}

int weir_claims_list(struct weir_pg *pg, bool exact, struct weir_claim_generation **ret,
                     size_t *ret_count, struct weir_error *reterr)
{
        /* Rows as the planner reckons them; where nobody has looked yet, 136 claims fill a page. */
        static const char sql[] =
                "SELECT g.generation, " AGE_MS("g.since") ", " AGE_MS("g.until") ", " TIME("g.since") ", " TIME(
                        "g.until") ", (CASE WHEN c.reltuples >= 0 AND"
                                   " c.relpages > 0 THEN c.reltuples / c.relpages ELSE 136 END"
                                   " * (pg_catalog.pg_relation_size(c.oid)"
                                   " / pg_catalog.current_setting('block_size')::int8))::int8,"
                                   " pg_catalog.pg_total_relation_size(c.oid) FROM (SELECT generation, since,"
                                   " pg_catalog.lead(since) OVER (ORDER BY generation) AS until"
                                   " FROM weir.claim_generation) g JOIN pg_catalog.pg_class c ON c.oid ="
                                   " pg_catalog.to_regclass('weir.claim_' || g.generation) ORDER BY g.generation";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        WEIR_FREE struct weir_claim_generation *list = NULL;
        size_t count;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        if (r < 0)
                return r;
        count = weir_pg_rows_count(rows);
        if (count == 0)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "weir.claim_generation is empty: run `weir migrate up`");
        list = calloc(count, sizeof *list);
        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "generations of claims");
        for (size_t i = 0; r == 0 && i < count; i++) {
                list[i].number = (int32_t)weir_pg_rows_int(rows, i, 0, 0);
                list[i].age_ms = weir_pg_rows_int(rows, i, 1, 0);
                list[i].closed_ms = weir_pg_rows_int(rows, i, 2, -1);
                copy_time(list[i].since, weir_pg_rows_text(rows, i, 3));
                copy_time(list[i].until, weir_pg_rows_text(rows, i, 4));
                list[i].rows = weir_pg_rows_int(rows, i, 5, 0);
                list[i].bytes = weir_pg_rows_int(rows, i, 6, 0);
                if (exact)
                        r = count_rows(pg, &list[i], reterr);
        }
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(list);
        *ret_count = count;
        return 0;
}

/* ---- what is needed ------------------------------------------------------------------------------ */

/* A word that was kept whole; what is longer was cut (WEIR_ROW_TEXT_MAX), and makes another key. */
#define WHOLE(column) "coalesce(pg_catalog.octet_length(" column ") <= 4092, false)"
#define NAMED(row) "(" WHOLE(row ".source") " AND " WHOLE(row ".event_id") ")"
/* '#' stands for the number of the generation. */
#define CLAIMED(worker, row)                                                                       \
        "EXISTS (SELECT FROM weir.claim_# c WHERE c.key = weir.claim_key(" worker ", " row         \
        ".source, " row ".event_id) OFFSET 0)"
#define LETTER                                                                                     \
        "SELECT d.id, d.worker FROM weir.dead_letter d WHERE d.class <> 'deliver'"                 \
        " AND " NAMED("d") " AND " CLAIMED("d.worker || coalesce('@' || d.epoch, '')", "d")
/* Of the live workers: claims of a replay are kept for all of it. */
#define PARKED                                                                                     \
        "SELECT p.id, o.worker FROM weir.parked p JOIN weir.position o ON o.id = p.position"       \
        " WHERE NOT EXISTS (SELECT FROM weir.replay_range g WHERE g.position = o.id) AND "

struct need {
        const char *reason, *what;
        const char *sql; /* at most a row: id, worker */
        bool sent;       /* has $1, milliseconds */
        const char *why;
};

static const struct need needs[] = {
        { "dead_letter", "dead letter", LETTER " AND d.state = 'kept' LIMIT 1", false,
          "a duplicate of its event was handled, which a claim in here alone knows: weir dlq requeue, "
          "or weir dlq drop" },
        { "dead_letter", "dead letter", LETTER " AND d.state = 'requeue' LIMIT 1", false,
          "it is marked to be run again, and a duplicate of its event was handled: waits for that "
          "run" },
        { "dead_letter", "dead letter",
          LETTER " AND d.state = 'sent' AND d.marked_at > pg_catalog.now()"
                 " - pg_catalog.make_interval(secs => $1::int8 / 1000.0) LIMIT 1",
          true,
          "it was sent to a topic, and a duplicate of its event was handled: waits until that is "
          "claims.retention ago" },
        { "dead_letter", "dead letter",
          "SELECT d.id, d.worker FROM weir.dead_letter d WHERE d.state = 'requeue'"
          " AND d.class <> 'deliver' AND NOT " NAMED("d") " LIMIT 1",
          false,
          "it is marked to be run again, and is any event, as far as is known: waits for that run" },
        { "parked", "parked event", PARKED NAMED("p") " AND " CLAIMED("o.worker", "p") " LIMIT 1",
          false, "a duplicate of it was handled: waits for its next try" },
        { "parked", "parked event", PARKED "NOT " NAMED("p") " LIMIT 1", false,
          "its name is too long to look for: waits for its next try" },
};

static const struct need replay_need = {
        "replay", "replay",
        "SELECT r.id, r.worker FROM weir.replay r WHERE r.policy <> 'live'"
        " AND r.state IN ('running', 'stopping', 'stopped') ORDER BY r.id LIMIT 1",
        false,
        "its events, of any age, are looked up here: waits for its end: weir replay resume, or weir "
        "replay stop --give-up"
};

/* @sql with @generation for its one '#', if it has one: a table cannot be a parameter. */
static void put_number(char *ret, size_t size, const char *sql, int32_t generation)
{
        const char *mark = strchr(sql, '#');

        if (mark)
                snprintf(ret, size, "%.*s%" PRId32 "%s", (int)(mark - sql), sql, generation,
                         mark + 1);
        else
                snprintf(ret, size, "%s", sql);
}

static int ask(struct weir_pg *pg, const struct need *need, int32_t generation, int64_t sent_ms,
               struct weir_claim_needed *ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        const struct weir_value sent = weir_int8(sent_ms);
        char sql[1024];
        int r;

        assert(strlen(need->sql) + 12 < sizeof sql);
        put_number(sql, sizeof sql, need->sql, generation);
        r = weir_pg_query(pg, sql, &sent, need->sent, &rows, reterr);
        if (r < 0 || weir_pg_rows_count(rows) == 0)
                return r;
        ret->reason = need->reason;
        snprintf(ret->text, sizeof ret->text, "%s %s of worker %s: %s", need->what,
                 weir_pg_rows_text(rows, 0, 0).ptr, weir_pg_rows_text(rows, 0, 1).ptr, need->why);
        return 1;
}

static int replay_needs(struct weir_pg *pg, struct weir_claim_needed *ret,
                        struct weir_error *reterr)
{
        static const char sql[] = "SELECT pg_catalog.pg_advisory_xact_lock(" WEIR_STR_(
                WEIR_LOCK_SPACE) ", " WEIR_STR_(WEIR_LOCK_CLAIM_SET) ")";
        int r = weir_pg_run(pg, sql, reterr);

        /* A statement of its own: its snapshot is younger than the lock. */
        return r < 0 ? r : ask(pg, &replay_need, 0, 0, ret, reterr);
}

int weir_claims_stand(struct weir_pg *pg, struct weir_error *reterr)
{
        return weir_pg_run(pg,
                           "SELECT pg_catalog.pg_advisory_xact_lock_shared(" WEIR_STR_(
                                   WEIR_LOCK_SPACE) ", " WEIR_STR_(WEIR_LOCK_CLAIM_SET) ")",
                           reterr);
}

int weir_claim_need(struct weir_pg *pg, int32_t generation, int64_t sent_ms,
                    struct weir_claim_needed *ret, struct weir_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < WEIR_COUNT_OF(needs); i++)
                r = ask(pg, &needs[i], generation, sent_ms, ret, reterr);
        return r ? r : ask(pg, &replay_need, generation, sent_ms, ret, reterr);
}

/* ---- changing the set --------------------------------------------------------------------------- */

/* In a transaction of its own, so that what the client gives up is undone. *ret (may be NULL): the number it returns. */
static int change(struct weir_pg *pg, const char *sql, const struct weir_value *params,
                  size_t count, struct weir_claim_needed *unless, int64_t *ret,
                  struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int64_t number;
        int r = weir_pg_begin(pg, reterr);

        if (r == 0 && unless)
                r = replay_needs(pg, unless, reterr);
        if (r == 0)
                r = weir_pg_query(pg, sql, params, count, &rows, reterr);
        if (r != 0) {
                if (!weir_pg_broken(pg) && !weir_pg_idle(pg))
                        weir_pg_rollback(pg);
                return r;
        }
        number = weir_pg_rows_int(rows, 0, 0, 0);
        r = weir_pg_commit(pg, reterr);
        if (r == 0 && ret)
                *ret = number;
        return r;
}

/* Claimers are excluded for the time of a try at most, and for a fifth of the time in all. */
static int try_to_change(struct weir_pg *pg, const char *sql, int32_t generation,
                         int32_t patience_ms, struct weir_claim_needed *unless, int64_t *ret,
                         struct weir_error *reterr)
{
        for (int32_t try_ms = TRY_FIRST_MS;; try_ms *= 2) {
                bool last = try_ms >= patience_ms;
                const struct weir_value params[] = { weir_int4(last ? patience_ms : try_ms),
                                                     weir_int4(generation) };
                struct weir_error error = { .code = 0 };
                int r = change(pg, sql, params, generation ? 2 : 1, unless, ret, &error);

                if (r >= 0)
                        return r;
                if (last || r != WEIR_ESQL || strcmp(error.sqlstate, "55P03") != 0) {
                        *reterr = error;
                        return r;
                }
                if (pg->interrupt && weir_latch_wait(pg->interrupt, PAUSE * try_ms))
                        return weir_fail(reterr, WEIR_ESTOP, 0, "stopped");
                if (!pg->interrupt)
                        poll(NULL, 0, PAUSE * try_ms);
        }
}

int weir_claim_switch(struct weir_pg *pg, int32_t patience_ms, int32_t *ret_generation,
                      struct weir_error *reterr)
{
        int64_t number;
        int r = try_to_change(pg, "SELECT weir.claim_switch($1)", 0, patience_ms, NULL, &number,
                              reterr);

        if (r == 0)
                *ret_generation = (int32_t)number;
        return r;
}

int weir_claim_drop(struct weir_pg *pg, int32_t generation, int32_t patience_ms,
                    struct weir_claim_needed *needed, struct weir_error *reterr)
{
        return try_to_change(pg, "SELECT weir.claim_drop($2, $1)", generation, patience_ms, needed,
                             NULL, reterr);
}

int weir_claim_sweep(struct weir_pg *pg, struct weir_error *reterr)
{
        int64_t swept = 0;
        int r;

        do
                r = change(pg, "SELECT coalesce(weir.claim_sweep(), -1)", NULL, 0, NULL, &swept,
                           reterr);
        while (r == 0 && swept >= 0);
        return r;
}

int weir_claims_look_after(struct weir_pg *pg, struct weir_error *reterr)
{
        static const char sql[] = "SELECT pg_catalog.pg_try_advisory_lock(" WEIR_STR_(
                WEIR_LOCK_SPACE) ", " WEIR_STR_(WEIR_LOCK_JANITOR) ")::int4";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        return r < 0 ? r : weir_pg_rows_int(rows, 0, 0, 0) == 0;
}

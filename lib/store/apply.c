/* SPDX-License-Identifier: MIT */
/*
 * apply - one flight of messages that fences, claims and leaves the trail
 *
 * BEGIN, lock, fence and claim go out together; the answers come back together. Each is a statement
 * of its own, because under READ COMMITTED each statement then takes its own snapshot: the fence
 * reads the version of the claim generations after the shared lock was granted, so from there to
 * COMMIT the set of generations stands still. The claim statement was made for one version; if the
 * fence reads another, the flight is rolled back, the statement is made anew, and it flies again.
 * (One statement that locks and reads would read with a snapshot from before the lock.)
 *
 * Always true   A1 A2 A3, see apply.h.
 *               A4  answers are judged in the order fence, version, claim: a stale worker is told that
 *                   it is fenced even when its claim failed as well, and a claim that failed because
 *                   its generation is gone is not an error but a stale version.
 * Sorted keys   claims of one statement go in in the order of their keys. Two lanes with common keys
 *               then wait for each other in one direction and not in a circle, the index is walked
 *               from left to right, and matching RETURNING is a binary search. 40P01 stays possible
 *               against handlers' own locks; the caller tries again.
 * Hope          ON CONFLICT DO NOTHING looks each key up before it inserts it and inserts it speculatively:
 *               nearly twice the work (measured, docs/PERFORMANCE.md), for duplicates that hardly
 *               any batch has. So the claim is a plain INSERT first. 23505 says that a key was there:
 *               the flight is rolled back and flies again with ON CONFLICT, and so do the next
 *               CAREFUL_MIN batches, twice as many each time that hope was wrong: a stream with
 *               duplicates pays one failed INSERT (its dead rows, a line in the server's log) per
 *               CAREFUL_MAX batches. All forms wait for an open claimer of the same key.
 * Repetition    where most keys were there (a replay of what is missing), ON CONFLICT forms a row for each that it does
 *               not insert. After such a batch the statement looks the keys up by itself first, which is a quarter
 *               cheaper, and inserts what is left as the careful one does.
 */
#include "store/apply.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/wire.h"

enum { STALE = 2, TAKEN = 3, MAX_FLIGHTS = 5, KEPT_BYTES = 1024 * 1024 };
enum { CAREFUL_MIN = 64, CAREFUL_MAX = 4096 }; /* batches */

struct claim_order {
        struct weir_key key;
        uint32_t index; /* into apply->keys */
};

static const char begin_sql[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
static const char lock_sql[] = "SELECT pg_catalog.pg_advisory_xact_lock_shared(" WEIR_STR_(
        WEIR_LOCK_SPACE) ", " WEIR_STR_(WEIR_LOCK_CLAIMS) ")";
static const char fence_sql[] =
        "UPDATE weir.position SET next_offset = $4, last_offset = $5, last_time_ms = $6,"
        " last_fingerprint = $7, updated_at = now()"
        " WHERE id = $1 AND epoch = $2 AND next_offset = $3"
        " RETURNING (SELECT version FROM weir.claim_state)";
static const Oid fence_types[] = { WEIR_OID_INT4, WEIR_OID_INT8, WEIR_OID_INT8, WEIR_OID_INT8,
                                   WEIR_OID_INT8, WEIR_OID_INT8, WEIR_OID_INT8 };

enum form { HOPEFUL, CAREFUL, REPEATING, FORMS };
static const char *const claim_names[FORMS] = { "weir_claim_hopeful", "weir_claim_careful",
                                                "weir_claim_repeating" };
static const Oid claim_types[] = { WEIR_OID_UUID_ARRAY, WEIR_OID_INT8_ARRAY, WEIR_OID_INT4,
                                   WEIR_OID_INT8,       WEIR_OID_INT8,       WEIR_OID_INT8,
                                   WEIR_OID_TEXT,       WEIR_OID_INT4,       WEIR_OID_INT4,
                                   WEIR_OID_INT4,       WEIR_OID_INT4 };

/* ---- the claim statement of one version ------------------------------------------------------ */

/* @rows: the generations, newest first. Hopeful and alone, it returns no keys: all are fresh or it fails. */
static int make_claim_sql(const struct weir_pg_rows *rows, enum form form, char **ret)
{
        size_t count = weir_pg_rows_count(rows), size = 0, looked_up = form == REPEATING ? 0 : 1;
        bool returning = form != HOPEFUL || count > 1;
        FILE *out = open_memstream(ret, &size);

        if (!out)
                return -1;
        fprintf(out,
                "WITH fresh AS (INSERT INTO weir.claim_%" PRId64 " (key, position, \"offset\")"
                " SELECT t.k, $3, t.o FROM unnest($1, $2) AS t(k, o)",
                weir_pg_rows_int(rows, 0, 1, 0));
        for (size_t i = looked_up; i < count; i++)
                /* OFFSET 0 keeps it a probe of the index per key: as a join, the planner may read an
                 * old generation of a hundred million keys whole to hash a thousand. */
                fprintf(out,
                        " %s NOT EXISTS (SELECT FROM weir.claim_%" PRId64
                        " c WHERE c.key = t.k OFFSET 0)",
                        i == looked_up ? "WHERE" : "AND", weir_pg_rows_int(rows, i, 1, 0));
        fprintf(out,
                "%s%s)%s INSERT INTO weir.batch"
                " (position, first_offset, next_offset, epoch, plugin_version, records, events,"
                " dead, parked, fresh) SELECT $3, $4, $5, $6, $7, $8, $9, $10, $11, %s%s",
                form != HOPEFUL ? " ON CONFLICT DO NOTHING" : "", returning ? " RETURNING key" : "",
                returning ? ", trail AS (" : "",
                returning ? "(SELECT count(*) FROM fresh)" : "cardinality($1)",
                returning ? ") SELECT key FROM fresh" : "");
        return fclose(out) == 0 ? 0 : -1;
}

static int prepare_claim(struct weir_pg *pg, const struct weir_pg_rows *rows, enum form form,
                         struct weir_error *reterr)
{
        WEIR_FREE char *sql = NULL;

        if (make_claim_sql(rows, form, &sql) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "claim statement");
        if (!PQsendPrepare(pg->conn, claim_names[form], sql, WEIR_COUNT_OF(claim_types),
                           claim_types))
                return weir_wire_fail(pg, NULL, sql, reterr);
        return weir_wire_finish(pg, NULL, sql, reterr);
}

static int refresh(struct weir_pg *pg, struct weir_error *reterr)
{
        static const char ask[] = "SELECT s.version, g.generation FROM weir.claim_state s,"
                                  " weir.claim_generation g ORDER BY g.generation DESC";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r;

        pg->claims.version = 0;
        r = weir_pg_query(pg, ask, NULL, 0, &rows, reterr);
        if (r < 0)
                return r;
        if (weir_pg_rows_count(rows) == 0)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "%s: weir.claim_generation is empty: run `weir "
                                 "migrate up`",
                                 pg->where);
        for (enum form form = 0; form < FORMS; form++) {
                char forget[64];

                snprintf(forget, sizeof forget, "DEALLOCATE %s", claim_names[form]);
                r = pg->claims.prepared[form] ? weir_pg_run(pg, forget, reterr) : 0;
                if (r < 0)
                        return r;
                pg->claims.prepared[form] = false;
                r = prepare_claim(pg, rows, form, reterr);
                if (r < 0)
                        return r;
                pg->claims.prepared[form] = true;
        }
        pg->claims.generation = weir_pg_rows_int(rows, 0, 1, 0);
        pg->claims.version = weir_pg_rows_int(rows, 0, 0, 0);
        return 0;
}

/* Between the reading of the set and the making of the statement nothing is locked: a generation of it may go. */
static bool is_gone(const struct weir_error *error)
{
        return error->code == WEIR_ESQL && strcmp(error->sqlstate, "42P01") == 0;
}

/* ---- parameters --------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
        return memcmp(((const struct claim_order *)a)->key.bytes,
                      ((const struct claim_order *)b)->key.bytes, sizeof(struct weir_key));
}

static int sort_keys(struct weir_claim_cache *claims, const struct weir_apply *apply)
{
        struct claim_order *order = claims->order;

        if (apply->key_count > claims->order_count) {
                order = realloc(order, apply->key_count * sizeof *order);
                if (!order)
                        return -1;
                claims->order = order;
                claims->order_count = apply->key_count;
        }
        for (size_t i = 0; i < apply->key_count; i++)
                order[i] = (struct claim_order){ apply->keys[i], (uint32_t)i };
        if (apply->key_count)
                qsort(order, apply->key_count, sizeof *order, by_key);
        for (size_t i = 1; i < apply->key_count; i++)
                assert(by_key(&order[i - 1], &order[i]) < 0); /* A2 */
        return 0;
}

/* Both arrays, one behind the other; *ret_split = where the second begins. */
static int put_arrays(struct weir_claim_cache *claims, const struct weir_apply *apply,
                      size_t *ret_split)
{
        const struct claim_order *order = claims->order;
        struct weir_bytes *bytes = &claims->arrays;

        weir_bytes_reset(bytes, KEPT_BYTES);
        weir_bytes_put_array(bytes, WEIR_OID_UUID, apply->key_count, false);
        for (size_t i = 0; i < apply->key_count; i++) {
                weir_bytes_put32(bytes, sizeof(struct weir_key));
                weir_bytes_put(bytes, order[i].key.bytes, sizeof(struct weir_key));
        }
        *ret_split = bytes->used;
        weir_bytes_put_array(bytes, WEIR_OID_INT8, apply->key_count, false);
        for (size_t i = 0; i < apply->key_count; i++) {
                weir_bytes_put32(bytes, sizeof(int64_t));
                weir_bytes_put64(bytes, (uint64_t)apply->offsets[order[i].index]);
        }
        return bytes->failed ? -1 : 0;
}

/* ---- the flight --------------------------------------------------------------------------------- */

/* Numbers in the byte order of the wire, and where they are. */
struct numbers {
        uint64_t wide[11];
        const char *values[11];
        int lengths[11], formats[11];
};

static void put_int8(struct numbers *numbers, size_t i, int64_t number)
{
        numbers->wide[i] = __builtin_bswap64((uint64_t)number);
        numbers->values[i] = (const char *)&numbers->wide[i];
        numbers->lengths[i] = 8;
        numbers->formats[i] = 1;
}

static void put_int4(struct numbers *numbers, size_t i, int32_t number)
{
        uint32_t swapped = __builtin_bswap32((uint32_t)number);

        memcpy(&numbers->wide[i], &swapped, sizeof swapped);
        numbers->values[i] = (const char *)&numbers->wide[i];
        numbers->lengths[i] = 4;
        numbers->formats[i] = 1;
}

static void put_text(struct numbers *numbers, size_t i, const char *bytes, size_t size)
{
        numbers->values[i] = bytes;
        numbers->lengths[i] = (int)size;
        numbers->formats[i] = 1;
}

static int send_fence(struct weir_pg *pg, const struct weir_apply *apply, unsigned index)
{
        struct numbers n;
        char name[24];

        put_int4(&n, 0, apply->position->id);
        put_int8(&n, 1, apply->position->epoch);
        put_int8(&n, 2, apply->position->next_offset);
        put_int8(&n, 3, apply->next_offset);
        put_int8(&n, 4, apply->last_offset);
        put_int8(&n, 5, apply->last_time_ms);
        put_int8(&n, 6, apply->last_fingerprint);
        weir_wire_statement_name(index, name);
        return PQsendQueryPrepared(pg->conn, name, 7, n.values, n.lengths, n.formats, 0);
}

static int send_claim(struct weir_pg *pg, const struct weir_apply *apply, size_t split,
                      enum form form)
{
        const char *arrays = (const char *)pg->claims.arrays.data;
        const char *version = apply->plugin_version ? apply->plugin_version : "";
        struct numbers n;

        put_text(&n, 0, arrays, split);
        put_text(&n, 1, arrays + split, pg->claims.arrays.used - split);
        put_int4(&n, 2, apply->position->id);
        put_int8(&n, 3, apply->first_offset);
        put_int8(&n, 4, apply->next_offset);
        put_int8(&n, 5, apply->position->epoch);
        put_text(&n, 6, version, strlen(version));
        put_int4(&n, 7, (int32_t)apply->record_count);
        put_int4(&n, 8, (int32_t)apply->event_count);
        put_int4(&n, 9, (int32_t)apply->dead_count);
        put_int4(&n, 10, (int32_t)apply->parked_count);
        return PQsendQueryPrepared(pg->conn, claim_names[form], 11, n.values, n.lengths, n.formats,
                                   1);
}

enum { BEGIN_ANSWER, LOCK_ANSWER, FENCE_ANSWER, CLAIM_ANSWER, ANSWERS };

static void clear_answers(PGresult *(*answers)[ANSWERS])
{
        for (int i = 0; i < ANSWERS; i++)
                PQclear((*answers)[i]);
}

/* Read what the flight brought: a result and a NULL per statement, then the sync. < 0: the connection
 * is broken. */
static int read_answers(struct weir_pg *pg, PGresult **answers, struct weir_error *reterr)
{
        static const char *const what[] = { begin_sql, lock_sql, fence_sql, "weir.claim" };
        PGresult *end = NULL;
        bool synced;
        int r;

        for (int i = 0; i < ANSWERS; i++) {
                r = weir_wire_next(pg, &answers[i], what[i], reterr);
                if (r == 0 && (!answers[i] || weir_pg_broken(pg)))
                        r = weir_wire_fail(pg, answers[i], what[i], reterr);
                if (r == 0)
                        r = weir_wire_next(pg, &end, what[i], reterr);
                if (r < 0) {
                        pg->broken = true;
                        return r;
                }
                assert(!end);
        }
        r = weir_wire_next(pg, &end, "sync", reterr);
        if (r < 0)
                return r;
        synced = end && PQresultStatus(end) == PGRES_PIPELINE_SYNC;
        PQclear(end);
        if (!synced || PQexitPipelineMode(pg->conn) != 1) {
                pg->broken = true;
                return weir_wire_fail(pg, NULL, "sync", reterr);
        }
        return 0;
}

static int match_fresh(struct weir_pg *pg, const PGresult *claimed, size_t key_count,
                       bool *ret_fresh, struct weir_error *reterr)
{
        size_t count = (size_t)PQntuples(claimed);

        /* All of them: a hopeful statement did not fail, or as many distinct keys came out as went in. */
        if (PQresultStatus(claimed) == PGRES_COMMAND_OK || count == key_count) {
                for (size_t i = 0; i < key_count; i++)
                        ret_fresh[i] = true;
                return 0;
        }
        for (size_t i = 0; i < key_count; i++)
                ret_fresh[i] = false;
        for (size_t i = 0; i < count; i++) {
                const struct claim_order *found = NULL;
                struct claim_order wanted = { .index = 0 };

                if (PQgetlength(claimed, (int)i, 0) == (int)sizeof wanted.key) {
                        memcpy(wanted.key.bytes, PQgetvalue(claimed, (int)i, 0), sizeof wanted.key);
                        found = bsearch(&wanted, pg->claims.order, key_count, sizeof wanted,
                                        by_key);
                }
                if (!found)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "weir.claim returned a key that was not "
                                         "sent; is there a trigger or a rule on the table?");
                ret_fresh[found->index] = true;
        }
        return 0;
}

static bool is_taken(const PGresult *claimed)
{
        const char *state = PQresultErrorField(claimed, PG_DIAG_SQLSTATE);

        return state && strcmp(state, "23505") == 0;
}

/* A4. 0, 1 fenced, STALE, TAKEN, < 0; nothing is rolled back here. */
static int judge(struct weir_pg *pg, const struct weir_apply *apply, PGresult **answers,
                 enum form form, bool *ret_fresh, struct weir_error *reterr)
{
        int64_t version;

        if (PQresultStatus(answers[BEGIN_ANSWER]) != PGRES_COMMAND_OK)
                return weir_wire_fail(pg, answers[BEGIN_ANSWER], begin_sql, reterr);
        if (PQresultStatus(answers[LOCK_ANSWER]) != PGRES_TUPLES_OK)
                return weir_wire_fail(pg, answers[LOCK_ANSWER], lock_sql, reterr);
        if (PQresultStatus(answers[FENCE_ANSWER]) != PGRES_TUPLES_OK)
                return weir_wire_fail(pg, answers[FENCE_ANSWER], fence_sql, reterr);
        if (PQntuples(answers[FENCE_ANSWER]) == 0)
                return 1;
        version = strtoll(PQgetvalue(answers[FENCE_ANSWER], 0, 0), NULL, 10);
        if (version != pg->claims.version)
                return STALE;
        if (form == HOPEFUL && is_taken(answers[CLAIM_ANSWER]))
                return TAKEN;
        if (PQresultStatus(answers[CLAIM_ANSWER]) != PGRES_TUPLES_OK &&
            PQresultStatus(answers[CLAIM_ANSWER]) != PGRES_COMMAND_OK)
                return weir_wire_fail(pg, answers[CLAIM_ANSWER], "weir.claim", reterr);
        return match_fresh(pg, answers[CLAIM_ANSWER], apply->key_count, ret_fresh, reterr);
}

static int fly(struct weir_pg *pg, const struct weir_apply *apply, size_t split, enum form form,
               bool *ret_fresh, struct weir_error *reterr)
{
        __attribute__((cleanup(clear_answers))) PGresult *answers[ANSWERS] = { NULL };
        unsigned lock_index, fence_index;
        char lock_name[24];
        int r;

        r = weir_wire_prepare(pg, lock_sql, 0, NULL, &lock_index, reterr);
        if (r == 0)
                r = weir_wire_prepare(pg, fence_sql, WEIR_COUNT_OF(fence_types), fence_types,
                                      &fence_index, reterr);
        if (r != 0)
                return r < 0 ? r : weir_fail(reterr, WEIR_EUSAGE, 0, "statement cache is full");
        weir_wire_statement_name(lock_index, lock_name);
        if (PQenterPipelineMode(pg->conn) != 1 ||
            !PQsendQueryParams(pg->conn, begin_sql, 0, NULL, NULL, NULL, NULL, 0) ||
            !PQsendQueryPrepared(pg->conn, lock_name, 0, NULL, NULL, NULL, 0) ||
            !send_fence(pg, apply, fence_index) || !send_claim(pg, apply, split, form) ||
            !PQpipelineSync(pg->conn)) {
                pg->broken = true; /* part of the flight may be under way */
                return weir_wire_fail(pg, NULL, "pipeline", reterr);
        }
        r = read_answers(pg, answers, reterr);
        if (r < 0)
                return r;
        return judge(pg, apply, answers, form, ret_fresh, reterr);
}

/* What the next batches are to learn from this one. */
static void learn(struct weir_claim_cache *claims, const struct weir_apply *apply, enum form form,
                  const bool *fresh, bool taken)
{
        size_t known = 0;

        if (taken) {
                claims->penalty = claims->penalty * 2 < CAREFUL_MIN   ? CAREFUL_MIN
                                  : claims->penalty * 2 > CAREFUL_MAX ? CAREFUL_MAX
                                                                      : claims->penalty * 2;
                claims->careful_left = claims->penalty;
                claims->hopeful_count = 0;
        } else if (form != HOPEFUL) {
                for (size_t i = 0; i < apply->key_count; i++)
                        known += !fresh[i];
                claims->repeating = 2 * known > apply->key_count;
                claims->careful_left--;
        } else if (++claims->hopeful_count >= CAREFUL_MIN) {
                claims->penalty = 0;
        }
}

int weir_apply_begin(struct weir_pg *pg, const struct weir_apply *apply, bool *ret_fresh,
                     struct weir_error *reterr)
{
        size_t split;

        if (!weir_pg_idle(pg)) {
                if (weir_pg_broken(pg))
                        return weir_fail(reterr, WEIR_EDB, 0, "%s: connection is closed",
                                         pg->where);
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%s: a transaction is open already",
                                 pg->where);
        }
        if (apply->key_count > INT32_MAX / 32)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%zu keys in one transaction",
                                 apply->key_count);
        if (sort_keys(&pg->claims, apply) < 0 || put_arrays(&pg->claims, apply, &split) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "claims of %zu keys", apply->key_count);
        for (int flight = 0; flight < MAX_FLIGHTS; flight++) {
                enum form form = pg->claims.careful_left == 0 ? HOPEFUL
                                 : pg->claims.repeating       ? REPEATING
                                                              : CAREFUL;
                struct weir_error error = { .code = 0 };
                int r = pg->claims.version ? 0 : refresh(pg, &error);

                if (r < 0 && flight + 1 < MAX_FLIGHTS && is_gone(&error))
                        continue;
                if (r < 0) {
                        *reterr = error;
                        return r;
                }
                r = fly(pg, apply, split, form, ret_fresh, reterr);
                if (r != 0 && !weir_pg_idle(pg))
                        weir_pg_rollback(pg);
                if (r == 0 || r == TAKEN)
                        learn(&pg->claims, apply, form, ret_fresh, r == TAKEN);
                if (r != STALE && r != TAKEN)
                        return r;
                if (r == STALE)
                        pg->claims.version = 0;
        }
        return weir_fail(reterr, WEIR_EDB, 0,
                         "%s: the claim generations changed %d times during one begin", pg->where,
                         MAX_FLIGHTS);
}

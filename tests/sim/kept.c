/* SPDX-License-Identifier: MIT */
/*
 * kept - attempts, parked events, dead letters and the outbox, in place of the statements of lib/store for them
 *
 * Each function is one statement, or part of the transaction in hand; who must hold the epoch for it is asked for the
 * lock of the position row, as WEIR_ROW_MINE does. Records are copied whole: what comes back must be what went in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/key.h"
#include "plan.h"
#include "store.h"
#include "store/attempt.h"
#include "store/decided.h"

struct weir_view sim_view_copy(struct weir_view view)
{
        return (struct weir_view){ sim_copy(view.ptr, view.size), view.size };
}

struct sim_kept sim_kept_copy(const struct weir_kept_record *record)
{
        struct sim_kept kept = { .time_ms = record->record_time_ms,
                                 .key = sim_view_copy(record->key),
                                 .value = sim_view_copy(record->value),
                                 .header_count = record->header_count };

        kept.headers = sim_alloc((record->header_count + 1) * sizeof *kept.headers);
        for (size_t i = 0; i < record->header_count; i++) {
                const struct weir_header *h = &record->headers[i];

                kept.headers[i] = (struct weir_header){ sim_copy(h->name, strlen(h->name)),
                                                        sim_copy(h->value, h->size), h->size };
        }
        return kept;
}

void sim_kept_read(const struct sim_kept *kept, struct weir_kept_record *ret)
{
        *ret = (struct weir_kept_record){ kept->time_ms, kept->key, kept->value, kept->headers,
                                          kept->header_count };
}

static int64_t left_ms(int64_t next_us)
{
        return next_us > sim.now_us ? (next_us - sim.now_us) / 1000 : 0;
}

/* < 0: no memory, by the seed. */
static void *list_of(size_t count, size_t size, struct weir_error *reterr)
{
        if (!sim_fault(SIM_MEMORY))
                return calloc(count + 1, size);
        weir_fail(reterr, WEIR_ENOMEM, 0, "no memory, says the seed");
        return NULL;
}

/* What the holder of an epoch may do: begin, and lock. 0; 1 = fenced (ended); < 0 (ended). */
static int begin_mine(struct sim_statement *statement, struct weir_pg *pg, const char *name,
                      const struct weir_position *position, struct weir_error *reterr)
{
        int r = sim_statement_begin(statement, pg, name, reterr);

        if (r < 0)
                return r;
        r = sim_position_mine(pg, position, reterr);
        if (r < 0)
                return sim_statement_fail(statement, r);
        if (r > 0)
                return sim_statement_end(statement, reterr) < 0 ? reterr->code : WEIR_KEPT_FENCED;
        return 0;
}

/* ---- attempts ------------------------------------------------------------------------------- */

static struct sim_row *attempt_find(const struct weir_pg *pg, int32_t position, int64_t offset,
                                    int32_t item)
{
        sim_row_each(row, SIM_ATTEMPT)
        {
                const struct sim_attempt *a = sim_row_seen(row, pg->tx);

                if (a && a->position == position && a->offset == offset && a->item == item)
                        return row;
        }
        return NULL;
}

static int attempts_clear(struct weir_pg *pg, int32_t position, int64_t next_offset,
                          struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "attempts pass", reterr);

        if (r < 0)
                return r;
        sim_row_each(row, SIM_ATTEMPT)
        {
                const struct sim_attempt *a = sim_row_seen(row, pg->tx);

                if (!a || a->position != position || a->offset >= next_offset)
                        continue;
                r = sim_row_lock(pg, row, 0, reterr);
                if (r < 0)
                        return sim_statement_fail(&statement, r);
                sim_row_change(pg->tx, row, NULL);
        }
        return sim_statement_end(&statement, reterr);
}

static int by_place(const void *a, const void *b)
{
        const struct weir_attempt *one = a, *other = b;

        return one->offset != other->offset
                       ? (one->offset > other->offset) - (one->offset < other->offset)
                       : (one->item > other->item) - (one->item < other->item);
}

int weir_attempt_load(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_arena *arena, struct weir_attempt **ret, size_t *ret_count,
                      struct weir_error *reterr)
{
        struct sim_statement statement;
        struct weir_attempt *list;
        size_t count = 0;
        int r = attempts_clear(pg, position->id, position->next_offset, reterr);

        (void)arena;
        if (r == 0)
                r = sim_statement_begin(&statement, pg, "attempts", reterr);
        if (r < 0)
                return r;
        list = list_of(sim_tables[SIM_ATTEMPT].count, sizeof *list, reterr);
        if (!list)
                return sim_statement_fail(&statement, WEIR_ENOMEM);
        sim_row_each(row, SIM_ATTEMPT)
        {
                const struct sim_attempt *a = sim_row_seen(row, pg->tx);

                if (a && a->position == position->id)
                        list[count++] = (struct weir_attempt){
                                .offset = a->offset,
                                .item = a->item,
                                .attempts = a->attempts,
                                .first_failed_us = a->first_failed_us,
                                .wait_ms = left_ms(a->next_us),
                                .deaths = a->deaths,
                                .death = a->death
                        };
        }
        qsort(list, count, sizeof *list, by_place);
        r = sim_statement_end(&statement, reterr);
        if (r < 0) {
                free(list);
                return r;
        }
        *ret = list;
        *ret_count = count;
        return 0;
}

int weir_attempt_save(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_attempt *attempt, const char *reason, const char *text,
                      struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_attempt *saved = sim_alloc(sizeof *saved);
        struct sim_row *row;
        int r = begin_mine(&statement, pg, "attempt save", position, reterr);

        (void)reason;
        (void)text;
        if (r != 0)
                return r;
        row = attempt_find(pg, position->id, attempt->offset, attempt->item);
        if (row) {
                r = sim_row_lock(pg, row, 0, reterr);
                if (r < 0)
                        return sim_statement_fail(&statement, r);
                *saved = *(struct sim_attempt *)sim_row_seen(row, pg->tx);
        } else {
                *saved = (struct sim_attempt){ .position = position->id,
                                               .item = attempt->item,
                                               .offset = attempt->offset,
                                               .first_failed_us = weir_clock_wall_us() };
        }
        sim_check(attempt->attempts >= saved->attempts, /* again: the answer was lost */
                  "attempts", "%d attempts of offset %lld are written over %d", attempt->attempts,
                  (long long)attempt->offset, saved->attempts);
        saved->attempts = attempt->attempts;
        saved->next_us = sim.now_us + attempt->wait_ms * 1000;
        if (row)
                sim_row_change(pg->tx, row, saved);
        else
                sim_row_insert(pg->tx, SIM_ATTEMPT, saved);
        attempt->first_failed_us = saved->first_failed_us;
        return sim_statement_end(&statement, reterr);
}

int weir_attempt_pass(struct weir_pg *pg, int32_t position, int64_t next_offset,
                      struct weir_error *reterr)
{
        return attempts_clear(pg, position, next_offset, reterr);
}

/* lib/store/suspicion.c: by the supervisor, in one transaction, without a fence. */
void sim_suspect(int kind, int32_t partition, int64_t offset, int32_t item, int64_t id)
{
        struct weir_pg pg = { .number = -2, .process = -1 };
        struct sim_row *row = sim_position_find("w", "t", partition);
        struct weir_error error;

        sim_tx_begin(&pg);
        if (kind == 0 && row && sim_row_lock(&pg, row, 0, &error) == 0 &&
            ((struct sim_position *)row->next)->next_offset <= offset) {
                struct sim_attempt *a = sim_alloc(sizeof *a);
                int32_t position = ((struct sim_position *)row->next)->id;
                struct sim_row *there = attempt_find(&pg, position, offset, item);

                *a = (struct sim_attempt){ .position = position, .item = item, .offset = offset };
                if (there && sim_row_lock(&pg, there, 0, &error) == 0 && there->next) {
                        *a = *(struct sim_attempt *)there->next;
                        sim_row_change(pg.tx, there, a);
                } else {
                        sim_row_insert(pg.tx, SIM_ATTEMPT, a);
                }
                a->deaths++;
                a->death = "SIGKILL: by the seed";
        }
        for (size_t i = 0; kind == 1 && i < sim_tables[SIM_PARKED].count; i++) {
                struct sim_row *there = sim_tables[SIM_PARKED].list[i];
                struct sim_parked *p = sim_alloc(sizeof *p);

                if (!there->now || ((struct sim_parked *)there->now)->id != id ||
                    sim_row_lock(&pg, there, 0, &error) < 0 || !there->next)
                        continue;
                *p = *(struct sim_parked *)there->next;
                p->deaths++;
                p->death = "SIGKILL: by the seed";
                sim_row_change(pg.tx, there, p);
        }
        for (size_t i = 0; kind == 2 && i < sim_tables[SIM_LETTER].count; i++) {
                struct sim_row *there = sim_tables[SIM_LETTER].list[i];
                struct sim_letter *l = sim_alloc(sizeof *l);

                if (!there->now || ((struct sim_letter *)there->now)->id != id ||
                    sim_row_lock(&pg, there, 0, &error) < 0 || !there->next)
                        continue;
                *l = *(struct sim_letter *)there->next;
                if (strcmp(l->state, "requeue") != 0)
                        continue;
                l->deaths++;
                l->death = "SIGKILL: by the seed";
                sim_row_change(pg.tx, there, l);
        }
        sim_tx_commit(pg.tx);
}

/* ---- parked --------------------------------------------------------------------------------- */

bool weir_parked_key_hash(struct weir_view key, uint64_t *ret)
{
        int64_t hash = 0;

        *ret = 0;
        if (!key.ptr)
                return true;
        if (weir_key_fingerprint(0, key, (struct weir_view){ NULL, 0 }, &hash) < 0)
                return false;
        *ret = hash ? (uint64_t)hash : 1;
        return true;
}

static struct sim_row *parked_find(const struct weir_pg *pg, int64_t id)
{
        sim_row_each(row, SIM_PARKED)
        {
                const struct sim_parked *p = sim_row_seen(row, pg->tx);

                if (p && p->id == id)
                        return row;
        }
        return NULL;
}

int weir_parked_load(struct weir_pg *pg, int32_t position, struct weir_parked **ret,
                     size_t *ret_count, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct weir_parked *list;
        size_t count = 0;
        int r = sim_statement_begin(&statement, pg, "parked", reterr);

        if (r < 0)
                return r;
        list = list_of(sim_tables[SIM_PARKED].count, sizeof *list, reterr);
        if (!list)
                return sim_statement_fail(&statement, WEIR_ENOMEM);
        sim_row_each(row, SIM_PARKED) /* ids grow with the place in the list */
        {
                const struct sim_parked *p = sim_row_seen(row, pg->tx);

                if (!p || p->position != position)
                        continue;
                list[count] = (struct weir_parked){ p->id,       p->offset,           p->item,
                                                    p->attempts, left_ms(p->next_us), 0 };
                weir_parked_key_hash(p->record.key, &list[count++].key_hash);
        }
        r = sim_statement_end(&statement, reterr);
        if (r < 0) {
                free(list);
                return r;
        }
        *ret = list;
        *ret_count = count;
        return 0;
}

int weir_parked_insert(struct weir_pg *pg, const struct weir_parked_new *parked, int64_t *ret_id,
                       struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_parked *made = sim_alloc(sizeof *made);
        int r = sim_statement_begin(&statement, pg, "park", reterr);

        if (r < 0)
                return r;
        sim_row_each(row, SIM_PARKED) /* UNIQUE (position, offset, item) */
        {
                const struct sim_parked *p = sim_row_seen(row, pg->tx);

                if (p && p->position == parked->position && p->offset == parked->offset &&
                    p->item == parked->item)
                        return sim_statement_fail(&statement,
                                                  sim_sql_fail(reterr, "23505", "parked twice"));
        }
        *made = (struct sim_parked){ .id = sim_id(),
                                     .offset = parked->offset,
                                     .first_failed_us = parked->first_failed_us,
                                     .next_us = sim.now_us + parked->wait_ms * 1000,
                                     .position = parked->position,
                                     .partition = parked->partition,
                                     .item = parked->item,
                                     .attempts = parked->attempts,
                                     .record = sim_kept_copy(parked->record),
                                     .source = sim_view_copy(parked->source),
                                     .event_id = sim_view_copy(parked->event_id) };
        sim_row_insert(pg->tx, SIM_PARKED, made);
        r = sim_statement_end(&statement, reterr);
        if (r == 0)
                *ret_id = made->id;
        return r;
}

int weir_parked_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                     struct weir_kept_event *ret, struct weir_error *reterr)
{
        struct sim_statement statement;
        const struct sim_parked *p;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "read parked", reterr);

        (void)arena;
        if (r == 0)
                r = sim_statement_end(&statement, reterr);
        if (r < 0)
                return r;
        row = parked_find(pg, id);
        if (!row)
                return 1;
        p = row->now;
        *ret = (struct weir_kept_event){ .id = id,
                                         .offset = p->offset,
                                         .item = p->item,
                                         .attempts = p->attempts,
                                         .round = 1,
                                         .deaths = p->deaths,
                                         .first_failed_us = p->first_failed_us };
        if (p->deaths)
                ret->death = (struct weir_view){ p->death, strlen(p->death) };
        sim_kept_read(&p->record, &ret->record);
        return 0;
}

int weir_parked_remove(struct weir_pg *pg, int64_t id, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "remove parked", reterr);
        bool gone;

        if (r < 0)
                return r;
        row = parked_find(pg, id);
        r = row ? sim_row_lock(pg, row, 0, reterr) : 0;
        if (r < 0)
                return sim_statement_fail(&statement, r);
        gone = !row || !sim_row_seen(row, pg->tx);
        if (!gone)
                sim_row_change(pg->tx, row, NULL);
        r = sim_statement_end(&statement, reterr);
        return r < 0 ? r : gone ? WEIR_KEPT_GONE : WEIR_KEPT_DONE;
}

int weir_parked_postpone(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_parked *parked, const char *reason, const char *text,
                         struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_parked *changed = sim_alloc(sizeof *changed);
        struct sim_row *row;
        int r = begin_mine(&statement, pg, "postpone parked", position, reterr);
        bool gone;

        (void)reason;
        (void)text;
        if (r != 0)
                return r;
        row = parked_find(pg, parked->id);
        r = row ? sim_row_lock(pg, row, 0, reterr) : 0;
        if (r < 0)
                return sim_statement_fail(&statement, r);
        gone = !row || !sim_row_seen(row, pg->tx);
        if (!gone) {
                *changed = *(struct sim_parked *)sim_row_seen(row, pg->tx);
                changed->attempts = parked->attempts;
                changed->next_us = sim.now_us + parked->wait_ms * 1000;
                sim_row_change(pg->tx, row, changed);
        }
        r = sim_statement_end(&statement, reterr);
        return r < 0 ? r : gone ? WEIR_KEPT_GONE : WEIR_KEPT_DONE;
}

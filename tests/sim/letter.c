/* SPDX-License-Identifier: MIT */
/*
 * letter - dead letters, what the trail tells of them, and messages about them, in place of lib/store
 *
 * States change as in deadletter.c and deadletter_mark.c: under the row's lock, from the state that was meant.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plan.h"
#include "store.h"
#include "store/deadletter_mark.h"
#include "store/decided.h"

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *keep_word(const char *word)
{
        return word ? sim_copy(word, strlen(word)) : NULL;
}

int weir_deadletter_keep(struct weir_pg *pg, const struct weir_deadletter *letter, int64_t *ret_id,
                         struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_letter *made = sim_alloc(sizeof *made);
        const struct weir_kept_record record = { letter->record_time_ms, letter->key, letter->value,
                                                 letter->headers, letter->header_count };
        bool kept = false;
        int r = sim_statement_begin(&statement, pg, "keep letter", reterr);

        if (r < 0)
                return r;
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = sim_row_seen(row, pg->tx);

                kept = kept ||
                       (l && letter->unless_kept && l->position == letter->position &&
                        l->offset == letter->offset && (l->item == letter->item || l->item < 0) &&
                        (same(l->state, "kept") || same(l->state, "requeue")) &&
                        same(l->epoch, letter->epoch));
        }
        *made = (struct sim_letter){ .id = sim_id(),
                                     .offset = letter->offset,
                                     .failed_us = sim.now_us,
                                     .first_failed_us = letter->first_failed_us,
                                     .position = letter->position,
                                     .partition = letter->partition,
                                     .item = letter->item,
                                     .attempts = letter->attempts,
                                     .round = letter->round ? letter->round : 1,
                                     .klass = keep_word(letter->klass),
                                     .reason = keep_word(letter->reason),
                                     .state = "kept",
                                     .epoch = keep_word(letter->epoch),
                                     .withhold = letter->withhold,
                                     .record = sim_kept_copy(&record),
                                     .event_id = sim_view_copy(letter->id) };
        if (!kept)
                sim_row_insert(pg->tx, SIM_LETTER, made);
        r = sim_statement_end(&statement, reterr);
        if (r == 0 && ret_id)
                *ret_id = kept ? 0 : made->id;
        return r;
}

/* ---- marked --------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
        const int32_t *one = a, *other = b;

        return (*one > *other) - (*one < *other);
}

int weir_deadletter_marked(struct weir_pg *pg, int32_t *positions, size_t room, size_t *ret_count,
                           struct weir_error *reterr)
{
        struct sim_statement statement;
        size_t count = 0;
        int r = sim_statement_begin(&statement, pg, "marked", reterr);

        if (r < 0)
                return r;
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;
                bool known = false;

                if (!l || !same(l->state, "requeue"))
                        continue;
                for (size_t i = 0; i < count; i++)
                        known = known || positions[i] == l->position;
                if (!known && count < room)
                        positions[count++] = l->position;
        }
        qsort(positions, count, sizeof *positions, by_number);
        *ret_count = count;
        return sim_statement_end(&statement, reterr);
}

static bool is_due(const struct sim_letter *l, const struct weir_deadletter_delay *delay)
{
        int64_t wait_ms = delay->first_ms;

        for (int32_t i = 1; i < l->attempts && wait_ms < delay->max_ms; i++)
                wait_ms *= delay->factor;
        if (wait_ms > delay->max_ms)
                wait_ms = delay->max_ms;
        return l->attempts == 0 || l->failed_us + wait_ms * 1000 <= sim.now_us;
}

static bool same_key(const struct sim_letter *a, const struct sim_letter *b)
{
        return a->record.key.ptr && b->record.key.ptr && a->record.key.size == b->record.key.size &&
               memcmp(a->record.key.ptr, b->record.key.ptr, a->record.key.size) == 0;
}

/* X6. */
static bool waits_behind(const struct sim_letter *letter)
{
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;

                if (l && l->position == letter->position && same(l->state, "requeue") &&
                    l->attempts > 0 && l->id < letter->id && same_key(l, letter))
                        return true;
        }
        return false;
}

int weir_deadletter_due(struct weir_pg *pg, int32_t position,
                        const struct weir_deadletter_delay *delay,
                        struct weir_deadletter_turn *turns, size_t room, size_t *ret_count,
                        struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "due letters", reterr);

        if (r < 0)
                return r;
        *ret_count = 0;
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;
                struct weir_deadletter_turn *turn;

                if (!l || l->position != position || !same(l->state, "requeue") ||
                    *ret_count == room || !is_due(l, delay) || waits_behind(l))
                        continue;
                turn = &turns[(*ret_count)++];
                turn->id = l->id;
                weir_parked_key_hash(l->record.key, &turn->key_hash);
        }
        return sim_statement_end(&statement, reterr);
}

static struct sim_row *letter_find(const struct weir_pg *pg, int64_t id)
{
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = sim_row_seen(row, pg->tx);

                if (l && l->id == id)
                        return row;
        }
        return NULL;
}

int weir_deadletter_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                         struct weir_kept_event *ret, struct weir_error *reterr)
{
        struct sim_statement statement;
        const struct sim_letter *l;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "read letter", reterr);

        (void)arena;
        if (r == 0)
                r = sim_statement_end(&statement, reterr);
        if (r < 0)
                return r;
        row = letter_find(pg, id);
        l = row ? row->now : NULL;
        if (!l || !same(l->state, "requeue"))
                return 1;
        *ret = (struct weir_kept_event){ .id = id,
                                         .offset = l->offset,
                                         .item = l->item,
                                         .attempts = l->attempts,
                                         .round = l->round,
                                         .whole = same(l->klass, "decode") || l->item < 0,
                                         .deaths = l->deaths,
                                         .first_failed_us = l->first_failed_us,
                                         .withhold = l->withhold };
        if (l->epoch)
                ret->epoch = (struct weir_view){ l->epoch, strlen(l->epoch) };
        if (l->deaths)
                ret->death = (struct weir_view){ l->death, strlen(l->death) };
        sim_kept_read(&l->record, &ret->record);
        return 0;
}

/* The row in the state 'requeue', locked, and a copy of it to be changed; NULL in @ret = gone. */
static int lock_marked(struct weir_pg *pg, int64_t id, struct sim_row **ret_row,
                       struct sim_letter **ret, struct weir_error *reterr)
{
        struct sim_row *row = letter_find(pg, id);
        int r = row ? sim_row_lock(pg, row, 0, reterr) : 0;
        const struct sim_letter *seen = r == 0 && row ? sim_row_seen(row, pg->tx) : NULL;

        *ret = NULL;
        *ret_row = row;
        if (!seen || !same(seen->state, "requeue"))
                return r;
        *ret = sim_alloc(sizeof **ret);
        **ret = *seen;
        sim_row_change(pg->tx, row, *ret);
        return 0;
}

int weir_deadletter_settle(struct weir_pg *pg, int64_t id, bool applied, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_letter *changed;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "settle letter", reterr);

        if (r < 0)
                return r;
        r = lock_marked(pg, id, &row, &changed, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (changed)
                changed->state = applied ? "applied" : "duplicate";
        r = sim_statement_end(&statement, reterr);
        return r < 0 ? r : changed ? WEIR_KEPT_DONE : WEIR_KEPT_GONE;
}

int weir_deadletter_fail(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_deadletter_failure *failure, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct sim_letter *changed;
        struct sim_row *row;
        int r = sim_statement_begin(&statement, pg, "fail letter", reterr);

        if (r < 0)
                return r;
        r = sim_position_mine(pg, position, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (r > 0)
                return sim_statement_end(&statement, reterr) < 0 ? reterr->code : WEIR_KEPT_FENCED;
        r = lock_marked(pg, failure->id, &row, &changed, reterr);
        if (r < 0)
                return sim_statement_fail(&statement, r);
        if (changed) {
                if (same(changed->klass, "decode"))
                        changed->item = -1;
                changed->attempts = failure->attempts;
                changed->klass = keep_word(failure->klass);
                changed->reason = keep_word(failure->reason);
                changed->failed_us = sim.now_us;
                changed->state = failure->last ? "kept" : "requeue";
        }
        r = sim_statement_end(&statement, reterr);
        return r < 0 ? r : changed ? WEIR_KEPT_DONE : WEIR_KEPT_GONE;
}

/* ---- marking -------------------------------------------------------------------------------- */

int weir_deadletter_requeue(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                            size_t limit, const struct weir_deadletter_mark *mark,
                            struct weir_deadletter_chunk *ret, struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = sim_statement_begin(&statement, pg, "requeue", reterr);

        (void)mark;
        *ret = (struct weir_deadletter_chunk){ .count = 0 };
        if (r < 0)
                return r;
        for (size_t i = 0; i < sim_tables[SIM_LETTER].count && ret->count < (int64_t)limit; i++) {
                struct sim_row *row = sim_tables[SIM_LETTER].list[i];
                const struct sim_letter *l = row->now;
                struct sim_letter *changed;

                if (!l || !same(l->state, "kept") || l->id <= filter->above_id)
                        continue;
                r = sim_row_lock(pg, row, 0, reterr);
                if (r < 0)
                        return sim_statement_fail(&statement, r);
                l = sim_row_seen(row, pg->tx);
                if (!same(l->state, "kept"))
                        continue;
                changed = sim_alloc(sizeof *changed);
                *changed = *l;
                changed->state = "requeue";
                changed->deaths = changed->attempts = 0;
                changed->death = NULL;
                changed->round++;
                sim_row_change(pg->tx, row, changed);
                if (ret->count++ == 0)
                        ret->first_id = l->id;
                ret->last_id = l->id;
        }
        return sim_statement_end(&statement, reterr);
}

/* What could not be delivered is not made here, and topics are not asked for. */
int weir_deadletter_send(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         bool delivers, size_t limit, size_t bytes,
                         const struct weir_deadletter_mark *mark, weir_deadletter_send_fn *send,
                         void *context, struct weir_deadletter_chunk *ret,
                         struct weir_error *reterr)
{
        (void)pg, (void)filter, (void)limit, (void)bytes, (void)mark, (void)send, (void)context;
        (void)reterr;
        sim_check(delivers, "model", "letters are to be sent to a topic");
        *ret = (struct weir_deadletter_chunk){ .count = 0 };
        return 0;
}

/* ---- the trail ------------------------------------------------------------------------------ */

int weir_decided_load(struct weir_pg *pg, const struct weir_position *position,
                      const char *plugin_version, uint32_t window, struct weir_decided **ret,
                      size_t *ret_count, struct weir_error *reterr)
{
        const struct sim_change *word = NULL;
        struct weir_decided *list;
        struct sim_statement statement;
        int64_t newer = 0;
        size_t count = 0;
        int r = sim_statement_begin(&statement, pg, "decided", reterr);

        if (r == 0)
                r = sim_statement_end(&statement, reterr);
        if (r < 0)
                return r;
        list = calloc(sim_tables[SIM_BATCH].count + 1, sizeof *list);
        sim_row_each(row, SIM_CHANGE)
        {
                const struct sim_change *c = row->now;

                if (c && c->position == position->id && (!word || c->id > word->id))
                        word = c;
        }
        for (size_t i = sim_tables[SIM_BATCH].count; i-- > 0;) {
                const struct sim_batch *b = sim_tables[SIM_BATCH].list[i]->now;

                if (!b || b->position != position->id || strcmp(b->version, plugin_version) != 0 ||
                    (word && (b->epoch < word->epoch || b->first_offset < word->after)) ||
                    b->first_offset > position->next_offset)
                        continue;
                if (b->dead && newer < (int64_t)window)
                        list[count++] = (struct weir_decided){ newer, b->records - b->parked,
                                                               b->dead };
                newer += b->records - b->parked;
        }
        *ret = list;
        *ret_count = count;
        return 0;
}

/* ---- the outbox ----------------------------------------------------------------------------- */

struct weir_outbox_writer {
        size_t count;
};

int weir_outbox_writer_new(struct weir_pg *pg, struct weir_outbox_writer **ret,
                           struct weir_error *reterr)
{
        (void)pg;
        *ret = sim_fault(SIM_MEMORY) ? NULL : calloc(1, sizeof **ret);
        return *ret ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "no memory, says the seed");
}

void weir_outbox_writer_free(struct weir_outbox_writer *writer)
{
        free(writer);
}

int weir_outbox_add(struct weir_outbox_writer *writer, const struct weir_outbox_message *message,
                    struct weir_error *reterr)
{
        (void)message;
        (void)reterr;
        writer->count++;
        return 0;
}

int weir_outbox_send(struct weir_outbox_writer *writer, struct weir_pg *pg,
                     struct weir_error *reterr)
{
        struct sim_statement statement;
        int r = writer->count ? sim_statement_begin(&statement, pg, "outbox", reterr) : 0;

        if (r < 0 || writer->count == 0)
                return r;
        for (; writer->count; writer->count--)
                sim_row_insert(pg->tx, SIM_OUTBOX, sim_alloc(1));
        return sim_statement_end(&statement, reterr);
}

void weir_outbox_reset(struct weir_outbox_writer *writer)
{
        writer->count = 0;
}

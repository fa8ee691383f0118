/* SPDX-License-Identifier: MIT */
/*
 * checker - what must be true, said without a word of lib/flow: from the log that was produced and the rows that are there
 *
 * At each COMMIT
 *   fence     who moves a position, or leaves an effect, holds its epoch in the moment of COMMIT (I6), and has a trail row
 *   I5        a position never goes back but by an operator's word, and the trail begins where it was
 *   condemned nothing good is kept as bad (T3, SS1)
 * At the end, after all is healed and has settled
 *   I1        of each record every event has come into effect, or is kept with its reason: never neither
 *   I2        never twice, in each space of claims
 *   both      what came into effect is not kept as if it had not
 *   I3        what was never condemned came into effect in the order of the log: of its partition, or of its key where
 *             keys may be parked
 *   I4        a claim and its effect are there together, or not at all
 *   bytes     what is kept is the record as it was produced
 *   J2        nothing is counted any more of what was passed
 *   RP1       a replay has gone no further than its range
 * Excused   what the log lost before it was read: it may have come into effect or not, but not twice.
 */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

#include "kafka.h"
#include "process.h"
#include "store.h"

static char words[400];

/* ---- at each COMMIT ------------------------------------------------------------------------- */

static const struct sim_batch *trail_of(const struct sim_tx *tx, int32_t position)
{
        const struct sim_batch *found = NULL;

        for (size_t i = 0; i < tx->undo_count; i++) {
                const struct sim_row *row = tx->undos[i].row;
                const struct sim_batch *batch = row->next;

                if (row->table == SIM_BATCH && batch && batch->position == position)
                        found = batch;
        }
        return found;
}

static bool was_moved(const struct sim_tx *tx, int32_t position)
{
        for (size_t i = 0; i < tx->undo_count; i++) {
                const struct sim_row *row = tx->undos[i].row;
                const struct sim_change *change = row->next;

                if (row->table == SIM_CHANGE && change && change->position == position)
                        return true;
        }
        return false;
}

static void judge_move(const struct sim_tx *tx, const struct sim_row *row)
{
        const struct sim_position *before = row->now, *after = row->next;
        const struct sim_batch *trail;

        if (!before || !after)
                return;
        if (strcmp(after->worker, "w") == 0 &&
            after->next_offset > sim_logs[after->partition].passed_most)
                sim_logs[after->partition].passed_most = after->next_offset;
        if (before->next_offset == after->next_offset || was_moved(tx, after->id))
                return;
        sim_check(after->next_offset > before->next_offset, "I5",
                  "position of partition %d goes back from %lld to %lld", after->partition,
                  (long long)before->next_offset, (long long)after->next_offset);
        trail = trail_of(tx, after->id);
        sim_check(trail && trail->first_offset == before->next_offset &&
                          trail->next_offset == after->next_offset,
                  "trail", "partition %d goes from %lld to %lld, the trail says something else",
                  after->partition, (long long)before->next_offset, (long long)after->next_offset);
        sim_check(trail->epoch == before->epoch, "fence",
                  "partition %d is moved in epoch %lld, it is %lld", after->partition,
                  (long long)trail->epoch, (long long)before->epoch);
}

static void judge_effect(const struct sim_tx *tx, struct sim_effect *effect)
{
        const struct sim_batch *trail = trail_of(tx, effect->position);
        struct sim_row *row = sim_position_by_id(effect->position);
        const struct sim_position *position = row ? row->now : NULL;

        if (effect->seq)
                return;
        sim_check(trail && position && trail->epoch == position->epoch, "fence",
                  "e%d comes into effect without the epoch of its partition", effect->event);
        effect->seq = (int64_t)sim.result->commits; /* of one transaction: at once */
        sim.result->effects++;
}

/* T3: nobody's fault is no event's fault, and a death is counted before it condemns (SS1, SS2). */
static void judge_letter(const struct sim_letter *letter)
{
        const struct sim_event *event;
        int32_t limit = (int32_t)sim.plan->conf.crash_attempts;

        if (!letter->event_id.ptr || strcmp(letter->state, "kept") != 0)
                return;
        event = &sim.plan->events[strtol(letter->event_id.ptr + 1, NULL, 10)];
        if (strcmp(letter->klass, "crash") == 0) {
                sim_check(event->deaths >= limit, "condemned",
                          "e%d is kept for %d deaths, and %d are the limit", event->number,
                          event->deaths, limit);
                return;
        }
        sim_check(event->kind > SIM_SKIPPED &&
                          (event->kind != SIM_TRIED ||
                           event->tries >= (int)sim.plan->worker.retry_attempts) &&
                          event->kind != SIM_DEADLY,
                  "condemned", "e%d is good, and is kept as %s, %s", event->number, letter->klass,
                  letter->reason);
}

void sim_judge_commit(const struct sim_tx *tx)
{
        sim.result->commits++;
        for (size_t i = 0; i < tx->undo_count; i++) {
                const struct sim_row *row = tx->undos[i].row;

                if (row->table == SIM_POSITION)
                        judge_move(tx, row);
                if (row->table == SIM_EFFECT && row->next)
                        judge_effect(tx, row->next);
                if (row->table == SIM_LETTER && row->next)
                        judge_letter(row->next);
                sim.result->letters += row->table == SIM_LETTER && !row->now && row->next;
                sim.result->parked += row->table == SIM_PARKED && !row->now && row->next;
        }
}

/* ---- how far -------------------------------------------------------------------------------- */

size_t sim_parked_count(int32_t position)
{
        size_t count = 0;

        sim_row_each(row, SIM_PARKED)
        {
                const struct sim_parked *p = row->now;

                count += p && p->position == position;
        }
        return count;
}

size_t sim_letters_in(const char *state)
{
        size_t count = 0;

        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;

                count += l && strcmp(l->state, state) == 0;
        }
        return count;
}

const char *sim_what_is_left(void)
{
        size_t used = (size_t)snprintf(words, sizeof words, "no end of it: %zu letters marked",
                                       sim_letters_in("requeue"));

        sim_row_each(row, SIM_POSITION)
        {
                const struct sim_position *p = row->now;

                if (p && used < sizeof words)
                        used += (size_t)snprintf(words + used, sizeof words - used,
                                                 "; %s/%d at %lld of %lld, %zu parked", p->worker,
                                                 p->partition, (long long)p->next_offset,
                                                 (long long)sim_logs[p->partition].end_offset,
                                                 sim_parked_count(p->id));
        }
        return words;
}

/* ---- at the end: events --------------------------------------------------------------------- */

static size_t effects_of(int event, const char *space, const struct sim_effect **ret)
{
        size_t count = 0;

        sim_row_each(row, SIM_EFFECT)
        {
                const struct sim_effect *e = row->now;

                if (!e || e->event != event || strcmp(e->space, space) != 0)
                        continue;
                *ret = e;
                count++;
        }
        return count;
}

/* A letter of the record, and of this event of it (or of all), in the space. */
static const struct sim_letter *letter_of(const struct sim_record *record, int partition, int item,
                                          const char *state, bool again)
{
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;

                if (l && l->partition == partition && l->offset == record->offset &&
                    (item < 0 || l->item < 0 || l->item == item) && (l->epoch != NULL) == again &&
                    (!state || strcmp(l->state, state) == 0) &&
                    l->record.time_ms == record->time_ms)
                        return l;
        }
        return NULL;
}

static bool is_good_at_last(const struct sim_event *event)
{
        return event->kind == SIM_GOOD || event->kind == SIM_SKIPPED || event->mends ||
               (event->kind == SIM_TRIED && event->tries < (int)sim.plan->worker.retry_attempts);
}

/* Deleted before it was handled is no excuse for weir: only an operator's word passes it, or that of a new log. */
static bool is_told(const struct sim_record *record)
{
        return record->given_up || record->of_old_log;
}

/* Has a copy of it been kept with its final reason? */
static void judge_item(const struct sim_record *record, int partition, int item, const char *space,
                       bool again)
{
        const struct sim_event *event = &sim.plan->events[record->work->events[item]];
        const struct sim_effect *effect = NULL;
        size_t count = effects_of(event->number, space, &effect);
        const struct sim_letter *kept = letter_of(record, partition, item, "kept", again);

        sim_check(count <= 1, "I2", "e%d came into effect %zu times in %s", event->number, count,
                  space);
        if (again ? record->replay_excused : record->excused) {
                sim_check(again || is_told(record) || count ||
                                  letter_of(record, partition, item, NULL, again),
                          "I1", "e%d of %d/%lld was deleted unhandled, and no word passes it",
                          event->number, partition, (long long)record->offset);
                return;
        }
        sim_check(count || letter_of(record, partition, item, NULL, again), "I1",
                  "e%d of %d/%lld came neither into effect in %s, nor was it kept", event->number,
                  partition, (long long)record->offset, space);
        sim_check(!count || !kept, "both",
                  "e%d of %d/%lld came into effect in %s, and letter %lld keeps it", event->number,
                  partition, (long long)record->offset, space, kept ? (long long)kept->id : 0);
        sim_check(count == 1 || !is_good_at_last(event), "condemned",
                  "e%d of %d/%lld is good, and was never applied in %s", event->number, partition,
                  (long long)record->offset, space);
        sim_check(count == 0 || is_good_at_last(event), "applied",
                  "e%d of %d/%lld can never be good, and was applied in %s", event->number,
                  partition, (long long)record->offset, space);
}

static void judge_record(const struct sim_record *record, int partition, const char *space,
                         bool again)
{
        const struct sim_work *work = record->work;

        if (work->garbage) {
                sim_check((again ? record->replay_excused : record->excused && is_told(record)) ||
                                  letter_of(record, partition, -1, "kept", again),
                          "I1", "%d/%lld is no event, and was not kept", partition,
                          (long long)record->offset);
                return;
        }
        for (int i = 0; i < work->event_count; i++)
                judge_item(record, partition, i, space, again);
}

/* ---- at the end: claims and letters ---------------------------------------------------------- */

static void judge_claims(void)
{
        sim_row_each(row, SIM_EFFECT)
        {
                const struct sim_effect *e = row->now;
                size_t count = 0;

                if (!e)
                        continue;
                sim_row_each(other, SIM_CLAIM)
                {
                        const struct sim_claim *c = other->now;

                        count += c && memcmp(&c->key, &e->claim, sizeof c->key) == 0;
                }
                sim_check(count == 1, "I4", "e%d came into effect in %s, and has %zu claims",
                          e->event, e->space, count);
        }
        sim_row_each(row, SIM_CLAIM)
        {
                const struct sim_claim *c = row->now;
                size_t count = 0;

                if (!c)
                        continue;
                sim_row_each(other, SIM_EFFECT)
                {
                        const struct sim_effect *e = other->now;

                        count += e && memcmp(&c->key, &e->claim, sizeof c->key) == 0;
                }
                sim_check(count == 1, "I4", "a claim of offset %lld has %zu effects",
                          (long long)c->offset, count);
        }
}

static bool was_produced(const struct sim_letter *letter)
{
        for (size_t i = 0; i < sim_all_count; i++) {
                const struct sim_record *r = sim_all_records[i];

                if (sim_all_partition[i] != letter->partition || r->offset != letter->offset ||
                    r->time_ms != letter->record.time_ms ||
                    r->header_count != letter->record.header_count ||
                    r->key.size != letter->record.key.size ||
                    r->value.size != letter->record.value.size ||
                    memcmp(r->value.ptr, letter->record.value.ptr, r->value.size) != 0 ||
                    (r->key.size && memcmp(r->key.ptr, letter->record.key.ptr, r->key.size) != 0))
                        continue;
                return true;
        }
        return false;
}

/* J2. A death is written by somebody who holds nothing, maybe after the taking; such a row goes with the next one. */
static void judge_attempts(void)
{
        sim_row_each(row, SIM_ATTEMPT)
        {
                const struct sim_attempt *a = row->now;
                const struct sim_row *at = a ? sim_position_by_id(a->position) : NULL;

                sim_check(!at || a->attempts == 0 ||
                                  a->offset >= ((const struct sim_position *)at->now)->next_offset,
                          "J2", "attempts of offset %lld are there, which was passed",
                          a ? (long long)a->offset : 0);
        }
}

static void judge_letters(void)
{
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;

                sim_check(!l || was_produced(l), "bytes",
                          "letter %lld of %d/%lld is no record that was produced",
                          l ? (long long)l->id : 0, l ? l->partition : 0,
                          l ? (long long)l->offset : 0);
        }
}

/* ---- at the end: order ---------------------------------------------------------------------- */

static bool was_condemned(const struct sim_effect *effect)
{
        sim_row_each(row, SIM_LETTER)
        {
                const struct sim_letter *l = row->now;

                if (l && l->partition == effect->partition && l->offset == effect->offset)
                        return true;
        }
        return false;
}

/* The record had left the log, or another has its offset by now: the order is not the log's any more. So where a replay of what
 * is missing found it gone, and the worker has it parked. */
static bool is_excused(const struct sim_effect *effect)
{
        bool missing = sim.plan->replay == SIM_REPLAY_MISSING;

        for (size_t i = 0; i < sim_all_count; i++)
                if (sim_all_partition[i] == effect->partition &&
                    sim_all_records[i]->offset == effect->offset &&
                    (sim_all_records[i]->excused || sim_all_records[i]->of_old_log ||
                     (missing && sim_all_records[i]->replay_excused)))
                        return true;
        return false;
}

static void judge_pair(const struct sim_effect *a, const struct sim_effect *b)
{
        bool parks = sim.plan->worker.retry_order == WEIR_RETRY_PARK;

        if (a->partition != b->partition || strcmp(a->space, b->space) != 0 ||
            a->offset >= b->offset || a->seq <= b->seq)
                return;
        if (parks && (a->key != b->key || a->key < 0))
                return;
        sim_fail("I3", "%d/%lld (e%d, key %d) came into effect after %d/%lld (e%d)", a->partition,
                 (long long)a->offset, a->event, a->key, b->partition, (long long)b->offset,
                 b->event);
}

static void judge_order(void)
{
        sim_row_each(row, SIM_EFFECT)
        {
                const struct sim_effect *a = row->now;

                if (!a || was_condemned(a) || is_excused(a))
                        continue;
                sim_row_each(other, SIM_EFFECT)
                {
                        const struct sim_effect *b = other->now;

                        if (b && b != a && a->offset < b->offset && !was_condemned(b) &&
                            !is_excused(b))
                                judge_pair(a, b);
                }
        }
}

void sim_judge_end(void)
{
        for (size_t i = 0; i < sim_all_count; i++) {
                judge_record(sim_all_records[i], sim_all_partition[i], "w", false);
                if (sim.plan->replay == SIM_REPLAY_AGAIN &&
                    sim_position_find("w@1", "t", sim_all_partition[i]) &&
                    sim_all_records[i]->offset < sim_replay_until(sim_all_partition[i]) &&
                    !sim_all_records[i]->of_old_log)
                        judge_record(sim_all_records[i], sim_all_partition[i], "w@again", true);
        }
        sim_row_each(row, SIM_EFFECT)
        {
                const struct sim_effect *e = row->now;

                sim_check(!e || strcmp(e->space, "w@again") != 0 ||
                                  e->offset < sim_replay_until(e->partition),
                          "RP1", "a replay has passed its end at %lld",
                          (long long)sim_replay_until(e->partition));
        }
        judge_claims();
        judge_letters();
        judge_attempts();
        judge_order();
}

/* SPDX-License-Identifier: MIT */
/*
 * preview - the same decoder, the same filter, the same key, and a look instead of a claim
 *
 * A record is decoded by flow/batch, so what is refused here is refused there, for the same reason. What it holds is
 * written down as a key and two words, and let go of: so many records lie in memory as the client fetched ahead, and one.
 * Keys are asked for PENDING_MAX at a time; while the server looks for some, on more than one connection, the next
 * ones are decoded (store/claimed.h). The server is the slower of the two, so a second connection is felt.
 *
 * Order         answers are taken in the order of the questions, and those are asked in the order of the records. So of two
 *               events with one key the first one read would run. Between partitions that is an accident here and
 *               in a replay; the sums do not depend on it.
 * A live worker beside it goes on meanwhile: what it applies after it was read here is counted as to be run. A preview is
 *               about a moment, or rather about the minutes that it takes.
 * Letters       are read first, all of the ranges: few, by an index. Asking for each record would cost a round trip each.
 * Bounds        keys in hand (WEIR_PREVIEW_LOOKS + 1) * PENDING_MAX, keys that would run as flow/seen says, LETTERS_MAX letters. Where one is
 *               reached, it is said that the counts are bounds.
 * Not chosen    one reader of all topics: ranges of a topic are read side by side, topics one after the other; a
 *               partition-level handle belongs to one topic, and a worker reads few.
 */
#include "flow/preview.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/batch.h"
#include "flow/seen.h"
#include "kafka/reader.h"
#include "store/claimed.h"
#include "store/survey.h"

enum { PENDING_MAX = 16384, LETTERS_MAX = 1000000, SHOW_EVERY = 1024, WAIT_MS = 200 };
enum { SILENT_MS = 60000 }; /* a long run of aborted transactions is silent too */

/* Keys that wait to be asked for, or for the answer. */
struct pending {
        struct weir_key keys[PENDING_MAX];
        uint32_t ranges[PENDING_MAX];
        bool letters[PENDING_MAX];
        size_t count;
};

struct run {
        struct weir_preview *preview;
        struct weir_batch batch; /* of one record */
        struct weir_batch_rules rules;
        struct weir_seen seen;
        struct weir_claimed *claimed[WEIR_PREVIEW_LOOKS];
        /* As many as there are connections, and the one that is being filled. Asked in turn, answered in turn. */
        struct pending *sets[WEIR_PREVIEW_LOOKS + 1];
        size_t look_count;
        uint64_t asked,
                answered; /* questions; that number i is of set and of connection i modulo their counts */
        bool answers[PENDING_MAX];
        struct weir_survey_letter *letters;
        size_t letter_count;
        size_t *next_letters;  /* of each range: the first that is not behind what was read */
        uint32_t first, count; /* ranges of the topic in hand */
        uint32_t last;         /* the range of the record before */
        int64_t total, done_before;
        int64_t silent_us; /* since when no record came; 0 = the last call brought one */
        int64_t first_us; /* when the first record came: the connections before it are no reading */
};

static void run_fini(struct run *run)
{
        weir_batch_fini(&run->batch);
        for (size_t i = 0; i < WEIR_PREVIEW_LOOKS; i++)
                weir_claimed_free(run->claimed[i]);
        for (size_t i = 0; i <= WEIR_PREVIEW_LOOKS; i++)
                free(run->sets[i]);
        weir_seen_fini(&run->seen);
        free(run->letters);
        free(run->next_letters);
}

/* ---- claims ------------------------------------------------------------------------------------- */

static struct pending *set_of(struct run *run, uint64_t question)
{
        return run->sets[question % (run->look_count + 1)];
}

static struct weir_claimed *look_of(struct run *run, uint64_t question)
{
        return run->claimed[question % run->look_count];
}

/* The answer to the oldest question that is under way. */
static int settle(struct run *run, struct weir_error *reterr)
{
        struct pending *set = set_of(run, run->answered);
        int r = weir_claimed_answer(look_of(run, run->answered), run->answers, reterr);

        for (size_t i = 0; r == 0 && i < set->count; i++) {
                struct weir_preview_range *range = &run->preview->ranges[set->ranges[i]];
                int before;

                if (run->answers[i]) {
                        range->applied++;
                        continue;
                }
                before = weir_seen_add(&run->seen, &set->keys[i], reterr);
                if (before < 0)
                        return before;
                range->repeated += before;
                range->runs += !before;
                range->letters += !before && set->letters[i];
        }
        set->count = 0;
        run->answered++;
        return r;
}

/* The set that was filled is asked for, and there is another one to fill. */
static int ask(struct run *run, struct weir_error *reterr)
{
        struct pending *set = set_of(run, run->asked);
        int r = run->asked - run->answered < run->look_count ? 0 : settle(run, reterr);

        if (r == 0)
                r = weir_claimed_ask(look_of(run, run->asked), set->keys, set->count, reterr);
        if (r == 0)
                run->asked++;
        return r;
}

static int settle_all(struct run *run, struct weir_error *reterr)
{
        int r = set_of(run, run->asked)->count ? ask(run, reterr) : 0;

        while (r == 0 && run->answered < run->asked)
                r = settle(run, reterr);
        return r;
}

/* ---- records ------------------------------------------------------------------------------------ */

/* Is there a letter of @item at @offset? -1: of any item. Offsets come in order. */
static bool has_letter(struct run *run, uint32_t index, int64_t offset, int32_t item)
{
        size_t at = run->next_letters[index];

        for (; at < run->letter_count && run->letters[at].span == index &&
               run->letters[at].offset < offset;
             at++)
                ;
        run->next_letters[index] = at;
        for (; at < run->letter_count && run->letters[at].span == index &&
               run->letters[at].offset == offset;
             at++)
                if (item < 0 || run->letters[at].item < 0 || run->letters[at].item == item)
                        return true;
        return false;
}

static int take_item(struct run *run, uint32_t index, const struct weir_item *item,
                     int32_t item_index, struct weir_error *reterr)
{
        struct weir_preview_range *range = &run->preview->ranges[index];
        struct pending *filling = set_of(run, run->asked);

        range->events++;
        if (item->left_out) {
                range->left_out++;
                return 0;
        }
        filling->keys[filling->count] = item->key;
        filling->ranges[filling->count] = index;
        filling->letters[filling->count] = has_letter(run, index, item->event.offset, item_index);
        return ++filling->count == PENDING_MAX ? ask(run, reterr) : 0;
}

/* The record in the batch. */
static int take_record(struct run *run, uint32_t index, struct weir_error *reterr)
{
        const struct weir_batch_record *entry = &run->batch.records[0];
        struct weir_preview_range *range = &run->preview->ranges[index];
        int r = 0;

        range->records++;
        range->next_offset = entry->record.offset + 1;
        range->undecodable += entry->refused;
        if (entry->refusal)
                range->letters += has_letter(run, index, entry->record.offset, -1);
        for (uint32_t i = 0; r == 0 && i < entry->item_count; i++)
                r = take_item(run, index, &run->batch.items[entry->first_item + i], (int32_t)i,
                              reterr);
        return r;
}

/* Records of a partition come many at a time. */
static uint32_t range_of(struct run *run, int32_t partition)
{
        const struct weir_preview_range *ranges = run->preview->ranges;

        if (ranges[run->last].partition != partition || run->last < run->first)
                for (run->last = run->first; ranges[run->last].partition != partition;)
                        run->last++;
        return run->last;
}

/* ---- a topic ------------------------------------------------------------------------------------ */

static bool go_on(struct run *run)
{
        const struct weir_preview *preview = run->preview;
        int64_t done = run->done_before;

        if (!preview->progress)
                return true;
        for (uint32_t i = run->first; i < run->first + run->count; i++)
                done += preview->ranges[i].next_offset - preview->ranges[i].from_offset;
        return preview->progress(preview->context, done, run->total);
}

static void halt_range(struct run *run, const struct weir_record *record,
                       const struct weir_error *error)
{
        struct weir_preview_range *range = &run->preview->ranges[range_of(run, record->partition)];

        range->halt = *error;
}

static int silent(struct run *run, struct weir_error *reterr)
{
        int64_t now_us = weir_clock_us();

        if (run->silent_us == 0)
                run->silent_us = now_us;
        if (now_us - run->silent_us < SILENT_MS * INT64_C(1000))
                return 0;
        return weir_fail(reterr, WEIR_EKAFKA, 0,
                         "topic %s: %s has sent no record for %d s; is the broker away? weir check "
                         "--connect",
                         run->preview->ranges[run->first].topic, run->preview->conf->kafka_brokers,
                         SILENT_MS / 1000);
}

static int read_all(struct run *run, struct weir_reader *reader, struct weir_error *reterr)
{
        run->silent_us = 0;
        for (uint32_t n = 1;; n++) {
                struct weir_record record = { .topic = NULL };
                struct weir_error error;
                int r = weir_reader_read(reader, WAIT_MS, &record, &error);

                if (r == 2)
                        return 0;
                if (r == 0) {
                        r = silent(run, reterr);
                } else if (r < 0) {
                        if (!record.topic) {
                                *reterr = error;
                                return r;
                        }
                        halt_range(run, &record, &error);
                        r = 0;
                } else {
                        run->silent_us = 0;
                        if (!run->first_us)
                                run->first_us = weir_clock_us();
                        r = weir_batch_add(&run->batch, &record, reterr);
                        if (r < 0)
                                weir_record_release(&record);
                        if (r == 0)
                                r = take_record(run, range_of(run, record.partition), reterr);
                        weir_batch_reset(&run->batch);
                        if (r == 0 && n % SHOW_EVERY)
                                continue;
                }
                if (r < 0)
                        return r;
                if (!go_on(run))
                        return weir_fail(reterr, WEIR_ESTOP, 0, "interrupted");
        }
}

static void close_ranges(struct run *run, const struct weir_reader_range *bounds)
{
        for (uint32_t i = 0; i < run->count; i++) {
                struct weir_preview_range *range = &run->preview->ranges[run->first + i];

                range->begin_offset = bounds[i].begin_offset;
                if (range->begin_offset > range->until_offset) /* all of it is gone */
                        range->begin_offset = range->until_offset;
                if (range->begin_offset > range->from_offset)
                        range->gone = range->begin_offset - range->from_offset;
                if (range->halt.code == 0)
                        range->next_offset = range->until_offset;
                run->done_before += range->until_offset - range->from_offset;
        }
}

static int read_topic(struct run *run, struct weir_error *reterr)
{
        const struct weir_preview *preview = run->preview;
        struct weir_preview_range *ranges = &preview->ranges[run->first];
        WEIR_CLEANUP(weir_reader_closep) struct weir_reader *reader = NULL;
        WEIR_FREE struct weir_reader_range *bounds = calloc(run->count, sizeof *bounds);
        const struct weir_reader_conf how = {
                .brokers = preview->conf->kafka_brokers,
                .client_id = "weir-replay-preview",
                .properties = preview->conf->properties,
                .property_count = preview->conf->property_count,
                .topic = ranges[0].topic,
                .timeout_ms = preview->timeout_ms,
                .ranges = bounds,
                .range_count = run->count,
        };
        int r;

        if (!bounds)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%u partitions", run->count);
        for (uint32_t i = 0; i < run->count; i++)
                bounds[i] = (struct weir_reader_range){ ranges[i].partition, ranges[i].from_offset,
                                                        ranges[i].until_offset,
                                                        ranges[i].from_offset };
        r = weir_reader_open(&how, &reader, reterr);
        if (r == 0)
                r = read_all(run, reader, reterr);
        if (r == 0)
                close_ranges(run, bounds);
        return r;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int load_letters(struct run *run, struct weir_pg *pg, struct weir_error *reterr)
{
        struct weir_preview *preview = run->preview;
        WEIR_FREE struct weir_survey_span *spans = calloc(preview->range_count + 1, sizeof *spans);
        int r;

        run->next_letters = calloc(preview->range_count + 1, sizeof *run->next_letters);
        if (!spans || !run->next_letters)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", preview->range_count);
        for (size_t i = 0; i < preview->range_count; i++)
                spans[i] = (struct weir_survey_span){
                        .position = preview->ranges[i].position,
                        .from_offset = preview->ranges[i].from_offset,
                        .until_offset = preview->ranges[i].until_offset,
                };
        r = weir_survey_letters(pg, spans, preview->range_count, LETTERS_MAX, &run->letters,
                                &run->letter_count, &preview->letters_unsure, reterr);
        for (size_t i = run->letter_count; r == 0 && i > 0; i--)
                run->next_letters[run->letters[i - 1].span] = i - 1;
        for (size_t i = 0; r == 0 && i < preview->range_count; i++)
                if (run->letter_count == 0 || run->letters[run->next_letters[i]].span != i)
                        run->next_letters[i] = run->letter_count;
        return r;
}

static int begin(struct run *run, struct weir_pg *const *pgs, size_t pg_count,
                 struct weir_error *reterr)
{
        struct weir_preview *preview = run->preview;
        int r = 0;

        run->rules = (struct weir_batch_rules){ .space = preview->space,
                                                .filter = preview->filter };
        weir_batch_init(&run->batch, preview->worker->name, NULL,
                        preview->worker->accept_json_batch);
        weir_batch_set_rules(&run->batch, preview->worker->name, &run->rules);
        run->look_count = pg_count;
        for (size_t i = 0; i <= pg_count; i++) {
                run->sets[i] = calloc(1, sizeof *run->sets[i]);
                if (!run->sets[i])
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "%d keys", PENDING_MAX);
        }
        for (size_t i = 0; i < preview->range_count; i++) {
                struct weir_preview_range *range = &preview->ranges[i];

                range->next_offset = range->begin_offset = range->from_offset;
                run->total += range->until_offset - range->from_offset;
        }
        for (size_t i = 0; r == 0 && i < pg_count; i++)
                r = weir_claimed_new(pgs[i], &run->claimed[i], reterr);
        return r;
}

static int read_topics(struct run *run, struct weir_error *reterr)
{
        const struct weir_preview_range *ranges = run->preview->ranges;
        uint32_t all = (uint32_t)run->preview->range_count;
        int r = 0;

        for (run->first = 0; r == 0 && run->first < all; run->first += run->count) {
                for (run->count = 1;
                     run->first + run->count < all &&
                     !strcmp(ranges[run->first + run->count].topic, ranges[run->first].topic);)
                        run->count++;
                r = read_topic(run, reterr);
        }
        return r;
}

int weir_preview_run(struct weir_preview *preview, struct weir_pg *const *pgs, size_t pg_count,
                     struct weir_error *reterr)
{
        WEIR_FREE struct run *run = calloc(1, sizeof *run);
        int r;

        assert(pg_count >= 1 && pg_count <= WEIR_PREVIEW_LOOKS);
        if (!run)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "preview");
        run->preview = preview;
        r = begin(run, pgs, pg_count, reterr);
        if (r == 0)
                r = load_letters(run, pgs[0], reterr);
        if (r == 0)
                r = read_topics(run, reterr);
        if (r == 0)
                r = settle_all(run, reterr);
        preview->repeated_unsure = run->seen.full;
        preview->read_us = run->first_us ? weir_clock_us() - run->first_us : 0;
        run_fini(run);
        return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * dead - nothing is thrown away, and nothing goes round for ever
 *
 * Always true   I4  the row, the message and the step over the offset are one transaction.
 *               D1  what is published is the record as it came. Headers weir_* are ours: those that it
 *                   brought from an earlier round are replaced, never added to, so it does not grow from
 *                   round to round; weir_round counts them.
 *               D2  the headers are bounded: numbers, names, and a text of WEIR_DEAD_TEXT_BYTES.
 *               D3  rounds that a record tells count only where it tells, too, which letter of ours it was, and
 *                   never beyond WEIR_ROUND_MAX, which --max-rounds reaches. Who forges all of it is believed: he
 *                   can have his own records left alone by a requeue until an operator raises --max-rounds, and
 *                   no more. The letter that it names may be of another database, so it is not looked up.
 * Not chosen    publishing instead of the row: a topic has retention, cannot be searched and cannot be
 *               marked. Names of others' tools (x-death, __connect.errors.*): they promise other contents.
 */
#include "flow/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/utf8.h"
#include "flow/policy.h"

#define OWN_PREFIX "weir_"

void weir_dead_fini(struct weir_dead *dead)
{
        weir_outbox_writer_free(dead->writer);
        dead->writer = NULL;
}

/* The number of a header of ours, from 0; -1: it is not there, twice there, or no number. */
static int64_t own_number(const struct weir_header *headers, size_t count, const char *name)
{
        int64_t number = -1;

        for (size_t i = 0; i < count; i++) {
                const char *at = headers[i].value;

                if (strcmp(headers[i].name, name) != 0)
                        continue;
                if (number >= 0 || !at || !headers[i].size || headers[i].size > 18)
                        return -1;
                number = 0;
                for (size_t k = 0; k < headers[i].size; k++) {
                        if (at[k] < '0' || at[k] > '9')
                                return -1;
                        number = number * 10 + (at[k] - '0');
                }
        }
        return number;
}

int32_t weir_dead_round(const struct weir_header *headers, size_t count)
{
        int64_t round = own_number(headers, count, OWN_PREFIX "round");
        bool named = false;

        for (size_t i = 0; i < count; i++)
                named = named || (strcmp(headers[i].name, OWN_PREFIX "topic") == 0 &&
                                  headers[i].value && headers[i].size);
        if (round < 1 || !named || own_number(headers, count, OWN_PREFIX "partition") < 0 ||
            own_number(headers, count, OWN_PREFIX "offset") < 0 ||
            own_number(headers, count, OWN_PREFIX "dead_letter") < 1) /* D3 */
                return 1;
        return round < WEIR_ROUND_MAX ? (int32_t)round + 1 : WEIR_ROUND_MAX;
}

/* ---- the message --------------------------------------------------------------------------- */

struct headers {
        struct weir_arena *arena;
        struct weir_header *list;
        size_t count;
        bool failed;
};

static void add(struct headers *headers, const char *name, const char *value, size_t size)
{
        const char *copy = weir_arena_copy(headers->arena, value, size);

        headers->failed = headers->failed || !copy;
        headers->list[headers->count++] = (struct weir_header){ name, copy, size };
}

static void add_number(struct headers *headers, const char *name, int64_t number)
{
        char text[24];

        add(headers, name, text, (size_t)snprintf(text, sizeof text, "%" PRId64, number));
}

/* At most so many bytes, and no half character at the end. */
static size_t cut(const char *text, size_t most)
{
        size_t size = strlen(text);

        if (size <= most)
                return size;
        for (size = most; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;)
                size--;
        return size;
}

enum { OWN_HEADERS = 9 };

int weir_dead_message(const struct weir_deadletter *letter, int64_t id, const char *topic,
                      struct weir_arena *arena, struct weir_outbox_message *ret)
{
        size_t room = letter->header_count + OWN_HEADERS;
        struct headers headers = { .arena = arena };
        const char *text = letter->text ? letter->text : "";
        char name[40];
        const char *message_id;

        headers.list = weir_arena_alloc(arena, room * sizeof *headers.list);
        message_id = weir_arena_copy(arena, name,
                                     (size_t)snprintf(name, sizeof name, "weir-dead-%" PRId64, id));
        if (!headers.list || !message_id)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < letter->header_count; i++)
                if (strncmp(letter->headers[i].name, OWN_PREFIX, strlen(OWN_PREFIX)) != 0) /* D1 */
                        headers.list[headers.count++] = letter->headers[i];
        add(&headers, OWN_PREFIX "reason", letter->reason, strlen(letter->reason));
        add(&headers, OWN_PREFIX "class", letter->klass, strlen(letter->klass));
        add(&headers, OWN_PREFIX "text", text, cut(text, WEIR_DEAD_TEXT_BYTES)); /* D2 */
        add(&headers, OWN_PREFIX "topic", letter->topic, strlen(letter->topic));
        add_number(&headers, OWN_PREFIX "partition", letter->partition);
        add_number(&headers, OWN_PREFIX "offset", letter->offset);
        add_number(&headers, OWN_PREFIX "attempts", letter->attempts);
        add_number(&headers, OWN_PREFIX "dead_letter", id);
        add_number(&headers, OWN_PREFIX "round", letter->round);
        *ret = (struct weir_outbox_message){
                .kind = WEIR_OUTBOX_TOPIC,
                .destination = topic,
                .key = letter->key,
                .body = letter->value,
                .headers = headers.list,
                .header_count = headers.count,
                .message_id = { message_id, strlen(message_id) },
                .worker = letter->worker,
                .position = letter->position,
                .offset = letter->offset,
        };
        return headers.failed ? WEIR_ENOMEM : 0;
}

/* ---- the row ------------------------------------------------------------------------------- */

static int add_message(struct weir_dead *dead, struct weir_pg *pg,
                       const struct weir_deadletter *letter, int64_t id, struct weir_arena *arena,
                       struct weir_error *reterr)
{
        struct weir_outbox_message message;
        int r = dead->writer ? 0 : weir_outbox_writer_new(pg, &dead->writer, reterr);

        if (r < 0)
                return r;
        if (weir_dead_message(letter, id, dead->worker->dead_letter_topic, arena, &message) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "message of dead letter %" PRId64, id);
        return weir_outbox_add(dead->writer, &message, reterr);
}

int weir_dead_publish(struct weir_dead *dead, struct weir_pg *pg,
                      const struct weir_deadletter *letter, int64_t id, struct weir_arena *arena,
                      struct weir_error *reterr)
{
        int r = add_message(dead, pg, letter, id, arena, reterr);

        if (r == 0)
                r = weir_outbox_send(dead->writer, pg, reterr);
        if (dead->writer)
                weir_outbox_reset(dead->writer);
        return r;
}

static int keep_one(struct weir_dead *dead, struct weir_pg *pg,
                    const struct weir_deadletter *letter, struct weir_arena *arena,
                    struct weir_error *reterr)
{
        int64_t id = 0;
        int r = weir_deadletter_keep(pg, letter, &id, reterr);

        if (r < 0 || dead->worker->on_dead != WEIR_DEAD_PUBLISH || id == 0)
                return r;
        if (dead->withhold) {
                dead->withheld++;
                return 0;
        }
        return add_message(dead, pg, letter, id, arena, reterr);
}

static struct weir_deadletter letter_of(const struct weir_dead *dead,
                                        const struct weir_batch_record *entry,
                                        const struct weir_position *position)
{
        return (struct weir_deadletter){
                .position = dead->position ? dead->position : position->id,
                .epoch = dead->epoch,
                .withhold = dead->withhold,
                .unless_kept = dead->replay != 0,
                .worker = dead->worker->name,
                .topic = entry->record.topic,
                .partition = entry->record.partition,
                .offset = entry->record.offset,
                .record_time_ms = entry->record.time_ms,
                .key = entry->record.key,
                .value = entry->record.value,
                .headers = entry->record.headers,
                .header_count = entry->record.header_count,
                .at_byte = -1,
                .attempts = 1,
                .plugin_version = dead->version,
                .round = weir_dead_round(entry->record.headers, entry->record.header_count),
        };
}

static int keep_record(struct weir_dead *dead, struct weir_pg *pg, struct weir_batch *batch,
                       const struct weir_batch_record *entry, const struct weir_position *position,
                       struct weir_error *reterr)
{
        struct weir_deadletter letter = letter_of(dead, entry, position);
        int r = 0;

        if (entry->refusal) {
                letter.klass = WEIR_CLASS_DECODE;
                letter.reason = weir_refusal_name(entry->refusal->klass);
                letter.text = entry->refusal->reason;
                letter.at_byte = (int64_t)entry->refusal->at;
                return keep_one(dead, pg, &letter, &batch->arena, reterr);
        }
        for (uint32_t k = 0; r == 0 && k < entry->item_count; k++) {
                const struct weir_item *item = &batch->items[entry->first_item + k];

                if (!item->dead)
                        continue;
                letter.klass = item->klass;
                letter.reason = item->reason;
                letter.text = item->text ? item->text : "";
                letter.attempts = item->attempts;
                letter.source = item->event.source;
                letter.id = item->event.id;
                letter.first_failed_us = item->first_failed_us;
                letter.item = (int32_t)k;
                r = keep_one(dead, pg, &letter, &batch->arena, reterr);
        }
        return r;
}

int weir_dead_keep(struct weir_dead *dead, struct weir_pg *pg, struct weir_batch *batch,
                   size_t first, size_t count, const struct weir_position *position,
                   struct weir_error *reterr)
{
        int r = 0;

        for (size_t i = first; r == 0 && i < first + count; i++)
                if (weir_batch_fate(batch, i) == WEIR_FATE_DEAD)
                        r = keep_record(dead, pg, batch, &batch->records[i], position, reterr);
        if (r == 0 && dead->writer)
                r = weir_outbox_send(dead->writer, pg, reterr);
        if (dead->writer)
                weir_outbox_reset(dead->writer); /* sent, or of a transaction that will not be */
        WEIR_FAILPOINT("dead.kept");
        return r;
}

/* ---- halting ------------------------------------------------------------------------------- */

/* Of a replay the live position is no way out: set behind this offset it would pass live events unread. */
static void write_ways_out(const struct weir_dead *dead, const struct weir_record *record,
                           bool halts, char *ret, size_t size)
{
        long long offset = (long long)record->offset;

        if (dead->replay)
                snprintf(ret, size,
                         "weir replay resume %lld; one that is planned anew with --partition "
                         "%s/%d --from %lld leaves that event out",
                         (long long)dead->replay, record->topic, record->partition, offset + 1);
        else
                snprintf(ret, size,
                         "%sweir position set %s %s/%d %lld --reason again; the same with %lld "
                         "loses that event: nothing is kept of it",
                         halts ? "a restart or: " : "", dead->worker->name, record->topic,
                         record->partition, offset, offset + 1);
}

void weir_dead_halt(const struct weir_dead *dead, const struct weir_batch *batch, size_t record,
                    struct weir_error *ret)
{
        const struct weir_batch_record *entry = &batch->records[record];
        const struct weir_record *r = &entry->record;
        const struct weir_conf_worker *worker = dead->worker;
        const char *klass = WEIR_CLASS_DECODE, *reason = "", *text = "";
        bool halts = worker->on_dead == WEIR_DEAD_HALT;
        /* The ways out stand last, and must not be cut. */
        size_t most = 2 * strlen(r->topic) + strlen(worker->name) < 400 ? 160 : 64;
        char why[120], key[WEIR_SHOW_KEY_BYTES], ways[WEIR_ERROR_TEXT_BYTES];

        if (entry->refusal) {
                reason = weir_refusal_name(entry->refusal->klass);
                text = entry->refusal->reason;
        }
        for (uint32_t i = entry->first_item; i < entry->first_item + entry->item_count; i++)
                if (batch->items[i].dead) {
                        klass = batch->items[i].klass;
                        reason = batch->items[i].reason;
                        text = batch->items[i].text ? batch->items[i].text : "";
                        break;
                }
        if (halts)
                snprintf(why, sizeof why, "on_dead is \"halt\"");
        else
                snprintf(
                        why, sizeof why,
                        "more than dead.max_share, %u %% of the last %u, failed: is it the plugin?",
                        worker->dead_max_percent, worker->dead_window);
        halts = halts && strcmp(klass, WEIR_CLASS_CRASH) != 0; /* deaths outlive a restart */
        write_ways_out(dead, r, halts, ways, sizeof ways);
        weir_fail(ret, WEIR_EHANDLER, 0,
                  "%s/%d offset %lld key %s: %s, %s: %.*s; %s; once mended%s%s", r->topic,
                  r->partition, (long long)r->offset,
                  r->key.ptr ? weir_bytes_show(r->key.ptr, r->key.size, key, sizeof key) : "none",
                  klass, reason, (int)cut(text, most), text, why,
                  halts && !dead->replay ? ", " : ": ", ways);
}

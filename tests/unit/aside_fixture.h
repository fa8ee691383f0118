/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_ASIDE_FIXTURE_H
#define WEIR_TEST_ASIDE_FIXTURE_H
/*
 * aside_fixture - what is run beside a partition, in real transactions, with a handler of the test's own
 *
 * Each test has a position of its own and ends with its rows; what Kafka gives is faked.
 */
#include <weir/worker.h>

#include "flow/aside.h"
#include "flow/marks.h"
#include "store_fixture.h"

int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        (void)record;
        (void)arena;
        return 0;
}
void weir_record_release(struct weir_record *record)
{
        (void)record;
}
const char *weir_partition_topic(const struct weir_partition *partition)
{
        (void)partition;
        return "t";
}
int32_t weir_partition_number(const struct weir_partition *partition)
{
        (void)partition;
        return 0;
}

/* ---- the handler --------------------------------------------------------------------------- */

struct weir_handler {
        struct weir_worker worker;
};
static struct weir_handler handler;

const struct weir_worker *weir_handler_worker(const struct weir_handler *h)
{
        return &h->worker;
}
void *weir_handler_self(const struct weir_handler *h)
{
        (void)h;
        return NULL;
}
const char *weir_handler_name(const struct weir_handler *h)
{
        (void)h;
        return "w";
}
const struct weir_conf_sink *weir_handler_sink(const struct weir_handler *h, const char *name)
{
        (void)h;
        (void)name;
        return NULL;
}
const char *weir_handler_version(const struct weir_handler *h)
{
        return h->worker.version;
}
size_t weir_handler_table_count(const struct weir_handler *h)
{
        (void)h;
        return 0;
}
struct weir_table *weir_handler_table(const struct weir_handler *h, size_t index)
{
        (void)h;
        (void)index;
        return NULL;
}

static struct {
        int calls;
        char ids[256]; /* in the order of the calls */
        int32_t attempt;
        int answer;        /* of each call */
        const char *sql;   /* run in the handler's transaction */
        const char *other; /* run on another connection, while the handler has the event */
} said;
static struct weir_pg *watch;

static inline int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        (void)self;
        said.calls++;
        said.attempt = event->attempt;
        strncat(said.ids, event->id.ptr, sizeof said.ids - strlen(said.ids) - 1);
        if (said.other)
                ck_assert_int_eq(weir_pg_run(watch, said.other, NULL), 0);
        if (weir_tx_exec(tx, "INSERT INTO public.effect (id) VALUES ($1)", reterr,
                         weir_text(event->id)) < 0)
                return reterr->code;
        if (said.sql && weir_tx_exec_values(tx, said.sql, NULL, 0, NULL, reterr) < 0)
                return reterr->code;
        if (said.answer == WEIR_REJECT)
                return weir_reject(reterr, "no %s", event->id.ptr);
        return said.answer == WEIR_RETRY ? weir_retry(reterr, "later %s", event->id.ptr)
                                         : said.answer;
}

/* ---- fixture ------------------------------------------------------------------------------- */

static struct weir_conf_worker worker;
static struct weir_lane_env env;
static struct weir_marks marks;
static struct weir_position position;
static struct weir_applier applier;
static struct weir_dead dead;
static struct weir_park park;
static struct weir_share share;
static struct weir_applied_counts counts;
static struct weir_aside aside;
static struct weir_latch abort_latch;
static struct weir_error error;

static inline int stopping(void *context)
{
        (void)context;
        return 0;
}

static inline void setup(void)
{
        const struct weir_pg_conf conf = { .url = fixture.url, .application_name = "weir test" };

        watch = fixture_connect();
        OK(weir_pg_run(watch,
                       "CREATE TABLE IF NOT EXISTS public.effect (id text, late int"
                       " CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED);"
                       " TRUNCATE public.effect, weir.parked, weir.dead_letter, weir.claim_1,"
                       " weir.batch, weir.outbox",
                       reterr));
        worker = (struct weir_conf_worker){ .name = "w",
                                            .retry_attempts = 3,
                                            .retry_factor = 2,
                                            .retry_first_delay_ms = 100,
                                            .retry_max_delay_ms = 60000,
                                            .retry_order = WEIR_RETRY_PARK,
                                            .retry_park_max_keys = 100,
                                            .retry_park_max_events = 100,
                                            .dead_max_percent = 50,
                                            .dead_window = 10,
                                            .accept_json_batch = true };
        handler.worker = (struct weir_worker){ .name = "p", .version = "1", .handle = handle };
        weir_latch_init(&abort_latch);
        weir_marks_init(&marks);
        env = (struct weir_lane_env){ .worker = &worker, .marks = &marks, .owner = "host:1" };
        OK(weir_pool_new(&conf, 2, &env.pool, reterr));
        OK(weir_position_take(watch, "w", "t", 0, "host:1", &position, reterr));
        if (position.next_offset < 0)
                OK(weir_position_begin(watch, &position, 100, reterr));
        weir_park_init(&park, &worker);
        OK(weir_share_init(&share, &worker, reterr));
        dead = (struct weir_dead){ .worker = &worker, .version = "1" };
        applier = (struct weir_applier){ .worker = "w",
                                         .version = "1",
                                         .plugin = &handler.worker,
                                         .dead = &dead,
                                         .park = &park,
                                         .tx = weir_handler_tx_new(&handler, NULL) };
        ck_assert_ptr_nonnull(applier.tx);
        aside = (struct weir_aside){ .env = &env,
                                     .abort = &abort_latch,
                                     .stopping = stopping,
                                     .applier = &applier,
                                     .share = &share,
                                     .counts = &counts };
        weir_aside_init(&aside);
}

static inline void teardown(void)
{
        weir_aside_fini(&aside);
        weir_handler_tx_free(applier.tx);
        weir_dead_fini(&dead);
        weir_share_fini(&share);
        weir_park_fini(&park);
        weir_pool_free(env.pool);
        weir_marks_fini(&marks);
        weir_latch_fini(&abort_latch);
        weir_pg_close(watch);
}

static const struct weir_header headers[] = { { "content-type", "application/cloudevents+json",
                                                28 } };

/* A structured record of event @id; "x,y": a JSON batch of two. */
static inline struct weir_kept_record record_of(const char *id, const char *key, char *room,
                                                size_t size, struct weir_header *header)
{
        char first[16];
        size_t comma = strcspn(id, ",");

        *header = headers[0];
        snprintf(first, sizeof first, "%.*s", (int)comma, id);
        if (id[comma]) {
                snprintf(
                        room, size,
                        "[{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t\"},"
                        "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t\"}]",
                        first, id + comma + 1);
                header->value = "application/cloudevents-batch+json";
                header->size = 34;
        } else {
                snprintf(room, size,
                         "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/s\",\"type\":\"t\"}",
                         id);
        }
        return (struct weir_kept_record){ .record_time_ms = 1000,
                                          .key = { key, key ? strlen(key) : 0 },
                                          .value = { room, strlen(room) },
                                          .headers = header,
                                          .header_count = 1 };
}

static inline void parked(int64_t offset, int32_t item, const char *id, const char *key,
                          int32_t attempts)
{
        char room[512];
        struct weir_header header;
        const struct weir_kept_record record = record_of(id, key, room, sizeof room, &header);
        const struct weir_parked_new row = { .position = position.id,
                                             .topic = "t",
                                             .offset = offset,
                                             .item = item,
                                             .record = &record,
                                             .source = { "/s", 2 },
                                             .event_id = { id, strlen(id) },
                                             .attempts = attempts,
                                             .reason = "handler",
                                             .text = "x" };
        int64_t row_id;

        OK(weir_parked_insert(watch, &row, &row_id, reterr));
        OK(weir_park_load(&park, watch, position.id, reterr));
}

static inline int64_t letter(const char *id, int32_t item, const char *klass)
{
        char room[512];
        struct weir_header header;
        const struct weir_kept_record record = record_of(id, "k", room, sizeof room, &header);
        const struct weir_deadletter row = { .position = position.id,
                                             .worker = "w",
                                             .topic = "t",
                                             .offset = 50,
                                             .key = record.key,
                                             .value = record.value,
                                             .headers = record.headers,
                                             .header_count = 1,
                                             .klass = klass,
                                             .reason = "older",
                                             .text = "x",
                                             .at_byte = -1,
                                             .attempts = 2,
                                             .item = item };
        int64_t row_id = 0;

        OK(weir_deadletter_keep(watch, &row, &row_id, reterr));
        fixture_int(watch,
                    "UPDATE weir.dead_letter SET state = 'requeue', round = round + 1,"
                    " attempts = 0 WHERE id = %lld RETURNING 1",
                    (long long)row_id);
        return row_id;
}

static inline enum weir_run run(void)
{
        aside.look_at_us = marks.look_at_us = 0;
        return weir_aside_run(&aside, &position, 5000000);
}

#define COUNT(what) fixture_int(watch, "SELECT count(*) FROM " what)

/* Effects, claims and the sums of the trail agree, whatever happened. */
static inline void books_balance(void)
{
        ck_assert_int_eq(COUNT("public.effect"), COUNT("weir.claim"));
        ck_assert_int_eq(fixture_int(watch, "SELECT coalesce(sum(fresh), 0) FROM weir.batch"),
                         COUNT("weir.claim"));
        ck_assert_int_eq(fixture_int(watch, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     position.id),
                         position.next_offset);
}

#endif

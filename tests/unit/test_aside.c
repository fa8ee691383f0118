/* SPDX-License-Identifier: MIT */
/*
 * aside: a parked event and a marked dead letter, in real transactions, with a handler of the test's own
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

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
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

static int stopping(void *context)
{
        (void)context;
        return 0;
}

static void setup(void)
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
        aside = (struct weir_aside){ .env = &env,
                                     .abort = &abort_latch,
                                     .stopping = stopping,
                                     .applier = &applier,
                                     .share = &share,
                                     .counts = &counts };
        weir_aside_init(&aside);
}

static void teardown(void)
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
static struct weir_kept_record record_of(const char *id, const char *key, char *room, size_t size,
                                         struct weir_header *header)
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

static void parked(int64_t offset, int32_t item, const char *id, const char *key, int32_t attempts)
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

static int64_t letter(const char *id, int32_t item, const char *klass)
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

static enum weir_run run(void)
{
        aside.look_at_us = marks.look_at_us = 0;
        return weir_aside_run(&aside, &position, 5000000);
}

#define COUNT(what) fixture_int(watch, "SELECT count(*) FROM " what)

/* Effects, claims and the sums of the trail agree, whatever happened. */
static void books_balance(void)
{
        ck_assert_int_eq(COUNT("public.effect"), COUNT("weir.claim"));
        ck_assert_int_eq(fixture_int(watch, "SELECT coalesce(sum(fresh), 0) FROM weir.batch"),
                         COUNT("weir.claim"));
        ck_assert_int_eq(fixture_int(watch, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     position.id),
                         position.next_offset);
}

/* ---- parked -------------------------------------------------------------------------------- */

START_TEST(Z1_a_parked_event_comes_into_effect_and_its_row_goes)
{
        parked(90, 0, "a", "k", 1);
        parked(91, 0, "b", "k", 0);
        parked(92, 0, "c", "l", 0);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abc"); /* b follows a at once: it was only waiting for it */
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.claim WHERE \"offset\" BETWEEN 90 AND 92"), 3);
        ck_assert_uint_eq(park.count, 0);
        ck_assert_uint_eq(counts.fresh, 3);
        books_balance();
}
END_TEST

START_TEST(Z1_a_duplicate_that_was_faster_leaves_nothing_to_do)
{
        parked(90, 0, "a", "k", 1);
        parked(93, 0, "a", NULL, 0); /* the same event once more */
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        books_balance();
}
END_TEST

START_TEST(one_event_of_a_record_of_many_is_run_and_the_others_are_not)
{
        parked(90, 1, "a,b", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "b");
        books_balance();
}
END_TEST

START_TEST(a_parked_event_that_fails_waits_and_its_key_with_it)
{
        parked(90, 0, "a", "k", 1);
        parked(91, 0, "b", "k", 0);
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a");
        ck_assert_int_eq(said.attempt, 2);
        ck_assert_int_eq(COUNT("weir.parked WHERE attempts = 2 AND text = 'later a'"
                               " AND next_try_at > now()"),
                         1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE); /* not due */
        ck_assert_int_eq(said.calls, 1);
        books_balance();
}
END_TEST

START_TEST(a_parked_event_is_kept_after_the_last_attempt_and_its_key_goes_on)
{
        parked(90, 0, "a", "k", 2);
        parked(91, 0, "b", "k", 0);
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE event_id = 'a' AND class = 'attempts'"
                               " AND attempts = 3 AND \"offset\" = 90 AND text = 'later a'"
                               " AND first_failed_at < failed_at"),
                         1);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_uint_eq(share.ones, 1);
        books_balance();
}
END_TEST

START_TEST(a_parked_event_that_is_refused_is_kept_at_once)
{
        parked(90, 1, "a,b", "k", 1);
        said.answer = WEIR_REJECT;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE event_id = 'b' AND class = 'reject'"
                               " AND attempts = 2 AND item = 1 AND reason = 'handler'"),
                         1);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 1);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        books_balance();
}
END_TEST

/* Nothing to call the handler for must not look like nothing left to do. */
START_TEST(an_event_that_its_record_does_not_hold_is_kept_and_never_lost)
{
        parked(90, 1, "a", "k", 1);
        letter("b", 2, "reject");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND \"offset\" = 90 AND text LIKE '%%1 events, not 2'"),
                         1);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND \"offset\" = 50 AND text LIKE '%%1 events, not 3'"),
                         1);
        books_balance();
}
END_TEST

START_TEST(what_only_COMMIT_would_refuse_is_the_events_fault_too)
{
        said.sql = "INSERT INTO public.effect (late) VALUES (1), (1)";
        parked(90, 0, "a", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE reason = '23505'"), 1);
        books_balance();
}
END_TEST

START_TEST(Z3_a_lost_connection_uses_up_no_attempt)
{
        said.sql = "SELECT pg_terminate_backend(pg_backend_pid())";
        parked(90, 0, "a", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.parked WHERE attempts = 1"), 1);
        ck_assert_uint_eq(aside.failures, 1);
        ck_assert_int_gt(aside.not_before_us, weir_clock_us() - 1000000);
        said.sql = NULL;
        aside.not_before_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_uint_eq(aside.failures, 0);
        books_balance();
}
END_TEST

START_TEST(another_epoch_runs_nothing)
{
        struct weir_position other;

        parked(90, 0, "a", "k", 1);
        OK(weir_position_take(watch, "w", "t", 0, "host:2", &other, reterr));
        ck_assert_int_eq(run(), WEIR_RUN_FENCED);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
}
END_TEST

START_TEST(a_row_that_somebody_removed_meanwhile_takes_its_effects_with_it)
{
        parked(90, 0, "a", "k", 1);
        said.other = "DELETE FROM weir.parked";
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        said.other = NULL;
        ck_assert_int_eq(run(), WEIR_RUN_DONE); /* reads anew what there is */
        ck_assert_uint_eq(park.count, 0);
        ck_assert_int_eq(COUNT("public.effect"), 0);
        books_balance();
}
END_TEST

START_TEST(too_many_dead_parked_events_halt_and_stay_parked)
{
        said.answer = WEIR_REJECT;
        for (int i = 0; i < 6; i++)
                parked(80 + i, 0, "a", NULL, 1);
        ck_assert_int_eq(run(), WEIR_RUN_HALTED);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 5);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "t/0 offset 85, parked: no a"));
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "weir position set w t/0 "));
        books_balance();
}
END_TEST

START_TEST(what_was_parked_before_halt_was_configured_halts_and_says_so)
{
        worker.on_dead = WEIR_DEAD_HALT;
        weir_share_fini(&share);
        OK(weir_share_init(&share, &worker, reterr));
        said.answer = WEIR_REJECT;
        parked(80, 0, "a", NULL, 1);
        ck_assert_int_eq(run(), WEIR_RUN_HALTED);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 0);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "on_dead is \"halt\""));
        ck_assert_ptr_null(strstr(aside.halt.text, "max_share"));
        books_balance();
}
END_TEST

START_TEST(Z4_a_turn_is_bounded)
{
        said.sql = "SELECT pg_sleep(0.05)";
        for (int i = 0; i < 4; i++)
                parked(80 + i, 0, (const char *[]){ "a", "b", "c", "d" }[i], NULL, 1);
        ck_assert_int_eq(weir_aside_run(&aside, &position, 60000), WEIR_RUN_DONE);
        ck_assert_int_ge(said.calls, 1);
        ck_assert_int_le(said.calls, 2);
        ck_assert_uint_eq(park.count, (size_t)(4 - said.calls));
        ck_assert_int_eq(weir_aside_run(&aside, &position, 5000000), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abcd");
        books_balance();
}
END_TEST

/* ---- marked dead letters -------------------------------------------------------------------- */

START_TEST(a_marked_letter_comes_into_effect_once)
{
        int64_t id = letter("a", 0, "reject");

        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a");
        ck_assert_int_eq(said.attempt, 1); /* a new round */
        ck_assert_int_eq(
                COUNT("weir.dead_letter WHERE state = 'applied' AND marked_at IS NOT NULL"), 1);
        fixture_int(watch,
                    "UPDATE weir.dead_letter SET state = 'requeue' WHERE id = %lld RETURNING 1",
                    (long long)id);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'duplicate'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_that_fails_is_kept_with_its_new_reason)
{
        letter("a", 0, "attempts");
        said.answer = WEIR_REJECT;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'reject'"
                               " AND reason = 'handler' AND text = 'no a' AND attempts = 1"
                               " AND round = 2"),
                         1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_has_its_attempts_and_waits_between_them)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        for (int call = 1; call <= 3; call++) {
                ck_assert_int_eq(run(), WEIR_RUN_DONE);
                ck_assert_int_eq(said.calls, call);
                ck_assert_int_eq(said.attempt, call);
                ck_assert_int_eq(run(), WEIR_RUN_DONE); /* it waits, or it is over */
                ck_assert_int_eq(said.calls, call);
                fixture_int(watch, "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                                   " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        }
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND attempts = 3"
                               " AND class = 'attempts'"),
                         1);
        books_balance();
}
END_TEST

START_TEST(X6_letters_of_a_key_take_effect_in_the_order_in_which_they_died)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        letter("b", 0, "attempts"); /* of the same key */
        letter("c", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a"); /* also within one turn */
        said.answer = WEIR_DONE;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a"); /* nobody overtakes while it waits */
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                    " interval '1min' WHERE attempts > 0 RETURNING 1) SELECT count(*) FROM u");
        for (int turn = 0; turn < 3; turn++)
                ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "aabc");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 3);
        books_balance();
}
END_TEST

START_TEST(X6_other_keys_and_none_do_not_wait)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        letter("b", 0, "attempts");
        letter("c", 0, "attempts");
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET key = CASE id WHEN (SELECT min(id)"
                    " FROM weir.dead_letter) THEN 'x'::bytea WHEN (SELECT max(id) FROM"
                    " weir.dead_letter) THEN NULL ELSE repeat('y', 10000)::bytea END"
                    " RETURNING 1) SELECT count(*) FROM u");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abc");
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_that_fails_for_good_is_published_again)
{
        worker.on_dead = WEIR_DEAD_PUBLISH;
        worker.dead_letter_topic = "t.dead";
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 0); /* it has more attempts */
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET attempts = 2, failed_at = now() -"
                    " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'attempts'"
                               " AND attempts = 3 AND text = 'later a'"),
                         1);
        ck_assert_int_eq(
                COUNT("weir.outbox o, weir.dead_letter d WHERE o.kind = 't' AND o.destination ="
                      " 't.dead' AND o.body = d.value AND o.key = d.key AND o.message_id ="
                      " 'weir-dead-' || d.id AND o.header_values[array_position(o.header_names,"
                      " 'weir_round'::bytea)] = '2' AND o.header_values[array_position("
                      "o.header_names, 'weir_text'::bytea)] = 'later a'"),
                1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 1);
        books_balance();
}
END_TEST

START_TEST(a_letter_that_is_dropped_before_it_is_published_again_is_not)
{
        worker.on_dead = WEIR_DEAD_PUBLISH;
        worker.dead_letter_topic = "t.dead";
        said.answer = WEIR_REJECT;
        said.other = "UPDATE weir.dead_letter SET state = 'dropped'";
        letter("a", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'dropped'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_record_that_was_refused_is_run_whole)
{
        letter("a,b", 0, "decode"); /* JSON batches were not accepted then */
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_record_that_was_refused_stays_whole_whatever_class_it_gets)
{
        letter("a,b", 0, "decode");
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE class = 'attempts' AND attempts = 1"), 1);
        fixture_int(watch, "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                           " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        said.answer = WEIR_DONE;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "aab"); /* b was not left behind */
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        ck_assert_int_eq(COUNT("public.effect"), 2);
        books_balance();
}
END_TEST

START_TEST(a_record_that_still_is_no_event_is_kept_again)
{
        worker.accept_json_batch = false;
        weir_aside_fini(&aside);
        weir_aside_init(&aside);
        letter("a,b", 0, "decode");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND reason = 'unsupported-format'"),
                         1);
}
END_TEST

START_TEST(a_letter_that_an_operator_drops_meanwhile_does_not_come_into_effect)
{
        letter("a", 0, "reject");
        said.other = "UPDATE weir.dead_letter SET state = 'dropped'";
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("public.effect"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'dropped'"), 1);
        books_balance();
}
END_TEST

START_TEST(letters_of_the_relay_are_left_to_it)
{
        letter("a", 0, "deliver");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'requeue'"), 1);
}
END_TEST

START_TEST(who_has_more_to_do_wants_another_turn_at_once_and_no_more_after_that)
{
        char id[16];

        for (int i = 0; i < 65; i++) { /* one more than a look finds */
                snprintf(id, sizeof id, "%d", i);
                letter(id, 0, "reject");
        }
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_gt(COUNT("weir.dead_letter WHERE state = 'requeue'"), 0);
        ck_assert(weir_aside_hungry(&aside));
        aside.not_before_us = INT64_MAX; /* the database is away: waiting is no hunger */
        ck_assert(!weir_aside_hungry(&aside));
        aside.not_before_us = 0;
        for (int i = 0; i < 65 && weir_aside_hungry(&aside); i++)
                ck_assert_int_eq(weir_aside_run(&aside, &position, 5000000), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 65);
        ck_assert(!weir_aside_hungry(&aside));
        books_balance();
}
END_TEST

/* The look for marks takes a connection too: with one in hand already, a pool of one would wait for itself. */
START_TEST(one_connection_is_enough)
{
        const struct weir_pg_conf conf = { .url = fixture.url, .application_name = "weir test" };

        weir_pool_free(env.pool);
        OK(weir_pool_new(&conf, 1, &env.pool, reterr));
        parked(90, 0, "a", "k", 1);
        letter("b", 0, "reject");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_quiet_lane_learns_that_its_position_was_moved)
{
        struct weir_position other = { .id = position.id + 1, .epoch = -1 };
        int64_t before = 0;

        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert(!weir_marks_moved(&marks, &position));
        OK(weir_position_set(watch, "w", "t", 0, 40, "again", &before, reterr));
        marks.look_at_us = aside.look_at_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_FENCED);
        ck_assert(weir_marks_moved(&marks, &position));
        ck_assert(!weir_marks_moved(&marks, &other)); /* nothing is known of it */
        OK(weir_position_take(watch, "w", "t", 0, "host:1", &position, reterr));
        ck_assert(!weir_marks_moved(&marks, &position)); /* what was seen is older */
        aside.look_at_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        OK(weir_position_set(watch, "w", "t", 0, before, "back", &before, reterr));
        OK(weir_position_take(watch, "w", "t", 0, "host:1", &position, reterr));
}
END_TEST

START_TEST(lanes_share_one_look_a_second)
{
        struct weir_marks shared;

        letter("a", 0, "reject");
        weir_marks_init(&shared);
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id));
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id + 1));
        fixture_int(watch, "WITH d AS (DELETE FROM weir.dead_letter RETURNING 1)"
                           " SELECT count(*) FROM d");
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id)); /* as of the last look */
        shared.look_at_us = 0;
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id));
        weir_marks_fini(&shared);
}
END_TEST

/* Letters of workers that nobody runs stay marked: they must not hide those of the others. */
START_TEST(marks_beyond_the_bound_of_a_look_are_seen_all_the_same)
{
        struct weir_marks shared;
        int32_t last = position.id + WEIR_MARKS_MAX;

        letter("a", 0, "reject");
        fixture_int(
                watch,
                "WITH i AS (INSERT INTO weir.dead_letter (position, worker, topic, partition,"
                " \"offset\", header_names, header_values, class, reason, text, attempts,"
                " plugin_version, source, event_id, first_failed_at, state) SELECT n, 'gone', 't', 0, 1, '{}',"
                " '{}', 'reject', '', '', 0, '', '', '', now(), 'requeue' FROM"
                " generate_series(%d + 1, %d) n RETURNING 1) SELECT count(*) FROM i",
                position.id, last);
        weir_marks_init(&shared);
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id));
        ck_assert_uint_eq(shared.count, WEIR_MARKS_MAX);
        ck_assert(weir_marks_has(&shared, &env, NULL, last - 1));
        ck_assert(weir_marks_has(&shared, &env, NULL, last));
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id - 1));
        weir_marks_fini(&shared);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("aside");
        TCase *tcase = tcase_create("aside");

        fixture_start("aside", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, Z1_a_parked_event_comes_into_effect_and_its_row_goes);
        tcase_add_test(tcase, Z1_a_duplicate_that_was_faster_leaves_nothing_to_do);
        tcase_add_test(tcase, one_event_of_a_record_of_many_is_run_and_the_others_are_not);
        tcase_add_test(tcase, a_parked_event_that_fails_waits_and_its_key_with_it);
        tcase_add_test(tcase, a_parked_event_is_kept_after_the_last_attempt_and_its_key_goes_on);
        tcase_add_test(tcase, a_parked_event_that_is_refused_is_kept_at_once);
        tcase_add_test(tcase, an_event_that_its_record_does_not_hold_is_kept_and_never_lost);
        tcase_add_test(tcase, what_only_COMMIT_would_refuse_is_the_events_fault_too);
        tcase_add_test(tcase, Z3_a_lost_connection_uses_up_no_attempt);
        tcase_add_test(tcase, another_epoch_runs_nothing);
        tcase_add_test(tcase, a_row_that_somebody_removed_meanwhile_takes_its_effects_with_it);
        tcase_add_test(tcase, too_many_dead_parked_events_halt_and_stay_parked);
        tcase_add_test(tcase, what_was_parked_before_halt_was_configured_halts_and_says_so);
        tcase_add_test(tcase, Z4_a_turn_is_bounded);
        tcase_add_test(tcase, a_marked_letter_comes_into_effect_once);
        tcase_add_test(tcase, a_marked_letter_that_fails_is_kept_with_its_new_reason);
        tcase_add_test(tcase, a_marked_letter_has_its_attempts_and_waits_between_them);
        tcase_add_test(tcase, X6_letters_of_a_key_take_effect_in_the_order_in_which_they_died);
        tcase_add_test(tcase, X6_other_keys_and_none_do_not_wait);
        tcase_add_test(tcase, a_marked_letter_that_fails_for_good_is_published_again);
        tcase_add_test(tcase, a_letter_that_is_dropped_before_it_is_published_again_is_not);
        tcase_add_test(tcase, a_record_that_was_refused_is_run_whole);
        tcase_add_test(tcase, a_record_that_was_refused_stays_whole_whatever_class_it_gets);
        tcase_add_test(tcase, a_record_that_still_is_no_event_is_kept_again);
        tcase_add_test(tcase, a_letter_that_an_operator_drops_meanwhile_does_not_come_into_effect);
        tcase_add_test(tcase, letters_of_the_relay_are_left_to_it);
        tcase_add_test(tcase, who_has_more_to_do_wants_another_turn_at_once_and_no_more_after_that);
        tcase_add_test(tcase, one_connection_is_enough);
        tcase_add_test(tcase, a_quiet_lane_learns_that_its_position_was_moved);
        tcase_add_test(tcase, lanes_share_one_look_a_second);
        tcase_add_test(tcase, marks_beyond_the_bound_of_a_look_are_seen_all_the_same);
        suite_add_tcase(suite, tcase);
        (void)error;
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/* test_outbox - rows as relays see them: in order, bounded, removed only when done with; and who sends which stream */
#include "store_fixture.h"

#include "store/destination.h"
#include "store/stream.h"

static struct weir_pg *pg;

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "TRUNCATE weir.outbox, weir.outbox_stream, weir.destination,"
                       " weir.dead_letter RESTART IDENTITY",
                       reterr));
}

static void tear_down(void)
{
        weir_pg_close(pg);
}

/* @count rows of @bytes each in one stream of topic "t". */
static void insert_rows(int shard, int count, int bytes)
{
        char sql[512];

        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.outbox (kind, destination, shard, key, header_names,"
                 " header_values, body, message_id, worker) SELECT 't', 't', %d, 'k',"
                 " array['ce_id', 'ce_source', 'x']::bytea[],"
                 " array[('e-' || i)::bytea, '/s'::bytea, NULL], repeat('x', %d)::bytea, 'e-' || i,"
                 " 'w' FROM generate_series(1, %d) i",
                 shard, bytes, count);
        OK(weir_pg_run(pg, sql, reterr));
}

struct taken {
        struct weir_outbox_row *rows[2048];
        size_t streams[2048], count;
};

static int take(void *context, size_t stream, struct weir_outbox_row *row)
{
        struct taken *taken = context;

        ck_assert_uint_lt(taken->count, 2048);
        taken->streams[taken->count] = stream;
        taken->rows[taken->count++] = row;
        return 0;
}

static void drop(struct taken *taken)
{
        while (taken->count)
                free(taken->rows[--taken->count]);
}

static const struct weir_stream both[] = { { "t", 't', 3 }, { "t", 't', 5 } };

static struct weir_outbox_sight fetch(int64_t after, uint32_t rows, uint64_t bytes,
                                      struct taken *taken)
{
        const struct weir_outbox_window windows[] = { { both[0], after, rows },
                                                      { both[1], after, rows } };
        struct weir_outbox_sight sight = { .draw = true };

        OK(weir_outbox_fetch(pg, windows, 2, bytes, take, taken, &sight, reterr));
        return sight;
}

/* A row of stream 3 that lies where the reading has found it, or anywhere. */
static struct weir_outbox_name name_of(int64_t id, const struct taken *taken)
{
        struct weir_outbox_name name = { .stream = both[0], .id = id };

        for (size_t i = 0; taken && i < taken->count; i++)
                if (taken->rows[i]->id == id)
                        memcpy(name.place, taken->rows[i]->place, sizeof name.place);
        return name;
}

START_TEST(rows_come_whole_and_in_order)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 10, 7);
        insert_rows(5, 4, 0);
        OK(weir_pg_run(pg, "UPDATE weir.outbox SET key = NULL, body = NULL WHERE id = 11", reterr));
        fetch(0, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 14);
        for (size_t i = 0; i < 14; i++) {
                const struct weir_outbox_row *row = taken.rows[i];

                ck_assert_uint_eq(taken.streams[i], i >= 10);
                ck_assert_int_eq(row->id, (int64_t)i + 1);
                ck_assert_str_eq(row->worker, "w");
                ck_assert_uint_eq(row->header_count, 3);
                ck_assert_str_eq(row->headers[0].name, "ce_id");
                ck_assert_str_eq(row->headers[0].value, row->message_id.ptr);
                ck_assert_str_eq(row->headers[1].value, "/s");
                ck_assert_uint_eq(row->headers[1].size, 2);
                ck_assert_str_eq(row->headers[2].name, "x");
                ck_assert_ptr_null(row->headers[2].value);
                ck_assert_int_eq(row->position, 0);
                ck_assert_int_eq(row->wait_us, 0);
                if (i == 10) {
                        ck_assert_ptr_null(row->key.ptr);
                        ck_assert_ptr_null(row->body.ptr);
                } else {
                        ck_assert_str_eq(row->key.ptr, "k");
                        ck_assert_ptr_nonnull(row->body.ptr);
                        ck_assert_uint_eq(row->body.size, i < 10 ? 7 : 0);
                }
        }
        drop(&taken);
}
END_TEST

START_TEST(a_reading_is_bounded_by_rows_and_bytes_but_brings_one)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 100, 10000);
        insert_rows(5, 100, 200000);
        fetch(0, 30, 100000, &taken);
        ck_assert_uint_eq(taken.count, 10 + 1);
        drop(&taken);
        fetch(0, 3, 1 << 30, &taken);
        ck_assert_uint_eq(taken.count, 6);
        drop(&taken);
}
END_TEST

START_TEST(a_postponed_row_says_how_long)
{
        struct weir_outbox_name name = name_of(1, NULL);
        struct taken taken = { .count = 0 };
        int64_t refused_us;

        insert_rows(3, 2, 1);
        OK(weir_outbox_postpone(pg, &name, 5000000, "5\xc3\xa4 \n down", false, &refused_us,
                                reterr));
        fetch(0, 30, 1000, &taken);
        ck_assert_uint_eq(taken.count, 2);
        ck_assert_int_eq(taken.rows[0]->attempts, 1);
        ck_assert_int_gt(taken.rows[0]->wait_us, 3000000);
        ck_assert_int_le(taken.rows[0]->wait_us, 5000000);
        ck_assert_int_eq(taken.rows[1]->wait_us, 0);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.outbox WHERE error = '5?? ? down'"),
                         1);
        drop(&taken);
}
END_TEST

START_TEST(a_reading_begins_behind_what_is_known)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 10, 1);
        insert_rows(5, 10, 1);
        fetch(7, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 3 + 10);
        ck_assert_int_eq(taken.rows[0]->id, 8);
        drop(&taken);
        fetch(20, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 0);
}
END_TEST

START_TEST(a_reading_tells_which_transactions_were_over)
{
        struct weir_pg *writer = fixture_connect();
        struct taken taken = { .count = 0 };
        struct weir_outbox_sight before, during, behind;

        insert_rows(3, 1, 1);
        OK(weir_pg_begin(writer, reterr));
        OK(weir_pg_run(writer, "INSERT INTO weir.destination (kind, name) VALUES ('t', 'x')",
                       reterr));
        before = fetch(0, 10, 1000, &taken);
        during = fetch(0, 10, 1000, &taken);
        ck_assert_int_gt(before.drawn, 0);
        ck_assert_int_gt(during.drawn, before.drawn);
        ck_assert_int_lt(during.oldest, before.drawn); /* the writer may have drawn a lower id */
        OK(weir_pg_commit(writer, reterr));
        do { /* other tests have transactions in this server, too, seconds long; Check's timeout ends it */
                drop(&taken);
                usleep(10 * 1000);
                behind = fetch(0, 10, 1000, &taken);
        } while (behind.oldest < before.drawn);
        drop(&taken);
        weir_pg_close(writer);
}
END_TEST

static void remove_rows(const struct weir_outbox_name *names, size_t count, int left)
{
        int64_t before = fixture_int(pg, "SELECT count(*) FROM weir.outbox");
        struct weir_error error = { 0 };
        int r = weir_outbox_remove(pg, names, count, &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        ck_assert_int_eq(r, before - (int64_t)count != left); /* some were not there */
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), left);
}

START_TEST(removed_is_what_was_named)
{
        struct taken taken = { .count = 0 };
        struct weir_outbox_name names[3];

        insert_rows(3, 5, 1);
        fetch(0, 10, 1000, &taken);
        names[0] = name_of(2, &taken);
        names[1] = name_of(4, &taken);
        names[2] = name_of(4711, NULL);
        remove_rows(names, 2, 3);
        remove_rows(names, 3, 3);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(id) FROM weir.outbox"), 1 + 3 + 5);
        drop(&taken);
}
END_TEST

START_TEST(a_row_that_has_moved_is_removed_and_its_old_place_is_not)
{
        struct taken taken = { .count = 0 };
        struct weir_outbox_name names[3];
        int64_t refused_us;

        insert_rows(3, 5, 1);
        fetch(0, 10, 1000, &taken);
        for (int i = 0; i < 3; i++)
                names[i] = name_of(i + 3, &taken);
        drop(&taken);
        /* 3 lies elsewhere for its update; then all lie elsewhere: where 4 was, now 3 is, which stays */
        OK(weir_outbox_postpone(pg, &names[0], 1, "", false, &refused_us, reterr));
        OK(weir_pg_run(pg, "DELETE FROM weir.outbox WHERE id = 2", reterr));
        OK(weir_pg_run(pg, "VACUUM FULL weir.outbox", reterr));
        remove_rows(names + 1, 2, 2);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(id) FROM weir.outbox"), 1 + 3);
}
END_TEST

START_TEST(the_clock_of_a_message_runs_from_answer_to_answer)
{
        struct weir_outbox_name name = name_of(1, NULL);
        int64_t refused_us;

        insert_rows(3, 1, 1);
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_eq(refused_us, 0);
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET refused_at = refused_at - interval '30 s',"
                       " next_try_at = next_try_at - interval '30 s'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_ge(refused_us, 30000000);
        ck_assert_int_lt(refused_us, 60000000);
        /* no answer: what lies before and behind it does not count */
        OK(weir_outbox_postpone(pg, &name, 5000000, "down", false, &refused_us, reterr));
        OK(weir_pg_run(pg, "UPDATE weir.outbox SET next_try_at = next_try_at - interval '3 days'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_lt(refused_us, 60000000);
        /* nobody was there to try for three days: the wait that was meant, and a minute */
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET refused_us = 0, refused_at = refused_at - interval"
                       " '3 days', next_try_at = next_try_at - interval '3 days'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_eq(refused_us, 65000000);
        ck_assert_int_eq(fixture_int(pg, "SELECT attempts FROM weir.outbox"), 5);
}
END_TEST

START_TEST(buried_is_whole_and_gone)
{
        const struct weir_outbox_refused refused[] = {
                { name_of(1, NULL), view("/s"), view("e-1") },
                { name_of(2, NULL), { NULL, 0 }, { NULL, 0 } }
        };

        const struct weir_outbox_refused untried = { name_of(3, NULL), { NULL, 0 }, { NULL, 0 } };

        insert_rows(3, 3, 4);
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.position (worker, topic, partition, epoch, owner)"
                       " VALUES ('w', 'origin', 7, 1, 'o')",
                       reterr));
        OK(weir_pg_run(
                pg,
                "UPDATE weir.outbox SET attempts = 2, position = (SELECT id FROM weir.position"
                " WHERE topic = 'origin'), \"offset\" = 88, round = 2 WHERE id = 1",
                reterr));
        OK(weir_outbox_bury(pg, refused, 2, "http-400", "no\xff", true, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 1);
        OK(weir_outbox_bury(pg, &untried, 1, "retired", "", false, reterr));
        ck_assert_int_eq(
                fixture_int(pg, "SELECT attempts FROM weir.dead_letter WHERE reason = 'retired'"),
                0);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT count(*) FROM weir.dead_letter WHERE class = 'deliver' AND"
                            " reason = 'http-400' AND text = 'no?' AND destination = 'topic t' AND"
                            " topic = 'origin' AND partition = 7 AND \"offset\" = 88 AND attempts ="
                            " 3 AND source = '/s' AND event_id = 'e-1' AND value = 'xxxx' AND"
                            " header_names[1] = 'ce_id' AND header_values[3] IS NULL AND"
                            " state = 'kept' AND worker = 'w' AND key = 'k' AND round = 2 AND"
                            " message_id = 'e-1'"),
                1);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE source IS NULL AND"
                                " topic = '' AND partition = -1 AND \"offset\" = -1"
                                " AND position = 0 AND attempts = 1"),
                1);
}
END_TEST

/* ---- streams -------------------------------------------------------------------------------- */

static int count_stream(void *context, const struct weir_stream *stream)
{
        char *text = context;

        snprintf(text + strlen(text), 256 - strlen(text), "%c/%s/%d ", stream->kind,
                 stream->destination, stream->shard);
        return 0;
}

START_TEST(a_look_names_each_stream_once)
{
        char text[256] = "";
        int64_t owner;

        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_stream_look(pg, NULL, 0, count_stream, text, reterr));
        ck_assert_str_eq(text, "");
        insert_rows(63, 20, 1);
        insert_rows(0, 20, 1);
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.outbox (kind, destination, shard, header_names,"
                       " header_values, message_id, worker) SELECT 's', 'hook', 1, '{}', '{}', 'x',"
                       " 'w' FROM generate_series(1, 20)",
                       reterr));
        OK(weir_stream_look(pg, NULL, 0, count_stream, text, reterr));
        ck_assert_str_eq(text, "t/t/63 t/t/0 s/hook/1 ");
}
END_TEST

START_TEST(the_loose_walk_reads_an_entry_a_stream)
{
        char text[256] = "";
        int64_t owner;

        insert_rows(1, 30000, 1);
        insert_rows(2, 30000, 1);
        OK(weir_pg_run(pg, "VACUUM ANALYZE weir.outbox", reterr));
        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_stream_look(pg, NULL, 0, count_stream, text, reterr));
        ck_assert_int_le(fixture_int(pg, "SELECT seq_tup_read + idx_tup_fetch FROM"
                                         " pg_stat_xact_user_tables WHERE relname = 'outbox'"),
                         10);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_str_eq(text, "t/t/2 t/t/1 ");
}
END_TEST

START_TEST(a_look_passes_over_a_destination_in_one_step)
{
        const struct weir_stream passed[] = { { .kind = 's', .destination = "dead" },
                                              { .kind = 's', .destination = "last" },
                                              { .kind = 't', .destination = "live" } };
        char text[256] = "";
        int64_t owner;

        OK(weir_pg_run(
                pg,
                "INSERT INTO weir.outbox (kind, destination, shard, header_names,"
                " header_values, message_id, worker) SELECT 's', d, s, '{}'::bytea[], '{}'::bytea[], 'x', 'w'"
                " FROM generate_series(0, 63) s, unnest(ARRAY['dead', 'last']) d"
                " UNION ALL SELECT 's', d, 7, '{}'::bytea[], '{}'::bytea[], 'x', 'w'"
                " FROM unnest(ARRAY['a', 'live', 'z']) d",
                reterr));
        OK(weir_pg_run(pg, "VACUUM ANALYZE weir.outbox", reterr));
        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_pg_begin(pg, reterr));
        OK(weir_stream_look(pg, passed, WEIR_COUNT_OF(passed), count_stream, text, reterr));
        ck_assert_int_le(fixture_int(pg, "SELECT seq_tup_read + idx_tup_fetch FROM"
                                         " pg_stat_xact_user_tables WHERE relname = 'outbox'"),
                         10);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_str_eq(text, "s/z/7 s/live/7 s/a/7 ");
}
END_TEST

static bool lease_one(struct weir_pg *session, int64_t owner, size_t which)
{
        bool ours = false;

        OK(weir_stream_lease(session, owner, &both[which], 1, &ours, reterr));
        return ours;
}

START_TEST(a_stream_has_one_owner_while_its_session_lives)
{
        struct weir_pg *a = fixture_connect(), *b = fixture_connect();
        int64_t owner_a, owner_b;
        bool ours[2];

        OK(weir_stream_session(a, NULL, 0, &owner_a, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        ck_assert_int_ne(owner_a, owner_b);
        OK(weir_stream_lease(a, owner_a, both, 2, ours, reterr));
        ck_assert(ours[0] && ours[1]);
        ck_assert(!lease_one(b, owner_b, 0));
        OK(weir_stream_release(a, owner_a, both, 1, reterr));
        ck_assert(lease_one(b, owner_b, 0));
        ck_assert(!lease_one(a, owner_a, 0));
        /* S2: the server alone decides that a is gone */
        ck_assert(!lease_one(b, owner_b, 1));
        fixture_int(pg, "SELECT pg_terminate_backend(%lld)::int", (long long)fixture_backend(a));
        fixture_until(pg,
                      "NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND"
                      " objsubid = 1 AND ((classid::int8 << 32) | objid::int8) = %lld)",
                      (long long)owner_a);
        ck_assert(lease_one(b, owner_b, 1));
        weir_pg_close(a);
        weir_pg_close(b);
}
END_TEST

START_TEST(a_release_by_a_former_owner_changes_nothing)
{
        struct weir_pg *b = fixture_connect();
        int64_t owner, owner_b;

        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        ck_assert(lease_one(b, owner_b, 0));
        OK(weir_stream_release(pg, owner, both, 2, reterr));
        ck_assert(!lease_one(pg, owner, 0));
        weir_pg_close(b);
}
END_TEST

START_TEST(two_that_ask_at_once_never_both_get_it)
{
        struct weir_pg *b = fixture_connect();
        int64_t owner, owner_b;

        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        ck_assert(lease_one(b, owner_b, 0));
        OK(weir_stream_release(b, owner_b, both, 1, reterr));
        /* b is in the middle: it has locked the row and not written yet */
        OK(weir_pg_begin(b, reterr));
        OK(weir_pg_run(b, "SELECT FROM weir.outbox_stream FOR UPDATE", reterr));
        ck_assert(!lease_one(pg, owner, 0));
        OK(weir_pg_run(b, "UPDATE weir.outbox_stream SET owner = 1", reterr));
        OK(weir_pg_commit(b, reterr));
        ck_assert(lease_one(pg, owner, 0)); /* 1 is nobody */
        weir_pg_close(b);
}
END_TEST

static void note_share(void *context, const struct weir_stream_share *share)
{
        char *text = context;

        snprintf(text + strlen(text), 256 - strlen(text), "%c/%s %u of %u ", share->kind,
                 share->destination, share->leased, share->relays);
}

START_TEST(only_who_knows_a_sink_counts_for_it)
{
        static const char *const sinks[] = { "hook" };
        const struct weir_stream hook = { "hook", 's', 1 };
        struct weir_pg *b = fixture_connect();
        int64_t owner, owner_b;
        char text[256] = "";
        bool ours[2];

        OK(weir_stream_session(pg, sinks, 1, &owner, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        OK(weir_stream_lease(pg, owner, both, 2, ours, reterr));
        OK(weir_stream_lease(pg, owner, &hook, 1, ours, reterr));
        OK(weir_stream_shares(b, note_share, text, reterr));
        ck_assert_msg(strstr(text, "t/t 2 of 2 ") && strstr(text, "s/hook 1 of 1 "), "%s", text);
        weir_pg_close(b);
}
END_TEST

/* ---- destinations --------------------------------------------------------------------------- */

static char target_read[40], allowed_for_read[40];

static void keep(void *context, const struct weir_destination *destination)
{
        *(struct weir_destination *)context = *destination;
        snprintf(target_read, sizeof target_read, "%s", destination->target);
        snprintf(allowed_for_read, sizeof allowed_for_read, "%s", destination->allowed_for);
}

static struct weir_destination read_one(void)
{
        struct weir_destination destination = { .state = -1 };

        OK(weir_destination_read(pg, keep, &destination, reterr));
        return destination;
}

static int write_as(struct weir_pg *by, const char *target, int state, uint32_t failures,
                    int64_t wait_us, bool probed)
{
        const struct weir_destination destination = { .kind = 's',
                                                      .name = "hook",
                                                      .target = target,
                                                      .state = state,
                                                      .failures = failures,
                                                      .wait_us = wait_us,
                                                      .probed = probed,
                                                      .error = "down" };
        struct weir_error error = { 0 };
        int r = weir_destination_write(by, &destination, &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        return r;
}

static void write_state_at(const char *target, int state, uint32_t failures, int64_t wait_us)
{
        write_as(pg, target, state, failures, wait_us, false);
}

static void write_state(int state, uint32_t failures, int64_t wait_us)
{
        write_state_at("here", state, failures, wait_us);
}

START_TEST(how_a_destination_stands_is_told)
{
        struct weir_destination destination;

        write_state(WEIR_DESTINATION_WAITING, 3, 4000000);
        destination = read_one();
        ck_assert_int_eq(destination.kind, 's');
        ck_assert_int_eq(destination.state, WEIR_DESTINATION_WAITING);
        ck_assert_uint_eq(destination.failures, 3);
        ck_assert(destination.wait_us > 2000000 && destination.wait_us <= 4000000);
        ck_assert_int_eq(destination.allowed_us, INT64_MIN);
        ck_assert_str_eq(target_read, "here");
        OK(weir_destination_allow(pg, "hook", "us", 9000000, 120, reterr));
        destination = read_one();
        ck_assert_str_eq(allowed_for_read, "us");
        ck_assert_int_gt(destination.allowed_us, 7000000);
        ck_assert_int_eq(destination.allowed_rate, 120);
        ck_assert_int_eq(destination.state, WEIR_DESTINATION_WAITING);
}
END_TEST

static int probe(void)
{
        struct weir_error error = { 0 };
        int r = weir_destination_probe(pg, 's', "hook", "here", 60000000, &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        return r;
}

START_TEST(one_relay_wins_the_probe)
{
        ck_assert_int_eq(probe(), 1); /* nobody knows of it */
        write_state_at("there", WEIR_DESTINATION_WAITING, 3, 60000000);
        ck_assert_int_eq(probe(), 1); /* nor of this address */
        write_state(WEIR_DESTINATION_WAITING, 3, 60000000);
        ck_assert_int_eq(probe(), 0);
        OK(weir_pg_run(pg, "UPDATE weir.destination SET not_before = now()", reterr));
        ck_assert_int_eq(probe(), 1);
        ck_assert_int_eq(probe(), 0);
        write_state(WEIR_DESTINATION_OPEN, 0, 0);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_OPEN);
        ck_assert_int_eq(probe(), 0);
}
END_TEST

START_TEST(a_wait_is_never_made_shorter_by_another_relay)
{
        struct weir_pg *b = fixture_connect();

        write_state(WEIR_DESTINATION_WAITING, 1, 60000000);
        ck_assert_int_eq(write_as(b, "here", WEIR_DESTINATION_WAITING, 3, 1000000, false), 0);
        ck_assert_int_gt(read_one().wait_us, 50000000);
        ck_assert_int_eq(write_as(b, "here", WEIR_DESTINATION_WAITING, 3, 90000000, false), 0);
        ck_assert_int_gt(read_one().wait_us, 80000000);
        ck_assert_int_eq(write_as(b, "there", WEIR_DESTINATION_WAITING, 3, 1000000, false), 0);
        ck_assert_int_le(read_one().wait_us, 1000000);
        weir_pg_close(b);
}
END_TEST

START_TEST(a_probe_does_not_open_what_was_asked_for_since_it_began)
{
        struct weir_error error = { 0 };
        struct weir_pg *b = fixture_connect();

        write_state(WEIR_DESTINATION_WAITING, 3, 0);
        ck_assert_int_eq(probe(), 1);
        ck_assert_int_le(read_one().wait_us, 0); /* the hold is no wait */
        ck_assert_int_gt(read_one().probe_us, 50000000);
        /* b's request was begun before: the receiver wants 20 s. The probe is still under way. */
        ck_assert_int_eq(write_as(b, "here", WEIR_DESTINATION_WAITING, 3, 20000000, false), 0);
        ck_assert_int_gt(read_one().probe_us, 50000000);
        ck_assert_int_eq(write_as(pg, "here", WEIR_DESTINATION_OPEN, 0, 0, true), 1);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_WAITING);
        ck_assert_int_gt(read_one().wait_us, 10000000);
        OK(weir_destination_open(b, 's', "hook", &error));
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_OPEN);
        weir_pg_close(b);
}
END_TEST

START_TEST(a_probe_that_fails_ends_its_hold)
{
        write_state(WEIR_DESTINATION_WAITING, 3, 0);
        ck_assert_int_eq(probe(), 1);
        write_as(pg, "here", WEIR_DESTINATION_WAITING, 4, 0, true);
        ck_assert_int_le(read_one().probe_us, 0);
        ck_assert_int_eq(probe(), 1);
        ck_assert_int_eq(write_as(pg, "here", WEIR_DESTINATION_OPEN, 0, 0, true), 0);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_OPEN);
}
END_TEST

START_TEST(retired_is_undone_by_an_operator_only)
{
        struct weir_error error = { 0 };

        write_state(WEIR_DESTINATION_RETIRED, 1, 0);
        write_state(WEIR_DESTINATION_OPEN, 0, 0);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_RETIRED);
        ck_assert_int_eq(weir_destination_open(pg, 's', "other", &error), 1);
        OK(weir_destination_open(pg, 's', "hook", reterr));
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_OPEN);
}
END_TEST

START_TEST(a_state_belongs_to_the_address_it_was_seen_at)
{
        write_state(WEIR_DESTINATION_RETIRED, 1, 0);
        write_state_at("there", WEIR_DESTINATION_OPEN, 0, 0);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_OPEN);
        write_state(WEIR_DESTINATION_WAITING, 2, 0);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_WAITING);
}
END_TEST

START_TEST(consent_ends_with_a_refusal_or_when_an_operator_opens)
{
        OK(weir_destination_allow(pg, "hook", "us", 9000000, 120, reterr));
        OK(weir_destination_allow(pg, "hook", "others", INT64_MIN, 0, reterr));
        ck_assert_int_gt(read_one().allowed_us, 7000000);
        OK(weir_destination_allow(pg, "hook", "us", INT64_MIN, 0, reterr));
        ck_assert_int_eq(read_one().allowed_us, INT64_MIN);
        ck_assert_int_eq(read_one().allowed_rate, 0);
        OK(weir_destination_allow(pg, "hook", "us", 9000000, 120, reterr));
        OK(weir_destination_open(pg, 's', "hook", reterr));
        ck_assert_int_eq(read_one().allowed_us, INT64_MIN);
}
END_TEST

/* A notice comes with the answer to some statement, soon; never is Check's timeout. */
static int heard(void)
{
        struct weir_error error = { 0 };
        int r = 0;

        do {
                usleep(1000);
                fixture_int(pg, "SELECT 1");
                r = weir_outbox_notified(pg, &error);
        } while (r == 0);
        return r;
}

START_TEST(opening_tries_at_once_what_was_postponed_and_tells_the_relays)
{
        struct weir_outbox_name name = name_of(1, NULL);
        struct weir_pg *operator= fixture_connect();
        struct weir_error error = { 0 };
        struct taken taken = { .count = 0 };
        int64_t owner, refused_us;

        insert_rows(3, 1, 1);
        OK(weir_stream_session(pg, NULL, 0, &owner, reterr));
        OK(weir_outbox_postpone(pg, &name, INT64_C(3600000000), "busy", false, &refused_us,
                                reterr));
        ck_assert_int_eq(weir_outbox_notified(pg, &error), 0);
        ck_assert_int_eq(weir_destination_open(operator, 't', "t", &error), 1);
        fetch(0, 10, 1000, &taken);
        ck_assert_uint_eq(taken.count, 1);
        ck_assert_int_le(taken.rows[0]->wait_us, 0);
        ck_assert_int_eq(heard(), 2);
        OK(weir_pg_run(operator, "NOTIFY " WEIR_OUTBOX_CHANNEL, reterr));
        ck_assert_int_eq(heard(), 1);
        drop(&taken);
        weir_pg_close(operator);
}
END_TEST

START_TEST(moments_of_a_rate_are_handed_out_once)
{
        struct weir_pg *b = fixture_connect();
        int64_t wait_us[5];

        write_state(WEIR_DESTINATION_WAITING, 3, 60000000);
        for (int i = 0; i < 5; i++)
                OK(weir_destination_reserve(i % 2 ? b : pg, 's', "hook", 10000000, &wait_us[i],
                                            reterr));
        ck_assert_int_eq(wait_us[0], 0);
        for (int i = 1; i < 5; i++)
                ck_assert_msg(wait_us[i] <= i * INT64_C(10000000) &&
                                      wait_us[i] > i * INT64_C(10000000) - 9000000,
                              "%d: %lld", i, (long long)wait_us[i]);
        ck_assert_int_eq(read_one().state, WEIR_DESTINATION_WAITING);
        OK(weir_destination_reserve(b, 's', "other", 10000000, &wait_us[0], reterr));
        ck_assert_int_eq(wait_us[0], 0);
        weir_pg_close(b);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("outbox");
        TCase *tcase = tcase_create("outbox");

        fixture_start("outbox", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, rows_come_whole_and_in_order);
        tcase_add_test(tcase, a_reading_is_bounded_by_rows_and_bytes_but_brings_one);
        tcase_add_test(tcase, a_reading_begins_behind_what_is_known);
        tcase_add_test(tcase, a_reading_tells_which_transactions_were_over);
        tcase_add_test(tcase, a_postponed_row_says_how_long);
        tcase_add_test(tcase, a_row_that_has_moved_is_removed_and_its_old_place_is_not);
        tcase_add_test(tcase, the_clock_of_a_message_runs_from_answer_to_answer);
        tcase_add_test(tcase, removed_is_what_was_named);
        tcase_add_test(tcase, buried_is_whole_and_gone);
        tcase_add_test(tcase, a_look_names_each_stream_once);
        tcase_add_test(tcase, the_loose_walk_reads_an_entry_a_stream);
        tcase_add_test(tcase, a_look_passes_over_a_destination_in_one_step);
        tcase_add_test(tcase, a_stream_has_one_owner_while_its_session_lives);
        tcase_add_test(tcase, a_release_by_a_former_owner_changes_nothing);
        tcase_add_test(tcase, two_that_ask_at_once_never_both_get_it);
        tcase_add_test(tcase, only_who_knows_a_sink_counts_for_it);
        tcase_add_test(tcase, how_a_destination_stands_is_told);
        tcase_add_test(tcase, one_relay_wins_the_probe);
        tcase_add_test(tcase, a_wait_is_never_made_shorter_by_another_relay);
        tcase_add_test(tcase, a_probe_does_not_open_what_was_asked_for_since_it_began);
        tcase_add_test(tcase, a_probe_that_fails_ends_its_hold);
        tcase_add_test(tcase, moments_of_a_rate_are_handed_out_once);
        tcase_add_test(tcase, retired_is_undone_by_an_operator_only);
        tcase_add_test(tcase, a_state_belongs_to_the_address_it_was_seen_at);
        tcase_add_test(tcase, consent_ends_with_a_refusal_or_when_an_operator_opens);
        tcase_add_test(tcase, opening_tries_at_once_what_was_postponed_and_tells_the_relays);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

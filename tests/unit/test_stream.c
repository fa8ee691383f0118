/* SPDX-License-Identifier: MIT */
/* test_stream - which streams there are, and that each has one owner, who lives as long as its session */
#include "outbox_fixture.h"

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

/* Two sessions that want the same streams. */
static struct weir_pg *a, *b;
static int64_t owner_a, owner_b;

static void two_sessions(void)
{
        a = fixture_connect();
        b = fixture_connect();
        OK(weir_stream_session(a, NULL, 0, &owner_a, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        ck_assert_int_ne(owner_a, owner_b);
}

static bool lease_one(struct weir_pg *session, int64_t owner, size_t which)
{
        bool ours = false;

        OK(weir_stream_lease(session, owner, &both[which], 1, &ours, reterr));
        return ours;
}

START_TEST(a_stream_has_one_owner_while_its_session_lives)
{
        bool ours[2];

        two_sessions();
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
        two_sessions();
        ck_assert(lease_one(b, owner_b, 0));
        OK(weir_stream_release(a, owner_a, both, 2, reterr));
        ck_assert(!lease_one(a, owner_a, 0));
        weir_pg_close(a);
        weir_pg_close(b);
}
END_TEST

START_TEST(two_that_ask_at_once_never_both_get_it)
{
        two_sessions();
        ck_assert(lease_one(b, owner_b, 0));
        OK(weir_stream_release(b, owner_b, both, 1, reterr));
        /* b is in the middle: it has locked the row and not written yet */
        OK(weir_pg_begin(b, reterr));
        OK(weir_pg_run(b, "SELECT FROM weir.outbox_stream FOR UPDATE", reterr));
        ck_assert(!lease_one(a, owner_a, 0));
        OK(weir_pg_run(b, "UPDATE weir.outbox_stream SET owner = 1", reterr));
        OK(weir_pg_commit(b, reterr));
        ck_assert(lease_one(a, owner_a, 0)); /* 1 is nobody */
        weir_pg_close(a);
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
        int64_t owner;
        char text[256] = "";
        bool ours[2];

        b = fixture_connect();
        OK(weir_stream_session(pg, sinks, 1, &owner, reterr));
        OK(weir_stream_session(b, NULL, 0, &owner_b, reterr));
        OK(weir_stream_lease(pg, owner, both, 2, ours, reterr));
        OK(weir_stream_lease(pg, owner, &hook, 1, ours, reterr));
        OK(weir_stream_shares(b, note_share, text, reterr));
        ck_assert_msg(strstr(text, "t/t 2 of 2 ") && strstr(text, "s/hook 1 of 1 "), "%s", text);
        weir_pg_close(b);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("stream");
        TCase *tcase = tcase_create("outbox");

        fixture_start("stream", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_look_names_each_stream_once);
        tcase_add_test(tcase, the_loose_walk_reads_an_entry_a_stream);
        tcase_add_test(tcase, a_look_passes_over_a_destination_in_one_step);
        tcase_add_test(tcase, a_stream_has_one_owner_while_its_session_lives);
        tcase_add_test(tcase, a_release_by_a_former_owner_changes_nothing);
        tcase_add_test(tcase, two_that_ask_at_once_never_both_get_it);
        tcase_add_test(tcase, only_who_knows_a_sink_counts_for_it);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

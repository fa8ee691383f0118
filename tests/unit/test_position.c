/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "store/position.h"
#include "store_fixture.h"

static struct weir_position take(struct weir_pg *pg, const char *topic)
{
        struct weir_position position;

        OK(weir_position_take(pg, "audit", topic, 3, "host:1", &position, reterr));
        return position;
}

START_TEST(the_first_taking_makes_a_row_without_a_position)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "first");

        ck_assert_int_gt(position.id, 0);
        ck_assert_int_eq(position.epoch, 1);
        ck_assert_int_eq(position.next_offset, -1);
        ck_assert_int_eq(position.last_offset, -1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(taking_again_bumps_the_epoch_and_keeps_the_row)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position first = take(pg, "again"), second;

        OK(weir_position_begin(pg, &first, 100, reterr));
        second = take(pg, "again");
        ck_assert_int_eq(second.id, first.id);
        ck_assert_int_eq(second.epoch, 2);
        ck_assert_int_eq(second.next_offset, 100);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_first_position_is_set_once_and_in_the_epoch)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position old = take(pg, "begin"), now = take(pg, "begin");
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_position_begin(pg, &old, 7, &error), 1);
        OK(weir_position_begin(pg, &now, 5, reterr));
        ck_assert_int_eq(now.next_offset, 5);
        ck_assert_int_eq(weir_position_begin(pg, &now, 6, &error), 1);
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     now.id),
                         5);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.position_change WHERE position = %d"
                                     " AND before IS NULL AND after = 5",
                                     now.id),
                         1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(an_identity_is_written_by_its_holder_only_and_moves_nothing)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position old = take(pg, "identify"), now;
        struct weir_error error = { 0 };

        OK(weir_position_begin(pg, &old, 10, reterr));
        now = take(pg, "identify");
        old.last_offset = 3;
        ck_assert_int_eq(weir_position_identify(pg, &old, &error), 1);
        now.last_offset = 7;
        now.last_time_ms = 70;
        now.last_fingerprint = -1;
        OK(weir_position_identify(pg, &now, reterr));
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.position WHERE id = %d AND "
                                     "next_offset = 10 AND last_offset = 7 AND last_time_ms = 70 "
                                     "AND last_fingerprint = -1",
                                     now.id),
                         1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_skip_goes_forward_in_the_epoch_from_the_known_offset)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position old = take(pg, "skip"), now, wrong;
        struct weir_error error = { 0 };

        OK(weir_position_begin(pg, &old, 10, reterr));
        now = take(pg, "skip");
        ck_assert_int_eq(weir_position_skip(pg, &old, 12, &error), 1);
        wrong = now;
        wrong.next_offset = 9;
        ck_assert_int_eq(weir_position_skip(pg, &wrong, 12, &error), 1);
        ck_assert_int_eq(weir_position_skip(pg, &now, 10, &error), WEIR_EUSAGE);
        OK(weir_position_skip(pg, &now, 12, reterr));
        ck_assert_int_eq(now.next_offset, 12);
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     now.id),
                         12);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.batch WHERE position = %d AND first_offset = 10"
                        " AND next_offset = 12 AND records = 0",
                        now.id),
                1);
        weir_pg_close(pg);
}
END_TEST

struct later {
        pthread_t thread;
        struct weir_pg *pg;
        struct weir_position position;
        int result;
        bool look;
        struct weir_error error;
};

static void *do_later(void *arg)
{
        struct later *later = arg;

        if (later->look)
                later->result = weir_position_look(later->pg, later->position.id, &later->position,
                                                   &later->error);
        else
                later->result = weir_position_take(later->pg, "audit", "open", 3, "host:2",
                                                   &later->position, &later->error);
        return NULL;
}

/* An older holder has moved the row in an open transaction; what does the other see after @end? */
static struct weir_position after_open(bool look, bool commit)
{
        struct weir_pg *holder = fixture_connect(), *other = fixture_connect();
        struct weir_position position = take(holder, "open");
        struct later later = { .pg = fixture_connect(), .look = look, .position = position };
        int64_t backend = fixture_backend(later.pg);

        OK(weir_pg_run(holder, "UPDATE weir.position SET next_offset = 50 WHERE topic = 'open'",
                       reterr));
        OK(weir_pg_begin(holder, reterr));
        OK(weir_pg_run(holder, "UPDATE weir.position SET next_offset = 60 WHERE topic = 'open'",
                       reterr));
        pthread_create(&later.thread, NULL, do_later, &later);
        fixture_until_waiting(other, backend);
        if (commit)
                OK(weir_pg_commit(holder, reterr));
        else
                weir_pg_rollback(holder);
        pthread_join(later.thread, NULL);
        ck_assert_msg(later.result == 0, "%s", later.error.text);
        if (!look) { /* the old holder is shut out */
                struct weir_error error = { 0 };

                position.next_offset = later.position.next_offset;
                ck_assert_int_eq(weir_position_skip(holder, &position, 70, &error), 1);
        }
        weir_pg_close(later.pg);
        weir_pg_close(holder);
        weir_pg_close(other);
        return later.position;
}

START_TEST(looking_waits_for_the_open_transaction)
{
        ck_assert_int_eq(after_open(true, true).next_offset, 60);
        ck_assert_int_eq(after_open(true, false).next_offset, 50);
}
END_TEST

START_TEST(taking_waits_for_the_old_holder_then_fences_it)
{
        ck_assert_int_eq(after_open(false, true).next_offset, 60);
        ck_assert_int_eq(after_open(false, false).next_offset, 50);
}
END_TEST

START_TEST(looking_at_nothing_is_an_outcome)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position;
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_position_look(pg, 1 << 30, &position, &error), 1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(an_operators_move_is_recorded_and_fences)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "set"), after;
        struct weir_error error = { 0 };
        int64_t before = 0;

        OK(weir_position_set(pg, "audit", "set", 3, 40, "first", &before, reterr));
        ck_assert_int_eq(before, -1);
        OK(weir_pg_run(
                pg,
                "UPDATE weir.position SET last_offset = 39, last_time_ms = 1, last_fingerprint = 2"
                " WHERE topic = 'set'",
                reterr));
        OK(weir_position_set(pg, "audit", "set", 3, 20, "the log was cut", &before, reterr));
        ck_assert_int_eq(before, 40);
        OK(weir_position_look(pg, position.id, &after, reterr));
        ck_assert_int_eq(after.next_offset, 20);
        ck_assert_int_eq(after.epoch, position.epoch + 2);
        ck_assert_int_eq(after.last_offset,
                         -1); /* or the next assignment compares with another log */
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.position_change WHERE position = %d AND before = 40"
                        " AND after = 20 AND reason = 'the log was cut' AND by <> ''",
                        position.id),
                1);
        ck_assert_int_eq(weir_position_set(pg, "audit", "set", 3, 20, "", &before, &error),
                         WEIR_EUSAGE);
        ck_assert_int_eq(weir_position_set(pg, "audit", "set", 3, -5, "x", &before, &error),
                         WEIR_EUSAGE);
        ck_assert_int_eq(weir_position_set(pg, "audit", "set", 4, 20, "x", &before, &error),
                         WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "set/4"));
        ck_assert(weir_pg_idle(pg));
        weir_pg_close(pg);
}
END_TEST

START_TEST(what_is_moved_is_tried_as_if_it_never_had_been)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "mended");
        int64_t before = 0;

        OK(weir_position_begin(pg, &position, 5, reterr));
        fixture_int(
                pg,
                "WITH a AS (INSERT INTO weir.attempt (position, \"offset\", item, attempts,"
                " reason, text, next_try_at) VALUES (%1$d, 8, 0, 1, '', '', now()) RETURNING 1),"
                " p AS (INSERT INTO weir.parked (position, topic, partition, \"offset\", item,"
                " header_names, header_values, source, event_id, attempts, reason, text, next_try_at, deaths,"
                " death) SELECT %1$d, 'mended', 3, 4, i, '{}', '{}', '', '', 1, '', '', now(), i,"
                " CASE WHEN i > 0 THEN 'SIGSEGV' END FROM generate_series(0, 2) i RETURNING 1)"
                " SELECT count(*) FROM a, p",
                position.id);
        OK(weir_position_set(pg, "audit", "mended", 3, 5, "again", &before, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.attempt WHERE position = %d",
                                     position.id),
                         0);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.parked WHERE position = %d AND"
                                     " attempts = 1 AND deaths = 0 AND death IS NULL",
                                     position.id),
                         3);
        weir_pg_close(pg);
}
END_TEST

/* What this member is told of; "other" takes it away without a word. */
START_TEST(a_position_that_another_took_is_looked_at_when_it_rests)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position mine, taken;
        struct weir_position_epoch epochs[4];
        size_t count = 0;

        OK(weir_position_take(pg, "watched", "t", 0, "host:1", &mine, reterr));
        OK(weir_position_take(pg, "watched", "t", 1, "host:1", &taken, reterr));
        fixture_int(pg,
                    "WITH u AS (UPDATE weir.position SET owner = 'other', epoch = epoch + 1"
                    " WHERE id = %d RETURNING 1) SELECT count(*) FROM u",
                    taken.id);
        OK(weir_position_epochs(pg, "watched", "host:1", epochs, 4, &count, reterr));
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(epochs[0].id, mine.id);
        fixture_int(pg, "WITH u AS (UPDATE weir.position SET updated_at = now() - interval '61 s'"
                        " WHERE worker = 'watched' RETURNING 1) SELECT count(*) FROM u");
        OK(weir_position_epochs(pg, "watched", "host:1", epochs, 4, &count, reterr));
        ck_assert_uint_eq(count, 2);
        ck_assert_int_eq(epochs[1].id, taken.id); /* in order of numbers, for bsearch() */
        ck_assert_int_eq(epochs[1].epoch, taken.epoch + 1);
        OK(weir_position_epochs(pg, "watched", "other", epochs, 1, &count, reterr));
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(epochs[0].id, taken.id); /* its own first */
        weir_pg_close(pg);
}
END_TEST

static struct weir_position_move to(const char *topic, int32_t partition, int64_t next_offset)
{
        return (struct weir_position_move){ .topic = topic,
                                            .partition = partition,
                                            .next_offset = next_offset };
}

START_TEST(several_positions_move_together_with_one_reason)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "move");
        struct weir_position_move moves[] = { to("move", 4, 7), to("move", 3, 9) };
        struct weir_error error = { 0 };

        OK(weir_position_begin(pg, &position, 5, reterr));
        ck_assert_int_eq(weir_position_move(pg, "audit", moves, 2, 0, "one is missing", &error),
                         WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "move/4"));
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     position.id),
                         5); /* all or none */
        OK(weir_position_move(pg, "audit", moves, 2, WEIR_MOVE_MAKE, "moving in", reterr));
        ck_assert_int_eq(moves[0].partition, 3);
        ck_assert_int_eq(moves[0].before, 5);
        ck_assert_int_eq(moves[1].before, -1);
        ck_assert(moves[0].moved && moves[1].moved);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.position p JOIN"
                                     " weir.position_change c ON c.position = p.id AND c.epoch ="
                                     " p.epoch AND c.after = p.next_offset WHERE topic = 'move'"
                                     " AND reason = 'moving in'"),
                         2);
        ck_assert_int_eq(weir_position_skip(pg, &position, 6, &error), 1); /* fenced */
        weir_pg_close(pg);
}
END_TEST

START_TEST(PM1_what_stands_there_already_is_left_alone_without_a_word)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "keep");
        struct weir_position_move moves[] = { to("keep", 3, 5), to("keep", 5, 6) };

        OK(weir_position_begin(pg, &position, 5, reterr));
        OK(weir_position_move(pg, "audit", moves, 2, WEIR_MOVE_MAKE | WEIR_MOVE_KEEP, "in",
                              reterr));
        ck_assert(!moves[0].moved);
        ck_assert(moves[1].moved);
        ck_assert_int_eq(fixture_int(pg, "SELECT epoch FROM weir.position WHERE id = %d",
                                     position.id),
                         position.epoch);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.position_change WHERE reason = 'in'"
                                     " AND position = %d",
                                     position.id),
                         0);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_row_that_somebody_holds_is_waited_for_and_then_named)
{
        struct weir_pg *pg = fixture_connect(), *holder = fixture_connect();
        struct weir_position position = take(pg, "held");
        struct weir_position_move moves[] = { to("held", 2, 1), to("held", 3, 1) };
        struct weir_error error = { 0 };

        OK(weir_pg_begin(holder, reterr));
        OK(weir_position_look(pg, position.id, &position, reterr));
        ck_assert_int_eq(fixture_int(holder,
                                     "SELECT id FROM weir.position WHERE id = %d FOR UPDATE",
                                     position.id),
                         position.id);
        ck_assert_int_lt(weir_position_move(pg, "audit", moves, 2, WEIR_MOVE_MAKE, "x", &error), 0);
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_ptr_nonnull(strstr(error.text, "held/3"));
        ck_assert(weir_pg_idle(pg));
        weir_pg_rollback(holder);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.position WHERE topic = 'held'"
                                         " AND (partition = 2 OR next_offset IS NOT NULL)"),
                         0);
        weir_pg_close(holder);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_list_tells_what_stays_behind_and_the_last_word)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_position position = take(pg, "list");
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *changes = NULL;
        int64_t before = 0;
        size_t at = 0;

        OK(weir_position_begin(pg, &position, 5, reterr));
        OK(weir_position_set(pg, "audit", "list", 3, 8, "because", &before, reterr));
        fixture_int(pg,
                    "WITH a AS (INSERT INTO weir.attempt (position, \"offset\", item, attempts,"
                    " reason, text, next_try_at) VALUES (%d, 8, 0, 1, '', '', now()) RETURNING 1)"
                    " SELECT count(*) FROM a",
                    position.id);
        OK(weir_position_list(pg, "audit", &rows, reterr));
        while (strcmp(weir_pg_rows_text(rows, at, WEIR_AT_TOPIC).ptr, "list"))
                at++;
        ck_assert_int_eq(weir_pg_rows_int(rows, at, WEIR_AT_NEXT, -1), 8);
        ck_assert_int_eq(weir_pg_rows_int(rows, at, WEIR_AT_TRIED, -1), 1);
        ck_assert_int_eq(weir_pg_rows_int(rows, at, WEIR_AT_PARKED, -1), 0);
        ck_assert_int_eq(weir_pg_rows_int(rows, at, WEIR_AT_LETTERS, -1), 0);
        ck_assert_str_eq(weir_pg_rows_text(rows, at, WEIR_AT_REASON).ptr, "because");
        ck_assert_str_eq(weir_pg_rows_text(rows, at, WEIR_AT_HELD).ptr, "false");
        OK(weir_position_changes(pg, "audit", 1, &changes, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(changes), 1);
        ck_assert_str_eq(weir_pg_rows_text(changes, 0, WEIR_CHANGE_REASON).ptr, "because");
        ck_assert_int_eq(weir_pg_rows_int(changes, 0, WEIR_CHANGE_BEFORE, -1), 5);
        ck_assert_int_eq(weir_pg_rows_int(changes, 0, WEIR_CHANGE_AFTER, -1), 8);
        weir_pg_close(pg);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("position");
        TCase *tcase = tcase_create("position");

        fixture_start("position", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, the_first_taking_makes_a_row_without_a_position);
        tcase_add_test(tcase, taking_again_bumps_the_epoch_and_keeps_the_row);
        tcase_add_test(tcase, a_first_position_is_set_once_and_in_the_epoch);
        tcase_add_test(tcase, an_identity_is_written_by_its_holder_only_and_moves_nothing);
        tcase_add_test(tcase, a_skip_goes_forward_in_the_epoch_from_the_known_offset);
        tcase_add_test(tcase, looking_waits_for_the_open_transaction);
        tcase_add_test(tcase, taking_waits_for_the_old_holder_then_fences_it);
        tcase_add_test(tcase, looking_at_nothing_is_an_outcome);
        tcase_add_test(tcase, an_operators_move_is_recorded_and_fences);
        tcase_add_test(tcase, what_is_moved_is_tried_as_if_it_never_had_been);
        tcase_add_test(tcase, a_position_that_another_took_is_looked_at_when_it_rests);
        tcase_add_test(tcase, several_positions_move_together_with_one_reason);
        tcase_add_test(tcase, PM1_what_stands_there_already_is_left_alone_without_a_word);
        tcase_add_test(tcase, a_row_that_somebody_holds_is_waited_for_and_then_named);
        tcase_add_test(tcase, a_list_tells_what_stays_behind_and_the_last_word);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

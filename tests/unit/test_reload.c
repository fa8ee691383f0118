/* SPDX-License-Identifier: MIT */
/* test_reload - offers, and what is in force when */
#include "reload_fixture.h"

/* ---- what comes into force -------------------------------------------------------------------------- */

START_TEST(OF1_OF2_until_all_have_prepared_nothing_is_in_force_and_then_all_is)
{
        char *text;
        size_t size;

        begin_process(3);
        ask();
        for (size_t i = 0; i < 3; i++) {
                look();
                ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
                ck_assert_ptr_eq(world.env.conf, world.reload.first);
                ck_assert_int_eq(world.env.texts.good, world.env.texts.first);
                ck_assert_uint_eq(board(0)->go, 0);
                ck_assert_uint_eq(board(i)->offered, 1);
                ck_assert_int_eq(weir_offer_text(child(i)->board, world.env.texts.offer, &text,
                                                 &size),
                                 0);
                ck_assert_str_eq(text, text_of_another);
                free(text);
                prepare(i);
        }
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(board(i)->go, 1);
                ck_assert_uint_eq(board(i)->dropped, 0);
                ck_assert(world.family.processes[i].watch.deadline_us == 20 * SECOND_US);
        }
        ck_assert_uint_eq(board(3)->offered, 0); /* the relay is not asked */
        ck_assert_int_eq(world.took, 1);
        ck_assert_int_eq(world.env.conf->handler_deadline_ms, 20000);
        ck_assert_int_eq(weir_kept_read(world.env.texts.good, 9999, &text, &size), 0);
        ck_assert_str_eq(text, text_of_another);
        free(text);
        end_process(3, SIGKILL);
}
END_TEST

/* @_i 1: one refuses; 2: the plugin cannot be read; 3: we stop meanwhile. */
START_TEST(IM1_plugins_come_into_force_with_the_text_or_not_at_all)
{
        const struct weir_process *processes = world.family.processes;
        struct weir_hash_mark mark;

        ck_assert_ptr_eq(processes[0].image, processes[1].image); /* of one worker */
        ck_assert_ptr_eq(processes[0].image, processes[2].image); /* the same file */
        ck_assert_ptr_null(processes[3].image);
        begin_process(3);
        world.object = _i == 2 ? NULL : "new";
        ask();
        if (_i == 2) {
                nothing_changed();
                ck_assert_uint_eq(board(0)->offered, 0);
        } else {
                ck_assert_int_eq(weir_hash_mark("new", 3, &mark), 0);
                for (size_t i = 0; i < 3; i++) {
                        ck_assert(weir_hash_mark_is(&board(i)->object, &mark));
                        ck_assert(works_by(i, "old")); /* who is started now */
                        ck_assert_ptr_eq(processes[i].next, processes[0].next);
                        prepare(i);
                }
                ck_assert_str_eq(processes[0].next->path, "p"); /* RE2 */
                board(1)->refused = _i == 1;
                if (_i == 3)
                        weir_reload_stop(&world.reload);
                look();
                if (_i == 0) {
                        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
                        for (size_t i = 0; i < 3; i++)
                                ck_assert(works_by(i, "new") && !processes[i].next);
                } else {
                        nothing_changed();
                }
        }
        end_process(3, SIGKILL);
}
END_TEST

START_TEST(RE2_what_needs_a_restart_stays_for_all_that_are_started)
{
        const struct weir_conf *conf;
        struct reading again;
        char *text;
        size_t size;

        begin_process(3);
        ask();
        for (size_t i = 0; i < 3; i++)
                prepare(i);
        look();
        conf = world.env.conf;
        ck_assert_str_eq(conf->store_url, "postgresql:///weir");
        ck_assert_uint_eq(conf->worker_count, 2);
        ck_assert_str_eq(conf->workers[0].group, "g");
        ck_assert_str_eq(conf->workers[0].plugin, "p");
        ck_assert_str_eq(conf->workers[1].name, "b");
        ck_assert_int_eq(weir_kept_read(world.env.texts.first, 9999, &text, &size), 0);
        again = parse(text); /* what each of them begins with */
        ck_assert_str_eq(again.conf->workers[0].group, "g");
        done(&again);
        free(text);
        ck_assert_int_eq(end_process(3, SIGKILL), SIGKILL);
}
END_TEST

START_TEST(a_file_with_mistakes_is_offered_to_nobody)
{
        world.file = NULL;
        ask();
        nothing_changed();
        world.file = "nonsense = ";
        ask();
        nothing_changed();
        ck_assert_uint_eq(board(0)->offered, 0);
        ck_assert_uint_eq(world.reload.count, 2);
}
END_TEST

START_TEST(OF2_one_that_refuses_refuses_for_all)
{
        ask();
        prepare(0);
        prepare(2);
        memset(board(1)->why, 'x', sizeof board(1)->why); /* without an end: BD3 */
        board(1)->refused = 1;
        look();
        nothing_changed();
        ck_assert_uint_eq(strlen(world.reload.offer.why), WEIR_BOARD_WHY_BYTES - 1);
        ck_assert_ptr_eq(world.reload.offer.against, &world.family.processes[1]);
        for (size_t i = 0; i < 3; i++)
                ck_assert_uint_eq(board(i)->dropped, 1);
}
END_TEST

/* What dies, or was killed by somebody, while it is asked. */
START_TEST(OF2_one_that_dies_before_the_decision_has_refused)
{
        ask();
        prepare(0);
        prepare(2);
        if (_i)
                prepare(1);
        weir_offer_died(&world.reload.offer, &world.family.processes[1]);
        child(1)->state = WEIR_CHILD_DOWN;
        look();
        nothing_changed();
        ck_assert_ptr_nonnull(strstr(world.reload.offer.why, "died"));
        weir_offer_died(&world.reload.offer, &world.family.processes[0]); /* it is over */
        ck_assert_ptr_eq(world.reload.offer.against, &world.family.processes[1]);
}
END_TEST

/* One that was not asked at the reload before, and takes its time to end since. */
START_TEST(OF3_one_that_ends_as_it_was_told_before_has_not_refused)
{
        struct weir_process *draining = &world.family.processes[1];

        draining->renewed = true;
        ask();
        prepare(0);
        prepare(2);
        weir_offer_died(&world.reload.offer, draining);
        draining->child.state = WEIR_CHILD_DOWN;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        weir_board_clear(draining->child.board); /* as weir_process_start() does */
        weir_offer_put(&world.reload.offer, draining);
        draining->renewed = false;
        draining->child.state = WEIR_CHILD_RUNS;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        if (_i) { /* what dies now has died of it */
                weir_offer_died(&world.reload.offer, draining);
                look();
                nothing_changed();
                return;
        }
        prepare(1);
        begin_process(3);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        end_process(3, SIGKILL);
}
END_TEST

START_TEST(OF2_RE3_one_that_does_not_answer_in_time_has_refused)
{
        int64_t now_us;

        ask();
        prepare(0);
        prepare(1);
        now_us = world.reload.offer.until_us;
        weir_reload_look(&world.reload, now_us - 1);
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        weir_reload_look(&world.reload, now_us);
        nothing_changed();
        ck_assert_ptr_nonnull(strstr(world.reload.offer.why, "has not answered"));
        prepare(2); /* too late, and it is told so */
        look();
        ck_assert_uint_eq(board(2)->dropped, 1);
        nothing_changed();
}
END_TEST

START_TEST(OF3_one_that_is_started_meanwhile_is_asked_too)
{
        child(1)->state = WEIR_CHILD_DOWN;
        child(1)->start_at_us = weir_clock_us() + 3600 * SECOND_US;
        ask();
        ck_assert(child(1)->start_at_us <= weir_clock_us()); /* it shall answer */
        prepare(0);
        prepare(2);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        weir_board_clear(child(1)->board); /* as weir_process_start() does */
        weir_offer_put(&world.reload.offer, &world.family.processes[1]);
        child(1)->state = WEIR_CHILD_RUNS;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        ck_assert_uint_eq(board(1)->offered, 1);
        prepare(1);
        begin_process(3);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        weir_board_clear(child(2)->board); /* decided: it is not asked, but started by it */
        weir_offer_put(&world.reload.offer, &world.family.processes[2]);
        ck_assert_uint_eq(board(2)->offered, 0);
        end_process(3, SIGKILL);
}
END_TEST

START_TEST(OF4_one_that_cannot_work_anyway_is_not_asked_and_begins_anew_with_what_is_in_force)
{
        child(0)->misfits = 3;
        child(0)->state = WEIR_CHILD_DOWN;
        child(0)->start_at_us = weir_clock_us() + 3600 * SECOND_US;
        child(1)->misfits = 1; /* it just tries */
        child(1)->board->ready = 0;
        begin_process(1);
        begin_process(3);
        ask();
        prepare(2);
        weir_offer_died(&world.reload.offer, &world.family.processes[0]);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        ck_assert(child(0)->start_at_us <= weir_clock_us());
        ck_assert(world.family.processes[1].renewed);
        ck_assert_int_eq(end_process(1, 0), SIGTERM);
        end_process(3, SIGKILL);
}
END_TEST

/* Its plugin crashes in open(), say: another file may be what mends it. */
START_TEST(OF4_one_that_dies_before_it_is_ready_is_asked_as_soon_as_it_is)
{
        const struct weir_child_policy policy = { 10, 1000, 9 };

        child(0)->board->ready = 0;
        weir_child_died(child(0), &policy, SIGSEGV, false, weir_clock_us());
        ck_assert(!weir_offer_asks(&world.family.processes[0]));
        child(0)->state = WEIR_CHILD_RUNS;
        ck_assert(!weir_offer_asks(&world.family.processes[0]));
        child(0)->board->ready = 1;
        ck_assert(weir_offer_asks(&world.family.processes[0]));
        weir_child_died(child(0), &policy, SIGSEGV, false, weir_clock_us());
        ck_assert(weir_offer_asks(&world.family.processes[0]));
        child(0)->state = WEIR_CHILD_FAILED;
        ck_assert(!weir_offer_asks(&world.family.processes[0]));
        ck_assert(!weir_offer_asks(&world.family.processes[3]));
}
END_TEST

START_TEST(given_up_and_ended_ones_are_not_waited_for)
{
        child(0)->state = WEIR_CHILD_FAILED;
        child(1)->state = WEIR_CHILD_ENDED;
        begin_process(3);
        ask();
        prepare(2);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        end_process(3, SIGKILL);
}
END_TEST

/* ---- the relay -------------------------------------------------------------------------------------- */

#define SAME KAFKA STORE
#define TWO_WORKERS                                                                                      \
        "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; processes = 2; " \
        "%s },\n { name = \"b\"; plugin = \"p\"; group = \"h\"; topics = [ \"t\" ]; } );\n"

static const struct {
        const char *base, *worker, *sinks;
        bool renewed;
} changes[] = {
        { SAME "handler = { deadline = \"10s\"; };", "", "", false },
        { SAME "handler = { deadline = \"9s\"; };", "batch = { max_events = 3; };", "", false },
        { SAME "restart = { limit = 99; };", "", "", false },
        /* these need a restart, also of the relay's */
        { KAFKA "store = { url = \"postgresql:///other\"; };", "", "", false },
        { STORE "kafka = { brokers = \"other\"; };", "", "", false },
        { SAME "stop = { deadline = \"7s\"; };", "", "", true },
        { SAME "log = { level = \"debug\"; };", "", "", true },
        { SAME, "", "sinks = ( { name = \"s\"; topic = \"x\"; } );", true },
};

START_TEST(a_relay_is_started_anew_only_where_something_it_uses_has_changed)
{
        char text[2048], worker[1024];

        snprintf(worker, sizeof worker, TWO_WORKERS, changes[_i].worker);
        snprintf(text, sizeof text, "%s\n%s%s", changes[_i].base, worker, changes[_i].sinks);
        world.file = text;
        begin_process(3);
        ask();
        for (size_t i = 0; i < 3; i++)
                prepare(i);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        ck_assert_int_eq(world.family.processes[3].renewed, changes[_i].renewed);
        ck_assert_int_eq(end_process(3, changes[_i].renewed ? 0 : SIGKILL),
                         changes[_i].renewed ? SIGTERM : SIGKILL);
}
END_TEST

/* ---- its end -------------------------------------------------------------------------------------- */

static void take(void)
{
        begin_process(3);
        ask();
        for (size_t i = 0; i < 3; i++)
                prepare(i);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
}

START_TEST(it_is_over_when_all_have_taken_over_or_were_started_since)
{
        take();
        board(0)->taken = 1;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        weir_board_clear(child(1)->board); /* died after the decision, and was started again */
        child(2)->state = WEIR_CHILD_NOTES;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_NONE);
        end_process(3, SIGKILL);
}
END_TEST

/* A worker that was not asked, or the relay: what runs by the old file is not over. */
START_TEST(it_is_not_over_before_those_that_begin_anew_have_ended)
{
        size_t index = _i ? 3 : 1;
        char text[1024];

        if (!_i) {
                child(1)->misfits = 1;
                child(1)->board->ready = 0;
                begin_process(1);
        }
        snprintf(text, sizeof text, SAME "stop = { deadline = \"7s\"; };\n" TWO_WORKERS, "");
        if (_i)
                world.file = text;
        begin_process(3);
        ask();
        for (size_t i = 0; i < 3; i++)
                if (_i || i != 1)
                        prepare(i);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        for (size_t i = 0; i < 3; i++)
                board(i)->taken = board(i)->go;
        ck_assert(world.family.processes[index].renewed);
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        ck_assert_int_eq(end_process(index, 0), SIGTERM);
        child(index)->state = WEIR_CHILD_DOWN;
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_NONE);
        if (!_i)
                end_process(3, SIGKILL);
}
END_TEST

START_TEST(RE3_one_slow_handler_does_not_hold_it_for_ever)
{
        take();
        weir_reload_look(&world.reload, weir_clock_us() + 19 * SECOND_US);
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_TAKES);
        weir_reload_look(&world.reload, weir_clock_us() + 31 * SECOND_US);
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_NONE);
        ck_assert_int_eq(world.env.conf->handler_deadline_ms, 20000); /* what was decided stays */
        end_process(3, SIGKILL);
}
END_TEST

START_TEST(however_often_it_is_told_meanwhile_there_is_one_more_round)
{
        begin_process(3);
        ask();
        for (int i = 0; i < 100; i++)
                weir_reload_ask(&world.reload);
        ck_assert_uint_eq(world.reload.count, 1);
        for (size_t i = 0; i < 3; i++)
                prepare(i);
        look();
        weir_reload_ask(&world.reload);
        ck_assert_uint_eq(world.reload.count, 1);
        world.file = text_of_the_start; /* what it says last counts */
        for (size_t i = 0; i < 3; i++)
                board(i)->taken = 1;
        look();
        ck_assert_uint_eq(world.reload.count, 2);
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_READS);
        waitpid(world.reload.reader, NULL, 0);
        ck_assert(weir_reload_reaped(&world.reload, world.reload.reader, 0));
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(board(i)->offered, 2);
                prepare(i);
        }
        look();
        ck_assert_int_eq(world.env.conf->handler_deadline_ms, 10000);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(board(i)->go, 2);
                board(i)->taken = 2;
        }
        look();
        ck_assert_int_eq(world.reload.state, WEIR_RELOAD_NONE);
        ck_assert_uint_eq(world.reload.count, 2);
        end_process(3, SIGKILL);
}
END_TEST

/* In each state: nothing comes into force any more. */
START_TEST(a_stop_ends_it)
{
        pid_t reader;

        weir_reload_ask(&world.reload);
        reader = world.reload.reader;
        if (_i > 0) {
                ck_assert_int_eq(waitpid(reader, NULL, 0), reader);
                weir_reload_reaped(&world.reload, reader, 0);
                ck_assert_int_eq(world.reload.state, WEIR_RELOAD_OFFERS);
        }
        weir_reload_ask(&world.reload);
        weir_reload_stop(&world.reload);
        if (_i == 0) {
                ck_assert_int_eq(waitpid(reader, NULL, 0), reader);
                ck_assert(weir_reload_reaped(&world.reload, reader, 0));
        } else {
                ck_assert_uint_eq(board(0)->dropped, 1);
        }
        for (size_t i = 0; i < 3; i++)
                prepare(i);
        look();
        nothing_changed();
        ck_assert_uint_eq(world.reload.count, 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("reload");
        TCase *tcase = tcase_create("reload");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, OF1_OF2_until_all_have_prepared_nothing_is_in_force_and_then_all_is);
        tcase_add_loop_test(tcase, IM1_plugins_come_into_force_with_the_text_or_not_at_all, 0, 4);
        tcase_add_test(tcase, RE2_what_needs_a_restart_stays_for_all_that_are_started);
        tcase_add_test(tcase, a_file_with_mistakes_is_offered_to_nobody);
        tcase_add_test(tcase, OF2_one_that_refuses_refuses_for_all);
        tcase_add_loop_test(tcase, OF2_one_that_dies_before_the_decision_has_refused, 0, 2);
        tcase_add_loop_test(tcase, OF3_one_that_ends_as_it_was_told_before_has_not_refused, 0, 2);
        tcase_add_test(tcase, OF2_RE3_one_that_does_not_answer_in_time_has_refused);
        tcase_add_test(tcase, OF3_one_that_is_started_meanwhile_is_asked_too);
        tcase_add_test(
                tcase,
                OF4_one_that_cannot_work_anyway_is_not_asked_and_begins_anew_with_what_is_in_force);
        tcase_add_test(tcase, OF4_one_that_dies_before_it_is_ready_is_asked_as_soon_as_it_is);
        tcase_add_test(tcase, given_up_and_ended_ones_are_not_waited_for);
        tcase_add_loop_test(tcase, a_relay_is_started_anew_only_where_something_it_uses_has_changed,
                            0, WEIR_COUNT_OF(changes));
        tcase_add_test(tcase, it_is_over_when_all_have_taken_over_or_were_started_since);
        tcase_add_loop_test(tcase, it_is_not_over_before_those_that_begin_anew_have_ended, 0, 2);
        tcase_add_test(tcase, RE3_one_slow_handler_does_not_hold_it_for_ever);
        tcase_add_test(tcase, however_often_it_is_told_meanwhile_there_is_one_more_round);
        tcase_add_loop_test(tcase, a_stop_ends_it, 0, 2);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* Tests of lib/kafka/group.c: the table of the member's life, and nothing else. */
#include <check.h>
#include <stdlib.h>

#include "kafka/group.h"

static enum weir_group_action step(enum weir_group_state *state, enum weir_group_event event)
{
        return weir_group_step(state, event);
}

START_TEST(a_quiet_life_is_join_work_leave)
{
        enum weir_group_state state = WEIR_GROUP_JOINING;

        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_ASSIGN), WEIR_GROUP_DO_START);
        ck_assert_int_eq(state, WEIR_GROUP_ASSIGNED);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_CLOSE), WEIR_GROUP_DO_LEAVE);
        ck_assert_int_eq(state, WEIR_GROUP_CLOSING);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_REVOKE), WEIR_GROUP_DO_DRAIN);
        ck_assert_int_eq(state, WEIR_GROUP_CLOSING);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_EMPTIED), WEIR_GROUP_DO_NOTHING);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_LEFT), WEIR_GROUP_DO_DESTROY);
        ck_assert_int_eq(state, WEIR_GROUP_CLOSED);
}
END_TEST

START_TEST(an_eager_revocation_leads_back_to_joining)
{
        enum weir_group_state state = WEIR_GROUP_ASSIGNED;

        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_REVOKE), WEIR_GROUP_DO_DRAIN);
        ck_assert_int_eq(state, WEIR_GROUP_REVOKING);
        step(&state, WEIR_GROUP_ON_EMPTIED);
        ck_assert_int_eq(state, WEIR_GROUP_JOINING);
}
END_TEST

START_TEST(a_cooperative_revocation_keeps_the_rest_assigned)
{
        enum weir_group_state state = WEIR_GROUP_ASSIGNED;

        step(&state, WEIR_GROUP_ON_REVOKE);
        step(&state, WEIR_GROUP_ON_REDUCED);
        ck_assert_int_eq(state, WEIR_GROUP_ASSIGNED);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_ASSIGN), WEIR_GROUP_DO_START);
        ck_assert_int_eq(state, WEIR_GROUP_ASSIGNED);
}
END_TEST

START_TEST(an_assignment_while_closing_is_declined)
{
        enum weir_group_state state = WEIR_GROUP_JOINING;

        step(&state, WEIR_GROUP_ON_CLOSE);
        ck_assert_int_eq(step(&state, WEIR_GROUP_ON_ASSIGN), WEIR_GROUP_DO_DECLINE);
        ck_assert_int_eq(state, WEIR_GROUP_CLOSING);
}
END_TEST

START_TEST(G1_every_rebalance_is_answered_while_librdkafka_listens)
{
        const enum weir_group_state listening[] = { WEIR_GROUP_JOINING, WEIR_GROUP_ASSIGNED,
                                                    WEIR_GROUP_CLOSING };

        for (size_t i = 0; i < sizeof listening / sizeof listening[0]; i++) {
                enum weir_group_state a = listening[i], r = listening[i];
                enum weir_group_action on_assign = step(&a, WEIR_GROUP_ON_ASSIGN);

                ck_assert(on_assign == WEIR_GROUP_DO_START || on_assign == WEIR_GROUP_DO_DECLINE);
                ck_assert_int_eq(step(&r, WEIR_GROUP_ON_REVOKE), WEIR_GROUP_DO_DRAIN);
        }
}
END_TEST

START_TEST(G2_nothing_starts_after_close)
{
        for (int from = 0; from < WEIR_GROUP_STATE_COUNT; from++) {
                enum weir_group_state state = (enum weir_group_state)from;

                step(&state, WEIR_GROUP_ON_CLOSE);
                for (int first = 0; first < WEIR_GROUP_EVENT_COUNT; first++)
                        for (int then = 0; then < WEIR_GROUP_EVENT_COUNT; then++) {
                                enum weir_group_state s = state;

                                ck_assert_int_ne(step(&s, (enum weir_group_event)first),
                                                 WEIR_GROUP_DO_START);
                                ck_assert_int_ne(step(&s, (enum weir_group_event)then),
                                                 WEIR_GROUP_DO_START);
                        }
        }
}
END_TEST

START_TEST(G3_closed_stays_closed_and_failed_ends_by_close_only)
{
        for (int event = 0; event < WEIR_GROUP_EVENT_COUNT; event++) {
                enum weir_group_state closed = WEIR_GROUP_CLOSED, failed = WEIR_GROUP_FAILED;

                step(&closed, (enum weir_group_event)event);
                ck_assert_int_eq(closed, WEIR_GROUP_CLOSED);
                step(&failed, (enum weir_group_event)event);
                ck_assert_int_eq(failed, event == WEIR_GROUP_ON_CLOSE ? WEIR_GROUP_CLOSED
                                                                      : WEIR_GROUP_FAILED);
        }
}
END_TEST

START_TEST(a_fatal_error_stops_and_close_then_abandons)
{
        const enum weir_group_state alive[] = { WEIR_GROUP_JOINING, WEIR_GROUP_ASSIGNED,
                                                WEIR_GROUP_REVOKING, WEIR_GROUP_CLOSING };

        for (size_t i = 0; i < sizeof alive / sizeof alive[0]; i++) {
                enum weir_group_state state = alive[i];

                ck_assert_int_eq(step(&state, WEIR_GROUP_ON_FATAL), WEIR_GROUP_DO_STOP);
                ck_assert_int_eq(state, WEIR_GROUP_FAILED);
                ck_assert_int_eq(step(&state, WEIR_GROUP_ON_CLOSE), WEIR_GROUP_DO_ABANDON);
        }
}
END_TEST

START_TEST(everything_has_a_name)
{
        for (int i = 0; i < WEIR_GROUP_STATE_COUNT; i++)
                ck_assert_str_ne(weir_group_state_name((enum weir_group_state)i), "?");
        for (int i = 0; i < WEIR_GROUP_EVENT_COUNT; i++)
                ck_assert_str_ne(weir_group_event_name((enum weir_group_event)i), "?");
        for (int i = 0; i < WEIR_GROUP_ACTION_COUNT; i++)
                ck_assert_str_ne(weir_group_action_name((enum weir_group_action)i), "?");
        ck_assert_str_eq(weir_group_state_name(WEIR_GROUP_REVOKING), "revoking");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("group");
        TCase *tcase = tcase_create("group");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, a_quiet_life_is_join_work_leave);
        tcase_add_test(tcase, an_eager_revocation_leads_back_to_joining);
        tcase_add_test(tcase, a_cooperative_revocation_keeps_the_rest_assigned);
        tcase_add_test(tcase, an_assignment_while_closing_is_declined);
        tcase_add_test(tcase, G1_every_rebalance_is_answered_while_librdkafka_listens);
        tcase_add_test(tcase, G2_nothing_starts_after_close);
        tcase_add_test(tcase, G3_closed_stays_closed_and_failed_ends_by_close_only);
        tcase_add_test(tcase, a_fatal_error_stops_and_close_then_abandons);
        tcase_add_test(tcase, everything_has_a_name);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* test_destination - how a destination stands: one relay probes it, an operator opens it, a rate is shared */
#include "outbox_fixture.h"

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

/* A notice comes with the answer to some statement, soon. */
static int heard(void)
{
        struct weir_error error = { 0 };
        int r = 0;

        WAIT_UNTIL((fixture_int(pg, "SELECT 1"), r = weir_outbox_notified(pg, &error)) != 0);
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
        Suite *suite = suite_create("destination");
        TCase *tcase = tcase_create("outbox");

        fixture_start("destination", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
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

/* SPDX-License-Identifier: MIT */
/* test_notify - which sinks an event goes to */
#include "notify_fixture.h"

/* ---- events --------------------------------------------------------------------------------- */

static int take_delivery(struct weir_tx *tx, const char *sink, const struct weir_event *event,
                         struct weir_error *reterr)
{
        size_t used = strlen(world.delivered);

        (void)tx;
        ck_assert_ptr_nonnull(event);
        if (world.deliver_r)
                return weir_fail(reterr, world.deliver_r, 0, "no database");
        snprintf(world.delivered + used, sizeof world.delivered - used, "%s ", sink);
        return 0;
}

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static int handle(const struct weir_event *event, struct weir_error *reterr)
{
        static const struct weir_tx_ops ops = { .size = sizeof ops, .deliver = take_delivery };
        struct weir_tx tx = { &ops };

        world.delivered[0] = '\0';
        return weir_worker.handle(world.self, &tx, event, reterr);
}

/* An event of @type, @source, @subject (may be NULL) goes to @expected, or to none: WEIR_SKIP. */
static void goes(const char *type, const char *source, const char *subject, const char *expected)
{
        struct weir_event event = { .type = view(type),
                                    .source = view(source),
                                    .subject = view(subject) };

        ck_assert_int_eq(handle(&event, NULL), *expected ? WEIR_DONE : WEIR_SKIP);
        ck_assert_str_eq(world.delivered, expected);
}

/* With an extension; NULL: none. */
static void extended_goes(const char *name, const char *value, const char *expected)
{
        struct weir_attribute extensions[] = {
                { view("traceparent"), view("00-0"), WEIR_ATTRIBUTE_STRING },
                { view(name), view(value), WEIR_ATTRIBUTE_STRING },
        };
        struct weir_event event = { .type = view("t"),
                                    .source = view("/s"),
                                    .extensions = extensions,
                                    .extension_count = name ? 2 : 0 };

        ck_assert_int_eq(handle(&event, NULL), *expected ? WEIR_DONE : WEIR_SKIP);
        ck_assert_str_eq(world.delivered, expected);
}

/* ---- matching ------------------------------------------------------------------------------- */

START_TEST(a_type_is_matched_as_a_whole)
{
        must_open("rules = ( { type = \"user.created\"; to = [ \"a\" ]; } );");
        goes("user.created", "/s", NULL, "a ");
        goes("user.created.v2", "/s", NULL, "");
        goes("user.create", "/s", NULL, "");
        goes("User.created", "/s", NULL, "");
        goes("x", "user.created", "user.created", "");
        close_it();
}
END_TEST

START_TEST(a_star_at_the_end_makes_a_prefix)
{
        must_open("rules = ( { type = \"user.*\"; to = [ \"a\" ]; } );");
        goes("user.created", "/s", NULL, "a ");
        goes("user.", "/s", NULL, "a ");
        goes("user", "/s", NULL, "");
        goes("users.created", "/s", NULL, "");
        close_it();
        must_open("rules = ( { type = \"us*er\"; to = [ \"a\" ]; } );");
        goes("us*er", "/s", NULL, "a ");
        goes("usxer", "/s", NULL, "");
        close_it();
}
END_TEST

START_TEST(a_source_is_matched)
{
        must_open("rules = ( { source = \"/crm\"; to = [ \"a\" ]; },\n"
                  "{ source = \"https://eu.*\"; to = [ \"b\" ]; } );");
        goes("t", "/crm", NULL, "a ");
        goes("t", "/crm/x", NULL, "");
        goes("t", "https://eu.example/x", NULL, "b ");
        close_it();
}
END_TEST

START_TEST(a_subject_that_is_absent_matches_no_condition)
{
        must_open("rules = ( { subject = \"42\"; to = [ \"a\" ]; },\n"
                  "{ subject = \"order/*\"; to = [ \"b\" ]; },\n"
                  "{ subject = \"*\"; to = [ \"c\" ]; } );");
        goes("t", "/s", "42", "a c ");
        goes("t", "/s", "order/7", "b c ");
        goes("t", "/s", "", "c ");
        goes("t", "/s", NULL, "");
        close_it();
}
END_TEST

START_TEST(an_extension_is_matched_by_name_and_value)
{
        must_open(
                "rules = ( { extension = { name = \"tenant\"; value = \"acme\"; }; to = [ \"a\" ]; "
                "},\n{ extension = { name = \"tenant\"; value = \"ac*\"; }; to = [ \"b\" ]; },\n"
                "{ extension = { name = \"tenant\"; value = \"*\"; }; to = [ \"c\" ]; } );");
        extended_goes("tenant", "acme", "a b c ");
        extended_goes("tenant", "acorn", "b c ");
        extended_goes("tenant", "", "c ");
        extended_goes("tenants", "acme", "");
        extended_goes(NULL, NULL, "");
        close_it();
}
END_TEST

START_TEST(several_extensions_must_all_match)
{
        must_open("rules = ( { extension = ( { name = \"tenant\"; value = \"acme\"; },\n"
                  "{ name = \"traceparent\"; value = \"00-*\"; } ); to = [ \"a\" ]; },\n"
                  "{ extension = ( { name = \"tenant\"; value = \"acme\"; },\n"
                  "{ name = \"traceparent\"; value = \"01-*\"; } ); to = [ \"b\" ]; } );");
        extended_goes("tenant", "acme", "a ");
        extended_goes("tenant", "other", "");
        close_it();
}
END_TEST

START_TEST(all_conditions_of_a_rule_must_hold)
{
        must_open(
                "rules = ( { type = \"t\"; source = \"/s*\"; subject = \"x\"; to = [ \"a\" ]; } );");
        goes("t", "/s1", "x", "a ");
        goes("u", "/s1", "x", "");
        goes("t", "/r1", "x", "");
        goes("t", "/s1", "y", "");
        goes("t", "/s1", NULL, "");
        close_it();
}
END_TEST

START_TEST(a_rule_without_conditions_matches_everything)
{
        must_open("rules = ( { to = [ \"d\", \"a\" ]; } );");
        goes("t", "/s", NULL, "d a ");
        close_it();
}
END_TEST

START_TEST(all_rules_that_match_count_and_a_sink_gets_an_event_once)
{
        must_open("match = \"all\"; rules = ( { type = \"t\"; to = [ \"b\", \"a\" ]; },\n"
                  "{ type = \"*\"; to = [ \"a\", \"c\" ]; }, { type = \"u\"; to = [ \"d\" ]; } );");
        goes("t", "/s", NULL, "b a c ");
        goes("u", "/s", NULL, "a c d ");
        close_it();
}
END_TEST

START_TEST(the_first_rule_that_matches_counts_alone)
{
        must_open("match = \"first\"; rules = ( { type = \"t\"; to = [ \"b\" ]; },\n"
                  "{ type = \"*\"; to = [ \"a\", \"b\" ]; } );");
        goes("t", "/s", NULL, "b ");
        goes("u", "/s", NULL, "b a ");
        ck_assert_str_eq(world.log, "");
        close_it();
}
END_TEST

START_TEST(what_no_rule_matches_is_skipped_or_rejected)
{
        struct weir_event event = { .type = view("user.gone"), .source = view("/s") };
        struct weir_error error = { 0 };

        must_open("unmatched = \"skip\"; rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        ck_assert_int_eq(handle(&event, &error), WEIR_SKIP);
        close_it();
        must_open("unmatched = \"reject\"; rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        ck_assert_int_eq(handle(&event, &error), WEIR_REJECT);
        ck_assert_str_eq(error.text, "no rule matches type user.gone, source /s, subject (none)");
        goes("t", "/s", NULL, "a ");
        close_it();
}
END_TEST

START_TEST(a_delivery_that_fails_is_passed_on_at_once)
{
        struct weir_event event = { .type = view("t"), .source = view("/s") };
        struct weir_error error = { 0 };

        must_open("rules = ( { to = [ \"a\", \"b\" ]; } );");
        world.deliver_r = WEIR_EDB;
        ck_assert_int_eq(handle(&event, &error), WEIR_EDB);
        ck_assert_str_eq(error.text, "no database");
        close_it();
}
END_TEST

START_TEST(as_many_rules_as_are_allowed_are_matched_to_the_last)
{
        char text[20000] = "rules = (";
        size_t used = strlen(text);

        for (int i = 0; i < 256; i++)
                used += (size_t)snprintf(text + used, sizeof text - used,
                                         "%s{ type = \"t%d\"; to = [ \"%c\" ]; }", i ? "," : "", i,
                                         'a' + i % 4);
        snprintf(text + used, sizeof text - used, ");");
        must_open(text);
        goes("t255", "/s", NULL, "d ");
        close_it();
        snprintf(text + used, sizeof text - used, ", { to = [ \"a\" ]; } );");
        refused_with(text, "n.cfg:6: options.rules: are too many; allowed: 256");
}
END_TEST

START_TEST(the_bits_of_many_sinks_do_not_mix)
{
        struct notify *notify = calloc(1, sizeof *notify + sizeof *notify->rules);
        static char names[SINKS_MAX][16];
        char expected[200] = "";

        memset(&world, 0, sizeof world);
        notify->rule_count = 1;
        notify->sink_count = SINKS_MAX;
        for (int i = 0; i < SINKS_MAX; i++) {
                snprintf(names[i], sizeof names[i], "s%d", i);
                notify->sinks[i] = names[i];
        }
        for (size_t i = 63; i < SINKS_MAX; i += 64) {
                notify->rules[0].sinks[i / 64] = UINT64_C(1) << (i % 64);
                snprintf(expected + strlen(expected), 8, "s%zu ", i);
        }
        world.self = notify;
        goes("t", "/s", NULL, expected);
        free(notify);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("notify");
        TCase *all = tcase_create("all");
        SRunner *runner;
        int failed;

        tcase_add_test(all, a_type_is_matched_as_a_whole);
        tcase_add_test(all, a_star_at_the_end_makes_a_prefix);
        tcase_add_test(all, a_source_is_matched);
        tcase_add_test(all, a_subject_that_is_absent_matches_no_condition);
        tcase_add_test(all, an_extension_is_matched_by_name_and_value);
        tcase_add_test(all, several_extensions_must_all_match);
        tcase_add_test(all, all_conditions_of_a_rule_must_hold);
        tcase_add_test(all, a_rule_without_conditions_matches_everything);
        tcase_add_test(all, all_rules_that_match_count_and_a_sink_gets_an_event_once);
        tcase_add_test(all, the_first_rule_that_matches_counts_alone);
        tcase_add_test(all, what_no_rule_matches_is_skipped_or_rejected);
        tcase_add_test(all, a_delivery_that_fails_is_passed_on_at_once);
        tcase_add_test(all, as_many_rules_as_are_allowed_are_matched_to_the_last);
        tcase_add_test(all, the_bits_of_many_sinks_do_not_mix);
        suite_add_tcase(suite, all);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

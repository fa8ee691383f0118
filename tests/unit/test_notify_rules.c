/* SPDX-License-Identifier: MIT */
/* test_notify_rules - which rules are refused or warned of, and at which line */
#include "notify_fixture.h"

START_TEST(a_rule_that_sends_every_event_round_for_ever_is_refused)
{
        static const char words[] = "options.rules.[0].to.[0]: is a topic that this worker reads";

        loop = "a";
        refused_with("rules = ( { to = [ \"a\" ]; } );", words);
        refused_with("rules = ( { type = \"*\"; source = \"*\"; to = [ \"a\" ]; } );", words);
        refused_with("match = \"first\"; rules = ( { to = [ \"a\" ]; } );", words);
        must_open("rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        close_it();
        must_open("rules = ( { subject = \"*\"; to = [ \"a\" ]; } );");
        close_it();
        must_open(
                "match = \"first\"; rules = ( { type = \"t\"; to = [ \"b\" ]; }, { to = [ \"a\" ]; } );");
        close_it();
        loop = "";
}
END_TEST

static const struct {
        const char *options, *words;
} refused[] = {
        { "", "n.cfg:5: options.rules: there is none" },
        { "\nrules = ( );", "n.cfg:7: options.rules: there is none" },
        { "rules = 5;", "n.cfg:6: options.rules: expected a list" },
        { "rules = { to = [ \"a\" ]; };",
          "n.cfg:6: options.rules: is a group { }, must be a list" },
        { "rules = ( 5 );", "n.cfg:6: options.rules.[0]: expected a list or a group" },
        { "rules = (\n{ type = \"t\"; } );", "n.cfg:7: options.rules.[0].to: names no sink" },
        { "rules = (\n{ type = \"t\";\nto = [ ]; } );",
          "n.cfg:8: options.rules.[0].to: names no sink" },
        { "rules = (\n{ type = \"t\";\nto = \"a\"; } );",
          "n.cfg:8: options.rules.[0].to: expected a list" },
        { "rules = (\n{ to = { x = \"a\"; }; } );",
          "n.cfg:7: options.rules.[0].to: names no sink" },
        { "rules = (\n{ to = [ 5 ]; } );",
          "n.cfg:7: options.rules.[0].to.[0]: is a whole number, must be a string" },
        { "rules = (\n{ to = [ \"a\" ]; },\n{ to = [ \"a\", \"e\" ]; } );",
          "n.cfg:8: options.rules.[1].to.[1]: there is no sink e" },
        { "rules = (\n{ to = [ \"a\", \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].to.[1]: is listed twice" },
        { "rules = (\n{ type = 5; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].type: is a whole number, must be a string" },
        { "rules = (\n{ type = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].type: is empty" },
        { "rules = (\n{ source = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].source: is empty" },
        { "rules = (\n{ subject = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].subject: is empty" },
        { "rules = (\n{ extension = \"x\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: expected a list or a group" },
        { "rules = (\n{ extension = ( ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: is empty" },
        { "rules = (\n{ extension = { name = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: needs both name and value" },
        { "rules = (\n{ extension = ( { value = \"x\"; } ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.[0]: needs both name and value" },
        { "rules = (\n{ extension = ( \"x\" ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.[0]: expected a list or a group" },
        { "rules = (\n{ extension = { name = \"x\"; value = \"\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.value: is empty" },
        { "rules = (\n{ extension = { name = \"Tenant\"; value = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.name: names no extension" },
        { "rules = (\n{ extension = { name = \"subject\"; value = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.name: names no extension" },
        { "rules = (\n{ extension = ( { name = \"x\"; value = \"1\"; },\n{ name = \"x\"; value = "
          "\"2\"; } ); to = [ \"a\" ]; } );",
          "n.cfg:8: options.rules.[0].extension.[1].name: is asked for twice" },
        { "rules = ( { to = [ \"a\" ];\nextension = ( { name = \"a1\"; value = \"1\"; },\n"
          "{ name = \"a2\"; value = \"1\"; }, { name = \"a3\"; value = \"1\"; },\n"
          "{ name = \"a4\"; value = \"1\"; }, { name = \"a5\"; value = \"1\"; },\n"
          "{ name = \"a6\"; value = \"1\"; }, { name = \"a7\"; value = \"1\"; },\n"
          "{ name = \"a8\"; value = \"1\"; },\n{ name = \"a9\"; value = \"1\"; } ); } );",
          "n.cfg:12: options.rules.[0].extension.[8]: is one too many" },
        { "match = \"any\"; rules = ( { to = [ \"a\" ]; } );",
          "n.cfg:6: options.match: is neither all nor first" },
        { "match = 1; rules = ( { to = [ \"a\" ]; } );",
          "n.cfg:6: options.match: is a whole number, must be a string" },
        { "rules = ( { to = [ \"a\" ]; } );\nunmatched = \"drop\";",
          "n.cfg:7: options.unmatched: is neither skip nor reject" },
};

START_TEST(a_bad_rule_is_refused_with_its_line)
{
        refused_with(refused[_i].options, refused[_i].words);
}
END_TEST

START_TEST(everything_that_is_wrong_is_said_at_once_and_bounded)
{
        static const char options[] = "rules = (\n{ type = \"\"; to = [ \"a\" ]; },\n"
                                      "{ to = [ \"x\" ]; } );\nmatch = \"?\";";
        char many[8000] = "rules = (";
        size_t used = strlen(many);

        refused_with(options, "n.cfg:7: options.rules.[0].type: is empty");
        refused_with(options, "; n.cfg:8: options.rules.[1].to.[0]: there is no sink x");
        refused_with(options, "n.cfg:9: options.match: ");
        refused_with(
                "rules = (\n{ type = \"\"; tpye = \"x\"; to = [ \"a\" ]; } );\nmtach = \"all\";",
                "n.cfg:7: options.rules.[0].type: is empty");
        refused_with(
                "rules = (\n{ type = \"\"; tpye = \"x\"; to = [ \"a\" ]; } );\nmtach = \"all\";",
                "; n.cfg:7: options.rules.[0].tpye: the plugin knows no such option; n.cfg:8: "
                "options.mtach: the plugin knows no such option");
        for (int i = 0; i < 100; i++)
                used += (size_t)snprintf(many + used, sizeof many - used,
                                         "%s{ type = \"\"; to = [ \"a\" ]; }", i ? "," : "");
        ck_assert_uint_lt(used + strlen(");"), sizeof many);
        snprintf(many + used, sizeof many - used, ");");
        refused_with(many, "more)");
        ck_assert_ptr_nonnull(
                strstr(world.log, "notify.option n.cfg:6: options.rules.[99].type: is"));
}
END_TEST

START_TEST(a_misspelt_condition_is_not_taken_for_its_absence)
{
        refused_with("rules = (\n{ tpye = \"x\"; to = [ \"a\" ]; } );",
                     "n.cfg:7: options.rules.[0].tpye: the plugin knows no such option");
        refused_with(
                "rules = (\n{ extension = { nmae = \"x\"; name = \"x\"; value = \"y\"; }; to = "
                "[ \"a\" ]; } );",
                "options.rules.[0].extension.nmae");
}
END_TEST

#define FIRST(rules) "match = \"first\"; rules = (" rules ");"

static const struct {
        const char *options;
        bool warned;
} reached[] = {
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t*\"; to = [ \"a\" ]; },\n{ type = \"tt\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t*\"; to = [ \"a\" ]; },\n{ type = \"tt*\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; source = \"s\"; to = [ \"b\" ]; "
                "}"),
          true },
        { FIRST("{ extension = { name = \"x\"; value = \"1*\"; }; to = [ \"a\" ]; },\n"
                "{ extension = ( { name = \"y\"; value = \"2\"; }, { name = \"x\"; value = \"12\"; } "
                "); to = [ \"b\" ]; }"),
          true },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t*\"; to = [ \"b\" ]; }"), false },
        { FIRST("{ type = \"tt*\"; to = [ \"a\" ]; },\n{ type = \"t*\"; to = [ \"b\" ]; }"),
          false },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"tt\"; to = [ \"b\" ]; }"), false },
        { FIRST("{ type = \"t\"; subject = \"*\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" "
                "]; }"),
          false },
        { FIRST("{ extension = { name = \"x\"; value = \"1\"; }; to = [ \"a\" ]; },\n"
                "{ extension = { name = \"y\"; value = \"1\"; }; to = [ \"b\" ]; }"),
          false },
        { FIRST("{ extension = { name = \"x\"; value = \"1\"; }; to = [ \"a\" ]; },\n"
                "{ extension = { name = \"x\"; value = \"2\"; }; to = [ \"b\" ]; }"),
          false },
        { "rules = ( { type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; } );",
          false },
};

START_TEST(a_rule_that_is_never_reached_is_warned_of)
{
        must_open(reached[_i].options);
        ck_assert_msg(!!*world.log == reached[_i].warned, "%s: %s", reached[_i].options, world.log);
        if (reached[_i].warned) {
                ck_assert_ptr_eq(strstr(world.log, "1 notify.rule_unreachable n.cfg:7: "),
                                 world.log);
                ck_assert_ptr_nonnull(strstr(world.log, "n.cfg:6\n"));
        }
        close_it();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("notify_rules");
        TCase *all = tcase_create("all");
        SRunner *runner;
        int failed;

        tcase_add_test(all, a_rule_that_sends_every_event_round_for_ever_is_refused);
        tcase_add_loop_test(all, a_bad_rule_is_refused_with_its_line, 0, WEIR_COUNT_OF(refused));
        tcase_add_test(all, everything_that_is_wrong_is_said_at_once_and_bounded);
        tcase_add_test(all, a_misspelt_condition_is_not_taken_for_its_absence);
        tcase_add_loop_test(all, a_rule_that_is_never_reached_is_warned_of, 0,
                            WEIR_COUNT_OF(reached));
        suite_add_tcase(suite, all);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

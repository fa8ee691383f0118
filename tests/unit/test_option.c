/* SPDX-License-Identifier: MIT */
/* conf/option: typed reads with places, and what nobody asked for is found */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/conf.h"
#include "conf/option.h"

/* Options as conf makes them; freed by the fork of each test. */
static struct weir_option *options(const char *inner, struct weir_conf **ret_conf)
{
        struct weir_error error;
        char text[1500];

        snprintf(text, sizeof text,
                 "kafka = { brokers = \"b\"; }; store = { url = \"postgresql:///d\"; };\n"
                 "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; "
                 "options = {\n%s}; } );",
                 inner);
        ck_assert_msg(weir_conf_parse("o.cfg", text, strlen(text), NULL, ret_conf, NULL, &error) ==
                              0,
                      "%s", error.text);
        return (*ret_conf)->workers[0].options;
}

#define TREE                                                                                       \
        "print = true;\nlimit = 7;\nname = \"x\";\nratio = 0.5;\n"                                 \
        "rules = (\n { type = \"a\"; n = 1; },\n { type = \"b\"; } );\ntypes = [ \"p\", \"q\" "    \
        "];\n"

START_TEST(a_value_is_found_by_its_path)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root = options(TREE, &conf);
        const char *text = NULL;
        int64_t number = 0;
        bool truth = false;

        ck_assert_int_eq(weir_option_bool(root, "print", &truth, NULL), 1);
        ck_assert(truth);
        ck_assert_int_eq(weir_option_int(root, "limit", &number, NULL), 1);
        ck_assert_int_eq(number, 7);
        ck_assert_int_eq(weir_option_text(root, "rules.[1].type", &text, NULL), 1);
        ck_assert_str_eq(text, "b");
        ck_assert_int_eq(weir_option_text(root, "types.[1]", &text, NULL), 1);
        ck_assert_str_eq(text, "q");
        ck_assert_uint_eq(weir_option_at(root, "rules")->count, 2);
        ck_assert_ptr_eq(weir_option_at(root, ""), root);
}
END_TEST

static const char *const absent[] = {
        "nothing",    "limi",       "limits",    "rules.[2]",
        "rules.[-1]", "rules.[]",   "rules.[x]", "rules.[99999999999999999999]",
        "rules.type", "limit.x",    "print.[0]", ".limit",
        "limit.",     "rules..[0]", "[0]",
};

START_TEST(what_is_absent_is_no_error_and_leaves_the_value_alone)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root = options(TREE, &conf);
        int64_t number = 42;

        ck_assert_int_eq(weir_option_int(root, absent[_i], &number, NULL), 0);
        ck_assert_int_eq(number, 42);
        ck_assert_ptr_null(weir_option_at(root, absent[_i]));
        ck_assert_int_eq(weir_option_int(NULL, absent[_i], &number, NULL), 0);
}
END_TEST

START_TEST(another_type_is_an_error_with_the_line_and_what_is_expected)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root = options(TREE, &conf);
        struct weir_error error;
        const char *text = "before";
        int64_t number = 42;
        bool truth = true;

        ck_assert_int_eq(weir_option_text(root, "limit", &text, &error), WEIR_ECONF);
        ck_assert_str_eq(error.text, "o.cfg:4: options.limit: is a whole number, must be a string");
        ck_assert_str_eq(text, "before");
        ck_assert_int_eq(weir_option_int(root, "ratio", &number, &error), WEIR_ECONF);
        ck_assert_str_eq(
                error.text,
                "o.cfg:6: options.ratio: is a number with a fraction, must be a whole number");
        ck_assert_int_eq(weir_option_bool(root, "rules.[0]", &truth, &error), WEIR_ECONF);
        ck_assert_str_eq(error.text,
                         "o.cfg:8: options.rules.[0]: is a group { }, must be true or false");
}
END_TEST

START_TEST(what_nobody_asked_for_is_named_with_its_line)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root = options(TREE, &conf);
        struct weir_error error;

        weir_option_at(root, "print");
        weir_option_at(root, "limit");
        weir_option_at(root, "ratio");
        weir_option_at(root, "types");
        weir_option_at(root, "rules.[0].type");
        weir_option_at(root, "rules.[1].type");
        ck_assert_int_eq(weir_option_unknown(root, &error), WEIR_ECONF);
        ck_assert_str_eq(error.text,
                         "o.cfg:5: options.name: the plugin knows no such option; "
                         "o.cfg:8: options.rules.[0].n: the plugin knows no such option");
        weir_option_at(root, "name");
        weir_option_at(root, "rules.[0].n");
        ck_assert_int_eq(weir_option_unknown(root, &error), 0);
}
END_TEST

START_TEST(a_group_that_was_declared_and_not_looked_into_passes_whole)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root = options("g = { a = 1; h = { b = 2; }; };", &conf);
        struct weir_error error;

        weir_option_at(root, "g");
        ck_assert_int_eq(weir_option_unknown(root, &error), 0);
        weir_option_at(root, "g.a");
        ck_assert_int_eq(weir_option_unknown(root, &error), WEIR_ECONF);
        ck_assert_str_eq(error.text, "o.cfg:3: options.g.h: the plugin knows no such option");
}
END_TEST

START_TEST(no_options_have_nothing_unknown)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;

        ck_assert_int_eq(weir_option_unknown(NULL, NULL), 0);
        ck_assert_int_eq(weir_option_unknown(options("", &conf), NULL), 0);
}
END_TEST

START_TEST(many_unknown_options_are_counted_within_the_text)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct weir_option *root;
        struct weir_error error;
        char text[1200];
        size_t size = 0;

        for (int i = 0; i < 60; i++)
                size += (size_t)snprintf(text + size, sizeof text - size, "option_%d = 1;\n", i);
        root = options(text, &conf);
        ck_assert_int_eq(weir_option_unknown(root, &error), WEIR_ECONF);
        ck_assert_ptr_nonnull(strstr(error.text, "options.option_0:"));
        ck_assert_ptr_nonnull(strstr(error.text, " more)"));
        ck_assert_uint_lt(strlen(error.text), sizeof error.text - 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("option");
        TCase *tcase = tcase_create("option");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, a_value_is_found_by_its_path);
        tcase_add_loop_test(tcase, what_is_absent_is_no_error_and_leaves_the_value_alone, 0,
                            WEIR_COUNT_OF(absent));
        tcase_add_test(tcase, another_type_is_an_error_with_the_line_and_what_is_expected);
        tcase_add_test(tcase, what_nobody_asked_for_is_named_with_its_line);
        tcase_add_test(tcase, a_group_that_was_declared_and_not_looked_into_passes_whole);
        tcase_add_test(tcase, no_options_have_nothing_unknown);
        tcase_add_test(tcase, many_unknown_options_are_counted_within_the_text);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* json - the gate before every reader of JSON, and the cursor behind it */
#include <cjson/cJSON.h>
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/cursor.h"
#include "event/json.h"

static struct weir_refusal refusal;

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, strlen(text) };
}

static int check_limits(struct weir_view text, struct weir_limits limits)
{
        memset(&refusal, 0, sizeof refusal);
        return weir_json_check(text, &limits, &refusal);
}

static int check(const char *text)
{
        return check_limits(view(text), (struct weir_limits){ 0 });
}

START_TEST(json_passes)
{
        static const char *const good[] = {
                "{}",
                "[]",
                " [ ] ",
                "\"\"",
                "0",
                "-0",
                "1.5e+10",
                "1E9",
                "true",
                "false",
                "null",
                "\t{\"a\" : [1, {\"b\":null}, \"\\u00e9\\n\\/\"] }\r\n",
                "\"\\ud83d\\ude80\"",
                "[[[[]]],{}]",
                "{\"\":0,\"\":0}",
                "\"\xc3\xa9\x7f\"",
                "\"\\u0000\"",
        };

        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                ck_assert_msg(check(good[i]) == 0, "%s: %s", good[i], refusal.reason);
}
END_TEST

START_TEST(what_is_not_json_is_refused_at_its_byte)
{
        static const struct {
                const char *text;
                size_t at;
        } bad[] = {
                { "", 0 },
                { " ", 1 },
                { "{", 1 },
                { "[1", 2 },
                { "[1,]", 3 },
                { "{\"a\":1,}", 7 },
                { "[1 2]", 3 },
                { "{\"a\" 1}", 5 },
                { "{a:1}", 1 },
                { "01", 1 },
                { "1.", 2 },
                { ".5", 0 },
                { "+1", 0 },
                { "1e", 2 },
                { "-", 1 },
                { "NaN", 0 },
                { "tru", 0 },
                { "True", 0 },
                { "nullx", 4 },
                { "\"a\nb\"", 2 },
                { "\"\\x41\"", 1 },
                { "\"\\u12G4\"", 1 },
                { "\"abc", 4 },
                { "\"\\", 1 },
                { "[]]", 2 },
                { "{}{}", 2 },
                { "[}", 1 },
                { "{]", 1 },
                { "// x\n1", 0 },
                { "'a'", 0 },
                { "\xef\xbb\xbf{}", 0 },
        };

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                ck_assert_msg(check(bad[i].text) == 1, "%s", bad[i].text);
                ck_assert_msg(refusal.klass == WEIR_REFUSED_BAD_JSON && refusal.at == bad[i].at,
                              "%s: %s at %zu: %s", bad[i].text, weir_refusal_name(refusal.klass),
                              refusal.at, refusal.reason);
        }
}
END_TEST

START_TEST(a_nul_behind_the_text_is_no_white_space)
{
        ck_assert_int_eq(check_limits((struct weir_view){ "{}\0", 3 }, (struct weir_limits){ 0 }),
                         1);
        ck_assert_uint_eq(refusal.at, 2);
}
END_TEST

START_TEST(strings_must_be_utf8)
{
        ck_assert_int_eq(check("[\"abcdefgh\xc3(\"]"), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_BAD_UTF8);
        ck_assert_uint_eq(refusal.at, 10);
        ck_assert_int_eq(check("[\"\\ud800\"]"), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_BAD_UTF8);
        ck_assert_uint_eq(refusal.at, 2);
}
END_TEST

START_TEST(limits_hold_exactly)
{
        struct weir_limits depth = { .depth = 3 }, nodes = { .nodes = 4 },
                           bytes = { .json_bytes = 5 };

        ck_assert_int_eq(check_limits(view("[[[1]]]"), depth), 0);
        ck_assert_int_eq(check_limits(view("[[[[]]]]"), depth), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_OVER_LIMIT);
        ck_assert_uint_eq(refusal.at, 3);
        ck_assert_int_eq(check_limits(view("[1,2,3]"), nodes), 0);
        ck_assert_int_eq(check_limits(view("[1,2,3,4]"), nodes), 1);
        ck_assert_uint_eq(refusal.at, 7);
        ck_assert_int_eq(check_limits(view("[1,2]"), bytes), 0);
        ck_assert_int_eq(check_limits(view("[1,2] "), bytes), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_OVER_LIMIT);
}
END_TEST

START_TEST(depth_without_limit_ends_where_a_tree_would)
{
        char *text = malloc(100001);

        memset(text, '[', 100000);
        text[100000] = '\0';
        ck_assert_int_eq(check_limits(view(text), (struct weir_limits){ .depth = UINT32_MAX }), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_OVER_LIMIT);
        ck_assert_uint_eq(refusal.at, 1000);
        free(text);
}
END_TEST

START_TEST(a_tree_is_what_the_text_says)
{
        struct cJSON *tree = NULL;

        ck_assert_int_eq(weir_json_parse(view("{\"a\":[1,\"x\"]} \n"), NULL, &tree, &refusal), 0);
        ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(tree, "a")), 2);
        weir_json_free(tree);
}
END_TEST

START_TEST(every_depth_within_the_limit_becomes_a_tree)
{
        char text[1000];
        struct cJSON *tree = NULL;

        memset(text, '[', 256);
        memset(text + 256, ']', 256);
        ck_assert_int_eq(weir_json_parse((struct weir_view){ text, 512 }, NULL, &tree, &refusal),
                         0);
        weir_json_free(tree);
}
END_TEST

START_TEST(what_a_tree_cannot_hold_is_refused_for_it)
{
        static const char nul[] = "[\"o-1001\\u0000evil\"]";
        char number[80] = "[", fits[80] = "[";
        struct cJSON *tree = NULL;

        memset(number + 1, '9', 63);
        number[64] = ']';
        memset(fits + 1, '9', 62);
        fits[63] = ']';
        ck_assert_int_eq(check(nul), 0);
        ck_assert_int_eq(weir_json_parse(view(nul), NULL, &tree, &refusal), 1);
        ck_assert_uint_eq(refusal.at, 8);
        ck_assert_int_eq(check(number), 0);
        ck_assert_int_eq(weir_json_parse(view(number), NULL, &tree, &refusal), 1);
        ck_assert_int_eq(refusal.klass, WEIR_REFUSED_OVER_LIMIT);
        ck_assert_int_eq(weir_json_parse(view(fits), NULL, &tree, &refusal), 0);
        weir_json_free(tree);
}
END_TEST

START_TEST(a_cursor_gives_members_as_they_stand)
{
        struct weir_view name, value,
                object = view("{ \"a\" : 1.50 ,\"b\\n\":{\"x\":\"}\\\"\"}, \"c\":[ ]}");
        struct weir_cursor cursor;

        weir_cursor_open(&cursor, object);
        ck_assert(weir_cursor_member(&cursor, &name, &value));
        ck_assert_mem_eq(name.ptr, "a", 1);
        ck_assert_uint_eq(value.size, 4);
        ck_assert_mem_eq(value.ptr, "1.50", 4);
        ck_assert(weir_cursor_member(&cursor, &name, &value));
        ck_assert_uint_eq(name.size, 3);
        ck_assert_uint_eq(value.size, 11);
        ck_assert(weir_cursor_member(&cursor, &name, &value));
        ck_assert_mem_eq(value.ptr, "[ ]", 3);
        ck_assert(!weir_cursor_member(&cursor, &name, &value));
}
END_TEST

START_TEST(unescaping_knows_where_a_byte_came_from)
{
        struct weir_view raw = view("a\\u00e9\\n\\ud83d\\ude80z");
        char out[40];
        size_t at = 0, size = weir_json_unescape(raw, out, SIZE_MAX, &at);

        ck_assert_uint_eq(size, 9);
        ck_assert_mem_eq(out, "a\xc3\xa9\n\xf0\x9f\x9a\x80z", 9);
        weir_json_unescape(raw, out, 3, &at);
        ck_assert_uint_eq(at, 7); /* the \n */
        weir_json_unescape(raw, out, 8, &at);
        ck_assert_uint_eq(at, 21); /* the z */
        ck_assert_uint_eq(weir_json_unescape(view("ab\\udead"), out, SIZE_MAX, &at), SIZE_MAX);
        ck_assert_uint_eq(at, 2);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("json");
        TCase *tcase = tcase_create("json");
        SRunner *runner = srunner_create(suite);
        int failed;

        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, json_passes);
        tcase_add_test(tcase, what_is_not_json_is_refused_at_its_byte);
        tcase_add_test(tcase, a_nul_behind_the_text_is_no_white_space);
        tcase_add_test(tcase, strings_must_be_utf8);
        tcase_add_test(tcase, limits_hold_exactly);
        tcase_add_test(tcase, depth_without_limit_ends_where_a_tree_would);
        tcase_add_test(tcase, a_tree_is_what_the_text_says);
        tcase_add_test(tcase, every_depth_within_the_limit_becomes_a_tree);
        tcase_add_test(tcase, what_a_tree_cannot_hold_is_refused_for_it);
        tcase_add_test(tcase, a_cursor_gives_members_as_they_stand);
        tcase_add_test(tcase, unescaping_knows_where_a_byte_came_from);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

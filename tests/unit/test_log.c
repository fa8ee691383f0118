/* SPDX-License-Identifier: MIT */
/* log: whatever a field holds, a line is UTF-8, one line, and (as JSON) one object; bytes as text for messages */
#include <check.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"

static char line[8192];

static void say(int form, const struct weir_log_field *fields, size_t count)
{
        int ends[2], before = dup(STDERR_FILENO);
        ssize_t size;

        ck_assert_int_eq(pipe(ends), 0);
        dup2(ends[1], STDERR_FILENO);
        weir_log_setup(WEIR_LOG_INFO, form);
        weir_log_write(WEIR_LOG_WARN, "lane.waits", fields, count);
        dup2(before, STDERR_FILENO);
        close(before);
        close(ends[1]);
        size = read(ends[0], line, sizeof line - 1);
        close(ends[0]);
        ck_assert_int_gt(size, 0);
        line[size] = '\0';
        ck_assert_uint_eq(strlen(line), (size_t)size);
        ck_assert_ptr_eq(strchr(line, '\n'), line + size - 1);
        ck_assert(weir_utf8_is(line));
}

static cJSON *say_json(const struct weir_log_field *fields, size_t count)
{
        const char *end = NULL;
        cJSON *tree;

        say(WEIR_LOG_JSON, fields, count);
        tree = cJSON_ParseWithOpts(line, &end, 0);
        ck_assert_msg(tree, "no JSON: %s", line);
        ck_assert_str_eq(end, "\n");
        return tree;
}

START_TEST(what_is_no_utf8_is_escaped)
{
        const struct weir_log_field field = { .key = "error",
                                              .text = "a\xff\xc3\xa9\x1b\xc2\x9b\"" };
        cJSON *tree = say_json(&field, 1);

        ck_assert_str_eq(cJSON_GetObjectItem(tree, "error")->valuestring,
                         "a\xef\xbf\xbd\xc3\xa9\x1b\xc2\x9b\"");
        cJSON_Delete(tree);
        ck_assert_ptr_nonnull(strstr(line, "\\u001b\\u009b")); /* nothing that drives a terminal */
        say(WEIR_LOG_TEXT, &field, 1);
        ck_assert_ptr_nonnull(strstr(line, " error=\"a\\xff\xc3\xa9\\u001b\\u009b\\\"\"\n"));
}
END_TEST

START_TEST(LG1_any_bytes_of_any_length_in_any_number_of_fields)
{
        static char text[3][3000];
        uint32_t random = 5;

        for (int round = 0; round < 3000; round++) {
                struct weir_log_field fields[6];

                for (int i = 0; i < 3; i++) {
                        size_t size;

                        random = random * 1664525 + 1013904223;
                        size = round % 3 == 0 ? random >> 20 : (random >> 22);
                        if (size > sizeof text[i] - 1)
                                size = sizeof text[i] - 1;
                        for (size_t k = 0; k < size; k++) {
                                random = random * 1664525 + 1013904223;
                                text[i][k] = (char)(1 + (random >> 24) % 255);
                        }
                        text[i][size] = '\0';
                        fields[2 * i] = LOG_S("text", text[i]);
                        fields[2 * i + 1] = LOG_I("number", INT64_MIN);
                }
                cJSON_Delete(say_json(fields, 6));
                say(WEIR_LOG_TEXT, fields, 6);
        }
}
END_TEST

START_TEST(LG1_a_long_value_is_cut_between_characters_and_marked)
{
        static char text[4000];
        cJSON *tree;
        struct weir_log_field fields[2];

        for (size_t shift = 0; shift < 8; shift++) {
                const char *value;

                memset(text, 'x', sizeof text);
                for (size_t i = shift; i + 3 < sizeof text; i += 3)
                        memcpy(text + i, "\xe2\x82\xac", 3);
                text[sizeof text - 1] = '\0';
                text[sizeof text - 2] = text[sizeof text - 3] = text[sizeof text - 4] = 'x';
                fields[0] = (struct weir_log_field){ .key = "error", .text = text };
                fields[1] = LOG_S("action", "retry");
                tree = say_json(fields, 2);
                value = cJSON_GetObjectItem(tree, "error")->valuestring;
                ck_assert_uint_gt(strlen(value), 1800);
                ck_assert_str_eq(value + strlen(value) - 3, "\xe2\x80\xa6");
                cJSON_Delete(tree);
        }
}
END_TEST

START_TEST(bytes_are_shown_printable_bounded_and_marked_where_cut)
{
        char room[16], more[24];

        ck_assert_str_eq(weir_bytes_show("k1", 2, room, sizeof room), "k1");
        ck_assert_str_eq(weir_bytes_show("", 0, room, sizeof room), "");
        ck_assert_str_eq(weir_bytes_show("a\0b", 3, room, sizeof room), "a\\x00b");
        ck_assert_str_eq(weir_bytes_show("\xc2\x9b\xe2\x82", 4, more, sizeof more),
                         "\\xc2\\x9b\\xe2\\x82");
        ck_assert_str_eq(weir_bytes_show("123456789012345", 15, room, sizeof room),
                         "123456789012345");
        ck_assert_str_eq(weir_bytes_show("1234567890123456", 16, room, sizeof room),
                         "123456789012\xe2\x80\xa6");
        for (size_t size = 0; size < 40; size++) { /* never half a character, never too long */
                static const char euros[] =
                        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
                        "\xac\xe2\x82\xac\xff\xff\xff\xff\xff\xff\xff\xff\xff";

                weir_bytes_show(euros, size < sizeof euros ? size : sizeof euros, room,
                                sizeof room);
                ck_assert_uint_lt(strlen(room), sizeof room);
                ck_assert(weir_utf8_is(room));
        }
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("log");
        TCase *tcase = tcase_create("log");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, what_is_no_utf8_is_escaped);
        tcase_add_test(tcase, LG1_any_bytes_of_any_length_in_any_number_of_fields);
        tcase_add_test(tcase, LG1_a_long_value_is_cut_between_characters_and_marked);
        tcase_add_test(tcase, bytes_are_shown_printable_bounded_and_marked_where_cut);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/* text, base64, timestamp - the scalars that events are made of */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/attribute.h"
#include "event/base64.h"
#include "event/media.h"
#include "event/text.h"
#include "event/timestamp.h"

static int check(const char *text, size_t size, size_t *ret_at)
{
        *ret_at = SIZE_MAX;
        return weir_text_check(text, size, ret_at);
}

START_TEST(a_control_character_is_found_at_every_place)
{
        static const char bad[] = { 0, 1, 9, 10, 31, 127 };
        char text[40];
        size_t at;

        for (size_t size = 1; size < sizeof text; size++)
                for (size_t place = 0; place < size; place++)
                        for (size_t i = 0; i < sizeof bad; i++) {
                                memset(text, 'x', size);
                                text[place] = bad[i];
                                ck_assert_int_eq(check(text, size, &at), WEIR_TEXT_FORBIDDEN);
                                ck_assert_uint_eq(at, place);
                        }
}
END_TEST

START_TEST(printable_ascii_passes_at_every_length)
{
        char text[300];
        size_t at;

        for (size_t i = 0; i < sizeof text; i++)
                text[i] = (char)(0x20 + i % 95);
        for (size_t size = 0; size <= sizeof text; size++)
                ck_assert_int_eq(check(text, size, &at), WEIR_TEXT_GOOD);
}
END_TEST

START_TEST(every_scalar_value_is_judged_as_the_specification_says)
{
        for (uint32_t scalar = 0; scalar <= 0x10ffff; scalar++) {
                bool bad = scalar < 0x20 || (scalar >= 0x7f && scalar <= 0x9f) ||
                           (scalar >= 0xfdd0 && scalar <= 0xfdef) || scalar % 0x10000 >= 0xfffe;
                char text[8] = "ab";
                size_t size = 2 + weir_utf8_put(scalar, text + 2), at;
                int fault = check(text, size, &at);

                if (scalar >= 0xd800 && scalar <= 0xdfff)
                        ck_assert_int_eq(fault, WEIR_TEXT_NOT_UTF8);
                else
                        ck_assert_int_eq(fault, bad ? WEIR_TEXT_FORBIDDEN : WEIR_TEXT_GOOD);
                if (fault)
                        ck_assert_uint_eq(at, 2);
        }
}
END_TEST

START_TEST(what_is_not_utf8_is_refused)
{
        static const char *const bad[] = { "\x80",
                                           "\xc0\x80",
                                           "\xc1\xbf",
                                           "\xe0\x9f\xbf",
                                           "\xf0\x8f\xbf\xbf",
                                           "\xf4\x90\x80\x80",
                                           "\xf5\x80\x80\x80",
                                           "\xff",
                                           "\xc3",
                                           "\xe2\x82",
                                           "\xf0\x9f\x98",
                                           "\xc3(",
                                           "\xe2(\xa1" };
        size_t at;

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                ck_assert_int_eq(check(bad[i], strlen(bad[i]), &at), WEIR_TEXT_NOT_UTF8);
                ck_assert_uint_eq(at, 0);
        }
}
END_TEST

START_TEST(base64_of_all_lengths_comes_back)
{
        unsigned char bytes[70];
        char text[100], back[100];
        size_t size, at;

        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (unsigned char)(i * 37 + 11);
        for (size_t i = 0; i <= sizeof bytes; i++) {
                weir_base64_encode(bytes, i, text);
                ck_assert_int_eq(weir_base64_decode(text, WEIR_BASE64_ENCODED(i), back, &size, &at),
                                 0);
                ck_assert_uint_eq(size, i);
                ck_assert_int_eq(memcmp(back, bytes, i), 0);
        }
}
END_TEST

START_TEST(base64_has_one_spelling)
{
        static const struct {
                const char *text;
                size_t at;
        } bad[] = { { "Q", 1 },     { "QQ", 2 },     { "QQ=", 2 },  { "Q===", 1 },
                    { "====", 0 },  { "QR==", 1 },   { "QUJ=", 2 }, { "QQ==QQ==", 2 },
                    { "QU JD", 2 }, { "QUJD\n", 4 }, { "-_-_", 0 }, { "QUJDR", 5 },
                    { "QQ===", 2 }, { "QUJDQQ", 6 } };
        char back[20];
        size_t size, at;

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                ck_assert_msg(weir_base64_decode(bad[i].text, strlen(bad[i].text), back, &size,
                                                 &at) == 1,
                              "%s", bad[i].text);
                ck_assert_msg(at == bad[i].at, "%s: %zu", bad[i].text, at);
        }
}
END_TEST

START_TEST(a_timestamp_is_the_instant_it_says)
{
        static const struct {
                const char *text;
                int64_t us;
        } good[] = {
                { "1970-01-01T00:00:00Z", 0 },
                { "1970-01-01t00:00:00.000001z", 1 },
                { "1969-12-31T23:59:59.999999Z", -1 },
                { "2024-11-28T18:53:17.474154Z", 1732819997474154 },
                { "2024-11-28T20:53:17.474154999+02:00", 1732819997474154 },
                { "2024-11-28T15:23:17.474154-03:30", 1732819997474154 },
                { "2024-11-28T18:53:17.474154-00:00", 1732819997474154 },
                { "2000-02-29T00:00:00Z", 951782400000000 },
                { "0000-01-01T00:00:00Z", -62167219200000000 },
                { "9999-12-31T23:59:59Z", 253402300799000000 },
                { "2016-12-31T23:59:60Z", 1483228800000000 },
                { "2017-01-01T00:59:60.5+01:00", 1483228800000000 },
        };

        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                int64_t us = 42;

                ck_assert_msg(weir_timestamp_parse(good[i].text, strlen(good[i].text), &us, NULL) ==
                                      0,
                              "%s", good[i].text);
                ck_assert_msg(us == good[i].us, "%s is %lld", good[i].text, (long long)us);
        }
}
END_TEST

START_TEST(what_is_not_rfc3339_is_refused_where_it_ends)
{
        static const struct {
                const char *text;
                size_t at;
        } bad[] = {
                { "2026-07-04", 10 },
                { "x026-07-04T10:20:30Z", 0 },
                { "2026-13-04T10:20:30Z", 5 },
                { "2026-02-29T10:20:30Z", 8 },
                { "1900-02-29T10:20:30Z", 8 },
                { "2026-07-04 10:20:30Z", 10 },
                { "2026-07-04T24:20:30Z", 11 },
                { "2026-07-04T10:60:30Z", 14 },
                { "2026-07-04T10:20:61Z", 17 },
                { "2026-07-04T23:59:60Z", 17 },
                { "2026-12-31T22:59:60Z", 17 },
                { "2026-07-04T10:20:30.Z", 20 },
                { "2026-07-04T10:20:30,5Z", 19 },
                { "2026-07-04T10:20:30.5", 21 },
                { "2026-07-04T10:20:30+24:00", 19 },
                { "2026-07-04T10:20:30+0200", 19 },
                { "2026-07-04T10:20:30Zx", 20 },
                { "2026-07-04T10:20:30Z+00:00", 20 },
        };

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                int64_t us = 42;
                size_t at = SIZE_MAX;

                ck_assert_msg(weir_timestamp_parse(bad[i].text, strlen(bad[i].text), &us, &at) == 1,
                              "%s", bad[i].text);
                ck_assert_msg(at == bad[i].at && us == 42, "%s: %zu", bad[i].text, at);
        }
}
END_TEST

START_TEST(every_month_end_can_have_a_leap_second_and_no_other_day)
{
        static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        for (int month = 1; month <= 24; month++) /* of two leap years */
                for (int day = 1; day <= days[(month - 1) % 12]; day++) {
                        char text[40];
                        int64_t us;

                        snprintf(text, sizeof text, "%s-%02d-%02dT23:59:60Z",
                                 month > 12 ? "0000" : "2024", (month - 1) % 12 + 1, day);
                        ck_assert_msg(weir_timestamp_parse(text, strlen(text), &us, NULL) ==
                                              (day != days[(month - 1) % 12]),
                                      "%s", text);
                }
}
END_TEST

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, strlen(text) };
}

START_TEST(media_types_follow_the_grammar)
{
        static const char *const good[] = { "application/json", "text/plain; charset=utf-8",
                                            "text/plain ;a=\"b;\\\"c\"", "a/b;",
                                            "x/y+z;a=b ; c=d" };
        static const char *const bad[] = { "json",           "/json",           "a/",    "a/b/c",
                                           "a b/c",          "a/b c",           "a/b;x", "a/b;x=",
                                           "a/b;x=\"",       "a/b;=x",          " a/b",  "a/b ",
                                           "a/b;x=\"\x10\"", "a/b;x=\"\\\x7f\"" };
        size_t at;

        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                ck_assert_msg(weir_media_type_valid(view(good[i]), &at), "%s", good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                ck_assert_msg(!weir_media_type_valid(view(bad[i]), &at), "%s", bad[i]);
}
END_TEST

START_TEST(json_is_a_subtype_or_a_suffix)
{
        static const char *const json[] = { "application/json", "TEXT/JSON", "a/b+json; c=d",
                                            "application/vnd.a.v2+JSON ;x=y" };
        static const char *const other[] = { "application/json-seq",
                                             "application/jsonx",
                                             "json/plain",
                                             "text/plain; a=\"b+json\"",
                                             "json",
                                             "" };

        for (size_t i = 0; i < sizeof json / sizeof *json; i++)
                ck_assert_msg(weir_media_type_is_json(view(json[i])), "%s", json[i]);
        for (size_t i = 0; i < sizeof other / sizeof *other; i++)
                ck_assert_msg(!weir_media_type_is_json(view(other[i])), "%s", other[i]);
}
END_TEST

START_TEST(an_integer_has_32_bits_and_one_spelling)
{
        static const char *const good[] = { "0", "-1", "2147483647", "-2147483648", "10" };
        static const char *const bad[] = { "",    "-",   "+1",         "01",          "-0",
                                           "1.0", "1e3", "2147483648", "-2147483649", "99999999999",
                                           " 1" };

        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                ck_assert_msg(weir_integer_valid(view(good[i])), "%s", good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                ck_assert_msg(!weir_integer_valid(view(bad[i])), "%s", bad[i]);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("event_text");
        TCase *tcase = tcase_create("scalars");
        SRunner *runner = srunner_create(suite);
        int failed;

        suite_add_tcase(suite, tcase);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_control_character_is_found_at_every_place);
        tcase_add_test(tcase, printable_ascii_passes_at_every_length);
        tcase_add_test(tcase, every_scalar_value_is_judged_as_the_specification_says);
        tcase_add_test(tcase, what_is_not_utf8_is_refused);
        tcase_add_test(tcase, base64_of_all_lengths_comes_back);
        tcase_add_test(tcase, base64_has_one_spelling);
        tcase_add_test(tcase, a_timestamp_is_the_instant_it_says);
        tcase_add_test(tcase, what_is_not_rfc3339_is_refused_where_it_ends);
        tcase_add_test(tcase, every_month_end_can_have_a_leap_second_and_no_other_day);
        tcase_add_test(tcase, media_types_follow_the_grammar);
        tcase_add_test(tcase, json_is_a_subtype_or_a_suffix);
        tcase_add_test(tcase, an_integer_has_32_bits_and_one_spelling);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/*
 * test_audit - what the audit plugin prints and appends, without a database
 *
 * The plugin is included whole: its functions are its own, and a plugin exports nothing but its
 * descriptor.
 */
#include "../../workers/audit/audit.c"

#include <check.h>

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static struct weir_event seed(void)
{
        return (struct weir_event){
                .size = sizeof(struct weir_event),
                .specversion = view("1.0"),
                .id = view("5190bc29-a3d5-4fca-9a88-85fccffc16b6"),
                .source = view("github.com/eminetto/post-cloudevents"),
                .type = view("user.storeUser"),
                .time = view("2024-11-28T18:53:17.474154Z"),
                .datacontenttype = view("application/json"),
                .data = view("{ \"id\":\"8aadf8c5-9c4e-4c11-af24-beac2fb9a4b7\" }"),
                .data_kind = WEIR_DATA_JSON,
                .topic = "audit",
        };
}

static void prints(const struct weir_event *event, const char *expected)
{
        struct text text = { .bytes = NULL };

        put_event(&text, event);
        put(&text, "", 1);
        ck_assert_str_eq(text.bytes, expected);
        free(text.bytes);
}

static void prints_data(int kind, const char *data, const char *expected)
{
        struct weir_event event = { .specversion = view("1.0"),
                                    .type = view("t"),
                                    .source = view("s"),
                                    .id = view("i"),
                                    .data = view(data),
                                    .data_kind = kind };
        char whole[2048];

        snprintf(whole, sizeof whole,
                 "Context Attributes,\n  specversion: 1.0\n  type: t\n  source: s\n"
                 "  id: i\nData,\n  %s\n",
                 expected);
        prints(&event, whole);
}

START_TEST(an_event_is_printed_as_the_seeds_print_it)
{
        struct weir_event event = seed();

        prints(&event, "Context Attributes,\n"
                       "  specversion: 1.0\n"
                       "  type: user.storeUser\n"
                       "  source: github.com/eminetto/post-cloudevents\n"
                       "  id: 5190bc29-a3d5-4fca-9a88-85fccffc16b6\n"
                       "  time: 2024-11-28T18:53:17.474154Z\n"
                       "  datacontenttype: application/json\n"
                       "Data,\n"
                       "  {\n"
                       "    \"id\": \"8aadf8c5-9c4e-4c11-af24-beac2fb9a4b7\"\n"
                       "  }\n");
}
END_TEST

START_TEST(extensions_follow_under_their_own_line)
{
        struct weir_attribute extensions[] = { { view("traceparent"), view("00-x"),
                                                 WEIR_ATTRIBUTE_STRING },
                                               { view("n"), view("-12"), WEIR_ATTRIBUTE_INTEGER } };
        struct weir_event event = { .specversion = view("1.0"),
                                    .type = view("t"),
                                    .source = view("s"),
                                    .id = view("i"),
                                    .subject = view("x"),
                                    .extensions = extensions,
                                    .extension_count = 2 };

        prints(&event, "Context Attributes,\n  specversion: 1.0\n  type: t\n  source: s\n"
                       "  subject: x\n  id: i\n"
                       "Extensions,\n  traceparent: 00-x\n  n: -12\n");
}
END_TEST

START_TEST(json_keeps_its_digits_and_order)
{
        prints_data(WEIR_DATA_JSON,
                    "{\"b\":12345678901234567890.10,\"a\":[ 1 ,{},[ ],\"x,{\\\"}\"]}",
                    "{\n    \"b\": 12345678901234567890.10,\n    \"a\": [\n      1,\n"
                    "      {},\n      [],\n"
                    "      \"x,{\\\"}\"\n    ]\n  }");
        prints_data(WEIR_DATA_JSON, "17", "17");
}
END_TEST

START_TEST(what_cannot_be_indented_is_printed_as_it_came)
{
        char deep[128];

        prints_data(WEIR_DATA_JSON, "{\"a\":[1}", "{\"a\":[1}");
        prints_data(WEIR_DATA_JSON, "]", "]");
        prints_data(WEIR_DATA_JSON, "\"open", "\"open");
        prints_data(WEIR_DATA_JSON, "\"open\\", "\"open\\");
        prints_data(WEIR_DATA_TEXT, "{\"a\":1}", "{\"a\":1}");
        memset(deep, '[', 40);
        memset(deep + 40, ']', 40);
        deep[80] = '\0';
        prints_data(WEIR_DATA_JSON, deep, deep);
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
        prints_data(WEIR_DATA_TEXT, "a\x1b[2J\tb\nc\x7f", "a\\x1b[2J\tb\nc\\x7f");
        prints_data(WEIR_DATA_BINARY,
                    "\xc2\x9b"
                    "31m \xc2\xa9 \xc2",
                    "\\xc2\\x9b31m \xc2\xa9 \xc2");
        prints_data(WEIR_DATA_JSON, "[\"\xc2\x9b\"]", "[\"\\xc2\\x9b\"]");
        prints_data(WEIR_DATA_JSON, "[\"\x1b\"]", "[\"\\x1b\"]");
}
END_TEST

/* ---- the row -------------------------------------------------------------------------------- */

static struct weir_value row[16];
static char extensions_text[256];

static int take_row(struct weir_tx *tx, struct weir_table *table, const struct weir_value *values,
                    size_t count, struct weir_error *reterr)
{
        (void)tx, (void)table, (void)reterr;
        ck_assert_uint_eq(count, 13);
        memcpy(row, values, count * sizeof *values);
        if (row[7].kind == WEIR_VALUE_JSONB)
                snprintf(extensions_text, sizeof extensions_text, "%.*s", (int)row[7].size,
                         (const char *)row[7].u.ptr);
        return 0;
}

START_TEST(a_row_holds_what_the_event_held_and_null_for_the_rest)
{
        const struct weir_tx_ops ops = { .size = sizeof ops, .append = take_row };
        struct weir_tx tx = { &ops };
        struct audit audit = { .print = false };
        struct weir_attribute extensions[] = { { view("a"), view("x\"\\\x01"),
                                                 WEIR_ATTRIBUTE_STRING },
                                               { view("b"), view("true"), WEIR_ATTRIBUTE_BOOLEAN },
                                               { view("c"), view("-12"), WEIR_ATTRIBUTE_INTEGER } };
        struct weir_event event = seed();

        event.time_us = WEIR_TIME_NONE;
        event.record_time_ms = INT64_MAX; /* nonsense of a producer */
        event.offset = 7;
        ck_assert_int_eq(audit_handle(&audit, &tx, &event, NULL), WEIR_DONE);
        ck_assert_int_eq(row[3].kind, WEIR_VALUE_NULL);
        ck_assert_int_eq(row[4].kind, WEIR_VALUE_NULL);
        ck_assert_int_eq(row[7].kind, WEIR_VALUE_NULL);
        ck_assert_int_eq(row[8].kind, WEIR_VALUE_BYTEA);
        ck_assert_ptr_eq(row[8].u.ptr, event.data.ptr); /* not even copied */
        ck_assert_int_eq(row[11].u.i64, 7);
        ck_assert_int_eq(row[12].kind, WEIR_VALUE_NULL);

        event.extensions = extensions;
        event.extension_count = 3;
        event.record_time_ms = 1000;
        ck_assert_int_eq(audit_handle(&audit, &tx, &event, NULL), WEIR_DONE);
        ck_assert_str_eq(extensions_text, "{\"a\":\"x\\\"\\\\\\u0001\",\"b\":true,\"c\":-12}");
        ck_assert_int_eq(row[12].u.i64, 1000000);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("audit");
        TCase *all = tcase_create("all");
        SRunner *runner;
        int failed;

        tcase_add_test(all, an_event_is_printed_as_the_seeds_print_it);
        tcase_add_test(all, extensions_follow_under_their_own_line);
        tcase_add_test(all, json_keeps_its_digits_and_order);
        tcase_add_test(all, what_cannot_be_indented_is_printed_as_it_came);
        tcase_add_test(all, control_characters_do_not_reach_the_terminal);
        tcase_add_test(all, a_row_holds_what_the_event_held_and_null_for_the_rest);
        suite_add_tcase(suite, all);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

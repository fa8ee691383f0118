/* SPDX-License-Identifier: MIT */
/* decode - rules beside the vectors: memory, limits, positions, all or nothing */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "event/attribute.h"
#include "event/decode.h"

#define HEADER(name, value)                                                                        \
        {                                                                                          \
                name, value, sizeof value - 1                                                      \
        }
#define REQUIRED                                                                                   \
        HEADER("ce_specversion", "1.0"), HEADER("ce_id", "1"), HEADER("ce_source", "/s"),          \
                HEADER("ce_type", "t")
#define ENVELOPE "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""
#define VIEW(text) ((struct weir_view){ (text), sizeof(text) - 1 })

static struct weir_arena arena;
static struct weir_refusal refusal;
static struct weir_event got[64];
static size_t got_count;
static int answer; /* what take() returns */
static int mode;

static int take(void *context, const struct weir_event *event)
{
        (void)context;
        got[got_count++ % 64] = *event;
        return answer;
}

static void setup(void)
{
        weir_arena_init(&arena, 4096);
        memset(&refusal, 0, sizeof refusal);
        got_count = 0;
        answer = 0;
}

static void teardown(void)
{
        weir_arena_fini(&arena);
}

static int kafka_limits(const struct weir_header *headers, size_t count, struct weir_view value,
                        struct weir_limits limits)
{
        const struct weir_decoder decoder = { .arena = &arena,
                                              .limits = limits,
                                              .accept_json_batch = true };
        const struct weir_message message = { .value = value,
                                              .headers = headers,
                                              .header_count = count };

        got_count = 0;
        return weir_decode_kafka(&decoder, &message, take, NULL, &mode, &refusal);
}

static int kafka(const struct weir_header *headers, size_t count, struct weir_view value)
{
        return kafka_limits(headers, count, value, (struct weir_limits){ 0 });
}

static int structured(struct weir_view text)
{
        static const struct weir_header header = HEADER("content-type",
                                                        "application/cloudevents+json");

        return kafka(&header, 1, text);
}

static int batch(struct weir_view text)
{
        static const struct weir_header header = HEADER("content-type",
                                                        "application/cloudevents-batch+json");

        return kafka(&header, 1, text);
}

static int http(const struct weir_header *headers, size_t count)
{
        const struct weir_decoder decoder = { .arena = &arena };
        const struct weir_message message = { .headers = headers, .header_count = count };

        got_count = 0;
        return weir_decode_http(&decoder, &message, take, NULL, &mode, &refusal);
}

static bool is(struct weir_view view, const char *text)
{
        return view.ptr && view.size == strlen(text) && memcmp(view.ptr, text, view.size) == 0;
}

static void refused(int r, int klass, size_t at)
{
        ck_assert_int_eq(r, 1);
        ck_assert_msg(refusal.klass == klass && refusal.at == at, "%s at %zu: %s",
                      weir_refusal_name(refusal.klass), refusal.at, refusal.reason);
        ck_assert_uint_eq(got_count, 0);
}

START_TEST(a_binary_event_is_views_and_takes_no_memory)
{
        static const struct weir_header headers[] = { REQUIRED,
                                                      HEADER("ce_time", "1970-01-01T00:00:01Z"),
                                                      HEADER("content-type", "text/json") };
        const struct weir_view value = VIEW("{not looked at");

        ck_assert_int_eq(kafka(headers, WEIR_COUNT_OF(headers), value), 0);
        ck_assert_int_eq(mode, WEIR_MODE_BINARY);
        ck_assert_ptr_eq(got[0].id.ptr, headers[1].value);
        ck_assert_ptr_eq(got[0].data.ptr, value.ptr);
        ck_assert_int_eq(got[0].data_kind, WEIR_DATA_JSON);
        ck_assert_int_eq(got[0].time_us, 1000000);
        ck_assert_ptr_eq(got[0].headers, headers);
        ck_assert_ptr_null(arena.first);
}
END_TEST

START_TEST(an_extension_of_a_binary_event_is_a_view_too)
{
        static const struct weir_header headers[] = { REQUIRED, HEADER("ce_tenant", "acme") };

        ck_assert_int_eq(kafka(headers, 5, (struct weir_view){ NULL, 0 }), 0);
        ck_assert_uint_eq(got[0].extension_count, 1);
        ck_assert_ptr_eq(got[0].extensions[0].name.ptr, headers[4].name + 3);
        ck_assert_ptr_eq(got[0].extensions[0].value.ptr, headers[4].value);
        ck_assert_int_eq(got[0].data_kind, WEIR_DATA_NONE);
        ck_assert_ptr_null(got[0].data.ptr);
}
END_TEST

START_TEST(a_repeated_header_is_one_only_where_it_says_the_same)
{
        static const struct weir_header same[] = { REQUIRED,
                                                   HEADER("ce_id", "1"),
                                                   HEADER("ce_a", "x"),
                                                   { "ce_id", NULL, 0 },
                                                   HEADER("ce_a", "x") };
        static const struct weir_header core[] = { REQUIRED, HEADER("ce_id", "2") };
        static const struct weir_header extension[] = { REQUIRED, HEADER("ce_a", "x"),
                                                        HEADER("ce_a", "") };
        static const struct weir_header type[] = { REQUIRED, HEADER("content-type", "a/b"),
                                                   HEADER("content-type", "a/c") };
        static const struct weir_header web[] = { HEADER("ce-specversion", "1.0"),
                                                  HEADER("ce-id", "1"), HEADER("ce-source", "/s"),
                                                  HEADER("ce-type", "t"), HEADER("CE-ID", "1") };
        const struct weir_view none = { NULL, 0 };

        ck_assert_int_eq(kafka(same, WEIR_COUNT_OF(same), none), 0);
        ck_assert_uint_eq(got[0].extension_count, 1);
        refused(kafka(core, 5, none), WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0);
        refused(kafka(extension, 6, none), WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0);
        refused(kafka(type, 6, none), WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0);
        refused(http(web, 5), WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0);
}
END_TEST

START_TEST(a_repetition_among_thousands_is_found)
{
        static const int again[] = { 0, 15, 16, 17, 40, 100, 1500, 2999 };
        static char names[3000][16];
        static struct weir_header headers[3005] = { REQUIRED };

        for (int i = 0; i < 3000; i++) {
                snprintf(names[i], sizeof names[i], "ce_e%d", i);
                headers[4 + i] = (struct weir_header){ names[i], "1", 1 };
        }
        ck_assert_int_eq(kafka(headers, 3004, VIEW("")), 0);
        ck_assert_uint_eq(got[0].extension_count, 3000);
        ck_assert(is(got[0].extensions[2999].name, "e2999"));
        for (size_t i = 0; i < WEIR_COUNT_OF(again); i++) {
                headers[3004] = (struct weir_header){ names[again[i]], "2", 1 };
                refused(kafka(headers, 3005, VIEW("")), WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0);
        }
}
END_TEST

START_TEST(limits_hold_exactly)
{
        static const struct weir_header headers[] = { REQUIRED, HEADER("ce_a", "12345"),
                                                      HEADER("ce_b", "x") };

        ck_assert_int_eq(kafka_limits(headers, 6, VIEW("123"),
                                      (struct weir_limits){ .attribute_bytes = 5,
                                                            .headers = 6,
                                                            .attributes = 2,
                                                            .value_bytes = 3 }),
                         0);
        refused(kafka_limits(headers, 6, VIEW(""), (struct weir_limits){ .attribute_bytes = 4 }),
                WEIR_REFUSED_OVER_LIMIT, 0);
        refused(kafka_limits(headers, 6, VIEW(""), (struct weir_limits){ .headers = 5 }),
                WEIR_REFUSED_OVER_LIMIT, 0);
        refused(kafka_limits(headers, 6, VIEW(""), (struct weir_limits){ .attributes = 1 }),
                WEIR_REFUSED_OVER_LIMIT, 0);
        refused(kafka_limits(headers, 6, VIEW("1234"), (struct weir_limits){ .value_bytes = 3 }),
                WEIR_REFUSED_OVER_LIMIT, 0);
}
END_TEST

START_TEST(no_bytes_under_a_json_type_are_no_data)
{
        static const struct weir_header json[] = { REQUIRED, HEADER("content-type", "a/b+json") };
        static const struct weir_header text[] = { REQUIRED, HEADER("content-type", "text/plain") };

        ck_assert_int_eq(kafka(json, 5, VIEW("")), 0);
        ck_assert_int_eq(got[0].data_kind, WEIR_DATA_NONE);
        ck_assert_ptr_null(got[0].data.ptr);
        ck_assert_int_eq(kafka(text, 5, VIEW("")), 0);
        ck_assert_int_eq(got[0].data_kind, WEIR_DATA_BINARY);
        ck_assert_ptr_nonnull(got[0].data.ptr);
}
END_TEST

START_TEST(the_content_type_says_what_structured_data_is)
{
        static const struct {
                const char *members;
                int kind;
                const char *data;
        } cases[] = {
                { "", WEIR_DATA_NONE, NULL },
                { ",\"data\":null", WEIR_DATA_JSON, "null" },
                { ",\"data\": { \"b\" : 1.50,\"b\":9007199254740993 } ", WEIR_DATA_JSON,
                  "{ \"b\" : 1.50,\"b\":9007199254740993 }" },
                { ",\"data\":\"a\\u0062\"", WEIR_DATA_JSON, "\"a\\u0062\"" },
                { ",\"data\":\"a\\u0062\",\"datacontenttype\":\"text/plain\"", WEIR_DATA_TEXT,
                  "ab" },
                { ",\"data\":null,\"datacontenttype\":\"text/plain\"", WEIR_DATA_NONE, NULL },
                { ",\"data_base64\":\"e30=\"", WEIR_DATA_BINARY, "{}" },
                { ",\"data_base64\":\"e30=\",\"datacontenttype\":\"a/json\"", WEIR_DATA_JSON,
                  "{}" },
                { ",\"data_base64\":\"e30=\",\"datacontenttype\":\"a/xml\"", WEIR_DATA_BINARY,
                  "{}" },
                { ",\"data_base64\":\"\",\"datacontenttype\":\"a/json\"", WEIR_DATA_NONE, NULL },
                { ",\"data_base64\":\"\"", WEIR_DATA_BINARY, "" },
                { ",\"data_base64\":\"e30=\",\"data\":null", WEIR_DATA_BINARY, "{}" },
                { ",\"data_base64\":null,\"data\":1", WEIR_DATA_JSON, "1" },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
                char text[300];
                int size = snprintf(text, sizeof text, "{%s%s}", ENVELOPE, cases[i].members);

                ck_assert_msg(structured((struct weir_view){ text, (size_t)size }) == 0, "%s: %s",
                              text, refusal.reason);
                ck_assert_msg(got[0].data_kind == cases[i].kind, "%s: kind %d", text,
                              got[0].data_kind);
                ck_assert_msg(cases[i].data ? is(got[0].data, cases[i].data) : !got[0].data.ptr,
                              "%s", text);
        }
}
END_TEST

START_TEST(a_member_name_can_be_used_once)
{
        static const char *const repeated[] = {
                ",\"id\":\"1\"",
                ",\"id\":null",
                ",\"subject\":null,\"subject\":\"x\"",
                ",\"a\":null,\"a\":1",
                ",\"a\":1,\"a\":null",
                ",\"a\":null,\"a\":null",
                ",\"a\":1,\"\\u0061\":1",
                ",\"\\u0069d\":\"1\"",
                ",\"data\":null,\"data\":1",
                ",\"data_base64\":\"\",\"data_base64\":\"\"",
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(repeated); i++) {
                char text[200];
                int size = snprintf(text, sizeof text, "{%s%s}", ENVELOPE, repeated[i]);

                ck_assert_msg(structured((struct weir_view){ text, (size_t)size }) == 1 &&
                                      refusal.klass == WEIR_REFUSED_DUPLICATE_ATTRIBUTE,
                              "%s", text);
        }
}
END_TEST

START_TEST(null_members_are_absent_and_the_others_stay_in_order)
{
        ck_assert_int_eq(
                structured(
                        VIEW("{\"x\":null,\"b\":true,\"y\":null,\"a\":-5,\"subject\":null," ENVELOPE
                             ",\"c\":\"\"}")),
                0);
        ck_assert_uint_eq(got[0].extension_count, 3);
        ck_assert(is(got[0].extensions[0].name, "b") && is(got[0].extensions[0].value, "true"));
        ck_assert_int_eq(got[0].extensions[0].type, WEIR_ATTRIBUTE_BOOLEAN);
        ck_assert(is(got[0].extensions[1].name, "a") && is(got[0].extensions[1].value, "-5"));
        ck_assert_int_eq(got[0].extensions[1].type, WEIR_ATTRIBUTE_INTEGER);
        ck_assert(is(got[0].extensions[2].name, "c") && is(got[0].extensions[2].value, ""));
        ck_assert_ptr_null(got[0].subject.ptr);
}
END_TEST

START_TEST(a_refusal_names_the_byte_in_the_record)
{
        static const struct weir_header header[] = { REQUIRED, HEADER("ce_a", "x\ny") };

        refused(kafka(header, 5, VIEW("")), WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 1);
        refused(structured(VIEW("{\"subject\":\"\\u00e9\\u0007\"," ENVELOPE "}")),
                WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 18);
        refused(structured(VIEW("{\"time\":\"2026-02-30T00:00:00Z\"," ENVELOPE "}")),
                WEIR_REFUSED_BAD_TIMESTAMP, 17);
        refused(structured(VIEW("{\"a_b\":1," ENVELOPE "}")), WEIR_REFUSED_BAD_ATTRIBUTE_NAME, 3);
        refused(structured(VIEW("{\"a\":1.5," ENVELOPE "}")), WEIR_REFUSED_BAD_INTEGER, 5);
        refused(structured(VIEW("{\"data_base64\":\"\\u0051Q=x\"," ENVELOPE "}")),
                WEIR_REFUSED_BAD_BASE64, 23);
        refused(structured(VIEW("{" ENVELOPE ",\"data\":[\"\\udc00\"]}")), WEIR_REFUSED_BAD_UTF8,
                sizeof ENVELOPE + 10);
        refused(structured(VIEW("\xef\xbb\xbf{\"a\":1.5," ENVELOPE "}")), WEIR_REFUSED_BAD_INTEGER,
                8);
        refused(structured(VIEW(" {}")), WEIR_REFUSED_MISSING_ATTRIBUTE, 1);
        refused(batch(VIEW("[{" ENVELOPE "}, {\"id\":7}]")), WEIR_REFUSED_BATCH_ELEMENT,
                sizeof ENVELOPE + 10);
        ck_assert_ptr_nonnull(strstr(refusal.reason, "element 1: bad-attribute-type: "));
}
END_TEST

START_TEST(the_byte_in_an_http_header_counts_before_decoding)
{
        static const struct weir_header header[] = {
                HEADER("ce-specversion", "1.0"),
                HEADER("ce-id", "1"),
                HEADER("ce-source", "/s"),
                HEADER("ce-type", "t"),
                HEADER("ce-label", " \"%41\\%\"b%0A"),
        };

        refused(http(header, 5), WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 9);
}
END_TEST

START_TEST(a_reason_holds_no_foreign_byte)
{
        static const struct weir_header header[] = { REQUIRED, HEADER("ce_a\x1b[31m\"\xff", "x") };

        refused(kafka(header, 5, VIEW("")), WEIR_REFUSED_BAD_ATTRIBUTE_NAME, 1);
        ck_assert_ptr_nonnull(strstr(refusal.reason, "\"a\\x1b[31m\\x22\\xff\""));
}
END_TEST

START_TEST(a_long_foreign_text_is_cut)
{
        static char value[5000];
        struct weir_header header[] = { REQUIRED, { "ce_time", value, sizeof value - 1 } };

        memset(value, 1, sizeof value - 1);
        memset(value, 'x', 20);
        header[4].size = 60;
        memset(value, 'x', 60);
        value[59] = '\0';
        refused(kafka(header, 5, VIEW("")), WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 59);
        memset(value, '"', sizeof value - 1);
        header[4].size = sizeof value - 1;
        refused(kafka(header, 5, VIEW("")), WEIR_REFUSED_BAD_TIMESTAMP, 0);
        ck_assert_uint_lt(strlen(refusal.reason), sizeof refusal.reason);
        ck_assert_ptr_nonnull(strstr(refusal.reason, "...\""));
}
END_TEST

START_TEST(a_batch_is_good_as_a_whole_or_not_at_all)
{
        ck_assert_int_eq(batch(VIEW("[{" ENVELOPE "},{" ENVELOPE ",\"data\":1}]")), 0);
        ck_assert_int_eq(mode, WEIR_MODE_BATCH);
        ck_assert_uint_eq(got_count, 2);
        refused(batch(VIEW("[{" ENVELOPE "},{}]")), WEIR_REFUSED_BATCH_ELEMENT,
                sizeof ENVELOPE + 3);
        ck_assert_int_eq(batch(VIEW("[]")), 0);
        ck_assert_uint_eq(got_count, 0);
}
END_TEST

START_TEST(a_batch_on_kafka_is_refused_unless_accepted)
{
        static const struct weir_header header = HEADER("content-type",
                                                        "application/cloudevents-batch+json");
        const struct weir_decoder decoder = { .arena = &arena };
        const struct weir_message message = { .value = VIEW("[]"),
                                              .headers = &header,
                                              .header_count = 1 };

        refused(weir_decode_kafka(&decoder, &message, take, NULL, NULL, &refusal),
                WEIR_REFUSED_UNSUPPORTED_FORMAT, 0);
        ck_assert_int_eq(weir_decode_http(&decoder, &message, take, NULL, NULL, &refusal), 0);
        ck_assert_int_eq(weir_decode_json_batch(&decoder, &message, take, NULL, NULL, &refusal), 0);
}
END_TEST

START_TEST(nodes_of_a_batch_count_for_each_event)
{
        static const struct weir_header header = HEADER("content-type",
                                                        "application/cloudevents-batch+json");
        static const char text[] = "[{" ENVELOPE ",\"data\":[1,2]},{" ENVELOPE ",\"data\":[1,2]}]";

        ck_assert_int_eq(kafka_limits(&header, 1, VIEW(text), (struct weir_limits){ .nodes = 8 }),
                         0);
        refused(kafka_limits(&header, 1, VIEW(text), (struct weir_limits){ .nodes = 7 }),
                WEIR_REFUSED_OVER_LIMIT, sizeof ENVELOPE + 12);
        refused(kafka_limits(&header, 1, VIEW(text), (struct weir_limits){ .batch_events = 1 }),
                WEIR_REFUSED_OVER_LIMIT, sizeof ENVELOPE + 16);
}
END_TEST

START_TEST(what_take_returns_ends_the_decoding)
{
        answer = -7;
        ck_assert_int_eq(batch(VIEW("[{" ENVELOPE "},{" ENVELOPE "}]")), -7);
        ck_assert_uint_eq(got_count, 1);
}
END_TEST

START_TEST(attributes_end_with_a_nul)
{
        static const struct weir_header web[] = {
                HEADER("ce-specversion", "1.0"), HEADER("ce-id", "%31"),
                HEADER("ce-source", "/s "),      HEADER("ce-type", "t"),
                HEADER("content-type", "a/b\t"), HEADER("ce-EXT", "\"x\"y"),
        };

        ck_assert_int_eq(http(web, 6), 0);
        for (int core = 0; core < WEIR_CORE_COUNT; core++) {
                const struct weir_view *view = weir_core_view(&got[0], core);

                if (view->ptr)
                        ck_assert_uint_eq(strlen(view->ptr), view->size);
        }
        ck_assert_str_eq(got[0].extensions[0].name.ptr, "ext");
        ck_assert_str_eq(got[0].extensions[0].value.ptr, "xy");
        ck_assert_str_eq(got[0].datacontenttype.ptr, "a/b");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("decode");
        TCase *tcase = tcase_create("decode");
        SRunner *runner = srunner_create(suite);
        int failed;

        suite_add_tcase(suite, tcase);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_binary_event_is_views_and_takes_no_memory);
        tcase_add_test(tcase, an_extension_of_a_binary_event_is_a_view_too);
        tcase_add_test(tcase, a_repeated_header_is_one_only_where_it_says_the_same);
        tcase_add_test(tcase, a_repetition_among_thousands_is_found);
        tcase_add_test(tcase, limits_hold_exactly);
        tcase_add_test(tcase, no_bytes_under_a_json_type_are_no_data);
        tcase_add_test(tcase, the_content_type_says_what_structured_data_is);
        tcase_add_test(tcase, a_member_name_can_be_used_once);
        tcase_add_test(tcase, null_members_are_absent_and_the_others_stay_in_order);
        tcase_add_test(tcase, a_refusal_names_the_byte_in_the_record);
        tcase_add_test(tcase, the_byte_in_an_http_header_counts_before_decoding);
        tcase_add_test(tcase, a_reason_holds_no_foreign_byte);
        tcase_add_test(tcase, a_long_foreign_text_is_cut);
        tcase_add_test(tcase, a_batch_is_good_as_a_whole_or_not_at_all);
        tcase_add_test(tcase, a_batch_on_kafka_is_refused_unless_accepted);
        tcase_add_test(tcase, nodes_of_a_batch_count_for_each_event);
        tcase_add_test(tcase, what_take_returns_ends_the_decoding);
        tcase_add_test(tcase, attributes_end_with_a_nul);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

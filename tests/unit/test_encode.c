/* SPDX-License-Identifier: MIT */
/* encode, key - what is written can be read back, and names differ where events do */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "event/attribute.h"
#include "event/encode.h"
#include "event/key.h"

#define VIEW(text) ((struct weir_view){ (text), sizeof(text) - 1 })

static struct weir_arena arena;
static struct weir_refusal refusal;
static struct weir_event back;

static void setup(void)
{
        weir_arena_init(&arena, 4096);
}

static void teardown(void)
{
        weir_arena_fini(&arena);
}

static const struct weir_attribute extensions[] = {
        { VIEW("flag"), VIEW("true"), WEIR_ATTRIBUTE_BOOLEAN },
        { VIEW("count"), VIEW("-2147483648"), WEIR_ATTRIBUTE_INTEGER },
        { VIEW("label"),
          VIEW("gr\xc3\xb6\xc3\x9f"
               "e \"100%\" \\ \xf0\x9f\x9a\x80"),
          WEIR_ATTRIBUTE_STRING },
        { VIEW("empty"), VIEW(""), WEIR_ATTRIBUTE_STRING },
};

static struct weir_event full(void)
{
        return (struct weir_event){
                .size = sizeof(struct weir_event),
                .specversion = VIEW("1.0"),
                .id = VIEW("id %41 \"x\""),
                .source = VIEW("/s?a=b#c"),
                .type = VIEW("t"),
                .subject = VIEW("sub"),
                .time = VIEW("2026-07-04T10:20:30.123456789+02:00"),
                .datacontenttype = VIEW("application/json"),
                .dataschema = VIEW("urn:x:y"),
                .extensions = extensions,
                .extension_count = WEIR_COUNT_OF(extensions),
                .data = VIEW("{ \"n\" : 9007199254740993, \"n\":1.50 }"),
                .data_kind = WEIR_DATA_JSON,
        };
}

static int take(void *context, const struct weir_event *event)
{
        (void)context;
        back = *event;
        return 0;
}

static bool same(struct weir_view a, struct weir_view b)
{
        return (a.ptr != NULL) == (b.ptr != NULL) && a.size == b.size &&
               (!a.ptr || memcmp(a.ptr, b.ptr, a.size) == 0);
}

static void same_event(const struct weir_event *a, const struct weir_event *b, bool typed)
{
        for (int core = 0; core < WEIR_CORE_COUNT; core++)
                ck_assert_msg(same(*weir_core_view(a, core), *weir_core_view(b, core)), "%s",
                              weir_core_name(core));
        ck_assert_uint_eq(a->extension_count, b->extension_count);
        for (size_t i = 0; i < a->extension_count; i++) {
                ck_assert(same(a->extensions[i].name, b->extensions[i].name));
                ck_assert(same(a->extensions[i].value, b->extensions[i].value));
                ck_assert_int_eq(a->extensions[i].type,
                                 typed ? b->extensions[i].type : WEIR_ATTRIBUTE_STRING);
        }
        ck_assert_msg(same(a->data, b->data), "data %.60s", a->data.ptr ? a->data.ptr : "-");
}

typedef int decode_fn(const struct weir_decoder *decoder, const struct weir_message *message,
                      weir_event_fn *taking, void *context, int *ret_mode,
                      struct weir_refusal *ret_refusal);

static void read_back(decode_fn *decode, const struct weir_encoded *encoded)
{
        const struct weir_decoder decoder = { .arena = &arena };
        const struct weir_message message = { encoded->key, encoded->value, encoded->headers,
                                              encoded->header_count };

        ck_assert_msg(decode(&decoder, &message, take, NULL, NULL, &refusal) == 0, "%s",
                      refusal.reason);
}

START_TEST(every_form_is_read_back_as_it_was)
{
        const struct weir_event event = full(), *events[] = { &event };
        struct weir_encoded encoded;

        ck_assert_int_eq(weir_encode_kafka_binary(&arena, &event, NULL, &encoded, &refusal), 0);
        read_back(weir_decode_kafka, &encoded);
        same_event(&back, &event, false);
        ck_assert_int_eq(weir_encode_kafka_structured(&arena, &event, NULL, &encoded, &refusal), 0);
        read_back(weir_decode_kafka, &encoded);
        same_event(&back, &event, true);
        ck_assert_int_eq(weir_encode_http_binary(&arena, &event, &encoded, &refusal), 0);
        read_back(weir_decode_http, &encoded);
        same_event(&back, &event, false);
        ck_assert_int_eq(weir_encode_http_structured(&arena, &event, &encoded, &refusal), 0);
        read_back(weir_decode_http, &encoded);
        same_event(&back, &event, true);
        ck_assert_int_eq(weir_encode_http_batch(&arena, events, 1, &encoded, &refusal), 0);
        read_back(weir_decode_http, &encoded);
        same_event(&back, &event, true);
}
END_TEST

START_TEST(structured_members_come_in_the_order_that_all_can_read)
{
        struct weir_event event = full();
        struct weir_encoded encoded;

        event.extensions = NULL;
        event.extension_count = 0;
        event.data = VIEW("[1]");
        event.id = VIEW("1");
        ck_assert_int_eq(weir_encode_kafka_structured(&arena, &event, NULL, &encoded, &refusal), 0);
        ck_assert_str_eq(
                encoded.value.ptr,
                "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s?a=b#c\",\"type\":\"t\","
                "\"subject\":\"sub\",\"time\":\"2026-07-04T10:20:30.123456789+02:00\","
                "\"dataschema\":\"urn:x:y\",\"datacontenttype\":\"application/json\",\"data\":[1]}");
}
END_TEST

struct payload {
        struct weir_view type, data;
        int kind;
};

static struct weir_event full_with(const struct payload *payload)
{
        struct weir_event event = full();

        event.datacontenttype = payload->type;
        event.data = payload->data;
        event.data_kind = payload->kind;
        return event;
}

START_TEST(data_of_every_kind_keeps_its_bytes)
{
        static const struct payload cases[] = {
                { { NULL, 0 }, VIEW("{\"a\":1}"), WEIR_DATA_BINARY },
                { { NULL, 0 }, VIEW("text"), WEIR_DATA_TEXT },
                { VIEW("application/json"), VIEW("not json"), WEIR_DATA_JSON },
                { VIEW("application/json"), VIEW("\"\\ud800\""), WEIR_DATA_JSON },
                { VIEW("application/json"), VIEW("[1] [2]"), WEIR_DATA_BINARY },
                { VIEW("text/plain"), VIEW("a\n\"\\\0\x7f\xc3\xa9"), WEIR_DATA_TEXT },
                { VIEW("text/plain"), VIEW("\xff\xfe"), WEIR_DATA_TEXT },
                { VIEW("text/plain"), VIEW(""), WEIR_DATA_TEXT },
                { VIEW("a/b"), VIEW("\0\1\2"), WEIR_DATA_BINARY },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
                struct weir_event event = full_with(&cases[i]);
                struct weir_encoded encoded;

                ck_assert_int_eq(weir_encode_kafka_structured(&arena, &event, NULL, &encoded,
                                                              &refusal),
                                 0);
                read_back(weir_decode_kafka, &encoded);
                same_event(&back, &event, true);
        }
}
END_TEST

START_TEST(implied_json_is_said_in_binary_mode)
{
        struct weir_event event = full();
        struct weir_encoded encoded;

        event.datacontenttype = (struct weir_view){ NULL, 0 };
        ck_assert_int_eq(weir_encode_kafka_structured(&arena, &event, NULL, &encoded, &refusal), 0);
        read_back(weir_decode_kafka, &encoded);
        ck_assert_ptr_null(back.datacontenttype.ptr);
        ck_assert_int_eq(back.data_kind, WEIR_DATA_JSON);
        ck_assert_int_eq(weir_encode_kafka_binary(&arena, &back, NULL, &encoded, &refusal), 0);
        read_back(weir_decode_kafka, &encoded);
        ck_assert_str_eq(back.datacontenttype.ptr, "application/json");
        ck_assert_int_eq(back.data_kind, WEIR_DATA_JSON);
}
END_TEST

START_TEST(an_event_about_an_event_is_never_read_as_the_inner_one)
{
        static const char inner[] =
                "{\"specversion\":\"1.0\",\"id\":\"inner\",\"source\":\"/i\",\"type\":\"i\"}";
        static const struct payload cases[] = {
                { VIEW("application/cloudevents+json"), VIEW(inner), WEIR_DATA_JSON },
                { VIEW("Application/CloudEvents+JSON"), VIEW(inner), WEIR_DATA_JSON },
                { VIEW("application/cloudevents+json; charset=utf-8"), VIEW(inner),
                  WEIR_DATA_JSON },
                { VIEW("application/cloudevents-batch+json"), VIEW("[]"), WEIR_DATA_JSON },
                { VIEW("application/cloudevents"), VIEW(inner), WEIR_DATA_BINARY },
                { VIEW("application/cloudevents+avro"), VIEW("\0\1"), WEIR_DATA_BINARY },
                { VIEW("application/cloudevents+json"), VIEW("no json"), WEIR_DATA_BINARY },
                { VIEW("application/cloudevents+json"), { NULL, 0 }, WEIR_DATA_NONE },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
                struct weir_event event = full_with(&cases[i]);
                struct weir_encoded encoded;

                ck_assert_int_eq(weir_encode_kafka_binary(&arena, &event, NULL, &encoded, &refusal),
                                 0);
                ck_assert_uint_eq(encoded.header_count, 1);
                read_back(weir_decode_kafka, &encoded);
                same_event(&back, &event, true);
                ck_assert_int_eq(weir_encode_http_binary(&arena, &event, &encoded, &refusal), 0);
                ck_assert_uint_eq(encoded.header_count, 1);
                ck_assert_str_eq(encoded.headers[0].value, "application/cloudevents+json");
                read_back(weir_decode_http, &encoded);
                same_event(&back, &event, true);
        }
}
END_TEST

START_TEST(what_would_not_be_taken_is_not_sent)
{
        static const struct weir_attribute bad[] = {
                { VIEW("data"), VIEW("x"), WEIR_ATTRIBUTE_STRING },
                { VIEW("id"), VIEW("x"), WEIR_ATTRIBUTE_STRING },
                { VIEW("a-b"), VIEW("x"), WEIR_ATTRIBUTE_STRING },
                { VIEW("n"), VIEW("01"), WEIR_ATTRIBUTE_INTEGER },
                { VIEW("b"), VIEW("yes"), WEIR_ATTRIBUTE_BOOLEAN },
                { VIEW("s"), VIEW("a\r\nce_id: 2"), WEIR_ATTRIBUTE_STRING },
                { VIEW("s"), { NULL, 0 }, WEIR_ATTRIBUTE_STRING },
        };
        static const int klass[] = {
                WEIR_REFUSED_BAD_ATTRIBUTE_NAME,  WEIR_REFUSED_DUPLICATE_ATTRIBUTE,
                WEIR_REFUSED_BAD_ATTRIBUTE_NAME,  WEIR_REFUSED_BAD_INTEGER,
                WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE,
                WEIR_REFUSED_BAD_ATTRIBUTE_VALUE,
        };
        struct weir_event event = full();
        struct weir_encoded encoded;

        event.extension_count = 1;
        for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
                event.extensions = &bad[i];
                ck_assert_int_eq(weir_encode_kafka_binary(&arena, &event, NULL, &encoded, &refusal),
                                 1);
                ck_assert_msg(refusal.klass == klass[i], "%zu: %s", i, refusal.reason);
                ck_assert_int_eq(weir_encode_http_structured(&arena, &event, &encoded, &refusal),
                                 1);
                ck_assert_int_eq(refusal.klass, klass[i]);
        }
}
END_TEST

START_TEST(an_explicit_key_wins_over_the_mapper)
{
        static const struct weir_attribute partition = { VIEW("partitionkey"), VIEW("p"),
                                                         WEIR_ATTRIBUTE_STRING };
        struct weir_encode_options options = { .key_from_partitionkey = true };
        struct weir_event event = full();
        struct weir_encoded encoded;

        event.extensions = &partition;
        event.extension_count = 1;
        ck_assert_int_eq(weir_encode_kafka_binary(&arena, &event, &options, &encoded, &refusal), 0);
        ck_assert(same(encoded.key, VIEW("p")));
        options.key = VIEW("mine");
        ck_assert_int_eq(weir_encode_kafka_structured(&arena, &event, &options, &encoded, &refusal),
                         0);
        ck_assert(same(encoded.key, VIEW("mine")));
}
END_TEST

START_TEST(a_key_depends_on_worker_source_and_id_apart)
{
        static const struct {
                struct weir_view worker, source, id;
        } names[] = {
                { VIEW("w"), VIEW("a"), VIEW("bc") }, { VIEW("w"), VIEW("ab"), VIEW("c") },
                { VIEW("wa"), VIEW("b"), VIEW("c") }, { VIEW("w"), VIEW("bc"), VIEW("a") },
                { VIEW("w"), VIEW("A"), VIEW("bc") }, { VIEW("w"), VIEW("a"), VIEW("bc ") },
        };
        struct weir_key keys[WEIR_COUNT_OF(names)];

        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
                struct weir_event event = { .source = names[i].source, .id = names[i].id };

                ck_assert_int_eq(weir_key_of(names[i].worker, &event, &keys[i]), 0);
                for (size_t j = 0; j < i; j++)
                        ck_assert_msg(memcmp(&keys[i], &keys[j], sizeof keys[i]) != 0, "%zu %zu", i,
                                      j);
        }
}
END_TEST

START_TEST(a_key_never_changes_between_versions)
{
        static const uint8_t known[16] = { 0xae, 0x46, 0x72, 0x2b, 0x5e, 0x14, 0xfe, 0xda,
                                           0xa0, 0xb8, 0x2f, 0x5f, 0x56, 0x97, 0x11, 0x83 };
        const struct weir_event event = { .source = VIEW("/s"), .id = VIEW("1") };
        struct weir_key key;

        ck_assert_int_eq(weir_key_of(VIEW("audit"), &event, &key), 0);
        ck_assert_mem_eq(key.bytes, known, sizeof known);
}
END_TEST

START_TEST(a_fingerprint_tells_absent_from_empty)
{
        const struct weir_view none = { NULL, 0 }, empty = VIEW("");
        int64_t prints[6];

        weir_key_fingerprint(1, none, none, &prints[0]);
        weir_key_fingerprint(1, empty, none, &prints[1]);
        weir_key_fingerprint(1, none, empty, &prints[2]);
        weir_key_fingerprint(1, empty, empty, &prints[3]);
        weir_key_fingerprint(2, none, none, &prints[4]);
        weir_key_fingerprint(1, none, VIEW("x"), &prints[5]);
        for (int i = 0; i < 6; i++)
                for (int j = 0; j < i; j++)
                        ck_assert_int_ne(prints[i], prints[j]);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("encode");
        TCase *tcase = tcase_create("encode");
        SRunner *runner = srunner_create(suite);
        int failed;

        suite_add_tcase(suite, tcase);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, every_form_is_read_back_as_it_was);
        tcase_add_test(tcase, structured_members_come_in_the_order_that_all_can_read);
        tcase_add_test(tcase, data_of_every_kind_keeps_its_bytes);
        tcase_add_test(tcase, implied_json_is_said_in_binary_mode);
        tcase_add_test(tcase, an_event_about_an_event_is_never_read_as_the_inner_one);
        tcase_add_test(tcase, what_would_not_be_taken_is_not_sent);
        tcase_add_test(tcase, an_explicit_key_wins_over_the_mapper);
        tcase_add_test(tcase, a_key_depends_on_worker_source_and_id_apart);
        tcase_add_test(tcase, a_key_never_changes_between_versions);
        tcase_add_test(tcase, a_fingerprint_tells_absent_from_empty);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

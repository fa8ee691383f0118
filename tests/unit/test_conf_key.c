/* SPDX-License-Identifier: MIT */
/* conf/key and print: one table is the reference, the document, the answers and the defaults */
#include "conf/key.h"
#include "conf_fixture.h"

static char *printed(int (*print)(FILE *))
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_int_eq(print(out), 0);
        fclose(out);
        return text;
}

static char *explained(const char *key, int expect)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_int_eq(weir_conf_explain(out, key), expect);
        fclose(out);
        return text;
}

static char *shown(const struct weir_conf *conf)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_int_eq(weir_conf_show(out, conf), 0);
        fclose(out);
        return text;
}

START_TEST(the_reference_is_a_valid_file_of_defaults)
{
        WEIR_FREE char *text = printed(weir_conf_print_reference);
        WEIR_FREE char *from_reference = NULL;
        WEIR_FREE char *from_required = NULL;
        struct reading reading = parse(text);

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        from_reference = shown(reading.conf);
        done(&reading);
        reading = parse("kafka = { brokers = \"127.0.0.1:9092\"; }; store = { url = "
                        "\"postgresql:///weir\"; };\n"
                        "workers = ( { name = \"audit\"; plugin = \"audit\"; group = \"audit\"; "
                        "topics = [ \"audit\" ];\n"
                        "  options = { }; } );\n"
                        "sinks = ( { name = \"crm\"; url = \"https://example.com/events\"; } );");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        from_required = shown(reading.conf);
        ck_assert_str_eq(from_reference, from_required);
        done(&reading);
}
END_TEST

START_TEST(every_key_is_in_the_reference_and_in_the_document)
{
        WEIR_FREE char *reference = printed(weir_conf_print_reference);
        WEIR_FREE char *document = printed(weir_conf_print_markdown);

        for (size_t i = 0; i < weir_key_count; i++) {
                char line[100];

                snprintf(line, sizeof line, " %s = ", weir_key_name(&weir_keys[i]));
                ck_assert_msg(strstr(reference, line) || strstr(reference, line + 1), "%s",
                              weir_keys[i].path);
                ck_assert_msg(strstr(document, weir_keys[i].path) != NULL, "%s", weir_keys[i].path);
        }
        ck_assert_ptr_nonnull(strstr(document, "| `plugin.library.paths` |"));
}
END_TEST

START_TEST(every_key_explains_itself)
{
        for (size_t i = 0; i < weir_key_count; i++) {
                WEIR_FREE char *text = explained(weir_keys[i].path, 0);

                ck_assert(!strncmp(text, weir_keys[i].path, strlen(weir_keys[i].path)));
                ck_assert_ptr_nonnull(strstr(text, "form"));
                ck_assert_uint_gt(strlen(weir_keys[i].help), 10);
        }
}
END_TEST

START_TEST(an_explanation_names_default_and_range)
{
        WEIR_FREE char *text = explained("workers.[0].batch.linger", 0);

        ck_assert_ptr_nonnull(strstr(text, "\"5ms\""));
        ck_assert_ptr_nonnull(strstr(text, "0ms..10s"));
}
END_TEST

static const struct {
        const char *typed, *meant;
} typos[] = {
        { "kafka.broker", "kafka.brokers" },
        { "brokers", "kafka.brokers" },
        { "linger", "workers.batch.linger" },
        { "workers.max_events", "workers.batch.max_events" },
        { "workers.topic", "workers.topics" },
        { "workers.gruop", "workers.group" },
        { "sotre", "store" },
        { "log.levle", "log.level" },
        { "sinks.secret", "sinks.secret_env" },
        { "sinks.max_concurent", "sinks.max_concurrent" },
        { "xyzzy", NULL },
        { "", NULL },
};

START_TEST(an_unknown_key_brings_the_near_one)
{
        WEIR_FREE char *text = explained(typos[_i].typed, WEIR_EUSAGE);
        char expect[100];

        snprintf(expect, sizeof expect, "did you mean %s?", typos[_i].meant ? typos[_i].meant : "");
        ck_assert_msg(!!strstr(text, "did you mean") == !!typos[_i].meant, "%s", text);
        if (typos[_i].meant)
                ck_assert_msg(strstr(text, expect) != NULL, "%s", text);
}
END_TEST

START_TEST(durations_and_sizes_read_back_what_was_written)
{
        static const int64_t values[] = { 0,        1,          999,     1000,    1024,   60000000,
                                          61000000, 3600000000, 1 << 20, 5 << 20, 1 << 30 };

        for (size_t i = 0; i < WEIR_COUNT_OF(values); i++) {
                int64_t back;
                char text[32];

                weir_duration_write(text, values[i]);
                ck_assert_msg(weir_duration_read(text, &back) && back == values[i], "%s", text);
                weir_size_write(text, values[i]);
                ck_assert_msg(weir_size_read(text, &back) && back == values[i], "%s", text);
        }
}
END_TEST

static const struct {
        const char *text;
        int64_t ms; /* -1 = refused */
} times[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-02-29T23:59:59.999Z", 951868799999 },
        { "2026-03-01t00:00:00z", 1772323200000 },
        { "2026-01-31T08:00:00-05:30", 1769866200000 },
        { "1969-12-31T23:59:59Z", -1 },
        { "2025-02-29T00:00:00Z", -1 },
        { "2100-02-29T00:00:00Z", -1 },
        { "2026-13-01T00:00:00Z", -1 },
        { "2026-00-01T00:00:00Z", -1 },
        { "2026-01-01T24:00:00Z", -1 },
        { "2026-01-01T00:00:60Z", -1 },
        { "2026-01-01T00:00:00.Z", -1 },
        { "2026-01-01 00:00:00Z", -1 },
        { "2026-01-01T00:00:00Zx", -1 },
        { "2026-01-01T00:00:00+24:00", -1 },
        { "2026-1-1T00:00:00Z", -1 },
        { "", -1 },
};

START_TEST(a_time_is_strict_rfc_3339)
{
        int64_t ms = -1;
        bool good = weir_start_time_read(times[_i].text, &ms);

        ck_assert_msg(good == (times[_i].ms >= 0), "%s", times[_i].text);
        ck_assert_int_eq(ms, times[_i].ms);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_key");
        TCase *tcase = tcase_create("key");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, the_reference_is_a_valid_file_of_defaults);
        tcase_add_test(tcase, every_key_is_in_the_reference_and_in_the_document);
        tcase_add_test(tcase, every_key_explains_itself);
        tcase_add_test(tcase, an_explanation_names_default_and_range);
        tcase_add_loop_test(tcase, an_unknown_key_brings_the_near_one, 0, WEIR_COUNT_OF(typos));
        tcase_add_test(tcase, durations_and_sizes_read_back_what_was_written);
        tcase_add_loop_test(tcase, a_time_is_strict_rfc_3339, 0, WEIR_COUNT_OF(times));
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

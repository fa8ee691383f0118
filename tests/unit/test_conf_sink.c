/* SPDX-License-Identifier: MIT */
/* conf: sinks: each key, which go together, and that no secret or query comes out again */
#include "conf_fixture.h"

#define SINKS(list) MINIMAL "sinks = (" list " );\n"
#define HOOK(more) SINKS("{ name = \"h\"; url = \"https://h/\";\n" more " }")
#define URL(text) SINKS("{ name = \"h\";\nurl = \"" text "\"; allow_plain = true; }")

START_TEST(a_sink_gets_the_defaults)
{
        struct reading reading = parse(
                SINKS("\n{ name = \"h\"; url = \"https://h:8443/a?b=c\"; },\n"
                      "{ name = \"t\"; topic = \"x.y\"; },\n"
                      "{ name = \"f\"; file = \"/tmp/f\"; topic = \"\"; }"));
        const struct weir_conf_sink *sink;

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_eq(reading.conf->sink_count, 3);
        sink = &reading.conf->sinks[0];
        ck_assert_str_eq(sink->name, "h");
        ck_assert_str_eq(sink->url, "https://h:8443/a?b=c");
        ck_assert_str_eq(sink->where, "t.cfg:5");
        ck_assert(!sink->structured && !sink->allow_private && !sink->allow_plain);
        ck_assert_int_eq(sink->timeout_ms, 10000);
        ck_assert_int_eq(sink->give_up_ms, INT64_C(72) * 3600 * 1000);
        ck_assert_uint_eq(sink->max_concurrent, 8);
        ck_assert_uint_eq(sink->rate_per_s, 0);
        ck_assert_uint_eq(sink->request_rate, 0);
        ck_assert_ptr_null(sink->topic);
        ck_assert_ptr_null(sink->file);
        ck_assert_ptr_null(sink->secret);
        ck_assert_ptr_null(sink->secret_next);
        ck_assert_ptr_null(sink->token);
        ck_assert_ptr_null(sink->origin);
        ck_assert_ptr_null(sink->reply_topic);
        ck_assert_ptr_null(sink->ca_file);
        ck_assert_str_eq(sink[1].topic, "x.y");
        ck_assert_ptr_null(sink[1].url);
        ck_assert_str_eq(sink[2].file, "/tmp/f");
        ck_assert_ptr_eq(weir_conf_sink_find(reading.conf, "t"), &sink[1]);
        ck_assert_ptr_null(weir_conf_sink_find(reading.conf, "tt"));
        ck_assert_ptr_null(weir_conf_sink_find(NULL, "t"));
        ck_assert_ptr_eq(reading.conf->workers[0].conf, reading.conf);
        ck_assert_ptr_null(sink[2].topic);
        done(&reading);
        reading = parse(MINIMAL "sinks = ( );");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_eq(reading.conf->sink_count, 0);
        done(&reading);
}
END_TEST

START_TEST(every_key_of_a_sink_is_read)
{
        struct reading reading;
        const struct weir_conf_sink *sink;

        put_bytes("secret", 0600, "whsec_Zmlyc3Q=\n", 15);
        put_bytes("token", 0400, "tok.en\n", 7);
        put("ca.pem", CERTIFICATE);
        setenv("WEIR_TEST_SECRET", "second", 1);
        put("main.cfg", MINIMAL
            "sinks = ( { name = \"all_1\"; url = \"http://[::1]:80/\"; mode = "
            "\"structured\";\n timeout = \"1500ms\"; give_up = \"0s\"; max_concurrent = 256; rate = 7;\n"
            " secret_file = \"secret\"; secret_next_env = \"WEIR_TEST_SECRET\";\n"
            " token_file = \"token\"; origin = \"events.example.com\"; request_rate = 60;\n"
            " reply_topic = \"replies\"; ca_file = \"ca.pem\"; allow_private = true;\n"
            " allow_plain = true; },\n"
            " { name = \"f\"; file = \"events.jsonl\"; } );\n");
        reading = load_file(in_scratch("main.cfg"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        sink = &reading.conf->sinks[0];
        ck_assert(sink->structured && sink->allow_private && sink->allow_plain);
        ck_assert_int_eq(sink->timeout_ms, 1500);
        ck_assert_int_eq(sink->give_up_ms, 0);
        ck_assert_uint_eq(sink->max_concurrent, 256);
        ck_assert_uint_eq(sink->rate_per_s, 7);
        ck_assert_uint_eq(sink->request_rate, 60);
        ck_assert_str_eq(sink->secret, "whsec_Zmlyc3Q=");
        ck_assert_str_eq(sink->secret_next, "second");
        ck_assert_str_eq(sink->token, "tok.en");
        ck_assert_str_eq(sink->origin, "events.example.com");
        ck_assert_str_eq(sink->reply_topic, "replies");
        ck_assert_str_eq(sink->ca_file, in_scratch("ca.pem"));
        ck_assert_str_eq(sink[1].file, in_scratch("events.jsonl"));
        done(&reading);
}
END_TEST

static const struct {
        const char *text, *begin, *part;
} refused[] = {
        { SINKS("{ name = \"h\"; }"), "t.cfg:4: sinks: the sink h leads nowhere",
          "url, topic or file" },
        { SINKS("{ url = \"https://h\"; }"), "t.cfg:4: sinks.name: is missing", "string" },
        { SINKS("{ name = \"h\"; url = \"https://h\";\ntopic = \"t\"; }"),
          "t.cfg:5: sinks.topic: is given together with sinks.url", "keep one" },
        { SINKS("{ name = \"h\"; topic = \"t\";\nfile = \"t\"; }"),
          "t.cfg:5: sinks.file: is given together with sinks.topic", "keep one" },
        { SINKS("{ name = \"h\"; topic = \"a b\"; }"), "t.cfg:4: sinks.topic: \"a b\"", "letters" },
        { SINKS("{ name = \"H\"; topic = \"t\"; }"), "t.cfg:4: sinks.name: \"H\"", "a-z" },
        { SINKS("{ name = \"h\"; topic = \"t\"; },\n{ name = \"h\"; file = \"f\"; }"),
          "t.cfg:5: sinks.name: h is the name of the sink at t.cfg:4 too", "its own" },
        { SINKS("{ name = \"h\"; url = \"http://h\"; }"), "t.cfg:4: sinks.url: is http://",
          "allow_plain = true" },
        { SINKS("7"), "t.cfg:4: sinks: is a whole number", "group" },
        { MINIMAL "sinks = { };", "t.cfg:4: sinks: is a group", "list of groups" },
        { HOOK("secret = \"x\";"), "t.cfg:5: sinks.secret: unknown key", "did you mean" },
        { HOOK("mode = \"batch\";"), "t.cfg:5: sinks.mode: \"batch\"", "binary, structured" },
        { HOOK("timeout = \"99ms\";"), "t.cfg:5: sinks.timeout:", "100ms..5min" },
        { HOOK("timeout = \"301s\";"), "t.cfg:5: sinks.timeout:", "100ms..5min" },
        { HOOK("max_concurrent = 0;"), "t.cfg:5: sinks.max_concurrent: 0", "1..256" },
        { HOOK("max_concurrent = 257;"), "t.cfg:5: sinks.max_concurrent: 257", "1..256" },
        { HOOK("rate = 1000001;"), "t.cfg:5: sinks.rate: 1000001", "0..1000000" },
        { HOOK("rate = -1;"), "t.cfg:5: sinks.rate: -1", "0..1000000" },
        { HOOK("origin = \"https://h\";"), "t.cfg:5: sinks.origin: is not a DNS name", "DNS" },
        { HOOK("request_rate = 5;"), "t.cfg:5: sinks.request_rate:", "set origin" },
        { HOOK("reply_topic = \"..\";"), "t.cfg:5: sinks.reply_topic: \"..\"", "Kafka" },
        { HOOK("ca_file = \"/dev/null\";"), "t.cfg:5: sinks.ca_file: holds no certificate", "PEM" },
        { HOOK("ca_file = \"/nonexistent/ca.pem\";"), "t.cfg:5: sinks.ca_file: cannot be read",
          "PEM" },
        { HOOK("secret_next_env = \"WEIR_TEST_SECRET\";"),
          "t.cfg:5: sinks.secret_next_env:", "no first" },
        { HOOK("secret_env = \"WEIR_TEST_UNSET\";"), "t.cfg:5: sinks.secret_env:", "not set" },
        { HOOK("token_env = \"WEIR_TEST_LINES\";"), "t.cfg:5: sinks.token_env:", "one word" },
        { HOOK("secret_env = \"WEIR_TEST_SECRET\"; secret_file = \"f\";"),
          "t.cfg:5: sinks.secret_file: is given together with sinks.secret_env", "keep one" },
        { HOOK("secret_env = \"WEIR_TEST_BASE64\"; secret_next_env = \"WEIR_TEST_SECRET\";"),
          "t.cfg:5: sinks.secret_env: begins with whsec_", "not base64" },
        { HOOK("secret_env = \"WEIR_TEST_SECRET\";\nsecret_next_env = \"WEIR_TEST_BASE64\";"),
          "t.cfg:6: sinks.secret_next_env: begins with whsec_", "not base64" },
        { SINKS("{ name = \"t\"; topic = \"t\";\nsecret_env = \"WEIR_TEST_SECRET\"; }"),
          "t.cfg:5: sinks.secret_env:", "no url" },
        { SINKS("{ name = \"t\"; topic = \"t\";\nreply_topic = \"r\"; }"),
          "t.cfg:5: sinks.reply_topic:", "no url" },
        { SINKS("{ name = \"t\"; file = \"t\";\nallow_private = true; }"),
          "t.cfg:5: sinks.allow_private:", "no url" },
};

START_TEST(what_does_not_fit_is_refused_once)
{
        setenv("WEIR_TEST_SECRET", CANARY, 1);
        setenv("WEIR_TEST_BASE64", "whsec_" CANARY, 1);
        setenv("WEIR_TEST_LINES", CANARY "\r\nX: y", 1);
        refuse(refused[_i].text, refused[_i].begin, refused[_i].part);
}
END_TEST

START_TEST(the_mistakes_of_all_sinks_are_listed_by_line)
{
        struct reading reading = parse(SINKS("\n{ name = \"a\"; },\n"
                                             "{ topic = \"t\"; mode = \"x\"; },\n"
                                             "{ name = \"a\"; url = \"ftp://h\"; rate = \"1\"; }"));

        expect_problem(&reading, 6, 0, "t.cfg:5: sinks: the sink a leads nowhere", "");
        expect_problem(&reading, 6, 1, "t.cfg:6: sinks.mode:", "");
        expect_problem(&reading, 6, 2, "t.cfg:6: sinks.name: is missing", "");
        expect_problem(&reading, 6, 3, "t.cfg:7: sinks.url: is neither", "");
        expect_problem(&reading, 6, 4, "t.cfg:7: sinks.rate: is a string", "");
        expect_problem(&reading, 6, 5, "t.cfg:7: sinks.name: a is the name of", "t.cfg:5");
        done(&reading);
}
END_TEST

static const struct {
        const char *text;
        bool good;
} urls[] = {
        { URL("https://example.com"), true },
        { URL("https://example.com/"), true },
        { URL("https://example.com:8443/a/b?x=%2F&y=@"), true },
        { URL("http://127.0.0.1:1/"), true },
        { URL("http://[::1]/"), true },
        { URL("http://[fe80::1]:65535/"), true },
        { URL("https://a.example?x"), true },
        { URL("https://"), false },
        { URL("https:///path"), false },
        { URL("https://:80/"), false },
        { URL("https://h:0/"), false },
        { URL("https://h:65536/"), false },
        { URL("https://h:x/"), false },
        { URL("https://h:/"), false },
        { URL("https://u@h/"), false },
        { URL("https://u:" CANARY "@h/"), false },
        { URL("https://h/#" CANARY), false },
        { URL("https://h/?a=1&access_token=" CANARY), false },
        { URL("https://h/a b"), false },
        { URL("https://h/%zz"), false },
        { URL("https://h/%2"), false },
        { URL("https://h/\xc3\xa4"), false },
        { URL("https://h\\\\x/"), false },
        { URL("https://[::1/"), false },
        { URL("https://[::1]x/"), false },
        { URL("https://[]/"), false },
        { URL("https://[v1.a]/"), false },
        { URL("https://a%2eb/"), false },
        { URL("https://h\\x0d\\x0aX/"), false },
        { URL("HTTPS://h/"), false },
        { URL("ftp://h/"), false },
        { URL("h/"), false },
        { URL("file:///etc/passwd"), false },
};

START_TEST(a_url_is_one_that_can_be_connected_to_and_shown)
{
        struct reading reading = parse(urls[_i].text);

        ck_assert_msg((reading.r == 0) == urls[_i].good, "%s: %s", urls[_i].text,
                      reading.r ? reading.error.text : "accepted");
        if (!urls[_i].good)
                expect_problem(&reading, 1, 0, "t.cfg:5: sinks.url:", "");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

/* So many groups with the same names in them that the scanner's table meets each name again and again. */
START_TEST(the_keys_of_one_sink_are_not_those_of_another)
{
        enum { COUNT = 200 };
        static char text[COUNT * 100 + 1000];
        size_t used = (size_t)snprintf(text, sizeof text, "%s", MINIMAL "sinks = ( ");

        for (int i = 0; i < COUNT; i++)
                used += (size_t)snprintf(text + used, sizeof text - used,
                                         "%s{ name = \"s%d\"; topic = \"t%d\"; rate = %d; }",
                                         i ? ",\n" : "", i, i, i + 1);
        snprintf(text + used, sizeof text - used, " );\n");
        accept_text(text);
}
END_TEST

START_TEST(a_url_has_up_to_2048_characters)
{
        char text[4000], path[2100];

        for (size_t size = 2048; size <= 2049; size++) {
                struct reading reading;

                memset(path, 'x', sizeof path);
                path[size - strlen("https://h/")] = '\0';
                snprintf(text, sizeof text,
                         MINIMAL "sinks = ( { name = \"h\"; url = \"https://h/%s\"; } );", path);
                reading = parse(text);
                ck_assert_int_eq(reading.r, size == 2048 ? 0 : WEIR_ECONF);
                done(&reading);
        }
}
END_TEST

START_TEST(what_is_shown_of_a_sink_holds_no_secret_and_no_query)
{
        WEIR_FREE char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        struct reading reading;

        setenv("WEIR_TEST_SECRET", CANARY, 1);
        reading = parse(SINKS("{ name = \"h\"; url = \"https://h/in?key=" CANARY
                              "\"; secret_env = \"WEIR_TEST_SECRET\"; secret_next_env = "
                              "\"WEIR_TEST_SECRET\"; token_env = \"WEIR_TEST_SECRET\"; }, { name = "
                              "\"t\"; topic = \"x\"; mode = \"structured\"; }"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->sinks[0].token, CANARY);
        ck_assert_int_eq(weir_conf_show(out, reading.conf), 0);
        fclose(out);
        ck_assert_ptr_nonnull(strstr(text, "\nsinks.[0].url = \"https://h/in?(not shown)\"\n"));
        ck_assert_ptr_nonnull(strstr(text, "\nsinks.[0].timeout = \"10s\"\n"));
        ck_assert_ptr_nonnull(strstr(text, "\nsinks.[1].topic = \"x\"\n"));
        ck_assert_ptr_nonnull(strstr(text, "\nsinks.[1].mode = \"structured\"\n"));
        ck_assert_ptr_nonnull(strstr(text, "\nsinks.[1].url = \"\"\n"));
        ck_assert_ptr_null(strstr(text, CANARY));
        done(&reading);
}
END_TEST

START_TEST(a_secret_that_others_can_read_is_refused_and_not_repeated)
{
        struct reading reading;

        put_bytes("open", 0644, CANARY, strlen(CANARY));
        put("main.cfg", HOOK("secret_file = \"open\";\ntoken_file = \"" CANARY "\";"));
        reading = load_file(in_scratch("main.cfg"));
        expect_problem(&reading, 2, 0, in_scratch("main.cfg:5: sinks.secret_file:"), "chmod 600");
        expect_problem(&reading, 2, 1, in_scratch("main.cfg:6: sinks.token_file:"), "No such");
        done(&reading);
        reading = parse(HOOK("token_env = \"" CANARY "\";"));
        expect_problem(&reading, 1, 0, "t.cfg:5: sinks.token_env:", "not set");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_sink");
        TCase *tcase = tcase_create("sink");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, a_sink_gets_the_defaults);
        tcase_add_test(tcase, every_key_of_a_sink_is_read);
        tcase_add_loop_test(tcase, what_does_not_fit_is_refused_once, 0, WEIR_COUNT_OF(refused));
        tcase_add_test(tcase, the_mistakes_of_all_sinks_are_listed_by_line);
        tcase_add_loop_test(tcase, a_url_is_one_that_can_be_connected_to_and_shown, 0,
                            WEIR_COUNT_OF(urls));
        tcase_add_test(tcase, the_keys_of_one_sink_are_not_those_of_another);
        tcase_add_test(tcase, a_url_has_up_to_2048_characters);
        tcase_add_test(tcase, what_is_shown_of_a_sink_holds_no_secret_and_no_query);
        tcase_add_test(tcase, a_secret_that_others_can_read_is_refused_and_not_repeated);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

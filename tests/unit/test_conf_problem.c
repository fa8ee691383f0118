/* SPDX-License-Identifier: MIT */
/* conf: ranges and edges; every problem is listed once, by line, and says what is allowed */
#include "conf_fixture.h"

START_TEST(all_problems_are_listed_in_the_order_of_lines)
{
        struct reading reading = parse("workers = ( { name = \"A\";\n"
                                       " plugin = \"p\"; group = \"g\";\n"
                                       " topics = [\n"
                                       "   \"x y\",\n"
                                       "   \"..\"\n"
                                       " ]; } );\n"
                                       "store = { conections = 3; url = \"postgresql:///d\";\n"
                                       "  connections = 257; };\n"
                                       "stop = 5;\n");

        expect_problem(&reading, 7, 0, "t.cfg:1: workers.name: \"A\"", "a-z");
        expect_problem(&reading, 7, 1, "t.cfg:1: kafka.brokers: is missing", "string");
        expect_problem(&reading, 7, 2, "t.cfg:4: workers.topics: \"x y\"", "letters");
        expect_problem(&reading, 7, 3, "t.cfg:5: workers.topics: \"..\"", "Kafka");
        expect_problem(&reading, 7, 4, "t.cfg:7: store.conections: unknown key",
                       "did you mean store.connections?");
        expect_problem(&reading, 7, 5, "t.cfg:8: store.connections: 257 is out of range", "1..256");
        expect_problem(&reading, 7, 6, "t.cfg:9: stop: is a whole number", "group");
        ck_assert_ptr_nonnull(strstr(reading.error.text, "(and 6 more)"));
        done(&reading);
}
END_TEST

static const struct {
        const char *text;
        bool good;
} edges[] = {
        { TOP("memory = { budget = \"8MiB\"; };"), true },
        { TOP("memory = { budget = 8388607; };"), false },
        { TOP("memory = { budget = \"64GiB\"; };"), true },
        { TOP("memory = { budget = 68719476737; };"), false },
        { TOP("memory = { budget = \"128MiB\"; limit = \"256MiB\"; };"), true },
        { TOP("memory = { budget = \"129MiB\"; limit = \"256MiB\"; };"), false },
        { TOP("memory = { queue = \"256KiB\"; };"), true },
        { TOP("memory = { queue = 262143; };"), false },
        { TOP("memory = { queue = \"1GiB\"; };"), true },
        { TOP("memory = { queue = 1073741825; };"), false },
        { TOP("memory = { queue = -1; };"), false },
        { TOP("stop = { deadline = \"100ms\"; drain = \"99ms\"; };"), true },
        { TOP("stop = { deadline = \"99ms\"; drain = \"10ms\"; };"), false },
        { TOP("stop = { deadline = \"60min\"; };"), true },
        { TOP("stop = { deadline = \"3601s\"; };"), false },
        { TOP("stop = { drain = \"10ms\"; };"), true },
        { TOP("stop = { drain = \"9ms\"; };"), false },
        { TOP("stop = { drain = \"4999ms\"; };"), true },
        { TOP("stop = { drain = \"5s\"; };"), false },
        { TOP("stop = { deadline = \"3s\"; };"), false },
        { TOP("memory = { limit = 0; };"), true },
        { TOP("memory = { limit = 1; };"), false },
        { TOP("memory = { limit = \"256MiB\"; };"), true },
        { TOP("memory = { limit = \"262143KiB\"; };"), false },
        { TOP("crash = { attempts = 2; }; restart = { limit = 3; };"), true },
        { TOP("crash = { attempts = 0; };"), false },
        { TOP("crash = { attempts = 100; }; restart = { limit = 101; };"), true },
        { TOP("crash = { attempts = 101; }; restart = { limit = 1000; };"), false },
        { TOP("crash = { attempts = 9; };"), true },
        { TOP("crash = { attempts = 10; };"), false },
        { TOP("restart = { limit = 4; };"), true },
        { TOP("restart = { limit = 3; };"), false },
        { TOP("restart = { limit = 1; };"), false },
        { TOP("restart = { first_delay = \"0ms\"; };"), false },
        { TOP("restart = { max_delay = \"200ms\"; };"), true },
        { TOP("restart = { max_delay = \"199ms\"; };"), false },
        { TOP("restart = { max_delay = \"25h\"; };"), false },
        { TOP("claims = { period = \"2s\"; retention = \"28s\"; };"), true },
        { TOP("claims = { period = \"1999ms\"; retention = \"2s\"; };"), false },
        { TOP("claims = { period = \"366d\"; retention = \"3660d\"; };"), true },
        { TOP("claims = { period = \"367d\"; };"), false },
        { TOP("claims = { period = \"366d\"; retention = \"3661d\"; };"), false },
        { TOP("claims = { period = \"1d\"; };"), true },
        { TOP("claims = { period = \"23h\"; };"), false },
        { TOP("claims = { retention = \"98d\"; };"), true },
        { TOP("claims = { retention = \"99d\"; };"), false },
        { TOP("handler = { deadline = \"1s\"; };"), true },
        { TOP("handler = { deadline = \"999ms\"; };"), false },
        { TOP("handler = { deadline = \"24h\"; };"), true },
        { TOP("handler = { deadline = \"86401s\"; };"), false },
        { WORKER("processes = 1;"), true },
        { WORKER("processes = 0;"), false },
        { WORKER("processes = 64;"), true },
        { WORKER("processes = 65;"), false },
        { WORKER("batch = { max_events = 1; };"), true },
        { WORKER("batch = { max_events = 0; };"), false },
        { WORKER("batch = { max_events = 100000; };"), true },
        { WORKER("batch = { max_events = 100001; };"), false },
        { WORKER("batch = { max_bytes = 1024; };"), true },
        { WORKER("batch = { max_bytes = 1023; };"), false },
        { WORKER("batch = { max_bytes = \"256MiB\"; };"), true },
        { WORKER("batch = { max_bytes = \"257MiB\"; };"), false },
        { WORKER("batch = { linger = \"0ms\"; };"), true },
        { WORKER("batch = { linger = \"10s\"; };"), true },
        { WORKER("batch = { linger = \"10000001us\"; };"), false },
        { WORKER("retry = { first_delay = \"1ms\"; };"), true },
        { WORKER("retry = { first_delay = \"0ms\"; };"), false },
        { WORKER("retry = { first_delay = \"1h\"; max_delay = \"1h\"; };"), true },
        { WORKER("retry = { first_delay = \"61min\"; max_delay = \"2h\"; };"), false },
        { WORKER("retry = { max_delay = \"24h\"; };"), true },
        { WORKER("retry = { max_delay = \"25h\"; };"), false },
        { WORKER("retry = { max_delay = \"199ms\"; };"), false },
        { WORKER("retry = { first_delay = \"1500us\"; };"), false },
        { KAFKA "store = { url = \"postgresql:///w\"; connections = 1; };" WORKERS, true },
        { KAFKA "store = { url = \"postgresql:///w\"; connections = 0; };" WORKERS, false },
        { KAFKA "store = { url = \"postgresql:///w\"; connections = 256; };" WORKERS, true },
        { KAFKA "store = { url = \"postgresql:///w\"; connections = 257; };" WORKERS, false },
};

START_TEST(a_range_includes_its_edges_and_nothing_beyond)
{
        struct reading reading = parse(edges[_i].text);

        ck_assert_msg((reading.r == 0) == edges[_i].good, "%s: %s", edges[_i].text,
                      reading.r ? reading.error.text : "accepted");
        if (!edges[_i].good)
                ck_assert_uint_eq(reading.problems.count, 1);
        done(&reading);
}
END_TEST

static const struct {
        const char *text, *begin, *part;
} refused[] = {
        { TOP("stop = { deadline = 5; };"), "t.cfg:4: stop.deadline: is a whole number", "\"5s\"" },
        { TOP("stop = { deadline = \"5\"; };"), "t.cfg:4: stop.deadline: \"5\" is not a duration",
          "ms" },
        { TOP("stop = { deadline = \"5 s\"; };"),
          "t.cfg:4: stop.deadline: \"5 s\" is not a duration", "ms" },
        { TOP("stop = { deadline = \"1.5s\"; };"), "t.cfg:4: stop.deadline:", "not a duration" },
        { TOP("stop = { deadline = \"-1s\"; };"), "t.cfg:4: stop.deadline:", "not a duration" },
        { TOP("stop = { deadline = \"99999999999999999999h\"; };"),
          "t.cfg:4: stop.deadline:", "not a duration" },
        { TOP("memory = { queue = \"4MB\"; };"), "t.cfg:4: memory.queue:", "KiB, MiB or GiB" },
        { TOP("memory = { queue = \"9999999999GiB\"; };"), "t.cfg:4: memory.queue:", "not a size" },
        { TOP("memory = { queue = 1.5; };"), "t.cfg:4: memory.queue: is a number with a fraction",
          "must be" },
        { TOP("log = { level = \"loud\"; };"), "t.cfg:4: log.level: \"loud\"",
          "error, warn, info, debug" },
        { TOP("log = { form = \"\"; };"), "t.cfg:4: log.form:", "text, json" },
        { TOP("log = { level = \"text|json\"; };"), "t.cfg:4: log.level:", "choices" },
        { TOP("plugin_path = [ \"/a\", \"/a\" ];"), "t.cfg:4: plugin_path:", "twice" },
        { TOP("plugin_path = \"/a\";"), "t.cfg:4: plugin_path: is a string", "list" },
        { TOP("plugin_path = [ 1 ];"), "t.cfg:4: plugin_path:", "whole number" },
        { TOP("restart = {\n limit = 3; };"), "t.cfg:5: restart.limit: restart.limit is 3 and",
          "crash.attempts 3; restart.limit must be greater" },
        { TOP("crash = {\n attempts = 1; };"), "t.cfg:5: crash.attempts: ", "2..100" },
        { TOP("crash = {\n attempts = 12; };"), "t.cfg:5: crash.attempts: restart.limit is 10 and",
          "crash.attempts 12" },
        { TOP("restart = { first_delay = \"2s\"; max_delay = \"1s\"; };"),
          "t.cfg:4: restart.max_delay: ", "must not be shorter" },
        { TOP("memory = { limit = \"64MiB\"; };"), "t.cfg:4: memory.limit: 64MiB is less",
          "256MiB" },
        { TOP("sandbox = { write = [ \"\" ]; };"), "t.cfg:4: sandbox.write: is empty", "exist" },
        { TOP("sandbox = { seccomp = 0; };"), "t.cfg:4: sandbox.seccomp: is a whole number",
          "true or false" },
        { TOP("brokers = \"x\";"), "t.cfg:4: brokers: unknown key", "kafka.brokers" },
        { TOP("zzzzzz = \"x\";"), "t.cfg:4: zzzzzz: unknown key; see", "reference" },
        { STORE WORKERS "kafka = { brokers = \"\"; };", "t.cfg:3: kafka.brokers: is empty",
          "host:port" },
        { STORE WORKERS "kafka = { brokers = \"a:0\"; };", "t.cfg:3: kafka.brokers:", "port" },
        { STORE WORKERS "kafka = { brokers = \"a:65536\"; };", "t.cfg:3: kafka.brokers:", "port" },
        { STORE WORKERS "kafka = { brokers = \"a:9092,,b\"; };",
          "t.cfg:3: kafka.brokers:", "empty address" },
        { STORE WORKERS "kafka = { brokers = \"a:9092 b:9092\"; };",
          "t.cfg:3: kafka.brokers:", "blank" },
        { KAFKA STORE, "t.cfg:1: workers: is missing", "list of groups" },
        { KAFKA STORE "workers = ( );", "t.cfg:3: workers: has 0 groups", "1 to 64" },
        { KAFKA STORE "workers = { };", "t.cfg:3: workers: is a group", "list of groups" },
        { KAFKA STORE "workers = ( 7 );", "t.cfg:3: workers: is a whole number", "group" },
        { KAFKA STORE "workers = (\n{ name = \"x\"; plugin = \"p\"; topics = [ \"t\" ]; } );",
          "t.cfg:4: workers.group: is missing in worker x", "string" },
        { WORKER("start = \"newest\";"), "t.cfg:3: workers.start: \"newest\"", "earliest, latest" },
        { WORKER("start = \"2026-02-29T00:00:00Z\";"), "t.cfg:3: workers.start:", "time" },
        { WORKER("start = \"2026-01-31T08:00:00\";"), "t.cfg:3: workers.start:", "time" },
        { WORKER("start = \"1970-01-01T00:00:00+01:00\";"), "t.cfg:3: workers.start:", "time" },
        { WORKER("accept_json_batch = \"yes\";"), "t.cfg:3: workers.accept_json_batch: is a string",
          "true or false" },
        { WORKER("accept_json_batch = 1;"), "t.cfg:3: workers.accept_json_batch: is a whole number",
          "true or false" },
        { WORKER("options = ( );"), "t.cfg:3: workers.options: is a list", "group" },
        { WORKER("batch = { max_event = 3; };"), "t.cfg:3: workers.batch.max_event: unknown key",
          "workers.batch.max_events?" },
        { WORKER("retry = { order = \"wait\"; };"), "t.cfg:3: workers.retry.order: \"wait\"",
          "block, park" },
        { WORKER("retry = { attempts = 0; };"), "t.cfg:3: workers.retry.attempts: 0", "1..10000" },
        { WORKER("on_dead = \"publish\";"), "t.cfg:3: workers.on_dead: ", "names no topic" },
        { WORKER("dead_letter_topic = \"t\";"), "t.cfg:3: workers.dead_letter_topic: t is",
          "come back" },
        { WORKER("dead_letter_topic = \"a b\";"), "t.cfg:3: workers.dead_letter_topic: \"a b\"",
          "letters" },
        { WORKER("on_dead = \"halt\"; retry = { order = \"park\"; };"),
          "t.cfg:3: workers.on_dead: ", "choose one" },
        { WORKER("dead = { max_share = 0; };"), "t.cfg:3: workers.dead.max_share: 0", "1..100" },
        { WORKER("retry = 3;"), "t.cfg:3: workers.retry: is a whole number", "group" },
        { KAFKA STORE
          "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ ]; } );",
          "t.cfg:3: workers.topics: has 0 entries", "1.." },
        { KAFKA STORE
          "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"^t.*\" ]; } );",
          "t.cfg:3: workers.topics:", "pattern" },
        { KAFKA STORE
          "workers = ( { name = \"a\"; plugin = \"\"; group = \"g\"; topics = [ \"t\" ]; } );",
          "t.cfg:3: workers.plugin: is empty", "" },
        { KAFKA STORE
          "workers = ( { name = \"1a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; } );",
          "t.cfg:3: workers.name: \"1a\"", "small letter" },
        { KAFKA STORE "workers = ( { " WORKER_KEYS " },\n { " WORKER_KEYS " } );",
          "t.cfg:4: workers.name: a is the name", "t.cfg:3" },
};

START_TEST(what_does_not_fit_is_refused_once_with_line_key_and_what_is_allowed)
{
        refuse(refused[_i].text, refused[_i].begin, refused[_i].part);
}
END_TEST

/* What stands for librdkafka and libpq here: words that nobody else refuses. */
static int unknown_property(const struct weir_conf_property *property, struct weir_error *reterr)
{
        return strncmp(property->name, "odd", 3)
                       ? 0
                       : weir_fail(reterr, WEIR_ECONF, 0, "%s: is odd%s", property->name,
                                   property->secret ? ", and secret" : "");
}

static int unknown_url(const char *url, struct weir_error *reterr)
{
        return strstr(url, "odd") ? weir_fail(reterr, WEIR_ECONF, 0, "is an odd one") : 0;
}

START_TEST(what_the_libraries_refuse_stands_in_the_same_list_at_its_line)
{
        static const struct weir_conf_checks checks = { unknown_property, unknown_url };
        static const struct weir_conf_checks none = { NULL, NULL };
        static const char text[] =
                "kafka = { brokers = \"b\"; properties = [ \"odd.one=1\",\n"
                "  \"client.id=odd\", \"group.id=g\",\n"
                "  \"odd.two=2\" ];\n"
                "  secrets = ( { property = \"odd.three\"; env = \"PATH\"; } ); };\n"
                "store = { connections = 0;\n"
                "  url = \"postgresql:///odd\"; };\n" WORKERS;
        struct reading reading = parse_with(text, &checks);

        expect_problem(&reading, 6, 0, "t.cfg:1: kafka.properties: odd.one: is odd", "");
        expect_problem(&reading, 6, 1, "t.cfg:2: kafka.properties: group.id is refused", "");
        expect_problem(&reading, 6, 2, "t.cfg:3: kafka.properties: odd.two: is odd", "");
        expect_problem(&reading, 6, 3, "t.cfg:4: kafka.secrets: odd.three: is odd, and secret", "");
        expect_problem(&reading, 6, 4, "t.cfg:5: store.connections: 0 is out of range", "");
        expect_problem(&reading, 6, 5, "t.cfg:6: store.url: is an odd one", "");
        done(&reading);
        reading = parse_with(text, &none);
        expect_problem(&reading, 2, 0, "t.cfg:2: kafka.properties: group.id is refused", "");
        done(&reading);
        reading = parse_with(MINIMAL, &checks);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
        /* what the text alone refuses is not handed to a library */
        reading = parse_with(KAFKA WORKERS "store = { url = \"odd\"; };", &checks);
        expect_problem(&reading, 1, 0, "t.cfg:3: store.url: is neither", "");
        done(&reading);
}
END_TEST

static const struct {
        const char *name;
        bool good;
} lengths[] = {
        { "n23456789012345678901234567890123456789012345678901234567890123", true },
        { "n234567890123456789012345678901234567890123456789012345678901234", false },
        { "a-b", false },
        { "_a", false },
        { "a_0", true },
};

START_TEST(a_worker_name_has_small_letters_digits_and_up_to_63_characters)
{
        char text[600];
        struct reading reading;

        snprintf(text, sizeof text,
                 KAFKA STORE "workers = ( { name = \"%s\"; plugin = \"p\"; group = \"g\"; topics = "
                             "[ \"t\" ]; } );",
                 lengths[_i].name);
        reading = parse(text);
        ck_assert_msg((reading.r == 0) == lengths[_i].good, "%s", lengths[_i].name);
        done(&reading);
}
END_TEST

START_TEST(a_topic_name_has_up_to_249_characters)
{
        char topic[300], text[600];

        for (size_t size = 249; size <= 250; size++) {
                struct reading reading;

                memset(topic, 'x', size);
                topic[size] = '\0';
                snprintf(text, sizeof text,
                         KAFKA STORE "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; "
                                     "topics = [ \"%s\" ]; } );",
                         topic);
                reading = parse(text);
                ck_assert_int_eq(reading.r, size == 249 ? 0 : WEIR_ECONF);
                done(&reading);
        }
}
END_TEST

START_TEST(an_empty_file_misses_what_is_required)
{
        struct reading reading = parse("");

        expect_problem(&reading, 3, 0, "t.cfg:1: kafka.brokers: is missing", "");
        expect_problem(&reading, 3, 1, "t.cfg:1: store.url: is missing", "");
        expect_problem(&reading, 3, 2, "t.cfg:1: workers: is missing", "");
        done(&reading);
}
END_TEST

START_TEST(a_file_of_500_mistakes_stays_bounded)
{
        size_t room = 400000, size;
        WEIR_FREE char *text = malloc(room);
        struct reading reading;

        size = (size_t)snprintf(text, room, "%s", MINIMAL);
        for (int i = 0; i < 1000; i++)
                size += (size_t)snprintf(text + size, room - size, "unknown%d = 1;\n", i);
        reading = parse(text);
        expect_problem(&reading, 500, 499, "t.cfg:503: unknown499: unknown key", "");
        ck_assert_ptr_nonnull(strstr(reading.error.text, "(and 999 more)"));
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_problem");
        TCase *tcase = tcase_create("keys");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, all_problems_are_listed_in_the_order_of_lines);
        tcase_add_loop_test(tcase, a_range_includes_its_edges_and_nothing_beyond, 0,
                            WEIR_COUNT_OF(edges));
        tcase_add_loop_test(tcase,
                            what_does_not_fit_is_refused_once_with_line_key_and_what_is_allowed, 0,
                            WEIR_COUNT_OF(refused));
        tcase_add_test(tcase, what_the_libraries_refuse_stands_in_the_same_list_at_its_line);
        tcase_add_loop_test(tcase, a_worker_name_has_small_letters_digits_and_up_to_63_characters,
                            0, WEIR_COUNT_OF(lengths));
        tcase_add_test(tcase, a_topic_name_has_up_to_249_characters);
        tcase_add_test(tcase, an_empty_file_misses_what_is_required);
        tcase_add_test(tcase, a_file_of_500_mistakes_stays_bounded);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

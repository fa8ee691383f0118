/* SPDX-License-Identifier: MIT */
/* conf: the keys, their ranges, and that every problem is listed, by line, without a secret in it
 */
#include "conf_fixture.h"

#define WORKER(more) KAFKA STORE "workers = ( { " WORKER_KEYS " " more " } );\n"
#define TOP(more) MINIMAL more "\n"

START_TEST(a_minimal_file_gets_the_defaults)
{
        struct reading reading = parse(MINIMAL);
        const struct weir_conf *conf = reading.conf;
        const struct weir_conf_worker *worker;

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(conf->path, "t.cfg");
        ck_assert_str_eq(conf->kafka_brokers, "b:9092");
        ck_assert_str_eq(conf->store_url, "postgresql:///weir");
        ck_assert_ptr_null(conf->store_password);
        ck_assert_uint_eq(conf->property_count, 0);
        ck_assert_uint_eq(conf->store_connections, 8);
        ck_assert_uint_eq(conf->memory_budget_bytes, 64 << 20);
        ck_assert_uint_eq(conf->memory_queue_bytes, 16 << 20);
        ck_assert_int_eq(conf->stop_deadline_ms, 5000);
        ck_assert_int_eq(conf->stop_drain_ms, 3000);
        ck_assert_uint_eq(conf->memory_limit_bytes, 0);
        ck_assert_uint_eq(conf->crash_attempts, 3);
        ck_assert(!conf->crash_core);
        ck_assert_int_eq(conf->handler_deadline_ms, 300000);
        ck_assert_int_eq(conf->restart_first_delay_ms, 200);
        ck_assert_int_eq(conf->restart_max_delay_ms, 30000);
        ck_assert_uint_eq(conf->restart_limit, 10);
        ck_assert(conf->sandbox_seccomp && conf->sandbox_landlock && !conf->sandbox_exec);
        ck_assert_uint_eq(conf->sandbox_write_count, 0);
        ck_assert_str_eq(conf->log_level, "info");
        ck_assert_str_eq(conf->log_form, "text");
        ck_assert_uint_eq(conf->plugin_path_count, 0);
        ck_assert_uint_eq(conf->worker_count, 1);
        worker = &conf->workers[0];
        ck_assert_str_eq(worker->name, "a");
        ck_assert_str_eq(worker->plugin, "p");
        ck_assert_str_eq(worker->group, "g");
        ck_assert_uint_eq(worker->topic_count, 1);
        ck_assert_str_eq(worker->topics[0], "t");
        ck_assert_int_eq(worker->start, WEIR_START_EARLIEST);
        ck_assert_uint_eq(worker->processes, 1);
        ck_assert(!worker->static_membership);
        ck_assert_uint_eq(worker->batch_max_events, 1000);
        ck_assert_uint_eq(worker->batch_max_bytes, 4 << 20);
        ck_assert_int_eq(worker->batch_linger_us, 5000);
        ck_assert_int_eq(worker->retry_first_delay_ms, 200);
        ck_assert_int_eq(worker->retry_max_delay_ms, 30000);
        ck_assert_uint_eq(worker->retry_attempts, 5);
        ck_assert_uint_eq(worker->retry_factor, 2);
        ck_assert_uint_eq(worker->retry_jitter_percent, 25);
        ck_assert_int_eq(worker->retry_order, WEIR_RETRY_BLOCK);
        ck_assert_uint_eq(worker->retry_park_max_keys, 1000);
        ck_assert_uint_eq(worker->retry_park_max_events, 10000);
        ck_assert_int_eq(worker->on_dead, WEIR_DEAD_KEEP);
        ck_assert_ptr_null(worker->dead_letter_topic);
        ck_assert_uint_eq(worker->dead_max_percent, 50);
        ck_assert_uint_eq(worker->dead_window, 1000);
        ck_assert(!worker->accept_json_batch);
        ck_assert_ptr_null(worker->options);
        ck_assert_str_eq(worker->where, "t.cfg:3");
        done(&reading);
}
END_TEST

START_TEST(every_key_is_read)
{
        struct reading reading = parse(
                "kafka = { brokers = \"SSL://h:1,[::1]:65535, c\"; properties = ( "
                "\"client.id=x=y\", \"debug=\" ); };\n"
                "store = { url = \"host=h dbname=d user='a b'\"; connections = 256; password_file "
                "= \"\"; };\n"
                "claims = { period = \"2d\"; retention = \"0s\"; };\n"
                "crash = { attempts = 4; core = true; }; handler = { deadline = \"1s\"; };\n"
                "restart = { first_delay = \"1s\"; max_delay = \"1h\"; limit = 5; };\n"
                "sandbox = { seccomp = false; landlock = false; exec = true; write = [ \"/w\", "
                "\"v\" ]; };\n"
                "memory = { queue = 1048576; limit = \"256MiB\"; }; stop = { deadline = \"1min\"; drain = \"59s\"; };\n"
                "log = { level = \"debug\"; form = \"json\"; }; plugin_path = [ \"/p\", \"q\" ];\n"
                "workers = ( { name = \"a_1\"; plugin = \"./p.so\"; group = \"g\"; topics = ( "
                "\"t.1\", \"T-2_\" );\n"
                "  start = \"2024-02-29T12:00:00.25+02:00\"; batch = { max_events = 1; max_bytes = "
                "\"1KiB\"; linger = \"50us\"; };\n"
                "  retry = { first_delay = \"1s\"; max_delay = \"1h\"; attempts = 9; factor = 3; "
                "jitter = 0; order = \"park\"; park_max_keys = 7; park_max_events = 8; }; "
                "accept_json_batch = true; options = { }; on_dead = \"publish\"; "
                "dead_letter_topic = \"t.dead\"; dead = { max_share = 100; window = 10; }; },\n"
                " { processes = 64; static_membership = true; on_dead = \"halt\"; name = \"b\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; start = "
                "\"latest\"; } );\n");
        const struct weir_conf *conf = reading.conf;

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_eq(conf->property_count, 2);
        ck_assert_str_eq(conf->properties[0].name, "client.id");
        ck_assert_str_eq(conf->properties[0].value, "x=y");
        ck_assert_str_eq(conf->properties[1].value, "");
        ck_assert(!conf->properties[0].secret);
        ck_assert_uint_eq(conf->memory_queue_bytes, 1 << 20);
        ck_assert_int_eq(conf->stop_drain_ms, 59000);
        ck_assert_uint_eq(conf->memory_limit_bytes, 256 << 20);
        ck_assert_int_eq(conf->claims_period_ms, 2 * 86400000);
        ck_assert_int_eq(conf->claims_retention_ms, 0);
        ck_assert_uint_eq(conf->crash_attempts, 4);
        ck_assert(conf->crash_core);
        ck_assert_int_eq(conf->handler_deadline_ms, 1000);
        ck_assert_int_eq(conf->restart_first_delay_ms, 1000);
        ck_assert_int_eq(conf->restart_max_delay_ms, 3600000);
        ck_assert_uint_eq(conf->restart_limit, 5);
        ck_assert(!conf->sandbox_seccomp && !conf->sandbox_landlock && conf->sandbox_exec);
        ck_assert_uint_eq(conf->sandbox_write_count, 2);
        ck_assert_str_eq(conf->sandbox_write[1], "v");
        ck_assert_uint_eq(conf->workers[1].processes, 64);
        ck_assert(conf->workers[1].static_membership && !conf->workers[0].static_membership);
        ck_assert_uint_eq(conf->plugin_path_count, 2);
        ck_assert_str_eq(conf->plugin_path[1], "q");
        ck_assert_int_eq(conf->workers[0].start, WEIR_START_TIME);
        ck_assert_int_eq(conf->workers[0].start_time_ms, 1709200800250);
        ck_assert_int_eq(conf->workers[0].batch_linger_us, 50);
        ck_assert_uint_eq(conf->workers[0].batch_max_bytes, 1024);
        ck_assert_int_eq(conf->workers[0].retry_max_delay_ms, 3600000);
        ck_assert_uint_eq(conf->workers[0].retry_attempts, 9);
        ck_assert_uint_eq(conf->workers[0].retry_factor, 3);
        ck_assert_uint_eq(conf->workers[0].retry_jitter_percent, 0);
        ck_assert_int_eq(conf->workers[0].retry_order, WEIR_RETRY_PARK);
        ck_assert_uint_eq(conf->workers[0].retry_park_max_keys, 7);
        ck_assert_uint_eq(conf->workers[0].retry_park_max_events, 8);
        ck_assert_int_eq(conf->workers[0].on_dead, WEIR_DEAD_PUBLISH);
        ck_assert_str_eq(conf->workers[0].dead_letter_topic, "t.dead");
        ck_assert_uint_eq(conf->workers[0].dead_max_percent, 100);
        ck_assert_uint_eq(conf->workers[0].dead_window, 10);
        ck_assert_int_eq(conf->workers[1].on_dead, WEIR_DEAD_HALT);
        ck_assert(conf->workers[0].accept_json_batch);
        ck_assert_ptr_nonnull(conf->workers[0].options);
        ck_assert_str_eq(conf->workers[0].topics[1], "T-2_");
        ck_assert_int_eq(conf->workers[1].start, WEIR_START_LATEST);
        done(&reading);
}
END_TEST

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
        { TOP("crash = { attempts = 1; }; restart = { limit = 2; };"), true },
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
        { TOP("claims = { period = \"1s\"; retention = \"14s\"; };"), true },
        { TOP("claims = { period = \"999ms\"; retention = \"1s\"; };"), false },
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

START_TEST(options_become_a_tree_with_places)
{
        struct reading reading = parse(WORKER(
                "options = {\n a = \"x\" \"y\"; big = 4294967297; hex = 0xFFFFFFFF;\n"
                " list = ( 1, 2.5, true, [ \"z\" ],\n  { k = -9223372036854775808; } ); };"));
        struct weir_option *root, *node;
        const char *text;
        int64_t number;

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        root = reading.conf->workers[0].options;
        ck_assert_int_eq(weir_option_text(root, "a", &text, NULL), 1);
        ck_assert_str_eq(text, "xy");
        ck_assert_int_eq(weir_option_int(root, "big", &number, NULL), 1);
        ck_assert_int_eq(number, 4294967297);
        ck_assert_int_eq(weir_option_int(root, "hex", &number, NULL), 1);
        ck_assert_int_eq(number, 4294967295);
        ck_assert_int_eq(weir_option_int(root, "list.[4].k", &number, NULL), 1);
        ck_assert_int_eq(number, INT64_MIN);
        node = weir_option_at(root, "list.[1]");
        ck_assert_int_eq(node->type, WEIR_OPTION_FLOAT);
        ck_assert(node->real > 2.4 && node->real < 2.6);
        node = weir_option_at(root, "list.[2]");
        ck_assert(node->type == WEIR_OPTION_BOOL && node->truth);
        ck_assert_int_eq(weir_option_text(root, "list.[3].[0]", &text, NULL), 1);
        ck_assert_str_eq(text, "z");
        ck_assert_str_eq(weir_option_at(root, "list.[4].k")->where, "t.cfg:6");
        ck_assert_str_eq(root->where, "t.cfg:3");
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

START_TEST(without_a_path_the_environment_names_the_file)
{
        struct reading reading;

        ck_assert_int_eq(setenv("WEIR_CONFIG", put("env.cfg", MINIMAL), 1), 0);
        reading = load_file(NULL);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->path, in_scratch("env.cfg"));
        done(&reading);
        ck_assert_int_eq(chdir(scratch), 0);
        ck_assert_int_eq(unsetenv("WEIR_CONFIG"), 0);
        reading = load_file(NULL);
        expect_problem(&reading, 1, 0, "weir.cfg: cannot be opened", "WEIR_CONFIG");
        done(&reading);
}
END_TEST

START_TEST(relative_paths_are_meant_from_the_directory_of_the_file)
{
        struct reading reading = load_file(
                put("rel.cfg", KAFKA STORE
                    "plugin_path = [ \"plugins\", \"/abs\" ];\n"
                    "workers = ( { name = \"a\"; plugin = \"./p.so\"; group = \"g\"; topics = [ "
                    "\"t\" ]; },\n"
                    " { name = \"b\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; } );"));

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->plugin_path[0], in_scratch("plugins"));
        ck_assert_str_eq(reading.conf->plugin_path[1], "/abs");
        ck_assert_str_eq(reading.conf->workers[0].plugin, in_scratch("./p.so"));
        ck_assert_str_eq(reading.conf->workers[1].plugin, "p");
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf");
        TCase *tcase = tcase_create("keys");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, a_minimal_file_gets_the_defaults);
        tcase_add_test(tcase, every_key_is_read);
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
        tcase_add_test(tcase, options_become_a_tree_with_places);
        tcase_add_test(tcase, a_file_of_500_mistakes_stays_bounded);
        tcase_add_test(tcase, without_a_path_the_environment_names_the_file);
        tcase_add_test(tcase, relative_paths_are_meant_from_the_directory_of_the_file);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

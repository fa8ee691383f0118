/* SPDX-License-Identifier: MIT */
/* diff, keep - what a running process takes over of another file, and what stays and is named */
#include "conf/diff.h"
#include "conf/key.h"
#include "conf/show.h"
#include "conf_fixture.h"

static const char running_text[] =
        "kafka = { brokers = \"b:1\"; properties = [ \"client.rack=r1\", \"debug=all\" ]; };\n"
        "store = { url = \"postgresql:///one\"; connections = 3; };\n"
        "memory = { queue = \"1MiB\"; };\nplugin_path = [ \"/one\", \"/two\" ];\n"
        "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\", \"u\" ];\n"
        "  start = \"2026-01-31T08:00:00Z\"; static_membership = true; processes = 2;\n"
        "  batch = { max_events = 7; }; } );\n";
static const char other_text[] =
        "kafka = { brokers = \"c:2\"; properties = [ \"client.rack=r2\" ]; };\n"
        "store = { url = \"postgresql:///two\"; connections = 4; };\n"
        "memory = { queue = \"2MiB\"; };\nplugin_path = [ \"/three\" ];\nlog = { level = \"debug\"; };\n"
        "workers = ( { name = \"b\"; plugin = \"p\"; group = \"gb\"; topics = [ \"b\" ]; },\n"
        "  { name = \"a\"; plugin = \"q\"; group = \"h\"; topics = [ \"v\" ]; start = \"latest\";\n"
        "  batch = { max_events = 9; }; } );\n";

struct told {
        int fixed, reloadable;
        char keys[1024];
};

static void tell(void *context, const char *key, const char *of, bool reloadable)
{
        struct told *told = context;
        size_t used = strlen(told->keys);

        told->fixed += !reloadable;
        told->reloadable += reloadable;
        if (!reloadable)
                snprintf(told->keys + used, sizeof told->keys - used, "%s%s%s%s", used ? " " : "",
                         key, of ? "@" : "", of ? of : "");
}

static struct reading parsed(const char *text)
{
        struct reading reading = parse(text);

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        return reading;
}

static struct told compare(const struct weir_conf *before, const struct weir_conf *after)
{
        struct told told = { 0 };
        struct weir_error error;

        ck_assert_int_ge(weir_conf_diff(before, after, tell, &told, &error), 0);
        return told;
}

START_TEST(what_needs_a_restart_is_named_with_its_worker)
{
        struct reading running = parsed(running_text), other = parsed(other_text);
        struct told told = compare(running.conf, other.conf);

        ck_assert_str_eq(
                told.keys,
                "kafka.brokers kafka.properties store.url store.connections memory.queue "
                "plugin_path workers.plugin@a workers.group@a workers.topics@a "
                "workers.processes@a workers.static_membership@a workers.start@a workers@b");
        ck_assert_int_eq(told.reloadable, 2); /* log.level, workers.batch.max_events */
        told = compare(other.conf, running.conf);
        ck_assert_ptr_nonnull(strstr(told.keys, "workers@b")); /* that one goes is no less */
        done(&running);
        done(&other);
}
END_TEST

START_TEST(KE1_what_cannot_be_taken_over_stays_and_the_rest_is_new)
{
        struct reading running = parsed(running_text), other = parsed(other_text);
        const struct weir_conf_worker *worker;
        struct weir_error error;

        ck_assert_int_eq(weir_conf_keep(running.conf, other.conf, &error), 0);
        done(&running);                                 /* nothing of it is used any more */
        ck_assert_uint_eq(other.conf->worker_count, 1); /* b waits for a restart */
        worker = &other.conf->workers[0];
        ck_assert_str_eq(worker->name, "a");
        ck_assert_ptr_eq(worker->conf, other.conf);
        ck_assert_str_eq(other.conf->kafka_brokers, "b:1");
        ck_assert_uint_eq(other.conf->property_count, 2);
        ck_assert_str_eq(other.conf->properties[0].name, "client.rack");
        ck_assert_str_eq(other.conf->properties[0].value, "r1");
        ck_assert_str_eq(other.conf->store_url, "postgresql:///one");
        ck_assert_uint_eq(other.conf->store_connections, 3);
        ck_assert_uint_eq(other.conf->memory_queue_bytes, 1 << 20);
        ck_assert_uint_eq(other.conf->plugin_path_count, 2);
        ck_assert_str_eq(other.conf->plugin_path[1], "/two");
        ck_assert_str_eq(worker->plugin, "p");
        ck_assert_str_eq(worker->group, "g");
        ck_assert_uint_eq(worker->topic_count, 2);
        ck_assert_str_eq(worker->topics[1], "u");
        ck_assert_int_eq(worker->start, WEIR_START_TIME);
        ck_assert_int_gt(worker->start_time_ms, 0);
        ck_assert(worker->static_membership);
        ck_assert_uint_eq(worker->processes, 2);
        ck_assert_uint_eq(worker->batch_max_events, 9);
        ck_assert_str_eq(other.conf->log_level, "debug");
        done(&other);
}
END_TEST

/* Of every key in the table, also of those that will be added. */
START_TEST(KE1_after_it_no_key_is_left_that_needs_a_restart)
{
        struct reading running = parsed(running_text), other = parsed(other_text);
        struct weir_error error;
        struct told told;

        ck_assert_int_eq(weir_conf_keep(running.conf, other.conf, &error), 0);
        told = compare(running.conf, other.conf);
        ck_assert_str_eq(told.keys, "");
        ck_assert_int_eq(told.reloadable, 2);
        done(&running);
        done(&other);
}
END_TEST

START_TEST(KE1_a_worker_that_the_file_has_no_more_stays_whole_with_its_options)
{
        struct reading running = parsed(
                KAFKA STORE
                "workers = ( { " WORKER_KEYS " batch = { max_events = 7; };\n"
                "  options = { list = ( 1, \"two\", { three = true; } ); half = 0.5; };\n"
                "}, { name = \"b\"; plugin = \"p\"; group = \"h\"; topics = [ \"u\" ]; } );\n");
        struct reading other = parsed(KAFKA STORE
                                      "workers = ( { name = \"b\"; plugin = \"p\"; group = \"h\"; "
                                      "topics = [ \"u\" ]; batch = { max_events = 9; }; } );\n");
        struct weir_option *options;
        struct weir_error error;
        struct told told;
        const char *text;
        int64_t number;

        ck_assert_msg(running.r == 0 && other.r == 0, "%s%s", running.error.text, other.error.text);
        ck_assert_ptr_nonnull(weir_option_at(running.conf->workers[0].options, "half"));
        ck_assert_int_eq(weir_conf_keep(running.conf, other.conf, &error), 0);
        told = compare(running.conf, other.conf);
        ck_assert_str_eq(told.keys, "");
        ck_assert_int_eq(told.reloadable, 1); /* of b */
        done(&running);
        ck_assert_uint_eq(other.conf->worker_count, 2);
        ck_assert_str_eq(other.conf->workers[0].name, "a");
        ck_assert_uint_eq(other.conf->workers[0].batch_max_events, 7);
        ck_assert_ptr_eq(other.conf->workers[0].conf, other.conf);
        ck_assert_ptr_nonnull(strstr(other.conf->workers[0].where, "t.cfg:"));
        ck_assert_uint_eq(other.conf->workers[1].batch_max_events, 9);
        options = other.conf->workers[0].options;
        ck_assert_int_eq(weir_option_unknown(options, &error),
                         WEIR_ECONF); /* asked by nobody yet */
        ck_assert_int_eq(weir_option_int(options, "list.[0]", &number, &error), 1);
        ck_assert_int_eq(number, 1);
        ck_assert_int_eq(weir_option_text(options, "list.[1]", &text, &error), 1);
        ck_assert_str_eq(text, "two");
        ck_assert(weir_option_at(options, "list.[2].three")->truth);
        done(&other);
}
END_TEST

/* A relay reads them when it is started, and is started for nothing else. */
START_TEST(bytes_of_a_sinks_files_are_differences_that_need_no_restart)
{
        static const char *const names[] = { "secret", "next", "token", "ca.pem" };
        char text[2048];
        struct reading before, after;
        struct told told;

        snprintf(
                text, sizeof text,
                MINIMAL
                "sinks = ( { name = \"s\"; url = \"https://r.example/\"; secret_file = \"%s/secret\";\n"
                " secret_next_file = \"%s/next\"; token_file = \"%s/token\"; ca_file = \"%s/ca.pem\"; } );",
                scratch, scratch, scratch, scratch);
        for (int i = 0; i < 3; i++)
                put_bytes(names[i], 0600, "one\n", 4);
        put("ca.pem", CERTIFICATE);
        before = parsed(text);
        ck_assert_msg(before.r == 0, "%s", before.error.text);
        after = parsed(text);
        told = compare(before.conf, after.conf);
        ck_assert_int_eq(told.reloadable + told.fixed, 0);
        done(&after);
        for (int i = 0; i < 4; i++) {
                if (i < 3)
                        put_bytes(names[i], 0600, "two\n", 4);
                else
                        put("ca.pem", CERTIFICATE CERTIFICATE);
                after = parsed(text);
                ck_assert_msg(after.r == 0, "%s", after.error.text);
                told = compare(before.conf, after.conf);
                ck_assert_int_eq(told.reloadable, i + 1);
                ck_assert_int_eq(told.fixed, 0);
                done(&after);
        }
        done(&before);
}
END_TEST

START_TEST(each_wipes_and_keeps_its_own_secret)
{
        static const char secret[] =
                "kafka = { brokers = \"b\"; secrets = ( { property = \"sasl.password\"; env = \"%s\"; } ); };\n"
                "store = { url = \"postgresql:///d\"; password_env = \"%s\"; };\n" WORKERS;
        char texts[2][512];
        struct reading first, second;
        struct weir_error error;
        const char *password, *property;
        struct told told;

        setenv("KEEP_ONE", "one", 1);
        setenv("KEEP_TWO", "two", 1);
        snprintf(texts[0], sizeof texts[0], secret, "KEEP_ONE", "KEEP_ONE");
        snprintf(texts[1], sizeof texts[1], secret, "KEEP_TWO", "KEEP_TWO");
        first = parsed(texts[0]);
        second = parsed(texts[1]);
        ck_assert_msg(first.r == 0 && second.r == 0, "%s", first.error.text);
        told = compare(first.conf, second.conf);
        ck_assert_ptr_nonnull(strstr(told.keys, "kafka.secrets"));
        ck_assert_ptr_nonnull(strstr(told.keys, "store.password"));
        password = second.conf->store_password;
        property = second.conf->properties[0].value;
        ck_assert_str_eq(password, "two");
        ck_assert_str_eq(property, "two");
        ck_assert_int_eq(weir_conf_keep(first.conf, second.conf, &error), 0);
        ck_assert_mem_eq(password, "\0\0\0", 4); /* still in its arena, and nobody's */
        ck_assert_mem_eq(property, "\0\0\0", 4);
        ck_assert_str_eq(second.conf->store_password, "one");
        ck_assert_str_eq(second.conf->properties[0].value, "one");
        done(&second);
        ck_assert_str_eq(first.conf->store_password, "one");
        ck_assert_str_eq(first.conf->properties[0].value, "one");
        done(&first);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_keep");
        TCase *tcase = tcase_create("conf_keep");
        SRunner *runner;
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, what_needs_a_restart_is_named_with_its_worker);
        tcase_add_test(tcase, KE1_what_cannot_be_taken_over_stays_and_the_rest_is_new);
        tcase_add_test(tcase, KE1_after_it_no_key_is_left_that_needs_a_restart);
        tcase_add_test(tcase, KE1_a_worker_that_the_file_has_no_more_stays_whole_with_its_options);
        tcase_add_test(tcase, bytes_of_a_sinks_files_are_differences_that_need_no_restart);
        tcase_add_test(tcase, each_wipes_and_keeps_its_own_secret);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

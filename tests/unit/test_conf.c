/* SPDX-License-Identifier: MIT */
/* conf: the keys, their defaults, and from where a file is read */
#include "conf_fixture.h"

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
        tcase_add_test(tcase, options_become_a_tree_with_places);
        tcase_add_test(tcase, without_a_path_the_environment_names_the_file);
        tcase_add_test(tcase, relative_paths_are_meant_from_the_directory_of_the_file);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
/*
 * test_host - opening a plugin: its options, its words, its tables
 *
 * The tests with a table need a database; the plugin "opener" needs none.
 */
#include "store_fixture.h"

#include "plugin/host.h"
#include "plugin_fixture.h"

#define TEXT(n, v)                                                                                 \
        {                                                                                          \
                .type = WEIR_OPTION_TEXT, .name = (n), .where = "test.cfg:7", .text = (v)          \
        }
#define INT(n, v)                                                                                  \
        {                                                                                          \
                .type = WEIR_OPTION_INT, .name = (n), .where = "test.cfg:8", .number = (v)         \
        }

/* Open @plugin with @count options; the error in @reterr. */
static int open_with(const char *plugin_name, struct weir_option *options, size_t count,
                     struct weir_pool *pool, struct weir_error *reterr)
{
        struct weir_option root = { .type = WEIR_OPTION_GROUP,
                                    .where = "test.cfg:6",
                                    .children = options,
                                    .count = count };
        struct weir_conf_worker conf = { .name = "w", .where = "test.cfg:1", .options = &root };
        struct weir_plugin *plugin = must_load(plugin_name);
        struct weir_handler *handler = NULL;
        int r = weir_handler_open(plugin, &conf, pool, &handler, reterr);

        ck_assert((r == 0) == (handler != NULL));
        weir_handler_close(handler);
        weir_plugin_unload(plugin);
        return r;
}

static void refused(const char *plugin_name, struct weir_option *options, size_t count, int code,
                    const char *words)
{
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(open_with(plugin_name, options, count, NULL, &error), code);
        ck_assert_int_eq(error.code, code);
        ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in: %s", words, error.text);
}

START_TEST(options_that_the_plugin_reads_or_declares_are_let_through)
{
        struct weir_option rule_members[] = { TEXT("type", "a") };
        struct weir_option rules[] = { { .type = WEIR_OPTION_GROUP,
                                         .where = "test.cfg:9",
                                         .children = rule_members,
                                         .count = 1 } };
        struct weir_option options[] = { TEXT("text", "x"),
                                         INT("number", 4),
                                         INT("declared", 1),
                                         { .type = WEIR_OPTION_LIST,
                                           .name = "rules",
                                           .where = "test.cfg:9",
                                           .children = rules,
                                           .count = 1 } };

        ck_assert_int_eq(open_with("opener", options, 4, NULL, NULL), 0);
}
END_TEST

START_TEST(no_options_at_all_are_fine)
{
        struct weir_conf_worker conf = { .name = "w", .where = "test.cfg:1" };
        struct weir_plugin *plugin = must_load("opener");
        struct weir_handler *handler = NULL;

        ck_assert_int_eq(weir_handler_open(plugin, &conf, NULL, &handler, NULL), 0);
        ck_assert_str_eq(weir_handler_version(handler), "1.0");
        ck_assert_ptr_nonnull(weir_handler_self(handler));
        ck_assert_uint_eq(weir_handler_table_count(handler), 0);
        ck_assert_ptr_null(weir_handler_table(handler, 0));
        weir_handler_close(handler);
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(an_option_that_nobody_asked_for_stops_the_start)
{
        struct weir_option options[] = { TEXT("text", "x"), TEXT("texte", "y") };

        refused("opener", options, 2, WEIR_ECONF, "test.cfg:7: options.texte");
}
END_TEST

START_TEST(an_option_of_another_type_stops_the_start_with_its_place)
{
        struct weir_option wrong_number[] = { TEXT("number", "4") };
        struct weir_option wrong_list[] = { INT("rules", 4) };

        refused("opener", wrong_number, 1, WEIR_ECONF, "test.cfg:7: options.number");
        refused("opener", wrong_list, 1, WEIR_ECONF, "test.cfg:8: options.rules: expected a list");
}
END_TEST

START_TEST(a_sink_is_known_by_the_name_that_the_configuration_gives_it)
{
        struct weir_conf_sink sinks[] = { { .name = "crm" }, { .name = "log" } };
        const struct weir_conf conf = { .sinks = sinks, .sink_count = 2 };
        struct weir_option option = TEXT("sink", "log");
        struct weir_option root = {
                .type = WEIR_OPTION_GROUP, .where = "test.cfg:6", .children = &option, .count = 1
        };
        struct weir_conf_worker worker = {
                .name = "w", .where = "test.cfg:1", .options = &root, .conf = &conf
        };
        struct weir_plugin *plugin = must_load("opener");
        struct weir_handler *handler = NULL;
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(weir_handler_open(plugin, &worker, NULL, &handler, NULL), 0);
        weir_handler_close(handler);
        option.text = "lo";
        ck_assert_int_eq(weir_handler_open(plugin, &worker, NULL, &handler, &error), WEIR_EHANDLER);
        ck_assert_ptr_nonnull(strstr(error.text, "test.cfg:7: no sink is named lo"));
        worker.conf = NULL;
        option.text = "log";
        ck_assert_int_eq(weir_handler_open(plugin, &worker, NULL, &handler, NULL), WEIR_EHANDLER);
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(a_plugin_that_does_not_open_is_named_with_its_words)
{
        struct weir_option options[] = { INT("fail", WEIR_EUSAGE),
                                         TEXT("fail_text", "no luck today") };

        refused("opener", options, 2, WEIR_EHANDLER,
                "plugin opener 1.0: test.cfg:8: no luck today");
}
END_TEST

START_TEST(a_plugin_that_gives_no_reason_gets_a_sentence)
{
        struct weir_option positive[] = { INT("fail", 42) };
        struct weir_option ours[] = { INT("fail", WEIR_EDB) };
        struct weir_option nobodys[] = { INT("fail", -77) };

        refused("opener", positive, 1, WEIR_EHANDLER,
                "plugin opener 1.0: open() returned 42 and gave no reason");
        refused("opener", ours, 1, WEIR_EDB, "gave no reason");
        refused("opener", nobodys, 1, WEIR_EHANDLER, "returned -77");
}
END_TEST

START_TEST(a_table_that_is_missing_says_what_to_run)
{
        struct weir_pg_conf conf = { .url = fixture.url };
        struct weir_pool *pool = NULL;
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(weir_pool_new(&conf, 1, &pool, NULL), 0);
        ck_assert_int_eq(open_with("batch", NULL, 0, pool, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(
                strstr(error.text, "plugin batch 1.0: table batch.event does not exist"));
        weir_pool_free(pool);
}
END_TEST

START_TEST(tables_are_opened_and_given_back)
{
        struct weir_pg_conf conf = { .url = fixture.url };
        struct weir_conf_worker worker = { .name = "w", .where = "test.cfg:1" };
        struct weir_plugin *plugin = must_load("probe");
        struct weir_handler *handler = NULL;
        struct weir_pool *pool = NULL;
        struct weir_migrations set;
        struct weir_pg *pg = fixture_connect();

        OK(weir_migrations_read("probe", weir_plugin_migrations(plugin), &set, reterr));
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        ck_assert_int_eq(weir_pool_new(&conf, 1, &pool, NULL), 0);
        OK(weir_handler_open(plugin, &worker, pool, &handler, reterr));
        ck_assert_uint_eq(weir_handler_table_count(handler), 1);
        ck_assert_str_eq(weir_table_name(weir_handler_table(handler, 0)), "probe.event");
        weir_handler_close(handler);
        OK(weir_schema_down(pg, &set, 1, 1, false, NULL, reterr));
        weir_pool_free(pool);
        weir_migrations_fini(&set);
        weir_pg_close(pg);
        weir_plugin_unload(plugin);
}
END_TEST

/* What weir_handler_try() says of @plugin_name with @options. */
static int try_with(const char *plugin_name, struct weir_option *options, size_t count,
                    struct weir_error *reterr)
{
        struct weir_option root = { .type = WEIR_OPTION_GROUP,
                                    .children = options,
                                    .count = count };
        struct weir_conf_worker conf = { .name = "w", .where = "test.cfg:1", .options = &root };
        struct weir_plugin *plugin = must_load(plugin_name);
        struct weir_handler *handler = NULL;
        int r = weir_handler_try(plugin, &conf, &handler, reterr);

        ck_assert((r == 0) == (handler != NULL));
        weir_handler_close(handler);
        weir_plugin_unload(plugin);
        return r;
}

START_TEST(bad_options_are_refused_without_a_database)
{
        struct weir_option bad[] = { TEXT("texte", "y") };
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(try_with("opener", NULL, 0, &error), 0);
        ck_assert_int_eq(error.code, 0);
        ck_assert_int_eq(try_with("probe", NULL, 0, &error), 1); /* it has a table */
        ck_assert_int_eq(error.code, 0);
        ck_assert_int_eq(try_with("opener", bad, 1, &error), WEIR_ECONF);
        ck_assert_ptr_nonnull(strstr(error.text, "test.cfg:7: options.texte"));
}
END_TEST

START_TEST(a_sink_that_leads_back_to_the_worker_is_named)
{
        const char *topics[] = { "in", "more" };
        struct weir_conf_sink sinks[] = { { .name = "other", .topic = "in" },
                                          { .name = "log", .topic = "in" } };
        const struct weir_conf conf = { .sinks = sinks, .sink_count = 2 };
        struct weir_option option = TEXT("sink", "log");
        struct weir_option root = { .type = WEIR_OPTION_GROUP, .children = &option, .count = 1 };
        struct weir_conf_worker worker = { .name = "w",
                                           .where = "test.cfg:1",
                                           .options = &root,
                                           .conf = &conf,
                                           .topics = topics,
                                           .topic_count = 2 };
        struct weir_plugin *plugin = must_load("opener");
        struct weir_handler *handler = NULL;
        const char *topic = NULL;

        OK(weir_handler_try(plugin, &worker, &handler, reterr));
        ck_assert_ptr_eq(weir_handler_loop(handler, 0, &topic),
                         &sinks[1]); /* it asked for that one */
        ck_assert_str_eq(topic, "in");
        ck_assert_ptr_null(weir_handler_loop(handler, 1, &topic));
        sinks[1] = (struct weir_conf_sink){ .name = "log", .url = "u", .reply_topic = "more" };
        ck_assert_ptr_eq(weir_handler_loop(handler, 0, &topic), &sinks[1]);
        ck_assert_str_eq(topic, "more");
        sinks[1].reply_topic = "out";
        ck_assert_ptr_null(weir_handler_loop(handler, 0, &topic));
        weir_handler_close(handler);
        weir_plugin_unload(plugin);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("host");
        TCase *all = tcase_create("all");

        fixture_start("host", true);
        tcase_add_test(all, options_that_the_plugin_reads_or_declares_are_let_through);
        tcase_add_test(all, bad_options_are_refused_without_a_database);
        tcase_add_test(all, a_sink_that_leads_back_to_the_worker_is_named);
        tcase_add_test(all, no_options_at_all_are_fine);
        tcase_add_test(all, an_option_that_nobody_asked_for_stops_the_start);
        tcase_add_test(all, an_option_of_another_type_stops_the_start_with_its_place);
        tcase_add_test(all, a_sink_is_known_by_the_name_that_the_configuration_gives_it);
        tcase_add_test(all, a_plugin_that_does_not_open_is_named_with_its_words);
        tcase_add_test(all, a_plugin_that_gives_no_reason_gets_a_sentence);
        tcase_add_test(all, a_table_that_is_missing_says_what_to_run);
        tcase_add_test(all, tables_are_opened_and_given_back);
        suite_add_tcase(suite, all);
        return fixture_end(suite);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_notify - which sinks an event goes to, and which rules are refused, where
 *
 * The plugin is included whole, as in test_audit. Its options are read from text by weir's own
 * reader, so that places in messages are lines of that text; what it delivers is written down.
 */
#include "../../workers/notify/notify.c"

#include "conf_fixture.h"

#define SINKS                                                                                      \
        "sinks = ( { name = \"a\"; topic = \"a\"; }, { name = \"b\"; topic = \"b\"; },\n"          \
        " { name = \"c\"; topic = \"c\"; }, { name = \"d\"; topic = \"d\"; } );\n"

/* ---- a host with options from text ---------------------------------------------------------- */

static struct {
        struct weir_conf *conf;
        struct weir_option *options;
        char log[20000];
        void *self;
        char delivered[200]; /* "a b " */
        int deliver_r;
} world;

static int option_text(const struct weir_host *host, const char *path, const char **ret,
                       struct weir_error *reterr)
{
        (void)host;
        return weir_option_text(world.options, path, ret, reterr);
}

static int option_count(const struct weir_host *host, const char *path, size_t *ret,
                        struct weir_error *reterr)
{
        const struct weir_option *option = weir_option_at(world.options, path);

        (void)host;
        if (!option)
                return 0;
        if (option->type != WEIR_OPTION_GROUP && option->type != WEIR_OPTION_LIST)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s: options.%s: expected a list or a group", option->where, path);
        *ret = option->count;
        return 1;
}

static const char *option_where(const struct weir_host *host, const char *path)
{
        const struct weir_option *option = weir_option_at(world.options, path);

        (void)host;
        return option ? option->where : world.conf->workers[0].where;
}

static bool sink_known(const struct weir_host *host, const char *name)
{
        (void)host;
        return weir_conf_sink_find(world.conf, name);
}

static const char *loop = ""; /* the sink whose topic the worker reads */

static bool sink_returns(const struct weir_host *host, const char *name)
{
        (void)host;
        return strcmp(name, loop) == 0;
}

static bool option_unknown(const struct weir_host *host, size_t index, char *text, size_t size)
{
        (void)host;
        return weir_option_unknown_at(world.options, index, text, size);
}

static void take_log(const struct weir_host *host, int level, const char *event, const char *text)
{
        size_t used = strlen(world.log);

        (void)host;
        snprintf(world.log + used, sizeof world.log - used, "%d %s %s\n", level, event, text);
}

static const struct weir_host host = { .size = sizeof host,
                                       .worker = "w",
                                       .option_text = option_text,
                                       .option_count = option_count,
                                       .option_where = option_where,
                                       .log = take_log,
                                       .sink_known = sink_known,
                                       .sink_returns = sink_returns,
                                       .option_unknown = option_unknown };

/* Open with @options, whose first line is line 6 of n.cfg. What open() returned. */
static int open_with(const char *options, struct weir_error *reterr)
{
        static const char head[] = KAFKA STORE SINKS "workers = ( { " WORKER_KEYS " options = {\n";
        size_t room = sizeof head + strlen(options) + 16;
        char *text = malloc(room);
        struct weir_conf_problems problems = { 0 };
        struct weir_error error = { 0 };

        memset(&world, 0, sizeof world);
        snprintf(text, room, "%s%s\n}; } );\n", head, options);
        ck_assert_msg(weir_conf_parse("n.cfg", text, strlen(text), NULL, &world.conf, &problems,
                                      &error) == 0,
                      "%s", error.text);
        weir_conf_problems_fini(&problems);
        free(text);
        world.options = world.conf->workers[0].options;
        return weir_worker.open(&host, &world.self, reterr);
}

static void close_it(void)
{
        if (world.self)
                weir_worker.close(world.self);
        weir_conf_free(world.conf);
}

static void must_open(const char *options)
{
        struct weir_error error = { 0 };

        ck_assert_msg(open_with(options, &error) == 0, "%s", error.text);
        ck_assert_msg(weir_option_unknown(world.options, &error) == 0, "%s", error.text);
}

static void refused_with(const char *options, const char *words)
{
        struct weir_error error = { 0 };

        ck_assert_int_eq(open_with(options, &error), WEIR_ECONF);
        ck_assert_int_eq(error.code, WEIR_ECONF);
        ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in: %s", words, error.text);
        ck_assert_ptr_null(world.self);
        close_it();
}

/* ---- events --------------------------------------------------------------------------------- */

static int take_delivery(struct weir_tx *tx, const char *sink, const struct weir_event *event,
                         struct weir_error *reterr)
{
        size_t used = strlen(world.delivered);

        (void)tx;
        ck_assert_ptr_nonnull(event);
        if (world.deliver_r)
                return weir_fail(reterr, world.deliver_r, 0, "no database");
        snprintf(world.delivered + used, sizeof world.delivered - used, "%s ", sink);
        return 0;
}

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static int handle(const struct weir_event *event, struct weir_error *reterr)
{
        static const struct weir_tx_ops ops = { .size = sizeof ops, .deliver = take_delivery };
        struct weir_tx tx = { &ops };

        world.delivered[0] = '\0';
        return weir_worker.handle(world.self, &tx, event, reterr);
}

/* An event of @type, @source, @subject (may be NULL) goes to @expected, or to none: WEIR_SKIP. */
static void goes(const char *type, const char *source, const char *subject, const char *expected)
{
        struct weir_event event = { .type = view(type),
                                    .source = view(source),
                                    .subject = view(subject) };

        ck_assert_int_eq(handle(&event, NULL), *expected ? WEIR_DONE : WEIR_SKIP);
        ck_assert_str_eq(world.delivered, expected);
}

/* With an extension; NULL: none. */
static void extended_goes(const char *name, const char *value, const char *expected)
{
        struct weir_attribute extensions[] = {
                { view("traceparent"), view("00-0"), WEIR_ATTRIBUTE_STRING },
                { view(name), view(value), WEIR_ATTRIBUTE_STRING },
        };
        struct weir_event event = { .type = view("t"),
                                    .source = view("/s"),
                                    .extensions = extensions,
                                    .extension_count = name ? 2 : 0 };

        ck_assert_int_eq(handle(&event, NULL), *expected ? WEIR_DONE : WEIR_SKIP);
        ck_assert_str_eq(world.delivered, expected);
}

/* ---- matching ------------------------------------------------------------------------------- */

START_TEST(a_type_is_matched_as_a_whole)
{
        must_open("rules = ( { type = \"user.created\"; to = [ \"a\" ]; } );");
        goes("user.created", "/s", NULL, "a ");
        goes("user.created.v2", "/s", NULL, "");
        goes("user.create", "/s", NULL, "");
        goes("User.created", "/s", NULL, "");
        goes("x", "user.created", "user.created", "");
        close_it();
}
END_TEST

START_TEST(a_star_at_the_end_makes_a_prefix)
{
        must_open("rules = ( { type = \"user.*\"; to = [ \"a\" ]; } );");
        goes("user.created", "/s", NULL, "a ");
        goes("user.", "/s", NULL, "a ");
        goes("user", "/s", NULL, "");
        goes("users.created", "/s", NULL, "");
        close_it();
        must_open("rules = ( { type = \"us*er\"; to = [ \"a\" ]; } );");
        goes("us*er", "/s", NULL, "a ");
        goes("usxer", "/s", NULL, "");
        close_it();
}
END_TEST

START_TEST(a_source_is_matched)
{
        must_open("rules = ( { source = \"/crm\"; to = [ \"a\" ]; },\n"
                  "{ source = \"https://eu.*\"; to = [ \"b\" ]; } );");
        goes("t", "/crm", NULL, "a ");
        goes("t", "/crm/x", NULL, "");
        goes("t", "https://eu.example/x", NULL, "b ");
        close_it();
}
END_TEST

START_TEST(a_subject_that_is_absent_matches_no_condition)
{
        must_open("rules = ( { subject = \"42\"; to = [ \"a\" ]; },\n"
                  "{ subject = \"order/*\"; to = [ \"b\" ]; },\n"
                  "{ subject = \"*\"; to = [ \"c\" ]; } );");
        goes("t", "/s", "42", "a c ");
        goes("t", "/s", "order/7", "b c ");
        goes("t", "/s", "", "c ");
        goes("t", "/s", NULL, "");
        close_it();
}
END_TEST

START_TEST(an_extension_is_matched_by_name_and_value)
{
        must_open(
                "rules = ( { extension = { name = \"tenant\"; value = \"acme\"; }; to = [ \"a\" ]; "
                "},\n{ extension = { name = \"tenant\"; value = \"ac*\"; }; to = [ \"b\" ]; },\n"
                "{ extension = { name = \"tenant\"; value = \"*\"; }; to = [ \"c\" ]; } );");
        extended_goes("tenant", "acme", "a b c ");
        extended_goes("tenant", "acorn", "b c ");
        extended_goes("tenant", "", "c ");
        extended_goes("tenants", "acme", "");
        extended_goes(NULL, NULL, "");
        close_it();
}
END_TEST

START_TEST(several_extensions_must_all_match)
{
        must_open("rules = ( { extension = ( { name = \"tenant\"; value = \"acme\"; },\n"
                  "{ name = \"traceparent\"; value = \"00-*\"; } ); to = [ \"a\" ]; },\n"
                  "{ extension = ( { name = \"tenant\"; value = \"acme\"; },\n"
                  "{ name = \"traceparent\"; value = \"01-*\"; } ); to = [ \"b\" ]; } );");
        extended_goes("tenant", "acme", "a ");
        extended_goes("tenant", "other", "");
        close_it();
}
END_TEST

START_TEST(all_conditions_of_a_rule_must_hold)
{
        must_open(
                "rules = ( { type = \"t\"; source = \"/s*\"; subject = \"x\"; to = [ \"a\" ]; } );");
        goes("t", "/s1", "x", "a ");
        goes("u", "/s1", "x", "");
        goes("t", "/r1", "x", "");
        goes("t", "/s1", "y", "");
        goes("t", "/s1", NULL, "");
        close_it();
}
END_TEST

START_TEST(a_rule_without_conditions_matches_everything)
{
        must_open("rules = ( { to = [ \"d\", \"a\" ]; } );");
        goes("t", "/s", NULL, "d a ");
        close_it();
}
END_TEST

START_TEST(all_rules_that_match_count_and_a_sink_gets_an_event_once)
{
        must_open("match = \"all\"; rules = ( { type = \"t\"; to = [ \"b\", \"a\" ]; },\n"
                  "{ type = \"*\"; to = [ \"a\", \"c\" ]; }, { type = \"u\"; to = [ \"d\" ]; } );");
        goes("t", "/s", NULL, "b a c ");
        goes("u", "/s", NULL, "a c d ");
        close_it();
}
END_TEST

START_TEST(the_first_rule_that_matches_counts_alone)
{
        must_open("match = \"first\"; rules = ( { type = \"t\"; to = [ \"b\" ]; },\n"
                  "{ type = \"*\"; to = [ \"a\", \"b\" ]; } );");
        goes("t", "/s", NULL, "b ");
        goes("u", "/s", NULL, "b a ");
        ck_assert_str_eq(world.log, "");
        close_it();
}
END_TEST

START_TEST(what_no_rule_matches_is_skipped_or_rejected)
{
        struct weir_event event = { .type = view("user.gone"), .source = view("/s") };
        struct weir_error error = { 0 };

        must_open("unmatched = \"skip\"; rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        ck_assert_int_eq(handle(&event, &error), WEIR_SKIP);
        close_it();
        must_open("unmatched = \"reject\"; rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        ck_assert_int_eq(handle(&event, &error), WEIR_REJECT);
        ck_assert_str_eq(error.text, "no rule matches type user.gone, source /s, subject (none)");
        goes("t", "/s", NULL, "a ");
        close_it();
}
END_TEST

START_TEST(a_delivery_that_fails_is_passed_on_at_once)
{
        struct weir_event event = { .type = view("t"), .source = view("/s") };
        struct weir_error error = { 0 };

        must_open("rules = ( { to = [ \"a\", \"b\" ]; } );");
        world.deliver_r = WEIR_EDB;
        ck_assert_int_eq(handle(&event, &error), WEIR_EDB);
        ck_assert_str_eq(error.text, "no database");
        close_it();
}
END_TEST

START_TEST(as_many_rules_as_are_allowed_are_matched_to_the_last)
{
        char text[20000] = "rules = (";
        size_t used = strlen(text);

        for (int i = 0; i < 256; i++)
                used += (size_t)snprintf(text + used, sizeof text - used,
                                         "%s{ type = \"t%d\"; to = [ \"%c\" ]; }", i ? "," : "", i,
                                         'a' + i % 4);
        snprintf(text + used, sizeof text - used, ");");
        must_open(text);
        goes("t255", "/s", NULL, "d ");
        close_it();
        snprintf(text + used, sizeof text - used, ", { to = [ \"a\" ]; } );");
        refused_with(text, "n.cfg:6: options.rules: are too many; allowed: 256");
}
END_TEST

START_TEST(the_bits_of_many_sinks_do_not_mix)
{
        struct notify *notify = calloc(1, sizeof *notify + sizeof *notify->rules);
        static char names[SINKS_MAX][16];
        char expected[200] = "";

        memset(&world, 0, sizeof world);
        notify->rule_count = 1;
        notify->sink_count = SINKS_MAX;
        for (int i = 0; i < SINKS_MAX; i++) {
                snprintf(names[i], sizeof names[i], "s%d", i);
                notify->sinks[i] = names[i];
        }
        for (size_t i = 63; i < SINKS_MAX; i += 64) {
                notify->rules[0].sinks[i / 64] = UINT64_C(1) << (i % 64);
                snprintf(expected + strlen(expected), 8, "s%zu ", i);
        }
        world.self = notify;
        goes("t", "/s", NULL, expected);
        free(notify);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

START_TEST(a_rule_that_sends_every_event_round_for_ever_is_refused)
{
        static const char words[] = "options.rules.[0].to.[0]: is a topic that this worker reads";

        loop = "a";
        refused_with("rules = ( { to = [ \"a\" ]; } );", words);
        refused_with("rules = ( { type = \"*\"; source = \"*\"; to = [ \"a\" ]; } );", words);
        refused_with("match = \"first\"; rules = ( { to = [ \"a\" ]; } );", words);
        must_open("rules = ( { type = \"t\"; to = [ \"a\" ]; } );");
        close_it();
        must_open("rules = ( { subject = \"*\"; to = [ \"a\" ]; } );");
        close_it();
        must_open(
                "match = \"first\"; rules = ( { type = \"t\"; to = [ \"b\" ]; }, { to = [ \"a\" ]; } );");
        close_it();
        loop = "";
}
END_TEST

static const struct {
        const char *options, *words;
} refused[] = {
        { "", "n.cfg:5: options.rules: there is none" },
        { "\nrules = ( );", "n.cfg:7: options.rules: there is none" },
        { "rules = 5;", "n.cfg:6: options.rules: expected a list" },
        { "rules = { to = [ \"a\" ]; };",
          "n.cfg:6: options.rules: is a group { }, must be a list" },
        { "rules = ( 5 );", "n.cfg:6: options.rules.[0]: expected a list or a group" },
        { "rules = (\n{ type = \"t\"; } );", "n.cfg:7: options.rules.[0].to: names no sink" },
        { "rules = (\n{ type = \"t\";\nto = [ ]; } );",
          "n.cfg:8: options.rules.[0].to: names no sink" },
        { "rules = (\n{ type = \"t\";\nto = \"a\"; } );",
          "n.cfg:8: options.rules.[0].to: expected a list" },
        { "rules = (\n{ to = { x = \"a\"; }; } );",
          "n.cfg:7: options.rules.[0].to: names no sink" },
        { "rules = (\n{ to = [ 5 ]; } );",
          "n.cfg:7: options.rules.[0].to.[0]: is a whole number, must be a string" },
        { "rules = (\n{ to = [ \"a\" ]; },\n{ to = [ \"a\", \"e\" ]; } );",
          "n.cfg:8: options.rules.[1].to.[1]: there is no sink e" },
        { "rules = (\n{ to = [ \"a\", \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].to.[1]: is listed twice" },
        { "rules = (\n{ type = 5; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].type: is a whole number, must be a string" },
        { "rules = (\n{ type = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].type: is empty" },
        { "rules = (\n{ source = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].source: is empty" },
        { "rules = (\n{ subject = \"\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].subject: is empty" },
        { "rules = (\n{ extension = \"x\"; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: expected a list or a group" },
        { "rules = (\n{ extension = ( ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: is empty" },
        { "rules = (\n{ extension = { name = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension: needs both name and value" },
        { "rules = (\n{ extension = ( { value = \"x\"; } ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.[0]: needs both name and value" },
        { "rules = (\n{ extension = ( \"x\" ); to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.[0]: expected a list or a group" },
        { "rules = (\n{ extension = { name = \"x\"; value = \"\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.value: is empty" },
        { "rules = (\n{ extension = { name = \"Tenant\"; value = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.name: names no extension" },
        { "rules = (\n{ extension = { name = \"subject\"; value = \"x\"; }; to = [ \"a\" ]; } );",
          "n.cfg:7: options.rules.[0].extension.name: names no extension" },
        { "rules = (\n{ extension = ( { name = \"x\"; value = \"1\"; },\n{ name = \"x\"; value = "
          "\"2\"; } ); to = [ \"a\" ]; } );",
          "n.cfg:8: options.rules.[0].extension.[1].name: is asked for twice" },
        { "rules = ( { to = [ \"a\" ];\nextension = ( { name = \"a1\"; value = \"1\"; },\n"
          "{ name = \"a2\"; value = \"1\"; }, { name = \"a3\"; value = \"1\"; },\n"
          "{ name = \"a4\"; value = \"1\"; }, { name = \"a5\"; value = \"1\"; },\n"
          "{ name = \"a6\"; value = \"1\"; }, { name = \"a7\"; value = \"1\"; },\n"
          "{ name = \"a8\"; value = \"1\"; },\n{ name = \"a9\"; value = \"1\"; } ); } );",
          "n.cfg:12: options.rules.[0].extension.[8]: is one too many" },
        { "match = \"any\"; rules = ( { to = [ \"a\" ]; } );",
          "n.cfg:6: options.match: is neither all nor first" },
        { "match = 1; rules = ( { to = [ \"a\" ]; } );",
          "n.cfg:6: options.match: is a whole number, must be a string" },
        { "rules = ( { to = [ \"a\" ]; } );\nunmatched = \"drop\";",
          "n.cfg:7: options.unmatched: is neither skip nor reject" },
};

START_TEST(a_bad_rule_is_refused_with_its_line)
{
        refused_with(refused[_i].options, refused[_i].words);
}
END_TEST

START_TEST(everything_that_is_wrong_is_said_at_once_and_bounded)
{
        static const char options[] = "rules = (\n{ type = \"\"; to = [ \"a\" ]; },\n"
                                      "{ to = [ \"x\" ]; } );\nmatch = \"?\";";
        char many[8000] = "rules = (";

        refused_with(options, "n.cfg:7: options.rules.[0].type: is empty");
        refused_with(options, "; n.cfg:8: options.rules.[1].to.[0]: there is no sink x");
        refused_with(options, "n.cfg:9: options.match: ");
        refused_with(
                "rules = (\n{ type = \"\"; tpye = \"x\"; to = [ \"a\" ]; } );\nmtach = \"all\";",
                "n.cfg:7: options.rules.[0].type: is empty");
        refused_with(
                "rules = (\n{ type = \"\"; tpye = \"x\"; to = [ \"a\" ]; } );\nmtach = \"all\";",
                "; n.cfg:7: options.rules.[0].tpye: the plugin knows no such option; n.cfg:8: "
                "options.mtach: the plugin knows no such option");
        for (int i = 0; i < 100; i++)
                snprintf(many + strlen(many), 40, "%s{ type = \"\"; to = [ \"a\" ]; }",
                         i ? "," : "");
        strcat(many, ");");
        refused_with(many, "more)");
        ck_assert_ptr_nonnull(
                strstr(world.log, "notify.option n.cfg:6: options.rules.[99].type: is"));
}
END_TEST

START_TEST(a_misspelt_condition_is_not_taken_for_its_absence)
{
        refused_with("rules = (\n{ tpye = \"x\"; to = [ \"a\" ]; } );",
                     "n.cfg:7: options.rules.[0].tpye: the plugin knows no such option");
        refused_with(
                "rules = (\n{ extension = { nmae = \"x\"; name = \"x\"; value = \"y\"; }; to = "
                "[ \"a\" ]; } );",
                "options.rules.[0].extension.nmae");
}
END_TEST

#define FIRST(rules) "match = \"first\"; rules = (" rules ");"

static const struct {
        const char *options;
        bool warned;
} reached[] = {
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t*\"; to = [ \"a\" ]; },\n{ type = \"tt\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t*\"; to = [ \"a\" ]; },\n{ type = \"tt*\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; }"), true },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; source = \"s\"; to = [ \"b\" ]; "
                "}"),
          true },
        { FIRST("{ extension = { name = \"x\"; value = \"1*\"; }; to = [ \"a\" ]; },\n"
                "{ extension = ( { name = \"y\"; value = \"2\"; }, { name = \"x\"; value = \"12\"; } "
                "); to = [ \"b\" ]; }"),
          true },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t*\"; to = [ \"b\" ]; }"), false },
        { FIRST("{ type = \"tt*\"; to = [ \"a\" ]; },\n{ type = \"t*\"; to = [ \"b\" ]; }"),
          false },
        { FIRST("{ type = \"t\"; to = [ \"a\" ]; },\n{ type = \"tt\"; to = [ \"b\" ]; }"), false },
        { FIRST("{ type = \"t\"; subject = \"*\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" "
                "]; }"),
          false },
        { FIRST("{ extension = { name = \"x\"; value = \"1\"; }; to = [ \"a\" ]; },\n"
                "{ extension = { name = \"y\"; value = \"1\"; }; to = [ \"b\" ]; }"),
          false },
        { FIRST("{ extension = { name = \"x\"; value = \"1\"; }; to = [ \"a\" ]; },\n"
                "{ extension = { name = \"x\"; value = \"2\"; }; to = [ \"b\" ]; }"),
          false },
        { "rules = ( { type = \"t\"; to = [ \"a\" ]; },\n{ type = \"t\"; to = [ \"b\" ]; } );",
          false },
};

START_TEST(a_rule_that_is_never_reached_is_warned_of)
{
        must_open(reached[_i].options);
        ck_assert_msg(!!*world.log == reached[_i].warned, "%s: %s", reached[_i].options, world.log);
        if (reached[_i].warned) {
                ck_assert_ptr_eq(strstr(world.log, "1 notify.rule_unreachable n.cfg:7: "),
                                 world.log);
                ck_assert_ptr_nonnull(strstr(world.log, "n.cfg:6\n"));
        }
        close_it();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("notify");
        TCase *all = tcase_create("all");
        SRunner *runner;
        int failed;

        tcase_add_test(all, a_type_is_matched_as_a_whole);
        tcase_add_test(all, a_star_at_the_end_makes_a_prefix);
        tcase_add_test(all, a_source_is_matched);
        tcase_add_test(all, a_subject_that_is_absent_matches_no_condition);
        tcase_add_test(all, an_extension_is_matched_by_name_and_value);
        tcase_add_test(all, several_extensions_must_all_match);
        tcase_add_test(all, all_conditions_of_a_rule_must_hold);
        tcase_add_test(all, a_rule_without_conditions_matches_everything);
        tcase_add_test(all, all_rules_that_match_count_and_a_sink_gets_an_event_once);
        tcase_add_test(all, the_first_rule_that_matches_counts_alone);
        tcase_add_test(all, what_no_rule_matches_is_skipped_or_rejected);
        tcase_add_test(all, a_delivery_that_fails_is_passed_on_at_once);
        tcase_add_test(all, as_many_rules_as_are_allowed_are_matched_to_the_last);
        tcase_add_test(all, the_bits_of_many_sinks_do_not_mix);
        tcase_add_test(all, a_rule_that_sends_every_event_round_for_ever_is_refused);
        tcase_add_loop_test(all, a_bad_rule_is_refused_with_its_line, 0, WEIR_COUNT_OF(refused));
        tcase_add_test(all, everything_that_is_wrong_is_said_at_once_and_bounded);
        tcase_add_test(all, a_misspelt_condition_is_not_taken_for_its_absence);
        tcase_add_loop_test(all, a_rule_that_is_never_reached_is_warned_of, 0,
                            WEIR_COUNT_OF(reached));
        suite_add_tcase(suite, all);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

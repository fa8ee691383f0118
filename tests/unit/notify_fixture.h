/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_NOTIFY_FIXTURE_H
#define WEIR_TEST_NOTIFY_FIXTURE_H
/*
 * notify_fixture - the plugin notify, included whole, on a host of the test's own
 *
 * Its options are read from text by weir's own reader, so that places in messages are lines of that text; what it
 * delivers is written down.
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

static inline int option_text(const struct weir_host *host, const char *path, const char **ret,
                              struct weir_error *reterr)
{
        (void)host;
        return weir_option_text(world.options, path, ret, reterr);
}

static inline int option_count(const struct weir_host *host, const char *path, size_t *ret,
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

static inline const char *option_where(const struct weir_host *host, const char *path)
{
        const struct weir_option *option = weir_option_at(world.options, path);

        (void)host;
        return option ? option->where : world.conf->workers[0].where;
}

static inline bool sink_known(const struct weir_host *host, const char *name)
{
        (void)host;
        return weir_conf_sink_find(world.conf, name);
}

static const char *loop = ""; /* the sink whose topic the worker reads */

static inline bool sink_returns(const struct weir_host *host, const char *name)
{
        (void)host;
        return strcmp(name, loop) == 0;
}

static inline bool option_unknown(const struct weir_host *host, size_t index, char *text,
                                  size_t size)
{
        (void)host;
        return weir_option_unknown_at(world.options, index, text, size);
}

static inline void take_log(const struct weir_host *host, int level, const char *event,
                            const char *text)
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
static inline int open_with(const char *options, struct weir_error *reterr)
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

static inline void close_it(void)
{
        if (world.self)
                weir_worker.close(world.self);
        weir_conf_free(world.conf);
}

static inline void must_open(const char *options)
{
        struct weir_error error = { 0 };

        ck_assert_msg(open_with(options, &error) == 0, "%s", error.text);
        ck_assert_msg(weir_option_unknown(world.options, &error) == 0, "%s", error.text);
}

static inline void refused_with(const char *options, const char *words)
{
        struct weir_error error = { 0 };

        ck_assert_int_eq(open_with(options, &error), WEIR_ECONF);
        ck_assert_int_eq(error.code, WEIR_ECONF);
        ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in: %s", words, error.text);
        ck_assert_ptr_null(world.self);
        close_it();
}

#endif

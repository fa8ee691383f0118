/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_PLUGIN_FIXTURE_H
#define WEIR_TEST_PLUGIN_FIXTURE_H
/*
 * plugin_fixture - where the test plugins are, and copies of them that may be spoiled
 *
 * They are built from tests/plugins/ into WEIR_TEST_PLUGINS; without it, "plugins" beside the test
 * program.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/loader.h"

static inline const char *plugin_directory(void)
{
        static char beside[PATH_MAX + 16];
        const char *path = getenv("WEIR_TEST_PLUGINS");
        ssize_t size;

        if (path && *path)
                return path;
        size = readlink("/proc/self/exe", beside, PATH_MAX - 1);
        ck_assert(size > 0);
        beside[size] = '\0';
        snprintf(strrchr(beside, '/'), 16, "/plugins");
        return beside;
}

static inline int load(const char *name, struct weir_plugin **ret, struct weir_error *reterr)
{
        const char *directory = plugin_directory();

        return weir_plugin_load(name, &directory, 1, ret, reterr);
}

static inline struct weir_plugin *must_load(const char *name)
{
        struct weir_plugin *plugin = NULL;
        struct weir_error error = { .code = 0 };

        ck_assert_msg(load(name, &plugin, &error) == 0, "%s", error.text);
        return plugin;
}

#endif

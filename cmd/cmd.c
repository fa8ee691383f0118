/* SPDX-License-Identifier: MIT */
/* cmd - the words and the files that all subcommands share */
#include "cmd.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

int cmd_say(int code, const char *name, const char *format, ...)
{
        va_list ap;

        fprintf(stderr, "weir %s: ", name);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return code;
}

int cmd_fail(const char *name, const struct weir_error *error)
{
        int code = error->code == WEIR_ECONF    ? CMD_CONFIG
                   : error->code == WEIR_EUSAGE ? CMD_USAGE
                                                : CMD_FAILED;

        return cmd_say(code, name, "%s", error->text);
}

int cmd_usage(const char *name)
{
        fprintf(stderr, "try 'weir %s --help'\n", name);
        return CMD_USAGE;
}

int cmd_load(const char *name, const char *path, struct weir_conf **ret)
{
        struct weir_conf_problems problems = { 0 };
        struct weir_error error;
        int r = weir_conf_load(path, ret, &problems, &error);

        if (r < 0) {
                for (size_t i = 0; i < problems.count; i++)
                        fprintf(stderr, "%s\n", problems.list[i].text);
                if (problems.count == 0)
                        cmd_say(CMD_CONFIG, name, "%s", error.text);
                else
                        cmd_say(CMD_CONFIG, name,
                                "%zu problem%s in the configuration; 'weir config explain KEY' tells what a key takes",
                                problems.count, problems.count == 1 ? "" : "s");
        }
        weir_conf_problems_fini(&problems);
        return r < 0 ? CMD_CONFIG : CMD_DONE;
}

void cmd_log_setup(const struct weir_conf *conf)
{
        static const char *const levels[] = { "error", "warn", "info", "debug" };
        int level = WEIR_LOG_INFO;

        for (int i = 0; i < (int)WEIR_COUNT_OF(levels); i++)
                if (!strcmp(conf->log_level, levels[i]))
                        level = i;
        weir_log_setup(level, strcmp(conf->log_form, "json") ? WEIR_LOG_TEXT : WEIR_LOG_JSON);
}

const char *cmd_migrations_path(void)
{
        static const char *const places[] = { "/../share/weir/migrations", "/../migrations",
                                              "/migrations" };
        static char path[PATH_MAX];
        char program[PATH_MAX - 64];
        const char *chosen = getenv("WEIR_MIGRATIONS");
        ssize_t size;

        if (chosen && *chosen)
                return chosen;
        size = readlink("/proc/self/exe", program, sizeof program - 1);
        if (size <= 0)
                return NULL;
        program[size] = '\0';
        *strrchr(program, '/') = '\0';
        for (size_t i = 0; i < WEIR_COUNT_OF(places); i++) {
                snprintf(path, sizeof path, "%s%s", program, places[i]);
                if (access(path, R_OK | X_OK) == 0)
                        return path;
        }
        return NULL;
}

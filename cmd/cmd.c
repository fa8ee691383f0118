/* SPDX-License-Identifier: MIT */
/*
 * cmd - the words and the files that all subcommands share
 *
 * Standard output is looked at in one place, after the subcommand (weir.c): whoever writes with stdio need
 * not ask after each line, and no subcommand can report success for text that went nowhere. A failure is
 * said once and then dropped, so that the second look at it is quiet.
 * Not chosen    getopt's own messages: they name no near option, and call the program "run".
 */
#include "cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "conf/value.h"
#include "runtime.h"

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

int cmd_check_words(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                char shown[128];

                if (weir_utf8_is(argv[i]) || !strncmp(argv[i], "--config=", 9) ||
                    !strncmp(argv[i], "-c", 2) || !strcmp(argv[i - 1], "-c") ||
                    !strcmp(argv[i - 1], "--config"))
                        continue;
                return cmd_say(CMD_USAGE, argv[0],
                               "word %d of the command line, '%s', is not UTF-8; is your terminal "
                               "set to another encoding?",
                               i, weir_bytes_show(argv[i], strlen(argv[i]), shown, sizeof shown));
        }
        return CMD_DONE;
}

bool cmd_read_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
        long long number;
        char *end;

        if (*text < '0' || *text > '9') /* strtoll() would take blanks and signs */
                return false;
        errno = 0;
        number = strtoll(text, &end, 10);
        if (*end || errno || number < min || number > max)
                return false;
        *ret = number;
        return true;
}

const char *cmd_nearest(const char *wrong, const char *const *words, size_t count, size_t stride)
{
        size_t length = strlen(wrong), best = length < 3 ? 1 : length < 6 ? 2 : 3;
        const char *found = NULL;

        for (size_t i = 0; i < count; i++) {
                const char *word = *(const char *const *)((const char *)words + i * stride);
                size_t distance = weir_text_distance(wrong, word);

                if (distance < best || (distance == best && !found && distance < strlen(word))) {
                        best = distance;
                        found = word;
                }
        }
        return found;
}

/* @word is "--name" or "--name=value", none of @options or the beginning of several. */
static void say_unknown(const char *name, const char *word, const struct option *options)
{
        char wanted[48];
        const char *near;
        size_t count = 0, begin = 0;

        snprintf(wanted, sizeof wanted, "%.*s", (int)strcspn(word + 2, "="), word + 2);
        for (; options[count].name; count++)
                begin += !strncmp(options[count].name, wanted, strlen(wanted));
        near = cmd_nearest(wanted, &options->name, count, sizeof *options);
        if (*wanted && begin > 1)
                cmd_say(CMD_USAGE, name, "option --%s is short for more than one", wanted);
        else if (near)
                cmd_say(CMD_USAGE, name, "no option --%s; did you mean --%s?", wanted, near);
        else
                cmd_say(CMD_USAGE, name, "no option --%s", wanted);
}

int cmd_option(int argc, char **argv, const char *shorts, const struct option *options)
{
        char with_colon[32];
        const char *word;
        int c;

        snprintf(with_colon, sizeof with_colon, ":%s", shorts);
        opterr = 0;
        c = getopt_long(argc, argv, with_colon, options, NULL);
        if (c != '?' && c != ':')
                return c;
        word = argv[optind - 1];
        if (c == ':' && !strncmp(word, "--", 2))
                cmd_say(CMD_USAGE, argv[0], "option %s needs a value", word);
        else if (c == ':')
                cmd_say(CMD_USAGE, argv[0], "option -%c needs a value", optopt);
        else if (!strncmp(word, "--", 2) && optopt)
                cmd_say(CMD_USAGE, argv[0], "option %.*s takes no value", (int)strcspn(word, "="),
                        word);
        else if (!strncmp(word, "--", 2))
                say_unknown(argv[0], word, options);
        else
                cmd_say(CMD_USAGE, argv[0], "no option -%c", optopt);
        return '?';
}

int cmd_take_options(int argc, char **argv, const struct cmd_verbs *verbs, void *order,
                     uint64_t *ret_seen)
{
        int option, r;

        *ret_seen = 0;
        while ((option = cmd_option(argc, argv, verbs->shorts, verbs->options)) != -1) {
                if (option == 'h') {
                        fputs(verbs->help, stdout);
                        return -1;
                }
                r = option == '?' ? cmd_usage(verbs->name) : verbs->take(option, order);
                if (r != CMD_DONE)
                        return r;
                for (size_t i = 0; verbs->options[i].name; i++)
                        if (verbs->options[i].val == option)
                                *ret_seen |= UINT64_C(1) << i;
        }
        return CMD_DONE;
}

int cmd_check_options(const struct cmd_verbs *verbs, uint64_t seen, int verb, const char *word)
{
        for (size_t i = 0; verbs->options[i].name; i++)
                if (seen >> i & 1 && !(verbs->verbs_of(verbs->options[i].val) & verb))
                        return cmd_say(CMD_USAGE, verbs->name, "--%s is not for %s",
                                       verbs->options[i].name, word);
        return CMD_DONE;
}

void cmd_print_json(const char *text)
{
        if (!text) {
                fputs("null", stdout);
                return;
        }
        putchar('"');
        for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                if (*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
                        printf("\\u%04x", *p);
                else
                        putchar(*p);
        putchar('"');
}

void cmd_drop_output(void)
{
        __fpurge(stdout);
        clearerr(stdout);
}

int cmd_no_verb(const char *name, const char *wrong, const char *const *verbs, size_t count,
                const char *all)
{
        const char *near = wrong ? cmd_nearest(wrong, verbs, count, sizeof verbs[0]) : NULL;

        if (near && strcmp(near, wrong) != 0)
                cmd_say(CMD_USAGE, name, "no '%s'; did you mean %s?", wrong, near);
        else /* what follows the verb is wrong, or there is none */
                cmd_say(CMD_USAGE, name, "say %s", all);
        return cmd_usage(name);
}

int cmd_flush(const char *name)
{
        errno = 0;
        if (fflush(stdout) == 0 && !ferror(stdout))
                return CMD_DONE;
        cmd_say(CMD_FAILED, name, "standard output: %s",
                errno ? strerror(errno) : "not all of it was written");
        cmd_drop_output();
        return CMD_FAILED;
}

int cmd_load(const char *name, const char *path, struct weir_conf **ret)
{
        struct weir_conf_problems problems = { 0 };
        struct weir_error error;
        int r = weir_runtime_load(path, ret, &problems, &error);

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

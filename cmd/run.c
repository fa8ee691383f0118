/* SPDX-License-Identifier: MIT */
/*
 * run - the workers in the foreground, each in a process of its own
 *
 * A worker's process is this program once more, with the words that the supervisor gives it (become() below): started
 * anew it has no memory of others, and its addresses are shuffled again. It reads no file: what is in force comes with it,
 * by descriptor (guard/kept.h), its plugin too (plugin/image.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "cmd.h"
#include "conf/diff.h"
#include "guard/limits.h"
#include "guard/process.h"
#include "plugin/loader.h"
#include "run_worker.h"
#include "runtime.h"

#define PAD_FROM 64

static const char help[] =
        "usage: weir run [-c FILE] [--worker NAME] [--alone]\n\n"
        "Runs the workers of the configuration in the foreground until SIGTERM or SIGINT: each in a process of\n"
        "its own, started again when it dies; the event that it died of is tried alone, and kept as a dead\n"
        "letter when that happens crash.attempts times.\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -w, --worker NAME   run only this worker\n"
        "  -1, --alone         all in this process, without a supervisor: for debuggers\n"
        "  -h, --help          this text\n\n"
        "SIGTERM, SIGINT: lanes finish or roll back what they hold, offsets are committed, the group is\n"
        "left, within stop.deadline. A second signal hurries (one second), a third ends at once; nothing is lost.\n"
        "SIGHUP: the file is read again; what can be taken over by a running worker is, at its next batch, a plugin that\n"
        "was replaced too; the rest is named. A file with mistakes, or one that a worker's plugin refuses, changes\n"
        "nothing anywhere. The file, and what it names as plugins, is read at no other time: a process that is started again\n"
        "has what was in force.\n"
        "Exit status: 0 stopped, also where a handler that hung had to be left (the log says clean=no);\n"
        "1 a worker died restart.limit times in a row and was given up (the others went on), or a third signal\n"
        "ended it; 78 the file, or what a plugin wants of it, is wrong at the start.\n"
        "The log goes to standard error, one line per fact (log.level, log.form).\n\n"
        "example:\n"
        "  weir migrate up -c weir.cfg && weir run -c weir.cfg\n";

struct words { /* of the command line, for the processes of the workers */
        const char *config_path;
};

static void become(void *context, const struct weir_birth *birth)
{
        const struct words *words = context;
        char who[96], board[16], parent[24], texts[48], object[16];
        const char *const argv[] = { "weir",
                                     "run",
                                     "--as",
                                     who,
                                     "--board",
                                     board,
                                     "--supervisor",
                                     parent,
                                     "--texts",
                                     texts,
                                     "--object",
                                     object,
                                     "--object-path",
                                     birth->image ? birth->image->path : "",
                                     words->config_path ? "--config" : NULL,
                                     words->config_path,
                                     NULL };

        snprintf(who, sizeof who, "%s:%u", birth->worker ? birth->worker : "", birth->index);
        snprintf(board, sizeof board, "%d", birth->board_fd);
        snprintf(parent, sizeof parent, "%ld", (long)birth->supervisor);
        snprintf(texts, sizeof texts, "%d,%d,%d", birth->texts.first, birth->texts.good,
                 birth->texts.offer);
        snprintf(object, sizeof object, "%d", birth->image ? birth->image->fd : -1);
        execv("/proc/self/exe", (char *const *)argv);
        cmd_say(CMD_FAILED, "run", "/proc/self/exe: cannot be started; is /proc mounted?");
}

/* From its first instruction on: a stop that comes while the file is read is a stop, not a death, and a crash over the
 * file leaves no secret on a disk. Who obeys, the supervisor or run_worker(), finds the signal waiting. */
static void begin(void)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        weir_limits_core(false);
}

static bool knows(const struct weir_conf *conf, const char *worker)
{
        for (size_t i = 0; i < conf->worker_count; i++)
                if (!strcmp(conf->workers[i].name, worker))
                        return true;
        return false;
}

/* Errors are printed. */
static int read_file(void *context, int pad)
{
        const struct words *words = context;
        struct weir_conf *conf;
        int r;

        if (cmd_load("run", words->config_path, &conf) != CMD_DONE)
                return -1;
        r = weir_kept_write(pad, conf->text, conf->text_size);
        if (r < 0)
                cmd_say(CMD_FAILED, "run", "%s: its text cannot be kept: %s", conf->path,
                        strerror(errno));
        weir_conf_free(conf);
        return r;
}

static struct weir_conf *parse(void *context, const char *text, size_t size,
                               struct weir_error *reterr)
{
        const struct words *words = context;
        struct weir_conf *conf = NULL;

        return weir_runtime_load_text(words->config_path, text, size, &conf, reterr) < 0 ? NULL
                                                                                         : conf;
}

static int image(void *context, const struct weir_conf *conf, const struct weir_conf_worker *worker,
                 struct weir_image **ret, struct weir_error *reterr)
{
        (void)context;
        if (weir_plugin_image(worker->plugin, conf->plugin_path, conf->plugin_path_count, ret,
                              reterr) == 0)
                return 0;
        return weir_error_prefix(reterr, "%s: worker %s: ", worker->where, worker->name);
}

static int unfit(void *context, const struct weir_error *error)
{
        (void)context;
        return cmd_fail("run", error);
}

/* The supervisor logs as its workers do. */
static void took(void *context, const struct weir_conf *conf)
{
        (void)context;
        cmd_log_setup(conf);
}

static struct weir_conf *parse_fd(struct words *words, int fd)
{
        struct weir_conf *conf;
        struct weir_error error;
        char *text;
        size_t size;

        if (weir_kept_read(fd, WEIR_CONF_TEXT_BYTES_MAX, &text, &size) < 0) {
                cmd_say(CMD_FAILED, "run", "descriptor %d: %s", fd, strerror(errno));
                return NULL;
        }
        conf = parse(words, text, size, &error);
        free(text);
        if (!conf)
                cmd_fail("run", &error);
        return conf;
}

/* What is in force (RE2). No path is read: what lies there now was not asked for, or was refused. */
static int load_texts(struct words *words, const struct weir_texts *texts, struct weir_conf **ret)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *first = parse_fd(words, texts->first);
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *good = NULL;
        struct weir_error error;

        if (first && texts->good == texts->first) {
                *ret = WEIR_TAKE(first);
                return CMD_DONE;
        }
        good = first ? parse_fd(words, texts->good) : NULL;
        if (!good)
                return CMD_CONFIG;
        if (weir_conf_keep(first, good, &error) < 0)
                return cmd_fail("run", &error);
        *ret = WEIR_TAKE(good);
        return CMD_DONE;
}

/* No plugin needs them. The pad stays, where no handler closes it by mistake. */
static int put_away(const struct weir_texts *texts)
{
        int pad = fcntl(texts->offer, F_DUPFD_CLOEXEC, PAD_FROM), error = errno;

        close(texts->first);
        if (texts->good != texts->first)
                close(texts->good);
        close(texts->offer);
        errno = error;
        return pad;
}

static int adopt(int fd, const char *path, struct run_worker *how, struct weir_error *reterr)
{
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        return weir_image_adopt(fd, path, &how->role.image, reterr);
}

/* NAME:INDEX, or :0 for the relay. */
static bool parse_who(char *text, struct run_worker *how)
{
        char *colon = strrchr(text, ':');

        if (!colon)
                return false;
        *colon = '\0';
        how->worker = *text ? text : NULL;
        how->role.process = (uint32_t)strtoul(colon + 1, NULL, 10);
        how->role.parts = *text ? WEIR_RUNTIME_WORKERS : WEIR_RUNTIME_RELAY;
        return true;
}

/* FIRST,GOOD,OFFER: descriptors. */
static bool parse_texts(const char *text, struct weir_texts *ret)
{
        int *const fds[] = { &ret->first, &ret->good, &ret->offer };

        for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
                char *end;

                *fds[i] = (int)strtol(text, &end, 10);
                if (end == text || *end != (i + 1 < WEIR_COUNT_OF(fds) ? ',' : '\0'))
                        return false;
                text = end + 1;
        }
        return true;
}

int cmd_run(int argc, char **argv)
{
        enum { AS = 256, BOARD, SUPERVISOR, TEXTS, OBJECT, OBJECT_PATH };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "worker", required_argument, NULL, 'w' },
                { "alone", no_argument, NULL, '1' },
                { "help", no_argument, NULL, 'h' },
                /* the supervisor's words; not for people */
                { "as", required_argument, NULL, AS },
                { "board", required_argument, NULL, BOARD },
                { "supervisor", required_argument, NULL, SUPERVISOR },
                { "texts", required_argument, NULL, TEXTS },
                { "object", required_argument, NULL, OBJECT },
                { "object-path", required_argument, NULL, OBJECT_PATH },
                { 0 }
        };
        struct run_worker how = { .board_fd = -1, .offer_fd = -1 };
        struct weir_texts texts = { -1, -1, -1 };
        struct words words = { NULL };
        const struct weir_supervisor_calls calls = { become, read_file, parse, image,
                                                     unfit,  took,      &words };
        const char *object_path = "";
        struct weir_error error;
        const char *trouble;
        int object_fd = -1;
        bool here = false;
        struct weir_conf *conf;
        int c, r;

        begin();
        while ((c = cmd_option(argc, argv, "c:w:1h", options)) != -1)
                switch (c) {
                case 'c': words.config_path = optarg; break;
                case 'w': how.worker = optarg; break;
                case '1': here = true; break;
                case AS:
                        here = true;
                        if (!parse_who(optarg, &how))
                                return cmd_usage("run");
                        break;
                case BOARD: how.board_fd = (int)strtol(optarg, NULL, 10); break;
                case SUPERVISOR: how.supervisor = (pid_t)strtol(optarg, NULL, 10); break;
                case OBJECT: object_fd = (int)strtol(optarg, NULL, 10); break;
                case OBJECT_PATH: object_path = optarg; break;
                case TEXTS:
                        if (!parse_texts(optarg, &texts))
                                return cmd_usage("run");
                        break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("run");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "run", "unexpected '%s'", argv[optind]);
        r = texts.first >= 0 ? load_texts(&words, &texts, &conf)
                             : cmd_load("run", words.config_path, &conf);
        if (r != CMD_DONE)
                return r;
        if (texts.first >= 0 && (how.offer_fd = put_away(&texts)) < 0) {
                weir_conf_free(conf);
                return cmd_say(CMD_FAILED, "run", "descriptor %d: %s", texts.offer,
                               strerror(errno));
        }
        cmd_log_setup(conf);
        trouble = weir_failpoint_setup();
        if (trouble) {
                weir_conf_free(conf);
                return cmd_say(CMD_USAGE, "run", "%s", trouble);
        }
        if (here && !how.supervisor)
                weir_limits_core(true); /* for debuggers */
        if (object_fd >= 0 && adopt(object_fd, object_path, &how, &error) < 0) {
                weir_conf_free(conf);
                return cmd_fail("run", &error);
        }
        if (here)
                return run_worker(conf, &how);
        if (how.worker && !knows(conf, how.worker)) {
                r = cmd_say(CMD_USAGE, "run", "%s: no worker named '%s'", conf->path, how.worker);
                weir_conf_free(conf);
                return r;
        }
        return weir_supervisor_run(conf, how.worker, &calls);
}

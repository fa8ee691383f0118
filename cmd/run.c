/* SPDX-License-Identifier: MIT */
/*
 * run - the workers in the foreground, each in a process of its own
 *
 * A worker's process is this program once more, with the words that the supervisor gives it (become() below): started
 * anew it has no memory of others, and its addresses are shuffled again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "cmd.h"
#include "guard/limits.h"
#include "guard/supervisor.h"
#include "run_worker.h"
#include "runtime.h"

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
        "was replaced too; the rest is named. A file with mistakes changes nothing.\n"
        "Exit status: 0 stopped, also where a handler that hung had to be left (the log says clean=no);\n"
        "1 a worker died restart.limit times in a row and was given up (the others went on), or a third signal\n"
        "ended it; 78 the file, or what a plugin wants of it, is wrong at the start.\n"
        "The log goes to standard error, one line per fact (log.level, log.form).\n\n"
        "example:\n"
        "  weir migrate up -c weir.cfg && weir run -c weir.cfg\n";

struct words { /* of the command line, for the processes of the workers */
        const char *config_path;
};

static void become(void *context, const char *worker, uint32_t index, int board_fd, int text_fd,
                   pid_t supervisor)
{
        const struct words *words = context;
        char who[96], board[16], parent[24], text[16];
        const char *const argv[] = { "weir",
                                     "run",
                                     "--as",
                                     who,
                                     "--board",
                                     board,
                                     "--supervisor",
                                     parent,
                                     "--last-good",
                                     text,
                                     words->config_path ? "--config" : NULL,
                                     words->config_path,
                                     NULL };

        snprintf(who, sizeof who, "%s:%u", worker ? worker : "", index);
        snprintf(board, sizeof board, "%d", board_fd);
        snprintf(parent, sizeof parent, "%ld", (long)supervisor);
        snprintf(text, sizeof text, "%d", text_fd);
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

/* Errors are printed. The supervisor logs as the file says from here on, as its workers do. */
static struct weir_conf *read_again(void *context)
{
        const struct words *words = context;
        struct weir_conf *conf = NULL;

        if (cmd_load("run", words->config_path, &conf) != CMD_DONE)
                return NULL;
        cmd_log_setup(conf);
        return conf;
}

/* The file is not to be read, and was once: work as it said then. Others on their way in read the same descriptor. */
static struct weir_conf *read_last_good(const char *path, int fd)
{
        struct weir_conf *conf = NULL;
        struct weir_error error;
        struct stat st;
        void *text;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
                return NULL;
        text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED)
                return NULL;
        if (weir_runtime_load_text(path, text, (size_t)st.st_size, &conf, &error) < 0)
                cmd_fail("run", &error);
        munmap(text, (size_t)st.st_size);
        return conf;
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

int cmd_run(int argc, char **argv)
{
        enum { AS = 256, BOARD, SUPERVISOR, LAST_GOOD };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "worker", required_argument, NULL, 'w' },
                { "alone", no_argument, NULL, '1' },
                { "help", no_argument, NULL, 'h' },
                /* the supervisor's words; not for people */
                { "as", required_argument, NULL, AS },
                { "board", required_argument, NULL, BOARD },
                { "supervisor", required_argument, NULL, SUPERVISOR },
                { "last-good", required_argument, NULL, LAST_GOOD },
                { 0 }
        };
        struct run_worker how = { .board_fd = -1 };
        struct words words = { NULL };
        const struct weir_supervisor_calls calls = { become, read_again, &words };
        bool here = false;
        struct weir_conf *conf, *last_good = NULL;
        int c, r, text_fd = -1;

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
                case LAST_GOOD: text_fd = (int)strtol(optarg, NULL, 10); break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("run");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "run", "unexpected '%s'", argv[optind]);
        r = cmd_load("run", words.config_path, &conf);
        if (r != CMD_DONE)
                conf = last_good = read_last_good(words.config_path, text_fd);
        if (!conf)
                return r;
        if (text_fd >= 0)
                close(text_fd); /* no plugin needs it */
        cmd_log_setup(conf);
        if (last_good)
                weir_log(WEIR_LOG_ERROR, "config.last_good", LOG_S("file", conf->path),
                         LOG_S("next", "mend the file, then SIGHUP"), LOG_S("action", "keep"));
        if (!weir_failpoint_setup()) {
                weir_conf_free(conf);
                return cmd_say(CMD_USAGE, "run", "WEIR_FAILPOINT is not NAME:kill|stop|abort[:N]");
        }
        if (here && !how.supervisor)
                weir_limits_core(true); /* for debuggers */
        if (here)
                return run_worker(conf, &how);
        if (how.worker && !knows(conf, how.worker)) {
                r = cmd_say(CMD_USAGE, "run", "%s: no worker named '%s'", conf->path, how.worker);
                weir_conf_free(conf);
                return r;
        }
        return weir_supervisor_run(conf, how.worker, &calls);
}

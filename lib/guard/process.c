/* SPDX-License-Identifier: MIT */
/*
 * process - what is done about one process; what takes time is done by another, forked for it
 *
 * The supervisor waits for nothing but signals: a suspicion may take as long as PostgreSQL is away, and meanwhile the
 * others are looked after. So it is written by a process that ends with it, CH1 in hand: the worker is not started
 * before that one has ended well. While PostgreSQL is away a worker could do nothing anyway.
 * Own group     each process is the leader of a process group, so that Ctrl-C reaches the supervisor alone, which
 *               passes it on once. Two signals would mean: hurry.
 * Blocked       a process begins with SIGTERM, SIGINT and SIGHUP blocked and takes them when it has a thread for them. One
 *               that came before, while it still read its file, would have ended it: a death that nobody died of.
 */
#include "guard/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/limits.h"
#include "guard/offer.h"
#include "store/pg.h"

#define NOTE_FIRST_MS 200
#define NOTE_MAX_MS 5000
#define NOTE_EVERY 20     /* tries of a suspicion, between two lines of the log */
#define NOTE_LOCK_MS 3000 /* a lock that somebody holds is named by PostgreSQL before … */
#define NOTE_STATEMENT_MS 6000
#define NOTE_SECONDS 12              /* … one try is ended, without words of its own */
#define NOTE_LONG_US (1000 * 1000ll) /* a try that takes longer is told each time */
#define WAITS_US (8 * 1000 * 1000ll) /* who is down for so long is named */

int weir_process_init(struct weir_process *process, const char *worker, uint32_t index, uint32_t of)
{
        *process = (struct weir_process){ .worker = worker ? strdup(worker) : NULL };
        if (worker && !process->worker)
                return -1;
        process->child = (struct weir_child){ .worker = process->worker,
                                              .index = index,
                                              .board_fd = -1 };
        process->child.board = weir_board_new(&process->child.board_fd);
        if (!process->child.board) {
                free(process->worker);
                return -1;
        }
        if (of > 1)
                snprintf(process->name, sizeof process->name, "%s/%u", worker, index);
        else
                snprintf(process->name, sizeof process->name, "%s", worker ? worker : "relay");
        return 0;
}

void weir_process_fini(struct weir_process *process)
{
        weir_board_close(process->child.board);
        close(process->child.board_fd);
        weir_image_put(process->image);
        weir_image_put(process->next);
        free(process->worker);
}

void weir_process_env_take(struct weir_process_env *env, const struct weir_conf *conf)
{
        if (weir_limits_core(conf->crash_core) < 0)
                weir_log(WEIR_LOG_WARN, "supervisor.core", LOG_S("error", strerror(errno)),
                         LOG_S("action", "continue"));
        env->conf = conf;
        env->policy = (struct weir_child_policy){ conf->restart_first_delay_ms,
                                                  conf->restart_max_delay_ms, conf->restart_limit };
}

/* Of the descriptors it gets its own alone. */
static void become(const struct weir_process *process, const struct weir_process_env *env,
                   pid_t supervisor)
{
        const struct weir_child *child = &process->child;
        const int fds[] = { child->board_fd, env->texts.first, env->texts.good, env->texts.offer,
                            process->image ? process->image->fd : child->board_fd };
        const struct weir_birth birth = { .worker = child->worker,
                                          .index = child->index,
                                          .board_fd = child->board_fd,
                                          .texts = env->texts,
                                          .image = process->image,
                                          .supervisor = supervisor };

        for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++)
                fcntl(fds[i], F_SETFD, 0);
        env->calls->become(env->calls->context, &birth);
}

void weir_process_start(struct weir_process *process, const struct weir_process_env *env)
{
        struct weir_child *child = &process->child;
        pid_t supervisor = getpid(), pid;

        weir_board_clear(child->board);
        if (child->worker)
                weir_offer_put(env->offer, process);
        weir_watch_begin(&process->watch, env->conf->handler_deadline_ms * 1000);
        process->stuck_thread = 0;
        process->renewed = false;
        pid = fork();
        if (pid == 0) {
                setpgid(0, 0);
                signal(SIGTTOU,
                       SIG_IGN); /* a terminal with tostop would stop it at its first line */
                sigprocmask(SIG_SETMASK, &env->blocked, NULL);
                become(process, env, supervisor);
                _exit(127);
        }
        if (pid < 0) {
                child->start_at_us = weir_clock_us() + env->policy.max_delay_ms * 1000;
                weir_log(WEIR_LOG_ERROR, "process.no_fork",
                         LOG_S("worker", (const char *)process->name),
                         LOG_S("error", strerror(errno)), LOG_S("action", "retry"));
                return;
        }
        if (child->starts > 0)
                weir_log(WEIR_LOG_INFO, "process.started",
                         LOG_S("worker", (const char *)process->name), LOG_I("pid", pid),
                         LOG_I("start", child->starts + 1));
        weir_child_started(child, pid, weir_clock_us());
}

/* ---- its death ---------------------------------------------------------------------------------- */

/* A password may have changed since we have read it, and the old one opens nothing any more: read as a process that is
 * started now would. NULL = it cannot be. */
static struct weir_conf *read_first(const struct weir_process_env *env)
{
        struct weir_conf *conf = NULL;
        struct weir_error error;
        char *text;
        size_t size;

        if (weir_kept_read(env->texts.first, WEIR_CONF_TEXT_BYTES_MAX, &text, &size) < 0)
                return NULL;
        conf = env->calls->parse(env->calls->context, text, size, &error);
        free(text);
        return conf;
}

/* In a process of its own: it may wait for PostgreSQL. */
static int write_suspicions(const struct weir_process *process, const struct weir_process_env *env)
{
        const struct weir_conf *first = read_first(env);
        const struct weir_conf *store = first ? first : env->conf;
        const struct weir_pg_conf conf = { .url = store->store_url,
                                           .password = store->store_password,
                                           .application_name = "weir suspicion" };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;
        int64_t written = 0, begun_us = weir_clock_us();
        int r = weir_pg_open(&conf, NULL, &pg, &error);

        if (r == 0)
                r = weir_suspicion_bound(pg, NOTE_LOCK_MS, NOTE_STATEMENT_MS, &error);
        if (r == 0)
                r = weir_suspicion_write(pg, process->child.worker, process->death.suspicions,
                                         process->death.count, &written, &error);
        if (r == 0)
                weir_log(WEIR_LOG_WARN, "event.blamed",
                         LOG_S("worker", (const char *)process->name),
                         LOG_S("death", weir_death_name(&process->death)),
                         LOG_I("suspects", written), LOG_S("action", "alone"));
        else if (process->notes % NOTE_EVERY == 1 || weir_clock_us() - begun_us > NOTE_LONG_US)
                weir_log(WEIR_LOG_WARN, "event.not_blamed",
                         LOG_S("worker", (const char *)process->name), LOG_S("error", error.text),
                         LOG_I("attempt", process->notes), LOG_S("action", "retry"));
        return r == 0 ? 0 : 1;
}

static void note(struct weir_process *process, const struct weir_process_env *env)
{
        pid_t pid;

        if (!process->death.count || !process->child.worker) {
                weir_child_noted(&process->child, &env->policy);
                return;
        }
        process->notes++;
        process->note_at_us = INT64_MAX; /* until it has answered */
        pid = fork();
        if (pid == 0) {
                alarm(NOTE_SECONDS);
                sigprocmask(SIG_SETMASK, &env->mask, NULL);
                signal(SIGTERM, SIG_IGN);
                signal(SIGINT, SIG_IGN);
                _exit(write_suspicions(process, env));
        }
        process->child.pid = pid > 0 ? pid : 0;
        if (pid < 0)
                process->note_at_us = weir_clock_us() + NOTE_MAX_MS * 1000;
}

void weir_process_noted(struct weir_process *process, const struct weir_process_env *env,
                        int wait_status)
{
        process->child.pid = 0;
        if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
                weir_child_noted(&process->child, &env->policy);
                if (process->child.start_at_us < weir_clock_us())
                        process->child.start_at_us = weir_clock_us();
        } else {
                process->note_at_us = weir_clock_us() +
                                      weir_backoff_ms(NOTE_FIRST_MS, NOTE_MAX_MS, process->notes) *
                                              1000;
                if (WIFSIGNALED(wait_status)) /* it could not say so itself */
                        weir_log(WEIR_LOG_WARN, "event.not_blamed",
                                 LOG_S("worker", (const char *)process->name),
                                 LOG_S("error", WTERMSIG(wait_status) == SIGALRM
                                                        ? "timed out: PostgreSQL does not answer"
                                                        : strsignal(WTERMSIG(wait_status))),
                                 LOG_I("attempt", process->notes), LOG_S("action", "retry"));
        }
}

static void tell_death(const struct weir_process *process)
{
        const struct weir_child *child = &process->child;

        weir_log(WEIR_LOG_ERROR, "process.died", LOG_S("worker", (const char *)process->name),
                 LOG_S("by", weir_death_name(&process->death)), LOG_I("status", child->status),
                 LOG_I("suspects", process->death.count), LOG_I("deaths", child->deaths),
                 LOG_S("stack", strchr(process->death.text, '\n')
                                        ? strchr(process->death.text, '\n') + 1
                                        : ""),
                 LOG_S("action", "restart"));
}

/* In the code of a plugin that is no handler, while it tried what is offered. It is over with the offer, and what is in
 * force is not to blame. */
static bool died_of_trial(const struct weir_process *process, const struct weir_process_env *env)
{
        const struct weir_board *board = process->child.board;

        return env->offer->number && board->ready && board->plugin != WEIR_BOARD_OUTSIDE &&
               board->offer.offered == env->offer->number &&
               board->offer.prepared != env->offer->number;
}

bool weir_process_left(struct weir_process *process, int wait_status)
{
        const struct weir_board *board = process->child.board;

        /* Before it was ready it was no use to anybody: a plugin that sends the signal in open() would do so for ever. */
        if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0 || !board->left ||
            !board->ready)
                return false;
        weir_log(WEIR_LOG_INFO, "process.left", LOG_S("worker", (const char *)process->name),
                 LOG_I("pid", process->child.pid), LOG_S("action", "restart"));
        weir_child_left(&process->child, weir_clock_us());
        return true;
}

bool weir_process_ended(struct weir_process *process, int wait_status)
{
        const struct weir_board *board = process->child.board;

        if (!WIFEXITED(wait_status))
                return false;
        weir_death_read(&process->death, wait_status, process->stuck_thread, board);
        return board->left || !process->death.count;
}

void weir_process_died(struct weir_process *process, const struct weir_process_env *env,
                       int wait_status)
{
        struct weir_child *child = &process->child;

        weir_death_read(&process->death, wait_status, process->stuck_thread, child->board);
        weir_child_died(child, &env->policy, wait_status,
                        process->death.exact || died_of_trial(process, env), weir_clock_us());
        tell_death(process);
        process->notes = 0;
        process->died_us = weir_clock_us();
        process->waits_told = false;
        note(process, env);
}

void weir_process_look_after(struct weir_process *process, const struct weir_process_env *env,
                             bool stopping, int64_t now_us)
{
        struct weir_child *child = &process->child;

        switch (child->state) {
        case WEIR_CHILD_DOWN:
                if (stopping)
                        child->state = WEIR_CHILD_ENDED;
                else if (now_us >= child->start_at_us)
                        weir_process_start(process, env);
                break;
        case WEIR_CHILD_RUNS:
                child->was_ready = child->was_ready || child->board->ready;
                weir_watch_stopped(&process->watch, child->pid, process->name, now_us);
                if (process->stuck_thread || !child->worker)
                        break;
                process->stuck_thread = weir_watch_look(&process->watch, child->pid, process->name,
                                                        child->board, now_us);
                if (process->stuck_thread)
                        kill(child->pid, SIGKILL);
                break;
        case WEIR_CHILD_NOTES:
                if (!process->waits_told && now_us - process->died_us > WAITS_US) {
                        process->waits_told = true;
                        weir_log(WEIR_LOG_WARN, "process.waits",
                                 LOG_S("worker", (const char *)process->name),
                                 LOG_I("ms", (now_us - process->died_us) / 1000),
                                 LOG_S("because", "what it died of cannot be written yet"),
                                 LOG_S("next", "see event.not_blamed: PostgreSQL is away, or "
                                               "somebody holds a lock"));
                }
                if (now_us >= process->note_at_us)
                        note(process, env);
                break;
        default: break;
        }
}

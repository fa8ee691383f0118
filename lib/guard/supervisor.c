/* SPDX-License-Identifier: MIT */
/*
 * supervisor - one loop, ten times a second or when a signal comes
 *
 * A plugin that crashes must take down its own worker and nothing else. So each worker is a process; this one has no
 * threads, no clients and no plugins, and does not wait for anything but signals. What takes time (writing a suspicion
 * to PostgreSQL) is done by a forked process.
 *
 * Always true   SV1 SV2, see supervisor.h. CH1: a worker is not started again before the suspicion is written;
 *               while PostgreSQL is away a worker could do nothing anyway.
 * Own group     each process is the leader of a process group, so that Ctrl-C reaches the supervisor alone, which
 *               passes it on once. Two signals would mean: hurry.
 * Blocked       a process begins with SIGTERM, SIGINT and SIGHUP blocked and takes them when it has a thread for them. One
 *               that came before, while it still read its file, would have ended it: a death that nobody died of.
 * First start   all or nothing: a worker that cannot start, because of its options or of a table, is a mistake that
 *               somebody should see now. Later it is an accident, and tried again.
 */
#include "guard/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/child.h"
#include "guard/death.h"
#include "guard/herald.h"
#include "guard/watch.h"
#include "store/pg.h"

#define TICK_MS 100
#define HURRY_MS 1000
#define LAST_MS 500 /* over their own deadline, children get so long to be gone */
#define NOTE_FIRST_MS 200
#define NOTE_MAX_MS 5000
#define NOTE_EVERY 20   /* tries of a suspicion, between two lines of the log */
#define NOTE_SECONDS 20 /* one try takes no longer */
#define READ_SECONDS 10 /* a file that takes longer to read is none */

struct member {
        struct weir_child child;
        struct weir_watch watch;
        struct weir_death death; /* what NOTES writes down */
        int32_t stuck_thread;    /* ended because of it; 0 = not */
        bool renewed;   /* told to end, to begin anew; told once, a second SIGTERM would hurry it */
        char *worker;   /* its name, as long as we live; NULL = the relay */
        uint32_t notes; /* tries */
        int64_t note_at_us;
        char name[80]; /* in the log: "audit", "audit/1", "relay" */
};

struct supervisor {
        struct weir_conf *conf;
        const struct weir_supervisor_calls *calls;
        struct weir_child_policy policy;
        struct member *members;
        size_t count;
        sigset_t signals, before, blocked; /* before: ours; blocked: what a process begins with */
        int orders;                        /* signals to stop */
        bool relay_told;
        pid_t reader;    /* that tries the file; 0 = none */
        bool read_again; /* told so while it was at it */
        int text_fd; /* the last good file, for processes that are started while it is none; -1 = none */
        bool killed; /* one that was over its time: it did not end by itself */
        struct weir_herald herald;
        int64_t end_at_us;
        int status;
};

static struct weir_child_policy policy_of(const struct weir_conf *conf)
{
        return (struct weir_child_policy){ conf->restart_first_delay_ms, conf->restart_max_delay_ms,
                                           conf->restart_limit };
}

/* A bad file changes nothing: not even for a worker that has to be started again while it lies there. */
static void keep_text(struct supervisor *all)
{
        int fd = memfd_create("weir.cfg", 0);

        if (fd >= 0 &&
            write(fd, all->conf->text, all->conf->text_size) != (ssize_t)all->conf->text_size) {
                close(fd);
                fd = -1;
        }
        if (fd < 0)
                weir_log(WEIR_LOG_WARN, "config.not_kept", LOG_S("error", strerror(errno)),
                         LOG_S("action", "continue"));
        if (all->text_fd >= 0)
                close(all->text_fd);
        all->text_fd = fd;
}

/* ---- the family ------------------------------------------------------------------------------- */

static int add(struct supervisor *all, const char *worker, uint32_t index, uint32_t of)
{
        struct member *member = &all->members[all->count];

        member->worker = worker ? strdup(worker) : NULL;
        if (worker && !member->worker)
                return -1;
        member->child = (struct weir_child){ .worker = member->worker,
                                             .index = index,
                                             .board_fd = -1 };
        member->child.board = weir_board_new(&member->child.board_fd);
        if (!member->child.board)
                return -1;
        if (of > 1)
                snprintf(member->name, sizeof member->name, "%s/%u", worker, index);
        else
                snprintf(member->name, sizeof member->name, "%s", worker ? worker : "relay");
        all->count++;
        return 0;
}

static int make_family(struct supervisor *all, const char *only)
{
        const struct weir_conf *conf = all->conf;
        size_t room = 1;

        for (size_t i = 0; i < conf->worker_count; i++)
                room += conf->workers[i].processes;
        all->members = calloc(room, sizeof *all->members);
        if (!all->members)
                return -1;
        for (size_t i = 0; i < conf->worker_count; i++)
                for (uint32_t k = 0; k < conf->workers[i].processes; k++)
                        if (!only || !strcmp(only, conf->workers[i].name))
                                if (add(all, conf->workers[i].name, k, conf->workers[i].processes) <
                                    0)
                                        return -1;
        if (all->count == 0)
                return -1;
        return add(all, NULL, 0, 1);
}

static void free_family(struct supervisor *all)
{
        for (size_t i = 0; i < all->count; i++) {
                weir_board_close(all->members[i].child.board);
                close(all->members[i].child.board_fd);
                free(all->members[i].worker);
        }
        free(all->members);
}

static void start(struct supervisor *all, struct member *member)
{
        struct weir_child *child = &member->child;
        pid_t supervisor = getpid(), pid;

        weir_board_clear(child->board);
        weir_watch_begin(&member->watch, all->conf->handler_deadline_ms * 1000);
        member->stuck_thread = 0;
        member->renewed = false;
        pid = fork();
        if (pid == 0) {
                setpgid(0, 0);
                signal(SIGTTOU,
                       SIG_IGN); /* a terminal with tostop would stop it at its first line */
                sigprocmask(SIG_SETMASK, &all->blocked, NULL);
                all->calls->become(all->calls->context, child->worker, child->index,
                                   child->board_fd, all->text_fd, supervisor);
                _exit(127);
        }
        if (pid < 0) {
                child->start_at_us = weir_clock_us() + all->policy.max_delay_ms * 1000;
                weir_log(WEIR_LOG_ERROR, "process.no_fork",
                         LOG_S("worker", (const char *)member->name),
                         LOG_S("error", strerror(errno)), LOG_S("action", "retry"));
                return;
        }
        if (child->starts > 0)
                weir_log(WEIR_LOG_INFO, "process.started",
                         LOG_S("worker", (const char *)member->name), LOG_I("pid", pid),
                         LOG_I("start", child->starts + 1));
        weir_child_started(child, pid, weir_clock_us());
}

static void signal_all(struct supervisor *all, int number, bool relay_too)
{
        for (size_t i = 0; i < all->count; i++)
                if (all->members[i].child.state == WEIR_CHILD_RUNS &&
                    (relay_too || all->members[i].child.worker))
                        kill(all->members[i].child.pid, number);
}

/* ---- suspicions ------------------------------------------------------------------------------- */

/* In a process of its own: it may wait for PostgreSQL. */
static int write_suspicions(const struct supervisor *all, const struct member *member)
{
        const struct weir_pg_conf conf = { .url = all->conf->store_url,
                                           .password = all->conf->store_password,
                                           .application_name = "weir suspicion" };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;
        int64_t written = 0;
        int r = weir_pg_open(&conf, NULL, &pg, &error);

        if (r == 0)
                r = weir_suspicion_write(pg, member->child.worker, member->death.suspicions,
                                         member->death.count, &written, &error);
        if (r == 0)
                weir_log(WEIR_LOG_WARN, "event.blamed", LOG_S("worker", (const char *)member->name),
                         LOG_S("death", weir_death_name(&member->death)),
                         LOG_I("suspects", written), LOG_S("action", "alone"));
        else if (member->notes % NOTE_EVERY == 1)
                weir_log(WEIR_LOG_WARN, "event.not_blamed",
                         LOG_S("worker", (const char *)member->name), LOG_S("error", error.text),
                         LOG_I("attempt", member->notes), LOG_S("action", "retry"));
        return r == 0 ? 0 : 1;
}

static void note(struct supervisor *all, struct member *member)
{
        pid_t pid;

        if (!member->death.count || !member->child.worker) {
                weir_child_noted(&member->child, &all->policy);
                return;
        }
        member->notes++;
        member->note_at_us = INT64_MAX; /* until it has answered */
        pid = fork();
        if (pid == 0) {
                alarm(NOTE_SECONDS);
                sigprocmask(SIG_SETMASK, &all->before, NULL);
                signal(SIGTERM, SIG_IGN);
                signal(SIGINT, SIG_IGN);
                _exit(write_suspicions(all, member));
        }
        member->child.pid = pid > 0 ? pid : 0;
        if (pid < 0)
                member->note_at_us = weir_clock_us() + NOTE_MAX_MS * 1000;
}

static void noted(struct supervisor *all, struct member *member, int wait_status)
{
        member->child.pid = 0;
        if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
                weir_child_noted(&member->child, &all->policy);
                if (member->child.start_at_us < weir_clock_us())
                        member->child.start_at_us = weir_clock_us();
        } else {
                member->note_at_us = weir_clock_us() +
                                     weir_backoff_ms(NOTE_FIRST_MS, NOTE_MAX_MS, member->notes) *
                                             1000;
        }
}

/* ---- deaths ------------------------------------------------------------------------------------- */

static void stop(struct supervisor *all, int64_t within_ms)
{
        int64_t end_at_us = weir_clock_us() + (within_ms + LAST_MS) * 1000;

        if (!all->end_at_us || end_at_us < all->end_at_us)
                all->end_at_us = end_at_us;
        signal_all(all, SIGTERM,
                   all->relay_told); /* the relay goes last: it sends what workers committed last */
}

static void tell_death(const struct member *member)
{
        const struct weir_child *child = &member->child;

        weir_log(WEIR_LOG_ERROR, "process.died", LOG_S("worker", (const char *)member->name),
                 LOG_S("by", weir_death_name(&member->death)), LOG_I("status", child->status),
                 LOG_I("suspects", member->death.count), LOG_I("deaths", child->deaths),
                 LOG_S("stack", strchr(member->death.text, '\n')
                                        ? strchr(member->death.text, '\n') + 1
                                        : ""),
                 LOG_S("action", "restart"));
}

static void tell_given_up(struct supervisor *all, const struct member *member)
{
        weir_log(WEIR_LOG_ERROR, "worker.failed", LOG_S("worker", (const char *)member->name),
                 LOG_I("deaths", member->child.deaths), LOG_I("limit", all->policy.limit),
                 LOG_S("next", "see why it dies above, mend it, then restart weir"),
                 LOG_S("action", "halt"));
        all->status = all->status ? all->status : 1;
}

static void died(struct supervisor *all, struct member *member, int wait_status)
{
        struct weir_child *child = &member->child;

        if (member->renewed && !all->orders && WIFEXITED(wait_status)) {
                child->state = WEIR_CHILD_DOWN;
                child->pid = 0;
                child->start_at_us = weir_clock_us();
                return;
        }
        if (all->orders && WIFEXITED(wait_status)) {
                weir_child_ended(child, wait_status);
                if (child->status && !all->status)
                        all->status = child->status;
                return;
        }
        if (weir_child_unfit(child, wait_status)) { /* it has said why */
                weir_child_ended(child, wait_status);
                if (!all->status)
                        all->status = child->status;
                if (!all->orders++)
                        stop(all, all->conf->stop_deadline_ms);
                return;
        }
        weir_death_read(&member->death, wait_status, member->stuck_thread, child->board);
        member->death.stuck = member->stuck_thread != 0;
        weir_child_died(child, &all->policy, wait_status, weir_clock_us());
        tell_death(member);
        member->notes = 0;
        note(all, member);
}

static void take_file(struct supervisor *all, int wait_status);

static void reap(struct supervisor *all)
{
        int wait_status;
        pid_t pid;

        while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
                if (pid == all->reader) {
                        take_file(all, wait_status);
                        continue;
                }
                for (size_t i = 0; i < all->count; i++) {
                        struct member *member = &all->members[i];

                        if (member->child.pid != pid)
                                continue;
                        if (member->child.state == WEIR_CHILD_NOTES)
                                noted(all, member, wait_status);
                        else
                                died(all, member, wait_status);
                        if (member->child.state == WEIR_CHILD_FAILED)
                                tell_given_up(all, member);
                        break;
                }
        }
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static void look_after(struct supervisor *all, struct member *member, int64_t now_us)
{
        struct weir_child *child = &member->child;

        switch (child->state) {
        case WEIR_CHILD_DOWN:
                if (all->orders)
                        child->state = WEIR_CHILD_ENDED;
                else if (now_us >= child->start_at_us)
                        start(all, member);
                break;
        case WEIR_CHILD_RUNS:
                child->was_ready = child->was_ready || child->board->ready;
                if (member->stuck_thread || !child->worker)
                        break;
                member->stuck_thread = weir_watch_look(&member->watch, child->pid, member->name,
                                                       child->board, now_us);
                if (member->stuck_thread)
                        kill(child->pid, SIGKILL);
                break;
        case WEIR_CHILD_NOTES:
                if (now_us >= member->note_at_us)
                        note(all, member);
                break;
        default: break;
        }
}

static bool any_left(const struct supervisor *all, bool relay_too)
{
        for (size_t i = 0; i < all->count; i++) {
                const struct weir_child *child = &all->members[i].child;

                if (child->state != WEIR_CHILD_ENDED && child->state != WEIR_CHILD_FAILED &&
                    (relay_too || child->worker))
                        return true;
        }
        return false;
}

/* Nobody runs any more, and nobody will. The relay alone is no reason to stay. */
static bool is_over(struct supervisor *all)
{
        if (any_left(all, false))
                return false;
        if (!all->relay_told) {
                all->relay_told = true;
                if (!all->orders++) /* every worker was given up */
                        stop(all, all->conf->stop_deadline_ms);
                else
                        signal_all(all, SIGTERM, true);
        }
        return !any_left(all, true);
}

/* ---- reload ------------------------------------------------------------------------------------- */

/* libconfig may end its process, and a file may be a FIFO: the first look is another process's. */
static void try_file(struct supervisor *all)
{
        if (all->reader || all->orders) {
                all->read_again = true;
                return;
        }
        all->read_again = false;
        weir_log(WEIR_LOG_INFO, "reload.asked", LOG_S("file", all->conf->path));
        all->reader = fork();
        if (all->reader == 0) {
                struct weir_conf *conf;

                alarm(READ_SECONDS);
                sigprocmask(SIG_SETMASK, &all->before, NULL);
                signal(SIGHUP, SIG_IGN);
                conf = all->calls->read(all->calls->context);
                _exit(conf ? 0 : 1);
        }
        if (all->reader < 0) {
                all->reader = 0;
                weir_log(WEIR_LOG_ERROR, "reload.refused", LOG_S("error", strerror(errno)),
                         LOG_S("action", "keep"));
        }
}

/* Keys of ours are taken over here, those of workers by them. A relay has nothing to lose: it is started anew. */
static void take_file(struct supervisor *all, int wait_status)
{
        struct weir_conf *conf;

        all->reader = 0;
        conf = wait_status == 0 ? all->calls->read(all->calls->context) : NULL;
        if (!conf) {
                weir_log(WEIR_LOG_ERROR, "reload.refused",
                         LOG_S("error", "the file cannot be read; see above"),
                         LOG_S("action", "keep"));
        } else if (!all->orders) {
                weir_conf_free(all->conf);
                all->conf = conf;
                all->policy = policy_of(conf);
                keep_text(all);
                for (size_t i = 0; i < all->count; i++) {
                        struct member *member = &all->members[i];

                        member->watch.deadline_us = conf->handler_deadline_ms * 1000;
                        if (member->child.misfits) /* it waits for nothing else */
                                member->child.start_at_us = weir_clock_us();
                        if (member->child.state != WEIR_CHILD_RUNS)
                                continue;
                        if (!member->renewed)
                                kill(member->child.pid, member->child.worker ? SIGHUP : SIGTERM);
                        member->renewed = !member->child.worker;
                }
        } else {
                weir_conf_free(conf);
        }
        if (all->read_again)
                try_file(all);
}

static void tell_manager(struct supervisor *all, int64_t now_us)
{
        struct weir_herald_news news = { .processes = (uint32_t)all->count,
                                         .stopping = all->orders > 0 };

        for (size_t i = 0; i < all->count; i++) {
                const struct member *member = &all->members[i];

                news.running += member->child.state == WEIR_CHILD_RUNS;
                news.ready += member->child.was_ready;
                if (member->child.state == WEIR_CHILD_FAILED) {
                        news.failed++;
                        news.failed_name = member->name;
                }
        }
        weir_herald_tell(&all->herald, &news, now_us);
}

static void obey(struct supervisor *all, int signal_number)
{
        switch (++all->orders) {
        case 1:
                weir_log(WEIR_LOG_INFO, "stop.asked", LOG_S("signal", strsignal(signal_number)),
                         LOG_I("deadline_ms", all->conf->stop_deadline_ms));
                stop(all, all->conf->stop_deadline_ms);
                break;
        case 2:
                all->relay_told = true;
                weir_log(WEIR_LOG_WARN, "stop.hurried", LOG_S("signal", strsignal(signal_number)));
                stop(all, HURRY_MS);
                break;
        default:
                weir_log(WEIR_LOG_WARN, "stop.forced", LOG_S("signal", strsignal(signal_number)));
                signal_all(all, SIGKILL, true);
                _exit(1);
        }
}

static void overtime(struct supervisor *all)
{
        if (!all->end_at_us || weir_clock_us() < all->end_at_us)
                return;
        for (size_t i = 0; i < all->count; i++) {
                struct weir_child *child = &all->members[i].child;

                if (child->state != WEIR_CHILD_RUNS && child->state != WEIR_CHILD_NOTES)
                        continue;
                if (child->pid > 0) { /* else it waits for the next try of a suspicion */
                        weir_log(WEIR_LOG_WARN, "process.overtime",
                                 LOG_S("worker", all->members[i].name), LOG_I("pid", child->pid),
                                 LOG_S("action", "kill"));
                        kill(child->pid, SIGKILL);
                }
                all->killed = true;
                child->state = WEIR_CHILD_ENDED;
        }
}

int weir_supervisor_run(struct weir_conf *conf, const char *only,
                        const struct weir_supervisor_calls *calls)
{
        struct supervisor all = {
                .conf = conf, .calls = calls, .policy = policy_of(conf), .text_fd = -1
        };
        const struct timespec tick = { .tv_nsec = TICK_MS * 1000000l };

        sigemptyset(&all.signals);
        sigaddset(&all.signals, SIGTERM);
        sigaddset(&all.signals, SIGINT);
        sigaddset(&all.signals, SIGHUP);
        sigaddset(&all.signals, SIGCHLD);
        sigprocmask(SIG_BLOCK, &all.signals, &all.before);
        all.blocked = all.before;
        sigaddset(&all.blocked, SIGTERM);
        sigaddset(&all.blocked, SIGINT);
        sigaddset(&all.blocked, SIGHUP);
        if (make_family(&all, only) < 0) {
                weir_log(WEIR_LOG_ERROR, "process.no_memory", LOG_S("error", strerror(errno)));
                free_family(&all);
                weir_conf_free(conf);
                return 1;
        }
        keep_text(&all);
        weir_herald_open(&all.herald);
        while (!is_over(&all)) {
                int64_t now_us = weir_clock_us();
                int signal_number;

                for (size_t i = 0; i < all.count; i++)
                        look_after(&all, &all.members[i], now_us);
                tell_manager(&all, now_us);
                signal_number = sigtimedwait(&all.signals, NULL, &tick);
                if (signal_number == SIGTERM || signal_number == SIGINT)
                        obey(&all, signal_number);
                else if (signal_number == SIGHUP)
                        try_file(&all);
                reap(&all);
                overtime(&all);
        }
        weir_log(all.status || all.killed ? WEIR_LOG_WARN : WEIR_LOG_INFO, "stopped",
                 LOG_S("clean", all.status || all.killed ? "no" : "yes"));
        weir_herald_close(&all.herald);
        if (all.text_fd >= 0)
                close(all.text_fd);
        free_family(&all);
        weir_conf_free(all.conf);
        return all.status;
}

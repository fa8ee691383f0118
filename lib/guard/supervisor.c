/* SPDX-License-Identifier: MIT */
/*
 * supervisor - one loop, ten times a second or when a signal comes
 *
 * A plugin that crashes must take down its own worker and nothing else. So each worker is a process; this one has no
 * threads, no clients and no plugins, and does not wait for anything but signals.
 *
 * Always true   SV1 SV2, see supervisor.h.
 * First start   all or nothing: a worker that cannot start, because of its options or of a table, is a mistake that
 *               somebody should see now. Later it is an accident, and tried again.
 * Stop          workers first, then the relay, which carries what they committed last. What is not gone at the deadline
 *               is killed: its open transaction is rolled back by PostgreSQL, its events come again.
 */
#include "guard/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/family.h"
#include "guard/herald.h"
#include "guard/reload.h"

#define TICK_MS 100
#define RELOAD_TICK_MS 20 /* somebody waits for us */
#define HURRY_MS 1000
/* What is over its time is killed before the deadline is, and everybody has had time to end by himself before that. */
#define LAST_MS 150
#define RELAY_EARLY_MS 150
#define WORKER_EARLY_MS 350
#define READ_SECONDS 10 /* a file that takes longer to read is none */

struct supervisor {
        struct weir_process_env env;
        struct weir_family family;
        struct weir_reload reload; /* what is in force */
        sigset_t signals;
        int orders; /* signals to stop */
        bool relay_told;
        bool killed; /* one that was over its time: it did not end by itself */
        struct weir_herald herald;
        int64_t end_at_us;
        int status;
};

/* ---- deaths ------------------------------------------------------------------------------------- */

/* The relay goes last: it sends what workers committed last. */
static void tell_to_end(struct supervisor *all)
{
        for (size_t i = 0; i < all->family.count; i++) {
                struct weir_child *child = &all->family.processes[i].child;

                if (child->state != WEIR_CHILD_RUNS || (!child->worker && !all->relay_told))
                        continue;
                child->board->end_at_us = all->end_at_us -
                                          (child->worker ? WORKER_EARLY_MS : RELAY_EARLY_MS) * 1000;
                kill(child->pid, SIGTERM);
        }
}

static void stop(struct supervisor *all, int64_t within_ms)
{
        int64_t end_at_us = weir_clock_us() + (within_ms - LAST_MS) * 1000;

        if (!all->end_at_us || end_at_us < all->end_at_us)
                all->end_at_us = end_at_us;
        weir_reload_stop(&all->reload);
        tell_to_end(all);
}

static void tell_given_up(struct supervisor *all, const struct weir_process *process)
{
        weir_log(WEIR_LOG_ERROR, "worker.failed", LOG_S("worker", (const char *)process->name),
                 LOG_I("deaths", process->child.deaths), LOG_I("limit", all->env.policy.limit),
                 LOG_S("next", "see why it dies above, mend it, then restart weir"),
                 LOG_S("action", "halt"));
        all->status = all->status ? all->status : 1;
}

static void died(struct supervisor *all, struct weir_process *process, int wait_status)
{
        struct weir_child *child = &process->child;

        if (!all->orders && !process->renewed && weir_process_left(process, wait_status))
                return;
        weir_offer_died(&all->reload.offer, process);
        if (process->renewed && !all->orders && weir_process_ended(process, wait_status)) {
                child->state = WEIR_CHILD_DOWN;
                child->pid = 0;
                child->start_at_us = weir_clock_us();
                return;
        }
        if (all->orders && weir_process_ended(process, wait_status)) {
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
                        stop(all, all->env.conf->stop_deadline_ms);
                return;
        }
        weir_process_died(process, &all->env, wait_status);
}

/* What a worker's process forked and left behind has come to us (PR_SET_CHILD_SUBREAPER). It holds sockets of a process
 * that is dead, perhaps in the middle of a transaction, and nobody else will end it. */
static void end_strays(const struct supervisor *all)
{
        char path[64], text[8192], *at = text, *end;
        ssize_t size;
        int fd;

        snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
        fd = open(path, O_RDONLY | O_CLOEXEC);
        size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        text[size > 0 ? size : 0] = '\0';
        /* The kernel ends each with a blank: the last, where the room ends within it, is another's number. */
        for (long pid; (pid = strtol(at, &end, 10)) > 0 && *end == ' '; at = end) {
                if (pid == all->reload.reader || weir_family_find(&all->family, (pid_t)pid))
                        continue;
                weir_log(WEIR_LOG_WARN, "process.stray", LOG_I("pid", pid),
                         LOG_S("action", "kill"));
                kill((pid_t)pid, SIGKILL);
        }
}

static void reap(struct supervisor *all)
{
        struct weir_process *process;
        int wait_status;
        bool any = false;
        pid_t pid;

        while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
                any = true;
                if (weir_reload_reaped(&all->reload, pid, wait_status))
                        continue;
                process = weir_family_find(&all->family, pid);
                if (!process)
                        continue;
                if (process->child.state == WEIR_CHILD_NOTES)
                        weir_process_noted(process, &all->env, wait_status);
                else
                        died(all, process, wait_status);
                if (process->child.state == WEIR_CHILD_FAILED)
                        tell_given_up(all, process);
        }
        if (any)
                end_strays(all);
}

/* ---- the loop ------------------------------------------------------------------------------------- */

/* Nobody runs any more, and nobody will. The relay alone is no reason to stay. */
static bool is_over(struct supervisor *all)
{
        if (weir_family_lives(&all->family, false))
                return false;
        if (!all->relay_told) {
                all->relay_told = true;
                if (all->orders) { /* no order of ours counts as a second one of theirs */
                        tell_to_end(all);
                } else { /* every worker was given up */
                        all->orders = 1;
                        stop(all, all->env.conf->stop_deadline_ms);
                }
        }
        return !weir_family_lives(&all->family, true);
}

static void tell_manager(struct supervisor *all, int64_t now_us)
{
        struct weir_herald_news news = { .processes = (uint32_t)all->family.count,
                                         .stopping = all->orders > 0,
                                         .reloads = all->reload.count,
                                         .reloading = all->reload.state != WEIR_RELOAD_NONE };

        for (size_t i = 0; i < all->family.count; i++) {
                const struct weir_process *process = &all->family.processes[i];

                news.running += process->child.state == WEIR_CHILD_RUNS;
                news.ready += process->child.was_ready;
                if (process->child.state == WEIR_CHILD_FAILED) {
                        news.failed++;
                        news.failed_name = process->name;
                }
        }
        weir_herald_tell(&all->herald, &news, now_us);
}

static void obey(struct supervisor *all, int signal_number)
{
        switch (++all->orders) {
        case 1:
                weir_log(WEIR_LOG_INFO, "stop.asked", LOG_S("signal", strsignal(signal_number)),
                         LOG_I("deadline_ms", all->env.conf->stop_deadline_ms));
                stop(all, all->env.conf->stop_deadline_ms);
                break;
        case 2:
                all->relay_told = true;
                weir_log(WEIR_LOG_WARN, "stop.hurried", LOG_S("signal", strsignal(signal_number)));
                stop(all, HURRY_MS);
                break;
        default:
                weir_log(WEIR_LOG_WARN, "stop.forced", LOG_S("signal", strsignal(signal_number)));
                weir_family_signal(&all->family, SIGKILL, true);
                _exit(1);
        }
}

static void overtime(struct supervisor *all)
{
        if (!all->end_at_us || weir_clock_us() < all->end_at_us)
                return;
        for (size_t i = 0; i < all->family.count; i++) {
                struct weir_child *child = &all->family.processes[i].child;

                if (child->state != WEIR_CHILD_RUNS && child->state != WEIR_CHILD_NOTES)
                        continue;
                if (child->pid > 0) { /* else it waits for the next try of a suspicion */
                        weir_log(WEIR_LOG_WARN, "process.overtime",
                                 LOG_S("worker", (const char *)all->family.processes[i].name),
                                 LOG_I("pid", child->pid), LOG_S("action", "kill"));
                        kill(child->pid, SIGKILL);
                }
                all->killed = true;
                child->state = WEIR_CHILD_ENDED;
        }
}

/* What cannot start says so alone: the relay does not complain of the same PostgreSQL beside it. */
static bool relay_is_due(const struct supervisor *all)
{
        for (size_t i = 0; i < all->family.count; i++) {
                const struct weir_child *child = &all->family.processes[i].child;

                if (child->was_ready || child->deaths > 0)
                        return true;
        }
        return all->orders > 0;
}

static void look_after_all(struct supervisor *all)
{
        int64_t now_us = weir_clock_us();

        weir_reload_look(&all->reload, now_us);
        for (size_t i = 0; i < all->family.count; i++) {
                struct weir_process *process = &all->family.processes[i];

                if (process->child.worker || relay_is_due(all))
                        weir_process_look_after(process, &all->env, all->orders > 0, now_us);
        }
        tell_manager(all, now_us);
}

/* What the first processes load is what those load that are started after them. */
static int take_images(struct supervisor *all)
{
        const struct weir_supervisor_calls *calls = all->env.calls;
        const struct weir_process *of;
        struct weir_error error;

        if (weir_family_try_images(&all->family, all->env.conf, calls, &of, &error) < 0) {
                all->status = calls->unfit(calls->context, &error);
                return -1;
        }
        weir_family_take_images(&all->family);
        return 0;
}

int weir_supervisor_run(struct weir_conf *conf, const char *only,
                        const struct weir_supervisor_calls *calls)
{
        struct supervisor all = {
                .env = { .calls = calls },
        };
        struct timespec tick = { 0 }; /* what came before us is obeyed before anything is started */

        sigemptyset(&all.signals);
        sigaddset(&all.signals, SIGTERM);
        sigaddset(&all.signals, SIGINT);
        sigaddset(&all.signals, SIGHUP);
        sigaddset(&all.signals, SIGCHLD);
        sigprocmask(SIG_BLOCK, &all.signals, &all.env.mask);
        for (int number = 1; number < SIGRTMIN; number++)
                if (sigismember(&all.signals, number) == 1)
                        sigdelset(&all.env.mask, number); /* the caller may block them before us */
        all.env.blocked = all.env.mask;
        sigaddset(&all.env.blocked, SIGTERM);
        sigaddset(&all.env.blocked, SIGINT);
        sigaddset(&all.env.blocked, SIGHUP);
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        if (weir_reload_init(&all.reload, conf, &all.family, &all.env) < 0 ||
            weir_family_init(&all.family, conf, only) < 0) {
                weir_log(WEIR_LOG_ERROR, "process.no_memory", LOG_S("error", strerror(errno)));
                weir_reload_fini(&all.reload);
                weir_family_fini(&all.family);
                return 1;
        }
        if (take_images(&all) < 0) {
                weir_reload_fini(&all.reload);
                weir_family_fini(&all.family);
                return all.status;
        }
        weir_herald_open(&all.herald);
        while (!is_over(&all)) {
                int signal_number;

                if (all.reload.state != WEIR_RELOAD_NONE && tick.tv_nsec)
                        tick.tv_nsec = RELOAD_TICK_MS * 1000000l;
                signal_number = sigtimedwait(&all.signals, NULL, &tick);
                if (signal_number == SIGTERM || signal_number == SIGINT)
                        obey(&all, signal_number);
                else if (signal_number == SIGHUP && !all.orders)
                        weir_reload_ask(&all.reload);
                reap(&all);
                overtime(&all);
                look_after_all(&all);
                tick.tv_nsec = TICK_MS * 1000000l;
        }
        weir_log(all.status || all.killed ? WEIR_LOG_WARN : WEIR_LOG_INFO, "stopped",
                 LOG_S("clean", all.status || all.killed ? "no" : "yes"));
        weir_herald_close(&all.herald);
        weir_reload_fini(&all.reload);
        weir_family_fini(&all.family);
        return all.status;
}

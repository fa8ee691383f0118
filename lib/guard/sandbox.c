/* SPDX-License-Identifier: MIT */
/*
 * sandbox - what must be in force is in force, or the worker does not start
 *
 * Always true   SB1  no thread of a worker process runs outside of the fence: it is put up while the main thread is alone.
 *               SB2  each part has been tried after it was put up; one that let something through ends the start.
 *               SB3  what the kernel does not have is reported as such, never as active.
 * The order     limits, then Landlock, then seccomp: Landlock needs no_new_privs and opens files; a filter could stand
 *               in the way of both, nothing stands in the way of a filter.
 * The trial     a fence cannot be taken down again, so a process that only wants to know sends a child. The report is one
 *               write of less than PIPE_BUF: whole, or not there.
 * Not chosen    applying what works and going on: somebody who configured a fence would believe in it.
 *               The supervisor inside the fence: it starts programs, and must survive whatever a worker does.
 */
#include "guard/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/landlock.h"
#include "guard/seccomp.h"

#define TRIAL_MS 10000
_Static_assert(sizeof(struct weir_sandbox_report) <= PIPE_BUF, "one write");

const char *weir_sandbox_part_name(int part)
{
        static const char *const names[] = {
                [WEIR_LIMITS_MEMORY] = "memory",      [WEIR_LIMITS_CORE] = "core",
                [WEIR_LIMITS_PARENT] = "parent",      [WEIR_LIMITS_PRIVILEGES] = "privileges",
                [WEIR_SANDBOX_LANDLOCK] = "landlock", [WEIR_SANDBOX_SECCOMP] = "seccomp",
        };

        assert(part >= 0 && part < WEIR_SANDBOX_PARTS);
        return names[part];
}

/* 0: /proc does not say. */
static unsigned thread_count(void)
{
        struct stat st;

        return stat("/proc/self/task", &st) == 0 && st.st_nlink > 2 ? (unsigned)st.st_nlink - 2 : 0;
}

static void apply_landlock(const struct weir_conf *conf, struct weir_guard_part *ret)
{
        const char *files[256]; /* sinks: at most so many */
        struct weir_landlock_conf landlock = { .write = conf->sandbox_write,
                                               .write_count = conf->sandbox_write_count,
                                               .files = files,
                                               .exec = conf->sandbox_exec };

        if (!conf->sandbox_landlock) {
                weir_guard_say(ret, WEIR_GUARD_OFF, "sandbox.landlock = false");
                return;
        }
        for (size_t i = 0; i < conf->sink_count; i++)
                if (conf->sinks[i].file && landlock.file_count < WEIR_COUNT_OF(files))
                        files[landlock.file_count++] = conf->sinks[i].file;
        weir_landlock_apply(&landlock, ret);
}

/* 0, or the first part that failed, as an error. */
static int judge(const struct weir_sandbox_report *report, struct weir_error *reterr)
{
        for (int i = 0; i < WEIR_SANDBOX_PARTS; i++)
                if (report->parts[i].state == WEIR_GUARD_FAILED)
                        return weir_fail(reterr, i == WEIR_LIMITS_PARENT ? WEIR_ESYS : WEIR_ECONF,
                                         0, "sandbox: %s: %s", weir_sandbox_part_name(i),
                                         report->parts[i].text);
        return 0;
}

int weir_sandbox_apply(const struct weir_conf *conf, pid_t supervisor,
                       struct weir_sandbox_report *ret, struct weir_error *reterr)
{
        struct weir_limits_conf limits = { .memory_bytes = conf->memory_limit_bytes,
                                           .core = conf->crash_core,
                                           .supervisor = supervisor };
        unsigned threads = thread_count();
        int r;

        *ret = (struct weir_sandbox_report){ 0 };
        for (int i = 0; i < WEIR_SANDBOX_PARTS; i++)
                weir_guard_say(&ret->parts[i], WEIR_GUARD_OFF, "not applied yet");
        if (threads > 1) { /* SB1 */
                weir_guard_say(&ret->parts[0], WEIR_GUARD_FAILED,
                               "%u threads run already and would stay outside; is a library "
                               "preloaded (LD_PRELOAD) that starts them?",
                               threads);
                return weir_fail(reterr, WEIR_ESYS, 0, "sandbox: %s", ret->parts[0].text);
        }
        weir_limits_apply(&limits, ret->parts);
        r = judge(ret, reterr);
        if (r < 0)
                return r;
        apply_landlock(conf, &ret->parts[WEIR_SANDBOX_LANDLOCK]);
        if (conf->sandbox_seccomp)
                weir_seccomp_apply(conf->sandbox_exec, &ret->parts[WEIR_SANDBOX_SECCOMP]);
        else
                weir_guard_say(&ret->parts[WEIR_SANDBOX_SECCOMP], WEIR_GUARD_OFF,
                               "sandbox.seccomp = false");
        return judge(ret, reterr);
}

/* ---- the trial ------------------------------------------------------------------------------ */

static __attribute__((noreturn)) void be_the_child(const struct weir_conf *conf, pid_t parent,
                                                   int fd)
{
        struct weir_sandbox_report report;
        struct weir_error error;
        ssize_t n;

        weir_sandbox_apply(conf, parent, &report, &error);
        do
                n = write(fd, &report, sizeof report);
        while (n < 0 && errno == EINTR);
        _exit(n == sizeof report ? 0 : 1);
}

/* Did it report within the time? */
static bool await_report(int fd, struct weir_sandbox_report *ret)
{
        int64_t deadline_us = weir_clock_us() + TRIAL_MS * 1000;

        for (;;) {
                struct pollfd wait = { .fd = fd, .events = POLLIN };
                int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
                int r = poll(&wait, 1, left_ms > 0 ? (int)left_ms : 0);
                ssize_t n;

                if (r == 0)
                        return false;
                n = r < 0 ? -1 : read(fd, ret, sizeof *ret);
                if (n >= 0 || errno != EINTR)
                        return n == sizeof *ret;
        }
}

int weir_sandbox_try(const struct weir_conf *conf, struct weir_sandbox_report *ret,
                     struct weir_error *reterr)
{
        pid_t parent = getpid(), child, waited;
        int fds[2], status = 0;
        bool reported;

        *ret = (struct weir_sandbox_report){ 0 };
        if (pipe2(fds, O_CLOEXEC) < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "sandbox: pipe: %s", strerror(errno));
        child = fork();
        if (child == 0)
                be_the_child(conf, parent, fds[1]);
        close(fds[1]);
        if (child < 0) {
                int saved = errno;

                close(fds[0]);
                return weir_fail(reterr, WEIR_ESYS, saved, "sandbox: fork: %s", strerror(saved));
        }
        reported = await_report(fds[0], ret);
        close(fds[0]);
        if (!reported)
                kill(child, SIGKILL);
        do
                waited = waitpid(child, &status, 0);
        while (waited < 0 && errno == EINTR);
        if (reported)
                return judge(ret, reterr);
        if (waited == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                return weir_fail(reterr, WEIR_ESYS, 0,
                                 "sandbox: what surrounds weir ends a process for a system call "
                                 "instead of refusing it; in a unit file: "
                                 "SystemCallErrorNumber=EPERM");
        if (waited == child && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
                return weir_fail(reterr, WEIR_ESYS, 0,
                                 "sandbox: the trial was ended by signal %d; set sandbox.seccomp = "
                                 "false and sandbox.landlock = false to find out which part",
                                 WTERMSIG(status));
        return weir_fail(reterr, WEIR_ESYS, 0, "sandbox: the trial did not report within %d ms",
                         TRIAL_MS);
}

void weir_sandbox_log(const struct weir_sandbox_report *report)
{
        struct weir_log_field fields[WEIR_SANDBOX_PARTS];

        for (int i = 0; i < WEIR_SANDBOX_PARTS; i++)
                fields[i] = LOG_S(weir_sandbox_part_name(i),
                                  weir_guard_state_name(report->parts[i].state));
        if (weir_log_wants(WEIR_LOG_INFO))
                weir_log_write(WEIR_LOG_INFO, "sandbox.applied", fields, WEIR_SANDBOX_PARTS);
}

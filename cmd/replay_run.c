/* SPDX-License-Identifier: MIT */
/*
 * replay_run - a replay in the foreground, from where it stands to its end
 *
 * What is to be replayed, how far it is and who has it stands in the database, so this process can be killed at any moment:
 * another one goes on from the same rows. It looks at its own row once a second: an order to stop comes from any terminal,
 * and so does the news that another process has taken it, after the server had lost sight of this one.
 *
 * Always true   RY3: the connection of this file bears the process's name as long as the replay is its own.
 * Ends          done: every range is decided to its end. failed: a lane halted, or the runtime did; the text says why, and
 *               the other ranges were read to their ends all the same. stopped: told to. taken: nothing is written, it is
 *               another's now.
 * Signals       a thread takes them, as in `weir run`: the first drains, the second hurries, the third ends the process.
 * Not chosen    a child of the supervisor of `weir run`: who starts a replay looks at it, and a plugin that crashes ends a
 *               command, not a service.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/thread.h"
#include "cmd.h"
#include "flow/pace.h"
#include "flow/replaying.h"
#include "replay.h"
#include "replay_bar.h"
#include "replay_lag.h"
#include "runtime.h"
#include "store/replay.h"

static const char name[] = "replay";

enum {
        HURRY_MS = 1000,
        WAIT_MS = 100,
        LOOK_US = 1000000,
        LOOK_PART = 10,      /* looking takes no more than one part of so many of the time */
        SETTLE_US = 20000000 /* for so long the last word is tried to be written */
};

struct job {
        const struct replay_run *run;
        struct weir_pg **pg;
        const struct weir_conf *conf; /* the runtime's */
        struct weir_runtime *runtime;
        struct weir_replay *replay;
        struct weir_replaying replaying;
        struct weir_pace pace;
        struct replay_lag lag;
        struct replay_bar bar;
        char position_worker[WEIR_SPACE_BYTES], space[WEIR_SPACE_BYTES];
        char waits[160];         /* why it stands back; "" = it does not */
        bool shows, lags, taken; /* lags: there is a bound */
        bool lost;               /* the database did not answer the last look */
        int64_t look_us, show_us;
        atomic_bool asked; /* to stop */
        pthread_mutex_t mutex;
        struct weir_runtime *told; /* @mutex  by signals; NULL = nothing runs */
        sigset_t taken_signals;
};

/* ---- what the lanes are told ------------------------------------------------------------------ */

static int fill(struct job *job, struct weir_error *reterr)
{
        const struct weir_replay *replay = job->replay;
        struct weir_replaying *replaying = &job->replaying;

        snprintf(job->position_worker, sizeof job->position_worker, WEIR_REPLAY_POSITION,
                 replay->worker, (long long)replay->id);
        weir_replaying_space(replay->worker, replay->epoch, job->space);
        weir_pace_init(&job->pace, (uint32_t)replay->rate_per_s);
        *replaying = (struct weir_replaying){
                .id = replay->id,
                .position_worker = job->position_worker,
                .name = replay->epoch ? replay->epoch : "missing",
                .space = job->space,
                .epoch = replay->epoch,
                .effects = replay->effects,
                .skip_missing = replay->skip_missing,
                .filter = weir_filter_empty(&replay->filter) ? NULL : &replay->filter,
                .pace = &job->pace,
                .ranges = calloc(replay->span_count + 1, sizeof *replaying->ranges),
                .range_count = replay->span_count,
        };
        if (!replaying->ranges)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", replay->span_count);
        for (size_t i = 0; i < replay->span_count; i++) {
                const struct weir_replay_span *span = &replay->spans[i];
                struct weir_replay_range *range = &replaying->ranges[i];

                range->topic = span->topic;
                range->partition = span->partition;
                range->live_position = span->live_position;
                range->from_offset = span->from_offset;
                range->until_offset = span->until_offset;
                range->next_offset = span->next_offset;
                range->end = span->next_offset >= span->until_offset && span->parked == 0
                                     ? WEIR_REPLAY_DONE
                                     : WEIR_REPLAY_RUNS;
        }
        return 0;
}

/* ---- orders ----------------------------------------------------------------------------------- */

static void *take_signals(void *arg)
{
        struct job *job = arg;
        int count = 0;

        for (;;) {
                int number = 0;

                if (sigwait(&job->taken_signals, &number))
                        continue;
                if (++count > 2)
                        _exit(CMD_FAILED); /* nothing is lost: what is not committed rolls back */
                job->asked = true;
                pthread_mutex_lock(&job->mutex);
                if (job->told)
                        weir_runtime_stop(job->told, count == 1 ? 0 : HURRY_MS);
                pthread_mutex_unlock(&job->mutex);
        }
        return NULL;
}

static void stop(struct job *job)
{
        if (!job->asked)
                weir_runtime_stop(job->runtime, 0);
        job->asked = true;
}

/* A connection that was lost is made anew, in the same name. */
static int reconnect(struct job *job, struct weir_error *reterr)
{
        const struct weir_pg_conf store = { .url = job->conf->store_url,
                                            .password = job->conf->store_password,
                                            .application_name = job->run->session };

        if (*job->pg && !weir_pg_broken(*job->pg))
                return 0;
        weir_pg_close(WEIR_TAKE(*job->pg));
        return weir_pg_open(&store, NULL, job->pg, reterr);
}

/* ---- while it runs ---------------------------------------------------------------------------- */

static int look_at_row(struct job *job, struct weir_error *reterr)
{
        int r = weir_replay_look(*job->pg, job->run->id, job->run->owner, reterr);

        if (r == 2 && !job->taken) {
                job->taken = true;
                weir_log(WEIR_LOG_WARN, "replay.taken", LOG_I("replay", job->run->id),
                         LOG_S("action", "stop"));
        }
        if (r > 0)
                stop(job);
        return r < 0 ? r : 0;
}

static int look_at_lag(struct job *job, struct weir_error *reterr)
{
        bool held = *job->waits;
        int r = replay_lag_look(&job->lag, *job->pg, reterr);

        if (r < 0)
                return r;
        job->waits[0] = '\0';
        if (job->lag.records > job->replay->max_lag)
                snprintf(job->waits, sizeof job->waits,
                         "worker %.63s is %" PRId64 " records behind, more than %" PRId64,
                         job->replay->worker, job->lag.records, job->replay->max_lag);
        weir_pace_set_held(&job->pace, *job->waits);
        if (held != (bool)*job->waits)
                weir_log(WEIR_LOG_INFO, *job->waits ? "replay.waits" : "replay.goes_on",
                         LOG_I("replay", job->run->id), LOG_I("lag", job->lag.records),
                         LOG_I("max_lag", job->replay->max_lag));
        return 0;
}

static int show(struct job *job, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *row = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *spans = NULL;
        int64_t begun_us = weir_clock_us(), took_us;
        int r = weir_replay_list(*job->pg, NULL, job->run->id, 1, &row, reterr);

        if (r == 0)
                r = weir_replay_spans(*job->pg, job->run->id, &spans, reterr);
        if (r < 0 || weir_pg_rows_count(row) == 0)
                return r;
        took_us = weir_clock_us() - begun_us;
        replay_bar_show(&job->bar, row, spans, job->waits, begun_us);
        job->show_us = begun_us + (took_us * LOOK_PART > LOOK_US ? took_us * LOOK_PART : LOOK_US);
        return 0;
}

static void look(struct job *job)
{
        struct weir_error error = { .code = 0 };
        int64_t now_us = weir_clock_us();
        int r;

        if (now_us < job->look_us)
                return;
        job->look_us = now_us + LOOK_US;
        r = reconnect(job, &error);
        if (r == 0)
                r = look_at_row(job, &error);
        if (r == 0 && job->lags && !job->asked)
                r = look_at_lag(job, &error);
        if (r == 0 && job->shows && now_us >= job->show_us)
                r = show(job, &error);
        if (r < 0 && !job->lost)
                weir_log(WEIR_LOG_WARN, "replay.unseen", LOG_I("replay", job->run->id),
                         LOG_S("error", error.text), LOG_S("action", "retry"));
        job->lost = r < 0;
}

/* ---- its end ---------------------------------------------------------------------------------- */

/* The state that its ranges make; @ret_text: why it failed. NULL = it is another's. */
static const char *conclude(const struct job *job, int end, const struct weir_error *failure,
                            char *ret_text, size_t size)
{
        bool done = true, taken = job->taken;

        ret_text[0] = '\0';
        for (size_t i = 0; i < job->replaying.range_count; i++) {
                const struct weir_replay_range *range = &job->replaying.ranges[i];

                done = done && range->end == WEIR_REPLAY_DONE;
                taken = taken || range->end == WEIR_REPLAY_TAKEN;
                if (range->end == WEIR_REPLAY_FAILED && !*ret_text)
                        snprintf(ret_text, size, "%s", range->error.text);
        }
        if (done)
                return "done";
        if (taken)
                return NULL;
        if (!*ret_text && end < 0)
                snprintf(ret_text, size, "%s", failure->text);
        return *ret_text ? "failed" : "stopped";
}

/* 0 it stands there; 1 it is another's; < 0 nobody could write it. */
static int settle(struct job *job, const char *state, const char *text, struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + SETTLE_US;
        int r;

        WEIR_FAILPOINT("replay.ending");
        for (;;) {
                r = reconnect(job, reterr);
                if (r == 0)
                        r = weir_replay_end(*job->pg, job->run->id, job->run->owner, state, text,
                                            reterr);
                if (r >= 0 || !weir_error_transient(r) || weir_clock_us() > deadline_us)
                        return r;
                usleep(WAIT_MS * 1000);
        }
}

static int finish(struct job *job, const char *state, const char *text, struct weir_error *reterr)
{
        int64_t id = job->run->id, dead = 0;
        int r = state ? settle(job, state, text, reterr) : 1;

        if (r < 0)
                return weir_error_prefix(reterr,
                                         "replay %" PRId64 " is %s, which could not be written; "
                                         "weir replay resume %" PRId64 " finds out: ",
                                         id, state, id);
        if (r > 0)
                return cmd_say(CMD_FAILED, name,
                               "another process has replay %" PRId64 " now; weir replay show "
                               "%" PRId64 " --watch",
                               id, id);
        r = replay_report(*job->pg, id, job->run->json, &dead, reterr);
        if (r < 0)
                return r;
        if (!strcmp(state, "stopped"))
                return cmd_say(CMD_FAILED, name,
                               "stopped; weir replay resume %" PRId64 " goes on exactly there", id);
        if (!strcmp(state, "failed"))
                return cmd_say(CMD_FAILED, name, "%s", text);
        return dead ? CMD_FAILED : CMD_DONE;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static const struct weir_conf_worker *find_worker(const struct weir_conf *conf, const char *worker)
{
        for (size_t i = 0; i < conf->worker_count; i++)
                if (!strcmp(conf->workers[i].name, worker))
                        return &conf->workers[i];
        return NULL;
}

static int prepare(struct job *job, struct weir_conf *conf, struct weir_error *reterr)
{
        const struct weir_runtime_options options = { .size = sizeof options,
                                                      .worker = job->replay->worker,
                                                      .migrations_path = cmd_migrations_path() };
        const struct weir_runtime_role role = { .parts = WEIR_RUNTIME_REPLAY,
                                                .replaying = &job->replaying };
        int r = weir_runtime_with(conf, &options, role, &job->runtime, reterr);

        if (r < 0)
                return r;
        job->conf = weir_runtime_conf(job->runtime);
        job->lags = job->replay->max_lag >= 0;
        if (job->lags)
                r = replay_lag_open(job->conf, find_worker(job->conf, job->replay->worker),
                                    &job->lag, reterr);
        if (r == 0 && job->lags)
                r = look_at_lag(job, reterr); /* before the first lane */
        return r;
}

/* As weir_runtime_wait(). */
static int carry_out(struct job *job, struct weir_error *reterr)
{
        pthread_t thread;
        int r;

        job->told = job->runtime;
        r = weir_thread_start(&thread, WEIR_ROLE_MAIN, "signals", take_signals, job);
        if (r)
                return weir_fail(reterr, WEIR_ESYS, r, "signal thread: %s", strerror(r));
        WEIR_FAILPOINT("replay.begun");
        r = weir_runtime_start(job->runtime, reterr);
        if (r == WEIR_ESTOP)
                return 0;
        if (r < 0) {
                struct weir_error ignored;

                weir_runtime_stop(job->runtime, HURRY_MS);
                while (weir_runtime_wait(job->runtime, WAIT_MS, &ignored) == 1)
                        ;
                return r;
        }
        while ((r = weir_runtime_wait(job->runtime, WAIT_MS, reterr)) == 1) {
                weir_heap_trim();
                look(job);
        }
        return r;
}

/* With a bar on the terminal, facts of every second are noise; what goes wrong is not. */
static void be_quiet(const struct weir_conf *conf)
{
        if (strcmp(conf->log_level, "error") != 0)
                weir_log_setup(WEIR_LOG_WARN,
                               strcmp(conf->log_form, "json") ? WEIR_LOG_TEXT : WEIR_LOG_JSON);
}

static void block_signals(struct job *job)
{
        sigemptyset(&job->taken_signals);
        sigaddset(&job->taken_signals, SIGTERM);
        sigaddset(&job->taken_signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &job->taken_signals, NULL);
}

/* What keeps it from beginning is written down, so that it is failed and not gone: @reterr, with what is to be done next. */
static int fail_early(const struct job *job, int r, struct weir_error *reterr)
{
        struct weir_error error = *reterr, ignored;
        int64_t id = job->run->id;
        int ended = weir_replay_end(*job->pg, id, job->run->owner, "failed", error.text, &ignored);

        *reterr = error;
        weir_error_prefix(reterr,
                          ended == 0 ? "replay %" PRId64 " failed before it began, `weir replay "
                                       "resume %" PRId64 "` begins it: "
                                     : "replay %" PRId64 " was not begun, which could not be "
                                       "written; `weir replay resume %" PRId64 "` begins it: ",
                          id, id);
        return r;
}

static int run_job(struct job *job, struct weir_conf *conf, struct weir_error *reterr)
{
        struct weir_error failure = { .code = 0 };
        char text[WEIR_ERROR_TEXT_BYTES];
        const char *state;
        int end, code;

        if (weir_replaying_over(&job->replaying)) { /* nothing in any range, or all done before */
                job->conf = conf;
                code = finish(job, "done", "", reterr);
                weir_conf_free(conf);
                return code;
        }
        end = prepare(job, conf, &failure);
        if (end == 0)
                end = carry_out(job, &failure);
        replay_bar_end(&job->bar);
        if (!job->conf) { /* it was never made: *pg is as it was opened */
                *reterr = failure;
                return fail_early(job, end, reterr);
        }
        state = conclude(job, end, &failure, text, sizeof text);
        code = finish(job, state, text, reterr);
        if (end == 2) { /* something hangs: what it holds rolls back */
                if (code < 0)
                        replay_fail(reterr);
                cmd_flush(name);
                _exit(code < 0 ? CMD_FAILED : code);
        }
        return code;
}

int replay_run(const struct replay_run *run, struct weir_conf *conf, struct weir_pg **pg)
{
        static struct job job; /* the thread of the signals outlives this call */
        struct weir_error error = { .code = 0 };
        int r;

        job = (struct job){ .run = run, .pg = pg, .mutex = PTHREAD_MUTEX_INITIALIZER };
        weir_heap_shape();
        block_signals(&job);
        replay_bar_init(&job.bar, stderr);
        job.shows = job.bar.terminal && !run->quiet;
        if (job.shows || run->quiet)
                be_quiet(conf);
        r = weir_replay_load(*pg, run->id, &job.replay, &error);
        if (r > 0)
                r = weir_fail(&error, WEIR_EDB, 0,
                              "replay %" PRId64 " is not there any more: is somebody deleting it?",
                              run->id);
        if (r == 0)
                r = fill(&job, &error);
        if (r < 0) {
                weir_conf_free(conf);
                fail_early(&job, r, &error);
                return replay_fail(&error);
        }
        r = run_job(&job, conf, &error);
        pthread_mutex_lock(&job.mutex);
        job.told = NULL;
        pthread_mutex_unlock(&job.mutex);
        replay_lag_close(&job.lag);
        weir_runtime_free(job.runtime);
        weir_pace_fini(&job.pace);
        free(job.replaying.ranges);
        weir_replay_free(job.replay);
        return r < 0 ? replay_fail(&error) : r;
}

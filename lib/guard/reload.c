/* SPDX-License-Identifier: MIT */
/*
 * reload - read once, by a process that may die of it; then only bytes in memory
 *
 * The file is read by a forked process: libconfig may end its process, and a file may be a FIFO. It leaves what it has read,
 * includes and all, in the pad, and from there everybody has it: this process, and each worker that is asked (offer.h). So
 * all judge the same text, and what happens to the file meanwhile is the next reload's.
 *
 * Always true   RE1 RE2 RE3, see reload.h.
 * Secrets       are no part of the text. Who starts reads their files then; who runs keeps what it has.
 * Plugins       are copied when the file is read, and only bytes: what the processes try must be those (setup.c), and what is
 *               in force is what was tried, not what lies there when a process has to be started again. A reload is of the
 *               text and of all plugins, or of none of them.
 * The relay     is not asked, it has no plugin and nothing to lose: it is started anew, where something that it uses has
 *               changed. Workers' keys it does not use.
 * Too slow      a lane goes over when its handler returns, and for that there is handler.deadline. Whoever waits for the end
 *               of the reload (a service manager) is told it a little after that at the latest; the lane goes over all
 *               the same, and a next reload waits for it there.
 * More SIGHUPs  while one is on: one more round when it is over, whatever their number. What the file says last is read.
 */
#include "guard/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/diff.h"

#define READ_SECONDS 10 /* a file that takes longer to read is none */
#define SLOW_MS 10000   /* beyond handler.deadline */

int weir_reload_init(struct weir_reload *reload, struct weir_conf *conf, struct weir_family *family,
                     struct weir_process_env *env)
{
        *reload = (struct weir_reload){
                .pad = -1, .family = family, .env = env, .first = conf, .conf = conf
        };
        env->texts = (struct weir_texts){ -1, -1, -1 };
        env->offer = &reload->offer;
        weir_process_env_take(env, conf);
        reload->pad = weir_kept_pad(&env->texts.offer);
        if (reload->pad < 0)
                return -1;
        env->texts.first = env->texts.good = weir_kept_new(conf->text, conf->text_size);
        return env->texts.first < 0 ? -1 : 0;
}

static void forget_candidate(struct weir_reload *reload)
{
        weir_family_drop_images(reload->family);
        weir_conf_free(WEIR_TAKE(reload->candidate));
        free(WEIR_TAKE(reload->text));
        reload->text_size = 0;
}

static void close_fd(int fd)
{
        if (fd >= 0)
                close(fd);
}

void weir_reload_fini(struct weir_reload *reload)
{
        const struct weir_texts *texts = &reload->env->texts;

        forget_candidate(reload);
        if (texts->good != texts->first)
                close_fd(texts->good);
        close_fd(texts->first);
        close_fd(texts->offer);
        close_fd(reload->pad);
        if (reload->conf != reload->first)
                weir_conf_free(reload->conf);
        weir_conf_free(reload->first);
}

static void refuse(struct weir_reload *reload, const char *error, const char *worker)
{
        weir_log(WEIR_LOG_ERROR, "reload.refused", LOG_S("error", error),
                 LOG_S("worker", worker ? worker : ""), LOG_S("action", "keep"));
        forget_candidate(reload);
        reload->state = WEIR_RELOAD_NONE;
}

/* ---- reads -------------------------------------------------------------------------------------- */

static void begin(struct weir_reload *reload)
{
        const struct weir_supervisor_calls *calls = reload->env->calls;

        reload->again = false;
        reload->count++;
        reload->began_us = weir_clock_us();
        weir_log(WEIR_LOG_INFO, "reload.asked", LOG_S("file", reload->first->path));
        reload->reader = fork();
        if (reload->reader == 0) {
                alarm(READ_SECONDS);
                sigprocmask(SIG_SETMASK, &reload->env->mask, NULL);
                signal(SIGHUP, SIG_IGN);
                _exit(calls->read(calls->context, reload->pad) < 0);
        }
        if (reload->reader < 0) {
                reload->reader = 0;
                refuse(reload, strerror(errno), NULL);
                return;
        }
        reload->state = WEIR_RELOAD_READS;
}

void weir_reload_ask(struct weir_reload *reload)
{
        if (reload->state == WEIR_RELOAD_NONE && !reload->reader)
                begin(reload);
        else
                reload->again = true;
}

/* Who waits for its next start is started now: it shall answer. */
static void offer(struct weir_reload *reload, const struct weir_hash_mark *mark)
{
        int64_t now_us = weir_clock_us();

        weir_offer_make(&reload->offer, reload->family, reload->count, mark, now_us);
        for (size_t i = 0; i < reload->family->count; i++) {
                struct weir_process *process = &reload->family->processes[i];

                if (process->child.state == WEIR_CHILD_DOWN && weir_offer_asks(process) &&
                    process->child.start_at_us > now_us)
                        process->child.start_at_us = now_us;
        }
        reload->state = WEIR_RELOAD_OFFERS;
}

/* Which plugin that is, and where it is looked for, is as the processes will have it (RE2): the candidate itself is compared
 * with what is in force, so it stays as it was read until then. */
static int try_images(struct weir_reload *reload, const struct weir_process **ret_against,
                      struct weir_error *reterr)
{
        const struct weir_supervisor_calls *calls = reload->env->calls;
        struct weir_conf *conf = calls->parse(calls->context, reload->text, reload->text_size,
                                              reterr);
        int r = conf ? weir_conf_keep(reload->first, conf, reterr) : -1;

        if (r >= 0)
                r = weir_family_try_images(reload->family, conf, calls, ret_against, reterr);
        weir_conf_free(conf);
        return r;
}

bool weir_reload_reaped(struct weir_reload *reload, pid_t pid, int wait_status)
{
        const struct weir_supervisor_calls *calls = reload->env->calls;
        struct weir_hash_mark mark;
        const struct weir_process *against = NULL;
        struct weir_error error = { 0 };

        if (!reload->reader || pid != reload->reader)
                return false;
        reload->reader = 0;
        if (reload->state != WEIR_RELOAD_READS) /* we stop */
                return true;
        if (wait_status != 0) {
                refuse(reload, "the file cannot be read; see above", NULL);
                return true;
        }
        if (weir_kept_read(reload->pad, WEIR_CONF_TEXT_BYTES_MAX, &reload->text,
                           &reload->text_size) < 0 ||
            weir_hash_mark(reload->text, reload->text_size, &mark) < 0) {
                refuse(reload, strerror(errno), NULL);
                return true;
        }
        reload->candidate = calls->parse(calls->context, reload->text, reload->text_size, &error);
        if (!reload->candidate)
                refuse(reload, error.text, NULL);
        else if (try_images(reload, &against, &error) < 0)
                refuse(reload, error.text, against ? against->name : NULL);
        else
                offer(reload, &mark);
        return true;
}

/* ---- offers, and comes into force --------------------------------------------------------------- */

static void tell_change(void *context, const char *key, const char *of, bool reloadable)
{
        (void)context;
        if (!reloadable)
                weir_log(WEIR_LOG_WARN, "reload.needs_restart", LOG_S("key", key),
                         LOG_S("of", of ? of : ""));
}

static void note_relay(void *context, const char *key, const char *of, bool reloadable)
{
        static const char *const not_its[] = { "workers", "handler.", "restart." };
        bool *changed = context;

        (void)of;
        (void)reloadable;
        for (size_t i = 0; i < WEIR_COUNT_OF(not_its); i++)
                if (strncmp(key, not_its[i], strlen(not_its[i])) == 0)
                        return;
        *changed = true;
}

/* All that can fail comes before anything is in force. */
static int prepare(struct weir_reload *reload, bool *ret_relay, int *ret_text,
                   struct weir_error *reterr)
{
        int r = weir_conf_diff(reload->first, reload->candidate, tell_change, NULL, reterr);

        if (r >= 0)
                r = weir_conf_keep(reload->first, reload->candidate, reterr);
        if (r >= 0)
                r = weir_conf_diff(reload->conf, reload->candidate, note_relay, ret_relay, reterr);
        if (r < 0)
                return r;
        *ret_text = weir_kept_new(reload->text, reload->text_size);
        return *ret_text < 0 ? weir_fail(reterr, WEIR_ESYS, errno, "memfd: %s", strerror(errno))
                             : 0;
}

static void renew(struct weir_process *process)
{
        if (!process->renewed) /* told once: a second SIGTERM would hurry it */
                kill(process->child.pid, SIGTERM);
        process->renewed = true;
}

/* RE1. */
static void take(struct weir_reload *reload, int text)
{
        struct weir_process_env *env = reload->env;
        struct weir_conf *before = reload->conf;

        weir_offer_decide(&reload->offer, reload->family, true);
        if (env->texts.good != env->texts.first)
                close(env->texts.good);
        env->texts.good = text;
        weir_family_take_images(reload->family);
        reload->conf = WEIR_TAKE(reload->candidate);
        weir_process_env_take(env, reload->conf);
        env->calls->took(env->calls->context, reload->conf);
        if (before != reload->first)
                weir_conf_free(before);
        forget_candidate(reload);
}

static void tell_processes(struct weir_reload *reload)
{
        for (size_t i = 0; i < reload->family->count; i++) {
                struct weir_process *process = &reload->family->processes[i];

                process->watch.deadline_us = reload->conf->handler_deadline_ms * 1000;
                if (process->child.misfits || process->child.stillborn) /* what it has waited for */
                        process->child.start_at_us = weir_clock_us();
                if (weir_offer_is_outside(&reload->offer, process) ||
                    (!process->child.worker && reload->relay_renewed &&
                     process->child.state == WEIR_CHILD_RUNS))
                        renew(process);
        }
}

static void decide(struct weir_reload *reload, int64_t now_us)
{
        enum weir_offer_state state = weir_offer_look(&reload->offer, reload->family, now_us);
        struct weir_error error = { 0 };
        int text = -1;

        if (state == WEIR_OFFER_WAITS)
                return;
        reload->relay_renewed = false;
        if (state == WEIR_OFFER_REFUSED ||
            prepare(reload, &reload->relay_renewed, &text, &error) < 0) {
                weir_offer_decide(&reload->offer, reload->family, false);
                if (state == WEIR_OFFER_REFUSED)
                        refuse(reload, reload->offer.why, reload->offer.against->name);
                else
                        refuse(reload, error.text, NULL);
                return;
        }
        take(reload, text);
        tell_processes(reload);
        reload->until_us = now_us + (reload->conf->handler_deadline_ms + SLOW_MS) * 1000;
        reload->state = WEIR_RELOAD_TAKES;
}

/* ---- takes -------------------------------------------------------------------------------------- */

static void wait_for_all(struct weir_reload *reload, int64_t now_us)
{
        const struct weir_process *late = NULL;

        for (size_t i = 0; i < reload->family->count; i++) {
                const struct weir_process *process = &reload->family->processes[i];

                if (weir_offer_is_late(&reload->offer, process) ||
                    (process->renewed && process->child.state == WEIR_CHILD_RUNS))
                        late = process;
        }
        if (late && now_us < reload->until_us)
                return;
        if (late)
                weir_log(WEIR_LOG_WARN, "reload.slow", LOG_S("worker", (const char *)late->name),
                         LOG_I("ms", (now_us - reload->began_us) / 1000),
                         LOG_S("action", "it goes over when its handlers return"));
        else
                weir_log(WEIR_LOG_INFO, "reload.done", LOG_S("file", reload->first->path),
                         LOG_I("ms", (now_us - reload->began_us) / 1000),
                         LOG_S("relay", reload->relay_renewed ? "renewed" : "kept"));
        reload->state = WEIR_RELOAD_NONE;
}

void weir_reload_look(struct weir_reload *reload, int64_t now_us)
{
        if (reload->state == WEIR_RELOAD_OFFERS)
                decide(reload, now_us);
        if (reload->state == WEIR_RELOAD_TAKES)
                wait_for_all(reload, now_us);
        if (reload->state == WEIR_RELOAD_NONE && reload->again && !reload->reader)
                begin(reload);
}

void weir_reload_stop(struct weir_reload *reload)
{
        if (reload->offer.open)
                weir_offer_decide(&reload->offer, reload->family, false);
        if (reload->reader)
                kill(reload->reader, SIGKILL);
        forget_candidate(reload);
        reload->again = false;
        reload->state = WEIR_RELOAD_NONE;
}

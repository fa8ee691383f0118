/* SPDX-License-Identifier: MIT */
/*
 * janitor - nothing waits for it, and it waits for nobody
 *
 * A pass opens a connection, takes the lock that makes it the only one (or goes), reads the set, asks the cluster when
 * the answer matters, begins a generation, drops others, and closes. Whatever fails is said and tried at the next
 * pass: claims that are kept for an hour longer harm nobody.
 *
 * Always true   KP1, KP2: what may go is judged in the pass in which it goes.
 *               JA1 the newest is followed only when it holds claims, and by so few that LIVE_MAX are looked into at
 *                   most: a process that handles nothing makes no generations.
 *               JA2 what is said is said once for as long as it is so: the next pass finds the same.
 * Long transactions  a switch excludes claimers, so it needs a moment in which none is open. Its tries are short, and
 *               where they fail the next pass has more patience: a handler that takes ten seconds for a batch is waited
 *               for, once in a while, with everybody behind it.
 * Not chosen    the relay's own loop: webhooks that are under way would wait for locks, and for Kafka.
 */
#include "side/janitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/value.h"
#include "side/keeping.h"

enum {
        LOOKS = 5, /* in a period */
        LOOK_LEAST_MS = 200,
        LOOK_MOST_MS = 60000,
        ASK_TIMEOUT_MS = 1000,
        ASK_AGAIN_MS = 600000
};

struct weir_janitor {
        const struct weir_conf *conf;
        pthread_t thread;
        struct weir_latch stop; /* ends the wait, and every wait for PostgreSQL */
        bool started;

        struct weir_keeping keeping; /* as the cluster said at asked_ms */
        int64_t asked_ms;            /* 0 = not yet */
        int32_t patience_ms;
        /* JA2 */
        bool said_failed, said_right, said_silent, said_longer;
        int32_t kept; /* the generation that was said to be kept, and why; 0 = none */
        char kept_reason[16];
        bool kept_full;
};

static void say_failed(struct weir_janitor *janitor, const struct weir_error *error)
{
        if (!janitor->said_failed)
                weir_log(WEIR_LOG_WARN, "claims.unattended", LOG_S("error", error->text),
                         LOG_S("action", "retry"));
        janitor->said_failed = true;
}

/* ---- what the cluster says ------------------------------------------------------------------- */

static void say_asked(struct weir_janitor *janitor)
{
        const struct weir_keeping *keeping = &janitor->keeping;
        char retention_text[32], length_text[32];
        const char *retention = retention_text, *length = length_text;
        const char *keeps = keeping->log_ms < 0 ? "for ever" : length;

        if (keeping->silent_count && !janitor->said_silent)
                weir_log(WEIR_LOG_INFO, "claims.topic_unknown",
                         LOG_I("topics", keeping->silent_count), LOG_S("error", keeping->silent),
                         LOG_S("action", "claims.retention alone decides; grant DESCRIBE_CONFIGS "
                                         "on the topic, or let it be at least as long"));
        janitor->said_silent = keeping->silent_count > 0;
        weir_duration_write(retention_text, keeping->retention_ms * 1000);
        weir_duration_write(length_text, keeping->log_ms < 0 ? 0 : keeping->log_ms * 1000);
        if (weir_keeping_ms(keeping) != keeping->retention_ms && !janitor->said_longer) {
                weir_log(WEIR_LOG_WARN, "claims.topic_keeps_longer", LOG_S("topic", keeping->topic),
                         LOG_S("keeps", keeps), LOG_S("retention", retention),
                         LOG_S("action", keeping->log_ms < 0
                                                 ? "no claim is dropped, no generation is begun"
                                                 : "claims are kept as long as its records"));
                janitor->said_longer = true;
        } else if (weir_keeping_ms(keeping) == keeping->retention_ms) {
                janitor->said_longer = false;
        }
}

/* At the start, so that it is said; later when something hangs on it, and not each time. */
static int ask(struct weir_janitor *janitor, struct weir_pg *pg, bool due,
               struct weir_error *reterr)
{
        int r;

        if (janitor->asked_ms && (!due || weir_clock_ms() - janitor->asked_ms < ASK_AGAIN_MS))
                return 0;
        r = weir_keeping_ask(janitor->conf, pg, &janitor->stop, ASK_TIMEOUT_MS, &janitor->keeping,
                             reterr);
        if (r < 0)
                return r;
        janitor->asked_ms = weir_clock_ms();
        say_asked(janitor);
        return 0;
}

static bool is_due(const struct weir_janitor *janitor,
                   const struct weir_claim_generation *generation)
{
        return generation->closed_ms >= janitor->conf->claims_retention_ms;
}

/* ---- a pass ------------------------------------------------------------------------------------ */

/* Of a change that was refused because claimers were open for too long: there is another try. 1. */
static int be_patient(struct weir_janitor *janitor, int r, const struct weir_error *error)
{
        if (r == 0) {
                janitor->patience_ms = WEIR_CLAIM_PATIENCE_MS;
                return 0;
        }
        if (r == WEIR_ESQL && !strcmp(error->sqlstate, "55P03") &&
            janitor->patience_ms < WEIR_CLAIM_PATIENCE_MS * WEIR_CLAIM_PATIENCE_MOST) {
                janitor->patience_ms *= 2;
                return 1;
        }
        return r;
}

static int begin_next(struct weir_janitor *janitor, struct weir_pg *pg,
                      const struct weir_claim_generation *newest, size_t count,
                      struct weir_error *reterr)
{
        int64_t period_ms = weir_keeping_period_ms(janitor->conf, &janitor->keeping);
        int64_t begin_ms = weir_clock_ms();
        int32_t generation;
        int r;

        if (period_ms < 0 || newest->age_ms < period_ms || newest->rows == 0) /* JA1 */
                return 0;
        if (count >= WEIR_CLAIM_LIVE_MAX) {
                if (!janitor->kept_full)
                        weir_log(WEIR_LOG_WARN, "claims.full", LOG_I("generations", count),
                                 LOG_S("action", "the newest goes on"),
                                 LOG_S("next", "weir claims show: what keeps them"));
                janitor->kept_full = true;
                return 0;
        }
        janitor->kept_full = false;
        r = be_patient(janitor, weir_claim_switch(pg, janitor->patience_ms, &generation, reterr),
                       reterr);
        if (r == 0)
                weir_log(WEIR_LOG_INFO, "claims.switched", LOG_I("generation", generation),
                         LOG_I("claims", newest->rows), LOG_I("bytes", newest->bytes),
                         LOG_I("took_ms", weir_clock_ms() - begin_ms));
        return r < 0 ? r : 0;
}

static void say_kept(struct weir_janitor *janitor, const struct weir_claim_generation *generation,
                     const struct weir_claim_fate *fate)
{
        if (janitor->kept == generation->number && !strcmp(janitor->kept_reason, fate->reason))
                return;
        janitor->kept = generation->number;
        snprintf(janitor->kept_reason, sizeof janitor->kept_reason, "%s", fate->reason);
        weir_log(WEIR_LOG_INFO, "claims.kept", LOG_I("generation", generation->number),
                 LOG_S("until", generation->until), LOG_S("reason", fate->reason),
                 LOG_S("because", fate->text));
}

static int drop(struct weir_janitor *janitor, struct weir_pg *pg,
                const struct weir_claim_generation *generation, struct weir_error *reterr)
{
        int64_t begin_ms = weir_clock_ms();
        struct weir_claim_needed
                needed; /* by a replay that began a moment ago: the next look says so */
        int r = be_patient(janitor,
                           weir_claim_drop(pg, generation->number, janitor->patience_ms, &needed,
                                           reterr),
                           reterr);

        if (r == 0)
                weir_log(WEIR_LOG_INFO, "claims.dropped", LOG_I("generation", generation->number),
                         LOG_S("since", generation->since), LOG_S("until", generation->until),
                         LOG_I("claims", generation->rows), LOG_I("bytes", generation->bytes),
                         LOG_I("took_ms", weir_clock_ms() - begin_ms));
        return r < 0 ? r : 0;
}

/* The oldest that is kept although claims.retention is over is the one to speak of. */
static int drop_due(struct weir_janitor *janitor, struct weir_pg *pg,
                    const struct weir_claim_generation *list, size_t count,
                    struct weir_error *reterr)
{
        bool said = false;
        int r = 0;

        for (size_t i = 0; r == 0 && i < count; i++) {
                struct weir_claim_fate fate;

                if (!is_due(janitor, &list[i]))
                        continue;
                r = weir_keeping_judge(&janitor->keeping, pg, &list[i], &fate, reterr);
                if (r == 0 && fate.may_go) {
                        r = drop(janitor, pg, &list[i], reterr);
                } else if (r == 0 && !said) {
                        say_kept(janitor, &list[i], &fate);
                        said = true;
                }
        }
        return r;
}

static int look(struct weir_janitor *janitor, struct weir_pg *pg, struct weir_error *reterr)
{
        WEIR_FREE struct weir_claim_generation *list = NULL;
        char grant_text[400];
        const char *grant = grant_text;
        size_t count;
        int r = weir_keeping_may(pg, grant_text, reterr);

        if (r > 0 && !janitor->said_right)
                weir_log(WEIR_LOG_WARN, "claims.not_ours", LOG_S("next", grant),
                         LOG_S("action", "claims are kept until a role that may looks after them"));
        janitor->said_right = r > 0;
        if (r == 0)
                r = ask(janitor, pg, false, reterr);
        if (r == 0)
                r = weir_claims_look_after(pg, reterr);
        if (r == 0)
                r = weir_claims_list(pg, false, &list, &count, reterr);
        if (r == 0)
                r = ask(janitor, pg, is_due(janitor, &list[0]), reterr); /* the oldest */
        if (r == 0)
                r = drop_due(janitor, pg, list, count, reterr);
        if (r == 0)
                r = begin_next(janitor, pg, &list[count - 1], count, reterr);
        if (r == 0)
                r = weir_claim_sweep(pg, reterr);
        return r < 0 ? r : 0;
}

static void pass(struct weir_janitor *janitor)
{
        const struct weir_pg_conf store = { .url = janitor->conf->store_url,
                                            .password = janitor->conf->store_password,
                                            .application_name = "weir janitor" };
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_error error = { .code = 0 };
        int r = weir_pg_open(&store, &janitor->stop, &pg, &error);

        if (r == 0)
                r = look(janitor, pg, &error);
        if (r == 0)
                janitor->said_failed = false;
        else if (!weir_latch_wait(&janitor->stop, 0)) /* a stop cuts it off anywhere */
                say_failed(janitor, &error);
}

static void *run(void *context)
{
        struct weir_janitor *janitor = context;
        int64_t pause_ms = janitor->conf->claims_period_ms / LOOKS;

        if (pause_ms > LOOK_MOST_MS)
                pause_ms = LOOK_MOST_MS;
        if (pause_ms < LOOK_LEAST_MS)
                pause_ms = LOOK_LEAST_MS;
        do
                pass(janitor);
        while (!weir_latch_wait(&janitor->stop, pause_ms));
        return NULL;
}

int weir_janitor_start(const struct weir_conf *conf, struct weir_janitor **ret,
                       struct weir_error *reterr)
{
        struct weir_janitor *janitor;
        int number;

        *ret = NULL;
        if (conf->claims_retention_ms == 0)
                return 0;
        janitor = calloc(1, sizeof *janitor);
        if (!janitor)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "janitor");
        janitor->conf = conf;
        janitor->patience_ms = WEIR_CLAIM_PATIENCE_MS;
        janitor->stop.fd = -1;
        if (weir_latch_init(&janitor->stop) < 0) {
                weir_janitor_free(janitor);
                return weir_fail(reterr, WEIR_ESYS, 0, "janitor: eventfd: %m");
        }
        number = weir_thread_start(&janitor->thread, WEIR_ROLE_ANY, "janitor", run, janitor);
        if (number) {
                weir_janitor_free(janitor);
                return weir_fail(reterr, WEIR_ESYS, number, "janitor: thread: %s",
                                 strerror(number));
        }
        janitor->started = true;
        *ret = janitor;
        return 0;
}

void weir_janitor_stop(struct weir_janitor *janitor)
{
        if (janitor)
                weir_latch_set(&janitor->stop);
}

void weir_janitor_free(struct weir_janitor *janitor)
{
        if (!janitor)
                return;
        if (janitor->started) {
                weir_janitor_stop(janitor);
                pthread_join(janitor->thread, NULL);
        }
        weir_latch_fini(&janitor->stop);
        free(janitor);
}

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_KEEPING_H
#define WEIR_SIDE_KEEPING_H
/*
 * keeping - for how long claims are needed, and what that means for a generation
 *
 *  KP1 a generation may go when its last claim is older than claims.retention and than any record in any log that this
 *      configuration reads (where the cluster says so), and when nothing that weir keeps needs it (CL3).
 *  KP2 a cluster that does not answer is not one that keeps nothing: then nothing may go.
 */
#include "base/thread.h"
#include "conf/conf.h"
#include "store/claims.h"

struct weir_keeping {
        int64_t retention_ms; /* claims.retention; 0 = for ever */
        int64_t log_ms;       /* the oldest record that may be in a log; -1 = of any age */
        char topic[256];      /* whose that is; "" = of none */
        size_t silent_count;  /* topics whose cluster does not say */
        char silent[300];     /* the first of them, in its words */
};

/* Ask the cluster, for the topics of @conf and of weir.position. @stop ends it early, WEIR_ESTOP; may be NULL. */
int weir_keeping_ask(const struct weir_conf *conf, struct weir_pg *pg, struct weir_latch *stop,
                     int timeout_ms, struct weir_keeping *ret, struct weir_error *reterr);
/* Without asking: by claims.retention alone. */
void weir_keeping_by_conf(const struct weir_conf *conf, struct weir_keeping *ret);
/* After so long nothing but CL3 keeps it; -1 = never. */
int64_t weir_keeping_ms(const struct weir_keeping *keeping);
/* How old the newest becomes before the next is begun; -1 = none is begun, since none would go. */
int64_t weir_keeping_period_ms(const struct weir_conf *conf, const struct weir_keeping *keeping);

struct weir_claim_fate {
        bool may_go;
        int64_t left_ms; /* until it may, by time; 0 = time does not keep it; -1 = never */
        const char *
                reason; /* "" = it may go; else newest, retention, topic, dead_letter, parked, replay */
        char text[360];
};
int weir_keeping_judge(const struct weir_keeping *keeping, struct weir_pg *pg,
                       const struct weir_claim_generation *generation, struct weir_claim_fate *ret,
                       struct weir_error *reterr);
/* Look for a right that is missing: 1 = one is, @ret_grant mends it. */
int weir_keeping_may(struct weir_pg *pg, char ret_grant[400], struct weir_error *reterr);

#endif

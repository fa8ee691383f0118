/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_POLICY_H
#define WEIR_FLOW_POLICY_H
/*
 * policy - what a failure means: one table, asked by class and never by text
 *
 * Everybody who has a failure in hand asks here what to do, and under which name it is kept.
 */
#include "base/error.h"
#include "conf/conf.h"

enum weir_action {
        WEIR_ACTION_WAIT,  /* the world is at fault: wait, again for ever; never a dead letter */
        WEIR_ACTION_RETRY, /* the handler asked for another try */
        WEIR_ACTION_DEAD,  /* the event is at fault: keep it as a dead letter */
        WEIR_ACTION_LOOK,  /* outcome of COMMIT unknown: read the position row */
        WEIR_ACTION_LEAVE  /* stopping: roll back and go */
};

/* Classes of dead letters, as they stand in weir.dead_letter.class and in weir_class. */
#define WEIR_CLASS_DECODE "decode"     /* not a CloudEvent: at once */
#define WEIR_CLASS_REJECT "reject"     /* the handler or the database refused the event: at once */
#define WEIR_CLASS_CRASH "crash"       /* its process died too often with it in hand */
#define WEIR_CLASS_ATTEMPTS "attempts" /* the handler asked for a retry once too often */

/* @outcome of a handler (enum weir_outcome), or a failure < 0 with its @error. Not for DONE and SKIP. */
enum weir_action weir_policy_action(int outcome, const struct weir_error *error);
const char *weir_policy_name(enum weir_action action); /* for logs: "wait" */
/* Under which class an event is kept that met DEAD, or RETRY for the last time. NULL: it never is. */
const char *weir_policy_class(enum weir_action action);
/* The short word of weir.dead_letter.reason: the SQLSTATE, or "handler". */
const char *weir_policy_reason(const struct weir_error *error);

/* May the handler be called again after @failures failed calls of it? */
bool weir_policy_again(const struct weir_conf_worker *worker, int32_t failures);
/* Has its process died often enough of an event? */
bool weir_policy_deadly(const struct weir_conf_worker *worker, int32_t deaths);
/* How long to wait after failure number @failures (1 = the first). */
int64_t weir_policy_delay_ms(const struct weir_conf_worker *worker, int32_t failures);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_POLICY_H
#define WEIR_FLOW_POLICY_H
/* policy - what a failure means: one table, asked by class and never by text */
#include "base/error.h"

enum weir_action {
        WEIR_ACTION_WAIT,  /* the world is at fault: wait, again for ever; never a dead letter */
        WEIR_ACTION_RETRY, /* the handler asked for another try */
        WEIR_ACTION_DEAD,  /* the event is at fault: keep it as a dead letter */
        WEIR_ACTION_LOOK,  /* outcome of COMMIT unknown: read the position row */
        WEIR_ACTION_LEAVE  /* stopping: roll back and go */
};

/* @outcome of a handler (enum weir_outcome), or a failure < 0 with its @error. Not for DONE and SKIP. */
enum weir_action weir_policy_action(int outcome, const struct weir_error *error);
const char *weir_policy_name(enum weir_action action); /* for logs: "wait" */

#endif

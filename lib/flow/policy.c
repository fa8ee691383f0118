/* SPDX-License-Identifier: MIT */
/*
 * policy - the table of "What a failure means"
 *
 * A wrong row here either loses events (infrastructure taken for data) or stops a partition for ever
 * (data taken for infrastructure). The unknown counts as infrastructure: waiting loses nothing, and the
 * log says why it waits.
 */
#include "flow/policy.h"

#include <weir/worker.h>

#include "store/pg.h"

enum weir_action weir_policy_action(int outcome, const struct weir_error *error)
{
        switch (outcome) {
        case WEIR_RETRY: return WEIR_ACTION_RETRY;
        case WEIR_REJECT: return WEIR_ACTION_DEAD;
        case WEIR_ECOMMIT: return WEIR_ACTION_LOOK;
        case WEIR_ESTOP: return WEIR_ACTION_LEAVE;
        case WEIR_ESQL:
                return weir_pg_classify(error) == WEIR_SQL_DATA ? WEIR_ACTION_DEAD
                                                                : WEIR_ACTION_WAIT;
        case WEIR_EHANDLER: /* the plugin broke a rule: said in the text */
        case WEIR_EUSAGE:   /* a row that does not fit its table */
        case WEIR_EDECODE: return WEIR_ACTION_DEAD;
        default: return outcome > 0 ? WEIR_ACTION_DEAD : WEIR_ACTION_WAIT;
        }
}

const char *weir_policy_name(enum weir_action action)
{
        static const char *const names[] = { "wait", "retry", "dead", "look", "leave" };

        return names[action];
}

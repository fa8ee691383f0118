/* SPDX-License-Identifier: MIT */
/*
 * policy - the table of "What a failure means"
 *
 * A wrong row here either loses events (infrastructure taken for data) or stops a partition for ever
 * (data taken for infrastructure). The unknown counts as infrastructure: waiting loses nothing, and the
 * log says why it waits.
 *
 * Delays        first, times factor, up to max; then shortened at random, never lengthened: max_delay is a
 *               promise. The random part is no secret; any cheap spread will do.
 */
#include "flow/policy.h"

#include <weir/worker.h>

#include "base/clock.h"
#include "store/pg.h"

static const struct {
        const char *name;  /* in logs */
        const char *klass; /* of the dead letter; NULL: never one */
} actions[] = {
        [WEIR_ACTION_WAIT] = { "wait", NULL },
        [WEIR_ACTION_RETRY] = { "retry", WEIR_CLASS_ATTEMPTS }, /* after the last of its attempts */
        [WEIR_ACTION_DEAD] = { "dead", WEIR_CLASS_REJECT },
        [WEIR_ACTION_LOOK] = { "look", NULL },
        [WEIR_ACTION_LEAVE] = { "leave", NULL },
};

static const struct {
        int outcome;
        enum weir_action action;
} outcomes[] = {
        { WEIR_RETRY, WEIR_ACTION_RETRY },   { WEIR_REJECT, WEIR_ACTION_DEAD },
        { WEIR_ECOMMIT, WEIR_ACTION_LOOK },  { WEIR_ESTOP, WEIR_ACTION_LEAVE },
        { WEIR_EHANDLER, WEIR_ACTION_DEAD }, /* the plugin broke a rule: said in the text */
        { WEIR_EUSAGE, WEIR_ACTION_DEAD },   /* a row that does not fit its table */
        { WEIR_EDECODE, WEIR_ACTION_DEAD },
};

enum weir_action weir_policy_action(int outcome, const struct weir_error *error)
{
        if (outcome == WEIR_ESQL) /* the SQLSTATE decides */
                return weir_pg_classify(error) == WEIR_SQL_DATA ? WEIR_ACTION_DEAD
                                                                : WEIR_ACTION_WAIT;
        for (size_t i = 0; i < WEIR_COUNT_OF(outcomes); i++)
                if (outcomes[i].outcome == outcome)
                        return outcomes[i].action;
        /* Numbers that are no outcome come from a handler; failures that nobody knows from the world. */
        return outcome > 0 ? WEIR_ACTION_DEAD : WEIR_ACTION_WAIT;
}

const char *weir_policy_name(enum weir_action action)
{
        return actions[action].name;
}

const char *weir_policy_class(enum weir_action action)
{
        return actions[action].klass;
}

const char *weir_policy_reason(const struct weir_error *error)
{
        return error->sqlstate[0] ? error->sqlstate : "handler";
}

bool weir_policy_again(const struct weir_conf_worker *worker, int32_t failures)
{
        return failures < (int64_t)worker->retry_attempts;
}

bool weir_policy_deadly(const struct weir_conf_worker *worker, int32_t deaths)
{
        return deaths >= (int64_t)worker->conf->crash_attempts;
}

int64_t weir_policy_delay_ms(const struct weir_conf_worker *worker, int32_t failures)
{
        int64_t delay_ms = worker->retry_first_delay_ms, spread_ms;

        for (int32_t i = 1; i < failures && delay_ms < worker->retry_max_delay_ms; i++) {
                if (worker->retry_factor <= 1)
                        break;
                delay_ms *= worker->retry_factor; /* at most 24 h times 100 */
        }
        if (delay_ms > worker->retry_max_delay_ms)
                delay_ms = worker->retry_max_delay_ms;
        spread_ms = delay_ms * worker->retry_jitter_percent / 100;
        return delay_ms - (spread_ms > 0 ? weir_clock_us() % (spread_ms + 1) : 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * child - patience with a process, and its end
 *
 * Always true   CH1 to CH4, see child.h.
 * Quick deaths  the first death of a good process is followed by a start at once (first_delay_ms): an event that
 *               crashes costs crash.attempts restarts and as little else as can be. The delay doubles with each death
 *               in a row without a commit, and at the limit the worker is given up, loudly: a process that can do
 *               nothing but die is a burden to the group, which rebalances for it each time.
 */
#include "guard/child.h"

#include <sys/wait.h>
#include <sysexits.h>

#include "base/clock.h"

static int status_of(int wait_status)
{
        return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

#define LEFT_PACE_US 1000000 /* who is told to leave again and again is not started more often */

void weir_child_started(struct weir_child *child, pid_t pid, int64_t now_us)
{
        child->state = WEIR_CHILD_RUNS;
        child->pid = pid;
        child->started_us = now_us;
        child->starts++;
}

void weir_child_died(struct weir_child *child, const struct weir_child_policy *policy,
                     int wait_status, bool blamed, int64_t now_us)
{
        child->was_ready = child->was_ready || child->board->ready;
        child->stillborn = !child->board->ready;
        child->misfits = child->stillborn && WIFEXITED(wait_status) &&
                                         WEXITSTATUS(wait_status) == EX_CONFIG
                                 ? child->misfits + 1
                                 : 0;
        if (child->board->commits > 0)
                child->deaths = 0;
        if (!child->misfits && !blamed)
                child->deaths++;
        child->status = status_of(wait_status);
        child->state = WEIR_CHILD_NOTES;
        child->pid = 0;
        child->start_at_us = now_us + weir_backoff_ms(policy->first_delay_ms, policy->max_delay_ms,
                                                      child->misfits  ? child->misfits
                                                      : child->deaths ? child->deaths
                                                                      : 1) *
                                              1000;
}

void weir_child_left(struct weir_child *child, int64_t now_us)
{
        child->was_ready = child->was_ready || child->board->ready;
        if (child->board->commits > 0)
                child->deaths = 0;
        child->stillborn = false;
        child->misfits = 0;
        child->status = 0;
        child->state = WEIR_CHILD_DOWN;
        child->pid = 0;
        child->start_at_us = child->started_us + LEFT_PACE_US;
        if (child->start_at_us < now_us)
                child->start_at_us = now_us;
}

void weir_child_noted(struct weir_child *child, const struct weir_child_policy *policy)
{
        child->state = !child->misfits && child->deaths >= policy->limit ? WEIR_CHILD_FAILED
                                                                         : WEIR_CHILD_DOWN;
        child->pid = 0;
}

void weir_child_ended(struct weir_child *child, int wait_status)
{
        child->status = status_of(wait_status);
        child->state = WEIR_CHILD_ENDED;
        child->pid = 0;
}

bool weir_child_unfit(const struct weir_child *child, int wait_status)
{
        return !child->was_ready && !child->board->ready && WIFEXITED(wait_status) &&
               WEXITSTATUS(wait_status) != 0;
}

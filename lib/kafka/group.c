/* SPDX-License-Identifier: MIT */
/*
 * group - the member's life, complete: one cell for every state and event
 *
 * Always true   G1  an ASSIGN or REVOKE is answered in every state in which librdkafka still
 *                   listens (START, DRAIN, DECLINE all end in an assign call): an unanswered one
 *                   hangs rd_kafka_consumer_close() for ever and, in an eager group, every member.
 *               G2  after CLOSE nothing is started.
 *               G3  CLOSED is left by nothing, FAILED only by CLOSE.
 * The race      1. the owner calls close  2. the JoinGroup answer is already on its way
 *               3. an ASSIGN arrives while closing: DECLINE it, or the close never ends.
 * Two bodies    REVOKE while CLOSING stays CLOSING: what follows it is LEFT, not a new ASSIGN.
 * Not chosen    flags (closing, revoking, fatal) tested where they matter: 3 flags have 8 states
 *               and nobody can say what happens in the 8th.
 */
#include "kafka/group.h"

#include <assert.h>
#include <stddef.h>

struct cell {
        enum weir_group_state next;
        enum weir_group_action action;
};

#define S(name) WEIR_GROUP_##name
#define ON(event, state, action) [WEIR_GROUP_ON_##event] = { S(state), WEIR_GROUP_DO_##action }

static const struct cell table[WEIR_GROUP_STATE_COUNT][WEIR_GROUP_EVENT_COUNT] = {
        [S(JOINING)] = {
                ON(ASSIGN, ASSIGNED, START),
                ON(REVOKE, REVOKING, DRAIN), /* a rebalance lost before its ASSIGN was seen */
                ON(EMPTIED, JOINING, IGNORE),
                ON(REDUCED, JOINING, IGNORE),
                ON(CLOSE, CLOSING, LEAVE),
                ON(LEFT, CLOSED, DESTROY),
                ON(FATAL, FAILED, STOP),
        },
        [S(ASSIGNED)] = {
                ON(ASSIGN, ASSIGNED, START), /* cooperative: more of them */
                ON(REVOKE, REVOKING, DRAIN),
                ON(EMPTIED, ASSIGNED, IGNORE),
                ON(REDUCED, ASSIGNED, IGNORE),
                ON(CLOSE, CLOSING, LEAVE),
                ON(LEFT, CLOSED, DESTROY),
                ON(FATAL, FAILED, STOP),
        },
        [S(REVOKING)] = {
                ON(ASSIGN, REVOKING, IGNORE), /* librdkafka waits for our answer first */
                ON(REVOKE, REVOKING, IGNORE),
                ON(EMPTIED, JOINING, NOTHING),
                ON(REDUCED, ASSIGNED, NOTHING),
                ON(CLOSE, CLOSING, LEAVE),
                ON(LEFT, CLOSED, DESTROY),
                ON(FATAL, FAILED, STOP),
        },
        [S(CLOSING)] = {
                ON(ASSIGN, CLOSING, DECLINE),
                ON(REVOKE, CLOSING, DRAIN),
                ON(EMPTIED, CLOSING, NOTHING),
                ON(REDUCED, CLOSING, NOTHING),
                ON(CLOSE, CLOSING, NOTHING),
                ON(LEFT, CLOSED, DESTROY),
                ON(FATAL, FAILED, STOP),
        },
        [S(CLOSED)] = {
                ON(ASSIGN, CLOSED, IGNORE),
                ON(REVOKE, CLOSED, IGNORE),
                ON(EMPTIED, CLOSED, NOTHING),
                ON(REDUCED, CLOSED, NOTHING),
                ON(CLOSE, CLOSED, NOTHING),
                ON(LEFT, CLOSED, NOTHING),
                ON(FATAL, CLOSED, NOTHING),
        },
        [S(FAILED)] = {
                ON(ASSIGN, FAILED, IGNORE),
                ON(REVOKE, FAILED, IGNORE),
                ON(EMPTIED, FAILED, NOTHING),
                ON(REDUCED, FAILED, NOTHING),
                ON(CLOSE, CLOSED, ABANDON), /* closing a fatal consumer the usual way hangs */
                ON(LEFT, FAILED, NOTHING),
                ON(FATAL, FAILED, STOP),
        },
};

enum weir_group_action weir_group_step(enum weir_group_state *state, enum weir_group_event event)
{
        const struct cell *cell;

        assert((unsigned)*state < WEIR_GROUP_STATE_COUNT);
        assert((unsigned)event < WEIR_GROUP_EVENT_COUNT);
        cell = &table[*state][event];
        *state = cell->next;
        return cell->action;
}

#define NAME(name, text) text,

const char *weir_group_state_name(enum weir_group_state state)
{
        static const char *const names[] = { WEIR_GROUP_STATES(NAME) };

        return (unsigned)state < WEIR_GROUP_STATE_COUNT ? names[state] : "?";
}

const char *weir_group_event_name(enum weir_group_event event)
{
        static const char *const names[] = { WEIR_GROUP_EVENTS(NAME) };

        return (unsigned)event < WEIR_GROUP_EVENT_COUNT ? names[event] : "?";
}

const char *weir_group_action_name(enum weir_group_action action)
{
        static const char *const names[] = { WEIR_GROUP_ACTIONS(NAME) };

        return (unsigned)action < WEIR_GROUP_ACTION_COUNT ? names[action] : "?";
}

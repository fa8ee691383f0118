/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_GROUP_H
#define WEIR_KAFKA_GROUP_H
/*
 * group - the life of one group member as a table: (state, event) -> state and what to do
 *
 * Pure: no clock, no librdkafka. consumer.c asks it before it acts and does exactly what it says,
 * so that every combination, also those that never happen in a demonstration, has one answer.
 */

/* In the order of a life. */
#define WEIR_GROUP_STATES(X)                                                                       \
        X(JOINING, "joining")   /* subscribed; the group has given nothing yet, or took all    */  \
        X(ASSIGNED, "assigned") /* member of a finished rebalance, possibly with no partitions */  \
        X(REVOKING, "revoking") /* lanes are being called back; librdkafka waits for us        */  \
        X(CLOSING, "closing")   /* leaving; nothing is started any more                        */  \
        X(CLOSED, "closed")     /* the group is left, the client may be destroyed              */  \
        X(FAILED, "failed")     /* fatal error: the client answers nothing any more            */

#define WEIR_GROUP_EVENTS(X)                                                                       \
        X(ASSIGN, "assign")   /* the group gives partitions (perhaps none)             */          \
        X(REVOKE, "revoke")   /* the group takes partitions                            */          \
        X(EMPTIED, "emptied") /* a revocation is answered; we hold nothing now         */          \
        X(REDUCED, "reduced") /* a revocation is answered; we still hold some          */          \
        X(CLOSE, "close")     /* the owner wants to leave                              */          \
        X(LEFT, "left")       /* librdkafka says that the group is left                */          \
        X(FATAL, "fatal")     /* librdkafka says that the client is at its end         */

#define WEIR_GROUP_ACTIONS(X)                                                                      \
        X(NOTHING, "nothing")                                                                      \
        X(START, "start")     /* make partitions, tell the owner, complete with an assign    */    \
        X(DRAIN, "drain")     /* call lanes back, unassign, then feed EMPTIED or REDUCED     */    \
        X(DECLINE, "decline") /* complete the rebalance without taking anything              */    \
        X(LEAVE, "leave")     /* start to close the consumer                                 */    \
        X(DESTROY, "destroy") /* destroy the client                                          */    \
        X(STOP, "stop")       /* report the fatal error to the owner; poll no more           */    \
        X(ABANDON, "abandon") /* call lanes back as lost, destroy without leaving the group  */    \
        X(IGNORE, "ignore")   /* cannot happen, and harmless if it does: logged              */

enum weir_group_state {
#define WEIR_GROUP_ENUM(name, text) WEIR_GROUP_##name,
        WEIR_GROUP_STATES(WEIR_GROUP_ENUM)
#undef WEIR_GROUP_ENUM
                WEIR_GROUP_STATE_COUNT
};
enum weir_group_event {
#define WEIR_GROUP_ENUM(name, text) WEIR_GROUP_ON_##name,
        WEIR_GROUP_EVENTS(WEIR_GROUP_ENUM)
#undef WEIR_GROUP_ENUM
                WEIR_GROUP_EVENT_COUNT
};
enum weir_group_action {
#define WEIR_GROUP_ENUM(name, text) WEIR_GROUP_DO_##name,
        WEIR_GROUP_ACTIONS(WEIR_GROUP_ENUM)
#undef WEIR_GROUP_ENUM
                WEIR_GROUP_ACTION_COUNT
};

/* Move *state by @event; returns what to do now. */
enum weir_group_action weir_group_step(enum weir_group_state *state, enum weir_group_event event);

const char *weir_group_state_name(enum weir_group_state state);
const char *weir_group_event_name(enum weir_group_event event);
const char *weir_group_action_name(enum weir_group_action action);

#endif

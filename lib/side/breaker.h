/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_BREAKER_H
#define WEIR_SIDE_BREAKER_H
/*
 * breaker - may a destination be sent to now? Pure: no clock, no lock, no log
 *
 *  K1  open until several requests in a row have failed, or the receiver itself asked for time
 *  K2  waiting until a moment; then exactly one request probes. It opens, or doubles the wait.
 *  K3  retired until somebody opens it
 */
#include <stdbool.h>
#include <stdint.h>

#include "store/destination.h"

struct weir_breaker {
        int state;             /* enum weir_destination_state */
        uint32_t failures;     /* in a row */
        int64_t not_before_us; /* waiting: until then */
        int64_t changed_us; /* waiting: since then; outcomes of requests begun before are no news */
        bool probing;       /* the one request of K2 is under way */
};

enum weir_breaker_answer {
        WEIR_BREAKER_SEND,
        WEIR_BREAKER_PROBE, /* this one request, once weir_breaker_probe() was called */
        WEIR_BREAKER_WAIT,
        WEIR_BREAKER_RETIRED
};

enum weir_breaker_answer weir_breaker_ask(const struct weir_breaker *breaker, int64_t now_us);
void weir_breaker_probe(struct weir_breaker *breaker);
/* Another relay probes: wait, and look again then. */
void weir_breaker_yield(struct weir_breaker *breaker, int64_t until_us);

/* What became of a request that was begun at @begun_us. true: others should know, the state has changed. */
bool weir_breaker_delivered(struct weir_breaker *breaker, int64_t begun_us);
/* @wait_ms: what the receiver asked for, -1 = nothing. @backoff_ms gives the wait for a number of failures. */
bool weir_breaker_failed(struct weir_breaker *breaker, int64_t begun_us, int64_t now_us,
                         int64_t wait_ms, int64_t (*backoff_ms)(uint32_t failures));
bool weir_breaker_retired(struct weir_breaker *breaker);
/* A request came to an end that says nothing about the destination (given up, refused for itself). */
void weir_breaker_ended(struct weir_breaker *breaker);
/* What another relay, or an operator, has written. @held_us: until then some relay, perhaps we, probes. */
void weir_breaker_learn(struct weir_breaker *breaker, int state, uint32_t failures,
                        int64_t not_before_us, int64_t held_us, int64_t now_us);

#endif

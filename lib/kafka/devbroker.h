/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_DEVBROKER_H
#define WEIR_KAFKA_DEVBROKER_H
/* devbroker - faults on demand in the development broker, for tests without a Java machine */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct weir_devbroker;

/* Kafka's numbers of requests, as the protocol has them. */
enum weir_devbroker_api {
        WEIR_API_PRODUCE = 0,
        WEIR_API_FETCH = 1,
        WEIR_API_LIST_OFFSETS = 2,
        WEIR_API_OFFSET_COMMIT = 8,
        WEIR_API_OFFSET_FETCH = 9,
        WEIR_API_JOIN_GROUP = 11,
        WEIR_API_HEARTBEAT = 12
};

/* Connections are closed and refused while down. */
void weir_devbroker_set_down(struct weir_devbroker *broker, bool down);
/* The next @count requests of @api are answered with Kafka's error number @error; those that
 * are left are forgotten with @count 0. */
void weir_devbroker_fail(struct weir_devbroker *broker, enum weir_devbroker_api api, int16_t error,
                         uint32_t count);
/* The next request of @api is answered after @delay_ms, as if the broker had forgotten it. */
void weir_devbroker_forget(struct weir_devbroker *broker, enum weir_devbroker_api api,
                           int delay_ms);
/* The topic's partition has no leader: records for it wait where they are. */
int weir_devbroker_orphan(struct weir_devbroker *broker, const char *topic, int32_t partition,
                          struct weir_error *reterr);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_RELAY_H
#define WEIR_SIDE_RELAY_H
/*
 * relay - sends what is in weir.outbox: records to Kafka, events to sinks; removes what arrived
 *
 * One thread a process, with a connection, a producer and a webhook client of its own. Several processes
 * share the streams by leases (store/outbox.h). At least once, with a constant id.
 * Thread   start, stop, wait, free: main thread.
 */
#include "conf/conf.h"
#include "base/error.h"

struct weir_relay;

int weir_relay_start(const struct weir_conf *conf, const char *owner, struct weir_relay **ret,
                     struct weir_error *reterr);
/* Finish what is open, give the leases back, by @deadline_us. Returns at once. */
void weir_relay_stop(struct weir_relay *relay, int64_t deadline_us);
/* 0 = it has ended; 1 = not by then. */
int weir_relay_wait(struct weir_relay *relay, int timeout_ms);
void weir_relay_free(struct weir_relay *relay);

#endif

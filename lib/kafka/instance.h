/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_INSTANCE_H
#define WEIR_KAFKA_INSTANCE_H
/*
 * instance - a group.instance.id is one process's, on this machine
 *
 *  IN1 of two processes of a machine that want the same one of the same group, the later does not join.
 *  IN2 it is given back by the end of a process, however it ends.
 *
 * Thread   any.
 */
#include "base/error.h"
#include "base/thread.h"

/* Hold @instance of @group until *ret_fd is closed. Waits up to @wait_ms for a process that is on its way out, and says so; ends
 * early when @stop is set. WEIR_ECONF: another process has it. WEIR_ESTOP, WEIR_ESYS, WEIR_ENOMEM. */
int weir_instance_hold(const char *brokers, const char *group, const char *instance,
                       int64_t wait_ms, struct weir_latch *stop, int *ret_fd,
                       struct weir_error *reterr);

#endif

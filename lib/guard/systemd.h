/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_SYSTEMD_H
#define WEIR_GUARD_SYSTEMD_H
/*
 * systemd - tell the service manager how we are, by the datagram protocol of sd_notify(3)
 *
 * Without NOTIFY_SOCKET all of it does nothing and succeeds. Only the process that systemd started speaks
 * (NotifyAccess=main); what it starts does not find the variables any more.
 *
 * Thread   open: main, before others are started. The rest: any, one at a time.
 * Errors   WEIR_ESYS: the datagram was not taken within a second. Worth a line in the log, not an end.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

struct weir_systemd {
        int fd; /* -1: nobody listens */
        struct sockaddr_un address;
        socklen_t address_size;
        int64_t watchdog_ms; /* tell it is alive as often as this; 0 = nobody asks */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the environment. *ret can be used in any case.
 * Errors   WEIR_EUSAGE: an address of another kind than a path or an abstract name; a watchdog without a number. */
int weir_systemd_open(struct weir_systemd *ret, struct weir_error *reterr);
void weir_systemd_close(struct weir_systemd *systemd);
bool weir_systemd_listens(const struct weir_systemd *systemd);

int weir_systemd_ready(struct weir_systemd *systemd, struct weir_error *reterr); /* and: reloaded */
int weir_systemd_reloading(struct weir_systemd *systemd, struct weir_error *reterr);
int weir_systemd_stopping(struct weir_systemd *systemd, struct weir_error *reterr);
int weir_systemd_watchdog(struct weir_systemd *systemd, struct weir_error *reterr);
/* @text becomes one line of printable UTF-8, cut after 200 bytes. */
int weir_systemd_status(struct weir_systemd *systemd, const char *text, struct weir_error *reterr);

#endif

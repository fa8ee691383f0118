/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_HERALD_H
#define WEIR_GUARD_HERALD_H
/*
 * herald - what the service manager is told of the family, and when
 *
 * Thread   supervisor.
 */
#include "guard/systemd.h"

struct weir_herald_news {
        uint32_t processes, running, ready; /* the relay is one of them */
        uint32_t failed;                    /* given up */
        const char *failed_name;            /* one of those */
        bool stopping;
        uint32_t reloads; /* begun so far */
        bool reloading;   /* the last is not over */
};

struct weir_herald {
        struct weir_systemd systemd;
        bool told_ready, told_reloading, told_stopping;
        uint32_t told_reloads;
        char status[160];       /* that was told last */
        int64_t watchdog_at_us; /* the next sign of life */
};

void weir_herald_open(struct weir_herald *herald);
void weir_herald_close(struct weir_herald *herald);
/* Tells what has changed, and that we are alive when it is time. Cheap; call it each round. */
void weir_herald_tell(struct weir_herald *herald, const struct weir_herald_news *news,
                      int64_t now_us);

#endif

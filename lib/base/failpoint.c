/* SPDX-License-Identifier: MIT */
/*
 * failpoint - the moment between two steps, held still
 *
 * A kill at a random time meets the interesting moment once in ten thousand runs. A promise about
 * crashes is a promise about each gap between two steps, so the gaps have names.
 *
 * Exactly       the signal goes to this thread, not to the process: a SIGSTOP for the process may be taken by another
 *               thread, while this one walks on, into the COMMIT that it was to be stopped before. All stop either way.
 * Known weak    whoever sets the environment of the process can end it; he could before.
 */
#include "base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

bool weir_failpoint_armed;
static struct {
        char name[64];
        int signal_number;
        atomic_long left;
} point;

static int signal_of(const char *action)
{
        if (!strcmp(action, "kill"))
                return SIGKILL;
        if (!strcmp(action, "stop"))
                return SIGSTOP;
        return !strcmp(action, "abort") ? SIGABRT : 0;
}

bool weir_failpoint_setup(void)
{
        const char *text = getenv("WEIR_FAILPOINT");
        char action[8];
        long passing = 1;
        int used = 0;

        weir_failpoint_armed = false;
        if (!text || !*text)
                return true;
        if (sscanf(text, "%63[a-z._]:%7[a-z]%n", point.name, action, &used) < 2 ||
            !signal_of(action))
                return false;
        if (text[used]) {
                char *end;

                passing = strtol(text + used + 1, &end, 10);
                if (text[used] != ':' || *end || passing < 1)
                        return false;
        }
        point.signal_number = signal_of(action);
        point.left = passing;
        weir_failpoint_armed = true;
        return true;
}

void weir_failpoint_reached(const char *name)
{
        if (strcmp(name, point.name) != 0 || atomic_fetch_sub(&point.left, 1) != 1)
                return;
        weir_log(WEIR_LOG_WARN, "failpoint.reached", LOG_S("name", name),
                 LOG_S("signal", strsignal(point.signal_number)));
        raise(point.signal_number);
}

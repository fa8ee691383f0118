/* SPDX-License-Identifier: MIT */
/*
 * failpoint - the moment between two steps, held still
 *
 * A kill at a random time meets the interesting moment once in ten thousand runs. A promise about
 * crashes is a promise about each gap between two steps, so the gaps have names.
 *
 * Exactly       the signal goes to this thread, not to the process: a SIGSTOP for the process may be taken by another
 *               thread, while this one walks on, into the COMMIT that it was to be stopped before. All stop either way.
 * Test builds   what ends the process on a word in its environment has no place in what is shipped: the release build has neither the
 *               places nor this code, and a variable that is set there by mistake is said, not passed over.
 */
#include "base/failpoint.h"

#include <stdlib.h>

#ifdef WEIR_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

bool weir_failpoint_armed;
static struct {
        char name[64];
        int signal_number;
        atomic_long left;
} point;

/* Made by the linker around the section; weak, since a program without a place has no section. */
extern const char *const __start_weir_failpoints[] __attribute__((weak, visibility("hidden")));
extern const char *const __stop_weir_failpoints[] __attribute__((weak, visibility("hidden")));

static int signal_of(const char *action)
{
        if (!strcmp(action, "kill"))
                return SIGKILL;
        if (!strcmp(action, "stop"))
                return SIGSTOP;
        return !strcmp(action, "abort") ? SIGABRT : 0;
}

/* The least name that is greater than @before. */
static const char *next_name(const char *before)
{
        const char *next = NULL;

        for (const char *const *at = __start_weir_failpoints; at < __stop_weir_failpoints; at++)
                if (strcmp(*at, before) > 0 && (!next || strcmp(*at, next) < 0))
                        next = *at;
        return next;
}

const char *weir_failpoint_name(int index)
{
        const char *name = next_name("");

        while (name && index-- > 0)
                name = next_name(name);
        return name;
}

static bool is_known(const char *name)
{
        for (const char *const *at = __start_weir_failpoints; at < __stop_weir_failpoints; at++)
                if (!strcmp(*at, name))
                        return true;
        return false;
}

const char *weir_failpoint_setup(void)
{
        static const char form[] = "WEIR_FAILPOINT is not NAME:kill|stop|abort[:N]";
        const char *text = getenv("WEIR_FAILPOINT");
        char action[8];
        long passing = 1;
        int used = 0;

        weir_failpoint_armed = false;
        if (!text || !*text)
                return NULL;
        if (sscanf(text, "%63[a-z._]:%7[a-z]%n", point.name, action, &used) < 2 ||
            !signal_of(action))
                return form;
        if (text[used]) {
                char *end;

                passing = strtol(text + used + 1, &end, 10);
                if (text[used] != ':' || *end || passing < 1)
                        return form;
        }
        if (!is_known(point.name))
                return "WEIR_FAILPOINT names no place: `weir version --failpoints` lists them";
        point.signal_number = signal_of(action);
        point.left = passing;
        weir_failpoint_armed = true;
        return NULL;
}

void weir_failpoint_reached(const char *name)
{
        if (strcmp(name, point.name) != 0 || atomic_fetch_sub(&point.left, 1) != 1)
                return;
        weir_log(WEIR_LOG_WARN, "failpoint.reached", LOG_S("name", name),
                 LOG_S("signal", strsignal(point.signal_number)));
        raise(point.signal_number);
}

#else

const char *weir_failpoint_setup(void)
{
        const char *text = getenv("WEIR_FAILPOINT");

        return text && *text
                       ? "WEIR_FAILPOINT is set, and this build has no failpoints: unset it, or use weir-test"
                       : NULL;
}

const char *weir_failpoint_name(int index)
{
        (void)index;
        return NULL;
}

#endif

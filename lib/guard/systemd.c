/* SPDX-License-Identifier: MIT */
/*
 * systemd - five words of a protocol that is a datagram of lines
 *
 * Always true   SD1  a manager that is slow or gone costs a second at most: a supervisor that hangs in a message about being
 *                    alive would be a bad joke.
 *               SD2  what is sent is what was meant: a status of one line cannot hold a second assignment.
 *               SD3  children cannot speak for us: the variables are gone before the first is started.
 * Not chosen    libsystemd: it brings a bus client and compression into a process that sends READY=1.
 *               A connected socket: systemd makes its socket anew when it is updated; each datagram finds the name again.
 *               MAINPID=: the process that systemd started stays the main one.
 *               vsock: for a virtual machine whose host listens; nobody runs weir as a whole machine.
 */
#include "guard/systemd.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

#define STATUS_BYTES 200

/* ---- who listens ---------------------------------------------------------------------------- */

/* A whole number and nothing else; false: none. */
static bool read_number(const char *text, int64_t *ret)
{
        char *end;
        long long number;

        if (*text < '0' || *text > '9')
                return false;
        errno = 0;
        number = strtoll(text, &end, 10);
        *ret = number;
        return errno == 0 && *end == '\0';
}

static int read_watchdog(struct weir_systemd *systemd, const char *usec, const char *pid,
                         struct weir_error *reterr)
{
        int64_t us, of;

        if (!usec)
                return 0;
        if (!read_number(usec, &us) || us <= 0 || (pid && !read_number(pid, &of)))
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "WATCHDOG_USEC and WATCHDOG_PID of the environment must be "
                                 "numbers; the watchdog will end this service (WatchdogSec=)");
        if (pid && of != (int64_t)getpid()) /* meant for another process */
                return 0;
        systemd->watchdog_ms = us / 2000 > 0 ? us / 2000 : 1;
        return 0;
}

static int read_address(struct weir_systemd *systemd, const char *name, struct weir_error *reterr)
{
        const struct timeval second = { .tv_sec = 1 };
        size_t size = strlen(name);

        if (!strncmp(name, "vsock", 5))
                return weir_fail(
                        reterr, WEIR_EUSAGE, 0,
                        "NOTIFY_SOCKET=%.40s: weir speaks to a service manager of the same "
                        "machine only; use Type=exec",
                        name);
        if ((*name != '/' && *name != '@') || size < 2 || size >= sizeof systemd->address.sun_path)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "NOTIFY_SOCKET=%.40s: must be a path from the root, or @ and a "
                                 "name, of at most %zu bytes",
                                 name, sizeof systemd->address.sun_path - 1);
        systemd->address.sun_family = AF_UNIX;
        memcpy(systemd->address.sun_path, name, size);
        if (*name == '@')
                systemd->address.sun_path[0] = '\0';
        systemd->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
        systemd->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (systemd->fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "NOTIFY_SOCKET: socket: %s",
                                 strerror(errno));
        setsockopt(systemd->fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second); /* SD1 */
        return 0;
}

int weir_systemd_open(struct weir_systemd *ret, struct weir_error *reterr)
{
        const char *name = getenv("NOTIFY_SOCKET");
        int r = 0;

        *ret = (struct weir_systemd){ .fd = -1 };
        if (name && *name)
                r = read_address(ret, name, reterr);
        if (r == 0 && ret->fd >= 0)
                r = read_watchdog(ret, getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), reterr);
        unsetenv("NOTIFY_SOCKET"); /* SD3 */
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        return r;
}

void weir_systemd_close(struct weir_systemd *systemd)
{
        if (systemd->fd >= 0)
                close(systemd->fd);
        systemd->fd = -1;
        systemd->watchdog_ms = 0;
}

bool weir_systemd_listens(const struct weir_systemd *systemd)
{
        return systemd->fd >= 0;
}

/* ---- what is said --------------------------------------------------------------------------- */

static int say(struct weir_systemd *systemd, const char *text, struct weir_error *reterr)
{
        ssize_t n;

        if (systemd->fd < 0)
                return 0;
        do
                n = sendto(systemd->fd, text, strlen(text), MSG_NOSIGNAL,
                           (const struct sockaddr *)&systemd->address, systemd->address_size);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
                return 0;
        return weir_fail(reterr, WEIR_ESYS, errno, "systemd was not told %.*s: %s",
                         (int)strcspn(text, "\n"), text, strerror(errno));
}

int weir_systemd_ready(struct weir_systemd *systemd, struct weir_error *reterr)
{
        return say(systemd, "READY=1", reterr);
}

int weir_systemd_reloading(struct weir_systemd *systemd, struct weir_error *reterr)
{
        char text[80];

        /* by the time systemd tells this answer from that to an earlier request */
        snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)weir_clock_us());
        return say(systemd, text, reterr);
}

int weir_systemd_stopping(struct weir_systemd *systemd, struct weir_error *reterr)
{
        return say(systemd, "STOPPING=1", reterr);
}

int weir_systemd_watchdog(struct weir_systemd *systemd, struct weir_error *reterr)
{
        return say(systemd, "WATCHDOG=1", reterr);
}

/* Bytes of the character at @p, 0 = it is none: broken, overlong, a surrogate, or a control character. */
static size_t character(const unsigned char *p)
{
        size_t size = *p < 0x80                 ? 1
                      : *p >= 0xc2 && *p < 0xe0 ? 2
                      : (*p & 0xf0) == 0xe0     ? 3
                      : *p >= 0xf0 && *p < 0xf5 ? 4
                                                : 0;

        if (size == 1)
                return *p >= 0x20 && *p != 0x7f;
        for (size_t i = 1; i < size; i++)
                if ((p[i] & 0xc0) != 0x80) /* the end of the text too */
                        return 0;
        if ((*p == 0xc2 && p[1] < 0xa0) || (*p == 0xe0 && p[1] < 0xa0) ||
            (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
            (*p == 0xf4 && p[1] > 0x8f))
                return 0;
        return size;
}

int weir_systemd_status(struct weir_systemd *systemd, const char *text, struct weir_error *reterr)
{
        char line[sizeof "STATUS=" + STATUS_BYTES] = "STATUS=";
        size_t used = strlen(line);

        while (*text) {
                size_t size = character((const unsigned char *)text);

                if (used + (size ? size : 1) >= sizeof line)
                        break;
                if (size > 0)
                        memcpy(line + used, text, size);
                else
                        line[used] = ' '; /* SD2 */
                used += size ? size : 1;
                text += size ? size : 1;
        }
        line[used] = '\0';
        return say(systemd, line, reterr);
}

/* SPDX-License-Identifier: MIT */
/*
 * instance - who joins with an id that is in use puts the other one out
 *
 * Kafka takes the newer of two members with one group.instance.id for the older, started again, and fences that. If both live, and both are
 * started again when they die of it, they put each other out for ever: each round a few seconds of work, and nothing
 * in the log of a group says who the other one is. It needs no more than weir run of one file twice on a machine: the id is made of worker,
 * host and process.
 *
 * Always true   IN1 IN2, see instance.h.
 * How           a socket that is bound to an abstract name and never used: the kernel lets one process have it, and takes it back with
 *               the process. The name is a hash: group names are longer than a socket's address.
 * Waiting       a supervisor that was killed leaves processes that drain for up to stop.deadline, while the next one starts already.
 * Not chosen    a lock on the configuration file: editors put a new file in its place. A lock file: where a worker may write
 *               is the operator's word, and what was left behind would have to be judged. PostgreSQL's advisory locks: a
 *               connection for each process, held for ever.
 * Known weak    containers have a namespace each: two with one host name are not seen here. The client's error names the
 *               id, then (consumer.c).
 */
#include "kafka/instance.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define ASK_MS 50

static int name_it(const char *brokers, const char *group, const char *instance,
                   struct sockaddr_un *ret, socklen_t *ret_size, struct weir_error *reterr)
{
        const struct weir_hash_part parts[] = { { brokers, strlen(brokers) },
                                                { group, strlen(group) },
                                                { instance, strlen(instance) } };
        uint8_t digest[32];
        char *at = ret->sun_path + 1; /* behind a NUL: abstract */
        size_t room = sizeof ret->sun_path - 1, used;

        if (weir_hash_parts(parts, sizeof parts / sizeof parts[0], digest) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "name of group.instance.id %s", instance);
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        used = (size_t)snprintf(at, room, "weir-instance-");
        for (size_t i = 0; i < 16; i++)
                used += (size_t)snprintf(at + used, room - used, "%02x", digest[i]);
        *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + used);
        return 0;
}

int weir_instance_hold(const char *brokers, const char *group, const char *instance,
                       int64_t wait_ms, struct weir_latch *stop, int *ret_fd,
                       struct weir_error *reterr)
{
        int64_t until_us = weir_clock_us() + wait_ms * 1000;
        struct sockaddr_un address;
        socklen_t size = 0;
        int fd, r = name_it(brokers, group, instance, &address, &size, reterr);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "socket of group.instance.id %s: %s",
                                 instance, strerror(errno));
        for (bool told = false;; told = true) {
                if (bind(fd, (const struct sockaddr *)&address, size) == 0) {
                        *ret_fd = fd;
                        return 0;
                }
                if (errno != EADDRINUSE)
                        r = weir_fail(reterr, WEIR_ESYS, errno, "group.instance.id %s: %s",
                                      instance, strerror(errno));
                else if (weir_clock_us() >= until_us)
                        r = weir_fail(
                                reterr, WEIR_ECONF, 0,
                                "group %s: group.instance.id %s is another process's on this "
                                "machine: does a second weir run work there for the same worker? "
                                "Stop it, or raise processes of one of them instead, or set "
                                "static_membership = false",
                                group, instance);
                else if (!told)
                        weir_log(WEIR_LOG_WARN, "group.instance_in_use", LOG_S("group", group),
                                 LOG_S("instance", instance), LOG_I("wait_ms", wait_ms),
                                 LOG_S("action", "wait"));
                if (r == 0 && weir_latch_wait(stop, ASK_MS))
                        r = weir_fail(reterr, WEIR_ESTOP, 0,
                                      "stopped while waiting for group.instance.id %s", instance);
                if (r < 0) {
                        close(fd);
                        return r;
                }
        }
}

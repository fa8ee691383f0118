/* SPDX-License-Identifier: MIT */
/*
 * herald - ready means that every worker was, once
 *
 * A service that says READY before its workers have a database and a schema is restarted into nothing, and what
 * starts after it starts too early. Later a worker may die and come back: that is a line of the status, not a new start.
 *
 * Sign of life  it comes from the supervisor's loop. A worker that hangs is the supervisor's business (guard/watch); a
 *               supervisor that hangs is the service manager's.
 * Reload        RELOADING when it begins, and READY when the file was refused or every worker has taken it over (or one of
 *               them takes too long: guard/reload.c): which of them, the log says. One that was over before anybody looked
 *               is told all the same, the manager may wait for both.
 * A datagram that is not taken is one line of the log, once: nobody works worse for it.
 */
#include "guard/herald.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static void check(int r, const struct weir_error *error)
{
        if (r < 0)
                weir_log(WEIR_LOG_WARN, "systemd.deaf", LOG_S("error", error->text));
}

void weir_herald_open(struct weir_herald *herald)
{
        struct weir_error error = { 0 };

        *herald = (struct weir_herald){ .told_ready = false };
        check(weir_systemd_open(&herald->systemd, &error), &error);
}

void weir_herald_close(struct weir_herald *herald)
{
        weir_systemd_close(&herald->systemd);
}

static void describe(const struct weir_herald_news *news, char *ret, size_t size)
{
        int used = snprintf(ret, size, "%u of %u processes run", news->running, news->processes);

        if (news->failed && used > 0 && (size_t)used < size)
                snprintf(ret + used, size - (size_t)used, "; given up: %s%s", news->failed_name,
                         news->failed > 1 ? " and others" : "");
        if (news->stopping)
                snprintf(ret, size, "stopping, %u processes left", news->running);
}

void weir_herald_tell(struct weir_herald *herald, const struct weir_herald_news *news,
                      int64_t now_us)
{
        char status[sizeof herald->status];
        struct weir_error error = { 0 };

        if (!weir_systemd_listens(&herald->systemd))
                return;
        describe(news, status, sizeof status);
        if (strcmp(status, herald->status) != 0) {
                memcpy(herald->status, status, sizeof status);
                check(weir_systemd_status(&herald->systemd, status, &error), &error);
        }
        if (!herald->told_ready && news->ready == news->processes) {
                herald->told_ready = true;
                check(weir_systemd_ready(&herald->systemd, &error), &error);
        }
        if (herald->told_ready && herald->told_reloads != news->reloads) {
                herald->told_reloads = news->reloads;
                herald->told_reloading = true;
                check(weir_systemd_reloading(&herald->systemd, &error), &error);
        }
        if (herald->told_reloading && !news->reloading) {
                herald->told_reloading = false;
                check(weir_systemd_ready(&herald->systemd, &error), &error);
        }
        if (!herald->told_stopping && news->stopping) {
                herald->told_stopping = true;
                check(weir_systemd_stopping(&herald->systemd, &error), &error);
        }
        if (herald->systemd.watchdog_ms && now_us >= herald->watchdog_at_us) {
                herald->watchdog_at_us = now_us + herald->systemd.watchdog_ms * 1000;
                check(weir_systemd_watchdog(&herald->systemd, &error), &error);
        }
}

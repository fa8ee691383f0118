/* SPDX-License-Identifier: MIT */
/*
 * ledger - the plugin of the chaos runs: what it does with an event is known from the event's type alone
 *
 * The checker must be able to say what ought to have become of every record without asking weir, so nothing here depends
 * on memory, time or chance: a retried event counts by its attempt, which a crash does not forget. Every event that is done leaves
 * a row with its bytes in ledger.effect; the table has no key, so a second effect shows.
 *
 *   ledger.good      a row                       ledger.emit      a row, and the event again to the topic of option "topic"
 *   ledger.skip      no row                      ledger.retry     RETRY at its first attempt, then a row
 *   ledger.reject    REJECT                      ledger.stubborn  RETRY always
 *   ledger.sql       a statement that divides    ledger.spoil     a row, then REJECT: the row must go
 *                    by zero                     ledger.slow      wait for option "slow_ms", then a row
 *   ledger.segv      break the process           ledger.hang      never come back
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/worker.h>

struct ledger {
        struct weir_table *effects;
        const char *topic;
        int64_t slow_ms;
};

static int ledger_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        static const char *const columns[] = { "source", "id",      "type", "topic", "partition",
                                               "offset", "attempt", "data", NULL };
        struct ledger *ledger = calloc(1, sizeof *ledger);
        int r;

        if (!ledger)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        ledger->slow_ms = 100;
        r = host->option_text(host, "topic", &ledger->topic, reterr);
        if (r >= 0)
                r = host->option_int(host, "slow_ms", &ledger->slow_ms, reterr);
        if (r >= 0)
                r = weir_host_table(host, "ledger.effect", columns, &ledger->effects, reterr);
        if (r < 0)
                free(ledger);
        else
                *ret_self = ledger;
        return r < 0 ? r : 0;
}

static void wait_ms(int64_t ms)
{
        struct timespec rest = { .tv_sec = (time_t)(ms / 1000),
                                 .tv_nsec = (long)(ms % 1000) * 1000000 };

        while (nanosleep(&rest, &rest) != 0)
                continue;
}

/* What ends the call in another way than by a row; 0: a row. */
static int misbehave(const struct ledger *ledger, struct weir_tx *tx,
                     const struct weir_event *event, const char *how, struct weir_error *reterr)
{
        if (!strcmp(how, "skip"))
                return WEIR_SKIP;
        if (!strcmp(how, "reject"))
                return weir_reject(reterr, "ledger rejects %s", event->id.ptr);
        if (!strcmp(how, "stubborn") || (!strcmp(how, "retry") && event->attempt < 2))
                return weir_retry(reterr, "ledger wants %s again", event->id.ptr);
        if (!strcmp(how, "sql"))
                return weir_tx_exec(tx, "SELECT 1 / $1", reterr, weir_int4(0));
        if (!strcmp(how, "segv"))
                raise(SIGSEGV);
        while (!strcmp(how, "hang"))
                pause();
        if (!strcmp(how, "slow"))
                wait_ms(ledger->slow_ms);
        return 0;
}

static int ledger_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        const struct ledger *ledger = self;
        const char *how = strchr(event->type.ptr, '.');
        struct weir_view data = { event->data.ptr ? event->data.ptr : "", event->data.size };
        int r;

        how = how ? how + 1 : "";
        r = misbehave(ledger, tx, event, how, reterr);
        if (r != 0)
                return r;
        if (weir_tx_append(tx, ledger->effects, reterr, weir_text(event->source),
                           weir_text(event->id), weir_text(event->type), weir_text_z(event->topic),
                           weir_int4(event->partition), weir_int8(event->offset),
                           weir_int4(event->attempt), weir_bytea(data)) < 0)
                return reterr->code;
        if (!strcmp(how, "spoil"))
                return weir_reject(reterr, "written, then rejected: %s", event->id.ptr);
        if (!strcmp(how, "emit") && ledger->topic &&
            weir_tx_emit(tx, ledger->topic, event->key, event, reterr) < 0)
                return reterr->code;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "ledger", .version = "1.0", .open = ledger_open, .handle = ledger_handle,
            .close = free)

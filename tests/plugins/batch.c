/* SPDX-License-Identifier: MIT */
/*
 * batch - a set-based plugin, for the integration tests of handle_batch()
 *
 * Options: reject_type (its events get the outcome REJECT), retry_all_type (the whole batch is
 * answered with RETRY when it holds one, retry_all_times times, default 1). Every event that is DONE leaves a row in batch.event
 * with the number of events that were handed over together.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <weir/worker.h>

struct batch {
        struct weir_table *events;
        const char *reject_type, *retry_all_type;
        int64_t retry_all_times;
        _Atomic int64_t retried;
};

static int batch_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        static const char *const columns[] = { "source",    "id",     "type",     "topic",
                                               "partition", "offset", "together", NULL };
        struct batch *batch = calloc(1, sizeof *batch);
        int r;

        if (!batch)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        batch->retry_all_times = 1;
        r = host->option_text(host, "reject_type", &batch->reject_type, reterr);
        if (r >= 0)
                r = host->option_text(host, "retry_all_type", &batch->retry_all_type, reterr);
        if (r >= 0)
                r = host->option_int(host, "retry_all_times", &batch->retry_all_times, reterr);
        if (r >= 0)
                r = weir_host_table(host, "batch.event", columns, &batch->events, reterr);
        if (r < 0)
                free(batch);
        else
                *ret_self = batch;
        return r;
}

static int batch_handle(void *self, struct weir_tx *tx, const struct weir_event *const *events,
                        size_t count, int *outcomes, struct weir_error *reterr)
{
        struct batch *batch = self;

        for (size_t i = 0; i < count; i++) {
                const struct weir_event *event = events[i];

                if (batch->reject_type && strcmp(event->type.ptr, batch->reject_type) == 0) {
                        outcomes[i] = weir_reject(reterr, "batch rejects %s", event->id.ptr);
                        continue;
                }
                if (batch->retry_all_type && strcmp(event->type.ptr, batch->retry_all_type) == 0 &&
                    batch->retried++ < batch->retry_all_times)
                        return weir_retry(reterr, "batch wants %zu events again", count);
                if (weir_tx_append(tx, batch->events, reterr, weir_text(event->source),
                                   weir_text(event->id), weir_text(event->type),
                                   weir_text_z(event->topic), weir_int4(event->partition),
                                   weir_int8(event->offset), weir_int4((int32_t)count)) < 0)
                        return reterr->code;
        }
        return 0;
}

WEIR_WORKER(.name = "batch", .version = "1.0", .open = batch_open, .close = free,
            .handle_batch = batch_handle)

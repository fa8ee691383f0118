/* SPDX-License-Identifier: MIT */
/*
 * sender - a plugin that sends on: each event to a topic, to a sink, or to both
 *
 * Options
 *   topic        emit the event in hand there, with its own key
 *   sinks        deliver it to each of them
 *   made         emit one more event, of type "made" and without an id, behind it
 *   large_type   an event of this type is emitted with data of so many bytes more: large_bytes
 *   reject_type  REJECT it after it was emitted and delivered
 */
#include <stdlib.h>
#include <string.h>

#include <weir/worker.h>

enum { SINKS_MAX = 8 };

struct sender {
        const char *topic, *sinks[SINKS_MAX], *large_type, *reject_type;
        size_t sink_count;
        int64_t large_bytes;
        bool made;
};

static int sender_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        struct sender *sender = calloc(1, sizeof *sender);
        char path[] = "sinks.[0]";
        int r;

        if (!sender)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        *ret_self = sender;
        r = host->option_text(host, "topic", &sender->topic, reterr);
        if (r >= 0)
                r = host->option_text(host, "large_type", &sender->large_type, reterr);
        if (r >= 0)
                r = host->option_text(host, "reject_type", &sender->reject_type, reterr);
        if (r >= 0)
                r = host->option_int(host, "large_bytes", &sender->large_bytes, reterr);
        if (r >= 0)
                r = host->option_bool(host, "made", &sender->made, reterr);
        if (r >= 0)
                r = host->option_count(host, "sinks", &sender->sink_count, reterr);
        for (size_t i = 0; r >= 0 && i < sender->sink_count && i < SINKS_MAX; i++) {
                path[7] = (char)('0' + i);
                r = host->option_text(host, path, &sender->sinks[i], reterr);
        }
        if (r < 0)
                free(sender);
        return r < 0 ? r : 0;
}

static bool is_type(const struct weir_event *event, const char *type)
{
        return type && strcmp(event->type.ptr, type) == 0;
}

static int emit_large(const struct sender *sender, struct weir_tx *tx,
                      const struct weir_event *event, struct weir_error *reterr)
{
        size_t size = (size_t)sender->large_bytes;
        char *data = malloc(size + 1);
        struct weir_event large = *event;
        int r;

        if (!data)
                return weir_retry(reterr, "out of memory");
        for (size_t i = 0; i < size; i++)
                data[i] = (char)('a' + i * i % 26);
        large.data = (struct weir_view){ data, size };
        large.data_kind = WEIR_DATA_BINARY;
        large.datacontenttype = (struct weir_view){ "text/plain", 10 };
        r = weir_tx_emit(tx, sender->topic, event->key, &large, reterr);
        free(data);
        return r;
}

static int sender_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        const struct sender *sender = self;
        struct weir_event made = { .size = sizeof made,
                                   .source = { "/sender", 7 },
                                   .type = { "made", 4 } };
        int r = 0;

        if (sender->topic && is_type(event, sender->large_type))
                r = emit_large(sender, tx, event, reterr);
        else if (sender->topic)
                r = weir_tx_emit(tx, sender->topic, event->key, event, reterr);
        if (r == 0 && sender->topic && sender->made)
                r = weir_tx_emit(tx, sender->topic, event->key, &made, reterr);
        for (size_t i = 0; r == 0 && i < sender->sink_count && i < SINKS_MAX; i++)
                r = weir_tx_deliver(tx, sender->sinks[i], event, reterr);
        if (r == 0 && is_type(event, sender->reject_type))
                return weir_reject(reterr, "asked to reject %s", event->id.ptr);
        return r;
}

WEIR_WORKER(.name = "sender", .version = "1.0", .open = sender_open, .handle = sender_handle,
            .close = free)

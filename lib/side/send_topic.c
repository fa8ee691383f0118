/* SPDX-License-Identifier: MIT */
/*
 * send_topic - rows become records, in order, once a try
 *
 * Idempotent, acks=all, and without an end to the library's own patience: a record that was given up after a timeout
 * would leave a gap that later records of its key have already passed. While the broker is away the records lie in
 * the library and the rows in the table; a stop purges the former.
 *
 * Known weak    a cluster that refuses a record for a reason that time heals (a right that is missing) refuses those
 *               behind it too, but may grant the right between two of one key: their order is then not kept.
 */
#include "side/relay_state.h"

#include <limits.h>
#include <stdio.h>

#include "base/log.h"

static void done(void *context, void *tag, const char *topic, int32_t partition, int64_t offset,
                 const char *error)
{
        struct weir_relay *relay = context;
        struct weir_parcel *parcel = tag;
        int number = weir_producer_report(relay->producer);
        char reason[40];

        (void)topic;
        (void)partition;
        (void)offset;
        relay->records--;
        relay->record_bytes -= parcel->row->bytes;
        if (!error) {
                weir_parcel_end(relay, parcel, WEIR_PARCEL_DELIVERED, "", "");
                return;
        }
        snprintf(reason, sizeof reason, "kafka-%s", weir_producer_error_name(number));
        if (relay->purging)
                weir_parcel_end(relay, parcel, WEIR_PARCEL_GIVEN_UP, reason, error);
        else if (weir_producer_refuses(number))
                weir_parcel_end(relay, parcel, WEIR_PARCEL_REFUSED, reason, error);
        else {
                parcel->host_at_fault = true;
                weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, reason, error);
        }
}

int weir_send_topic_open(struct weir_relay *relay, struct weir_error *reterr)
{
        struct weir_producer_conf conf = { .brokers = relay->conf->kafka_brokers,
                                           .client_id = "weir-relay",
                                           .properties = relay->conf->properties,
                                           .property_count = relay->conf->property_count,
                                           .timeout_ms = INT_MAX,
                                           .done = done,
                                           .context = relay };
        int r = weir_producer_new(&conf, &relay->producer, reterr);

        if (r == 0)
                weir_producer_wake(relay->producer, &relay->wake);
        return r;
}

int weir_send_topic(struct weir_relay *relay, struct weir_parcel *parcel)
{
        const struct weir_outbox_row *row = parcel->row;
        struct weir_error error = { .code = 0 };
        char reason[40];
        int r;

        relay->records++;
        relay->record_bytes += row->bytes;
        r = weir_producer_send(relay->producer, parcel->outlet->topic, -1, row->key, row->body,
                               row->headers, row->header_count, 0, parcel, &error);
        if (r == 0)
                return 0;
        relay->records--;
        relay->record_bytes -= row->bytes;
        snprintf(reason, sizeof reason, "kafka-%s", weir_producer_error_name(error.sys));
        if (r != WEIR_EFATAL && weir_producer_refuses(error.sys)) {
                weir_parcel_end(relay, parcel, WEIR_PARCEL_REFUSED, reason, error.text);
                return 0;
        }
        parcel->host_at_fault = true;
        weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, reason, error.text);
        if (r == WEIR_EFATAL && !relay->producer_lost) {
                relay->producer_lost = true; /* a new one is made between two rounds */
                weir_log(WEIR_LOG_WARN, "relay.producer_lost", LOG_S("error", error.text),
                         LOG_S("action", "a new producer; what was under way goes again"));
        }
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * send_topic - rows become records, in order, once a try
 *
 * Idempotent, acks=all, and without an end to the library's own patience: a record that was given up after a timeout
 * would leave a gap that later records of its key have already passed. While the broker is away the records lie in
 * the library and the rows in the table; a stop purges the former.
 *
 * Waves         a broker refuses a whole batch for one record that is too large, or for the sum of small ones where a
 *               topic's max.message.bytes is below the producer's. Nobody knows then which record it was, so nobody is
 *               condemned: all go again, in waves of a tenth as many, each wave after the end of the one before.
 *               A wave of one that is refused has named the culprit. Waves that arrive grow again.
 *
 * Known weak    two batches of one wave, of which the first is refused: a later record of a key may arrive first. It
 *               takes a topic with a smaller max.message.bytes than message.max.bytes of kafka.properties; the log
 *               says so.
 *               a cluster that refuses a record for a reason that time heals (a right that is missing) refuses those
 *               behind it too, but may grant the right between two of one key: their order is then not kept.
 */
#include "side/relay_state.h"

#include <limits.h>
#include <stdio.h>

#include "base/log.h"

enum {
        RECORDS_MAX = 50000, /* under way to Kafka; the producer holds ten times that */
        RECORD_BYTES_MAX = 64 * 1024 * 1024, /* half of what the producer holds */
        WAVE_FEWER = 10,
        WAVE_MORE = 4,
        WAVE_MOST = 10000 /* beyond it there are none */
};

static void next_wave(struct weir_outlet *outlet)
{
        if (outlet->wave_suspects)
                outlet->wave_most = outlet->wave_suspects > WAVE_FEWER
                                            ? outlet->wave_suspects / WAVE_FEWER
                                            : 1;
        else if (outlet->wave_sent)
                outlet->wave_most *= WAVE_MORE;
        if (outlet->wave_most > WAVE_MOST)
                outlet->wave_most = 0;
        outlet->wave_suspects = outlet->wave_sent = 0;
}

bool weir_send_topic_room(const struct weir_relay *relay, struct weir_outlet *outlet)
{
        if (relay->records >= RECORDS_MAX || relay->record_bytes >= RECORD_BYTES_MAX)
                return false;
        if (outlet->in_flight == 0 && (outlet->wave_most || outlet->wave_suspects))
                next_wave(outlet);
        return !outlet->wave_suspects &&
               (!outlet->wave_most || outlet->wave_sent < outlet->wave_most);
}

/* One record of a batch was refused, or all of them together. true: it was alone, and so it was the one. */
static bool is_culprit(struct weir_outlet *outlet, const char *error)
{
        if (outlet->wave_most == 1)
                return true;
        if (!outlet->wave_suspects && !outlet->wave_most)
                weir_log(WEIR_LOG_WARN, "relay.batch_refused", LOG_S("topic", outlet->topic),
                         LOG_S("text", error), LOG_I("records", outlet->in_flight),
                         LOG_S("action", "sent again in smaller sets; keep message.max.bytes of "
                                         "kafka.properties at or below the topic's"));
        outlet->wave_suspects++;
        return false;
}

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
        if (relay->purging ||
            (weir_producer_refuses_batch(number) && !is_culprit(parcel->outlet, error)))
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
        parcel->outlet->wave_sent++;
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

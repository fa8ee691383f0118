/* SPDX-License-Identifier: MIT */
/*
 * send_topic - rows become records, in order, once a try
 *
 * Idempotent, acks=all, and without an end to the library's own patience: a record that was given up after a timeout
 * would leave a gap that later records of its key have already passed. While the broker is away the records lie in
 * the library and the rows in the table; a stop purges the former.
 *
 * Batches       a broker refuses a whole batch for one record that is too large, or for the sum of small ones where a
 *               topic's max.message.bytes is below the producer's; the batches behind it arrive, and what has to be
 *               sent again comes behind them. So a topic is asked for its limit before its first record, and is sent
 *               batches that fit: from producers by step, since librdkafka has one size a producer. A record that is
 *               larger than the step is alone in its batch: refused, it is the culprit, and nobody else is.
 *               Where the limit cannot be known (no right to ask, no answer) batches are as small as Java's default.
 * BS1           an outlet changes its step only while nothing of it is under way: one producer, one order.
 * BS2           of the room that is left an outlet may have as much as it leaves to others. A topic whose partitions have
 *               no leader, or too few replicas, keeps its records for as long as that lasts: without a bound of its own it
 *               would have all the room there is, and every other topic none.
 * Refused all the same, in company: the limit was lowered meanwhile, or it is no matter of size. Nobody is condemned,
 *               all of the batch go again, in smaller steps; in the last one each record is alone.
 *
 * Known weak    that last case: a later record of a key may arrive before one that goes again. It takes a limit that is
 *               lowered at this moment, one below 16 KiB that may not be asked for, or a topic that refuses records
 *               for another reason than size (INVALID_RECORD: one without a key in a compacted topic).
 *               a cluster that refuses a record for a reason that time heals (a right that is missing) refuses those
 *               behind it too, but may grant the right between two of one key: their order is then not kept.
 */
#include "side/relay_state.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
        RECORDS_MAX = 50000, /* under way to Kafka; the producer holds ten times that */
        RECORD_BYTES_MAX = 64 * 1024 * 1024, /* half of what the producer holds */
        FRAME_BYTES = 512,                   /* of a batch, with room to spare */
        ALONE = 0,
        CAREFUL = 4,
        WIDE = WEIR_BATCH_STEPS - 1,
        ASK_TIMEOUT_MS = 3000,
        ASK_AGAIN_US = 300000000,
        ASK_UNKNOWN_US = 60000000,
        MOST_US = 30000000
};

static const int64_t step_bytes[WEIR_BATCH_STEPS] = { 1,     256,   1024,   4096,
                                                      16384, 65536, 262144, 1000000 };

/* The largest step that a topic with this limit takes; the topic's default is the producer's. */
static int step_of(int64_t limit)
{
        int step = WIDE;

        if (limit < 0)
                return CAREFUL;
        while (step > ALONE && step_bytes[step] + FRAME_BYTES > limit)
                step--;
        return step;
}

/* ---- producers ------------------------------------------------------------------------------ */

static void done(void *context, void *tag, const char *topic, int32_t partition, int64_t offset,
                 const char *error);
static void limit(void *context, void *tag, int64_t bytes);

static int open_step(struct weir_relay *relay, int step, struct weir_error *reterr)
{
        struct weir_producer_conf conf = { .brokers = relay->conf->kafka_brokers,
                                           .client_id = "weir-relay",
                                           .properties = relay->conf->properties,
                                           .property_count = relay->conf->property_count,
                                           .timeout_ms = INT_MAX,
                                           .batch_bytes = step_bytes[step],
                                           .done = done,
                                           .limit = limit,
                                           .context = relay };
        int r;

        if (relay->producers[step])
                return 0;
        r = weir_producer_new(&conf, &relay->producers[step], reterr);
        if (r == 0)
                weir_producer_wake(relay->producers[step], &relay->wake);
        return r;
}

int weir_send_topic_open(struct weir_relay *relay, struct weir_error *reterr)
{
        return open_step(relay, WIDE, reterr);
}

void weir_send_topic_serve(struct weir_relay *relay)
{
        for (int step = 0; step < WEIR_BATCH_STEPS; step++)
                if (relay->producers[step])
                        weir_producer_serve(relay->producers[step]);
}

static void close_step(struct weir_relay *relay, int step)
{
        relay->purging = true;
        weir_producer_free(relay->producers[step]);
        relay->producers[step] = NULL;
        relay->purging = relay->lost[step] = false;
        if (step != WIDE)
                return;
        /* questions go by it: they are not answered any more */
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                outlet->batch_size.asked_us = 0;
}

int weir_send_topic_renew(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = 0;

        for (int step = 0; r == 0 && step < WEIR_BATCH_STEPS; step++)
                if (relay->lost[step]) {
                        close_step(relay, step);
                        r = open_step(relay, step, reterr);
                }
        return r;
}

void weir_send_topic_close(struct weir_relay *relay)
{
        for (int step = 0; step < WEIR_BATCH_STEPS; step++)
                close_step(relay, step);
}

/* ---- how large ------------------------------------------------------------------------------ */

static void choose(struct weir_outlet *outlet, int step, int64_t now_us)
{
        struct weir_batch_size *size = &outlet->batch_size;

        if (now_us < size->most_until_us && step > size->most)
                step = size->most;
        size->next = step;
}

static void limit(void *context, void *tag, int64_t bytes)
{
        struct weir_relay *relay = context;
        struct weir_outlet *outlet = tag;
        struct weir_batch_size *size = &outlet->batch_size;
        int64_t now_us = weir_clock_us();

        (void)relay;
        size->asked_us = 0;
        size->ask_us = now_us + (bytes < 0 ? ASK_UNKNOWN_US : ASK_AGAIN_US);
        if (size->most_until_us > now_us && size->ask_us > size->most_until_us)
                size->ask_us = size->most_until_us;
        choose(outlet, step_of(bytes), now_us);
        weir_log(WEIR_LOG_DEBUG, "relay.topic_limit", LOG_S("topic", outlet->topic),
                 LOG_I("max_message_bytes", bytes), LOG_I("batch_bytes", step_bytes[size->next]));
}

static void ask(struct weir_relay *relay, struct weir_outlet *outlet)
{
        struct weir_batch_size *size = &outlet->batch_size;
        struct weir_error error = { .code = 0 };

        if (size->asked_us || relay->now_us < size->ask_us || relay->lost[WIDE])
                return;
        size->asked_us = relay->now_us;
        if (weir_producer_ask_limit(relay->producers[WIDE], outlet->topic, ASK_TIMEOUT_MS, outlet,
                                    &error) < 0)
                limit(relay, outlet, -1);
}

/* BS1 */
static bool settle_step(struct weir_relay *relay, struct weir_outlet *outlet)
{
        struct weir_batch_size *size = &outlet->batch_size;
        struct weir_error error = { .code = 0 };

        ask(relay, outlet);
        if (size->next < 0)
                return false; /* the first question is open */
        if (outlet->in_flight == 0) {
                size->refused = false;
                if (open_step(relay, size->next, &error) == 0)
                        size->step = size->next;
                else if (size->step < 0)
                        size->step = WIDE;
        }
        return size->step == size->next && !size->refused;
}

bool weir_send_topic_unsettled(const struct weir_outlet *outlet)
{
        return outlet->batch_size.refused || outlet->batch_size.step != outlet->batch_size.next;
}

/* BS2 */
static bool has_share(const struct weir_relay *relay, const struct weir_outlet *outlet)
{
        return relay->records < RECORDS_MAX && relay->record_bytes < RECORD_BYTES_MAX &&
               outlet->in_flight <= RECORDS_MAX - relay->records &&
               outlet->record_bytes <= RECORD_BYTES_MAX - relay->record_bytes;
}

bool weir_send_topic_room(struct weir_relay *relay, struct weir_outlet *outlet)
{
        return has_share(relay, outlet) && settle_step(relay, outlet);
}

/* One record of a batch was refused, or all of them together. true: it was alone, and so it was the one. */
static bool is_culprit(struct weir_outlet *outlet, const struct weir_outbox_row *row,
                       const char *error)
{
        struct weir_batch_size *size = &outlet->batch_size;
        size_t bytes = row->key.size + row->body.size;

        for (size_t i = 0; i < row->header_count; i++)
                bytes += strlen(row->headers[i].name) + row->headers[i].size;
        if (size->step == ALONE || bytes > (size_t)step_bytes[size->step])
                return true;
        if (!size->refused) {
                size->refused = true;
                size->most = size->step / 2;
                size->most_until_us = weir_clock_us() + MOST_US;
                size->ask_us = 0;
                choose(outlet, size->most, weir_clock_us());
                weir_log(WEIR_LOG_WARN, "relay.batch_refused", LOG_S("topic", outlet->topic),
                         LOG_S("text", error), LOG_I("records", outlet->in_flight),
                         LOG_I("batch_bytes", step_bytes[size->step]),
                         LOG_S("action", "sent again in smaller batches; was max.message.bytes "
                                         "of the topic lowered, or may weir not read it "
                                         "(DescribeConfigs)?"));
        }
        return false;
}

static bool may_be_made(struct weir_outlet *outlet, int number)
{
        return weir_producer_misses_topic(number) &&
               weir_outlet_may_be_made(outlet, weir_clock_us());
}

/* ---- records -------------------------------------------------------------------------------- */

static void forget_record(struct weir_relay *relay, struct weir_parcel *parcel)
{
        relay->records--;
        relay->record_bytes -= parcel->row->bytes;
        parcel->outlet->record_bytes -= parcel->row->bytes;
}

static void done(void *context, void *tag, const char *topic, int32_t partition, int64_t offset,
                 const char *error)
{
        struct weir_relay *relay = context;
        struct weir_parcel *parcel = tag;
        struct weir_outlet *outlet = parcel->outlet;
        int number = weir_producer_report(relay->producers[outlet->batch_size.step]);
        char reason[40];

        (void)topic;
        (void)partition;
        (void)offset;
        forget_record(relay, parcel);
        if (!error) {
                outlet->unknown_us = 0;
                weir_parcel_end(relay, parcel, WEIR_PARCEL_DELIVERED, "", "");
                return;
        }
        snprintf(reason, sizeof reason, "kafka-%s", weir_producer_error_name(number));
        if (relay->purging ||
            (weir_producer_refuses_batch(number) && !is_culprit(outlet, parcel->row, error)))
                weir_parcel_end(relay, parcel, WEIR_PARCEL_GIVEN_UP, reason, error);
        else if (may_be_made(outlet, number))
                weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, reason, error);
        else if (weir_producer_refuses(number))
                weir_parcel_end(relay, parcel, WEIR_PARCEL_REFUSED, reason, error);
        else {
                parcel->host_at_fault = true;
                weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, reason, error);
        }
}

int weir_send_topic(struct weir_relay *relay, struct weir_parcel *parcel)
{
        const struct weir_outbox_row *row = parcel->row;
        struct weir_outlet *outlet = parcel->outlet;
        struct weir_error error = { .code = 0 };
        char reason[40];
        int r;

        relay->records++;
        relay->record_bytes += row->bytes;
        outlet->record_bytes += row->bytes;
        r = weir_producer_send(relay->producers[outlet->batch_size.step], outlet->topic, -1,
                               row->key, row->body, row->headers, row->header_count, 0, parcel,
                               &error);
        if (r == 0)
                return 0;
        forget_record(relay, parcel);
        snprintf(reason, sizeof reason, "kafka-%s", weir_producer_error_name(error.sys));
        if (r != WEIR_EFATAL && weir_producer_refuses(error.sys)) {
                weir_parcel_end(relay, parcel,
                                may_be_made(outlet, error.sys) ? WEIR_PARCEL_FAILED
                                                               : WEIR_PARCEL_REFUSED,
                                reason, error.text);
                return 0;
        }
        parcel->host_at_fault = true;
        weir_parcel_end(relay, parcel, WEIR_PARCEL_FAILED, reason, error.text);
        if (r == WEIR_EFATAL && !relay->lost[outlet->batch_size.step]) {
                relay->lost[outlet->batch_size.step] = true; /* replaced between two rounds */
                weir_log(WEIR_LOG_WARN, "relay.producer_lost", LOG_S("error", error.text),
                         LOG_S("action", "a new producer; what was under way goes again"));
        }
        return 0;
}

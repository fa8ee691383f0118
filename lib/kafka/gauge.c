/* SPDX-License-Identifier: MIT */
/*
 * gauge - what lies in the client's queues, by its own account, also where nobody reads
 *
 * How large a record is shows to a lane when it takes it. A lane that is inside a handler takes none, and meanwhile the
 * client fetches for it: 64 lanes that each had small records in hand, with 10 MB behind them, were found with
 * 633 MiB in their queues. The client alone knows, and says so only in its statistics. They are asked for often, and three
 * numbers of each partition are taken from the text.
 *
 * Always true   GA1 a partition with a record above its share in its queue, or more than SEVERAL shares, makes its topic take
 *                   turns within an interval of its arrival, read or not.
 *               GA2 so does each that holds more than its share, while all of them together hold more than fetch_bytes.
 * Known         what comes in within one interval and the look that follows it is in memory then.
 *               A large record behind many small ones of the same queue counts by GA1's second half, or by GA2.
 * Not chosen    an interceptor of responses: it sees sizes at once, but of compressed ones what they were on the wire, and
 *               not whose they are. The wire says nothing about 10 MB that arrive as 40 kB.
 *               A parser of JSON: the text has thousands of fields. Its names are made by the library and hold no quotes;
 *               what is not found as it is expected is left alone.
 * Threads       poll.
 */
#include <stdlib.h>
#include <string.h>

#include "kafka/consumer_internal.h"

#define INTERVAL_MS 100
#define TEXT_OF_MS 100 /* partitions that are told of in every 100 ms: the text grows with them */

uint32_t weir_gauge_interval_ms(uint64_t fetch_bytes, uint32_t partitions)
{
        if (!fetch_bytes)
                return 0;
        return partitions <= TEXT_OF_MS ? INTERVAL_MS : INTERVAL_MS / TEXT_OF_MS * partitions;
}

/* The number behind @name, and where it ends. NULL = there is none. */
static const char *number_behind(const char *text, const char *name, uint64_t *ret)
{
        const char *at = strstr(text, name);
        char *end;

        if (!at)
                return NULL;
        at += strlen(name);
        *ret = strtoull(at, &end, 10);
        return end == at ? NULL : end;
}

/* The list and the text are both in order of topics mostly: the next is the one that is looked for. */
static struct weir_partition *find(struct weir_consumer *consumer, size_t *from, const char *topic,
                                   size_t topic_size, uint64_t number)
{
        for (size_t i = 0; i < consumer->partition_count; i++) {
                size_t at = (*from + i) % consumer->partition_count;
                struct weir_partition *partition = consumer->partitions[at];

                if ((uint64_t)partition->number != number ||
                    strncmp(partition->topic, topic, topic_size) != 0 ||
                    partition->topic[topic_size])
                        continue;
                *from = at + 1;
                return partition;
        }
        return NULL;
}

static uint64_t read_topic(struct weir_consumer *consumer, const char *at, const char *end,
                           size_t *from, const char *topic, size_t topic_size)
{
        uint64_t number, count, bytes, total = 0;

        while ((at = number_behind(at, "\"partition\":", &number)) && at < end &&
               (at = number_behind(at, "\"fetchq_cnt\":", &count)) &&
               (at = number_behind(at, "\"fetchq_size\":", &bytes)) && at < end) {
                struct weir_partition *partition;

                if (!count)
                        continue;
                partition = find(consumer, from, topic, topic_size, number);
                if (!partition)
                        continue;
                partition->gauged_bytes = bytes + count * WEIR_MESSAGE_BYTES;
                total += partition->gauged_bytes;
                weir_sight_gauge(partition, partition->gauged_bytes, count);
        }
        return total;
}

void weir_gauge_read(struct weir_consumer *consumer, const char *text)
{
        static const char mark[] = "\"topic\":\"";
        uint64_t total = 0;
        size_t from = 0;

        if (!consumer->fetch_bytes)
                return;
        for (size_t i = 0; i < consumer->partition_count; i++)
                consumer->partitions[i]->gauged_bytes = 0;
        text = strstr(text, "\"topics\":{"); /* before it, the brokers' lists have topics, too */
        while (text && (text = strstr(text, mark))) {
                const char *topic = text + strlen(mark), *next = strstr(topic, mark);
                const char *end = next ? next : topic + strlen(topic);
                const char *quote = strchr(topic, '"');

                if (!quote)
                        break;
                total += read_topic(consumer, quote, end, &from, topic, (size_t)(quote - topic));
                text = next;
        }
        if (total <= consumer->fetch_bytes)
                return;
        for (size_t i = 0; i < consumer->partition_count; i++)
                weir_sight_gauge(consumer->partitions[i], consumer->partitions[i]->gauged_bytes, 1);
}

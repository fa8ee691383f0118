/* SPDX-License-Identifier: MIT */
/*
 * log - a topic's partitions: records with holes between them, and what becomes of both
 *
 * A hole is what a consumer never sees: a marker of a transaction, a record that was compacted away. The bytes of a
 * record are decoded by the real decoder, so they are real: headers of the Kafka binding, or a JSON batch.
 */
#include <string.h>

#include "kafka.h"
#include "process.h"
#include "store.h"

struct sim_log sim_logs[SIM_PARTITIONS_MAX];
struct sim_record *sim_all_records[2 * SIM_RECORDS_MAX];
int sim_all_partition[2 * SIM_RECORDS_MAX];
size_t sim_all_count;

static struct weir_view text(const char *words)
{
        return (struct weir_view){ sim_copy(words, strlen(words)), strlen(words) };
}

static void add_header(struct sim_record *record, const char *name, const char *value)
{
        record->headers[record->header_count++] = (struct weir_header){
                name, sim_copy(value, strlen(value)), strlen(value)
        };
}

static void fill_batch(struct sim_record *record, const struct sim_work *work)
{
        char json[1024] = "[";
        size_t used = 1;

        for (int i = 0; i < work->event_count; i++)
                used += (size_t)snprintf(json + used, sizeof json - used,
                                         "%s{\"specversion\":\"1.0\",\"id\":\"e%d\",\"source\":"
                                         "\"/s\",\"type\":\"t\"}",
                                         i ? "," : "", work->events[i]);
        snprintf(json + used, sizeof json - used, "]");
        record->value = text(json);
        add_header(record, "content-type", "application/cloudevents-batch+json");
}

static void fill(struct sim_record *record, const struct sim_work *work)
{
        char id[16], key[16];

        record->headers = sim_alloc(6 * sizeof *record->headers);
        if (work->key >= 0) {
                snprintf(key, sizeof key, "k%d", work->key);
                record->key = text(key);
        }
        if (work->garbage) {
                record->value = text("this is no event");
                return;
        }
        if (work->batched) {
                fill_batch(record, work);
                return;
        }
        snprintf(id, sizeof id, "e%d", work->events[0]);
        add_header(record, "ce_specversion", "1.0");
        add_header(record, "ce_id", id);
        add_header(record, "ce_source", "/s");
        add_header(record, "ce_type", "t");
        record->value = text("x");
}

void sim_kafka_reset(void)
{
        memset(sim_logs, 0, sizeof sim_logs);
        for (int i = 0; i < SIM_PARTITIONS_MAX; i++)
                sim_logs[i].committed = -1;
        sim_all_count = 0;
}

void sim_log_produce(const struct sim_work *work)
{
        struct sim_log *log = &sim_logs[work->partition];
        struct sim_record *record = sim_alloc(sizeof *record);

        if (!log->made) /* a hole where the old log's last record was would leave nothing to compare */
                log->end_offset += work->gap;
        record->offset = log->end_offset++;
        record->time_ms = 1700000000000 + sim.now_us / 1000 + log->made * 1000000LL;
        record->work = work;
        fill(record, work);
        log->records[log->count++] = record;
        sim_all_partition[sim_all_count] = work->partition;
        sim_all_records[sim_all_count++] = record;
        sim_wake(log);
        sim_trace("produced %d/%lld", work->partition, (long long)record->offset);
}

struct sim_record *sim_log_at(const struct sim_log *log, int64_t offset)
{
        for (size_t i = 0; i < log->count; i++)
                if (log->records[i]->offset >= offset &&
                    log->records[i]->offset >= log->start_offset)
                        return log->records[i];
        return NULL;
}

static int64_t passed_by(const char *worker, int partition)
{
        struct sim_row *row = sim_position_find(worker, "t", partition);

        if (sim_logs[partition].position_is_old)
                return -1;
        return row && row->now ? ((struct sim_position *)row->now)->next_offset : -1;
}

static void excuse(int partition, int64_t below)
{
        struct sim_log *log = &sim_logs[partition];
        int64_t passed = passed_by("w", partition), replayed = passed_by("w@1", partition);

        for (size_t i = 0; i < log->count; i++) {
                struct sim_record *record = log->records[i];

                if (record->offset >= below)
                        continue;
                record->excused |= record->offset >= passed;
                record->given_up |= passed < 0;
                record->replay_excused |= record->offset >= replayed;
        }
}

void sim_log_give_up(int partition, int64_t from, int64_t until)
{
        const struct sim_log *log = &sim_logs[partition];

        for (size_t i = 0; i < log->count; i++)
                log->records[i]->given_up |= log->records[i]->offset >= from &&
                                             log->records[i]->offset < until;
}

void sim_log_retain(int partition)
{
        struct sim_log *log = &sim_logs[partition];
        int64_t start = sim_between(&sim.random[SIM_FAULTS], log->start_offset, log->end_offset);

        if (log->position_is_old) /* the record that would show it may go, and nothing else can */
                return;
        excuse(partition, start);
        log->start_offset = start;
        sim_trace("log %d begins at %lld", partition, (long long)start);
}

void sim_log_make_anew(int partition)
{
        struct sim_log *log = &sim_logs[partition];

        excuse(partition, INT64_MAX);
        for (size_t i = 0; i < log->count; i++)
                log->records[i]->of_old_log = true;
        log->count = 0;
        log->start_offset = log->end_offset = 0;
        log->made++;
        log->position_is_old = true;
        sim_trace("log %d is made anew", partition);
}

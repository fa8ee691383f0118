/* SPDX-License-Identifier: MIT */
/*
 * store - the whole transaction of a lane against a bare COPY of the same rows
 *
 *   store URL [EVENTS] [BATCH]      needs weir's schema in the database; makes and drops weir_bench
 *
 * Both write the same bytes: an event row of nine columns (about 300 B) and a claim row. Bare COPY
 * asks nothing and guards nothing; the ratio is the price of fence, claims and trail. Rounds take
 * turns, so that a noisy machine is noisy for both.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "store/apply.h"
#include "store/table.h"

enum { ROUNDS = 5 };

static _Noreturn void give_up(const struct weir_error *error)
{
        fprintf(stderr, "bench store: %s\n", error->text);
        exit(1);
}

#define MUST(call)                                                                                 \
        do {                                                                                       \
                struct weir_error error_ = { 0 }, *reterr = &error_;                               \
                if ((call) != 0)                                                                   \
                        give_up(reterr);                                                           \
        } while (0)

struct bench {
        struct weir_pg *pg;
        struct weir_table *events, *claims;
        struct weir_rowbuffer *event_rows, *claim_rows;
        struct weir_position position;
        struct weir_key *keys;
        int64_t *offsets;
        bool *fresh;
        uint64_t serial;
        size_t batch;
};

static void make_keys(struct bench *bench)
{
        for (size_t i = 0; i < bench->batch; i++) {
                uint64_t number = bench->serial++;
                const struct weir_hash_part part = { &number, sizeof number };
                uint8_t digest[32];

                if (weir_hash_parts(&part, 1, digest) < 0)
                        exit(1);
                memcpy(bench->keys[i].bytes, digest, sizeof bench->keys[i].bytes);
                bench->offsets[i] = (int64_t)number;
        }
}

static void append_events(struct bench *bench)
{
        static const char data[] =
                "{\"id\":\"8aadf8c5-9c4e-4c11-af24-beac2fb9a4b7\",\"name\":\"Ada Lovelace\","
                "\"email\":\"ada@example.org\",\"amount\":1815,\"tags\":[\"first\",\"engine\"]}";

        for (size_t i = 0; i < bench->batch; i++) {
                char id[40];
                struct weir_value values[9];

                snprintf(id, sizeof id, "5190bc29-a3d5-4fca-%016" PRIx64,
                         (uint64_t)bench->offsets[i]);
                values[0] = weir_text_z("github.com/example/post-cloudevents");
                values[1] = weir_text_z(id);
                values[2] = weir_text_z("user.storeUser");
                values[3] = weir_null();
                values[4] = weir_timestamp_us(1732819997474154);
                values[5] = weir_text_z("application/json");
                values[6] = weir_bytea((struct weir_view){ data, sizeof data - 1 });
                values[7] = weir_int4(0);
                values[8] = weir_int8(bench->offsets[i]);
                MUST(weir_rowbuffer_append(bench->event_rows, values, 9, reterr));
        }
}

static void run_applied(struct bench *bench)
{
        struct weir_apply apply = {
                .position = &bench->position,
                .first_offset = bench->position.next_offset,
                .next_offset = bench->position.next_offset + (int64_t)bench->batch,
                .record_count = (uint32_t)bench->batch,
                .event_count = (uint32_t)bench->batch,
                .plugin_version = "1.0",
                .keys = bench->keys,
                .offsets = bench->offsets,
                .key_count = bench->batch,
        };

        make_keys(bench);
        MUST(weir_apply_begin(bench->pg, &apply, bench->fresh, reterr));
        append_events(bench);
        MUST(weir_rowbuffer_send(bench->event_rows, bench->pg, reterr));
        MUST(weir_pg_commit(bench->pg, reterr));
        bench->position.next_offset = apply.next_offset;
}

static void run_copied(struct bench *bench)
{
        make_keys(bench);
        append_events(bench);
        for (size_t i = 0; i < bench->batch; i++) {
                const struct weir_value values[] = { weir_uuid(bench->keys[i].bytes), weir_int4(1),
                                                     weir_int8(bench->offsets[i]) };

                MUST(weir_rowbuffer_append(bench->claim_rows, values, 3, reterr));
        }
        MUST(weir_pg_begin(bench->pg, reterr));
        MUST(weir_rowbuffer_send(bench->event_rows, bench->pg, reterr));
        MUST(weir_rowbuffer_send(bench->claim_rows, bench->pg, reterr));
        MUST(weir_pg_commit(bench->pg, reterr));
}

static double rate(struct bench *bench, size_t batches, void (*run)(struct bench *))
{
        int64_t begin_us = weir_clock_us();

        for (size_t i = 0; i < batches; i++)
                run(bench);
        return (double)(batches * bench->batch) * 1e6 / (double)(weir_clock_us() - begin_us);
}

static int by_rate(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void open_all(struct bench *bench, const char *url)
{
        static const char *const event_columns[] = { "source",  "id",        "type",
                                                     "subject", "time",      "datacontenttype",
                                                     "data",    "partition", "offset",
                                                     NULL };
        static const char *const claim_columns[] = { "key", "position", "offset", NULL };
        const struct weir_pg_conf conf = { .url = url, .application_name = "weir bench" };

        MUST(weir_pg_open(&conf, NULL, &bench->pg, reterr));
        MUST(weir_pg_run(bench->pg,
                         "DROP SCHEMA IF EXISTS weir_bench CASCADE; CREATE SCHEMA weir_bench;"
                         "CREATE TABLE weir_bench.event (source text, id text, type text,"
                         " subject text, time timestamptz, datacontenttype text, data bytea,"
                         " partition int4, \"offset\" int8);"
                         "CREATE TABLE weir_bench.claim (key uuid PRIMARY KEY, position int4,"
                         " \"offset\" int8)",
                         reterr));
        MUST(weir_table_open(bench->pg, "weir_bench.event", event_columns, &bench->events, reterr));
        MUST(weir_table_open(bench->pg, "weir_bench.claim", claim_columns, &bench->claims, reterr));
        bench->event_rows = weir_rowbuffer_new(bench->events);
        bench->claim_rows = weir_rowbuffer_new(bench->claims);
        bench->keys = calloc(bench->batch, sizeof *bench->keys);
        bench->offsets = calloc(bench->batch, sizeof *bench->offsets);
        bench->fresh = calloc(bench->batch, sizeof *bench->fresh);
        if (!bench->event_rows || !bench->claim_rows || !bench->keys || !bench->offsets ||
            !bench->fresh)
                exit(1);
        MUST(weir_position_take(bench->pg, "bench", "bench", 0, "bench", &bench->position, reterr));
        if (bench->position.next_offset < 0)
                MUST(weir_position_begin(bench->pg, &bench->position, 0, reterr));
        bench->serial = (uint64_t)weir_clock_wall_us() << 8; /* keys that no earlier run used */
}

int main(int argc, char **argv)
{
        size_t events = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000;
        struct bench bench = { .batch = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000 };
        double applied[ROUNDS], copied[ROUNDS];
        size_t batches;

        if (argc < 2 || bench.batch == 0) {
                fputs("usage: store URL [EVENTS] [BATCH]\n", stderr);
                return 2;
        }
        batches = events / bench.batch / ROUNDS;
        batches = batches ? batches : 1;
        open_all(&bench, argv[1]);
        for (int round = 0; round < ROUNDS; round++) {
                applied[round] = rate(&bench, batches, run_applied);
                copied[round] = rate(&bench, batches, run_copied);
        }
        qsort(applied, ROUNDS, sizeof *applied, by_rate);
        qsort(copied, ROUNDS, sizeof *copied, by_rate);
        printf("fence + claim + trail + rows  %8.0f events/s\n", applied[ROUNDS / 2]);
        printf("bare COPY of the same rows    %8.0f events/s\n", copied[ROUNDS / 2]);
        printf("ratio                         %8.2f\n", applied[ROUNDS / 2] / copied[ROUNDS / 2]);
        MUST(weir_pg_run(bench.pg, "DROP SCHEMA weir_bench CASCADE", reterr));
        weir_rowbuffer_free(bench.event_rows);
        weir_rowbuffer_free(bench.claim_rows);
        weir_table_free(bench.events);
        weir_table_free(bench.claims);
        weir_pg_close(bench.pg);
        free(bench.keys);
        free(bench.offsets);
        free(bench.fresh);
        return 0;
}

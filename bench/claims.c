/* SPDX-License-Identifier: MIT */
/*
 * claims - what generations of claims cost: the claim of a batch by their number, a drop by their size
 *
 *   claims URL cost [ROWS [EVENTS [GENERATIONS...]]]  a claim among that many generations of ROWS each
 *   claims URL drop [ROWS]                            a drop of one generation of ROWS, four lanes claiming beside it
 *   claims URL rotate [PAIRS [EVERY_MS]]              four lanes claiming, without rotation and with one each EVERY_MS
 *
 * A dead generation is filled by one INSERT of random keys, which is what weir's are to an index. Claims are made as a
 * lane makes them (weir_apply_begin), a batch of 1,000 fresh keys a transaction, without rows of a handler: the share of
 * an event with one is smaller. The numbers of generations take turns, and each round is a sample.
 */
#include <inttypes.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "store/apply.h"
#include "store/claims.h"
#include "store/wire.h"
#include "support.h"

enum { BATCH = 1000, ROUNDS = 7, LANES = 4, LEVELS_MAX = 8 };

#define MUST(call)                                                                                 \
        do {                                                                                       \
                struct weir_error error_ = { .code = 0 };                                          \
                struct weir_error *reterr = &error_;                                               \
                if ((call) < 0)                                                                    \
                        die("%s: %s", #call, error_.text);                                         \
        } while (0)

struct lane {
        const char *url;
        pthread_t thread;
        struct weir_pg *pg;
        struct weir_position position;
        struct weir_key keys[BATCH];
        int64_t offsets[BATCH];
        bool fresh[BATCH];
        uint64_t serial;
        atomic_bool *stop;
        double worst_ms; /* the longest of its transactions */
};

static void run_sql(struct weir_pg *pg, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
static void run_sql(struct weir_pg *pg, const char *format, ...)
{
        char sql[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(sql, sizeof sql, format, ap);
        va_end(ap);
        MUST(weir_pg_run(pg, sql, reterr));
}

static int64_t number_by(struct weir_pg *pg, const char *sql)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;

        MUST(weir_pg_query(pg, sql, NULL, 0, &rows, reterr));
        return weir_pg_rows_int(rows, 0, 0, 0);
}

static void open_lane(struct lane *lane, const char *url, int partition)
{
        const struct weir_pg_conf conf = { .url = url, .application_name = "weir bench" };

        MUST(weir_pg_open(&conf, NULL, &lane->pg, reterr));
        MUST(weir_position_take(lane->pg, "bench_claims", "bench", partition, "bench",
                                &lane->position, reterr));
        if (lane->position.next_offset < 0)
                MUST(weir_position_begin(lane->pg, &lane->position, 0, reterr));
        lane->serial = ((uint64_t)weir_clock_wall_us() << 8) + (uint64_t)partition;
}

static void claim_batch(struct lane *lane)
{
        struct weir_apply apply = { .position = &lane->position,
                                    .first_offset = lane->position.next_offset,
                                    .next_offset = lane->position.next_offset + BATCH,
                                    .record_count = BATCH,
                                    .event_count = BATCH,
                                    .plugin_version = "1.0",
                                    .keys = lane->keys,
                                    .offsets = lane->offsets,
                                    .key_count = BATCH };

        for (size_t i = 0; i < BATCH; i++) {
                const uint64_t name[] = { lane->serial++, (uint64_t)lane->position.id };
                const struct weir_hash_part part = { name, sizeof name };
                uint8_t digest[32];

                if (weir_hash_parts(&part, 1, digest) < 0)
                        die("SHA-256");
                memcpy(lane->keys[i].bytes, digest, sizeof lane->keys[i].bytes);
                lane->offsets[i] = lane->position.next_offset + (int64_t)i;
        }
        MUST(weir_apply_begin(lane->pg, &apply, lane->fresh, reterr));
        MUST(weir_pg_commit(lane->pg, reterr));
        lane->position.next_offset += BATCH;
}

/* The newest is filled, and the next one begun. The index is made of the rows: in a tenth of the time, and a little denser. */
static void add_generation(struct weir_pg *pg, int64_t rows)
{
        int32_t generation = (int32_t)number_by(pg, "SELECT max(generation) FROM"
                                                    " weir.claim_generation");

        run_sql(pg, "SET maintenance_work_mem = '1GB'");
        run_sql(pg, "ALTER TABLE weir.claim_%d DROP CONSTRAINT claim_%d_pkey", generation,
                generation);
        run_sql(pg,
                "INSERT INTO weir.claim_%d SELECT gen_random_uuid(), 0, i"
                " FROM generate_series(1, %" PRId64 ") i",
                generation, rows);
        run_sql(pg, "ALTER TABLE weir.claim_%d ADD CONSTRAINT claim_%d_pkey PRIMARY KEY (key)",
                generation, generation);
        MUST(weir_claim_switch(pg, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
}

static void keep_newest(struct weir_pg *pg)
{
        run_sql(pg, "DO $$ DECLARE g int; BEGIN FOR g IN SELECT generation FROM"
                    " weir.claim_generation ORDER BY 1 LOOP IF g < (SELECT max(generation) FROM"
                    " weir.claim_generation) THEN PERFORM weir.claim_drop(g); END IF; END LOOP;"
                    " WHILE weir.claim_sweep() IS NOT NULL LOOP END LOOP; END $$");
}

/* CPU time of the lane's server process, to the nanosecond: what else the machine does is not in it. */
static double backend_cpu_us(const struct lane *lane)
{
        unsigned long long ns;
        char path[64];
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/schedstat", PQbackendPID(lane->pg->conn));
        file = fopen(path, "r");
        if (!file || fscanf(file, "%llu", &ns) != 1)
                die("%s: %m", path);
        fclose(file);
        return (double)ns / 1000;
}

static int by_size(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* ---- the cost of a claim ---------------------------------------------------------------------- */

static double us_per_event(struct lane *lane, long events)
{
        double begin_us = backend_cpu_us(lane);

        for (long i = 0; i < events / BATCH; i++)
                claim_batch(lane);
        return (backend_cpu_us(lane) - begin_us) / (double)(events / BATCH * BATCH);
}

/* All generations are there; of them the set holds the newest @live. */
static void show_generations(struct weir_pg *pg, long live)
{
        run_sql(pg,
                "BEGIN; SELECT pg_advisory_xact_lock(2003134834, 1);"
                "DELETE FROM weir.claim_generation; INSERT INTO weir.claim_generation (generation)"
                " SELECT generation FROM bench_generation ORDER BY 1 DESC LIMIT %ld;"
                "UPDATE weir.claim_state SET version = version + 1; COMMIT",
                live);
}

static void cost(const char *url, int64_t rows, long events, const long *levels, size_t count)
{
        double samples[LEVELS_MAX][ROUNDS];
        struct lane *lane = calloc(1, sizeof *lane);
        long most = 0;

        if (!lane)
                die("no memory");
        open_lane(lane, url, 0);
        keep_newest(lane->pg);
        for (size_t i = 0; i < count; i++)
                most = levels[i] > most ? levels[i] : most;
        for (long i = 1; i < most; i++)
                add_generation(lane->pg, rows);
        run_sql(lane->pg, "VACUUM ANALYZE");
        run_sql(lane->pg, "CHECKPOINT");
        run_sql(lane->pg, "CREATE TEMP TABLE bench_generation AS"
                          " SELECT generation FROM weir.claim_generation");
        for (int round = 0; round < ROUNDS; round++)
                for (size_t i = 0; i < count; i++) {
                        show_generations(lane->pg, levels[i]);
                        claim_batch(lane);
                        samples[i][round] = us_per_event(lane, events);
                }
        printf("generations  CPU us/event  of one  (%" PRId64 " rows each; median of %d)\n", rows,
               ROUNDS);
        for (size_t i = 0; i < count; i++) {
                qsort(samples[i], ROUNDS, sizeof samples[i][0], by_size);
                printf("%11ld  %12.2f  %6.2f\n", levels[i], samples[i][ROUNDS / 2],
                       samples[i][ROUNDS / 2] / samples[0][ROUNDS / 2]);
        }
        show_generations(lane->pg, most);
        keep_newest(lane->pg);
        weir_pg_close(lane->pg);
        free(lane);
}

/* ---- a drop ------------------------------------------------------------------------------------ */

static void *claim_on(void *arg)
{
        struct lane *lane = arg;

        while (!*lane->stop) {
                int64_t begin_us = weir_clock_us();
                double took_ms;

                claim_batch(lane);
                took_ms = (double)(weir_clock_us() - begin_us) / 1000;
                lane->worst_ms = took_ms > lane->worst_ms ? took_ms : lane->worst_ms;
        }
        return NULL;
}

static void drop(const char *url, int64_t rows)
{
        struct lane *lanes = calloc(LANES + 1, sizeof *lanes);
        struct lane *own = &lanes[LANES];
        atomic_bool stop = false;
        int64_t begin_us, taken_us, gone_us;
        double cpu_us;
        double worst_ms = 0;
        int64_t bytes;

        if (!lanes)
                die("no memory");
        for (int i = 0; i <= LANES; i++) {
                open_lane(&lanes[i], url, i);
                lanes[i].stop = &stop;
        }
        keep_newest(own->pg);
        begin_us = weir_clock_us();
        add_generation(own->pg, rows);
        bytes = number_by(own->pg, "SELECT pg_total_relation_size(format('weir.claim_%s',"
                                   " min(generation))::regclass) FROM weir.claim_generation");
        printf("generation of %" PRId64 " claims, %" PRId64 " MiB, filled in %.0f s\n", rows,
               bytes >> 20, (double)(weir_clock_us() - begin_us) / 1e6);
        run_sql(own->pg, "CHECKPOINT");
        for (int i = 0; i < LANES; i++)
                if (pthread_create(&lanes[i].thread, NULL, claim_on, &lanes[i]))
                        die("thread");
        usleep(500000); /* they are at it */
        begin_us = weir_clock_us();
        run_sql(own->pg, "SELECT weir.claim_drop(min(generation)) FROM weir.claim_generation");
        taken_us = weir_clock_us();
        cpu_us = backend_cpu_us(own);
        run_sql(own->pg, "SELECT weir.claim_sweep()");
        gone_us = weir_clock_us();
        cpu_us = backend_cpu_us(own) - cpu_us;
        stop = true;
        for (int i = 0; i < LANES; i++) {
                pthread_join(lanes[i].thread, NULL);
                worst_ms = lanes[i].worst_ms > worst_ms ? lanes[i].worst_ms : worst_ms;
                weir_pg_close(lanes[i].pg);
        }
        printf("taken out of the set in %.1f ms, its table gone after %.1f ms more (%.1f of CPU);"
               " longest transaction of %d lanes meanwhile %.1f ms\n",
               (double)(taken_us - begin_us) / 1e3, (double)(gone_us - taken_us) / 1e3,
               cpu_us / 1e3, LANES, worst_ms);
        weir_pg_close(own->pg);
        free(lanes);
}

/* ---- rotation ---------------------------------------------------------------------------------- */

/* Events a second of all lanes in @ms; with a switch, and a drop of the oldest, each @every_ms; 0 = none. */
static double lanes_rate(struct lane *lanes, struct weir_pg *pg, int64_t ms, long every_ms,
                         double *ret_worst_ms, long *ret_count)
{
        int64_t begin_us = weir_clock_us(), next_us = begin_us, events = 0;
        atomic_bool stop = false;

        for (int i = 0; i < LANES; i++) {
                events -= lanes[i].position.next_offset;
                lanes[i].worst_ms = 0;
                lanes[i].stop = &stop;
                if (pthread_create(&lanes[i].thread, NULL, claim_on, &lanes[i]))
                        die("thread");
        }
        while (weir_clock_us() - begin_us < ms * 1000) {
                next_us += (every_ms ? every_ms : ms) * 1000;
                while (weir_clock_us() < next_us)
                        usleep(1000);
                if (!every_ms)
                        continue;
                run_sql(pg, "SELECT weir.claim_switch()");
                run_sql(pg, "SELECT weir.claim_drop(min(generation)) FROM weir.claim_generation");
                run_sql(pg, "SELECT weir.claim_sweep()");
                ++*ret_count;
        }
        stop = true;
        for (int i = 0; i < LANES; i++) {
                pthread_join(lanes[i].thread, NULL);
                events += lanes[i].position.next_offset;
                if (lanes[i].worst_ms > *ret_worst_ms)
                        *ret_worst_ms = lanes[i].worst_ms;
        }
        return (double)events * 1e6 / (double)(weir_clock_us() - begin_us);
}

static void rotate(const char *url, long pairs, long every_ms)
{
        enum { WINDOW_MS = 3000, PAIRS_MOST = 100 };
        struct lane *lanes = calloc(LANES + 1, sizeof *lanes);
        struct weir_pg *pg;
        double ratios[PAIRS_MOST], worst_ms[2] = { 0, 0 }, sums[2] = { 0, 0 };
        long count = 0, none = 0;

        if (!lanes || pairs > PAIRS_MOST)
                die("at most %d pairs", PAIRS_MOST);
        for (int i = 0; i <= LANES; i++)
                open_lane(&lanes[i], url, i);
        pg = lanes[LANES].pg;
        keep_newest(pg);
        run_sql(pg, "SELECT weir.claim_switch()"); /* two, on either side */
        for (long i = 0; i < pairs; i++) {
                double rates[2];

                for (int k = 0; k < 2; k++) {
                        int side = (int)((i + k) % 2); /* who is first takes turns */

                        run_sql(pg, "SELECT weir.claim_switch()");
                        run_sql(pg, "SELECT weir.claim_drop(min(generation)) FROM"
                                    " weir.claim_generation");
                        run_sql(pg, "SELECT weir.claim_sweep()");
                        rates[side] = lanes_rate(lanes, pg, WINDOW_MS, side ? every_ms : 0,
                                                 &worst_ms[side], side ? &count : &none);
                        sums[side] += rates[side];
                }
                ratios[i] = rates[1] / rates[0];
        }
        qsort(ratios, (size_t)pairs, sizeof *ratios, by_size);
        printf("%ld pairs of %d s, %d lanes, a rotation each %ld ms (%ld): %.0f and %.0f events/s, ratio"
               " %.3f (%.3f to %.3f); longest transaction %.0f and %.0f ms\n",
               pairs, WINDOW_MS / 1000, LANES, every_ms, count, sums[0] / (double)pairs,
               sums[1] / (double)pairs, ratios[pairs / 2], ratios[0], ratios[pairs - 1],
               worst_ms[0], worst_ms[1]);
        for (int i = 0; i <= LANES; i++)
                weir_pg_close(lanes[i].pg);
        free(lanes);
}

int main(int argc, char **argv)
{
        long levels[LEVELS_MAX] = { 1, 4, 16 };
        size_t count = 3;
        int64_t rows = argc > 3 ? number_of(argv[3]) : 1000000;

        if (argc < 3 || (strcmp(argv[2], "cost") != 0 && strcmp(argv[2], "drop") != 0 &&
                         strcmp(argv[2], "rotate") != 0))
                die("usage: claims URL cost [ROWS [EVENTS [GENERATIONS...]]] | drop [ROWS] | rotate"
                    " [PAIRS [EVERY_MS]]");
        if (strcmp(argv[2], "rotate") == 0) {
                rotate(argv[1], argc > 3 ? rows : 10, argc > 4 ? number_of(argv[4]) : 1000);
                return 0;
        }
        if (strcmp(argv[2], "drop") == 0) {
                drop(argv[1], rows);
                return 0;
        }
        if (argc > 5)
                for (count = 0; count < LEVELS_MAX && (int)count + 5 < argc; count++)
                        levels[count] = number_of(argv[count + 5]);
        cost(argv[1], rows, argc > 4 ? number_of(argv[4]) : 50000, levels, count);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * copy - the same rows into the same tables, by nothing but COPY
 *
 *   copy URL BATCH SERVER-PID EVENTS.1 CLAIMS.1 [EVENTS.2 CLAIMS.2 ...]
 *        prints: events per second, CPU us per event of this program, of the server
 *
 * What the exactly-once path is held against: a client without Kafka, fence, dedup or trail. Each pair of
 * files is what a lane wrote (COPY ... TO, binary, in the order of the heap) and goes back over a connection of
 * its own: BEGIN, COPY of a batch of events, COPY of its claims, COMMIT. Rows are cut before the clock starts, so
 * that the client costs nothing but libpq: the comparison favours it on purpose.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>

#include "support.h"

enum { PAIRS_MAX = 16, HEADER_BYTES = 19, TRAILER_BYTES = 2 };

struct rows {
        char *bytes;
        size_t *ends; /* ends[i]: behind batch i */
        size_t batch_count;
        long row_count;
};

struct pair {
        struct rows events, claims;
        PGconn *conn;
        pthread_t thread;
};

static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";

static uint32_t big_endian(const char *at, size_t size)
{
        uint32_t number = 0;

        for (size_t i = 0; i < size; i++)
                number = number << 8 | (unsigned char)at[i];
        return number;
}

static char *slurp(const char *path, size_t *ret_size)
{
        FILE *file = fopen(path, "rb");
        char *bytes;
        long size;

        if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < HEADER_BYTES)
                die("%s: not a binary COPY", path);
        rewind(file);
        bytes = malloc((size_t)size);
        if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
                die("%s: %m", path);
        fclose(file);
        *ret_size = (size_t)size;
        return bytes;
}

static void cut(struct rows *rows, const char *path, long batch)
{
        size_t size, at = HEADER_BYTES;

        rows->bytes = slurp(path, &size);
        if (memcmp(rows->bytes, header, HEADER_BYTES) != 0)
                die("%s: not a binary COPY", path);
        rows->ends = calloc(size / 16 / (size_t)batch + 2, sizeof *rows->ends);
        if (!rows->ends)
                die("%s: out of memory", path);
        while (at + TRAILER_BYTES < size) {
                uint32_t fields = big_endian(rows->bytes + at, 2);

                for (at += 2; fields && at + 4 <= size; fields--) {
                        uint32_t length = big_endian(rows->bytes + at, 4);

                        at += 4 + (length == UINT32_MAX ? 0 : length);
                }
                if (fields || at + TRAILER_BYTES > size)
                        die("%s: ends inside a row", path);
                if (++rows->row_count % batch == 0)
                        rows->ends[rows->batch_count++] = at;
        }
        if (rows->row_count % batch)
                rows->ends[rows->batch_count++] = at;
}

static void run(PGconn *conn, const char *sql)
{
        PGresult *result = PQexec(conn, sql);

        if (PQresultStatus(result) != PGRES_COMMAND_OK)
                die("%s: %s", sql, PQerrorMessage(conn));
        PQclear(result);
}

static void copy(PGconn *conn, const char *sql, const struct rows *rows, size_t batch)
{
        size_t begin = batch ? rows->ends[batch - 1] : HEADER_BYTES;
        PGresult *result = PQexec(conn, sql);

        if (PQresultStatus(result) != PGRES_COPY_IN)
                die("%s: %s", sql, PQerrorMessage(conn));
        PQclear(result);
        if (PQputCopyData(conn, header, HEADER_BYTES) != 1 ||
            PQputCopyData(conn, rows->bytes + begin, (int)(rows->ends[batch] - begin)) != 1 ||
            PQputCopyData(conn, "\377\377", TRAILER_BYTES) != 1 || PQputCopyEnd(conn, NULL) != 1)
                die("%s: %s", sql, PQerrorMessage(conn));
        while ((result = PQgetResult(conn))) {
                if (PQresultStatus(result) != PGRES_COMMAND_OK)
                        die("%s: %s", sql, PQerrorMessage(conn));
                PQclear(result);
        }
}

static void *send_all(void *argument)
{
        struct pair *pair = argument;

        for (size_t i = 0; i < pair->events.batch_count; i++) {
                run(pair->conn, "BEGIN");
                copy(pair->conn, "COPY audit.event FROM STDIN (FORMAT binary)", &pair->events, i);
                copy(pair->conn, "COPY weir.claim_1 FROM STDIN (FORMAT binary)", &pair->claims, i);
                run(pair->conn, "COMMIT");
        }
        return NULL;
}

int main(int argc, char **argv)
{
        static struct pair pairs[PAIRS_MAX];
        double began, began_cpu, began_server, seconds, cpu;
        int count = (argc - 4) / 2;
        long batch, server, rows = 0;

        if (argc < 6 || argc % 2 || count > PAIRS_MAX)
                die("usage: copy URL BATCH SERVER-PID EVENTS CLAIMS [EVENTS CLAIMS ...]");
        batch = number_of(argv[2]);
        server = number_of(argv[3]);
        for (int i = 0; i < count; i++) {
                cut(&pairs[i].events, argv[4 + 2 * i], batch);
                cut(&pairs[i].claims, argv[5 + 2 * i], batch);
                if (pairs[i].events.row_count != pairs[i].claims.row_count)
                        die("%s: %ld rows, %s: %ld", argv[4 + 2 * i], pairs[i].events.row_count,
                            argv[5 + 2 * i], pairs[i].claims.row_count);
                rows += pairs[i].events.row_count;
                pairs[i].conn = PQconnectdb(argv[1]);
                if (PQstatus(pairs[i].conn) != CONNECTION_OK)
                        die("%s", PQerrorMessage(pairs[i].conn));
        }
        began_server = cpu_of_server(server);
        began_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        began = seconds_of(CLOCK_MONOTONIC);
        for (int i = 0; i < count; i++)
                if (pthread_create(&pairs[i].thread, NULL, send_all, &pairs[i]))
                        die("thread: %m");
        for (int i = 0; i < count; i++)
                pthread_join(pairs[i].thread, NULL);
        seconds = seconds_of(CLOCK_MONOTONIC) - began;
        cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began_cpu;
        printf("%.0f %.3f %.3f\n", (double)rows / seconds, cpu * 1e6 / (double)rows,
               (cpu_of_server(server) - began_server) * 1e6 / (double)rows);
        for (int i = 0; i < count; i++)
                PQfinish(pairs[i].conn);
        return 0;
}

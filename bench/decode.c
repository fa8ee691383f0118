/* SPDX-License-Identifier: MIT */
/*
 * decode - nanoseconds and allocations per event of the decoder alone
 *
 * One thread, no Kafka: what a lane pays for each record before its transaction. The arena is reset
 * every 1,000 events, as a lane does between batches. CPU time, because on a shared machine the clock on the
 * wall measures the neighbours. malloc and its family are counted by standing in
 * front of glibc's own, so the figure also sees what a library below would allocate.
 *
 * usage: bench-decode [EVENTS]      default 300,000; prints the best of 20 rounds
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "event/decode.h"
#include "event/key.h"

#define ROUNDS 20
#define BATCH 1000

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);

static uint64_t allocations;

void *malloc(size_t size)
{
        allocations++;
        return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
        allocations++;
        return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
        allocations++;
        return __libc_realloc(old, size);
}

static int64_t cpu_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int take(void *context, const struct weir_event *event)
{
        *(uint64_t *)context += event->id.size + event->data.size;
        return 0;
}

static int take_key(void *context, const struct weir_event *event)
{
        const struct weir_view worker = { "audit", 5 };
        struct weir_key key;

        *(uint64_t *)context += event->id.size;
        return weir_key_of(worker, event, &key);
}

static int measure(const char *label, const struct weir_message *message, weir_event_fn *taking,
                   uint64_t events)
{
        struct weir_arena arena;
        struct weir_decoder decoder = { .arena = &arena };
        struct weir_refusal refusal;
        double best = 0;
        uint64_t sum = 0, counted = 0;

        weir_arena_init(&arena, 256 * 1024);
        for (int round = 0; round <= ROUNDS; round++) { /* round 0 warms up */
                uint64_t before = allocations;
                int64_t start = cpu_ns();
                double ns;

                for (uint64_t i = 0; i < events; i++) {
                        if (i % BATCH == 0)
                                weir_arena_reset(&arena);
                        if (weir_decode_kafka(&decoder, message, taking, &sum, NULL, &refusal)) {
                                fprintf(stderr, "%s: refused: %s\n", label, refusal.reason);
                                return EXIT_FAILURE;
                        }
                }
                ns = (double)(cpu_ns() - start) / (double)events;
                if (round == 1 || (round > 1 && ns < best))
                        best = ns;
                if (round > 0)
                        counted += allocations - before;
        }
        printf("%-42s %8.1f ns/event %10.4f allocations/event\n", label, best,
               (double)counted / ((double)events * ROUNDS));
        weir_arena_fini(&arena);
        return sum ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define HEADER(name, value)                                                                        \
        {                                                                                          \
                name, value, sizeof value - 1                                                      \
        }
#define VIEW(text)                                                                                 \
        {                                                                                          \
                text, sizeof text - 1                                                              \
        }

int main(int argc, char **argv)
{
        static const struct weir_header six[] = {
                HEADER("ce_specversion", "1.0"),
                HEADER("ce_id", "5190bc29-a3d5-4fca-9a88-85fccffc16b6"),
                HEADER("ce_source", "github.com/eminetto/post-cloudevents"),
                HEADER("ce_type", "user.storeUser"),
                HEADER("ce_time", "2024-11-28T18:53:17.474154Z"),
                HEADER("content-type", "application/json"),
        };
        static const struct weir_header eight[] = {
                HEADER("ce_specversion", "1.0"),
                HEADER("ce_id", "5190bc29-a3d5-4fca-9a88-85fccffc16b6"),
                HEADER("ce_source", "github.com/eminetto/post-cloudevents"),
                HEADER("ce_type", "user.storeUser"),
                HEADER("ce_time", "2024-11-28T18:53:17.474154Z"),
                HEADER("ce_traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                HEADER("ce_partitionkey", "customer-1001"),
                HEADER("content-type", "application/json"),
        };
        static const struct weir_header structured[] = {
                HEADER("content-type", "application/cloudevents+json"),
        };
        static const struct weir_view data = VIEW(
                "{\"id\":\"8aadf8c5-9c4e-4c11-af24-beac2fb9a4b7\"}");
        static const struct weir_view envelope = VIEW(
                "{\"specversion\":\"1.0\",\"id\":\"5190bc29-a3d5-4fca-9a88-85fccffc16b6\","
                "\"source\":\"github.com/eminetto/post-cloudevents\",\"type\":\"user.storeUser\","
                "\"time\":\"2024-11-28T18:53:17.474154Z\",\"datacontenttype\":\"application/json\","
                "\"data\":{\"id\":\"8aadf8c5-9c4e-4c11-af24-beac2fb9a4b7\"}}");
        const struct weir_message messages[] = {
                { .value = data, .headers = six, .header_count = WEIR_COUNT_OF(six) },
                { .value = data, .headers = eight, .header_count = WEIR_COUNT_OF(eight) },
                { .value = envelope, .headers = structured, .header_count = 1 },
        };
        uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
        int r;

        if (events < BATCH) {
                fprintf(stderr, "usage: bench-decode [EVENTS, at least %d]\n", BATCH);
                return EXIT_FAILURE;
        }
        r = measure("binary, 6 headers", &messages[0], take, events);
        r |= measure("binary, 8 headers, 2 extensions", &messages[1], take, events);
        r |= measure("structured, 6 attributes, JSON data", &messages[2], take, events);
        r |= measure("binary, 6 headers, with its claim key", &messages[0], take_key, events);
        return r;
}

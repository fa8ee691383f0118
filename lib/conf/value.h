/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_VALUE_H
#define WEIR_CONF_VALUE_H
/* value - durations, sizes, times and names as they are written in a file */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "200ms" "5s" "5min" "1h" "50us"; whole numbers. False = not of that form or beyond 10000 h. */
bool weir_duration_read(const char *text, int64_t *ret_us);
/* "4MiB" "64KiB" "1GiB" "512B" "512". */
bool weir_size_read(const char *text, int64_t *ret_bytes);
/* RFC 3339, from 1970 on: "2026-01-31T08:00:00Z", "…T08:00:00.5+02:00". */
bool weir_start_time_read(const char *text, int64_t *ret_ms);
/* The shortest form that reads back to the same; @ret of 32 bytes. */
void weir_duration_write(char ret[32], int64_t us);
void weir_size_write(char ret[32], int64_t bytes);

/* What a text must be. NULL = it is; else what is wrong with it. */
typedef const char *weir_text_check(const char *text);
weir_text_check weir_check_name, weir_check_topic, weir_check_group, weir_check_brokers,
        weir_check_store_url /* url.c */, weir_check_sink_url, weir_check_origin, weir_check_plain,
        weir_check_env;

/* How many letters to change, add, drop or swap to make @b of @a; for "did you mean". */
size_t weir_text_distance(const char *a, const char *b);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_TIMESTAMP_H
#define WEIR_EVENT_TIMESTAMP_H
/* timestamp - RFC 3339 to microseconds since 1970-01-01T00:00:00Z */
#include <stddef.h>
#include <stdint.h>

/* 0, or 1 = not RFC 3339; @ret_at = where it stops being one (may be NULL). A finer fraction than
 * microseconds is cut. A leap second counts as the first instant of the next day, as in PostgreSQL. */
int weir_timestamp_parse(const char *text, size_t size, int64_t *ret_us, size_t *ret_at);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H
/* utf8 - UTF-8, and any bytes as text that may be shown */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One scalar value at @p < @end: its length in bytes, or 0 (overlong, surrogate, truncated, ...). */
size_t weir_utf8_next(const unsigned char *p, const unsigned char *end, uint32_t *ret_scalar);
/* Write @scalar as UTF-8; 1..4 bytes. */
size_t weir_utf8_put(uint32_t scalar, char *out);
bool weir_utf8_is(const char *text);

enum { WEIR_SHOW_KEY_BYTES = 48 }; /* of a key in a message, the NUL included */

/* Any bytes, as text for a message: controls and what is no UTF-8 as \xNN, a cut marked, NUL at the end. @room >= 8,
 * the NUL included. Returns @ret. */
const char *weir_bytes_show(const void *bytes, size_t size, char *ret, size_t room);

#endif

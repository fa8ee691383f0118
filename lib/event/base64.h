/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_BASE64_H
#define WEIR_EVENT_BASE64_H
/* base64 - RFC 4648 section 4: standard alphabet, padded, nothing else */
#include <stddef.h>

/* Bytes that @size characters decode to at most. */
#define WEIR_BASE64_DECODED(size) ((size) / 4 * 3)
#define WEIR_BASE64_ENCODED(size) (((size) + 2) / 3 * 4)

/* 0, or 1 = not base64, *ret_at = the first character that is wrong. */
int weir_base64_decode(const char *text, size_t size, char *out, size_t *ret_size, size_t *ret_at);
/* Writes WEIR_BASE64_ENCODED(size) characters, no NUL. */
void weir_base64_encode(const void *bytes, size_t size, char *out);

#endif

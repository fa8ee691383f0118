/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_BLOT_H
#define WEIR_SIDE_BLOT_H
/* blot - make what a receiver sends back fit for a log: our secrets in it become asterisks. Pure but for memory. */
#include <stdbool.h>
#include <stddef.h>

/* Every place of @bytes where @word stands, a token or a secret, in any case and percent-encoded up to four times; NULL
 * and "" do nothing. false = no memory, and all of @bytes is blotted out. */
bool weir_blot(char *bytes, size_t size, const char *word);
/* The same for path and query of a URL: whole, and in their parts. NULL = none. */
bool weir_blot_url(char *bytes, size_t size, const char *path, const char *query);

#endif

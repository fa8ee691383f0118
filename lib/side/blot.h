/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_BLOT_H
#define WEIR_SIDE_BLOT_H
/* blot - make what a receiver sends back fit for a log: our secrets in it become asterisks. Pure but for memory. */
#include <stdbool.h>
#include <stddef.h>

/* Every place of @bytes where @secret stands, without regard to case; NULL and "" do nothing. */
void weir_blot(char *bytes, size_t size, const char *secret);
/* Path and query of a URL: whole, in their parts, and percent-decoded. NULL = none. false = no memory, and all of
 * @bytes is blotted out. */
bool weir_blot_url(char *bytes, size_t size, const char *path, const char *query);

#endif

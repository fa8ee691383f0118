/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_SIGNATURE_H
#define WEIR_SIDE_SIGNATURE_H
/* signature - webhook-id and webhook-signature of Standard Webhooks 1.0.0. Pure but for memory. */
#include <stdint.h>
#include <weir/event.h>

#include "base/error.h"

/* "v1,<base64 of 32 bytes>", twice, a space between, NUL */
#define WEIR_SIGNATURE_BYTES (2 * (3 + 44) + 2)

/* Bytes that weir_signature_id() writes for an id of @size bytes, the NUL included. */
#define WEIR_SIGNATURE_ID_BYTES(size) (3 * (size) + 1)

/* The id as it goes into a header and under the signature: what is no visible ASCII is percent-encoded,
 * and so are '%' and '.', which separates id and time there. Writes a NUL behind; returns the length. */
size_t weir_signature_id(struct weir_view id, char *out);

/* Sign "@id.@timestamp_s.@body" with @secret, and with @next too where it is not NULL. A secret is
 * "whsec_" and base64, or the bytes as they stand. WEIR_ECONF: a secret cannot be read. */
int weir_signature_make(const char *secret, const char *next, const char *id, int64_t timestamp_s,
                        struct weir_view body, char ret[WEIR_SIGNATURE_BYTES],
                        struct weir_error *reterr);

#endif

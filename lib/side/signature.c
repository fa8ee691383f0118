/* SPDX-License-Identifier: MIT */
/*
 * signature - HMAC-SHA256 over id, time and body, so that a receiver knows who sent it, and when
 *
 * Always true  SG1 the signed text can be read in one way only: id and time hold no '.', so nobody can
 *                  move bytes from the body into the id and keep the signature. An id of CloudEvents
 *                  may hold any character, hence the percent signs.
 *              SG2 the time is that of the attempt, the id that of the message: a receiver can refuse
 *                  what is old, and drop what it knows.
 *              SG3 decoded keys are wiped; no error repeats a secret.
 * Rotation     receivers accept a request when one of its signatures fits: with both secrets sent, the
 *              receiver may change to the new one at any time.
 */
#include "side/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hmac.h"
#include "event/base64.h"

#define SECRET_MARK "whsec_"

size_t weir_signature_id(struct weir_view id, char *out)
{
        static const char hex[] = "0123456789ABCDEF";
        size_t used = 0;

        for (size_t i = 0; i < id.size; i++) {
                unsigned char c = (unsigned char)id.ptr[i];

                if (c > 0x20 && c < 0x7f && c != '%' && c != '.') {
                        out[used++] = (char)c;
                } else {
                        out[used++] = '%';
                        out[used++] = hex[c >> 4];
                        out[used++] = hex[c & 15];
                }
        }
        out[used] = '\0';
        return used;
}

static int sign(const char *secret, const struct weir_hash_part *parts, size_t count, char *out,
                struct weir_error *reterr)
{
        size_t length = strlen(secret), mark = strlen(SECRET_MARK), size = length, at;
        WEIR_FREE char *decoded = NULL;
        uint8_t digest[32];
        int r;

        if (strncmp(secret, SECRET_MARK, mark) == 0) {
                decoded = malloc(WEIR_BASE64_DECODED(length) + 1);
                if (!decoded)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "secret of a sink");
                if (weir_base64_decode(secret + mark, length - mark, decoded, &size, &at))
                        return weir_fail(reterr, WEIR_ECONF, 0,
                                         "what follows whsec_ in the secret is no base64");
        }
        if (size == 0)
                return weir_fail(reterr, WEIR_ECONF, 0, "the secret is empty");
        r = weir_hmac_sha256(decoded ? decoded : secret, size, parts, count, digest);
        if (decoded)
                explicit_bzero(decoded, size);
        if (r < 0)
                return weir_fail(reterr, r, 0, "signature");
        memcpy(out, "v1,", 3);
        weir_base64_encode(digest, sizeof digest, out + 3);
        out[3 + WEIR_BASE64_ENCODED(sizeof digest)] = '\0';
        return 0;
}

int weir_signature_make(const char *secret, const char *next, const char *id, int64_t timestamp_s,
                        struct weir_view body, char ret[WEIR_SIGNATURE_BYTES],
                        struct weir_error *reterr)
{
        char time[32];
        int length = snprintf(time, sizeof time, ".%" PRId64 ".", timestamp_s), r;
        const struct weir_hash_part parts[] = { { id, strlen(id) },
                                                { time, (size_t)length },
                                                { body.ptr, body.size } };

        r = sign(secret, parts, WEIR_COUNT_OF(parts), ret, reterr);
        if (r < 0 || !next)
                return r;
        length = (int)strlen(ret);
        ret[length] = ' ';
        return sign(next, parts, WEIR_COUNT_OF(parts), ret + length + 1, reterr);
}

/* SPDX-License-Identifier: MIT */
/*
 * hmac - OpenSSL's HMAC, fetched once, with a context for each call
 *
 * A signature belongs to a request over the network: the microsecond that a context costs is not seen
 * there, and a context that is kept would keep the key.
 *
 * Not chosen  HMAC(): wants the message in one piece, a copy of each body.
 */
#include "base/hmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <weir/error.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MAC *hmac;

static void setup(void)
{
        hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

int weir_hmac_sha256(const void *key, size_t key_size, const struct weir_hash_part *parts,
                     size_t count, uint8_t ret_digest[32])
{
        char digest[] = "SHA256";
        OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                OSSL_PARAM_construct_end() };
        static const unsigned char none;
        EVP_MAC_CTX *context;
        size_t size = 0;
        int good;

        pthread_once(&once, setup);
        context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
        if (!context)
                return WEIR_ENOMEM;
        /* a NULL key means "the one before" to OpenSSL */
        good = EVP_MAC_init(context, key_size ? key : &none, key_size, params);
        for (size_t i = 0; good == 1 && i < count; i++)
                good = EVP_MAC_update(context, parts[i].bytes, parts[i].size);
        if (good == 1)
                good = EVP_MAC_final(context, ret_digest, &size, 32);
        EVP_MAC_CTX_free(context);
        return good == 1 && size == 32 ? 0 : WEIR_ENOMEM;
}

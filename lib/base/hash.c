/* SPDX-License-Identifier: MIT */
/*
 * hash - OpenSSL's SHA-256 with one reusable context per thread
 *
 * EVP_MD_CTX_new per event costs more than the digest of a short key; the context is kept in a
 * pthread key so that it is freed with its thread.
 */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <weir/error.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static EVP_MD *sha256;

static void free_context(void *p)
{
        EVP_MD_CTX_free(p);
}

static void setup(void)
{
        pthread_key_create(&key, free_context);
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

int weir_hash_parts(const struct weir_hash_part *parts, size_t count, uint8_t ret_digest[32])
{
        EVP_MD_CTX *context;

        pthread_once(&once, setup);
        context = pthread_getspecific(key);
        if (!context) {
                context = EVP_MD_CTX_new();
                if (!context || !sha256 || pthread_setspecific(key, context)) {
                        EVP_MD_CTX_free(context);
                        return WEIR_ENOMEM;
                }
        }
        if (EVP_DigestInit_ex2(context, sha256, NULL) != 1)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < count; i++) {
                uint8_t length[8];

                for (int b = 0; b < 8; b++)
                        length[b] = (uint8_t)((uint64_t)parts[i].size >> (56 - 8 * b));
                if (EVP_DigestUpdate(context, length, sizeof length) != 1 ||
                    EVP_DigestUpdate(context, parts[i].bytes, parts[i].size) != 1)
                        return WEIR_ENOMEM;
        }
        return EVP_DigestFinal_ex(context, ret_digest, NULL) == 1 ? 0 : WEIR_ENOMEM;
}

int weir_hash_mark(const void *bytes, size_t size, struct weir_hash_mark *ret)
{
        *ret = (struct weir_hash_mark){ .size = size };
        if (weir_hash_parts(&(struct weir_hash_part){ bytes, size }, 1, ret->digest) == 0)
                return 0;
        errno = ENOMEM;
        return -1;
}

bool weir_hash_mark_is(const struct weir_hash_mark *a, const struct weir_hash_mark *b)
{
        return a->size == b->size && memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

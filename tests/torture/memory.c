/* SPDX-License-Identifier: MIT */
/*
 * memory - what weir asks for memory: the heap, and constructors of libraries that may have none
 *
 * Only what can fail by its own manual fails here. librdkafka's rd_kafka_queue_new() and its like never return NULL
 * (they end the process), so they have no wrapper. A thread is memory too.
 *
 * Names      objcopy renames the calls in weir's own objects (see the file "calls"): what a test asks for itself, or
 *            a library does inside, is not touched.
 */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

/* Declared nowhere else: called by the name that objcopy gives. */
#define WRAP(type, name, parameters, arguments, failed)                                            \
        type torture_##name parameters;                                                            \
        type torture_##name parameters                                                             \
        {                                                                                          \
                if (torture_fails(TORTURE_MEMORY)) {                                               \
                        errno = ENOMEM;                                                            \
                        return failed;                                                             \
                }                                                                                  \
                return name arguments;                                                             \
        }

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *block, size_t size), (block, size), NULL)
WRAP(void *, reallocarray, (void *block, size_t count, size_t size), (block, count, size), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(char *, strndup, (const char *text, size_t most), (text, most), NULL)
WRAP(char *, realpath, (const char *path, char *ret), (path, ret), NULL)
WRAP(FILE *, open_memstream, (char **ret, size_t *ret_size), (ret, ret_size), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(DIR *, opendir, (const char *path), (path), NULL)
WRAP(cJSON *, cJSON_ParseWithLengthOpts,
     (const char *text, size_t size, const char **ret_end, cJSON_bool whole),
     (text, size, ret_end, whole), NULL)
WRAP(CURL *, curl_easy_init, (void), (), NULL)
WRAP(CURLM *, curl_multi_init, (void), (), NULL)
WRAP(CURLU *, curl_url, (void), (), NULL)
WRAP(CURLUcode, curl_url_set, (CURLU * url, CURLUPart part, const char *text, unsigned flags),
     (url, part, text, flags), CURLUE_OUT_OF_MEMORY)
WRAP(CURLUcode, curl_url_get, (CURLU * url, CURLUPart part, char **ret, unsigned flags),
     (url, part, ret, flags), CURLUE_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy),
     CURLM_OUT_OF_MEMORY)
WRAP(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text),
     (list, text), NULL)
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
WRAP(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * context, const char *name, const char *properties),
     (context, name, properties), NULL)
WRAP(EVP_MAC *, EVP_MAC_fetch, (OSSL_LIB_CTX * context, const char *name, const char *properties),
     (context, name, properties), NULL)
WRAP(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac), NULL)

int torture_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *),
                           void *context);
int torture_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *),
                           void *context)
{
        return torture_fails(TORTURE_MEMORY) ? EAGAIN
                                             : pthread_create(ret, attributes, run, context);
}

int torture_vasprintf(char **ret, const char *format, va_list ap);
int torture_vasprintf(char **ret, const char *format, va_list ap)
{
        return torture_fails(TORTURE_MEMORY) ? -1 : vasprintf(ret, format, ap);
}

int torture_asprintf(char **ret, const char *format, ...);
int torture_asprintf(char **ret, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = torture_vasprintf(ret, format, ap);
        va_end(ap);
        return r;
}

/* The same as a fortified build calls them. */
int torture___vasprintf_chk(char **ret, int flag, const char *format, va_list ap);
int torture___vasprintf_chk(char **ret, int flag, const char *format, va_list ap)
{
        (void)flag;
        return torture_vasprintf(ret, format, ap);
}

int torture___asprintf_chk(char **ret, int flag, const char *format, ...);
int torture___asprintf_chk(char **ret, int flag, const char *format, ...)
{
        va_list ap;
        int r;

        (void)flag;
        va_start(ap, format);
        r = torture_vasprintf(ret, format, ap);
        va_end(ap);
        return r;
}

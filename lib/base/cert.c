/* SPDX-License-Identifier: MIT */
/*
 * cert - OpenSSL's PEM reader, asked at the start instead of at the first request
 *
 * libcurl reads ca_file when it connects, so a file of the wrong kind (a key, DER, an empty one) would start well, and
 * every event would then fail with words about TLS.
 */
#include "base/cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

int weir_cert_count(const char *path)
{
        FILE *file = fopen(path, "re");
        int count = 0;
        X509 *one;

        if (!file)
                return -1;
        while ((one = PEM_read_X509_AUX(file, NULL, NULL, NULL))) {
                X509_free(one);
                count++;
        }
        ERR_clear_error(); /* the end of the file is one */
        fclose(file);
        return count;
}

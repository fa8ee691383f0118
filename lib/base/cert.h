/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CERT_H
#define WEIR_BASE_CERT_H
/* cert - does a file hold what TLS needs of it? */

/* How many certificates in PEM the file has, up to the first that cannot be read; < 0 = the file cannot be opened. */
int weir_cert_count(const char *path);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_ADDRESS_H
#define WEIR_SIDE_ADDRESS_H
/* address - is this an address of the public internet? Pure. */
#include <sys/socket.h>

/* NULL = yes; else what it is, in words: "private (RFC 1918)". */
const char *weir_address_range(const struct sockaddr *address);
/* The same for an address as text; what cannot be read is not public. */
const char *weir_address_text_range(const char *text);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * fuzz_address - the policy on addresses against inet_pton and the system's own macros
 *
 * Rules      what inet_pton does not read is no internet address; text and sockaddr get one verdict; an IPv4 address is
 *            judged alike in its own form, mapped, behind NAT64 and in 6to4; what <netinet/in.h> calls loopback, link-local,
 *            site-local, multicast or unspecified is never public.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "side/address.h"

static const char *judge4(struct in_addr in)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = in };

        return weir_address_range((struct sockaddr *)&address);
}

static const char *judge6(const uint8_t bytes[16])
{
        struct sockaddr_in6 address = { .sin6_family = AF_INET6 };

        memcpy(&address.sin6_addr, bytes, 16);
        return weir_address_range((struct sockaddr *)&address);
}

static void check4(struct in_addr in)
{
        uint32_t host = ntohl(in.s_addr);
        const char *range = judge4(in);
        uint8_t mapped[16] = { [10] = 0xff, 0xff }, nat64[16] = { 0, 0x64, 0xff, 0x9b };
        uint8_t sixto4[16] = { 0x20, 0x02 };

        memcpy(mapped + 12, &in, 4);
        memcpy(nat64 + 12, &in, 4);
        memcpy(sixto4 + 2, &in, 4);
        MUST(judge6(mapped) == range && judge6(nat64) == range && judge6(sixto4) == range);
        if (host == INADDR_ANY || host >> 24 == 127 || IN_MULTICAST(host) || IN_BADCLASS(host) ||
            host >> 24 == 10 || host >> 20 == 0xac1 || host >> 16 == 0xc0a8 || host >> 16 == 0xa9fe)
                MUST(range);
}

static void check6(const struct in6_addr *in)
{
        const char *range = judge6(in->s6_addr);

        if (IN6_IS_ADDR_UNSPECIFIED(in) || IN6_IS_ADDR_LOOPBACK(in) || IN6_IS_ADDR_LINKLOCAL(in) ||
            IN6_IS_ADDR_SITELOCAL(in) || IN6_IS_ADDR_MULTICAST(in) || IN6_IS_ADDR_V4COMPAT(in) ||
            (in->s6_addr[0] & 0xfe) == 0xfc)
                MUST(range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz fuzz;
        struct in_addr in;
        struct in6_addr in6;
        const char *text, *range;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz).ptr;
        range = weir_address_text_range(text);
        if (inet_pton(AF_INET, text, &in) == 1) {
                MUST(range == judge4(in));
                check4(in);
        } else if (inet_pton(AF_INET6, text, &in6) == 1) {
                MUST(range == judge6(in6.s6_addr));
                check6(&in6);
        } else {
                MUST(range);
        }
        if (size >= 4) { /* most texts are no address; any four bytes are one */
                memcpy(&in, data, 4);
                check4(in);
        }
        if (size >= 16) {
                memcpy(&in6, data, 16);
                check6(&in6);
        }
        fuzz_end(&fuzz);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * address - is this an address of the public internet?
 *
 * A URL may name a host whose address its owner chooses, and chooses anew at each look-up. So not the
 * text of the URL is checked but the very sockaddr that connect() will get; all spellings (octal,
 * one number, [::ffff:…], a name of somebody's zone that says 127.0.0.1) have come down to it by then.
 *
 * Always true  AD1 IPv6 is a list of what is allowed, not of what is not: 2000::/3 without its holes,
 *                  and NAT64 and 6to4 where the IPv4 address inside is allowed. What IANA gives out
 *                  later for another purpose is refused until somebody adds it here.
 *              AD2 an IPv4 address inside an IPv6 one is judged as the IPv4 address that it reaches.
 * Source       IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 (NAT64), 3056 (6to4),
 *              4291 (mapped), 6598 (CGNAT).
 * Not done     the few public anycast addresses inside 192.0.0.0/24 and 2001::/23: no receiver is there.
 */
#include "side/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
        uint32_t first;
        int bits;
        const char *name;
} ranges4[] = {
        { 0x00000000, 8, "of this host (0.0.0.0/8)" },
        { 0x0a000000, 8, "private (RFC 1918)" },
        { 0x64400000, 10, "shared by a provider (100.64.0.0/10)" },
        { 0x7f000000, 8, "loopback" },
        { 0xa9fe0000, 16, "link-local" },
        { 0xac100000, 12, "private (RFC 1918)" },
        { 0xc0000000, 24, "reserved (192.0.0.0/24)" },
        { 0xc0000200, 24, "for documentation" },
        { 0xc0586300, 24, "reserved (192.88.99.0/24)" },
        { 0xc0a80000, 16, "private (RFC 1918)" },
        { 0xc6120000, 15, "for benchmarks (198.18.0.0/15)" },
        { 0xc6336400, 24, "for documentation" },
        { 0xcb007100, 24, "for documentation" },
        { 0xe0000000, 4, "multicast" },
        { 0xf0000000, 4, "reserved (240.0.0.0/4)" },
};

/* The first that fits counts; @inner: where the IPv4 address stands, -1 = there is none. */
static const struct {
        uint8_t first[16];
        int bits, inner;
        const char *name; /* NULL = public, where @inner is */
} ranges6[] = {
        { { 0 }, 128, -1, "unspecified (::)" },
        { { [15] = 1 }, 128, -1, "loopback" },
        { { [10] = 0xff, 0xff }, 96, 12, NULL },
        { { 0 }, 96, -1, "reserved (::/96)" },
        { { 0x00, 0x64, 0xff, 0x9b }, 96, 12, NULL },
        { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, -1, "private (64:ff9b:1::/48)" },
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32, -1, "for documentation" },
        { { 0x20, 0x01 }, 23, -1, "reserved (2001::/23)" },
        { { 0x20, 0x02 }, 16, 2, NULL },
        { { 0x3f, 0xff }, 20, -1, "for documentation" },
        { { 0xfc }, 7, -1, "private (unique local)" },
        { { 0xfe, 0x80 }, 10, -1, "link-local" },
        { { 0xfe, 0xc0 }, 10, -1, "private (site-local)" },
        { { 0xff }, 8, -1, "multicast" },
        { { 0x20 }, 3, -1, NULL },
};

static const char *range4(uint32_t address)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(ranges4); i++)
                if ((address ^ ranges4[i].first) >> (32 - ranges4[i].bits) == 0)
                        return ranges4[i].name;
        return NULL;
}

static bool starts_with(const uint8_t *address, const uint8_t *first, int bits)
{
        int whole = bits / 8, rest = bits % 8;

        return memcmp(address, first, (size_t)whole) == 0 &&
               (rest == 0 || (address[whole] ^ first[whole]) >> (8 - rest) == 0);
}

static const char *range6(const uint8_t *address)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(ranges6); i++) {
                const uint8_t *inner;

                if (!starts_with(address, ranges6[i].first, ranges6[i].bits))
                        continue;
                if (ranges6[i].inner < 0)
                        return ranges6[i].name;
                inner = address + ranges6[i].inner;
                return range4((uint32_t)inner[0] << 24 | (uint32_t)inner[1] << 16 |
                              (uint32_t)inner[2] << 8 | inner[3]);
        }
        return "reserved";
}

const char *weir_address_range(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET) {
                struct sockaddr_in in;

                memcpy(&in, address, sizeof in);
                return range4(ntohl(in.sin_addr.s_addr));
        }
        if (address->sa_family == AF_INET6) {
                struct sockaddr_in6 in;

                memcpy(&in, address, sizeof in);
                return range6(in.sin6_addr.s6_addr);
        }
        return "no internet address";
}

const char *weir_address_text_range(const char *text)
{
        struct in_addr in;
        struct in6_addr in6;

        if (inet_pton(AF_INET, text, &in) == 1)
                return range4(ntohl(in.s_addr));
        if (inet_pton(AF_INET6, text, &in6) == 1)
                return range6(in6.s6_addr);
        return "no internet address";
}

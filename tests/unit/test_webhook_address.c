/* SPDX-License-Identifier: MIT */
/* side/address: what is public and what is not, at both ends of each range */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "side/address.h"

static const struct {
        const char *address, *range; /* a piece of its name; NULL = public */
} cases[] = {
        { "0.0.0.0", "this host" },
        { "0.255.255.255", "this host" },
        { "1.0.0.0", NULL },
        { "9.255.255.255", NULL },
        { "10.0.0.0", "1918" },
        { "10.255.255.255", "1918" },
        { "11.0.0.0", NULL },
        { "100.63.255.255", NULL },
        { "100.64.0.0", "provider" },
        { "100.127.255.255", "provider" },
        { "100.128.0.0", NULL },
        { "126.255.255.255", NULL },
        { "127.0.0.1", "loopback" },
        { "127.255.255.255", "loopback" },
        { "128.0.0.0", NULL },
        { "169.253.255.255", NULL },
        { "169.254.169.254", "link-local" },
        { "169.255.0.0", NULL },
        { "172.15.255.255", NULL },
        { "172.16.0.0", "1918" },
        { "172.31.255.255", "1918" },
        { "172.32.0.0", NULL },
        { "191.255.255.255", NULL },
        { "192.0.0.0", "reserved" },
        { "192.0.0.255", "reserved" },
        { "192.0.1.0", NULL },
        { "192.0.2.1", "documentation" },
        { "192.0.3.0", NULL },
        { "192.88.98.255", NULL },
        { "192.88.99.1", "reserved" },
        { "192.88.100.0", NULL },
        { "192.167.255.255", NULL },
        { "192.168.0.0", "1918" },
        { "192.168.255.255", "1918" },
        { "192.169.0.0", NULL },
        { "198.17.255.255", NULL },
        { "198.18.0.0", "benchmarks" },
        { "198.19.255.255", "benchmarks" },
        { "198.20.0.0", NULL },
        { "198.51.99.255", NULL },
        { "198.51.100.7", "documentation" },
        { "198.51.101.0", NULL },
        { "203.0.112.255", NULL },
        { "203.0.113.0", "documentation" },
        { "203.0.114.0", NULL },
        { "223.255.255.255", NULL },
        { "224.0.0.0", "multicast" },
        { "239.255.255.255", "multicast" },
        { "240.0.0.0", "reserved" },
        { "255.255.255.255", "reserved" },
        { "::", "unspecified" },
        { "::1", "loopback" },
        { "::2", "reserved" },
        { "::127.0.0.1", "reserved" }, /* IPv4-compatible, given up */
        { "::8.8.8.8", "reserved" },
        { "::ffff:127.0.0.1", "loopback" },
        { "::ffff:10.1.2.3", "1918" },
        { "::ffff:169.254.169.254", "link-local" },
        { "::ffff:8.8.8.8", NULL },
        { "::fffe:8.8.8.8", "reserved" },
        { "64:ff9b::8.8.8.8", NULL },
        { "64:ff9b::192.168.1.1", "1918" },
        { "64:ff9b::127.0.0.1", "loopback" },
        { "64:ff9b:1::8.8.8.8", "private" },
        { "64:ff9b:2::8.8.8.8", "reserved" },
        { "64:ff9b::1:8.8.8.8", "reserved" },
        { "100::1", "reserved" },
        { "1fff:ffff::1", "reserved" },
        { "2000::1", NULL },
        { "2001::1", "reserved" }, /* Teredo */
        { "2001:1ff:ffff::1", "reserved" },
        { "2001:200::1", NULL },
        { "2001:db7:ffff::1", NULL },
        { "2001:db8::1", "documentation" },
        { "2001:db9::1", NULL },
        { "2002:7f00:1::1", "loopback" },
        { "2002:c0a8:101::1", "1918" },
        { "2002:808:808::1", NULL },
        { "2003::1", NULL },
        { "2606:4700::1111", NULL },
        { "3ffe:ffff::1", NULL },
        { "3fff::1", "documentation" },
        { "3fff:fff:ffff::1", "documentation" },
        { "3fff:1000::1", NULL },
        { "4000::1", "reserved" },
        { "5f00::1", "reserved" },
        { "fbff::1", "reserved" },
        { "fc00::1", "unique local" },
        { "fdff:ffff::1", "unique local" },
        { "fe7f::1", "reserved" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "fec0::1", "site-local" },
        { "ff02::1", "multicast" },
        { "not an address", "no internet address" },
        { "", "no internet address" },
        { "127.1", "no internet address" },
};

START_TEST(a_range_has_its_name)
{
        const char *range = weir_address_text_range(cases[_i].address);

        if (!cases[_i].range)
                ck_assert_msg(!range, "%s is %s", cases[_i].address, range);
        else
                ck_assert_msg(range && strstr(range, cases[_i].range), "%s is %s",
                              cases[_i].address, range ? range : "public");
}
END_TEST

START_TEST(a_socket_address_is_judged_like_its_text)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/docker.sock" };

        ck_assert_str_eq(weir_address_range((struct sockaddr *)&in), "loopback");
        ck_assert_str_eq(weir_address_range((struct sockaddr *)&in6), "loopback");
        ck_assert_str_eq(weir_address_range((struct sockaddr *)&un), "no internet address");
        in.sin_addr.s_addr = htonl(0x08080808);
        ck_assert_ptr_null(weir_address_range((struct sockaddr *)&in));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_address");
        TCase *tcase = tcase_create("address");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, a_range_has_its_name, 0, WEIR_COUNT_OF(cases));
        tcase_add_test(tcase, a_socket_address_is_judged_like_its_text);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

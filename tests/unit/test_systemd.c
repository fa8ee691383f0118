/* SPDX-License-Identifier: MIT */
/* test_systemd - what the service manager hears, and what it cannot be made to hear */
#include <sys/stat.h>

#include "base/clock.h"
#include "conf_fixture.h"
#include "guard/systemd.h"

static int manager; /* systemd's end */

/* Listens at @name ("@" and a name: abstract) and says so in the environment. */
static void listen_at(const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

        memcpy(address.sun_path, name, strlen(name));
        if (*name == '@')
                address.sun_path[0] = '\0';
        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(manager, 0);
        ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, size), 0);
        setenv("NOTIFY_SOCKET", name, 1);
}

static const char *heard(void)
{
        static char text[1024];
        ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);

        text[n > 0 ? n : 0] = '\0';
        return n < 0 ? NULL : text;
}

static struct weir_systemd opened(void)
{
        struct weir_systemd systemd;
        struct weir_error error = { 0 };

        ck_assert_msg(weir_systemd_open(&systemd, &error) == 0, "%s", error.text);
        return systemd;
}

START_TEST(each_word_is_a_datagram)
{
        struct weir_systemd systemd;
        int64_t before_us = weir_clock_us();
        long long us = 0;

        listen_at(in_scratch("notify"));
        systemd = opened();
        ck_assert(weir_systemd_listens(&systemd));
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0);
        ck_assert_str_eq(heard(), "READY=1");
        ck_assert_int_eq(weir_systemd_watchdog(&systemd, NULL), 0);
        ck_assert_str_eq(heard(), "WATCHDOG=1");
        ck_assert_int_eq(weir_systemd_stopping(&systemd, NULL), 0);
        ck_assert_str_eq(heard(), "STOPPING=1");
        ck_assert_int_eq(weir_systemd_reloading(&systemd, NULL), 0);
        ck_assert_int_eq(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
        ck_assert(us >= before_us && us <= weir_clock_us());
        ck_assert_int_eq(weir_systemd_status(&systemd, "3 workers", NULL), 0);
        ck_assert_str_eq(heard(), "STATUS=3 workers");
        ck_assert_ptr_null(heard());
        weir_systemd_close(&systemd);
        ck_assert(!weir_systemd_listens(&systemd));
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0);
        ck_assert_ptr_null(heard());
}
END_TEST

START_TEST(an_abstract_name_is_found_too)
{
        char name[64];
        struct weir_systemd systemd;

        snprintf(name, sizeof name, "@weir/test/%ld", (long)getpid());
        listen_at(name);
        systemd = opened();
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0);
        ck_assert_str_eq(heard(), "READY=1");
        weir_systemd_close(&systemd);
}
END_TEST

START_TEST(without_a_socket_nothing_happens)
{
        struct weir_systemd systemd;

        unsetenv("NOTIFY_SOCKET");
        setenv("WATCHDOG_USEC", "1000000", 1);
        systemd = opened();
        ck_assert(!weir_systemd_listens(&systemd));
        ck_assert_int_eq(systemd.watchdog_ms, 0);
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0);
        ck_assert_int_eq(weir_systemd_status(&systemd, "x", NULL), 0);
        setenv("NOTIFY_SOCKET", "", 1);
        systemd = opened();
        ck_assert(!weir_systemd_listens(&systemd));
}
END_TEST

START_TEST(SD1_a_manager_that_is_gone_or_deaf_costs_a_second_at_most)
{
        struct weir_error error = { 0 };
        struct weir_systemd systemd;
        int64_t began_us;
        int r = 0;

        listen_at(in_scratch("deaf"));
        systemd = opened();
        for (int i = 0; i < 100000 && r == 0; i++) { /* until its queue is full */
                began_us = weir_clock_us();
                r = weir_systemd_watchdog(&systemd, &error);
        }
        ck_assert_int_eq(r, WEIR_ESYS);
        ck_assert(weir_clock_us() - began_us < 5000000);
        ck_assert_ptr_nonnull(strstr(error.text, "WATCHDOG=1"));
        close(manager);
        unlink(in_scratch("deaf"));
        ck_assert_int_eq(weir_systemd_ready(&systemd, &error), WEIR_ESYS);
        listen_at(in_scratch("deaf")); /* systemd after its own update */
        ck_assert_int_eq(weir_systemd_ready(&systemd, &error), 0);
        ck_assert_str_eq(heard(), "READY=1");
        weir_systemd_close(&systemd);
}
END_TEST

static const struct {
        const char *text, *line;
} statuses[] = {
        { "", "STATUS=" },
        { "a\nREADY=1\r\tb\x7f\x1b[0m", "STATUS=a READY=1  b  [0m" },
        { "f\xc3\xbcnf \xe2\x82\xac \xf0\x9f\x98\x80",
          "STATUS=f\xc3\xbcnf \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xff\xc3(\xe2\x82 \xc0\x80\xed\xa0\x80|", "STATUS=  (        |" },
        { "\xc2\x85\xe0\x80\x80\xf4\x90\x80\x80.", "STATUS=         ." },
        { "ends in the middle \xe2\x82", "STATUS=ends in the middle   " },
};

START_TEST(SD2_a_status_is_one_line_of_text)
{
        struct weir_systemd systemd;

        listen_at(in_scratch("notify"));
        systemd = opened();
        ck_assert_int_eq(weir_systemd_status(&systemd, statuses[_i].text, NULL), 0);
        ck_assert_str_eq(heard(), statuses[_i].line);
        weir_systemd_close(&systemd);
}
END_TEST

START_TEST(SD2_a_status_is_bounded_between_characters)
{
        struct weir_systemd systemd;
        char text[1000];
        const char *line;

        listen_at(in_scratch("notify"));
        systemd = opened();
        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = '\0';
        ck_assert_int_eq(weir_systemd_status(&systemd, text, NULL), 0);
        ck_assert_uint_eq(strlen(heard()), 7 + 200);
        memcpy(text + 199, "\xe2\x82\xac", 3); /* would go beyond */
        ck_assert_int_eq(weir_systemd_status(&systemd, text, NULL), 0);
        line = heard();
        ck_assert_uint_eq(strlen(line), 7 + 199);
        ck_assert_int_eq(line[7 + 198], 'x');
        weir_systemd_close(&systemd);
}
END_TEST

START_TEST(SD3_children_do_not_find_the_variables)
{
        static const char *const bad[] = { "vsock:2:1", "unix", NULL };
        struct weir_systemd systemd;

        for (size_t i = 0; i < 3; i++) {
                if (bad[i])
                        setenv("NOTIFY_SOCKET", bad[i], 1);
                else
                        listen_at(in_scratch("notify"));
                setenv("WATCHDOG_USEC", "1", 1);
                setenv("WATCHDOG_PID", "1", 1);
                (void)weir_systemd_open(&systemd, NULL);
                ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
                ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
                ck_assert_ptr_null(getenv("WATCHDOG_PID"));
                weir_systemd_close(&systemd);
        }
}
END_TEST

static const struct {
        const char *usec, *pid; /* "self" */
        int64_t ms;             /* -1: refused */
} watchdogs[] = {
        { NULL, NULL, 0 },
        { "30000000", NULL, 15000 },
        { "30000000", "self", 15000 },
        { "30000000", "1", 0 },
        { "1", "self", 1 },
        { "0", NULL, -1 },
        { "-5", NULL, -1 },
        { "", NULL, -1 },
        { "10s", NULL, -1 },
        { "30000000", "self ", -1 },
        { "99999999999999999999", NULL, -1 },
};

START_TEST(the_watchdog_is_told_twice_as_often_as_it_asks)
{
        struct weir_systemd systemd;
        struct weir_error error = { 0 };
        char self[32];
        int r;

        listen_at(in_scratch("notify"));
        if (watchdogs[_i].usec)
                setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1);
        snprintf(self, sizeof self, "%ld%s", (long)getpid(),
                 watchdogs[_i].pid && strchr(watchdogs[_i].pid, ' ') ? " " : "");
        if (watchdogs[_i].pid)
                setenv("WATCHDOG_PID", *watchdogs[_i].pid == 's' ? self : watchdogs[_i].pid, 1);
        r = weir_systemd_open(&systemd, &error);
        if (watchdogs[_i].ms < 0) {
                ck_assert_int_eq(r, WEIR_EUSAGE);
                ck_assert_ptr_nonnull(strstr(error.text, "WatchdogSec="));
        } else {
                ck_assert_int_eq(r, 0);
                ck_assert_int_eq(systemd.watchdog_ms, watchdogs[_i].ms);
        }
        weir_systemd_close(&systemd);
}
END_TEST

static const struct {
        const char *name, *part;
} addresses[] = {
        { "vsock:2:1234", "same machine" },   { "vsock-stream:2:1234", "same machine" },
        { "notify", "a path from the root" }, { "/", "a path from the root" },
        { "@", "a path from the root" },
};

START_TEST(another_kind_of_address_is_refused_with_what_to_do)
{
        struct weir_systemd systemd;
        struct weir_error error = { 0 };
        char longest[200];

        setenv("NOTIFY_SOCKET", addresses[_i].name, 1);
        ck_assert_int_eq(weir_systemd_open(&systemd, &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, addresses[_i].part));
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0); /* it can be used all the same */
        memset(longest, 'x', sizeof longest);
        longest[0] = '@';
        longest[108] = '\0';
        setenv("NOTIFY_SOCKET", longest, 1);
        ck_assert_int_eq(weir_systemd_open(&systemd, &error), WEIR_EUSAGE);
        longest[107] = '\0';
        listen_at(longest);
        systemd = opened();
        ck_assert_int_eq(weir_systemd_ready(&systemd, NULL), 0);
        ck_assert_str_eq(heard(), "READY=1");
        weir_systemd_close(&systemd);
        close(manager);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("systemd");
        TCase *tcase = tcase_create("systemd");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, each_word_is_a_datagram);
        tcase_add_test(tcase, an_abstract_name_is_found_too);
        tcase_add_test(tcase, without_a_socket_nothing_happens);
        tcase_add_test(tcase, SD1_a_manager_that_is_gone_or_deaf_costs_a_second_at_most);
        tcase_add_loop_test(tcase, SD2_a_status_is_one_line_of_text, 0, WEIR_COUNT_OF(statuses));
        tcase_add_test(tcase, SD2_a_status_is_bounded_between_characters);
        tcase_add_test(tcase, SD3_children_do_not_find_the_variables);
        tcase_add_loop_test(tcase, the_watchdog_is_told_twice_as_often_as_it_asks, 0,
                            WEIR_COUNT_OF(watchdogs));
        tcase_add_loop_test(tcase, another_kind_of_address_is_refused_with_what_to_do, 0,
                            WEIR_COUNT_OF(addresses));
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

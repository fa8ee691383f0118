/* SPDX-License-Identifier: MIT */
/* test_seccomp - what a handler has no business with is refused, what libraries need is not */
#include <linux/fs.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "guard/seccomp.h"
#include "guard_fixture.h"

static void apply(bool exec)
{
        struct weir_guard_part part;

        EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        weir_seccomp_apply(exec, &part);
        EXPECT_STATE(part, WEIR_GUARD_ACTIVE);
}

/* SE1, by the calling thread. */
static void *try_all(void *arg)
{
        const char *name;
        int number;

        for (size_t i = 0; weir_seccomp_refused(i, &number, &name); i++) {
                errno = 0;
                if (syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM) {
                        fprintf(stderr, "%s: %s\n", name, strerror(errno));
                        _exit(1);
                }
        }
        return arg;
}

static void try_each(void)
{
        pthread_t thread;

        apply(false);
        try_all(NULL);
        EXPECT(pthread_create(&thread, NULL, try_all, NULL) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
}

START_TEST(SE1_each_call_of_the_list_is_refused_in_every_thread)
{
        const char *name;
        int number;

        ck_assert(weir_seccomp_refused(50, &number, &name)); /* the list is not empty */
        in_process(try_each);
}
END_TEST

static void ask_for_more(void)
{
        apply(false);
        EXPECT_ERRNO(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
        EXPECT_ERRNO(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0), EPERM);
        EXPECT_ERRNO(syscall(435, 0, 0), ENOSYS); /* clone3 */
        EXPECT_ERRNO(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
        EXPECT_ERRNO(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
        EXPECT_ERRNO(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0), EAFNOSUPPORT);
}

START_TEST(SE1_namespaces_and_rare_sockets_are_out_of_reach)
{
        in_process(ask_for_more);
}
END_TEST

static void type_into_a_terminal(void)
{
        int terminal = posix_openpt(O_RDWR | O_NOCTTY);
        struct winsize size;
        char letter = 'x';

        EXPECT(terminal >= 0);
        apply(false);
        EXPECT_ERRNO(ioctl(terminal, TIOCSTI, &letter), EPERM);
        EXPECT_ERRNO(syscall(SYS_ioctl, terminal, (1L << 32) | TIOCSTI, &letter), EPERM);
        EXPECT_ERRNO(ioctl(terminal, TIOCLINUX, &letter), EPERM);
        EXPECT(ioctl(terminal, TIOCGWINSZ, &size) == 0); /* other questions are answered */
}

START_TEST(SE1_nothing_is_typed_into_a_terminal)
{
        in_process(type_into_a_terminal);
}
END_TEST

/* Of no file: by a mistake EBADF, and nothing is frozen. */
static void freeze_and_flag(void)
{
        int flags = 0;

        apply(false);
        EXPECT_ERRNO(ioctl(-1, FS_IOC_SETFLAGS, &flags), EPERM);
        EXPECT_ERRNO(ioctl(-1, FS_IOC_FSSETXATTR, &flags), EPERM);
        EXPECT_ERRNO(ioctl(-1, FIFREEZE, 0), EPERM);
        EXPECT_ERRNO(ioctl(-1, FITHAW, 0), EPERM);
        EXPECT_ERRNO(ioctl(-1, FS_IOC_GETFLAGS, &flags), EBADF);
}

START_TEST(SE1_no_file_system_is_frozen_and_no_file_made_immutable)
{
        in_process(freeze_and_flag);
}
END_TEST

#ifdef __x86_64__
static long old_gate(long number)
{
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(number), "b"(0), "c"(0), "d"(0)
                         : "memory", "r8", "r9", "r10", "r11");
        return r;
}

/* 20 is getpid there; a kernel without that gate sends a signal. */
static void knock(void)
{
        _exit(old_gate(20) == getpid() ? 7 : 8);
}

static bool gate_exists(void)
{
        int status = 0;
        pid_t child = fork();

        if (child == 0)
                knock();
        EXPECT(waitpid(child, &status, 0) == child);
        return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void go_around(void)
{
        bool exists = gate_exists();

        apply(false);
        EXPECT_ERRNO(syscall(0x40000000 | SYS_getpid), EPERM);
        EXPECT_ERRNO(syscall(0x40000000 | 521 /* ptrace of x32 */, 0, 0, 0, 0), EPERM);
        EXPECT(!exists || old_gate(20) == -EPERM);
}

START_TEST(SE2_another_numbering_is_no_way_around)
{
        in_process(go_around);
}
END_TEST
#endif

static void run_programs(void)
{
        char *const argv[] = { (char *)(uintptr_t) "true", NULL };
        pid_t pid;

        apply(false);
        EXPECT_ERRNO(execv("/bin/true", argv), EPERM);
        EXPECT(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL) == EPERM);
        EXPECT(system("true") == 127 << 8); /* the shell could not be run */
}

static void run_programs_that_are_allowed(void)
{
        apply(true);
        EXPECT(system("true") == 0);
        EXPECT_ERRNO(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
}

START_TEST(programs_run_where_the_configuration_says_so_only)
{
        in_process(run_programs);
        in_process(run_programs_that_are_allowed);
}
END_TEST

static void *count(void *arg)
{
        ++*(int *)arg;
        return NULL;
}

static void do_what_libraries_do(void)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
        struct addrinfo *list = NULL;
        int pair[2], status = 0, counted = 0;
        pthread_t thread;
        pid_t child;

        apply(false);
        for (int i = 0; i < 100; i++) {
                EXPECT(pthread_create(&thread, NULL, count, &counted) == 0);
                EXPECT(pthread_join(thread, NULL) == 0);
        }
        EXPECT(counted == 100);
        EXPECT(getaddrinfo("localhost", "80", &hints, &list) == 0 ||
               getaddrinfo("127.0.0.1", "80", NULL, &list) == 0);
        freeaddrinfo(list);
        EXPECT(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
        EXPECT(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
        EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
        EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        EXPECT(timerfd_create(CLOCK_MONOTONIC, 0) >= 0);
        EXPECT(open("/etc/passwd", O_RDONLY) >= 0);
        child = fork();
        if (child == 0)
                _exit(5);
        EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
}

START_TEST(SE3_what_libraries_do_at_run_time_works)
{
        in_process(do_what_libraries_do);
}
END_TEST

static void apply_without_the_promise(void)
{
        struct weir_guard_part part;

        EXPECT(geteuid() != 0 || setuid(65534) == 0); /* root needs none */
        EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
        weir_seccomp_apply(false, &part);
        EXPECT_STATE(part, WEIR_GUARD_FAILED);
        EXPECT(strstr(part.text, "sandbox.seccomp = false"));
}

START_TEST(a_filter_that_is_not_taken_says_what_to_do)
{
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0) /* else the kernel would take it */
                in_process(apply_without_the_promise);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("seccomp");
        TCase *tcase = tcase_create("seccomp");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, SE1_each_call_of_the_list_is_refused_in_every_thread);
        tcase_add_test(tcase, SE1_namespaces_and_rare_sockets_are_out_of_reach);
        tcase_add_test(tcase, SE1_nothing_is_typed_into_a_terminal);
        tcase_add_test(tcase, SE1_no_file_system_is_frozen_and_no_file_made_immutable);
#ifdef __x86_64__
        tcase_add_test(tcase, SE2_another_numbering_is_no_way_around);
#endif
        tcase_add_test(tcase, programs_run_where_the_configuration_says_so_only);
        tcase_add_test(tcase, SE3_what_libraries_do_at_run_time_works);
        tcase_add_test(tcase, a_filter_that_is_not_taken_says_what_to_do);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

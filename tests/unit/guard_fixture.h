/* SPDX-License-Identifier: MIT */
#ifndef GUARD_FIXTURE_H
#define GUARD_FIXTURE_H
/*
 * guard_fixture - what was given up cannot be had back, so each test gives up in a process of its own
 *
 * The process ends by _exit(): a leak check at its end would need what it gave up.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/part.h"

#ifndef __has_feature /* gcc has names for them instead */
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TSAN true /* has a thread of its own from the start */
#else
#define TSAN false
#endif
#if TSAN || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SHADOW true
#else
#define SHADOW false
#endif

#define EXPECT(condition)                                                                          \
        do {                                                                                       \
                if (!(condition)) {                                                                \
                        fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,        \
                                strerror(errno));                                                  \
                        _exit(1);                                                                  \
                }                                                                                  \
        } while (0)
/* The call fails, and for this reason. */
#define EXPECT_ERRNO(call, reason) EXPECT((errno = 0, (call)) == -1 && errno == (reason))
#define EXPECT_STATE(part, wanted)                                                                 \
        do {                                                                                       \
                if ((part).state != (wanted)) {                                                    \
                        fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__,                     \
                                weir_guard_state_name((part).state), (part).text);                 \
                        _exit(1);                                                                  \
                }                                                                                  \
        } while (0)

/* Runs @fn in a process; fails the test unless it ends by itself and well. */
static inline void in_process(void (*fn)(void))
{
        int status = 0;
        pid_t child;

        fflush(NULL);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
                alarm(25); /* hanging is no success */
                fn();
                _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
        ck_assert_msg(WEXITSTATUS(status) == 0, "exit %d, see above", WEXITSTATUS(status));
}

#endif

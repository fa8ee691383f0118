/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_THREAD_H
#define WEIR_BASE_THREAD_H
/*
 * thread - roles that are asserted, signals that can be waited for beside a socket
 *
 * Vocabulary: main, poll, lane, relay, any. A function that belongs to one role asserts it with WEIR_ON,
 * so that the annotation in its header cannot lie. Unit tests run as WEIR_ROLE_ANY, which passes.
 */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum weir_role {
        WEIR_ROLE_ANY = 0,
        WEIR_ROLE_MAIN,
        WEIR_ROLE_POLL,
        WEIR_ROLE_LANE,
        WEIR_ROLE_RELAY
};

extern __thread enum weir_role weir_role_here;
#define WEIR_ON(role) assert(weir_role_here == WEIR_ROLE_ANY || weir_role_here == (role))

/* Start a thread with a role and a name of up to 15 characters, all signals blocked in it.
 * 0, or an errno. */
int weir_thread_start(pthread_t *ret, enum weir_role role, const char *name, void *(*run)(void *),
                      void *arg);

/* A latch that a thread can wait for together with a socket: once set it stays readable until
 * cleared. Backed by an eventfd. */
struct weir_latch {
        int fd;
};
int weir_latch_init(struct weir_latch *latch); /* 0 or -errno */
void weir_latch_fini(struct weir_latch *latch);
void weir_latch_set(struct weir_latch *latch); /* any thread, signal handlers too */
void weir_latch_clear(struct weir_latch *latch);
bool weir_latch_wait(struct weir_latch *latch, int64_t timeout_ms); /* true = set */

/* Condition variables on the monotonic clock. */
void weir_cond_init(pthread_cond_t *cond);
/* Wait until signalled or @deadline_us (weir_clock_us); false on timeout. */
bool weir_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_us);

#endif

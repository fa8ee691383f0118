/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CRASH_H
#define WEIR_BASE_CRASH_H
/*
 * crash - the last words of a process, on its board: which signal, which thread, which calls
 *
 * Thread   arm: main, before others. thread: each thread of ours, first thing. The rest runs in signal handlers.
 *
 *  CR1 whatever happens in here, the process dies of the signal that it got.
 *  CR2 nothing in here allocates or takes a lock of ours; what may take one of the dynamic linker's has 2 s.
 */

/* Catch deadly signals and WEIR_CRASH_STACK_SIGNAL. Does nothing without a board. 0 or WEIR_ESYS. */
int weir_crash_arm(void);
/* A stack for handlers of its own, so that an overflow of the thread's can be told, too. */
void weir_crash_thread_begin(void);
void weir_crash_thread_end(void);
/* What modules are loaded has changed (a plugin was opened). */
void weir_crash_learn_modules(void);

/* Sent to one thread of the process, it writes down where that thread is. */
int weir_crash_stack_signal(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * clockshift - the wall clock of one process, moved by another
 *
 *   LD_PRELOAD=clockshift.so CLOCKSHIFT=FILE program      the file holds nanoseconds, 8 bytes in the machine's order
 *
 * The file is mapped before main, so a program that fences itself in afterwards needs no right to it. Only CLOCK_REALTIME is moved: what
 * measures time has to use the monotonic clock, and that is what is tried. A wait until a moment of the wall clock is
 * computed with the moved clock and ended by the kernel's, so the moment is moved back on its way; which clock a condition
 * variable uses is the second bit of its __wrefs (glibc 2.25 and later).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { NS = 1000000000, WREFS = 9 /* 32-bit word of __wrefs */, WREFS_MONOTONIC = 2 };

static const int64_t none;
static const volatile int64_t *shift = &none;

__attribute__((constructor)) static void map_shift(void)
{
        const char *path = getenv("CLOCKSHIFT");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);

        if (at != MAP_FAILED)
                shift = at;
        if (fd >= 0)
                close(fd);
}

static void move(struct timespec *at, int64_t ns)
{
        int64_t sum = at->tv_nsec + ns % NS;

        at->tv_sec += ns / NS + (sum < 0 ? -1 : sum / NS);
        at->tv_nsec = (sum % NS + NS) % NS;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
        int r = (int)syscall(SYS_clock_gettime, clock, ret);

        if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                move(ret, *shift);
        return r;
}

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict ret,
                                                        void *restrict zone)
{
        struct timespec now;

        (void)zone;
        clock_gettime(CLOCK_REALTIME, &now);
        ret->tv_sec = now.tv_sec;
        ret->tv_usec = now.tv_nsec / 1000;
        return 0;
}

__attribute__((visibility("default"))) int timespec_get(struct timespec *ret, int base)
{
        return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, ret) == 0 ? base : 0;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

__attribute__((visibility("default"))) int pthread_cond_timedwait(
        pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
        const struct timespec *restrict until)
{
        struct timespec at = *until;

        if (!(((const volatile unsigned *)cond)[WREFS] & WREFS_MONOTONIC))
                move(&at, -*shift);
        return REAL(pthread_cond_timedwait)(cond, mutex, &at);
}

__attribute__((visibility("default"))) int cnd_timedwait(cnd_t *restrict cond,
                                                         mtx_t *restrict mutex,
                                                         const struct timespec *restrict until)
{
        struct timespec at = *until;

        move(&at, -*shift);
        return REAL(cnd_timedwait)(cond, mutex, &at);
}

__attribute__((visibility("default"))) int sem_timedwait(sem_t *restrict sem,
                                                         const struct timespec *restrict until)
{
        struct timespec at = *until;

        move(&at, -*shift);
        return REAL(sem_timedwait)(sem, &at);
}

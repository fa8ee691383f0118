/* SPDX-License-Identifier: MIT */
/*
 * c11threads - the C11 thread functions over pthreads, for ThreadSanitizer only
 *
 * The distribution's librdkafka is built on thrd_create, mtx_* and cnd_*. gcc 12's TSan intercepts the pthread
 * functions alone: a thread that it has not seen start crashes the program at its first instrumented access,
 * and a mutex that it has not seen locked protects nothing. Defined in the executable (linked with
 * -rdynamic), these come before the C library's for every shared library too, and they call what TSan knows.
 * The sizes of mtx_t and cnd_t are the library's ABI: the assertions below stop the build if they do not fit.
 */
/* the build hides symbols; these are there to be found */
#pragma GCC visibility push(default)

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t holds a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t holds a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "thrd_t is a pthread_t");
_Static_assert(sizeof(tss_t) == sizeof(pthread_key_t), "tss_t is a pthread_key_t");

struct start {
        thrd_start_t run;
        void *arg;
};

static int result(int error)
{
        switch (error) {
        case 0: return thrd_success;
        case EBUSY: return thrd_busy;
        case ETIMEDOUT: return thrd_timedout;
        case ENOMEM: return thrd_nomem;
        default: return thrd_error;
        }
}

static void *trampoline(void *arg)
{
        struct start start = *(struct start *)arg;

        free(arg);
        return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
        struct start *start = malloc(sizeof *start);
        int error;

        if (!start)
                return thrd_nomem;
        *start = (struct start){ run, arg };
        error = pthread_create((pthread_t *)thread, NULL, trampoline, start);
        if (error)
                free(start);
        return result(error);
}

int thrd_join(thrd_t thread, int *ret)
{
        void *value;
        int error = pthread_join((pthread_t)thread, &value);

        if (!error && ret)
                *ret = (int)(intptr_t)value;
        return result(error);
}

int thrd_detach(thrd_t thread)
{
        return result(pthread_detach((pthread_t)thread));
}

thrd_t thrd_current(void)
{
        return (thrd_t)pthread_self();
}

int thrd_equal(thrd_t a, thrd_t b)
{
        return pthread_equal((pthread_t)a, (pthread_t)b);
}

void thrd_exit(int value)
{
        pthread_exit((void *)(intptr_t)value);
}

void thrd_yield(void)
{
        sched_yield();
}

int mtx_init(mtx_t *mutex, int type)
{
        pthread_mutexattr_t attr;
        int error;

        pthread_mutexattr_init(&attr);
        pthread_mutexattr_settype(&attr, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE
                                                              : PTHREAD_MUTEX_NORMAL);
        error = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
        pthread_mutexattr_destroy(&attr);
        return result(error);
}

void mtx_destroy(mtx_t *mutex)
{
        pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex)
{
        return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
        return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until)
{
        return result(pthread_mutex_timedlock((pthread_mutex_t *)mutex, until));
}

int mtx_unlock(mtx_t *mutex)
{
        return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *cond)
{
        return result(pthread_cond_init((pthread_cond_t *)cond, NULL));
}

void cnd_destroy(cnd_t *cond)
{
        pthread_cond_destroy((pthread_cond_t *)cond);
}

int cnd_signal(cnd_t *cond)
{
        return result(pthread_cond_signal((pthread_cond_t *)cond));
}

int cnd_broadcast(cnd_t *cond)
{
        return result(pthread_cond_broadcast((pthread_cond_t *)cond));
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
        return result(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
        return result(
                pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}

int tss_create(tss_t *key, tss_dtor_t destructor)
{
        return result(pthread_key_create((pthread_key_t *)key, destructor));
}

void tss_delete(tss_t key)
{
        pthread_key_delete((pthread_key_t)key);
}

void *tss_get(tss_t key)
{
        return pthread_getspecific((pthread_key_t)key);
}

int tss_set(tss_t key, void *value)
{
        return result(pthread_setspecific((pthread_key_t)key, value));
}

void call_once(once_flag *flag, void (*run)(void))
{
        pthread_once((pthread_once_t *)flag, run);
}

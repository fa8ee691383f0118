/* SPDX-License-Identifier: MIT */
/*
 * fiber - threads that take turns, and a clock that jumps
 *
 * One thread runs them all. Who goes on is decided where a fiber waits, and by chance at every point: a call of a
 * model, a mutex. When all wait, the clock jumps to the first deadline, so a minute of waiting costs nothing.
 *
 * Always true   who runs next, and when, follows from the seed: no address, no real time, no signal has a say.
 *               lib/flow holds no mutex while it waits for a model; where it did, another fiber that wants the mutex
 *               waits for it, and a circle of them ends the seed as "stuck".
 * Not chosen    real threads handing on a baton: a switch costs microseconds, here it costs tens of nanoseconds.
 *               swapcontext() for each switch: two system calls, for a signal mask that never changes.
 */
#undef _FORTIFY_SOURCE /* its longjmp() takes another stack for a broken one */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "plan.h"
#include "process.h"
#include "sim.h"

enum { FIBERS_MAX = 400, STACK_BYTES = 192 * 1024, CHANNELS = 2, STEPS_MAX = 1000000 };

enum state { UNUSED, READY, WAITING, ENDED };

struct sim_fiber {
        jmp_buf context;
        char name[24];
        struct sim_process *process; /* NULL = the world's own */
        enum state state;
        bool begun, woken, detached;
        const void *channels[CHANNELS];
        int64_t wake_us;
        enum weir_role role;
        void *(*run)(void *);
        void *arg;
        char *stack;
        struct sim_board board;
};

static struct sim_fiber fibers[FIBERS_MAX];
static size_t fiber_count; /* that were used in this seed */
static char *stacks[FIBERS_MAX];
static size_t stack_count;
static jmp_buf outside;
static void (*first)(void);

__thread enum weir_role weir_role_here = WEIR_ROLE_ANY;

/* ---- stacks --------------------------------------------------------------------------------- */

static char *stack_take(void)
{
        char *stack;

        if (stack_count)
                return stacks[--stack_count];
        stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED || mprotect(stack, 4096, PROT_NONE) < 0)
                abort();
        return stack;
}

static void release(struct sim_fiber *fiber)
{
        if (fiber->stack)
                stacks[stack_count++] = fiber->stack;
        fiber->stack = NULL;
        fiber->state = UNUSED;
}

void sim_fibers_reset(void)
{
        for (size_t i = 0; i < fiber_count; i++)
                release(&fibers[i]);
        fiber_count = 0;
        sim.fiber = NULL;
        weir_role_here = WEIR_ROLE_ANY;
}

/* ---- switching ------------------------------------------------------------------------------ */

static void body(void)
{
        struct sim_fiber *fiber = sim.fiber;

        fiber->run(fiber->arg);
        fiber->state = fiber->detached ? UNUSED : ENDED;
        sim_wake(fiber);
        if (fiber->detached)
                release(fiber); /* nobody takes the stack before this one is left */
        sim_wait(NULL, NULL, INT64_MAX);
        abort();
}

static void enter(struct sim_fiber *fiber)
{
        ucontext_t context;

        if (fiber->begun)
                _longjmp(fiber->context, 1);
        fiber->begun = true;
        getcontext(&context);
        context.uc_stack.ss_sp = fiber->stack;
        context.uc_stack.ss_size = STACK_BYTES;
        context.uc_link = NULL;
        makecontext(&context, body, 0);
        setcontext(&context);
        abort();
}

static void switch_to(struct sim_fiber *fiber)
{
        if (sim.fiber == fiber)
                return;
        if (sim.fiber) {
                sim.fiber->role = weir_role_here;
                if (_setjmp(sim.fiber->context))
                        return;
        }
        sim.fiber = fiber;
        weir_role_here = fiber->role;
        enter(fiber);
}

static bool is_frozen(const struct sim_fiber *fiber)
{
        return fiber->process && fiber->process->frozen_until_us > sim.now_us;
}

/* The moment at which somebody can go on, INT64_MAX = never. */
static int64_t next_moment(void)
{
        int64_t next_us = INT64_MAX;

        for (size_t i = 0; i < fiber_count; i++) {
                const struct sim_fiber *fiber = &fibers[i];
                int64_t us = fiber->state == READY     ? sim.now_us
                             : fiber->state == WAITING ? fiber->wake_us
                                                       : INT64_MAX;

                if (us != INT64_MAX && is_frozen(fiber) && us < fiber->process->frozen_until_us)
                        us = fiber->process->frozen_until_us;
                if (us < next_us)
                        next_us = us;
        }
        return next_us;
}

static void expire(void)
{
        for (size_t i = 0; i < fiber_count; i++)
                if (fibers[i].state == WAITING && fibers[i].wake_us <= sim.now_us) {
                        fibers[i].state = READY;
                        fibers[i].woken = false;
                }
}

static struct sim_fiber *choose(void)
{
        for (;;) {
                struct sim_fiber *able[FIBERS_MAX];
                size_t count = 0;
                int64_t next_us;

                expire();
                for (size_t i = 0; i < fiber_count; i++)
                        if (fibers[i].state == READY && !is_frozen(&fibers[i]))
                                able[count++] = &fibers[i];
                if (count)
                        return able[count == 1 ? 0 : sim_below(&sim.random[SIM_SCHEDULE], count)];
                next_us = next_moment();
                if (next_us == INT64_MAX)
                        sim_fail("stuck", "every fiber waits, and none of them for a moment");
                sim.now_us = next_us;
        }
}

void sim_fibers_leave(void)
{
        sim.over = true;
        _longjmp(outside, 1);
}

static void *begin(void *unused)
{
        (void)unused;
        first();
        sim_fibers_leave();
}

void sim_fibers_run(void (*run)(void))
{
        first = run;
        sim_spawn(NULL, "world", begin, NULL);
        if (!_setjmp(outside))
                switch_to(choose());
        sim.fiber = NULL;
}

struct sim_fiber *sim_spawn(struct sim_process *process, const char *name, void *(*run)(void *),
                            void *arg)
{
        struct sim_fiber *fiber = NULL;

        for (size_t i = 0; i < fiber_count && !fiber; i++)
                if (fibers[i].state == UNUSED && &fibers[i] != sim.fiber)
                        fiber = &fibers[i];
        if (!fiber && fiber_count == FIBERS_MAX)
                sim_fail("fibers", "more than %d threads at a time", FIBERS_MAX);
        if (!fiber)
                fiber = &fibers[fiber_count++];
        memset(fiber, 0, sizeof *fiber);
        fiber->process = process;
        fiber->detached = !process;
        fiber->state = READY;
        fiber->run = run;
        fiber->arg = arg;
        fiber->stack = stack_take();
        snprintf(fiber->name, sizeof fiber->name, "%s%s%s", process ? process->name : "",
                 process ? "." : "", name);
        return fiber;
}

void sim_fibers_kill(struct sim_process *process)
{
        bool mine = false;

        for (size_t i = 0; i < fiber_count; i++)
                if (fibers[i].process == process && fibers[i].state != UNUSED) {
                        mine = mine || &fibers[i] == sim.fiber;
                        release(&fibers[i]);
                }
        if (mine)
                switch_to(choose());
}

/* ---- waiting -------------------------------------------------------------------------------- */

struct sim_process *sim_here(void)
{
        return sim.fiber ? sim.fiber->process : NULL;
}

const char *sim_fiber_name(void)
{
        return sim.fiber ? sim.fiber->name : "-";
}

struct sim_board *sim_board_here(void)
{
        return &sim.fiber->board;
}

static bool put_aside(void)
{
        if (!sim_chance(&sim.random[SIM_SCHEDULE], sim.plan->switch_per_million))
                return false;
        if (sim.options.switches >= 0 && sim.switches >= (uint64_t)sim.options.switches)
                return false;
        sim.switches++;
        return true;
}

void sim_point(void)
{
        if (!sim.fiber)
                return;
        sim.now_us++;
        if (++sim.steps > STEPS_MAX)
                sim_fail("steps", "no end after %d steps", STEPS_MAX);
        if (is_frozen(sim.fiber) || put_aside())
                switch_to(choose());
}

bool sim_wait(const void *one, const void *other, int64_t deadline_us)
{
        struct sim_fiber *fiber = sim.fiber;

        if (++sim.steps > STEPS_MAX)
                sim_fail("steps", "no end after %d steps", STEPS_MAX);
        if (fiber->state == READY) { /* else it has ended */
                fiber->state = WAITING;
                fiber->channels[0] = one;
                fiber->channels[1] = other;
                fiber->wake_us = deadline_us;
                fiber->woken = false;
        }
        switch_to(choose());
        return sim.fiber->woken;
}

void sim_sleep(int64_t us)
{
        sim_wait(NULL, NULL, sim.now_us + us);
}

void sim_wake(const void *channel)
{
        for (size_t i = 0; i < fiber_count; i++)
                if (fibers[i].state == WAITING &&
                    (fibers[i].channels[0] == channel || fibers[i].channels[1] == channel)) {
                        fibers[i].state = READY;
                        fibers[i].woken = true;
                }
}

/* ---- threads, as lib/base/thread.h and the C library have them ------------------------------- */

int __wrap_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_detach(pthread_t thread);

int weir_thread_start(pthread_t *ret, enum weir_role role, const char *name, void *(*run)(void *),
                      void *arg)
{
        struct sim_fiber *fiber;

        if (sim_fault(SIM_MEMORY))
                return 11; /* EAGAIN: the limit of threads */
        fiber = sim_spawn(sim_here(), name, run, arg);
        fiber->role = role;
        *ret = (pthread_t)(fiber - fibers) + 1;
        sim_point();
        return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret)
{
        struct sim_fiber *fiber = &fibers[thread - 1];

        (void)ret;
        while (fiber->state != ENDED)
                sim_wait(fiber, NULL, INT64_MAX);
        release(fiber);
        return 0;
}

int __wrap_pthread_detach(pthread_t thread)
{
        struct sim_fiber *fiber = &fibers[thread - 1];

        fiber->detached = true;
        if (fiber->state == ENDED)
                release(fiber);
        return 0;
}

/* ---- the board ------------------------------------------------------------------------------ */

const struct sim_board *sim_board_of(const struct sim_process *process, size_t index)
{
        for (size_t i = 0; i < fiber_count; i++)
                if (fibers[i].process == process && fibers[i].state != UNUSED && index-- == 0)
                        return &fibers[i].board;
        return NULL;
}

void __wrap_weir_board_aside(int kind, int64_t row);
void __wrap_weir_board_item(int32_t item);

void __wrap_weir_board_aside(int kind, int64_t row)
{
        sim.fiber->board.kind = kind;
        sim.fiber->board.row = row;
}

void __wrap_weir_board_item(int32_t item)
{
        sim.fiber->board.item = item;
}

/* SPDX-License-Identifier: MIT */
/*
 * crash - written by the thread that broke, in the memory that stays
 *
 * The handler runs on a stack of its own, in a process of which nothing can be trusted any more: a lock may be held
 * for ever, the heap be torn. So it first writes what needs nothing (signal, thread), then addresses as
 * module + offset out of a table made in good times, and only then, against an alarm, asks the dynamic linker for
 * names. Whatever was reached by then is there to be read.
 *
 * Always true   CR1 CR2, see crash.h.
 * The race      two threads break at once: the first to write its number is the one that is told; the other waits
 *               for the end, which is near, and brings it about if it does not come. Not SA_RESETHAND: the second thread
 *               would end the process in the middle of the first one's words. A fault in here ends it without that,
 *               since all signals are blocked.
 * Not chosen    a core file read afterwards: it holds every secret and is gigabytes. libunwind: glibc's backtrace()
 *               does it, warmed up once so that it has loaded what it needs.
 * Sanitizers    have handlers of their own, and better ones: the deadly signals are theirs.
 */
#include "base/crash.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/board.h"
#include "base/error.h"

enum { FRAMES = 48, MODULES = 256, NAME_BYTES = 64, ALARM_S = 2 };
#define STACK_BYTES ((size_t)64 * 1024)

static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };

static struct module {
        uintptr_t begin, end, base;
        char name[NAME_BYTES]; /* the file's, without its folders */
} modules[MODULES];
static atomic_int module_count;

static __thread void *stack;

/* ---- text, without stdio ---------------------------------------------------------------------- */

struct text {
        char *at, *end;
};

static void put(struct text *text, const char *words)
{
        while (*words && text->at < text->end)
                *text->at++ = *words++;
}

static void put_hex(struct text *text, uintptr_t number)
{
        char digits[2 * sizeof number + 1], *p = digits + sizeof digits - 1;

        *p = '\0';
        do
                *--p = "0123456789abcdef"[number & 15];
        while (number >>= 4);
        put(text, "0x");
        put(text, p);
}

/* ---- where an address is ------------------------------------------------------------------------ */

/* Plugins are opened by their descriptor: the link says which file that is, and that a copy in memory has no name. */
#define GONE " (deleted)"
static void name_module(struct module *module, const char *name)
{
        char target[PATH_MAX];
        const char *slash;
        ssize_t size = -1;

        if (name && strncmp(name, "/proc/self/fd/", 14) == 0)
                size = readlink(name, target, sizeof target - 1);
        if (size > 0) {
                target[size] = '\0';
                slash = strstr(target, GONE);
                if (slash && slash[strlen(GONE)] == '\0')
                        target[slash - target] = '\0';
                name = target;
        }
        slash = name ? strrchr(name, '/') : NULL;
        snprintf(module->name, sizeof module->name, "%.63s",
                 slash ? slash + 1 : (name && *name ? name : "weir"));
}

static int note_module(struct dl_phdr_info *info, size_t size, void *context)
{
        int *count = context;

        (void)size;
        for (int i = 0; i < info->dlpi_phnum && *count < MODULES; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                struct module *module = &modules[*count];

                if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
                        continue;
                module->base = info->dlpi_addr;
                module->begin = info->dlpi_addr + header->p_vaddr;
                module->end = module->begin + header->p_memsz;
                name_module(module, info->dlpi_name);
                ++*count;
        }
        return 0;
}

void weir_crash_learn_modules(void)
{
        int count = 0;

        module_count = 0;
        dl_iterate_phdr(note_module, &count);
        module_count = count;
}

static const struct module *module_of(uintptr_t address)
{
        int count = module_count;

        for (int i = 0; i < count; i++)
                if (address >= modules[i].begin && address < modules[i].end)
                        return &modules[i];
        return NULL;
}

static void put_place(struct text *text, uintptr_t address)
{
        const struct module *module = module_of(address);

        put(text, module ? module->name : "?");
        put(text, "+");
        put_hex(text, module ? address - module->base : address);
}

static void put_symbol(struct text *text, uintptr_t address)
{
        Dl_info info;

        if (!dladdr((void *)address, &info) ||
            !info.dli_sname) /* NOLINT: an address is a number here */
                return;
        put(text, " ");
        put(text, info.dli_sname);
        put(text, "+");
        put_hex(text, address - (uintptr_t)info.dli_saddr);
}

static void put_frame(struct text *text, uintptr_t address, bool names)
{
        put_place(text, address);
        if (names)
                put_symbol(text, address);
        put(text, "\n");
}

/* By the kernel, that says EFAULT where we would break again: a pipe takes what is there to be read. */
static bool read_word(uintptr_t address, uintptr_t *ret)
{
        int fds[2];
        bool there;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return false;
        there = write(fds[1], (const void *)address, sizeof *ret) == sizeof *ret && /* NOLINT */
                read(fds[0], ret, sizeof *ret) == sizeof *ret;
        close(fds[0]);
        close(fds[1]);
        return there;
}

/* Who called what is no code, a function pointer that is NULL or torn. There is nothing at the program counter that
 * backtrace() could unwind by, but no frame was made either: the caller is where the call put it. 0 = it is code. */
static uintptr_t caller_of_nothing(const ucontext_t *context, uintptr_t *ret_at)
{
        uintptr_t caller = 0;

#if defined __x86_64__
        *ret_at = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
        if (module_of(*ret_at) ||
            !read_word((uintptr_t)context->uc_mcontext.gregs[REG_RSP], &caller))
                return 0;
#elif defined __aarch64__
        *ret_at = (uintptr_t)context->uc_mcontext.pc;
        if (!module_of(*ret_at))
                caller = (uintptr_t)context->uc_mcontext.regs[30];
#endif
        return module_of(caller) ? caller : 0;
}

static void write_trace(struct weir_board *board, const ucontext_t *context, bool names, int skip)
{
        struct text text = { board->trace, board->trace + sizeof board->trace };
        void *frames[FRAMES];
        uintptr_t at = 0, caller = context ? caller_of_nothing(context, &at) : 0;
        int count = backtrace(frames, FRAMES);

        if (caller) {
                put_frame(&text, at, false);
                put_frame(&text, caller, names);
        }
        for (int i = skip; i < count; i++)
                if (!caller || ((uintptr_t)frames[i] != at && (uintptr_t)frames[i] != caller))
                        put_frame(&text, (uintptr_t)frames[i], names);
        board->trace_size = (uint32_t)(text.at - board->trace);
}

/* ---- handlers ------------------------------------------------------------------------------------- */

static pid_t owner; /* whose board it is */

static int thread_number(void)
{
        return (int)syscall(SYS_gettid);
}

static void leave_word(int signal_number, const ucontext_t *context)
{
        struct weir_board *board = weir_board_used();
        int32_t nobody = 0;

        if (atomic_compare_exchange_strong(&board->crash_thread, &nobody, thread_number())) {
                board->crash_signal = signal_number;
                write_trace(board, context, false, 3);
                signal(SIGALRM, SIG_DFL);
                alarm(ALARM_S);
                write_trace(board, context, true, 3);
                alarm(0);
        } else if (nobody != thread_number()) {
                sleep(ALARM_S); /* somebody else is writing; the process ends with him, or with us */
        }
}

static void on_deadly(int signal_number, siginfo_t *info, void *context)
{
        (void)info;
        if (getpid() ==
            owner) /* else forked by a handler: it has its parent's board, not its lanes */
                leave_word(signal_number, context);
        /* CR1. Blocked until we return, then it is there: also where no fault comes again by itself (a trap). */
        signal(signal_number, SIG_DFL);
        raise(signal_number);
}

static void on_stack_wanted(int signal_number)
{
        struct weir_board *board = weir_board_used();
        int here = thread_number();

        (void)signal_number;
        if (board->stack_asked != here)
                return;
        write_trace(board, NULL, true, 2);
        board->stack_given = here;
}

int weir_crash_stack_signal(void)
{
        return SIGRTMIN + 1;
}

static bool sanitized(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
        return true;
#else
        return false;
#endif
}

int weir_crash_arm(void)
{
        struct sigaction action = { .sa_flags = SA_ONSTACK | SA_SIGINFO,
                                    .sa_sigaction = on_deadly };
        struct sigaction asked = { .sa_flags = SA_RESTART | SA_ONSTACK,
                                   .sa_handler = on_stack_wanted };
        void *warm[2];

        if (!weir_board_used())
                return 0;
        owner = getpid();
        backtrace(warm, 2); /* loads libgcc now, not in the handler */
        weir_crash_learn_modules();
        sigfillset(&action.sa_mask);
        sigdelset(&action.sa_mask, SIGALRM);
        for (size_t i = 0; !sanitized() && i < sizeof deadly / sizeof deadly[0]; i++)
                if (sigaction(deadly[i], &action, NULL) < 0)
                        return WEIR_ESYS;
        return sigaction(weir_crash_stack_signal(), &asked, NULL) < 0 ? WEIR_ESYS : 0;
}

void weir_crash_thread_begin(void)
{
        stack_t own = { .ss_size = STACK_BYTES };
        sigset_t mine;

        if (!weir_board_used() || sanitized())
                return;
        own.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (own.ss_sp == MAP_FAILED) /* the thread's own stack has to do */
                return;
        if (sigaltstack(&own, NULL) == 0)
                stack = own.ss_sp;
        else
                munmap(own.ss_sp, STACK_BYTES);
        sigemptyset(&mine);
        sigaddset(&mine, weir_crash_stack_signal());
        for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
                sigaddset(&mine, deadly[i]);
        pthread_sigmask(SIG_UNBLOCK, &mine, NULL);
}

void weir_crash_thread_end(void)
{
        stack_t none = { .ss_flags = SS_DISABLE };

        if (!stack)
                return;
        sigaltstack(&none, NULL);
        munmap(stack, STACK_BYTES);
        stack = NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * seccomp - a deny list in the kernel, because the plugin is native code
 *
 * A plugin may crash, leak and be taken over; what it can do then ends here. It may not look into other processes,
 * set their limits, change mounts, namespaces, the modes or the flags of files, freeze a file system, load code into the kernel, set the clock, type into a
 * terminal, or run a program; and
 * the parts of the kernel that most of its own holes were found in (io_uring, bpf, userfaultfd, perf, keyrings,
 * rare socket families) are out of reach.
 *
 * Always true   SE1  a call of the list fails with EPERM, in every thread that is started afterwards.
 *               SE2  there is no way around by another numbering of calls: foreign architectures and x32 are refused whole.
 *               SE3  what weir, librdkafka, libpq, libcurl, OpenSSL and a C library's resolver do at run time works:
 *                    threads, sockets of the UNIX, IP and netlink families, timers, files, fork.
 * EPERM         not a signal: a library that asks and is refused goes another way; a handler gets an error that
 *               is its event's. A call that kills would make a dead process of every probe.
 * clone3        has its flags in memory, where a filter cannot look. ENOSYS sends glibc back to clone, whose flags can be
 *               read: threads and fork work, new namespaces do not. (EPERM would make pthread_create fail.)
 * Not chosen    an allow list: it would have to know every library a plugin may bring, and a call too few fails at night.
 *               libseccomp: one more dependency for a table and 20 lines of jumps.
 *               SECCOMP_FILTER_FLAG_TSYNC: the main thread is alone; sandbox.c makes sure.
 * Cost          where the kernel is 5.11 or later it remembers which numbers pass, and runs nothing for them.
 *               SPEC_ALLOW: before 5.16 a filter switched a processor's speculation off, for all code of the process.
 */
#include "guard/seccomp.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if (defined(__x86_64__) && !defined(__ILP32__)) || (defined(__aarch64__) && defined(__AARCH64EL__))

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#endif

/* Newer than some headers; from 424 on the number is the same everywhere. */
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif
#ifndef __NR_quotactl_fd
#define __NR_quotactl_fd 443
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#endif
#ifndef __NR_removexattrat
#define __NR_removexattrat 466
#endif
#ifndef __NR_lsm_set_self_attr
#define __NR_lsm_set_self_attr 460
#endif
#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr 467
#endif

#define CALL(name)                                                                                 \
        {                                                                                          \
                __NR_##name, #name                                                                 \
        }
static const struct {
        int number;
        const char *name;
} refused[] = {
        /* other processes */
        CALL(ptrace),
        CALL(process_vm_readv),
        CALL(process_vm_writev),
        CALL(kcmp),
        CALL(pidfd_getfd),
        CALL(setpriority),
        CALL(ioprio_set),
/* whose a file is and who may open it: Landlock knows no such right */
#ifdef __NR_chmod
        CALL(chmod),
        CALL(chown),
        CALL(lchown),
#endif
        CALL(fchmod),
        CALL(fchmodat),
        CALL(fchmodat2),
        CALL(fchown),
        CALL(fchownat),
        CALL(setxattr),
        CALL(lsetxattr),
        CALL(fsetxattr),
        CALL(setxattrat),
        CALL(removexattr),
        CALL(lremovexattr),
        CALL(fremovexattr),
        CALL(removexattrat),
        /* the kernel's own code, and its richest entrances */
        CALL(kexec_load),
        CALL(kexec_file_load),
        CALL(init_module),
        CALL(finit_module),
        CALL(delete_module),
        CALL(bpf),
        CALL(perf_event_open),
        CALL(userfaultfd),
        CALL(io_uring_setup),
        CALL(io_uring_enter),
        CALL(io_uring_register),
        CALL(lsm_set_self_attr),
        CALL(personality),
        /* file systems and namespaces */
        CALL(mount),
        CALL(umount2),
        CALL(pivot_root),
        CALL(chroot),
        CALL(open_tree),
        CALL(open_tree_attr),
        CALL(move_mount),
        CALL(fsopen),
        CALL(fsconfig),
        CALL(fsmount),
        CALL(fspick),
        CALL(mount_setattr),
        CALL(setns),
        CALL(unshare),
        CALL(open_by_handle_at),
        CALL(fanotify_init),
        CALL(quotactl),
        CALL(quotactl_fd),
        CALL(swapon),
        CALL(swapoff),
        CALL(acct),
        /* keyrings */
        CALL(add_key),
        CALL(request_key),
        CALL(keyctl),
        /* the machine */
        CALL(reboot),
        CALL(syslog),
        CALL(vhangup),
        CALL(sethostname),
        CALL(setdomainname),
        CALL(settimeofday),
        CALL(clock_settime),
        CALL(clock_adjtime),
        CALL(adjtimex),
#ifdef __NR_lookup_dcookie
        CALL(lookup_dcookie),
#endif
#ifdef __x86_64__
        CALL(iopl),
        CALL(ioperm),
        CALL(modify_ldt),
        CALL(uselib),
        CALL(_sysctl),
        CALL(create_module),
        CALL(get_kernel_syms),
        CALL(query_module),
        CALL(nfsservctl),
#endif
        /* programs, unless sandbox.exec */
        CALL(execve),
        CALL(execveat),
};
enum { EXEC_CALLS = 2 };

/* Of oneself (0) they are allowed. A limit of its supervisor's, set to nothing, would end it. */
static const int of_others[] = { __NR_prlimit64, __NR_sched_setscheduler, __NR_sched_setparam,
                                 __NR_sched_setattr, __NR_sched_setaffinity };

/* Of ioctl(): typing into a terminal; what no mode of a file says, immutable above all; a file system stood still. */
static const unsigned long requests[] = {
        TIOCSTI, TIOCLINUX, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR, FIFREEZE, FITHAW,
};

bool weir_seccomp_refused(size_t index, int *ret_number, const char **ret_name)
{
        if (index >= WEIR_COUNT_OF(refused))
                return false;
        *ret_number = refused[index].number;
        *ret_name = refused[index].name;
        return true;
}

/* ---- the program ---------------------------------------------------------------------------- */

enum label { NEXT, ALLOW, REFUSE, NO_SUCH_CALL, IN_CLONE, IN_IOCTL, IN_SOCKET, OF_WHOM, LABELS };

struct program {
        struct sock_filter code[WEIR_COUNT_OF(refused) + 48];
        enum label yes[WEIR_COUNT_OF(refused) + 48];
        uint16_t at[LABELS];
        uint16_t size;
};
_Static_assert(WEIR_COUNT_OF(refused) + 48 < 255, "a jump has 8 bits");

static void put(struct program *program, uint16_t code, uint32_t operand, enum label yes)
{
        program->code[program->size] = (struct sock_filter){ .code = code, .k = operand };
        program->yes[program->size++] = yes;
}

static void load(struct program *program, size_t offset)
{
        put(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, NEXT);
}

static void when(struct program *program, uint16_t test, uint32_t operand, enum label then)
{
        put(program, BPF_JMP | test | BPF_K, operand, then);
}

static void end(struct program *program, uint32_t action)
{
        put(program, BPF_RET | BPF_K, action, NEXT);
}

static void begin(struct program *program, enum label label)
{
        program->at[label] = program->size;
}

static void build(struct program *program, bool exec)
{
        static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
        const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

        *program = (struct program){ .size = 0 };
        load(program, offsetof(struct seccomp_data, arch));
        put(program, BPF_JMP | BPF_JEQ | BPF_K, ARCH, NEXT);
        program->code[1].jt = 1; /* over the next */
        end(program, SECCOMP_RET_ERRNO | EPERM);
        load(program, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
        when(program, BPF_JGE, X32_BIT, REFUSE);
#endif
        for (size_t i = 0; i < WEIR_COUNT_OF(refused) - (exec ? EXEC_CALLS : 0); i++)
                when(program, BPF_JEQ, (uint32_t)refused[i].number, REFUSE);
        when(program, BPF_JEQ, __NR_clone3, NO_SUCH_CALL);
        when(program, BPF_JEQ, __NR_clone, IN_CLONE);
        when(program, BPF_JEQ, __NR_ioctl, IN_IOCTL);
        when(program, BPF_JEQ, __NR_socket, IN_SOCKET);
        for (size_t i = 0; i < WEIR_COUNT_OF(of_others); i++)
                when(program, BPF_JEQ, (uint32_t)of_others[i], OF_WHOM);
        begin(program, ALLOW);
        end(program, SECCOMP_RET_ALLOW);
        begin(program, IN_CLONE); /* little endian: the lower half stands first */
        load(program, offsetof(struct seccomp_data, args[0]));
        when(program, BPF_JSET, namespaces, REFUSE);
        end(program, SECCOMP_RET_ALLOW);
        begin(program, IN_IOCTL);
        load(program, offsetof(struct seccomp_data, args[1]));
        for (size_t i = 0; i < WEIR_COUNT_OF(requests); i++)
                when(program, BPF_JEQ, (uint32_t)requests[i], REFUSE);
        end(program, SECCOMP_RET_ALLOW);
        begin(program, IN_SOCKET);
        load(program, offsetof(struct seccomp_data, args[0]));
        for (size_t i = 0; i < WEIR_COUNT_OF(families); i++) {
                put(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)families[i], NEXT);
                program->code[program->size - 1].jt = (uint8_t)(WEIR_COUNT_OF(families) - i);
        }
        end(program, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
        end(program, SECCOMP_RET_ALLOW);
        begin(program, OF_WHOM);
        load(program, offsetof(struct seccomp_data, args[0]));
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, NEXT);
        program->code[program->size - 1].jt = 1; /* over the next */
        end(program, SECCOMP_RET_ERRNO | EPERM);
        end(program, SECCOMP_RET_ALLOW);
        begin(program, REFUSE);
        end(program, SECCOMP_RET_ERRNO | EPERM);
        begin(program, NO_SUCH_CALL);
        end(program, SECCOMP_RET_ERRNO | ENOSYS);
        for (uint16_t i = 0; i < program->size; i++)
                if (program->yes[i] != NEXT)
                        program->code[i].jt = (uint8_t)(program->at[program->yes[i]] - i - 1);
}

/* ---- the proof ------------------------------------------------------------------------------ */

/* Calls that do nothing where they are not refused: they fail for another reason, or change nothing. None of x32: a
 * service manager's own filter may end who tries (SystemCallArchitectures=native); test_seccomp tries. */
static const struct probe {
        const char *name;
        long number, a, b;
        int expect;
} probes[] = {
        { "ptrace", __NR_ptrace, PTRACE_PEEKDATA, 0, EPERM },       /* else ESRCH */
        { "process_vm_readv", __NR_process_vm_readv, 0, 0, EPERM }, /* else 0: nothing is read */
        { "setns", __NR_setns, -1, 0, EPERM },                      /* else EBADF */
        { "unshare", __NR_unshare, 0, 0, EPERM },                   /* else 0: of nothing */
        { "open_tree", __NR_open_tree, -1, 0, EPERM },              /* else EFAULT */
        { "io_uring_setup", __NR_io_uring_setup, 0, 0, EPERM },     /* else EFAULT, EINVAL */
        { "keyctl", __NR_keyctl, -1, 0, EPERM },                    /* else EOPNOTSUPP */
        { "personality", __NR_personality, 0xffffffff, 0, EPERM },  /* else tells it */
        { "clone of a namespace", __NR_clone, CLONE_NEWNS | CLONE_FS, 0, EPERM }, /* else EINVAL */
        { "clone3", __NR_clone3, 0, 0, ENOSYS },                                  /* else EINVAL */
        { "ioctl TIOCSTI", __NR_ioctl, -1, TIOCSTI, EPERM },                      /* else EBADF */
        { "ioctl FIFREEZE", __NR_ioctl, -1, FIFREEZE, EPERM },                    /* else EBADF */
        { "a packet socket", __NR_socket, 17, -1, EAFNOSUPPORT }, /* else EINVAL, EPERM */
        { "prlimit64 of another", __NR_prlimit64, -1, 0, EPERM }, /* else ESRCH */
        { "fchmod", __NR_fchmod, -1, 0, EPERM },                  /* else EBADF */
        { "execve", __NR_execve, 0, 0, EPERM },                   /* else EFAULT */
};

static void *do_nothing(void *arg)
{
        return arg;
}

static bool prove(bool exec, struct weir_guard_part *ret)
{
        pthread_t thread;
        int error;

        for (size_t i = 0; i < WEIR_COUNT_OF(probes) - exec; i++) {
                errno = 0;
                if (syscall(probes[i].number, probes[i].a, probes[i].b, 0, 0, 0, 0) == -1 &&
                    errno == probes[i].expect)
                        continue;
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "%s is not refused (%s) although the filter is in force: set "
                               "sandbox.seccomp = false, and report this",
                               probes[i].name, strerror(errno));
                return false;
        }
        error = pthread_create(&thread, NULL, do_nothing, NULL);
        if (error == 0)
                error = pthread_join(thread, NULL);
        if (error != 0)
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "no thread can be started (%s): this C library needs clone3; set "
                               "sandbox.seccomp = false",
                               strerror(error));
        return error == 0;
}

void weir_seccomp_apply(bool exec, struct weir_guard_part *ret)
{
        struct program program;
        struct sock_fprog filter;
        long r;

        build(&program, exec);
        filter = (struct sock_fprog){ .len = program.size, .filter = program.code };
        r = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
        if (r < 0 && errno == EINVAL) /* before 4.17 */
                r = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
        if (r < 0 && (errno == ENOSYS || errno == EINVAL))
                weir_guard_say(ret, WEIR_GUARD_ABSENT, "built without seccomp filters");
        else if (r < 0)
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "the filter is not taken: %s; allow the call seccomp to this "
                               "service or container, or set sandbox.seccomp = false",
                               strerror(errno));
        else if (prove(exec, ret))
                weir_guard_say(ret, WEIR_GUARD_ACTIVE, "%zu system calls are refused; programs %s",
                               WEIR_COUNT_OF(refused) - (exec ? EXEC_CALLS : 0),
                               exec ? "may be run (sandbox.exec)" : "cannot be run");
}

#else

bool weir_seccomp_refused(size_t index, int *ret_number, const char **ret_name)
{
        (void)index, (void)ret_number, (void)ret_name;
        return false;
}

void weir_seccomp_apply(bool exec, struct weir_guard_part *ret)
{
        (void)exec;
        weir_guard_say(ret, WEIR_GUARD_ABSENT, "no list of calls for this processor");
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * limits - a plugin that leaks, crashes or outlives its supervisor hurts its own process only
 *
 * Always true   LM1  what a worker process reserves beyond memory.limit is refused, by malloc too: it fails by itself.
 *               LM2  no memory of it reaches a disk unless crash.core = true: neither a core file (RLIMIT_CORE) nor
 *                    the pipe of a core collector. The kernel ignores a limit of 0 where core_pattern begins with |,
 *                    and asks PR_SET_DUMPABLE only. The supervisor, which holds the secrets too, works so from before
 *                    it reads its file. A process that is not dumpable still runs /proc/self/exe: it is asked only
 *                    whether it is itself; and exec begins dumpable anew, so each process refuses for itself.
 *               LM3  a worker process has a supervisor or is ending.
 *               LM4  neither it nor what it starts gains rights by a set-user-id program.
 *               LM5  of the capabilities that root has, or a service manager gave, reading is left at most.
 * The race      1. the supervisor starts a process  2. the supervisor is killed  3. the process asks for a signal at
 *               its parent's death, and waits for ever: that was before. So it looks at its parent after asking:
 *               who is not the supervisor has taken the orphan over.
 * Memory        RLIMIT_DATA. It counts what is private and writable when it is mapped: malloc, rows, stacks; not code,
 *               not shared pages, not what is only set aside (PROT_NONE). It needs no right, it is each process's own,
 *               and whoever goes beyond gets an error at a place that can be blamed on an event.
 * Not chosen    RLIMIT_AS: glibc sets 64 MiB of addresses aside for the arena of every thread, so that 64 lanes
 *               "use" 5 GiB before the first event; a limit that fits says nothing.
 *               A control group for each process: needs a delegated tree, which systemd gives to one manager only, and
 *               what runs into it is killed without a word, or swaps. The unit file sets MemoryMax= around all of
 *               them as the second fence.
 *               SIGKILL at the supervisor's death: the offsets of finished work would not be committed.
 * Capabilities  Landlock asks a path, seccomp a number: neither stops a root that freezes a file system or listens to the
 *               network. CAP_DAC_READ_SEARCH is kept where it was there: certificates and plugins that root may read
 *               today are read again at a reload. CAP_DAC_OVERRIDE is not: what a fenced process writes shall be its
 *               user's by the file's mode too. Root that runs a program (sandbox.exec) does not get them back: the
 *               bounding set is emptied where we may, and with no_new_privs the kernel cuts what exec would give down to
 *               what there was before.
 * Threads       the signal comes when the thread ends that started the process, so a supervisor starts processes from
 *               its main thread.
 */
#include "guard/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB(n) ((uint64_t)(n) << 20)
#define ROOM_BYTES MIB(16) /* what must still be there once the limit is set */

/* Sanitizers map terabytes of shadow, which count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOW true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHADOW true
#endif
#endif
#ifndef SHADOW
#define SHADOW false
#endif

/* ---- what there is -------------------------------------------------------------------------- */

/* Up to @size - 1 bytes of a file, 0-terminated; "" when it cannot be read. */
static void read_text(const char *path, char *ret, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = 0;
        size_t used = 0;

        while (fd >= 0 && used < size - 1 && (n = read(fd, ret + used, size - 1 - used)) > 0)
                used += (size_t)n;
        ret[used] = '\0';
        if (fd >= 0)
                close(fd);
}

/* The least limit in @directory and above it, down to and with @top (a prefix of it). */
static uint64_t least_upwards(char *directory, size_t top, const char *name)
{
        uint64_t least = UINT64_MAX;
        char path[2048], text[32];

        for (;;) {
                char *slash;
                uint64_t bytes;

                if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) < sizeof path) {
                        read_text(path, text, sizeof text);
                        bytes = strtoull(text, NULL, 10); /* "max" is none */
                        if (*text >= '0' && *text <= '9' && bytes < least)
                                least = bytes;
                }
                slash = strrchr(directory + top, '/');
                if (!slash)
                        return least;
                *slash = '\0';
        }
}

/* The path in "0::/path" of version 2, or in "9:memory:/path" of version 1 (*ret_old); NULL: another line. */
static const char *path_of_memory(const char *line, bool *ret_old)
{
        const char *names = strchr(line, ':');
        const char *path = names ? strchr(names + 1, ':') : NULL;

        if (!path || path[1] != '/')
                return NULL;
        *ret_old = path > names + 1;
        if (!*ret_old)
                return path + 1;
        for (const char *p = names + 1; p < path; p += strcspn(p, ",:") + 1)
                if (strcspn(p, ",:") == 6 && !strncmp(p, "memory", 6))
                        return path + 1;
        return NULL;
}

uint64_t weir_limits_cgroup_bytes(const char *root)
{
        char groups[8192], directory[1024], *end;
        uint64_t least = UINT64_MAX;

        snprintf(directory, sizeof directory, "%s/proc/self/cgroup", root);
        read_text(directory, groups, sizeof groups);
        for (char *line = groups; *line; line = end) {
                bool old;
                uint64_t bytes;
                const char *path;
                size_t top;

                end = line + strcspn(line, "\n");
                if (*end)
                        *end++ = '\0';
                path = path_of_memory(line, &old);
                if (!path)
                        continue;
                top = (size_t)snprintf(directory, sizeof directory, "%s/sys/fs/cgroup%s", root,
                                       old ? "/memory" : "");
                if (top >= sizeof directory || strlen(path) >= sizeof directory - top)
                        continue;
                snprintf(directory + top, sizeof directory - top, "%s",
                         strcmp(path, "/") ? path : "");
                bytes = least_upwards(directory, top, old ? "memory.limit_in_bytes" : "memory.max");
                if (bytes < least)
                        least = bytes;
        }
        return least;
}

uint64_t weir_limits_memory_bytes(void)
{
        uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        uint64_t group_bytes = weir_limits_cgroup_bytes("");

        if (group_bytes < bytes)
                bytes = group_bytes;
        bytes = bytes / 4 * 3;
        return bytes > MIB(1024) ? bytes : MIB(1024);
}

/* ---- giving up ------------------------------------------------------------------------------ */

/* Can @bytes be reserved? Nothing is touched. */
static bool fits(uint64_t bytes)
{
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                return false;
        munmap(p, bytes);
        return true;
}

static void limit_memory(uint64_t wanted_bytes, struct weir_guard_part *ret)
{
        uint64_t bytes = wanted_bytes > 0 ? wanted_bytes : weir_limits_memory_bytes();
        struct rlimit limit;

        if (SHADOW) {
                weir_guard_say(ret, WEIR_GUARD_ABSENT,
                               "built with a sanitizer, whose shadow would "
                               "count");
                return;
        }
        if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_max < bytes)
                bytes = limit.rlim_max; /* somebody outside is stricter */
        limit.rlim_cur = limit.rlim_max = bytes;
        if (setrlimit(RLIMIT_DATA, &limit) < 0) {
                weir_guard_say(ret, WEIR_GUARD_FAILED, "RLIMIT_DATA cannot be set: %s",
                               strerror(errno));
                return;
        }
        if (!fits(ROOM_BYTES))
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "%" PRIu64 " MiB are not enough to start with: raise memory.limit",
                               bytes >> 20);
        else if (fits(bytes))
                weir_guard_say(ret, WEIR_GUARD_ABSENT,
                               "the kernel does not keep RLIMIT_DATA (before 4.7, or started with "
                               "ignore_rlimit_data)");
        else
                weir_guard_say(ret, WEIR_GUARD_ACTIVE, "%" PRIu64 " MiB%s", bytes >> 20,
                               wanted_bytes > 0 ? "" : ", chosen by what the machine has");
}

/* The soft limit alone: a process that it starts may be told otherwise. */
int weir_limits_core(bool core)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_CORE, &limit) < 0)
                return -1;
        limit.rlim_cur = core ? limit.rlim_max : 0;
        return setrlimit(RLIMIT_CORE, &limit) < 0 || prctl(PR_SET_DUMPABLE, core, 0, 0, 0) < 0 ? -1
                                                                                               : 0;
}

static void refuse_core(bool core, struct weir_guard_part *ret)
{
        struct rlimit limit = { 0, 0 };

        if (core) { /* as far as the one above us allows */
                weir_limits_core(true);
                getrlimit(RLIMIT_CORE, &limit);
                weir_guard_say(ret, WEIR_GUARD_OFF,
                               "crash.core = true: a core holds secrets and events%s",
                               limit.rlim_max == 0 ? "; but the limit from outside is 0 (ulimit "
                                                     "-Hc, LimitCORE=)"
                                                   : "");
                return;
        }
        if (setrlimit(RLIMIT_CORE, &limit) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "cores cannot be prevented (%s): set crash.core = true to run with "
                               "them",
                               strerror(errno));
        else
                weir_guard_say(ret, WEIR_GUARD_ACTIVE, "none is written, to no file and no pipe");
}

static void follow_parent(pid_t supervisor, struct weir_guard_part *ret)
{
        if (supervisor == 0) {
                weir_guard_say(ret, WEIR_GUARD_OFF, "runs without a supervisor");
                return;
        }
        if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
                weir_guard_say(ret, WEIR_GUARD_FAILED, "PR_SET_PDEATHSIG: %s", strerror(errno));
        else if (getppid() != supervisor)
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "the supervisor, process %d, has ended: start weir again",
                               (int)supervisor);
        else
                weir_guard_say(ret, WEIR_GUARD_ACTIVE, "stops when its supervisor ends");
}

#define CAPABILITIES 64
#define KEPT (UINT64_C(1) << CAP_DAC_READ_SEARCH)

struct capabilities {
        uint64_t effective, permitted, inheritable;
};

/* -1: errno. */
static int get_capabilities(struct capabilities *ret)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3] = { 0 };

        if (syscall(SYS_capget, &header, half) < 0)
                return -1;
        *ret = (struct capabilities){
                .effective = half[0].effective | (uint64_t)half[1].effective << 32,
                .permitted = half[0].permitted | (uint64_t)half[1].permitted << 32,
                .inheritable = half[0].inheritable | (uint64_t)half[1].inheritable << 32,
        };
        return 0;
}

static int set_capabilities(uint64_t kept)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3] = {
                { .effective = (uint32_t)kept, .permitted = (uint32_t)kept },
                { .effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32) },
        };

        return (int)syscall(SYS_capset, &header, half);
}

/* What only CAP_NET_RAW may, whoever asks. The range of groups that may ping is about another kind of socket. */
static bool listens_to_the_network(void)
{
        int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

/* LM5. NULL, or what went wrong. */
static const char *give_up_capabilities(void)
{
        struct capabilities had, have;

        if (get_capabilities(&had) < 0)
                return "capget";
        for (unsigned long i = 0; i < CAPABILITIES; i++) /* EPERM without CAP_SETPCAP, see above */
                if (!(KEPT >> i & 1))
                        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* before 4.3 there is none */
        if (set_capabilities(had.permitted & KEPT) < 0)
                return "capset";
        if (get_capabilities(&have) < 0 || (have.effective | have.permitted) & ~KEPT ||
            have.inheritable || listens_to_the_network())
                return "they are still there";
        return NULL;
}

static void keep_privileges(struct weir_guard_part *ret)
{
        const char *wrong;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "PR_SET_NO_NEW_PRIVS: %s; weir needs Linux 3.5 or later",
                               strerror(errno));
                return;
        }
        errno = 0;
        wrong = give_up_capabilities();
        if (wrong)
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "capabilities cannot be given up: %s%s%s; run weir as a user that "
                               "has none",
                               wrong, errno ? ": " : "", errno ? strerror(errno) : "");
        else
                weir_guard_say(ret, WEIR_GUARD_ACTIVE, "none can be gained; %s",
                               geteuid() == 0 ? "root's are given up but for reading: better run "
                                                "weir as a user of its own"
                                              : "no capabilities");
}

void weir_limits_apply(const struct weir_limits_conf *conf,
                       struct weir_guard_part ret[WEIR_LIMITS_PARTS])
{
        limit_memory(conf->memory_bytes, &ret[WEIR_LIMITS_MEMORY]);
        refuse_core(conf->core, &ret[WEIR_LIMITS_CORE]);
        follow_parent(conf->supervisor, &ret[WEIR_LIMITS_PARENT]);
        keep_privileges(&ret[WEIR_LIMITS_PRIVILEGES]);
}

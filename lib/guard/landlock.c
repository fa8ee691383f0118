/* SPDX-License-Identifier: MIT */
/*
 * landlock - a handler's effects belong into its transaction, so it has little to write elsewhere
 *
 * Always true   LK1  below sandbox.write, beside the files of sinks and in /dev/null files can be written; nowhere else
 *                    can one be made, changed, shortened, renamed or removed, whoever runs the process, root included.
 *               LK2  without sandbox.exec no file can be run as a program, also none that lies below sandbox.write.
 *               LK3  reading, what is open already, sockets and pipes are as before. TCP is not limited: brokers move.
 *               LK4  from version 6 on a worker sends signals to itself and to what it started only: it cannot end
 *                    its supervisor or another worker.
 * Versions      each kernel knows a prefix of the rights. What it does not know is not asked for: better less than nothing.
 *               Version 1 forbids moving files between directories altogether; before 3 a file can be shortened
 *               by its name, where its mode lets us; before 5 devices can be told anything (seccomp.c keeps TIOCSTI).
 * A sink's file its directory may get new files, because logrotate moves the old one away; nothing there can be removed. Where the
 *               directory is still missing, the one above it stands in for it: it may be made while we run, by
 *               somebody else. What is no regular file (a pipe, /dev/stdout) is allowed by itself, without its directory.
 * Not chosen    a list of what may be read: plugins bring certificates, time zones, resolver files; a list of them is
 *               wrong on the next machine. Abstract sockets (version 6): PostgreSQL may listen on one.
 */
#include "guard/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* linux/landlock.h, of which no header here need be new enough. The numbers are the same everywhere. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define ASK_VERSION 1u
#define RULE_PATH_BENEATH 1
#define EXECUTE (UINT64_C(1) << 0)
#define WRITE_FILE (UINT64_C(1) << 1)
#define REMOVE_DIR (UINT64_C(1) << 4)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_CHAR (UINT64_C(1) << 6)
#define MAKE_DIR (UINT64_C(1) << 7)
#define MAKE_REG (UINT64_C(1) << 8)
#define MAKE_SOCK (UINT64_C(1) << 9)
#define MAKE_FIFO (UINT64_C(1) << 10)
#define MAKE_BLOCK (UINT64_C(1) << 11)
#define MAKE_SYM (UINT64_C(1) << 12)
#define REFER (UINT64_C(1) << 13)     /* version 2 */
#define TRUNCATE (UINT64_C(1) << 14)  /* 3 */
#define IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

struct ruleset_attr {
        uint64_t fs, net, scoped; /* an older kernel takes zeros that it does not know */
};
struct __attribute__((packed)) rule_attr {
        uint64_t allowed;
        int32_t fd;
};

struct fence {
        int fd;
        uint64_t handled;
        bool granted_dev; /* the configuration allows the device that the proof is made with */
        struct weir_guard_part *ret;
};

static uint64_t rights_of(int version, bool exec)
{
        uint64_t rights = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG |
                          MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM;

        if (!exec)
                rights |= EXECUTE;
        if (version >= 2)
                rights |= REFER;
        if (version >= 3)
                rights |= TRUNCATE;
        if (version >= 5)
                rights |= IOCTL_DEV;
        return rights;
}

/* ---- what is allowed ------------------------------------------------------------------------ */

/* @rights for what @fd is open on, as far as they can be had there. */
static bool allow(struct fence *fence, int fd, bool directory, uint64_t rights)
{
        struct rule_attr rule = { .fd = fd };

        rule.allowed = rights & fence->handled & ~EXECUTE;
        if (!directory)
                rule.allowed &= WRITE_FILE | TRUNCATE | IOCTL_DEV;
        if (syscall(ADD_RULE, fence->fd, RULE_PATH_BENEATH, &rule, 0) == 0)
                return true;
        return errno ==
               EBADFD; /* a pipe or a socket has no place in a tree, and is never refused */
}

static int open_place(const char *path, bool *ret_directory, bool *ret_regular)
{
        int fd = open(path, O_PATH | O_CLOEXEC);
        struct stat st;

        if (fd >= 0 && fstat(fd, &st) < 0) {
                close(fd);
                fd = -1;
        }
        if (fd >= 0) {
                *ret_directory = S_ISDIR(st.st_mode);
                *ret_regular = S_ISREG(st.st_mode);
        }
        return fd;
}

static bool allow_path(struct fence *fence, const char *path, uint64_t rights)
{
        bool directory, regular, good;
        int fd = open_place(path, &directory, &regular);

        if (fd < 0)
                return false;
        good = allow(fence, fd, directory, rights);
        close(fd);
        return good;
}

static bool is_below(const char *path, const char *directory)
{
        size_t size = strlen(directory);

        return !strcmp(directory, "/") ||
               (!strncmp(path, directory, size) && (path[size] == '/' || path[size] == '\0'));
}

static bool allow_write(struct fence *fence, const char *path)
{
        char real[PATH_MAX];

        if (!realpath(path, real) || !allow_path(fence, real, fence->handled)) {
                weir_guard_say(fence->ret, WEIR_GUARD_FAILED,
                               "sandbox.write: %.120s: %s; make it, or take it out of the list",
                               path, strerror(errno));
                return false;
        }
        if (is_below("/dev/full", real))
                fence->granted_dev = true;
        return true;
}

/* "/a/b" of "/a/b/c"; false: there is none, or it is the root. */
static bool cut_name(char *path)
{
        char *slash = strrchr(path, '/');

        if (!slash || slash == path)
                return false;
        *slash = '\0';
        return true;
}

static bool allow_sink(struct fence *fence, const char *path)
{
        const uint64_t rights = WRITE_FILE | TRUNCATE | MAKE_REG | IOCTL_DEV;
        bool directory = false, regular = true, good = true;
        char real[PATH_MAX];
        int fd = open_place(path, &directory, &regular);

        if (fd >= 0) {
                good = directory || allow(fence, fd, false, rights);
                close(fd);
                if (good && (directory || !regular || !strncmp(path, "/dev/", 5) ||
                             !strncmp(path, "/proc/", 6)))
                        return true;
        }
        if (good && (fd < 0 || !realpath(path, real)))
                good = (size_t)snprintf(real, sizeof real, "%s", path) < sizeof real;
        if (good && !strchr(real, '/'))
                memcpy(real, "./x", sizeof "./x"); /* a bare name lies in the working directory */
        if (good && !cut_name(real))
                memcpy(real, "/", sizeof "/");
        if (good && allow_path(fence, real, rights))
                return true;
        if (good && errno == ENOENT && cut_name(real) && allow_path(fence, real, rights))
                return true;
        weir_guard_say(fence->ret, WEIR_GUARD_FAILED,
                       "sinks.file: %.120s: its directory cannot be allowed: %s; make it", path,
                       strerror(errno));
        return false;
}

/* ---- the proof ------------------------------------------------------------------------------ */

/* Was opening @path for writing, by @flags, refused by Landlock or by something that is stricter still? @made: it must
 * be removed again. */
static bool is_refused(struct fence *fence, const char *path, int flags, bool made)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);

        if (fd < 0)
                return true;
        close(fd);
        if (made)
                unlink(path);
        weir_guard_say(fence->ret, WEIR_GUARD_FAILED,
                       "%s can be written although Landlock is in force: set sandbox.landlock = "
                       "false, and report this",
                       path);
        return false;
}

/* /dev/full may be written by everybody, and does nothing: where it cannot, that was the fence. */
static bool prove(struct fence *fence)
{
        char path[64];

        if (fence->granted_dev) /* the configuration allows it, or all of / */
                return true;
        snprintf(path, sizeof path, "/weir-may-not-%ld", (long)getpid());
        return is_refused(fence, "/dev/full", 0, false) &&
               is_refused(fence, path, O_CREAT | O_EXCL, true);
}

static void say_active(const struct weir_landlock_conf *conf, int version,
                       struct weir_guard_part *ret)
{
        char places[140] = "";
        size_t used = 0;

        for (size_t i = 0; i < conf->write_count + conf->file_count && used < sizeof places; i++)
                used += (size_t)snprintf(places + used, sizeof places - used, "%s, ",
                                         i < conf->write_count
                                                 ? conf->write[i]
                                                 : conf->files[i - conf->write_count]);
        if (used >= sizeof places)
                memcpy(places + sizeof places - sizeof "…, ", "…, ", sizeof "…, ");
        weir_guard_say(ret, WEIR_GUARD_ACTIVE, "version %d; writes to %s/dev/null%s", version,
                       places, used ? "" : " only");
}

void weir_landlock_apply(const struct weir_landlock_conf *conf, struct weir_guard_part *ret)
{
        long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
        struct fence fence = { .fd = -1, .ret = ret };
        struct ruleset_attr attr;
        bool good = true;

        if (version < 1) { /* ENOSYS; EOPNOTSUPP: off at boot; EPERM: a container's filter */
                weir_guard_say(ret, WEIR_GUARD_ABSENT, "%s",
                               errno == ENOSYS       ? "built without Landlock"
                               : errno == EOPNOTSUPP ? "Landlock is switched off (lsm= of the boot "
                                                       "line)"
                                                     : "Landlock is refused by what surrounds us");
                return;
        }
        fence.handled = rights_of((int)version, conf->exec);
        attr = (struct ruleset_attr){ .fs = fence.handled,
                                      .scoped = version >= 6 ? SCOPE_SIGNAL : 0 };
        fence.fd = (int)syscall(CREATE_RULESET, &attr, sizeof attr, 0);
        if (fence.fd < 0) {
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "the rules are not taken: %s; set sandbox.landlock = false",
                               strerror(errno));
                return;
        }
        good = allow_path(&fence, "/dev/null", WRITE_FILE | TRUNCATE | IOCTL_DEV) ||
               errno == ENOENT;
        if (!good)
                weir_guard_say(ret, WEIR_GUARD_FAILED, "/dev/null: %s", strerror(errno));
        for (size_t i = 0; i < conf->write_count && good; i++)
                good = allow_write(&fence, conf->write[i]);
        for (size_t i = 0; i < conf->file_count && good; i++)
                good = allow_sink(&fence, conf->files[i]);
        if (good && syscall(RESTRICT_SELF, fence.fd, 0) < 0) {
                good = false;
                weir_guard_say(ret, WEIR_GUARD_FAILED,
                               "the rules are not taken: %s; set sandbox.landlock = false",
                               strerror(errno));
        }
        close(fence.fd);
        if (good && prove(&fence))
                say_active(conf, (int)version, ret);
}

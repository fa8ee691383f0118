/* SPDX-License-Identifier: MIT */
/*
 * kept - shared by descriptor, not by name
 *
 * Always true   TX1 TX2, see kept.h.
 * Sealed        the kernel refuses to write, cut or grow what weir_kept_new() has made, to us too.
 * The pad       is one object for all offers, so that a process has it from its start: a descriptor cannot be given to one
 *               that runs but by a socket. It is read with pread(), never mapped: who cuts it ends nobody. Processes get
 *               it opened to read only, and check it by its mark, which stands on the board of each: a text that is half
 *               written, or another one, is refused, never half believed.
 * Not chosen    files below /run or /tmp: who may write there, who removes them after a power cut?
 */
#include "guard/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(int fd, int error)
{
        if (fd >= 0)
                close(fd);
        errno = error;
        return -1;
}

int weir_kept_write(int pad, const char *text, size_t size)
{
        size_t done = 0;

        if (ftruncate(pad, 0) < 0)
                return -1;
        while (done < size) {
                ssize_t n = pwrite(pad, text + done, size - done, (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return fail(-1, n < 0 ? errno : ENOSPC);
                done += (size_t)n;
        }
        return 0;
}

int weir_kept_new(const char *text, size_t size)
{
        int fd = memfd_create("weir.cfg", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -1;
        if (weir_kept_write(fd, text, size) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return fail(fd, errno);
        return fd;
}

int weir_kept_pad(int *ret_reader)
{
        int fd = memfd_create("weir-offer", MFD_CLOEXEC);
        char path[64];

        if (fd < 0)
                return -1;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        *ret_reader = open(path, O_RDONLY | O_CLOEXEC);
        return *ret_reader < 0 ? fail(fd, errno) : fd;
}

int weir_kept_read(int fd, size_t max, char **ret, size_t *ret_size)
{
        struct stat st;
        size_t size = 0;
        char *text;

        if (fstat(fd, &st) < 0)
                return -1;
        if (!S_ISREG(st.st_mode))
                return fail(-1, EPROTO);
        if (st.st_size < 0 || (uint64_t)st.st_size > max)
                return fail(-1, EFBIG);
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return fail(-1, ENOMEM);
        while (size < (size_t)st.st_size) {
                ssize_t n = pread(fd, text + size, (size_t)st.st_size - size, (off_t)size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        free(text);
                        return -1;
                }
                if (n == 0) /* it was cut meanwhile: its mark will say so */
                        break;
                size += (size_t)n;
        }
        text[size] = '\0';
        *ret = text;
        *ret_size = size;
        return 0;
}

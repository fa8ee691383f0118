/* SPDX-License-Identifier: MIT */
/*
 * file - configuration, includes and secrets come through here
 *
 * A FIFO hangs an ordinary open for ever and a directory ends libconfig's process; so: open without
 * blocking, look at what was opened (not at the name: it may change in between), then read at most
 * one byte more than is allowed. The text is wiped when it is given back, because it may be a
 * secret.
 */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
        if (S_ISDIR(mode))
                return "a directory";
        if (S_ISFIFO(mode))
                return "a FIFO";
        if (S_ISSOCK(mode))
                return "a socket";
        return "a device";
}

static int read_open(int fd, size_t max_bytes, char **ret, size_t *ret_size, struct stat *ret_stat,
                     struct weir_error *reterr)
{
        size_t size = 0, room;
        char *text;

        if (fstat(fd, ret_stat) < 0)
                return weir_fail(reterr, WEIR_ECONF, errno, "cannot be read: %s", strerror(errno));
        if (!S_ISREG(ret_stat->st_mode))
                return weir_fail(reterr, WEIR_ECONF, 0, "is %s, must be a regular file",
                                 kind_of(ret_stat->st_mode));
        if (ret_stat->st_size > (off_t)max_bytes)
                return weir_fail(reterr, WEIR_ECONF, 0, "has %lld bytes, at most %zu are allowed",
                                 (long long)ret_stat->st_size, max_bytes);
        room = (size_t)ret_stat->st_size + 1; /* one more: notices a file that grows */
        text = malloc(room + 1);
        if (!text)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "file of %zu bytes", room);
        while (size < room) {
                ssize_t n = read(fd, text + size, room - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        int saved = errno;

                        weir_file_free(text, size);
                        return weir_fail(reterr, WEIR_ECONF, saved, "cannot be read: %s",
                                         strerror(saved));
                }
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        if (size == room) {
                weir_file_free(text, size);
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "was being written to while it was read; try again");
        }
        text[size] = '\0';
        *ret = text;
        *ret_size = size;
        return 0;
}

int weir_file_read(const char *path, size_t max_bytes, int flags, char **ret, size_t *ret_size,
                   struct stat *ret_stat, struct weir_error *reterr)
{
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
        int r;

        if (fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW))
                return weir_fail(reterr, WEIR_ECONF, errno,
                                 "is a symbolic link, must be a regular file");
        if (fd < 0)
                return weir_fail(reterr, WEIR_ECONF, errno, "cannot be opened: %s",
                                 strerror(errno));
        r = read_open(fd, max_bytes, ret, ret_size, ret_stat, reterr);
        close(fd);
        return r;
}

void weir_file_free(char *text, size_t size)
{
        if (!text)
                return;
        explicit_bzero(text, size);
        free(text);
}

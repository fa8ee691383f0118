/* SPDX-License-Identifier: MIT */
/*
 * image - what was refused lies on the disk all the same
 *
 * A plugin that is replaced and refused at SIGHUP stays where it is until somebody puts the old one back. A process that has
 * to be started again meanwhile must not find it: so what is in force is kept as bytes, not as a path.
 *
 * Always true   IM1. Copied first, then sealed, then marked: a file that is written to while it is copied gives an image
 *               that is no plugin, or another one, but the same for all who have it.
 * The name      in a stack, in /proc/PID/maps and for a debugger is the file's path, its last 200 bytes.
 * Not chosen    a hard link or a copy beside the file: the directory need not be ours to write, and who removes it? A lease or
 *               a comparison of inode and time: it says that the file is another one, but the old one is gone.
 */
#include "plugin/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 200

static int copy_bytes(int from, int to, size_t max, size_t *ret_size)
{
        char block[16384];
        size_t size = 0;

        for (;;) {
                ssize_t n = pread(from, block, sizeof block, (off_t)size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                if (size + (size_t)n > max) {
                        errno = EFBIG;
                        return -1;
                }
                for (ssize_t done = 0, w; done < n; done += w) {
                        w = pwrite(to, block + done, (size_t)(n - done), (off_t)size + done);
                        if (w < 0 && errno == EINTR)
                                w = 0;
                        else if (w <= 0)
                                return -1;
                }
                size += (size_t)n;
        }
        *ret_size = size;
        return fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* Sealed: nobody can cut it under the mapping. */
static int mark(struct weir_image *image)
{
        struct stat st;
        void *bytes;
        int r;

        if (fstat(image->fd, &st) < 0)
                return -1;
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, image->fd, 0);
        if (bytes == MAP_FAILED)
                return -1;
        r = weir_hash_mark(bytes, (size_t)st.st_size, &image->mark);
        munmap(bytes, (size_t)st.st_size);
        return r;
}

int weir_image_adopt(int fd, const char *path, struct weir_image **ret, struct weir_error *reterr)
{
        struct weir_image *image = calloc(1, sizeof *image);

        if (!image) {
                close(fd);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", path);
        }
        *image = (struct weir_image){ .users = 1, .fd = fd, .path = strdup(path) };
        if (!image->path || mark(image) < 0) {
                int error = image->path ? errno : ENOMEM;

                weir_image_put(image);
                return weir_fail(reterr, WEIR_ESYS, error, "plugin %s: its copy: %s", path,
                                 strerror(error));
        }
        *ret = image;
        return 0;
}

int weir_image_copy(int fd, const char *path, size_t max, struct weir_image **ret,
                    struct weir_error *reterr)
{
        size_t length = strlen(path), size = 0;
        int copy = memfd_create(path + (length > NAME_BYTES ? length - NAME_BYTES : 0),
                                MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r = copy < 0 ? -1 : copy_bytes(fd, copy, max, &size), error = errno;

        if (r == 0 && size > 0)
                return weir_image_adopt(copy, path, ret, reterr);
        if (copy >= 0)
                close(copy);
        if (r == 0)
                return weir_fail(reterr, WEIR_EABI, 0, "plugin %s: cannot be loaded: it is empty",
                                 path);
        if (error == EFBIG)
                return weir_fail(
                        reterr, WEIR_EABI, error,
                        "plugin %s: more than %zu bytes, which is the most that is kept of "
                        "a plugin: strip it (strip --strip-debug)",
                        path, max);
        return weir_fail(reterr, WEIR_ESYS, error, "plugin %s: cannot be copied: %s", path,
                         strerror(error));
}

struct weir_image *weir_image_share(struct weir_image *image)
{
        if (image)
                image->users++;
        return image;
}

void weir_image_put(struct weir_image *image)
{
        if (!image || --image->users > 0)
                return;
        if (image->fd >= 0)
                close(image->fd);
        free(image->path);
        free(image);
}

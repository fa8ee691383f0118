/* SPDX-License-Identifier: MIT */
/*
 * object - the dynamic linker knows objects by name and by inode, and forgets neither while they are mapped
 *
 * Always true   LD2 a descriptor stays open as long as its object is mapped: its number is in the object's name. With the
 *                   number used again, "/proc/self/fd/5" would give back the plugin that was loaded first.
 *               LD4 a file is mapped by one descriptor. dlopen() of a second one on the same inode gives the mapped
 *                   object back and adds the second name to it, so by LD2 both would have to stay: a worker that was
 *                   told to reload, its plugin unchanged, lost a descriptor each time. Here the second is closed and
 *                   the object counted.
 *               LD5 a file that is shorter than its own table says, or that was written to while it is mapped, is
 *                   refused: code is read from the file when it is first run, and where there is none the process gets
 *                   SIGBUS, in the middle of anything.
 * Images        what a supervisor's process loads is a sealed copy (image.h), known by its mark and not by its inode: the
 *               unchanged file, read again at a reload, is the object that is mapped, and its static variables are too.
 * Not unmapped  some objects dlclose() cannot unmap (C++ inline statics, -z nodelete). They keep their descriptor and stay
 *               in the list, so that the same file finds them there.
 */
#include "plugin/object.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/board.h"

struct weir_object {
        struct weir_object *next;
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec written;
        bool image;
        struct weir_hash_mark mark; /* of an image */
        int fd;
        unsigned users; /* 0: dlclose() left it mapped */
        void *handle;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct weir_object *objects; /* @mutex */

static void name_of(int fd, char ret[40])
{
        snprintf(ret, 40, "/proc/self/fd/%d", fd);
}

static int map(struct weir_object *object, const char *path, struct weir_error *reterr)
{
        char name[40];
        const char *words, *rest;

        name_of(object->fd, name);
        weir_board_plugin(WEIR_BOARD_LOADS);
        object->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        weir_board_plugin(WEIR_BOARD_OUTSIDE);
        if (object->handle)
                return 0;
        words = dlerror();
        rest = words ? words : "unknown reason";
        if (strncmp(rest, name, strlen(name)) == 0 && strncmp(rest + strlen(name), ": ", 2) == 0)
                rest += strlen(name) + 2;
        return weir_fail(
                reterr, WEIR_EABI, 0,
                "plugin %s: cannot be loaded: %s; build it for this machine with -shared -fPIC and "
                "link what it calls (/proc must be mounted)",
                path, rest);
}

/* LD5. Not an object at all is the dynamic linker's to say. */
static int whole(const struct weir_object *object, const char *path, struct weir_error *reterr)
{
        ElfW(Ehdr) head;
        uint64_t need = 0;

        if (pread(object->fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
            memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_phentsize != sizeof(ElfW(Phdr)))
                return 0;
        for (unsigned i = 0; i < head.e_phnum; i++) {
                ElfW(Phdr) part;
                off_t at = (off_t)(head.e_phoff + i * sizeof part);

                if (pread(object->fd, &part, sizeof part, at) != (ssize_t)sizeof part)
                        need = (uint64_t)at + sizeof part;
                else if (part.p_type == PT_LOAD && part.p_offset + part.p_filesz > need)
                        need = part.p_offset + part.p_filesz;
        }
        if ((uint64_t)object->size >= need)
                return 0;
        return weir_fail(
                reterr, WEIR_EABI, 0,
                "plugin %s: is cut short: %lld bytes are there, its table needs %llu; copy "
                "it beside its place, then rename it",
                path, (long long)object->size, (unsigned long long)need);
}

static int unchanged(const struct weir_object *object, const struct stat *st, const char *path,
                     struct weir_error *reterr)
{
        if (object->size == st->st_size && object->written.tv_sec == st->st_mtim.tv_sec &&
            object->written.tv_nsec == st->st_mtim.tv_nsec)
                return 0;
        return weir_fail(
                reterr, WEIR_EABI, 0,
                "plugin %s: was written to while it runs, which may end the process at any "
                "moment: restart weir, and put a new one in its place by rename (mv, "
                "install)",
                path);
}

static bool is_of(const struct weir_object *object, const struct stat *st,
                  const struct weir_hash_mark *mark)
{
        if (mark)
                return object->image && weir_hash_mark_is(&object->mark, mark);
        return object->device == st->st_dev && object->inode == st->st_ino;
}

static struct weir_object *find(const struct stat *st, const struct weir_hash_mark *mark)
{
        struct weir_object *object = objects;

        while (object && !is_of(object, st, mark))
                object = object->next;
        return object;
}

static void forget(struct weir_object *object)
{
        struct weir_object **at = &objects;

        while (*at != object)
                at = &(*at)->next;
        *at = object->next;
        close(object->fd); /* LD2 */
        free(object);
}

/* Caller holds mutex. */
static int open_locked(int fd, const char *path, const struct weir_hash_mark *mark,
                       struct weir_object **ret, struct weir_error *reterr)
{
        struct weir_object *object;
        struct stat st = { 0 };
        int r;

        fstat(fd, &st);
        object = find(&st, mark);
        if (object) { /* LD4 */
                close(fd);
        } else {
                object = calloc(1, sizeof *object);
                if (!object) {
                        close(fd);
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", path);
                }
                *object = (struct weir_object){ .next = objects,
                                                .device = st.st_dev,
                                                .inode = st.st_ino,
                                                .size = st.st_size,
                                                .written = st.st_mtim,
                                                .image = mark != NULL,
                                                .fd = fd };
                if (mark)
                        object->mark = *mark;
                objects = object;
        }
        if (object->users) {
                r = mark ? 0 : unchanged(object, &st, path, reterr);
        } else {
                r = whole(object, path, reterr);
                if (r == 0)
                        r = map(object, path, reterr);
                if (r < 0)
                        forget(object);
        }
        if (r < 0)
                return r;
        object->users++;
        *ret = object;
        return 0;
}

int weir_object_open(int fd, const char *path, const struct weir_hash_mark *mark,
                     struct weir_object **ret, struct weir_error *reterr)
{
        int r;

        pthread_mutex_lock(&mutex);
        r = open_locked(fd, path, mark, ret, reterr);
        pthread_mutex_unlock(&mutex);
        return r;
}

void weir_object_close(struct weir_object *object)
{
        char name[40];
        void *still;

        if (!object)
                return;
        pthread_mutex_lock(&mutex);
        if (--object->users == 0) {
                name_of(object->fd, name);
                weir_board_plugin(WEIR_BOARD_UNLOADS);
                dlclose(object->handle);
                weir_board_plugin(WEIR_BOARD_OUTSIDE);
                still = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
                if (still)
                        dlclose(still);
                else
                        forget(object);
        }
        pthread_mutex_unlock(&mutex);
}

void *weir_object_handle(const struct weir_object *object)
{
        return object->handle;
}

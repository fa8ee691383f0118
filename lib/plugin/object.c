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
 * Not unmapped  some objects dlclose() cannot unmap (C++ inline statics, -z nodelete). They keep their descriptor and stay
 *               in the list, so that the same file finds them there.
 */
#include "plugin/object.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct weir_object {
        struct weir_object *next;
        dev_t device;
        ino_t inode;
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
        object->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
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

static struct weir_object *find(const struct stat *st)
{
        struct weir_object *object = objects;

        while (object && (object->device != st->st_dev || object->inode != st->st_ino))
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
static int open_locked(int fd, const char *path, struct weir_object **ret,
                       struct weir_error *reterr)
{
        struct weir_object *object;
        struct stat st = { 0 };
        int r;

        fstat(fd, &st);
        object = find(&st);
        if (object) { /* LD4 */
                close(fd);
        } else {
                object = calloc(1, sizeof *object);
                if (!object) {
                        close(fd);
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", path);
                }
                *object = (struct weir_object){ objects, st.st_dev, st.st_ino, fd, 0, NULL };
                objects = object;
        }
        r = object->users ? 0 : map(object, path, reterr);
        if (r < 0) {
                forget(object);
                return r;
        }
        object->users++;
        *ret = object;
        return 0;
}

int weir_object_open(int fd, const char *path, struct weir_object **ret, struct weir_error *reterr)
{
        int r;

        pthread_mutex_lock(&mutex);
        r = open_locked(fd, path, ret, reterr);
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
                dlclose(object->handle);
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

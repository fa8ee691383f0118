/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_OBJECT_H
#define WEIR_PLUGIN_OBJECT_H
/*
 * object - a file that is mapped as code, once, however many plugins are made of it
 *
 * Thread   any.
 */
#include "base/error.h"
#include "base/hash.h"

struct weir_object;

/* Map the file that @fd is open on, or share it where it is mapped already. Takes over @fd, also on failure. @path is
 * for the error: WEIR_EABI, WEIR_ENOMEM. @mark: @fd is an image with that mark, and the same bytes are the same file;
 * NULL = a file of its own. */
int weir_object_open(int fd, const char *path, const struct weir_hash_mark *mark,
                     struct weir_object **ret, struct weir_error *reterr);
/* The last one unmaps it. NULL is fine. */
void weir_object_close(struct weir_object *object);
/* For dlsym(). */
void *weir_object_handle(const struct weir_object *object);

#endif

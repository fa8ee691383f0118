/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_IMAGE_H
#define WEIR_PLUGIN_IMAGE_H
/*
 * image - a plugin's file, copied once into memory that nobody can change any more
 *
 *  IM1 the bytes that were checked and marked are the bytes that are loaded, by whomever, whatever the file becomes.
 *
 * Nothing is run or mapped as code by making one.
 * Thread   one at a time.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"

#define WEIR_IMAGE_BYTES_MAX ((size_t)128 * 1024 * 1024)

struct weir_image {
        unsigned users;
        int fd;     /* sealed; closed by exec unless that is changed */
        char *path; /* where the file was, resolved */
        struct weir_hash_mark mark;
};

/* Of what @fd is open on; @fd stays open. WEIR_EABI: larger than @max bytes, or empty; WEIR_ESYS, WEIR_ENOMEM. */
int weir_image_copy(int fd, const char *path, size_t max, struct weir_image **ret,
                    struct weir_error *reterr);
/* Of a descriptor of another image, which is taken over, also on failure. */
int weir_image_adopt(int fd, const char *path, struct weir_image **ret, struct weir_error *reterr);
struct weir_image *weir_image_share(struct weir_image *image); /* NULL is fine */
void weir_image_put(struct weir_image *image); /* the last one closes it; NULL is fine */
WEIR_DEFINE_FREEP(struct weir_image, weir_image_put)

#endif

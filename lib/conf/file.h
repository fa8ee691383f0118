/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_FILE_H
#define WEIR_CONF_FILE_H
/* file - read a small regular file whole, without ever hanging on what only looks like one */
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"

/* *ret: malloc'ed, NUL behind it; free with weir_file_free(). @flags are added to the open:
 * O_NOFOLLOW or 0. Errors WEIR_ECONF: the words after the file's name, "is a directory, must be a
 * regular file". */
int weir_file_read(const char *path, size_t max_bytes, int flags, char **ret, size_t *ret_size,
                   struct stat *ret_stat, struct weir_error *reterr);
void weir_file_free(char *text, size_t size); /* wiped first; NULL is fine */

#endif

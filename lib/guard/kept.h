/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_KEPT_H
#define WEIR_GUARD_KEPT_H
/*
 * kept - configurations in memory, which a supervisor and its processes read instead of the file
 *
 * The file is read when weir is started and at SIGHUP, and at no other time: what an editor has written there meanwhile, or
 * what was refused, is nobody's business.
 *
 *  TX1 a text of weir_kept_new() never changes: every process that gets the descriptor reads the same.
 *  TX2 a text that can change (the pad of an offer) is believed only by its mark.
 *
 * Thread   any.
 * Errors   -1 and errno.
 */
#include <stddef.h>

#include "base/hash.h"

/* Descriptors, closed by exec unless that is changed; -1 = there is none. */
struct weir_texts {
        int first; /* that of the start: what needs a restart is as it says */
        int good; /* the last one that came into force; the same descriptor where nothing did since */
        int offer; /* the pad: one that is being tried. Of a process: to read only */
};

/* TX1. A descriptor. */
int weir_kept_new(const char *text, size_t size);
/* A text that is written again and again. *ret_reader: the same, to read only. */
int weir_kept_pad(int *ret_reader);
int weir_kept_write(int pad, const char *text, size_t size);
/* What is there now, with a NUL behind; free() it. EFBIG: more than @max bytes. */
int weir_kept_read(int fd, size_t max, char **ret, size_t *ret_size);

#endif

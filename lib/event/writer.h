/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_WRITER_H
#define WEIR_EVENT_WRITER_H
/* writer - JSON text into an arena, without spaces; a failure is remembered, asked for once at the end */
#include "event/decode.h"

struct weir_writer {
        struct weir_arena *arena;
        char *ptr;
        size_t size, room;
        bool failed; /* no memory; what follows is dropped */
};

/* @expected bytes: a good guess saves copying. */
void weir_writer_init(struct weir_writer *writer, struct weir_arena *arena, size_t expected);
void weir_writer_raw(struct weir_writer *writer, const char *bytes, size_t size);
void weir_writer_z(struct weir_writer *writer, const char *text);
/* @text (UTF-8) as a JSON string, with its quotes. */
void weir_writer_string(struct weir_writer *writer, struct weir_view text);
void weir_writer_base64(struct weir_writer *writer, struct weir_view bytes); /* with quotes */
/* What was written, NUL behind. 0 or WEIR_ENOMEM. */
int weir_writer_finish(struct weir_writer *writer, struct weir_view *ret);

#endif

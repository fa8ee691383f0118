/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EMIT_H
#define WEIR_EMIT_H
/* emit - what `weir emit` was asked for */
#include <stdbool.h>
#include <stdint.h>
#include <weir/event.h>

#include "base/arena.h"
#include "base/error.h"

#define EMIT_EXTENSIONS_MAX 64
#define EMIT_BYTES_MAX (64u << 20) /* of a line, of a data file */

enum emit_key {
        EMIT_KEY_PARTITIONKEY,
        EMIT_KEY_SOURCE,
        EMIT_KEY_SUBJECT,
        EMIT_KEY_ID,
        EMIT_KEY_NONE,
        EMIT_KEY_FIXED
};

struct emit_wanted {
        const char *topic, *brokers, *config, *key, *data, *data_file, *time;
        const char *input; /* file of events; NULL = standard input */
        int key_from;      /* enum emit_key */
        int32_t partition;
        uint64_t rate;
        int64_t timeout_ms;
        bool structured, skip_bad, dry_run, from_flags;
        struct weir_event event; /* of the flags */
        struct weir_attribute extensions[EMIT_EXTENSIONS_MAX];
};

/* CMD_DONE, CMD_USAGE (said why), or -1: --help was printed. */
int emit_parse(int argc, char **argv, struct emit_wanted *ret);
/* The event of the flags; id, time and content type filled in where they are not given. Lives as long as
 * @arena and @wanted. WEIR_ESYS: its data file. */
int emit_make(const struct emit_wanted *wanted, struct weir_arena *arena, struct weir_event *ret,
              struct weir_error *reterr);

#endif

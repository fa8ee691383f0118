/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EMIT_H
#define WEIR_EMIT_H
/* emit - what `weir emit` was asked for */
#include <stdbool.h>
#include <stdint.h>
#include <weir/event.h>

#define EMIT_EXTENSIONS_MAX 64

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
        int key_from; /* enum emit_key */
        int32_t partition;
        uint64_t rate;
        int64_t timeout_ms;
        bool structured, skip_bad, dry_run, from_flags;
        struct weir_event event; /* of the flags */
        struct weir_attribute extensions[EMIT_EXTENSIONS_MAX];
};

/* CMD_DONE, CMD_USAGE (said why), or -1: --help was printed. */
int emit_parse(int argc, char **argv, struct emit_wanted *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * refusal - one place where foreign bytes meet a text that people and logs will read
 *
 * A reason ends in logs, in a table and on a terminal. So nothing of a record gets into it except
 * through weir_quote(): quoted, escaped, cut. The class is the interface, the reason is not.
 */
#include "event/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

const char *weir_refusal_name(int klass)
{
        static const char *const names[] = { "none",
#define NAME(name, text) text,
                                             WEIR_REFUSALS(NAME)
#undef NAME
        };

        return klass >= 0 && (size_t)klass < WEIR_COUNT_OF(names) ? names[klass] : "unknown";
}

const char *weir_mode_name(int mode)
{
        switch (mode) {
        case WEIR_MODE_BINARY: return "binary";
        case WEIR_MODE_STRUCTURED: return "structured";
        case WEIR_MODE_BATCH: return "batch";
        default: return "unknown";
        }
}

int weir_refusal_fill(struct weir_refusal *refusal, int klass, size_t at, const char *format, ...)
{
        va_list ap;

        if (!refusal)
                return 1;
        refusal->klass = klass;
        refusal->at = at;
        va_start(ap, format);
        vsnprintf(refusal->reason, sizeof refusal->reason, format, ap);
        va_end(ap);
        return 1;
}

void weir_refusal_wrap(struct weir_refusal *refusal, int klass, const char *format, ...)
{
        char wrapped[sizeof refusal->reason + 1];
        va_list ap;
        size_t used;

        if (!refusal)
                return;
        va_start(ap, format);
        vsnprintf(wrapped, sizeof wrapped / 2, format, ap);
        va_end(ap);
        used = strlen(wrapped);
        for (const char *part[] = { weir_refusal_name(refusal->klass), ": ", refusal->reason },
                        **p = part;
             p < part + 3; p++)
                for (const char *c = *p; *c && used < sizeof refusal->reason - 1; c++)
                        wrapped[used++] = *c;
        wrapped[used] = '\0';
        memcpy(refusal->reason, wrapped, used + 1);
        refusal->klass = klass;
}

const char *weir_quote(struct weir_quote *room, const char *bytes, size_t size)
{
        static const char hex[] = "0123456789abcdef";
        const size_t last = sizeof room->text - 5; /* room for ..." and NUL */
        size_t used = 0, i;

        room->text[used++] = '"';
        for (i = 0; i < size; i++) {
                unsigned char byte = (unsigned char)bytes[i];
                bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';

                if (used + (plain ? 1 : 4) > last)
                        break;
                if (plain) {
                        room->text[used++] = (char)byte;
                } else {
                        room->text[used++] = '\\';
                        room->text[used++] = 'x';
                        room->text[used++] = hex[byte >> 4];
                        room->text[used++] = hex[byte & 15];
                }
        }
        if (i < size) {
                memcpy(room->text + used, "...", 3);
                used += 3;
        }
        room->text[used++] = '"';
        room->text[used] = '\0';
        return room->text;
}

void weir_limits_fill(const struct weir_limits *limits, struct weir_limits *ret)
{
        static const struct weir_limits defaults = {
                .value_bytes = 64u << 20,
                .json_bytes = 1u << 20,
                .depth = 256,
                .nodes = 40000,
                .attribute_bytes = 64u << 10,
                .attributes = 4096,
                .headers = 4096,
                .batch_events = 10000,
        };
        static const struct weir_limits none;

        if (!limits)
                limits = &none;
#define FILL(m) ret->m = limits->m ? limits->m : defaults.m
        FILL(value_bytes);
        FILL(json_bytes);
        FILL(depth);
        FILL(nodes);
        FILL(attribute_bytes);
        FILL(attributes);
        FILL(headers);
        FILL(batch_events);
#undef FILL
}

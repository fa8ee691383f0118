/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_CURSOR_H
#define WEIR_EVENT_CURSOR_H
/*
 * cursor - walk JSON text that weir_json_scan() found good, as slices, without a tree
 *
 * Only for checked text: nothing here looks for errors again.
 */
#include "event/decode.h"

struct weir_json_scan {
        size_t at;      /* where the text stops being JSON, or goes over a limit */
        bool lone;      /* an escape is half of a surrogate pair: JSON, but not Unicode ... */
        size_t lone_at; /* ... and where the first one stands */
        const char *tree_fault; /* good JSON that a cJSON tree would not hold whole; NULL = none */
        size_t tree_at;
};

/* Strict grammar, UTF-8 and limits. Nodes are counted anew for every value at nesting
 * @unit_depth: 0 = for the whole text, 1 = for each element of a batch. 0, or 1 refused. */
int weir_json_scan(struct weir_view text, const struct weir_limits *limits, uint32_t unit_depth,
                   struct weir_json_scan *ret, struct weir_refusal *ret_refusal);

struct weir_cursor {
        const char *next, *end;
};

/* @text without white space around it; its first character tells the kind: { [ " t f n - 0..9 */
struct weir_view weir_json_trim(struct weir_view text);
/* @container is an object or an array, trimmed. */
void weir_cursor_open(struct weir_cursor *cursor, struct weir_view container);
/* The next member; @ret_name is the raw text between the quotes. false = no more. */
bool weir_cursor_member(struct weir_cursor *cursor, struct weir_view *ret_name,
                        struct weir_view *ret_value);
bool weir_cursor_element(struct weir_cursor *cursor, struct weir_view *ret_value);

/* Between the quotes of @string (a trimmed string value). */
struct weir_view weir_json_inside(struct weir_view string);
/* Undo the escapes of @raw; @out has room for raw.size bytes. SIZE_MAX = half a surrogate pair, at
 * *ret_at of @raw. Stops when @stop bytes are out: then *ret_at = where that is in @raw. */
size_t weir_json_unescape(struct weir_view raw, char *out, size_t stop, size_t *ret_at);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * media - is it a media type, and does it say JSON?
 *
 * Whether data is JSON decides what a handler gets, so the answer must not depend on who asks. SDKs
 * look for "json" anywhere, miss parameters, or compare case; the rule is: parameters stripped, the
 * subtype is json or ends in +json, under any main type, in any case.
 *
 * Latitude    an empty parameter ("a/b;") passes, as RFC 9110 lets it.
 */
#include "event/media.h"

#include <stdint.h>

#include "event/text.h"

static bool token_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool control(char c)
{
        return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static size_t token(struct weir_view type, size_t at)
{
        while (at < type.size && token_char(type.ptr[at]))
                at++;
        return at;
}

static size_t space(struct weir_view type, size_t at)
{
        while (at < type.size && (type.ptr[at] == ' ' || type.ptr[at] == '\t'))
                at++;
        return at;
}

/* ";" [ name "=" ( token / quoted-string ) ]; returns behind it, or SIZE_MAX with *ret_at set. */
static size_t parameter(struct weir_view type, size_t at, size_t *ret_at)
{
        size_t name = space(type, at + 1), next = token(type, name);

        *ret_at = next;
        if (next == name)
                return next == type.size || type.ptr[next] == ';' ? next : SIZE_MAX;
        if (next == type.size || type.ptr[next] != '=')
                return SIZE_MAX;
        at = next + 1;
        *ret_at = at;
        if (at == type.size || type.ptr[at] != '"') {
                next = token(type, at);
                return next == at ? SIZE_MAX : next;
        }
        for (at++; at < type.size; at++) {
                if (type.ptr[at] == '"')
                        return at + 1;
                if (type.ptr[at] == '\\' && ++at == type.size)
                        break;
                if (control(type.ptr[at])) {
                        *ret_at = at;
                        break;
                }
        }
        return SIZE_MAX;
}

bool weir_media_type_valid(struct weir_view type, size_t *ret_at)
{
        size_t at, next;

        if (weir_media_type_is_plain(type))
                return true;
        at = token(type, 0);
        *ret_at = at;
        if (at == 0 || at == type.size || type.ptr[at] != '/')
                return false;
        next = token(type, at + 1);
        *ret_at = next;
        if (next == at + 1)
                return false;
        for (at = next; at < type.size;) {
                next = space(type, at);
                *ret_at = next;
                if (next == type.size || type.ptr[next] != ';')
                        return false;
                at = parameter(type, next, ret_at);
                if (at == SIZE_MAX)
                        return false;
        }
        return true;
}

bool weir_media_type_is_event(struct weir_view type)
{
        return type.ptr && type.size >= WEIR_MEDIA_EVENT_BYTES && (type.ptr[12] | 0x20) == 'c' &&
               weir_text_is(type.ptr, WEIR_MEDIA_EVENT_BYTES, WEIR_MEDIA_EVENT);
}

bool weir_media_type_is_json(struct weir_view type)
{
        size_t slash = 0, end = 0;

        if (weir_media_type_is_plain(type))
                return true;
        while (end < type.size && type.ptr[end] != ';')
                end++;
        while (end > 0 && (type.ptr[end - 1] == ' ' || type.ptr[end - 1] == '\t'))
                end--;
        while (slash < end && type.ptr[slash] != '/')
                slash++;
        if (slash == end)
                return false;
        if (weir_text_is(type.ptr + slash + 1, end - slash - 1, "json"))
                return true;
        return end - slash - 1 >= 5 && weir_text_is(type.ptr + end - 5, 5, "+json");
}

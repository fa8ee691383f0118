/* SPDX-License-Identifier: MIT */
/*
 * fuzz_text - UTF-8, what may be shown, base64, media types, ids of webhooks: small rules, many shortcuts
 *
 * Rules      the fast ways (eight bytes at a time) say what one byte at a time says, below; a base64 text has one form; an
 *            id for a header is visible ASCII, and two ids stay two.
 */
#include "event/base64.h"
#include "event/media.h"
#include "event/text.h"
#include "fuzz.h"
#include "side/signature.h"

/* By the table of RFC 3629, section 4. */
static size_t reference_next(const unsigned char *p, const unsigned char *end)
{
        size_t length = *p < 0x80   ? 1
                        : *p < 0xc2 ? 0
                        : *p < 0xe0 ? 2
                        : *p < 0xf0 ? 3
                        : *p < 0xf5 ? 4
                                    : 0;

        if (length == 0 || (size_t)(end - p) < length)
                return 0;
        for (size_t i = 1; i < length; i++)
                if (p[i] < 0x80 || p[i] > 0xbf)
                        return 0;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
                return 0;
        return length;
}

static void check_utf8(struct weir_view text)
{
        const unsigned char *first = (const unsigned char *)text.ptr, *p = first;
        const unsigned char *end = p + text.size;
        enum weir_text_fault fault = WEIR_TEXT_GOOD, said;
        size_t at = 0, said_at = 0;
        bool plain = true, utf8 = true;
        char put[4], shown[64];

        for (size_t step; p < end; p += step ? step : 1) {
                uint32_t scalar = 0;

                step = reference_next(p, end);
                MUST(weir_utf8_next(p, end, &scalar) == step);
                if (step) {
                        MUST(weir_utf8_put(scalar, put) == step && memcmp(put, p, step) == 0);
                        MUST(scalar <= 0x10ffff && (scalar < 0xd800 || scalar > 0xdfff));
                }
                plain = plain && *p >= 0x20 && *p < 0x7f;
                utf8 = utf8 && step;
                if (fault == WEIR_TEXT_GOOD) {
                        at = (size_t)(p - first);
                        if (!step)
                                fault = WEIR_TEXT_NOT_UTF8;
                        else if (scalar < 0x20 || (scalar >= 0x7f && scalar < 0xa0) ||
                                 (scalar & 0xfffe) == 0xfffe ||
                                 (scalar >= 0xfdd0 && scalar <= 0xfdef))
                                fault = WEIR_TEXT_FORBIDDEN;
                }
        }
        MUST((weir_text_plain(text.ptr, text.size) != 0) == plain);
        said = weir_text_check(text.ptr, text.size, &said_at);
        MUST(said == fault && (fault == WEIR_TEXT_GOOD || said_at == at));
        if (!memchr(text.ptr, '\0', text.size))
                MUST(weir_utf8_is(text.ptr) == utf8);
        for (size_t room = 8; room <= sizeof shown; room += 7) {
                MUST(weir_bytes_show(text.ptr, text.size, shown, room) == shown);
                MUST(strlen(shown) < room && weir_utf8_is(shown));
                for (const char *c = shown; *c; c++)
                        MUST((unsigned char)*c >= 0x20 && *c != 0x7f);
                MUST(!plain || text.size >= room || strcmp(shown, text.ptr) == 0);
        }
}

static void check_run(struct weir_view text)
{
        const char *p = text.ptr, *end = p + text.size;

        while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
                p++;
        MUST(weir_string_run(text.ptr, end) == p);
}

static void check_base64(struct weir_view text)
{
        size_t room = WEIR_BASE64_ENCODED(text.size), size = 0, at = 0;
        char *encoded = malloc(room + 1), *decoded = malloc(text.size + 1);

        MUST(encoded && decoded);
        weir_base64_encode(text.ptr, text.size, encoded);
        MUST(weir_base64_decode(encoded, room, decoded, &size, &at) == 0);
        MUST(size == text.size && memcmp(decoded, text.ptr, size) == 0);
        if (weir_base64_decode(text.ptr, text.size, decoded, &size, &at) == 0) {
                MUST(size <= WEIR_BASE64_DECODED(text.size));
                MUST(WEIR_BASE64_ENCODED(size) == text.size);
                weir_base64_encode(decoded, size, encoded);
                MUST(memcmp(encoded, text.ptr, text.size) == 0);
        } else {
                MUST(at <= text.size);
        }
        free(encoded);
        free(decoded);
}

static void check_media(struct fuzz *fuzz, struct weir_view type)
{
        struct weir_view upper = fuzz_keep(fuzz, type.ptr, type.size);
        size_t at = 0;
        bool valid = weir_media_type_valid(type, &at);

        MUST(valid || at <= type.size);
        for (size_t i = 0; i < upper.size; i++)
                if (upper.ptr[i] >= 'a' && upper.ptr[i] <= 'z')
                        ((char *)(uintptr_t)upper.ptr)[i] = (char)(upper.ptr[i] - 32);
        MUST(weir_media_type_valid(upper, &at) == valid);
        MUST(weir_media_type_is_json(upper) == weir_media_type_is_json(type));
        MUST(weir_media_type_is_event(upper) == weir_media_type_is_event(type));
        if (valid)
                for (size_t i = 0; i < type.size; i++)
                        MUST(type.ptr[i] == '\t' || (unsigned char)type.ptr[i] >= 0x20);
}

static void check_id(struct weir_view id)
{
        char *out = malloc(WEIR_SIGNATURE_ID_BYTES(id.size));
        size_t size, at = 0;

        MUST(out);
        size = weir_signature_id(id, out);
        MUST(size == strlen(out) && size < WEIR_SIGNATURE_ID_BYTES(id.size));
        for (size_t i = 0; i < size; i++) { /* read back: so two ids stay two */
                unsigned byte = (unsigned char)out[i];

                MUST(byte > 0x20 && byte < 0x7f && byte != '.');
                if (byte == '%') {
                        MUST(sscanf(out + i + 1, "%2X", &byte) == 1);
                        i += 2;
                }
                MUST(at < id.size && (unsigned char)id.ptr[at++] == byte);
        }
        MUST(at == id.size);
        free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_view text;
        struct fuzz fuzz;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz);
        check_utf8(text);
        check_run(text);
        check_base64(text);
        check_media(&fuzz, text);
        check_id(text);
        fuzz_end(&fuzz);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * json - the gate in front of everything that reads JSON, cJSON and PostgreSQL included
 *
 * cJSON is not a validator: it takes 01, raw control characters, invalid UTF-8, a NUL behind the
 * document, and a \u0000 that ends the C string early, by which one event could carry another's id.
 * And two readers that disagree on what a text says are a hole by themselves. So the text is checked
 * here, strictly (RFC 8259), before any of them sees a byte.
 *
 * Bounded    no recursion: one bit per open container; depth, values and bytes have limits, because
 *            a tree takes 40 times the text and its readers recurse.
 * Trees      hold strings as C strings and (cJSON 1.7.15) numbers of up to 62 characters. Text that says
 *            more than a tree can hold is refused for the tree; the event keeps it as raw data.
 * Latitude   half a surrogate pair (\ud800) is within the grammar but cannot become UTF-8. The scan
 *            only reports it: an attribute with it is a bad value, data with it is refused.
 */
#include "event/json.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <weir/error.h>

#include "event/cursor.h"
#include "event/refusal.h"
#include "event/text.h"

#define TREE_NUMBER_CHARS 62
#define DEPTH_MAX 1000 /* cJSON's own limit */

struct scan {
        const char *start, *p, *end;
        struct weir_json_scan *out;
        struct weir_refusal *refusal;
};

static int refuse(struct scan *s, int klass, const char *at, const char *what)
{
        s->out->at = (size_t)(at - s->start);
        return weir_refusal_fill(s->refusal, klass, s->out->at, "%s", what);
}

static int unexpected(struct scan *s, const char *wanted)
{
        struct weir_quote quote;

        s->out->at = (size_t)(s->p - s->start);
        if (s->p == s->end)
                return weir_refusal_fill(s->refusal, WEIR_REFUSED_BAD_JSON, s->out->at,
                                         "the text ends where %s should be", wanted);
        return weir_refusal_fill(s->refusal, WEIR_REFUSED_BAD_JSON, s->out->at,
                                 "%s where %s should be", weir_quote(&quote, s->p, 1), wanted);
}

static void skip_space(struct scan *s)
{
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
                s->p++;
}

static int hex4(const char *p, const char *end, uint32_t *ret)
{
        uint32_t value = 0;

        if (end - p < 4)
                return 1;
        for (int i = 0; i < 4; i++) {
                char c = p[i];

                value <<= 4;
                if (c >= '0' && c <= '9')
                        value |= (uint32_t)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        value |= (uint32_t)((c | 0x20) - 'a' + 10);
                else
                        return 1;
        }
        *ret = value;
        return 0;
}

/* s->p is at a backslash inside a string. */
static int scan_escape(struct scan *s)
{
        const char *at = s->p;
        uint32_t unit, low;

        if (s->end - s->p < 2 || !strchr("\"\\/bfnrtu", s->p[1]) || s->p[1] == '\0')
                return refuse(s, WEIR_REFUSED_BAD_JSON, at, "no such escape in JSON");
        s->p += 2;
        if (s->p[-1] != 'u')
                return 0;
        if (hex4(s->p, s->end, &unit))
                return refuse(s, WEIR_REFUSED_BAD_JSON, at, "\\u needs four hexadecimal digits");
        s->p += 4;
        if (unit == 0 && !s->out->tree_fault) {
                s->out->tree_fault = "a string with \\u0000 cannot be held in a tree";
                s->out->tree_at = (size_t)(at - s->start);
        }
        if (unit < 0xd800 || unit > 0xdfff)
                return 0;
        if (unit <= 0xdbff && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' &&
            hex4(s->p + 2, s->end, &low) == 0 && low >= 0xdc00 && low <= 0xdfff) {
                s->p += 6;
                return 0;
        }
        if (!s->out->lone) {
                s->out->lone = true;
                s->out->lone_at = (size_t)(at - s->start);
        }
        return 0;
}

/* s->p is at the opening quote. */
static int scan_string(struct scan *s)
{
        for (s->p++; (s->p = weir_string_run(s->p, s->end)) < s->end;) {
                unsigned char c = (unsigned char)*s->p;

                if (c == '"') {
                        s->p++;
                        return 0;
                }
                if (c == '\\') {
                        int r = scan_escape(s);

                        if (r)
                                return r;
                } else if (c < 0x20) {
                        return refuse(s, WEIR_REFUSED_BAD_JSON, s->p,
                                      "raw control character in a string");
                } else {
                        uint32_t scalar;
                        size_t length = weir_utf8_next((const unsigned char *)s->p,
                                                       (const unsigned char *)s->end, &scalar);

                        if (length == 0)
                                return refuse(s, WEIR_REFUSED_BAD_UTF8, s->p, "not UTF-8");
                        s->p += length;
                }
        }
        return unexpected(s, "the end of a string");
}

static size_t scan_digits(struct scan *s)
{
        const char *first = s->p;

        while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
                s->p++;
        return (size_t)(s->p - first);
}

static int scan_number(struct scan *s)
{
        const char *first = s->p;

        if (*s->p == '-')
                s->p++;
        if (s->p < s->end && *s->p == '0')
                s->p++;
        else if (scan_digits(s) == 0)
                return unexpected(s, "a digit");
        if (s->p < s->end && *s->p == '.') {
                s->p++;
                if (scan_digits(s) == 0)
                        return unexpected(s, "a digit");
        }
        if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
                s->p++;
                if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
                        s->p++;
                if (scan_digits(s) == 0)
                        return unexpected(s, "a digit");
        }
        if (s->p - first > TREE_NUMBER_CHARS && !s->out->tree_fault) {
                s->out->tree_fault = "a number of more than 62 characters cannot be held in a tree";
                s->out->tree_at = (size_t)(first - s->start);
        }
        return 0;
}

static int scan_literal(struct scan *s, const char *word)
{
        size_t size = strlen(word);

        if ((size_t)(s->end - s->p) < size || memcmp(s->p, word, size) != 0)
                return unexpected(s, "a value");
        s->p += size;
        return 0;
}

static int scan_name(struct scan *s)
{
        int r;

        if (s->p == s->end || *s->p != '"')
                return unexpected(s, "a member name in quotes");
        r = scan_string(s);
        if (r)
                return r;
        skip_space(s);
        if (s->p == s->end || *s->p != ':')
                return unexpected(s, "a colon");
        s->p++;
        return 0;
}

static int scan_scalar(struct scan *s)
{
        switch (*s->p) {
        case '"': return scan_string(s);
        case 't': return scan_literal(s, "true");
        case 'f': return scan_literal(s, "false");
        case 'n': return scan_literal(s, "null");
        default:
                if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
                        return scan_number(s);
                return unexpected(s, "a value");
        }
}

static int scan_text(struct scan *s, uint32_t depth_limit, uint32_t node_limit, uint32_t unit_depth)
{
        uint64_t is_object[DEPTH_MAX / 64 + 1] = { 0 };
        uint32_t depth = 0, nodes = 0;
        int r;

        for (;;) { /* once per value; s->p is where it should start */
                skip_space(s);
                if (s->p == s->end)
                        return unexpected(s, "a value");
                if (depth == unit_depth)
                        nodes = 0;
                if (++nodes > node_limit)
                        return refuse(s, WEIR_REFUSED_OVER_LIMIT, s->p, "too many JSON values");
                if (*s->p == '{' || *s->p == '[') {
                        bool object = *s->p == '{';

                        if (depth == depth_limit)
                                return refuse(s, WEIR_REFUSED_OVER_LIMIT, s->p,
                                              "JSON nested too deeply");
                        if (object)
                                is_object[depth / 64] |= (uint64_t)1 << depth % 64;
                        else
                                is_object[depth / 64] &= ~((uint64_t)1 << depth % 64);
                        depth++;
                        s->p++;
                        skip_space(s);
                        if (s->p == s->end || *s->p != (object ? '}' : ']')) {
                                r = object ? scan_name(s) : 0;
                                if (r)
                                        return r;
                                continue;
                        }
                        s->p++;
                        depth--;
                } else {
                        r = scan_scalar(s);
                        if (r)
                                return r;
                }
                for (;;) { /* behind a value: close what closes here */
                        bool object;

                        skip_space(s);
                        if (depth == 0)
                                return s->p == s->end ? 0 : unexpected(s, "the end of the text");
                        object = is_object[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
                        if (s->p < s->end && *s->p == ',') {
                                s->p++;
                                skip_space(s);
                                r = object ? scan_name(s) : 0;
                                if (r)
                                        return r;
                                break;
                        }
                        if (s->p == s->end || *s->p != (object ? '}' : ']'))
                                return unexpected(s, object ? "a comma or }" : "a comma or ]");
                        s->p++;
                        depth--;
                }
        }
}

int weir_json_scan(struct weir_view text, const struct weir_limits *limits, uint32_t unit_depth,
                   struct weir_json_scan *ret, struct weir_refusal *ret_refusal)
{
        struct weir_limits filled;
        struct scan s = { text.ptr, text.ptr, text.ptr, ret, ret_refusal };

        *ret = (struct weir_json_scan){ 0 };
        weir_limits_fill(limits, &filled);
        if (!text.ptr || text.size == 0)
                return weir_refusal_fill(ret_refusal, WEIR_REFUSED_BAD_JSON, 0, "no text at all");
        if (text.size > filled.json_bytes)
                return weir_refusal_fill(ret_refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "JSON text of %zu bytes, the limit is %u", text.size,
                                         filled.json_bytes);
        s.end = text.ptr + text.size;
        return scan_text(&s, filled.depth < DEPTH_MAX ? filled.depth : DEPTH_MAX, filled.nodes,
                         unit_depth);
}

static int check(struct weir_view text, const struct weir_limits *limits,
                 struct weir_json_scan *ret, struct weir_refusal *ret_refusal)
{
        int r = weir_json_scan(text, limits, 0, ret, ret_refusal);

        if (r)
                return r;
        if (ret->lone)
                return weir_refusal_fill(ret_refusal, WEIR_REFUSED_BAD_UTF8, ret->lone_at,
                                         "half a surrogate pair");
        return 0;
}

int weir_json_check(struct weir_view text, const struct weir_limits *limits,
                    struct weir_refusal *ret_refusal)
{
        struct weir_json_scan scan;

        return check(text, limits, &scan, ret_refusal);
}

int weir_json_parse(struct weir_view text, const struct weir_limits *limits, struct cJSON **ret,
                    struct weir_refusal *ret_refusal)
{
        const char *stop = NULL;
        struct weir_json_scan scan;
        cJSON *tree;
        int r = check(text, limits, &scan, ret_refusal);

        if (r)
                return r;
        if (scan.tree_fault)
                return weir_refusal_fill(ret_refusal, WEIR_REFUSED_OVER_LIMIT, scan.tree_at, "%s",
                                         scan.tree_fault);
        tree = cJSON_ParseWithLengthOpts(text.ptr, text.size, &stop, 0);
        if (tree) {
                *ret = tree;
                return 0;
        }
        /* JSON, within every limit of cJSON's own: what is left is memory. */
        return WEIR_ENOMEM;
}

void weir_json_free(struct cJSON *tree)
{
        cJSON_Delete(tree);
}

const char *weir_json_library_version(void)
{
        return cJSON_Version();
}

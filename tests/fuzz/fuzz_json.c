/* SPDX-License-Identifier: MIT */
/*
 * fuzz_json - the strict check against cJSON, in both directions, and the walk over slices against cJSON's tree
 *
 * Rules      what the check takes, cJSON takes to its last byte, unless a tree cannot hold it; what cJSON makes of any
 *            text and prints again, the check takes. Member by member, element by element, string by string and number
 *            by number the cursor finds what stands in the tree. A prefix of good text is not good (but of a number).
 * Against PostgreSQL's jsonb: tests/unit/test_jsonb.c, which has a server.
 */
#include <cjson/cJSON.h>
#include <math.h>

#include "event/cursor.h"
#include "event/json.h"
#include "event/text.h"
#include "fuzz.h"

static void compare_string(const char *tree, struct weir_view slice)
{
        struct weir_view raw = weir_json_inside(slice);
        char *out = malloc(raw.size + 1);
        size_t at, size;

        MUST(out && slice.ptr[0] == '"');
        size = weir_json_unescape(raw, out, SIZE_MAX, &at);
        MUST(size != SIZE_MAX && at == raw.size);
        MUST(size == strlen(tree) && memcmp(tree, out, size) == 0);
        free(out);
}

static void compare(const cJSON *tree, struct weir_view slice)
{
        struct weir_cursor cursor;
        struct weir_view name, value;
        const cJSON *child = tree->child;

        MUST(slice.size);
        switch (slice.ptr[0]) {
        case '{':
                MUST(cJSON_IsObject(tree));
                for (weir_cursor_open(&cursor, slice); weir_cursor_member(&cursor, &name, &value);
                     child = child->next) {
                        MUST(child);
                        compare_string(child->string,
                                       (struct weir_view){ name.ptr - 1, name.size + 2 });
                        compare(child, value);
                }
                MUST(!child);
                break;
        case '[':
                MUST(cJSON_IsArray(tree));
                for (weir_cursor_open(&cursor, slice); weir_cursor_element(&cursor, &value);
                     child = child->next) {
                        MUST(child);
                        compare(child, value);
                }
                MUST(!child);
                break;
        case '"':
                MUST(cJSON_IsString(tree));
                compare_string(tree->valuestring, slice);
                break;
        case 't': MUST(cJSON_IsTrue(tree) && slice.size == 4); break;
        case 'f': MUST(cJSON_IsFalse(tree) && slice.size == 5); break;
        case 'n': MUST(cJSON_IsNull(tree) && slice.size == 4); break;
        default: {
                char number[80];

                MUST(cJSON_IsNumber(tree) && slice.size < sizeof number);
                memcpy(number, slice.ptr, slice.size);
                number[slice.size] = '\0';
                MUST(strtod(number, NULL) == tree->valuedouble);
        }
        }
}

/* What cJSON prints is JSON, as far as its strings are UTF-8: no false alarm. */
static void check_printed(const char *text, size_t size)
{
        cJSON *tree = cJSON_ParseWithLength(text, size);
        char *printed = tree ? cJSON_PrintUnformatted(tree) : NULL;
        struct weir_refusal refusal = { 0 };

        if (printed && weir_utf8_is(printed)) {
                int r = weir_json_check((struct weir_view){ printed, strlen(printed) }, NULL,
                                        &refusal);

                MUST(r == 0 || refusal.klass == WEIR_REFUSED_OVER_LIMIT);
        }
        cJSON_free(printed);
        cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_refusal refusal = { 0 };
        struct weir_json_scan scan;
        struct weir_view text;
        struct fuzz fuzz;
        cJSON *tree = NULL;
        int r;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz);
        r = weir_json_check(text, NULL, &refusal);
        MUST(r == 0 || r == 1);
        if (r == 1)
                MUST(refusal.at <= size && refusal.reason[0]);
        if (r == 0) {
                r = weir_json_parse(text, NULL, &tree, &refusal);
                MUST(r == 0 || (r == 1 && refusal.klass == WEIR_REFUSED_OVER_LIMIT));
                if (r == 0)
                        compare(tree, weir_json_trim(text));
                weir_json_free(tree);
                if (text.size &&
                    strchr("]}\"", weir_json_trim(text).ptr[weir_json_trim(text).size - 1])) {
                        struct weir_view trimmed = weir_json_trim(text), cut;

                        cut = fuzz_keep(&fuzz, trimmed.ptr, trimmed.size - 1);
                        MUST(weir_json_scan(cut, NULL, 0, &scan, &refusal) == 1);
                        MUST(refusal.klass == WEIR_REFUSED_BAD_JSON);
                }
        }
        check_printed(text.ptr, text.size);
        fuzz_end(&fuzz);
        return 0;
}

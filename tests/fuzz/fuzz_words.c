/* SPDX-License-Identifier: MIT */
/*
 * fuzz_words - what people write on a command line and in a file: numbers, durations, sizes, places, ids
 *
 * Rules      what is read lies in its bounds and means what plain arithmetic says; what is written reads back to the
 *            same; a distance is one, symmetric, and zero for equal words only.
 */
#include "cmd.h"
#include "conf/value.h"
#include "flow/transfer.h"
#include "fuzz.h"
#include "store/deadletter_filter.h"

/* Digits at the start; -1 = none, or too many for 18. */
static int64_t leading(const char *text, const char **ret_rest)
{
        size_t digits = strspn(text, "0123456789");

        *ret_rest = text + digits;
        while (digits > 1 && *text == '0') {
                text++;
                digits--;
        }
        return digits && digits <= 18 ? strtoll(text, NULL, 10) : -1;
}

static void check_units(const char *text)
{
        int64_t us = -1, bytes = -1, again = -1, number;
        const char *unit;
        char written[32];

        number = leading(text, &unit);
        if (weir_duration_read(text, &us)) {
                MUST(us >= 0 && us <= 10000 * INT64_C(86400000000) && number >= 0);
                MUST(!strcmp(unit, "us")    ? us == number
                     : !strcmp(unit, "ms")  ? us == number * 1000
                     : !strcmp(unit, "s")   ? us == number * 1000000
                     : !strcmp(unit, "min") ? us == number * 60000000
                     : !strcmp(unit, "h")   ? us == number * 3600000000
                                            : !strcmp(unit, "d") && us == number * 86400000000);
                weir_duration_write(written, us);
                MUST(weir_duration_read(written, &again) && again == us);
        }
        if (weir_size_read(text, &bytes)) {
                MUST(bytes >= 0 && number >= 0 && bytes >= number && bytes <= INT64_MAX / 16);
                weir_size_write(written, bytes);
                MUST(weir_size_read(written, &again) && again == bytes);
        }
}

static void check_numbers(const char *text)
{
        const char *rest;
        int64_t number = -7, wanted = leading(text, &rest);
        bool digits = *text && !*rest;

        if (cmd_read_number(text, 0, 999999999999999999, &number))
                MUST(digits && number == wanted);
        else
                MUST(!digits || wanted < 0);
        if (cmd_read_number(text, 5, 70, &number))
                MUST(number >= 5 && number <= 70);
}

static void check_places(const char *text)
{
        struct weir_deadletter_filter filter;
        struct weir_deadletter_where where;
        struct weir_where place;

        if (weir_where_read(text, &place)) {
                MUST(place.value >= 0 && place.kind <= WEIR_WHERE_AGO);
                MUST(place.kind != WEIR_WHERE_OFFSET || strspn(text, "0123456789") == strlen(text));
        }
        weir_deadletter_filter_init(&filter);
        if (!weir_deadletter_filter_ids(&filter, text)) {
                MUST(filter.id_count > 0 && filter.id_count <= WEIR_DEADLETTER_RANGES_MAX);
                for (size_t i = 0; i < filter.id_count; i++)
                        MUST(filter.ids[i].first >= 1 && filter.ids[i].last >= filter.ids[i].first);
        }
        weir_deadletter_filter_init(&filter);
        filter.reason = text; /* F1: words of people are parameters */
        filter.topic = text;
        weir_deadletter_where_make(&filter, &where);
        MUST(strlen(where.sql) < sizeof where.sql - 1);
        MUST(strlen(text) < 80 || !strstr(where.sql, text));
}

static void check_distance(const char *a, const char *b)
{
        size_t distance = weir_text_distance(a, b);

        MUST(distance == weir_text_distance(b, a));
        if (strlen(a) <= 64 && strlen(b) <= 64)
                MUST((distance == 0) == (strcmp(a, b) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz fuzz;
        const char *first, *second;

        fuzz_begin(&fuzz, data, size);
        first = fuzz_line(&fuzz).ptr;
        second = fuzz_rest(&fuzz).ptr;
        check_units(first);
        check_numbers(first);
        check_places(first);
        check_distance(first, second);
        fuzz_end(&fuzz);
        return 0;
}

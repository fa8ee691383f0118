/* SPDX-License-Identifier: MIT */
/*
 * fuzz_time - RFC 3339, a start time and an HTTP-date, each against timegm() and a grammar written again
 *
 * Rules      the same texts are times to weir and to the grammar below, and the same instants. workers.start takes no more
 *            than the format does, and means the same. A Retry-After that names a date counts from Date, to the second.
 */
#include <time.h>

#include "conf/value.h"
#include "event/timestamp.h"
#include "fuzz.h"
#include "side/webhook.h"

/* "dddd-dd-ddTdd:dd:dd" by pattern: d a digit. */
static bool fits(const char *text, const char *pattern)
{
        for (; *pattern; text++, pattern++)
                if (*pattern == 'd'   ? *text < '0' || *text > '9'
                    : *pattern == 'T' ? *text != 'T' && *text != 't'
                                      : *text != *pattern)
                        return false;
        return true;
}

static int number(const char *text, int digits)
{
        int value = 0;

        for (; digits > 0; digits--)
                value = value * 10 + (*text++ - '0');
        return value;
}

/* The parts as they stand; false = no day of the calendar has them. */
static bool instant(const struct tm *wanted, time_t *ret)
{
        struct tm tm = *wanted;

        *ret = timegm(&tm);
        return tm.tm_year == wanted->tm_year && tm.tm_mon == wanted->tm_mon &&
               tm.tm_mday == wanted->tm_mday && tm.tm_hour == wanted->tm_hour &&
               tm.tm_min == wanted->tm_min;
}

static bool last_of_month(time_t minute)
{
        struct tm next;

        minute += 60;
        gmtime_r(&minute, &next);
        return next.tm_mday == 1 && next.tm_hour == 0 && next.tm_min == 0;
}

/* The reference: 0 and microseconds, or 1. @text holds a NUL at its end only. */
static int reference(const char *text, int64_t *ret_us)
{
        struct tm tm = { 0 };
        int64_t fraction = 0, weight = 100000;
        int second, offset = 0;
        time_t at;
        const char *p = text + 19;

        if (strlen(text) < 20 || !fits(text, "dddd-dd-ddTdd:dd:dd"))
                return 1;
        tm.tm_year = number(text, 4) - 1900;
        tm.tm_mon = number(text + 5, 2) - 1;
        tm.tm_mday = number(text + 8, 2);
        tm.tm_hour = number(text + 11, 2);
        tm.tm_min = number(text + 14, 2);
        second = number(text + 17, 2);
        if (second > 60 || !instant(&tm, &at))
                return 1;
        if (*p == '.') {
                if (*++p < '0' || *p > '9')
                        return 1;
                for (; *p >= '0' && *p <= '9'; p++, weight /= 10)
                        fraction += (*p - '0') * weight;
        }
        if (fits(p, "+dd:dd") || fits(p, "-dd:dd")) {
                if (number(p + 1, 2) > 23 || number(p + 4, 2) > 59)
                        return 1;
                offset = (*p == '-' ? -60 : 60) * (number(p + 1, 2) * 60 + number(p + 4, 2));
                p += 6;
        } else if (*p == 'Z' || *p == 'z') {
                p++;
        } else {
                return 1;
        }
        if (*p || (second == 60 && !last_of_month(at - offset)))
                return 1;
        *ret_us = ((int64_t)at - offset + second) * 1000000 + (second == 60 ? 0 : fraction);
        return 0;
}

static void check_rfc3339(struct weir_view text)
{
        int64_t us = 0, wanted_us = 0, ms = 0;
        size_t at = SIZE_MAX;
        int r = weir_timestamp_parse(text.ptr, text.size, &us, &at);

        MUST(r == 0 || (r == 1 && at <= text.size));
        if (!memchr(text.ptr, '\0', text.size)) {
                MUST(r == reference(text.ptr, &wanted_us));
                MUST(r == 1 || us == wanted_us);
        } else {
                MUST(r == 1);
        }
        if (weir_start_time_read(text.ptr, &ms) && !memchr(text.ptr, '\0', text.size))
                MUST(r == 0 && ms == us / 1000 && ms >= 0);
        else if (r == 0 &&
                 text.ptr[17] != '6') /* earlier than 1970, by its day or by its instant */
                MUST(us < 0 || strncmp(text.ptr, "1970", 4) < 0);
}

static void check_http_date(const char *text)
{
        static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        const int64_t now_s = 1800000000;
        int64_t wait_s = weir_webhook_retry_after_s(text, NULL, now_s), wanted;
        struct tm tm = { 0 };
        time_t at;
        const char *month = strlen(text) == 29 ? memmem(names, 36, text + 8, 3) : NULL;

        MUST(wait_s >= -1 && wait_s <= WEIR_WEBHOOK_WAIT_MAX_S);
        MUST(weir_webhook_retry_after_s(text, text, now_s) <= WEIR_WEBHOOK_WAIT_MAX_S);
        if (!month || (month - names) % 3 || !fits(text + 4, ", dd ") ||
            !fits(text + 11, " dddd dd:dd:dd GMT"))
                return;
        tm.tm_mday = number(text + 5, 2);
        tm.tm_mon = (int)(month - names) / 3;
        tm.tm_year = number(text + 12, 4) - 1900;
        tm.tm_hour = number(text + 17, 2);
        tm.tm_min = number(text + 20, 2);
        if (!instant(&tm, &at) || number(text + 23, 2) > 59 || tm.tm_year < 70 || wait_s < 0)
                return;
        wanted = (int64_t)at + number(text + 23, 2) - now_s;
        wanted = wanted < 0 ? 0 : wanted;
        MUST(wait_s == (wanted < WEIR_WEBHOOK_WAIT_MAX_S ? wanted : WEIR_WEBHOOK_WAIT_MAX_S));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz fuzz;
        struct weir_view text;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz);
        check_rfc3339(text);
        check_http_date(text.ptr);
        fuzz_end(&fuzz);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * timestamp - a strict reader of RFC 3339, because the lenient ones disagree with each other
 *
 * SDKs accept dates without zones, ISO weeks, commas, "GMT"; each picks another instant. Here it is
 * the grammar or nothing, with what RFC 3339 itself allows: t and z in lower case, a fraction of any
 * length, -00:00, and second 60 where a leap second can be: 23:59:60 UTC on the last day of a month.
 *
 * Not chosen    strptime and timegm: locale, no fraction, and they repair February 30th.
 */
#include "event/timestamp.h"

#include <stdbool.h>

/* Two digits, or -1. */
static inline int pair(const char *p)
{
        unsigned tens = (unsigned)(unsigned char)p[0] - '0',
                 ones = (unsigned)(unsigned char)p[1] - '0';

        return tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
}

static int days_in_month(int year, int month)
{
        static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01, proleptic Gregorian; the year is taken to start in March. */
static int64_t days_of(int year, int month, int day)
{
        int y = year - (month <= 2);
        int era = (y >= 0 ? y : y - 399) / 400;
        int year_of_era = y - era * 400;
        int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

        return (int64_t)era * 146097 + day_of_era - 719468;
}

/* Is the minute that starts at @minute_start_s (since 1970, UTC) the last one of a month? */
static bool ends_a_month(int64_t minute_start_s)
{
        int64_t days, era, day_of_era, year_of_era, day_of_year, month;

        if ((minute_start_s + 60) % 86400 != 0)
                return false;
        days = (minute_start_s + 60) / 86400 + 719468; /* days_of() backwards */
        era = (days >= 0 ? days : days - 146096) / 146097;
        day_of_era = days - era * 146097;
        year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
                      365;
        day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        month = (5 * day_of_year + 2) / 153;
        return day_of_year == (153 * month + 2) / 5;
}

#define STOP(position)                                                                             \
        do {                                                                                       \
                if (ret_at)                                                                        \
                        *ret_at = (position);                                                      \
                return 1;                                                                          \
        } while (0)

int weir_timestamp_parse(const char *text, size_t size, int64_t *ret_us, size_t *ret_at)
{
        int century, year, month, day, hour, minute, second, offset_s = 0;
        int64_t seconds, fraction_us = 0;
        size_t at = 19;

        if (size < 20)
                STOP(size);
        century = pair(text);
        year = pair(text + 2);
        if (century < 0 || year < 0 || text[4] != '-')
                STOP(0);
        year += century * 100;
        month = pair(text + 5);
        if (month < 1 || month > 12 || text[7] != '-')
                STOP(5);
        day = pair(text + 8);
        if (day < 1 || (day > 28 && day > days_in_month(year, month)))
                STOP(8);
        if (text[10] != 'T' && text[10] != 't')
                STOP(10);
        hour = pair(text + 11);
        if (hour < 0 || hour > 23 || text[13] != ':')
                STOP(11);
        minute = pair(text + 14);
        if (minute < 0 || minute > 59 || text[16] != ':')
                STOP(14);
        second = pair(text + 17);
        if (second < 0 || second > 60)
                STOP(17);
        if (text[at] == '.') {
                int64_t weight = 100000;
                size_t first = ++at;

                for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
                        fraction_us += (text[at] - '0') * weight;
                        weight /= 10;
                }
                if (at == first || at == size)
                        STOP(at);
        }
        if (text[at] == 'Z' || text[at] == 'z') {
                at++;
        } else if ((text[at] == '+' || text[at] == '-') && size - at >= 6 && text[at + 3] == ':') {
                int hours = pair(text + at + 1), minutes = pair(text + at + 4);

                if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
                        STOP(at);
                offset_s = (text[at] == '-' ? -60 : 60) * (hours * 60 + minutes);
                at += 6;
        } else {
                STOP(at);
        }
        if (at != size)
                STOP(at);
        seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 - offset_s;
        if (second == 60) {
                if (!ends_a_month(seconds))
                        STOP(17);
                fraction_us = 0;
        }
        *ret_us = (seconds + second) * 1000000 + fraction_us;
        return 0;
}

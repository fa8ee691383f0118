/* SPDX-License-Identifier: MIT */
/*
 * answer - what a status, Retry-After and the answer to OPTIONS mean: pure, so that vectors can ask
 *
 * Who is at fault decides. REFUSED says that this event would be refused again, and condemns it; so a
 * status is read that way only where it can be about the event. 401 and 403 are about the sender's
 * token: reading them as "refused" would empty the outbox into dead letters while a token is renewed,
 * so they wait. 404, 405 and 3xx stand between; the specification calls them permanent, and so do we.
 *
 * Retry-After is foreign and a number: no sign, no fraction, no overflow; a date in one of the three
 * forms of RFC 9110 5.6.7, against the receiver's own Date, because its clock need not be ours. What
 * cannot be read is as if it were not there.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "side/webhook.h"

enum weir_webhook_action weir_webhook_action_of(int status)
{
        switch (status) {
        case 401:
        case 403:
        case 408:
        case 425:
        case 429: return WEIR_WEBHOOK_RETRY;
        case 410: return WEIR_WEBHOOK_RETIRED;
        default: break;
        }
        if (status >= 200 && status <= 299)
                return WEIR_WEBHOOK_DELIVERED;
        if (status >= 300 && status <= 499)
                return WEIR_WEBHOOK_REFUSED;
        return WEIR_WEBHOOK_RETRY; /* none, 1xx at the end, 5xx, and what is no status (RFC 9110 15) */
}

bool weir_webhook_blames_event(int status)
{
        return status == 500 || status == 501 || (status >= 505 && status <= 510);
}

static struct weir_view trim(const char *text)
{
        struct weir_view view = { text, text ? strlen(text) : 0 };

        while (view.size && (view.ptr[0] == ' ' || view.ptr[0] == '\t')) {
                view.ptr++;
                view.size--;
        }
        while (view.size && (view.ptr[view.size - 1] == ' ' || view.ptr[view.size - 1] == '\t'))
                view.size--;
        return view;
}

/* 1*DIGIT up to 18 of them; -1 = it is not that. */
static int64_t number(struct weir_view text)
{
        int64_t value = 0;

        if (text.size == 0 || text.size > 18)
                return -1;
        for (size_t i = 0; i < text.size; i++) {
                if (text.ptr[i] < '0' || text.ptr[i] > '9')
                        return -1;
                value = value * 10 + (text.ptr[i] - '0');
        }
        return value;
}

/* ---- HTTP-date ---------------------------------------------------------------------------------- */

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int month, int day)
{
        int64_t era, of_era, of_year;

        year -= month <= 2; /* years begin in March, so that the odd day is the last */
        era = (year >= 0 ? year : year - 399) / 400;
        of_era = year - era * 400;
        of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_of(const char *name)
{
        static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        for (int month = 1; month <= 12; month++)
                if (strncmp(names + 3 * (month - 1), name, 3) == 0)
                        return month;
        return 0;
}

/* Does @text have the form of @pattern? d digit, D digit or space, a letter, else itself. */
static bool formed(const char *text, const char *pattern)
{
        for (; *pattern; text++, pattern++) {
                bool digit = *text >= '0' && *text <= '9';
                bool letter = (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');

                if (*pattern == 'd'   ? !digit
                    : *pattern == 'D' ? !digit && *text != ' '
                    : *pattern == 'a' ? !letter
                                      : *text != *pattern)
                        return false;
        }
        return *text == '\0';
}

static int two(const char *text)
{
        return (text[0] == ' ' ? 0 : (text[0] - '0') * 10) + text[1] - '0';
}

/* Seconds since 1970, or -1. @near_s decides the century of a year of two digits. */
static int64_t date_of(struct weir_view text, int64_t near_s)
{
        char copy[40];
        const char *day, *month, *clock;
        int64_t year;

        if (text.size == 0 || text.size >= sizeof copy)
                return -1;
        memcpy(copy, text.ptr, text.size);
        copy[text.size] = '\0';
        if (formed(copy, "aaa, dd aaa dddd dd:dd:dd GMT")) { /* IMF-fixdate */
                day = copy + 5;
                month = copy + 8;
                year = two(copy + 12) * 100 + two(copy + 14);
                clock = copy + 17;
        } else if (formed(copy, "aaa aaa Dd dd:dd:dd dddd")) { /* asctime() */
                day = copy + 8;
                month = copy + 4;
                year = two(copy + 20) * 100 + two(copy + 22);
                clock = copy + 11;
        } else { /* RFC 850: "Sunday, 06-Nov-94 08:49:37 GMT" */
                const char *comma = strchr(copy, ',');
                int64_t near_year = 1970 + near_s / 31556952;

                if (!comma || comma - copy < 6 || comma - copy > 9 ||
                    !formed(comma, ", dd-aaa-dd dd:dd:dd GMT"))
                        return -1;
                day = comma + 2;
                month = comma + 5;
                year = near_year - near_year % 100 + two(comma + 9);
                year -= year > near_year + 50 ? 100 : 0;
                clock = comma + 12;
        }
        if (!month_of(month) || two(day) < 1 || two(day) > 31 || two(clock) > 23 ||
            two(clock + 3) > 59 || two(clock + 6) > 60 || year < 1970)
                return -1;
        return days_of(year, month_of(month), two(day)) * 86400 + two(clock) * 3600 +
               two(clock + 3) * 60 + two(clock + 6);
}

int64_t weir_webhook_retry_after_s(const char *retry_after, const char *date, int64_t now_s)
{
        struct weir_view text = trim(retry_after);
        int64_t seconds = number(text), at, from;

        if (seconds < 0) {
                at = date_of(text, now_s);
                if (at < 0)
                        return -1;
                from = date_of(trim(date), now_s);
                seconds = at - (from < 0 ? now_s : from);
        }
        if (seconds < 0)
                return 0;
        return seconds > WEIR_WEBHOOK_WAIT_MAX_S ? WEIR_WEBHOOK_WAIT_MAX_S : seconds;
}

/* ---- OPTIONS ------------------------------------------------------------------------------------ */

struct weir_webhook_grant weir_webhook_grant_of(const char *origin, const char *allowed_origin,
                                                const char *allowed_rate)
{
        struct weir_webhook_grant grant = { false, 0 };
        struct weir_view allowed = trim(allowed_origin), rate = trim(allowed_rate);

        grant.granted = (allowed.size == 1 && allowed.ptr[0] == '*') ||
                        (allowed.size && allowed.size == strlen(origin) &&
                         memcmp(allowed.ptr, origin, allowed.size) == 0);
        if (!grant.granted)
                return grant;
        if (rate.size == 1 && rate.ptr[0] == '*')
                grant.rate_per_minute = -1;
        else if (number(rate) > 0)
                grant.rate_per_minute = number(rate);
        return grant;
}

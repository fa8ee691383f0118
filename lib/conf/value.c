/* SPDX-License-Identifier: MIT */
/*
 * value - a number without its unit is how a 5 s deadline becomes 5 ms
 *
 * So durations always carry a unit; sizes may be plain bytes, because there is only one thing they
 * can mean. MB and M are refused: half of the world reads them as 1000, the other half as 1024.
 *
 * A value may be a password in the wrong place. No check here repeats the text in its answer.
 */
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct unit {
        const char *name;
        int64_t factor;
};

static const struct unit durations[] = { /* the largest first, so that writing finds the shortest */
                                         { "d", 86400000000LL }, { "h", 3600000000LL },
                                         { "min", 60000000LL },  { "s", 1000000LL },
                                         { "ms", 1000LL },       { "us", 1LL }
};
static const struct unit sizes[] = { { "GiB", 1LL << 30 },
                                     { "MiB", 1LL << 20 },
                                     { "KiB", 1LL << 10 },
                                     { "B", 1LL },
                                     { "", 1LL } };

static bool read_units(const char *text, const struct unit *units, size_t count, int64_t max,
                       int64_t *ret)
{
        int64_t number = 0;
        const char *p = text;

        for (; *p >= '0' && *p <= '9'; p++) {
                if (number > max / 10)
                        return false;
                number = number * 10 + (*p - '0');
        }
        if (p == text)
                return false;
        for (size_t i = 0; i < count; i++) {
                if (strcmp(p, units[i].name) != 0)
                        continue;
                if (number > max / units[i].factor)
                        return false;
                *ret = number * units[i].factor;
                return true;
        }
        return false;
}

bool weir_duration_read(const char *text, int64_t *ret_us)
{
        return read_units(text, durations, WEIR_COUNT_OF(durations), 10000 * 86400000000LL, ret_us);
}

bool weir_size_read(const char *text, int64_t *ret_bytes)
{
        return read_units(text, sizes, WEIR_COUNT_OF(sizes), INT64_MAX / 16, ret_bytes);
}

static void write_units(char ret[32], int64_t value, const struct unit *units, size_t count,
                        const char *zero)
{
        if (value == 0) {
                snprintf(ret, 32, "%s", zero);
                return;
        }
        for (size_t i = 0; i < count; i++) {
                if (value % units[i].factor != 0)
                        continue;
                snprintf(ret, 32, "%lld%s", (long long)(value / units[i].factor), units[i].name);
                return;
        }
}

void weir_duration_write(char ret[32], int64_t us)
{
        write_units(ret, us, durations, WEIR_COUNT_OF(durations), "0ms");
}

void weir_size_write(char ret[32], int64_t bytes)
{
        write_units(ret, bytes, sizes, WEIR_COUNT_OF(sizes), "0B");
}

/* Exactly @count digits, then @stop (0 = anything). */
static bool read_digits(const char **p, int count, char stop, int *ret)
{
        *ret = 0;
        for (; count > 0; count--, (*p)++) {
                if (**p < '0' || **p > '9')
                        return false;
                *ret = *ret * 10 + (**p - '0');
        }
        if (!stop)
                return true;
        if (**p != stop)
                return false;
        (*p)++;
        return true;
}

static int64_t days_since_1970(int year, int month, int day)
{
        static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
        int64_t y = year - 1;
        int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162 + before[month - 1] + day - 1;

        if (month > 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
                days++;
        return days;
}

static int days_of_month(int year, int month)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        return month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0)
                       ? 29
                       : days[month - 1];
}

bool weir_start_time_read(const char *text, int64_t *ret_ms)
{
        int year, month, day, hour, minute, second, off_hour = 0, off_minute = 0, sign = 1;
        int64_t ms = 0;
        const char *p = text;

        if (!read_digits(&p, 4, '-', &year) || !read_digits(&p, 2, '-', &month) ||
            !read_digits(&p, 2, 0, &day))
                return false;
        if (*p != 'T' && *p != 't')
                return false;
        p++;
        if (!read_digits(&p, 2, ':', &hour) || !read_digits(&p, 2, ':', &minute) ||
            !read_digits(&p, 2, 0, &second))
                return false;
        if (*p == '.') {
                const char *begin = ++p;

                for (int weight = 100; *p >= '0' && *p <= '9'; p++, weight /= 10)
                        ms += (*p - '0') * weight;
                if (p == begin)
                        return false;
        }
        if (*p == 'Z' || *p == 'z') {
                p++;
        } else if (*p == '+' || *p == '-') {
                sign = *p++ == '-' ? -1 : 1;
                if (!read_digits(&p, 2, ':', &off_hour) || !read_digits(&p, 2, 0, &off_minute))
                        return false;
        } else {
                return false;
        }
        if (*p || year < 1970 || month < 1 || month > 12 || day < 1 ||
            day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 59 ||
            off_hour > 23 || off_minute > 59)
                return false;
        ms += ((days_since_1970(year, month, day) * 24 + hour - sign * off_hour) * 60 + minute -
               sign * off_minute) *
                      60000 +
              second * 1000;
        if (ms < 0)
                return false;
        *ret_ms = ms;
        return true;
}

/* ---- checks ------------------------------------------------------------------------- */

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const char *weir_check_plain(const char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        return "holds a control character";
        return NULL;
}

const char *weir_check_name(const char *text)
{
        if (!*text || !strchr(lower, *text))
                return "does not begin with a small letter";
        if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")])
                return "holds something else than small letters, digits and _";
        return strlen(text) > 63 ? "is longer than 63 characters" : NULL;
}

const char *weir_check_topic(const char *text)
{
        if (!*text)
                return "is empty";
        if (*text == '^')
                return "is a pattern; topics are named one by one";
        if (text[strspn(text, ALNUM "._-")])
                return "holds something else than letters, digits, dot, _ and -";
        if (!strcmp(text, ".") || !strcmp(text, ".."))
                return "is not a name that Kafka allows";
        return strlen(text) > 249 ? "is longer than 249 characters" : NULL;
}

const char *weir_check_group(const char *text)
{
        if (!*text)
                return "is empty";
        return strlen(text) > 255 ? "is longer than 255 bytes" : weir_check_plain(text);
}

/* One address of a list: "host", "host:port", "[::1]:9092", "SSL://host:port". */
static const char *check_broker(const char *begin, const char *end)
{
        const char *scheme = memmem(begin, (size_t)(end - begin), "://", 3);
        const char *colon, *bracket;
        long port = 0;

        if (scheme)
                begin = scheme + 3;
        if (begin == end)
                return "holds an empty address";
        bracket = memrchr(begin, ']', (size_t)(end - begin));
        colon = memrchr(begin, ':', (size_t)(end - begin));
        if (!colon || (bracket && colon < bracket))
                return NULL; /* librdkafka adds :9092 */
        if (colon == begin)
                return "holds an address without a host";
        if (colon + 1 == end || end - colon > 6)
                return "holds a port that is not 1..65535";
        for (const char *p = colon + 1; p < end; p++) {
                if (*p < '0' || *p > '9')
                        return "holds a port that is not 1..65535";
                port = port * 10 + (*p - '0');
        }
        return port < 1 || port > 65535 ? "holds a port that is not 1..65535" : NULL;
}

const char *weir_check_brokers(const char *text)
{
        const char *wrong = weir_check_plain(text);

        if (!wrong && strchr(text, '@'))
                wrong = "holds an @; a user goes into kafka.properties, a password into "
                        "kafka.secrets";
        for (const char *p = text; !wrong; p++) {
                const char *end = strchrnul(p, ','), *last = end;

                while (*p == ' ')
                        p++;
                while (last > p && last[-1] == ' ')
                        last--;
                if (last > p && memchr(p, ' ', (size_t)(last - p)))
                        return "holds a blank inside an address";
                wrong = check_broker(p, last);
                p = end;
                if (!*p)
                        break;
        }
        return wrong;
}

const char *weir_check_env(const char *text)
{
        if (!*text || (*text >= '0' && *text <= '9') || text[strspn(text, ALNUM "_")])
                return "is not the name of an environment variable";
        return NULL;
}

static bool is_hex(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- sinks ---------------------------------------------------------------------------- */

static const char *check_host(const char *begin, const char *end)
{
        const char *p = begin + strspn(begin, ALNUM "-._");
        const char *wrong = check_broker(begin, end);

        if (wrong)
                return wrong;
        if (*begin == '[') {
                p = begin + 1 + strspn(begin + 1, "0123456789abcdefABCDEF:.");
                if (*p != ']' || p == begin + 1)
                        return "holds something else than an IPv6 address in [ ]";
                p++;
        }
        return p != end && *p != ':' ? "holds a host with something else than letters, digits, dot "
                                       "and -"
                                     : NULL;
}

const char *weir_check_sink_url(const char *text)
{
        const char *rest = !strncmp(text, "https://", 8)  ? text + 8
                           : !strncmp(text, "http://", 7) ? text + 7
                                                          : NULL;
        const char *end;

        if (!rest)
                return "is neither https://… nor http://…";
        if (strchr(text, '#'))
                return "holds a fragment (#…), which is never sent";
        if (strlen(text) > 2048)
                return "is longer than 2048 characters";
        if (text[strspn(text, ALNUM "-._~:/?[]@!$&'()*+,;=%")])
                return "holds a character that must be written as %XX";
        for (const char *p = strchr(text, '%'); p; p = strchr(p + 1, '%'))
                if (!is_hex(p[1]) || !is_hex(p[2]))
                        return "holds a % without two hexadecimal digits";
        end = rest + strcspn(rest, "/?");
        if (memchr(rest, '@', (size_t)(end - rest)))
                return "holds a user or password before an @; a token goes into sinks.token_file";
        if (*end && strchr(end, '?') && strcasestr(strchr(end, '?'), "access_token="))
                return "holds a token, which would show up in backups and reviews; put it into "
                       "sinks.token_file or sinks.token_env";
        return check_host(rest, end);
}

const char *weir_check_origin(const char *text)
{
        if (text[strspn(text, ALNUM "-.")])
                return "is not a DNS name: something else than letters, digits, dot and -";
        return strlen(text) > 253 ? "is longer than 253 characters" : NULL;
}

/* ---- nearness ----------------------------------------------------------------------- */

#define DISTANCE_MAX 64

size_t weir_text_distance(const char *a, const char *b)
{
        size_t rows[3][DISTANCE_MAX + 1];
        size_t n = strlen(a), m = strlen(b);
        size_t *before = rows[0], *above = rows[1], *row = rows[2];

        if (n > DISTANCE_MAX || m > DISTANCE_MAX)
                return DISTANCE_MAX;
        for (size_t j = 0; j <= m; j++)
                above[j] = before[j] = j;
        for (size_t i = 1; i <= n; i++) {
                size_t *spare = before;

                row[0] = i;
                for (size_t j = 1; j <= m; j++) {
                        size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

                        if (above[j] + 1 < best)
                                best = above[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                            before[j - 2] + 1 < best)
                                best = before[j - 2] + 1;
                        row[j] = best;
                }
                before = above;
                above = row;
                row = spare;
        }
        return above[m];
}

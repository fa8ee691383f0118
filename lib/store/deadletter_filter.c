/* SPDX-License-Identifier: MIT */
/*
 * deadletter_filter - the one WHERE behind list, stats, requeue and drop
 *
 * What is listed with some words must be what is dropped with the same words, so all of them are made here.
 *
 * Always true   F1  words of people are parameters; numbers and words of weir's own lists are text of the statement.
 *               F2  a state is text of the statement: as a parameter it would hide the partial indexes on
 *                   'kept' and 'requeue' from a generic plan.
 * Times         a time ago is counted from now() of the database, once and by the caller: failed_at is the
 *               database's clock too, and in a later chunk "2h ago" would be another moment.
 * Not chosen    "$n IS NULL OR ...": one statement for all, and no index for any of them.
 */
#include "store/deadletter_filter.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "event/timestamp.h"

#define DAY_US INT64_C(86400000000)

static bool among(const char *word, const char *const *words, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(word, words[i]) == 0)
                        return true;
        return false;
}

bool weir_deadletter_is_state(const char *word)
{
        static const char *const states[] = { "kept",      "requeue", "applied",
                                              "duplicate", "sent",    "dropped" };

        return among(word, states, WEIR_COUNT_OF(states));
}

bool weir_deadletter_is_class(const char *word)
{
        static const char *const classes[] = { "decode", "reject", "attempts", "deliver" };

        return among(word, classes, WEIR_COUNT_OF(classes));
}

void weir_deadletter_filter_init(struct weir_deadletter_filter *filter)
{
        *filter = (struct weir_deadletter_filter){ .partition = -1,
                                                   .since_us = WEIR_TIME_NONE,
                                                   .until_us = WEIR_TIME_NONE };
}

/* ---- from words ----------------------------------------------------------------------------- */

/* Digits only. NULL = it is no id. */
static const char *read_id(const char *text, int64_t *ret)
{
        char *end;

        if (*text < '0' || *text > '9')
                return NULL;
        errno = 0;
        *ret = strtoll(text, &end, 10);
        return errno || *ret < 1 ? NULL : end;
}

static const char *read_range(const char *p, struct weir_deadletter_range *ret)
{
        p = read_id(p, &ret->first);
        if (!p || *p != '-') {
                ret->last = ret->first;
                return p;
        }
        p++;
        if (*p && *p != ',')
                return read_id(p, &ret->last);
        ret->last = INT64_MAX;
        return p;
}

const char *weir_deadletter_filter_ids(struct weir_deadletter_filter *filter, const char *text)
{
        const char *p = text;

        for (;;) {
                struct weir_deadletter_range range;

                p = read_range(p, &range);
                if (!p || (*p && *p != ','))
                        return "write ids as 17, 17,20-25 or 40-";
                if (range.last < range.first)
                        return "a range goes from the lower id to the higher one";
                if (filter->id_count == WEIR_DEADLETTER_RANGES_MAX)
                        return "at most 64 ids and ranges";
                filter->ids[filter->id_count++] = range;
                if (!*p)
                        return NULL;
                p++;
        }
}

bool weir_deadletter_when_read(const char *text, int64_t *ret_us, bool *ret_ago)
{
        size_t size = strlen(text), digits = strspn(text, "0123456789");
        char midnight[32];

        *ret_ago = false;
        if (weir_timestamp_parse(text, size, ret_us, NULL) == 0)
                return true;
        if (size == strlen("2026-01-31")) {
                snprintf(midnight, sizeof midnight, "%sT00:00:00Z", text);
                if (weir_timestamp_parse(midnight, strlen(midnight), ret_us, NULL) == 0)
                        return true;
        }
        *ret_ago = true;
        if (digits > 0 && digits < 6 && strcmp(text + digits, "d") == 0) {
                *ret_us = strtoll(text, NULL, 10) * DAY_US;
                return true;
        }
        return weir_duration_read(text, ret_us);
}

/* ---- into SQL ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(struct weir_deadletter_where *where,
                                                      const char *format, ...)
{
        size_t used = strlen(where->sql), room = sizeof where->sql - used;
        va_list ap;
        int size;

        va_start(ap, format);
        size = vsnprintf(where->sql + used, room, format, ap);
        va_end(ap);
        assert(size >= 0 &&
               (size_t)size < room); /* 64 ranges of 60 characters, and a line for each word */
        (void)size;
}

int weir_deadletter_where_add(struct weir_deadletter_where *where, struct weir_value value)
{
        assert(where->count < WEIR_COUNT_OF(where->values));
        where->values[where->count] = value;
        return (int)++where->count;
}

static void add_ids(const struct weir_deadletter_filter *filter,
                    struct weir_deadletter_where *where)
{
        for (size_t i = 0; i < filter->id_count; i++)
                add(where, "%s d.id BETWEEN %" PRId64 " AND %" PRId64, i ? " OR" : " AND (",
                    filter->ids[i].first, filter->ids[i].last);
        if (filter->id_count)
                add(where, ")");
}

static void add_word(struct weir_deadletter_where *where, const char *column, const char *word)
{
        if (word)
                add(where, " AND d.%s = $%d", column,
                    weir_deadletter_where_add(where, weir_text_z(word)));
}

static void add_time(struct weir_deadletter_where *where, const char *how, int64_t us)
{
        if (us != WEIR_TIME_NONE)
                add(where, " AND d.failed_at %s $%d", how,
                    weir_deadletter_where_add(where, weir_timestamp_us(us)));
}

void weir_deadletter_where_make(const struct weir_deadletter_filter *filter,
                                struct weir_deadletter_where *ret)
{
        ret->sql[0] = '\0';
        ret->count = 0;
        add(ret, " WHERE true");
        if (filter->state) {
                assert(weir_deadletter_is_state(filter->state)); /* F1 */
                add(ret, " AND d.state = '%s'", filter->state);
        }
        if (filter->above_id)
                add(ret, " AND d.id > %" PRId64, filter->above_id);
        if (filter->upto_id)
                add(ret, " AND d.id <= %" PRId64, filter->upto_id);
        add_ids(filter, ret);
        add_word(ret, "worker", filter->worker);
        add_word(ret, "topic", filter->topic);
        add_word(ret, "class", filter->klass);
        if (filter->partition >= 0)
                add(ret, " AND d.partition = %d", filter->partition);
        if (filter->rounds_below)
                add(ret, " AND d.round < %d", filter->rounds_below);
        add_time(ret, ">=", filter->since_us);
        add_time(ret, "<", filter->until_us);
        if (filter->reason)
                add(ret, " AND strpos(lower(d.reason || ' ' || d.text), lower($%d)) > 0",
                    weir_deadletter_where_add(ret, weir_text_z(filter->reason)));
}

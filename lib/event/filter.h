/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_FILTER_H
#define WEIR_EVENT_FILTER_H
/*
 * filter - which events are meant, by what their producers said of them
 *
 * Thread   any; it is not changed after it is made.
 * Match    byte for byte, as CloudEvents compares attributes. Each list that is not empty must hold the event's value; an
 *          event without a subject matches no list of subjects.
 */
#include <stdbool.h>
#include <stddef.h>
#include <weir/event.h>

struct weir_filter_list {
        const char *const *values;
        size_t count; /* 0 = all match */
};

struct weir_filter {
        struct weir_filter_list types, sources, subjects, ids;
};

bool weir_filter_empty(const struct weir_filter *filter);
bool weir_filter_match(const struct weir_filter *filter, const struct weir_event *event);

#endif

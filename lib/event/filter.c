/* SPDX-License-Identifier: MIT */
/*
 * filter - lists are short (an operator typed them), so they are walked
 */
#include "event/filter.h"

#include <string.h>

bool weir_filter_empty(const struct weir_filter *filter)
{
        return !filter || (!filter->types.count && !filter->sources.count &&
                           !filter->subjects.count && !filter->ids.count);
}

static bool holds(const struct weir_filter_list *list, const struct weir_view *value)
{
        for (size_t i = 0; i < list->count; i++)
                if (value->ptr && strlen(list->values[i]) == value->size &&
                    memcmp(list->values[i], value->ptr, value->size) == 0)
                        return true;
        return list->count == 0;
}

bool weir_filter_match(const struct weir_filter *filter, const struct weir_event *event)
{
        return !filter ||
               (holds(&filter->types, &event->type) && holds(&filter->sources, &event->source) &&
                holds(&filter->subjects, &event->subject) && holds(&filter->ids, &event->id));
}

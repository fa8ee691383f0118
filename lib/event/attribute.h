/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_ATTRIBUTE_H
#define WEIR_EVENT_ATTRIBUTE_H
/*
 * attribute - the rules of context attributes, the same for every mode and both directions
 *
 * A draft is an event that attributes are put into one by one. weir_draft_put() checks name, value
 * and repetition; weir_draft_finish() checks what must be there.
 */
#include "event/decode.h"

enum weir_core {
        WEIR_CORE_SPECVERSION,
        WEIR_CORE_ID,
        WEIR_CORE_SOURCE,
        WEIR_CORE_TYPE,
        WEIR_CORE_SUBJECT,
        WEIR_CORE_TIME,
        WEIR_CORE_DATACONTENTTYPE,
        WEIR_CORE_DATASCHEMA,
        WEIR_CORE_COUNT,
        WEIR_CORE_NONE = WEIR_CORE_COUNT /* an extension */
};

struct weir_draft {
        struct weir_arena *arena;
        const struct weir_limits *limits; /* filled */
        struct weir_event *event;
        struct weir_refusal *refusal;
        struct weir_attribute *extensions;
        size_t extension_room; /* grows by doubling when not known before */
        uint32_t *index;       /* extensions by name, once there are many */
        size_t index_room;
        uint32_t null_cores; /* bit per core attribute that was null */
        size_t null_extensions;
        bool repeat_equal; /* Kafka: the same attribute with the same value twice is one; set after init */
};

const char *weir_core_name(int core);
int weir_core_of(const char *name, size_t size); /* WEIR_CORE_NONE = not a core attribute */
const struct weir_view *weir_core_view(const struct weir_event *event, int core);

void weir_draft_init(struct weir_draft *draft, struct weir_event *event);

/* Returns 0, 1 = refused (`at` counts in @value, or in @name for a bad name), WEIR_ENOMEM. Views are
 * kept, not copied. */
int weir_draft_put(struct weir_draft *draft, struct weir_view name, struct weir_view value,
                   int type);
int weir_draft_put_core(struct weir_draft *draft, int core, struct weir_view value);
/* A JSON null: unset, but its name counts as used. */
int weir_draft_put_null(struct weir_draft *draft, struct weir_view name);
/* Is @name one that an extension may have? 0, or 1 refused. */
int weir_draft_check_name(struct weir_draft *draft, struct weir_view name);
/* Required ones there? Hands the extensions to the event. 0, or 1 refused at @at. */
int weir_draft_finish(struct weir_draft *draft, size_t at);

/* A canonical Integer: -2147483648 ... 2147483647, no sign +, no leading zero. */
bool weir_integer_valid(struct weir_view text);

#endif

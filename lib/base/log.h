/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H
/*
 * log - one line per fact on standard error: time level event=… key=value …
 *
 * The event name is an API; ids are fields, never prose. Values are quoted where they need it and
 * escaped always. Any thread. A line is one write(2), so lines of several threads never mix.
 */
#include <stdbool.h>
#include <stdint.h>
#include <weir/host.h> /* enum weir_log_level */

enum weir_log_form { WEIR_LOG_TEXT = 0, WEIR_LOG_JSON = 1 };

void weir_log_setup(int level, int form); /* main thread, before others start */
bool weir_log_wants(int level);

/* Pairs of key and value after @event, closed by WEIR_LOG_END. The macros below make the pairs:
 *   weir_log(WEIR_LOG_WARN, "lane.waits", LOG_S("topic", t), LOG_I("partition", p)); */
struct weir_log_field {
        const char *key;
        const char *text; /* NULL: use @number */
        int64_t number;
};
#define LOG_S(k, v) ((struct weir_log_field){ .key = (k), .text = (v) ? (v) : "-" })
#define LOG_I(k, v) ((struct weir_log_field){ .key = (k), .number = (int64_t)(v) })

#define weir_log(level, event, ...)                                                                \
        do {                                                                                       \
                if (weir_log_wants(level)) {                                                       \
                        const struct weir_log_field weir_fields_[] = { __VA_ARGS__ };              \
                        weir_log_write((level), (event), weir_fields_,                             \
                                       sizeof weir_fields_ / sizeof weir_fields_[0]);              \
                }                                                                                  \
        } while (0)

void weir_log_write(int level, const char *event, const struct weir_log_field *fields,
                    size_t count);

#endif

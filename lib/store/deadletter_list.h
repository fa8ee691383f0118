/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DEADLETTER_LIST_H
#define WEIR_STORE_DEADLETTER_LIST_H
/* deadletter_list - dead letters to look at: rows, sums, one whole. Reads only. */
#include "store/deadletter_filter.h"
#include "store/kept.h"

#define WEIR_DEADLETTER_TIME(column)                                                               \
        "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* What is told of a letter besides the record itself: name, number?, SQL. */
#define WEIR_DEADLETTER_COLUMNS(X)                                                                 \
        X(ID, "id", true, "d.id")                                                                  \
        X(STATE, "state", false, "d.state")                                                        \
        X(WORKER, "worker", false, "d.worker")                                                     \
        X(TOPIC, "topic", false, "d.topic")                                                        \
        X(PARTITION, "partition", true, "d.partition")                                             \
        X(OFFSET, "offset", true, "d.\"offset\"")                                                  \
        X(ITEM, "item", true, "d.item")                                                            \
        X(CLASS, "class", false, "d.class")                                                        \
        X(REASON, "reason", false, "d.reason")                                                     \
        X(TEXT, "text", false, "d.text")                                                           \
        X(AT_BYTE, "at_byte", true, "d.at_byte")                                                   \
        X(ATTEMPTS, "attempts", true, "d.attempts")                                                \
        X(ROUND, "round", true, "d.round")                                                         \
        X(PLUGIN_VERSION, "plugin_version", false, "d.plugin_version")                             \
        X(SOURCE, "source", false, "d.source")                                                     \
        X(EVENT_ID, "event_id", false, "d.event_id")                                               \
        X(DESTINATION, "destination", false, "d.destination")                                      \
        X(MESSAGE_ID, "message_id", false, "d.message_id")                                         \
        X(RECORD_TIME, "record_time", false, WEIR_DEADLETTER_TIME("d.record_time"))                \
        X(FIRST_FAILED_AT, "first_failed_at", false, WEIR_DEADLETTER_TIME("d.first_failed_at"))    \
        X(FAILED_AT, "failed_at", false, WEIR_DEADLETTER_TIME("d.failed_at"))                      \
        X(MARKED_AT, "marked_at", false, WEIR_DEADLETTER_TIME("d.marked_at"))                      \
        X(MARKED_BY, "marked_by", false, "d.marked_by")                                            \
        X(NOTE, "note", false, "d.note")                                                           \
        X(KEY_BYTES, "key_bytes", true, "octet_length(d.key)")                                     \
        X(VALUE_BYTES, "value_bytes", true, "octet_length(d.value)")

enum weir_deadletter_column {
#define WEIR_DEADLETTER_ENUM(tag, name, number, sql) WEIR_LETTER_##tag,
        WEIR_DEADLETTER_COLUMNS(WEIR_DEADLETTER_ENUM)
#undef WEIR_DEADLETTER_ENUM
                WEIR_LETTER_COLUMNS
};

/* The clock that failed_at is of. */
int weir_deadletter_now(struct weir_pg *pg, int64_t *ret_us, struct weir_error *reterr);
/* The highest id that there is; 0 = none. */
int weir_deadletter_last_id(struct weir_pg *pg, int64_t *ret, struct weir_error *reterr);
/* Newest first, enum weir_deadletter_column. */
int weir_deadletter_list(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         size_t limit, struct weir_pg_rows **ret, struct weir_error *reterr);
int weir_deadletter_count(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int64_t *ret, struct weir_error *reterr);
/* Of the @limit oldest (0: of all; what was to be delivered behind the others, where @delivers_last) by worker, class
 * and reason, most first: worker, class, reason, rows, first failure, last failure, lowest round,
 * highest round, an example of the text. */
int weir_deadletter_stats(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int64_t limit, bool delivers_last, struct weir_pg_rows **ret,
                          struct weir_error *reterr);
/* By hour of the last failure, each hour of the last @hours up to the newest, in order: hour, rows. */
int weir_deadletter_hours(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int hours, struct weir_pg_rows **ret, struct weir_error *reterr);
/* One letter: a row of weir_deadletter_list(), and its record in @arena. 0; 1 = there is none. */
int weir_deadletter_show(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                         struct weir_pg_rows **ret, struct weir_kept_record *ret_record,
                         struct weir_error *reterr);
/* Positions that no process holds, of letters that a lane would have to run: worker, topic, partition, rows; most
 * first, at most @limit. */
int weir_deadletter_lonely(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                           size_t limit, struct weir_pg_rows **ret, struct weir_error *reterr);

#endif

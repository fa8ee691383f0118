/* SPDX-License-Identifier: MIT */
/*
 * reason - a reason without a next step is a riddle
 *
 * Who looks at a dead letter at night knows neither SQLSTATEs nor our classes. So each kind has one sentence that
 * says what is to be mended, and where, before it is worth sending it again.
 *
 * Order     the first row whose class is the same and whose reason begins the same counts: the particular stands
 *           before the general, and the general ("") closes each class.
 * Drift     docs/FAILURES.md shows these sentences; `make docs-sync` fails when one of them is missing there.
 * Not chosen    the sentence in the row: a better one would not reach the letters that are there already.
 */
#include "store/reason.h"

#include <string.h>

#include "base/cleanup.h"

#define REASONS(X)                                                                                 \
        X("decode", "not-a-cloudevent", "see who else writes to this topic, and mend that")        \
        X("decode", "unsupported-format", "have the producer send JSON, or set accept_json_batch") \
        X("decode", "over-limit", "have the producer send less, or a reference to the data")       \
        X("decode", "", "mend the producer at the byte that is named; send the event anew")        \
        X("reject", "handler", "mend the event or the plugin by its words, then requeue")          \
        X("reject", "22", "a value does not fit: mend the plugin or its column, then requeue")     \
        X("reject", "23", "a constraint forbids it: mend the data or the rule, then requeue")      \
        X("reject", "54", "too large for PostgreSQL: mend the plugin or its index, then requeue")  \
        X("reject", "P0", "a trigger or procedure raised it: mend that or the data, then requeue") \
        X("reject", "", "mend the statement of the plugin that is named, then requeue")            \
        X("attempts", "", "mend what the plugin waits for, or raise retry.attempts, then requeue") \
        X("deliver", "retired", "weir relay open sink NAME, once the receiver agrees; requeue")    \
        X("deliver", "gave-up", "mend the receiver, which fails at this event; then requeue")      \
        X("deliver", "http-410", "weir relay open sink NAME, once the receiver agrees; requeue")   \
        X("deliver", "http-3", "no redirect is followed: put its target into url, then requeue")   \
        X("deliver", "http-", "mend the event or the receiver by its words, then requeue")         \
        X("deliver", "request", "it is no HTTP request: mend the event by the text")               \
        X("deliver", "kafka-MSG_SIZE", "raise max.message.bytes of the topic, then requeue")       \
        X("deliver", "kafka-UNKNOWN", "create the topic or mend its name, then requeue")           \
        X("deliver", "kafka-_UNKNOWN", "create the topic or mend its name, then requeue")          \
        X("deliver", "kafka-TOPIC_EXCEPTION", "mend the topic's name where it is emitted")         \
        X("deliver", "", "mend the topic or the event by the broker's words, then requeue")        \
        X("", "", "read its text; mend what it names, then requeue")

const char *weir_reason_next(const char *klass, const char *reason)
{
        static const struct {
                const char *klass, *reason, *next;
        } reasons[] = {
#define ROW(klass, reason, next) { klass, reason, next },
                REASONS(ROW)
#undef ROW
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(reasons); i++)
                if ((!reasons[i].klass[0] || strcmp(reasons[i].klass, klass ? klass : "") == 0) &&
                    strncmp(reasons[i].reason, reason ? reason : "", strlen(reasons[i].reason)) ==
                            0)
                        return reasons[i].next;
        return ""; /* never: the last row fits everything */
}

/* SPDX-License-Identifier: MIT */
/*
 * transfer - may this partition go on from there?
 *
 * An offset outside of the log is not a place: weir would halt there, another consumer would be put at one end by its reset
 * policy, silently. So it is refused before anything is written, in both directions, for the partitions that it concerns.
 *
 * Always true   TF1 what is written lies in the log as it was seen: from its start to its end, both included. An operator who
 *                   says so with force, and a log that nobody could see, are the exceptions, of weir_transfer_to() only.
 *               TF2 nothing to move is no reason to move: a group that has committed nothing for a partition leaves it as it
 *                   is, and so does a worker that never began it.
 *               TF3 a move that will be felt says how: what is read again, what is passed unread, what stays behind.
 * Exactness     next_offset and a committed offset mean the same: the first record that was not handled. So nothing is added or
 *               taken away between the two, and out and in again is where one was.
 * Not chosen    moving to the nearest end of the log: that is skipping by a policy, which weir never does.
 */
#include "flow/transfer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/deadletter_filter.h"

/* ---- words ---------------------------------------------------------------------------------- */

static bool read_offset(const char *text, int64_t *ret)
{
        int64_t value = 0;

        for (; *text; text++) {
                if (*text < '0' || *text > '9' || value > (INT64_MAX - 10) / 10)
                        return false;
                value = 10 * value + (*text - '0');
        }
        *ret = value;
        return true;
}

bool weir_where_read(const char *text, struct weir_where *ret)
{
        bool minus = *text == '-', ago;
        int64_t us;

        *ret = (struct weir_where){ .value = 0 };
        if (!strcmp(text, "earliest") || !strcmp(text, "latest")) {
                ret->kind = *text == 'e' ? WEIR_WHERE_EARLIEST : WEIR_WHERE_LATEST;
                return true;
        }
        if (*text && strspn(text, "0123456789") == strlen(text)) {
                ret->kind = WEIR_WHERE_OFFSET;
                return read_offset(text, &ret->value);
        }
        if (!weir_deadletter_when_read(text + minus, &us, &ago) || (minus && !ago))
                return false;
        ret->kind = ago ? WEIR_WHERE_AGO : WEIR_WHERE_TIME;
        ret->value = us < 0 ? 0 : us / 1000 + (us % 1000 > 0);
        return true;
}

/* ---- notes ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(char *note, const char *format, ...)
{
        size_t used = strlen(note);
        va_list ap;

        if (used && used + 2 < WEIR_TRANSFER_NOTE_BYTES) {
                memcpy(note + used, "; ", 3);
                used += 2;
        }
        va_start(ap, format);
        vsnprintf(note + used, WEIR_TRANSFER_NOTE_BYTES - used, format, ap);
        va_end(ap);
}

static const char *plural(int64_t count)
{
        return count == 1 ? "" : "s";
}

/* False: @offset is none of the log's; @what names it in the note. A log that was not seen is any log. */
static bool in_log(const struct weir_transfer *place, const char *what, int64_t offset, char *note)
{
        if (place->start_offset >= 0 && offset < place->start_offset)
                say(note, "%s %" PRId64 " is below the log's start %" PRId64 ": deleted unread",
                    what, offset, place->start_offset);
        else if (place->end_offset >= 0 && offset > place->end_offset)
                say(note,
                    "%s %" PRId64 " is beyond the log's end %" PRId64
                    ": another log, or an open transaction",
                    what, offset, place->end_offset);
        else
                return true;
        return false;
}

static void say_distance(const struct weir_transfer *place, int64_t offset, char *note)
{
        if (place->position < 0)
                say(note, "begins there");
        else if (offset < place->position)
                say(note,
                    "back by %" PRId64 ": read again, events whose claims are kept are not handled "
                    "twice",
                    place->position - offset);
        else if (offset > place->position)
                say(note, "forward by %" PRId64 ": passed unread", offset - place->position);
}

/* ---- verdicts ------------------------------------------------------------------------------- */

enum weir_transfer_verdict weir_transfer_to(const struct weir_transfer *place, int64_t offset,
                                            bool force, char *note)
{
        note[0] = '\0';
        if (!in_log(place, "offset", offset, note) && !force)
                return WEIR_TRANSFER_REFUSE;
        say_distance(place, offset, note);
        if (place->parked && offset < place->position)
                say(note, "%" PRId64 " parked event%s stay parked", place->parked,
                    plural(place->parked));
        return offset == place->position ? WEIR_TRANSFER_SAME : WEIR_TRANSFER_MOVE;
}

enum weir_transfer_verdict weir_transfer_in(const struct weir_transfer *place, int64_t *ret_offset,
                                            char *note)
{
        note[0] = '\0';
        if (place->committed < 0) {
                say(note, "no committed offset%s",
                    place->position < 0 ? ": begins as workers.start says" : "");
                return WEIR_TRANSFER_LEAVE;
        }
        if (!in_log(place, "committed offset", place->committed, note))
                return WEIR_TRANSFER_REFUSE;
        *ret_offset = place->committed;
        return weir_transfer_to(place, place->committed, false, note);
}

enum weir_transfer_verdict weir_transfer_out(const struct weir_transfer *place, int64_t *ret_offset,
                                             char *note)
{
        note[0] = '\0';
        if (place->position < 0) {
                say(note, "no position yet: not carried over");
                return WEIR_TRANSFER_LEAVE;
        }
        if (!in_log(place, "position", place->position, note))
                return WEIR_TRANSFER_REFUSE;
        *ret_offset = place->position;
        if (place->parked)
                say(note, "%" PRId64 " parked event%s not carried over", place->parked,
                    plural(place->parked));
        if (place->letters)
                say(note, "%" PRId64 " dead letter%s not carried over", place->letters,
                    plural(place->letters));
        if (place->tried)
                say(note, "%" PRId64 " event%s with attempts: begun anew there", place->tried,
                    plural(place->tried));
        return place->position == place->committed ? WEIR_TRANSFER_SAME : WEIR_TRANSFER_MOVE;
}

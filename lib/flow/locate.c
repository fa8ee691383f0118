/* SPDX-License-Identifier: MIT */
/*
 * locate - where a partition goes on, decided by us and never by a reset policy
 *
 * A position outside [log start, log end] is either lost data (retention, DeleteRecords), a shortened log
 * (unclean election, restored broker) or another topic of the same name. Going on anywhere would skip or
 * repeat silently: the partition halts with both offsets and the command that resolves it.
 *
 * Where the position fits, fetching starts one record earlier, at the last one handled, if the log still has it: the
 * intake compares it (P3) and drops it.
 */
#include "flow/locate.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/withheld.h"

#define ASK_TIMEOUT_MS 2000
#define WAIT_FIRST_MS 100
#define WAIT_MAX_MS 1000
/* A restarted broker may show its log short for a moment; a verdict needs this many looks. */
#define LOOKS_BEFORE_HALT 3
#define ADOPT_BACK 1000 /* offsets */

static bool rest(const struct weir_locate *locate, int64_t ms)
{
        return !weir_latch_wait(locate->waker, ms) && !locate->stopping(locate->context);
}

int weir_locate_judge(const char *worker, const char *topic, int32_t partition,
                      const struct weir_position *position, const struct weir_log_range *range,
                      struct weir_error *reterr)
{
        if (position->next_offset < range->start_offset)
                return weir_fail(
                        reterr, WEIR_ELOG, 0,
                        "%s/%d: log start %lld is past the position %lld: offsets %lld to %lld were deleted before they were "
                        "handled; to accept the gap: weir position set %s %s/%d %lld --reason retention",
                        topic, partition, (long long)range->start_offset,
                        (long long)position->next_offset, (long long)position->next_offset,
                        (long long)range->start_offset - 1, worker, topic, partition,
                        (long long)range->start_offset);
        if (position->next_offset > range->end_offset)
                return weir_fail(
                        reterr, WEIR_ELOG, 0,
                        "%s/%d: log end %lld is before the position %lld: the log was shortened or the topic recreated; to read "
                        "what there is: weir position set %s %s/%d %lld --reason recreated",
                        topic, partition, (long long)range->end_offset,
                        (long long)position->next_offset, worker, topic, partition,
                        (long long)range->start_offset);
        return 0;
}

static int first_offset(const struct weir_locate *locate, const struct weir_log_range *range,
                        int64_t *ret, struct weir_error *reterr)
{
        switch (locate->worker->start) {
        case WEIR_START_LATEST: *ret = range->end_offset; return 0;
        case WEIR_START_TIME:
                return weir_partition_offset_at(locate->partition, locate->worker->start_time_ms,
                                                ASK_TIMEOUT_MS, ret, reterr);
        default: *ret = range->start_offset; return 0;
        }
}

/* First ever start: make the position. 0, 1 fenced, < 0. */
static int begin(const struct weir_locate *locate, struct weir_position *position,
                 const struct weir_log_range *range, struct weir_error *reterr)
{
        int64_t offset = 0;
        struct weir_pg *pg;
        int r = first_offset(locate, range, &offset, reterr);

        if (r < 0)
                return r;
        r = weir_pool_acquire(locate->pool, locate->abort, &pg, reterr);
        if (r < 0)
                return r;
        r = weir_position_begin(pg, position, offset, reterr);
        weir_pool_release(locate->pool, pg);
        return r;
}

/* The same for a replay, which has other ways out. 1 = fenced. */
static int judge_replay(const struct weir_locate *locate, struct weir_position *position,
                        const struct weir_log_range *range, struct weir_error *reterr)
{
        const struct weir_replay_range *mine = locate->range;
        int64_t to = range->start_offset < mine->until_offset ? range->start_offset
                                                              : mine->until_offset;
        struct weir_pg *pg;
        int r;

        if (position->next_offset >= mine->until_offset)
                return 0;
        if (range->end_offset < mine->until_offset)
                return weir_fail(
                        reterr, WEIR_ELOG, 0,
                        "%s/%d: log end %lld is before the end of the range %lld: the log was shortened or the "
                        "topic recreated; a replay of what there is now must be planned anew",
                        mine->topic, mine->partition, (long long)range->end_offset,
                        (long long)mine->until_offset);
        if (position->next_offset >= range->start_offset)
                return 0;
        if (!locate->replaying->skip_missing)
                return weir_fail(
                        reterr, WEIR_ELOG, 0,
                        "%s/%d: log start %lld is past %lld: offsets %lld to %lld were deleted before they were "
                        "replayed; to go on behind them: weir replay resume %lld --if-missing skip",
                        mine->topic, mine->partition, (long long)range->start_offset,
                        (long long)position->next_offset, (long long)position->next_offset,
                        (long long)to - 1, (long long)locate->replaying->id);
        r = weir_pool_acquire(locate->pool, locate->abort, &pg, reterr);
        if (r < 0)
                return r;
        r = weir_withheld_pass(pg, position, to, reterr);
        weir_pool_release(locate->pool, pg);
        return r;
}

/* Earlier than the position, at the record that shows whose log it is. Where none is known, a little further back:
 * the offset before the position may be a marker or of an aborted transaction, and nothing that is ever seen. */
static int64_t fetch_from(const struct weir_position *position, const struct weir_log_range *range)
{
        int64_t offset = position->last_offset;

        if (offset < 0) {
                offset = position->next_offset - ADOPT_BACK;
                if (offset < range->start_offset)
                        offset = range->start_offset;
        }
        return offset >= range->start_offset && offset < position->next_offset
                       ? offset
                       : position->next_offset;
}

static int look_once(const struct weir_locate *locate, struct weir_position *position,
                     int64_t *ret_fetch, struct weir_error *reterr)
{
        struct weir_log_range range;
        int r = weir_partition_range(locate->partition, ASK_TIMEOUT_MS, &range, reterr);

        if (r < 0)
                return r;
        if (position->next_offset < 0) {
                r = begin(locate, position, &range, reterr);
                *ret_fetch = fetch_from(position, &range);
                return r;
        }
        if (locate->replaying)
                r = judge_replay(locate, position, &range, reterr);
        else
                r = weir_locate_judge(locate->worker->name, weir_partition_topic(locate->partition),
                                      weir_partition_number(locate->partition), position, &range,
                                      reterr);
        *ret_fetch = fetch_from(position, &range);
        return r;
}

int weir_locate_start(const struct weir_locate *locate, struct weir_position *position,
                      struct weir_error *reterr)
{
        int looks = 0;

        for (uint32_t attempt = 1;; attempt++) {
                int64_t fetch_offset = -1;
                int r;

                if (locate->stopping(locate->context))
                        return WEIR_LOCATE_STOPPED;
                r = look_once(locate, position, &fetch_offset, reterr);
                if (r > 0)
                        return WEIR_LOCATE_FENCED;
                if (r == 0) {
                        weir_partition_fetch(locate->partition, fetch_offset);
                        return WEIR_LOCATED;
                }
                if (r == WEIR_ESTOP)
                        return WEIR_LOCATE_STOPPED;
                if (r == WEIR_ELOG && ++looks >= LOOKS_BEFORE_HALT)
                        return WEIR_LOCATE_HALT;
                if (r != WEIR_ELOG && (attempt == 1 || attempt % 30 == 0))
                        weir_log(WEIR_LOG_WARN, "lane.waits", LOG_S("worker", locate->worker->name),
                                 LOG_S("topic", weir_partition_topic(locate->partition)),
                                 LOG_I("partition", weir_partition_number(locate->partition)),
                                 LOG_S("for", "log range"), LOG_S("error", reterr->text),
                                 LOG_I("attempt", attempt), LOG_S("action", "retry"));
                if (!rest(locate, weir_backoff_ms(WAIT_FIRST_MS, WAIT_MAX_MS, attempt)))
                        return WEIR_LOCATE_STOPPED;
        }
}

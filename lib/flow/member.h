/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_MEMBER_H
#define WEIR_FLOW_MEMBER_H
/*
 * member - one configured worker at work: its group membership, its poll thread, its lanes
 *
 * Thread   start, stop, wait, free: main thread.
 */
#include "flow/lane.h"

struct weir_member;

/* @env outlives the member. */
int weir_member_new(const struct weir_conf *conf, const struct weir_lane_env *env,
                    struct weir_member **ret, struct weir_error *reterr);
int weir_member_start(struct weir_member *member, struct weir_error *reterr);
/* From now on lanes work by @env and @conf: each leaves after the batch in hand and another begins where it ended; the
 * group notices nothing. Returns at once; weir_member_reloaded() says when the last lane of before is out. Both outlive
 * the member, as those of before do until then. */
void weir_member_reload(struct weir_member *member, const struct weir_conf *conf,
                        const struct weir_lane_env *env);
bool weir_member_reloaded(struct weir_member *member);
/* Drain and leave the group before @deadline_us (weir_clock_us). Returns at once; a second call with an
 * earlier deadline hurries. */
void weir_member_stop(struct weir_member *member, int64_t deadline_us);
enum weir_member_end {
        WEIR_MEMBER_RUNS = 1,
        WEIR_MEMBER_ENDED = 0,
        WEIR_MEMBER_STUCK =
                2, /* past its deadline: a lane or the client did not end; leave by _exit */
        WEIR_MEMBER_FAILED = -1 /* the client reported a fatal error; @reterr */
};
/* How it stands, waiting up to @timeout_ms for a change. */
int weir_member_wait(struct weir_member *member, int timeout_ms, struct weir_error *reterr);
void weir_member_free(struct weir_member *member); /* after wait returned anything but RUNS */

#endif

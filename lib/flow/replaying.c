/* SPDX-License-Identifier: MIT */
/*
 * replaying - few partitions, asked for rarely: the ranges are walked
 */
#include "flow/replaying.h"

#include <stdio.h>
#include <string.h>

void weir_replaying_space(const char *worker, const char *epoch, char ret[WEIR_SPACE_BYTES])
{
        snprintf(ret, WEIR_SPACE_BYTES, "%s%s%s", worker, epoch ? "@" : "", epoch ? epoch : "");
}

struct weir_replay_range *weir_replaying_range(const struct weir_replaying *replaying,
                                               const char *topic, int32_t partition)
{
        for (size_t i = 0; i < replaying->range_count; i++) {
                struct weir_replay_range *range = &replaying->ranges[i];

                if (range->partition == partition && strcmp(range->topic, topic) == 0)
                        return range;
        }
        return NULL;
}

bool weir_replaying_over(const struct weir_replaying *replaying)
{
        for (size_t i = 0; i < replaying->range_count; i++)
                if (replaying->ranges[i].end == WEIR_REPLAY_RUNS)
                        return false;
        return true;
}

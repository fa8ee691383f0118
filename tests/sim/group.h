/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_GROUP_H
#define WEIR_SIM_GROUP_H
/*
 * group - what group.c (poll thread) and partition.c (lanes) share of a member
 */
#include "kafka.h"

enum sim_membership { SIM_UNJOINED, SIM_MEMBER, SIM_OUT, SIM_LEFT };
enum sim_phase { SIM_IDLE, SIM_WAITING, SIM_FETCHING, SIM_BROKEN };

struct weir_partition {
        int refs, inside;
        int32_t number;
        struct weir_consumer *consumer;
        void *owner;
        bool revoked, lost, gone, woken, doubted;
        bool halted; /* its lane stands still, and says so */
        enum sim_phase phase;
        bool fetch_wanted;
        int64_t fetch_offset;
        int64_t next_offset; /* that is read next */
        int64_t stored, end_offset;
        int held; /* records in hand */
        int made; /* of the log that it reads */
        uint64_t checks_begun, checks_passed;
        bool has_read;
        struct weir_error error;
        struct weir_partition *next_parting;
};

struct weir_consumer {
        struct weir_consumer_conf conf;
        int process;
        bool placed, woken;
        enum sim_membership state;
        int64_t deaf_until_us, commit_at_us, check_at_us;
        uint64_t seen, rebalances; /* generation that it has answered */
        uint32_t outgrown;
        int32_t places[SIM_PARTITIONS_MAX];
        size_t place_count;
        struct weir_partition *held[SIM_PARTITIONS_MAX];
        size_t held_count;
        struct weir_partition *parting;
};

void sim_group_reset(void);
struct weir_partition *sim_partition_new(struct weir_consumer *consumer, int32_t number);
bool sim_partition_carry_out(struct weir_partition *partition);
void sim_partition_check(struct weir_partition *partition);

#endif

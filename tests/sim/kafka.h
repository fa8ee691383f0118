/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_KAFKA_H
#define WEIR_SIM_KAFKA_H
/*
 * kafka - the model of a topic and of a group; in place of lib/kafka/consumer.h
 */
#include "kafka/consumer.h"
#include "plan.h"
#include "sim.h"

/* ---- the log -------------------------------------------------------------------------------- */

struct sim_record {
        int64_t offset, time_ms;
        struct weir_view key, value;
        struct weir_header *headers;
        size_t header_count;
        const struct sim_work *work;
        bool excused; /* the log lost it before it was passed: it may or may not have come into effect */
        bool replay_excused; /* … before a replay passed it */
        bool given_up; /* … and an operator has moved the position over it, or there was none yet */
        bool of_old_log;
};

struct sim_log {
        struct sim_record *records[2 * SIM_RECORDS_MAX]; /* of this log, by offset */
        size_t count;
        int64_t start_offset, end_offset;
        int made;             /* how often it was made anew */
        bool position_is_old; /* of the log before this one, until an operator's word */
        int64_t committed;    /* of the group */
        int64_t passed_most;  /* furthest that any COMMIT has moved its position */
};
extern struct sim_log sim_logs[SIM_PARTITIONS_MAX];

/* All records that there ever were, for the checker. */
extern struct sim_record *sim_all_records[2 * SIM_RECORDS_MAX];
extern int sim_all_partition[2 * SIM_RECORDS_MAX];
extern size_t sim_all_count;

void sim_kafka_reset(void);
void sim_log_produce(const struct sim_work *work);
/* The first record at or after @offset, NULL = none. */
struct sim_record *sim_log_at(const struct sim_log *log, int64_t offset);
void sim_log_retain(int partition); /* its beginning goes */
void sim_log_make_anew(int partition);
void sim_log_give_up(int partition, int64_t from, int64_t until); /* by an operator's word */

/* ---- the group ------------------------------------------------------------------------------ */

void sim_group_rebalance(void);
/* A member is taken for dead although it lives: others get its partitions, it hears of it after @deaf_us. */
void sim_group_expel(int process, int64_t deaf_us);
/* The process is gone; the group hears of it after @in_us. */
void sim_group_died(int process, int64_t in_us);
struct weir_consumer *sim_group_consumer(int process);
/* Whoever has the partition has halted: an operator would read it in the log. */
bool sim_group_has_halted(int partition);

#endif

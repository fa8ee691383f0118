/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_DLQ_H
#define WEIR_CMD_DLQ_H
/* dlq - what the files of `weir dlq` share */
#include <stdio.h>

#include "store/deadletter_list.h"

enum dlq_verb { DLQ_LIST = 1, DLQ_SHOW = 2, DLQ_STATS = 4, DLQ_REQUEUE = 8, DLQ_DROP = 16 };

struct dlq_order {
        enum dlq_verb verb;
        const char *config;
        struct weir_deadletter_filter filter;
        bool since_ago, until_ago; /* filter.since_us is so long ago */
        bool filtered;             /* by more than state and limit */
        bool json, raw, all, yes, dry_run, wait, any_state;
        int64_t id;    /* show */
        int64_t limit; /* 0 = none */
        int64_t rate;  /* a second, 0 = any */
        int32_t max_rounds;
        const char *to, *note;
};

/* dlq_option.c: CMD_DONE, CMD_USAGE, or -1: the help was printed. */
int dlq_parse(int argc, char **argv, struct dlq_order *ret);

/* An exit code, or < 0 with @reterr. */
int dlq_list(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr);
int dlq_stats(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr);
int dlq_show(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr);
int dlq_requeue(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr);
int dlq_drop(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr);

/* dlq_pace.c: how fast, how far, and when to end. */
struct dlq_pace {
        const char *what; /* "requeued" */
        int64_t total, done, rate;
        int64_t begun_us, shown_us;
        int64_t due_us; /* before which the next chunk may not begin */
        bool terminal, shown;
};
void dlq_pace_begin(struct dlq_pace *pace, const char *what, int64_t total, int64_t rate);
/* How many the next chunk may take, at most @most. */
size_t dlq_pace_next(const struct dlq_pace *pace, size_t most);
/* A chunk of @count has ended at @now_us: how long the next one has to wait. With a rate only. */
int64_t dlq_pace_owes_us(struct dlq_pace *pace, int64_t count, int64_t now_us);
/* @count more are done: show it, wait for as long as the rate wants. */
void dlq_pace_step(struct dlq_pace *pace, int64_t count);
/* Take the line away. */
void dlq_pace_end(struct dlq_pace *pace);
/* SIGINT or SIGTERM came. The second one ends the process where it is. */
bool dlq_interrupted(void);
/* false = interrupted. */
bool dlq_rest(int64_t us);

/* dlq_wait.c */
/* Say on standard error which partitions of @filter nobody holds. */
int dlq_warn_lonely(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                    struct weir_error *reterr);
/* Until nothing that @by marked waits for its lane. An exit code, or < 0. */
int dlq_wait_outcome(struct weir_pg *pg, const char *by, int64_t first_id, int64_t last_id,
                     int64_t marked, bool json, struct weir_error *reterr);

/* What to do about a letter of this kind before it is sent round again; NULL: it waits for nobody. */
const char *dlq_next(const char *state, const char *klass, const char *reason);

/* Of the columns of weir_deadletter_list(): JSON's names, and which are numbers. */
extern const char *const dlq_names[WEIR_LETTER_COLUMNS];
extern const bool dlq_numbers[WEIR_LETTER_COLUMNS];
#endif

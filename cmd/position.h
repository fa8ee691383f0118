/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_POSITION_H
#define WEIR_CMD_POSITION_H
/* position - what the files of `weir position` share */
#include "conf/conf.h"
#include "flow/transfer.h"
#include "kafka/cluster.h"
#include "store/position.h"

enum position_verb {
        POSITION_SHOW = 1,
        POSITION_LOG = 2,
        POSITION_SET = 4,
        POSITION_IMPORT = 8,
        POSITION_EXPORT = 16
};

#define POSITION_TOPICS_MAX 64

struct position_order {
        enum position_verb verb;
        const char *config, *worker, *group, *reason;
        struct weir_where where;                 /* set */
        char topic[250];                         /* set; Kafka allows 249 */
        int32_t partition;                       /* set; -1 = all */
        const char *topics[POSITION_TOPICS_MAX]; /* import, export: --topic */
        size_t topic_count;
        int64_t limit; /* log */
        bool json, dry_run, yes, force, partial, no_kafka;
};

/* position_option.c: CMD_DONE, CMD_USAGE, or -1: the help was printed. */
int position_parse(int argc, char **argv, struct position_order *ret);

/* An exit code, or < 0 with @reterr. */
int position_show(struct weir_pg *pg, const struct weir_conf *conf,
                  const struct position_order *order, struct weir_error *reterr);
int position_log(struct weir_pg *pg, const struct position_order *order, struct weir_error *reterr);
int position_set(struct weir_pg *pg, const struct weir_conf *conf,
                 const struct position_order *order, struct weir_error *reterr);
int position_import(struct weir_pg *pg, const struct weir_conf *conf,
                    const struct position_order *order, struct weir_error *reterr);
int position_export(struct weir_pg *pg, const struct weir_conf *conf,
                    const struct position_order *order, struct weir_error *reterr);

/* position_plan.c: what is known of each partition, and what is to become of it. */
struct position_place {
        const char *topic;
        int32_t partition;
        struct weir_transfer known;
        const char *owner; /* NULL: no process holds it */
        int64_t to;        /* where verdict is MOVE or SAME */
        enum weir_transfer_verdict verdict;
        char note[WEIR_TRANSFER_NOTE_BYTES];
};
struct position_plan {
        struct position_place *places;
        size_t count;
        struct weir_pg_rows *rows;
        size_t moves, same, left, refused;
        char obstacle[300]; /* why nothing may be written at all; "" = it may */
};
#define POSITION_ASK_MS 5000
void position_plan_fini(struct position_plan *plan);
int position_cluster(const struct weir_conf *conf, int timeout_ms, struct weir_cluster **ret,
                     struct weir_error *reterr);
/* The worker of the file, or WEIR_EUSAGE with the near name. */
int position_worker(const struct weir_conf *conf, const char *worker,
                    const struct weir_conf_worker **ret, struct weir_error *reterr);
/* A place more. */
int position_plan_add(struct position_plan *plan, const char *topic, int32_t partition,
                      struct weir_error *reterr);
/* All partitions of @topic, which must exist; or the one. */
int position_plan_topic(struct position_plan *plan, struct weir_cluster *cluster, const char *topic,
                        int32_t partition, struct weir_error *reterr);
int position_plan_log(struct position_plan *plan, struct weir_cluster *cluster,
                      struct weir_error *reterr);
/* Where to: the first record at or after @when_ms, the log's end where there is none. After position_plan_log(). */
int position_plan_when(struct position_plan *plan, struct weir_cluster *cluster, int64_t when_ms,
                       struct weir_error *reterr);
int position_plan_committed(struct position_plan *plan, struct weir_cluster *cluster,
                            const char *group, struct weir_error *reterr);
/* Positions and what belongs to them, as they are now; may be called again. */
int position_plan_rows(struct position_plan *plan, struct weir_pg *pg, const char *worker,
                       struct weir_error *reterr);
/* By the verdicts. */
void position_plan_count(struct position_plan *plan);
/* The table, or JSON with @written. @group NULL: none has to do with it. */
int position_plan_print(const struct position_plan *plan, const struct position_order *order,
                        const char *group, bool written, struct weir_error *reterr);
struct cmd_table;
/* A number of which -1 is none: a cell; ,"key":null. */
void position_add_number(struct cmd_table *table, int64_t number);
void position_print_number(const char *key, int64_t number);
/* Move what the plan moves, in one transaction; what the rows held then is in the plan afterwards. */
int position_plan_move(struct position_plan *plan, struct weir_pg *pg, const char *worker, int how,
                       const char *reason, struct weir_error *reterr);

#endif

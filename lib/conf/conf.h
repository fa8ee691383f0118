/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_CONF_H
#define WEIR_CONF_CONF_H
/*
 * conf - the configuration as the rest of the program sees it
 *
 * Made by weir_conf_load() from a libconfig file through one table of keys (key.h), which is also
 * the defaults, the range checks, the reference file and the documentation. Read-only afterwards.
 * Owner    the caller of weir_conf_load(); every pointer lives until weir_conf_free().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "conf/option.h"

/* A librdkafka property, "name=value" in the file, or one whose value is a secret. */
struct weir_conf_property {
        const char *name, *value;
        bool secret; /* value came from a file or the environment: never print it */
};

enum weir_start { WEIR_START_EARLIEST, WEIR_START_LATEST, WEIR_START_TIME };

struct weir_conf_worker {
        const char *name;   /* lower_snake, unique; goes into the claim key and weir.position */
        const char *plugin; /* a name to look for in plugin directories, or a path with a slash */
        const char *group;
        const char *const *topics;
        size_t topic_count;
        int start; /* enum weir_start: only where no position exists */
        int64_t start_time_ms;
        uint32_t batch_max_events;
        uint64_t batch_max_bytes;
        int64_t batch_linger_us;
        int64_t retry_first_delay_ms, retry_max_delay_ms;
        bool accept_json_batch;      /* Kafka records of application/cloudevents-batch+json */
        struct weir_option *options; /* the plugin's own group; NULL when absent */
        const char *where;           /* "file:line" of the group */
};

struct weir_conf {
        const char *path;
        const char *kafka_brokers;
        struct weir_conf_property *properties; /* pass-through and secrets, checked */
        size_t property_count;
        const char *store_url;
        const char *store_password; /* from file or environment, NULL = none; never print */
        uint32_t store_connections;
        uint64_t memory_queue_bytes; /* prefetch per lane */
        int64_t stop_deadline_ms, stop_drain_ms;
        const char *log_level, *log_form;
        const char *const *plugin_path; /* directories searched for plugins */
        size_t plugin_path_count;
        struct weir_conf_worker *workers;
        size_t worker_count;
        void *memory; /* conf's own */
};

/* Problems of a file, all of them, in the order of lines. */
struct weir_conf_problem {
        char *text; /* "file:line: key: what is wrong and what is allowed" */
};
struct weir_conf_problems {
        struct weir_conf_problem *list;
        size_t count;
};

/* What only a library of another layer can tell, asked while the file is read, so that its answer stands in
 * the list at its line. 0; WEIR_ECONF: @reterr says what is wrong with the value, never the value of a secret.
 * A member may be NULL. */
struct weir_conf_checks {
        int (*property)(const struct weir_conf_property *property, struct weir_error *reterr);
        int (*store_url)(const char *url, struct weir_error *reterr);
};

/**
 * Read and check @path (NULL: "WEIR_CONFIG" from the environment, else ./weir.cfg).
 *
 * The text is first read by a child process, because libconfig can end the process that parses
 * (RELIABILITY: an @include of a directory), so a bad file never hurts the caller.
 * Checks   @checks may be NULL; weir_runtime_load() (runtime.h) brings those of Kafka and PostgreSQL.
 * Errors   WEIR_ECONF: @ret_problems holds every problem; reterr->text the first.
 */
int weir_conf_load(const char *path, const struct weir_conf_checks *checks, struct weir_conf **ret,
                   struct weir_conf_problems *ret_problems, struct weir_error *reterr);
void weir_conf_free(struct weir_conf *conf);
WEIR_DEFINE_FREEP(struct weir_conf, weir_conf_free)
void weir_conf_problems_fini(struct weir_conf_problems *problems);

/* Same, from a text in memory, for tests; @name stands for the file in messages. */
int weir_conf_parse(const char *name, const char *text, size_t size,
                    const struct weir_conf_checks *checks, struct weir_conf **ret,
                    struct weir_conf_problems *ret_problems, struct weir_error *reterr);

/* The table of keys in three other forms. */
int weir_conf_print_reference(FILE *out); /* equals config/reference.cfg */
int weir_conf_print_markdown(FILE *out);  /* equals docs/CONFIGURATION.md */
int weir_conf_explain(FILE *out,
                      const char *key); /* 0; WEIR_EUSAGE: no such key, near ones printed */

/* The values that took effect, one "key = value" a line; secrets and plugin options are not
 * printed. @conf must come from weir_conf_load() or weir_conf_parse(). The printers return 0, or
 * WEIR_ESYS: @out failed. */
int weir_conf_show(FILE *out, const struct weir_conf *conf);

/* Why a librdkafka property may not be set; NULL = it may. */
const char *weir_conf_property_refused(const char *name);

const char *weir_conf_library_version(void); /* libconfig this was built with */

#endif

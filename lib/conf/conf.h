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

enum weir_retry_order {
        WEIR_RETRY_BLOCK, /* the partition waits */
        WEIR_RETRY_PARK   /* the event and later ones of its key wait in weir.parked */
};
enum weir_on_dead { WEIR_DEAD_KEEP, WEIR_DEAD_PUBLISH, WEIR_DEAD_HALT };

/* Where weir_tx_deliver() sends: exactly one of url, topic and file. */
struct weir_conf_sink {
        const char *name;        /* lower_snake, unique */
        const char *url;         /* webhook: https, or http where allow_plain */
        const char *topic;       /* Kafka */
        const char *file;        /* one structured event a line, for trying */
        bool structured;         /* else binary */
        int64_t timeout_ms;      /* of one webhook request, connect included */
        int64_t give_up_ms;      /* webhook: an event that fails for so long is dead; 0 = never */
        uint32_t max_concurrent; /* webhook requests at a time */
        uint32_t rate_per_s;     /* 0 = no limit */
        const char *secret, *secret_next; /* webhook-signature; NULL = none. Never print */
        const char *token;                /* Authorization: Bearer; NULL = none. Never print */
        const char *origin;      /* ask for consent (OPTIONS) as this origin; NULL = do not ask */
        uint32_t request_rate;   /* per minute asked for there; 0 = not asked */
        const char *reply_topic; /* a CloudEvent in the answer goes there; NULL = it is ignored */
        const char *ca_file;     /* NULL = the system's */
        uint8_t ca_digest[32];   /* of the bytes in it, to see that it was replaced */
        bool allow_private;      /* addresses of private ranges */
        bool allow_plain;        /* http:// */
        const char *where;       /* "file:line" */
};

struct weir_conf_worker {
        const char *name;   /* lower_snake, unique; goes into the claim key and weir.position */
        const char *plugin; /* a name to look for in plugin directories, or a path with a slash */
        const char *group;
        const char *const *topics;
        size_t topic_count;
        uint32_t processes;
        bool static_membership; /* a group.instance.id for each process */
        int start;              /* enum weir_start: only where no position exists */
        int64_t start_time_ms;
        uint32_t batch_max_events;
        uint64_t batch_max_bytes;
        int64_t batch_linger_us;
        int64_t retry_first_delay_ms, retry_max_delay_ms;
        uint32_t
                retry_attempts; /* calls of the handler, the first included, before the event is dead */
        uint32_t retry_factor;         /* each wait is so many times the one before */
        uint32_t retry_jitter_percent; /* a wait is shortened at random by up to this */
        int retry_order;               /* enum weir_retry_order */
        uint32_t retry_park_max_keys, retry_park_max_events; /* per partition; beyond: block */
        int on_dead;                                         /* enum weir_on_dead */
        const char *dead_letter_topic; /* NULL = none; set where on_dead = publish */
        uint32_t
                dead_max_percent; /* of the last dead_window events; more: the partition halts; 100 = never */
        uint32_t dead_window;
        bool accept_json_batch;       /* Kafka records of application/cloudevents-batch+json */
        struct weir_option *options;  /* the plugin's own group; NULL when absent */
        const char *where;            /* "file:line" of the group */
        const struct weir_conf *conf; /* that it is a part of; NULL: made by hand, in a test */
};

/* Of weir_conf.text: 1 MiB of files, at worst three bytes for each token of one, and the places of lines. */
#define WEIR_CONF_TEXT_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct weir_conf {
        const char *path;
        const char *kafka_brokers;
        struct weir_conf_property *properties; /* pass-through and secrets, checked */
        size_t property_count;
        const char *store_url;
        const char *store_password; /* from file or environment, NULL = none; never print */
        uint32_t store_connections;
        int64_t claims_period_ms;     /* a generation of claims is written for so long */
        int64_t claims_retention_ms;  /* … and kept for so long afterwards; 0 = for ever */
        uint64_t memory_budget_bytes; /* of a worker process: fetched ahead and in hand */
        uint64_t memory_queue_bytes;  /* fetched ahead, per lane at most */
        uint64_t memory_limit_bytes;  /* of a worker process; 0 = chosen by the machine's memory */
        int64_t stop_deadline_ms, stop_drain_ms;
        uint32_t crash_attempts; /* processes that an event may end before it is dead */
        bool crash_core;
        int64_t handler_deadline_ms; /* for one event */
        int64_t restart_first_delay_ms, restart_max_delay_ms;
        uint32_t restart_limit; /* deaths in a row without a COMMIT; > crash_attempts */
        bool sandbox_seccomp, sandbox_landlock, sandbox_exec;
        const char *const *sandbox_write; /* directories and files */
        size_t sandbox_write_count;
        const char *log_level, *log_form;
        const char *const *plugin_path; /* directories searched for plugins */
        size_t plugin_path_count;
        struct weir_conf_worker *workers;
        size_t worker_count;
        struct weir_conf_sink *sinks;
        size_t sink_count;
        const char
                *text; /* what it was read from, with what that includes: for weir_conf_parse() */
        size_t text_size; /* WEIR_CONF_TEXT_BYTES_MAX at most */
        void *memory;     /* conf's own */
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
/* NULL = no sink of this name. @conf may be NULL. */
const struct weir_conf_sink *weir_conf_sink_find(const struct weir_conf *conf, const char *name);
void weir_conf_problems_fini(struct weir_conf_problems *problems);

/* Same, from a text in memory; @name (NULL as above) stands for the file in messages and where paths are relative. */
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

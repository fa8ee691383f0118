/* SPDX-License-Identifier: MIT */
/*
 * key - one table, many readers
 *
 * A key that is parsed but not documented, or documented with yesterday's default, is worse than
 * none. So nothing about a key stands anywhere else: parser (read.c), reference file, documentation
 * and `weir config explain` (print.c) all walk this table, and a new key is a new row.
 *
 * Order   that of the reference file: what everybody sets first. A group stands before its keys.
 */
#include "conf/key.h"

#include <stdio.h>
#include <string.h>

#define KIB(n) ((int64_t)(n) << 10)
#define MIB(n) ((int64_t)(n) << 20)
#define MS(n) ((int64_t)(n)*1000)
#define SEC(n) MS((int64_t)(n)*1000)
#define TOP(m) .offset = offsetof(struct weir_key_base, m)
#define CONF(m) .offset = offsetof(struct weir_key_base, conf.m)
#define WORKER(m) .offset = offsetof(struct weir_conf_worker, m)
#define SINK(m) .offset = offsetof(struct weir_key_sink, sink.m)
#define SINK_TEXT(m) .offset = offsetof(struct weir_key_sink, m)

const struct weir_key weir_keys[] = {
        { "kafka", WEIR_KEY_GROUP, .help = "The Kafka cluster that events come from." },
        { "kafka.brokers", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED, CONF(kafka_brokers),
          .example = "127.0.0.1:9092", .check = weir_check_brokers,
          .allowed = "host:port, several separated by commas",
          .help = "Brokers to ask first. One that answers is enough; two or three survive the loss "
                  "of one." },
        { "kafka.properties", WEIR_KEY_PROPERTIES,
          .allowed = "\"name=value\"; names of librdkafka's CONFIGURATION.md",
          .help = "Properties for librdkafka, such as \"security.protocol=SASL_SSL\" or "
                  "\"ssl.ca.location=/etc/weir/ca.pem\". "
                  "Those that weir owns, and those that hold a secret, are refused with the "
                  "reason." },
        { "kafka.secrets", WEIR_KEY_SECRETS, .allowed = "groups of property and either file or env",
          .help = "Properties whose value is a secret, such as ( { property = \"sasl.password\"; "
                  "file = "
                  "\"/etc/weir/kafka-password\"; } ). The file belongs to root or to the user of "
                  "weir, has mode 600 or 400 "
                  "and at most 64 KiB; its last newline is cut off. env names an environment "
                  "variable instead." },

        { "store", WEIR_KEY_GROUP,
          .help = "The PostgreSQL database that holds positions, claims and the workers' tables." },
        { "store.url", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED, CONF(store_url),
          .example = "postgresql:///weir", .check = weir_check_store_url,
          .allowed =
                  "postgresql://user@host:port/database?… or key=value pairs, as libpq reads them",
          .help = "Where the database is. Printed in messages, so a password in it is refused (see "
                  "the next two keys), and so is everything that libpq would not understand." },
        { "store.password_file", WEIR_KEY_TEXT, WEIR_KEY_PATH, TOP(password_file), .fallback = "",
          .check = weir_check_plain, .allowed = "a path; empty for none",
          .help = "File that holds the password of the database, under the same rules as "
                  "kafka.secrets." },
        { "store.password_env", WEIR_KEY_TEXT, 0, TOP(password_env), .fallback = "",
          .allowed = "a name; empty for none",
          .help = "Environment variable that holds the password instead of a file." },
        { "store.connections", WEIR_KEY_COUNT, 0, CONF(store_connections), .fallback = "8",
          .min = 1, .max = 256,
          .help = "Connections of one worker at most. A lane holds one only while it has a "
                  "transaction to run, so many "
                  "idle partitions need few." },

        { "claims", WEIR_KEY_GROUP,
          .help = "For how long weir knows which events it has handled: a duplicate whose claim is "
                  "forgotten is handled again. Claims are kept in generations, which are dropped "
                  "whole; each generation behind the newest costs every event a look into it." },
        { "claims.period", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(claims_period_ms),
          .fallback = "7d", .min = SEC(2), .max = SEC(366 * 86400), .unit_us = 1000,
          .help = "A new generation is begun when the newest is so old. Longer where retention, or a "
                  "topic's, would make more than 16 of them. Each begin takes 0.08 s of claiming." },
        { "claims.retention", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(claims_retention_ms),
          .fallback = "14d", .min = 0, .max = SEC((int64_t)3660 * 86400), .unit_us = 1000,
          .allowed = "at most 14 times period",
          .help = "A generation is dropped so long after the last claim was made in it, and not while "
                  "a topic of this file keeps its records longer (retention.ms and segment.ms), nor "
                  "while a dead letter or a parked event needs it: see weir claims. 0s: no claim is "
                  "ever dropped, and no generation begun." },

        { "memory", WEIR_KEY_GROUP, .help = "What weir may hold in memory." },
        { "memory.budget", WEIR_KEY_SIZE, 0, CONF(memory_budget_bytes), .fallback = "64MiB",
          .min = MIB(8), .max = MIB(64 << 10),
          .help = "Records in a worker process, all lanes together: half of it for what is fetched "
                  "ahead, divided among all partitions of the worker's topics, half for the "
                  "batches in hand, rows that are not sent yet included. The process has up to "
                  "40 MB besides, and what its handlers allocate. Partitions of a topic with records "
                  "larger than a partition's share take turns in fetching; where small records become large "
                  "in many at once, what comes in the first 0.2 s is besides. A record that is larger than "
                  "the budget is handled, alone." },
        { "memory.queue", WEIR_KEY_SIZE, 0, CONF(memory_queue_bytes), .fallback = "16MiB",
          .min = KIB(256), .max = MIB(1024),
          .help = "Records fetched ahead per lane (one for each assigned partition), at most: with "
                  "many partitions it is less, see memory.budget." },
        { "memory.limit", WEIR_KEY_SIZE, 0, CONF(memory_limit_bytes), .fallback = "0", .min = 0,
          .max = MIB(16 << 20), .allowed = "0, or 256MiB and more",
          .help = "What a worker process may reserve: all that is allocated, and the stack of each "
                  "thread, 8MiB a lane. A plugin that leaks then fails by itself instead of taking "
                  "the machine with it. Where allocations go on failing and nothing was committed "
                  "for five seconds, the process ends and is started again. 0: three quarters of the memory of the machine or of the "
                  "container, and at least 1GiB." },

        { "stop", WEIR_KEY_GROUP, .help = "What happens on SIGTERM." },
        { "stop.deadline", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(stop_deadline_ms),
          .fallback = "5s", .min = MS(100), .max = SEC(3600), .unit_us = 1000,
          .help = "The process is gone by then, whatever hangs. Nothing is lost: what was not "
                  "committed "
                  "is done again at the next start." },
        { "stop.drain", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(stop_drain_ms),
          .fallback = "3s", .min = MS(10), .max = SEC(3600), .unit_us = 1000,
          .allowed = "shorter than stop.deadline",
          .help = "How long lanes may take to finish the batch in hand before it is rolled back, "
                  "at a stop and when "
                  "the group takes partitions away." },

        { "crash", WEIR_KEY_GROUP,
          .help = "What happens when a worker process is ended by a signal inside a handler." },
        { "crash.attempts", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, CONF(crash_attempts),
          .fallback = "3", .min = 2, .max = 100,
          .help = "Processes that an event may end, the first included, before it becomes a dead "
                  "letter. From the second on it is run alone. At least 2: at the first death "
                  "others may have been inside handlers too, and nobody knows whose fault it was." },
        { "crash.core", WEIR_KEY_BOOL, 0, CONF(crash_core), .fallback = "false",
          .help = "Let the kernel write a core of a worker process or of the supervisor, for a "
                  "debugger. It holds every secret and every "
                  "event in memory. Where cores go to a file, its directory has to be in "
                  "sandbox.write." },

        { "handler", WEIR_KEY_GROUP, .help = "How long a handler may take." },
        { "handler.deadline", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(handler_deadline_ms),
          .fallback = "5min", .min = SEC(1), .max = SEC(86400), .unit_us = 1000,
          .help = "For one event. Past it the stack of the lane is logged, the process is ended and "
                  "started again, and the event counts as one that crashed it. The plugin's "
                  "open() and close() have the same time each; nothing is blamed for theirs." },

        { "restart", WEIR_KEY_GROUP, .help = "How a worker process that ended is started again." },
        { "restart.first_delay", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE,
          CONF(restart_first_delay_ms), .fallback = "200ms", .min = MS(1), .max = SEC(3600),
          .unit_us = 1000,
          .help = "Wait before the first restart; each wait is twice the one before." },
        { "restart.max_delay", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, CONF(restart_max_delay_ms),
          .fallback = "30s", .min = MS(1), .max = SEC(86400), .unit_us = 1000,
          .allowed = "not shorter than first_delay", .help = "Longest wait before a restart." },
        { "restart.limit", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, CONF(restart_limit),
          .fallback = "10", .min = 2, .max = 10000,
          .help = "Deaths in a row, without a committed transaction between them, after which the "
                  "worker is given up: it is marked as failed, the others go on. Greater than "
                  "crash.attempts, so that an event which crashes the plugin is found first." },

        { "sandbox", WEIR_KEY_GROUP,
          .help = "What a worker process gives up before it loads its plugin. It proves at the "
                  "start that what is refused is refused; `weir check` prints what is in force." },
        { "sandbox.seccomp", WEIR_KEY_BOOL, 0, CONF(sandbox_seccomp), .fallback = "true",
          .help = "Refuse system calls that no handler needs: other processes' memory, mounts, "
                  "namespaces, kernel modules, keyrings, the clock, io_uring and the like. They "
                  "fail with EPERM." },
        { "sandbox.landlock", WEIR_KEY_BOOL, 0, CONF(sandbox_landlock), .fallback = "true",
          .help = "Refuse to create, write or remove files anywhere but in sandbox.write, in the "
                  "directories of file sinks and /dev/null. Reading stays as it is. Nothing on a "
                  "kernel without Landlock." },
        { "sandbox.write", WEIR_KEY_TEXTS, WEIR_KEY_PATH, CONF(sandbox_write),
          .count_offset = offsetof(struct weir_conf, sandbox_write_count), .max = 64,
          .check = weir_check_plain, .allowed = "directories or files that exist",
          .help = "Where a handler may write." },
        { "sandbox.exec", WEIR_KEY_BOOL, 0, CONF(sandbox_exec), .fallback = "false",
          .help = "Let worker processes run programs. Kerberos needs it (librdkafka runs kinit), "
                  "and the directory of its credential cache in sandbox.write." },

        { "log", WEIR_KEY_GROUP, .help = "What weir writes to standard error." },
        { "log.level", WEIR_KEY_CHOICE, WEIR_KEY_RELOADABLE, CONF(log_level), .fallback = "info",
          .allowed = "error|warn|info|debug",
          .help = "The least important kind of line that is written." },
        { "log.form", WEIR_KEY_CHOICE, WEIR_KEY_RELOADABLE, CONF(log_form), .fallback = "text",
          .allowed = "text|json",
          .help = "text: time level event=name key=value. json: one object a line." },

        { "plugin_path", WEIR_KEY_TEXTS, WEIR_KEY_PATH, CONF(plugin_path),
          .count_offset = offsetof(struct weir_conf, plugin_path_count), .max = 64,
          .check = weir_check_plain, .allowed = "directories",
          .help = "Where plugins are looked for, in this order, before the directory that weir was "
                  "installed with." },

        { "workers", WEIR_KEY_WORKERS, WEIR_KEY_REQUIRED, .min = 1, .max = 64,
          .help = "One group for each worker: a plugin, the topics that it handles, and how." },
        { "workers.name", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED, WORKER(name), .example = "audit",
          .check = weir_check_name, .allowed = "a-z, 0-9 and _, a letter first, up to 63, unique",
          .help = "Part of every position and claim: a worker with another name begins anew." },
        { "workers.plugin", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED | WEIR_KEY_SLASH, WORKER(plugin),
          .example = "audit", .check = weir_check_group,
          .allowed = "a name, or a path with a slash in it",
          .help = "The handler: NAME.so in the plugin directories, or the file itself." },
        { "workers.group", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED, WORKER(group), .example = "audit",
          .check = weir_check_group, .allowed = "1 to 255 bytes",
          .help = "Kafka consumer group. Processes of one group share the partitions." },
        { "workers.topics", WEIR_KEY_TEXTS, WEIR_KEY_REQUIRED, WORKER(topics),
          .count_offset = offsetof(struct weir_conf_worker, topic_count), .example = "audit",
          .min = 1, .max = 1024, .check = weir_check_topic,
          .allowed = "letters, digits, dot, _ and -, up to 249",
          .help = "Topics to handle, each by its name." },
        { "workers.processes", WEIR_KEY_COUNT, 0, WORKER(processes), .fallback = "1", .min = 1,
          .max = 64,
          .help = "Processes of this worker, each a member of its group. More than partitions are "
                  "of no use." },
        { "workers.static_membership", WEIR_KEY_BOOL, 0, WORKER(static_membership),
          .fallback = "false",
          .help = "Each process keeps a group.instance.id over its restarts, so that they make no "
                  "rebalance: its partitions wait for it for the session timeout. The id is made of "
                  "the worker's name, the host's and the number of the process: on a machine one "
                  "weir run may have the worker, and a second one refuses to start." },
        { "workers.start", WEIR_KEY_START, 0, .fallback = "earliest",
          .allowed = "earliest, latest, or a time such as 2026-01-31T08:00:00Z",
          .help = "Where a partition begins that has no position yet. Afterwards the position "
                  "decides, and this key nothing." },
        { "workers.accept_json_batch", WEIR_KEY_BOOL, WEIR_KEY_RELOADABLE,
          WORKER(accept_json_batch), .fallback = "false",
          .help = "Accept Kafka records of type application/cloudevents-batch+json, several events "
                  "in one record. The CloudEvents Kafka "
                  "binding does not know them, some producers send them." },
        { "workers.options", WEIR_KEY_OPTIONS, WEIR_KEY_RELOADABLE, WORKER(options),
          .allowed = "what the plugin knows",
          .help = "The plugin's own settings. It checks them when it is opened; one that it does "
                  "not know stops the start." },
        { "workers.batch", WEIR_KEY_GROUP,
          .help = "Events that share a transaction. The first bound that is reached closes the "
                  "batch." },
        { "workers.batch.max_events", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(batch_max_events),
          .fallback = "1000", .min = 1, .max = 100000, .help = "Events in a transaction at most." },
        { "workers.batch.max_bytes", WEIR_KEY_SIZE, WEIR_KEY_RELOADABLE, WORKER(batch_max_bytes),
          .fallback = "4MiB", .min = KIB(1), .max = MIB(256),
          .help = "Bytes of records in a transaction at most; one larger record still makes a "
                  "batch of its own." },
        { "workers.batch.linger", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, WORKER(batch_linger_us),
          .fallback = "5ms", .min = 0, .max = SEC(10), .unit_us = 1,
          .help = "How long a batch that is not full waits for more. Longer: fewer transactions. "
                  "Shorter: events are applied sooner." },
        { "workers.retry", WEIR_KEY_GROUP,
          .help = "What happens to an event that the plugin wants to have again (WEIR_RETRY). A "
                  "failure of the database or of Kafka is no attempt: it is waited for." },
        { "workers.retry.attempts", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(retry_attempts),
          .fallback = "5", .min = 1, .max = 10000,
          .help = "Calls of the handler for one event, the first included, before it becomes a dead "
                  "letter. They are counted in the database, over restarts." },
        { "workers.retry.first_delay", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE,
          WORKER(retry_first_delay_ms), .fallback = "200ms", .min = MS(1), .max = SEC(3600),
          .unit_us = 1000, .help = "Wait before the second try." },
        { "workers.retry.max_delay", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE,
          WORKER(retry_max_delay_ms), .fallback = "30s", .min = MS(1), .max = SEC(86400),
          .unit_us = 1000, .allowed = "not shorter than first_delay",
          .help = "Longest wait between two tries." },
        { "workers.retry.factor", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(retry_factor),
          .fallback = "2", .min = 1, .max = 100,
          .help = "Each wait is so many times the one before." },
        { "workers.retry.jitter", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(retry_jitter_percent),
          .fallback = "25", .min = 0, .max = 100,
          .help = "A wait is shortened at random by up to so many percent, so that what failed "
                  "together does not come back together." },
        { "workers.retry.order", WEIR_KEY_WORD, WEIR_KEY_RELOADABLE, WORKER(retry_order),
          .fallback = "block", .allowed = "block|park",
          .help = "block: the partition waits with the event, and its order is kept. park: the "
                  "event and later ones of the same record key wait in weir.parked, the partition "
                  "flows on; the order of a key is kept. A record without a key waits alone." },
        { "workers.retry.park_max_keys", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE,
          WORKER(retry_park_max_keys), .fallback = "1000", .min = 1, .max = 100000,
          .help = "Keys parked in one partition at most; beyond, the partition waits." },
        { "workers.retry.park_max_events", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE,
          WORKER(retry_park_max_events), .fallback = "10000", .min = 1, .max = 1000000,
          .help = "Events parked in one partition at most; beyond, the partition waits." },
        { "workers.on_dead", WEIR_KEY_WORD, WEIR_KEY_RELOADABLE, WORKER(on_dead),
          .fallback = "keep", .allowed = "keep|publish|halt",
          .help = "What happens to an event that cannot be handled. keep: it is kept in "
                  "weir.dead_letter, and the partition goes on. publish: the same, and it is sent "
                  "to dead_letter_topic. halt: the partition stops at it and says how to go on; not "
                  "together with retry.order = \"park\"." },
        { "workers.dead_letter_topic", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          WORKER(dead_letter_topic), .fallback = "", .check = weir_check_topic,
          .allowed = "a topic that this worker does not read; needed for on_dead = \"publish\"",
          .help = "Where dead letters are published: the record as it came, and headers weir_* "
                  "that say why and where from. The topic has to exist." },
        { "workers.dead", WEIR_KEY_GROUP,
          .help = "When nearly everything fails, the plugin or the database is at fault and not "
                  "the data: then the partition halts instead of making dead letters." },
        { "workers.dead.max_share", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(dead_max_percent),
          .fallback = "50", .min = 1, .max = 100,
          .help = "Percent of dead.window that may become dead letters; the next one halts the "
                  "partition, also after a restart or a move. 100: never." },
        { "workers.dead.window", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, WORKER(dead_window),
          .fallback = "1000", .min = 10, .max = 1000000,
          .help = "How many of the last records of a partition are looked at: those that this "
                  "version of the plugin passed since `weir position set` was last used for it." },

        { "sinks", WEIR_KEY_SINKS, WEIR_KEY_RELOADABLE, .min = 0, .max = 256,
          .help = "Places that handlers deliver events to, by name: a webhook (url), a Kafka topic, "
                  "or a file. The plugin "
                  "notify routes events to them by rules." },
        { "sinks.name", WEIR_KEY_TEXT, WEIR_KEY_REQUIRED | WEIR_KEY_RELOADABLE, SINK(name),
          .example = "crm", .check = weir_check_name,
          .allowed = "a-z, 0-9 and _, a letter first, up to 63, unique",
          .help = "What rules and handlers call it. What waits for a sink is kept under its name: "
                  "rename it when nothing waits." },
        { "sinks.url", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE, SINK(url),
          .example = "https://example.com/events", .check = weir_check_sink_url,
          .allowed = "https://host:port/path?query without user and fragment, up to 2048",
          .help = "Webhook that events are POSTed to. Redirects are not followed. Exactly one of "
                  "url, topic and file is given." },
        { "sinks.topic", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE, SINK(topic),
          .fallback = "", .check = weir_check_topic,
          .allowed = "letters, digits, dot, _ and -, up to 249",
          .help = "Kafka topic that events are produced to, with the key of the record they came "
                  "in." },
        { "sinks.file", WEIR_KEY_TEXT, WEIR_KEY_PATH | WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK(file), .fallback = "", .check = weir_check_plain, .allowed = "a path",
          .help = "File that events are appended to, one JSON object a line, for trying rules." },
        { "sinks.mode", WEIR_KEY_CHOICE, WEIR_KEY_RELOADABLE, SINK_TEXT(mode), .fallback = "binary",
          .allowed = "binary|structured",
          .help = "binary: attributes in headers, the data as body. structured: all of the event as "
                  "one JSON object. A file has structured events whatever stands here, and so has a "
                  "webhook where an event has no data or no content type." },
        { "sinks.rate", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, SINK(rate_per_s), .fallback = "0",
          .min = 0, .max = 1000000,
          .help = "Events per second at most, of all processes together; 0 sets no limit." },
        { "sinks.timeout", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, SINK(timeout_ms),
          .fallback = "10s", .min = MS(100), .max = SEC(300), .unit_us = 1000,
          .help = "Webhook: how long a request may take, connecting included. Later the event is "
                  "sent again." },
        { "sinks.give_up", WEIR_KEY_DURATION, WEIR_KEY_RELOADABLE, SINK(give_up_ms),
          .fallback = "72h", .min = 0, .max = SEC(8784 * 3600), .unit_us = 1000,
          .help = "Webhook: for how long its receiver may fail at an event before it becomes a dead "
                  "letter and the next goes. Meanwhile the later events of its key wait, and those "
                  "of the other keys of its shard (one of 64, by hash of the key). Counted from try "
                  "to try, over restarts; only 500, 501 and 505 to 510, and any other failure, no "
                  "answer too, while other events arrive. A receiver that is down, overloaded or lets nobody in uses up nothing. "
                  "0s: never." },
        { "sinks.max_concurrent", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, SINK(max_concurrent),
          .fallback = "8", .min = 1, .max = 256,
          .help = "Webhook: requests at a time. Events of one key go one after the other "
                  "whatever stands here." },
        { "sinks.secret_file", WEIR_KEY_TEXT, WEIR_KEY_PATH | WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK_TEXT(secret_file), .fallback = "", .check = weir_check_plain,
          .allowed = "a path; empty for none",
          .help = "Webhook: file that holds the secret that requests are signed with "
                  "(webhook-signature of Standard Webhooks), under the rules of kafka.secrets. "
                  "whsec_ and base64, or any other text." },
        { "sinks.secret_env", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK_TEXT(secret_env), .fallback = "", .allowed = "a name; empty for none",
          .help = "Environment variable that holds the secret instead of a file." },
        { "sinks.secret_next_file", WEIR_KEY_TEXT,
          WEIR_KEY_PATH | WEIR_KEY_NONE | WEIR_KEY_RELOADABLE, SINK_TEXT(secret_next_file),
          .fallback = "", .check = weir_check_plain, .allowed = "a path; empty for none",
          .help = "Webhook: file of a second secret. While a secret is replaced, requests carry a "
                  "signature by each." },
        { "sinks.secret_next_env", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK_TEXT(secret_next_env), .fallback = "", .allowed = "a name; empty for none",
          .help = "Environment variable that holds the second secret instead of a file." },
        { "sinks.token_file", WEIR_KEY_TEXT, WEIR_KEY_PATH | WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK_TEXT(token_file), .fallback = "", .check = weir_check_plain,
          .allowed = "a path; empty for none",
          .help = "Webhook: file that holds a token, sent as Authorization: Bearer." },
        { "sinks.token_env", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK_TEXT(token_env), .fallback = "", .allowed = "a name; empty for none",
          .help = "Environment variable that holds the token instead of a file." },
        { "sinks.origin", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE, SINK(origin),
          .fallback = "", .check = weir_check_origin, .allowed = "a DNS name; empty for none",
          .help = "Webhook: ask for consent before the first event (OPTIONS of the CloudEvents "
                  "webhook specification), as this sender. Empty: do not ask." },
        { "sinks.request_rate", WEIR_KEY_COUNT, WEIR_KEY_RELOADABLE, SINK(request_rate),
          .fallback = "0", .min = 0, .max = 1000000,
          .help = "Webhook: events per minute to ask for there; 0 asks for none in particular." },
        { "sinks.reply_topic", WEIR_KEY_TEXT, WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK(reply_topic), .fallback = "", .check = weir_check_topic,
          .allowed = "a topic; empty for none",
          .help = "Webhook: a CloudEvent in the answer is produced to this topic. Empty: answers "
                  "are not looked at." },
        { "sinks.ca_file", WEIR_KEY_TEXT, WEIR_KEY_PATH | WEIR_KEY_NONE | WEIR_KEY_RELOADABLE,
          SINK(ca_file), .fallback = "", .check = weir_check_plain,
          .allowed = "a path; empty for the system's",
          .help = "Webhook: certificates (PEM) to verify the receiver against instead of the "
                  "system's." },
        { "sinks.allow_private", WEIR_KEY_BOOL, WEIR_KEY_RELOADABLE, SINK(allow_private),
          .fallback = "false",
          .help = "Webhook: connect to addresses of private, loopback and link-local ranges too. "
                  "Refused otherwise, whatever name leads there." },
        { "sinks.allow_plain", WEIR_KEY_BOOL, WEIR_KEY_RELOADABLE, SINK(allow_plain),
          .fallback = "false",
          .help = "Webhook: allow http://, where anybody on the way reads events and token." },
};
const size_t weir_key_count = WEIR_COUNT_OF(weir_keys);
_Static_assert(WEIR_COUNT_OF(weir_keys) <= WEIR_KEYS_MAX, "raise WEIR_KEYS_MAX");

bool weir_key_is_list(const struct weir_key *key)
{
        return key->type == WEIR_KEY_WORKERS || key->type == WEIR_KEY_SINKS;
}

static const struct weir_key *list_around(const char *path)
{
        for (size_t i = 0; i < weir_key_count; i++) {
                size_t size = strlen(weir_keys[i].path);

                if (weir_key_is_list(&weir_keys[i]) && !strncmp(weir_keys[i].path, path, size) &&
                    path[size] == '.')
                        return &weir_keys[i];
        }
        return NULL;
}

const struct weir_key *weir_key_list(const struct weir_key *key)
{
        return list_around(key->path);
}

bool weir_key_element(const struct weir_key_base *base, const struct weir_key *list, size_t index,
                      const void **ret)
{
        bool workers = list->type == WEIR_KEY_WORKERS;

        if (index >= (workers ? base->conf.worker_count : base->conf.sink_count))
                return false;
        *ret = workers ? (const void *)&base->conf.workers[index] : &base->sinks[index];
        return true;
}

const char *weir_key_name(const struct weir_key *key)
{
        const char *dot = strrchr(key->path, '.');

        return dot ? dot + 1 : key->path;
}

const struct weir_key *weir_key_find(const char *path)
{
        char plain[160];
        size_t size = 0;

        for (const char *p = path; *p && size < sizeof plain - 1;) {
                if (p[0] == '.' && p[1] == '[' && strchr(p, ']')) {
                        p = strchr(p, ']') + 1;
                        continue;
                }
                plain[size++] = *p++;
        }
        plain[size] = '\0';
        for (size_t i = 0; i < weir_key_count; i++)
                if (!strcmp(weir_keys[i].path, plain))
                        return &weir_keys[i];
        return NULL;
}

const struct weir_key *weir_key_nearest(const char *path)
{
        const struct weir_key *best = NULL, *list = list_around(path);
        const char *name = strrchr(path, '.');
        size_t least = SIZE_MAX;

        name = name ? name + 1 : path;
        for (size_t i = 0; i < weir_key_count; i++) {
                const char *own = weir_key_name(&weir_keys[i]);
                size_t whole = weir_text_distance(path, weir_keys[i].path);
                size_t last = weir_text_distance(name, own);
                size_t room = strlen(own) / 3, far;

                if (strlen(name) >= 4 && !strncmp(own, name, strlen(name)) && last > 2)
                        last = room = 2; /* "secret": secret_file */
                if (whole > 2 && last > room)
                        continue; /* neither the path nor the last name looks alike */
                /* the same name in another group is nearer than another name in this one, but what
                 * is meant for a worker is none of a sink's */
                far = last * 100 + whole + (list && weir_key_list(&weir_keys[i]) != list ? 150 : 0);
                if (far < least) {
                        least = far;
                        best = &weir_keys[i];
                }
        }
        return best;
}

void weir_key_allowed(const struct weir_key *key, char ret[160])
{
        char from[32], to[32];

        switch (key->type) {
        case WEIR_KEY_COUNT:
                snprintf(ret, 160, "%lld..%lld", (long long)key->min, (long long)key->max);
                return;
        case WEIR_KEY_SIZE:
                weir_size_write(from, key->min);
                weir_size_write(to, key->max);
                break;
        case WEIR_KEY_DURATION:
                weir_duration_write(from, key->min);
                weir_duration_write(to, key->max);
                break;
        case WEIR_KEY_BOOL: snprintf(ret, 160, "true, false"); return;
        case WEIR_KEY_WORKERS:
        case WEIR_KEY_SINKS:
                snprintf(ret, 160, "%lld to %lld groups", (long long)key->min, (long long)key->max);
                return;
        case WEIR_KEY_CHOICE:
        case WEIR_KEY_WORD: {
                size_t size = 0;

                for (const char *p = key->allowed; *p && size < 156; p++) {
                        if (*p == '|')
                                ret[size++] = ',';
                        ret[size++] = *p == '|' ? ' ' : *p;
                }
                ret[size] = '\0';
                return;
        }
        default: snprintf(ret, 160, "%s", key->allowed ? key->allowed : ""); return;
        }
        snprintf(ret, 160, "%s..%s%s%s", from, to, key->allowed ? ", " : "",
                 key->allowed ? key->allowed : "");
}

const char *weir_key_type_name(const struct weir_key *key)
{
        switch (key->type) {
        case WEIR_KEY_GROUP:
        case WEIR_KEY_OPTIONS: return "a group { }";
        case WEIR_KEY_WORKERS:
        case WEIR_KEY_SINKS:
        case WEIR_KEY_SECRETS: return "a list of groups ( { }, { } )";
        case WEIR_KEY_COUNT: return "a whole number";
        case WEIR_KEY_SIZE: return "a size such as \"4MiB\", or a whole number of bytes";
        case WEIR_KEY_DURATION:
                return "a duration such as \"200ms\", \"5s\", \"5min\", \"1h\" or \"7d\"";
        case WEIR_KEY_BOOL: return "true or false";
        case WEIR_KEY_TEXTS:
        case WEIR_KEY_PROPERTIES: return "a list of strings [ \"…\", \"…\" ]";
        default: return "a string";
        }
}

void weir_key_default(const struct weir_key *key, char ret[80])
{
        switch (key->type) {
        case WEIR_KEY_TEXTS:
        case WEIR_KEY_PROPERTIES:
                snprintf(ret, 80, "%s", key->flags & WEIR_KEY_REQUIRED ? "" : "[ ]");
                return;
        case WEIR_KEY_WORKERS: *ret = '\0'; return;
        case WEIR_KEY_SINKS:
        case WEIR_KEY_SECRETS: snprintf(ret, 80, "( )"); return;
        case WEIR_KEY_OPTIONS: snprintf(ret, 80, "{ }"); return;
        case WEIR_KEY_COUNT:
        case WEIR_KEY_BOOL: snprintf(ret, 80, "%s", key->fallback); return;
        default:
                if (key->fallback)
                        snprintf(ret, 80, "\"%s\"", key->fallback);
                else
                        *ret = '\0';
        }
}

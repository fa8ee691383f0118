/* SPDX-License-Identifier: MIT */
/*
 * client - settings, log lines and error words, the same for every librdkafka handle
 *
 * librdkafka talks a lot when a broker is away (several lines a second, for ever) and reports an
 * error twice, then hardly again. So: the log is deduplicated and bounded, and the last error is
 * kept, because nobody will repeat it when readiness asks.
 *
 * Always true   K1  what weir depends on (offset store, commit, reset) is set after the user's
 *                   properties: nothing that slipped through can change it.
 *               K2  the value of a secret appears in no text, also when librdkafka refuses it.
 * Not chosen    librdkafka's own log to stderr: other form, no bound, no event name.
 * Threads       callbacks come from any librdkafka thread; one mutex per handle, never held while
 *               a line is written.
 */
#include "kafka/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "conf/conf.h"
#include "kafka/compat.h"

#define REPEAT_US (60 * 1000000LL) /* the same text again after this */
#define WINDOW_US (10 * 1000000LL)
#define WINDOW_LINES 20

void weir_client_log_init(struct weir_client_log *log, const char *who)
{
        *log = (struct weir_client_log){ .who = who };
        pthread_mutex_init(&log->mutex, NULL);
}

void weir_client_log_fini(struct weir_client_log *log)
{
        pthread_mutex_destroy(&log->mutex);
}

/* Digits are left out: ports, times and counters make no new fact. */
static uint64_t hash_text(const char *facility, const char *text)
{
        uint64_t hash = 14695981039346656037ULL;

        for (const char *p = facility; *p; p++)
                hash = (hash ^ (unsigned char)*p) * 1099511628211ULL;
        for (const char *p = text; *p; p++)
                if (*p < '0' || *p > '9')
                        hash = (hash ^ (unsigned char)*p) * 1099511628211ULL;
        return hash ? hash : 1;
}

/* May a line with @hash be written now? *ret_suppressed: how many were not before it. */
static bool admit(struct weir_client_log *log, uint64_t hash, uint64_t *ret_suppressed)
{
        int64_t now_us = weir_clock_us();
        size_t slot = 0;
        bool known = false;
        bool yes;

        pthread_mutex_lock(&log->mutex);
        for (size_t i = 0; i < WEIR_CLIENT_RECENT && !known; i++) {
                if (log->recent[i].hash == hash) {
                        slot = i;
                        known = true;
                } else if (log->recent[i].at_us < log->recent[slot].at_us) {
                        slot = i; /* the oldest makes room */
                }
        }
        if (now_us - log->window_us > WINDOW_US) {
                log->window_us = now_us;
                log->window_count = 0;
        }
        yes = log->window_count < WINDOW_LINES &&
              (!known || now_us - log->recent[slot].at_us > REPEAT_US);
        if (yes) {
                log->recent[slot].hash = hash;
                log->recent[slot].at_us = now_us;
                log->window_count++;
                *ret_suppressed = log->suppressed_count;
                log->suppressed_count = 0;
        } else {
                log->suppressed_count++;
        }
        pthread_mutex_unlock(&log->mutex);
        return yes;
}

/* What librdkafka warns of and weir does on purpose. One file of properties serves consumers, producers and
 * admin clients, each of which leaves out what is not for it; nothing was mistyped, the name is known. */
static bool expected(const char *facility, const char *text)
{
        return (!strcmp(facility, "CONFWARN") &&
                (strstr(text, "property and will be ignored by this") ||
                 strstr(text, "No `bootstrap.servers` configured"))) || /* the development broker */
               !strcmp(facility, "AUTOCREATE");                         /* which is an old one */
}

static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
        struct weir_client_log *log = rd_kafka_opaque(rk);
        uint64_t suppressed = 0;
        int ours;

        if (expected(facility, text))
                return;
        if (level <= 2)
                ours = WEIR_LOG_ERROR;
        else if (!strcmp(facility, "FAIL") || !strcmp(facility, "ERROR"))
                ours = WEIR_LOG_DEBUG; /* the error event says the same */
        else if (level <= 4)
                ours = WEIR_LOG_WARN;
        else
                ours = level <= 6 ? WEIR_LOG_INFO : WEIR_LOG_DEBUG;
        if (!log || !weir_log_wants(ours) || !admit(log, hash_text(facility, text), &suppressed))
                return;
        weir_log(ours, "kafka.client", LOG_S("client", log->who), LOG_S("facility", facility),
                 LOG_S("text", text), LOG_I("suppressed_before", suppressed));
}

static void error_cb(rd_kafka_t *rk, int err, const char *text, void *opaque)
{
        char fatal[256];

        if (err == RD_KAFKA_RESP_ERR__FATAL) {
                err = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
                text = fatal;
        }
        weir_client_log_error(opaque, (rd_kafka_resp_err_t)err, text);
}

void weir_client_log_error(struct weir_client_log *log, rd_kafka_resp_err_t err, const char *text)
{
        char explained[sizeof log->error];
        char before[sizeof log->error];
        bool says_less, new;

        weir_client_explain(err, text, explained, sizeof explained);
        /* "All brokers down" follows the cause and must not hide it. */
        says_less = err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
        pthread_mutex_lock(&log->mutex);
        memcpy(before, log->error, sizeof before);
        if (!says_less || !before[0])
                memcpy(log->error, explained, sizeof explained);
        pthread_mutex_unlock(&log->mutex);
        new = hash_text("", before) != hash_text("", explained);
        if (new && !(says_less && before[0])) {
                const char *line = explained;
                uint64_t suppressed = 0;

                if (admit(log, hash_text("kafka.error", line), &suppressed))
                        weir_log(WEIR_LOG_WARN, "kafka.error", LOG_S("client", log->who),
                                 LOG_S("error", rd_kafka_err2name(err)), LOG_S("text", line),
                                 LOG_I("suppressed_before", suppressed), LOG_S("action", "retry"));
        }
}

void weir_client_log_clear(struct weir_client_log *log)
{
        bool had;

        pthread_mutex_lock(&log->mutex);
        had = log->error[0] != '\0';
        log->error[0] = '\0';
        if (had) /* the next outage is a new fact */
                memset(log->recent, 0, sizeof log->recent);
        pthread_mutex_unlock(&log->mutex);
        if (had)
                weir_log(WEIR_LOG_INFO, "kafka.recovered", LOG_S("client", log->who));
}

void weir_client_log_last(struct weir_client_log *log, char *ret, size_t room)
{
        pthread_mutex_lock(&log->mutex);
        snprintf(ret, room, "%s", log->error);
        pthread_mutex_unlock(&log->mutex);
}

const char *weir_client_property(const struct weir_conf_property *properties, size_t count,
                                 const char *name)
{
        const char *value = NULL;

        for (size_t i = 0; i < count; i++)
                if (!strcmp(properties[i].name, name))
                        value = properties[i].value;
        return value;
}

static int set_one(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret,
                   struct weir_error *reterr)
{
        char text[256] = "";

        switch (rd_kafka_conf_set(conf, name, value, text, sizeof text)) {
        case RD_KAFKA_CONF_OK: return 0;
        case RD_KAFKA_CONF_UNKNOWN:
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "kafka property %s: librdkafka %s does not know it; see its "
                                 "CONFIGURATION.md for the names",
                                 name, rd_kafka_version_str());
        default:
                if (secret)
                        return weir_fail(reterr, WEIR_ECONF, 0,
                                         "kafka property %s: librdkafka refuses the secret's value "
                                         "(not shown)",
                                         name);
                return weir_fail(reterr, WEIR_ECONF, 0, "kafka property %s: %s", name, text);
        }
}

static int set_all(rd_kafka_conf_t *conf, const struct weir_client_setting *settings, size_t count,
                   struct weir_error *reterr)
{
        for (size_t i = 0; i < count; i++) {
                int r;

                if (!settings[i].value ||
                    (settings[i].optional && !weir_compat_has_property(conf, settings[i].name)))
                        continue;
                r = set_one(conf, settings[i].name, settings[i].value, false, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

int weir_client_conf(const struct weir_client_setting *defaults, size_t default_count,
                     const struct weir_conf_property *properties, size_t property_count,
                     const struct weir_client_setting *fixed, size_t fixed_count,
                     struct weir_client_log *log, rd_kafka_conf_t **ret, struct weir_error *reterr)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        int r;

        if (!conf)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "settings of a Kafka client");
        r = set_all(conf, defaults, default_count, reterr);
        for (size_t i = 0; r == 0 && i < property_count; i++)
                r = set_one(conf, properties[i].name, properties[i].value, properties[i].secret,
                            reterr);
        if (r == 0)
                r = set_all(conf, fixed, fixed_count, reterr);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return r;
        }
        rd_kafka_conf_set_opaque(conf, log);
        rd_kafka_conf_set_log_cb(conf, log_cb);
        rd_kafka_conf_set_error_cb(conf, error_cb);
        *ret = conf;
        return 0;
}

int weir_client_open(rd_kafka_type_t type, rd_kafka_conf_t **conf, rd_kafka_t **ret,
                     struct weir_error *reterr)
{
        char text[400];
        rd_kafka_t *rk = rd_kafka_new(type, *conf, text, sizeof text);

        if (!rk) {
                rd_kafka_conf_destroy(*conf);
                *conf = NULL;
                return weir_fail(reterr, WEIR_ECONF, 0, "kafka client: %s", text);
        }
        *conf = NULL; /* rd_kafka_new() owns it on success only */
        *ret = rk;
        return 0;
}

void weir_client_explain(rd_kafka_resp_err_t err, const char *text, char *ret, size_t room)
{
        static const struct {
                const char *in_text, *hint;
        } hints[] = {
                { "certificate verify failed",
                  "the broker's certificate is refused: its CA is not in ssl.ca.location, or the "
                  "host name is not in the certificate, or it has expired" },
                { "bad certificate",
                  "the broker refuses our certificate or wants one: see ssl.certificate.location "
                  "and ssl.key.location" },
                { "certificate required",
                  "the broker wants a client certificate: see ssl.certificate.location" },
                { "Invalid username or password", "user or password is wrong: see sasl.username "
                                                  "and the secret of sasl.password" },
                { "invalid credentials", "user or password is wrong, or SCRAM on librdkafka below "
                                         "2.6.1, which cannot log in to Kafka 4" },
                { "SSL listener", "the broker may expect TLS on this port: see security.protocol" },
                { "unexpected eof", "the broker may expect plaintext on this port: see "
                                    "security.protocol" },
                { "wrong version number", "the broker may expect plaintext on this port: see "
                                          "security.protocol" },
                /* the first four bytes of another protocol, read as a length: "HTTP", a TLS alert */
                { "Invalid response size 1213486160",
                  "what listens there speaks HTTP, not Kafka: see "
                  "kafka.brokers" },
                { "Invalid response size 352518912", "the broker expects TLS on this port: see "
                                                     "security.protocol" },
                { "receive.message.max.bytes", "every partition of that broker stands still until "
                                               "receive.message.max.bytes is larger" },
        };
        const char *hint = NULL, *again = strstr(text, " identical error(s) suppressed");
        int size = (int)strlen(text);

        /* "(after 0ms in state CONNECT, 3 identical error(s) suppressed)": the count makes no new error */
        if (again) {
                while (again > text && again[-1] >= '0' && again[-1] <= '9')
                        again--;
                while (again > text && (again[-1] == ' ' || again[-1] == ','))
                        again--;
                size = (int)(again - text);
        }
        for (size_t i = 0; !hint && i < WEIR_COUNT_OF(hints); i++)
                if (strcasestr(text, hints[i].in_text))
                        hint = hints[i].hint;
        if (!hint && err == RD_KAFKA_RESP_ERR__AUTHENTICATION)
                hint = "the broker refuses the login: see sasl.mechanisms, sasl.username and the "
                       "secret of sasl.password";
        if (hint && size > (int)(room / 2))
                snprintf(ret, room, "%s (%.*s)", hint, (int)(room / 2), text);
        else if (hint)
                snprintf(ret, room, "%s (%.*s%s)", hint, size, text, again ? ")" : "");
        else
                snprintf(ret, room, "%.*s%s", size, text, again ? ")" : "");
        for (char *p = ret; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = ' ';
}

int weir_client_fail(struct weir_client_log *log, rd_kafka_resp_err_t err,
                     struct weir_error *reterr, const char *format, ...)
{
        char what[240];
        char last[sizeof log->error] = "";
        va_list ap;

        va_start(ap, format);
        vsnprintf(what, sizeof what, format, ap);
        va_end(ap);
        if (log && weir_client_transient(err))
                weir_client_log_last(log, last, sizeof last);
        if (last[0])
                return weir_fail(reterr, WEIR_EKAFKA, (int)err, "%s: %s: %s", what,
                                 rd_kafka_err2str(err), last);
        return weir_fail(reterr, WEIR_EKAFKA, (int)err, "%s: %s", what, rd_kafka_err2str(err));
}

bool weir_client_transient(rd_kafka_resp_err_t err)
{
        switch (err) {
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__SSL:
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR__WAIT_COORD:
        case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
        case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
        case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION: return true;
        default: return false;
        }
}

static void pause_ms(int64_t ms)
{
        struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

        nanosleep(&wait, NULL);
}

bool weir_client_is_devbroker(rd_kafka_t *rk, int timeout_ms)
{
        char *id = rd_kafka_clusterid(rk, timeout_ms);
        bool is = id && !strncmp(id, "mockCluster", strlen("mockCluster"));

        if (id)
                rd_kafka_mem_free(rk, id);
        return is;
}

static int find_topic(const struct rd_kafka_metadata *metadata, const char *topic)
{
        for (int i = 0; i < metadata->topic_cnt; i++) {
                rd_kafka_resp_err_t err = metadata->topics[i].err;

                if (strcmp(metadata->topics[i].topic, topic))
                        continue;
                if (!err)
                        return metadata->topics[i].partition_cnt;
                return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                                       err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                               ? 0
                               : -(int)err;
        }
        return 0;
}

int weir_client_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * INT64_C(1000);
        bool all = weir_client_is_devbroker(rk, timeout_ms);
        int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_topic_t *handle = all ? NULL : rd_kafka_topic_new(rk, topic, NULL);
        rd_kafka_resp_err_t err;
        int r;

        if (!all && !handle)
                return -(int)rd_kafka_last_error();
        err = rd_kafka_metadata(rk, all, handle, &metadata, left_ms > 1 ? (int)left_ms : 1);
        if (handle)
                rd_kafka_topic_destroy(handle);
        if (err)
                return err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ? 0 : -(int)err;
        r = find_topic(metadata, topic);
        rd_kafka_metadata_destroy(metadata);
        return r;
}

int weir_client_offsets(rd_kafka_t *rk, struct weir_client_log *log,
                        rd_kafka_topic_partition_list_t *list, int64_t deadline_us,
                        const _Atomic bool *stop, struct weir_error *reterr)
{
        WEIR_FREE int64_t *times = calloc((size_t)list->cnt + 1, sizeof *times);

        if (!times)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "offsets of %d partitions", list->cnt);
        for (int i = 0; i < list->cnt; i++) {
                times[i] = list->elems[i].offset;
                if (times[i] >= 0 && weir_client_is_devbroker(rk, 1000))
                        return weir_fail(
                                reterr, WEIR_EUSAGE, 0,
                                "offsets of topic %s by time: the development broker knows "
                                "no times; begin at earliest, latest or an offset",
                                list->elems[i].topic);
        }
        for (;;) {
                int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
                const rd_kafka_topic_partition_t *bad = NULL;
                rd_kafka_resp_err_t err;

                if (stop && *stop)
                        return weir_fail(reterr, WEIR_ESTOP, 0, "offsets of %s: stopping",
                                         list->cnt ? list->elems[0].topic : "-");
                err = rd_kafka_offsets_for_times(rk, list,
                                                 left_ms > 1000 ? 1000
                                                 : left_ms > 1  ? (int)left_ms
                                                                : 1);
                for (int i = 0; !err && !bad && i < list->cnt; i++)
                        if (list->elems[i].err)
                                bad = &list->elems[i];
                if (!err && !bad)
                        return 0;
                if (!weir_client_transient(bad ? bad->err : err) ||
                    weir_clock_us() >= deadline_us) {
                        if (bad)
                                return weir_client_fail(log, bad->err, reterr,
                                                        "offsets of topic %s partition %d",
                                                        bad->topic, (int)bad->partition);
                        return weir_client_fail(log, err, reterr, "offsets of topic %s",
                                                list->cnt ? list->elems[0].topic : "-");
                }
                for (int i = 0; i < list->cnt; i++) {
                        list->elems[i].offset = times[i];
                        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
                }
                pause_ms(20);
        }
}

struct destroyer {
        pthread_mutex_t mutex;
        pthread_cond_t cond;
        rd_kafka_t *rk;
        int flags;
        bool done;     /* @mutex */
        bool unwanted; /* @mutex  nobody waits any more: the helper frees this */
};

static void free_destroyer(struct destroyer *destroyer)
{
        pthread_cond_destroy(&destroyer->cond);
        pthread_mutex_destroy(&destroyer->mutex);
        free(destroyer);
}

static void *run_destroyer(void *p)
{
        struct destroyer *destroyer = p;
        bool unwanted;

        rd_kafka_destroy_flags(destroyer->rk, destroyer->flags);
        pthread_mutex_lock(&destroyer->mutex);
        destroyer->done = true;
        unwanted = destroyer->unwanted;
        pthread_cond_signal(&destroyer->cond);
        pthread_mutex_unlock(&destroyer->mutex);
        if (unwanted)
                free_destroyer(destroyer);
        return NULL;
}

int weir_client_destroy(rd_kafka_t *rk, int flags, int64_t deadline_us)
{
        struct destroyer *destroyer = calloc(1, sizeof *destroyer);
        pthread_t thread;
        bool done;

        if (!destroyer)
                return 1; /* a process without memory for this is ended by its owner */
        destroyer->rk = rk;
        destroyer->flags = flags;
        pthread_mutex_init(&destroyer->mutex, NULL);
        weir_cond_init(&destroyer->cond);
        if (weir_thread_start(&thread, WEIR_ROLE_ANY, "kafka-destroy", run_destroyer, destroyer)) {
                free_destroyer(destroyer);
                return 1;
        }
        pthread_mutex_lock(&destroyer->mutex);
        while (!destroyer->done &&
               weir_cond_wait_until(&destroyer->cond, &destroyer->mutex, deadline_us))
                ;
        done = destroyer->done;
        destroyer->unwanted = !done;
        pthread_mutex_unlock(&destroyer->mutex);
        if (!done) {
                pthread_detach(thread);
                return 1;
        }
        pthread_join(thread, NULL);
        free_destroyer(destroyer);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * client - settings, questions and error words, the same for every librdkafka handle
 *
 * librdkafka has one text for a wrong CA, a wrong host name and an expired certificate, and answers a question while
 * a leader moves with an error that the next try would not get. What people read, and what is asked again, is decided
 * here, once, for consumer, producer, reader and cluster alike.
 *
 * Always true   KC1 what weir depends on (offset store, commit, reset) is set after the user's
 *                   properties: nothing that slipped through can change it.
 *               KC2 the value of a secret appears in no text, also when librdkafka refuses it, or is
 *                   told by a debug property to print what it was given.
 * Not chosen    rd_kafka_destroy() in the caller's thread: it waits without a bound for brokers and for every record
 *               that is out.
 * Threads       any; a handle's settings are made by its owner.
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
#include "base/thread.h"
#include "conf/conf.h"
#include "kafka/compat.h"

const char *weir_client_property(const struct weir_conf_property *properties, size_t count,
                                 const char *name)
{
        const char *value = NULL;

        for (size_t i = 0; i < count; i++)
                if (!strcmp(properties[i].name, name))
                        value = properties[i].value;
        return value;
}

int weir_client_try(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret,
                    struct weir_error *reterr)
{
        char text[256] = "";

        switch (rd_kafka_conf_set(conf, name, value, text, sizeof text)) {
        case RD_KAFKA_CONF_OK: return 0;
        case RD_KAFKA_CONF_UNKNOWN:
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s: librdkafka %s does not know it; see its CONFIGURATION.md for "
                                 "the names",
                                 name, rd_kafka_version_str());
        default:
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s: %s; librdkafka's CONFIGURATION.md has what is allowed", name,
                                 secret && !strstr(text, "not supported in this build")
                                         ? "the secret's value (not shown) is refused"
                                         : text);
        }
}

static int set_one(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret,
                   struct weir_error *reterr)
{
        int r = weir_client_try(conf, name, value, secret, reterr);

        return r < 0 ? weir_error_prefix(reterr, "kafka property ") : 0;
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
        weir_client_log_hear(log, conf);
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

enum { LOOK_MS = 10 };

/* Looked at again and again: an answer that comes between a look of the client's own and its wait is slept through, for
 * the whole of @timeout_ms (librdkafka 2.0.2, rd_kafka_clusterid()). */
int weir_client_is_devbroker(rd_kafka_t *rk, int timeout_ms)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * INT64_C(1000);
        char *id;
        int is;

        while (!(id = rd_kafka_clusterid(rk, 0)) && weir_clock_us() < deadline_us)
                pause_ms(LOOK_MS);
        is = !id ? -1 : !strncmp(id, "mockCluster", strlen("mockCluster"));
        if (id)
                rd_kafka_mem_free(rk, id);
        return is;
}

static rd_kafka_resp_err_t find_topic(const struct rd_kafka_metadata *metadata, const char *topic,
                                      int *ret)
{
        *ret = 0;
        for (int i = 0; i < metadata->topic_cnt; i++) {
                rd_kafka_resp_err_t err = metadata->topics[i].err;

                if (strcmp(metadata->topics[i].topic, topic))
                        continue;
                if (!err)
                        *ret = metadata->topics[i].partition_cnt;
                return err;
        }
        return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

rd_kafka_resp_err_t weir_client_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms,
                                           int *ret)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * INT64_C(1000);
        int all = weir_client_is_devbroker(rk, timeout_ms);
        int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_topic_t *handle;
        rd_kafka_resp_err_t err;

        if (all < 0)
                return RD_KAFKA_RESP_ERR__TRANSPORT;
        handle = all ? NULL : rd_kafka_topic_new(rk, topic, NULL);
        if (!all && !handle)
                return rd_kafka_last_error();
        err = rd_kafka_metadata(rk, all, handle, &metadata, left_ms > 1 ? (int)left_ms : 1);
        if (handle)
                rd_kafka_topic_destroy(handle);
        if (!err) {
                err = find_topic(metadata, topic, ret);
                rd_kafka_metadata_destroy(metadata);
        }
        if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
            err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
                *ret = 0;
                err = RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        return err;
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
                if (times[i] >= 0 && weir_client_is_devbroker(rk, 1000) > 0)
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

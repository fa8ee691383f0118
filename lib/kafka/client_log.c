/* SPDX-License-Identifier: MIT */
/*
 * client_log - what librdkafka says, bounded, and its last error, kept
 *
 * librdkafka talks a lot when a broker is away (several lines a second, for ever) and reports an
 * error twice, then hardly again. So: the log is deduplicated and bounded, and the last error is
 * kept, because nobody will repeat it when readiness asks. What a debug property makes it print of its settings is
 * dropped: it may hold a secret (KC2).
 *
 * Not chosen    librdkafka's own log to stderr: other form, no bound, no event name.
 * Threads       callbacks come from any librdkafka thread; one mutex per handle, never held while
 *               a line is written.
 */
#include "kafka/client_log.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/client.h"

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
               /* debug=conf: every property with its value; it knows the secrets by name, and not all */
               !strcmp(facility, "CONF") ||
               !strcmp(facility, "AUTOCREATE"); /* which is an old one */
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
        if (!log || !weir_log_wants(ours))
                return;
        /* Who asks for debug lines looks for what led to what: one that is left out may be the one. */
        if (level < 7 && !admit(log, hash_text(facility, text), &suppressed))
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

void weir_client_log_hear(struct weir_client_log *log, rd_kafka_conf_t *conf)
{
        rd_kafka_conf_set_opaque(conf, log);
        rd_kafka_conf_set_log_cb(conf, log_cb);
        rd_kafka_conf_set_error_cb(conf, error_cb);
}

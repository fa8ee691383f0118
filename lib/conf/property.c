/* SPDX-License-Identifier: MIT */
/*
 * property - a deny list, because the allow list changes with every librdkafka
 *
 * weir keeps its promise only while certain settings are its own: who stores offsets, where reading
 * begins, what a fetched byte is checked against. A file that sets one of those is not overruled in
 * silence: somebody believes in that line, and must be told. Names that librdkafka does not know
 * are not found here; lib/kafka asks the library itself.
 *
 * Secrets are recognised by the shape of the name too, so that a property of a later librdkafka
 * ("…passphrase") does not end up readable in the main file because this table is older.
 */
#include "conf/property.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "conf/conf.h"

static const struct rule {
        const char *pattern;
        const char *reason;
} rules[] = {
        { "bootstrap.servers", "set kafka.brokers instead" },
        { "metadata.broker.list", "set kafka.brokers instead" },
        { "group.id", "set workers.group instead" },
        { "enable.auto.commit", "weir commits to Kafka what PostgreSQL has, and nothing else" },
        { "auto.commit.enable", "weir commits to Kafka what PostgreSQL has, and nothing else" },
        { "auto.commit.interval.ms",
          "weir owns it; the position that counts is committed in PostgreSQL with every batch" },
        { "enable.auto.offset.store",
          "weir stores an offset only after COMMIT; the library would store it before" },
        { "offset.store.*", "weir keeps positions in PostgreSQL" },
        { "auto.offset.reset", "weir never lets the library choose where to read; workers.start "
                               "says where a new position begins" },
        { "partition.assignment.strategy",
          "weir chooses the one that the librdkafka in use does without loss" },
        { "group.protocol", "weir chooses the one that the librdkafka in use does without loss" },
        { "group.protocol.type",
          "weir chooses the one that the librdkafka in use does without loss" },
        { "group.remote.assignor",
          "weir chooses the one that the librdkafka in use does without loss" },
        { "enable.partition.eof", "weir finds the end of a partition by itself" },
        { "check.crcs", "always on: a damaged record must stop its partition" },
        { "isolation.level",
          "always read_committed: a record of an aborted transaction is not an event" },
        { "queued.max.messages.kbytes", "set memory.queue instead" },
        { "queued.min.messages", "set memory.queue instead" },
        { "fetch.max.bytes", "set memory.budget instead" },
        { "fetch.message.max.bytes", "set memory.budget instead" },
        { "max.partition.fetch.bytes", "set memory.budget instead" },
        { "statistics.interval.ms", "weir reads them itself, to keep memory.budget" },
        { "allow.auto.create.topics",
          "a typing error in workers.topics would create a topic; create topics on purpose" },
        { "transactional.id", "weir's transaction is the one in PostgreSQL" },
        { "enable.idempotence", "always on" },
        { "acks", "always all: an event that is reported as sent survives the loss of a broker" },
        { "request.required.acks",
          "always all: an event that is reported as sent survives the loss of a broker" },
        { "delivery.report.only.error", "weir accounts for every record" },
        { "plugin.library.paths", "loads code into the process; handlers are loaded as "
                                  "workers.plugin, where the file is checked" },
        { "ssl.engine.*", "loads code into the process" },
        { "ssl.providers",
          "loads code into the process; openssl.cnf (OPENSSL_CONF) names providers" },
        { "sasl.kerberos.kinit.cmd",
          "is run by a shell; librdkafka's own kinit takes sasl.kerberos.keytab and "
          "sasl.kerberos.principal" },
        { "sasl.jaas.config", "is of the Java client; set sasl.mechanisms and sasl.username, and "
                              "sasl.password in kafka.secrets" },
        { "topic.blacklist", "would hide topics that workers.topics names" },
        { "queuing.strategy", "records are sent in their order" },
        { "enable_sasl_queue", "weir owns the events of the client" },
        { "interceptors", "code, which a file cannot hold" },
        { "opaque", "code, which a file cannot hold" },
        { "default_topic_conf", "code, which a file cannot hold" },
        { "ssl_engine_callback_data", "code, which a file cannot hold" },
        { "ssl_key", "code, which a file cannot hold; use ssl.key.location" },
        { "ssl_certificate", "code, which a file cannot hold; use ssl.certificate.location" },
        { "ssl_ca", "code, which a file cannot hold; use ssl.ca.location" },
        { "msg_order_cmp", "code, which a file cannot hold" },
        { "*_cb", "code, which a file cannot hold" },
        { "enabled_events", "weir owns the events of the client" },
        { "log.queue", "weir owns the log of the client" },
        { "internal.termination.signal", "weir owns the signals of the process" },
        { "test.mock.*",
          "replaces the brokers by a mock without a word; weir dev starts a development broker" },
};

static const char secret_reason[] =
        "holds a secret; give it in kafka.secrets with a file or an environment variable";

static bool matches(const char *pattern, const char *name)
{
        size_t size = strlen(pattern), length = strlen(name);

        if (*pattern == '*')
                return length >= size - 1 && !strcmp(name + length - (size - 1), pattern + 1);
        if (pattern[size - 1] == '*')
                return !strncmp(name, pattern, size - 1);
        return !strcmp(name, pattern);
}

const char *weir_property_owned(const char *name)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(rules); i++)
                if (matches(rules[i].pattern, name))
                        return rules[i].reason;
        return NULL;
}

bool weir_property_secret(const char *name)
{
        return strstr(name, "password") || strstr(name, "secret") || strstr(name, "passphrase") ||
               matches("*key.pem", name) || !strcmp(name, "sasl.oauthbearer.config");
}

/* The default of sasl.kerberos.kinit.cmd holds %{sasl.kerberos.keytab} and the principal, without
 * any quoting of them, and is run by system(). */
const char *weir_property_wrong(const char *name, const char *value)
{
        if (strncmp(name, "sasl.kerberos.", 14) != 0 ||
            !value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._/@:+-")])
                return NULL;
        return "goes into a command of a shell; allowed: letters, digits and . _ / @ : + -";
}

/* librdkafka: GSSAPI is the mechanism where none is named, and kinit is run at the start and then by a timer,
 * unless that is 0. */
bool weir_property_runs_kinit(const struct weir_conf_property *list, size_t count)
{
        bool sasl = false, kerberos = true, timer = true;

        for (size_t i = 0; i < count; i++) {
                const char *name = weir_property_canonical(list[i].name);
                const char *value = list[i].value;

                if (!strcmp(name, "security.protocol"))
                        sasl = !strncasecmp(value, "sasl_", 5);
                else if (!strcmp(name, "sasl.mechanisms"))
                        kerberos = !strcasecmp(value, "GSSAPI");
                else if (!strcmp(name, "sasl.kerberos.min.time.before.relogin"))
                        timer = strcmp(value, "0") != 0;
        }
        return sasl && kerberos && timer;
}

/* scheme://user:password@host */
bool weir_property_holds_password(const char *value)
{
        const char *p = strstr(value, "://");
        size_t size = p ? strcspn(p + 3, "/?#") : 0;
        const char *at = p ? memrchr(p + 3, '@', size) : NULL;

        return at && memchr(p + 3, ':', (size_t)(at - p - 3));
}

bool weir_property_named(const char *name)
{
        return *name && strlen(name) < 128 &&
               !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

const char *weir_property_canonical(const char *name)
{
        static const char *const same[][2] = {
                { "sasl.mechanism", "sasl.mechanisms" },
                { "max.in.flight", "max.in.flight.requests.per.connection" },
                { "fetch.message.max.bytes", "max.partition.fetch.bytes" },
                { "compression.codec", "compression.type" },
                { "queue.buffering.max.ms", "linger.ms" },
                { "message.send.max.retries", "retries" },
                { "delivery.timeout.ms", "message.timeout.ms" },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(same); i++)
                if (!strcmp(name, same[i][0]))
                        return same[i][1];
        return name;
}

bool weir_property_rule(size_t index, const char **ret_pattern, const char **ret_reason)
{
        if (index >= WEIR_COUNT_OF(rules))
                return false;
        *ret_pattern = rules[index].pattern;
        *ret_reason = rules[index].reason;
        return true;
}

const char *weir_conf_property_refused(const char *name)
{
        const char *reason = weir_property_owned(name);

        return !reason && weir_property_secret(name) ? secret_reason : reason;
}

/* SPDX-License-Identifier: MIT */
/*
 * read_sink - what the table cannot say about a sink: which keys go together
 *
 * A key that could have no effect is refused, not ignored: a secret beside a topic means that
 * somebody believes the records are signed. An empty one says nothing and passes.
 *
 * The sink is copied to conf.sinks whatever was found wrong with it, because that is where secrets
 * are wiped.
 */
#include <assert.h>
#include <libconfig.h>
#include <string.h>
#include <unistd.h>

#include "base/cert.h"
#include "base/hash.h"
#include "conf/file.h"
#include "conf/read.h"

#define CA_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct looking {
        struct weir_reading *reading;
        struct weir_key_sink *sink;
        config_setting_t *group;
        config_setting_t *const *seen;
        const bool *good;
};

static size_t index_of(const char *path)
{
        const struct weir_key *key = weir_key_find(path);

        assert(key);
        return (size_t)(key - weir_keys);
}

static void note(const struct looking *looking, const char *path, const char *words)
{
        config_setting_t *setting = looking->seen[index_of(path)];
        struct weir_place place = weir_read_place(looking->reading,
                                                  setting ? setting : looking->group);

        weir_problem_add(looking->reading->problems, &place, path, "%s", words);
}

/* Given, and understood. */
static bool given(const struct looking *looking, const char *path)
{
        return looking->seen[index_of(path)] && looking->good[index_of(path)];
}

static const char *secret(const struct looking *looking, const char *file, const char *file_text,
                          const char *env, const char *env_text, struct weir_place *ret_place)
{
        return weir_read_secret(looking->reading,
                                &(struct weir_secret_key){ file, file_text,
                                                           looking->seen[index_of(file)] },
                                &(struct weir_secret_key){ env, env_text,
                                                           looking->seen[index_of(env)] },
                                ret_place);
}

/* A header's line would end at a line feed, and go on with what an attacker put behind it. */
static void check_token(const struct looking *looking, const struct weir_place *place)
{
        const char *token = looking->sink->sink.token;

        for (; token && *token; token++)
                if ((unsigned char)*token <= 0x20 || (unsigned char)*token >= 0x7f) {
                        weir_problem_add(looking->reading->problems, place,
                                         given(looking, "sinks.token_file") ? "sinks.token_file"
                                                                            : "sinks.token_env",
                                         "holds something else than printable ASCII without "
                                         "blanks; a token is one word");
                        return;
                }
}

/* What follows whsec_ is base64; weir_signature_make() would refuse it at the first event. */
static void check_secret(const struct looking *looking, const struct weir_place *place,
                         const char *secret, const char *path)
{
        size_t size, padding;

        if (!secret || strncmp(secret, "whsec_", 6) != 0)
                return;
        secret += 6;
        size = strspn(secret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/");
        padding = strspn(secret + size, "=");
        if (size == 0 || padding > 2 || (size + padding) % 4 || secret[size + padding])
                weir_problem_add(looking->reading->problems, place, path,
                                 "begins with whsec_, but what follows is not base64");
}

static void read_secrets(const struct looking *looking)
{
        struct weir_key_sink *from = looking->sink;
        struct weir_place place;

        from->sink.secret = secret(looking, "sinks.secret_file", from->secret_file,
                                   "sinks.secret_env", from->secret_env, &place);
        check_secret(looking, &place, from->sink.secret,
                     from->secret_file ? "sinks.secret_file" : "sinks.secret_env");
        from->sink.secret_next = secret(looking, "sinks.secret_next_file", from->secret_next_file,
                                        "sinks.secret_next_env", from->secret_next_env, &place);
        check_secret(looking, &place, from->sink.secret_next,
                     from->secret_next_file ? "sinks.secret_next_file" : "sinks.secret_next_env");
        from->sink.token = secret(looking, "sinks.token_file", from->token_file, "sinks.token_env",
                                  from->token_env, &place);
        if (from->sink.token)
                check_token(looking, &place);
}

/* ---- one destination, and what belongs to it ---------------------------------------- */

static bool one_destination(const struct looking *looking)
{
        static const char *const paths[] = { "sinks.url", "sinks.topic", "sinks.file" };
        const struct weir_conf_sink *sink = &looking->sink->sink;
        const char *texts[] = { sink->url, sink->topic, sink->file };
        const char *first = NULL;

        for (size_t i = 0; i < WEIR_COUNT_OF(paths); i++) {
                char words[80];

                if (!looking->good[index_of(paths[i])])
                        return false; /* there, but wrong: noted */
                if (!texts[i])
                        continue;
                if (first) {
                        snprintf(words, sizeof words, "is given together with %s; keep one", first);
                        note(looking, paths[i], words);
                        return false;
                }
                first = paths[i];
        }
        if (!first) {
                struct weir_place place = weir_read_place(looking->reading, looking->group);

                weir_problem_add(looking->reading->problems, &place, "sinks",
                                 "the sink %s leads nowhere; give it url, topic or file",
                                 sink->name ? sink->name : "here");
        }
        return first;
}

/* Keys that promise something, and mean nothing without a url. timeout and max_concurrent pass:
 * somebody who copied the reference has them at their default. */
static void check_without_url(const struct looking *looking)
{
        const struct weir_key_sink *from = looking->sink;
        const struct weir_conf_sink *sink = &from->sink;
        const struct {
                const char *path;
                bool effect;
        } keys[] = {
                { "sinks.secret_file", from->secret_file },
                { "sinks.secret_env", from->secret_env },
                { "sinks.secret_next_file", from->secret_next_file },
                { "sinks.secret_next_env", from->secret_next_env },
                { "sinks.token_file", from->token_file },
                { "sinks.token_env", from->token_env },
                { "sinks.origin", sink->origin },
                { "sinks.request_rate", sink->request_rate },
                { "sinks.reply_topic", sink->reply_topic },
                { "sinks.ca_file", sink->ca_file },
                { "sinks.allow_private", sink->allow_private },
                { "sinks.allow_plain", sink->allow_plain },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++)
                if (given(looking, keys[i].path) && keys[i].effect)
                        note(looking, keys[i].path,
                             "has an effect on a webhook only; this sink has no url");
}

static void check_webhook(const struct looking *looking)
{
        const struct weir_key_sink *from = looking->sink;
        const struct weir_conf_sink *sink = &from->sink;
        bool next = from->secret_next_file || from->secret_next_env;

        if (!strncmp(sink->url, "http://", 7) && !sink->allow_plain &&
            looking->good[index_of("sinks.allow_plain")])
                note(looking, "sinks.url",
                     "is http://, where anybody on the way reads events and token; use https://, "
                     "or allow it with allow_plain = true");
        if (next && !from->secret_file && !from->secret_env)
                note(looking,
                     from->secret_next_file ? "sinks.secret_next_file" : "sinks.secret_next_env",
                     "is the second secret, but there is no first; use secret_file or secret_env");
        if (sink->request_rate > 0 && !sink->origin && looking->good[index_of("sinks.origin")])
                note(looking, "sinks.request_rate",
                     "is asked for together with consent only; set origin");
        if (sink->ca_file && access(sink->ca_file, R_OK) < 0)
                note(looking, "sinks.ca_file", "cannot be read; name a file of certificates (PEM)");
        else if (sink->ca_file && weir_cert_count(sink->ca_file) <= 0)
                note(looking, "sinks.ca_file",
                     "holds no certificate; name a file of certificates (PEM)");
}

/* Zeroes where it is not to be read: that is told elsewhere. */
static void digest(const char *path, uint8_t ret[32])
{
        struct weir_error error;
        struct stat st;
        char *text;
        size_t size;

        memset(ret, 0, 32);
        if (!path || weir_file_read(path, CA_BYTES_MAX, 0, &text, &size, &st, &error) < 0)
                return;
        if (weir_hash_parts(&(struct weir_hash_part){ text, size }, 1, ret) < 0)
                memset(ret, 0, 32);
        weir_file_free(text, size);
}

void weir_read_sink(struct weir_reading *reading, struct config_setting_t *group, size_t index,
                    struct config_setting_t *const *seen, const bool *good)
{
        struct weir_key_sink *from = &reading->base->sinks[index];
        const struct looking looking = { reading, from, group, seen, good };

        from->sink.structured = from->mode && !strcmp(from->mode, "structured");
        digest(from->sink.ca_file, from->sink.ca_digest);
        read_secrets(&looking);
        reading->base->conf.sinks[index] = from->sink;
        if (one_destination(&looking)) {
                if (from->sink.url)
                        check_webhook(&looking);
                else
                        check_without_url(&looking);
        }
        for (size_t i = 0; from->sink.name && i < index; i++) {
                const struct weir_conf_sink *other = &reading->base->conf.sinks[i];
                struct weir_place place;

                if (!other->name || strcmp(other->name, from->sink.name) != 0)
                        continue;
                place = weir_read_place(reading, seen[index_of("sinks.name")]);
                weir_problem_add(reading->problems, &place, "sinks.name",
                                 "%s is the name of the sink at %s too; each sink has a name of "
                                 "its own",
                                 from->sink.name, other->where);
                break;
        }
}

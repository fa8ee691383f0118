/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_KEY_H
#define WEIR_CONF_KEY_H
/* key - the table of keys: parser, defaults, range checks, reference file and documentation read it
 */
#include "conf/conf.h"
#include "conf/value.h"

enum weir_key_type {
        WEIR_KEY_GROUP,      /* holds keys; no value of its own */
        WEIR_KEY_WORKERS,    /* the list of groups, one a worker */
        WEIR_KEY_SINKS,      /* the list of groups, one a sink */
        WEIR_KEY_TEXT,       /* const char * */
        WEIR_KEY_CHOICE,     /* const char *, one of @allowed, "a|b|c" */
        WEIR_KEY_WORD,       /* int: which of @allowed, "a|b|c", from 0 */
        WEIR_KEY_COUNT,      /* uint32_t */
        WEIR_KEY_SIZE,       /* uint64_t, bytes */
        WEIR_KEY_DURATION,   /* int64_t in units of @unit_us */
        WEIR_KEY_BOOL,       /* bool */
        WEIR_KEY_START,      /* start and start_time_ms of a worker */
        WEIR_KEY_TEXTS,      /* const char *const *, and size_t at @count_offset */
        WEIR_KEY_PROPERTIES, /* into weir_conf.properties */
        WEIR_KEY_SECRETS,    /* into weir_conf.properties */
        WEIR_KEY_OPTIONS     /* struct weir_option * */
};

#define WEIR_KEY_REQUIRED 1u
#define WEIR_KEY_PATH 2u        /* a relative path is meant from the directory of the file */
#define WEIR_KEY_SLASH 4u       /* the same, but a text without a slash is a name and no path */
#define WEIR_KEY_NONE 8u        /* an empty text is NULL */
#define WEIR_KEY_RELOADABLE 16u /* a running process takes it over: SIGHUP */

struct weir_key {
        const char *path; /* "workers.batch.linger"; "workers." = once a worker, "sinks." a sink */
        int type;         /* enum weir_key_type */
        unsigned flags;
        size_t offset, count_offset; /* in weir_key_base, weir_conf_worker or weir_key_sink */
        const char *fallback;        /* default in file syntax, without quotes; NULL = none */
        const char *example;         /* for the reference file where there is no default */
        int64_t min, max;            /* count, bytes or microseconds; texts: how many */
        int64_t unit_us;
        weir_text_check *check;
        const char *allowed; /* in words, where min and max do not say it */
        const char *help;
};

/* What keys of a sink are read into; conf.sinks[i] is a copy of @sink, once it is complete. */
struct weir_key_sink {
        struct weir_conf_sink sink;
        const char *mode;
        const char *secret_file, *secret_env, *secret_next_file, *secret_next_env;
        const char *token_file, *token_env;
};

/* What keys outside of lists are read into. */
struct weir_key_base {
        struct weir_conf conf;
        const char *password_file, *password_env;
        struct weir_key_sink *sinks; /* conf.sink_count */
};

extern const struct weir_key weir_keys[];
extern const size_t weir_key_count;
#define WEIR_KEYS_MAX 96

/* The list of groups that @key is inside of: "workers" for "workers.name". NULL = none. */
const struct weir_key *weir_key_list(const struct weir_key *key);
bool weir_key_is_list(const struct weir_key *key);
/* What the keys of @list are read into: *ret the element at @index. False = there are not as many. */
bool weir_key_element(const struct weir_key_base *base, const struct weir_key *list, size_t index,
                      const void **ret);
/* The last component of the path. */
const char *weir_key_name(const struct weir_key *key);
/* NULL = no such key. "workers.[0].name" finds "workers.name". */
const struct weir_key *weir_key_find(const char *path);
/* The key that was probably meant; NULL = nothing near. */
const struct weir_key *weir_key_nearest(const char *path);
/* "1..256", "64KiB..1GiB", "earliest | latest | …"; @ret of 160 bytes. */
void weir_key_allowed(const struct weir_key *key, char ret[160]);
/* "a whole number", "a string: …". */
const char *weir_key_type_name(const struct weir_key *key);
/* The default in file syntax, with its quotes; "" when there is none. @ret of 80 bytes. */
void weir_key_default(const struct weir_key *key, char ret[80]);

#endif

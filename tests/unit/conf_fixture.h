/* SPDX-License-Identifier: MIT */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H
/* What the tests of conf share: a minimal file, a scratch directory, and questions about problems.
 */
#include <check.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

#define KAFKA "kafka = { brokers = \"b:9092\"; };\n"
#define STORE "store = { url = \"postgresql:///weir\"; };\n"
#define WORKER_KEYS "name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ];"
#define WORKERS "workers = ( { " WORKER_KEYS " } );\n"
#define MINIMAL KAFKA STORE WORKERS
#define TOP(more) MINIMAL more "\n"
#define WORKER(more) KAFKA STORE "workers = ( { " WORKER_KEYS " " more " } );\n"
#define PROPERTIES(list) STORE WORKERS "kafka = { brokers = \"b\"; properties = [ " list " ]; };\n"
#define SECRETS(list) STORE WORKERS "kafka = { brokers = \"b\"; secrets = ( " list " ); };\n"
#define CANARY "hunter2canary" /* a secret: found in no message */
/* Self-signed, of nobody: only its form is looked at. */
#define CERTIFICATE                                                                                \
        "-----BEGIN CERTIFICATE-----\n"                                                            \
        "MIIBdTCCARugAwIBAgIUdgdeez5scfU23/7ALtE9wYVZJtUwCgYIKoZIzj0EAwIw\n"                       \
        "DzENMAsGA1UEAwwEd2VpcjAgFw0yNjExMjEyMDMxNTRaGA8yMTI2MTAyODIwMzE1\n"                       \
        "NFowDzENMAsGA1UEAwwEd2VpcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAmp\n"                       \
        "vMiymO5mWuYTSDmWelB6ZRLE8VvGAa5Va7Bnq0otteDspzYSG3YVcEPzV9nhfGBu\n"                       \
        "QicY5JBoO5myiR89U9ujUzBRMB0GA1UdDgQWBBTqatxIaweRECYYl8Ea3Sz9DDJQ\n"                       \
        "eDAfBgNVHSMEGDAWgBTqatxIaweRECYYl8Ea3Sz9DDJQeDAPBgNVHRMBAf8EBTAD\n"                       \
        "AQH/MAoGCCqGSM49BAMCA0gAMEUCIBtoQ3jIze6/b6kQ96f0w0vwyb2UFdC49CVm\n"                       \
        "Utu/0kYCAiEAqBUOpX5Ht4qkYgepveRExhPMMfYJ/tGs943l3Db6ciw=\n"                               \
        "-----END CERTIFICATE-----\n"

/* The outcome of one reading. */
struct reading {
        int r;
        struct weir_conf *conf;
        struct weir_conf_problems problems;
        struct weir_error error;
};

static inline struct reading parse_with(const char *text, const struct weir_conf_checks *checks)
{
        struct reading reading = { .r = 1 };

        reading.r = weir_conf_parse("t.cfg", text, strlen(text), checks, &reading.conf,
                                    &reading.problems, &reading.error);
        return reading;
}

static inline struct reading parse(const char *text)
{
        return parse_with(text, NULL);
}

static inline struct reading load_file(const char *path)
{
        struct reading reading = { .r = 1 };

        reading.r = weir_conf_load(path, NULL, &reading.conf, &reading.problems, &reading.error);
        return reading;
}

static inline void done(struct reading *reading)
{
        weir_conf_free(reading->conf);
        weir_conf_problems_fini(&reading->problems);
}

/* The reading failed with @count problems; number @index begins with @begin and holds @part. */
static inline void expect_problem(const struct reading *reading, size_t count, size_t index,
                                  const char *begin, const char *part)
{
        const char *text;

        for (size_t i = 0; reading->problems.count != count && i < reading->problems.count; i++)
                fprintf(stderr, "problem: %s\n", reading->problems.list[i].text);
        ck_assert_int_eq(reading->r, WEIR_ECONF);
        ck_assert_ptr_null(reading->conf);
        ck_assert_uint_eq(reading->problems.count, count);
        text = reading->problems.list[index].text;
        ck_assert_msg(!strncmp(text, begin, strlen(begin)), "\"%s\" does not begin with \"%s\"",
                      text, begin);
        ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not hold \"%s\"", text, part);
}

/* @text has exactly one problem. */
static inline void refuse(const char *text, const char *begin, const char *part)
{
        struct reading reading = parse(text);

        expect_problem(&reading, 1, 0, begin, part);
        done(&reading);
}

static inline void accept_text(const char *text)
{
        struct reading reading = parse(text);

        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_eq(reading.problems.count, 0);
        done(&reading);
}

/* The words occur in no message of the reading. */
static inline void expect_silence(const struct reading *reading, const char *canary)
{
        for (size_t i = 0; i < reading->problems.count; i++)
                ck_assert_msg(!strstr(reading->problems.list[i].text, canary), "leaked: %s",
                              reading->problems.list[i].text);
        ck_assert_ptr_null(strstr(reading->error.text, canary));
}

/* ---- a scratch directory ------------------------------------------------------------ */

static char scratch[160];

/* In TMPDIR, which whoever runs the tests removes: a test that fails leaves its own where it was. */
static inline void make_scratch(void)
{
        const char *base = getenv("TMPDIR");
        int size = snprintf(scratch, sizeof scratch, "%s/weir-conf-XXXXXX",
                            base && *base ? base : "/tmp");

        if (size >= (int)sizeof scratch || !mkdtemp(scratch))
                abort();
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
        (void)st, (void)flag, (void)ftw;
        return remove(path);
}

static inline void remove_scratch(void)
{
        nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "scratch/name"; eight of them live at a time. */
static inline const char *in_scratch(const char *name)
{
        static char paths[8][256];
        static unsigned next;
        char *path = paths[next++ % 8];

        snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
        return path;
}

static inline const char *put_bytes(const char *name, mode_t mode, const char *bytes, size_t size)
{
        const char *path = in_scratch(name);
        FILE *file;

        remove(path);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(chmod(path, mode), 0);
        return path;
}

static inline const char *put(const char *name, const char *text)
{
        return put_bytes(name, 0644, text, strlen(text));
}

#endif

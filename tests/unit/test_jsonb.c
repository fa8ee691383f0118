/* SPDX-License-Identifier: MIT */
/*
 * event/json against PostgreSQL: what weir calls JSON, jsonb takes; what jsonb takes, weir calls JSON
 *
 * Two readers that disagree are a hole: a handler would see an event that its INSERT refuses, or weir would condemn what
 * every other client of the database can write. The documents are the corpora of tests/fuzz and seeded mutants of them,
 * JSONB_MUTANTS (40) of each by JSONB_SEED (1), judged a thousand in a statement.
 *
 * Known apart    \u0000, which no text of PostgreSQL holds; a number beyond numeric (1e200000); and what is over weir's
 *                limits. Each is told apart by its SQLSTATE or class, not by being skipped.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "../fuzz/mutate.h"
#include "event/cursor.h"
#include "event/json.h"
#include "store_fixture.h"

#define BATCH 1000
#define BYTES_MAX 8192

static struct {
        char *documents[BATCH];
        size_t sizes[BATCH];
        size_t count, sound, refused, apart;
} batch;

static PGconn *connection;

static void forget(void)
{
        for (size_t i = 0; i < batch.count; i++)
                free(batch.documents[i]);
        batch.count = 0;
}

/* "{"\\x6162",...}": an array of bytea, as text. */
static char *make_array(void)
{
        char *array = malloc(2 + batch.count * (2 * BYTES_MAX * 2 + 8)), *p = array;

        ck_assert_ptr_nonnull(array);
        *p++ = '{';
        for (size_t i = 0; i < batch.count; i++) {
                p = stpcpy(p, i ? ",\"\\\\x" : "\"\\\\x");
                for (size_t k = 0; k < batch.sizes[i]; k++) {
                        *p++ = "0123456789abcdef"[(unsigned char)batch.documents[i][k] >> 4];
                        *p++ = "0123456789abcdef"[(unsigned char)batch.documents[i][k] & 15];
                }
                *p++ = '"';
        }
        memcpy(p, "}", 2);
        return array;
}

/* @state: "" or the SQLSTATE by which jsonb refused it. */
static void compare(struct weir_view text, const char *state)
{
        struct weir_refusal refusal = { 0 };
        struct weir_json_scan scan = { 0 };
        int r = weir_json_check(text, NULL, &refusal);
        bool nul, number;

        ck_assert_msg(r == 0 || r == 1, "%.*s", (int)text.size, text.ptr);
        weir_json_scan(text, NULL, 0, &scan, &refusal);
        nul = strcmp(state, "22P05") == 0 && scan.tree_fault && strstr(scan.tree_fault, "u0000");
        number = strcmp(state, "22003") == 0;
        if (r == 0 && (nul || number)) {
                batch.apart++;
        } else if (r == 1 && !*state && refusal.klass == WEIR_REFUSED_OVER_LIMIT) {
                batch.apart++;
        } else {
                ck_assert_msg((r == 0) == (*state == '\0'), "weir: %s (byte %zu), jsonb: %s: %.*s",
                              r ? refusal.reason : "JSON", refusal.at, *state ? state : "JSON",
                              (int)text.size, text.ptr);
                batch.sound += r == 0;
                batch.refused += r == 1;
        }
}

static void judge(void)
{
        char *array = make_array();
        const char *const values[] = { array };
        PGresult *result = PQexecParams(connection,
                                        "SELECT pg_temp.judge(d) FROM unnest($1::bytea[])"
                                        " WITH ORDINALITY AS u (d, n) ORDER BY n",
                                        1, NULL, values, NULL, NULL, 0);

        ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(connection));
        ck_assert_int_eq(PQntuples(result), (int)batch.count);
        for (size_t i = 0; i < batch.count; i++)
                compare((struct weir_view){ batch.documents[i], batch.sizes[i] },
                        PQgetvalue(result, (int)i, 0));
        PQclear(result);
        free(array);
        forget();
}

static void add(const char *bytes, size_t size)
{
        char *copy = malloc(size + 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes, size);
        batch.documents[batch.count] = copy;
        batch.sizes[batch.count++] = size;
        if (batch.count == BATCH)
                judge();
}

static void add_file(const char *path, unsigned mutants, struct mutator *mutator)
{
        char bytes[BYTES_MAX];
        FILE *file = fopen(path, "rb");
        size_t size;

        ck_assert_msg(file != NULL, "%s", path);
        size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        add(bytes, size);
        for (unsigned i = 0; i < mutants; i++) {
                size_t changed;
                char *mutant = mutator_make(mutator, bytes, size, &changed);

                add(mutant, changed < BYTES_MAX ? changed : BYTES_MAX);
                free(mutant);
        }
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_directory(const char *directory, unsigned mutants, struct mutator *mutator)
{
        struct dirent **entries;
        int count = scandir(directory, &entries, NULL, by_name);
        char path[PATH_MAX];
        struct stat st;

        ck_assert_msg(count > 2, "no corpus in %s: run from the top of the tree", directory);
        for (int i = 0; i < count; i++) {
                snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
                if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                        add_file(path, mutants, mutator);
                free(entries[i]);
        }
        free(entries);
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
        const char *text = getenv(name);

        return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

START_TEST(weir_and_jsonb_call_the_same_texts_json)
{
        static const char sql[] =
                "CREATE FUNCTION pg_temp.judge(bytea) RETURNS text LANGUAGE plpgsql AS"
                " $$BEGIN PERFORM convert_from($1, 'UTF8')::jsonb; RETURN '';"
                " EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END$$";
        struct mutator mutator = { setting("JSONB_SEED", 1) };
        unsigned mutants = (unsigned)setting("JSONB_MUTANTS", 40);
        PGresult *result;

        connection = PQconnectdb(fixture.url);
        result = PQexec(connection, sql);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
        PQclear(result);
        add_directory("tests/fuzz/corpus/json", mutants, &mutator);
        add_directory("tests/fuzz/corpus/structured", mutants, &mutator);
        judge();
        PQfinish(connection);
        fprintf(stderr, "jsonb: %zu JSON to both, %zu to neither, %zu known apart\n", batch.sound,
                batch.refused, batch.apart);
        ck_assert_uint_gt(batch.sound, 20); /* or it would say nothing */
        ck_assert_uint_gt(batch.refused, 20);
        ck_assert_uint_gt(batch.apart, 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("jsonb");
        TCase *tcase = tcase_create("jsonb");

        fixture_start("jsonb", false);
        tcase_add_test(tcase, weir_and_jsonb_call_the_same_texts_json);
        tcase_set_timeout(tcase, 600);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

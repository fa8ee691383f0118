/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/stat.h>

#include "store_fixture.h"

/* A directory of migrations of this test's own set, and schemas that other tests do not touch. */
static char directory[PATH_MAX];
static char set_name[64];

static void write_file(const char *name, const char *text)
{
        char path[PATH_MAX + 64];
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", directory, name);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(text, file);
        ck_assert_int_eq(fclose(file), 0);
}

static void remove_file(const char *name)
{
        char path[PATH_MAX + 64];

        snprintf(path, sizeof path, "%s/%s", directory, name);
        ck_assert_int_eq(unlink(path), 0);
}

static void setup(void)
{
        const char *base = getenv("TMPDIR");

        snprintf(directory, sizeof directory, "%s/weir-schema-XXXXXX",
                 base && *base ? base : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(set_name, sizeof set_name, "s%d", (int)getpid());
        write_file("0001_one.up.sql", "CREATE TABLE one_is_here (a int);\n");
        write_file("0001_one.down.sql", "DROP TABLE one_is_here;\n");
        write_file("0002_two.up.sql", "ALTER TABLE one_is_here ADD b int;\n");
        write_file("0002_two.down.sql", "ALTER TABLE one_is_here DROP b;\n");
}

static void teardown(void)
{
        struct weir_pg *pg = fixture_connect();

        weir_pg_run(pg, "DROP TABLE IF EXISTS one_is_here", NULL);
        weir_pg_close(pg);
        if (fork() == 0) {
                execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
                _exit(127);
        }
        wait(NULL);
}

static struct weir_migrations read_set(void)
{
        struct weir_migrations set;

        OK(weir_migrations_read(set_name, directory, &set, reterr));
        return set;
}

static void refuse_reading(const char *word)
{
        struct weir_migrations set = { NULL, NULL, 0 };
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_migrations_read(set_name, directory, &set, &error), WEIR_ESCHEMA);
        ck_assert_msg(strstr(error.text, word) != NULL, "%s", error.text);
        ck_assert_ptr_null(set.list);
}

START_TEST(a_directory_is_read_in_order_and_other_files_are_left_alone)
{
        struct weir_migrations set;

        write_file("README", "not a migration");
        write_file("0003_three.up.sql", "SELECT 1");
        set = read_set();
        ck_assert_uint_eq(set.count, 3);
        ck_assert_int_eq(set.list[1].version, 2);
        ck_assert_str_eq(set.list[1].name, "two");
        ck_assert_uint_eq(strlen(set.list[1].checksum), 64);
        ck_assert_str_ne(set.list[0].checksum, set.list[1].checksum);
        ck_assert_ptr_null(set.list[2].down_sql);
        weir_migrations_fini(&set);
}
END_TEST

START_TEST(doubtful_files_are_refused_by_name)
{
        struct weir_migrations set;
        struct weir_error error = { 0 };

        write_file("0004_four.up.sql", "SELECT 1");
        refuse_reading("0003");
        write_file("0003_three.down.sql", "SELECT 1");
        refuse_reading("0003_three.up.sql is missing");
        write_file("0003_three.up.sql", "SELECT 1");
        write_file("0003_other.up.sql", "SELECT 1");
        refuse_reading("0003");
        remove_file("0003_other.up.sql");
        write_file("5_five.up.sql", "SELECT 1");
        refuse_reading("5_five.up.sql");
        remove_file("5_five.up.sql");
        write_file("0000_zero.up.sql", "SELECT 1");
        refuse_reading("0000_zero.up.sql");
        remove_file("0000_zero.up.sql");
        write_file("0005_five.sql", "SELECT 1");
        refuse_reading("0005_five.sql");
        remove_file("0005_five.sql");
        write_file("0005_five.up.sql", "");
        refuse_reading("0005_five.up.sql");
        ck_assert_int_eq(weir_migrations_read("Bad;name", directory, &set, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(weir_migrations_read("good", "/nonexistent/x", &set, &error),
                         WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/x"));
}
END_TEST

struct seen {
        int states[8];
        int count;
        bool at[8];
};

static void see(void *context, const char *set, int32_t version, const char *name, int state,
                const char *at)
{
        struct seen *seen = context;

        ck_assert_str_eq(set, set_name);
        ck_assert_int_gt(version, 0);
        ck_assert_ptr_nonnull(name);
        ck_assert_int_lt(seen->count, 8);
        seen->at[seen->count] = at != NULL;
        seen->states[seen->count++] = state;
}

static struct seen status_of(struct weir_pg *pg, struct weir_migrations *set)
{
        struct seen seen = { .count = 0 };

        OK(weir_schema_status(pg, set, 1, see, &seen, reterr));
        return seen;
}

START_TEST(up_applies_what_is_pending_and_down_takes_back_the_newest)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set = read_set();
        struct weir_error error = { 0 };
        struct seen seen = status_of(pg, &set);

        ck_assert_int_eq(seen.count, 2);
        ck_assert_int_eq(seen.states[0], WEIR_MIGRATION_PENDING);
        ck_assert(!seen.at[0]);
        ck_assert_int_eq(weir_schema_check(pg, &set, 1, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "weir migrate up"));
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        OK(weir_schema_check(pg, &set, 1, reterr));
        seen = status_of(pg, &set);
        ck_assert_int_eq(seen.states[0], WEIR_MIGRATION_APPLIED);
        ck_assert_int_eq(seen.states[1], WEIR_MIGRATION_APPLIED);
        ck_assert(seen.at[1]);
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr)); /* nothing to do */
        OK(weir_schema_down(pg, &set, 1, 1, false, NULL, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'one_is_here'::regclass"
                        " AND attname = 'b' AND NOT attisdropped"),
                0);
        ck_assert_int_eq(weir_schema_check(pg, &set, 1, &error), WEIR_ESCHEMA);
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        OK(weir_schema_down(pg, &set, 1, 99, false, NULL, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.migration WHERE set = '%s'",
                                     set_name),
                         0);
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('one_is_here') IS NULL)::int"), 1);
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_dry_run_prints_and_changes_nothing)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set = read_set();
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        OK(weir_schema_up(pg, &set, 1, true, out, reterr));
        fclose(out);
        ck_assert_ptr_nonnull(strstr(text, "CREATE TABLE one_is_here"));
        ck_assert_ptr_nonnull(strstr(text, "0002_two.up.sql"));
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('one_is_here') IS NULL)::int"), 1);
        free(text);
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_changed_file_stops_everything)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set = read_set();
        struct weir_error error = { 0 };
        struct seen seen;

        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        weir_migrations_fini(&set);
        write_file("0001_one.up.sql", "CREATE TABLE one_is_here (a int8);\n");
        write_file("0003_three.up.sql", "CREATE TABLE three (a int);\n");
        set = read_set();
        ck_assert_int_eq(weir_schema_check(pg, &set, 1, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "0001_one.up.sql was changed"));
        ck_assert_int_eq(weir_schema_up(pg, &set, 1, false, NULL, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(weir_schema_down(pg, &set, 1, 1, false, NULL, &error), WEIR_ESCHEMA);
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('three') IS NULL)::int"), 1);
        seen = status_of(pg, &set);
        ck_assert_int_eq(seen.states[0], WEIR_MIGRATION_CHANGED);
        ck_assert_int_eq(seen.states[1], WEIR_MIGRATION_APPLIED);
        ck_assert_int_eq(seen.states[2], WEIR_MIGRATION_PENDING);
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_newer_database_and_a_hole_are_refused)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set = read_set();
        struct weir_error error = { 0 };
        struct seen seen;
        char sql[256];

        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.migration (set, version, name, checksum)"
                 " VALUES ('%s', 3, 'future', 'x')",
                 set_name);
        OK(weir_pg_run(pg, sql, reterr));
        ck_assert_int_eq(weir_schema_check(pg, &set, 1, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "future"));
        ck_assert_int_eq(weir_schema_up(pg, &set, 1, false, NULL, &error), WEIR_ESCHEMA);
        seen = status_of(pg, &set);
        ck_assert_int_eq(seen.count, 3);
        ck_assert_int_eq(seen.states[2], WEIR_MIGRATION_UNKNOWN);
        snprintf(sql, sizeof sql,
                 "DELETE FROM weir.migration WHERE set = '%s' AND version IN (1, 3)", set_name);
        OK(weir_pg_run(pg, sql, reterr));
        ck_assert_int_eq(weir_schema_up(pg, &set, 1, false, NULL, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "version 2 is applied but 1 is not"));
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_file_that_fails_leaves_nothing_and_names_itself)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set;
        struct weir_error error = { 0 };

        write_file("0002_two.up.sql", "CREATE TABLE half (a int);\n\nSELECT nonsense;\n");
        set = read_set();
        ck_assert_int_eq(weir_schema_up(pg, &set, 1, false, NULL, &error), WEIR_ESQL);
        ck_assert_ptr_nonnull(strstr(error.text, "0002_two.up.sql"));
        ck_assert_ptr_nonnull(strstr(error.text, "line 3"));
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('half') IS NULL)::int"), 1);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.migration WHERE set = '%s'",
                                     set_name),
                         1);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid ="
                            " pg_backend_pid()"),
                0);
        weir_migrations_fini(&set);
        write_file("0002_two.up.sql", "COMMIT;\n");
        set = read_set();
        ck_assert_int_eq(weir_schema_up(pg, &set, 1, false, NULL, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "ends the transaction"));
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(what_has_no_way_back_is_not_taken_back)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set;
        struct weir_error error = { 0 };

        remove_file("0002_two.down.sql");
        set = read_set();
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        ck_assert_int_eq(weir_schema_down(pg, &set, 1, 1, false, NULL, &error), WEIR_ESCHEMA);
        ck_assert_ptr_nonnull(strstr(error.text, "0002_two"));
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

struct migrator {
        pthread_t thread;
        struct weir_migrations *set;
        struct weir_pg *pg;
        int result;
        struct weir_error error;
};

static void *migrate(void *arg)
{
        struct migrator *migrator = arg;

        migrator->result = weir_schema_up(migrator->pg, migrator->set, 1, false, NULL,
                                          &migrator->error);
        return NULL;
}

START_TEST(two_migrators_take_turns)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set = read_set();
        struct migrator migrators[3];

        for (int i = 0; i < 3; i++)
                migrators[i] = (struct migrator){ .set = &set, .pg = fixture_connect() };
        for (int i = 0; i < 3; i++)
                pthread_create(&migrators[i].thread, NULL, migrate, &migrators[i]);
        for (int i = 0; i < 3; i++) {
                pthread_join(migrators[i].thread, NULL);
                ck_assert_msg(migrators[i].result == 0, "%s", migrators[i].error.text);
                weir_pg_close(migrators[i].pg);
        }
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.migration WHERE set = '%s'",
                                     set_name),
                         2);
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

START_TEST(weirs_own_schema_goes_down_and_up_again)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_migrations set;
        int32_t generation = 0;
        struct weir_pg_rows *rows;

        OK(weir_migrations_read("weir", fixture_migrations(), &set, reterr));
        for (size_t i = 0; i < set.count; i++)
                ck_assert_ptr_nonnull(set.list[i].down_sql);
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        OK(weir_pg_query(pg, "SELECT weir.claim_switch()", NULL, 0, &rows, reterr));
        generation = (int32_t)weir_pg_rows_int(rows, 0, 0, 0);
        weir_pg_rows_free(rows);
        ck_assert_int_eq(generation, 2);
        OK(weir_schema_down(pg, &set, 1, 1000, false, NULL, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                        " WHERE nspname = 'weir' AND relkind IN ('r', 'v') AND relname <> 'migration'"),
                0);
        OK(weir_schema_up(pg, &set, 1, false, NULL, reterr));
        OK(weir_schema_check(pg, &set, 1, reterr));
        weir_migrations_fini(&set);
        weir_pg_close(pg);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("schema");
        TCase *tcase = tcase_create("schema");

        fixture_start("schema", false);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase,
                       two_migrators_take_turns); /* first: weir.migration does not exist yet */
        tcase_add_test(tcase, a_directory_is_read_in_order_and_other_files_are_left_alone);
        tcase_add_test(tcase, doubtful_files_are_refused_by_name);
        tcase_add_test(tcase, up_applies_what_is_pending_and_down_takes_back_the_newest);
        tcase_add_test(tcase, a_dry_run_prints_and_changes_nothing);
        tcase_add_test(tcase, a_changed_file_stops_everything);
        tcase_add_test(tcase, a_newer_database_and_a_hole_are_refused);
        tcase_add_test(tcase, a_file_that_fails_leaves_nothing_and_names_itself);
        tcase_add_test(tcase, what_has_no_way_back_is_not_taken_back);
        tcase_add_test(tcase, weirs_own_schema_goes_down_and_up_again);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}

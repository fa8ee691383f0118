/* SPDX-License-Identifier: MIT */
/*
 * test_loader - what is let into the process and what is not
 *
 * A refusal is worth as much as its words: each test looks for what the operator needs to read.
 */
#include "plugin_fixture.h"

#include <dlfcn.h>
#include <errno.h>

static char scratch[PATH_MAX]; /* a directory of this test's own */

static void make_scratch(void)
{
        const char *base = getenv("TMPDIR");

        snprintf(scratch, sizeof scratch, "%s/weir-loader-XXXXXX", base && *base ? base : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(scratch));
}

/* Remove the few files and directories a test may have made. */
static void remove_scratch(void)
{
        static const char *const names[] = { "probe.so",   "batch.so",       "link.so",
                                             "fifo.so",    "text.so",        "probe.migrations",
                                             "migrations", "probe/probe.so", "probe/migrations",
                                             "probe" };
        char path[PATH_MAX + 64];

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
                remove(path);
        }
        ck_assert_int_eq(rmdir(scratch), 0);
}

static const char *in_scratch(const char *name)
{
        static char paths[4][PATH_MAX + 64];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
        return path;
}

/* A copy of test plugin @name at @to in the scratch directory. */
static const char *copy_of(const char *name, const char *to, mode_t mode)
{
        char from[PATH_MAX + 64], block[4096];
        const char *path = in_scratch(to);
        int in, out;
        ssize_t n;

        snprintf(from, sizeof from, "%s/%s.so", plugin_directory(), name);
        in = open(from, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(in >= 0, "%s: %s", from, strerror(errno));
        out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
        ck_assert_int_ge(out, 0);
        while ((n = read(in, block, sizeof block)) > 0)
                ck_assert_int_eq(write(out, block, (size_t)n), n);
        ck_assert_int_eq(fchmod(out, mode), 0);
        close(in);
        close(out);
        return path;
}

static void refused(const char *name, int code, const char *words)
{
        struct weir_plugin *plugin = NULL;
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(load(name, &plugin, &error), code);
        ck_assert_ptr_null(plugin);
        ck_assert_int_eq(error.code, code);
        ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in: %s", words, error.text);
}

/* ---- finding -------------------------------------------------------------------------------- */

START_TEST(a_name_is_looked_for_in_the_directories_in_order)
{
        const char *directories[2] = { scratch, plugin_directory() };
        struct weir_plugin *plugin = NULL;
        char expected[PATH_MAX];

        ck_assert_int_eq(weir_plugin_load("probe", directories, 2, &plugin, NULL), 0);
        ck_assert_ptr_eq(strstr(weir_plugin_path(plugin), "weir-loader-"), NULL);
        weir_plugin_unload(plugin);
        ck_assert_ptr_nonnull(realpath(copy_of("probe", "probe.so", 0755), expected));
        ck_assert_int_eq(weir_plugin_load("probe", directories, 2, &plugin, NULL), 0);
        ck_assert_str_eq(weir_plugin_path(plugin), expected);
        ck_assert_str_eq(weir_plugin_worker(plugin)->name, "probe");
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(a_missing_plugin_names_the_places)
{
        const char *directories[2] = { scratch, "/nonexistent" };
        struct weir_plugin *plugin = NULL;
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(weir_plugin_load("nowhere", directories, 2, &plugin, &error), WEIR_ESYS);
        ck_assert_int_eq(error.sys, ENOENT);
        ck_assert_ptr_nonnull(strstr(error.text, scratch));
        ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent"));
        ck_assert_ptr_nonnull(strstr(error.text, "plugin_path"));
        refused(in_scratch("nowhere.so"), WEIR_ESYS, "no such file");
        refused("", WEIR_EUSAGE, "without a name");
}
END_TEST

START_TEST(a_link_is_followed_to_the_file_that_is_checked)
{
        struct weir_plugin *plugin;
        char expected[PATH_MAX];

        ck_assert_ptr_nonnull(realpath(copy_of("probe", "probe.so", 0755), expected));
        ck_assert_int_eq(symlink("probe.so", in_scratch("link.so")), 0);
        plugin = must_load(in_scratch("link.so"));
        ck_assert_str_eq(weir_plugin_path(plugin), expected);
        weir_plugin_unload(plugin);
        ck_assert_int_eq(chmod(in_scratch("probe.so"), 0777), 0);
        refused(in_scratch("link.so"), WEIR_EABI, "probe.so");
}
END_TEST

/* ---- whose file ----------------------------------------------------------------------------- */

START_TEST(a_file_that_others_may_write_is_refused)
{
        refused(copy_of("probe", "probe.so", 0757), WEIR_EABI, "everybody may write");
        refused(copy_of("probe", "probe.so", 0757), WEIR_EABI, "chmod go-w");
        refused(copy_of("probe", "probe.so", 0775), WEIR_EABI, "its group may write");
}
END_TEST

START_TEST(a_file_of_another_user_is_refused)
{
        if (geteuid() != 0)
                return; /* only root can give a file away */
        ck_assert_int_eq(chown(copy_of("probe", "probe.so", 0755), 65534, 65534), 0);
        refused(in_scratch("probe.so"), WEIR_EABI, "belongs to user 65534");
}
END_TEST

START_TEST(a_directory_that_everybody_may_write_is_refused)
{
        struct weir_plugin *plugin;

        copy_of("probe", "probe.so", 0755);
        ck_assert_int_eq(chmod(scratch, 0777), 0);
        refused(in_scratch("probe.so"), WEIR_EABI, "chmod o-w");
        ck_assert_int_eq(chmod(scratch, 01777), 0); /* sticky, like /tmp */
        plugin = must_load(in_scratch("probe.so"));
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
        ck_assert_int_eq(mkfifo(in_scratch("fifo.so"), 0600), 0);
        refused(in_scratch("fifo.so"), WEIR_EABI, "not a regular file");
        refused(scratch, WEIR_EABI, "not a regular file");
}
END_TEST

START_TEST(what_is_no_object_is_refused_by_its_own_name)
{
        int fd = open(in_scratch("text.so"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        ck_assert_int_eq(
                write(fd,
                      "not an ELF file, though long enough to hold a header of one...........\n",
                      70),
                70);
        close(fd);
        refused(in_scratch("text.so"), WEIR_EABI, "text.so: cannot be loaded: ");
}
END_TEST

START_TEST(LD5_a_file_that_is_cut_short_is_refused_before_it_is_mapped)
{
        const char *path = copy_of("probe", "probe.so", 0644);
        static const off_t sizes[] = { 8000, 4096, 1000, 100 }; /* code begins at a page */
        struct weir_plugin *plugin;

        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                ck_assert_int_eq(truncate(path, sizes[i]), 0);
                refused(path, WEIR_EABI, "is cut short");
        }
        plugin = must_load(copy_of("probe", "probe.so", 0644));
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(LD5_a_file_that_is_written_to_while_it_is_mapped_is_refused)
{
        const char *path = copy_of("probe", "probe.so", 0644);
        struct weir_plugin *plugin = must_load(path);
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };

        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0); /* as a write would */
        refused(path, WEIR_EABI, "was written to while it runs");
        weir_plugin_unload(plugin);
        weir_plugin_unload(must_load(path));
}
END_TEST

/* ---- what it says of itself ----------------------------------------------------------------- */

START_TEST(another_abi_is_refused_with_both_numbers)
{
        refused("bad_abi", WEIR_EABI, "built for ABI 7, this weir speaks ABI 1");
}
END_TEST

START_TEST(an_object_without_the_symbol_is_refused)
{
        refused("bad_symbol", WEIR_EABI, "exports no symbol weir_worker");
        refused("bad_function", WEIR_EABI, "weir_worker is not a descriptor");
}
END_TEST

START_TEST(a_descriptor_that_is_or_lies_short_is_refused_with_both_sizes)
{
        refused("bad_short", WEIR_EABI,
                "says 24 bytes, its symbol has 24, ABI 1 needs at least 56");
        refused("bad_size", WEIR_EABI, "says 64 bytes, its symbol has 24, ABI 1 needs at least 56");
}
END_TEST

START_TEST(a_descriptor_without_name_version_or_handler_is_refused)
{
        refused("bad_name", WEIR_EABI, "\"Bad-Name\" is not usable");
        refused("bad_version", WEIR_EABI, "no usable version");
        refused("bad_handler", WEIR_EABI, "neither .handle nor .handle_batch");
        refused("bad_reason", WEIR_EABI, ".not_replayable of bad_reason is no reason");
}
END_TEST

START_TEST(slots_behind_the_size_that_a_plugin_says_are_not_read)
{
        struct weir_plugin *plugin = must_load("older");

        ck_assert_ptr_null(weir_plugin_worker(plugin)->not_replayable);
        weir_plugin_unload(plugin);
        plugin = must_load("once");
        ck_assert_str_eq(weir_plugin_worker(plugin)->not_replayable, "it rings a bell");
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(slots_of_a_later_header_are_ignored)
{
        struct weir_plugin *plugin = must_load("newer");

        ck_assert_uint_gt(weir_plugin_worker(plugin)->size, sizeof(struct weir_worker));
        ck_assert_str_eq(weir_plugin_worker(plugin)->version, "9");
        ck_assert_ptr_null(weir_plugin_worker(plugin)->handle_batch);
        weir_plugin_unload(plugin);
}
END_TEST

/* ---- several in one process ----------------------------------------------------------------- */

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

/* The lowest descriptor that is free. */
static int lowest_free(void)
{
        int fd = dup(0);

        close(fd);
        return fd;
}

START_TEST(two_plugins_one_after_the_other_are_two)
{
        for (int round = 0; round < 3; round++) {
                int before = lowest_free();
                struct weir_plugin *plugin = must_load("probe");

                ck_assert_str_eq(weir_plugin_worker(plugin)->name, "probe");
                weir_plugin_unload(plugin);
                ck_assert_int_eq(lowest_free(), before); /* the number is used again by the next */
                plugin = must_load("batch");
                ck_assert_str_eq(weir_plugin_worker(plugin)->name, "batch");
                weir_plugin_unload(plugin);
                ck_assert_int_eq(lowest_free(), before);
        }
}
END_TEST

START_TEST(a_descriptor_stays_open_while_its_object_is_mapped)
{
        int fd = lowest_free();
        char name[40];
        struct weir_plugin *probe = must_load("probe"), *batch;
        void *kept;

        ck_assert(is_open(fd));
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        kept = dlopen(name, RTLD_NOW | RTLD_NOLOAD); /* as -z nodelete would */
        ck_assert_ptr_nonnull(kept);
        weir_plugin_unload(probe);
        ck_assert(is_open(fd));
        batch = must_load("batch");
        ck_assert_str_eq(weir_plugin_worker(batch)->name, "batch");
        weir_plugin_unload(batch);
        dlclose(kept);
}
END_TEST

START_TEST(one_file_may_serve_two_workers)
{
        struct weir_plugin *first = must_load("probe"), *second = must_load("probe");

        weir_plugin_unload(first);
        ck_assert_str_eq(weir_plugin_worker(second)->name, "probe");
        weir_plugin_unload(second);
}
END_TEST

/* As a worker does that is told to reload, its plugin unchanged: the new one is opened before the old one is closed. */
START_TEST(LD4_a_file_that_is_loaded_again_and_again_has_one_descriptor)
{
        int before = lowest_free(), with_one;
        struct weir_plugin *plugin = must_load("probe");

        with_one = lowest_free();
        for (int round = 0; round < 20; round++) {
                struct weir_plugin *next = must_load("probe");

                ck_assert_int_eq(lowest_free(), with_one);
                weir_plugin_unload(plugin);
                ck_assert_int_eq(lowest_free(), with_one);
                plugin = next;
        }
        weir_plugin_unload(plugin);
        ck_assert_int_eq(lowest_free(), before);
}
END_TEST

/* ---- copies ---- */

static struct weir_image *copy_in_memory(const char *path)
{
        struct weir_image *image = NULL;
        struct weir_error error;

        ck_assert_msg(weir_plugin_image(path, NULL, 0, &image, &error) == 0, "%s", error.text);
        return image;
}

START_TEST(IM1_what_was_copied_is_loaded_whatever_the_file_becomes)
{
        const char *path = copy_of("probe", "probe.so", 0644);
        struct weir_image *image = copy_in_memory(path), *again = copy_in_memory(path), *other;
        struct weir_plugin *plugin, *shared;

        ck_assert(weir_hash_mark_is(&image->mark, &again->mark));
        ck_assert_int_eq(pwrite(image->fd, "x", 1, 0), -1);
        ck_assert_int_eq(ftruncate(image->fd, 1), -1);
        copy_of("batch", "probe.so", 0644); /* written over, as no loader likes it */
        other = copy_in_memory(path);
        ck_assert(!weir_hash_mark_is(&image->mark, &other->mark));
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(weir_plugin_load_image(image, &plugin, NULL), 0);
        ck_assert_str_eq(weir_plugin_worker(plugin)->name, "probe");
        ck_assert_ptr_nonnull(strstr(weir_plugin_path(plugin), "/probe.so"));
        ck_assert_int_eq(weir_plugin_load_image(again, &shared, NULL), 0); /* LD4: one object */
        ck_assert_ptr_eq(weir_plugin_worker(plugin)->name, weir_plugin_worker(shared)->name);
        weir_plugin_unload(plugin);
        ck_assert_int_eq(weir_plugin_load_image(other, &plugin, NULL), 0);
        ck_assert_str_eq(weir_plugin_worker(plugin)->name, "batch");
        ck_assert_str_eq(weir_plugin_worker(shared)->name, "probe");
        weir_plugin_unload(plugin);
        weir_plugin_unload(shared);
        weir_image_put(image);
        weir_image_put(again);
        weir_image_put(other);
}
END_TEST

START_TEST(a_file_that_may_not_be_loaded_is_not_copied_either)
{
        struct weir_image *image = NULL;
        struct weir_error error;
        const char *path = copy_of("probe", "probe.so", 0757);
        int fd;

        ck_assert_int_eq(weir_plugin_image(path, NULL, 0, &image, &error), WEIR_EABI);
        ck_assert_ptr_nonnull(strstr(error.text, "everybody may write"));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(weir_image_copy(fd, path, 1000, &image, &error), WEIR_EABI);
        ck_assert_ptr_nonnull(strstr(error.text, "more than 1000 bytes"));
        ck_assert_int_eq(truncate(path, 0), 0);
        ck_assert_int_eq(weir_image_copy(fd, path, 1000, &image, &error), WEIR_EABI);
        ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
        ck_assert_ptr_null(image);
        close(fd);
}
END_TEST

/* ---- migrations ----------------------------------------------------------------------------- */

START_TEST(migrations_bear_the_plugins_name)
{
        struct weir_plugin *plugin = must_load("probe");

        ck_assert_ptr_nonnull(weir_plugin_migrations(plugin));
        ck_assert_ptr_nonnull(strstr(weir_plugin_migrations(plugin), "/probe.migrations"));
        weir_plugin_unload(plugin);
        plugin = must_load("newer");
        ck_assert_ptr_null(weir_plugin_migrations(plugin));
        weir_plugin_unload(plugin);
}
END_TEST

START_TEST(foreign_migrations_beside_a_plugin_are_not_its_own)
{
        struct weir_plugin *plugin;

        ck_assert_int_eq(mkdir(in_scratch("migrations"), 0700), 0);
        plugin = must_load(copy_of("probe", "probe.so", 0755));
        ck_assert_ptr_null(weir_plugin_migrations(plugin));
        weir_plugin_unload(plugin);

        ck_assert_int_eq(mkdir(in_scratch("probe"), 0700), 0);
        ck_assert_int_eq(mkdir(in_scratch("probe/migrations"), 0700), 0);
        plugin = must_load(copy_of("probe", "probe/probe.so", 0755));
        ck_assert_ptr_nonnull(weir_plugin_migrations(plugin));
        ck_assert_ptr_nonnull(strstr(weir_plugin_migrations(plugin), "/probe/migrations"));
        weir_plugin_unload(plugin);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("loader");
        TCase *all = tcase_create("all");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(all, make_scratch, remove_scratch);
        tcase_add_test(all, a_name_is_looked_for_in_the_directories_in_order);
        tcase_add_test(all, a_missing_plugin_names_the_places);
        tcase_add_test(all, a_link_is_followed_to_the_file_that_is_checked);
        tcase_add_test(all, a_file_that_others_may_write_is_refused);
        tcase_add_test(all, a_file_of_another_user_is_refused);
        tcase_add_test(all, a_directory_that_everybody_may_write_is_refused);
        tcase_add_test(all, what_is_no_regular_file_is_refused_without_waiting);
        tcase_add_test(all, what_is_no_object_is_refused_by_its_own_name);
        tcase_add_test(all, LD5_a_file_that_is_cut_short_is_refused_before_it_is_mapped);
        tcase_add_test(all, LD5_a_file_that_is_written_to_while_it_is_mapped_is_refused);
        tcase_add_test(all, another_abi_is_refused_with_both_numbers);
        tcase_add_test(all, an_object_without_the_symbol_is_refused);
        tcase_add_test(all, a_descriptor_that_is_or_lies_short_is_refused_with_both_sizes);
        tcase_add_test(all, a_descriptor_without_name_version_or_handler_is_refused);
        tcase_add_test(all, slots_of_a_later_header_are_ignored);
        tcase_add_test(all, slots_behind_the_size_that_a_plugin_says_are_not_read);
        tcase_add_test(all, two_plugins_one_after_the_other_are_two);
        tcase_add_test(all, a_descriptor_stays_open_while_its_object_is_mapped);
        tcase_add_test(all, LD4_a_file_that_is_loaded_again_and_again_has_one_descriptor);
        tcase_add_test(all, one_file_may_serve_two_workers);
        tcase_add_test(all, IM1_what_was_copied_is_loaded_whatever_the_file_becomes);
        tcase_add_test(all, a_file_that_may_not_be_loaded_is_not_copied_either);
        tcase_add_test(all, migrations_bear_the_plugins_name);
        tcase_add_test(all, foreign_migrations_beside_a_plugin_are_not_its_own);
        suite_add_tcase(suite, all);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

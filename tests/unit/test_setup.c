/* SPDX-License-Identifier: MIT */
/* setup - what a worker may work by after a reload: the same plugin, and the bytes that were offered */
#include "conf_fixture.h"
#include "plugin_fixture.h"
#include "setup.h"

/* The plugin @name lies at the path that the worker looks at. */
static void lay(const char *name)
{
        char path[PATH_MAX + 64];
        static char bytes[1 << 20];
        size_t size;
        FILE *from;

        snprintf(path, sizeof path, "%s/%s.so", plugin_directory(), name);
        from = fopen(path, "r");
        ck_assert_ptr_nonnull(from);
        size = fread(bytes, 1, sizeof bytes, from);
        ck_assert(feof(from));
        fclose(from);
        put_bytes("p.so", 0755, bytes, size);
}

static struct weir_shared_conf *shared_conf(void)
{
        char text[512];
        struct reading reading;
        struct weir_shared_conf *shared;

        snprintf(text, sizeof text, "%splugin_path = [ \"%s\" ];\n", MINIMAL, scratch);
        reading = parse(text);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        shared = weir_shared_conf_new(reading.conf);
        ck_assert_ptr_nonnull(shared);
        return shared;
}

static struct weir_setup *run(const char *name, struct weir_shared_conf *shared)
{
        const struct weir_setup_share share = { .owner = "here" };
        struct weir_setup *setup;
        struct weir_error error;

        lay(name);
        ck_assert_int_eq(weir_setup_load(shared, &shared->conf->workers[0], NULL, &setup, &error),
                         0);
        ck_assert_int_eq(weir_setup_open(setup, &share, &error), 0);
        return setup;
}

static int renew(const struct weir_setup *running, const struct weir_hash_mark *mark,
                 struct weir_error *reterr)
{
        const struct weir_setup_share share = { .owner = "here" };
        struct weir_shared_conf *shared = shared_conf();
        struct weir_setup *setup = NULL;
        int r = weir_setup_renew(running, shared, mark, &share, &setup, reterr);

        ck_assert((r == 0) == (setup != NULL));
        weir_setup_free(setup);
        weir_shared_conf_put(shared);
        return r;
}

/* Nobody has checked its tables, or migrated for it. */
START_TEST(another_plugin_in_the_same_file_is_refused)
{
        static const char *const names[] = { "opener", "older" };
        const char *was = names[_i], *is = names[!_i];
        struct weir_shared_conf *shared = shared_conf();
        struct weir_setup *running = run(was, shared);
        struct weir_error error = { 0 };
        char words[160];

        ck_assert_msg(renew(running, NULL, &error) == 0, "%s", error.text);
        lay(is);
        ck_assert_int_eq(renew(running, NULL, &error), WEIR_EABI);
        snprintf(words, sizeof words, "p.so is the plugin '%s' now, '%s' runs: put '%s' back", is,
                 was, was);
        ck_assert_msg(strstr(error.text, words) != NULL, "%s", error.text);
        lay(was);
        ck_assert_int_eq(renew(running, NULL, &error), 0);
        weir_setup_free(running);
        weir_shared_conf_put(shared);
}
END_TEST

START_TEST(bytes_that_were_not_offered_are_refused)
{
        struct weir_shared_conf *shared = shared_conf();
        struct weir_setup *running = run("opener", shared);
        struct weir_error error = { 0 };
        struct weir_image *image;
        const char *directory = scratch;

        ck_assert_int_eq(weir_plugin_image("p", &directory, 1, &image, &error), 0);
        ck_assert_msg(renew(running, &image->mark, &error) == 0, "%s", error.text);
        image->mark.digest[0] ^= 1;
        ck_assert_int_eq(renew(running, &image->mark, &error), WEIR_EABI);
        ck_assert_msg(strstr(error.text, "was replaced while it was tried") != NULL, "%s",
                      error.text);
        weir_image_put(image);
        weir_setup_free(running);
        weir_shared_conf_put(shared);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("setup");
        TCase *tcase = tcase_create("setup");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_loop_test(tcase, another_plugin_in_the_same_file_is_refused, 0, 2);
        tcase_add_test(tcase, bytes_that_were_not_offered_are_refused);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

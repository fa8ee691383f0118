/* SPDX-License-Identifier: MIT */
/*
 * test_runtime - the door for programs that embed weir: what it refuses, before it touches the world
 */
#include <weir/runtime.h>

#include "conf_fixture.h"

/* A minimal configuration in the scratch directory. */
static const char *configuration(void)
{
        static char path[sizeof scratch + 16];
        FILE *file;

        snprintf(path, sizeof path, "%s/weir.cfg", scratch);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(MINIMAL, file);
        fclose(file);
        return path;
}

static void refused(const struct weir_runtime_options *options, int code, const char *part)
{
        struct weir_runtime *runtime = NULL;
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_runtime_new(options, &runtime, &error), code);
        ck_assert_int_eq(error.code, code);
        ck_assert_msg(strstr(error.text, part) != NULL, "\"%s\" does not hold \"%s\"", error.text,
                      part);
        ck_assert_ptr_null(runtime);
}

START_TEST(options_without_their_size_are_not_read)
{
        refused(&(struct weir_runtime_options){ .config_path = configuration() }, WEIR_EUSAGE,
                "size");
}
END_TEST

START_TEST(a_configuration_must_be_named_and_there)
{
        struct weir_runtime_options options = { .size = sizeof options };

        refused(&options, WEIR_EUSAGE, "config_path");
        options.config_path = "/no/such/weir.cfg";
        refused(&options, WEIR_ECONF, "/no/such/weir.cfg");
}
END_TEST

START_TEST(a_worker_and_its_plugin_must_be_there)
{
        struct weir_runtime_options options = { .size = sizeof options,
                                                .config_path = configuration(),
                                                .worker = "nobody" };

        refused(&options, WEIR_EUSAGE, "nobody");
        options.worker = "a";
        refused(&options, WEIR_ESYS, "p.so");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("runtime");
        TCase *tcase = tcase_create("runtime");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, options_without_their_size_are_not_read);
        tcase_add_test(tcase, a_configuration_must_be_named_and_there);
        tcase_add_test(tcase, a_worker_and_its_plugin_must_be_there);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

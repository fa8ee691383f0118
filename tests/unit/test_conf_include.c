/* SPDX-License-Identifier: MIT */
/* conf/source: an included file stands where it is named, lies in the same directory, and is bounded with all others */
#include "conf_fixture.h"

START_TEST(an_included_file_stands_in_its_place_with_its_own_lines)
{
        struct reading reading;

        mkdir(in_scratch("sub"), 0755);
        put("sub/store.cfg", "# comment\nurl = \"postgresql:///d\";\n@include \"sub/more.cfg\"\n");
        put("sub/more.cfg", "connections = 5;");
        put("inc.cfg", KAFKA "store = {\n  @include \"sub/store.cfg\"  # why\n};\n" WORKERS);
        reading = load_file(in_scratch("inc.cfg"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_eq(reading.conf->store_connections, 5);
        ck_assert_str_eq(reading.conf->workers[0].where, in_scratch("inc.cfg:5"));
        done(&reading);

        put("sub/more.cfg", "\nconnections = 500;\nnonsense = 1;");
        put("inc.cfg", "before = 1;\n" KAFKA
                       "store = {\n  @include \"sub/store.cfg\"\n};\nafter = 1;\n" WORKERS);
        reading = load_file(in_scratch("inc.cfg"));
        expect_problem(&reading, 4, 0, in_scratch("inc.cfg:1: before: unknown"), "");
        expect_problem(&reading, 4, 1, in_scratch("sub/more.cfg:2: store.connections: 500"), "");
        expect_problem(&reading, 4, 2, in_scratch("sub/more.cfg:3: store.nonsense: unknown"), "");
        expect_problem(&reading, 4, 3, in_scratch("inc.cfg:6: after: unknown"), "");
        done(&reading);
}
END_TEST

static void refuse_include(const char *target, const char *part)
{
        char text[400];
        struct reading reading;

        snprintf(text, sizeof text, MINIMAL "\n@include \"%s\"\n", target);
        put("inc.cfg", text);
        reading = load_file(in_scratch("inc.cfg"));
        expect_problem(&reading, 1, 0, in_scratch("inc.cfg:5: syntax: @include"), part);
        done(&reading);
}

START_TEST(an_include_of_anything_but_a_file_inside_is_refused)
{
        mkdir(in_scratch("dir"), 0755);
        ck_assert_int_eq(mkfifo(in_scratch("inc.fifo"), 0600), 0);
        ck_assert_int_eq(symlink("/etc/passwd", in_scratch("link.cfg")), 0);
        ck_assert_int_eq(symlink("/etc", in_scratch("etc")), 0);
        refuse_include("/etc", "is outside");
        refuse_include("/etc/passwd", "is outside");
        refuse_include("../../../../../../../../../../../../etc/passwd", "is outside");
        refuse_include("link.cfg", "is outside");
        refuse_include("etc/passwd", "is outside");
        refuse_include("..", "is outside");
        refuse_include("dir", "is a directory");
        refuse_include("inc.fifo", "is a FIFO");
        refuse_include("absent.cfg", "No such file");
        refuse_include("inc.cfg", "includes itself");
}
END_TEST

START_TEST(a_directory_whose_name_begins_alike_is_outside)
{
        char sibling[80];
        struct reading reading;

        mkdir(in_scratch("in"), 0755);
        mkdir(in_scratch("inner"), 0755);
        put("inner/x.cfg", "");
        snprintf(sibling, sizeof sibling, "%s", "in/main.cfg");
        put(sibling, MINIMAL "@include \"../inner/x.cfg\"\n");
        reading = load_file(in_scratch(sibling));
        expect_problem(&reading, 1, 0, in_scratch("in/main.cfg:4: syntax:"), "is outside");
        done(&reading);
}
END_TEST

START_TEST(a_cycle_of_includes_is_refused)
{
        struct reading reading;

        put("c1.cfg", "@include \"c2.cfg\"\n");
        put("c2.cfg", "\n@include \"c1.cfg\"\n");
        put("c0.cfg", MINIMAL "@include \"c1.cfg\"\n");
        reading = load_file(in_scratch("c0.cfg"));
        expect_problem(&reading, 1, 0,
                       in_scratch("c2.cfg:2: syntax: @include \"c1.cfg\" includes itself"), "");
        done(&reading);
}
END_TEST

START_TEST(includes_nest_ten_deep_and_no_deeper)
{
        struct reading reading;

        for (int i = 0; i < 11; i++) {
                char name[24], text[40];

                snprintf(name, sizeof name, "d%d.cfg", i);
                snprintf(text, sizeof text, "@include \"d%d.cfg\"\n", i + 1);
                put(name, text);
        }
        put("d11.cfg", MINIMAL);
        reading = load_file(in_scratch("d1.cfg"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
        reading = load_file(in_scratch("d0.cfg"));
        expect_problem(&reading, 1, 0, in_scratch("d10.cfg:1: syntax:"), "10 deep");
        done(&reading);
}
END_TEST

START_TEST(many_includes_of_one_file_stay_bounded)
{
        /* 20^9 files if nobody counted */
        struct reading reading;

        for (int i = 0; i < 9; i++) {
                char name[24], text[800] = "";
                size_t size = 0;

                snprintf(name, sizeof name, "m%d.cfg", i);
                for (int j = 0; j < 20; j++)
                        size += (size_t)snprintf(text + size, sizeof text - size,
                                                 "@include \"m%d.cfg\"\n", i + 1);
                put(name, text);
        }
        put("m9.cfg", "\n");
        put("bomb.cfg", MINIMAL "@include \"m0.cfg\"\n");
        reading = load_file(in_scratch("bomb.cfg"));
        expect_problem(&reading, 1, 0, in_scratch("m"), "more than 1000 files");
        done(&reading);
}
END_TEST

START_TEST(included_files_count_towards_the_mebibyte)
{
        size_t half = 600 * 1024;
        WEIR_FREE char *text = malloc(half);
        struct reading reading;

        memset(text, '\n', half);
        put_bytes("half.cfg", 0644, text, half);
        put("once.cfg", MINIMAL "@include \"half.cfg\"\n");
        reading = load_file(in_scratch("once.cfg"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
        put("twice.cfg", MINIMAL "@include \"half.cfg\"\n@include \"half.cfg\"\n");
        reading = load_file(in_scratch("twice.cfg"));
        expect_problem(&reading, 1, 0, in_scratch("half.cfg:1: syntax:"),
                       "more than 1048576 bytes");
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_include");
        TCase *tcase = tcase_create("include");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_set_timeout(tcase, 30);
        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, an_included_file_stands_in_its_place_with_its_own_lines);
        tcase_add_test(tcase, an_include_of_anything_but_a_file_inside_is_refused);
        tcase_add_test(tcase, a_directory_whose_name_begins_alike_is_outside);
        tcase_add_test(tcase, a_cycle_of_includes_is_refused);
        tcase_add_test(tcase, includes_nest_ten_deep_and_no_deeper);
        tcase_add_test(tcase, many_includes_of_one_file_stay_bounded);
        tcase_add_test(tcase, included_files_count_towards_the_mebibyte);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

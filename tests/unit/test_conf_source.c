/* SPDX-License-Identifier: MIT */
/* conf/source: what libconfig would swallow, hang on or die of is a problem with a line */
#include "conf_fixture.h"

START_TEST(an_integer_never_wraps)
{
        struct reading reading;

        refuse(KAFKA WORKERS "store = { url = \"postgresql:///d\";\n connections = 4294967297; };",
               "t.cfg:4: store.connections: 4294967297 is out of range", "1..256");
        refuse(KAFKA WORKERS
               "store = { url = \"postgresql:///d\";\n connections = 99999999999999999999; };",
               "t.cfg:4: store.connections: a number of more than 64 bits is out of range",
               "must be a whole number, allowed: 1..256");
        refuse(KAFKA WORKERS "store = { url = \"postgresql:///d\";\n connections = 0x100000008; };",
               "t.cfg:4: store.connections: 4294967304 is out of range", "");
        refuse(KAFKA WORKERS
               "store = { url = \"postgresql:///d\";\n connections = 18446744073709551624L; };",
               "t.cfg:4: store.connections: a number of more than 64 bits", "1..256");
        refuse(MINIMAL "memory = { queue = -99999999999999999999; };",
               "t.cfg:4: memory.queue: a number of more than 64 bits", "256KiB..1GiB");
        refuse(MINIMAL "stop = { drain = 99999999999999999999; };",
               "t.cfg:4: stop.drain: a number of more than 64 bits", "must be a duration");
        reading = parse(KAFKA STORE
                        "workers = ( { " WORKER_KEYS
                        "\n options = {\n n = [ 1, 2,\n 99999999999999999999 ]; }; } );");
        expect_problem(&reading, 1, 0,
                       "t.cfg:6: workers.options.n: a number of more than 64 bits is out of range",
                       "9223372036854775807");
        done(&reading);
        /* it hides no other number of its line */
        reading = parse(KAFKA WORKERS "store = { url = \"postgresql:///d\";\n connections = 0; }; "
                                      "memory = { queue = 99999999999999999999; };");
        expect_problem(&reading, 2, 0, "t.cfg:4: memory.queue:", "64 bits");
        expect_problem(&reading, 2, 1, "t.cfg:4: store.connections: 0 is out of range", "");
        done(&reading);
        accept_text(KAFKA WORKERS "store = { url = \"postgresql:///d\"; connections = 0x10; };");
        accept_text(KAFKA WORKERS "store = { url = \"postgresql:///d\"; connections = +8; };");
        accept_text(KAFKA WORKERS "store = { url = \"postgresql:///d\"; connections = 8LL; };");
}
END_TEST

/* A path of 159 bytes is told whole; of a longer one it is told that it was cut. */
START_TEST(a_path_that_is_cut_says_so)
{
        for (int size = 158; size <= 170; size++) {
                char name[200], text[600], path[400];
                struct reading reading;

                memset(name, 'n', sizeof name);
                name[size - (int)strlen("workers.options.")] = '\0';
                snprintf(text, sizeof text,
                         KAFKA STORE "workers = ( { " WORKER_KEYS
                                     " options = { %s = 99999999999999999999; }; } );",
                         name);
                snprintf(path, sizeof path, "t.cfg:3: workers.options.%s", name);
                if (size > 159)
                        snprintf(path + strlen("t.cfg:3: ") + 156, 16, "...");
                reading = parse(text);
                expect_problem(&reading, 1, 0, path, "64 bits");
                done(&reading);
        }
}
END_TEST

START_TEST(digits_in_strings_and_comments_are_no_integers)
{
        accept_text("/* 99999999999999999999 @include \"/etc\"\n */ # 99999999999999999999\n"
                    "// 99999999999999999999 \"\n" KAFKA STORE "workers = ( { " WORKER_KEYS
                    " options = { a = \"99999999999999999999 /* # \\\" \"; }; } );");
}
END_TEST

START_TEST(a_key_given_twice_is_named_and_hides_nothing)
{
        struct reading reading = parse(
                "kafka = { properties = [ ]; };\n"
                "kafka: { brokers = \"b:9092\"; brokers: \"c:0\" }\n"
                "store = { url = \"postgresql:///d\"; connections = 0;\n"
                "  connections = 300 };\n"
                "workers = ( { " WORKER_KEYS "\n"
                "  options = { list = ( { k = true; k = ( 1 ); }, { k = 2; } ) name = 1; };\n"
                "  batch = { linger = \"5ms\" }, batch = { max_events = 0; }; },\n"
                " { name = \"b\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; nmae = 1; nmae = 2; } );\n"
                "stop = 5;");

        expect_problem(&reading, 12, 0, "t.cfg:2: kafka: is given twice in one group",
                       "first in t.cfg:1; keep one");
        expect_problem(&reading, 12, 1, "t.cfg:2: kafka.brokers: is given twice", "t.cfg:2");
        expect_problem(&reading, 12, 2, "t.cfg:2: kafka.brokers:", "port");
        expect_problem(&reading, 12, 3, "t.cfg:3: store.connections: 0 is out of range", "");
        expect_problem(&reading, 12, 4, "t.cfg:4: store.connections: is given twice", "t.cfg:3");
        expect_problem(&reading, 12, 5, "t.cfg:4: store.connections: 300 is out of range", "");
        expect_problem(&reading, 12, 6, "t.cfg:6: workers.options.list.k: is given twice", "");
        expect_problem(&reading, 12, 7, "t.cfg:7: workers.batch: is given twice", "");
        expect_problem(&reading, 12, 8, "t.cfg:7: workers.batch.max_events: 0 is out", "");
        expect_problem(&reading, 12, 9, "t.cfg:8: workers.nmae: is given twice", "");
        expect_problem(&reading, 12, 10, "t.cfg:8: workers.nmae: unknown key", "");
        expect_problem(&reading, 12, 11, "t.cfg:9: stop: is a whole number", "");
        done(&reading);
}
END_TEST

START_TEST(a_key_of_many_is_found_again_in_its_own_group_only)
{
        enum { COUNT = 2000 };
        size_t room = COUNT * 2 * 24 + 1000, size;
        WEIR_FREE char *text = malloc(room);
        struct reading reading;

        size = (size_t)snprintf(text, room,
                                KAFKA STORE "workers = ( { " WORKER_KEYS " options = {\n");
        for (int half = 0; half < 2; half++) {
                size += (size_t)snprintf(text + size, room - size, "g%d = {\n", half);
                for (int i = 0; i < COUNT; i++)
                        size += (size_t)snprintf(text + size, room - size, "k%d=1%s", i,
                                                 i % 8 ? ";" : ";\n");
                size += (size_t)snprintf(text + size, room - size, "%s};\n", half ? "k7=1" : "");
        }
        snprintf(text + size, room - size, "}; } );\n");
        reading = parse(text);
        expect_problem(&reading, 1, 0, "t.cfg:", "workers.options.g1.k7: is given twice");
        done(&reading);
}
END_TEST

static const struct {
        const char *text, *begin, *part;
} broken[] = {
        { MINIMAL "a = \"open;\nb = 1;", "t.cfg:4: syntax:", "not closed" },
        { MINIMAL "\n/* open\n\n", "t.cfg:5: syntax:", "never closed" },
        { MINIMAL "a = \"x\\x00y\";", "t.cfg:4: syntax:", "NUL" },
        { MINIMAL "a = $;", "t.cfg:4: syntax: unexpected character $", "" },
        { MINIMAL "a = \x01;", "t.cfg:4: syntax: unexpected byte 0x01", "" },
        { MINIMAL "a = .;", "t.cfg:4: syntax: unexpected character .", "" },
        { MINIMAL "a = {\n b = [ 1 };", "t.cfg:5: syntax: this } closes what was opened in t.cfg:5",
          "]" },
        { MINIMAL "a = {\n b = (\n", "t.cfg:5: syntax: what is opened here is never closed", ")" },
        { MINIMAL "};", "t.cfg:4: syntax: this } closes nothing", "" },
        { MINIMAL "a = 5s;", "t.cfg:4: syntax: not understood", "quotes" },
        { MINIMAL "a = ;", "t.cfg:4: syntax: not understood", "" },
        { MINIMAL "a = 1.0e999;", "t.cfg:4: syntax:", "fraction" },
        { MINIMAL "kafka = { };", "t.cfg:4: kafka: is given twice", "first in t.cfg:1" },
        { MINIMAL "*a = 1;", "t.cfg:4: syntax: unexpected character *", "" },
        { MINIMAL "a = [ 1, \"x\" ];", "t.cfg:4: syntax:", "one type" },
        { MINIMAL "a = ((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))));",
          "t.cfg:4: syntax:", "deep" },
        { MINIMAL "a = 1; @include \"x.cfg\"", "t.cfg:4: syntax: unexpected @", "line of its own" },
        { MINIMAL "@include x.cfg", "t.cfg:4: syntax: unexpected @", "" },
        { MINIMAL "@include \"x.cfg", "t.cfg:4: syntax: unexpected @", "" },
        { MINIMAL "@includes \"x.cfg\"", "t.cfg:4: syntax: unexpected @", "" },
        { MINIMAL "@", "t.cfg:4: syntax: unexpected @", "" },
};

START_TEST(broken_grammar_is_one_problem_at_the_line_that_is_at_fault)
{
        size_t index = 0;
        struct reading reading = parse(broken[_i].text);

        /* of nested brackets, each that stays open is named */
        if (reading.problems.count == 2)
                index = 1;
        expect_problem(&reading, reading.problems.count > 1 ? 2 : 1, index, broken[_i].begin,
                       broken[_i].part);
        done(&reading);
}
END_TEST

START_TEST(a_nul_byte_does_not_shorten_the_file)
{
        static const char text[] = MINIMAL "a = 1;\0 b = 2;";
        struct reading reading = { .r = 1 };

        reading.r = weir_conf_parse("t.cfg", text, sizeof text - 1, NULL, &reading.conf,
                                    &reading.problems, &reading.error);
        expect_problem(&reading, 1, 0, "t.cfg:4: syntax: a NUL byte", "");
        done(&reading);
        reading = load_file(put_bytes("nul.cfg", 0644, text, sizeof text - 1));
        expect_problem(&reading, 1, 0, in_scratch("nul.cfg:4: syntax: a NUL byte"), "");
        done(&reading);
}
END_TEST

START_TEST(more_than_a_mebibyte_is_refused)
{
        size_t size = 1024 * 1024 + 1;
        WEIR_FREE char *text = malloc(size);
        struct reading reading;

        memset(text, '\n', size);
        memcpy(text, MINIMAL, strlen(MINIMAL));
        reading = load_file(put_bytes("big.cfg", 0644, text, size));
        expect_problem(&reading, 1, 0, in_scratch("big.cfg: has 1048577 bytes"), "1048576");
        done(&reading);
        reading = load_file(put_bytes("big.cfg", 0644, text, size - 1)); /* the edge */
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
}
END_TEST

START_TEST(lines_beyond_the_sixteen_bits_of_libconfig_keep_their_number)
{
        size_t lines = 70000, head = strlen(MINIMAL);
        WEIR_FREE char *text = malloc(head + lines + 20);
        struct reading reading;

        memcpy(text, MINIMAL, head);
        memset(text + head, '\n', lines);
        snprintf(text + head + lines, 20, "oops = 1;");
        reading = parse(text);
        expect_problem(&reading, 1, 0, "t.cfg:70004: oops: unknown key", "");
        done(&reading);
}
END_TEST

START_TEST(more_lines_of_settings_than_libconfig_can_count_are_refused)
{
        for (size_t extra = 0; extra <= 1; extra++) { /* 65000 lines, then one more */
                size_t room = 300000, size;
                WEIR_FREE char *text = malloc(room);
                struct reading reading;

                size = (size_t)snprintf(text, room, "%sx = [\n", MINIMAL);
                for (size_t i = 0; i < 65000 - 5 + extra; i++)
                        size += (size_t)snprintf(text + size, room - size, "1,\n");
                snprintf(text + size, room - size, "1 ];\n");
                reading = parse(text);
                if (extra)
                        expect_problem(&reading, 1, 0, "t.cfg:65001: more than 65000 lines", "");
                else
                        expect_problem(&reading, 1, 0, "t.cfg:4: x: unknown key", "");
                done(&reading);
        }
}
END_TEST

/* ---- the main file itself ----------------------------------------------------------- */

START_TEST(only_a_regular_file_is_read)
{
        struct reading reading = load_file(scratch);

        expect_problem(&reading, 1, 0, scratch, "is a directory, must be a regular file");
        done(&reading);
        ck_assert_int_eq(mkfifo(in_scratch("main.fifo"), 0600), 0);
        reading = load_file(in_scratch("main.fifo"));
        expect_problem(&reading, 1, 0, in_scratch("main.fifo: is a FIFO"), "");
        done(&reading);
        reading = load_file("/dev/null");
        expect_problem(&reading, 1, 0, "/dev/null: is a device", "");
        done(&reading);
        reading = load_file(in_scratch("absent.cfg"));
        expect_problem(&reading, 1, 0, in_scratch("absent.cfg: cannot be opened"), "-c FILE");
        done(&reading);
}
END_TEST

/* ---- a text that is kept -------------------------------------------------------------- */

/* What was read by itself and with two includes, one of them twice nested, with blanks and comments between. */
START_TEST(CS5_what_is_kept_reads_the_same_without_the_files_and_knows_its_places)
{
        const char *path;
        struct reading first, again;
        char *text;

        mkdir(in_scratch("kept"), 0755);
        put("kept/b.cfg", "\n\nbatch = { max_events = 7; };\n");
        put("kept/a.cfg",
            "name = \"a\";\n# two\nplugin = \"p\"; group = \"g\";\n@include \"kept/b.cfg\"\n"
            "topics = [ \"t\" ]; options = { one = { two = 2; }; };\n");
        path = put("kept.cfg", "# first\n" KAFKA "\n/* a\n b */\n" STORE
                               "workers = ( {\n\n@include \"kept/a.cfg\"\n} );\n#@99 wrong\n");
        first = load_file(path);
        ck_assert_msg(first.r == 0, "%s", first.error.text);
        text = strndup(first.conf->text, first.conf->text_size);
        put("kept/a.cfg", "nonsense");
        unlink(in_scratch("kept/b.cfg"));
        again.problems = (struct weir_conf_problems){ 0 };
        again.r = weir_conf_parse(path, text, strlen(text), NULL, &again.conf, &again.problems,
                                  &again.error);
        ck_assert_msg(again.r == 0, "%s", again.error.text);
        ck_assert_uint_eq(again.conf->workers[0].batch_max_events, 7);
        ck_assert_str_eq(again.conf->workers[0].where, first.conf->workers[0].where);
        ck_assert_str_eq(again.conf->workers[0].options->children[0].where,
                         first.conf->workers[0].options->children[0].where);
        ck_assert_ptr_nonnull(
                strstr(again.conf->workers[0].options->children[0].where, "kept/a.cfg:5"));
        ck_assert_uint_eq(again.conf->text_size, first.conf->text_size);
        ck_assert_mem_eq(again.conf->text, first.conf->text, first.conf->text_size);
        free(text);
        done(&first);
        done(&again);
}
END_TEST

START_TEST(a_mistake_in_a_kept_text_is_where_it_is_in_the_files)
{
        struct reading reading;

        refuse("#@ kept\n#@3 \n" KAFKA STORE "#@17 sub/x.cfg\nnonsense = 1;\n#@9 \n" WORKERS,
               "sub/x.cfg:17: nonsense", "");
        refuse("#@ kept\n" KAFKA STORE "#@40\n\nnonsense = 1;\n" WORKERS, "t.cfg:41: nonsense", "");
        /* in a file, and in a text that is not a kept one, marks are comments */
        refuse("#@17 x.cfg\n" MINIMAL "nonsense = 1;\n", "t.cfg:5: nonsense", "");
        reading = load_file(put("marks.cfg", "#@ kept\n#@17 x.cfg\n" MINIMAL "nonsense = 1;\n"));
        expect_problem(&reading, 1, 0, in_scratch("marks.cfg:6: nonsense"), "");
        done(&reading);
        accept_text("#@ kept\n#@\n#@x\n#@99999999999999999999999 y\n#@5\n#\n" MINIMAL "#@7");
}
END_TEST

/* What a file of a mebibyte becomes is longer than a mebibyte: each token has a blank behind it. */
START_TEST(the_longest_file_can_be_kept)
{
        size_t size = 1024 * 1024, used;
        WEIR_FREE char *text = malloc(size + 1);
        struct reading reading, again = { .r = 1 };
        char unit[1004];

        memset(unit, 'x', sizeof unit);
        unit[0] = unit[sizeof unit - 2] = '"';
        unit[sizeof unit - 1] = ',';
        used = (size_t)snprintf(text, size,
                                KAFKA STORE "workers = ( { " WORKER_KEYS " options = { a = [");
        while (used + sizeof unit + 16 < size) {
                memcpy(text + used, unit, sizeof unit);
                used += sizeof unit;
        }
        memcpy(text + used, "\"\"]; }; } );", 13);
        reading = parse(text);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_uint_gt(reading.conf->text_size, size);
        again.r = weir_conf_parse("t.cfg", reading.conf->text, reading.conf->text_size, NULL,
                                  &again.conf, &again.problems, &again.error);
        ck_assert_msg(again.r == 0, "%s", again.error.text);
        done(&again);
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_source");
        TCase *tcase = tcase_create("source");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_set_timeout(tcase, 30); /* 65,000 lines, with a sanitizer, on a busy machine */
        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, an_integer_never_wraps);
        tcase_add_test(tcase, a_path_that_is_cut_says_so);
        tcase_add_test(tcase, digits_in_strings_and_comments_are_no_integers);
        tcase_add_loop_test(tcase, broken_grammar_is_one_problem_at_the_line_that_is_at_fault, 0,
                            WEIR_COUNT_OF(broken));
        tcase_add_test(tcase, a_nul_byte_does_not_shorten_the_file);
        tcase_add_test(tcase, more_than_a_mebibyte_is_refused);
        tcase_add_test(tcase, a_key_given_twice_is_named_and_hides_nothing);
        tcase_add_test(tcase, a_key_of_many_is_found_again_in_its_own_group_only);
        tcase_add_test(tcase, lines_beyond_the_sixteen_bits_of_libconfig_keep_their_number);
        tcase_add_test(tcase, more_lines_of_settings_than_libconfig_can_count_are_refused);
        tcase_add_test(tcase, only_a_regular_file_is_read);
        tcase_add_test(tcase,
                       CS5_what_is_kept_reads_the_same_without_the_files_and_knows_its_places);
        tcase_add_test(tcase, a_mistake_in_a_kept_text_is_where_it_is_in_the_files);
        tcase_add_test(tcase, the_longest_file_can_be_kept);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

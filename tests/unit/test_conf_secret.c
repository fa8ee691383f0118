/* SPDX-License-Identifier: MIT */
/* conf: passwords that never stand in the file and never come out of it */
#include "conf_fixture.h"

/* ---- files -------------------------------------------------------------------------- */

static struct reading with_secret_file(const char *file)
{
        char text[400];

        snprintf(text, sizeof text, SECRETS("{ property = \"sasl.password\"; file = \"%s\"; }"),
                 file);
        put("main.cfg", text);
        return load_file(in_scratch("main.cfg"));
}

START_TEST(a_secret_comes_from_a_private_file_without_its_last_newline)
{
        static const struct {
                const char *content, *value;
        } files[] = { { CANARY "\n", CANARY },
                      { CANARY, CANARY },
                      { CANARY "\r\n", CANARY },
                      { " a \n\n", " a \n" } };

        for (size_t i = 0; i < WEIR_COUNT_OF(files); i++) {
                struct reading reading;

                put_bytes("pw", i % 2 ? 0400 : 0600, files[i].content, strlen(files[i].content));
                reading = with_secret_file("pw");
                ck_assert_msg(reading.r == 0, "%s", reading.error.text);
                ck_assert_uint_eq(reading.conf->property_count, 1);
                ck_assert_str_eq(reading.conf->properties[0].name, "sasl.password");
                ck_assert_str_eq(reading.conf->properties[0].value, files[i].value);
                ck_assert(reading.conf->properties[0].secret);
                done(&reading);
        }
}
END_TEST

static void refuse_secret_file(const char *file, const char *part)
{
        struct reading reading = with_secret_file(file);
        char begin[300];

        snprintf(begin, sizeof begin, "%s: kafka.secrets: %s ", in_scratch("main.cfg:3"),
                 *file == '/' ? file : in_scratch(file));
        expect_problem(&reading, 1, 0, begin, part);
        expect_silence(&reading, CANARY);
        done(&reading);
}

START_TEST(a_secret_file_that_others_can_read_is_refused)
{
        static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0644, 0666, 0601 };
        static const mode_t odd[] = { 0700, 0500, 0200, 0100, 0000, 01600, 04600 };

        for (size_t i = 0; i < WEIR_COUNT_OF(modes); i++) {
                put_bytes("pw", modes[i], CANARY "\n", sizeof CANARY);
                refuse_secret_file("pw", "chmod 600");
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(odd); i++) {
                bool readable = geteuid() == 0 || (odd[i] & 0400);

                put_bytes("pw", odd[i], CANARY "\n", sizeof CANARY);
                refuse_secret_file("pw", readable ? "600 or 400" : "cannot be opened");
        }
        put_bytes("pw", 0600, CANARY "\n", sizeof CANARY);
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(in_scratch("pw"), 12345, 0), 0);
                refuse_secret_file("pw", "must belong to root");
        }
}
END_TEST

START_TEST(a_credential_of_systemd_may_show_the_mask_of_its_acl)
{
        struct reading reading;

        put_bytes("pw", 0440, CANARY "\n", sizeof CANARY);
        refuse_secret_file("pw", "chmod 600");
        setenv("CREDENTIALS_DIRECTORY", scratch, 1);
        if (geteuid() != 0) { /* systemd's are root's; anybody else's is refused */
                refuse_secret_file("pw", "chmod 600");
                return;
        }
        reading = with_secret_file("pw");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
        put_bytes("pw", 0444, CANARY "\n", sizeof CANARY);
        refuse_secret_file("pw", "chmod 600");
        put_bytes("pw", 0440, CANARY "\n", sizeof CANARY);
        ck_assert_int_eq(chown(in_scratch("pw"), 0, 12345), 0);
        refuse_secret_file("pw", "chmod 600");
        ck_assert_int_eq(mkdir(in_scratch("below"), 0755), 0);
        put_bytes("below/pw", 0440, CANARY "\n", sizeof CANARY);
        refuse_secret_file("below/pw", "chmod 600");
        setenv("CREDENTIALS_DIRECTORY", in_scratch("bel"),
               1); /* the beginning of a name is no directory */
        refuse_secret_file("below/pw", "chmod 600");
}
END_TEST

START_TEST(what_is_not_a_small_regular_file_is_no_secret)
{
        WEIR_FREE char *large = malloc(65537);
        struct reading reading;

        put_bytes("target", 0600, CANARY, strlen(CANARY));
        ck_assert_int_eq(symlink("target", in_scratch("pwlink")), 0);
        ck_assert_int_eq(mkfifo(in_scratch("pw.fifo"), 0600), 0);
        refuse_secret_file("pwlink", "symbolic link");
        refuse_secret_file("pw.fifo", "FIFO");
        refuse_secret_file("absent", "No such file");
        refuse_secret_file("/", "directory");
        put_bytes("pw", 0600, "\n", 1);
        refuse_secret_file("pw", "is empty");
        put_bytes("pw", 0600, "a\0b", 3);
        refuse_secret_file("pw", "NUL");
        memset(large, 'x', 65537);
        put_bytes("pw", 0600, large, 65537);
        refuse_secret_file("pw", "65536");
        put_bytes("pw", 0600, large, 65536); /* the edge */
        reading = with_secret_file("pw");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        done(&reading);
}
END_TEST

/* ---- environment -------------------------------------------------------------------- */

START_TEST(a_secret_comes_from_the_environment)
{
        struct reading reading;

        setenv("WEIR_TEST_SECRET", CANARY "\n", 1);
        reading = parse(SECRETS(
                "{ property = \"sasl.password\"; env = \"WEIR_TEST_SECRET\"; file = \"\"; }"));
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->properties[0].value, CANARY "\n");
        done(&reading);
        setenv("WEIR_TEST_SECRET", "", 1);
        refuse(SECRETS("{ property = \"sasl.password\"; env = \"WEIR_TEST_SECRET\"; }"),
               "t.cfg:3: kafka.secrets:", "empty");
}
END_TEST

START_TEST(a_password_in_the_place_of_the_variables_name_is_not_repeated)
{
        struct reading reading = parse(
                SECRETS("{ property = \"sasl.password\"; env = \"" CANARY "\"; },\n"
                        "{ property = \"ssl.key.password\"; env = \"" CANARY "!\"; }"));

        expect_problem(&reading, 2, 0, "t.cfg:3: kafka.secrets:", "not set");
        expect_problem(&reading, 2, 1, "t.cfg:4: kafka.secrets:", "not the name");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

START_TEST(a_secret_has_a_property_and_one_place_to_come_from)
{
        refuse(SECRETS("{ property = \"sasl.password\"; }"),
               "t.cfg:3: kafka.secrets: needs property", "one of file and env");
        refuse(SECRETS("{ property = \"sasl.password\"; file = \"a\"; env = \"B\"; }"),
               "t.cfg:3: kafka.secrets: needs", "");
        refuse(SECRETS("{ file = \"a\"; }"), "t.cfg:3: kafka.secrets: needs", "");
        refuse(SECRETS("{ property = \"sasl.password\"; value = \"x\"; }"),
               "t.cfg:3: kafka.secrets: unknown key value", "property, file, env");
        refuse(SECRETS("{ property = 3; file = \"a\"; }"),
               "t.cfg:3: kafka.secrets: property is a whole number", "string");
        refuse(SECRETS("\"sasl.password=x\""), "t.cfg:3: kafka.secrets: holds a string", "group");
        refuse(SECRETS("{ property = \"Sasl\"; file = \"a\"; }"),
               "t.cfg:3: kafka.secrets: property is not a name", "");
}
END_TEST

/* ---- the database's password -------------------------------------------------------- */

static const struct {
        const char *url;
        bool good;
} urls[] = {
        { "postgresql://u:" CANARY "@h/d", false },
        { "postgres://:" CANARY "@h/d", false },
        { "postgresql://u:a/" CANARY "@h/d", false },
        { "postgresql://u:a?" CANARY "@h/d", false },
        { "postgresql://h/d?password=" CANARY, false },
        { "postgresql://h/d?sslmode=require&pass%77ord=" CANARY, false },
        { "postgresql://h/d?sslpassword=" CANARY, false },
        { "host=h password=" CANARY, false },
        { "password = '" CANARY "' host=h", false },
        { "host='a b' sslpassword\t=" CANARY, false },
        { "host='a\\' b' PASSWORD=" CANARY, false },
        { "mysql://" CANARY "/d", false },
        { "" CANARY, false },
        { "postgresql://u@h:5432/d?sslmode=verify-full&passfile=/x", true },
        { "postgresql://h:5432/d?application_name=a@b", true },
        { "postgresql:///d", true },
        { "postgresql://[::1]:5432/d", true },
        { "postgresql://u@%2Fvar%2Frun%2Fpostgresql/d", true },
        { "postgresql://u@a:1,b,[fe80::1%25eth0]:3/d", true },
        { "postgresql://", true },
        { "postgresql://u%40corp@h/d%20e", true },
        { "service=weir", true },
        { "host = /run/pg port=5432,5433 dbname='a b' user='a\\' b' sslmode=require", true },
        { "host=::1 options='-c search_path=x,y' connect_timeout=3 keepalives=1", true },
        { "dbname='host=127.0.0.1 port=1 password=" CANARY "'", false },
        { "host=h dbname='password=" CANARY "' user=u", false },
        { "dbname=postgresql://u:" CANARY "@h/d", false },
        { "postgresql://h/host%3Dx%20password%3D" CANARY, false },
        { "postgresql://h/d?dbname=user%3D" CANARY, false },
        { "postgresql://u:" CANARY, false },
        { "postgresql://u:" CANARY "/d", false },
        { "postgresql://u:1" CANARY ",h:2/d", false },
        { "postgresql://u:123456", false },
        { "postgresql://h:0/d", false },
        { "postgresql://h:65535/d", true },
        { "postgresql://h:65536/d", false },
        { "postgresql://h:000001/d", false },
        { "postgresql://h/d?application_name=a%7F", false },
        { "postgresql://u:12/" CANARY "@h/d", false },
        { "postgresql://u%3A" CANARY "@h/d", false },
        { "postgresql://u%3a" CANARY "@h/d", false },
        { "postgresql://h/d?user=u%3A" CANARY, false },
        { "user=u:" CANARY " host=h", false },
        { "postgresql://u@" CANARY "@h/d", false },
        { "postgresql://h/d?pasword=" CANARY, false },
        { "postgresql://h/d?" CANARY, false },
        { "postgresql://h/d?sslmode=" CANARY, false },
        { "postgresql://h/d?a=b=" CANARY, false },
        { "postgresql://h/d%zz" CANARY, false },
        { "postgresql://h/d%00" CANARY, false },
        { "postgresql://h/d?application_name=%0A" CANARY, false },
        { "postgresql://[::1/" CANARY, false },
        { "postgresql://[::1]" CANARY "/d", false },
        { "host=h pasword=" CANARY, false },
        { "host=h port=" CANARY, false },
        { "host=h connect_timeout=" CANARY, false },
        { "host=h " CANARY, false },
        { "host=u:" CANARY, false },
        { "host=h " CANARY " = 1", false },
        { "host=h user='" CANARY, false },
        { "host= password=" CANARY, false },
        { "application_name='password =" CANARY "'", false },
        { "scram_client_key=" CANARY, false },
};

START_TEST(a_url_holds_no_password)
{
        char text[400];
        struct reading reading;

        ck_assert_uint_lt(strlen(urls[_i].url), 150);
        snprintf(text, sizeof text, KAFKA WORKERS "store = { url = \"%s\"; };", urls[_i].url);
        for (char *p = text; *p; p++) /* the file needs its backslash twice */
                if (p[0] == '\\' && p[1] == '\'') {
                        memmove(p + 1, p, strlen(p) + 1);
                        p++;
                }
        reading = parse(text);
        ck_assert_msg((reading.r == 0) == urls[_i].good, "%s", urls[_i].url);
        if (!urls[_i].good)
                expect_problem(&reading, 1, 0, "t.cfg:3: store.url:", "");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

START_TEST(a_url_is_bounded)
{
        char text[2048], name[1100];

        for (int size = 1024; size <= 1025; size++) {
                struct reading reading;

                memset(name, 'd', sizeof name);
                name[size - (int)strlen("postgresql://h/")] = '\0';
                snprintf(text, sizeof text,
                         KAFKA WORKERS "store = { url = \"postgresql://h/%s\"; };", name);
                reading = parse(text);
                if (size == 1024)
                        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
                else
                        expect_problem(&reading, 1, 0, "t.cfg:3: store.url:", "1024");
                done(&reading);
        }
}
END_TEST

static struct reading with_password(const char *keys)
{
        char text[500];

        snprintf(text, sizeof text, KAFKA WORKERS "store = { url = \"postgresql:///d\";\n%s };",
                 keys);
        put("main.cfg", text);
        return load_file(in_scratch("main.cfg"));
}

START_TEST(the_password_of_the_database_comes_from_a_file_or_the_environment)
{
        struct reading reading;

        put_bytes("pgpw", 0600, CANARY "\n", strlen(CANARY) + 1);
        setenv("WEIR_TEST_SECRET", CANARY "2", 1);
        reading = with_password("password_file = \"pgpw\"; password_env = \"\";");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->store_password, CANARY);
        done(&reading);
        reading = with_password("password_env = \"WEIR_TEST_SECRET\";");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->store_password, CANARY "2");
        done(&reading);
        reading = with_password("password_env = \"WEIR_TEST_SECRET\"; password_file = \"pgpw\";");
        expect_problem(&reading, 1, 0, in_scratch("main.cfg:4: store.password_file:"), "keep one");
        done(&reading);
        reading = with_password("password_env = \"" CANARY "\";");
        expect_problem(&reading, 1, 0, in_scratch("main.cfg:4: store.password_env:"), "not set");
        expect_silence(&reading, CANARY);
        done(&reading);
        chmod(in_scratch("pgpw"), 0644);
        reading = with_password("password_file = \"pgpw\";");
        expect_problem(&reading, 1, 0, in_scratch("main.cfg:4: store.password_file:"), "chmod 600");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

START_TEST(what_is_shown_of_a_configuration_holds_no_secret)
{
        struct reading reading;
        WEIR_FREE char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        setenv("WEIR_TEST_SECRET", CANARY, 1);
        reading = parse(
                "store = { url = \"postgresql:///d\"; password_env = \"WEIR_TEST_SECRET\"; };\n"
                "kafka = { brokers = \"b\"; secrets = ( { property = \"sasl.password\"; env = "
                "\"WEIR_TEST_SECRET\"; } ); };\n"
                "workers = ( { " WORKER_KEYS " options = { token = \"" CANARY "\"; }; } );");
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->properties[0].value, CANARY);
        ck_assert_int_eq(weir_conf_show(out, reading.conf), 0);
        fclose(out);
        ck_assert_ptr_nonnull(strstr(text, "sasl.password=(secret)"));
        ck_assert_ptr_nonnull(strstr(text, "store.connections = 8\n"));
        ck_assert_ptr_null(strstr(text, CANARY));
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_secret");
        TCase *tcase = tcase_create("secret");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_test(tcase, a_secret_comes_from_a_private_file_without_its_last_newline);
        tcase_add_test(tcase, a_secret_file_that_others_can_read_is_refused);
        tcase_add_test(tcase, a_credential_of_systemd_may_show_the_mask_of_its_acl);
        tcase_add_test(tcase, what_is_not_a_small_regular_file_is_no_secret);
        tcase_add_test(tcase, a_secret_comes_from_the_environment);
        tcase_add_test(tcase, a_password_in_the_place_of_the_variables_name_is_not_repeated);
        tcase_add_test(tcase, a_secret_has_a_property_and_one_place_to_come_from);
        tcase_add_loop_test(tcase, a_url_holds_no_password, 0, WEIR_COUNT_OF(urls));
        tcase_add_test(tcase, a_url_is_bounded);
        tcase_add_test(tcase, the_password_of_the_database_comes_from_a_file_or_the_environment);
        tcase_add_test(tcase, what_is_shown_of_a_configuration_holds_no_secret);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

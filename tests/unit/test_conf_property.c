/* SPDX-License-Identifier: MIT */
/* conf: the properties of the Kafka client: those that weir owns, those that hold a secret or run a program */
#include "conf_fixture.h"

static const char *const owned[] = {
        "enable.auto.commit",
        "auto.commit.enable",
        "auto.commit.interval.ms",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "offset.store.method",
        "offset.store.path",
        "partition.assignment.strategy",
        "group.id",
        "bootstrap.servers",
        "metadata.broker.list",
        "plugin.library.paths",
        "enable.partition.eof",
        "check.crcs",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "group.protocol",
        "isolation.level",
        "acks",
        "enable.idempotence",
        "transactional.id",
        "allow.auto.create.topics",
        "ssl.engine.location",
        "ssl.engine.id",
        "ssl.providers",
        "sasl.kerberos.kinit.cmd",
        "sasl.jaas.config",
        "topic.blacklist",
        "queuing.strategy",
        "enable_sasl_queue",
        "interceptors",
        "opaque",
        "rebalance_cb",
        "error_cb",
        "ssl.certificate.verify_cb",
        "oauthbearer_token_refresh_cb",
        "test.mock.num.brokers",
        "enabled_events",
};

START_TEST(a_property_that_weir_owns_is_refused_with_a_reason)
{
        char text[400], part[160];

        ck_assert_ptr_nonnull(weir_conf_property_refused(owned[_i]));
        snprintf(part, sizeof part, "%s is refused: %s", owned[_i],
                 weir_conf_property_refused(owned[_i]));
        snprintf(text, sizeof text, PROPERTIES("\"client.id=x\",\n\"%s=1\""), owned[_i]);
        refuse(text, "t.cfg:4: kafka.properties:", part);
        setenv("WEIR_TEST_SECRET", CANARY, 1);
        snprintf(text, sizeof text, SECRETS("{ property = \"%s\"; env = \"WEIR_TEST_SECRET\"; }"),
                 owned[_i]);
        refuse(text, "t.cfg:3: kafka.secrets:", part);
}
END_TEST

static const char *const inline_secrets[] = {
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
};

START_TEST(a_secret_among_the_properties_is_refused_and_not_repeated)
{
        char text[400];
        struct reading reading;

        snprintf(text, sizeof text, PROPERTIES("\"%s=" CANARY "\""), inline_secrets[_i]);
        reading = parse(text);
        expect_problem(&reading, 1, 0, "t.cfg:3: kafka.properties:", "kafka.secrets");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

static const struct {
        const char *properties, *sandbox;
        bool good;
} programs[] = {
        { "\"security.protocol=SASL_SSL\"", "", false }, /* GSSAPI is librdkafka's default */
        { "\"security.protocol=sasl_plaintext\", \"sasl.mechanism=GSSAPI\"", "", false },
        { "\"security.protocol=sasl_plaintext\", \"sasl.mechanism=GSSAPI\"", "exec = true;", true },
        { "\"security.protocol=SASL_SSL\"", "seccomp = false; landlock = false;", true },
        { "\"security.protocol=SASL_SSL\"", "seccomp = false;", false },
        { "\"security.protocol=SASL_SSL\", \"sasl.kerberos.min.time.before.relogin=0\"", "", true },
        { "\"security.protocol=SASL_SSL\", \"sasl.mechanisms=PLAIN\"", "", true },
        { "\"security.protocol=SSL\"", "", true },
        { "\"sasl.mechanisms=GSSAPI\"", "", true },
};

START_TEST(kerberos_needs_a_program_that_the_sandbox_refuses)
{
        char text[500];

        snprintf(text, sizeof text, PROPERTIES("%s") "sandbox = { %s };\n", programs[_i].properties,
                 programs[_i].sandbox);
        if (programs[_i].good)
                accept_text(text);
        else
                refuse(text, "t.cfg:3: kafka.properties: sasl.mechanisms=GSSAPI",
                       "set sandbox.exec = true");
}
END_TEST

static const struct {
        const char *name, *value;
        bool good;
} values[] = {
        { "sasl.kerberos.principal", "kafka/host.example-1@EXAMPLE.ORG", true },
        { "sasl.kerberos.keytab", "/etc/weir/kafka.keytab", true },
        { "sasl.kerberos.principal", "x; " CANARY, false },
        { "sasl.kerberos.principal", "$(" CANARY ")", false },
        { "sasl.kerberos.keytab", "/x` " CANARY "`", false },
        { "sasl.kerberos.keytab", "/x' " CANARY, false },
        { "sasl.kerberos.service.name", "a|" CANARY, false },
        { "sasl.oauthbearer.token.endpoint.url", "https://h:443/a:b@c", true },
        { "sasl.oauthbearer.token.endpoint.url", "https://u@h/x", true },
        { "sasl.oauthbearer.token.endpoint.url", "https://u:" CANARY "@h/x", false },
        { "sasl.oauthbearer.token.endpoint.url", "https://u:" CANARY "@x@h", false },
};

START_TEST(a_value_that_a_shell_would_run_or_a_url_with_a_password_is_refused)
{
        char text[400];
        struct reading reading;

        snprintf(text, sizeof text, PROPERTIES("\"%s=%s\""), values[_i].name, values[_i].value);
        reading = parse(text);
        ck_assert_msg((reading.r == 0) == values[_i].good, "%s=%s", values[_i].name,
                      values[_i].value);
        if (!values[_i].good)
                expect_problem(&reading, 1, 0, "t.cfg:3: kafka.properties:", values[_i].name);
        expect_silence(&reading, CANARY);
        done(&reading);
        /* from a secret too, but for the url, which may hold one there */
        setenv("WEIR_TEST_SECRET", values[_i].value, 1);
        snprintf(text, sizeof text, SECRETS("{ property = \"%s\"; env = \"WEIR_TEST_SECRET\"; }"),
                 values[_i].name);
        reading = parse(text);
        ck_assert_int_eq(reading.r == 0, values[_i].good || strstr(values[_i].value, "://"));
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

static const char *const free_properties[] = {
        "security.protocol",
        "sasl.mechanism",
        "sasl.username",
        "ssl.ca.location",
        "ssl.key.location",
        "ssl.keystore.location",
        "ssl.certificate.pem",
        "debug",
        "max.poll.interval.ms",
        "session.timeout.ms",
        "client.id",
        "group.instance.id",
        "fetch.wait.max.ms",
        "a.property.of.the.future",
};

START_TEST(any_other_property_passes_through)
{
        char text[400];
        struct reading reading;

        ck_assert_ptr_null(weir_conf_property_refused(free_properties[_i]));
        snprintf(text, sizeof text, PROPERTIES("\"%s=a b=c\""), free_properties[_i]);
        reading = parse(text);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        ck_assert_str_eq(reading.conf->properties[0].name, free_properties[_i]);
        ck_assert_str_eq(reading.conf->properties[0].value, "a b=c");
        done(&reading);
}
END_TEST

START_TEST(a_property_given_twice_is_refused_under_either_name)
{
        setenv("WEIR_TEST_SECRET", CANARY, 1);
        refuse(PROPERTIES("\"client.id=a\", \"client.id=a\""),
               "t.cfg:3: kafka.properties: client.id", "twice");
        refuse(PROPERTIES("\"sasl.mechanism=PLAIN\", \"sasl.mechanisms=PLAIN\""),
               "t.cfg:3: kafka.properties: sasl.mechanisms", "before as sasl.mechanism");
        refuse(SECRETS("{ property = \"sasl.password\"; env = \"WEIR_TEST_SECRET\"; },\n"
                       "{ property = \"sasl.password\"; env = \"WEIR_TEST_SECRET\"; }"),
               "t.cfg:4: kafka.secrets: sasl.password", "twice");
}
END_TEST

START_TEST(a_malformed_property_is_not_repeated)
{
        struct reading reading = parse(
                PROPERTIES("\"" CANARY "\", \"=" CANARY "\", \" a=" CANARY "\", \"A=" CANARY "\""));

        expect_problem(&reading, 4, 0, "t.cfg:3: kafka.properties: entry 1", "name=value");
        expect_problem(&reading, 4, 1, "t.cfg:3: kafka.properties: entry 2", "name");
        expect_problem(&reading, 4, 3, "t.cfg:3: kafka.properties: entry 4", "small letters");
        expect_silence(&reading, CANARY);
        done(&reading);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_property");
        TCase *tcase = tcase_create("secret");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_unchecked_fixture(tcase, make_scratch, remove_scratch);
        tcase_add_loop_test(tcase, a_property_that_weir_owns_is_refused_with_a_reason, 0,
                            WEIR_COUNT_OF(owned));
        tcase_add_loop_test(tcase, a_secret_among_the_properties_is_refused_and_not_repeated, 0,
                            WEIR_COUNT_OF(inline_secrets));
        tcase_add_loop_test(tcase,
                            a_value_that_a_shell_would_run_or_a_url_with_a_password_is_refused, 0,
                            WEIR_COUNT_OF(values));
        tcase_add_loop_test(tcase, kerberos_needs_a_program_that_the_sandbox_refuses, 0,
                            WEIR_COUNT_OF(programs));
        tcase_add_loop_test(tcase, any_other_property_passes_through, 0,
                            WEIR_COUNT_OF(free_properties));
        tcase_add_test(tcase, a_property_given_twice_is_refused_under_either_name);
        tcase_add_test(tcase, a_malformed_property_is_not_repeated);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

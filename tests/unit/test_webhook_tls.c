/* SPDX-License-Identifier: MIT */
/* side/webhook over TLS: who may answer, and what a certificate that does not do is called */
#include <openssl/x509v3.h>

#include "webhook_fixture.h"

/* ---- an authority and what it signs ------------------------------------------------------------- */

struct identity {
        EVP_PKEY *key;
        X509 *certificate;
};

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX context;
        X509_EXTENSION *extension;

        X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        ck_assert_ptr_nonnull(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
}

/* Signed by @issuer, or by itself where that is NULL; valid from and to so many days from now. */
static struct identity identity_new(const struct identity *issuer, const char *name,
                                    const char *alternatives, int from_day, int to_day)
{
        static long serial;
        struct identity new = { EVP_EC_gen("P-256"), X509_new() };
        X509 *certificate = new.certificate;
        X509_NAME *subject = X509_get_subject_name(certificate);

        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
        X509_time_adj_ex(X509_getm_notBefore(certificate), from_day, 0, NULL);
        X509_time_adj_ex(X509_getm_notAfter(certificate), to_day, 0, NULL);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                   0);
        X509_set_pubkey(certificate, new.key);
        X509_set_issuer_name(certificate,
                             X509_get_subject_name(issuer ? issuer->certificate : certificate));
        extend(certificate, issuer ? issuer->certificate : certificate, NID_basic_constraints,
               issuer || alternatives ? "CA:FALSE" : "critical,CA:TRUE");
        if (alternatives)
                extend(certificate, certificate, NID_subject_alt_name, alternatives);
        ck_assert(X509_sign(certificate, issuer ? issuer->key : new.key, EVP_sha256()) > 0);
        return new;
}

static void identity_free(struct identity *identity)
{
        EVP_PKEY_free(identity->key);
        X509_free(identity->certificate);
}

static char ca_path[200];

static void write_ca(const struct identity *authority)
{
        const char *directory = getenv("TMPDIR");
        FILE *file;
        int fd;

        snprintf(ca_path, sizeof ca_path, "%s/weir-ca.XXXXXX", directory ? directory : "/tmp");
        fd = mkstemp(ca_path);
        ck_assert_int_ge(fd, 0);
        file = fdopen(fd, "w");
        ck_assert_int_eq(PEM_write_X509(file, authority->certificate), 1);
        fclose(file);
}

static void say_204(struct exchange *x)
{
        put(x, "HTTP/1.1 204 No Content\r\n\r\n");
}

static SSL_CTX *tls_of(const struct identity *identity)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

        SSL_CTX_use_certificate(tls, identity->certificate);
        SSL_CTX_use_PrivateKey(tls, identity->key);
        return tls;
}

static char url[100];

static struct weir_conf_sink tls_sink(const char *host, int port)
{
        struct weir_conf_sink sink = sink_to(port);

        snprintf(url, sizeof url, "https://%s:%d/hook", host, port);
        sink.url = url;
        sink.allow_plain = false;
        sink.ca_file = ca_path;
        return sink;
}

/* ---- tests -------------------------------------------------------------------------------------- */

static const struct {
        const char *host, *alternatives;
        bool self_signed, system; /* system: ca_file is not set */
        int from_day, to_day;
        const char *piece; /* NULL = delivered */
} certificates[] = {
        { "127.0.0.1", "IP:127.0.0.1", false, false, -1, 1, NULL },
        { "localhost", "DNS:localhost", false, false, -1, 1, NULL },
        { "127.0.0.1", "IP:127.0.0.2,DNS:127.0.0.1", false, false, -1, 1, "for the name in url" },
        { "localhost", "DNS:other.test", false, false, -1, 1, "for the name in url" },
        { "localhost", "DNS:*.localhost", false, false, -1, 1, "for the name in url" },
        { "127.0.0.1", "IP:127.0.0.1", false, false, -9, -1, "must be renewed" },
        { "127.0.0.1", "IP:127.0.0.1", false, false, 1, 9, "not valid yet" },
        { "127.0.0.1", "IP:127.0.0.1", true, false, -1, 1, "set ca_file" },
        { "127.0.0.1", "IP:127.0.0.1", false, true, -1, 1, "set ca_file" },
};

START_TEST(a_certificate_is_accepted_or_the_reason_is_named)
{
        static struct receiver receiver;
        struct identity authority = identity_new(NULL, "authority", NULL, -1, 9), leaf;
        struct weir_conf_sink sink;

        write_ca(&authority);
        leaf = identity_new(certificates[_i].self_signed ? NULL : &authority, "localhost",
                            certificates[_i].alternatives, certificates[_i].from_day,
                            certificates[_i].to_day);
        receiver.tls = tls_of(&leaf);
        receiver_start(&receiver, say_204);
        client_start();
        sink = tls_sink(certificates[_i].host, receiver.port);
        sink.token = "t0ken";
        if (certificates[_i].system)
                sink.ca_file = NULL;
        deliver(&sink);
        if (certificates[_i].piece) {
                expect_action(WEIR_WEBHOOK_RETRY, true, 0, certificates[_i].piece);
                ck_assert_ptr_nonnull(strstr(client.last.text, "no TLS: "));
                ck_assert_int_eq(atomic_load(&receiver.requests), 0);
        } else {
                expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
                deliver(&sink);
                ck_assert_int_eq(atomic_load(&receiver.requests), 2);
                ck_assert_int_eq(atomic_load(&receiver.connections), 1);
        }
        weir_webhook_free(client.webhook);
        receiver_stop(&receiver);
        unlink(ca_path);
        identity_free(&leaf);
        identity_free(&authority);
}
END_TEST

START_TEST(a_connection_verified_by_one_ca_file_does_not_serve_a_sink_with_another)
{
        static struct receiver receiver;
        struct identity authority = identity_new(NULL, "authority", NULL, -1, 9), leaf;
        struct weir_conf_sink sink, other;

        write_ca(&authority);
        leaf = identity_new(&authority, "localhost", "IP:127.0.0.1", -1, 9);
        receiver.tls = tls_of(&leaf);
        receiver_start(&receiver, say_204);
        client_start();
        sink = tls_sink("127.0.0.1", receiver.port);
        other = sink;
        other.ca_file = NULL;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_DELIVERED, false, 204, "answered 204");
        deliver(&other);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "set ca_file");
        ck_assert_int_eq(atomic_load(&receiver.requests), 1);
        weir_webhook_free(client.webhook);
        receiver_stop(&receiver);
        unlink(ca_path);
        identity_free(&leaf);
        identity_free(&authority);
}
END_TEST

/* Let OpenSSL speak what this machine's settings forbid, or weir would not be what is tested. Before the
 * first use of OpenSSL: its configuration is read once. */
static void allow_old_tls(void)
{
        static char path[200];
        const char *directory = getenv("TMPDIR");
        FILE *file;
        int fd;

        snprintf(path, sizeof path, "%s/weir-openssl.XXXXXX", directory ? directory : "/tmp");
        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        file = fdopen(fd, "w");
        fputs("openssl_conf = i\n[i]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\n"
              "MinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n",
              file);
        fclose(file);
        setenv("OPENSSL_CONF", path, 1);
        OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, NULL);
        unlink(path);
}

START_TEST(old_tls_is_not_spoken)
{
        static struct receiver receiver;
        struct identity authority, leaf;
        struct weir_conf_sink sink;

        allow_old_tls();
        authority = identity_new(NULL, "authority", NULL, -1, 9);
        write_ca(&authority);
        leaf = identity_new(&authority, "localhost", "IP:127.0.0.1", -1, 9);
        receiver.tls = tls_of(&leaf);
        SSL_CTX_set_security_level(receiver.tls, 0);
        SSL_CTX_set_max_proto_version(receiver.tls, TLS1_1_VERSION);
        receiver_start(&receiver, say_204);
        client_start();
        sink = tls_sink("127.0.0.1", receiver.port);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "no answer: ");
        ck_assert_int_eq(atomic_load(&receiver.requests), 0);
        weir_webhook_free(client.webhook);
        receiver_stop(&receiver);
        unlink(ca_path);
        identity_free(&leaf);
        identity_free(&authority);
}
END_TEST

static void *accept_and_wait(void *arg)
{
        struct exchange x = { .fd = accept(*(int *)arg, NULL, NULL) };

        while (recv(x.fd, x.head, sizeof x.head, 0) > 0) /* the greeting, and nothing after it */
                continue;
        close(x.fd);
        return NULL;
}

START_TEST(a_handshake_that_is_not_answered_is_named)
{
        struct weir_conf_sink sink;
        pthread_t thread;
        uint16_t port;
        int fd = listen_on(1, &port);

        pthread_create(&thread, NULL, accept_and_wait, &fd);
        client_start();
        sink = tls_sink("127.0.0.1", port);
        sink.ca_file = NULL;
        sink.timeout_ms = 300;
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "time was over in the TLS handshake");
        weir_webhook_free(client.webhook);
        pthread_join(thread, NULL);
        close(fd);
}
END_TEST

START_TEST(a_ca_file_that_cannot_be_read_is_named)
{
        static struct receiver receiver;
        struct weir_conf_sink sink;

        receiver_start(&receiver, never);
        client_start();
        snprintf(ca_path, sizeof ca_path, "/nonexistent/ca.pem");
        sink = tls_sink("127.0.0.1", receiver.port);
        deliver(&sink);
        expect_action(WEIR_WEBHOOK_RETRY, true, 0, "ca_file /nonexistent/ca.pem cannot be read");
        weir_webhook_free(client.webhook);
        receiver_stop(&receiver);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_tls");
        TCase *tcase = tcase_create("tls");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, a_certificate_is_accepted_or_the_reason_is_named, 0,
                            WEIR_COUNT_OF(certificates));
        tcase_add_test(tcase,
                       a_connection_verified_by_one_ca_file_does_not_serve_a_sink_with_another);
        tcase_add_test(tcase, old_tls_is_not_spoken);
        tcase_add_test(tcase, a_handshake_that_is_not_answered_is_named);
        tcase_add_test(tcase, a_ca_file_that_cannot_be_read_is_named);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

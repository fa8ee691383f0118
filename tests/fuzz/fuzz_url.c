/* SPDX-License-Identifier: MIT */
/*
 * fuzz_url - addresses as an operator writes them: store.url against libpq, a sink's url against libcurl
 *
 * Rules      UR1, UR2: what is accepted for the store holds no password to libpq, and what libpq reads in it is what is
 *            there; no answer repeats what was said. What is accepted for a sink has, to libcurl, a host, and neither
 *            user nor password nor fragment: two readers of one url that differ are how a check is got around.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <libpq-fe.h>
#include <strings.h>

#include "conf/value.h"
#include "fuzz.h"

/* To libpq a password is where these are set. */
static void check_store(const char *text)
{
        static const char *const secrets[] = { "password", "sslpassword", "oauth_client_secret" };
        PQconninfoOption *options;
        char *why = NULL;

        if (weir_check_store_url(text))
                return;
        options = PQconninfoParse(text, &why);
        for (const PQconninfoOption *o = options; o && o->keyword; o++)
                for (size_t i = 0; o->val && i < sizeof secrets / sizeof secrets[0]; i++)
                        MUST(strcmp(o->keyword, secrets[i]) != 0);
        PQconninfoFree(options);
        PQfreemem(why);
}

static bool has(CURLU *url, CURLUPart part)
{
        char *text = NULL;
        bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK && text;

        curl_free(text);
        return there;
}

static void check_sink(const char *text)
{
        struct in_addr in;
        CURLU *url;

        if (weir_check_sink_url(text))
                return;
        url = curl_url();
        MUST(url);
        if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
                char *scheme = NULL, *host = NULL;

                MUST(curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
                MUST(strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);
                MUST(curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host);
                /* the host that was checked is the one that is asked; numbers become an address in its shortest
                 * form, and are judged as what connect() gets */
                MUST(inet_pton(AF_INET, host, &in) == 1 || host[0] == '[' ||
                     strncasecmp(strstr(text, "://") + 3, host, strlen(host)) == 0);
                MUST(!has(url, CURLUPART_USER) && !has(url, CURLUPART_PASSWORD));
                MUST(!has(url, CURLUPART_FRAGMENT));
                curl_free(scheme);
                curl_free(host);
        }
        curl_url_cleanup(url);
}

/* Words about a text are ours, never the text's. */
static void check_answers(const char *text)
{
        static weir_text_check *const checks[] = { weir_check_name,     weir_check_topic,
                                                   weir_check_group,    weir_check_brokers,
                                                   weir_check_sink_url, weir_check_origin,
                                                   weir_check_plain,    weir_check_env,
                                                   weir_check_store_url };

        for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
                const char *wrong = checks[i](text);

                MUST(!wrong || (*wrong && wrong != text));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz fuzz;
        const char *text;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz).ptr;
        check_store(text);
        check_sink(text);
        check_answers(text);
        fuzz_end(&fuzz);
        return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * webhook_request - everything libcurl is told before a request starts
 *
 * libcurl is made for people at a prompt: it reads proxies and credentials from the environment,
 * speaks thirty protocols and connects to whatever a name says. Each of these is closed here.
 *
 * Always true  WR1 the address is judged twice: as the sockaddr that connect() gets (so a name that
 *                  changes between two look-ups gains nothing), and before each request as the peer of
 *                  the connection in use. The second is for connections that are used again: one that
 *                  was opened for a sink with allow_private must not serve a sink without.
 *              WR2 a header line is built from checked parts only: names from a list, values without
 *                  control characters. An attribute cannot add a line or a header of ours.
 *              WR3 any option that libcurl refuses ends the request before it starts; verification is
 *                  never off because a library is old.
 *              WR4 ca_file replaces the system's list; Debian's libcurl would add its directory.
 *              WR5 an attempt is one request. libcurl repeats by itself what a used connection swallowed
 *                  (POST too, up to five times, at once): a receiver that dies of a request would get it
 *                  six times in a millisecond, and no backoff, counter or log would know. Its second
 *                  begin is refused, and the attempt has failed.
 * HTTP/1.1     one request a connection at a time: what breaks a connection breaks one event, and an
 *              answer's size counts for itself. 100 connections are cheap; a stalled stream that
 *              holds 99 others is not.
 * Name look-up in a thread of libcurl's. With QUICK_EXIT that thread is left alone when the time is
 *              over; without, the end of the request would wait for a resolver that does not answer.
 * Not chosen   CURLOPT_RESOLVE with addresses we looked up ourselves: a second resolver, and the
 *              fallback between addresses would be ours to write.
 */
#include "side/webhook_request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "side/address.h"
#include "side/signature.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or later is needed (CURLOPT_QUICK_EXIT, CURLOPT_PREREQFUNCTION)"
#endif

#define IDLE_MOST_S 30L

/* ---- addresses ---------------------------------------------------------------------------------- */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
        struct weir_transfer *transfer = context;
        const char *range = weir_address_range(&address->addr);

        (void)purpose;
        if (range && !transfer->sink->allow_private) {
                const void *bytes = &((struct sockaddr_in *)(void *)&address->addr)->sin_addr;

                if (address->family == AF_INET6)
                        bytes = &((struct sockaddr_in6 *)(void *)&address->addr)->sin6_addr;
                if (!inet_ntop(address->family, bytes, transfer->address, sizeof transfer->address))
                        memcpy(transfer->address, "?", 2);
                transfer->range = range;
                return CURL_SOCKET_BAD;
        }
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int before_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
        struct weir_transfer *transfer = context;
        const char *range = transfer->sink->allow_private ? NULL : weir_address_text_range(peer);

        transfer->repeated = transfer->sent;
        transfer->sent = true;
        if (transfer->repeated)
                return CURL_PREREQFUNC_ABORT;
        (void)local;
        (void)peer_port;
        (void)local_port;
        if (!range)
                return CURL_PREREQFUNC_OK;
        snprintf(transfer->address, sizeof transfer->address, "%s", peer);
        transfer->range = range;
        return CURL_PREREQFUNC_ABORT;
}

/* ---- header lines ------------------------------------------------------------------------------- */

static int append(struct weir_transfer *transfer, const char *line, struct weir_error *reterr)
{
        struct curl_slist *fields = line ? curl_slist_append(transfer->fields, line) : NULL;

        if (!fields)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "headers for sink %s",
                                 transfer->sink->name);
        transfer->fields = fields;
        return 0;
}

/* A value may hold what is no control character; tabs are white space. */
static bool is_value(const char *value, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)value[i];

                if ((c < 0x20 && c != '\t') || c == 0x7f)
                        return false;
        }
        return true;
}

/* @value was checked. To libcurl a line "name:" means "do not send it", "name;" an empty value. */
static int put(struct weir_transfer *transfer, const char *name, const char *value, size_t size,
               struct weir_error *reterr)
{
        size_t length = strlen(name);
        WEIR_FREE char *line = malloc(length + size + 3);

        if (line) {
                memcpy(line, name, length);
                memcpy(line + length, size ? ": " : ";", size ? 2 : 1);
                length += size ? 2 : 1;
                if (size)
                        memcpy(line + length, value, size);
                line[length + size] = '\0';
        }
        return append(transfer, line, reterr);
}

static int put_z(struct weir_transfer *transfer, const char *name, const char *value,
                 struct weir_error *reterr)
{
        return put(transfer, name, value, strlen(value), reterr);
}

/* "ce-" and what may follow in the name of an attribute, or the content type. */
static bool is_name(const char *name)
{
        if (strcasecmp(name, "content-type") == 0)
                return true;
        if (strncasecmp(name, "ce-", 3) != 0 || !name[3])
                return false;
        for (const char *p = name + 3; *p; p++)
                if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= '0' && *p <= '9')))
                        return false;
        return true;
}

static int put_event(struct weir_transfer *transfer, const struct weir_webhook_request *request,
                     struct weir_error *reterr)
{
        size_t types = 0;

        if (!request->body.ptr || !request->body.size)
                return weir_fail(
                        reterr, WEIR_EUSAGE, 0,
                        "sink %s: a webhook must have a body; an event without data goes in "
                        "structured mode",
                        request->sink->name);
        for (size_t i = 0; i < request->header_count; i++) {
                const struct weir_header *header = &request->headers[i];
                int r;

                if (!header->value)
                        continue;
                if (!is_name(header->name))
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "sink %s: header %.60s is neither content-type nor an "
                                         "attribute (ce-…)",
                                         request->sink->name, header->name);
                if (!is_value(header->value, header->size))
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "sink %s: header %.60s holds a control character",
                                         request->sink->name, header->name);
                types += strcasecmp(header->name, "content-type") == 0 && header->size;
                r = put(transfer, header->name, header->value, header->size, reterr);
                if (r < 0)
                        return r;
        }
        if (types != 1)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "sink %s: a webhook must have one content type, not %zu; an event "
                                 "without datacontenttype goes in structured mode",
                                 request->sink->name, types);
        return 0;
}

static int put_signature(struct weir_transfer *transfer, const struct weir_webhook_request *request,
                         struct weir_error *reterr)
{
        const struct weir_conf_sink *sink = request->sink;
        int64_t now_s = weir_clock_wall_us() / 1000000;
        char signature[WEIR_SIGNATURE_BYTES], time[32];
        WEIR_FREE char *id = NULL;
        int r;

        if (!request->message_id.size)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "sink %s: a message without an id",
                                 sink->name);
        id = malloc(WEIR_SIGNATURE_ID_BYTES(request->message_id.size));
        if (!id)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "id for sink %s", sink->name);
        weir_signature_id(request->message_id, id);
        r = put_z(transfer, "webhook-id", id, reterr);
        if (r < 0)
                return r;
        snprintf(time, sizeof time, "%lld", (long long)now_s);
        r = put_z(transfer, "webhook-timestamp", time, reterr);
        if (r < 0 || !sink->secret)
                return r;
        r = weir_signature_make(sink->secret, sink->secret_next, id, now_s, request->body,
                                signature, reterr);
        if (r < 0) {
                weir_error_prefix(reterr, "sink %s (%s): ", sink->name, sink->where);
                return r;
        }
        return put_z(transfer, "webhook-signature", signature, reterr);
}

/* What goes with deliveries and questions alike. */
static int put_sender(struct weir_transfer *transfer, struct weir_error *reterr)
{
        const struct weir_conf_sink *sink = transfer->sink;
        bool in_query = transfer->query && (strncmp(transfer->query, "access_token=", 13) == 0 ||
                                            strstr(transfer->query, "&access_token="));
        int r = 0;

        if (sink->token && in_query)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "sink %s (%s): token and access_token in the url are two tokens; "
                                 "keep token",
                                 sink->name, sink->where);
        if ((sink->token && (!*sink->token || !is_value(sink->token, strlen(sink->token)))) ||
            (sink->origin && (!*sink->origin || !is_value(sink->origin, strlen(sink->origin)))))
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "sink %s (%s): token or origin is empty, or holds a control "
                                 "character",
                                 sink->name, sink->where);
        if (sink->token) {
                size_t room = sizeof "Bearer " + strlen(sink->token);
                WEIR_FREE char *value = malloc(room);

                if (value)
                        snprintf(value, room, "Bearer %s", sink->token);
                r = value ? put_z(transfer, "Authorization", value, reterr)
                          : weir_fail(reterr, WEIR_ENOMEM, 0, "headers for sink %s", sink->name);
                if (value)
                        explicit_bzero(value, room);
        } else if (in_query) { /* RFC 6750 2.3: no cache may keep that URL */
                r = append(transfer, "Cache-Control: no-store", reterr);
        }
        if (r == 0 && sink->origin)
                r = put_z(transfer, "WebHook-Request-Origin", sink->origin, reterr);
        if (r == 0)
                r = append(transfer, "Expect:", reterr); /* no round trip before a large body */
        return r;
}

/* ---- the URL ------------------------------------------------------------------------------------ */

static int read_url(struct weir_transfer *transfer, struct weir_error *reterr)
{
        const struct weir_conf_sink *sink = transfer->sink;
        char *scheme = NULL, *host = NULL, *port = NULL;
        const char *wrong = NULL;
        CURLU *url = curl_url();

        if (!url)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "url of sink %s", sink->name);
        if (!sink->url || curl_url_set(url, CURLUPART_URL, sink->url, 0) ||
            curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) ||
            curl_url_get(url, CURLUPART_HOST, &host, 0) ||
            curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
                wrong = "is none that can be read: write https://host/path";
        } else {
                char *user = NULL, *password = NULL, *path = NULL, *query = NULL;

                curl_url_get(url, CURLUPART_USER, &user, 0);
                curl_url_get(url, CURLUPART_PASSWORD, &password, 0);
                if (user || password)
                        wrong = "may hold no user or password: use token";
                else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
                        wrong = "must begin with https://";
                else if (strcmp(scheme, "http") == 0 && !sink->allow_plain)
                        wrong = "is not encrypted: use https://, or set allow_plain = true";
                if (curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK)
                        transfer->path = strdup(path);
                if (curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_OK)
                        transfer->query = strdup(query);
                if ((path && !transfer->path) || (query && !transfer->query))
                        wrong = "cannot be kept: out of memory";
                snprintf(transfer->host, sizeof transfer->host, "%s://%s:%s", scheme, host, port);
                curl_free(user);
                curl_free(password);
                curl_free(path);
                curl_free(query);
        }
        curl_free(scheme);
        curl_free(host);
        curl_free(port);
        curl_url_cleanup(url);
        return wrong ? weir_fail(reterr, WEIR_ECONF, 0, "sink %s (%s): its url %s", sink->name,
                                 sink->where, wrong)
                     : 0;
}

/* ---- options ------------------------------------------------------------------------------------ */

#define SET(option, value)                                                                         \
        do {                                                                                       \
                if (code == CURLE_OK)                                                              \
                        code = curl_easy_setopt(easy, option, value);                              \
        } while (0)

static int set_common(struct weir_transfer *transfer, const char *user_agent,
                      struct weir_error *reterr)
{
        const struct weir_conf_sink *sink = transfer->sink;
        CURL *easy = transfer->easy;
        CURLcode code = CURLE_OK;

        if (sink->timeout_ms <= 0)
                return weir_fail(reterr, WEIR_ECONF, 0, "sink %s (%s): timeout must be more than 0",
                                 sink->name, sink->where);
        SET(CURLOPT_PRIVATE, transfer);
        SET(CURLOPT_ERRORBUFFER, transfer->curl_text);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_QUICK_EXIT, 1L);
        SET(CURLOPT_URL, sink->url);
        SET(CURLOPT_PATH_AS_IS, 1L);
        SET(CURLOPT_PROTOCOLS_STR, sink->allow_plain ? "https,http" : "https");
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        SET(CURLOPT_USERAGENT, user_agent);
        SET(CURLOPT_HTTPHEADER, transfer->fields);
        SET(CURLOPT_TIMEOUT_MS, (long)sink->timeout_ms);
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long)sink->timeout_ms);
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        if (sink->ca_file) {
                SET(CURLOPT_CAINFO, sink->ca_file);
                SET(CURLOPT_CAPATH, NULL);
        }
        SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
        SET(CURLOPT_OPENSOCKETDATA, transfer);
        SET(CURLOPT_PREREQFUNCTION, before_request);
        SET(CURLOPT_PREREQDATA, transfer);
        SET(CURLOPT_MAXAGE_CONN, IDLE_MOST_S); /* receivers forget a connection that is idle */
        SET(CURLOPT_HEADERFUNCTION, weir_transfer_head);
        SET(CURLOPT_HEADERDATA, transfer);
        SET(CURLOPT_WRITEFUNCTION, weir_transfer_body);
        SET(CURLOPT_WRITEDATA, transfer);
        if (code == CURLE_OK)
                return 0;
        return weir_fail(reterr, code == CURLE_OUT_OF_MEMORY ? WEIR_ENOMEM : WEIR_ESYS, (int)code,
                         "sink %s: this libcurl (%s) cannot do what is needed: %s", sink->name,
                         curl_version(), curl_easy_strerror(code));
}

int weir_transfer_deliver(struct weir_transfer *transfer,
                          const struct weir_webhook_request *request, const char *user_agent,
                          struct weir_error *reterr)
{
        CURL *easy = transfer->easy;
        CURLcode code = CURLE_OK;
        int r;

        transfer->sink = request->sink;
        transfer->tag = request->tag;
        r = read_url(transfer, reterr);
        if (r == 0)
                r = put_event(transfer, request, reterr);
        if (r == 0)
                r = put_signature(transfer, request, reterr);
        if (r == 0)
                r = put_sender(transfer, reterr);
        if (r == 0)
                r = set_common(transfer, user_agent, reterr);
        if (r < 0)
                return r;
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        SET(CURLOPT_POSTFIELDS, request->body.ptr);
        return code ? weir_fail(reterr, WEIR_ENOMEM, (int)code, "request for sink %s: %s",
                                request->sink->name, curl_easy_strerror(code))
                    : 0;
}

int weir_transfer_ask(struct weir_transfer *transfer, const struct weir_conf_sink *sink,
                      const char *user_agent, struct weir_error *reterr)
{
        CURL *easy = transfer->easy;
        CURLcode code = CURLE_OK;
        char rate[16];
        int r;

        transfer->sink = sink;
        transfer->ask = true;
        if (!sink->origin)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "sink %s (%s) has no origin to ask as",
                                 sink->name, sink->where);
        r = read_url(transfer, reterr);
        if (r == 0)
                r = put_sender(transfer, reterr);
        if (r == 0 && sink->request_rate) {
                snprintf(rate, sizeof rate, "%u", sink->request_rate);
                r = put_z(transfer, "WebHook-Request-Rate", rate, reterr);
        }
        if (r == 0)
                r = set_common(transfer, user_agent, reterr);
        if (r < 0)
                return r;
        SET(CURLOPT_CUSTOMREQUEST, "OPTIONS");
        return code ? weir_fail(reterr, WEIR_ENOMEM, (int)code, "question to sink %s: %s",
                                sink->name, curl_easy_strerror(code))
                    : 0;
}

/* ---- life --------------------------------------------------------------------------------------- */

struct weir_transfer *weir_transfer_new(void)
{
        struct weir_transfer *transfer = calloc(1, sizeof *transfer);

        if (!transfer)
                return NULL;
        weir_arena_init(&transfer->arena, 4096);
        transfer->easy = curl_easy_init();
        if (!transfer->easy) {
                weir_transfer_free(transfer);
                return NULL;
        }
        return transfer;
}

void weir_transfer_reset(struct weir_transfer *transfer)
{
        struct weir_arena arena = transfer->arena;
        CURL *easy = transfer->easy;

        curl_easy_reset(easy); /* before what it points to goes */
        curl_slist_free_all(transfer->fields);
        free(transfer->path);
        free(transfer->query);
        free(transfer->body);
        weir_arena_reset(&arena);
        *transfer = (struct weir_transfer){ .easy = easy, .arena = arena };
}

void weir_transfer_free(struct weir_transfer *transfer)
{
        if (!transfer)
                return;
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->fields);
        free(transfer->path);
        free(transfer->query);
        free(transfer->body);
        weir_arena_fini(&transfer->arena);
        free(transfer);
}

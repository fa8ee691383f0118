/* SPDX-License-Identifier: MIT */
/*
 * webhook_answer - takes what a receiver sends, no more than there is room for, and judges it
 *
 * Always true  WA1 once the header lines of a final answer are here, its status decides. What breaks
 *                  afterwards (connection cut, body too long, time over) does not make a taken event
 *                  untaken: without that rule each receiver with a bad body gets each event for ever.
 *              WA2 one exception: where the sink has a reply_topic the body is half of the exchange. Cut
 *                  short, the same request goes out again, with the same id. Too long, or no
 *                  CloudEvent, it would be so again: it is left out, and said.
 *              WA3 64 KiB of header lines, 64 KiB of body; then the connection is closed. Lines of 1xx
 *                  answers and trailers count, or a receiver could send those for ever.
 *              WA4 texts are one line of plain ASCII (they go into the database and the log) without
 *                  token, secrets, path and query; a body that echoes one of them has it blotted out
 *                  before a piece of it is quoted.
 *              WA5 an event in an answer is taken, or it is said that it was not and why. Asking again would
 *                  repeat at the receiver what it has done, so the delivery counts either way.
 * Reply        an answer counts as an event only where it says so: content type application/cloudevents
 *              or a ce- header. {"ok":true} is no bad event, it is none. Only 200 and 201 carry an answer
 *              (F3): 202 says that nothing has been done yet, 204 that there is none, an error that the
 *              event was not taken.
 */
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "event/media.h"
#include "side/blot.h"
#include "side/webhook_request.h"

/* ---- taking ------------------------------------------------------------------------------------- */

static struct weir_header *next_header(struct weir_transfer *transfer)
{
        struct weir_header *more;
        size_t room = transfer->header_room ? 2 * transfer->header_room : 32;

        if (transfer->header_count < transfer->header_room)
                return &transfer->headers[transfer->header_count++];
        more = weir_arena_alloc(&transfer->arena, room * sizeof *more);
        if (!more)
                return NULL;
        if (transfer->header_count)
                memcpy(more, transfer->headers, transfer->header_count * sizeof *more);
        transfer->headers = more;
        transfer->header_room = room;
        return &transfer->headers[transfer->header_count++];
}

static bool take_header(struct weir_transfer *transfer, const char *line, size_t size)
{
        const char *colon = memchr(line, ':', size), *value, *end = line + size;
        struct weir_header *header;

        if (!colon)
                return true;
        for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
                value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        header = next_header(transfer);
        if (!header)
                return false;
        header->name = weir_arena_copy(&transfer->arena, line, (size_t)(colon - line));
        header->value = weir_arena_copy(&transfer->arena, value, (size_t)(end - value));
        header->size = (size_t)(end - value);
        return header->name && header->value;
}

size_t weir_transfer_head(char *line, size_t one, size_t size, void *context)
{
        struct weir_transfer *transfer = context;
        size_t all = one * size, used = all;
        long status = 0;

        transfer->head_bytes += all;
        if (transfer->head_bytes > WEIR_WEBHOOK_HEAD_BYTES) {
                transfer->head_over = true;
                return 0;
        }
        if (transfer->head_done)
                return all; /* a trailer */
        while (used && (line[used - 1] == '\n' || line[used - 1] == '\r'))
                used--;
        if (used >= 5 && memcmp(line, "HTTP/", 5) == 0) {
                transfer->header_count = 0;
                transfer->folded = false;
        } else if (used == 0) {
                curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
                if (status >= 200) {
                        transfer->head_done = true;
                        transfer->status = (int)status;
                }
        } else if (line[0] == ' ' || line[0] == '\t') {
                transfer->folded = true;
        } else if (!take_header(transfer, line, used)) {
                transfer->no_memory = true;
                return 0;
        }
        return all;
}

size_t weir_transfer_body(char *bytes, size_t one, size_t size, void *context)
{
        struct weir_transfer *transfer = context;
        size_t all = one * size, take = all;

        if (take > WEIR_WEBHOOK_BODY_BYTES - transfer->body_size) {
                take = WEIR_WEBHOOK_BODY_BYTES - transfer->body_size;
                transfer->body_over = true;
        }
        if (transfer->body_size + take >= transfer->body_room) {
                size_t room = 2 * (transfer->body_size + take) + 512;
                char *more = realloc(transfer->body, room);

                if (!more) {
                        transfer->no_memory = true;
                        return 0;
                }
                transfer->body = more;
                transfer->body_room = room;
        }
        memcpy(transfer->body + transfer->body_size, bytes, take);
        transfer->body_size += take;
        transfer->body[transfer->body_size] = '\0';
        return transfer->body_over ? 0 : all;
}

/* The value of a header; NULL = not there, or there with different values. */
static const char *field(const struct weir_transfer *transfer, const char *name)
{
        const char *found = NULL;

        for (size_t i = 0; i < transfer->header_count; i++) {
                if (strcasecmp(transfer->headers[i].name, name) != 0)
                        continue;
                if (found && strcmp(found, transfer->headers[i].value) != 0)
                        return NULL;
                found = transfer->headers[i].value;
        }
        return found;
}

/* ---- words -------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct weir_webhook_result *result,
                                                      const char *format, ...)
{
        size_t used = strlen(result->text);
        va_list ap;

        va_start(ap, format);
        vsnprintf(result->text + used, sizeof result->text - used, format, ap);
        va_end(ap);
}

static void make_plain(char *text)
{
        size_t length = strlen(text);

        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c < 0x20 || c >= 0x7f)
                        text[i] = c == '\n' || c == '\t' || c == '\r' ? ' ' : '?';
        }
        while (length && text[length - 1] == ' ')
                text[--length] = '\0';
}

static void blot_all(const struct weir_transfer *transfer, char *bytes, size_t size)
{
        const struct weir_conf_sink *sink = transfer->sink;

        weir_blot_url(bytes, size, transfer->path, transfer->query);
        weir_blot(bytes, size, sink->token);
        weir_blot(bytes, size, sink->secret);
        weir_blot(bytes, size, sink->secret_next);
}

/* Of the answer's body, for people. */
static void quote(struct weir_transfer *transfer, struct weir_webhook_result *result)
{
        if (!transfer->body_size)
                return;
        blot_all(transfer, transfer->body, transfer->body_size);
        say(result, ": %.100s", transfer->body);
}

static bool passed(const struct weir_transfer *transfer, CURLINFO info)
{
        curl_off_t us = 0;

        return curl_easy_getinfo(transfer->easy, info, &us) == CURLE_OK && us > 0;
}

/* What was going on when the time was over; a connection that is used again has no first phases. TCP is
 * through when there is a port of ours: CURLINFO_CONNECT_TIME_T is set only after TLS. */
static const char *phase_of(const struct weir_transfer *transfer)
{
        long port = 0;

        if (passed(transfer, CURLINFO_STARTTRANSFER_TIME_T))
                return "reading its answer";
        if (passed(transfer, CURLINFO_PRETRANSFER_TIME_T))
                return "waiting for its answer";
        if (curl_easy_getinfo(transfer->easy, CURLINFO_LOCAL_PORT, &port) == CURLE_OK && port > 0)
                return "in the TLS handshake";
        return passed(transfer, CURLINFO_NAMELOOKUP_TIME_T) ? "connecting" : "looking up its name";
}

/* Numbers of X509_V_ERR_…: OpenSSL's headers stay in base. */
static const char *tls_advice(const struct weir_transfer *transfer)
{
        long verify = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
        switch (verify) {
        case 2:
        case 18:
        case 19:
        case 20:
        case 21: return "set ca_file to the certificate of the authority that signed it";
        case 9: return "it is not valid yet: compare the clocks";
        case 10: return "it must be renewed at the receiver";
        default: return "the certificate must be valid, and for the name in url";
        }
}

/* ---- judging ------------------------------------------------------------------------------------ */

static void judge_silence(struct weir_transfer *transfer, CURLcode code,
                          struct weir_webhook_result *result)
{
        const struct weir_conf_sink *sink = transfer->sink;
        const char *detail = transfer->curl_text[0] ? transfer->curl_text
                                                    : curl_easy_strerror(code);

        result->host_at_fault = true;
        if (transfer->no_memory) {
                result->host_at_fault = false;
                say(result, "out of memory");
        } else if (code ==
                   CURLE_OUT_OF_MEMORY) { /* libcurl's word for a line beyond its room, too */
                say(result, "out of memory, or a header line of its answer is too long");
        } else if (transfer->head_over) {
                say(result, "its answer has more than %u KiB of headers",
                    WEIR_WEBHOOK_HEAD_BYTES >> 10);
        } else if (transfer->repeated) {
                say(result, "the connection, used before, ended before an answer");
        } else if (code == CURLE_OPERATION_TIMEDOUT) {
                say(result, "no answer within %lld ms; time was over %s",
                    (long long)sink->timeout_ms, phase_of(transfer));
        } else if (transfer->range &&
                   (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)) {
                say(result,
                    "address %s is refused: it is %s; set allow_private = true for this "
                    "sink if that is meant",
                    transfer->address, transfer->range);
        } else if (code == CURLE_COULDNT_RESOLVE_HOST) {
                say(result, "no address for its name; check url and DNS");
        } else if (code == CURLE_SSL_CACERT_BADFILE) {
                say(result, "no TLS: ca_file %s cannot be read",
                    sink->ca_file ? sink->ca_file : "");
        } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
                say(result, "no TLS: %s; %s", detail, tls_advice(transfer));
        } else if (code == CURLE_COULDNT_CONNECT) {
                say(result, "no answer: %s; is it running, and url right?", detail);
        } else if (code == CURLE_OK) {
                say(result, "the connection ended before an answer");
        } else {
                say(result, "no answer: %s", detail);
        }
}

static int take_reply(void *context, const struct weir_event *event)
{
        struct weir_transfer *transfer = context;

        transfer->reply = *event;
        return 0;
}

static bool says_event(const struct weir_transfer *transfer)
{
        for (size_t i = 0; i < transfer->header_count; i++) {
                const struct weir_header *header = &transfer->headers[i];

                if (strncasecmp(header->name, "ce-", 3) == 0 ||
                    (strcasecmp(header->name, "content-type") == 0 &&
                     weir_media_type_is_event((struct weir_view){ header->value, header->size })))
                        return true; /* each content type, if there are several */
        }
        return false;
}

__attribute__((format(printf, 3, 4))) static void drop_reply(struct weir_webhook_result *result,
                                                             const char *reason, const char *format,
                                                             ...)
{
        char why[160];
        va_list ap;

        va_start(ap, format);
        vsnprintf(why, sizeof why, format, ap);
        va_end(ap);
        snprintf(result->reply_dropped, sizeof result->reply_dropped, "%s", reason);
        say(result, "; the event in the answer is ignored: %s", why);
}

static int decode_reply(struct weir_transfer *transfer, struct weir_refusal *refusal)
{
        struct weir_decoder decoder = { .arena = &transfer->arena };
        struct weir_message message = { .value = { transfer->body, transfer->body_size },
                                        .headers = transfer->headers,
                                        .header_count = transfer->header_count };

        return weir_decode_http(&decoder, &message, take_reply, transfer, NULL, refusal);
}

/* A refusal quotes what it refuses, perhaps the half of a secret. So it is asked for once more, of the
 * answer without our secrets: nobody needs the answer any more. */
static void refuse_reply(struct weir_transfer *transfer, struct weir_refusal *refusal,
                         struct weir_webhook_result *result)
{
        int klass = refusal->klass;
        bool same;

        blot_all(transfer, transfer->body, transfer->body_size);
        for (size_t i = 0; i < transfer->header_count; i++) {
                const struct weir_header *header = &transfer->headers[i];

                blot_all(transfer, (char *)(uintptr_t)header->name, strlen(header->name));
                blot_all(transfer, (char *)(uintptr_t)header->value, header->size);
        }
        same = decode_reply(transfer, refusal) == 1 && refusal->klass == klass;
        drop_reply(result, weir_refusal_name(klass), "%s%s%s", weir_refusal_name(klass),
                   same ? ": " : "", same ? refusal->reason : "");
}

/* @broken: the body did not come whole. */
static void judge_reply(struct weir_transfer *transfer, bool broken,
                        struct weir_webhook_result *result)
{
        const char *type = field(transfer, "content-type");
        const char *coding = field(transfer, "content-encoding");
        struct weir_refusal refusal = { 0 };
        int r;

        if (!transfer->sink->reply_topic || !says_event(transfer))
                return;
        if (transfer->status != 200 && transfer->status != 201) {
                snprintf(result->reply_dropped, sizeof result->reply_dropped, "status-%d",
                         transfer->status);
                say(result, "; the event in the answer is ignored: only 200 and 201 carry one");
                return;
        }
        if (transfer->body_over) {
                drop_reply(result, "over-limit", "longer than %u KiB",
                           WEIR_WEBHOOK_BODY_BYTES >> 10);
                return;
        }
        if (broken) {
                result->action = WEIR_WEBHOOK_RETRY;
                say(result, ", but the event in the answer was cut after %zu bytes",
                    transfer->body_size);
                return;
        }
        if (type && strncasecmp(type, "application/cloudevents-batch", 29) == 0) {
                drop_reply(result, "batch", "a batch that nobody asked for");
                return;
        }
        if (transfer->folded || (coding && strcasecmp(coding, "identity") != 0)) {
                drop_reply(result, transfer->folded ? "folded-header" : "content-encoding", "%s",
                           transfer->folded ? "a header over several lines" : "a content-encoding");
                return;
        }
        r = decode_reply(transfer, &refusal);
        if (r == 0) {
                result->reply = &transfer->reply;
        } else if (r == 1) {
                refuse_reply(transfer, &refusal, result);
        } else {
                result->action = WEIR_WEBHOOK_RETRY;
                say(result, ", but there was no memory for the event in the answer");
        }
}

static void judge_delivery(struct weir_transfer *transfer, CURLcode code,
                           struct weir_webhook_result *result)
{
        int status = transfer->status;

        result->action = weir_webhook_action_of(status);
        switch (result->action) {
        case WEIR_WEBHOOK_DELIVERED: judge_reply(transfer, code != CURLE_OK, result); return;
        case WEIR_WEBHOOK_RETIRED:
                say(result, ", gone for good; take the sink out of the configuration, or give it a "
                            "new url");
                return;
        case WEIR_WEBHOOK_RETRY:
                result->host_at_fault = status != 408 && status != 425;
                if (status == 401 || status == 403)
                        say(result, ", the sender is not let in; check token and secret");
                break;
        case WEIR_WEBHOOK_REFUSED:
                if (status < 400)
                        say(result, ", redirects are not followed; put the new address into url");
                else if (status == 415)
                        say(result, ", the form is not understood; try the other mode");
                break;
        default: break;
        }
        if (result->action == WEIR_WEBHOOK_REFUSED)
                judge_reply(transfer, code != CURLE_OK, result);
        quote(transfer, result);
}

static void judge_consent(struct weir_transfer *transfer, struct weir_webhook_result *result)
{
        const struct weir_conf_sink *sink = transfer->sink;
        int status = transfer->status;
        struct weir_webhook_grant grant = weir_webhook_grant_of(sink->origin,
                                                                field(transfer,
                                                                      "WebHook-Allowed-Origin"),
                                                                field(transfer,
                                                                      "WebHook-Allowed-Rate"));
        uint32_t rate = 0;

        result->action = weir_webhook_action_of(status);
        if (grant.granted && result->action != WEIR_WEBHOOK_RETIRED && status / 100 != 3) {
                if (grant.rate_per_minute > 0)
                        rate = grant.rate_per_minute > UINT32_MAX ? UINT32_MAX
                                                                  : (uint32_t)grant.rate_per_minute;
                else if (grant.rate_per_minute == 0)
                        rate = sink->request_rate; /* not said: what was asked for */
                result->action = WEIR_WEBHOOK_DELIVERED;
                if (transfer->ret_rate)
                        *transfer->ret_rate = rate;
                say(result, " to OPTIONS: consent to origin %s", sink->origin);
                return;
        }
        if (result->action == WEIR_WEBHOOK_DELIVERED)
                result->action = WEIR_WEBHOOK_REFUSED; /* a status is no consent */
        result->host_at_fault = result->action == WEIR_WEBHOOK_RETRY;
        say(result,
            " to OPTIONS without consent to origin %s (WebHook-Allowed-Origin); ask its "
            "owner, or leave origin out",
            sink->origin);
}

void weir_transfer_judge(struct weir_transfer *transfer, CURLcode code,
                         struct weir_webhook_result *ret)
{
        *ret = (struct weir_webhook_result){ .action = WEIR_WEBHOOK_RETRY,
                                             .status = transfer->status,
                                             .not_before_ms = -1 };
        say(ret, "sink %s (%s): ", transfer->sink->name, transfer->host);
        if (!transfer->head_done) {
                judge_silence(transfer, code, ret);
        } else {
                say(ret, "answered %d", transfer->status);
                if (transfer->ask)
                        judge_consent(transfer, ret);
                else
                        judge_delivery(transfer, code, ret);
                if (ret->action == WEIR_WEBHOOK_RETRY) {
                        int64_t wait_s = weir_webhook_retry_after_s(field(transfer, "Retry-After"),
                                                                    field(transfer, "Date"),
                                                                    weir_clock_wall_us() / 1000000);

                        ret->not_before_ms = wait_s < 0 ? -1 : wait_s * 1000;
                }
        }
        make_plain(ret->text);
}

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_WEBHOOK_REQUEST_H
#define WEIR_SIDE_WEBHOOK_REQUEST_H
/*
 * webhook_request - one request and its answer; webhook's own
 *
 * webhook_request.c  says everything to libcurl before the request starts
 * webhook_answer.c   takes what comes back, and judges it
 * webhook.c          moves many of them
 */
#include <curl/curl.h>

#include "base/arena.h"
#include "side/webhook.h"

#define WEIR_WEBHOOK_HEAD_BYTES                                                                    \
        (64u << 10) /* all header lines of an answer, 1xx and trailers too */
#define WEIR_WEBHOOK_BODY_BYTES (64u << 10)

struct weir_transfer {
        struct weir_transfer *next, *previous; /* of the open or the spare ones */
        CURL *easy;
        struct curl_slist *fields; /* header lines, the token among them */
        const struct weir_conf_sink *sink;
        void *tag;
        bool ask;            /* OPTIONS */
        bool sent, repeated; /* the one request has begun; libcurl wanted to begin it again (WR5) */
        uint32_t *ret_rate;
        char *path, *query; /* of the URL: secrets; NULL = none */
        char host[128];     /* "https://name:port", for texts */

        /* What came back. */
        struct weir_arena arena; /* headers, and the event among them */
        struct weir_header *headers;
        size_t header_count, header_room;
        size_t head_bytes;
        bool head_over, head_done; /* the last header line of a final answer is here */
        bool folded;               /* a header over several lines: not read */
        int status;
        char *body;
        size_t body_size, body_room;
        bool body_over;
        struct weir_event reply;
        bool no_memory;

        /* The address that was refused last; range NULL = none was. */
        const char *range;
        char address[64];
        char curl_text[CURL_ERROR_SIZE];
};

/* Fill a fresh or reset transfer. WEIR_EUSAGE, WEIR_ECONF, WEIR_ENOMEM. */
int weir_transfer_deliver(struct weir_transfer *transfer,
                          const struct weir_webhook_request *request, const char *user_agent,
                          struct weir_error *reterr);
int weir_transfer_ask(struct weir_transfer *transfer, const struct weir_conf_sink *sink,
                      const char *user_agent, struct weir_error *reterr);
/* For libcurl: CURLOPT_HEADERFUNCTION, CURLOPT_WRITEFUNCTION. */
size_t weir_transfer_head(char *line, size_t one, size_t size, void *context);
size_t weir_transfer_body(char *bytes, size_t one, size_t size, void *context);
/* What became of it. */
void weir_transfer_judge(struct weir_transfer *transfer, CURLcode code,
                         struct weir_webhook_result *ret);

struct weir_transfer *weir_transfer_new(void);            /* NULL = no memory */
void weir_transfer_reset(struct weir_transfer *transfer); /* for the next request */
void weir_transfer_free(struct weir_transfer *transfer);  /* NULL is fine */

#endif

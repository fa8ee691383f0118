/* SPDX-License-Identifier: MIT */
/*
 * fuzz_answer - whatever a receiver sends back: a status, header lines, a body
 *
 * First line: the status, and letters: r the sink has a reply_topic, o it was OPTIONS, c the connection was cut. The word
 * that stands for each secret ($P path, $Q query, $T token, $S secret) is put in for it, because a fuzzer does not guess.
 *
 * Rules      WA3: bounded. WA4: the text is one line of plain ASCII that holds no secret. What is not understood of
 *            Retry-After is as if it were not there; what is, lies within a day. An event comes whole or with a reason.
 */
#include "fuzz_event.h"
#include "side/webhook_request.h"

/* None begins with a hexadecimal digit: of "\anaryquery" a refusal says "\x5canaryquery", which only looks like a leak. */
#define PATH "/services/T0CANARYPATH/hook"
#define QUERY "sig=quailsquery99"
#define TOKEN "quails-token-1f3a"
#define SECRET "whsec_Y2FuYXJ5c2VjcmV0a2V5"

static const struct {
        char letter;
        const char *text, *hidden;
} secrets[] = { { 'P', PATH, "T0CANARYPATH" },
                { 'Q', QUERY, "quailsquery99" },
                { 'T', TOKEN, TOKEN },
                { 'S', SECRET, "Y2FuYXJ5c2VjcmV0a2V5" } };

/* @text with $P and its like replaced. */
static struct weir_view fill(struct fuzz *fuzz, struct weir_view text)
{
        size_t used = 0;
        char *out = malloc(text.size * 16 + 1);
        struct weir_view kept;

        MUST(out);
        for (size_t i = 0; i < text.size; i++) {
                const char *word = NULL;

                for (size_t k = 0; text.ptr[i] == '$' && k < 4; k++)
                        if (i + 1 < text.size && text.ptr[i + 1] == secrets[k].letter)
                                word = secrets[k].text;
                if (word) {
                        memcpy(out + used, word, strlen(word));
                        used += strlen(word);
                        i++;
                } else {
                        out[used++] = text.ptr[i];
                }
        }
        kept = fuzz_keep(fuzz, out, used);
        free(out);
        return kept;
}

static void check_text(const struct weir_webhook_result *result)
{
        MUST(strnlen(result->text, sizeof result->text) < sizeof result->text && result->text[0]);
        for (const char *p = result->text; *p; p++)
                MUST(*p >= 0x20 && *p < 0x7f);
        for (size_t i = 0; i < 4; i++)
                MUST(!strcasestr(result->text, secrets[i].hidden));
        MUST(strnlen(result->reply_dropped, sizeof result->reply_dropped) <
             sizeof result->reply_dropped);
        MUST(result->not_before_ms >= -1 &&
             result->not_before_ms <= WEIR_WEBHOOK_WAIT_MAX_S * INT64_C(1000));
}

static void judge(struct weir_transfer *transfer, bool cut)
{
        struct weir_webhook_result result;
        struct weir_arena arena;

        weir_transfer_judge(transfer, cut ? CURLE_RECV_ERROR : CURLE_OK, &result);
        check_text(&result);
        MUST(!result.reply ||
             (result.action == WEIR_WEBHOOK_DELIVERED && !result.reply_dropped[0]));
        if (result.reply) {
                weir_arena_init(&arena, 4096);
                fuzz_check_event(result.reply, &arena);
                weir_arena_fini(&arena);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_conf_sink sink = { .name = "crm", .token = TOKEN, .secret = SECRET };
        struct weir_transfer *transfer = weir_transfer_new();
        uint32_t rate = 0;
        struct weir_view first, line, body;
        struct fuzz fuzz;
        bool taken = true;

        MUST(transfer);
        sink.origin = "weir.example";
        sink.timeout_ms = 1000;
        fuzz_begin(&fuzz, data, size);
        first = fuzz_line(&fuzz);
        sink.reply_topic = memchr(first.ptr, 'r', first.size) ? "replies" : NULL;
        transfer->sink = &sink;
        transfer->ask = memchr(first.ptr, 'o', first.size) != NULL;
        transfer->ret_rate = &rate;
        transfer->path = strdup(PATH);
        transfer->query = strdup(QUERY);
        snprintf(transfer->host, sizeof transfer->host, "https://crm.example:443");
        for (int i = 0; taken && i < 20 && fuzz.next < fuzz.end; i++) {
                line = fill(&fuzz, fuzz_line(&fuzz));
                if (line.size == 0)
                        break;
                taken = weir_transfer_head((char *)(uintptr_t)line.ptr, 1, line.size, transfer) ==
                        line.size;
        }
        MUST(taken || transfer->head_over);
        transfer->status = (int)(strtoul(first.ptr, NULL, 10) % 1000);
        transfer->head_done = taken && transfer->status >= 200; /* as weir_transfer_head() does */
        body = fill(&fuzz, fuzz_rest(&fuzz));
        if (transfer->head_done && body.size)
                weir_transfer_body((char *)(uintptr_t)body.ptr, 1, body.size, transfer);
        MUST(transfer->body_size <= WEIR_WEBHOOK_BODY_BYTES);
        judge(transfer, memchr(first.ptr, 'c', first.size) != NULL);
        weir_transfer_free(transfer);
        fuzz_end(&fuzz);
        return 0;
}

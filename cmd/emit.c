/* SPDX-License-Identifier: MIT */
/*
 * emit - make CloudEvents and send them; every event has an outcome, and the exit status tells
 *
 * A line of input is decoded by the same strict code as a record, so what weir emits weir takes.
 * Sending overlaps reading; a delivery that fails is traced back to its line by the tag it carried.
 * Not chosen    going on after a bad line by default: half a file sent and a message that scrolled
 *               away is how events get lost. --skip-bad asks for it, and still exits 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd.h"
#include "emit.h"
#include "event/encode.h"
#include "event/json.h"
#include "event/print.h"
#include "kafka/cluster.h"
#include "kafka/producer.h"

#define READ_BYTES (1u << 20)
#define FIND_MS 10000 /* how long the topic may take to be found */
#define NAMED_MAX 20  /* failures that are written out; the others are counted */

static const char name[] = "emit";

struct emitter {
        const struct emit_wanted *wanted;
        struct weir_producer *producer;
        struct weir_arena arena;
        uint64_t line, sent_count, acknowledged_count, failed_count, named_count;
        int64_t began_us, shown_us;
        bool terminal, shown;
        int input;
        struct weir_error error;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
        (void)number;
        interrupted = 1;
}

static struct weir_view view_z(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

/* ---- outcomes ------------------------------------------------------------------------------- */

static void clear_progress(struct emitter *emitter)
{
        if (emitter->shown)
                fputs("\r\033[K", stderr);
        emitter->shown = false;
}

static void show_progress(struct emitter *emitter)
{
        int64_t now_us = weir_clock_us();

        if (!emitter->terminal || now_us - emitter->began_us < 2000000 ||
            now_us - emitter->shown_us < 250000)
                return;
        emitter->shown_us = now_us;
        emitter->shown = true;
        fprintf(stderr, "\r\033[K%" PRIu64 " sent, %" PRIu64 " acknowledged, %.0f/s",
                emitter->sent_count, emitter->acknowledged_count,
                (double)emitter->acknowledged_count * 1e6 / (double)(now_us - emitter->began_us));
        fflush(stderr);
}

static void say_failed(struct emitter *emitter, uint64_t line, const char *why)
{
        emitter->failed_count++;
        if (emitter->named_count >= NAMED_MAX)
                return;
        clear_progress(emitter);
        if (emitter->wanted->from_flags)
                cmd_say(CMD_FAILED, name, "%s", why);
        else
                cmd_say(CMD_FAILED, name, "line %" PRIu64 ": %s", line, why);
        if (++emitter->named_count == NAMED_MAX)
                cmd_say(CMD_FAILED, name, "further failures are only counted");
}

static void on_done(void *context, void *tag, const char *topic, int32_t partition, int64_t offset,
                    const char *error)
{
        struct emitter *emitter = context;
        char why[600];

        (void)partition;
        (void)offset;
        if (!error) {
                emitter->acknowledged_count++;
                return;
        }
        snprintf(why, sizeof why, "not delivered to %s: %s", topic, error);
        say_failed(emitter, (uint64_t)(uintptr_t)tag, why);
}

/* ---- one event ------------------------------------------------------------------------------ */

static struct weir_view choose_key(const struct emit_wanted *wanted, const struct weir_event *event)
{
        switch (wanted->key_from) {
        case EMIT_KEY_FIXED: return view_z(wanted->key);
        case EMIT_KEY_SOURCE: return event->source;
        case EMIT_KEY_SUBJECT: return event->subject;
        case EMIT_KEY_ID: return event->id;
        default: return (struct weir_view){ NULL, 0 };
        }
}

static int print_dry(struct emitter *emitter, const struct weir_event *event)
{
        struct weir_writer writer;
        struct weir_view text;

        weir_writer_init(&writer, &emitter->arena, 512 + event->data.size * 2);
        weir_event_print_json(&writer, event, false);
        if (weir_writer_finish(&writer, &text) < 0)
                return weir_fail(&emitter->error, WEIR_ENOMEM, 0, "out of memory");
        if (fwrite(text.ptr, 1, text.size, stdout) != text.size || putchar('\n') == EOF) {
                cmd_drop_output();
                return weir_fail(&emitter->error, WEIR_ESYS, errno, "standard output: %s",
                                 strerror(errno));
        }
        emitter->sent_count++;
        return 0;
}

/* A weir_event_fn. 0; 1 = refused, named; < 0: emitter->error. */
static int send_event(void *context, const struct weir_event *event)
{
        struct emitter *emitter = context;
        const struct emit_wanted *wanted = emitter->wanted;
        struct weir_encode_options how = { .key_from_partitionkey = wanted->key_from ==
                                                                    EMIT_KEY_PARTITIONKEY,
                                           .key = choose_key(wanted, event) };
        struct weir_refusal refusal;
        struct weir_encoded record;
        int r = (wanted->structured ? weir_encode_kafka_structured
                                    : weir_encode_kafka_binary)(&emitter->arena, event, &how,
                                                                &record, &refusal);

        if (r == 1) {
                char why[300];

                snprintf(why, sizeof why, "%s: %s", weir_refusal_name(refusal.klass),
                         refusal.reason);
                say_failed(emitter, emitter->line, why);
                return 1;
        }
        if (r < 0)
                return weir_fail(&emitter->error, WEIR_ENOMEM, 0, "out of memory");
        if (wanted->dry_run)
                return print_dry(emitter, event);
        r = weir_producer_send(emitter->producer, wanted->topic, wanted->partition, record.key,
                               record.value, record.headers, record.header_count, 0,
                               (void *)(uintptr_t)emitter->line, &emitter->error);
        if (r == WEIR_EUSAGE) { /* this record only: too large */
                say_failed(emitter, emitter->line, emitter->error.text);
                return 1;
        }
        if (r == 0)
                emitter->sent_count++;
        return r;
}

/* ---- standard input ------------------------------------------------------------------------- */

static int send_line(struct emitter *emitter, struct weir_view line)
{
        static const struct weir_header headers[] = { { "content-type",
                                                        "application/cloudevents+json", 28 } };
        /* Structured: what a consumer takes by default. Binary: the data is bytes there, of any size. */
        static const struct weir_limits wide = { .json_bytes = EMIT_BYTES_MAX,
                                                 .nodes = 1u << 24,
                                                 .depth = 1000 };
        struct weir_message message = { .value = line, .headers = headers, .header_count = 1 };
        struct weir_decoder decoder = { .arena = &emitter->arena };
        struct weir_refusal refusal;
        uint64_t failed_before = emitter->failed_count;
        char why[300];
        int mode, r;

        if (!emitter->wanted->structured)
                decoder.limits = wide;
        weir_arena_reset(&emitter->arena);
        r = weir_decode_kafka(&decoder, &message, send_event, emitter, &mode, &refusal);
        if (r == 1 && emitter->failed_count == failed_before) { /* not named by send_event() */
                snprintf(why, sizeof why, "%s at byte %zu: %s", weir_refusal_name(refusal.klass),
                         refusal.at, refusal.reason);
                say_failed(emitter, emitter->line, why);
        }
        if (r == WEIR_ENOMEM && !emitter->error.code)
                weir_fail(&emitter->error, WEIR_ENOMEM, 0, "out of memory");
        return r;
}

/* Hold the rate: serve reports until the next event is due. */
static void pace(struct emitter *emitter)
{
        uint64_t done = emitter->sent_count;
        int64_t due_us;

        if (!emitter->wanted->rate)
                return;
        due_us = emitter->began_us +
                 (int64_t)(done / emitter->wanted->rate * 1000000 +
                           done % emitter->wanted->rate * 1000000 / emitter->wanted->rate);
        while (!interrupted) {
                int64_t left_us = due_us - weir_clock_us();
                struct timespec wait = { .tv_nsec = (left_us < 50000 ? left_us : 50000) * 1000 };

                if (left_us <= 0)
                        return;
                if (emitter->producer)
                        weir_producer_flush(emitter->producer, 0);
                show_progress(emitter);
                nanosleep(&wait, NULL);
        }
}

/* Send what stands in @text, line by line. *ret_used: complete lines. 0; 1 = stop; < 0 error. */
static int send_lines(struct emitter *emitter, const char *text, size_t size, bool last,
                      size_t *ret_used)
{
        size_t at = 0;

        *ret_used = 0;
        while (at < size && !interrupted) {
                const char *end = memchr(text + at, '\n', size - at);
                size_t length = end ? (size_t)(end - text) - at : size - at;
                size_t trimmed = length;
                int r;

                if (!end && !last)
                        break;
                emitter->line++;
                while (trimmed && (text[at + trimmed - 1] == '\r' || text[at + trimmed - 1] == ' '))
                        trimmed--;
                if (trimmed) {
                        pace(emitter);
                        r = send_line(emitter, (struct weir_view){ text + at, trimmed });
                        if (r < 0 || (emitter->failed_count && !emitter->wanted->skip_bad))
                                return r < 0 ? r : 1;
                }
                at += length + (end ? 1 : 0);
                *ret_used = at;
                if (emitter->line % 1024 == 0)
                        show_progress(emitter);
        }
        return interrupted ? 1 : 0;
}

static const char *input_name(const struct emitter *emitter)
{
        return emitter->wanted->input ? emitter->wanted->input : "standard input";
}

static int open_input(struct emitter *emitter)
{
        const char *path = emitter->wanted->input;

        emitter->input = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
        if (emitter->input < 0)
                return cmd_say(CMD_FAILED, name, "%s: %s", path, strerror(errno));
        if (isatty(emitter->input))
                fputs("reading events from the terminal, one JSON object a line; Ctrl-D ends\n",
                      stderr);
        return CMD_DONE;
}

static int send_input(struct emitter *emitter)
{
        WEIR_FREE char *buffer = malloc(READ_BYTES * 2);
        size_t room = READ_BYTES * 2, size = 0, used;

        if (!buffer)
                return weir_fail(&emitter->error, WEIR_ENOMEM, 0, "out of memory");
        for (;;) {
                ssize_t got;
                int r;

                if (room - size < READ_BYTES) {
                        char *bigger = room < EMIT_BYTES_MAX * 2 ? realloc(buffer, room * 2) : NULL;

                        if (!bigger)
                                return weir_fail(&emitter->error, WEIR_EUSAGE, 0,
                                                 "line %" PRIu64 " is longer than %u MiB",
                                                 emitter->line + 1, EMIT_BYTES_MAX >> 20);
                        buffer = bigger;
                        room *= 2;
                }
                got = read(emitter->input, buffer + size, READ_BYTES);
                if (got < 0 && errno == EINTR && !interrupted)
                        continue;
                if (got < 0)
                        return interrupted ? 1
                                           : weir_fail(&emitter->error, WEIR_ESYS, errno, "%s: %s",
                                                       input_name(emitter), strerror(errno));
                size += (size_t)got;
                r = send_lines(emitter, buffer, size, got == 0, &used);
                if (r || got == 0)
                        return r;
                memmove(buffer, buffer + used, size - used);
                size -= used;
        }
}

static int send_flags(struct emitter *emitter)
{
        struct weir_event event;
        int r = emit_make(emitter->wanted, &emitter->arena, &event, &emitter->error);

        return r < 0 ? r : send_event(emitter, &event);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* A producer would create a topic by asking for it, wherever brokers allow that: a typing error would be a
 * topic full of events that nobody reads. A consumer's question creates nothing, and answers at once when
 * no broker is there. */
static int find_topic(const struct emit_wanted *wanted, const struct weir_conf *conf,
                      struct weir_error *reterr)
{
        struct weir_cluster_conf how = {
                .brokers = wanted->brokers ? wanted->brokers : conf->kafka_brokers,
                .properties = conf ? conf->properties : NULL,
                .property_count = conf ? conf->property_count : 0,
                .timeout_ms = wanted->timeout_ms < FIND_MS ? (int)wanted->timeout_ms : FIND_MS,
        };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        int r = weir_cluster_open(&how, &cluster, reterr);

        if (r == 0)
                r = weir_cluster_partitions(cluster, wanted->topic, reterr);
        if (r < 0)
                return weir_error_prefix(reterr, "nothing was sent: ");
        if (r == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s does not exist at %s; create it, weir never does",
                                 wanted->topic, how.brokers);
        if (wanted->partition >= r)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s: no partition %d, it has %d (0 to %d)", wanted->topic,
                                 (int)wanted->partition, r, r - 1);
        return 0;
}

static int open_producer(struct emitter *emitter, const struct weir_conf *conf)
{
        struct weir_producer_conf how = {
                .brokers = emitter->wanted->brokers ? emitter->wanted->brokers
                                                    : conf->kafka_brokers,
                .client_id = "weir-emit",
                .properties = conf ? conf->properties : NULL,
                .property_count = conf ? conf->property_count : 0,
                .timeout_ms = emitter->wanted->timeout_ms,
                .done = on_done,
                .context = emitter,
        };

        int r = find_topic(emitter->wanted, conf, &emitter->error);

        return r < 0 ? r : weir_producer_new(&how, &emitter->producer, &emitter->error);
}

static int finish(struct emitter *emitter, int r)
{
        uint64_t open;
        double seconds;

        while (emitter->producer && weir_producer_flush(emitter->producer, 250))
                show_progress(emitter);
        open = emitter->sent_count - emitter->acknowledged_count;
        clear_progress(emitter);
        if (r < 0 && emitter->line)
                cmd_say(CMD_FAILED, name, "line %" PRIu64 ": %s", emitter->line,
                        emitter->error.text);
        else if (r < 0)
                cmd_say(CMD_FAILED, name, "%s", emitter->error.text);
        if (interrupted)
                cmd_say(CMD_FAILED, name, "interrupted after line %" PRIu64, emitter->line);
        seconds = (double)(weir_clock_us() - emitter->began_us) / 1e6;
        if (emitter->wanted->dry_run)
                fprintf(stderr, "%" PRIu64 " good, %" PRIu64 " failed, nothing sent\n",
                        emitter->sent_count, emitter->failed_count);
        else
                fprintf(stderr,
                        "%" PRIu64 " sent, %" PRIu64 " acknowledged, %" PRIu64
                        " failed in %.1f s (%.0f/s)\n",
                        emitter->sent_count, emitter->acknowledged_count, emitter->failed_count,
                        seconds, seconds > 0 ? (double)emitter->acknowledged_count / seconds : 0.0);
        if (emitter->wanted->dry_run)
                open = 0;
        return r || emitter->failed_count || open || interrupted ? CMD_FAILED : CMD_DONE;
}

int cmd_emit(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct sigaction action = { .sa_handler = on_signal };
        struct emit_wanted wanted;
        struct emitter emitter = { .wanted = &wanted };
        int r;

        r = emit_parse(argc, argv, &wanted);
        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        if (!wanted.dry_run && (wanted.config || !wanted.brokers)) {
                r = cmd_load(name, wanted.config, &conf);
                if (r != CMD_DONE)
                        return r;
        }
        weir_log_setup(WEIR_LOG_ERROR,
                       WEIR_LOG_TEXT); /* what fails now is told at once, and once */
        if (!wanted.from_flags && open_input(&emitter) != CMD_DONE)
                return CMD_FAILED;
        if (!wanted.dry_run && open_producer(&emitter, conf) < 0)
                return cmd_fail(name, &emitter.error);
        weir_log_setup(WEIR_LOG_WARN, WEIR_LOG_TEXT);
        sigaction(SIGINT, &action,
                  NULL); /* without SA_RESTART: reading ends, sending is finished */
        sigaction(SIGTERM, &action, NULL);
        weir_arena_init(&emitter.arena, 256 * 1024);
        emitter.terminal = isatty(STDERR_FILENO);
        emitter.began_us = weir_clock_us();
        r = wanted.from_flags ? send_flags(&emitter) : send_input(&emitter);
        r = finish(&emitter, r);
        weir_producer_free(emitter.producer);
        weir_arena_fini(&emitter.arena);
        return r;
}

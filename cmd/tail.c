/* SPDX-License-Identifier: MIT */
/*
 * tail - look at the events of a topic; joins no group, moves no position, needs no database
 *
 * What a record is, is decided by the same decoder that workers use: what is shown here as
 * undecodable is what a worker would put into the dead letters, with the same class and reason.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "cmd.h"
#include "event/print.h"
#include "event/timestamp.h"
#include "kafka/reader.h"

#define WAIT_MS 200      /* until a signal is seen */
#define HEADERS_ROOM 129 /* one more than a record may have: the decoder then says so */

static const char name[] = "tail";

static const char help[] =
        "usage: weir tail TOPIC [options]\n\n"
        "Prints the events of a topic as they come. Joins no consumer group.\n\n"
        "  -f, --from WHERE      earliest, latest (default), offset:N, or time:RFC3339\n"
        "  -p, --partition N     only this partition (default: all)\n"
        "  -n, --count N         end after N events\n"
        "      --no-follow       end at the end that the topic has now (also --exit-at-end)\n"
        "  -j, --json            one JSON object a line: attributes, data_base64, record\n"
        "  -b, --brokers LIST    host:port,…; without it the configuration's\n"
        "  -c, --config FILE     configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help            this text\n\n"
        "A record that is no CloudEvent is shown with the class and the reason; with --json as\n"
        "{\"ok\":false,\"error\":class,\"reason\":…,\"at\":byte,\"record\":{…}}.\n\n"
        "examples:\n"
        "  weir tail audit -b 127.0.0.1:9092\n"
        "  weir tail audit --from time:2026-03-01T12:00:00Z --no-follow --json | jq .type\n";

struct wanted {
        struct weir_reader_conf reader;
        const char *brokers, *config;
        uint64_t count; /* 0 = no end */
        bool json;
};

struct printer {
        const struct wanted *wanted;
        const struct weir_record *record; /* in hand */
        struct weir_arena arena;
        uint64_t printed_count;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
        (void)number;
        interrupted = 1;
}

static bool read_number(const char *text, int64_t max, int64_t *ret)
{
        char *end;

        errno = 0;
        *ret = strtoll(text, &end, 10);
        return *text >= '0' && *text <= '9' && !*end && !errno && *ret <= max;
}

static int take_from(const char *text, struct weir_reader_conf *reader)
{
        const char *rest = text;
        int64_t time_us;

        if (!strcmp(text, "earliest") || !strcmp(text, "latest")) {
                reader->from = *text == 'e' ? WEIR_FROM_EARLIEST : WEIR_FROM_LATEST;
                return CMD_DONE;
        }
        if (!strncmp(text, "offset:", 7))
                rest = text + 7;
        else if (!strncmp(text, "time:", 5))
                rest = text + 5;
        if (*text != 't' && read_number(rest, INT64_MAX, &reader->from_value)) {
                reader->from = WEIR_FROM_OFFSET;
                return CMD_DONE;
        }
        if (*text != 'o' && !weir_timestamp_parse(rest, strlen(rest), &time_us, NULL)) {
                reader->from = WEIR_FROM_TIME;
                reader->from_value = time_us / 1000;
                return CMD_DONE;
        }
        return cmd_say(
                CMD_USAGE, name,
                "--from: '%s' is none of earliest, latest, offset:N, time:2026-03-01T12:00:00Z",
                text);
}

static int take_option(int option, struct wanted *wanted)
{
        int64_t number;

        switch (option) {
        case 'f': return take_from(optarg, &wanted->reader);
        case 'p':
                if (!read_number(optarg, INT32_MAX, &number))
                        return cmd_say(CMD_USAGE, name, "--partition: '%s' is not a number from 0",
                                       optarg);
                wanted->reader.partition = (int32_t)number;
                return CMD_DONE;
        case 'n':
                if (!read_number(optarg, INT64_MAX, &number) || !number)
                        return cmd_say(CMD_USAGE, name, "--count: '%s' is not a number from 1",
                                       optarg);
                wanted->count = (uint64_t)number;
                return CMD_DONE;
        case 'e': wanted->reader.stop_at_end = true; return CMD_DONE;
        case 'F': wanted->reader.stop_at_end = false; return CMD_DONE;
        case 'j': wanted->json = true; return CMD_DONE;
        case 'b': wanted->brokers = optarg; return CMD_DONE;
        case 'c': wanted->config = optarg; return CMD_DONE;
        default: return cmd_usage(name);
        }
}

/* CMD_DONE, CMD_USAGE, or -1: help was printed. */
static int parse(int argc, char **argv, struct wanted *wanted)
{
        static const struct option options[] = {
                { "from", required_argument, NULL, 'f' },
                { "partition", required_argument, NULL, 'p' },
                { "count", required_argument, NULL, 'n' },
                { "follow", no_argument, NULL, 'F' },
                { "no-follow", no_argument, NULL, 'e' },
                { "exit-at-end", no_argument, NULL, 'e' },
                { "json", no_argument, NULL, 'j' },
                { "brokers", required_argument, NULL, 'b' },
                { "config", required_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        int option;

        *wanted = (struct wanted){ .reader = { .client_id = "weir-tail",
                                               .partition = -1,
                                               .from = WEIR_FROM_LATEST,
                                               .timeout_ms = 10000 } };
        while ((option = getopt_long(argc, argv, "f:p:n:jb:c:h", options, NULL)) != -1) {
                if (option == 'h') {
                        fputs(help, stdout);
                        return -1;
                }
                if (take_option(option, wanted) != CMD_DONE)
                        return CMD_USAGE;
        }
        if (optind + 1 != argc) {
                cmd_say(CMD_USAGE, name,
                        optind == argc ? "which topic?" : "one topic, not several");
                return cmd_usage(name);
        }
        wanted->reader.topic = argv[optind];
        return CMD_DONE;
}

/* ---- printing ------------------------------------------------------------------------------- */

static bool is_enough(const struct printer *printer)
{
        return printer->wanted->count && printer->printed_count >= printer->wanted->count;
}

/* Write the line of @writer to standard output. 0 or WEIR_ENOMEM. */
static int put_line(struct weir_writer *writer)
{
        struct weir_view text;

        if (weir_writer_finish(writer, &text) < 0)
                return WEIR_ENOMEM;
        fwrite(text.ptr, 1, text.size, stdout);
        putchar('\n');
        return 0;
}

/* A weir_event_fn. */
static int print_event(void *context, const struct weir_event *decoded)
{
        struct printer *printer = context;
        const struct weir_record *record = printer->record;
        struct weir_event event = *decoded;
        struct weir_writer writer;

        if (is_enough(printer))
                return 0;
        printer->printed_count++;
        if (!printer->wanted->json) {
                weir_event_print(stdout, &event);
                return 0;
        }
        event.topic = record->topic;
        event.partition = record->partition;
        event.offset = record->offset;
        event.record_time_ms = record->time_ms;
        event.key = record->key;
        weir_writer_init(&writer, &printer->arena, 512 + event.data.size * 2);
        weir_event_print_json(&writer, &event, true);
        return put_line(&writer);
}

static int print_refused(struct printer *printer, const struct weir_refusal *refusal)
{
        const struct weir_record *record = printer->record;
        const char *klass = weir_refusal_name(refusal->klass);
        struct weir_writer writer;
        char number[48];

        printer->printed_count++;
        if (!printer->wanted->json) {
                printf("Undecodable Record,\n  topic: %s\n  partition: %" PRId32
                       "\n  offset: %" PRId64 "\n  class: %s\n  reason: %s\n  at: %zu\n",
                       record->topic, record->partition, record->offset, klass, refusal->reason,
                       refusal->at);
                return 0;
        }
        weir_writer_init(&writer, &printer->arena, 512);
        weir_writer_z(&writer, "{\"ok\":false,\"error\":\"");
        weir_writer_z(&writer, klass);
        weir_writer_z(&writer, "\",\"reason\":");
        weir_writer_string(&writer, (struct weir_view){ refusal->reason, strlen(refusal->reason) });
        snprintf(number, sizeof number, ",\"at\":%zu,\"record\":", refusal->at);
        weir_writer_z(&writer, number);
        weir_record_print_json(&writer, record->topic, record->partition, record->offset,
                               record->time_ms, record->key);
        weir_writer_z(&writer, "}");
        return put_line(&writer);
}

static int print_record(struct printer *printer, const struct weir_record *record)
{
        struct weir_header headers[HEADERS_ROOM];
        struct weir_decoder decoder = { .arena = &printer->arena, .accept_json_batch = true };
        struct weir_message message = { .key = record->key,
                                        .value = record->value,
                                        .headers = headers };
        struct weir_refusal refusal;
        int mode, r;

        weir_record_headers(record, headers, HEADERS_ROOM, &message.header_count);
        weir_arena_reset(&printer->arena);
        printer->record = record;
        r = weir_decode_kafka(&decoder, &message, print_event, printer, &mode, &refusal);
        return r == 1 ? print_refused(printer, &refusal) : r;
}

static int follow(struct printer *printer, struct weir_reader *reader)
{
        while (!interrupted && !is_enough(printer)) {
                struct weir_error error;
                struct weir_record record;
                int r = weir_reader_read(reader, 0, &record, &error);

                if (r == 0) { /* nothing at hand: show what there is, then wait */
                        if (fflush(stdout))
                                return errno == EPIPE ? CMD_DONE : CMD_FAILED;
                        r = weir_reader_read(reader, WAIT_MS, &record, &error);
                }
                if (r < 0)
                        return cmd_fail(name, &error);
                if (r == 2 && printer->wanted->reader.stop_at_end)
                        break;
                if (r != 1)
                        continue;
                r = print_record(printer, &record);
                weir_record_release(&record);
                if (r < 0)
                        return cmd_say(CMD_FAILED, name, "out of memory");
                if (ferror(stdout)) /* a reader such as head has seen enough */
                        return errno == EPIPE ? CMD_DONE
                                              : cmd_say(CMD_FAILED, name, "standard output: %s",
                                                        strerror(errno));
        }
        if (fflush(stdout) && errno != EPIPE)
                return cmd_say(CMD_FAILED, name, "standard output: %s", strerror(errno));
        return CMD_DONE;
}

int cmd_tail(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_reader_closep) struct weir_reader *reader = NULL;
        struct sigaction action = { .sa_handler = on_signal };
        struct wanted wanted;
        struct printer printer = { .wanted = &wanted };
        struct weir_error error;
        int code = parse(argc, argv, &wanted);

        if (code != CMD_DONE)
                return code < 0 ? CMD_DONE : code;
        if (wanted.config || !wanted.brokers) {
                code = cmd_load(name, wanted.config, &conf);
                if (code != CMD_DONE)
                        return code;
        }
        weir_log_setup(WEIR_LOG_WARN, WEIR_LOG_TEXT);
        wanted.reader.brokers = wanted.brokers ? wanted.brokers : conf->kafka_brokers;
        wanted.reader.properties = conf ? conf->properties : NULL;
        wanted.reader.property_count = conf ? conf->property_count : 0;
        if (weir_reader_open(&wanted.reader, &reader, &error) < 0)
                return cmd_fail(name, &error);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        weir_arena_init(&printer.arena, 256 * 1024);
        code = follow(&printer, reader);
        weir_arena_fini(&printer.arena);
        return code;
}

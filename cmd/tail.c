/* SPDX-License-Identifier: MIT */
/*
 * tail - look at a topic with the eyes of a worker, and leave no trace in it
 *
 * Joins no group and commits nothing, so that looking never moves a worker's offset or makes its
 * group rebalance. Records go through the decoder that `weir run` uses: what is refused here is
 * refused there, with the same class and reason.
 *
 * Always true   TL1 a record that is no event is shown as such; it never ends the reading.
 *               TL2 output is flushed before every wait: what was read is on the screen.
 * Not chosen    ending at the first broken partition: the others still tell what one came to see.
 *               The exit status remembers it.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "cmd.h"
#include "event/decode.h"
#include "event/print.h"
#include "event/timestamp.h"
#include "kafka/reader.h"

#define WAIT_MS 250 /* how long an order to end may stay unseen */
#define OPEN_MS 15000
#define ITEM_DONE 2 /* ends the decoding of a record: --count is reached */

static const char name[] = "tail";

static const char help[] =
        "usage: weir tail TOPIC [options]\n\n"
        "Prints the events of a topic as they come, until Ctrl-C. Joins no consumer group, commits\n"
        "nothing.\n\n"
        "  -f, --from WHERE         latest (default), earliest, offset:N or time:RFC3339; N and a time\n"
        "                           alone mean the same. An offset outside of the log: without\n"
        "                           --partition the nearest end of it\n"
        "  -p, --partition N        this partition only\n"
        "  -n, --count N            end after N events (undecodable records count)\n"
        "  -e, --exit-at-end        end at what was the end of the log at the start\n"
        "      --no-follow          the same\n"
        "      --follow             wait for more (default)\n"
        "  -j, --json               one JSON object a line: the attributes, data_base64 and record\n"
        "                           (topic, partition, offset, time_ms, key_base64); what is no event:\n"
        "                           {\"ok\":false,\"error\":CLASS,\"reason\":TEXT,\"at\":BYTE,\"record\":{...}}\n"
        "  -r, --record             first a line that says where the record stands, when, and its key\n"
        "      --accept-json-batch  take application/cloudevents-batch+json, as a worker may\n"
        "  -b, --brokers LIST       host:port,...; without it the configuration's\n"
        "  -c, --config FILE        configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help               this text\n\n"
        "Exit status: 0 count or end reached, told to end, or the reader of the output went away;\n"
        "1 something could not be read or written; 2 wrong usage; 78 bad configuration.\n\n"
        "examples:\n"
        "  weir tail orders --from earliest --count 3\n"
        "  weir tail orders --from time:2026-01-31T08:00:00Z --json | jq .id\n";

struct wanted {
        const char *topic, *brokers, *config;
        enum weir_reader_from from;
        int64_t from_value;
        int32_t partition; /* -1 all */
        uint64_t count;    /* 0 no end */
        bool json, record, exit_at_end, accept_json_batch;
};

struct view {
        const struct wanted *wanted;
        struct weir_arena arena;
        const struct weir_record *record; /* in hand */
        uint64_t shown_count;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
        (void)number;
        interrupted = 1;
}

/* ---- the command line ----------------------------------------------------------------------- */

static int take_from(const char *text, struct wanted *wanted)
{
        bool offset = !strncmp(text, "offset:", 7), time = !strncmp(text, "time:", 5);
        const char *value = text + (offset ? 7 : time ? 5 : 0);
        int64_t us;

        if (!strcmp(text, "earliest")) {
                wanted->from = WEIR_FROM_EARLIEST;
        } else if (!strcmp(text, "latest")) {
                wanted->from = WEIR_FROM_LATEST;
        } else if (!time && cmd_read_number(value, 0, INT64_MAX - 1, &wanted->from_value)) {
                wanted->from = WEIR_FROM_OFFSET;
        } else if (!offset && !weir_timestamp_parse(value, strlen(value), &us, NULL)) {
                wanted->from = WEIR_FROM_TIME;
                wanted->from_value = us < 0 ? 0 : (us + 999) / 1000; /* not before that instant */
        } else {
                return cmd_say(CMD_USAGE, name,
                               "--from: '%s' is none of latest, earliest, offset:N and "
                               "time:2026-01-31T08:00:00Z",
                               text);
        }
        return CMD_DONE;
}

enum { OPT_FOLLOW = 256, OPT_BATCH };

static const struct option options[] = {
        { "from", required_argument, NULL, 'f' },
        { "partition", required_argument, NULL, 'p' },
        { "count", required_argument, NULL, 'n' },
        { "exit-at-end", no_argument, NULL, 'e' },
        { "no-follow", no_argument, NULL, 'e' },
        { "follow", no_argument, NULL, OPT_FOLLOW },
        { "json", no_argument, NULL, 'j' },
        { "record", no_argument, NULL, 'r' },
        { "accept-json-batch", no_argument, NULL, OPT_BATCH },
        { "brokers", required_argument, NULL, 'b' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int take_option(int option, struct wanted *wanted)
{
        int64_t number;

        switch (option) {
        case 'f': return take_from(optarg, wanted);
        case 'p':
                if (!cmd_read_number(optarg, 0, INT32_MAX, &number))
                        return cmd_say(CMD_USAGE, name, "--partition: '%s' is not a number from 0",
                                       optarg);
                wanted->partition = (int32_t)number;
                break;
        case 'n':
                if (!cmd_read_number(optarg, 1, INT64_MAX, &number))
                        return cmd_say(CMD_USAGE, name, "--count: '%s' is not a number from 1",
                                       optarg);
                wanted->count = (uint64_t)number;
                break;
        case 'e':
        case OPT_FOLLOW: wanted->exit_at_end = option == 'e'; break;
        case 'j': wanted->json = true; break;
        case 'r': wanted->record = true; break;
        case OPT_BATCH: wanted->accept_json_batch = true; break;
        case 'b': wanted->brokers = optarg; break;
        case 'c': wanted->config = optarg; break;
        default: return cmd_usage(name);
        }
        return CMD_DONE;
}

/* CMD_DONE, CMD_USAGE, or -1: the help was printed. */
static int parse(int argc, char **argv, struct wanted *wanted)
{
        int option;

        *wanted = (struct wanted){ .from = WEIR_FROM_LATEST, .partition = -1 };
        while ((option = cmd_option(argc, argv, "f:p:n:ejrb:c:h", options)) != -1) {
                if (option == 'h') {
                        fputs(help, stdout);
                        return -1;
                }
                if (take_option(option, wanted) != CMD_DONE)
                        return CMD_USAGE;
        }
        if (argc - optind != 1) {
                cmd_say(CMD_USAGE, name, "name one topic");
                return cmd_usage(name);
        }
        wanted->topic = argv[optind];
        return CMD_DONE;
}

/* ---- what is shown -------------------------------------------------------------------------- */

static void print_place(const struct weir_record *record)
{
        time_t seconds = (time_t)(record->time_ms / 1000);
        char time[32] = "";
        struct tm parts;

        if (record->time_ms >= 0 && gmtime_r(&seconds, &parts))
                strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
        printf("%s/%d offset %" PRId64, record->topic, (int)record->partition, record->offset);
        if (time[0])
                printf(" at %s.%03dZ", time, (int)(record->time_ms % 1000));
        if (record->key.ptr) {
                fputs(" key ", stdout);
                weir_text_print(stdout, record->key, false);
        }
        putchar('\n');
}

/* A line of JSON. 0 or WEIR_ENOMEM. */
static int print_line(struct weir_writer *writer)
{
        struct weir_view text;

        weir_writer_raw(writer, "\n", 1);
        if (weir_writer_finish(writer, &text) < 0)
                return WEIR_ENOMEM;
        fwrite(text.ptr, 1, text.size, stdout); /* asked for errors at the next flush */
        return 0;
}

/* A weir_event_fn. 0, ITEM_DONE or WEIR_ENOMEM. */
static int show_event(void *context, const struct weir_event *decoded)
{
        struct view *view = context;
        const struct weir_record *record = view->record;
        struct weir_event event = *decoded;
        struct weir_writer writer;

        event.topic = record->topic;
        event.partition = record->partition;
        event.offset = record->offset;
        event.record_time_ms = record->time_ms;
        if (view->wanted->json) {
                weir_writer_init(&writer, &view->arena, 1024 + event.data.size / 3 * 4);
                weir_event_print_json(&writer, &event, true);
                if (print_line(&writer) < 0)
                        return WEIR_ENOMEM;
        } else {
                if (view->wanted->record)
                        print_place(record);
                weir_event_print(stdout, &event);
        }
        return ++view->shown_count == view->wanted->count ? ITEM_DONE : 0;
}

static int show_refused(struct view *view, const struct weir_refusal *refusal)
{
        const struct weir_record *record = view->record;
        const char *klass = weir_refusal_name(refusal->klass);
        struct weir_writer writer;
        char number[48];

        if (!view->wanted->json) {
                print_place(record); /* nothing else would tell which one */
                printf("  not an event: %s at byte %zu: %s\n", klass, refusal->at, refusal->reason);
        } else {
                weir_writer_init(&writer, &view->arena, 1024);
                weir_writer_z(&writer, "{\"ok\":false,\"error\":\"");
                weir_writer_z(&writer, klass);
                weir_writer_z(&writer, "\",\"reason\":");
                weir_writer_string(&writer,
                                   (struct weir_view){ refusal->reason, strlen(refusal->reason) });
                snprintf(number, sizeof number, ",\"at\":%zu,\"record\":", refusal->at);
                weir_writer_z(&writer, number);
                weir_record_print_json(&writer, record->topic, record->partition, record->offset,
                                       record->time_ms, record->key);
                weir_writer_z(&writer, "}");
                if (print_line(&writer) < 0)
                        return WEIR_ENOMEM;
        }
        return ++view->shown_count == view->wanted->count ? ITEM_DONE : 0;
}

/* 0, ITEM_DONE or WEIR_ENOMEM. */
static int show_record(struct view *view, struct weir_record *record)
{
        struct weir_decoder decoder = { .arena = &view->arena,
                                        .accept_json_batch = view->wanted->accept_json_batch };
        struct weir_message message = { .key = record->key, .value = record->value };
        struct weir_refusal refusal;
        int mode, r;

        weir_arena_reset(&view->arena);
        r = weir_record_headers(record, &view->arena);
        if (r < 0)
                return r;
        message.headers = record->headers;
        message.header_count = record->header_count;
        view->record = record;
        r = weir_decode_kafka(&decoder, &message, show_event, view, &mode, &refusal);
        return r == 1 ? show_refused(view, &refusal) : r;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* CMD_DONE; CMD_FAILED, said why; -1: nobody reads any more. */
static int flush_output(void)
{
        int error;

        if (fflush(stdout) == 0 && !ferror(stdout))
                return CMD_DONE;
        error = errno;
        cmd_drop_output();
        return error == EPIPE ? -1
                              : cmd_say(CMD_FAILED, name, "standard output: %s", strerror(error));
}

/* `weir tail t | head -1` has its line while the topic is silent: without a look nobody would end. */
static bool reader_gone(void)
{
        struct pollfd out = { .fd = STDOUT_FILENO };

        return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}

static int follow(struct view *view, struct weir_reader *reader)
{
        int code = CMD_DONE;

        while (!interrupted) {
                struct weir_record record;
                struct weir_error error;
                int r = weir_reader_read(reader, 0, &record, &error), flushed;

                if (r == 0) {
                        flushed = flush_output();
                        if (flushed != CMD_DONE)
                                return flushed < 0 ? code : flushed;
                        if (reader_gone())
                                break;
                        r = weir_reader_read(reader, WAIT_MS, &record, &error);
                }
                if (r < 0) {
                        code = cmd_fail(name, &error);
                        if (view->wanted->partition >= 0)
                                break;
                } else if (r == 1) {
                        r = show_record(view, &record);
                        weir_record_release(&record);
                        if (r < 0)
                                return cmd_say(CMD_FAILED, name, "out of memory");
                        if (r == ITEM_DONE)
                                break;
                        if (ferror(stdout))
                                break;
                } else if (r == 2 && view->wanted->exit_at_end) {
                        break;
                }
        }
        return code;
}

static int show(const struct wanted *wanted, struct weir_reader *reader)
{
        struct view view = { .wanted = wanted };
        int code, flushed;

        weir_arena_init(&view.arena, 64 * 1024);
        code = follow(&view, reader);
        flushed = flush_output();
        weir_arena_fini(&view.arena);
        return flushed > 0 ? flushed : code;
}

int cmd_tail(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_reader_closep) struct weir_reader *reader = NULL;
        struct sigaction action = { .sa_handler = on_signal };
        struct weir_reader_conf how;
        struct weir_error error;
        struct wanted wanted;
        int r = parse(argc, argv, &wanted);

        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        if (wanted.config || !wanted.brokers) {
                r = cmd_load(name, wanted.config, &conf);
                if (r != CMD_DONE)
                        return r;
        }
        weir_log_setup(WEIR_LOG_WARN, WEIR_LOG_TEXT);
        how = (struct weir_reader_conf){
                .brokers = wanted.brokers ? wanted.brokers : conf->kafka_brokers,
                .client_id = "weir-tail",
                .properties = conf ? conf->properties : NULL,
                .property_count = conf ? conf->property_count : 0,
                .topic = wanted.topic,
                .partition = wanted.partition,
                .from = wanted.from,
                .from_value = wanted.from_value,
                .timeout_ms = OPEN_MS,
                .stop_at_end = wanted.exit_at_end,
        };
        if (weir_reader_open(&how, &reader, &error) < 0)
                return cmd_fail(name, &error);
        sigaction(SIGINT, &action, NULL); /* not before: a Ctrl-C during the open ends it at once */
        sigaction(SIGTERM, &action, NULL);
        return show(&wanted, reader);
}

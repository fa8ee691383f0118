/* SPDX-License-Identifier: MIT */
/*
 * emit_option - the command line of `weir emit`
 *
 * Every flag of an event (--type and the like) turns reading of standard input off: an event that is
 * half flag and half input would have two owners.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "emit.h"

static const char name[] = "emit";

static const char help[] =
        "usage: weir emit --topic T [options] [FILE]\n"
        "       weir emit --topic T --type TYPE --source SOURCE [options]\n\n"
        "Sends CloudEvents to a Kafka topic and waits until each is acknowledged. Without --type it\n"
        "reads FILE (else standard input), one event in the CloudEvents JSON format a line. The topic\n"
        "must exist. A line that is no event ends the sending, named, with what was acknowledged.\n\n"
        "  -t, --topic T            topic to send to\n"
        "  -b, --brokers LIST       host:port,...; without it the configuration's\n"
        "  -c, --config FILE        configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "      --binary             attributes as headers (default)\n"
        "      --structured         the whole event as one JSON text\n"
        "  -k, --key STR            record key for every event\n"
        "      --key-from WHAT      partitionkey, source, subject, id or none (default: partitionkey,\n"
        "                           where an event has one)\n"
        "  -p, --partition N        send there instead of by key\n"
        "      --rate N             at most N events a second\n"
        "      --timeout SECONDS    how long an event may take to be acknowledged (30)\n"
        "      --skip-bad           name a bad line and go on; the exit status is 1 all the same\n"
        "      --dry-run            print the events as JSON instead of sending them\n"
        "  -h, --help               this text\n\n"
        "one event from flags:\n"
        "      --type TYPE --source SOURCE     required\n"
        "      --id ID              default: a random UUID\n"
        "      --time RFC3339       default: now; 'none' leaves it out\n"
        "      --subject S  --dataschema URI  --ext NAME=VALUE (may be repeated)\n"
        "      --data TEXT | --data-file FILE\n"
        "      --content-type TYPE  default: application/json if the data is JSON, else text/plain\n"
        "                           (--data-file: application/octet-stream)\n\n"
        "Exit status: 0 all acknowledged, 1 something failed (the lines are named), 2 wrong usage,\n"
        "78 bad configuration.\n\n"
        "examples:\n"
        "  weir emit -b 127.0.0.1:9092 -t audit --type user.created --source /users --data '{\"id\":7}'\n"
        "  echo '{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/me\",\"type\":\"t\"}' | weir emit -t audit\n"
        "  weir emit -t audit --key-from subject events.jsonl\n";

static struct weir_view view_z(const char *text)
{
        return (struct weir_view){ text, strlen(text) };
}

static int take_key_from(const char *text, struct emit_wanted *wanted)
{
        static const char *const names[] = { "partitionkey", "source", "subject", "id", "none" };

        for (int i = 0; i < (int)WEIR_COUNT_OF(names); i++)
                if (!strcmp(text, names[i])) {
                        wanted->key_from = i;
                        return CMD_DONE;
                }
        cmd_say(CMD_USAGE, name,
                "--key-from: '%s' is none of partitionkey, source, subject, id, none", text);
        return cmd_usage(name);
}

static int take_extension(const char *text, struct emit_wanted *wanted)
{
        const char *equals = strchr(text, '=');
        size_t count = wanted->event.extension_count;

        if (!equals || equals == text)
                return cmd_say(CMD_USAGE, name, "--ext: '%s' is not NAME=VALUE", text);
        if (count == EMIT_EXTENSIONS_MAX)
                return cmd_say(CMD_USAGE, name, "--ext: at most %d", EMIT_EXTENSIONS_MAX);
        wanted->extensions[count] = (struct weir_attribute){
                .name = { text, (size_t)(equals - text) }, .value = view_z(equals + 1)
        };
        wanted->event.extension_count++;
        return CMD_DONE;
}

enum {
        OPT_STRUCTURED = 256,
        OPT_BINARY,
        OPT_KEY_FROM,
        OPT_RATE,
        OPT_TIMEOUT,
        OPT_SKIP,
        OPT_DRY,
        OPT_TYPE,
        OPT_SOURCE,
        OPT_ID,
        OPT_SUBJECT,
        OPT_TIME,
        OPT_SCHEMA,
        OPT_DATA,
        OPT_DATA_FILE,
        OPT_CONTENT,
        OPT_EXT
};

static const struct option options[] = {
        { "topic", required_argument, NULL, 't' },
        { "brokers", required_argument, NULL, 'b' },
        { "config", required_argument, NULL, 'c' },
        { "key", required_argument, NULL, 'k' },
        { "partition", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { "binary", no_argument, NULL, OPT_BINARY },
        { "structured", no_argument, NULL, OPT_STRUCTURED },
        { "key-from", required_argument, NULL, OPT_KEY_FROM },
        { "rate", required_argument, NULL, OPT_RATE },
        { "timeout", required_argument, NULL, OPT_TIMEOUT },
        { "skip-bad", no_argument, NULL, OPT_SKIP },
        { "dry-run", no_argument, NULL, OPT_DRY },
        { "type", required_argument, NULL, OPT_TYPE },
        { "source", required_argument, NULL, OPT_SOURCE },
        { "id", required_argument, NULL, OPT_ID },
        { "subject", required_argument, NULL, OPT_SUBJECT },
        { "time", required_argument, NULL, OPT_TIME },
        { "dataschema", required_argument, NULL, OPT_SCHEMA },
        { "data", required_argument, NULL, OPT_DATA },
        { "data-file", required_argument, NULL, OPT_DATA_FILE },
        { "content-type", required_argument, NULL, OPT_CONTENT },
        { "ext", required_argument, NULL, OPT_EXT },
        { 0 },
};

static int take_flag(int option, struct emit_wanted *wanted)
{
        struct weir_view *text = NULL;

        switch (option) {
        case OPT_TYPE: text = &wanted->event.type; break;
        case OPT_SOURCE: text = &wanted->event.source; break;
        case OPT_ID: text = &wanted->event.id; break;
        case OPT_SUBJECT: text = &wanted->event.subject; break;
        case OPT_SCHEMA: text = &wanted->event.dataschema; break;
        case OPT_CONTENT: text = &wanted->event.datacontenttype; break;
        case OPT_TIME: wanted->time = optarg; break;
        case OPT_DATA: wanted->data = optarg; break;
        case OPT_DATA_FILE: wanted->data_file = optarg; break;
        case OPT_EXT:
                if (take_extension(optarg, wanted) != CMD_DONE)
                        return CMD_USAGE;
                break;
        default: return cmd_usage(name);
        }
        if (text)
                *text = view_z(optarg);
        wanted->from_flags = true;
        return CMD_DONE;
}

static int take_option(int option, struct emit_wanted *wanted)
{
        int64_t number;

        switch (option) {
        case 't': wanted->topic = optarg; return CMD_DONE;
        case 'b': wanted->brokers = optarg; return CMD_DONE;
        case 'c': wanted->config = optarg; return CMD_DONE;
        case 'k':
                wanted->key = optarg;
                wanted->key_from = EMIT_KEY_FIXED;
                return CMD_DONE;
        case 'p':
                if (!cmd_read_number(optarg, 0, INT32_MAX, &number))
                        return cmd_say(CMD_USAGE, name, "--partition: '%s' is not a number from 0",
                                       optarg);
                wanted->partition = (int32_t)number;
                return CMD_DONE;
        case OPT_BINARY:
        case OPT_STRUCTURED: wanted->structured = option == OPT_STRUCTURED; return CMD_DONE;
        case OPT_KEY_FROM: return take_key_from(optarg, wanted);
        case OPT_RATE:
                if (!cmd_read_number(optarg, 1, 100000000, &number))
                        return cmd_say(CMD_USAGE, name, "--rate: '%s' is not a number from 1",
                                       optarg);
                wanted->rate = (uint64_t)number;
                return CMD_DONE;
        case OPT_TIMEOUT:
                if (!cmd_read_number(optarg, 1, 86400, &number))
                        return cmd_say(CMD_USAGE, name, "--timeout: '%s' is not 1 to 86400 seconds",
                                       optarg);
                wanted->timeout_ms = number * 1000;
                return CMD_DONE;
        case OPT_SKIP: wanted->skip_bad = true; return CMD_DONE;
        case OPT_DRY: wanted->dry_run = true; return CMD_DONE;
        default: return take_flag(option, wanted);
        }
}

int emit_parse(int argc, char **argv, struct emit_wanted *wanted)
{
        int option;

        *wanted = (struct emit_wanted){ .partition = -1,
                                        .timeout_ms = 30000,
                                        .event = { .size = sizeof wanted->event,
                                                   .specversion = { "1.0", 3 },
                                                   .time_us = WEIR_TIME_NONE } };
        wanted->event.extensions = wanted->extensions;
        while ((option = cmd_option(argc, argv, "t:b:c:k:p:h", options)) != -1) {
                if (option == 'h') {
                        fputs(help, stdout);
                        return -1;
                }
                if (take_option(option, wanted) != CMD_DONE)
                        return CMD_USAGE;
        }
        if (optind < argc && strcmp(argv[optind], "-"))
                wanted->input = argv[optind];
        if (optind + 1 < argc || (wanted->from_flags && optind < argc))
                return cmd_say(CMD_USAGE, name,
                               "unexpected '%s'; events come from one file, from standard input or "
                               "from flags",
                               argv[argc - 1]);
        if (!wanted->topic && !wanted->dry_run)
                return cmd_say(CMD_USAGE, name, "--topic is missing");
        if (wanted->from_flags && (!wanted->event.type.ptr || !wanted->event.source.ptr))
                return cmd_say(CMD_USAGE, name, "an event needs --type and --source");
        if (wanted->data && wanted->data_file)
                return cmd_say(CMD_USAGE, name, "--data and --data-file exclude each other");
        return CMD_DONE;
}

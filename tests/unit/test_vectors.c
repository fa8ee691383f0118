/* SPDX-License-Identifier: MIT */
/*
 * vectors - every line of tests/vectors/cloudevents.jsonl and of awkward.jsonl beside it is one test
 *
 * Another file: WEIR_VECTORS=path, or as the only argument.
 */
#include <sys/mman.h>

#include "vectors_fixture.h"

static struct weir_view *lines;
static size_t line_count;

static struct weir_message message_of(struct weir_view vector)
{
        struct weir_view list = member(vector, "headers"), pair, slice;
        struct weir_header *headers = weir_arena_alloc(&arena,
                                                       (length(list) + 1) * sizeof *headers);
        struct weir_message message = { .key = bytes_of(member(vector, "key")),
                                        .value = bytes_of(member(vector, "value")),
                                        .headers = headers };
        struct weir_cursor cursor, inner;

        for (weir_cursor_open(&cursor, list); weir_cursor_element(&cursor, &pair);) {
                struct weir_view value;

                weir_cursor_open(&inner, pair);
                weir_cursor_element(&inner, &slice);
                headers[message.header_count].name = text_of(slice).ptr;
                weir_cursor_element(&inner, &slice);
                value = bytes_of(slice);
                headers[message.header_count].value = value.ptr;
                headers[message.header_count++].size = value.size;
        }
        return message;
}

/* What must change nothing: a header of somebody else's in front, and white space behind JSON. The verdict, its class and
 * the number of events stay as they are. */
static bool disguise_holds(const struct weir_decoder *decoder, bool http,
                           const struct weir_message *message, int r, int klass, size_t count)
{
        struct weir_header *headers = weir_arena_alloc(&arena, (message->header_count + 1) *
                                                                       sizeof *headers);
        struct weir_message disguised = *message;
        struct weir_refusal refusal = { 0 };
        static struct taken taken;
        int how = -1, again;

        headers[0] = (struct weir_header){ "x-request", "7", 1 };
        memcpy(headers + 1, message->headers, message->header_count * sizeof *headers);
        disguised.headers = headers;
        disguised.header_count++;
        for (int spaces = 0; spaces < 2; spaces++) {
                if (spaces) {
                        char *value = weir_arena_alloc(&arena, message->value.size + 5);

                        memcpy(value, message->value.ptr, message->value.size);
                        memcpy(value + message->value.size, " \r\n\t", 5);
                        disguised.value = (struct weir_view){ value, message->value.size + 4 };
                }
                taken.count = 0;
                again = (http ? weir_decode_http : weir_decode_kafka)(decoder, &disguised, take,
                                                                      &taken, &how, &refusal);
                if (again != r || taken.count != count || (r == 1 && refusal.klass != klass))
                        return differ("%s: %d instead of %d, class %s instead of %s",
                                      spaces ? "with white space behind it" : "with another header",
                                      again, r, weir_refusal_name(refusal.klass),
                                      weir_refusal_name(klass));
                if (how == WEIR_MODE_BINARY || !message->value.size)
                        break; /* there, white space is data */
        }
        return true;
}

static bool run_decode(struct weir_view vector, struct weir_view mode, struct weir_view expect)
{
        struct weir_decoder decoder = { .arena = &arena };
        struct weir_message message = message_of(vector);
        struct weir_refusal refusal = { 0 };
        static struct taken taken;
        bool either = is(member(expect, "either"), "true");
        int how = -1, r;

        taken.count = 0;
        decoder.accept_json_batch = is(member(vector, "requires"), "\"json-batch\"") ||
                                    is(mode, "batch");
        r = (strncmp(mode.ptr, "http", 4) == 0
                     ? weir_decode_http
                     : weir_decode_kafka)(&decoder, &message, take, &taken, &how, &refusal);
        if (r < 0 || (r == 1 && (taken.count || refusal.klass == WEIR_REFUSED_NOT)))
                return differ("returned %d with %zu events", r, taken.count);
        if (!disguise_holds(&decoder, strncmp(mode.ptr, "http", 4) == 0, &message, r, refusal.klass,
                            taken.count))
                return false;
        if (r == 1) {
                if (either)
                        return true;
                if (is(member(expect, "ok"), "true"))
                        return differ("refused: %s", refusal.reason);
                return refusal_counts(expect, refusal.klass);
        }
        if (member(expect, "mode").ptr && !is(text_of(member(expect, "mode")), weir_mode_name(how)))
                return differ("mode %s", weir_mode_name(how));
        if (either) {
                struct weir_view if_ok = member(expect, "if_ok");

                if (if_ok.ptr && if_ok.ptr[0] == '{')
                        if_ok = member(if_ok, "events");
                return !if_ok.ptr || events_match(&taken, if_ok);
        }
        if (!is(member(expect, "ok"), "true"))
                return differ("accepted");
        return events_match(&taken, member(expect, "events"));
}

static void event_of(struct weir_view object, struct weir_event *event)
{
        struct weir_attribute *extensions = weir_arena_alloc(&arena, (1 + object.size / 4) *
                                                                             sizeof *extensions);
        struct weir_view name, slice;
        struct weir_cursor cursor;

        *event = (struct weir_event){ .size = sizeof *event, .extensions = extensions };
        for (weir_cursor_open(&cursor, object); weir_cursor_member(&cursor, &name, &slice);) {
                int core = weir_core_of(name.ptr, name.size), type = WEIR_ATTRIBUTE_STRING;
                struct weir_view value;

                if (is(name, "data_base64")) {
                        event->data = bytes_of(slice);
                        continue;
                }
                if (slice.ptr[0] == '"') {
                        value = text_of(slice);
                } else {
                        type = slice.ptr[0] == 't' || slice.ptr[0] == 'f' ? WEIR_ATTRIBUTE_BOOLEAN
                                                                          : WEIR_ATTRIBUTE_INTEGER;
                        value.ptr = weir_arena_copy(&arena, slice.ptr, slice.size);
                        value.size = slice.size;
                }
                if (core != WEIR_CORE_NONE)
                        *(struct weir_view *)(uintptr_t)weir_core_view(event, core) = value;
                else
                        extensions[event->extension_count++] = (struct weir_attribute){
                                { weir_arena_copy(&arena, name.ptr, name.size), name.size },
                                value,
                                type
                        };
        }
        if (event->data.ptr)
                event->data_kind = !event->datacontenttype.ptr ? WEIR_DATA_BINARY
                                   : weir_media_type_is_json(event->datacontenttype)
                                           ? WEIR_DATA_JSON
                                   : strncmp(event->datacontenttype.ptr, "text/", 5) == 0
                                           ? WEIR_DATA_TEXT
                                           : WEIR_DATA_BINARY;
}

static bool headers_match(const struct weir_encoded *record, struct weir_view wanted, bool http)
{
        struct weir_cursor cursor, inner;
        struct weir_view pair, slice;

        if (length(wanted) != record->header_count)
                return differ("%zu headers", record->header_count);
        for (weir_cursor_open(&cursor, wanted); weir_cursor_element(&cursor, &pair);) {
                struct weir_view name, value;
                size_t i = 0;

                weir_cursor_open(&inner, pair);
                weir_cursor_element(&inner, &slice);
                name = text_of(slice);
                weir_cursor_element(&inner, &slice);
                value = bytes_of(slice);
                while (i < record->header_count &&
                       (http ? strcasecmp : strcmp)(record->headers[i].name, name.ptr) != 0)
                        i++;
                if (i == record->header_count)
                        return differ("no header %s", name.ptr);
                if (!same(value,
                          (struct weir_view){ record->headers[i].value, record->headers[i].size }))
                        return differ("header %s is %s", name.ptr, record->headers[i].value);
        }
        return true;
}

static bool run_encode(struct weir_view mode, struct weir_view input, struct weir_view expect)
{
        struct weir_view options = member(input, "options"), record = member(expect, "record");
        struct weir_encode_options chosen = {
                .key_from_partitionkey = is(member(options, "key_mapper"), "\"partitionkey\""),
                .key = bytes_of(member(options, "key_base64")),
        };
        bool http = is(mode, "encode-http-binary");
        struct weir_refusal refusal = { 0 };
        struct weir_encoded encoded;
        struct weir_event event;
        int r;

        event_of(member(input, "event"), &event);
        if (http)
                r = weir_encode_http_binary(&arena, &event, &encoded, &refusal);
        else if (is(mode, "encode-kafka-binary"))
                r = weir_encode_kafka_binary(&arena, &event, &chosen, &encoded, &refusal);
        else if (is(mode, "encode-kafka-structured"))
                r = weir_encode_kafka_structured(&arena, &event, &chosen, &encoded, &refusal);
        else
                return differ("unknown mode");
        if (r == 1)
                return is(member(expect, "ok"), "false") ? refusal_counts(expect, refusal.klass)
                                                         : differ("refused: %s", refusal.reason);
        if (r < 0 || !is(member(expect, "ok"), "true"))
                return differ("returned %d", r);
        if (!bytes_equal(encoded.key, bytes_of(member(record, "key")), false))
                return differ("key differs");
        return headers_match(&encoded, member(record, "headers"), http) &&
               bytes_match(encoded.value, member(record, "value"), member(record, "value_alt"),
                           is(member(record, "value_cmp"), "\"json\""));
}

static bool run_dedup(struct weir_view input, struct weir_view expect)
{
        const struct weir_view worker = { "w", 1 };
        struct weir_event first, second;
        struct weir_key a, b;

        event_of(member(input, "first"), &first);
        event_of(member(input, "second"), &second);
        ck_assert_int_eq(weir_key_of(worker, &first, &a), 0);
        ck_assert_int_eq(weir_key_of(worker, &second, &b), 0);
        return (memcmp(&a, &b, sizeof a) == 0) == is(member(expect, "duplicate"), "true") ||
               differ("the other verdict");
}

/* The value of an HTTP header; NULL = there is none. */
static const char *header_of(const struct weir_message *message, const char *name)
{
        for (size_t i = 0; i < message->header_count; i++)
                if (strcasecmp(message->headers[i].name, name) == 0)
                        return message->headers[i].value;
        return NULL;
}

static long number_of(struct weir_view slice)
{
        return slice.ptr && slice.ptr[0] != 'n' ? strtol(slice.ptr, NULL, 10) : -1;
}

/* Does the member @name, or one of the elements of @name_alt, read @got? */
static bool one_of(struct weir_view expect, const char *name, const char *others, const char *got)
{
        struct weir_view alternatives = member(expect, others), slice;
        struct weir_cursor cursor;

        if (is(member(expect, name), got))
                return true;
        if (alternatives.ptr)
                for (weir_cursor_open(&cursor, alternatives); weir_cursor_element(&cursor, &slice);)
                        if (is(slice, got))
                                return true;
        return differ("%s is %s", name, got);
}

static bool run_webhook_sender(struct weir_view vector, struct weir_view input,
                               struct weir_view expect)
{
        struct weir_message message = message_of(vector);
        int status = (int)number_of(member(input, "status"));
        enum weir_webhook_action action = weir_webhook_action_of(status);
        const char *word = action == WEIR_WEBHOOK_DELIVERED ? "\"delivered\""
                           : action == WEIR_WEBHOOK_RETRY   ? "\"retry\""
                           : action == WEIR_WEBHOOK_RETIRED ? "\"retire\""
                           : status < 400                   ? "\"fail-no-follow\""
                                                            : "\"permanent-failure\"";
        int64_t wait_s = weir_webhook_retry_after_s(header_of(&message, "retry-after"),
                                                    header_of(&message, "date"), 0);

        if (!one_of(expect, "action", "action_alt", word))
                return false;
        return wait_s == number_of(member(expect, "not_before_s")) ||
               differ("a wait of %lld s", (long long)wait_s);
}

static bool run_webhook_options(struct weir_view vector, struct weir_view input,
                                struct weir_view expect)
{
        struct weir_message message = message_of(vector);
        struct weir_view origin = text_of(member(input, "request_origin"));
        struct weir_webhook_grant grant = weir_webhook_grant_of(origin.ptr,
                                                                header_of(&message,
                                                                          "webhook-allowed-origin"),
                                                                header_of(&message,
                                                                          "webhook-allowed-rate"));
        char rate[32];

        snprintf(rate, sizeof rate, "%lld", (long long)grant.rate_per_minute);
        return one_of(expect, "granted", "granted_alt", grant.granted ? "true" : "false") &&
               one_of(expect, "rate_per_min", "rate_alt",
                      grant.rate_per_minute < 0    ? "\"*\""
                      : grant.rate_per_minute == 0 ? "null"
                                                   : rate);
}

START_TEST(a_vector_holds)
{
        struct weir_view vector = lines[_i], mode, expect = member(vector, "expect"), name;
        bool good;

        weir_arena_init(&arena, 1 << 20);
        mode = text_of(member(vector, "mode"));
        name = text_of(member(vector, "name"));
        if (strncmp(mode.ptr, "encode-", 7) == 0)
                good = run_encode(mode, member(vector, "input"), expect);
        else if (is(mode, "webhook-sender"))
                good = run_webhook_sender(vector, member(vector, "input"), expect);
        else if (is(mode, "webhook-options"))
                good = run_webhook_options(vector, member(vector, "input"), expect);
        else if (is(mode, "dedup"))
                good = run_dedup(member(vector, "input"), expect);
        else
                good = run_decode(vector, mode, expect);
        ck_assert_msg(good, "%s: %s", name.ptr, why);
        weir_arena_fini(&arena);
}
END_TEST

static int load(const char *path)
{
        static const struct weir_limits wide = { .depth = 1000,
                                                 .nodes = 1u << 20,
                                                 .json_bytes = 1u << 30 };
        FILE *file = fopen(path, "r");
        char *line = NULL;
        size_t room = 0;
        ssize_t size;

        if (!file) {
                perror(path);
                return -1;
        }
        while ((size = getline(&line, &room, file)) > 0) {
                struct weir_view text = { line, (size_t)size };
                struct weir_refusal refusal;
                struct weir_json_scan scan;

                if (weir_json_scan(text, &wide, 0, &scan, &refusal)) {
                        fprintf(stderr, "%s: %s\n", path, refusal.reason);
                        return -1;
                }
                lines = reallocarray(lines, line_count + 1, sizeof *lines);
                lines[line_count++] = weir_json_trim(text);
                line = NULL; /* kept */
                room = 0;
        }
        free(line);
        fclose(file);
        return line_count ? 0 : -1;
}

static size_t count_mode(size_t begin, size_t end, const char *mode)
{
        size_t found = 0;

        weir_arena_init(&arena, 1 << 16);
        for (size_t i = begin; i < end; i++)
                found += is(text_of(member(lines[i], "mode")), mode);
        weir_arena_fini(&arena);
        return found;
}

#define DIRECTORY "tests/vectors/"

static struct {
        const char *name;
        size_t begin, end;
} files[] = { { "cloudevents.jsonl", 0, 0 }, { "awkward.jsonl", 0, 0 } };

/* A file that was cut short would pass with what is left of it, and one whose lines name another mode would no longer
 * ask what they were made for. So the numbers are written down beside it, mode by mode. */
START_TEST(a_file_of_vectors_is_whole)
{
        size_t number, sum = 0, count = files[_i].end - files[_i].begin;
        char name[64], mode[64];
        FILE *file = fopen(DIRECTORY "COUNTS", "r");

        ck_assert_ptr_nonnull(file);
        while (fscanf(file, "%63s %63s %zu", name, mode, &number) == 3) {
                size_t found;

                if (strcmp(name, files[_i].name) != 0)
                        continue;
                found = count_mode(files[_i].begin, files[_i].end, mode);
                sum += number;
                ck_assert_msg(found == number,
                              DIRECTORY "%s has %zu vectors of mode %s, COUNTS says %zu: %s", name,
                              found, mode, number,
                              found < number ? "some are missing" : "write the new number there");
        }
        fclose(file);
        ck_assert_msg(sum == count,
                      DIRECTORY "%s has %zu vectors, its modes in COUNTS add up to %zu",
                      files[_i].name, count, sum);
}
END_TEST

static int load_all(void)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(files); i++) {
                char path[300];

                files[i].begin = line_count;
                snprintf(path, sizeof path, DIRECTORY "%s", files[i].name);
                if (load(path) < 0)
                        return -1;
                files[i].end = line_count;
        }
        return 0;
}

int main(int argc, char **argv)
{
        const char *path = argc > 1 ? argv[1] : getenv("WEIR_VECTORS");
        Suite *suite = suite_create("vectors");
        TCase *tcase = tcase_create("cloudevents");
        SRunner *runner = srunner_create(suite);
        int failed;

        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        if (shared == MAP_FAILED || (path ? load(path) : load_all()) < 0)
                return EXIT_FAILURE;
        suite_add_tcase(suite, tcase);
        if (!path)
                tcase_add_loop_test(tcase, a_file_of_vectors_is_whole, 0, WEIR_COUNT_OF(files));
        tcase_add_loop_test(tcase, a_vector_holds, 0, (int)line_count);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        printf("vectors: %zu run; %u refusals: %u of the named class, %u of an allowed one, %u of "
               "another\n",
               line_count, shared->refused, shared->class_equal, shared->class_allowed,
               shared->refused - shared->class_equal - shared->class_allowed);
        srunner_free(runner);
        for (size_t i = 0; i < line_count; i++)
                free((void *)((uintptr_t)lines[i].ptr));
        free(lines);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

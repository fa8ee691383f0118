/* SPDX-License-Identifier: MIT */
/*
 * fuzz_log - lines "key=value" as the fields of one line of the log, in both forms
 *
 * Rules      LG1: one line, of UTF-8, bounded, without a control character; in the form json an object that strict JSON
 *            takes, with the event's name in it. An error's text, too, is one line without controls.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "event/json.h"
#include "fuzz.h"

#define FIELDS 24
#define LINE_BYTES 2048

/* What the log writes on standard error, into @line. */
static size_t capture(const struct weir_log_field *fields, size_t count, int form, char *line)
{
        int file = memfd_create("log", MFD_CLOEXEC), err = dup(2);
        ssize_t size;

        MUST(file >= 0 && err >= 0);
        weir_log_setup(WEIR_LOG_INFO, form);
        dup2(file, 2);
        weir_log_write(WEIR_LOG_WARN, "fuzz.line", fields, count);
        dup2(err, 2);
        close(err);
        size = pread(file, line, LINE_BYTES + 1, 0);
        close(file);
        MUST(size > 0 && size <= LINE_BYTES);
        return (size_t)size;
}

static void check_line(const struct weir_log_field *fields, size_t count, int form)
{
        char line[LINE_BYTES + 1];
        size_t size = capture(fields, count, form, line);
        struct weir_refusal refusal;

        MUST(line[size - 1] == '\n' && !memchr(line, '\n', size - 1));
        line[size - 1] = '\0';
        MUST(strlen(line) == size - 1 && weir_utf8_is(line) && strstr(line, "fuzz.line"));
        for (const char *p = line; *p; p++)
                MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
        if (form == WEIR_LOG_JSON) {
                MUST(line[0] == '{');
                MUST(weir_json_check((struct weir_view){ line, size - 1 }, NULL, &refusal) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const keys[] = { "topic", "key", "reason", "text" };
        struct weir_log_field fields[FIELDS];
        struct weir_error error = { 0 };
        struct fuzz fuzz;
        size_t count = 0;

        fuzz_begin(&fuzz, data, size);
        while (count < FIELDS && fuzz.next < fuzz.end) {
                const char *text = fuzz_line(&fuzz).ptr;

                if (count % 5 == 4)
                        fields[count] = LOG_I("offset", strlen(text) * INT64_C(0x7fffffffffffff));
                else
                        fields[count] = LOG_S(keys[count % 4], text);
                count++;
        }
        check_line(fields, count, WEIR_LOG_TEXT);
        check_line(fields, count, WEIR_LOG_JSON);
        for (size_t i = 0; i < fuzz.count; i++) {
                weir_fail(&error, WEIR_EDB, 0, "claim: %s", fuzz.pieces[i]);
                weir_error_prefix(&error, "%s: ", fuzz.pieces[i]);
                MUST(memchr(error.text, '\0', sizeof error.text));
                for (const char *p = error.text; *p; p++)
                        MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
        }
        fuzz_end(&fuzz);
        return 0;
}

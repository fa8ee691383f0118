/* SPDX-License-Identifier: MIT */
/*
 * fuzz_conf - any text as a configuration, scanned, parsed and read in this very process
 *
 * The child that would die in our place is left out (weir_guard_try below stands for guard.c): what the scanner lets
 * through must not hurt libconfig at all, and then the child has nothing to do. flex ends a process by exit(2), which
 * libFuzzer reports and the corpus run counts as a failure.
 *
 * Rules      a configuration, or problems, each one line with a place; what was taken is kept as a text
 *            from which the same is read again; an included file can be any, so the name of a secret's or an include's
 *            file in a corpus is that of no file.
 */
#include "conf/conf.h"
#include "conf/guard.h"
#include "fuzz.h"

int weir_guard_try(void (*fn)(void *arg), void *arg, int timeout_ms, struct weir_error *reterr)
{
        (void)timeout_ms, (void)reterr;
        fn(arg);
        return 0;
}

static char *shown(const struct weir_conf *conf, size_t *ret_size)
{
        char *text = NULL;
        FILE *out = open_memstream(&text, ret_size);

        MUST(out && weir_conf_show(out, conf) == 0);
        fclose(out);
        return text;
}

/* CS5: the text that a process hands to another says the same there. */
static void check_kept(const struct weir_conf *conf)
{
        struct weir_conf_problems problems = { 0 };
        struct weir_error error = { 0 };
        struct weir_conf *again = NULL;
        size_t size, again_size;
        char *text, *again_text;

        MUST(conf->text && conf->text_size <= WEIR_CONF_TEXT_BYTES_MAX);
        MUST(weir_conf_parse("fuzz.cfg", conf->text, conf->text_size, NULL, &again, &problems,
                             &error) == 0);
        text = shown(conf, &size);
        again_text = shown(again, &again_size);
        MUST(size == again_size && memcmp(text, again_text, size) == 0);
        free(text);
        free(again_text);
        weir_conf_free(again);
        weir_conf_problems_fini(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_conf_problems problems = { 0 };
        struct weir_error error = { 0 };
        struct weir_conf *conf = NULL;
        struct fuzz fuzz;
        struct weir_view text;
        int r;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_rest(&fuzz);
        r = weir_conf_parse("fuzz.cfg", text.ptr, text.size, NULL, &conf, &problems, &error);
        MUST(r == 0 || r == WEIR_ECONF);
        MUST((r == 0) == (problems.count == 0) && (r == 0) == (conf != NULL));
        for (size_t i = 0; i < problems.count; i++) {
                const char *line = problems.list[i].text;

                MUST(strncmp(line, "fuzz.cfg", 8) == 0 || strchr(line, ':'));
                for (; *line; line++)
                        MUST((unsigned char)*line >= 0x20 && *line != 0x7f);
        }
        if (conf)
                check_kept(conf);
        weir_conf_free(conf);
        weir_conf_problems_fini(&problems);
        fuzz_end(&fuzz);
        return 0;
}

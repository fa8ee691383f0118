/* SPDX-License-Identifier: MIT */
/*
 * print - the table of keys as a file, as a document, as an answer; and a configuration as it took
 * effect
 *
 * The reference is itself a valid file, with every key at its default, so that a first
 * configuration is a copy of it with three lines changed; the tests parse what is printed here.
 */
#include <string.h>

#include "conf/key.h"
#include "conf/property.h"

#define COLUMNS 96

static int outcome(FILE *out)
{
        return fflush(out) == 0 && !ferror(out) ? 0 : WEIR_ESYS;
}

/* Words of @text after @prefix, broken before COLUMNS. */
static void print_wrapped(FILE *out, const char *prefix, const char *text)
{
        size_t column = 0;

        while (*text) {
                size_t size = strcspn(text, " ");

                if (column > 0 && column + 1 + size > COLUMNS) {
                        fputc('\n', out);
                        column = 0;
                }
                if (column == 0)
                        column = (size_t)fprintf(out, "%s", prefix);
                else
                        column += (size_t)fprintf(out, " ");
                column += (size_t)fprintf(out, "%.*s", (int)size, text);
                text += size;
                text += strspn(text, " ");
        }
        fputc('\n', out);
}

static const char *reload_of(const struct weir_key *key)
{
        return key->flags & WEIR_KEY_RELOADABLE ? "SIGHUP" : "restart";
}

/* "Required. Allowed: host:port. New values: restart." or "Default: 8. Allowed: 1..256. New values: SIGHUP." */
static void describe(const struct weir_key *key, char ret[320])
{
        char allowed[160], fallback[80];

        weir_key_allowed(key, allowed);
        weir_key_default(key, fallback);
        snprintf(ret, 320, "%s%s%s%s. New values: %s.",
                 key->flags & WEIR_KEY_REQUIRED ? "Required" : "Default: ",
                 key->flags & WEIR_KEY_REQUIRED ? ""
                 : *fallback                    ? fallback
                                                : "none",
                 *allowed ? ". Allowed: " : "", allowed, reload_of(key));
}

/* ---- the reference file ------------------------------------------------------------- */

static const char reference_head[] =
        "# weir: every key of the configuration, with its default or an example\n"
        "#\n"
        "# Printed by `weir config reference`. A key that is left out has its default; only those "
        "marked\n"
        "# as required must be there. Durations: \"200ms\", \"5s\", \"5min\", \"1h\", \"7d\". Sizes: "
        "\"64KiB\", \"4MiB\", or\n"
        "# plain bytes. Relative paths are meant from the directory of this file. Another file "
        "below that\n"
        "# directory is read in its place by a line of its own: @include \"name.cfg\"\n"
        "# New values are taken over by a running weir at SIGHUP, or need a restart.\n";

static bool has_keys(const struct weir_key *key)
{
        return key->type == WEIR_KEY_GROUP || weir_key_is_list(key);
}

static void print_indent(FILE *out, unsigned depth)
{
        fprintf(out, "%*s", (int)(depth * 8), "");
}

static void print_key(FILE *out, const struct weir_key *key, unsigned depth, bool first)
{
        char prefix[40], text[320], fallback[80];

        snprintf(prefix, sizeof prefix, "%*s# ", (int)(depth * 8), "");
        if (!first)
                fputc('\n', out);
        print_wrapped(out, prefix, key->help);
        if (has_keys(key)) {
                print_indent(out, depth);
                fprintf(out, key->type == WEIR_KEY_GROUP ? "%s = {\n" : "%s = ( {\n",
                        weir_key_name(key));
                return;
        }
        describe(key, text);
        print_wrapped(out, prefix, text);
        weir_key_default(key, fallback);
        print_indent(out, depth);
        if (*fallback)
                fprintf(out, "%s = %s;\n", weir_key_name(key), fallback);
        else if (key->type == WEIR_KEY_TEXTS)
                fprintf(out, "%s = [ \"%s\" ];\n", weir_key_name(key), key->example);
        else
                fprintf(out, "%s = \"%s\";\n", weir_key_name(key), key->example);
}

static bool is_inside(const struct weir_key *key, const struct weir_key *group)
{
        size_t size = strlen(group->path);

        return !strncmp(key->path, group->path, size) && key->path[size] == '.';
}

int weir_conf_print_reference(FILE *out)
{
        const struct weir_key *open[4];
        unsigned depth = 0;

        fputs(reference_head, out);
        for (size_t i = 0; i <= weir_key_count; i++) {
                const struct weir_key *key = i < weir_key_count ? &weir_keys[i] : NULL;

                while (depth > 0 && (!key || !is_inside(key, open[depth - 1]))) {
                        depth--;
                        print_indent(out, depth);
                        fputs(weir_key_is_list(open[depth]) ? "} );\n" : "};\n", out);
                }
                if (!key)
                        break;
                print_key(out, key, depth, depth > 0 && open[depth - 1] == key - 1);
                if (has_keys(key) && depth < WEIR_COUNT_OF(open))
                        open[depth++] = key;
        }
        return outcome(out);
}

/* ---- the document ------------------------------------------------------------------- */

static const char markdown_head[] =
        "<!-- Generated by `weir config markdown`; do not edit. -->\n"
        "# Configuration\n"
        "\n"
        "One file in [libconfig](https://hyperrealm.github.io/libconfig/) syntax, named by `-c "
        "FILE`, by the\n"
        "environment variable `WEIR_CONFIG`, or else `weir.cfg` in the working directory. `weir "
        "check` lists everything that\n"
        "is wrong with it, by line; `weir config explain KEY` says in a terminal what stands here; "
        "`weir config reference`\n"
        "prints a file with every key, which is also kept as `config/reference.cfg`.\n"
        "\n"
        "* Durations carry a unit: `\"200ms\"`, `\"5s\"`, `\"5min\"`, `\"1h\"`, `\"7d\"`. Sizes are "
        "`\"64KiB\"`, `\"4MiB\"`, `\"1GiB\"` or plain\n"
        "  bytes; `MB` is refused, because it means two things.\n"
        "* Relative paths (of plugins, secrets and includes) are meant from the directory of the "
        "main file.\n"
        "* `@include \"name.cfg\"`, on a line of its own, reads another file in its place: a "
        "regular file below the directory of\n"
        "  the main file, at most 10 deep, 1000 in number, 1 MiB together.\n"
        "* Integers are 64 bits wide; one that does not fit is an error, not another number. A "
        "string ends on its line.\n"
        "* A password never stands in the file: it comes from a file of mode 600 or 400, or from "
        "the environment.\n"
        "* A file that is not valid stops the start with exit code 78 and every problem as "
        "`file:line: key: what is wrong and\n"
        "  what is allowed`.\n"
        "* A running weir takes new values over at `SIGHUP`, at the next batch, where the column `new` says so; the others "
        "need a restart,\n"
        "  and are named in the log (`reload.needs_restart`).\n";

/* A cell of a table: | would end it. */
static void print_cell(FILE *out, const char *text)
{
        for (; *text; text++) {
                if (*text == '|')
                        fputc('\\', out);
                fputc(*text, out);
        }
}

static void print_row(FILE *out, const struct weir_key *key)
{
        char allowed[160], fallback[80];

        weir_key_allowed(key, allowed);
        weir_key_default(key, fallback);
        fprintf(out, "| `%s` | ", key->path);
        print_cell(out, weir_key_type_name(key));
        if (key->flags & WEIR_KEY_REQUIRED)
                fputs(" | required | ", out);
        else
                fprintf(out, *fallback ? " | `%s` | " : " | none | ", fallback);
        print_cell(out, allowed);
        fprintf(out, " | %s | ", reload_of(key));
        print_cell(out, key->help);
        fputs(" |\n", out);
}

int weir_conf_print_markdown(FILE *out)
{
        bool in_table = false;
        const char *pattern, *reason;

        fputs(markdown_head, out);
        for (size_t i = 0; i < weir_key_count; i++) {
                const struct weir_key *key = &weir_keys[i];
                bool group = has_keys(key);
                const struct weir_key *above = i > 0 ? &weir_keys[i - 1] : NULL;

                if (group || !above || (!strchr(key->path, '.') && strchr(above->path, '.'))) {
                        fprintf(out, "\n## %s\n\n", key->path);
                        if (group)
                                fprintf(out, "%s\n\n", key->help);
                        in_table = false;
                }
                if (group)
                        continue;
                if (!in_table)
                        fputs("| key | form | default | allowed | new | meaning "
                              "|\n|---|---|---|---|---|---|\n",
                              out);
                in_table = true;
                print_row(out, key);
        }
        fputs("\n## Properties of librdkafka that are refused\n\n"
              "Everything else passes through `kafka.properties`; a name that the librdkafka in "
              "use does not know is refused at the\n"
              "start. Properties whose name holds `password`, `secret` or `passphrase` or ends in "
              "`key.pem`, and\n"
              "`sasl.oauthbearer.config`, are accepted in `kafka.secrets` only.\n\n"
              "| property | why |\n|---|---|\n",
              out);
        for (size_t i = 0; weir_property_rule(i, &pattern, &reason); i++)
                fprintf(out, "| `%s` | %s |\n", pattern, reason);
        return outcome(out);
}

/* ---- one key ------------------------------------------------------------------------ */

int weir_conf_explain(FILE *out, const char *name)
{
        const struct weir_key *key = weir_key_find(name);
        const struct weir_key *near;
        char allowed[160], fallback[80];

        if (!key) {
                near = weir_key_nearest(name);
                fprintf(out, "no such key: %s\n", name);
                if (near)
                        fprintf(out, "did you mean %s?\n", near->path);
                else
                        fputs("weir config reference lists every key\n", out);
                return WEIR_EUSAGE;
        }
        fprintf(out, "%s\n", key->path);
        print_wrapped(out, "    ", key->help);
        weir_key_allowed(key, allowed);
        weir_key_default(key, fallback);
        fprintf(out, "    form      %s\n", weir_key_type_name(key));
        if (key->flags & WEIR_KEY_REQUIRED)
                fputs("    default   none: the key is required\n", out);
        else if (*fallback || !has_keys(key))
                fprintf(out, "    default   %s\n", *fallback ? fallback : "none");
        if (*allowed)
                fprintf(out, "    allowed   %s\n", allowed);
        if (!has_keys(key))
                fprintf(out, "    new       %s\n",
                        key->flags & WEIR_KEY_RELOADABLE ? "taken over at SIGHUP, at the next batch"
                                                         : "needs a restart");
        if (key->flags & (WEIR_KEY_PATH | WEIR_KEY_SLASH))
                fputs("    path      a relative one is meant from the directory of the file\n",
                      out);
        if (has_keys(key)) {
                fputs("    keys\n", out);
                for (size_t i = 0; i < weir_key_count; i++)
                        if (is_inside(&weir_keys[i], key))
                                fprintf(out, "              %s\n", weir_keys[i].path);
        }
        return outcome(out);
}

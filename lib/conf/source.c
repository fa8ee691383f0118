/* SPDX-License-Identifier: MIT */
/*
 * source - what libconfig never gets to see
 *
 * libconfig 1.5 reads 4294967297 as 1 without a word, ends the process at @include "/etc", hangs at
 * @include of a FIFO, takes a NUL for the end of the text and counts lines in 16 bits. Instead of
 * looking for each trap in the raw text and hoping that two scanners agree on what is a string and
 * what a comment, this one is the only scanner of the file: it passes on the tokens it has
 * recognised and nothing else. libconfig remains the grammar and the tree.
 *
 * Always true   CS1 @flat holds no comment, no @include and no NUL; libconfig opens no file.
 *               CS2 every integer in it is written "…L" and fits 64 bits: nothing wraps, and
 *                   an array of small and large numbers has one type.
 *               CS3 a line of @flat holds tokens of one line of one file, in their order, but
 *                   for the punctuation after a string (scan.c). Lines without tokens have none.
 *               CS4 no group of it has two settings of one name (trail.c).
 *               CS5 taken again, the text of weir_source_keep() gives the same tokens at the same places: whoever works
 *                   by it says of a mistake where it stands in the files, not where in the text.
 * Includes      relative to the directory of the main file and inside it, links resolved; 10
 *               deep, 1000 in number, all together at most 1 MiB: ten files that include each
 *               other twenty times over would otherwise be 20^10.
 * Stricter      than libconfig: a string ends on its line, @include has its line alone.
 */
#include "conf/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"

#define BYTES_MAX ((size_t)1024 * 1024)
#define INCLUDE_DEPTH_MAX 10
#define INCLUDES_MAX 1000

/* A kept text begins with the first; "#@LINE" is the place of the line behind it, "#@LINE FILE" where the file is
 * another one than before ("#@LINE " and nothing: the main file). To a reader who does not know them: comments. */
#define KEPT_HEAD "#@ kept\n"
#define KEPT_MARK "#@"

static void scan_input(struct weir_scan *scan, struct weir_input *in);

/* ---- includes ----------------------------------------------------------------------- */

static bool inside(const char *directory, const char *path)
{
        size_t size = strlen(directory);

        return !strncmp(directory, path, size) && (path[size] == '/' || !strcmp(directory, "/"));
}

static void include(struct weir_scan *scan, const struct weir_input *from, const char *name)
{
        WEIR_FREE char *directory = realpath(scan->source->directory, NULL);
        WEIR_FREE char *real = NULL;
        const struct weir_place *place = &from->here;
        struct weir_error error;
        struct weir_input in = { .parent = from, .depth = from->depth + 1 };
        struct stat st;
        const char *path = weir_source_path(scan->source, name, scan->arena);
        char *text;
        size_t size;

        if (!path) {
                scan->source->no_memory = true;
                return;
        }
        if (scan->include_count++ == INCLUDES_MAX) {
                scan->stop = true;
                WEIR_BREAK(scan, place, "more than %d files are included", INCLUDES_MAX);
                return;
        }
        real = realpath(path, NULL);
        if (!real || !directory) {
                WEIR_BREAK(scan, place, "@include \"%s\" cannot be opened: %s", name,
                           strerror(errno));
                return;
        }
        if (!inside(directory, real)) {
                WEIR_BREAK(
                        scan, place,
                        "@include \"%s\" is outside %s; only files below the directory of the main "
                        "file are read",
                        name, directory);
                return;
        }
        if (in.depth > INCLUDE_DEPTH_MAX) {
                WEIR_BREAK(scan, place, "@include \"%s\": includes are nested more than %d deep",
                           name, INCLUDE_DEPTH_MAX);
                return;
        }
        if (weir_file_read(real, BYTES_MAX, 0, &text, &size, &st, &error) < 0) {
                WEIR_BREAK(scan, place, "@include \"%s\" %s", name, error.text);
                return;
        }
        for (const struct weir_input *up = from; up; up = up->parent) {
                if (up->device == st.st_dev && up->inode == st.st_ino) {
                        WEIR_BREAK(scan, place, "@include \"%s\" includes itself", name);
                        goto out;
                }
        }
        in.device = st.st_dev;
        in.inode = st.st_ino;
        in.p = text;
        in.end = text + size;
        in.here = (struct weir_place){ .file = path, .line = 1, .order = ++scan->order };
        scan_input(scan, &in);
out:
        weir_file_free(text, size);
}

/* The directive has its line to itself; @line_begins says whether only blanks stand before it. */
static void scan_include(struct weir_scan *scan, struct weir_input *in, bool line_begins)
{
        static const char word[] = "@include";
        size_t room = (size_t)(in->end - in->p), length;
        const char *eol = memchr(in->p, '\n', room), *p, *close;
        char name[512];

        if (!eol)
                eol = in->end;
        p = in->p + strlen(word);
        in->p = eol;
        if (!line_begins || p >= eol || memcmp(p - strlen(word), word, strlen(word)) != 0)
                goto malformed;
        while (p < eol && (*p == ' ' || *p == '\t'))
                p++;
        if (p == eol || *p != '"')
                goto malformed;
        close = memchr(p + 1, '"', (size_t)(eol - p - 1));
        length = close ? (size_t)(close - p - 1) : 0;
        if (length == 0 || length >= sizeof name || memchr(p + 1, '\\', length))
                goto malformed;
        for (const char *rest = close + 1; rest < eol; rest++) {
                if (*rest == '#' || (rest + 1 < eol && rest[0] == '/' && rest[1] == '/'))
                        break;
                if (*rest != ' ' && *rest != '\t' && *rest != '\r')
                        goto malformed;
        }
        memcpy(name, p + 1, length);
        name[length] = '\0';
        include(scan, in, name);
        in->here.order = ++scan->order; /* what follows comes after the included text */
        return;
malformed:
        WEIR_BREAK(scan, &in->here,
                   "unexpected @; an include is a line of its own: @include \"name.cfg\"");
}

/* ---- a kept text -------------------------------------------------------------------- */

static bool is_kept(const char *text, size_t size)
{
        return size >= strlen(KEPT_HEAD) && memcmp(text, KEPT_HEAD, strlen(KEPT_HEAD)) == 0;
}

/* in->p is at the first # of a line. What is no mark is a comment. */
static void scan_mark(struct weir_scan *scan, struct weir_input *in)
{
        const char *eol = memchr(in->p, '\n', (size_t)(in->end - in->p)), *p;
        unsigned long line = 0;

        if (!eol)
                eol = in->end;
        p = in->p + strlen(KEPT_MARK);
        in->p = eol;
        if (eol - p < 1 || p[-1] != '@' || *p < '0' || *p > '9')
                return;
        while (p < eol && *p >= '0' && *p <= '9' && line < UINT32_MAX / 10)
                line = line * 10 + (unsigned long)(*p++ - '0');
        in->here.line = (uint32_t)line - 1; /* that of the mark */
        if (p == eol || *p != ' ')
                return;
        p++;
        in->here.file = p == eol ? scan->source->top.place.file
                                 : weir_arena_copy(scan->arena, p, (size_t)(eol - p));
        scan->source->no_memory = scan->source->no_memory || !in->here.file;
}

char *weir_source_keep(const struct weir_source *source, struct weir_arena *arena, size_t *ret_size)
{
        const char *file = NULL, *line = source->flat;
        char *text = NULL, *copy = NULL;
        FILE *out = open_memstream(&text, ret_size);
        bool failed;

        if (!out)
                return NULL;
        fputs(KEPT_HEAD, out);
        for (size_t i = 0; i < source->line_count; i++) {
                const struct weir_place *place = &source->lines[i].place;
                size_t size = strcspn(line, "\n");

                if (place->file != file)
                        fprintf(out, KEPT_MARK "%u %s\n", place->line,
                                place->file == source->top.place.file ? "" : place->file);
                else if (place->line != source->lines[i - 1].place.line + 1)
                        fprintf(out, KEPT_MARK "%u\n", place->line);
                file = place->file;
                fprintf(out, "%.*s\n", (int)size, line);
                line += size + (line[size] == '\n');
        }
        failed = fclose(out) != 0;
        if (!failed && *ret_size <= WEIR_CONF_TEXT_BYTES_MAX)
                copy = weir_arena_copy(arena, text, *ret_size);
        free(text);
        return copy;
}

/* ---- a file ------------------------------------------------------------------------- */

static void scan_input(struct weir_scan *scan, struct weir_input *in)
{
        const char *nul = memchr(in->p, '\0', (size_t)(in->end - in->p));
        bool line_begins = true;

        scan->total_bytes += (size_t)(in->end - in->p);
        if (scan->total_bytes > (in->kept ? WEIR_CONF_TEXT_BYTES_MAX : BYTES_MAX)) {
                scan->stop = true;
                WEIR_BREAK(scan, &in->here,
                           "the configuration has more than %zu bytes, included files counted",
                           BYTES_MAX);
                return;
        }
        if (nul) {
                for (const char *p = in->p; p < nul; p++)
                        in->here.line += *p == '\n';
                WEIR_BREAK(scan, &in->here, "a NUL byte; this is not a text file");
                return;
        }
        while (in->p < in->end && !scan->stop && !scan->source->no_memory) {
                const char c = *in->p;
                bool blank = c == ' ' || c == '\t';

                if (c == '\n') {
                        weir_scan_next_line(scan, in);
                        line_begins = true;
                        continue;
                }
                if (blank || c == '\r' || c == '\f')
                        in->p++;
                else if (c == '#' && line_begins && in->kept)
                        scan_mark(scan, in);
                else if (c == '@')
                        scan_include(scan, in, line_begins);
                else
                        weir_scan_token(scan, in);
                line_begins = line_begins && blank;
        }
}

static void scan_main(struct weir_source *source, const char *path, const char *text, size_t size,
                      const struct stat *st, struct weir_arena *arena,
                      struct weir_problem_list *problems)
{
        struct weir_scan scan = { .source = source, .arena = arena, .problems = problems };
        struct weir_input in = { .p = text,
                                 .end = text + size,
                                 .here = { .file = path, .line = 1 } };

        weir_trail_init(&scan.trail);
        if (st) {
                in.device = st->st_dev;
                in.inode = st->st_ino;
        } else {
                in.kept = is_kept(text, size);
        }
        scan_input(&scan, &in);
        weir_scan_finish(&scan);
        weir_trail_fini(&scan.trail);
}

/* Names must outlive the caller's. False = no memory. */
static bool keep_names(struct weir_source *source, const char **path, struct weir_arena *arena)
{
        const char *slash = strrchr(*path, '/');

        source->directory = !slash ? "."
                            : slash == *path
                                    ? "/"
                                    : weir_arena_copy(arena, *path, (size_t)(slash - *path));
        *path = weir_arena_copy(arena, *path, strlen(*path));
        source->top.place = (struct weir_place){ .file = *path, .line = 1 };
        source->no_memory = !*path || !source->directory;
        return !source->no_memory;
}

void weir_source_take(struct weir_source *source, const char *path, const char *text, size_t size,
                      struct weir_arena *arena, struct weir_problem_list *problems)
{
        if (keep_names(source, &path, arena))
                scan_main(source, path, text, size, NULL, arena, problems);
}

void weir_source_read(struct weir_source *source, const char *path, struct weir_arena *arena,
                      struct weir_problem_list *problems)
{
        struct weir_place place = { 0 };
        struct weir_error error;
        struct stat st;
        char *text;
        size_t size;

        if (!keep_names(source, &path, arena))
                return;
        place.file = path;
        if (weir_file_read(path, BYTES_MAX, 0, &text, &size, &st, &error) < 0) {
                source->broken = true;
                weir_problem_add(problems, &place, NULL, "%s%s", error.text,
                                 error.sys == ENOENT
                                         ? "; name the configuration with -c FILE or WEIR_CONFIG"
                                         : "");
                return;
        }
        scan_main(source, path, text, size, &st, arena, problems);
        weir_file_free(text, size);
}

void weir_source_fini(struct weir_source *source)
{
        weir_file_free(source->flat, source->size);
        free(source->lines);
        *source = (struct weir_source){ 0 };
}

const struct weir_source_line *weir_source_line(const struct weir_source *source, size_t number)
{
        if (source->line_count == 0 || number == 0)
                return &source->top;
        return &source->lines[number > source->line_count ? source->line_count - 1 : number - 1];
}

const char *weir_source_path(const struct weir_source *source, const char *name,
                             struct weir_arena *arena)
{
        size_t directory_size = strlen(source->directory), name_size = strlen(name);
        char *path;

        if (*name == '/' || !strcmp(source->directory, "."))
                return weir_arena_copy(arena, name, name_size);
        path = weir_arena_alloc(arena, directory_size + name_size + 2);
        if (path)
                snprintf(path, directory_size + name_size + 2, "%s/%s", source->directory, name);
        return path;
}

/* SPDX-License-Identifier: MIT */
/*
 * problem - the list that lets one start show every mistake of a file
 *
 * Whoever corrects a file one error per start gives up after the third. So readers note and go on.
 * They meet problems in their own order (scan, tree, cross checks); a person reads from top to
 * bottom: hence the sort by place, stable for equal places because entries carry their number.
 *
 * A text here may repeat words of the file, never a value that can hold a secret: callers decide
 * that, this file only keeps foreign bytes from forging a second line.
 */
#include "conf/problem.h"

#include <stdarg.h>
#include <stdlib.h>

#define PROBLEMS_MAX 500

struct weir_problem_entry {
        uint32_t order;
        size_t number;
        char *text;
};

bool weir_problem_full(const struct weir_problem_list *list)
{
        return list->count >= PROBLEMS_MAX;
}

static void make_one_line(char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        *text = '?';
}

/* Room for one more entry; false = no memory. */
static bool reserve(struct weir_problem_list *list)
{
        size_t room = list->room ? list->room * 2 : 16;
        struct weir_problem_entry *entries;

        if (list->count < list->room)
                return true;
        entries = reallocarray(list->entries, room, sizeof *entries);
        if (!entries)
                return false;
        list->entries = entries;
        list->room = room;
        return true;
}

void weir_problem_add(struct weir_problem_list *list, const struct weir_place *place,
                      const char *key, const char *format, ...)
{
        char line[16] = "";
        WEIR_FREE char *what = NULL;
        char *text;
        va_list ap;
        int r;

        if (weir_problem_full(list)) {
                list->dropped++;
                return;
        }
        va_start(ap, format);
        r = vasprintf(&what, format, ap);
        va_end(ap);
        if (r < 0) {
                what = NULL; /* vasprintf leaves it undefined */
                list->no_memory = true;
                return;
        }
        if (place->line > 0)
                snprintf(line, sizeof line, ":%u", place->line);
        r = asprintf(&text, "%s%s: %s%s%s", place->file, line, key ? key : "", key ? ": " : "",
                     what);
        if (r < 0) {
                list->no_memory = true;
                return;
        }
        if (!reserve(list)) {
                free(text);
                list->no_memory = true;
                return;
        }
        make_one_line(text);
        list->entries[list->count] = (struct weir_problem_entry){ place->order, list->count, text };
        list->count++;
}

static int by_place(const void *a, const void *b)
{
        const struct weir_problem_entry *x = a, *y = b;

        if (x->order != y->order)
                return x->order < y->order ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static void empty(struct weir_problem_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->entries[i].text);
        free(list->entries);
        *list = (struct weir_problem_list){ 0 };
}

int weir_problem_finish(struct weir_problem_list *list, struct weir_conf_problems *ret,
                        struct weir_error *reterr)
{
        struct weir_conf_problem *texts;
        size_t more = list->count + list->dropped;
        int r;

        if (list->no_memory) {
                empty(list);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading the configuration");
        }
        if (list->count == 0) {
                empty(list);
                return 0;
        }
        qsort(list->entries, list->count, sizeof *list->entries, by_place);
        more--;
        if (more > 0)
                r = weir_fail(reterr, WEIR_ECONF, 0, "%.400s (and %zu more)", list->entries[0].text,
                              more);
        else
                r = weir_fail(reterr, WEIR_ECONF, 0, "%s", list->entries[0].text);
        if (ret) {
                texts = calloc(list->count, sizeof *texts);
                if (!texts) {
                        empty(list);
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "reading the configuration");
                }
                for (size_t i = 0; i < list->count; i++)
                        texts[i].text = WEIR_TAKE(list->entries[i].text);
                *ret = (struct weir_conf_problems){ texts, list->count };
        }
        empty(list);
        return r;
}

void weir_conf_problems_fini(struct weir_conf_problems *problems)
{
        if (!problems)
                return;
        for (size_t i = 0; i < problems->count; i++)
                free(problems->list[i].text);
        free(problems->list);
        *problems = (struct weir_conf_problems){ 0 };
}

/* SPDX-License-Identifier: MIT */
/*
 * show - a configuration as it took effect: includes read, defaults filled in, secrets left out
 *
 * Answers "which value does it really run with". A line for each key, "key = value", not a file to
 * be read back: secrets and a plugin's options are not printed (weir cannot tell which option is
 * one).
 */
#include "conf/show.h"

#include <string.h>

/* NULL is an empty text that means nothing. */
static void print_text(FILE *out, const char *text)
{
        fputc('"', out);
        for (; text && *text; text++) {
                if (*text == '"' || *text == '\\')
                        fputc('\\', out);
                fputc(*text, out);
        }
        fputc('"', out);
}

/* Receivers that know no headers take their key in the query. */
static void print_url(FILE *out, const char *url)
{
        size_t size = url ? strcspn(url, "?") : 0;

        fprintf(out, "\"%.*s%s\"", (int)size, url ? url : "",
                url && url[size] ? "?(not shown)" : "");
}

static void print_word(FILE *out, const char *choices, int index)
{
        for (; index > 0; index--)
                choices += strcspn(choices, "|") + 1;
        fprintf(out, "\"%.*s\"", (int)strcspn(choices, "|"), choices);
}

static void print_start(FILE *out, const struct weir_conf_worker *worker)
{
        if (worker->start == WEIR_START_TIME)
                fprintf(out, "%lld ms since 1970", (long long)worker->start_time_ms);
        else
                fputs(worker->start == WEIR_START_LATEST ? "\"latest\"" : "\"earliest\"", out);
}

static void print_properties(FILE *out, const struct weir_conf *conf, bool secret)
{
        const char *separator = " ";

        fputc('[', out);
        for (size_t i = 0; i < conf->property_count; i++) {
                const struct weir_conf_property *property = &conf->properties[i];

                if (property->secret != secret)
                        continue;
                fprintf(out, "%s\"%s=%s\"", separator, property->name,
                        secret ? "(secret)" : property->value);
                separator = ", ";
        }
        fputs(" ]", out);
}

void weir_conf_print_value(FILE *out, const struct weir_key *key, const void *base,
                           const struct weir_conf *conf)
{
        const void *field = (const char *)base + key->offset;
        char text[32];

        switch (key->type) {
        case WEIR_KEY_COUNT: fprintf(out, "%u", *(const uint32_t *)field); break;
        case WEIR_KEY_SIZE:
                weir_size_write(text, (int64_t) * (const uint64_t *)field);
                fprintf(out, "\"%s\"", text);
                break;
        case WEIR_KEY_DURATION:
                weir_duration_write(text, *(const int64_t *)field * key->unit_us);
                fprintf(out, "\"%s\"", text);
                break;
        case WEIR_KEY_BOOL: fputs(*(const bool *)field ? "true" : "false", out); break;
        case WEIR_KEY_START: print_start(out, base); break;
        case WEIR_KEY_WORD: print_word(out, key->allowed, *(const int *)field); break;
        case WEIR_KEY_TEXTS: {
                const char *const *texts = *(const char *const *const *)field;
                size_t count = *(const size_t *)(const void *)((const char *)base +
                                                               key->count_offset);

                fputc('[', out);
                for (size_t i = 0; i < count; i++) {
                        fputs(i > 0 ? ", " : " ", out);
                        print_text(out, texts[i]);
                }
                fputs(" ]", out);
                break;
        }
        case WEIR_KEY_PROPERTIES:
        case WEIR_KEY_SECRETS: print_properties(out, conf, key->type == WEIR_KEY_SECRETS); break;
        case WEIR_KEY_OPTIONS:
                fputs(*(struct weir_option *const *)field ? "(the plugin's own, not shown)" : "{ }",
                      out);
                break;
        default:
                if (key->check == weir_check_sink_url)
                        print_url(out, *(const char *const *)field);
                else
                        print_text(out, *(const char *const *)field);
                break;
        }
        fputc('\n', out);
}

static void show_list(FILE *out, const struct weir_key *list, const struct weir_key_base *base)
{
        const void *element;

        for (size_t n = 0; weir_key_element(base, list, n, &element); n++)
                for (size_t i = 0; i < weir_key_count; i++) {
                        const struct weir_key *key = &weir_keys[i];

                        if (weir_key_list(key) != list || key->type == WEIR_KEY_GROUP)
                                continue;
                        fprintf(out, "%s.[%zu]%s = ", list->path, n,
                                key->path + strlen(list->path));
                        weir_conf_print_value(out, key, element, &base->conf);
                }
}

int weir_conf_show(FILE *out, const struct weir_conf *conf)
{
        const struct weir_key_base *base = (const void *)((const char *)conf -
                                                          offsetof(struct weir_key_base, conf));

        for (size_t i = 0; i < weir_key_count; i++) {
                const struct weir_key *key = &weir_keys[i];

                if (weir_key_list(key) || key->type == WEIR_KEY_GROUP || weir_key_is_list(key))
                        continue;
                fprintf(out, "%s = ", key->path);
                weir_conf_print_value(out, key, base, conf);
        }
        for (size_t i = 0; i < weir_key_count; i++)
                if (weir_key_is_list(&weir_keys[i]))
                        show_list(out, &weir_keys[i], base);
        return fflush(out) == 0 && !ferror(out) ? 0 : WEIR_ESYS;
}

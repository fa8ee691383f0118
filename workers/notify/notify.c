/* SPDX-License-Identifier: MIT */
/*
 * notify - which sinks an event goes to, by rules
 *
 * The plugin only decides. What it decides is a row of the outbox in the transaction that passes
 * the offset, and weir's relay sends it: so an event that was routed arrives, and one whose batch
 * was rolled back was never routed.
 *
 * Always true  NO1 a sink gets an event once, however many rules name it.
 *              NO2 what an event goes to depends on the event and the options, on nothing else: a
 *                  redelivered record makes the same rows.
 *              NO3 open() refuses whatever could not work later: a handler has no way to say that a
 *                  rule is wrong but to condemn events that are right.
 * Cost         a rule is a few comparisons, an event no allocation. Texts of the options live until
 *              close(), so nothing is copied.
 * Not chosen   CloudEvents SQL: a language for what four conditions say. Regular expressions: their
 *              worst case is up to whoever writes the event. A list of sinks per rule: as a set of
 *              bits, "every rule that matches" is one OR, and NO1 needs no search.
 */
#include <stdlib.h>

#include <weir/worker.h>

enum {
        RULES_MAX = 256,
        SINKS_MAX = 256, /* weir allows no more */
        SINK_WORDS = SINKS_MAX / 64,
        CONDITIONS_MAX = 8, /* on extensions, in one rule */
        PATH_BYTES = 96     /* "rules.[255].extension.[7].value", and a big number */
};

/* Equal to @text, or, where it ended in *, beginning with it. @text NULL: no condition. */
struct pattern {
        const char *text;
        size_t size;
        bool prefix;
};

struct condition {
        const char *name; /* of an extension */
        struct pattern value;
};

struct rule {
        struct pattern type, source, subject;
        struct condition extensions[CONDITIONS_MAX];
        size_t extension_count;
        uint64_t sinks[SINK_WORDS]; /* bits, by index in notify.sinks */
};

struct notify {
        bool first;  /* match = "first": the rules behind one that matches are not looked at */
        bool reject; /* unmatched = "reject" */
        const char *sinks[SINKS_MAX];
        size_t sink_count;
        size_t rule_count;
        struct rule rules[];
};

/* ---- does a rule match ---------------------------------------------------------------------- */

static bool pattern_matches(const struct pattern *pattern, struct weir_view value)
{
        if (!pattern->text)
                return true;
        if (!value.ptr || value.size < pattern->size ||
            (value.size > pattern->size && !pattern->prefix))
                return false;
        return memcmp(value.ptr, pattern->text, pattern->size) == 0;
}

static bool condition_matches(const struct condition *condition, const struct weir_event *event)
{
        for (size_t i = 0; i < event->extension_count; i++)
                if (strcmp(event->extensions[i].name.ptr, condition->name) == 0)
                        return pattern_matches(&condition->value, event->extensions[i].value);
        return false;
}

static bool rule_matches(const struct rule *rule, const struct weir_event *event)
{
        if (!pattern_matches(&rule->type, event->type) ||
            !pattern_matches(&rule->source, event->source) ||
            !pattern_matches(&rule->subject, event->subject))
                return false;
        for (size_t i = 0; i < rule->extension_count; i++)
                if (!condition_matches(&rule->extensions[i], event))
                        return false;
        return true;
}

/* ---- does a rule leave anything to a later one ---------------------------------------------- */

/* Is every value that @inner matches matched by @outer? */
static bool pattern_covers(const struct pattern *outer, const struct pattern *inner)
{
        if (!outer->text)
                return true;
        if (!inner->text || inner->size < outer->size ||
            (!outer->prefix && (inner->prefix || inner->size > outer->size)))
                return false;
        return memcmp(inner->text, outer->text, outer->size) == 0;
}

static bool rule_covers(const struct rule *outer, const struct rule *inner)
{
        if (!pattern_covers(&outer->type, &inner->type) ||
            !pattern_covers(&outer->source, &inner->source) ||
            !pattern_covers(&outer->subject, &inner->subject))
                return false;
        for (size_t i = 0; i < outer->extension_count; i++) {
                size_t k = 0;

                while (k < inner->extension_count &&
                       (strcmp(inner->extensions[k].name, outer->extensions[i].name) != 0 ||
                        !pattern_covers(&outer->extensions[i].value, &inner->extensions[k].value)))
                        k++;
                if (k == inner->extension_count)
                        return false;
        }
        return true;
}

static bool takes_any(const struct pattern *pattern)
{
        return !pattern->text || (pattern->prefix && pattern->size == 0);
}

/* Every event for certain; one without a subject does not match subject = "*". */
static bool takes_all(const struct rule *rule)
{
        return takes_any(&rule->type) && takes_any(&rule->source) && !rule->subject.text &&
               rule->extension_count == 0;
}

/* ---- reading the options: everything that is wrong, at once --------------------------------- */

struct opening {
        const struct weir_host *host;
        struct notify *notify;
        char text[700]; /* weir puts file, worker and plugin before it */
        size_t used, count, dropped;
};

static void complain(struct opening *opening, const char *words)
{
        size_t room = sizeof opening->text - 24 - opening->used; /* for "(and N more)" */
        int n = snprintf(opening->text + opening->used, room, "%s%s", opening->count ? "; " : "",
                         words);

        opening->count++;
        if (n >= 0 && (size_t)n < room) {
                opening->used += (size_t)n;
        } else if (opening->used == 0) {
                opening->used = room - 1;
        } else { /* no room: on a line of its own */
                opening->text[opening->used] = '\0';
                opening->dropped++;
                opening->host->log(opening->host, WEIR_LOG_ERROR, "notify.option", words);
        }
}

/* Complain about the option @path; the place is that of @near, where @path itself may be absent. */
static void wrong_near(struct opening *opening, const char *near, const char *path,
                       const char *words)
{
        char text[300];

        snprintf(text, sizeof text, "%s: options.%s: %s",
                 opening->host->option_where(opening->host, near), path, words);
        complain(opening, text);
}

static void wrong(struct opening *opening, const char *path, const char *words)
{
        wrong_near(opening, path, path, words);
}

/* 1 found, 0 absent, < 0 complained about: of another type. */
static int read_text(struct opening *opening, const char *path, const char **ret)
{
        struct weir_error error = { .code = 0 };
        int r = opening->host->option_text(opening->host, path, ret, &error);

        if (r < 0)
                complain(opening, error.text);
        return r;
}

static int read_count(struct opening *opening, const char *path, size_t *ret)
{
        struct weir_error error = { .code = 0 };
        int r = opening->host->option_count(opening->host, path, ret, &error);

        if (r < 0)
                complain(opening, error.text);
        return r;
}

static int read_pattern(struct opening *opening, const char *path, struct pattern *ret)
{
        const char *text = NULL;
        int r = read_text(opening, path, &text);

        if (r <= 0)
                return r;
        if (!*text) {
                wrong(opening, path, "is empty; leave it out, or write * for any value");
                return -1;
        }
        ret->text = text;
        ret->size = strlen(text);
        ret->prefix = text[ret->size - 1] == '*';
        if (ret->prefix)
                ret->size--;
        return 1;
}

static bool is_extension_name(const char *name)
{
        static const char *const others[] = {
                "id",         "source",          "type", "subject", "time", "specversion",
                "dataschema", "datacontenttype", "data"
        };

        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                if (strcmp(others[i], name) == 0)
                        return false;
        return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")];
}

/* One { name = ...; value = ...; } at @path. */
static void read_condition(struct opening *opening, const char *path, struct rule *rule)
{
        struct condition condition = { .name = NULL };
        char name[PATH_BYTES + 8], value[PATH_BYTES + 8];
        int has_name, has_value;

        snprintf(name, sizeof name, "%s.name", path);
        snprintf(value, sizeof value, "%s.value", path);
        has_name = read_text(opening, name, &condition.name);
        has_value = read_pattern(opening, value, &condition.value);
        if (has_name == 0 || has_value == 0)
                wrong(opening, path, "needs both name and value");
        if (has_name <= 0 || has_value <= 0)
                return;
        if (!is_extension_name(condition.name)) {
                wrong(opening, name,
                      "names no extension: small letters and digits, and no attribute of the core");
                return;
        }
        for (size_t i = 0; i < rule->extension_count; i++)
                if (strcmp(rule->extensions[i].name, condition.name) == 0) {
                        wrong(opening, name, "is asked for twice in one rule");
                        return;
                }
        if (rule->extension_count == CONDITIONS_MAX)
                wrong(opening, path, "is one too many; a rule may ask for 8 extensions");
        else
                rule->extensions[rule->extension_count++] = condition;
}

/* A group, or a list of groups. */
static void read_extensions(struct opening *opening, const char *path, struct rule *rule)
{
        char element[PATH_BYTES];
        size_t count = 0, members;
        struct weir_error ignored;

        if (read_count(opening, path, &count) <= 0)
                return;
        snprintf(element, sizeof element, "%s.[0]", path);
        if (count > 0 &&
            opening->host->option_count(opening->host, element, &members, &ignored) == 0) {
                read_condition(opening, path, rule); /* a group has no element 0 */
                return;
        }
        if (count == 0)
                wrong(opening, path, "is empty; leave it out");
        for (size_t i = 0; i < count; i++) {
                snprintf(element, sizeof element, "%s.[%zu]", path, i);
                if (read_count(opening, element, &members) > 0)
                        read_condition(opening, element, rule);
        }
}

static void add_sink(struct opening *opening, const char *path, const char *name, struct rule *rule)
{
        struct notify *notify = opening->notify;
        size_t i = 0;

        if (!weir_host_sink_known(opening->host, name)) {
                char words[140];

                snprintf(words, sizeof words, "there is no sink %.64s; sinks = ( ... ) makes them",
                         name);
                wrong(opening, path, words);
                return;
        }
        while (i < notify->sink_count && strcmp(notify->sinks[i], name) != 0)
                i++;
        if (i == SINKS_MAX) {
                wrong(opening, path, "is one sink too many; allowed: 256");
                return;
        }
        if (i == notify->sink_count)
                notify->sinks[notify->sink_count++] = name;
        if (rule->sinks[i / 64] >> (i % 64) & 1)
                wrong(opening, path, "is listed twice");
        if (weir_host_sink_returns(opening->host, name) && takes_all(rule) &&
            (rule == notify->rules || !notify->first))
                wrong(opening, path,
                      "is a topic that this worker reads, and the rule sends every event there: they "
                      "would go round for ever; give the rule a condition, or take another topic");
        rule->sinks[i / 64] |= UINT64_C(1) << (i % 64);
}

static void read_to(struct opening *opening, const char *rule_path, struct rule *rule)
{
        char path[PATH_BYTES], element[PATH_BYTES + 32];
        size_t count = 0;
        int r;

        snprintf(path, sizeof path, "%s.to", rule_path);
        r = read_count(opening, path, &count);
        if (r < 0)
                return;
        for (size_t i = 0; i < count; i++) {
                const char *name = NULL;

                snprintf(element, sizeof element, "%s.[%zu]", path, i);
                r = read_text(opening, element, &name);
                if (r > 0)
                        add_sink(opening, element, name, rule);
                else if (r == 0) /* of a group */
                        count = 0;
        }
        if (count == 0)
                wrong_near(opening, r ? path : rule_path, path,
                           "names no sink; it is a list: to = [ \"name\", ... ]");
}

static void read_rule(struct opening *opening, size_t index)
{
        static const char *const names[] = { "type", "source", "subject" };
        struct rule *rule = &opening->notify->rules[index];
        struct pattern *const patterns[] = { &rule->type, &rule->source, &rule->subject };
        char rule_path[32], path[48]; /* the index is below RULES_MAX */
        size_t members = 0;
        int r;

        snprintf(rule_path, sizeof rule_path, "rules.[%zu]", index);
        r = read_count(opening, rule_path, &members);
        if (r == 0) /* rules is a group: say it once */
                opening->notify->rule_count = 0;
        if (r == 0)
                wrong(opening, "rules", "is a group { }, must be a list of groups ( { }, { } )");
        if (r <= 0)
                return;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                snprintf(path, sizeof path, "%s.%s", rule_path, names[i]);
                read_pattern(opening, path, patterns[i]);
        }
        snprintf(path, sizeof path, "%s.extension", rule_path);
        read_extensions(opening, path, rule);
        read_to(opening, rule_path, rule);
}

/* *ret = is it @second? It is @first when absent. */
static void read_choice(struct opening *opening, const char *path, const char *first,
                        const char *second, bool *ret)
{
        const char *text = first;
        char words[80];

        if (read_text(opening, path, &text) <= 0)
                return;
        *ret = strcmp(text, second) == 0;
        if (*ret || strcmp(text, first) == 0)
                return;
        snprintf(words, sizeof words, "is neither %s nor %s", first, second);
        wrong(opening, path, words);
}

/* ---- the plugin ----------------------------------------------------------------------------- */

static void warn_unreachable(const struct weir_host *host, const struct notify *notify)
{
        for (size_t i = 1; i < notify->rule_count; i++)
                for (size_t k = 0; k < i; k++) {
                        char path[32], text[400];
                        int n;

                        if (!rule_covers(&notify->rules[k], &notify->rules[i]))
                                continue;
                        snprintf(path, sizeof path, "rules.[%zu]", i);
                        n = snprintf(text, sizeof text,
                                     "%.150s: this rule is never reached: with "
                                     "match = \"first\", all that it matches goes "
                                     "by the rule at ",
                                     host->option_where(host, path));
                        snprintf(path, sizeof path, "rules.[%zu]", k);
                        snprintf(text + n, sizeof text - (size_t)n, "%.150s",
                                 host->option_where(host, path));
                        host->log(host, WEIR_LOG_WARN, "notify.rule_unreachable", text);
                        break;
                }
}

static int notify_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        struct opening opening = { .host = host };
        size_t count = 0;
        int r = read_count(&opening, "rules", &count);
        struct notify *notify;
        char unknown[300];

        if (r >= 0 && count == 0)
                wrong(&opening, "rules",
                      "there is none; rules = ( { type = \"...\"; to = [ \"...\" ]; } )");
        if (count > RULES_MAX)
                wrong(&opening, "rules", "are too many; allowed: 256");
        if (count > RULES_MAX)
                count = 0;
        notify = calloc(1, sizeof *notify + count * sizeof *notify->rules);
        if (!notify)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory for %zu rules", count);
        opening.notify = notify;
        notify->rule_count = count;
        read_choice(&opening, "match", "all", "first", &notify->first);
        read_choice(&opening, "unmatched", "skip", "reject", &notify->reject);
        for (size_t i = 0; i < notify->rule_count; i++)
                read_rule(&opening, i);
        for (size_t i = 0; host->option_unknown(host, i, unknown, sizeof unknown); i++)
                complain(&opening, unknown);
        if (opening.count > 0) {
                free(notify);
                if (opening.dropped > 0)
                        snprintf(opening.text + opening.used, sizeof opening.text - opening.used,
                                 " (and %zu more)", opening.dropped);
                weir_refuse(WEIR_ECONF, reterr, "%s", opening.text);
                reterr->code = WEIR_ECONF; /* not the handler's fault: the file's */
                return WEIR_ECONF;
        }
        if (notify->first)
                warn_unreachable(host, notify);
        *ret_self = notify;
        return 0;
}

static int unmatched(const struct notify *notify, const struct weir_event *event,
                     struct weir_error *reterr)
{
        if (!notify->reject)
                return WEIR_SKIP;
        return weir_reject(reterr, "no rule matches type %.100s, source %.100s, subject %.100s",
                           event->type.ptr, event->source.ptr,
                           event->subject.ptr ? event->subject.ptr : "(none)");
}

static int notify_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        const struct notify *notify = self;
        uint64_t due[SINK_WORDS] = { 0 };
        bool any = false;

        for (size_t i = 0; i < notify->rule_count && !(any && notify->first); i++) {
                if (!rule_matches(&notify->rules[i], event))
                        continue;
                any = true;
                for (size_t k = 0; k < SINK_WORDS; k++)
                        due[k] |= notify->rules[i].sinks[k]; /* NO1 */
        }
        if (!any)
                return unmatched(notify, event, reterr);
        for (size_t i = 0; i < notify->sink_count; i++) {
                int r;

                if (!(due[i / 64] >> (i % 64) & 1))
                        continue;
                r = weir_tx_deliver(tx, notify->sinks[i], event, reterr);
                if (r < 0)
                        return r;
        }
        return WEIR_DONE;
}

static void notify_close(void *self)
{
        free(self);
}

WEIR_WORKER(.name = "notify", .version = "1.0", .open = notify_open, .handle = notify_handle,
            .close = notify_close)

/* SPDX-License-Identifier: MIT */
/*
 * opener - an open() that does what its options say, without a database
 *
 * Options: text, number, truth (read), rules (a list of groups with a member type), declared
 * (known, not read), fail (the number that open() returns), fail_text (the words it says then),
 * sink (a name that has to be known).
 */
#include <stdlib.h>

#include <weir/worker.h>

struct opener {
        const struct weir_host *host;
};

static int opener_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        const char *text = "", *words = NULL, *type = NULL, *sink = NULL;
        int64_t number = 0, fail = 0;
        bool truth = false;
        size_t count = 0;
        struct opener *opener;

        if (host->option_text(host, "text", &text, reterr) < 0 ||
            host->option_int(host, "number", &number, reterr) < 0 ||
            host->option_bool(host, "truth", &truth, reterr) < 0 ||
            host->option_int(host, "fail", &fail, reterr) < 0 ||
            host->option_text(host, "fail_text", &words, reterr) < 0 ||
            host->option_text(host, "sink", &sink, reterr) < 0 ||
            host->option_count(host, "rules", &count, reterr) < 0)
                return reterr->code;
        if (sink && !weir_host_sink_known(host, sink))
                return weir_refuse(WEIR_ECONF, reterr, "%s: no sink is named %s",
                                   host->option_where(host, "sink"), sink);
        for (size_t i = 0; i < count; i++) {
                char path[48];

                snprintf(path, sizeof path, "rules.[%zu].type", i);
                if (host->option_text(host, path, &type, reterr) < 0)
                        return reterr->code;
        }
        host->option_known(host, "declared");
        if (fail && words)
                return weir_refuse((int)fail, reterr, "%s: %s", host->option_where(host, "fail"),
                                   words);
        if (fail)
                return (int)fail;
        opener = calloc(1, sizeof *opener);
        if (!opener)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        opener->host = host;
        *ret_self = opener;
        host->log(host, WEIR_LOG_DEBUG + 5, "opener.opened", text);
        return 0;
}

static int opener_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_SKIP;
}

WEIR_WORKER(.name = "opener", .version = "1.0", .open = opener_open, .handle = opener_handle,
            .close = free)

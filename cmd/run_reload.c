/* SPDX-License-Identifier: MIT */
/*
 * run_reload - answer what is asked, then do what is said
 *
 * Polled by the main thread, which has nothing else to do: an order on the board cannot be lost, doubled or overtaken, and
 * a process that was stopped for an hour finds what is true now.
 *
 * The order     the number that is offered is read first, then what became of the one that was answered: the supervisor
 *               writes go and dropped before it offers another (guard/offer.c). Read the other way round, a later offer
 *               could hide a go in between.
 * Alone         there is nobody to agree with: prepared and taken over at once.
 */
#include "run_reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "base/log.h"
#include "conf/diff.h"
#include "guard/offer.h"

/* Parse what is offered and open it beside what runs. */
static int prepare(struct run_reload *reload, const struct weir_board *board,
                   struct weir_error *reterr)
{
        const struct weir_hash_mark object = board->offer.object;
        const char *path = weir_runtime_conf(reload->runtime)->path;
        struct weir_conf *conf;
        char *text;
        size_t size;
        int r;

        if (weir_offer_text(board, reload->offer_fd, &text, &size) < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "the text that is offered: %s",
                                 strerror(errno));
        r = weir_runtime_load_text(path, text, size, &conf, reterr);
        free(text);
        return r < 0 ? r : weir_runtime_prepare(reload->runtime, conf, &object, reterr);
}

static void answer(struct run_reload *reload, struct weir_board *board)
{
        struct weir_error error = { 0 };

        if (prepare(reload, board, &error) < 0) {
                snprintf(board->offer.why, sizeof board->offer.why, "%s", error.text);
                atomic_store(&board->offer.refused, reload->seen);
                return;
        }
        weir_log(WEIR_LOG_DEBUG, "reload.prepared", LOG_I("reload", reload->seen));
        reload->prepared = true;
        atomic_store(&board->offer.prepared, reload->seen);
}

const struct weir_conf *run_reload_look(struct run_reload *reload)
{
        struct weir_board *board = weir_board_used();
        const struct weir_conf *now = NULL;
        uint32_t offered = board ? atomic_load(&board->offer.offered) : 0;

        if (reload->prepared && board->offer.go == reload->seen) {
                now = weir_runtime_commit(reload->runtime);
                reload->prepared = false;
                reload->taking = true;
        } else if (reload->prepared &&
                   (board->offer.dropped == reload->seen || offered != reload->seen)) {
                weir_runtime_drop(reload->runtime);
                reload->prepared = false;
        }
        if (reload->taking && weir_runtime_reloaded(reload->runtime)) {
                reload->taking = false;
                atomic_store(&board->offer.taken, reload->seen);
        }
        if (offered != reload->seen && !reload->taking) {
                reload->seen = offered;
                if (offered && board->offer.dropped != offered)
                        answer(reload, board);
        }
        return now;
}

bool run_reload_is_busy(const struct run_reload *reload)
{
        return reload->prepared || reload->taking;
}

/* ---- alone ---------------------------------------------------------------------------------- */

static void tell_change(void *context, const char *key, const char *of, bool reloadable)
{
        (void)context;
        if (!reloadable)
                weir_log(WEIR_LOG_WARN, "reload.needs_restart", LOG_S("key", key),
                         LOG_S("of", of ? of : ""));
}

const struct weir_conf *run_reload_file(struct weir_runtime *runtime)
{
        const struct weir_conf *first = weir_runtime_conf(runtime);
        struct weir_conf_problems problems = { 0 };
        struct weir_error error = { 0 };
        struct weir_conf *conf = NULL;
        int r = weir_runtime_load(first->path, &conf, &problems, &error);

        weir_conf_problems_fini(&problems);
        if (r == 0)
                r = weir_conf_diff(first, conf, tell_change, NULL, &error);
        if (r >= 0)
                r = weir_runtime_prepare(runtime, WEIR_TAKE(conf), NULL, &error);
        weir_conf_free(conf);
        if (r == 0)
                return weir_runtime_commit(runtime);
        weir_log(WEIR_LOG_ERROR, "reload.refused", LOG_S("error", error.text),
                 LOG_S("action", "keep"));
        return NULL;
}

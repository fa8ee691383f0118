/* SPDX-License-Identifier: MIT */
/*
 * call - one call of a handler, with one event or many, and what each of them came to
 *
 * Around the plugin's code stand three things that must not be forgotten on any way out: the board says who is
 * inside (BD1, base/board.h), the transaction knows the events that may be asked for, and what was made for them is
 * freed when it returns.
 *
 * Always true   where weir found the transaction broken although the handler was content, nobody knows which event
 *               of the batch it was, so each of them has that outcome.
 *               What came before an event that is not good is in the same transaction: a loop over single events ends
 *               there, and the rest is not called for.
 */
#include "plugin/verdict.h"

#include "base/board.h"
#include "base/thread.h"
#include "event/json.h"

static void begin_call(struct weir_handler_tx *tx, const struct weir_event *const *events,
                       size_t count)
{
        WEIR_ON(WEIR_ROLE_LANE);
        tx->events = events;
        tx->event_count = count;
        tx->event_hint = 0;
        tx->emitted = 0;
        tx->guarded = false;
        weir_board_enter(events[0]->offset, events[count - 1]->offset, (int32_t)count);
}

static void end_call(struct weir_handler_tx *tx)
{
        for (size_t i = 0; i < tx->event_count && i < tx->tree_room; i++) {
                weir_json_free(tx->trees[i]);
                tx->trees[i] = NULL;
        }
        weir_pg_rows_free(tx->rows);
        tx->rows = NULL;
        tx->events = NULL;
        tx->event_count = 0;
}

/* Make outcomes[] say what the batch's own outcome says. Returns @all, or the first that is not
 * good. */
static int settle_outcomes(int all, int *outcomes, size_t count)
{
        int r = all;

        for (size_t i = 0; i < count; i++) {
                if (all != WEIR_DONE)
                        outcomes[i] = weir_verdict_known(all) ? all : WEIR_REJECT;
                else if (!weir_verdict_known(outcomes[i]))
                        outcomes[i] = WEIR_REJECT;
                if (weir_verdict_good(r) && !weir_verdict_good(outcomes[i]))
                        r = outcomes[i];
        }
        return r;
}

static int call_together(struct weir_handler_tx *tx, const struct weir_event *const *events,
                         size_t count, int *outcomes, struct weir_error *reterr)
{
        struct weir_error said = { .code = 0 };
        bool named;
        int r, all;

        for (size_t i = 0; i < count; i++)
                outcomes[i] = WEIR_DONE;
        begin_call(tx, events, count);
        all = tx->worker->handle_batch(tx->self, &tx->public, events, count, outcomes, &said);
        weir_board_leave();
        r = settle_outcomes(all, outcomes, count);
        named = !weir_verdict_good(r);
        r = weir_verdict_judge(tx, r, &said, reterr);
        end_call(tx);
        if (r > WEIR_SKIP && !named)
                for (size_t i = 0; i < count; i++)
                        outcomes[i] = r; /* T2: nobody knows which event of the batch it was */
        return r == WEIR_SKIP ? WEIR_DONE : r;
}

int weir_handler_tx_call(struct weir_handler_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        struct weir_error said = { .code = 0 };
        int outcome = WEIR_DONE, r;

        if (tx->worker->handle_batch) {
                r = call_together(tx, &event, 1, &outcome, reterr);
                return r == 0 ? outcome : r;
        }
        begin_call(tx, &event, 1);
        r = tx->worker->handle(tx->self, &tx->public, event, &said);
        weir_board_leave();
        r = weir_verdict_judge(tx, r, &said, reterr);
        end_call(tx);
        return r;
}

int weir_handler_tx_call_batch(struct weir_handler_tx *tx, const struct weir_event *const *events,
                               size_t count, int *outcomes, struct weir_error *reterr)
{
        if (tx->worker->handle_batch)
                return call_together(tx, events, count, outcomes, reterr);
        for (size_t i = 0; i < count; i++)
                outcomes[i] = WEIR_DONE;
        for (size_t i = 0; i < count; i++) {
                int r = weir_handler_tx_call(tx, events[i], reterr);

                if (r >= 0)
                        outcomes[i] = r;
                if (!weir_verdict_good(r))
                        return r;
        }
        return 0;
}

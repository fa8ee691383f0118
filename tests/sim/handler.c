/* SPDX-License-Identifier: MIT */
/*
 * handler - a plugin that does to each event what the seed has written beside it, in place of lib/plugin
 *
 * What comes into effect is a row in the model's open transaction, at once or when rows are sent, so it lives and dies
 * with the claim. Nothing keeps it unique: that is what is to be shown.
 *
 * Always true   T1 a failure is remembered: what is sent after it fails with it.
 * Not modelled  what a plugin may do wrong (T2, T3): the unit tests of lib/plugin have it.
 */
#include "plugin/host.h"
#include "plugin/tx.h"

#include <stdlib.h>
#include <string.h>
#include <weir/worker.h>

#include "plan.h"
#include "process.h"
#include "store.h"

enum { ROWS_MAX = 512 };

struct weir_handler_tx {
        const struct weir_handler *handler;
        struct weir_pg *pg;
        int32_t position;
        bool withhold, failed;
        struct weir_error failure;
        struct sim_effect *rows[ROWS_MAX]; /* not sent yet */
        size_t row_count;
        bool copy_fails;
};

const struct weir_worker *weir_handler_worker(const struct weir_handler *handler)
{
        return &handler->worker;
}

const char *weir_handler_version(const struct weir_handler *handler)
{
        return handler->worker.version;
}

struct weir_handler_tx *weir_handler_tx_new(struct weir_handler *handler,
                                            const struct weir_limits *limits)
{
        struct weir_handler_tx *tx = sim_fault(SIM_MEMORY) ? NULL : calloc(1, sizeof *tx);

        (void)limits;
        if (tx)
                tx->handler = handler;
        return tx;
}

void weir_handler_tx_free(struct weir_handler_tx *tx)
{
        free(tx);
}

void weir_handler_tx_attach(struct weir_handler_tx *tx, struct weir_pg *pg, int32_t position)
{
        tx->pg = pg;
        tx->position = position;
        tx->failed = tx->copy_fails = false;
        tx->row_count = 0;
}

void weir_handler_tx_detach(struct weir_handler_tx *tx)
{
        tx->pg = NULL;
        tx->row_count = 0;
}

void weir_handler_tx_withhold(struct weir_handler_tx *tx, bool withhold)
{
        tx->withhold = withhold;
}

uint32_t weir_handler_tx_withheld(const struct weir_handler_tx *tx)
{
        return tx->withhold && tx->position % 3 == 0;
}

/* T1. */
static int lose(struct weir_handler_tx *tx, int r, const struct weir_error *error,
                struct weir_error *reterr)
{
        if (!tx->failed)
                tx->failure = *error;
        tx->failed = true;
        *reterr = tx->failure;
        return tx->failure.code ? tx->failure.code : r;
}

static struct sim_event *event_of(const struct weir_event *event)
{
        int number = (int)strtol(event->id.ptr + 1, NULL, 10);

        sim_check(event->id.ptr[0] == 'e' && number < sim.plan->event_count, "altered",
                  "an event \"%s\" that nobody produced", event->id.ptr);
        return &((struct sim_plan *)sim.plan)->events[number];
}

static enum sim_kind kind_of(const struct sim_event *plan)
{
        return sim.mended && plan->mends ? SIM_GOOD : plan->kind;
}

static struct sim_effect *row_of(const struct weir_handler_tx *tx, const struct weir_event *event)
{
        struct sim_effect *row = sim_alloc(sizeof *row);
        struct weir_event named = *event;
        const char *space = event->replay && strcmp(event->replay, "missing") != 0 ? "w@again"
                                                                                   : "w";

        *row = (struct sim_effect){ .event = event_of(event)->number,
                                    .process = sim_here()->number,
                                    .space = space,
                                    .position = tx->position,
                                    .partition = event->partition,
                                    .offset = event->offset,
                                    .key = event->key.ptr ? event->key.ptr[1] - '0' : -1,
                                    .skipped = kind_of(event_of(event)) == SIM_SKIPPED,
                                    .deferred = kind_of(event_of(event)) == SIM_DEFERRED };
        weir_key_of((struct weir_view){ space, strlen(space) }, &named, &row->claim);
        return row;
}

static int insert(struct weir_handler_tx *tx, struct sim_effect *row, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct weir_error error = { .code = 0 };
        int r = sim_statement_begin(&statement, tx->pg, "effect", &error);

        if (r == 0 && statement.own) {
                sim_statement_fail(&statement, 0);
                sim_fail("fence", "a handler writes outside of a transaction of weir's");
        }
        if (r == 0) {
                sim_row_insert(tx->pg->tx, SIM_EFFECT, row);
                r = sim_statement_end(&statement, &error);
        }
        return r < 0 ? lose(tx, r, &error, reterr) : 0;
}

/* A statement of the handler's is refused for what stands in it. */
static int refuse(struct weir_handler_tx *tx, const char *state, struct weir_error *reterr)
{
        struct sim_statement statement;
        struct weir_error error = { .code = 0 };
        int r = sim_statement_begin(&statement, tx->pg, "refused", &error);

        if (r == 0) {
                r = sim_sql_fail(&error, state, "what the event says is no good");
                statement.own = false;
                sim_statement_fail(&statement, r);
        }
        return lose(tx, r, &error, reterr);
}

static int act(struct weir_handler_tx *tx, const struct weir_event *event, struct sim_event *plan,
               struct weir_error *reterr)
{
        enum sim_kind kind = kind_of(plan);
        int done = kind == SIM_SKIPPED ? WEIR_SKIP : WEIR_DONE, r;

        switch (kind) {
        case SIM_REJECTED: return weir_fail(reterr, WEIR_EHANDLER, 0, "no"), WEIR_REJECT;
        case SIM_TRIED:
                if (event->attempt <= plan->tries)
                        return weir_fail(reterr, WEIR_EHANDLER, 0, "not yet"), WEIR_RETRY;
                break;
        case SIM_DATA: return refuse(tx, "22P02", reterr);
        case SIM_COPY: tx->copy_fails = true; return WEIR_DONE;
        case SIM_DEADLY: sim_process_kill(sim_here()); break;
        default: break;
        }
        if (sim_fault(SIM_TRANSIENT))
                return refuse(tx, "40P01", reterr);
        if (!plan->buffers && !tx->handler->handles_batches)
                return (r = insert(tx, row_of(tx, event), reterr)) < 0 ? r : done;
        sim_check(tx->row_count < ROWS_MAX, "model", "too many rows");
        tx->rows[tx->row_count++] = row_of(tx, event);
        return done;
}

/* What the seed does to whoever is inside. */
static void disturb(void)
{
        sim_point();
        if (sim_fault(SIM_HANG)) {
                int64_t us = sim_between(&sim.random[SIM_FAULTS], 10000, 15000000);

                if (sim.hangs_until_us < sim.now_us + us)
                        sim.hangs_until_us = sim.now_us + us;
                sim_sleep(us);
        }
        if (sim_fault(SIM_KILL_INSIDE))
                sim_process_kill(sim_here());
}

static void enter(const struct weir_event *event)
{
        struct sim_board *board = sim_board_here();

        board->offset = event->offset;
        board->partition = event->partition;
        board->event = event_of(event);
        board->inside = true;
}

int weir_handler_tx_call(struct weir_handler_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr)
{
        struct sim_event *plan = event_of(event);
        int r;

        sim_check(tx->pg, "handler", "called without a connection");
        if (tx->failed)
                return lose(tx, tx->failure.code, &tx->failure, reterr);
        enter(event);
        disturb();
        r = act(tx, event, plan, reterr);
        sim_board_here()->inside = false;
        sim_trace("handler %s offset=%lld attempt=%d: %d", event->id.ptr, (long long)event->offset,
                  event->attempt, r);
        return r;
}

int weir_handler_tx_call_batch(struct weir_handler_tx *tx, const struct weir_event *const *events,
                               size_t count, int *outcomes, struct weir_error *reterr)
{
        int worst = 0;

        for (size_t i = 0; i < count; i++)
                outcomes[i] = WEIR_DONE;
        for (size_t i = 0; i < count; i++) {
                int r = weir_handler_tx_call(tx, events[i], reterr);

                if (r < 0)
                        return r; /* nobody is named: the transaction is */
                outcomes[i] = r;
                if (r > WEIR_SKIP && worst == 0)
                        worst = r;
        }
        return worst;
}

int weir_handler_tx_flush(struct weir_handler_tx *tx, struct weir_error *reterr)
{
        sim_check(tx->pg, "handler", "rows are sent without a connection");
        if (tx->failed)
                return lose(tx, tx->failure.code, &tx->failure, reterr);
        if (tx->copy_fails) {
                tx->copy_fails = false;
                return refuse(tx, "22003", reterr);
        }
        for (size_t i = 0; i < tx->row_count; i++) {
                int r = insert(tx, tx->rows[i], reterr);

                if (r < 0)
                        return r;
        }
        tx->row_count = 0;
        return 0;
}

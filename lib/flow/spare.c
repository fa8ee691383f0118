/* SPDX-License-Identifier: MIT */
/*
 * spare - a bad event in a thousand costs itself, not the thousand
 *
 * Rolling a batch back throws away its claims, which are most of its work, and cutting it in two pays them once more.
 * Where one event was refused lately the next batches are prepared for it: a savepoint behind the claims, and
 *      handle … refused · ROLLBACK TO · the good ones before it once more · savepoint · it alone … refused ·
 *      ROLLBACK TO · condemned · the rest
 * and at the end its claim is taken back and the trail row corrected. Everything else (a retry, a lost connection,
 * a culprit without a name, a COMMIT that is refused) rolls the whole back, and flow/run cuts as ever.
 *
 * Always true   SP1 what a condemned event did is undone; what the others did is done once.
 *               SP2 a condemned event has no claim when the transaction commits: requeueing it must find none.
 *               SP3 nothing is condemned here that the policies of dead letters (share, halt) would not let pass.
 * The race      1. the plugin ends our transaction and begins one of its own  2. the culprit is refused
 *               3. ROLLBACK TO finds no savepoint of ours: the whole is rolled back. So the savepoint is proof, too.
 * Not done      with duplicates inside the batch: the second copy of a condemned event has a right to be called
 *               itself; nor for handle_batch, where nobody is called alone.
 * Price         a round trip a batch while prepared; so preparation ends after 64 batches without a culprit. A role
 *               without the right to DELETE claims pays once, and is cut for from then on.
 * Not chosen    a savepoint in every batch, or for every event: the good path pays for nothing.
 */
#include "flow/spare.h"

#include <string.h>
#include <weir/worker.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "flow/policy.h"

enum { CULPRITS = 16 }; /* in one transaction: each leaves subtransactions behind */

#define SAVE_SQL "SAVEPOINT weir_spare"
#define AGAIN_SQL "RELEASE SAVEPOINT weir_spare; SAVEPOINT weir_spare"
#define BACK_SQL "ROLLBACK TO SAVEPOINT weir_spare"

bool weir_spare_ready(const struct weir_applier *applier, size_t count)
{
        const struct weir_claims *claims = &applier->claims;

        return applier->spare_left > 0 && count > 1 && !applier->plugin->handle_batch &&
               applier->allowed && claims->count == claims->event_count;
}

static int fault(struct weir_fault *ret, int outcome)
{
        ret->outcome = outcome;
        ret->item = WEIR_NO_ITEM;
        return WEIR_FAULT;
}

static int run(struct weir_pg *pg, const char *sql, struct weir_fault *ret)
{
        int r = weir_pg_run(pg, sql, &ret->error);

        return r < 0 ? fault(ret, r) : WEIR_APPLIED;
}

/* Everything since the savepoint is undone, also what was not sent yet. */
static int go_back(struct weir_applier *applier, struct weir_pg *pg,
                   const struct weir_position *position, struct weir_fault *ret)
{
        struct weir_fault failed = { .item = WEIR_NO_ITEM };

        weir_handler_tx_detach(applier->tx);
        if (weir_pg_broken(pg) || weir_pg_idle(pg) || run(pg, BACK_SQL, &failed) != WEIR_APPLIED)
                return WEIR_FAULT; /* with the culprit's own words */
        weir_handler_tx_attach(applier->tx, pg, position->id);
        ret->item = WEIR_NO_ITEM;
        ret->outcome = WEIR_DONE;
        ret->error = (struct weir_error){ .code = 0 };
        return WEIR_APPLIED;
}

/* The claims from @from up to the culprit were good a moment ago: once more, and this time to stay. */
static int repeat(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                  size_t from, size_t culprit, struct weir_fault *ret)
{
        size_t at;
        int r = weir_applier_handle(applier, pg, batch, from, culprit, false, &at, ret);

        if (r == WEIR_APPLIED && weir_handler_tx_flush(applier->tx, &ret->error) < 0)
                r = fault(ret, ret->error.code);
        return r == WEIR_APPLIED ? run(pg, AGAIN_SQL, ret) : r;
}

/* SP3. */
static bool may_go(const struct weir_applier *applier, struct weir_batch *batch, size_t first,
                   size_t count, uint32_t item)
{
        bool may;

        batch->items[item].dead = true;
        may = applier->allowed(applier->allowed_context, batch, first, count);
        batch->items[item].dead = false;
        return may;
}

static bool is_refused(int r, const struct weir_fault *fault)
{
        return r == WEIR_FAULT && fault->item != WEIR_NO_ITEM &&
               weir_policy_action(fault->outcome, &fault->error) == WEIR_ACTION_DEAD;
}

/* SP2. */
static int take_claims_back(struct weir_applier *applier, struct weir_pg *pg, const size_t *spared,
                            size_t count, struct weir_fault *ret)
{
        struct weir_claims *claims = &applier->claims;
        struct weir_key keys[CULPRITS];
        int r;

        for (size_t i = 0; i < count; i++)
                keys[i] = claims->keys[spared[i]];
        r = weir_apply_unclaim(pg, keys, count, &ret->error);
        if (r < 0) {
                applier->spare_never = true;
                applier->spare_left = 0;
                return fault(ret, r);
        }
        for (size_t i = 0; i < count; i++)
                claims->fresh[spared[i]] = false;
        claims->event_count -= (uint32_t)count;
        claims->dead_count += (uint32_t)count;
        WEIR_FAILPOINT("spare.unclaimed");
        return WEIR_APPLIED;
}

int weir_spare_handle(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                      size_t first, size_t count, const struct weir_position *position,
                      struct weir_fault *ret)
{
        struct weir_claims *claims = &applier->claims;
        size_t spared[CULPRITS], spared_count = 0, from = 0, culprit;
        int r = run(pg, SAVE_SQL, ret);

        applier->spare_left--;
        while (r == WEIR_APPLIED) {
                r = weir_applier_handle(applier, pg, batch, from, claims->count, false, &culprit,
                                        ret);
                if (!is_refused(r, ret))
                        break;
                if (spared_count == CULPRITS || !may_go(applier, batch, first, count, ret->item))
                        return r;
                r = go_back(applier, pg, position, ret);
                if (r == WEIR_APPLIED)
                        r = repeat(applier, pg, batch, from, culprit, ret);
                if (r != WEIR_APPLIED)
                        break;
                from = culprit + 1;
                r = weir_applier_handle(applier, pg, batch, culprit, from, true, &culprit, ret);
                if (is_refused(r, ret)) {
                        struct weir_item *item = &batch->items[ret->item];

                        item->attempts++;
                        weir_batch_describe(batch, item, weir_policy_reason(&ret->error),
                                            ret->error.text);
                        weir_batch_condemn(item, weir_policy_class(WEIR_ACTION_DEAD));
                        spared[spared_count++] = from - 1;
                        WEIR_FAILPOINT("spare.condemned");
                        r = go_back(applier, pg, position, ret);
                } else if (r == WEIR_APPLIED) {
                        r = run(pg, AGAIN_SQL, ret); /* alone it is good */
                }
        }
        if (r == WEIR_APPLIED && weir_handler_tx_flush(applier->tx, &ret->error) < 0)
                r = fault(ret, ret->error.code);
        if (r == WEIR_APPLIED && spared_count) {
                weir_spare_expect(applier);
                weir_log(WEIR_LOG_DEBUG, "batch.spared", LOG_S("worker", applier->worker),
                         LOG_I("position", position->id), LOG_I("records", count),
                         LOG_I("culprits", spared_count));
                r = take_claims_back(applier, pg, spared, spared_count, ret);
        }
        return r;
}

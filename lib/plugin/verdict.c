/* SPDX-License-Identifier: MIT */
/*
 * verdict - whose fault was it: the event's, the plugin's or nobody's
 *
 * Three voices may disagree: what a call to the database returned, what state the transaction is
 * in, and what the handler says. The rule is that the voice that could lose an event never wins:
 * DONE does not count after a failure (T1), REJECT does not count after a failure of the
 * infrastructure (T3), and a transaction that is not ours any more is never committed (T2).
 *
 *   failure remembered   handler says          verdict
 *   infrastructure       anything              the failure: wait and try again
 *   the event's (22 23)  RETRY, REJECT         the handler's word: it may know better
 *   the event's (22 23)  anything else         the failure
 *   none                 DONE, SKIP            the same; after connection(), if T2 holds
 *   none                 anything else, and    as if infrastructure had failed: it undid its own failure by a
 *                        an SQLSTATE of it      savepoint, and tells the reason
 *   none                 no outcome            REJECT
 *   any                  it closed the         REJECT: neither server nor network close our end; again and again it
 *                        connection            would only be closed again
 *
 * A handler's text is foreign: it goes to a log and into a column of type text, so it is made one
 * line of UTF-8 here, once, and so is the text of a failure, which may quote a server's message cut
 * in two.
 */
#include "plugin/verdict.h"

#include <string.h>

#include "event/text.h"

/* ---- failures ------------------------------------------------------------------------------- */

/* A message cut in mid-character would be refused by the table of dead letters, for ever. */
static void clean_text(struct weir_error *error)
{
        unsigned char *text = (unsigned char *)error->text;
        const unsigned char *end;
        uint32_t scalar;

        error->text[sizeof error->text - 1] = '\0';
        end = text + strlen(error->text);
        while (text < end) {
                size_t step = weir_utf8_next(text, end, &scalar);

                if (step == 0) {
                        if (end - text < 4) { /* the rest of the buffer had no room for */
                                *text = '\0';
                                return;
                        }
                        *text = '?';
                        step = 1;
                }
                text += step;
        }
}

static bool is_sqlstate(const char *text)
{
        return strnlen(text, 6) == 5 && strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

/* T3: nobody's fault. */
static bool is_infrastructure(const struct weir_error *error)
{
        switch (error->code) {
        case WEIR_EUSAGE:
        case WEIR_EHANDLER:
        case WEIR_EDECODE: return false;
        default: return weir_pg_classify(error) == WEIR_SQL_INFRASTRUCTURE;
        }
}

int weir_verdict_failed(const struct weir_handler_tx *tx, struct weir_error *reterr)
{
        if (reterr)
                *reterr = tx->failure;
        return tx->failure.code;
}

/* The first failure counts; whatever fails after it is its consequence. */
int weir_verdict_lose(struct weir_handler_tx *tx, struct weir_error *error,
                      struct weir_error *reterr)
{
        if (!tx->failed) {
                clean_text(error);
                tx->failed = true;
                tx->failure = *error;
        }
        return weir_verdict_failed(tx, reterr);
}

/* ---- what the handler said, and what it means ----------------------------------------------- */

/* T2. 0; WEIR_REJECT: not the same transaction; < 0. */
static int close_guard(struct weir_handler_tx *tx, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        bool gone = weir_pg_idle(tx->pg);

        if (!gone && weir_pg_run(tx->pg, "CLOSE weir_guard", &error) < 0) {
                gone = strcmp(error.sqlstate, "34000") == 0;
                if (!gone)
                        return weir_verdict_lose(tx, &error, reterr);
        }
        if (!gone)
                return 0;
        weir_fail(
                reterr, WEIR_EHANDLER, 0,
                "plugin %s %s ended weir's transaction on the connection, or closed the cursor "
                "weir_guard: only weir may. A COMMIT was refused by the server, unless weir_guard "
                "was closed before it: then it stands, and weir.position may be past events that "
                "were not handled",
                tx->worker->name, tx->worker->version);
        return WEIR_REJECT;
}

/* RETRY, REJECT or no outcome at all: the handler's own words, or ours where it has none. */
static int spoken(const struct weir_handler_tx *tx, int outcome, struct weir_error *said,
                  struct weir_error *reterr)
{
        const struct weir_worker *worker = tx->worker;
        int code = strcmp(weir_error_name(said->code), "WEIR_E?") != 0 ? said->code : WEIR_EHANDLER;

        if (tx->failed && said->text[0] == '\0')
                *said = tx->failure; /* the reason is known, though not from the handler */
        clean_text(said);
        if (!weir_verdict_known(outcome))
                weir_fail(reterr, code, said->sys,
                          "plugin %s %s returned %d, which is no outcome%s%s", worker->name,
                          worker->version, outcome, said->text[0] ? ": " : "", said->text);
        else if (said->text[0])
                weir_fail(reterr, code, said->sys, "%s", said->text);
        else
                weir_fail(reterr, code, said->sys, "plugin %s %s returned %s and gave no reason",
                          worker->name, worker->version,
                          outcome == WEIR_RETRY ? "WEIR_RETRY" : "WEIR_REJECT");
        if (reterr && is_sqlstate(said->sqlstate))
                memcpy(reterr->sqlstate, said->sqlstate, sizeof reterr->sqlstate);
        if (reterr)
                clean_text(reterr);
        return outcome == WEIR_RETRY ? WEIR_RETRY : WEIR_REJECT;
}

/* The failure that a handler tells by its SQLSTATE, as one of weir's own calls would have. */
static struct weir_error told(const struct weir_error *said)
{
        struct weir_error error = { .code = 0 };

        weir_fail(&error, WEIR_ESQL, said->sys, "%.*s", (int)sizeof said->text - 1,
                  said->text[0] ? said->text : "a statement on the connection failed");
        memcpy(error.sqlstate, said->sqlstate, sizeof error.sqlstate);
        return error;
}

/* The transaction failed on the connection, in the handler's hands: only it knows the SQLSTATE. */
static int judge_failed_outside(struct weir_handler_tx *tx, int outcome,
                                const struct weir_error *said, struct weir_error *reterr)
{
        const struct weir_worker *worker = tx->worker;

        if (is_sqlstate(said->sqlstate)) {
                struct weir_error error = told(said);

                return weir_verdict_lose(tx, &error, reterr);
        }
        if (!weir_verdict_good(outcome))
                return outcome;
        weir_fail(reterr, WEIR_EHANDLER, 0,
                  "plugin %s %s returned %s after a statement on the connection failed (or left it "
                  "busy), and gave no SQLSTATE in reterr->sqlstate",
                  worker->name, worker->version, outcome == WEIR_DONE ? "WEIR_DONE" : "WEIR_SKIP");
        return WEIR_RETRY;
}

static int judge_connection(struct weir_handler_tx *tx, int outcome, const struct weir_error *said,
                            struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };

        if (weir_pg_broken(tx->pg)) {
                weir_fail(&error, WEIR_EDB, 0, "connection was lost while plugin %s had it",
                          tx->worker->name);
                return weir_verdict_lose(tx, &error, reterr);
        }
        if (!weir_pg_in_transaction(tx->pg) && !weir_pg_idle(tx->pg))
                return judge_failed_outside(tx, outcome, said, reterr);
        if (weir_verdict_good(outcome)) {
                int r = close_guard(tx, reterr);

                return r == 0 ? outcome : r;
        }
        return outcome;
}

int weir_verdict_judge(struct weir_handler_tx *tx, int outcome, struct weir_error *said,
                       struct weir_error *reterr)
{
        if (tx->guarded && weir_pg_robbed(tx->pg)) { /* what failed after it is its consequence */
                weir_fail(reterr, WEIR_EHANDLER, 0,
                          "plugin %s %s closed weir's connection: only weir may", tx->worker->name,
                          tx->worker->version);
                return WEIR_REJECT;
        }
        if (!tx->failed && tx->guarded) {
                int judged = judge_connection(tx, outcome, said, reterr);

                if (!tx->failed && (weir_verdict_good(judged) || judged != outcome))
                        return judged;
        }
        if (!tx->failed && !weir_verdict_good(outcome) && is_sqlstate(said->sqlstate)) {
                struct weir_error error = told(said);

                if (is_infrastructure(&error)) /* T3, whatever it did to go on */
                        return weir_verdict_lose(tx, &error, reterr);
        }
        if (tx->failed &&
            (is_infrastructure(&tx->failure) || (outcome != WEIR_RETRY && outcome != WEIR_REJECT)))
                return weir_verdict_failed(tx, reterr);
        return weir_verdict_good(outcome) ? outcome : spoken(tx, outcome, said, reterr);
}

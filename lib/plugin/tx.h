/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_TX_H
#define WEIR_PLUGIN_TX_H
/*
 * tx - the far side of struct weir_tx: one lane's transaction as a handler sees it
 *
 * One per lane, reused; attached to a connection only while a transaction is open on it.
 *  T1  the first failure of the transaction is remembered: a handler that swallows it and returns
 *      DONE does not commit half.
 *  T2  while a plugin has the connection, and when it gives it back, the transaction is the one
 *      that weir opened: a cursor that lives and dies with it makes COMMIT fail, and must still be
 *      there.
 *  T3  nobody's fault is no event's fault: after a failure of the infrastructure the handler's own
 *      RETRY or REJECT does not count.
 */
#include "event/decode.h"
#include "plugin/host.h"

struct weir_handler_tx;

/* @limits NULL = the defaults. NULL = no memory. */
struct weir_handler_tx *weir_handler_tx_new(struct weir_handler *handler,
                                            const struct weir_limits *limits);
void weir_handler_tx_free(struct weir_handler_tx *tx);
WEIR_DEFINE_FREEP(struct weir_handler_tx, weir_handler_tx_free)

/* @position: weir.position.id of the events to come, 0 = none; stands beside what they emit. */
void weir_handler_tx_attach(struct weir_handler_tx *tx, struct weir_pg *pg, int32_t position);
/* From here on what handlers emit is checked and counted, and does not leave: a replay without effects. */
void weir_handler_tx_withhold(struct weir_handler_tx *tx, bool withhold);
/* How much that was since attach. */
uint32_t weir_handler_tx_withheld(const struct weir_handler_tx *tx);
/* Drop unsent rows, trees and results; detach. */
void weir_handler_tx_detach(struct weir_handler_tx *tx);
struct weir_tx *weir_handler_tx_public(struct weir_handler_tx *tx);
/* Call the handler for one event (handle_batch() with one where the plugin has it). Returns enum
 * weir_outcome with @reterr filled for RETRY and REJECT, or < 0 when the transaction failed (T1,
 * T3): then @reterr has the class. Whatever a handler returns that is no outcome becomes
 * WEIR_REJECT, and so does a broken T2. After anything but DONE and SKIP the caller rolls back and
 * detaches. */
int weir_handler_tx_call(struct weir_handler_tx *tx, const struct weir_event *event,
                         struct weir_error *reterr);
/* The same for several. 0: each outcomes[i] is DONE or SKIP. RETRY or REJECT: outcomes[] says which
 * (all of them when the plugin said it of the whole batch), @reterr why. < 0: as above. A plugin
 * without handle_batch() is called event by event up to the first that is neither DONE nor SKIP;
 * outcomes beyond it stay DONE. */
int weir_handler_tx_call_batch(struct weir_handler_tx *tx, const struct weir_event *const *events,
                               size_t count, int *outcomes, struct weir_error *reterr);
/* Send every unsent row, and what was emitted. 0 or < 0, also for a failure of before (T1). */
int weir_handler_tx_flush(struct weir_handler_tx *tx, struct weir_error *reterr);

#endif

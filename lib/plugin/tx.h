/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_TX_H
#define WEIR_PLUGIN_TX_H
/*
 * tx - the far side of struct weir_tx: one lane's transaction as a handler sees it
 *
 * One per lane, reused; attached to a connection only while a transaction is open on it.
 *  T1  the first failure of the transaction is remembered: a handler that swallows it and returns DONE
 *      does not commit half.
 *  T2  after connection() was used, the transaction must still be the one weir opened (same xid).
 */
#include "event/decode.h"
#include "plugin/host.h"

struct weir_handler_tx;

struct weir_handler_tx *weir_handler_tx_new(struct weir_handler *handler, const struct weir_limits *limits); /* NULL = no memory */
void weir_handler_tx_free(struct weir_handler_tx *tx);
WEIR_DEFINE_FREEP(struct weir_handler_tx, weir_handler_tx_free)

void weir_handler_tx_attach(struct weir_handler_tx *tx, struct weir_pg *pg);
/* Drop unsent rows, trees and results; detach. */
void weir_handler_tx_detach(struct weir_handler_tx *tx);
struct weir_tx *weir_handler_tx_public(struct weir_handler_tx *tx);
/* Call the handler for one event. Returns enum weir_outcome, or < 0 when the transaction failed (T1, T2): then
 * @reterr has the class. Unknown outcomes become WEIR_REJECT. */
int weir_handler_tx_call(struct weir_handler_tx *tx, const struct weir_event *event, struct weir_error *reterr);
int weir_handler_tx_call_batch(struct weir_handler_tx *tx, const struct weir_event *const *events, size_t count, int *outcomes, struct weir_error *reterr);
/* Send every unsent row. 0 or < 0. */
int weir_handler_tx_flush(struct weir_handler_tx *tx, struct weir_error *reterr);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_EMIT_H
#define WEIR_PLUGIN_EMIT_H
/* emit - weir_tx_emit() and weir_tx_deliver(): an event becomes a row of the outbox; tx.c's own */
#include "plugin/verdict.h"

/* Both return 0, or the code of the failure with which the transaction was lost. */
int weir_emit_to_topic(struct weir_handler_tx *tx, const char *topic, struct weir_view key,
                       const struct weir_event *event, struct weir_error *reterr);
int weir_emit_to_sink(struct weir_handler_tx *tx, const char *sink, const struct weir_event *event,
                      struct weir_error *reterr);

#endif

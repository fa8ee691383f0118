/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_SUSPECT_H
#define WEIR_FLOW_SUSPECT_H
/*
 * suspect - events that were inside a handler when a process died
 *
 * Lane thread only, after weir_retry_meet(). Costs nothing where no attempt is written down.
 */
#include "conf/conf.h"
#include "flow/retry.h"

/* Those of which processes died often enough (crash.attempts) go to the dead letters. */
void weir_suspect_condemn(const struct weir_conf_worker *worker, const struct weir_retry *retry,
                          struct weir_batch *batch);
/* The word for weir.dead_letter.reason: the signal, which stands first in the words of a death. */
void weir_suspect_reason(const char *death, char ret[8]);
/* Is an event of the record to be called of which a process died? It is alone in its transaction (flow/cut), and
 * must be alone in its process (flow/gate). */
bool weir_suspect_at(const struct weir_retry *retry, const struct weir_batch *batch, size_t record);

#endif

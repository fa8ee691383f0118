/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_GUARD_H
#define WEIR_CONF_GUARD_H
/* guard - try something in a child process first, so that its crash, exit or hang is only a verdict
 */
#include "base/error.h"

/* Run @fn in a child. 0: it returned. 1: it ended the child or was still running after @timeout_ms,
 * @reterr says which (code WEIR_ECONF). WEIR_ESYS: no child could be made. Any thread; at most one
 * open pipe. */
int weir_guard_try(void (*fn)(void *arg), void *arg, int timeout_ms, struct weir_error *reterr);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_MINIMISE_H
#define WEIR_SIM_MINIMISE_H
/* minimise - less of everything, as long as the same rule is broken */
#include "sim.h"

enum { SIM_CALL_BYTES = 600 };

/* Make @options, with which @result came about, smaller; both are replaced by the least that was found. */
void sim_minimise(struct sim_options *options, struct sim_result *result);
/* The words that do it again. */
void sim_call(const struct sim_options *options, char ret[SIM_CALL_BYTES]);

#endif

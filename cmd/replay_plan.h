/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_PLAN_H
#define WEIR_CMD_REPLAY_PLAN_H
/* replay_plan - the plan of what was said on the command line, and how it is shown */
#include "flow/plan.h"
#include "replay_option.h"

int replay_plan(const struct weir_conf *conf, const struct weir_conf_worker *worker,
                const struct replay_range_order *order, bool skip_missing, struct weir_pg *pg,
                struct weir_plan *ret, struct weir_error *reterr);
/* Until when claims were dropped that this range may need; ret_when[0] = '\0': none that it needs. */
int replay_forgotten(struct weir_pg *pg, const struct replay_range_order *order, char ret_when[32],
                     struct weir_error *reterr);
/* Policy live: would the position move? */
bool replay_goes_back(const struct weir_plan_range *range);
/* The table, or JSON. */
int replay_plan_print(const struct weir_plan *plan, const struct replay_range_order *order,
                      bool json, struct weir_error *reterr);

#endif

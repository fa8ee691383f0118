/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_CHECKER_H
#define WEIR_SIM_CHECKER_H
/* checker - the promises, judged at each COMMIT and at the end */
#include <stddef.h>
#include <stdint.h>

void sim_judge_end(void);

/* How far it is from the end. */
size_t sim_parked_count(int32_t position);
size_t sim_letters_in(const char *state);
const char *sim_what_is_left(void); /* one line */

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_PREVIEW_H
#define WEIR_CMD_REPLAY_PREVIEW_H
/* replay_preview - what the files of `weir replay preview` share */
#include "cmd.h"
#include "flow/plan.h"
#include "flow/preview.h"
#include "replay_option.h"
#include "store/survey.h"

struct preview_place {                   /* a range of the plan, and what was counted of it */
        struct weir_preview_range range; /* by reading */
        struct weir_survey_span span;    /* by the tables */
};
struct preview_report {
        const struct replay_range_order *order;
        bool count_only, json;
        struct weir_plan plan;
        struct preview_place *places; /* as many as the plan has ranges */
        struct weir_preview preview;  /* how it was read */
        struct weir_survey_pace pace; /* how fast its handlers are */
        int32_t timeout_ms;           /* of counting claims */
};

/* replay_preview_print.c: on standard output. 0 or WEIR_ENOMEM. */
int preview_print(const struct preview_report *report, struct weir_error *reterr);

#endif

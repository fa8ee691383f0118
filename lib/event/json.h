/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_JSON_H
#define WEIR_EVENT_JSON_H
/* json - strict RFC 8259 check within limits, and cJSON behind it; the only user of cJSON */
#include "event/decode.h"

struct cJSON;

/* Check @text: strict grammar, UTF-8, depth, nodes, size. 0, or 1 with *ret_refusal filled. */
int weir_json_check(struct weir_view text, const struct weir_limits *limits,
                    struct weir_refusal *ret_refusal);
/* Check, then parse with cJSON. 0, 1 refused, WEIR_ENOMEM. */
int weir_json_parse(struct weir_view text, const struct weir_limits *limits, struct cJSON **ret,
                    struct weir_refusal *ret_refusal);
void weir_json_free(struct cJSON *tree);

const char *weir_json_library_version(void); /* cJSON in use */

#endif

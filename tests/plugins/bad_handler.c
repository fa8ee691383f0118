/* SPDX-License-Identifier: MIT */
/* bad_handler - nothing that could handle an event */
#include <weir/worker.h>

WEIR_WORKER(.name = "bad_handler", .version = "1")

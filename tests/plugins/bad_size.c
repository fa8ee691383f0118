/* SPDX-License-Identifier: MIT */
/* bad_size - says that it is longer than it is: reading so far would leave its memory */
#include <stdint.h>

struct short_worker {
        uint32_t abi, size;
        const char *name, *version;
};
extern __attribute__((visibility("default"))) const struct short_worker weir_worker;
const struct short_worker weir_worker = { 1, 64, "bad_size", "1" };

/* SPDX-License-Identifier: MIT */
/* bad_short - a descriptor that ends before what ABI 1 needs */
#include <stdint.h>

struct short_worker {
        uint32_t abi, size;
        const char *name, *version;
};
extern __attribute__((visibility("default"))) const struct short_worker weir_worker;
const struct short_worker weir_worker = { 1, (uint32_t)sizeof(struct short_worker), "bad_short",
                                          "1" };

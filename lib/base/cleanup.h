/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CLEANUP_H
#define WEIR_BASE_CLEANUP_H
/* cleanup - scope-bound release of memory and handles */
#include <stddef.h>
#include <stdlib.h>

#define WEIR_CLEANUP(fn) __attribute__((cleanup(fn)))
#define WEIR_TAKE(p)                                                                               \
        ({                                                                                         \
                __typeof__(p) weir_taken_ = (p);                                                   \
                (p) = NULL;                                                                        \
                weir_taken_;                                                                       \
        })
#define WEIR_DEFINE_FREEP(type, free_fn)                                                           \
        static inline void free_fn##p(type **p)                                                    \
        {                                                                                          \
                free_fn(*p);                                                                       \
        }
#define WEIR_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define WEIR_API __attribute__((visibility("default")))

static inline void weir_freep(void *p)
{
        free(*(void **)p);
}
#define WEIR_FREE WEIR_CLEANUP(weir_freep)

#endif

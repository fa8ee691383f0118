/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_TORTURE_H
#define WEIR_TEST_TORTURE_H
/* torture - which call of which kind is to fail; shared by the wrappers and the runner */
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define TORTURE_KINDS(X)                                                                           \
        X(MEMORY, "allocation")                                                                    \
        X(QUERY, "query")                                                                          \
        X(KAFKA, "librdkafka call")

enum torture_kind {
#define TORTURE_ENUM(name, text) TORTURE_##name,
        TORTURE_KINDS(TORTURE_ENUM)
#undef TORTURE_ENUM
                TORTURE_KIND_COUNT
};

/* In memory that all processes of a test share: a test may fork. */
struct torture_page {
        atomic_long calls[TORTURE_KIND_COUNT]; /* so far */
        int kind;                              /* that fails; -1 = none does */
        long at;                               /* the first call that fails, from 1 */
        bool lasting;                          /* and all that follow */
        atomic_long hits;
        atomic_bool asserted; /* an assert() of weir's did not hold */
        pid_t test;           /* the process of the test; 0 = none runs */
        char why[400];        /* the check that failed */
};
extern struct torture_page *torture_page;

/* Count this call; is it the one? */
bool torture_fails(enum torture_kind kind);

#endif

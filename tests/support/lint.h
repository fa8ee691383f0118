/* SPDX-License-Identifier: MIT */
/*
 * lint - included before every source that clang-tidy reads
 *
 * The analyzer sees one source at a time, so it does not know that weir_fail() returns the code it was given
 * and follows paths on which a failure is a success. Here the macro says so.
 */
#include "base/error.h"

#undef weir_fail
#define weir_fail(reterr, code, sys, ...)                                                          \
        (weir_error_raise((reterr), (code), (sys), WEIR_ORIGIN, __VA_ARGS__), (code))

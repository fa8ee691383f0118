/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H
/* error - raise, name and classify failures; the struct itself is public: <weir/error.h> */
#include <stdbool.h>
#include <weir/error.h>

#define WEIR_STR2_(x) #x
#define WEIR_STR_(x) WEIR_STR2_(x)
#define WEIR_ORIGIN __FILE__ ":" WEIR_STR_(__LINE__)

/* Fill @reterr (may be NULL) and return @code: `return weir_fail(reterr, WEIR_EDB, 0, "...")`.
 * Control characters in the text become '?', so that a foreign text cannot forge a log line. */
#define weir_fail(reterr, code, sys, ...)                                                          \
        weir_error_raise((reterr), (code), (sys), WEIR_ORIGIN, __VA_ARGS__)

__attribute__((format(printf, 5, 6))) int weir_error_raise(struct weir_error *reterr, int code,
                                                           int sys, const char *origin,
                                                           const char *format, ...);

/* Put words in front of the text that is there: "worker audit: " + text. Returns error->code. */
__attribute__((format(printf, 2, 3))) int weir_error_prefix(struct weir_error *error,
                                                            const char *format, ...);

const char *weir_error_name(int code); /* "WEIR_EDB"; "WEIR_E?" for an unknown one */
bool weir_error_transient(int code);   /* retry policy asks this, never the text */

#endif

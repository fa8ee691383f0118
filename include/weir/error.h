/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H
/*
 * error - what went wrong, in one line, with its class
 *
 * Rule for every function that takes `reterr`: a return < 0 is a failure and @reterr is filled;
 * 0 is success and @reterr is untouched; > 0 is an outcome that the function documents.
 * Owner    the caller, usually on its stack; nothing in it needs to be freed.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* One table makes the enum, the names and the classes; the fourth column is the meaning.
 * TRANSIENT: the same call may succeed later without any change. PERMANENT: it will not. */
#define WEIR_ERRORS(X)                                                                             \
        X(WEIR_ENOMEM, -1, PERMANENT, "out of memory")                                             \
        X(WEIR_EUSAGE, -2, PERMANENT, "wrong usage")                                               \
        X(WEIR_EABI, -3, PERMANENT, "plugin built for another ABI, or not a plugin")               \
        X(WEIR_EDB, -4, TRANSIENT, "database unavailable")                                         \
        X(WEIR_EDECODE, -5, PERMANENT, "record is not a valid CloudEvent")                         \
        X(WEIR_ECONF, -6, PERMANENT, "configuration is not valid")                                 \
        X(WEIR_EKAFKA, -7, TRANSIENT, "Kafka unavailable or refused the request")                  \
        X(WEIR_ESQL, -8, PERMANENT, "statement refused by the database")                           \
        X(WEIR_ESYS, -9, PERMANENT, "system call failed")                                          \
        X(WEIR_ECOMMIT, -10, TRANSIENT, "outcome of COMMIT unknown")                               \
        X(WEIR_ESTOP, -11, TRANSIENT, "interrupted because the owner is stopping")                 \
        X(WEIR_ELOG, -12, PERMANENT, "log damaged, shortened, trimmed or recreated")               \
        X(WEIR_ESCHEMA, -13, PERMANENT, "database schema does not fit this program")               \
        X(WEIR_EHANDLER, -14, PERMANENT, "handler failed")                                         \
        X(WEIR_EFATAL, -15, PERMANENT, "Kafka client reported a fatal error")

enum weir_error_code {
        WEIR_ERROR_NONE = 0,
#define WEIR_ERROR_ENUM(name, value, klass, text) name = value,
        WEIR_ERRORS(WEIR_ERROR_ENUM)
#undef WEIR_ERROR_ENUM
};

#define WEIR_ERROR_TEXT_BYTES 992 /* with the NUL; longer texts are cut */

/* One failure. Start with { 0 }; a callee that fails fills it, and fills it again if used again. */
struct weir_error {
        int code;           /* what the function returned                                    */
        int sys;            /* errno, librdkafka or libpq status; 0 = none                   */
        char sqlstate[8];   /* five characters and NUL when PostgreSQL answered, else ""      */
        const char *origin; /* "file:line" that raised it; static storage; may be NULL        */
        char text[WEIR_ERROR_TEXT_BYTES]; /* one line, with the ids; no newline               */
};

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_SECRET_H
#define WEIR_CONF_SECRET_H
/* secret - a password from a file that nobody else can read, or from the environment */
#include "base/arena.h"
#include "base/error.h"

/* *ret lives in @arena; wipe it before the arena goes. Errors: WEIR_ECONF, the text names the file
 * (never what is in it) and the way out; WEIR_ENOMEM. */
int weir_secret_file(const char *path, struct weir_arena *arena, const char **ret,
                     struct weir_error *reterr);
/* The text does not name the variable either: people write the password where its name belongs. */
int weir_secret_env(const char *name, struct weir_arena *arena, const char **ret,
                    struct weir_error *reterr);

#endif

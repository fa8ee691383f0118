/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_LOADER_H
#define WEIR_PLUGIN_LOADER_H
/*
 * loader - find, check and open a plugin's shared object
 *
 * Looked for: a name with a slash is a path; else NAME.so in each directory of plugin_path, then
 * the directories ../lib/weir/plugins and plugins beside the program. Checked on the opened file,
 * and that very file is loaded (/proc/self/fd), so it cannot be swapped in between: regular file,
 * owned by root or the caller, not writable by group or others, in no directory that everybody may
 * write to; symbol weir_worker; ABI; size; name, version, handle or handle_batch.
 * Errors: WEIR_ESYS no such file or not readable, WEIR_EABI refused, WEIR_ENOMEM.
 */
#include <weir/worker.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "plugin/image.h"

struct weir_plugin;

int weir_plugin_load(const char *name, const char *const *directories, size_t count,
                     struct weir_plugin **ret, struct weir_error *reterr);
/* Found and checked the same, but copied and not loaded. */
int weir_plugin_image(const char *name, const char *const *directories, size_t count,
                      struct weir_image **ret, struct weir_error *reterr);
/* What was copied. The path is looked at for its migrations only. */
int weir_plugin_load_image(const struct weir_image *image, struct weir_plugin **ret,
                           struct weir_error *reterr);
/* A copy: slots that the plugin lacks are NULL. */
const struct weir_worker *weir_plugin_worker(const struct weir_plugin *plugin);
const char *weir_plugin_path(const struct weir_plugin *plugin);
/* Directory of its migrations: NAME.migrations beside it (NAME of the descriptor), or "migrations"
 * beside it where the directory is called NAME; NULL = brings none. */
const char *weir_plugin_migrations(const struct weir_plugin *plugin);
void weir_plugin_unload(struct weir_plugin *plugin);
WEIR_DEFINE_FREEP(struct weir_plugin, weir_plugin_unload)

#endif

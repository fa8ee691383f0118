/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_PROPERTY_H
#define WEIR_CONF_PROPERTY_H
/* property - which librdkafka properties pass through, and why the others do not */
#include <stdbool.h>
#include <stddef.h>

/* Why nobody but weir may set @name; NULL = anybody may. */
const char *weir_property_owned(const char *name);
/* Does its value have to come from a file or the environment? */
bool weir_property_secret(const char *name);
/* What is wrong with a value that librdkafka would take, and must not get; NULL = nothing. */
const char *weir_property_wrong(const char *name, const char *value);
/* Do these make librdkafka run a program (kinit, for Kerberos)? */
struct weir_conf_property;
bool weir_property_runs_kinit(const struct weir_conf_property *list, size_t count);
/* Is the value a url with a password in it? */
bool weir_property_holds_password(const char *value);
/* A name that librdkafka could know: small letters, digits, dot, _ and -. */
bool weir_property_named(const char *name);
/* The one name of those that mean the same ("sasl.mechanism" -> "sasl.mechanisms"). */
const char *weir_property_canonical(const char *name);

/* The table, for the documentation: row @index, false behind the last one. A trailing or leading *
 * stands for any text. */
bool weir_property_rule(size_t index, const char **ret_pattern, const char **ret_reason);

#endif

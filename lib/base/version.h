/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_VERSION_H
#define WEIR_BASE_VERSION_H
/* version - of weir itself; CHANGELOG.md says what each brought */
#define WEIR_VERSION "0.1.0"
#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_HEAP_H
#define WEIR_BASE_HEAP_H
/*
 * heap - malloc of a process that is weir's own: what is freed leaves it
 *
 * A program that embeds weir decides for itself.
 */

/* Before threads. */
void weir_heap_shape(void);
/* Give back the gaps that a burst left, if it was not done for some time. Any one thread, now and then. */
void weir_heap_trim(void);

#endif

/* Foreign bytes (names, paths, program text) made safe to print. */
#ifndef DRAY_PROGRAM_ESCAPE_H
#define DRAY_PROGRAM_ESCAPE_H

#include <stddef.h>

/* Writes `length` bytes into text as valid UTF-8 without control or direction-changing characters;
 * those, and bytes that are no UTF-8, become \n, \t or \xNN. What does not fit is cut and ends
 * in "...". Always terminated (size of at least 4). Returns text. */
char *dray_escape(char *text, size_t size, const char *bytes, size_t length);

#endif

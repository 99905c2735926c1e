/* The word that somebody may have meant. */
#ifndef DRAY_PROGRAM_WORDS_H
#define DRAY_PROGRAM_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether two words differ by so few letters that one may be a slip for the other. */
bool dray_words_near(const char *a, size_t a_length, const char *b);

#endif

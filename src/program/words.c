#include "program/words.h"

#include <string.h>

enum {
    LONGEST = 32
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to add, drop or replace to make one of the other (Levenshtein), one row at a time. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

/* Two neighbours in the wrong order: the commonest slip, and two replacements otherwise. */
static bool is_swap(const char *a, size_t length, const char *b)
{
    size_t i = 0;
    while (i < length && a[i] == b[i])
        i++;
    return i + 1 < length && a[i] == b[i + 1] && a[i + 1] == b[i] &&
           memcmp(a + i + 2, b + i + 2, length - i - 2) == 0;
}

bool dray_words_near(const char *a, size_t a_length, const char *b)
{
    size_t b_length = strlen(b);
    if (a_length < 2 || b_length < 2 || a_length > LONGEST || b_length > LONGEST)
        return false;
    if (a_length == b_length && is_swap(a, a_length, b))
        return true;
    return distance(a, a_length, b, b_length) <= 1 + (a_length + b_length) / 10;
}

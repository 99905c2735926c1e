/* The one function of a fuzzing target. */
#ifndef DRAY_TESTS_FUZZ_H
#define DRAY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the library that this input broke. */
#define FUZZ_ASSERT(condition) \
    do {                       \
        if (!(condition))      \
            __builtin_trap();  \
    } while (0)

#endif

/*
 * Makes the n-th allocation or system call fail.
 *
 * The test executables are linked with -Wl,--wrap for each function named in meson.build, so calls
 * from the library and from the test come here first; calls inside libc do not, and the library as
 * it is installed knows nothing of it.
 *
 *      for (unsigned n = 1;; n++) {
 *          fault_inject_arm(n);
 *          int err = what_is_tested();
 *          if (!fault_inject_disarm()) {   // there was no n-th call: every error path was walked
 *              assert_int_equal(err, 0);
 *              break;
 *          }
 *          assert_true(err < 0);
 *      }
 */
#ifndef DRAY_TESTS_FAULT_INJECT_H
#define DRAY_TESTS_FAULT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From here on the n-th wrapped call of this thread fails (n from 1), once; those after it succeed.
 */
void fault_inject_arm(unsigned n);
/* Likewise, and all calls after it fail too. */
void fault_inject_arm_from(unsigned n);
/* True if a call was made to fail since arm. */
bool fault_inject_disarm(void);
/* The function that was made to fail last, in this thread; "none". */
const char *fault_inject_name(void);

/* What the next reads and writes at an offset (preadv, pwritev) of this thread do, one step each;
 * after the last they are as always. The steps stay the caller's. */
struct fault_io {
    int error;    /* not 0: fails with this errno */
    size_t bytes; /* not 0: moves at most so many */
};
void fault_inject_io(const struct fault_io *steps, size_t count);

/* How often any thread has asked for memory (malloc and its family, mmap) so far, failing calls
 * too. */
uint64_t fault_inject_allocations(void);

#endif

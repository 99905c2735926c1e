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

/* How often any thread has asked for memory (malloc and its family, mmap) so far, failing calls
 * too. */
uint64_t fault_inject_allocations(void);

#endif

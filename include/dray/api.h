/*
 * What every public header starts from.
 *
 * Options. A structure of options begins with its own size, which the caller sets to sizeof of it; zero in
 * any other member means the default, and where a function takes options, NULL means all of them. Members
 * are only ever added at the end. So a structure that is shorter than the library's (an older program) is
 * filled up with zeros; one that is longer (a newer program) is taken if what the library does not know is
 * zero, and refused with -EINVAL if not. A size below that of the member itself, or over 4096, is -EINVAL.
 */
#ifndef DRAY_API_H
#define DRAY_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAY_API __attribute__((visibility("default")))

#endif

/* What every public header starts from. */
#ifndef DRAY_API_H
#define DRAY_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAY_API __attribute__((visibility("default")))

#endif

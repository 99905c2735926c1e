/* Finding and loading the peers that are modules. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>

/**
 * Loads module `file` (from $DRAY_PEERS, beside the command in bench/, or the installed folder) and
 * returns its table `symbol`, or NULL with the reason in why. A module stays loaded until the
 * process ends: its libraries leave threads and handlers behind.
 */
const void *bench_load_peer(const char *file, const char *symbol, char *why, size_t why_size);

#endif

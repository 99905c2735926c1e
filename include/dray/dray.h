/*
 * Dray: scatter-gather DMA for programs.
 *
 *      region --map--> domain <--attach-- engine <-- queue <-- descriptors
 *                                            |          |
 *                                            +--moves   +--> completions
 *
 * A *region* is a thing with addressable bytes: memory, a file, a stream. Mapped in a *domain*,
 * with rights, it gets a key. An *engine* attached to the domain reaches the bytes of its regions
 * and nothing else. A *queue* carries 64-byte *descriptors* to the engine and 32-byte *completions*
 * back. A *plan* turns two lists of segments into descriptors that an engine accepts. A *program*
 * is a text that names regions, queues and transfers.
 *
 * There is no global context. Whatever is created is destroyed by the one that created it, in
 * reverse order. The control plane returns 0 or -errno; a completion carries a status.
 */
#ifndef DRAY_DRAY_H
#define DRAY_DRAY_H

#include "dray/desc.h"
#include "dray/domain.h"
#include "dray/engine.h"
#include "dray/machine.h"
#include "dray/plan.h"
#include "dray/profile.h"
#include "dray/program.h"
#include "dray/queue.h"
#include "dray/sg.h"

#define DRAY_VERSION_MAJOR 0
#define DRAY_VERSION_MINOR 1
#define DRAY_VERSION_PATCH 0

#endif

/*
 * For authors of engines: the table of functions that an engine is.
 *
 * The simplest engine is src/engine/null; read it first. An engine's own structure begins with
 * struct dray_engine. The registry (registry.c) opens, the binding (attach.c) gives it ports to
 * serve.
 */
#ifndef DRAY_ENGINE_DRIVER_H
#define DRAY_ENGINE_DRIVER_H

#include "dray/engine.h"
#include "dray/queue.h"
#include "queue/internal.h"

struct dray_engine {
    const struct dray_engine_driver *driver;
    struct dray_domain *domain;
    _Atomic unsigned queues;
};

struct dray_engine_driver {
    const char *name;
    const char *summary;
    /* Optional: 0, or -errno and why not here. */
    int (*probe)(char *why, size_t size);
    /* Required. Options are never NULL and whole. Sets *engine; the registry fills its first
     * members. */
    int (*open)(struct dray_engine **engine, struct dray_domain *domain,
                const struct dray_engine_options *options);
    /* Required: no queues are left. */
    void (*close)(struct dray_engine *engine);
    /* Required. */
    void (*capabilities)(const struct dray_engine *engine, struct dray_capabilities *capabilities);
    /* Required. */
    bool (*copies)(const struct dray_engine *engine, enum dray_region_kind dst,
                   enum dray_region_kind src);
    /* Required: start serving a port; fills in how the user's side reaches it. */
    int (*attach)(struct dray_engine *engine, struct dray_port *port, uint32_t number,
                  struct dray_binding *binding);
    /* Required: when it returns, the port is touched no more. */
    void (*detach)(struct dray_engine *engine, struct dray_port *port);
    /* Optional. */
    void (*stats)(const struct dray_engine *engine, struct dray_engine_stats *stats);
};

#endif

/* Inside of a queue: what the binding of queue and engine (src/engine/attach.c) needs of it. */
#ifndef DRAY_QUEUE_INTERNAL_H
#define DRAY_QUEUE_INTERNAL_H

#include "queue/port.h"

/* How the user's side reaches its engine. `service` is set for engines that work in the caller's
 * thread (inline, help): it is not a doorbell but the engine itself. The doorbell of worker threads
 * is an eventfd, that of a device a register. */
struct dray_binding {
    void (*service)(struct dray_port *port); /* NULL: not in the caller's thread */
    bool service_on_doorbell;                /* inline: in doorbell and peek; help: only in wait */
    int doorbell_fd;                         /* -1: inline; not owned */
    volatile uint32_t *doorbell, *seen;      /* a device's registers; NULL: there is none */
};

struct dray_queue;

/* Makes the shared memory and both ends. Options as dray_queue_create's. */
int dray_queue_build(struct dray_queue **queue, const struct dray_queue_options *options);
void dray_queue_bind(struct dray_queue *queue, const struct dray_binding *binding,
                     struct dray_engine *engine, uint32_t number);
struct dray_port *dray_queue_port(struct dray_queue *queue);
struct dray_engine *dray_queue_engine(struct dray_queue *queue); /* NULL: imported */
void dray_queue_free(struct dray_queue *queue);

#endif

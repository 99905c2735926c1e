/*
 * The smallest engine on the port API, for tests of queues: it moves nothing and completes each
 * transaction with what it saw of it - user_data of the last descriptor, moved: the sum of lengths,
 * result: how many descriptors. Served by whoever calls echo_serve, or by a thread of its own.
 */
#ifndef DRAY_TESTS_ECHO_ENGINE_H
#define DRAY_TESTS_ECHO_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "dray/io.h"
#include "queue/host.h"
#include "queue/internal.h"

struct echo {
    struct dray_port *port;
    struct dray_completion open; /* the transaction being gathered */
    bool notify;
    int doorbell_fd;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic uint64_t sleeps;
};

/* Takes one descriptor; true if it closed a transaction, now ready in e->open. */
static inline bool echo_fetch(struct echo *e)
{
    struct dray_desc d;
    dray_port_fetch(e->port, 0, &d);
    dray_port_advance(e->port, 1);
    e->open.user_data = d.user_data;
    e->open.moved += d.length;
    e->open.result++;
    e->notify |= (d.flags & DRAY_FLAG_NOTIFY) != 0;
    return !(d.flags & DRAY_FLAG_CHAIN);
}

static inline void echo_complete(struct echo *e)
{
    dray_port_complete(e->port, &e->open, e->notify);
    memset(&e->open, 0, sizeof(e->open));
    e->notify = false;
}

/* At most `max` descriptors; returns how many. A transaction is begun only if its completion has
 * room. */
static inline uint32_t echo_work(struct echo *e, uint32_t max)
{
    uint32_t n = 0;
    while (n < max && dray_port_room(e->port) && dray_port_available(e->port)) {
        n++;
        if (echo_fetch(e))
            echo_complete(e);
    }
    return n;
}

/* All there is, as an inline engine does it. */
static inline void echo_serve(struct dray_port *port)
{
    struct echo *e = port->engine_data;
    while (echo_work(e, 32))
        dray_port_moderate(port, false);
    dray_port_moderate(port, true);
}

/* Nothing to do, or no room: sleeps until that changes, or until moderation wants to be called. */
static inline void echo_sleep(struct echo *e)
{
    uint64_t again_ns = dray_port_moderate(e->port, true);
    if (dray_port_sleep(e->port, e->port->tail != e->port->head)) {
        uint64_t now_ns = dray_io_clock_ns();
        uint64_t ns = again_ns == UINT64_MAX ? UINT64_MAX
                      : again_ns > now_ns    ? again_ns - now_ns
                                             : 0;
        atomic_fetch_add_explicit(&e->sleeps, 1, memory_order_relaxed);
        dray_host_sleep(e->doorbell_fd, ns);
        dray_host_drain(e->doorbell_fd);
        dray_port_awake(e->port);
    }
}

static inline void *echo_thread(void *arg)
{
    struct echo *e = arg;
    while (!atomic_load_explicit(&e->stop, memory_order_acquire)) {
        if (echo_work(e, 32))
            dray_port_moderate(e->port, false);
        else
            echo_sleep(e);
    }
    return NULL;
}

static inline void echo_attach(struct echo *e, struct dray_queue *q)
{
    memset(e, 0, sizeof(*e));
    e->port = dray_queue_port(q);
    e->port->engine_data = e;
    e->doorbell_fd = -1;
}

/* Inline: the caller of doorbell and peek does the work. */
static inline void echo_attach_inline(struct echo *e, struct dray_queue *q)
{
    echo_attach(e, q);
    dray_queue_bind(q,
                    &(struct dray_binding){
                        .service = echo_serve, .service_on_doorbell = true, .doorbell_fd = -1 },
                    NULL, 1);
}

/* With a doorbell, for a thread or for echo_work. */
static inline void echo_attach_doorbell(struct echo *e, struct dray_queue *q)
{
    echo_attach(e, q);
    dray_host_event_create(&e->doorbell_fd);
    dray_queue_bind(q, &(struct dray_binding){ .doorbell_fd = e->doorbell_fd }, NULL, 1);
}

static inline void echo_start(struct echo *e, struct dray_queue *q)
{
    echo_attach_doorbell(e, q);
    pthread_create(&e->thread, NULL, echo_thread, e);
}

static inline void echo_stop(struct echo *e)
{
    atomic_store_explicit(&e->stop, true, memory_order_release);
    dray_host_ring(e->doorbell_fd);
    pthread_join(e->thread, NULL);
    close(e->doorbell_fd);
}

#endif

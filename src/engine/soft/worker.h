/* What a worker is: for worker.c, and for tests that look inside. */
#ifndef DRAY_ENGINE_SOFT_WORKER_H
#define DRAY_ENGINE_SOFT_WORKER_H

#include <semaphore.h>

#include "engine/soft/soft.h"

enum command_kind {
    COMMAND_ADD,
    COMMAND_REMOVE,
    COMMAND_STOP,
};

struct command {
    enum command_kind kind;
    struct dray_soft_queue *q;
    struct dray_soft_queue **queues; /* ADD: a list with room for one more; REMOVE: unused */
    sem_t done;
};

struct dray_worker {
    struct dray_soft *soft;
    pthread_t thread;
    int event_fd; /* commands, flags, shared copies: nobody else's */
    int epoll_fd; /* event_fd, and the doorbells of its queues */
    int cpu;      /* -1: not bound */
    _Atomic(struct command *) command;
    _Atomic bool sleeping;
    struct dray_waiter waiter;
    /* The worker's own; others read count and queues only while no command is under way. */
    struct dray_soft_queue **queues;
    size_t count;
    /* Found by the last pass over the queues: when rates let the first go on, if all of them wait for
     * nothing else; 0: there is more to look for. */
    uint64_t rated_ns;
};

#endif

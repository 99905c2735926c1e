/*
 * What the queue asks of the operating system. Kept apart so that the rest of this folder can be
 * compiled for another world, which brings functions of its own.
 */
#ifndef DRAY_QUEUE_HOST_H
#define DRAY_QUEUE_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* Memory that can be shared, cannot change its size, and begins as zeroes. Returns 0 or -errno. */
int dray_host_memory_create(uint64_t size, int *fd, void **base);
/* Maps it once more, duplicating fd. -EPROTO if it is another kind of memory, whose size may
 * change: reading it could then kill the process. */
int dray_host_memory_open(int fd, int *own_fd, uint64_t *size, void **base);
void dray_host_memory_close(int fd, uint64_t size, void *base);

/* An event: an eventfd that does not block. Return 0 or -errno. */
int dray_host_event_create(int *fd);
int dray_host_event_open(int fd, int *own_fd);
void dray_host_event_close(int fd);

/* An event with two ends, so that who holds the one to wait at cannot make the other block:
 * docs/decisions/061. Returns 0 or -errno. */
int dray_host_notice_create(int *wait_fd, int *ring_fd);

/* CPUs that this thread may run on; 1 if that cannot be found out. */
unsigned dray_host_cpus(void);

/* Makes the event readable. */
void dray_host_ring(int fd);
/* Makes it unreadable again; after more than eight rings perhaps only at the second call. */
void dray_host_drain(int fd);
/* Sleeps until the event is readable, but not longer than timeout_ns (UINT64_MAX: for ever). May
 * return early. */
void dray_host_sleep(int fd, uint64_t timeout_ns);

#endif

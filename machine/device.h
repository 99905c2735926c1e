/*
 * Generic devices on the back side of a controller: streams with a rate, memory at the far end of a
 * link, a queued block device.
 */
#ifndef DRAY_MACHINE_DEVICE_H
#define DRAY_MACHINE_DEVICE_H

#include "kernel.h"
#include "param.h"

/* What a controller asks a device for. It belongs to the device until `done` is called, which is not
 * before submit has returned. */
struct sim_transfer {
    uint64_t offset; /* streams: 0 */
    uint32_t size;   /* bytes */
    uint8_t *data;
    bool write;     /* to the device */
    uint32_t moved; /* the device's answer: less than size at the end of a stream */
    int error;      /* 0; or -errno: -ENOSPC full, -EINVAL outside of the device */
    void (*done)(struct sim_transfer *transfer);
    /* The device's, as long as it has the transfer. */
    struct sim_event event;
    struct sim_transfer *next;
    void *holder;
    void *owner; /* the asker's */
};

struct sim_device {
    const char *name;
    bool stream; /* no offsets; transfers keep their order */
    void (*submit)(struct sim_device *device, struct sim_transfer *transfer);
    void (*destroy)(struct sim_device **device);
};

/*
 * A stream. Between it and the world lies a buffer, which the world fills (a source) or empties (a
 * sink) at `rate` bytes a second, from its creation on. The buffer of a lossless source stops the
 * world when it is full; a lossy one loses what comes then, as a camera does. A lossy sink loses what
 * it is given while its buffer is full; a lossless one lets its giver wait.
 *
 * A transfer is done `latency` after its last byte has passed the buffer.
 */
struct sim_stream_params {
    uint64_t rate;   /* bytes a second; 0: no limit */
    uint64_t buffer; /* bytes */
    uint64_t lossy;
    uint64_t latency;
};
extern const struct sim_part_kind sim_stream_kind;
/* A source gives the `size` bytes of `source` (kept by reference), then is at its end. `source` NULL:
 * a sink, which keeps what it is given, up to `size` bytes; then it is full. Returns 0 or -ENOMEM. */
int sim_stream_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                      const struct sim_stream_params *params, const void *source, uint64_t size);
/* What a sink was given so far, but for what it lost. */
const uint8_t *sim_stream_taken(const struct sim_device *device, uint64_t *size);
uint64_t sim_stream_lost(const struct sim_device *device);

/* Memory at the far side of a link: a read is asked for one latency earlier than it is answered, and
 * its bytes take the link back; those of a write take it there, where they land one latency later. */
struct sim_far_params {
    uint64_t size, latency, bandwidth; /* of each way; bandwidth 0: no limit */
};
extern const struct sim_part_kind sim_far_kind;
int sim_far_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                   const struct sim_far_params *params);
uint8_t *sim_far_bytes(struct sim_device *device);

/* A queued block device: block number n is worked on by unit n modulo `units`, one block of a unit at
 * a time, each for `latency`; what is ready takes the device's bandwidth, which all share. At most
 * `depth` transfers are accepted, others wait their turn. Part of a block takes as long as all of it.
 * Bytes are there from the answer on. */
struct sim_block_params {
    uint64_t size, block, units, latency, bandwidth, depth;
};
extern const struct sim_part_kind sim_block_kind;
int sim_block_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                     const struct sim_block_params *params);
uint8_t *sim_block_bytes(struct sim_device *device);

/* Sets *device to NULL; no transfer may be under way that is still to be answered. */
static inline void sim_device_destroy(struct sim_device **device)
{
    if (*device)
        (*device)->destroy(device);
}

#endif

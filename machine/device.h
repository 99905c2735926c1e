/*
 * Generic devices on the back side of a controller: streams with a rate, memory at the far end of a
 * link, a queued block device.
 */
#ifndef DRAY_MACHINE_DEVICE_H
#define DRAY_MACHINE_DEVICE_H

#include "kernel.h"
#include "param.h"

/* What a controller asks a device for. */
struct sim_transfer {
    uint64_t offset; /* streams: 0 */
    uint32_t size;   /* bytes */
    uint8_t *data;
    bool write;     /* to the device */
    uint32_t moved; /* the device's answer: less than size at the end of a stream */
    int error;      /* 0 or -errno */
    void (*done)(struct sim_transfer *transfer);
    struct sim_event event;
    struct sim_transfer *next;
    void *owner;
};

struct sim_device {
    const char *name;
    bool stream; /* no offsets; transfers keep their order */
    void (*submit)(struct sim_device *device, struct sim_transfer *transfer);
    void (*destroy)(struct sim_device **device);
};

/* A stream: bytes come or go at `rate` bytes a second, with a buffer between. `source`: the bytes that
 * it gives (kept by reference; NULL: it takes and keeps what it is given). */
struct sim_stream_params {
    uint64_t rate;   /* bytes a second; 0: no limit */
    uint64_t buffer; /* bytes; what does not fit is lost, and counted, where `lossy` */
    uint64_t lossy;
    uint64_t latency;
};
extern const struct sim_part_kind sim_stream_kind;
int sim_stream_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                      const struct sim_stream_params *params, const void *source, uint64_t size);
/* What a sink was given so far. */
const uint8_t *sim_stream_taken(const struct sim_device *device, uint64_t *size);
uint64_t sim_stream_lost(const struct sim_device *device);

/* Memory at the far side of a link: size bytes, latency and bandwidth each way. */
struct sim_far_params {
    uint64_t size, latency, bandwidth;
};
extern const struct sim_part_kind sim_far_kind;
int sim_far_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                   const struct sim_far_params *params);
uint8_t *sim_far_bytes(struct sim_device *device);

/* A queued block device: `units` work at once on blocks spread over them, each `latency` for a block;
 * bandwidth for all. Answers come in the order in which units finish. */
struct sim_block_params {
    uint64_t size, block, units, latency, bandwidth,
        depth; /* depth: accepted at once, others wait */
};
extern const struct sim_part_kind sim_block_kind;
int sim_block_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                     const struct sim_block_params *params);
uint8_t *sim_block_bytes(struct sim_device *device);

#endif

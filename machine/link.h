/*
 * A PCIe link between a device and the host.
 *
 * Reads are split at the maximum read request (MRRS) and 4 KiB, their answers come as completions of
 * at most MPS bytes; writes are split at MPS and posted. Each packet takes the wire for its payload
 * and its header, in its direction. As many reads as `outstanding` says are on their way at once.
 */
#ifndef DRAY_MACHINE_LINK_H
#define DRAY_MACHINE_LINK_H

#include "note.h"
#include "param.h"

struct sim_link_params {
    uint64_t bandwidth;    /* bytes a second on the wire, each direction, headers included */
    uint64_t mps, mrrs;    /* bytes; powers of two */
    uint64_t write_header; /* bytes of header, framing and checks of a write packet */
    uint64_t read_header;  /* of a read request */
    uint64_t completion_header;
    uint64_t up, down;    /* ps: device to host, host to device, beside the wire */
    uint64_t outstanding; /* read requests at once */
    uint64_t posted;      /* bytes of writes that the host has not taken yet (credits); 0: any */
};

extern const struct sim_part_kind sim_link_kind;

struct sim_link_stats {
    uint64_t reads, writes, completions; /* packets */
    uint64_t up_bytes, down_bytes;       /* on the wire */
    uint64_t read_payload, write_payload;
    sim_time up_busy, down_busy;
    sim_time waiting; /* of reads for their turn (outstanding) */
};

struct sim_link;

/* What comes up is given to `host` (an IOMMU or a bus). Requests may be of any size within 4 KiB. */
int sim_link_create(struct sim_link **link, struct sim_kernel *kernel, struct sim_target *host,
                    const struct sim_link_params *params);
void sim_link_destroy(struct sim_link **link);
/* What a device submits to. A write is done when its last packet has left the device. */
struct sim_target *sim_link_target(struct sim_link *link);
/* Registers behind the link: how long a write takes to land now, and a read to come back; takes the
 * wire for it. */
sim_time sim_link_mmio_write(struct sim_link *link, uint32_t size);
sim_time sim_link_mmio_read(struct sim_link *link, uint32_t size);
void sim_link_stats(const struct sim_link *link, struct sim_link_stats *stats);

#endif

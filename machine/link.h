/*
 * A PCIe link between a device and the host.
 *
 * Reads are split at the maximum read request (MRRS) and 4 KiB, their answers come as completions
 * of at most MPS bytes; writes are split at MPS and posted. Each packet takes the wire for its
 * payload and its header, in its direction. As many reads as `outstanding` says are on their way at
 * once.
 *
 * Order is PCIe's: a write passes no write, a read passes no write that came before it; writes pass
 * reads, and reads each other.
 *
 * A posted write is done when its last packet has left the device, which knows no more of it: its
 * bytes are copied then. Whoever wants to know more sets `granted`: for a write it is called
 * *after* done, when all its bytes have taken effect or were refused (`status` says which); until
 * then the request is the link's. So a device raises the interrupt for a completion at the
 * completion's granted: a message would not pass it on the wire. A read is granted when all its
 * parts are (where one was refused: not at all), then done.
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

/* What comes up is given to `host` (an IOMMU or a bus). Returns 0; -ENOMEM. */
int sim_link_create(struct sim_link **link, struct sim_kernel *kernel, struct sim_target *host,
                    const struct sim_link_params *params);
void sim_link_destroy(struct sim_link **link);
/* What a device submits to: reads and writes of any size from 1 byte, across pages too. */
struct sim_target *sim_link_target(struct sim_link *link);
/* Registers behind the link: how long a write takes to land now, and a read to come back (beside
 * the device's own time); takes the wires for it. */
sim_time sim_link_mmio_write(struct sim_link *link, uint32_t size);
sim_time sim_link_mmio_read(struct sim_link *link, uint32_t size);
void sim_link_stats(const struct sim_link *link, struct sim_link_stats *stats);

#endif

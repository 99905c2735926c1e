/*
 * The link: two wires, and packets on them.
 *
 * A wire is a time at which it is free again: packets are put on it in the order in which they may
 * go, so where one ends is known at once, and an event is needed only where a packet arrives. A
 * request waits in front of the wire while it has packets that may not go yet: reads for one of
 * `outstanding` places, writes for credits. Its packets are requests of the link's own, from two
 * pools.
 *
 *     device ──> reads, writes (waiting) ──> up wire ──> host
 *            <── parts counted together <── down wire <──┘
 *
 * What is left out: acknowledge and flow-control packets (they are in `bandwidth`, see
 * docs/decisions/081), and the time a credit takes back.
 */
#include "link.h"
#include "rate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,
    BOUNDARY = 64, /* completions but the last of a read end at a multiple of this */
    WRITES = 1024, /* packets of writes under way, whatever the credits; more than the wire holds */
};

/* A part of a device's request, and the host's request for it. */
struct packet {
    struct sim_request request;
    struct sim_event event; /* its arrival, up or down */
    struct sim_link *link;
    struct sim_request *parent; /* NULL: a write that nobody asks about any more */
    struct sim_origin origin;   /* of a write: the parent's may be gone */
    sim_time put;               /* on the wire */
    uint8_t *bytes;             /* of a write */
    bool granted;
    struct packet *next; /* free */
};

struct waiting {
    struct sim_request *first, **end;
    uint64_t issued; /* bytes of the first that went already */
};

struct sim_link {
    struct sim_target target;
    struct sim_kernel *kernel;
    struct sim_target *host;
    struct sim_link_params params;
    struct sim_link_stats stats;
    sim_time up_free, down_free;
    struct waiting reads, writes;
    uint64_t writes_taken, writes_gone; /* order: a read goes when the writes before it are gone */
    uint64_t reading;                   /* packets */
    uint64_t credit;                    /* bytes of writes at the host */
    struct packet *read_pool, *write_pool;
    struct packet *packets;
    uint8_t *bytes;
};

/* What a request of a device holds while it is here. held[0] of a read: how many writes came before
 * it; of a write: its status, which is nobody's to see while it is not complete. held[1]: its parts
 * that are not granted yet (lower half) and those that are not done yet (upper). */
#define UNGRANTED ((uint64_t)1)
#define UNDONE    ((uint64_t)1 << 32)

#define PARAM(member, unit_, standard_, least_, most_, multiple_, about_)          \
    {                                                                              \
        .name = #member, .unit = SIM_UNIT_##unit_,                                 \
        .offset = offsetof(struct sim_link_params, member), .standard = standard_, \
        .least = least_, .most = most_, .multiple = multiple_, .about = about_     \
    }

static const struct sim_param params[] = {
    /* Gen4 x4: 16 GT/s, 128/130 coding, less acknowledges and credits: docs/decisions/081 */
    PARAM(bandwidth, RATE, 7267500000, 1000, 1000000000000, 0,
          "on the wire, each direction, headers included"),
    PARAM(mps, BYTES, 256, 128, PAGE, SIM_POWER_OF_TWO, "payload of one packet at most"),
    PARAM(mrrs, BYTES, 512, 64, PAGE, SIM_POWER_OF_TWO, "one read request at most"),
    /* framing, sequence number, check: 8; header with a 64-bit address 16, of a completion 12 */
    PARAM(write_header, BYTES, 24, 0, 256, 0, "of a write, with framing and check"),
    PARAM(read_header, BYTES, 24, 0, 256, 0, "of a read request, with framing and check"),
    PARAM(completion_header, BYTES, 20, 0, 256, 0, "of a completion, with framing and check"),
    /* assumed: of 547 ns for a read of 64 bytes, what memory and the wire leave, in halves */
    PARAM(up, TIME, 225 * SIM_NS, 0, SIM_S, 0, "device to host, beside the wire"),
    PARAM(down, TIME, 225 * SIM_NS, 0, SIM_S, 0, "host to device, beside the wire"),
    PARAM(outstanding, COUNT, 64, 1, 4096, 0, "read requests under way at once"), /* assumed */
    PARAM(posted, BYTES, 16384, 0, 1 << 30, 0,
          "writes the host has not taken; 0: any"), /* assumed */
};

static const char *check(const void *given)
{
    const struct sim_link_params *p = given;

    if (p->posted && p->posted < p->mps)
        return "posted is less than mps: a whole packet would wait for credits for ever";
    return NULL;
}

const struct sim_part_kind sim_link_kind = {
    .name = "link",
    .about = "a PCIe link between a device and the host",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_link_params),
    .check = check,
};

/* ---- wires ---- */

static sim_time take_wire(sim_time *wire_free, sim_time *busy, sim_time now, sim_time duration)
{
    sim_time begin = *wire_free > now ? *wire_free : now;

    *wire_free = begin + duration;
    *busy += duration;
    return *wire_free;
}

/* When the last byte has left. */
static sim_time take_up(struct sim_link *link, uint64_t bytes)
{
    link->stats.up_bytes += bytes;
    return take_wire(&link->up_free, &link->stats.up_busy, sim_now(link->kernel),
                     sim_rate_time(bytes, link->params.bandwidth));
}

static sim_time take_down(struct sim_link *link, uint64_t bytes)
{
    link->stats.down_bytes += bytes;
    return take_wire(&link->down_free, &link->stats.down_busy, sim_now(link->kernel),
                     sim_rate_time(bytes, link->params.bandwidth));
}

/* A packet's way, for traces. */
static void note_way(const struct packet *packet, const char *text)
{
    struct sim_kernel *kernel = packet->link->kernel;

    if (sim_watchers(kernel))
        sim_note(kernel, &(struct sim_note){ .kind = SIM_NOTE_SPAN,
                                             .time = sim_now(kernel),
                                             .part = "link",
                                             .address = packet->request.address,
                                             .size = packet->request.size,
                                             .value = sim_now(kernel) - packet->put,
                                             .text = text,
                                             .origin = packet->request.origin });
}

/* ---- what waits ---- */

static void append(struct waiting *waiting, struct sim_request *request)
{
    request->next = NULL;
    *waiting->end = request;
    waiting->end = &request->next;
}

/* `size` bytes more of the first have gone. True: that was all of it, and it is off the list. */
static bool advance(struct waiting *waiting, uint32_t size)
{
    struct sim_request *request = waiting->first;

    waiting->issued += size;
    if (waiting->issued < request->size)
        return false;
    waiting->issued = 0;
    waiting->first = request->next;
    if (!waiting->first)
        waiting->end = &waiting->first;
    return true;
}

/* ---- parts ---- */

/* Bytes of the part that begins at `address`: at most `most`, within a page. */
static uint32_t part_size(uint64_t address, uint64_t left, uint64_t most)
{
    uint64_t page = PAGE - address % PAGE;
    uint64_t size = left < most ? left : most;

    return (uint32_t)(size < page ? size : page);
}

static uint64_t part_count(const struct sim_request *request, uint64_t most)
{
    uint64_t parts = 0;

    for (uint64_t at = 0; at < request->size; parts++)
        at += part_size(request->address + at, request->size - at, most);
    return parts;
}

static struct packet *take_packet(struct packet **pool, struct sim_link *link,
                                  struct sim_request *parent, uint64_t at, uint32_t size)
{
    struct packet *packet = *pool;

    *pool = packet->next;
    packet->parent = parent;
    packet->put = sim_now(link->kernel);
    packet->granted = false;
    packet->request.master = parent->master;
    packet->request.op = parent->op;
    packet->request.address = parent->address + at;
    packet->request.size = size;
    packet->request.status = SIM_OK;
    packet->request.from_cache = false;
    packet->request.shared = false;
    return packet;
}

static void give_packet(struct packet **pool, struct packet *packet)
{
    packet->next = *pool;
    *pool = packet;
}

/* A part's bytes have moved: what the parent learns of it. True: it was the last. */
static bool part_granted(struct packet *packet)
{
    struct sim_request *parent = packet->parent;

    if (packet->request.address == parent->address)
        parent->physical = packet->request.physical;
    parent->from_cache |= packet->request.from_cache;
    parent->held[1] -= UNGRANTED;
    return (uint32_t)parent->held[1] == 0;
}

/* ---- reads ---- */

static void put_waiting(struct sim_link *link);

/* The last completion of a part is at the device. */
static void read_back(struct sim_event *event)
{
    struct packet *packet = SIM_OWNER(event, struct packet, event);
    struct sim_link *link = packet->link;
    struct sim_request *parent = packet->parent;

    note_way(packet, "read");
    if (packet->request.status != SIM_OK)
        parent->status = packet->request.status;
    give_packet(&link->read_pool, packet);
    link->reading--;
    parent->held[1] -= UNDONE;
    if (parent->held[1] < UNDONE)
        parent->done(parent);
    put_waiting(link);
}

static void read_granted(struct sim_request *request)
{
    struct packet *packet = SIM_OWNER(request, struct packet, request);

    if (part_granted(packet) && packet->parent->granted)
        packet->parent->granted(packet->parent);
}

/* Completions of a read: each but the last ends at a boundary and none is over MPS. */
static uint64_t completion_count(const struct sim_link *link, uint64_t address, uint64_t size)
{
    uint64_t first = link->params.mps - address % BOUNDARY;

    return size <= first ? 1 : 1 + (size - first + link->params.mps - 1) / link->params.mps;
}

/* The host has all the bytes of a part: they go down. A refusal is a completion without any. */
static void read_done(struct sim_request *request)
{
    struct packet *packet = SIM_OWNER(request, struct packet, request);
    struct sim_link *link = packet->link;
    uint64_t size = request->status == SIM_OK ? request->size : 0;
    uint64_t completions = completion_count(link, request->address, size);
    sim_time end = take_down(link, size + completions * link->params.completion_header);

    link->stats.completions += completions;
    link->stats.read_payload += size;
    sim_event_init(&packet->event, read_back);
    sim_at(link->kernel, &packet->event, end + link->params.down);
}

static void read_arrives(struct sim_event *event)
{
    struct packet *packet = SIM_OWNER(event, struct packet, event);

    sim_submit(packet->link->host, &packet->request);
}

static bool put_read(struct sim_link *link)
{
    struct sim_request *parent = link->reads.first;

    if (!parent || link->reading == link->params.outstanding || parent->held[0] > link->writes_gone)
        return false;
    uint64_t at = link->reads.issued;
    uint32_t size = part_size(parent->address + at, parent->size - at, link->params.mrrs);
    struct packet *packet = take_packet(&link->read_pool, link, parent, at, size);
    packet->request.data = parent->data + at;
    packet->request.origin = parent->origin;
    packet->request.granted = read_granted;
    packet->request.done = read_done;
    sim_event_init(&packet->event, read_arrives);
    link->reading++;
    link->stats.reads++;
    link->stats.waiting += sim_now(link->kernel) - parent->submitted;
    sim_at(link->kernel, &packet->event, take_up(link, link->params.read_header) + link->params.up);
    advance(&link->reads, size);
    return true;
}

/* ---- writes ---- */

/* Its last packet has left: for the device that is all. */
static void write_left(struct sim_event *event)
{
    struct sim_request *parent = SIM_OWNER(event, struct sim_request, event);

    parent->done(parent);
}

/* The host took the bytes of a packet, or refused them. */
static void write_taken(struct packet *packet)
{
    struct sim_link *link = packet->link;
    struct sim_request *parent = packet->parent;

    packet->granted = true;
    link->credit -= packet->request.size;
    if (parent) {
        if (packet->request.status != SIM_OK)
            parent->held[0] = packet->request.status;
        if (part_granted(packet)) {
            parent->status = (enum sim_status)parent->held[0];
            parent->granted(parent);
        }
    }
    put_waiting(link);
}

static void write_granted(struct sim_request *request)
{
    write_taken(SIM_OWNER(request, struct packet, request));
}

static void write_done(struct sim_request *request)
{
    struct packet *packet = SIM_OWNER(request, struct packet, request);
    struct sim_link *link = packet->link;

    if (!packet->granted)
        write_taken(packet);
    give_packet(&link->write_pool, packet);
    put_waiting(link);
}

static void write_arrives(struct sim_event *event)
{
    struct packet *packet = SIM_OWNER(event, struct packet, event);

    note_way(packet, "write");
    sim_submit(packet->link->host, &packet->request);
}

static bool put_write(struct sim_link *link)
{
    struct sim_request *parent = link->writes.first;

    if (!parent || !link->write_pool)
        return false;
    uint64_t at = link->writes.issued;
    uint32_t size = part_size(parent->address + at, parent->size - at, link->params.mps);
    if (link->params.posted && link->credit + size > link->params.posted)
        return false;
    struct packet *packet = take_packet(&link->write_pool, link, parent, at, size);
    memcpy(packet->bytes, parent->data + at, size);
    packet->request.data = packet->bytes;
    packet->request.origin = NULL;
    if (parent->origin) {
        packet->origin = *parent->origin;
        packet->request.origin = &packet->origin;
    }
    if (!parent->granted)
        packet->parent = NULL;
    link->credit += size;
    link->stats.writes++;
    link->stats.write_payload += size;
    sim_time end = take_up(link, size + link->params.write_header);
    /* Scheduled first, so that a write is done before it is granted even where `up` is 0. */
    if (advance(&link->writes, size)) {
        link->writes_gone++;
        sim_event_init(&parent->event, write_left);
        sim_at(link->kernel, &parent->event, end);
    }
    sim_at(link->kernel, &packet->event, end + link->params.up);
    return true;
}

/* ---- turns ---- */

/* Puts on the wire what may go. Neither kind waits for the other but for the order that reads keep
 * behind writes, so it does not matter which is asked first when both may. */
static void put_waiting(struct sim_link *link)
{
    while (put_write(link) || put_read(link))
        ;
}

static void submit(struct sim_target *target, struct sim_request *request)
{
    struct sim_link *link = SIM_OWNER(target, struct sim_link, target);
    bool write = request->op == SIM_WRITE;
    uint64_t parts = part_count(request, write ? link->params.mps : link->params.mrrs);

    if (!request->size || (!write && request->op != SIM_READ)) {
        fprintf(stderr, "link: a device reads or writes, at least one byte\n");
        abort();
    }
    request->status = SIM_OK;
    request->shared = false;
    request->from_cache = false;
    request->submitted = sim_now(link->kernel);
    request->held[0] = write ? SIM_OK : link->writes_taken;
    request->held[1] = parts * (UNGRANTED + UNDONE);
    link->writes_taken += write;
    append(write ? &link->writes : &link->reads, request);
    put_waiting(link);
}

/* ---- registers ---- */

sim_time sim_link_mmio_write(struct sim_link *link, uint32_t size)
{
    sim_time end = take_down(link, link->params.write_header + size);

    return end + link->params.down - sim_now(link->kernel);
}

/* The answer's wire is taken from now on, not from when it will be there: what goes up meanwhile is
 * a few bytes later for it, instead of waiting for it. */
sim_time sim_link_mmio_read(struct sim_link *link, uint32_t size)
{
    sim_time now = sim_now(link->kernel);
    uint64_t answer = link->params.completion_header + size;
    sim_time there = take_down(link, link->params.read_header) + link->params.down;
    sim_time free = take_up(link, answer);
    sim_time back = there + sim_rate_time(answer, link->params.bandwidth);

    return (back > free ? back : free) + link->params.up - now;
}

void sim_link_stats(const struct sim_link *link, struct sim_link_stats *stats)
{
    *stats = link->stats;
}

/* ---- life ---- */

int sim_link_create(struct sim_link **link, struct sim_kernel *kernel, struct sim_target *host,
                    const struct sim_link_params *given)
{
    struct sim_link *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->packets = calloc(given->outstanding + WRITES, sizeof(*l->packets));
    l->bytes = malloc(WRITES * given->mps);
    if (!l->packets || !l->bytes) {
        sim_link_destroy(&l);
        return -ENOMEM;
    }
    l->target.submit = submit;
    l->kernel = kernel;
    l->host = host;
    l->params = *given;
    l->reads.end = &l->reads.first;
    l->writes.end = &l->writes.first;
    for (uint64_t i = 0; i < given->outstanding + WRITES; i++) {
        struct packet *packet = &l->packets[i];
        bool write = i < WRITES;
        packet->link = l;
        packet->bytes = write ? l->bytes + i * given->mps : NULL;
        packet->request.granted = write ? write_granted : NULL;
        packet->request.done = write ? write_done : NULL;
        sim_event_init(&packet->event, write ? write_arrives : read_arrives);
        give_packet(write ? &l->write_pool : &l->read_pool, packet);
    }
    *link = l;
    return 0;
}

void sim_link_destroy(struct sim_link **link)
{
    struct sim_link *l = *link;

    if (!l)
        return;
    free(l->bytes);
    free(l->packets);
    free(l);
    *link = NULL;
}

struct sim_target *sim_link_target(struct sim_link *link)
{
    return &link->target;
}

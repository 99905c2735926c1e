/*
 * Inside of the controller.
 *
 *     registers ── doorbell ──> fetch ──> front ── engine ──> jobs ──> chunks ──> port, devices
 *                                           │                  │
 *                                        regions            complete ──> completions, interrupt
 *
 * A channel has one front: it takes descriptors in order, waits for what they wait for, checks and
 * resolves them, and makes jobs of those that move bytes. Jobs of a channel run side by side; the
 * engine, of which there is one, gives them their turns chunk by chunk. A transaction ends when its
 * descriptors have been taken and its jobs have ended; completions are written in the order in which
 * transactions began.
 *
 * Whatever may change what a channel can do ends in channel_kick, which looks at all of it again.
 */
#ifndef DRAY_MACHINE_CONTROLLER_INTERNAL_H
#define DRAY_MACHINE_CONTROLLER_INTERNAL_H

#include "controller.h"
#include "device.h"
#include "dray/format.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rings and descriptors are little-endian, and are read in place"
#endif

/* Limits of this version of the format. */
enum {
    CHAIN_MAX = 65536,
    LINK_MAX = 64,
    LINK_COUNT_MAX = 65536,
    LOOPS_MAX = 4,
    KEY_INDEX_MASK = (1 << 20) - 1, /* the rest of a key is its generation */
};
#define LENGTH_MAX  ((uint64_t)1 << 62)
#define ELEMENT_MAX ((uint32_t)1 << 30)

enum {
    PAGE = 4096,
    REGION_CACHE = 8,   /* entries, for each channel */
    DEVICE_CHUNKS = 16, /* of a page each, for each channel: a slow device holds up nobody else */
    COMPLETION_WRITES = 4, /* under way at once, for each channel */
    TRANSACTIONS = 256,    /* begun and not completed, for each channel; a power of two */
    FAULT_ERRNO = 14,      /* EFAULT: the result of a descriptor whose access the bus refused */
};

struct channel;
struct job;

/* A write. It has landed when it was granted and is done, in whichever order: a link is done with a
 * posted write before the bus grants it. Then its bytes are visible to everyone. */
struct posted {
    struct sim_request request;
    bool granted, done;
    void (*landed)(struct posted *posted);
};

/* Reads some bytes of memory in pieces: no piece crosses a page, or is longer than a request. */
struct reader {
    struct sim_request request;
    struct channel *channel;
    uint8_t *data;
    uint64_t address;
    uint32_t left;
    bool busy;
    /* Not called when the channel is stopped meanwhile. */
    void (*done)(struct channel *channel, struct reader *reader, enum sim_status status);
    struct sim_origin origin;
};

struct region {
    uint32_t key; /* 0: none */
    uint32_t index;
    unsigned kind, rights;
    uint64_t address, length;
    struct sim_device *device;
};

/* One side of a job: an address on the port, or an offset on a device. */
struct side {
    uint64_t address;
    struct sim_device *device;
    uint32_t key;
    bool stream;
};

struct loop {
    uint64_t extent;
    int64_t src, dst;
};

/* A STRIDED copy, and where in it the next byte is. */
struct nest {
    uint64_t element;
    unsigned count;
    struct loop loop[LOOPS_MAX];
    uint64_t at[LOOPS_MAX];
    uint64_t src, dst; /* of the element */
    uint64_t within;
};

/* Why something failed, as its completion tells it. */
struct outcome {
    enum dray_status status;
    enum dray_access access;
    uint64_t result;
};

struct transaction {
    uint32_t count; /* descriptors taken */
    uint32_t jobs;
    bool closed, notify;
    bool serial;          /* a job is under way that the next descriptor waits for */
    bool summed, differs; /* crc counts; a COMPARE found a difference */
    uint32_t crc;
    uint64_t compared, moved, result;
    uint64_t user_data;
    uint32_t index;
    uint8_t status, access;
};

/* A piece of a job on its way: read, then written. */
struct chunk {
    struct posted out; /* its request reads first */
    struct sim_transfer transfer;
    struct sim_origin origin;
    struct job *job;
    struct chunk *next; /* of its pool, or of an ordered job */
    uint8_t *data;      /* a request; twice that, for COMPARE; a page, of a device's */
    uint64_t src, dst;
    uint32_t size;
    bool of_device; /* belongs to its channel's pool */
    bool reading;   /* counts among the reads */
    bool second;    /* COMPARE: the destination is being read */
    bool arrived;
    /* What is told of the job once the bytes that did come are written. */
    enum dray_status status;
    uint64_t result;
};

/* A descriptor that moves or reads bytes, under way. */
struct job {
    struct job *next; /* of the channel's list of those that issue, or of free ones */
    struct channel *channel;
    struct transaction *txn; /* NULL: block mode */
    struct side src, dst;
    enum dray_opcode opcode; /* COPY, STRIDED, FILL, COMPARE, CRC32C */
    bool sums;
    bool sum_first; /* it reads all for the checksum, then copies: see job_end */
    bool ordered;   /* chunks are written in the order of their issue */
    bool backward;
    bool serial; /* the next of its transaction waits for it */
    bool stream;
    bool failed, used;
    bool listed; /* among those that issue */
    uint64_t length, issued, moved;
    uint64_t equal; /* COMPARE: the first difference so far */
    uint32_t pattern_size;
    uint8_t pattern[16];
    struct nest nest;
    uint32_t chunks;
    struct chunk *first, *last; /* ordered: issued and not written, oldest first */
    uint32_t index;             /* in its transaction */
    uint64_t number;            /* in its channel */
    uint32_t epoch;             /* of the region table */
    sim_time begun;
};

/* A descriptor that was fetched. */
struct held {
    struct dray_desc desc;
    struct dray_shape shape;
    bool from_ring;
    bool faulted; /* the bus refused its fetch */
};

struct held_ring {
    struct held *slot;
    uint32_t size, first, count;
};

struct completion_write {
    struct posted out;
    struct channel *channel;
    struct sim_origin origin;
    uint8_t *data;
    bool busy;
    uint32_t count, urgent; /* completions in it, and those of them that notify */
};

enum front {
    FRONT_FREE,
    FRONT_SET_UP,  /* waits for the engine */
    FRONT_RESOLVE, /* looks regions up, reads a shape */
    FRONT_HOLD,    /* waits for jobs before it */
    FRONT_WAIT,
    FRONT_SIGNAL,
};

struct channel {
    struct sim_controller *controller;
    char name[32]; /* "controller.0" */
    uint64_t reg[SIM_CHANNEL_SIZE / 8];
    bool running, block;
    bool stopping;  /* nothing more is begun */
    bool resetting; /* likewise, and then everything is forgotten */
    bool mute;      /* completions are not written any more */
    bool halted;
    uint8_t halt_status;
    bool kicking, again;
    uint32_t outstanding; /* requests and transfers with somebody else */

    /* Fetch. */
    uint32_t head, tail; /* next to be fetched; published, as last seen */
    uint32_t head_told;
    bool tail_looked; /* since the ring was found empty */
    bool look_again;
    struct sim_event look;
    struct reader tail_reader, fetcher, shaper, seen_reader;
    uint32_t tail_word, seen_word;
    uint8_t *fetch_data;
    uint32_t fetching;  /* descriptors on their way */
    uint32_t arriving;  /* of them, those whose shapes are there too */
    bool fetching_link; /* where they come from */
    sim_time fetch_begun;
    struct held_ring ring_held, link_held;
    uint64_t link_address;
    uint32_t link_left; /* of its array: not fetched */
    uint32_t link_hops, link_epoch;
    struct posted head_out;
    bool head_busy;
    struct sim_origin head_origin;

    /* The front. */
    enum front front;
    struct held now;
    struct job *job;
    unsigned step; /* of resolve */
    struct reader shape_reader, region_reader;
    bool shape_read, shape_failed;
    uint64_t taken;         /* descriptors so far */
    struct posted flag_out; /* its request reads, too */
    struct sim_origin flag_origin;
    struct sim_event flag_event;
    uint64_t flag_word, flag_address;
    bool flag_busy, signal_writes;
    sim_time wait_begun;
    uint32_t wait_epoch;
    struct channel *signal_next;

    /* Regions. */
    struct region region[REGION_CACHE];
    uint32_t region_turn;
    struct sim_region_entry region_entry;
    uint32_t region_fresh; /* index of the entry that was just read; UINT32_MAX: none */
    bool region_failed;
    uint32_t epoch;        /* writes of REGIONS */
    uint32_t region_epoch; /* when the entry that is being read was asked for */

    /* Jobs. */
    struct job *jobs_memory, *free_jobs;
    uint64_t job_count;
    struct job *issuing_first, *issuing_last;
    uint32_t issuing, jobs, stream_jobs;
    struct chunk *device_chunks, *free_device_chunks;
    uint8_t *device_data;

    /* Transactions: from txn_first to txn_next, and the open one. */
    struct transaction txn[TRANSACTIONS];
    struct transaction *open;
    uint32_t txn_first, txn_next, seen;
    struct sim_event seen_event;
    struct completion_write writes[COMPLETION_WRITES];

    struct sim_controller_stats stats;
    sim_time counted;     /* up to when the times of stats are */
    sim_time *counted_as; /* where the time since then belongs; NULL: nowhere */
};

struct engine {
    struct sim_event event;
    bool busy, looping, again;
    unsigned turn; /* channel served last */
    struct channel *setting_up;
    struct chunk *chunk;
};

struct sim_controller {
    struct sim_kernel *kernel;
    struct sim_target *port;
    struct sim_master *master;
    struct sim_interrupts *interrupts;
    struct sim_controller_params params;
    struct sim_mmio mmio;
    uint64_t address_max;
    struct sim_device *device[SIM_CONTROLLER_DEVICES];
    struct engine engine;
    struct chunk *chunks_memory, *free_chunks;
    uint8_t *chunk_data;
    uint32_t reads;                             /* data reads under way */
    struct channel *signal_first, *signal_last; /* first: at the flag unit */
    uint32_t crc_table[256];
    struct channel *channels;
};

static inline uint64_t reg_get(const struct channel *ch, unsigned offset)
{
    return ch->reg[offset / 8];
}
static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
/* Bytes from `address` to the end of its page. */
static inline uint64_t page_left(uint64_t address)
{
    return PAGE - (address & (PAGE - 1));
}

/* controller.c */
void channel_kick(struct channel *ch);
void channel_submit(struct channel *ch, struct sim_request *request);
void channel_post(struct channel *ch, struct posted *out);
/* To be called first in each `done` and `landed`. */
void channel_returned(struct channel *ch);
void channel_span(const struct channel *ch, const char *what, sim_time begun, uint64_t bytes,
                  const struct sim_origin *origin);
/* SIM_NOTE_BEGIN, END (of a descriptor), STOP, REST. */
void channel_note(const struct channel *ch, enum sim_note_kind kind, uint64_t number);
bool channel_idle(const struct channel *ch);
/* Whether the controller can put these addresses on its port. */
bool controller_reaches(const struct sim_controller *c, uint64_t address, uint64_t size);

/* controller_registers.c */
uint64_t controller_register_read(struct sim_mmio *mmio, uint64_t offset, uint32_t size);
void controller_register_write(struct sim_mmio *mmio, uint64_t offset, uint32_t size,
                               uint64_t value);
/* Nothing more is begun; what is under way ends. `status`: why, OK where it was asked for. */
void channel_stop(struct channel *ch, enum dray_status status);
/* Once stopped and at rest. */
void channel_settle(struct channel *ch);
bool channel_is_stale(const struct channel *ch);

/* controller_fetch.c */
void reader_start(struct channel *ch, struct reader *reader, uint64_t address, void *data,
                  uint32_t size);
void fetch_init(struct channel *ch);
void fetch_reset(struct channel *ch);
void fetch_doorbell(struct channel *ch);
void fetch_look(struct channel *ch); /* at the tail, now */
void fetch_go(struct channel *ch);
/* The next descriptor to be taken; NULL: none is here. */
struct held *fetch_next(struct channel *ch);
void fetch_take(struct channel *ch);
/* Nothing is here, on its way, or published. */
bool fetch_empty(const struct channel *ch);

/* controller_region.c */
enum found {
    FOUND,
    FOUND_LATER, /* the front is kicked when it is there */
    FOUND_NOT,   /* *status says why */
};
void region_drop(struct channel *ch);
void region_init(struct channel *ch);
enum found region_find(struct channel *ch, uint32_t key, uint64_t offset, uint64_t length,
                       unsigned rights, struct region *region, enum dray_status *status);
static inline bool region_is_memory(const struct region *region)
{
    return region->kind == SIM_REGION_MEMORY || region->kind == SIM_REGION_FLAGS;
}

/* controller_check.c */
enum dray_status check_desc(const struct dray_desc *d);
enum dray_status check_shape(const struct dray_shape *shape, uint64_t length);

/* controller_front.c */
void front_init(struct channel *ch);
void front_go(struct channel *ch);
void front_set_up(struct channel *ch); /* the engine has spent its time on the descriptor */
void front_drop(struct channel *ch);   /* stopped: what it holds is given up */
bool front_resting(const struct channel *ch);
/* A descriptor of a transaction failed; of several the first in the list counts. */
void transaction_fail(struct channel *ch, struct transaction *txn, uint32_t index,
                      const struct outcome *outcome);
void front_fail(struct channel *ch, const struct outcome *outcome);
/* The front is done with its descriptor. */
void front_retire(struct channel *ch);

/* controller_resolve.c: looks up what the descriptor in the front names, and puts it into its job. */
enum resolved {
    RESOLVED,
    RESOLVED_LATER, /* the front is kicked when it can go on */
    RESOLVED_NOT,   /* *outcome says why */
    RESOLVED_SKIP,  /* nothing is to be done for it */
};
enum resolved resolve(struct channel *ch, struct outcome *outcome);

/* controller_flag.c */
void flag_init(struct channel *ch);
void flag_signal(struct channel *ch);
void flag_wait(struct channel *ch);
void flag_drop(struct channel *ch);

/* controller_engine.c */
void engine_init(struct sim_controller *c);
void engine_kick(struct sim_controller *c);
struct job *job_take(struct channel *ch); /* NULL: none is free */
void job_give(struct job *job);
void job_launch(struct job *job);
/* It issues no more, and ends when its chunks have. */
void job_fail(struct job *job, const struct outcome *outcome);
void job_cut(struct job *job);
void job_settle(struct job *job); /* ends it if nothing of it is under way */

/* controller_chunk.c */
void chunk_init(struct chunk *chunk, uint8_t *data, bool of_device);
/* The next chunk of a job, counted as issued; NULL: nothing can be issued now. */
struct chunk *chunk_cut(struct job *job);
void chunk_start(struct chunk *chunk);
void chunk_give(struct chunk *chunk);

/* controller_strided.c */
void nest_make(struct nest *nest, const struct dray_shape *shape);
/* Bytes that a side touches, relative to its first element. False: they do not fit in 63 bits. */
bool nest_bounds(const struct dray_shape *shape, const int64_t *strides, int64_t *low,
                 int64_t *high);
/* Whether bytes of the two sides meet, where their bounds do: `apart` is the destination's first
 * address less the source's. False is certain. */
bool nest_meets(const struct nest *nest, int64_t apart);
void nest_advance(struct nest *nest, uint64_t bytes); /* within the element */

/* controller_complete.c */
void complete_init(struct channel *ch);
void complete_reset(struct channel *ch);
/* Opens a transaction. False: no room for its completion now. */
bool complete_open(struct channel *ch);
void complete_close(struct channel *ch);
void complete_go(struct channel *ch);
void complete_seen(struct channel *ch, uint32_t seen);

void channel_interrupt(struct channel *ch, bool urgent);

/* controller_block.c */
void block_start(struct channel *ch);
void block_end(struct channel *ch);

/* controller_sum.c */
void crc32c_table(uint32_t table[256]);
uint32_t crc32c(const uint32_t table[256], uint32_t crc, const uint8_t *data, size_t size);

#endif

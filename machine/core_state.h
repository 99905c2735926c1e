/*
 * The inside of a core. Six files share it:
 *
 *     core.c            life, programs, interrupts, figures
 *     core_access.c     loads, stores, swaps, barriers, cache maintenance: what a program does to memory
 *     core_device.c     uncached accesses and registers
 *     core_buffer.c     stores on their way out
 *     core_combining.c  lines in which write-combining stores gather
 *     core_early.c      what a weak core remembers, so that loads can have been executed early
 *
 * Who runs: the program's fiber; a second fiber that takes stores into the cache where that takes time
 * (a miss); and events. Only one of them runs at a time (fiber.h), so nothing here is locked; but
 * whatever may sleep or block can find everything changed after it.
 */
#ifndef DRAY_MACHINE_CORE_STATE_H
#define DRAY_MACHINE_CORE_STATE_H

#include <setjmp.h>

#include "core.h"

enum {
    CORE_LINE = 256,      /* bytes of a line at most */
    CORE_BUFFER = 128,    /* entries of a store buffer at most */
    CORE_WINDOW = 16,     /* oldest entries among which a weak core chooses */
    CORE_POSTED = 16,     /* writes to devices under way */
    CORE_COMBINING = 8,   /* lines that gather at once */
    CORE_REMEMBERED = 32, /* lines that were taken by others */
    CORE_FILTER = 256,    /* counters of words in the buffer */
    CORE_INTERRUPTS = 64,
};

/* ---- the store buffer ---- */

enum stored_kind {
    STORED_CACHED,
    STORED_UNCACHED,
    STORED_REGISTER,
    STORED_COMBINING,
};

/* A store, or the part of one that lies in one aligned word of 8 bytes. */
struct stored {
    uint64_t word; /* physical */
    uint8_t bytes[8];
    uint8_t mask; /* which of them: `size` from `first` on */
    uint8_t first, size;
    uint8_t kind;   /* enum stored_kind */
    bool release;   /* leaves after all that are older */
    bool leaving;   /* a request or the second fiber carries it */
    uint32_t epoch; /* store barriers before it */
    struct sim_origin origin;
};

struct posted {
    struct sim_request request;
    struct sim_core *core;
    struct stored *entry; /* NULL: free, or granted */
    uint8_t data[8];
    bool busy;
    struct sim_origin origin;
};

struct store_buffer {
    struct stored slots[CORE_BUFFER];
    uint16_t order[CORE_BUFFER]; /* of slots, oldest first: `count` of them; then the free ones */
    uint32_t count, capacity;
    uint32_t devices;            /* of count: to devices, uncached or registers */
    uint32_t combining;          /* of count: write-combining */
    uint8_t filter[CORE_FILTER]; /* entries by word: 0 means that no entry has it */
    uint32_t epoch;              /* of stores from now on */
    uint64_t wanted;             /* line of the last store to the cache */
    sim_time next;          /* when the next leaves, SIM_NEVER: something else must happen first */
    sim_time ready;         /* the exit is free again */
    struct sim_event event; /* at `next`, where the program's fiber does not look to it itself */
    struct stored *slow;    /* what the second fiber carries */
    bool slow_landed;
    struct sim_origin slow_origin; /* and whose it is */
    struct sim_fiber *fiber;
    struct posted posted[CORE_POSTED];
};

/* ---- write combining ---- */

struct combining_line {
    enum {
        COMBINING_FREE,
        COMBINING_OPEN,
        COMBINING_LEAVING,
    } state;
    uint64_t line;
    uint64_t opened;  /* counts up */
    uint32_t written; /* bytes */
    uint32_t at, run; /* leaving: the bytes that are under way */
    uint8_t bytes[CORE_LINE];
    uint8_t mask[CORE_LINE]; /* 1: written */
    struct sim_core *core;
    struct sim_request request;
    struct sim_origin origin; /* of the last store */
};

/* ---- what was there before others took it ---- */

struct remembered {
    uint64_t line;
    uint64_t number; /* counts up */
    sim_time time;   /* till then; 0: free */
    uint8_t bytes[CORE_LINE];
};

struct early {
    struct sim_observer observer;
    sim_time ordered; /* no load after it was executed before this */
    sim_time newest;  /* of what is remembered */
    uint64_t place;   /* of the next; counts up */
    struct remembered *lines;
};

/* ---- the core ---- */

struct sim_core {
    struct sim_kernel *kernel;
    const char *name;
    struct sim_bus *bus;
    struct sim_core_params params;
    sim_time cycle, hit; /* ps of a cycle, and of a hit in the first level */
    uint32_t line;
    bool weak, coherent;
    struct sim_cache *cache;
    struct sim_cache_listener listener;
    struct sim_tlb *tlb;
    struct store_buffer buffer;
    struct combining_line *combining; /* CORE_COMBINING of them */
    uint64_t combining_opened;
    uint32_t combining_used; /* not free */
    struct early early;

    struct sim_fiber *fiber;
    void (*code)(struct sim_core *core, void *argument);
    void *argument;
    bool busy; /* a program runs */
    jmp_buf fault_exit;
    struct sim_core_fault fault;

    bool waits;                /* the program's fiber is blocked in core_wait */
    bool answered;             /* what it asked the bus for is there */
    uint64_t pending, handled; /* interrupts: arrived; with a handler */
    sim_time arrived[CORE_INTERRUPTS];
    struct {
        void (*run)(struct sim_core *core, unsigned number, void *argument);
        void *argument;
    } handlers[CORE_INTERRUPTS];
    bool in_handler, has_handled;
    bool swaps;         /* inside sim_swap */
    bool interruptible; /* blocked, and an interrupt wakes it */
    struct sim_event timer;

    struct sim_core_stats stats;
    sim_time began, waited; /* of the present program; waited: for interrupts */
    sim_time noted;         /* up to when its time is told of in spans */
};

/* ---- core.c ---- */

/* Begins each action: interrupts that have arrived are handled before it. */
void core_deliver(struct sim_core *core);
static inline void core_enter(struct sim_core *core)
{
    if ((core->pending & core->handled) && !core->in_handler)
        core_deliver(core);
}
/* Lets time pass for the program, and the stores that are due leave meanwhile. */
void core_pass(struct sim_core *core, sim_time delay);
/* Before anything that may sleep or block outside of the core: the buffer looks after itself. */
void core_leave_alone(struct sim_core *core);
/* The program's fiber waits until something of the core has changed; the caller looks in a loop. */
void core_wait(struct sim_core *core, const char *reason);
/* Something has changed. */
void core_changed(struct sim_core *core);
struct sim_origin core_origin(const char *what, const struct sim_where *where);
void core_note(const struct sim_core *core, enum sim_note_kind kind, uint64_t address,
               uint64_t size, uint64_t value, const struct sim_origin *origin);
/* Ends the program. */
_Noreturn void core_fail(struct sim_core *core, uint64_t address, bool write,
                         const struct sim_where *where);
/* Fails where nothing is mapped, or it is not writable. */
const struct sim_page *core_translate(struct sim_core *core, uint64_t address, bool write,
                                      const struct sim_where *where);

/* ---- core_buffer.c ---- */

int buffer_make(struct sim_core *core);
void buffer_free(struct sim_core *core);
/* In the program's fiber. Bytes of one word; waits while the buffer is full. */
void buffer_put(struct sim_core *core, enum stored_kind kind, uint64_t address, const void *from,
                uint32_t size, bool release, const struct sim_origin *origin);
/* One store leaves, or `next` says when one can. */
void buffer_step(struct sim_core *core);
/* From an event: something that a store waited for has happened. */
void buffer_go_on(struct sim_core *core);
/* The second fiber's store is in the cache: others see it. */
void buffer_landed_slow(struct sim_core *core);
/* The newest bytes of [address, address + size), within one line: how many of them are in the buffer;
 * they are put into `to`. */
uint32_t buffer_forward(const struct sim_core *core, uint64_t address, uint8_t *to, uint32_t size);
/* In the program's fiber: until none of the buffer's stores touches the range. */
void buffer_wait_range(struct sim_core *core, uint64_t address, uint64_t size);
void buffer_wait_devices(struct sim_core *core);
void buffer_wait_empty(struct sim_core *core);

static inline bool buffer_may_hold(const struct sim_core *core, uint64_t word)
{
    return core->buffer.filter[word / 8 % CORE_FILTER] != 0;
}

/* ---- core_combining.c ---- */

int combining_make(struct sim_core *core);
void combining_free(struct sim_core *core);
/* False: all lines are on their way; a later step tries again. */
bool combining_take(struct sim_core *core, const struct stored *entry);
/* In the program's fiber: all lines go, and memory has them when it returns. */
void combining_flush(struct sim_core *core);

/* ---- core_early.c ---- */

int early_make(struct sim_core *core);
void early_free(struct sim_core *core);
/* All loads from now on see at least what is there now. */
static inline void early_order(struct sim_core *core)
{
    core->early.ordered = sim_now(core->kernel);
}
void early_forget_line(struct sim_core *core, uint64_t address);
static inline void early_forget(struct sim_core *core, uint64_t address)
{
    if (core->early.newest)
        early_forget_line(core, address);
}
/* Whether the load was executed early, by the seed's choice; then its bytes are in `to`, and the time
 * before which they were there is returned. 0: it was not. */
sim_time early_load(struct sim_core *core, uint64_t address, void *to, uint32_t size);

/* ---- core_device.c ---- */

void uncached_load(struct sim_core *core, const struct sim_page *page, uint64_t physical, void *to,
                   uint32_t size, const struct sim_where *where);

#endif

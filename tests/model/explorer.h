/*
 * Runs a few threads of real source through every interleaving.
 *
 * Each access to shared memory (dray/io.h, given another meaning by explorer_io.h) is a point at
 * which any thread may go on. Each thread has a store buffer as on x86 (TSO): a plain or release
 * store enters it, and becomes visible at any later time, in order; a load sees the thread's own
 * buffer first; a swap empties it and is atomic. Events are eventfds; a ring is not taken for a
 * barrier.
 *
 * Depth-first, over states: threads are coroutines, a state is saved by copying their stacks and
 * the memory they work on. What a thread does depends only on what its accesses returned, so that
 * two states with the same memory, buffers and histories go on alike, and the second is not
 * followed again. explorer_forget replaces a history by what the thread's future depends on.
 */
#ifndef DRAY_TESTS_EXPLORER_H
#define DRAY_TESTS_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXPLORER_THREADS_MAX = 4,
    EXPLORER_EVENTS_MAX = 4,
};

/* One thing broken on purpose, at one word of memory (`at`), to see that the exploration finds it.
 */
enum explorer_mutation {
    MUTATION_NONE,
    MUTATION_WEAK_SWAP,  /* the swap is a store like any other: no barrier */
    MUTATION_EARLY_LOAD, /* the load behind a swap is done before it */
    MUTATION_STALE_LOAD, /* the look after arming does not happen: it finds what was there before */
    MUTATION_NO_RING,    /* an event (its number in `at`) is never rung */
    MUTATION_RING_FIRST, /* rung before the word is cleared */
    MUTATION_LATE_DRAIN, /* an event is drained just before the next sleep, not after the last */
};

struct explorer_mutant {
    const char *name;
    enum explorer_mutation mutation;
    uintptr_t at;
    int event; /* MUTATION_RING_FIRST: which is rung */
};

struct explorer_setup {
    void (*reset)(void); /* puts `memory` into its first state */
    void (*threads[EXPLORER_THREADS_MAX])(void);
    unsigned count;
    unsigned
        must_finish; /* bit n: thread n. Once these have finished, the rest may sleep for ever */
    void *memory;    /* all that the threads work on; part of the state */
    size_t memory_size;
    void *shared; /* in it: accesses to this are explored, the others belong to one thread */
    size_t shared_size;
    const void *unused; /* a word whose loads by the last thread have no effect here: not a point */
    unsigned early;     /* how many sleeps with a time-out may end early, at any moment */
    struct explorer_mutant mutant;
};

struct explorer_result {
    uint64_t states, transitions;
    double schedules;  /* distinct ones, from start to end; cycles counted once */
    char failure[160]; /* empty: none */
};

/* Explores all, or up to the first failure; then prints the schedule that led there if `verbose`.
 */
void explorer_run(const struct explorer_setup *setup, struct explorer_result *result, bool verbose);

/* From within threads. */
void explorer_check(bool good, const char *what);
/* Instead of spinning: goes on when memory has changed. Like a sleep without time-out, it also
 * forgets what happened since explorer_forget: call that wherever the code after the sleep needs
 * more. */
void explorer_pause(void);
/* All that this thread will do from here on depends on these bytes (what it has on its stack), on
 * the place (`site`) and on `memory`. */
void explorer_forget(unsigned site, const void *bytes, size_t size);

/* What explorer_io.h and the functions of queue/host.h are made of. */
uint64_t explorer_load(const void *at, unsigned size);
uint64_t explorer_load_after_swap(const void *at, unsigned size);
void explorer_store(void *at, unsigned size, uint64_t value);
uint64_t explorer_swap(void *at, unsigned size, uint64_t value);
uint64_t explorer_clock_ns(void);

#endif

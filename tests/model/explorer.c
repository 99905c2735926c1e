#include "explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "queue/host.h"

enum {
    STACK = 32768,
    BUFFER = 16,  /* stores that a thread's buffer takes */
    STEPS = 4096, /* longest schedule */
};

struct pending {
    void *at;
    unsigned size;
    uint64_t value;
};

struct thread {
    ucontext_t context;
    bool finished;
    bool paused; /* until `version` moves */
    bool asleep; /* until its event is rung, or at wake_ns */
    bool drain_late, rang;
    int event;
    uint64_t wake_ns;
    uint64_t version;
    uint64_t history, anchor; /* anchor: when it last forgot */
    struct pending buffer[BUFFER];
    unsigned buffered;
    /* For mutants: the words as they were before the last swap, as last seen. */
    struct pending before, seen;
    uint64_t before_swap[8];
};

/* All that a saved state holds beside the stacks and the memory of the setup. */
struct world {
    struct thread thread[EXPLORER_THREADS_MAX];
    uint64_t event[EXPLORER_EVENTS_MAX];
    uint64_t now_ns;
    uint64_t version; /* of memory */
    unsigned early;
};

/* What can happen next: a thread goes on, its oldest store becomes visible, its sleep ends early.
 */
enum kind {
    GO,
    FLUSH,
    TIME
};

struct choice {
    uint8_t kind, thread;
};

struct note {
    char text[64];
};

struct node {
    char *saved;
    size_t stack_used[EXPLORER_THREADS_MAX];
    struct choice choices[3 * EXPLORER_THREADS_MAX];
    unsigned count, next;
    uint64_t key;
    double schedules;
};

static struct world world;
static char stacks[EXPLORER_THREADS_MAX][STACK] __attribute__((aligned(64)));
static ucontext_t scheduler;
static int running;
static const struct explorer_setup *setup;
static struct explorer_result *result;
static struct node nodes[STEPS];
static struct note notes[STEPS];
static unsigned depth;

/* ---- states that were seen ---- */

struct seen {
    uint64_t key;
    double schedules;
};

static struct seen *table;
static size_t table_size, table_used;

static struct seen *table_find(uint64_t key)
{
    size_t i = key & (table_size - 1);
    while (table[i].key && table[i].key != key)
        i = (i + 1) & (table_size - 1);
    return &table[i];
}

static void table_grow(void)
{
    struct seen *old = table;
    size_t old_size = table_size;
    table_size = old_size ? old_size * 2 : 1 << 16;
    table = calloc(table_size, sizeof(*table));
    if (!table)
        abort();
    for (size_t i = 0; i < old_size; i++)
        if (old[i].key)
            *table_find(old[i].key) = old[i];
    free(old);
}

static struct seen *table_add(uint64_t key)
{
    if (table_used * 2 >= table_size)
        table_grow();
    struct seen *s = table_find(key);
    s->key = key;
    table_used++;
    return s;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t size)
{
    const char *p = bytes;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h, word);
    }
    for (; size; size--, p++)
        h = mix(h, (uint8_t)*p);
    return h;
}

static uint64_t thread_key(const struct thread *t)
{
    uint64_t h = mix(t->history, t->finished | t->paused << 1 | t->asleep << 2 |
                                     t->drain_late << 3 | t->rang << 4);
    h = mix(h, t->paused && t->version == world.version);
    h = mix(h, t->asleep ? t->wake_ns : 0);
    for (unsigned i = 0; i < t->buffered; i++)
        h = mix(mix(h, (uintptr_t)t->buffer[i].at), t->buffer[i].value);
    return mix(h, t->buffered);
}

static uint64_t state_key(void)
{
    uint64_t h = mix_bytes(1, setup->memory, setup->memory_size);
    for (unsigned i = 0; i < EXPLORER_EVENTS_MAX; i++)
        h = mix(h, world.event[i] != 0);
    for (unsigned i = 0; i < setup->count; i++)
        h = mix(h, thread_key(&world.thread[i]));
    h = mix(mix(h, world.now_ns), world.early);
    return h ? h : 1;
}

/* ---- saving and restoring ---- */

static size_t stack_used(unsigned i)
{
#if defined(__x86_64__)
    size_t low = (size_t)world.thread[i].context.uc_mcontext.gregs[REG_RSP] - (size_t)stacks[i];
    return low < STACK && low > 256 ? STACK - (low - 256) : STACK; /* with its red zone */
#else
    return STACK + 0 * i;
#endif
}

static void state_save(struct node *n)
{
    size_t size = sizeof(world) + setup->memory_size;
    for (unsigned i = 0; i < setup->count; i++)
        size += n->stack_used[i] = stack_used(i);
    char *p = n->saved = malloc(size);
    if (!p)
        abort();
    p = mempcpy(p, &world, sizeof(world));
    p = mempcpy(p, setup->memory, setup->memory_size);
    for (unsigned i = 0; i < setup->count; i++)
        p = mempcpy(p, stacks[i] + STACK - n->stack_used[i], n->stack_used[i]);
}

static void state_restore(const struct node *n)
{
    const char *p = n->saved;
    memcpy(&world, p, sizeof(world));
    p += sizeof(world);
    memcpy(setup->memory, p, setup->memory_size);
    p += setup->memory_size;
    for (unsigned i = 0; i < setup->count; i++) {
        memcpy(stacks[i] + STACK - n->stack_used[i], p, n->stack_used[i]);
        p += n->stack_used[i];
    }
}

/* ---- what threads call ---- */

static void note(const char *what, const void *at, uint64_t value)
{
    long offset = at ? (long)((const char *)at - (const char *)setup->shared) : -1;
    snprintf(notes[depth].text, sizeof(notes[depth].text), "%d %s [%ld] %#llx", running, what,
             offset, (unsigned long long)value);
}

static bool is_shared(const void *at)
{
    size_t offset = (size_t)((const char *)at - (const char *)setup->shared);
    return offset < setup->shared_size;
}

static uint64_t memory_get(const void *at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, at, size);
    return value;
}

static void memory_set(void *at, unsigned size, uint64_t value)
{
    memcpy(at, &value, size);
    world.version++;
}

/* Somebody else may go first. */
static struct thread *step(void)
{
    struct thread *t = &world.thread[running];
    swapcontext(&t->context, &scheduler);
    t->history = mix(t->history, 9);
    return t;
}

static uint64_t thread_sees(const struct thread *t, const void *at, unsigned size)
{
    for (unsigned i = t->buffered; i > 0; i--)
        if (t->buffer[i - 1].at == at)
            return t->buffer[i - 1].value;
    return memory_get(at, size);
}

static bool mutates(enum explorer_mutation mutation, const void *at)
{
    return setup->mutant.mutation == mutation && setup->mutant.at == (uintptr_t)at;
}

uint64_t explorer_load(const void *at, unsigned size)
{
    if (!is_shared(at) || (at == setup->unused && running + 1 == (int)setup->count))
        return memory_get(at, size);
    struct thread *t = step();
    uint64_t value = thread_sees(t, at, size);
    if (mutates(MUTATION_STALE_LOAD, at)) {
        /* The look that follows arming finds what the one before it has found. */
        if (t->seen.size)
            value = t->seen.value;
        t->seen = (struct pending){ .value = value };
    }
    t->history = mix(t->history, value + 1);
    note("load", at, value);
    return value;
}

uint64_t explorer_load_after_swap(const void *at, unsigned size)
{
    struct thread *t = &world.thread[running];
    if (mutates(MUTATION_EARLY_LOAD, at)) {
        t->history = mix(t->history, t->before.value + 2);
        return t->before.value;
    }
    uint64_t value = explorer_load(at, size);
    if (mutates(MUTATION_RING_FIRST, at) && value) {
        dray_host_ring(setup->mutant.event);
        t->rang = true;
    }
    return value;
}

void explorer_store(void *at, unsigned size, uint64_t value)
{
    struct thread *t = &world.thread[running];
    if (!is_shared(at)) {
        memcpy(at, &value, size);
        return;
    }
    if (t->buffered == BUFFER)
        abort();
    t->buffer[t->buffered++] = (struct pending){ at, size, value };
}

static void flush_one(struct thread *t)
{
    memory_set(t->buffer[0].at, t->buffer[0].size, t->buffer[0].value);
    memmove(&t->buffer[0], &t->buffer[1], --t->buffered * sizeof(t->buffer[0]));
}

uint64_t explorer_swap(void *at, unsigned size, uint64_t value)
{
    if (!is_shared(at)) {
        uint64_t old = memory_get(at, size);
        memcpy(at, &value, size);
        return old;
    }
    struct thread *t = step();
    if (setup->mutant.mutation == MUTATION_EARLY_LOAD) {
        t->before.value = thread_sees(t, (const void *)setup->mutant.at, 4);
        t->history = mix(t->history, t->before.value);
        step();
    }
    uint64_t old = thread_sees(t, at, size);
    if (setup->mutant.mutation == MUTATION_STALE_LOAD)
        t->seen.size = 1; /* the next look is the one after arming */
    if (mutates(MUTATION_WEAK_SWAP, at)) {
        explorer_store(at, size, value);
    } else {
        while (t->buffered)
            flush_one(t);
        memory_set(at, size, value);
    }
    t->history = mix(t->history, old + 3);
    note("swap", at, value);
    return old;
}

uint64_t explorer_clock_ns(void)
{
    struct thread *t = &world.thread[running];
    t->history = mix(t->history, world.now_ns + 4);
    return world.now_ns;
}

void explorer_pause(void)
{
    struct thread *t = &world.thread[running];
    t->paused = true;
    t->history = mix(t->anchor, 7);
    step();
    t->paused = false;
    note("goes on", NULL, 0);
}

void explorer_forget(unsigned site, const void *bytes, size_t size)
{
    struct thread *t = &world.thread[running];
    t->history = mix_bytes(mix(site, 5), bytes, size);
    if (t->seen.size)
        t->history = mix(t->history, t->seen.value);
    t->anchor = t->history;
}

static void fail(const char *what)
{
    if (!result->failure[0])
        snprintf(result->failure, sizeof(result->failure), "%s", what);
}

void explorer_check(bool good, const char *what)
{
    if (!good)
        fail(what);
}

/* ---- the operating system ---- */

void dray_host_ring(int fd)
{
    struct thread *t = &world.thread[running];
    if (mutates(MUTATION_NO_RING, (const void *)(uintptr_t)fd) || t->rang) {
        t->rang = false;
        return;
    }
    step();
    world.event[fd]++;
    note("ring", NULL, (uint64_t)fd);
}

void dray_host_drain(int fd)
{
    if (mutates(MUTATION_LATE_DRAIN, (const void *)(uintptr_t)fd)) {
        world.thread[running].drain_late = true;
        return;
    }
    step();
    world.event[fd] = 0;
    note("drain", NULL, (uint64_t)fd);
}

void dray_host_sleep(int fd, uint64_t timeout_ns)
{
    struct thread *t = &world.thread[running];
    if (t->drain_late) {
        step();
        world.event[fd] = 0;
        t->drain_late = false;
    }
    t->asleep = true;
    t->event = fd;
    t->wake_ns = timeout_ns == UINT64_MAX ? UINT64_MAX : world.now_ns + timeout_ns;
    step();
    t->asleep = false;
    t->history = mix(timeout_ns == UINT64_MAX ? t->anchor : t->history, 6);
    note("wakes", NULL, (uint64_t)fd);
}

/* ---- exploring ---- */

static void thread_main(void)
{
    world.thread[running].history = 1;
    setup->threads[running]();
    world.thread[running].finished = true;
    swapcontext(&world.thread[running].context, &scheduler);
    abort();
}

static void world_reset(void)
{
    memset(&world, 0, sizeof(world));
    setup->reset();
    world.early = setup->early;
    for (unsigned i = 0; i < setup->count; i++) {
        ucontext_t *c = &world.thread[i].context;
        getcontext(c);
        c->uc_stack.ss_sp = stacks[i];
        c->uc_stack.ss_size = STACK;
        makecontext(c, thread_main, 0);
    }
}

static bool can_go(const struct thread *t)
{
    if (t->finished)
        return false;
    if (t->asleep)
        return world.event[t->event] != 0;
    return !t->paused || t->version != world.version;
}

static void choose(struct node *n, enum kind kind, unsigned thread)
{
    n->choices[n->count++] = (struct choice){ (uint8_t)kind, (uint8_t)thread };
}

/* When nothing else can happen, time passes: the earliest sleep with a time-out ends. */
static void choose_time(struct node *n)
{
    int first = -1;
    for (unsigned i = 0; i < setup->count; i++) {
        const struct thread *t = &world.thread[i];
        if (!t->asleep || t->finished || t->wake_ns == UINT64_MAX)
            continue;
        if (world.early && !can_go(t))
            choose(n, TIME, i);
        if (first < 0 || t->wake_ns < world.thread[first].wake_ns)
            first = (int)i;
    }
    if (n->count == 0 && first >= 0)
        choose(n, TIME, (unsigned)first);
}

static void choices_list(struct node *n)
{
    n->count = n->next = 0;
    for (unsigned i = 0; i < setup->count; i++)
        if (can_go(&world.thread[i]))
            choose(n, GO, i);
    for (unsigned i = 0; i < setup->count; i++)
        if (world.thread[i].buffered)
            choose(n, FLUSH, i);
    choose_time(n);
}

static void take(struct choice c)
{
    struct thread *t = &world.thread[c.thread];
    running = c.thread;
    if (c.kind == FLUSH) {
        note("visible", t->buffer[0].at, t->buffer[0].value);
        flush_one(t);
        return;
    }
    if (c.kind == TIME) {
        if (world.early)
            world.early--;
        if (world.now_ns < t->wake_ns)
            world.now_ns = t->wake_ns;
    }
    note("begins", NULL, 0);
    swapcontext(&scheduler, &t->context);
    t->version = world.version;
}

static bool all_finished(void)
{
    for (unsigned i = 0; i < setup->count; i++)
        if (setup->must_finish >> i & 1 && !world.thread[i].finished)
            return false;
    return true;
}

static void print_schedule(void)
{
    for (unsigned i = 0; i < depth; i++)
        printf("    %3u: %s\n", i, notes[i].text);
}

/* Looks at a state just reached: true if it is new and goes on. Otherwise its schedules are added
 * to those of the state before it. */
static bool enter(void)
{
    struct node *n = &nodes[depth];
    double *schedules = depth ? &nodes[depth - 1].schedules : &n->schedules;
    if (all_finished()) {
        *schedules += 1;
        return false;
    }
    n->key = state_key();
    if (table_size) {
        const struct seen *s = table_find(n->key);
        if (s->key) {
            *schedules += s->schedules;
            return false;
        }
    }
    table_add(n->key);
    result->states++;
    n->schedules = 0;
    n->saved = NULL;
    choices_list(n);
    if (n->count == 0)
        fail("everybody sleeps, and nobody will wake");
    if (n->count > 1)
        state_save(n);
    return true;
}

static void leave(struct node *n)
{
    free(n->saved);
    n->saved = NULL;
    table_find(n->key)->schedules = n->schedules;
    if (n != nodes)
        n[-1].schedules += n->schedules;
}

static void explore(void)
{
    depth = 0;
    world_reset();
    enter();
    for (;;) {
        struct node *n = &nodes[depth];
        if (result->failure[0])
            return;
        if (n->next == n->count) {
            leave(n);
            if (depth-- == 0)
                return;
            continue;
        }
        if (n->next)
            state_restore(n);
        take(n->choices[n->next++]);
        result->transitions++;
        if (++depth == STEPS)
            abort();
        if (!enter() && !result->failure[0])
            depth--;
    }
}

void explorer_run(const struct explorer_setup *s, struct explorer_result *r, bool verbose)
{
    setup = s;
    result = r;
    memset(r, 0, sizeof(*r));
    explore();
    r->schedules = nodes[0].schedules;
    if (r->failure[0] && verbose)
        print_schedule();
    for (unsigned i = 0; i < STEPS; i++) {
        free(nodes[i].saved);
        nodes[i].saved = NULL;
    }
    free(table);
    table = NULL;
    table_size = table_used = 0;
}

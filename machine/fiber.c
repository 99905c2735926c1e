#include "fiber.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber_switch.h"
#include "kernel_state.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

enum state {
    READY, /* runs, or its event is pending */
    BLOCKED,
    ENDED,
};

struct sim_fiber {
    struct sim_event event; /* goes on */
    struct sim_kernel *kernel;
    const char *name;
    enum state state;
    bool woken; /* a wake came while it was not blocked */
    void (*main)(void *argument);
    void *argument;
    struct sim_stack stack;
    void *map; /* the guard page, then the stack */
    size_t map_size;
    /* While it is blocked. */
    const char *reason;
    sim_time since;
    struct sim_fiber *previous, *next;
};

/* ---- switching, and telling the sanitizers ---- */

/* `ends`: the stack that is left will not be used again. */
static inline void change(struct sim_stack *from, struct sim_stack *to, bool ends)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake, to->bottom, to->size);
#endif
#if WITH_TSAN
    __tsan_switch_to_fiber(to->thread, 0);
#endif
    (void)ends;
    sim_stack_switch(&from->pointer, to->pointer);
#if WITH_ASAN
    /* It comes from there; the scheduler's stack may be another one by now. */
    __sanitizer_finish_switch_fiber(from->fake, &to->bottom, &to->size);
#endif
}

static void leave(struct sim_fiber *fiber, bool ends)
{
    struct sim_kernel *kernel = fiber->kernel;
    kernel->fiber = NULL;
    change(&fiber->stack, &kernel->scheduler, ends);
}

static void enter(struct sim_event *event)
{
    struct sim_fiber *fiber = SIM_OWNER(event, struct sim_fiber, event);
    struct sim_kernel *kernel = fiber->kernel;
    kernel->fiber = fiber;
#if WITH_TSAN
    kernel->scheduler.thread = __tsan_get_current_fiber();
#endif
    change(&kernel->scheduler, &fiber->stack, false);
}

static void begin(void *argument)
{
    struct sim_fiber *fiber = argument;
#if WITH_ASAN
    struct sim_stack *scheduler = &fiber->kernel->scheduler;
    __sanitizer_finish_switch_fiber(NULL, &scheduler->bottom, &scheduler->size);
#endif
    fiber->main(fiber->argument);
    fiber->state = ENDED;
    leave(fiber, true);
}

/* ---- life ---- */

static int take_stack(struct sim_fiber *fiber)
{
    size_t guard = sysconf(_SC_PAGESIZE);
    fiber->map_size = guard + SIM_FIBER_STACK;
    fiber->map = mmap(NULL, fiber->map_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (fiber->map == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(fiber->map, guard, PROT_NONE)) {
        munmap(fiber->map, fiber->map_size);
        return -ENOMEM;
    }
    fiber->stack.bottom = (char *)fiber->map + guard;
    fiber->stack.size = SIM_FIBER_STACK;
    fiber->stack.pointer =
        sim_stack_prepare((char *)fiber->map + guard, SIM_FIBER_STACK, begin, fiber);
#if WITH_TSAN
    fiber->stack.thread = __tsan_create_fiber(0);
#endif
    return 0;
}

static void give_stack(struct sim_fiber *fiber)
{
#if WITH_TSAN
    __tsan_destroy_fiber(fiber->stack.thread);
#endif
#if WITH_ASAN
    /* Marks of frames that never returned would be found by the next who maps this place. */
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack.bottom, fiber->stack.size);
#endif
    munmap(fiber->map, fiber->map_size);
}

int sim_fiber_create(struct sim_fiber **fiber, struct sim_kernel *kernel, const char *name,
                     sim_time begin_at, void (*main)(void *argument), void *argument)
{
    struct sim_fiber *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->kernel = kernel;
    f->name = name;
    f->main = main;
    f->argument = argument;
    int error = take_stack(f);
    if (error) {
        free(f);
        return error;
    }
    sim_event_init(&f->event, enter);
    sim_at(kernel, &f->event, begin_at);
    *fiber = f;
    return 0;
}

static void unblock(struct sim_fiber *fiber)
{
    struct sim_kernel *kernel = fiber->kernel;
    *(fiber->previous ? &fiber->previous->next : &kernel->blocked_first) = fiber->next;
    *(fiber->next ? &fiber->next->previous : &kernel->blocked_last) = fiber->previous;
    fiber->previous = fiber->next = NULL;
    fiber->state = READY;
}

void sim_fiber_destroy(struct sim_fiber **fiber)
{
    struct sim_fiber *f = *fiber;
    if (!f)
        return;
    if (f->state == BLOCKED)
        unblock(f);
    sim_cancel(f->kernel, &f->event);
    give_stack(f);
    free(f);
    *fiber = NULL;
}

/* ---- who ---- */

struct sim_fiber *sim_fiber_self(const struct sim_kernel *kernel)
{
    return kernel->fiber;
}

const char *sim_fiber_name(const struct sim_fiber *fiber)
{
    return fiber->name;
}

bool sim_fiber_ended(const struct sim_fiber *fiber)
{
    return fiber->state == ENDED;
}

void *sim_fiber_argument(const struct sim_fiber *fiber, void (*main)(void *argument))
{
    return fiber && fiber->main == main ? fiber->argument : NULL;
}

/* ---- waiting ---- */

void sim_sleep(struct sim_kernel *kernel, sim_time delay)
{
    sim_time when = kernel->now + delay;
    if (sim_skip(kernel, when))
        return;
    struct sim_fiber *self = kernel->fiber;
    sim_at(kernel, &self->event, when);
    leave(self, false);
}

void sim_block(struct sim_kernel *kernel, const char *reason)
{
    struct sim_fiber *self = kernel->fiber;
    if (self->woken) {
        self->woken = false;
        return;
    }
    self->state = BLOCKED;
    self->reason = reason;
    self->since = kernel->now;
    self->previous = kernel->blocked_last;
    *(self->previous ? &self->previous->next : &kernel->blocked_first) = self;
    kernel->blocked_last = self;
    leave(self, false);
}

void sim_wake(struct sim_fiber *fiber)
{
    if (fiber->state == BLOCKED) {
        unblock(fiber);
        sim_at(fiber->kernel, &fiber->event, fiber->kernel->now);
    } else {
        fiber->woken = true;
    }
}

unsigned sim_fibers_blocked(const struct sim_kernel *kernel,
                            void (*show)(void *argument, const char *name, const char *reason,
                                         sim_time since),
                            void *argument)
{
    unsigned count = 0;
    for (const struct sim_fiber *f = kernel->blocked_first; f; f = f->next) {
        if (!f->reason)
            continue;
        count++;
        if (show)
            show(argument, f->name, f->reason, f->since);
    }
    return count;
}

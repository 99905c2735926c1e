/*
 * The consumer asleep: wait, and what an event loop needs.
 *
 *      look --nothing--> spin --nothing--> arm --nothing--> sleep in poll()
 *        ^                                                     |
 *        +--------------------- awake, disarm -----------------+
 */
#include <errno.h>

#include "queue/host.h"
#include "queue/state.h"
#include "queue/wake.h"

/*
 * How long to poll before sleeping. A sleep costs some 20 us until the other CPU runs again, so
 * polling up to that long can pay; polling for longer than it ever takes only heats. The budget
 * follows what the last waits have shown: it moves towards twice what a successful spin took,
 * doubles when a sleep turned out to have been short, and halves when it was long.
 */
enum {
    SPIN_FIRST_NS = 2000,
    SPIN_MIN_NS = 500,
    SPIN_MAX_NS = 20000,
    SLEEP_SHORT_NS = 2 * SPIN_MAX_NS, /* of which half is the wake-up */
    SPIN_LOOKS = 16,                  /* looks between two readings of the clock (25 ns each) */
};

/* An engine that works in this thread and says nothing of when it wants to be called again. */
enum {
    SERVICE_PAUSE_MIN_NS = 50000,
    SERVICE_PAUSE_MAX_NS = 1000000,
};

static uint32_t spin_limit(uint64_t ns)
{
    return ns < SPIN_MIN_NS ? SPIN_MIN_NS : ns > SPIN_MAX_NS ? SPIN_MAX_NS : (uint32_t)ns;
}

static void spin_succeeded(struct dray_queue *q, uint64_t took_ns)
{
    q->spin_ns = spin_limit(((uint64_t)q->spin_ns * 7 + took_ns * 2) / 8);
}

static void spin_failed(struct dray_queue *q, uint64_t took_ns)
{
    q->spin_ns = spin_limit(took_ns < SLEEP_SHORT_NS ? (uint64_t)q->spin_ns * 2 : q->spin_ns / 2);
}

static const struct dray_completion *queue_serve(struct dray_queue *q)
{
    if (q->binding.service)
        q->binding.service(&q->port);
    return dray_queue_look(q);
}

static const struct dray_completion *queue_spin(struct dray_queue *q, uint64_t end_ns)
{
    const struct dray_completion *c;
    do {
        for (int i = 0; i < SPIN_LOOKS; i++) {
            c = dray_queue_look(q);
            if (c)
                return c;
            dray_io_relax();
        }
        c = queue_serve(q);
    } while (!c && dray_io_clock_ns() < end_ns);
    return c;
}

/* Why nothing more will come; 0: it may. What was completed before is to be delivered first. */
static int queue_fate(const struct dray_queue *q)
{
    switch (dray_io_load_after_swap32(&q->map.ring->state)) {
    case DRAY_RING_RUNS:
        return dray_io_load32(&q->broken) ? -EBADMSG : 0;
    case DRAY_RING_STOPPED:
        return -ESHUTDOWN;
    default:
        return -EBADMSG;
    }
}

bool dray_queue_arm(struct dray_queue *q)
{
    struct dray_ring *ring = q->map.ring;
    dray_wake_arm(&ring->notify_wanted, 1);
    /* The engine swaps its head as the barrier behind its completions (port_settle in
     * moderation.c): having read that, we see the completions before it. */
    (void)dray_io_load_after_swap32(&ring->sq_head);
    if (!dray_queue_look(q))
        return true;
    dray_wake_disarm(&ring->notify_wanted);
    return false;
}

/* How long an engine that works in this thread may be left alone. */
static uint64_t service_pause(const struct dray_queue *q, uint64_t now_ns, uint64_t *pause_ns)
{
    uint64_t again_ns = q->port.again_ns;
    if (again_ns > now_ns && again_ns - now_ns < SERVICE_PAUSE_MAX_NS)
        return again_ns - now_ns;
    uint64_t pause = *pause_ns;
    *pause_ns = pause * 2 < SERVICE_PAUSE_MAX_NS ? pause * 2 : SERVICE_PAUSE_MAX_NS;
    return pause;
}

/* Returns after a ring, after `until_ns`, or because there is something to see. */
static void queue_sleep(struct dray_queue *q, uint64_t now_ns, uint64_t until_ns,
                        uint64_t *pause_ns)
{
    uint64_t ns = until_ns == UINT64_MAX ? UINT64_MAX : until_ns - now_ns;
    if (q->binding.service) {
        uint64_t pause = service_pause(q, now_ns, pause_ns);
        ns = pause < ns ? pause : ns;
    }
    if (!dray_queue_arm(q))
        return;
    if (queue_fate(q) == 0)
        dray_host_sleep(q->event_fd, ns);
    dray_host_drain(q->event_fd);
    dray_wake_disarm(&q->map.ring->notify_wanted);
}

static int queue_wait_asleep(struct dray_queue *q, const struct dray_completion **completion,
                             uint64_t until_ns)
{
    uint64_t pause_ns = SERVICE_PAUSE_MIN_NS;
    for (;;) {
        /* The fate first: what was completed before it is delivered. */
        int fate = queue_fate(q);
        const struct dray_completion *c = queue_serve(q);
        if (c) {
            *completion = c;
            return 0;
        }
        if (fate)
            return fate;
        uint64_t now_ns = dray_io_clock_ns();
        if (now_ns >= until_ns)
            return -ETIME;
        queue_sleep(q, now_ns, until_ns, &pause_ns);
    }
}

int dray_queue_wait(struct dray_queue *q, const struct dray_completion **completion,
                    uint64_t timeout_ns)
{
    const struct dray_completion *c = dray_queue_peek(q);
    if (c) {
        *completion = c;
        return 0;
    }
    uint64_t start_ns = dray_io_clock_ns();
    uint64_t until_ns = timeout_ns > UINT64_MAX - start_ns ? UINT64_MAX : start_ns + timeout_ns;
    uint64_t spin_end_ns = start_ns + q->spin_ns;
    if (q->spin_ns)
        c = queue_spin(q, spin_end_ns < until_ns ? spin_end_ns : until_ns);
    if (c) {
        spin_succeeded(q, dray_io_clock_ns() - start_ns);
        *completion = c;
        return 0;
    }
    int r = queue_wait_asleep(q, completion, until_ns);
    if (r == 0 && q->spin_ns)
        spin_failed(q, dray_io_clock_ns() - start_ns);
    return r;
}

int dray_queue_event_fd(const struct dray_queue *q)
{
    return q->event_fd;
}

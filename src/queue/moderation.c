/*
 * When the engine notifies a consumer that sleeps: after so many completions, or so long after the
 * first, whichever comes first.
 *
 * A consumer that has not armed is awake, and finds completions by looking: nothing is counted for
 * it. To be sure that it has not armed just now takes a full barrier between the last completion
 * and the look at `notify_wanted` (wake.h). It is paid when the engine has nothing more to do for
 * the queue, once for what was completed since the last time; while it is busy it looks without
 * one, and a consumer that it misses so is seen at the next look.
 */
#include <errno.h>

#include "dray/io.h"
#include "queue/host.h"
#include "queue/port.h"
#include "queue/wake.h"

/* What arrives while a sleeper is being woken (21 us to another CPU) costs no second wake-up:
 * adaptive moderation without a time of its own may wait so long for more. */
#define ADAPTIVE_WINDOW_NS 20000u

int dray_moderation_check(const struct dray_moderation *m)
{
    return m->count > DRAY_DEPTH_MAX ? -EINVAL : 0;
}

/* Adaptive without a timer would leave the last completions of a burst behind. */
static struct dray_moderation moderation_whole(const struct dray_moderation *m)
{
    struct dray_moderation whole = *m;
    if (whole.count == 0)
        whole.count = 1;
    if (whole.adaptive && whole.timeout_ns == 0)
        whole.timeout_ns = ADAPTIVE_WINDOW_NS;
    return whole;
}

/* Two threads of the user may change the moderation at once, while the engine takes it over: a
 * lock, held for a few stores. The engine looks at the version alone, unless it has changed. */
static void moderation_lock(struct dray_port *port)
{
    while (dray_io_swap32(&port->moderation_lock, 1))
        dray_io_relax();
}

static void moderation_unlock(struct dray_port *port)
{
    dray_io_publish32(&port->moderation_lock, 0);
}

void dray_port_set_moderation(struct dray_port *port, const struct dray_moderation *moderation)
{
    moderation_lock(port);
    port->moderation_next = moderation_whole(moderation);
    dray_io_store32(&port->moderation_next_version, port->moderation_next_version + 1);
    moderation_unlock(port);
}

static void moderation_refresh(struct dray_port *port)
{
    if (dray_io_load32(&port->moderation_next_version) == port->moderation_version)
        return;
    moderation_lock(port);
    port->moderation = port->moderation_next;
    port->moderation_version = port->moderation_next_version;
    moderation_unlock(port);
    port->first_ns = dray_io_clock_ns();
    port->last_ns = port->first_ns;
    port->rated = port->complete;
    port->gap_ns = port->moderation.timeout_ns;
}

/* The mean distance of completions, each batch counting a quarter. A pause says no more than that
 * the distance is longer than the window. */
static void moderation_rate(struct dray_port *port, uint64_t now_ns)
{
    uint32_t count = port->complete - port->rated;
    if (count == 0)
        return;
    uint64_t gap_ns = (now_ns - port->last_ns) / count;
    uint64_t gap_max_ns = 2 * port->moderation.timeout_ns;
    if (gap_ns > gap_max_ns)
        gap_ns = gap_max_ns;
    port->gap_ns = (port->gap_ns * 3 + gap_ns) / 4;
    port->last_ns = now_ns;
    port->rated = port->complete;
}

/* How many completions one notification is to stand for: adaptive, as many as are expected within
 * the time that the first may wait. */
static uint32_t moderation_count(const struct dray_port *port)
{
    if (!port->moderation.adaptive)
        return port->moderation.count;
    uint64_t expected = port->moderation.timeout_ns / (port->gap_ns ? port->gap_ns : 1);
    if (expected < 1)
        return 1;
    return expected < port->moderation.count ? (uint32_t)expected : port->moderation.count;
}

/* When the time of the first completion is over; UINT64_MAX: there is no timer. */
static uint64_t moderation_deadline(const struct dray_port *port)
{
    uint64_t timeout_ns = port->moderation.timeout_ns;
    if (timeout_ns == 0 || timeout_ns > UINT64_MAX - port->first_ns)
        return UINT64_MAX;
    return port->first_ns + timeout_ns;
}

static void moderation_restart(struct dray_port *port)
{
    port->unnotified = 0;
    port->urgent = false;
}

/* A consumer that has disarmed since we looked is awake, but may have looked before our completions
 * were visible to it: without the barrier behind them, they still count. */
static uint64_t port_notify(struct dray_port *port)
{
    bool armed = dray_wake_take(&port->ring->notify_wanted, 1);
    if (armed || port->settled == port->complete)
        moderation_restart(port);
    if (armed) {
        dray_io_store64(&port->notifications_total, port->notifications_total + 1);
        dray_host_ring(port->event_fd);
    }
    return UINT64_MAX;
}

/* The full barrier behind the completions. Our head, once more: nobody else writes it, and the
 * consumer reads it after arming (dray_queue_arm). */
static void port_settle(struct dray_port *port)
{
    if (port->settled == port->complete)
        return;
    dray_wake_publish(&port->ring->sq_head, port->head);
    port->settled = port->complete;
}

/* No count is reached any more when there is no room left to complete: `idle` for want of it. */
static bool port_full(struct dray_port *port, bool idle)
{
    return idle && dray_port_room(port) == 0;
}

uint64_t dray_port_moderate(struct dray_port *port, bool idle)
{
    moderation_refresh(port);
    if (port->unnotified == 0)
        return UINT64_MAX;
    if (port->moderation.adaptive)
        moderation_rate(port, dray_io_clock_ns());
    if (idle)
        port_settle(port);
    if (!dray_io_load_after_swap32(&port->ring->notify_wanted)) {
        if (idle)
            moderation_restart(port);
        return UINT64_MAX;
    }
    if (port->urgent || port->unnotified >= moderation_count(port) || port_full(port, idle))
        return port_notify(port);
    uint64_t deadline_ns = moderation_deadline(port);
    if (deadline_ns != UINT64_MAX && dray_io_clock_ns() >= deadline_ns)
        return port_notify(port);
    return deadline_ns;
}

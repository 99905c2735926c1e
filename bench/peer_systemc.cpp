/*
 * Peer of the suite `sim`: SystemC's scheduler.
 *
 * Fair to it: methods, not threads, so that it changes no stacks; one event for each part, to which
 * one method is sensitive once and for all; times are made from integers of its own resolution.
 */
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <systemc>
#include <vector>

extern "C" {
#include "peer.h"
#include "sim_work.h"
}

/* Its library calls this from the main function that it brings; ours is another. */
int sc_main(int, char *[])
{
    return 0;
}

namespace
{

using sc_core::sc_event;
using sc_core::sc_time;

class pair final : public sc_core::sc_module
{
  public:
    SC_HAS_PROCESS(pair);
    explicit pair(sc_core::sc_module_name name)
        : sc_module(name), delay(sc_time::from_value(BENCH_PINGPONG_PS))
    {
        SC_METHOD(ping);
        sensitive << events[0];
        dont_initialize();
        SC_METHOD(pong);
        sensitive << events[1];
        dont_initialize();
    }

    sc_event events[2];
    uint64_t left = 0;
    uint64_t counts[2] = { 0, 0 };
    const sc_time delay;

  private:
    void hit(int me)
    {
        counts[me]++;
        if (--left)
            events[1 - me].notify(delay);
    }
    void ping()
    {
        hit(0);
    }
    void pong()
    {
        hit(1);
    }
};

class ring_part final : public sc_core::sc_module
{
  public:
    SC_HAS_PROCESS(ring_part);
    explicit ring_part(sc_core::sc_module_name name) : sc_module(name)
    {
        SC_METHOD(pass);
        sensitive << event;
        dont_initialize();
    }

    void start()
    {
        event.notify(sc_time::from_value(bench_ring_delay(work)));
    }

    sc_event event;
    bench_ring_part *work = nullptr;
    ring_part *neighbour = nullptr;
    static bool draining; /* what is left of a run passes nothing on */

  private:
    void pass()
    {
        if (draining)
            return;
        work->passed++;
        if (--work->tokens)
            start();
        if (neighbour->work->tokens++ == 0)
            neighbour->start();
    }
};

bool ring_part::draining;

/* SystemC has one simulation a process, whose modules are made before it first runs; they stay. */
struct simulation {
    pair two{ "pingpong" };
    std::vector<std::unique_ptr<ring_part>> parts;

    simulation()
    {
        for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
            parts.push_back(std::make_unique<ring_part>(sc_core::sc_gen_unique_name("part")));
        for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
            parts[i]->neighbour = parts[(i + 1) % BENCH_RING_PARTS].get();
        sc_core::sc_start(sc_core::SC_ZERO_TIME);
    }
};

simulation *the_simulation; /* never deleted: SystemC cannot begin anew */

class stopwatch
{
  public:
    double seconds() const
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

  private:
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};

int peer_open(char *why, size_t why_size)
try {
    if (!the_simulation)
        the_simulation = new simulation;
    if (sc_core::sc_get_time_resolution() == sc_time(1, sc_core::SC_PS))
        return 0;
    std::snprintf(why, why_size, "SystemC does not count picoseconds");
    return -1;
} catch (const std::exception &error) {
    std::snprintf(why, why_size, "SystemC did not start: %s", error.what());
    return -1;
}

double pingpong(uint64_t events, uint64_t counts[2])
try {
    pair &two = the_simulation->two;
    two.left = events;
    two.counts[0] = two.counts[1] = 0;
    stopwatch watch;
    two.events[0].notify(two.delay);
    sc_core::sc_start();
    double seconds = watch.seconds();
    counts[0] += two.counts[0];
    counts[1] += two.counts[1];
    return seconds;
} catch (const std::exception &) {
    return -1;
}

double ring(uint64_t ps, bench_ring_part *work)
try {
    for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
        the_simulation->parts[i]->work = &work[i];
    ring_part::draining = false;
    stopwatch watch;
    for (auto &part : the_simulation->parts)
        part->start();
    /* The events of the very end of a run are left to the next: one more, and they are in this one. */
    sc_core::sc_start(sc_time::from_value(ps + 1));
    double seconds = watch.seconds();
    ring_part::draining = true;
    sc_core::sc_start();
    return seconds;
} catch (const std::exception &) {
    return -1;
}

} // namespace

extern "C" {
extern BENCH_PEER_EXPORT const struct bench_sim_peer bench_sim_peer;
const struct bench_sim_peer bench_sim_peer = {
    BENCH_PEER_VERSION,
    peer_open,
    pingpong,
    ring,
};
}

/* The link: bytes, splits, order, credits, and its times beside their formulas. */
#include "test.h"

#include "link.h"
#include "plain.h"

enum {
    MEMORY = 1 << 20
};

struct bench {
    struct sim_kernel *kernel;
    struct plain host;
    struct sim_link *link;
    struct sim_target *port;
};

static void begin(struct bench *b, const struct sim_link_params *p)
{
    assert_null(sim_link_kind.check(p));
    assert_int_equal(sim_kernel_create(&b->kernel, 1), 0);
    assert_int_equal(plain_begin(&b->host, b->kernel, MEMORY), 0);
    assert_int_equal(sim_link_create(&b->link, b->kernel, &b->host.target, p), 0);
    b->port = sim_link_target(b->link);
}

static void run(struct bench *b)
{
    assert_int_equal(sim_run(b->kernel, SIM_NEVER), 0);
    assert_int_equal(b->host.under_way, 0);
}

static void end(struct bench *b)
{
    sim_link_destroy(&b->link);
    assert_null(b->link);
    plain_end(&b->host);
    sim_kernel_destroy(&b->kernel);
}

/* 1 byte a nanosecond: times are easy to add up. */
static struct sim_link_params slow(void)
{
    return (struct sim_link_params){ .bandwidth = 1000000000,
                                     .mps = 256,
                                     .mrrs = 512,
                                     .write_header = 24,
                                     .read_header = 24,
                                     .completion_header = 20,
                                     .up = 200 * SIM_NS,
                                     .down = 300 * SIM_NS,
                                     .outstanding = 4 };
}

/* ---- a device's request ---- */

static struct sim_master device = { .name = "device", .device = 5 };

struct ask {
    struct sim_request request;
    struct sim_kernel *kernel;
    sim_time granted, done;
    unsigned grants, dones;
    enum sim_status status_at_grant;
    struct stream *stream;
};

static void ask_granted(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);

    ask->granted = sim_now(ask->kernel);
    ask->status_at_grant = request->status;
    ask->grants++;
}

static void ask_done(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);

    ask->done = sim_now(ask->kernel);
    ask->dones++;
}

static void submit(struct bench *b, struct ask *ask, enum sim_op op, uint64_t address, void *data,
                   uint32_t size)
{
    *ask = (struct ask){ .kernel = b->kernel };
    ask->request = (struct sim_request){ .master = &device,
                                         .op = op,
                                         .address = address,
                                         .size = size,
                                         .data = data,
                                         .granted = ask_granted,
                                         .done = ask_done };
    sim_submit(b->port, &ask->request);
}

/* ---- bytes ---- */

static void every_byte_arrives_whatever_the_address_and_size(void **state)
{
    struct test_rng rng = { test_seed() };
    struct sim_link_params p = slow();
    static uint8_t image[MEMORY], got[MEMORY];

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct bench b;
        struct ask ask;
        p.mps = 128u << test_below(&rng, 4);
        p.mrrs = 64u << test_below(&rng, 7);
        p.posted = test_below(&rng, 2) ? p.mps : 0;
        p.outstanding = 1 + test_below(&rng, 5);
        begin(&b, &p);
        b.host.turn = test_below(&rng, 2) * 70 * SIM_NS;
        b.host.latency = test_below(&rng, 2) * 50 * SIM_NS;
        uint32_t size = 1 + (uint32_t)test_size(&rng, 40000);
        uint64_t address = test_below(&rng, MEMORY - size);
        uint8_t *data = guard_alloc(size, 1);
        tag_fill(data, size, round, 0);
        memset(image, 0, sizeof(image));
        memcpy(image + address, data, size);

        submit(&b, &ask, SIM_WRITE, address, data, size);
        while (!ask.dones)
            assert_true(sim_step(b.kernel));
        memset(data, 0xee, size); /* posted: it is the device's again */
        run(&b);
        assert_int_equal(ask.dones, 1);
        assert_int_equal(ask.grants, 1);
        assert_int_equal(ask.status_at_grant, SIM_OK);
        assert_int_equal(ask.request.physical, address);
        sim_memory_read(b.host.memory, 0, got, MEMORY);
        assert_memory_equal(got, image, MEMORY);

        submit(&b, &ask, SIM_READ, address, data, size);
        run(&b);
        assert_int_equal(ask.dones, 1);
        assert_int_equal(ask.grants, 1);
        assert_int_equal(ask.request.status, SIM_OK);
        assert_true(ask.granted < ask.done);
        tag_check(data, size, round, 0);
        guard_free(data);
        end(&b);
    }
}

static void packets_keep_mps_mrrs_pages_and_the_completion_boundary(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t size;
        unsigned writes, reads, completions;
    } cases[] = {
        { 0, 1, 1, 1, 1 },
        { 0, 256, 1, 1, 1 },
        { 0, 257, 2, 1, 2 },
        { 0, 512, 2, 1, 2 },
        { 0, 513, 3, 2, 3 },
        { 64, 512, 2, 1, 2 },   /* MRRS need not be aligned */
        { 32, 512, 2, 1, 3 },   /* 224, 256, 32 */
        { 32, 224, 1, 1, 1 },   /* it all fits */
        { 4095, 2, 2, 2, 2 },   /* a page each */
        { 4064, 512, 3, 2, 3 }, /* 32 | 480: 256, 224 */
        { 0, 4096, 16, 8, 16 },
        /* Pages of 4088, 4096 and 8 bytes. The first: reads in 248, 256, 8, and one of 504. */
        { 8, 8192, 16 + 16 + 1, 8 + 8 + 1, 7 * 3 + 2 + 16 + 1 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_link_params p = slow();
        struct sim_link_stats stats;
        struct bench b;
        struct ask write, read;
        static uint8_t data[8192];

        begin(&b, &p);
        submit(&b, &write, SIM_WRITE, cases[i].address, data, cases[i].size);
        submit(&b, &read, SIM_READ, cases[i].address, data, cases[i].size);
        run(&b);
        sim_link_stats(b.link, &stats);
        unsigned writes = cases[i].writes, reads = cases[i].reads;
        unsigned completions = cases[i].completions;
        assert_int_equal(stats.writes, writes);
        assert_int_equal(stats.reads, reads);
        assert_int_equal(stats.completions, completions);
        assert_int_equal(stats.write_payload, cases[i].size);
        assert_int_equal(stats.read_payload, cases[i].size);
        assert_int_equal(stats.up_bytes, cases[i].size + 24 * (writes + reads));
        assert_int_equal(stats.down_bytes, cases[i].size + 20 * completions);
        assert_int_equal(stats.up_busy, stats.up_bytes * SIM_NS);
        assert_int_equal(stats.down_busy, stats.down_bytes * SIM_NS);
        for (unsigned t = 0; t < writes + reads; t++) {
            assert_true(b.host.turns[t].size <= (b.host.turns[t].write ? 256u : 512u));
            assert_int_equal(b.host.turns[t].address / 4096,
                             (b.host.turns[t].address + b.host.turns[t].size - 1) / 4096);
            assert_int_equal(b.host.turns[t].device, 5);
        }
        end(&b);
    }
}

/* ---- times ---- */

static void a_lone_request_takes_its_wires_and_latencies(void **state)
{
    struct sim_link_params p = slow();
    struct bench b;
    struct ask ask;
    uint8_t data[512];

    (void)state;
    begin(&b, &p);
    b.host.turn = 30 * SIM_NS;
    b.host.latency = 100 * SIM_NS;
    submit(&b, &ask, SIM_READ, 0, data, 512);
    run(&b);
    /* request 24, up 200, turn 30, memory 100, two completions 552, down 300 */
    assert_int_equal(ask.granted, (24 + 200 + 30) * SIM_NS);
    assert_int_equal(ask.done, (24 + 200 + 30 + 100 + 552 + 300) * SIM_NS);
    sim_time begun = sim_now(b.kernel);
    submit(&b, &ask, SIM_WRITE, 0, data, 300);
    run(&b);
    assert_int_equal(ask.done - begun, (300 + 2 * 24) * SIM_NS);
    assert_int_equal(ask.granted - begun, (300 + 2 * 24 + 200 + 30) * SIM_NS);
    end(&b);
}

static void registers_take_the_wires_as_well(void **state)
{
    struct sim_link_params p = slow();
    struct bench b;
    struct ask ask;
    uint8_t data[256];

    (void)state;
    begin(&b, &p);
    assert_int_equal(sim_link_mmio_write(b.link, 4), (28 + 300) * SIM_NS);
    assert_int_equal(sim_link_mmio_write(b.link, 4), (56 + 300) * SIM_NS); /* behind the first */
    /* 24 down behind both, 24 up */
    assert_int_equal(sim_link_mmio_read(b.link, 4), (80 + 300 + 24 + 200) * SIM_NS);
    submit(&b, &ask, SIM_WRITE, 0, data, 256);
    run(&b);
    assert_int_equal(ask.done, (24 + 280) * SIM_NS); /* the answer's bytes before it */
    end(&b);
}

/* ---- order ---- */

static void a_read_stays_behind_earlier_writes_and_lets_later_ones_pass(void **state)
{
    struct sim_link_params p = slow();
    struct bench b;
    struct ask first[6], writes[2], last;
    uint8_t data[512];

    (void)state;
    p.outstanding = 1;
    p.posted = 256;
    begin(&b, &p);
    b.host.latency = SIM_US;
    b.host.turn = 50 * SIM_NS;
    for (unsigned i = 0; i < 2; i++)
        submit(&b, &first[i], SIM_READ, i * 4096, data, 8);
    for (unsigned i = 0; i < 2; i++)
        submit(&b, &writes[i], SIM_WRITE, 0x10000 + i * 4096, data, 256);
    submit(&b, &last, SIM_READ, 0x20000, data, 8);
    run(&b);
    /* The second read waits for the first's place; both writes pass it. */
    static const uint64_t order[] = { 0, 0x10000, 0x11000, 0x1000, 0x20000 };
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(b.host.turns[i].address, order[i]);
    end(&b);

    /* Free places do not help a read past a write that waits for credits. */
    p.outstanding = 4;
    begin(&b, &p);
    b.host.turn = 5 * SIM_US;
    for (unsigned i = 0; i < 3; i++)
        submit(&b, &first[i], SIM_WRITE, i * 4096, data, 200);
    submit(&b, &last, SIM_READ, 0x20000, data, 8);
    run(&b);
    assert_int_equal(b.host.turns[3].address, 0x20000);
    assert_true(b.host.turns[3].time > 15 * SIM_US);
    end(&b);
}

static void the_host_never_holds_more_writes_than_credits_allow(void **state)
{
    (void)state;
    for (unsigned credits = 256; credits <= 65536; credits *= 2) {
        struct sim_link_params p = slow();
        struct bench b;
        static struct ask asks[64];
        static uint8_t data[4096];

        p.bandwidth = 16000000000;
        p.posted = credits;
        begin(&b, &p);
        b.host.turn = SIM_US;
        for (unsigned i = 0; i < 64; i++)
            submit(&b, &asks[i], SIM_WRITE, i * 4096, data, 4096);
        run(&b);
        assert_true(b.host.untaken_max <= credits);
        /* 1024 packets of 17.5 ns. Where credits hold them up a window of them goes each time the
         * first of the last window was taken: 1217.5 ns. Else only the wire counts. */
        double window = credits / 256.0, rounds = 1024 / window;
        double by_credits = rounds * 1217.5e-9 + (window - 1) * 17.5e-9;
        double by_wire = 1024 * 17.5e-9 + 1200e-9;
        double expected = by_credits > by_wire ? by_credits : by_wire;
        double took = (double)sim_now(b.kernel) * 1e-12;
        assert_true(took > expected * 0.99 && took < expected * 1.01);
        end(&b);
    }
}

/* ---- refusals ---- */

static void what_the_host_refuses_is_told(void **state)
{
    struct sim_link_params p = slow();
    struct bench b;
    struct ask ask;
    static uint8_t data[8192];

    (void)state;
    begin(&b, &p);
    memset(data, 0xaa, sizeof(data));
    submit(&b, &ask, SIM_READ, MEMORY - 4096, data, 8192);
    run(&b);
    assert_int_equal(ask.dones, 1);
    assert_int_equal(ask.grants, 0);
    assert_int_equal(ask.request.status, SIM_FAULT);
    assert_int_equal(data[0], 0); /* what it holds did move */
    assert_int_equal(data[4096], 0xaa);
    /* Eight completions without bytes for the refused parts. */
    struct sim_link_stats stats;
    sim_link_stats(b.link, &stats);
    assert_int_equal(stats.completions, 16 + 8);
    assert_int_equal(stats.down_bytes, 4096 + 24 * 20);

    /* A device does not hear of a posted write's fate, unless the model asks. */
    submit(&b, &ask, SIM_WRITE, MEMORY, data, 256);
    ask.request.granted = ask_granted;
    run(&b);
    assert_int_equal(ask.dones, 1);
    assert_int_equal(ask.grants, 1);
    assert_int_equal(ask.status_at_grant, SIM_FAULT);
    assert_true(ask.done < ask.granted);
    assert_int_equal(b.host.refused, 8 + 1);

    /* Not even when a part was refused before the last has left: its fate is told at once. */
    submit(&b, &ask, SIM_WRITE, MEMORY - 256, data, 8192);
    while (!ask.dones)
        assert_true(sim_step(b.kernel));
    assert_true(b.host.refused > 8 + 1);
    assert_int_equal(ask.request.status, SIM_OK);
    assert_int_equal(ask.grants, 0);
    run(&b);
    assert_int_equal(ask.grants, 1);
    assert_int_equal(ask.status_at_grant, SIM_FAULT);
    /* Credits and places are back: the link goes on. */
    submit(&b, &ask, SIM_READ, 0, data, 4096);
    run(&b);
    assert_int_equal(ask.request.status, SIM_OK);
    end(&b);
}

/* ---- bandwidth ---- */

/* What packets may use of a link, in bytes a second: lanes and their coding, less an acknowledge
 * and a credit update (8 bytes each) every `limit` bytes, which the specification's tables
 * recommend, and skips. */
static uint64_t wire(double transfers_per_second, unsigned lanes, double limit)
{
    double raw = transfers_per_second * lanes * 128 / 130 / 8;

    return (uint64_t)(raw * (1 - 16 / limit - 4.0 / 1538));
}

/* A device that keeps `window` requests of `size` under way, `total` in all. */
struct stream {
    struct bench *b;
    struct ask asks[512];
    uint8_t data[4096];
    uint32_t size;
    enum sim_op op;
    unsigned left, finished;
    sim_time middle, last; /* half of them are back; all are */
    unsigned total;
};

static void stream_next(struct stream *s, struct ask *ask);

static void stream_done(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);
    struct stream *s = ask->stream;

    if (++s->finished == s->total / 2)
        s->middle = sim_now(s->b->kernel);
    s->last = sim_now(s->b->kernel);
    stream_next(s, ask);
}

static void stream_next(struct stream *s, struct ask *ask)
{
    if (!s->left)
        return;
    s->left--;
    *ask = (struct ask){ .kernel = s->b->kernel, .stream = s };
    ask->request = (struct sim_request){ .master = &device,
                                         .op = s->op,
                                         .address = s->left % 16 * 4096,
                                         .size = s->size,
                                         .data = s->data,
                                         .done = stream_done };
    sim_submit(s->b->port, &ask->request);
}

/* Payload of the second half, in bytes a second. */
static double stream_rate(const struct sim_link_params *p, sim_time latency, enum sim_op op,
                          uint32_t size, unsigned window, unsigned total)
{
    static struct stream s;
    struct bench b;

    begin(&b, p);
    b.host.latency = latency;
    s = (struct stream){ .b = &b, .size = size, .op = op, .left = total, .total = total };
    for (unsigned i = 0; i < window && s.left; i++)
        stream_next(&s, &s.asks[i]);
    run(&b);
    assert_int_equal(s.finished, total);
    double rate = (total - total / 2) * (double)size / ((double)(s.last - s.middle) * 1e-12);
    end(&b);
    return rate;
}

static void close_to(const char *what, double got, double expected, double share)
{
    print_message("%s: %.2f, expected %.2f\n", what, got, expected);
    assert_true(got > expected * (1 - share) && got < expected * (1 + share));
}

/* The presets' payload bandwidths: Gen4 x4 and x16, Gen5 x16; posted writes of 64 bytes, and reads
 * and writes in packets of MPS. */
static void payload_of_the_presets_is_reached(void **state)
{
    static const struct {
        const char *name;
        double rate, limit, at_64, at_mps;
        unsigned lanes;
    } links[] = {
        { "Gen4 x4", 16e9, 214, 42, 53, 4 },
        { "Gen4 x16", 16e9, 168, 165, 208, 16 },
        { "Gen5 x16", 32e9, 168, 331, 416, 16 },
    };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim_link_params p = slow();
        char text[64];

        p.bandwidth = wire(links[i].rate, links[i].lanes, links[i].limit);
        p.outstanding = 256;
        for (unsigned size = 64; size <= 256; size *= 4) {
            double expected = size == 64 ? links[i].at_64 : links[i].at_mps;
            double formula = (double)p.bandwidth * size / (size + 24);
            double rate = stream_rate(&p, 100 * SIM_NS, SIM_WRITE, size, 64, 4000);
            snprintf(text, sizeof(text), "%s, writes of %u, Gb/s", links[i].name, size);
            close_to(text, rate * 8e-9, expected, 0.1);
            close_to("  beside the formula", rate * 8e-9, formula * 8e-9, 0.01);
        }
        double rate = stream_rate(&p, 100 * SIM_NS, SIM_READ, 4096, 64, 2000);
        snprintf(text, sizeof(text), "%s, reads, Gb/s", links[i].name);
        close_to(text, rate * 8e-9, links[i].at_mps, 0.1);
        close_to("  beside the formula", rate, (double)p.bandwidth * 256 / 276, 0.01);
    }
}

/* outstanding * MRRS / latency, until the wire is full. `latency` is a lone read's: it has its own
 * packets' wire times inside. At the knee itself reads queue behind each other in bunches. */
static void reads_reach_what_their_latency_allows_until_the_wire_is_full(void **state)
{
    struct sim_link_params p = slow();
    unsigned latency_bound = 0, wire_bound = 0;

    (void)state;
    p.bandwidth = wire(16e9, 4, 214);
    for (unsigned mrrs = 128; mrrs <= 1024; mrrs *= 2) {
        for (unsigned outstanding = 1; outstanding <= 256; outstanding *= 2) {
            p.mrrs = mrrs;
            p.outstanding = outstanding;
            unsigned completions = mrrs > 256 ? mrrs / 256 : 1;
            double answer = mrrs + 20.0 * completions;
            double latency = 700e-9 + (24 + answer) / (double)p.bandwidth;
            double by_latency = outstanding * mrrs / latency;
            double by_wire = (double)p.bandwidth * mrrs / answer;
            double expected = by_latency < by_wire ? by_latency : by_wire;
            double rate = stream_rate(&p, 200 * SIM_NS, SIM_READ, 4096, 300, 3000);
            latency_bound += by_latency < by_wire;
            wire_bound += by_latency > by_wire;
            if (rate < expected * 0.99 || rate > expected * 1.01)
                fail_msg("MRRS %u, %u outstanding: %g B/s, the formula says %g", mrrs, outstanding,
                         rate, expected);
        }
    }
    assert_true(latency_bound >= 12 && wire_bound >= 12);
}

static void a_hundred_lines_in_400_ns_are_128_gigabits(void **state)
{
    struct sim_link_params p = slow();

    (void)state;
    p.bandwidth = 1000000000000; /* the wire is not what is asked about */
    p.mrrs = 64;
    p.outstanding = 100;
    p.up = p.down = 150 * SIM_NS;
    double rate = stream_rate(&p, 100 * SIM_NS, SIM_READ, 64, 200, 20000);
    close_to("100 lines of 64 B, 400 ns, Gb/s", rate * 8e-9, 128, 0.01);
}

/* ---- pcie-bench (docs/decisions/081) ---- */

/* What a NIC and its driver do beside the frames, each once in so many frames; 0: never. */
struct nic {
    const char *name;
    double expected; /* Gb/s each way */
    unsigned tx_doorbell, tx_fetch, tx_write_back, tx_interrupt, tx_head_read;
    unsigned rx_doorbell, rx_fetch, rx_write_back, rx_interrupt, rx_head_read;
};

enum {
    FRAME = 60, /* 64 without its check sum, which stays in the NIC */
    DESCRIPTOR = 16,
    FRAMES = 6400,
    NIC_WINDOW = 512,
};

/* A NIC with frames in both directions, each as fast as the link lets it. Requests are its own,
 * used over and over. */
struct nic_run {
    struct bench *b;
    const struct nic *nic;
    struct nic_request {
        struct sim_request request;
        struct nic_run *run;
        bool frame, busy;
    } requests[NIC_WINDOW];
    unsigned tx, rx, frames_done, free;
    uint8_t data[4096];
};

static bool nic_turn(unsigned every, unsigned frame)
{
    return every && frame % every == 0;
}

static void nic_go_on(struct nic_run *r);

static void nic_done(struct sim_request *request)
{
    struct nic_request *n = SIM_OWNER(request, struct nic_request, request);

    n->busy = false;
    n->run->free++;
    n->run->frames_done += n->frame;
    nic_go_on(n->run);
}

static void nic_ask(struct nic_run *r, enum sim_op op, uint32_t size, bool frame)
{
    struct nic_request *n = r->requests;

    while (n->busy)
        n++;
    *n = (struct nic_request){ .run = r, .frame = frame, .busy = true };
    r->free--;
    n->request = (struct sim_request){
        .master = &device, .op = op, .size = size, .data = r->data, .done = nic_done
    };
    sim_submit(r->b->port, &n->request);
}

/* Descriptors of `every` frames at once. */
static void nic_descriptors(struct nic_run *r, enum sim_op op, unsigned every, unsigned frame)
{
    if (nic_turn(every, frame))
        nic_ask(r, op, every * DESCRIPTOR, false);
}

static void nic_transmit(struct nic_run *r)
{
    const struct nic *nic = r->nic;
    unsigned frame = r->tx++;

    if (nic_turn(nic->tx_doorbell, frame))
        sim_link_mmio_write(r->b->link, 4);
    nic_descriptors(r, SIM_READ, nic->tx_fetch, frame);
    nic_ask(r, SIM_READ, FRAME, true);
    nic_descriptors(r, SIM_WRITE, nic->tx_write_back, frame);
    if (nic_turn(nic->tx_interrupt, frame))
        nic_ask(r, SIM_WRITE, 4, false);
    if (nic_turn(nic->tx_head_read, frame))
        sim_link_mmio_read(r->b->link, 4);
}

static void nic_receive(struct nic_run *r)
{
    const struct nic *nic = r->nic;
    unsigned frame = r->rx++;

    if (nic_turn(nic->rx_doorbell, frame))
        sim_link_mmio_write(r->b->link, 4);
    nic_descriptors(r, SIM_READ, nic->rx_fetch, frame);
    nic_ask(r, SIM_WRITE, FRAME, true);
    nic_descriptors(r, SIM_WRITE, nic->rx_write_back, frame);
    if (nic_turn(nic->rx_interrupt, frame))
        nic_ask(r, SIM_WRITE, 4, false);
    if (nic_turn(nic->rx_head_read, frame))
        sim_link_mmio_read(r->b->link, 4);
}

static void nic_go_on(struct nic_run *r)
{
    while (r->free >= 16 && r->tx < FRAMES) {
        nic_transmit(r);
        nic_receive(r);
    }
}

static double nic_rate(const struct nic *nic)
{
    static struct nic_run r;
    struct sim_link_params p = slow();
    struct bench b;

    p.bandwidth = wire(8e9, 8, 203); /* Gen3 x8 */
    p.outstanding = 256;
    begin(&b, &p);
    b.host.latency = 100 * SIM_NS;
    r = (struct nic_run){ .b = &b, .nic = nic, .free = NIC_WINDOW };
    nic_go_on(&r);
    run(&b);
    assert_int_equal(r.frames_done, 2 * FRAMES);
    double rate = FRAMES * (double)FRAME * 8 / ((double)sim_now(b.kernel) * 1e-12) * 1e-9;
    end(&b);
    return rate;
}

static void the_figures_of_pcie_bench_come_out(void **state)
{
    static const struct nic nics[] = {
        { "simple NIC, Gb/s", 12.6, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1 },
        /* The driver rings for each frame and reads the head; the NIC interrupts once in 32. */
        { "kernel-driver NIC, Gb/s", 17.6, 1, 32, 8, 32, 1, 32, 32, 1, 32, 8 },
        { "poll-mode NIC, Gb/s", 20.7, 32, 32, 8, 0, 0, 32, 32, 1, 0, 0 },
    };
    struct sim_link_params p = slow();

    (void)state;
    p.bandwidth = wire(8e9, 8, 203);
    double writes = stream_rate(&p, 100 * SIM_NS, SIM_WRITE, FRAME, 64, 4000);
    close_to("posted writes, Gb/s", writes * 8e-9, 41.4, 0.1);
    for (unsigned i = 0; i < sizeof(nics) / sizeof(nics[0]); i++)
        close_to(nics[i].name, nic_rate(&nics[i]), nics[i].expected, 0.1);
}

static void impossible_combinations_are_refused(void **state)
{
    struct sim_link_params p;

    (void)state;
    sim_params_standard(&sim_link_kind, &p);
    assert_null(sim_link_kind.check(&p));
    p.posted = p.mps - 1;
    assert_non_null(sim_link_kind.check(&p));
    p.posted = 0;
    assert_null(sim_link_kind.check(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_arrives_whatever_the_address_and_size),
        cmocka_unit_test(packets_keep_mps_mrrs_pages_and_the_completion_boundary),
        cmocka_unit_test(a_lone_request_takes_its_wires_and_latencies),
        cmocka_unit_test(registers_take_the_wires_as_well),
        cmocka_unit_test(a_read_stays_behind_earlier_writes_and_lets_later_ones_pass),
        cmocka_unit_test(the_host_never_holds_more_writes_than_credits_allow),
        cmocka_unit_test(what_the_host_refuses_is_told),
        cmocka_unit_test(payload_of_the_presets_is_reached),
        cmocka_unit_test(reads_reach_what_their_latency_allows_until_the_wire_is_full),
        cmocka_unit_test(a_hundred_lines_in_400_ns_are_128_gigabits),
        cmocka_unit_test(the_figures_of_pcie_bench_come_out),
        cmocka_unit_test(impossible_combinations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A hostile producer and an honest user on one engine. The hostile one writes random and half-valid
 * descriptors, tails and heads into the shared memory of its queue, from a process of its own or a
 * thread; the honest one verifies every byte that it has moved. Round all regions lies what must not
 * change, and is looked at after each queue.
 *
 *      hostile [--descriptors N] [--seconds N] [--workers N] [--seed N]
 *
 * Ends when the engine has executed so many descriptors of the hostile one, or after so many
 * seconds (default 3). Exit status 0 if nothing was broken.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "producer.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "hostile: %s\n", what);
    abort();
}

/* ---- the honest user ---- */

enum {
    SIZE = 64 << 10,
    PIECES = 24
};

struct honest {
    struct dray_domain *domain;
    struct dray_queue *queue;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic uint64_t rounds, descriptors, worst_ns;
    uint8_t *src, *dst;
    dray_key in, out, file;
    int fd;
};

/* Random pieces of the source to places of the same size, as one chain; the last sums. */
static void honest_post(struct honest *h, struct test_rng *rng, uint64_t at[PIECES])
{
    enum {
        PIECE = SIZE / PIECES
    };
    for (unsigned i = 0; i < PIECES; i++) {
        struct dray_desc *d = dray_queue_get(h->queue);
        at[i] = test_below(rng, SIZE - PIECE);
        dray_prep_copy(d, h->out, (uint64_t)i * PIECE, h->in, at[i], PIECE);
        d->flags = DRAY_FLAG_CHAIN;
    }
    struct dray_desc *d = dray_queue_get(h->queue);
    dray_prep_copy(d, h->file, 0, h->out, 0, SIZE);
    d->flags = DRAY_FLAG_CHAIN;
    d = dray_queue_get(h->queue);
    dray_prep_compare(d, h->file, 0, h->out, 0, SIZE);
    d->user_data = at[0];
}

static void honest_round(struct honest *h, struct test_rng *rng)
{
    uint64_t at[PIECES], start = now_ns();
    const struct dray_completion *c;
    memset(h->dst, 0, SIZE);
    honest_post(h, rng, at);
    dray_queue_submit(h->queue);
    check(dray_queue_wait(h->queue, &c, 120000000000u) == 0, "the honest queue stands still");
    check(c->status == DRAY_STATUS_OK, "an honest transfer failed");
    check(c->user_data == at[0], "an honest completion is somebody else's");
    check(c->result == SIZE, "the file differs");
    dray_queue_seen(h->queue, 1);
    for (unsigned i = 0; i < PIECES; i++)
        check(!memcmp(h->dst + i * (SIZE / PIECES), h->src + at[i], SIZE / PIECES),
              "honest bytes are wrong");
    uint64_t took = now_ns() - start;
    if (took > h->worst_ns)
        h->worst_ns = took;
    h->descriptors += PIECES + 2;
    h->rounds++;
}

static void *honest_run(void *argument)
{
    struct honest *h = argument;
    struct test_rng rng = { test_seed() };
    while (!h->stop) {
        honest_round(h, &rng);
        /* Leaves most of the machine to the other. */
        nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL);
    }
    return NULL;
}

/* All queues of a domain may reach all its regions: what keeps the hostile one from those of the
 * honest one is that it does not use their keys. They must not be one of its keys with a few bits
 * wrong, so they lie far away in the table. */
static void keys_apart(struct dray_domain *domain)
{
    static uint8_t nothing[8];
    dray_key key = { 0 };
    while ((key.value & 0xfffff) != 0x55555)
        check(!dray_map_memory(domain, nothing, sizeof(nothing), DRAY_READ, &key), "map");
}

static void honest_start(struct honest *h, struct dray_engine *engine)
{
    keys_apart(h->domain);
    h->src = guard_alloc(SIZE, 64);
    h->dst = guard_alloc(SIZE, 64);
    tag_fill(h->src, SIZE, 77, 0);
    h->fd = memfd_create("honest", MFD_CLOEXEC);
    check(h->fd >= 0 && ftruncate(h->fd, SIZE) == 0, "no file");
    check(!dray_map_memory(h->domain, h->src, SIZE, DRAY_READ, &h->in), "map");
    check(!dray_map_memory(h->domain, h->dst, SIZE, DRAY_READ | DRAY_WRITE, &h->out), "map");
    check(!dray_map_file(h->domain, h->fd, DRAY_READ | DRAY_WRITE, &h->file), "map");
    check(!dray_queue_create(&h->queue, engine, NULL), "queue");
    check(!pthread_create(&h->thread, NULL, honest_run, h), "thread");
}

static void honest_end(struct honest *h)
{
    h->stop = true;
    pthread_join(h->thread, NULL);
    dray_queue_destroy(&h->queue);
    tag_check(h->src, SIZE, 77, 0);
    guard_free(h->src);
    guard_free(h->dst);
    close(h->fd);
}

/* ---- the hostile one ---- */

struct soak {
    struct arena arena;
    struct dray_engine *engine;
    struct producer_report *report;
    struct honest honest;
    struct test_rng rng;
    uint64_t queues, killed;
    uint64_t descriptors_max, end_ns;
};

static uint64_t executed(struct soak *s)
{
    struct dray_engine_stats stats;
    uint64_t honest = s->honest.descriptors;
    dray_engine_stats(s->engine, &stats);
    return stats.descriptors > honest ? stats.descriptors - honest : 0;
}

static void in_a_process(struct soak *s, const struct producer_options *o)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        producer_run(o);
        _exit(0);
    }
    check(child > 0, "fork");
    int status;
    uint64_t limit_ns = now_ns() + 30000000000u;
    while (waitpid(child, &status, WNOHANG) == 0) {
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        if (now_ns() > limit_ns) {
            kill(child, SIGKILL);
            s->killed++;
            limit_ns = UINT64_MAX;
        }
    }
}

static void *thread_run(void *argument)
{
    producer_run(argument);
    return NULL;
}

static void in_a_thread(const struct producer_options *o)
{
    pthread_t thread;
    check(!pthread_create(&thread, NULL, thread_run, (void *)o), "thread");
    pthread_join(thread, NULL);
}

static void links_refill(struct soak *s)
{
    for (unsigned i = 0; i < ARENA_LINK_COUNT; i++)
        producer_valid(&s->arena, &s->rng, &s->arena.links[i]);
}

/* One queue of the hostile producer, from its making to its end. */
static void queue_life(struct soak *s)
{
    uint64_t r = test_next(&s->rng);
    const struct dray_queue_options options = {
        .size = sizeof(options),
        .depth = r & 7 ? 4096 : 2u << (r >> 3) % 11,
        .completion_depth = r >> 8 & 7 ? 4096 : 2u << (r >> 11) % 11,
        .rate_bytes_per_s = (r >> 16) % 50 ? 0 : 100000000,
        .moderation = { .count = (uint32_t)(r >> 24) % 8, .adaptive = (r >> 32) & 1 },
    };
    struct producer_options o = { .arena = &s->arena,
                                  .seed = r,
                                  .count = 1 + test_below(&s->rng, 1000000),
                                  .report = s->report };
    struct dray_queue *queue;
    links_refill(s);
    check(!dray_queue_create(&queue, s->engine, &options), "hostile queue");
    check(!dray_queue_export(queue, &o.handle), "export");
    if (s->queues++ % 4 || TEST_SANITIZED) /* whose races would be reported */
        in_a_process(s, &o);
    else
        in_a_thread(&o);
    dray_queue_destroy(&queue);
    const char *bad = arena_check(&s->arena);
    check(!bad, bad);
    arena_reset(&s->arena);
}

static void report(struct soak *s, uint64_t start_ns)
{
    const struct producer_report *r = s->report;
    printf("%" PRIu64 " descriptors of a hostile producer executed (%" PRIu64 " written), %" PRIu64
           " queues, %" PRIu64 " of them broken, %" PRIu64 " left held, in %.0f s\n",
           executed(s), r->written, s->queues, r->broken, r->held,
           (double)(now_ns() - start_ns) * 1e-9);
    printf("%" PRIu64 " rounds of the honest user, all right; the longest took %.1f ms\n",
           s->honest.rounds, (double)s->honest.worst_ns * 1e-6);
    for (unsigned i = 0; i < 32; i++)
        if (r->status[i])
            printf("  %-12s %12" PRIu64 "\n", i < 31 ? dray_status_name(i) : "(no status)",
                   r->status[i]);
    if (s->killed)
        printf("  %" PRIu64 " producers hung and were killed\n", s->killed);
}

static void options_read(struct soak *s, struct dray_engine_options *engine, int argc, char **argv)
{
    static const struct option names[] = { { "descriptors", 1, NULL, 'd' },
                                           { "seconds", 1, NULL, 's' },
                                           { "workers", 1, NULL, 'w' },
                                           { "seed", 1, NULL, 'r' },
                                           { 0 } };
    uint64_t seconds = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (option) {
        case 'd':
            s->descriptors_max = strtoull(optarg, NULL, 0);
            break;
        case 's':
            seconds = strtoull(optarg, NULL, 0);
            break;
        case 'w':
            engine->workers = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 'r':
            setenv("DRAY_SEED", optarg, 1);
            break;
        default:
            exit(2);
        }
    if (!seconds)
        seconds = s->descriptors_max ? 86400 : 3;
    if (!s->descriptors_max)
        s->descriptors_max = UINT64_MAX;
    s->end_ns = now_ns() + seconds * 1000000000u;
}

int main(int argc, char **argv)
{
    static struct soak s;
    struct dray_engine_options engine = {
        .size = sizeof(engine), .mode = DRAY_MODE_WORKER, .workers = 1, .spin_ns = 20000
    };
    options_read(&s, &engine, argc, argv);
    s.rng.state = test_seed();
    s.report =
        mmap(NULL, sizeof(*s.report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(s.report != MAP_FAILED, "mmap");
    arena_open(&s.arena);
    arena_map(&s.arena);
    check(!dray_engine_open(&s.engine, s.arena.domain, "cpu", &engine), "engine");
    s.honest.domain = s.arena.domain;
    honest_start(&s.honest, s.engine);
    uint64_t start_ns = now_ns();
    while (now_ns() < s.end_ns && executed(&s) < s.descriptors_max)
        queue_life(&s);
    honest_end(&s.honest);
    report(&s, start_ns);
    check(dray_engine_close(&s.engine) == 0, "engine busy");
    arena_unmap(&s.arena);
    arena_close(&s.arena);
    return 0;
}

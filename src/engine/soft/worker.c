/*
 * Threads that serve queues.
 *
 * A worker owns its list of queues; attach and detach change it by a command that the worker
 * carries out between two services, so serving takes no lock. An idle worker polls for spin_ns,
 * then asks each producer for a doorbell and sleeps in poll on its eventfd, on the streams that its
 * queues wait for, and until the earliest deadline.
 *
 * Workers cannot be cancelled and take no signals: a thread that dies in the middle of a copy would
 * leave its queue half done and unmap waiting for ever.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dray/io.h"
#include "engine/soft/soft.h"
#include "engine/soft/worker.h"

enum {
    STREAMS_MAX = 63,
    RINGS_MAX = 16, /* taken at once; the rest wait for the next look */
    SPINS_PER_CLOCK = 64,
    WORKERS_MAX = 64
};

/* What a worker that wants to sleep has to listen to. */
struct listen {
    struct pollfd fds[1 + STREAMS_MAX];
    nfds_t count;
    uint64_t deadline_ns;
    bool flags; /* a queue waits for a flag, or for a stream that may be unmapped */
};

static void ring(struct dray_worker *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->event_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: it is ringing already */
}

static void wake_waiter(struct dray_waiter *waiter)
{
    ring((struct dray_worker *)((char *)waiter - offsetof(struct dray_worker, waiter)));
}

/* Help: the queue's state belongs to whoever holds busy. */
static bool hold(struct dray_soft_queue *q)
{
    return q->soft->mode != DRAY_MODE_HELP ||
           atomic_exchange_explicit(&q->busy, 1, memory_order_acquire) == 0;
}

static void let_go(struct dray_soft_queue *q)
{
    if (q->soft->mode == DRAY_MODE_HELP)
        atomic_store_explicit(&q->busy, 0, memory_order_release);
}

static void sooner(uint64_t *deadline_ns, uint64_t other_ns)
{
    if (other_ns < *deadline_ns)
        *deadline_ns = other_ns;
}

/* When a queue that waits for its rate goes on; 0: it waits for something else. */
static uint64_t rated_until(const struct dray_soft_queue *q)
{
    uint64_t until_ns = q->deadline_ns;
    if (q->park != DRAY_PARK_RATE)
        return 0;
    sooner(&until_ns, q->moderate_ns);
    return until_ns;
}

static bool serve_all(struct dray_worker *w)
{
    bool any = false;
    uint64_t rated_ns = w->count ? UINT64_MAX : 0;
    for (size_t i = 0; i < w->count; i++)
        if (hold(w->queues[i])) {
            any |= dray_soft_service(w->queues[i]);
            sooner(&rated_ns, rated_until(w->queues[i]));
            let_go(w->queues[i]);
        } else {
            any = true; /* a caller is at it, and what it leaves behind is not known yet */
        }
    w->rated_ns = rated_ns;
    return any;
}

static void listen_to_stream(struct listen *l, const struct dray_soft_queue *q)
{
    if (l->count == 1 + STREAMS_MAX) {
        sooner(&l->deadline_ns, dray_io_clock_ns() + DRAY_FLAG_POLL_NS);
        return;
    }
    l->fds[l->count++] = (struct pollfd){ .fd = q->park_fd, .events = q->park_events };
}

/* Work that has left the ring: for it no doorbell comes, only room. */
static bool begun(const struct dray_soft_queue *q)
{
    return q->fetched || q->link.left || q->txn.open;
}

/* What one queue waits for. False: it has work. Sets *armed if its producer was asked for a
 * doorbell. */
static bool listen_to(struct listen *l, struct dray_soft_queue *q, bool *armed)
{
    *armed = false;
    if (q->port->corrupt)
        return true; /* nothing will come of it any more */
    sooner(&l->deadline_ns, q->moderate_ns);
    switch (q->park) {
    case DRAY_PARK_FLAG:
        l->flags = true;
        sooner(&l->deadline_ns, q->deadline_ns);
        sooner(&l->deadline_ns, dray_io_clock_ns() + DRAY_FLAG_POLL_NS);
        return true;
    case DRAY_PARK_STREAM:
        l->flags = true;
        listen_to_stream(l, q);
        return true;
    case DRAY_PARK_RATE:
        sooner(&l->deadline_ns, q->deadline_ns);
        return true;
    case DRAY_PARK_NONE:
        break;
    }
    bool stalled = dray_port_room(q->port) == 0;
    if (!stalled && begun(q))
        return false;
    *armed = dray_port_sleep(q->port, stalled);
    return *armed;
}

/* Doorbells are edge-triggered and never read: another process may hold them, make them block, or
 * steal what is in them. The worker's own event belongs to nobody else. */
static void take_rings(struct dray_worker *w)
{
    struct epoll_event events[RINGS_MAX];
    uint64_t rings;
    int n = epoll_wait(w->epoll_fd, events, RINGS_MAX, 0);
    for (int i = 0; i < n; i++)
        if (events[i].data.fd == w->event_fd && read(w->event_fd, &rings, sizeof(rings)) < 0)
            return; /* it had been taken already */
}

static void poll_until(struct dray_worker *w, struct listen *l)
{
    struct timespec t, *timeout = NULL;
    if (l->deadline_ns != UINT64_MAX) {
        uint64_t now = dray_io_clock_ns();
        uint64_t left = l->deadline_ns > now ? l->deadline_ns - now : 0;
        t.tv_sec = (time_t)(left / 1000000000u);
        t.tv_nsec = (long)(left % 1000000000u);
        timeout = &t;
    }
    atomic_store_explicit(&w->sleeping, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->soft->sleeps, 1, memory_order_relaxed);
    int n = ppoll(l->fds, l->count, timeout, NULL);
    atomic_store_explicit(&w->sleeping, false, memory_order_relaxed);
    if (n > 0 && l->fds[0].revents) {
        take_rings(w);
        atomic_fetch_add_explicit(&w->soft->wakes, 1, memory_order_relaxed);
    }
}

/* This thread counts itself among the sleepers, then looks once more, so that a SIGNAL or an unmap
 * either is seen here or sees the sleeper. */
static void sleep_for_flags(struct dray_worker *w, struct listen *l)
{
    dray_domain_sleep_begin(w->soft->engine.domain);
    if (!serve_all(w))
        poll_until(w, l);
    dray_domain_sleep_end(w->soft->engine.domain);
}

static void worker_sleep(struct dray_worker *w)
{
    struct listen l = { .count = 1, .deadline_ns = UINT64_MAX };
    l.fds[0] = (struct pollfd){ .fd = w->epoll_fd, .events = POLLIN };
    size_t held = 0;
    bool quiet = true;
    for (; quiet && held < w->count; held++) {
        struct dray_soft_queue *q = w->queues[held];
        if (!hold(q)) {
            quiet = false;
            break;
        }
        quiet = listen_to(&l, q, &q->armed);
        atomic_store_explicit(&q->listened, quiet, memory_order_relaxed);
        let_go(q);
    }
    if (quiet && l.flags)
        sleep_for_flags(w, &l);
    else if (quiet)
        poll_until(w, &l);
    for (size_t i = 0; i < held; i++) {
        atomic_store_explicit(&w->queues[i]->listened, false, memory_order_relaxed);
        if (w->queues[i]->armed)
            dray_port_awake(w->queues[i]->port);
    }
}

static void remove_queue(struct dray_worker *w, const struct dray_soft_queue *q)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->queues[i] == q) {
            w->queues[i] = w->queues[--w->count];
            return;
        }
}

/* After each change of the list. */
static void note_company(struct dray_worker *w)
{
    for (size_t i = 0; i < w->count; i++)
        w->queues[i]->alone = w->count == 1;
}

/* Returns false when the worker shall end. */
static bool obey(struct dray_worker *w)
{
    struct command *c = atomic_exchange_explicit(&w->command, NULL, memory_order_acquire);
    if (!c)
        return true;
    struct dray_soft_queue **old = w->queues;
    switch (c->kind) {
    case COMMAND_ADD:
        if (w->count)
            memcpy(c->queues, w->queues, w->count * sizeof(*w->queues));
        w->queues = c->queues;
        w->queues[w->count++] = c->q;
        c->queues = old;
        break;
    case COMMAND_REMOVE:
        remove_queue(w, c->q);
        break;
    case COMMAND_STOP:
        sem_post(&c->done);
        return false;
    }
    note_company(w);
    sem_post(&c->done);
    return true;
}

static void join_split(struct dray_soft *soft);

static bool work(struct dray_worker *w)
{
    bool any = serve_all(w);
    if (atomic_load_explicit(&w->soft->split.active, memory_order_relaxed)) {
        join_split(w->soft);
        any = true;
    }
    return any;
}

/* Rates alone hold all its queues, and for longer than a sleep costs: there is nothing to poll for. */
static bool waits_for_rates(const struct dray_worker *w)
{
    return w->rated_ns && w->soft->spin_ns != UINT64_MAX &&
           w->rated_ns > dray_io_clock_ns() + w->soft->wake_ns;
}

/* Polls for spin_ns since the last work, then returns to sleep. */
static bool spun_out(const struct dray_worker *w, uint64_t *idle_since_ns, unsigned *spins)
{
    dray_io_relax();
    if (++*spins % SPINS_PER_CLOCK || w->soft->spin_ns == UINT64_MAX)
        return false;
    uint64_t now = dray_io_clock_ns();
    if (*idle_since_ns == 0)
        *idle_since_ns = now;
    return now - *idle_since_ns >= w->soft->spin_ns;
}

static void bind_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *worker_main(void *argument)
{
    struct dray_worker *w = argument;
    uint64_t idle_since_ns = 0;
    unsigned spins = 0;
    bool rested = false; /* and found nothing to do since: no reason to poll again */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setname_np(pthread_self(), "dray-worker");
    if (w->cpu >= 0)
        bind_to(w->cpu);
    while (!atomic_load_explicit(&w->command, memory_order_relaxed) || obey(w)) {
        if (work(w)) {
            idle_since_ns = 0;
            spins = 0;
            rested = false;
        } else if (rested || waits_for_rates(w) || spun_out(w, &idle_since_ns, &spins)) {
            worker_sleep(w);
            idle_since_ns = 0;
            rested = true;
        }
    }
    return NULL;
}

void dray_worker_ring(struct dray_worker *worker)
{
    ring(worker);
}

static void command(struct dray_worker *w, struct command *c)
{
    sem_init(&c->done, 0, 0);
    atomic_store_explicit(&w->command, c, memory_order_release);
    ring(w);
    while (sem_wait(&c->done))
        ;
    sem_destroy(&c->done);
}

static int listen_on(const struct dray_worker *w, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int events_create(struct dray_worker *w)
{
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->event_fd < 0)
        return -errno;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int error = w->epoll_fd < 0 ? -errno : listen_on(w, w->event_fd, EPOLLIN);
    if (!error)
        return 0;
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    close(w->event_fd);
    return error;
}

static void events_close(struct dray_worker *w)
{
    close(w->epoll_fd);
    close(w->event_fd);
}

static int thread_create(struct dray_worker *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -error;
}

static int worker_start(struct dray_worker *w)
{
    int error = events_create(w);
    if (error)
        return error;
    error = thread_create(w);
    if (error) {
        events_close(w);
        return error;
    }
    w->waiter.wake = wake_waiter;
    dray_domain_add_waiter(w->soft->engine.domain, &w->waiter);
    return 0;
}

static void worker_stop(struct dray_worker *w)
{
    struct command c = { .kind = COMMAND_STOP };
    dray_domain_remove_waiter(w->soft->engine.domain, &w->waiter);
    command(w, &c);
    pthread_join(w->thread, NULL);
    events_close(w);
    free(w->queues);
}

int dray_workers_start(struct dray_soft *soft, const struct dray_engine_options *options)
{
    unsigned count = options->workers ? options->workers : 1;
    if (count > WORKERS_MAX)
        return -EINVAL;
    soft->workers = calloc(count, sizeof(*soft->workers));
    if (!soft->workers)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct dray_worker *w = &soft->workers[i];
        w->soft = soft;
        w->cpu = options->bind ? options->first_cpu + (int)i : -1;
        int error = worker_start(w);
        if (error) {
            dray_workers_stop(soft);
            return error;
        }
        soft->worker_count++;
    }
    return 0;
}

void dray_workers_stop(struct dray_soft *soft)
{
    while (soft->worker_count)
        worker_stop(&soft->workers[--soft->worker_count]);
    free(soft->workers);
}

static int doorbell_create(const struct dray_worker *w, int *doorbell_fd)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = listen_on(w, fd, EPOLLIN | EPOLLET);
    if (error)
        close(fd);
    else
        *doorbell_fd = fd;
    return error;
}

/* Closing it is not enough: another process may hold it open. */
static void doorbell_close(const struct dray_worker *w, int doorbell_fd)
{
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, doorbell_fd, NULL);
    close(doorbell_fd);
}

int dray_workers_add(struct dray_soft *soft, struct dray_soft_queue *q)
{
    struct dray_worker *least = &soft->workers[0];
    for (unsigned i = 1; i < soft->worker_count; i++)
        if (soft->workers[i].count < least->count)
            least = &soft->workers[i];
    struct command c = { .kind = COMMAND_ADD, .q = q };
    c.queues = malloc((least->count + 1) * sizeof(struct dray_soft_queue *));
    if (!c.queues)
        return -ENOMEM;
    int error = doorbell_create(least, &q->doorbell_fd);
    if (error) {
        free(c.queues);
        return error;
    }
    q->worker = least;
    command(least, &c);
    free(c.queues); /* the list before */
    return 0;
}

void dray_workers_remove(struct dray_soft_queue *q)
{
    struct command c = { .kind = COMMAND_REMOVE, .q = q };
    command(q->worker, &c);
    doorbell_close(q->worker, q->doorbell_fd);
}

/* Takes chunks until none is left. */
static void copy_chunks(struct dray_soft *soft)
{
    struct dray_split *s = &soft->split;
    for (;;) {
        uint64_t at = atomic_fetch_add_explicit(&s->next, s->chunk, memory_order_relaxed);
        if (at >= s->length)
            return;
        uint64_t n = s->length - at < s->chunk ? s->length - at : s->chunk;
        if (s->stream)
            soft->kernels->copy_stream(s->dst + at, s->src + at, n);
        else
            soft->kernels->copy(s->dst + at, s->src + at, n);
    }
}

static void join_split(struct dray_soft *soft)
{
    struct dray_split *s = &soft->split;
    pthread_mutex_lock(&s->lock);
    bool active = atomic_load_explicit(&s->active, memory_order_relaxed);
    s->users += active;
    pthread_mutex_unlock(&s->lock);
    if (!active)
        return;
    copy_chunks(soft);
    pthread_mutex_lock(&s->lock);
    s->users--;
    pthread_mutex_unlock(&s->lock);
}

static bool begin_split(struct dray_soft *soft, uint8_t *dst, const uint8_t *src, uint64_t length,
                        bool stream)
{
    struct dray_split *s = &soft->split;
    pthread_mutex_lock(&s->lock);
    bool free_now = !atomic_load_explicit(&s->active, memory_order_relaxed) && s->users == 0;
    if (free_now) {
        s->dst = dst;
        s->src = src;
        s->length = length;
        s->chunk = length / (4 * soft->worker_count) / 4096 * 4096 + 4096; /* never 0 */
        s->stream = stream;
        atomic_store_explicit(&s->next, 0, memory_order_relaxed);
        atomic_store_explicit(&s->active, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->lock);
    return free_now;
}

/* Nobody joins any more; those who did have finished when this returns. */
static void end_split(struct dray_soft *soft)
{
    struct dray_split *s = &soft->split;
    unsigned users;
    do {
        pthread_mutex_lock(&s->lock);
        atomic_store_explicit(&s->active, false, memory_order_relaxed);
        users = s->users;
        pthread_mutex_unlock(&s->lock);
        dray_io_relax();
    } while (users);
}

bool dray_split_copy(struct dray_soft *soft, uint8_t *dst, const uint8_t *src, uint64_t length,
                     bool stream)
{
    if (soft->worker_count < 2 || !begin_split(soft, dst, src, length, stream))
        return false;
    for (unsigned i = 0; i < soft->worker_count; i++)
        if (atomic_load_explicit(&soft->workers[i].sleeping, memory_order_relaxed))
            ring(&soft->workers[i]);
    copy_chunks(soft);
    end_split(soft);
    atomic_fetch_add_explicit(&soft->splits, 1, memory_order_relaxed);
    return true;
}

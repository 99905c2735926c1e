/*
 * Descriptors that touch the same bytes, one of them writing: those that nothing orders may do so in any
 * order. What is ordered (by FENCE, by SIGNAL and WAIT, by a driver that waits for a completion) begins
 * when the other has ended; so two that were under way at the same time were not.
 */
#include <stdlib.h>
#include <string.h>

#include "shadow_internal.h"

static int channel_of(struct sim_shadow *shadow, const char *name, bool make)
{
    for (unsigned i = 0; i < shadow->channel_count; i++)
        if (shadow->channels[i]->name == name || !strcmp(shadow->channels[i]->name, name))
            return (int)i;
    if (!make || shadow->channel_count == SHADOW_CHANNELS)
        return -1;
    struct shadow_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return -1;
    channel->name = shadow_keep(shadow, name);
    shadow->channels[shadow->channel_count] = channel;
    return (int)shadow->channel_count++;
}

static struct job *job_at(struct sim_shadow *shadow, uint64_t job)
{
    uint64_t number = job & (((uint64_t)1 << JOB_CHANNEL) - 1);
    struct job *found = &shadow->channels[job >> JOB_CHANNEL]->jobs[number % JOBS];
    return found->number == number ? found : NULL;
}

void channel_job(struct sim_shadow *shadow, const struct sim_note *note)
{
    int channel = channel_of(shadow, note->part, true);
    if (channel < 0)
        return;
    struct job *job = &shadow->channels[channel]->jobs[(note->value + 1) % JOBS];
    if (note->kind == SIM_NOTE_BEGIN)
        *job = (struct job){ .number = note->value + 1, .begun = note->time, .ended = SIM_NEVER };
    else if (job->number == note->value + 1)
        job->ended = note->time;
}

uint64_t channel_job_of(struct sim_shadow *shadow, const struct sim_note *note)
{
    if (!note->origin || !note->origin->part || !note->origin->what ||
        strcmp(note->origin->what, "descriptor") != 0)
        return 0;
    int channel = channel_of(shadow, note->origin->part, false);
    if (channel < 0)
        return 0;
    uint64_t job = (uint64_t)channel << JOB_CHANNEL | (note->origin->number + 1);
    return job_at(shadow, job) ? job : 0;
}

/* True: both were under way at once. */
static bool unordered(struct sim_shadow *shadow, uint64_t before, uint64_t now)
{
    const struct job *first = job_at(shadow, before), *second = job_at(shadow, now);
    return first && second && first->ended > second->begun;
}

static void check(struct sim_shadow *shadow, const struct touch *touch, uint64_t address,
                  uint64_t mask, const struct touching *by)
{
    uint64_t both = touch->mask & mask;
    if (!both || touch->job == by->job || !unordered(shadow, touch->job, by->job))
        return;
    struct grain *grain = shadow_grain(shadow, address, true);
    if (!grain || !(both & ~grain->told))
        return;
    const struct job *other = job_at(shadow, touch->job);
    struct sim_access first = { .part = shadow->channels[touch->job >> JOB_CHANNEL]->name,
                                .what = by->access->what,
                                .time = other->begun,
                                .number = other->number - 1 };
    uint64_t at = (address & ~(uint64_t)(GRAIN - 1)) + (unsigned)__builtin_ctzll(both);
    shadow_tell(shadow, SIM_HAZARD_NO_FENCE, at, (unsigned)__builtin_popcountll(both), by->use,
                &first, by->access);
    grain->told |= both;
}

static void note_touch(struct touch *touch, uint64_t mask, uint64_t job)
{
    touch->mask = touch->job == job ? touch->mask | mask : mask;
    touch->job = job;
}

void channel_touch(struct sim_shadow *shadow, uint64_t address, uint64_t mask,
                   const struct touching *by)
{
    struct shadow_page *page = shadow_page(shadow, address, true);
    if (page && !page->touches)
        page->touches = calloc(GRAINS, sizeof(*page->touches));
    if (!page || !page->touches)
        return;
    struct touches *touches = &page->touches[address / GRAIN % GRAINS];
    check(shadow, &touches->wrote, address, mask, by);
    if (by->writes)
        check(shadow, &touches->looked, address, mask, by);
    note_touch(by->writes ? &touches->wrote : &touches->looked, mask, by->job);
}

void channel_destroy(struct sim_shadow *shadow)
{
    while (shadow->channel_count)
        free(shadow->channels[--shadow->channel_count]);
}

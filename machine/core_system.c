/* What an operating system does to a core: see core.h. */
#include "core_state.h"

void sim_pass(struct sim_core *core, sim_time time)
{
    core_pass(core, time);
}

void sim_core_block(struct sim_core *core, const char *reason)
{
    core_leave_alone(core);
    sim_block(core->kernel, reason);
}

/* Lines that gather are newer than memory, and older than the buffer. */
static void peek_combining(const struct sim_core *core, uint64_t physical, uint8_t *to,
                           uint32_t size)
{
    for (int i = 0; core->combining_used && i < CORE_COMBINING; i++) {
        const struct combining_line *c = &core->combining[i];
        for (uint32_t b = 0; c->state != COMBINING_FREE && b < core->line; b++)
            if (c->mask[b] && c->line + b - physical < size)
                to[c->line + b - physical] = c->bytes[b];
    }
}

void sim_core_peek(struct sim_core *core, uint64_t physical, void *to, uint32_t size)
{
    sim_cache_peek(core->cache, physical, to, size);
    peek_combining(core, physical, to, size);
    buffer_forward(core, physical, to, size);
}

void sim_core_poke(struct sim_core *core, uint64_t physical, const void *from, uint32_t size)
{
    sim_cache_poke(core->cache, physical, from, size);
}

void sim_core_forget(struct sim_core *core, uint64_t physical, uint64_t size)
{
    sim_cache_forget(core->cache, physical, size);
}

void sim_core_forget_page(struct sim_core *core, uint64_t virtual, uint64_t size)
{
    sim_tlb_invalidate(core->tlb, virtual, size);
}

/* The register file, and what its commands do to a channel. */
#include <string.h>

#include "controller_internal.h"

/* ---- start and stop ---- */

static bool is_ring_size(uint64_t size)
{
    return size >= 1 && size <= 65536 && (size & (size - 1)) == 0;
}

static enum dray_status check_registers(const struct channel *ch)
{
    uint64_t odd = reg_get(ch, SIM_REG_RING) % 64 | reg_get(ch, SIM_REG_COMPLETION) % 32 |
                   reg_get(ch, SIM_REG_TAIL) % 4 | reg_get(ch, SIM_REG_HEAD) % 4 |
                   reg_get(ch, SIM_REG_SEEN_AT) % 4 | reg_get(ch, SIM_REG_REGIONS) % 32 |
                   reg_get(ch, SIM_REG_SHAPES) % 8;
    if (!ch->controller->params.descriptors)
        return DRAY_STATUS_UNSUPPORTED;
    if (!is_ring_size(reg_get(ch, SIM_REG_RING_SIZE)) ||
        !is_ring_size(reg_get(ch, SIM_REG_COMPLETION_SIZE)))
        return DRAY_STATUS_LENGTH;
    return odd ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
}

static void forget(struct channel *ch)
{
    fetch_reset(ch);
    complete_reset(ch);
    region_drop(ch);
}

static void channel_start(struct channel *ch, bool block)
{
    if (ch->running || ch->halted)
        return;
    forget(ch);
    ch->block = block;
    enum dray_status status = block ? DRAY_STATUS_OK : check_registers(ch);
    if (status != DRAY_STATUS_OK) {
        ch->halted = true;
        ch->halt_status = (uint8_t)status;
        channel_interrupt(ch, true);
        return;
    }
    ch->running = true;
    fetch_doorbell(ch);
}

void channel_stop(struct channel *ch, enum dray_status status)
{
    const struct outcome cancelled = { DRAY_STATUS_CANCELLED, DRAY_ACCESS_NONE, 0 };
    if (status != DRAY_STATUS_OK && !ch->halted) {
        ch->halted = true;
        ch->halt_status = (uint8_t)status;
    }
    if (ch->running && !ch->stopping) {
        ch->stopping = true;
        channel_note(ch, SIM_NOTE_STOP, 0);
        sim_cancel(ch->controller->kernel, &ch->look);
        sim_cancel(ch->controller->kernel, &ch->seen_event);
        front_drop(ch);
        while (ch->issuing_first) {
            struct job *job = ch->issuing_first;
            job_fail(job, &cancelled);
            job_settle(job);
        }
    }
    channel_kick(ch);
}

static void clear_registers(struct channel *ch)
{
    memset(ch->reg, 0, sizeof(ch->reg));
    ch->halted = ch->resetting = ch->block = false;
    ch->halt_status = DRAY_STATUS_OK;
}

void channel_settle(struct channel *ch)
{
    if (ch->stopping)
        channel_note(ch, SIM_NOTE_REST, 0);
    ch->running = ch->stopping = false;
    forget(ch);
    if (ch->resetting)
        clear_registers(ch);
    else if (ch->halted)
        channel_interrupt(ch, true);
}

static void channel_reset(struct channel *ch)
{
    ch->mute = ch->resetting = true;
    if (ch->running)
        channel_stop(ch, DRAY_STATUS_OK);
    else
        channel_settle(ch);
}

static void command(struct channel *ch, uint64_t value)
{
    if (value & SIM_CONTROL_RESET)
        channel_reset(ch);
    else if (value & SIM_CONTROL_TERMINATE)
        channel_stop(ch, DRAY_STATUS_OK);
    else if (value & SIM_CONTROL_RUN)
        channel_start(ch, (value & SIM_CONTROL_BLOCK) != 0);
}

/* ---- accesses ---- */

/* Whether something is under way that found its regions before REGIONS was last written. */
bool channel_is_stale(const struct channel *ch)
{
    uint64_t jobs = ch->job_count;
    if ((ch->flag_busy && ch->wait_epoch != ch->epoch) || ch->region_reader.busy ||
        ((ch->link_left || ch->link_held.count) && ch->link_epoch != ch->epoch))
        return true;
    for (uint64_t i = 0; i < jobs; i++)
        if (ch->jobs_memory[i].used && ch->jobs_memory[i].epoch != ch->epoch)
            return true;
    return false;
}

static uint64_t status_of(const struct channel *ch)
{
    uint64_t status = (uint64_t)ch->halt_status << SIM_STATUS_WHY_SHIFT;
    status |= ch->running ? SIM_STATUS_RUNNING : 0;
    status |= channel_idle(ch) ? SIM_STATUS_IDLE : 0;
    status |= ch->halted ? SIM_STATUS_HALTED : 0;
    status |= ch->block ? SIM_STATUS_BLOCK : 0;
    status |= channel_is_stale(ch) ? SIM_STATUS_STALE : 0;
    return status;
}

/* The channel and register of an access; NULL where there is none. */
static struct channel *decode(struct sim_mmio *mmio, uint64_t offset, uint32_t size, unsigned *reg)
{
    struct sim_controller *c = SIM_OWNER(mmio, struct sim_controller, mmio);
    uint64_t number = offset / SIM_CHANNEL_SIZE;
    *reg = (unsigned)(offset % SIM_CHANNEL_SIZE) & ~7u;
    if ((size != 4 && size != 8) || offset % size || number >= c->params.channels)
        return NULL;
    return &c->channels[number];
}

uint64_t controller_register_read(struct sim_mmio *mmio, uint64_t offset, uint32_t size)
{
    unsigned reg;
    const struct channel *ch = decode(mmio, offset, size, &reg);
    if (!ch)
        return UINT64_MAX;
    uint64_t value = reg == SIM_REG_STATUS ? status_of(ch) : reg_get(ch, reg);
    if (size == 4)
        value = offset % 8 ? value >> 32 : value & UINT32_MAX;
    return value;
}

/* What may be written while the channel runs; the rest says where its rings are, and stays. */
static bool may_write(const struct channel *ch, unsigned reg)
{
    return !ch->running || reg == SIM_REG_SEEN || reg == SIM_REG_REGIONS ||
           reg == SIM_REG_REGION_COUNT || reg == SIM_REG_INTERRUPT;
}

static void set_register(struct channel *ch, unsigned reg, uint64_t value)
{
    ch->reg[reg / 8] = value;
    if (reg == SIM_REG_REGIONS)
        region_drop(ch);
    if (reg == SIM_REG_SEEN && ch->running && !ch->block) {
        complete_seen(ch, (uint32_t)value);
        channel_kick(ch);
    }
}

void controller_register_write(struct sim_mmio *mmio, uint64_t offset, uint32_t size,
                               uint64_t value)
{
    unsigned reg;
    struct channel *ch = decode(mmio, offset, size, &reg);
    bool high = size == 4 && offset % 8;
    if (!ch || reg == SIM_REG_STATUS)
        return;
    if (reg == SIM_REG_CONTROL) {
        command(ch, high ? 0 : value);
    } else if (reg == SIM_REG_DOORBELL) {
        ch->stats.doorbells++;
        if (ch->running && !ch->stopping && !ch->block)
            fetch_doorbell(ch);
    } else if (may_write(ch, reg)) {
        uint64_t old = reg_get(ch, reg);
        if (size == 4)
            value = high ? (old & UINT32_MAX) | value << 32
                         : (old & ~(uint64_t)UINT32_MAX) | (value & UINT32_MAX);
        set_register(ch, reg, value);
    }
}

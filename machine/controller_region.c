/* What keys mean: the region table in memory, and the few entries of it that a channel holds. */
#include <string.h>

#include "controller_internal.h"

void region_drop(struct channel *ch)
{
    memset(ch->region, 0, sizeof(ch->region));
    ch->region_fresh = UINT32_MAX;
    ch->epoch++;
}

static void keep_entry(struct channel *ch, uint32_t index)
{
    const struct sim_region_entry *entry = &ch->region_entry;
    struct region *region = &ch->region[ch->region_turn++ % REGION_CACHE];
    bool has_device = entry->kind == SIM_REGION_DEVICE || entry->kind == SIM_REGION_STREAM;
    *region = (struct region){ .key = entry->key,
                               .index = index,
                               .kind = entry->kind,
                               .rights = entry->rights,
                               .address = entry->address,
                               .length = entry->length };
    if (has_device && entry->device < SIM_CONTROLLER_DEVICES)
        region->device = ch->controller->device[entry->device];
}

static void entry_read(struct channel *ch, struct reader *reader, enum sim_status status)
{
    uint32_t index = reader->origin.key & KEY_INDEX_MASK;
    /* What was read before the driver said that the table changed may be what was before. */
    if (ch->region_epoch == ch->epoch) {
        ch->region_fresh = index;
        ch->region_failed = status != SIM_OK;
        if (status == SIM_OK)
            keep_entry(ch, index);
    }
    channel_kick(ch);
}

void region_init(struct channel *ch)
{
    ch->region_reader.done = entry_read;
    ch->region_reader.origin.what = "region";
    ch->region_reader.origin.part = ch->name;
    ch->region_fresh = UINT32_MAX;
}

static const struct region *held_entry(const struct channel *ch, uint32_t key)
{
    for (unsigned i = 0; i < REGION_CACHE; i++)
        if (ch->region[i].key == key)
            return &ch->region[i];
    return NULL;
}

static enum dray_status region_allows(const struct region *region, uint64_t offset, uint64_t length,
                                      unsigned rights)
{
    if ((region->rights & rights) != rights)
        return DRAY_STATUS_RIGHT;
    if (offset > region->length || length > region->length - offset)
        return DRAY_STATUS_RANGE;
    return DRAY_STATUS_OK;
}

/* An entry that was held and has another key may be an older one, so it is read again; one that was
 * just read and has another key says that the key names nothing. */
enum found region_find(struct channel *ch, uint32_t key, uint64_t offset, uint64_t length,
                       unsigned rights, struct region *region, enum dray_status *status)
{
    uint32_t index = key & KEY_INDEX_MASK;
    *status = DRAY_STATUS_KEY;
    if (key == 0 || index >= reg_get(ch, SIM_REG_REGION_COUNT))
        return FOUND_NOT;
    const struct region *held = held_entry(ch, key);
    if (!held && ch->region_fresh != index) {
        ch->region_reader.origin.key = key;
        ch->region_epoch = ch->epoch;
        ch->stats.table_reads++;
        reader_start(ch, &ch->region_reader,
                     reg_get(ch, SIM_REG_REGIONS) + index * sizeof(struct sim_region_entry),
                     &ch->region_entry, sizeof(ch->region_entry));
        return FOUND_LATER;
    }
    if (!held) {
        *status = ch->region_failed ? DRAY_STATUS_IO : DRAY_STATUS_KEY;
        return FOUND_NOT;
    }
    *region = *held;
    *status = region_allows(held, offset, length, rights);
    return *status == DRAY_STATUS_OK ? FOUND : FOUND_NOT;
}

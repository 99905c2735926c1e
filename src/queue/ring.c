#include "queue/ring.h"

#include <errno.h>
#include <string.h>

#include "dray/queue.h"
#include "queue/host.h"

static bool depth_valid(uint32_t depth)
{
    return depth >= DRAY_DEPTH_MIN && depth <= DRAY_DEPTH_MAX && (depth & (depth - 1)) == 0;
}

/* At most 4 KiB + 65,536 * (64 + 32 + 128) bytes: 14 MiB. */
static uint64_t ring_size(uint32_t depth, uint32_t completion_depth)
{
    return DRAY_RING_HEADER_SIZE + depth * (uint64_t)sizeof(struct dray_desc) +
           completion_depth * (uint64_t)sizeof(struct dray_completion) +
           depth * (uint64_t)sizeof(struct dray_shape);
}

static void ring_locate(struct dray_ring_map *map, uint32_t depth, uint32_t completion_depth)
{
    char *base = (char *)map->ring;
    map->depth = depth;
    map->completion_depth = completion_depth;
    map->descs = (struct dray_desc *)(base + DRAY_RING_HEADER_SIZE);
    map->completions = (struct dray_completion *)(map->descs + depth);
    map->shapes = (struct dray_shape *)(map->completions + completion_depth);
}

int dray_ring_create(struct dray_ring_map *map, uint32_t depth, uint32_t completion_depth)
{
    if (!depth_valid(depth) || !depth_valid(completion_depth))
        return -EINVAL;
    void *base;
    memset(map, 0, sizeof(*map));
    map->size = ring_size(depth, completion_depth);
    int r = dray_host_memory_create(map->size, &map->fd, &base);
    if (r)
        return r;
    map->ring = base;
    map->ring->magic = DRAY_RING_MAGIC;
    map->ring->version = DRAY_RING_VERSION;
    map->ring->depth = depth;
    map->ring->completion_depth = completion_depth;
    ring_locate(map, depth, completion_depth);
    return 0;
}

/* Each word is read once: the other side may be changing it. */
static int ring_check(struct dray_ring_map *map)
{
    const volatile struct dray_ring *ring = map->ring;
    if (map->size < DRAY_RING_HEADER_SIZE || ring->magic != DRAY_RING_MAGIC ||
        ring->version != DRAY_RING_VERSION)
        return -EPROTO;
    uint32_t depth = ring->depth;
    uint32_t completion_depth = ring->completion_depth;
    if (!depth_valid(depth) || !depth_valid(completion_depth) ||
        map->size != ring_size(depth, completion_depth))
        return -EPROTO;
    ring_locate(map, depth, completion_depth);
    return 0;
}

int dray_ring_open(struct dray_ring_map *map, int fd)
{
    void *base;
    memset(map, 0, sizeof(*map));
    int r = dray_host_memory_open(fd, &map->fd, &map->size, &base);
    if (r)
        return r;
    map->ring = base;
    r = ring_check(map);
    if (r)
        dray_ring_close(map);
    return r;
}

void dray_ring_close(struct dray_ring_map *map)
{
    dray_host_memory_close(map->fd, map->size, map->ring);
}

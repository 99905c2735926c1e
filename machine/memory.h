/*
 * Bytes of physical memory, without time: what DRAM holds.
 *
 * Pages of the host are taken as the model touches them, so a machine of 64 GiB that uses 10 MiB
 * costs 10 MiB. What was never written reads as zero.
 */
#ifndef DRAY_MACHINE_MEMORY_H
#define DRAY_MACHINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_memory;

/* `size` bytes from address 0. Returns 0; -ENOMEM; -EINVAL (0, or not a multiple of 4096). */
int sim_memory_create(struct sim_memory **memory, uint64_t size);
void sim_memory_destroy(struct sim_memory **memory);

uint64_t sim_memory_size(const struct sim_memory *memory);
bool sim_memory_holds(const struct sim_memory *memory, uint64_t address, uint64_t size);
/* The bytes at an address, up to the end of its 4 KiB page; the range must be held. */
uint8_t *sim_memory_at(struct sim_memory *memory, uint64_t address);
/* Ranges of any length; must be held. */
void sim_memory_read(struct sim_memory *memory, uint64_t address, void *to, size_t size);
void sim_memory_write(struct sim_memory *memory, uint64_t address, const void *from, size_t size);

#endif

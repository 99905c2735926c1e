/* A whole machine from its file: the names of the sections are those of sim_machine_sections. */
#ifndef DRAY_MACHINE_MACHINE_FILE_H
#define DRAY_MACHINE_MACHINE_FILE_H

#include "file.h"
#include "machine.h"

/* For sim_parts_read, sim_parts_set, sim_sweep_parse. Returns 0; -ENOMEM. */
int sim_machine_parts(struct sim_parts **parts);
/* Checks all values and fills params. Returns 0; -EINVAL with a message; -ENOMEM. */
int sim_machine_params(const struct sim_parts *parts, struct sim_machine_params *params,
                       char *error, size_t size);

#endif

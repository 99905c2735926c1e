/* The tables of all engines, for the registry. */
#ifndef DRAY_ENGINE_ENGINES_H
#define DRAY_ENGINE_ENGINES_H

#include "engine/driver.h"

extern const struct dray_engine_driver dray_null_driver;
extern const struct dray_engine_driver dray_pio_driver;
extern const struct dray_engine_driver dray_cpu_driver;
extern const struct dray_engine_driver dray_model_driver;

#endif

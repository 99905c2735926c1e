/* The engines this library knows, and opening them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "domain/region.h"
#include "engine/driver.h"
#include "engine/engines.h"

/* Best first: what "auto" tries. The last two are never chosen: null moves nothing, model takes its own
 * time. */
static const struct dray_engine_driver *const drivers[] = {
    &dray_cpu_driver,
    &dray_pio_driver,
    &dray_null_driver,
    &dray_model_driver,
};

enum {
    DRIVER_COUNT = sizeof(drivers) / sizeof(drivers[0])
};

const char *dray_engine_name(unsigned index)
{
    return index < DRIVER_COUNT ? drivers[index]->name : NULL;
}

static const struct dray_engine_driver *find(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return drivers[0];
    for (unsigned i = 0; i < DRIVER_COUNT; i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

int dray_engine_probe(const char *name, char *why, size_t size)
{
    const struct dray_engine_driver *driver = find(name);
    if (size)
        why[0] = '\0';
    if (!driver) {
        snprintf(why, size, "no engine is called \"%s\"", name);
        return -ENOENT;
    }
    return driver->probe ? driver->probe(why, size) : 0;
}

int dray_engine_open(struct dray_engine **engine, struct dray_domain *domain, const char *name,
                     const struct dray_engine_options *options)
{
    struct dray_engine_options whole;
    const struct dray_engine_driver *driver = find(name);
    *engine = NULL;
    if (!driver)
        return -ENOENT;
    char why[160];
    int error = dray_options_copy(&whole, sizeof(whole), options);
    if (error == 0 && whole.mode > DRAY_MODE_HELP)
        error = -EINVAL;
    if (error == 0)
        error = dray_engine_probe(driver->name, why, sizeof(why));
    if (error)
        return error;
    struct dray_engine *opened;
    error = driver->open(&opened, domain, &whole);
    if (error)
        return error;
    opened->driver = driver;
    opened->domain = domain;
    dray_domain_hold(domain);
    *engine = opened;
    return 0;
}

int dray_engine_close(struct dray_engine **engine)
{
    struct dray_engine *closing = *engine;
    if (!closing)
        return 0;
    if (closing->queues)
        return -EBUSY;
    struct dray_domain *domain = closing->domain;
    closing->driver->close(closing);
    dray_domain_release(domain);
    *engine = NULL;
    return 0;
}

void dray_engine_capabilities(const struct dray_engine *engine,
                              struct dray_capabilities *capabilities)
{
    engine->driver->capabilities(engine, capabilities);
}

bool dray_engine_copies(const struct dray_engine *engine, enum dray_region_kind dst,
                        enum dray_region_kind src)
{
    return engine->driver->copies(engine, dst, src);
}

void dray_engine_stats(const struct dray_engine *engine, struct dray_engine_stats *stats)
{
    *stats = (struct dray_engine_stats){ 0 };
    if (engine->driver->stats)
        engine->driver->stats(engine, stats);
}

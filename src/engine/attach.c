/* The binding of a queue to the engine that serves it. */
#include <errno.h>

#include "domain/region.h"
#include "engine/driver.h"

int dray_queue_create(struct dray_queue **queue, struct dray_engine *engine,
                      const struct dray_queue_options *options)
{
    struct dray_queue *built;
    *queue = NULL;
    int error = dray_queue_build(&built, options);
    if (error)
        return error;
    struct dray_binding binding;
    uint32_t number = dray_domain_queue_number(engine->domain);
    error = engine->driver->attach(engine, dray_queue_port(built), number, &binding);
    if (error) {
        dray_queue_free(built);
        return error;
    }
    engine->queues++;
    dray_queue_bind(built, &binding, engine, number);
    *queue = built;
    return 0;
}

int dray_queue_destroy(struct dray_queue **queue)
{
    struct dray_queue *dying = *queue;
    if (!dying)
        return 0;
    struct dray_engine *engine = dray_queue_engine(dying);
    if (engine) {
        engine->driver->detach(engine, dray_queue_port(dying));
        engine->queues--;
    }
    dray_queue_free(dying);
    *queue = NULL;
    return 0;
}

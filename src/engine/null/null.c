/*
 * The null engine: completes each transaction at once, moves nothing, and looks at nothing but where
 * a transaction ends: what other engines refuse it completes too. It is the cost of a queue alone, and the smallest example of an engine: look at the ring, copy what is there, advance,
 * complete.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/engines.h"

static int null_open(struct dray_engine **engine, struct dray_domain *domain,
                     const struct dray_engine_options *options)
{
    (void)domain;
    if (options->mode > DRAY_MODE_INLINE)
        return -ENOTSUP;
    *engine = calloc(1, sizeof(**engine));
    return *engine ? 0 : -ENOMEM;
}

static void null_close(struct dray_engine *engine)
{
    free(engine);
}

static void null_capabilities(const struct dray_engine *engine, struct dray_capabilities *caps)
{
    *caps = (struct dray_capabilities){
        .name = engine->driver->name,
        .summary = engine->driver->summary,
        .opcodes = (1u << (DRAY_OP_PLACE + 1)) - 2, /* it completes each of them, unread */
        .limits = { .segment_max = DRAY_LENGTH_MAX,
                    .segments_max = DRAY_CHAIN_MAX,
                    .alignment = 1,
                    .address_bits = 64 },
        .coherent = true,
        .mode = DRAY_MODE_INLINE,
    };
}

static bool null_copies(const struct dray_engine *engine, enum dray_region_kind dst,
                        enum dray_region_kind src)
{
    (void)engine;
    return dst != DRAY_REGION_NONE && src != DRAY_REGION_NONE;
}

/* The caller's doorbell: everything published is completed, as far as there is room. */
static void null_service(struct dray_port *port)
{
    bool notify = false;
    while (dray_port_room(port) && dray_port_available(port)) {
        struct dray_desc d;
        dray_port_fetch(port, 0, &d);
        dray_port_advance(port, 1);
        notify |= (d.flags & DRAY_FLAG_NOTIFY) != 0;
        bool open = (d.flags & DRAY_FLAG_CHAIN) != 0;
        if (open && dray_port_available(port))
            continue;
        struct dray_completion c = { .user_data = d.user_data,
                                     .status = open ? DRAY_STATUS_CHAIN : DRAY_STATUS_OK };
        dray_port_complete(port, &c, notify);
        notify = false;
    }
    dray_port_moderate(port, true);
}

static int null_attach(struct dray_engine *engine, struct dray_port *port, uint32_t number,
                       struct dray_binding *binding)
{
    (void)engine;
    (void)port;
    (void)number;
    *binding = (struct dray_binding){
        .service = null_service,
        .service_on_doorbell = true,
        .doorbell_fd = -1,
    };
    return 0;
}

static void null_detach(struct dray_engine *engine, struct dray_port *port)
{
    (void)engine;
    (void)port;
}

const struct dray_engine_driver dray_null_driver = {
    .name = "null",
    .summary = "completes at once and moves nothing: the cost of a queue alone",
    .open = null_open,
    .close = null_close,
    .capabilities = null_capabilities,
    .copies = null_copies,
    .attach = null_attach,
    .detach = null_detach,
};

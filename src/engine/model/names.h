/* The queue's functions a second time in one library: included before src/queue/queue.c when it is
 * compiled for the machine, and by the driver code that calls it there. */
#ifndef DRAY_ENGINE_MODEL_NAMES_H
#define DRAY_ENGINE_MODEL_NAMES_H

#include "dray/api.h"

#undef DRAY_API
#define DRAY_API

#define dray_queue_get      model_queue_get
#define dray_queue_shape    model_queue_shape
#define dray_queue_space    model_queue_space
#define dray_queue_publish  model_queue_publish
#define dray_queue_doorbell model_queue_doorbell
#define dray_queue_submit   model_queue_submit
#define dray_queue_peek     model_queue_peek
#define dray_queue_seen     model_queue_seen
#define dray_queue_reap     model_queue_reap

#endif

#include "param.h"

#include <string.h>

void sim_params_standard(const struct sim_part_kind *kind, void *params)
{
    memset(params, 0, kind->params_size);
    for (size_t i = 0; i < kind->param_count; i++)
        memcpy((char *)params + kind->params[i].offset, &kind->params[i].standard,
               sizeof(uint64_t));
}

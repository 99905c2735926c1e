#include "desc/format_tables.h"
#include "dray/desc.h"

static const struct dray_name_info *find(const struct dray_name_info *table, size_t count,
                                         unsigned number)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

const char *dray_opcode_name(unsigned opcode)
{
    if (opcode >= DRAY_OPCODE_COUNT || !dray_opcode_table[opcode].name)
        return "?";
    return dray_opcode_table[opcode].name;
}

const char *dray_status_name(unsigned status)
{
    const struct dray_name_info *info = find(dray_status_table, dray_status_count, status);
    return info ? info->name : "?";
}

const char *dray_status_text(unsigned status)
{
    const struct dray_name_info *info = find(dray_status_table, dray_status_count, status);
    return info ? info->doc : "?";
}

const char *dray_access_name(unsigned access)
{
    const struct dray_name_info *info = find(dray_access_table, dray_access_count, access);
    return info ? info->name : "?";
}

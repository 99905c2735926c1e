#include <stdlib.h>
#include <string.h>

#include "engine/model/model.h"

void *model_list_push(struct model_list *list, size_t size)
{
    if (list->count == list->room && list->first > 0) {
        memmove(list->items, (char *)list->items + list->first * size,
                (list->count - list->first) * size);
        list->count -= list->first;
        list->first = 0;
    }
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        void *items = realloc(list->items, room * size);
        if (!items)
            return NULL;
        list->items = items;
        list->room = room;
    }
    void *item = (char *)list->items + list->count++ * size;
    memset(item, 0, size);
    return item;
}

void model_list_free(struct model_list *list)
{
    free(list->items);
    *list = (struct model_list){ 0 };
}

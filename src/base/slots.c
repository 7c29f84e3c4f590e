/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/base/slots.h"

#include <assert.h>

#include "sotto/base/mem.h"

#define SLOTS_MAX (1u << 24)
#define GENERATION_MAX 0xffffffu

void slots_init(struct slots *s, unsigned owner)
{
    assert(owner <= UINT16_MAX);
    *s = (struct slots){.owner = owner};
}

void slots_fini(struct slots *s)
{
    mem_free(s->v);
    slots_init(s, s->owner);
}

static bool grow(struct slots *s)
{
    if (s->cap == SLOTS_MAX)
        return false;
    uint32_t cap = s->cap > 0 ? 2 * s->cap : 16;
    struct slot *v = mem_try_realloc(s->v, cap * sizeof(*v));
    if (v == NULL)
        return false;
    s->v = v;
    s->cap = cap;
    return true;
}

/* The free list holds index + 1, so that 0 ends it. */
handle slots_add(struct slots *s, void *object)
{
    assert(object != NULL);
    uint32_t i;
    if (s->free != 0) {
        i = s->free - 1;
        s->free = s->v[i].next_free;
    } else {
        if (s->n == s->cap && !grow(s))
            return HANDLE_NONE;
        i = s->n++;
        s->v[i].generation = 1;
    }
    s->v[i].object = object;
    s->v[i].next_free = 0;
    return (handle)s->owner << 48 | (handle)i << 24 | s->v[i].generation;
}

void slots_remove(struct slots *s, handle h)
{
    if (slots_get(s, h) == NULL)
        return;
    uint32_t i = (uint32_t)(h >> 24) & 0xffffff;
    struct slot *slot = &s->v[i];
    slot->object = NULL;
    slot->generation = slot->generation < GENERATION_MAX ? slot->generation + 1 : 1;
    slot->next_free = s->free;
    s->free = i + 1;
}

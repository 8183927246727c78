/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings of templates: characters of UTF-8, with the operations of Python's str. */
#include "template_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>

bool is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
           code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

/* Strings are valid: the first byte says the size. */
static size_t size_of(const char *at)
{
    unsigned char first = (unsigned char)*at;

    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static uint32_t code_of(const char *at)
{
    return character_code(at, size_of(at));
}

static struct value part(const char *text, const char *end)
{
    return (struct value){.type = VALUE_STRING, .text = text, .size = (size_t)(end - text)};
}

size_t string_length(const struct value *string)
{
    size_t count = 0;

    for (size_t i = 0; i < string->size; i++)
        count += ((unsigned char)string->text[i] & 0xc0) != 0x80;
    return count;
}

int string_characters(struct machine *machine, const struct value *string, struct value *out)
{
    size_t count = string_length(string);
    struct value *items = machine_take(machine, count, sizeof(*items));
    const char *at = string->text;

    if (!items || machine_spend(machine, count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++, at += items[i - 1].size)
        items[i] = part(at, at + size_of(at));
    *out = value_list(KIND_LIST, items, count);
    return 0;
}

int string_slice(struct machine *machine, const struct value *string, size_t first, size_t count,
                 int64_t step, struct value *out)
{
    struct text text = {0};
    struct value characters;
    const char *start = string->text, *end = string->text + string->size, *at;
    int status = machine_spend(machine, string->size / 64);

    if (!count || step == 1) {
        for (at = start; first && at < end; first--)
            at += size_of(at);
        for (start = at; count && at < end; count--)
            at += size_of(at);
        *out = part(start, at);
        return status;
    }
    if (status < 0 || string_characters(machine, string, &characters) < 0)
        return -1;
    for (size_t i = 0; status == 0 && i < count; i++, first += (size_t)step)
        status =
            machine_add(machine, &text, characters.items[first].text, characters.items[first].size);
    return machine_keep(machine, &text, status, out);
}

static bool strips(uint32_t code, const struct value *of)
{
    if (!of)
        return is_space(code);
    for (size_t i = 0; i < of->size; i += size_of(of->text + i))
        if (code_of(of->text + i) == code)
            return true;
    return false;
}

int string_strip(struct machine *machine, const struct value *string, int sides,
                 const struct value *of, struct value *out)
{
    const char *at = string->text, *end = at + string->size;

    if (machine_spend(machine, (size_t)(end - at) * (of ? of->size + 1 : 1) / 64) < 0)
        return -1;
    while (sides & 1 && at < end && strips(code_of(at), of))
        at += size_of(at);
    while (sides & 2 && at < end) {
        const char *last = end - 1;

        while (((unsigned char)*last & 0xc0) == 0x80)
            last--;
        if (!strips(code_of(last), of))
            break;
        end = last;
    }
    *out = part(at, end);
    return 0;
}

typedef uint8_t *case_map(const uint8_t *text, size_t size, const char *language, uninorm_t norm,
                          uint8_t *result, size_t *length);

static int add_mapped(struct machine *machine, struct text *out, case_map *map, const char *text,
                      size_t size)
{
    size_t mapped_size = 0;
    uint8_t *mapped;
    int status;

    if (!size)
        return 0;
    mapped = map((const uint8_t *)text, size, NULL, NULL, NULL, &mapped_size);
    if (!mapped)
        return machine_fail(machine, "out of memory");
    status = machine_add(machine, out, (const char *)mapped, mapped_size);
    free(mapped);
    return status;
}

static bool is_cased(uint32_t code)
{
    return uc_is_property_lowercase(code) || uc_is_property_uppercase(code) ||
           uc_is_general_category(code, UC_CATEGORY_Lt);
}

/* Words begin behind what jinja2's filter splits at, or, for str.title, behind what has no case. */
static int add_titles(struct machine *machine, const struct value *string, bool filter,
                      struct text *out)
{
    bool begins = true;
    int status = 0;

    for (size_t i = 0, size; status == 0 && i < string->size; i += size) {
        const char *at = string->text + i;
        uint32_t code = code_of(at);

        size = size_of(at);
        status = add_mapped(machine, out,
                            !begins  ? u8_tolower
                            : filter ? u8_toupper
                                     : u8_totitle,
                            at, size);
        begins = filter ? is_space(code) || (code < 0x80 && code && strchr("-({[<", (int)code))
                        : !is_cased(code);
    }
    return status;
}

int string_case(struct machine *machine, const struct value *string, enum string_case kind,
                struct value *out)
{
    size_t first = string->size ? size_of(string->text) : 0;
    struct text text = {0};
    int status = machine_spend(machine, string->size / 4);

    if (status == 0 && (kind == CASE_UPPER || kind == CASE_LOWER))
        status = add_mapped(machine, &text, kind == CASE_UPPER ? u8_toupper : u8_tolower,
                            string->text, string->size);
    else if (status == 0 && kind == CASE_CAPITALIZE)
        status = add_mapped(machine, &text, u8_totitle, string->text, first) < 0
                     ? -1
                     : add_mapped(machine, &text, u8_tolower, string->text + first,
                                  string->size - first);
    else if (status == 0)
        status = add_titles(machine, string, kind == CASE_FILTER_TITLE, &text);
    return machine_keep(machine, &text, status, out);
}

bool string_find(const struct value *in, const struct value *what, size_t from, size_t *at)
{
    const char *found;

    *at = from;
    if (!what->size)
        return true;
    found =
        in->size > from ? memmem(in->text + from, in->size - from, what->text, what->size) : NULL;
    *at = found ? (size_t)(found - in->text) : 0;
    return found;
}

int string_replace(struct machine *machine, const struct value *string, const struct value *old,
                   const struct value *new, int64_t most, struct value *out)
{
    struct text text = {0};
    size_t at = 0, found;
    int status = machine_spend(machine, string->size / 64);

    /* nothing is in front of each character, and at the end */
    while (status == 0 && most-- != 0 && at <= string->size &&
           string_find(string, old, at, &found)) {
        size_t behind = old->size           ? found + old->size
                        : at < string->size ? at + size_of(string->text + at)
                                            : at;

        status = machine_add(machine, &text, string->text + at, found - at);
        if (status == 0)
            status = machine_add(machine, &text, new->text, new->size);
        if (status == 0 && !old->size)
            status = machine_add(machine, &text, string->text + at, behind - at);
        if (!old->size && at == string->size)
            break;
        at = behind;
    }
    if (status == 0 && at < string->size)
        status = machine_add(machine, &text, string->text + at, string->size - at);
    return machine_keep(machine, &text, status, out);
}

int string_join(struct machine *machine, const struct value *separator, const struct value *items,
                size_t count, bool strict, struct value *out)
{
    struct text text = {0};
    int status = 0;

    for (size_t i = 0; status == 0 && i < count; i++) {
        if (strict && items[i].type != VALUE_STRING)
            status =
                machine_fail(machine, "join takes strings, not %s", value_type_name(&items[i]));
        else if (i)
            status = machine_add(machine, &text, separator->text, separator->size);
        if (status == 0)
            status = value_print(machine, &items[i], false, &text);
    }
    return machine_keep(machine, &text, status, out);
}

/* A list under construction. */
struct growing {
    struct value *items;
    size_t count, room;
};

static int grow(struct machine *machine, struct growing *list, struct value item)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        struct value *items = machine_take(machine, room, sizeof(*items));

        if (!items)
            return -1;
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return machine_spend(machine, 1);
}

/* At white space, of which none is in the parts. */
static int split_words(struct machine *machine, const struct value *string, int64_t most,
                       struct growing *list)
{
    const char *at = string->text, *end = at + string->size, *start;

    for (;;) {
        struct value rest;

        while (at < end && is_space(code_of(at)))
            at += size_of(at);
        if (at == end)
            return 0;
        rest = part(at, end);
        if (most-- == 0)
            return grow(machine, list, rest);
        for (start = at; at < end && !is_space(code_of(at));)
            at += size_of(at);
        if (grow(machine, list, part(start, at)) < 0)
            return -1;
    }
}

static int split_at(struct machine *machine, const struct value *string,
                    const struct value *separator, int64_t most, struct growing *list)
{
    size_t at = 0, found;

    while (most-- != 0 && string_find(string, separator, at, &found)) {
        if (grow(machine, list, part(string->text + at, string->text + found)) < 0)
            return -1;
        at = found + separator->size;
    }
    return grow(machine, list, part(string->text + at, string->text + string->size));
}

/* From the end; the parts are found in reverse. */
static int split_right(struct machine *machine, const struct value *string,
                       const struct value *separator, int64_t most, struct growing *list)
{
    size_t end = string->size, at = string->size;

    while (most != 0 && at >= separator->size) {
        if (memcmp(string->text + at - separator->size, separator->text, separator->size)) {
            at--;
            continue;
        }
        if (grow(machine, list, part(string->text + at, string->text + end)) < 0)
            return -1;
        at = end = at - separator->size;
        most--;
    }
    if (grow(machine, list, part(string->text, string->text + end)) < 0)
        return -1;
    for (size_t i = 0; i < list->count / 2; i++) {
        struct value one = list->items[i];

        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = one;
    }
    return 0;
}

int string_split(struct machine *machine, const struct value *string, const struct value *separator,
                 int64_t most, bool right, struct value *out)
{
    struct growing list = {0};
    int status = machine_spend(machine, string->size / 16);

    if (status == 0 && separator && !separator->size)
        status = machine_fail(machine, "split: the separator is empty");
    else if (status == 0 && right && !separator && most >= 0)
        status = machine_fail(machine, "rsplit at white space with a limit is not supported");
    else if (status == 0)
        status = !separator ? split_words(machine, string, most, &list)
                 : right    ? split_right(machine, string, separator, most, &list)
                            : split_at(machine, string, separator, most, &list);
    *out = value_list(KIND_LIST, list.items, list.count);
    return status;
}

static bool ends_line(uint32_t code)
{
    return (code >= 10 && code <= 13) || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
           code == 0x2028 || code == 0x2029;
}

int string_lines(struct machine *machine, const struct value *string, struct value *out)
{
    const char *at = string->text, *end = at + string->size, *start = at;
    struct growing list = {0};

    while (at < end) {
        const char *line = at;
        uint32_t code = code_of(at);

        at += size_of(at);
        if (!ends_line(code))
            continue;
        at += code == '\r' && at < end && *at == '\n';
        if (grow(machine, &list, part(start, line)) < 0)
            return -1;
        start = at;
    }
    if (start < end && grow(machine, &list, part(start, end)) < 0)
        return -1;
    *out = value_list(KIND_LIST, list.items, list.count);
    return machine_spend(machine, string->size / 16);
}

int string_repeat(struct machine *machine, const struct value *string, int64_t times,
                  struct value *out)
{
    struct text text = {0};
    int status = 0;

    for (int64_t i = 0; status == 0 && string->size && i < times; i++)
        status = machine_spend(machine, 1) < 0
                     ? -1
                     : machine_add(machine, &text, string->text, string->size);
    return machine_keep(machine, &text, status, out);
}

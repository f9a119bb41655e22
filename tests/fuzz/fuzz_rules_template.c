/*
 * fuzz_rules_template - templates over any text and any value: a folder's name that comes out has the levels of the template and no more, none
 * of them empty, "." or "..", no control characters, and is never longer than was said at load.
 *
 * The input is the template up to the first NUL; what stands behind it is the value of every name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_template.h"
#include "filters/filters_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int resolve(void *ctx, struct bytes inside, struct filters_reference *reference_r, struct buf *error)
{
    (void)ctx, (void)error, (void)inside;
    *reference_r = (struct filters_reference){.name = "value"};
    return 0;
}

static struct bytes value_of(void *ctx, const struct filters_reference *reference)
{
    (void)reference;
    return *(const struct bytes *)ctx;
}

static void check_folder(const struct filters_template *template, const struct filters_filler *filler)
{
    struct bytes nothing = bytes_of("x");
    struct filters_filler fixed = {.value = value_of, .ctx = &nothing};
    struct buf folder, plain;
    buf_init(&folder, 1u << 20);
    buf_init(&plain, 1u << 20);
    filters_template_folder(template, filler, &folder);
    filters_template_folder(template, &fixed, &plain);
    size_t levels = 0, plain_levels = 0;
    for (struct bytes rest = buf_bytes(&folder); rest.ptr != NULL; levels++) {
        struct bytes level = bytes_cut(&rest, '/');
        EXPECT(level.len > 0 && !bytes_is(level, ".") && !bytes_is(level, ".."));
    }
    for (struct bytes rest = buf_bytes(&plain); rest.ptr != NULL; plain_levels++) {
        bytes_cut(&rest, '/');
    }
    EXPECT(levels == plain_levels);
    EXPECT(bytes_is_utf8(buf_bytes(&folder)) && folder.len <= filters_template_folder_max(template) + levels);
    buf_done(&folder);
    buf_done(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    if (end == NULL || size > 20000) {
        return 0;
    }
    struct buf error, value, out;
    buf_init(&error, 1000);
    buf_init(&value, 1u << 20);
    buf_init(&out, 1u << 20);
    filters_text_valid(bytes_at(end + 1, size - (size_t)(end + 1 - data)), &value);
    struct bytes filled = buf_bytes(&value);
    struct filters_resolver resolver = {resolve, NULL};
    struct filters_filler filler = {.value = value_of, .ctx = &filled};
    struct arena *arena = arena_new(1u << 20);
    const struct filters_template *template = filters_template_new(arena, (const char *)data, &resolver, &error);
    EXPECT((template == NULL) == (error.len > 0));
    if (template != NULL) {
        filters_template_line(template, &filler, &out);
        filters_template_empty_level(template);
        /* The loader lets only folders through whose own text is one, and valid UTF-8. */
        if (bytes_is_utf8(bytes_of((const char *)data)) && filters_text_folder_error((const char *)data) == NULL) {
            check_folder(template, &filler);
        }
    }
    arena_free(&arena);
    buf_done(&error);
    buf_done(&value);
    buf_done(&out);
    return 0;
}

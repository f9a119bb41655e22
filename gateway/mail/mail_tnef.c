/*
 * mail_tnef - see mail_tnef.h. All numbers are little-endian.
 */
#include "mail/mail_tnef.h"

#include "mail/mail_charset.h"

#define SIGNATURE        0x223e9f78u
#define LEVEL_ATTACHMENT 2
#define ATT_TITLE        0x8010u /* attAttachTitle: a name of one octet a character */
#define ATT_PROPERTIES   0x9005u /* attAttachment: MAPI properties */
#define PROPERTY_NAMED   0x8000u
#define NAME_MAX_OCTETS  4096

enum {
    TYPE_SHORT = 2,
    TYPE_LONG = 3,
    TYPE_FLOAT = 4,
    TYPE_DOUBLE = 5,
    TYPE_CURRENCY = 6,
    TYPE_APPTIME = 7,
    TYPE_ERROR = 10,
    TYPE_BOOLEAN = 11,
    TYPE_OBJECT = 13,
    TYPE_INT64 = 20,
    TYPE_STRING8 = 30,
    TYPE_UNICODE = 31,
    TYPE_SYSTIME = 64,
    TYPE_CLSID = 72,
    TYPE_BINARY = 258,
    TYPE_MULTIPLE = 0x1000
};

struct reader {
    struct bytes rest;
    bool failed;
};

static struct bytes take_tnef(struct reader *reader, size_t len)
{
    if (len > reader->rest.len) {
        reader->failed = true;
        reader->rest = bytes_at(NULL, 0);
        return reader->rest;
    }
    struct bytes data = bytes_slice(reader->rest, 0, len);
    reader->rest = bytes_from(reader->rest, len);
    return data;
}

static uint32_t number_tnef(struct reader *reader, size_t octets)
{
    struct bytes data = take_tnef(reader, octets);
    uint32_t value = 0;
    for (size_t i = data.len; i > 0; i--) {
        value = value << 8 | data.ptr[i - 1];
    }
    return value;
}

static void give_tnef(const char *charset, struct bytes data, mail_tnef_fn *fn, void *ctx)
{
    struct buf name;
    buf_init(&name, NAME_MAX_OCTETS * 3);
    data = bytes_slice(data, 0, NAME_MAX_OCTETS);
    size_t width = charset[0] == '\0' ? 1 : 2;
    while (data.len >= width && data.ptr[data.len - 1] == 0 && (width == 1 || data.ptr[data.len - 2] == 0)) {
        data.len -= width; /* it ends with a NUL */
    }
    mail_charset_decode(bytes_of(charset), data, &name);
    if (name.len > 0) {
        fn(ctx, buf_bytes(&name));
    }
    buf_done(&name);
}

/* ---- MAPI properties ---- */

static size_t fixed_size(uint32_t type)
{
    switch (type) {
    case TYPE_SHORT:
    case TYPE_BOOLEAN:
    case TYPE_LONG:
    case TYPE_FLOAT:
    case TYPE_ERROR:
        return 4;
    case TYPE_DOUBLE:
    case TYPE_CURRENCY:
    case TYPE_APPTIME:
    case TYPE_INT64:
    case TYPE_SYSTIME:
        return 8;
    case TYPE_CLSID:
        return 16;
    default:
        return 0;
    }
}

/* A property that is named by a number or a text instead of an id. */
static void skip_name(struct reader *reader)
{
    take_tnef(reader, 16);
    if (number_tnef(reader, 4) == 0) {
        take_tnef(reader, 4);
    } else {
        size_t len = number_tnef(reader, 4);
        take_tnef(reader, len);
        take_tnef(reader, (4 - len % 4) % 4);
    }
}

/* PR_ATTACH_FILENAME, PR_ATTACH_LONG_FILENAME, PR_DISPLAY_NAME. */
static bool is_name(uint32_t id)
{
    return id == 0x3704 || id == 0x3707 || id == 0x3001;
}

static void take_property(struct reader *reader, mail_tnef_fn *fn, void *ctx)
{
    uint32_t type = number_tnef(reader, 2), id = number_tnef(reader, 2);
    if (id >= PROPERTY_NAMED) {
        skip_name(reader);
    }
    bool multiple = (type & TYPE_MULTIPLE) != 0;
    type &= ~(uint32_t)TYPE_MULTIPLE;
    size_t fixed = fixed_size(type);
    uint32_t count = fixed > 0 && !multiple ? 1 : number_tnef(reader, 4);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        size_t len = fixed > 0 ? fixed : number_tnef(reader, 4);
        struct bytes value = take_tnef(reader, len);
        take_tnef(reader, fixed > 0 ? 0 : (4 - len % 4) % 4);
        if (!reader->failed && is_name(id) && (type == TYPE_STRING8 || type == TYPE_UNICODE)) {
            give_tnef(type == TYPE_UNICODE ? "utf-16le" : "", value, fn, ctx);
        }
    }
}

static void take_properties(struct bytes data, mail_tnef_fn *fn, void *ctx)
{
    struct reader reader = {.rest = data};
    uint32_t count = number_tnef(&reader, 4);
    for (uint32_t i = 0; i < count && !reader.failed && reader.rest.len > 0; i++) {
        take_property(&reader, fn, ctx);
    }
}

int mail_tnef_names(struct bytes data, mail_tnef_fn *fn, void *ctx)
{
    struct reader reader = {.rest = data};
    if (number_tnef(&reader, 4) != SIGNATURE) {
        return -1;
    }
    take_tnef(&reader, 2); /* key */
    while (reader.rest.len > 0 && !reader.failed) {
        uint32_t level = number_tnef(&reader, 1), id = number_tnef(&reader, 2);
        take_tnef(&reader, 2); /* the attribute's type */
        struct bytes value = take_tnef(&reader, number_tnef(&reader, 4));
        take_tnef(&reader, 2); /* checksum */
        if (!reader.failed && level == LEVEL_ATTACHMENT && id == ATT_TITLE) {
            give_tnef("", value, fn, ctx);
        } else if (!reader.failed && level == LEVEL_ATTACHMENT && id == ATT_PROPERTIES) {
            take_properties(value, fn, ctx);
        }
    }
    return reader.failed ? -1 : 0;
}

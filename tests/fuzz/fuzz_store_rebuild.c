/*
 * fuzz_store_rebuild - segments of any octets, and whole records between them: a rebuild finds each record that is whole or whose envelope is, takes nothing
 * else for mail, and what it made agrees with itself. A head is read as it was written; an envelope too.
 *
 * The input is a list of steps. Each begins with an octet: what it is, and a length; what it needs follows.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/expect.h"
#include "../unit/folder.h"
#include "fuzz_folder.h"
#include "store/local/local_check.h"
#include "store/local/local_record.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENT_MAX ((size_t)256 << 10)
#define STEPS_MAX   24

struct world {
    struct bytes input;
    struct buf segment;
    uint64_t records; /* that a rebuild must find */
    uint64_t maybe;   /* and may find: their envelopes are the input's */
    uint64_t broken;  /* records that it must report */
};

static unsigned take_octet(struct world *world)
{
    if (world->input.len == 0) {
        return 0;
    }
    unsigned octet = world->input.ptr[0];
    world->input = bytes_from(world->input, 1);
    return octet;
}

static struct bytes take(struct world *world, size_t len)
{
    struct bytes piece = bytes_slice(world->input, 0, len);
    world->input = bytes_from(world->input, piece.len);
    return piece;
}

/* An envelope of its own for each record, and one delivery. */
static void write_meta(struct world *world, struct buf *meta)
{
    char id[40];
    snprintf(id, sizeof id, "M%llu", (unsigned long long)(world->records + world->broken));
    const struct mail_envelope envelope = {.id = id, .from = "a@x", .received_ms = 1700000000000, .hostname = "gw"};
    const struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r"};
    buf_append_text(meta, "{\"envelope\":");
    store_meta_write_envelope(meta, &envelope);
    buf_append_text(meta, ",\"deliveries\":[");
    store_meta_write_delivery(meta, &delivery);
    buf_append_text(meta, "]}");
}

static void append_record(struct world *world, struct bytes body, struct bytes meta)
{
    struct local_record record = {.body_len = body.len,
                                  .meta_len = (uint32_t)meta.len,
                                  .end_len = LOCAL_RECORD_END,
                                  .body_sum = store_sum_of(body),
                                  .meta_sum = store_sum_of(meta),
                                  .generation = 1,
                                  .group = 1};
    const struct local_spot spot = {1, world->segment.len};
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    struct local_record back = {0};
    local_record_encode(&record, spot, head, end);
    EXPECT(local_record_decode(bytes_at(head, sizeof head), spot, &back) == 1 && back.body_len == record.body_len &&
           back.meta_len == record.meta_len && back.body_sum == record.body_sum && back.meta_sum == record.meta_sum);
    EXPECT(local_record_decode(bytes_at(head, sizeof head - 1), spot, &back) == 0);
    EXPECT(local_record_decode_end(bytes_at(end, sizeof end), &back) == 0 && back.group == 1);
    buf_append(&world->segment, head, sizeof head);
    buf_append_bytes(&world->segment, body);
    buf_append_bytes(&world->segment, meta);
    buf_append(&world->segment, end, sizeof end);
}

/* One that is whole; or of which an octet is another than it was. */
static void step_record(struct world *world, bool breaks)
{
    struct buf meta;
    buf_init(&meta, 1 << 16);
    write_meta(world, &meta);
    size_t at = world->segment.len;
    struct bytes body = take(world, take_octet(world));
    append_record(world, body, buf_bytes(&meta));
    size_t where = breaks ? take_octet(world) * 256 + take_octet(world) : 0, len = world->segment.len - at;
    if (breaks) {
        uint8_t *octet = (uint8_t *)(uintptr_t)buf_bytes(&world->segment).ptr + at + where % len;
        *octet = (uint8_t)(*octet ^ (1 + take_octet(world) % 255));
        where %= len;
    }
    bool in_body = where >= LOCAL_RECORD_HEAD && where < LOCAL_RECORD_HEAD + body.len;
    bool is_known = in_body || where >= len - LOCAL_RECORD_END; /* a dead letter, or one of an unknown group */
    world->records += !breaks || is_known;
    world->broken += breaks && !is_known;
    buf_done(&meta);
}

static void step_meta(struct world *world)
{
    append_record(world, bytes_of("body"), take(world, take_octet(world)));
    world->maybe++;
}

static void step_zeros(struct world *world, size_t count)
{
    static const uint8_t zeros[64];
    for (size_t i = 0; i <= count % 64; i++) {
        buf_append(&world->segment, zeros, sizeof zeros);
    }
}

static void make_segment(struct world *world)
{
    for (int steps = 0; world->input.len > 0 && steps < STEPS_MAX; steps++) {
        unsigned kind = take_octet(world);
        switch (kind % 6) {
        case 0:
        case 1:
            step_record(world, false);
            break;
        case 2:
            step_record(world, true);
            break;
        case 3:
            step_meta(world);
            break;
        case 4:
            step_zeros(world, kind / 6);
            break;
        default:
            buf_append_bytes(&world->segment, take(world, take_octet(world)));
        }
    }
}

/* ---- the spool ---- */

static const char *folder_of_all(void)
{
    static char path[FUZZ_FOLDER_MAX];
    if (path[0] == '\0') {
        fuzz_folder_make(path, "rebuild");
    }
    return path;
}

static void on_report(void *ctx, const char *id, const struct fault *fault)
{
    (void)id;
    uint64_t *reports = ctx;
    (*reports)++;
    EXPECT((strcmp(fault->code, "damaged") == 0 || strcmp(fault->code, "torn") == 0) && fault->text[0] != '\0');
}

static void write_segment(const char *path, struct bytes octets)
{
    char name[200];
    mkdir(path, 0700);
    snprintf(name, sizeof name, "%s/segments", path);
    mkdir(name, 0700);
    snprintf(name, sizeof name, "%s/segments/0000000000000001.seg", path);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0 && write(fd, octets.ptr, octets.len) == (ssize_t)octets.len);
    close(fd);
}

static void rebuild(struct world *world)
{
    char path[150];
    snprintf(path, sizeof path, "%s/spool", folder_of_all());
    write_segment(path, buf_bytes(&world->segment));
    struct local_rebuild_result made = {0};
    struct local_check_result checked = {0};
    struct fault fault = FAULT_INIT;
    uint64_t reports = 0, found = 0;
    EXPECT(local_rebuild(path, on_report, &reports, &made, &fault) == 0);
    EXPECT(made.messages >= world->records && made.messages <= world->records + world->maybe);
    EXPECT(made.damaged + made.torn == reports && reports >= world->broken / STEPS_MAX);
    EXPECT(local_check(path, on_report, NULL, &found, &checked, &fault) == 0);
    EXPECT(checked.messages == made.messages && checked.damaged <= reports);
    folder_remove(path);
}

static void any_head(struct bytes input)
{
    struct local_record record;
    int got = local_record_decode(input, (struct local_spot){1, 0}, &record);
    EXPECT(got != 1 || (input.len >= LOCAL_RECORD_HEAD && record.meta_len <= STORE_META_MAX));
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    struct fault fault = FAULT_INIT;
    if (store_meta_read(input, arena, &envelope, &deliveries, &count, &fault) == 0) {
        struct buf text;
        buf_init(&text, 1 << 20);
        store_meta_write_envelope(&text, &envelope);
        for (size_t i = 0; i < count; i++) {
            store_meta_write_delivery(&text, &deliveries[i]);
        }
        buf_done(&text);
    } else {
        EXPECT(fault_is_set(&fault));
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.input = bytes_at(data, size)};
    any_head(world.input);
    buf_init(&world.segment, SEGMENT_MAX);
    make_segment(&world);
    rebuild(&world);
    buf_done(&world.segment);
    return 0;
}

/*
 * The IMAP engine against a server that says anything: what it is fed is the input, cut by its own octets; whenever the engine is ready it gets work. Whatever
 * comes, each piece of work ends once, and without an answer it is not taken for filed.
 */
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct imapc_engine *engine;
    struct imapc_message messages[2];
    struct imapc_wanted wanted[2];
    struct doubt doubts[2];
    unsigned given, ended;
    bool open, closed;
};

static void give_work(struct world *world, uint64_t now)
{
    static const char *const flags[] = {"\\Flagged", "ci"};
    world->given++;
    world->open = true;
    if (world->given % 5 == 0) {
        imapc_engine_remove(world->engine, now, "A/B", 1, 7);
        return;
    }
    if (world->given % 2 == 0) {
        world->wanted[0] =
            (struct imapc_wanted){.id = "ID.1", .flags = flags, .flag_count = 2, .doubt = &world->doubts[0]};
        world->wanted[1] =
            (struct imapc_wanted){.id = "ID.2", .flags = flags, .flag_count = 1, .doubt = &world->doubts[1]};
        imapc_engine_locate(world->engine, now, world->given % 4 == 0 ? "\\Junk" : "A/B", world->wanted, 2);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        world->messages[i] = (struct imapc_message){.flags = flags, .flag_count = 2, .date_ms = 1, .size = 5};
    }
    imapc_engine_append(world->engine, now, world->given % 4 == 1 ? "\\Sent" : "A/B", world->messages, 2);
}

static bool serve(struct world *world, enum imapc_want want, const struct imapc_request *request, uint64_t now)
{
    switch (want) {
    case IMAPC_WANT_INPUT:
        if (imapc_engine_is_ready(world->engine) && world->given < 8) {
            give_work(world, now);
            return true;
        }
        return false;
    case IMAPC_WANT_TLS:
        imapc_engine_tls_ready(world->engine, now);
        return true;
    case IMAPC_WANT_COMPRESS:
        imapc_engine_compressed(world->engine, now);
        return true;
    case IMAPC_WANT_SASL:
        imapc_engine_sasl(world->engine, now, bytes_of("eA=="), NULL);
        return true;
    case IMAPC_WANT_BODY:
        imapc_engine_body(world->engine, now, bytes_slice(bytes_of("12345"), (size_t)request->offset, request->len),
                          NULL);
        return true;
    case IMAPC_WANT_TELL:
        return true;
    case IMAPC_WANT_RESULT:
        EXPECT(world->open);
        world->open = false;
        world->ended++;
        return true;
    case IMAPC_WANT_CLOSE:
        world->closed = true;
        return false;
    }
    return false;
}

static void pump(struct world *world, struct bytes input, uint64_t now)
{
    bool again = !world->closed;
    while (again) {
        struct imapc_request request;
        size_t used;
        enum imapc_want want = imapc_engine_step(world->engine, now, input, &used, &request);
        EXPECT(used <= input.len);
        input = bytes_from(input, used);
        struct buf *output = imapc_engine_output(world->engine);
        buf_consume(output, output->len);
        again = serve(world, want, &request, now) || (input.len > 0 && used > 0 && !world->closed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct imapc_engine_options options = {.tls = (data[0] & 1) != 0,
                                           .starttls = (data[0] & 2) != 0,
                                           .allow_clear = (data[0] & 4) != 0,
                                           .is_token = (data[0] & 8) != 0,
                                           .mechanism = (enum imapc_mechanism)((data[0] >> 4) % 8),
                                           .username = "u",
                                           .password = "p",
                                           .greeting_timeout_ms = 1000,
                                           .command_timeout_ms = 1000,
                                           .literal_max = 4096,
                                           .subscribe = true};
    options.folders = (data[1] & 1) != 0 ? imapc_folders_new() : NULL;
    struct imapc_habits habits;
    imapc_habits_init(&habits);
    options.habits = (data[1] & 8) != 0 ? &habits : NULL;
    struct imapc_check checks[] = {{.folder = "A/B"}, {.folder = "INBOX"}};
    struct imapc_suspect suspects[] = {{.character = '.'}, {.character = '"'}};
    struct imapc_names names = {.checks = checks,
                                .check_count = 2,
                                .suspects = suspects,
                                .suspect_count = 2,
                                .may_create = (data[1] & 32) != 0};
    buf_init(&names.list, 1000);
    options.names = (data[1] & 16) != 0 ? &names : NULL;
    options.compress = (data[1] & 4) != 0;
    options.store_flags = (data[1] & 2) != 0;
    struct world world = {.engine = imapc_engine_new(&options, 0)};
    size_t step = data[1] == 0 ? size : data[1];
    uint64_t now = 0;
    for (size_t at = 2; at < size && !world.closed; at += step) {
        pump(&world, bytes_at(data + at, size - at < step ? size - at : step), now++);
    }
    imapc_engine_lost(world.engine, NULL);
    pump(&world, bytes_at(NULL, 0), now);
    EXPECT(world.closed && !world.open && world.given == world.ended);
    imapc_engine_free(&world.engine);
    imapc_folders_free(&options.folders);
    buf_done(&names.list);
    return 0;
}

/*
 * world_spool - the spool alone on a disk that fails and crashes, between a made-up reception and a made-up dispatch.
 *
 * Held at every step: what was answered as durable is given out until it is settled, whole and as it was; what was answered
 * as settled never comes again; what was refused or never committed never comes; nobody is given what another holds; what was in
 * somebody's hands at a crash comes back as uncertain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_store.h"
#include "spool/spool.h"
#include "world.h"

#define MESSAGES   60
#define DELIVERIES 3
#define DISK       (24u << 20)
/* After the last fault, everything must be settled within this time. */
#define SETTLE_TIME (60 * SIM_MINUTE)
/* A clock that jumps back keeps waiting what was due before. */
#define CLOCK_TIME (SIM_FAULTS_MAX * 60 * SIM_MINUTE)

enum message_state {
    MESSAGE_NONE, /* not begun, or refused, or lost with a crash before its commit: must never come */
    MESSAGE_STAGED,
    MESSAGE_ASKED, /* commit under way */
    MESSAGE_MAYBE, /* a crash came before the answer */
    MESSAGE_DURABLE
};

enum delivery_state {
    DELIVERY_WAITING,
    DELIVERY_HELD,
    DELIVERY_FINISHING,
    DELIVERY_MAYBE_SETTLED, /* a crash came before the answer to its settlement */
    DELIVERY_FILED,
    DELIVERY_DEAD
};

struct delivery {
    struct message *message;
    enum delivery_state state, settles_as;
    bool must_be_uncertain;
    unsigned attempts_least, attempts_most;
    struct spool_item *item;
    uint64_t read_to;
    bool came_early; /* given out again before its settlement was answered */
};

struct message {
    unsigned number;
    enum message_state state;
    char id[UNITS_ID_LEN + 1];
    uint64_t size, written;
    struct spool_stage *stage;
    size_t count;
    struct delivery deliveries[DELIVERIES];
};

static struct {
    struct net_loop *loop;
    struct spool *spool;
    struct log log;
    struct sim_random random;
    struct message messages[MESSAGES];
    unsigned next, durable, settled;
    bool faults_over;
} world;

static const char *const upstreams[] = {"a", "b"};

static void open_spool(void *ctx);

/* ---- bodies ---- */

static uint8_t octet_at(const struct message *message, uint64_t offset)
{
    return (uint8_t)(message->number * 131 + offset * 7 + (offset >> 9));
}

static void fill(const struct message *message, uint64_t offset, uint8_t *into, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        into[i] = octet_at(message, offset + i);
    }
}

/* ---- the dispatch ---- */

static const char *name_of(const struct delivery *delivery, char out[16])
{
    snprintf(out, 16, "%u.%u", delivery->message->number, (unsigned)(delivery - delivery->message->deliveries) + 1);
    return out;
}

static struct delivery *delivery_of(const struct spool_item *item)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct message *message = &world.messages[i];
        if (message->id[0] != '\0' && strcmp(message->id, item->envelope.id) == 0) {
            if (item->delivery.number < 1 || item->delivery.number > message->count) {
                sim_fail("message %u has no delivery %u", message->number, item->delivery.number);
            }
            return &message->deliveries[item->delivery.number - 1];
        }
    }
    sim_fail("an unknown message came: %s", item->envelope.id);
}

static void check_item(struct delivery *delivery, const struct spool_item *item)
{
    char name[16];
    name_of(delivery, name);
    struct message *message = delivery->message;
    if (message->state != MESSAGE_DURABLE && message->state != MESSAGE_MAYBE && message->state != MESSAGE_ASKED) {
        sim_fail("delivery %s came, but its message was never durable (state %d)", name, message->state);
    }
    /* A settlement whose answer is lost may stand in the store before anybody hears of it. */
    bool is_early = delivery->state == DELIVERY_FINISHING && delivery->settles_as == DELIVERY_WAITING;
    if (delivery->state != DELIVERY_WAITING && delivery->state != DELIVERY_MAYBE_SETTLED && !is_early) {
        sim_fail("delivery %s came in state %d: it is held or settled", name, delivery->state);
    }
    if (item->body_size != message->size) {
        sim_fail("delivery %s has %llu octets of %llu", name, (unsigned long long)item->body_size,
                 (unsigned long long)message->size);
    }
    if (delivery->must_be_uncertain && !item->uncertain) {
        sim_fail("delivery %s may have been filed, but came as certain", name);
    }
    if (item->attempts < delivery->attempts_least || item->attempts > delivery->attempts_most) {
        sim_fail("delivery %s came with %u attempts, not %u to %u", name, item->attempts, delivery->attempts_least,
                 delivery->attempts_most);
    }
    if (strcmp(item->delivery.upstream, upstreams[item->delivery.number % 2]) != 0 ||
        strcmp(item->delivery.folder, "Folder/\xC3\xA4") != 0 || strcmp(item->envelope.from, "a@b.example") != 0) {
        sim_fail("delivery %s came back changed", name);
    }
    delivery->attempts_least = delivery->attempts_most = item->attempts;
    if (message->state == MESSAGE_MAYBE) {
        message->state = MESSAGE_DURABLE;
        world.durable += (unsigned)message->count;
    }
}

static void on_settled(void *ctx, const struct fault *fault)
{
    struct delivery *delivery = ctx;
    char name[16];
    if (delivery->came_early) {
        delivery->came_early = false;
        return;
    }
    if (delivery->state != DELIVERY_FINISHING) {
        sim_fail("delivery %s was settled twice", name_of(delivery, name));
    }
    if (fault != NULL) {
        /* It stays the spool's trouble; what became of it shows when it comes again, or not. */
        delivery->state = delivery->settles_as == DELIVERY_WAITING ? DELIVERY_WAITING : DELIVERY_MAYBE_SETTLED;
        delivery->attempts_least = 0;
        return;
    }
    delivery->state = delivery->settles_as;
    if (delivery->state == DELIVERY_WAITING) {
        delivery->attempts_least = delivery->attempts_most;
    } else {
        world.settled++;
    }
    sim_say("delivery %s settled as %d", name_of(delivery, name), delivery->state);
}

static void finish(struct delivery *delivery)
{
    struct spool_outcome outcome = {.kind = SPOOL_FILED};
    unsigned draw = (unsigned)sim_random_between(&world.random, 0, 99);
    delivery->settles_as = DELIVERY_FILED;
    if (draw < 25) {
        outcome.kind = SPOOL_DEFERRED;
        outcome.again_in_ms = sim_random_between(&world.random, 0, 20000);
        outcome.uncertain = sim_random_chance(&world.random, 30);
        fault_set(&outcome.fault, FAULT_TEMP, "inuse", "APPEND", "later");
        delivery->settles_as = DELIVERY_WAITING;
        delivery->attempts_most++;
        delivery->must_be_uncertain = outcome.uncertain;
    } else if (draw < 30) {
        outcome.kind = SPOOL_DEAD;
        fault_set(&outcome.fault, FAULT_PERM, "toobig", "APPEND", "never");
        delivery->settles_as = DELIVERY_DEAD;
    } else if (draw < 35) {
        outcome.kind = SPOOL_UNTOUCHED;
        outcome.uncertain = delivery->item->uncertain; /* nothing was found out about that */
        delivery->settles_as = DELIVERY_WAITING;
    }
    delivery->state = DELIVERY_FINISHING;
    char name[16];
    sim_say("delivery %s ends by outcome %u%s", name_of(delivery, name), (unsigned)outcome.kind,
            outcome.uncertain ? ", uncertain" : "");
    spool_finish(world.spool, &delivery->item, &outcome, on_settled, delivery);
}

static void read_on(struct delivery *delivery);

static void on_read(void *ctx, struct bytes data, const struct fault *fault)
{
    struct delivery *delivery = ctx;
    char name[16];
    if (fault != NULL) {
        if (strcmp(fault->code, "damaged") == 0) {
            sim_fail("the body of delivery %s is not what was acknowledged", name_of(delivery, name));
        }
        finish(delivery);
        return;
    }
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] != octet_at(delivery->message, delivery->read_to + i)) {
            sim_fail("octet %llu of delivery %s is wrong", (unsigned long long)(delivery->read_to + i),
                     name_of(delivery, name));
        }
    }
    delivery->read_to += data.len;
    if (delivery->read_to == delivery->message->size) {
        finish(delivery);
    } else if (data.len == 0) {
        sim_fail("the body of delivery %s ends at %llu", name_of(delivery, name),
                 (unsigned long long)delivery->read_to);
    } else {
        read_on(delivery);
    }
}

static void read_on(struct delivery *delivery)
{
    size_t len = (size_t)sim_random_between(&world.random, 1, 65536);
    spool_item_read(world.spool, delivery->item, delivery->read_to, len, on_read, delivery);
}

static void on_work(void *ctx)
{
    struct delivery *delivery = ctx;
    if (delivery->state == DELIVERY_HELD) {
        read_on(delivery);
    }
}

static void take(struct spool_item **item)
{
    struct delivery *delivery = delivery_of(*item);
    char name[16];
    check_item(delivery, *item);
    sim_say("delivery %s taken, attempt %u%s", name_of(delivery, name), (*item)->attempts + 1,
            (*item)->uncertain ? ", uncertain" : "");
    delivery->came_early = delivery->state == DELIVERY_FINISHING;
    delivery->state = DELIVERY_HELD;
    delivery->item = *item;
    delivery->read_to = 0;
    *item = NULL;
    sim_gateway_after(sim_random_between(&world.random, 0, 3 * SIM_SECOND), on_work, delivery);
}

static void on_offer(void *ctx, struct spool_item **item)
{
    (void)ctx;
    check_item(delivery_of(*item), *item);
    if (sim_random_chance(&world.random, 60)) {
        take(item);
    }
}

static void on_due(void *ctx, struct spool_item **items, size_t count, bool more, int64_t next_in_ms)
{
    (void)ctx, (void)more, (void)next_in_ms;
    for (size_t i = 0; i < count; i++) {
        if (sim_random_chance(&world.random, 80)) {
            take(&items[i]);
        }
    }
}

static void on_poll(void *ctx)
{
    (void)ctx;
    world_health(world.spool);
    for (size_t i = 0; i < 2; i++) {
        spool_fetch_due(world.spool, upstreams[i], (size_t)sim_random_between(&world.random, 1, 20), on_due, NULL);
    }
    sim_gateway_after(sim_random_between(&world.random, SIM_SECOND / 2, 8 * SIM_SECOND), on_poll, NULL);
}

/* ---- the reception ---- */

static void on_committed(void *ctx, const struct fault *fault)
{
    struct message *message = ctx;
    bool came_already = message->state == MESSAGE_DURABLE;
    if (message->state != MESSAGE_ASKED && !came_already) {
        sim_fail("message %u was answered in state %d", message->number, message->state);
    }
    sim_say("message %u %s", message->number, fault == NULL ? "durable" : fault->text);
    if (fault != NULL && fault->class == FAULT_UNCERTAIN) {
        message->state = MESSAGE_MAYBE;
        return;
    }
    message->state = fault == NULL ? MESSAGE_DURABLE : MESSAGE_NONE;
    world.durable += fault == NULL ? (unsigned)message->count : 0;
}

static void commit(struct message *message)
{
    struct mail_recipient to = {.address = "c@d.example"};
    struct mail_envelope envelope = {.id = message->id,
                                     .received_ms = net_wall(world.loop),
                                     .hostname = "gw.sim",
                                     .from = "a@b.example",
                                     .to = &to,
                                     .to_count = 1};
    struct mail_delivery deliveries[DELIVERIES] = {{.number = 0}};
    const char *recipients[] = {"c@d.example"};
    for (unsigned i = 0; i < message->count; i++) {
        deliveries[i] = (struct mail_delivery){.number = i + 1,
                                               .upstream = upstreams[(i + 1) % 2],
                                               .folder = "Folder/\xC3\xA4",
                                               .rule = "default",
                                               .recipients = recipients,
                                               .recipient_count = 1};
    }
    message->state = MESSAGE_ASKED;
    spool_commit(&message->stage, &envelope, deliveries, message->count, on_committed, message);
}

static void on_writable(void *ctx);

static void write_on(struct message *message)
{
    static uint8_t chunk[20000];
    while (message->written < message->size) {
        uint64_t left = message->size - message->written;
        size_t len = (size_t)sim_random_between(&world.random, 1, left < sizeof chunk ? left : sizeof chunk);
        fill(message, message->written, chunk, len);
        message->written += len;
        int result = spool_stage_write(message->stage, bytes_at(chunk, len));
        if (result < 0) {
            sim_say("message %u cannot be staged: %s", message->number, spool_stage_fault(message->stage)->text);
            message->state = MESSAGE_NONE;
            spool_stage_free(&message->stage);
            return;
        }
        if (result == 1) {
            return;
        }
    }
    commit(message);
}

static void on_writable(void *ctx)
{
    struct message *message = ctx;
    if (message->state == MESSAGE_STAGED) {
        write_on(message);
    }
}

static uint64_t draw_size(void)
{
    unsigned draw = (unsigned)sim_random_between(&world.random, 0, 99);
    return sim_random_between(&world.random, 1, draw < 80 ? 5000 : draw < 95 ? 40000 : 200000);
}

static void receive(struct message *message)
{
    struct fault fault = FAULT_INIT;
    message->size = draw_size();
    message->written = 0;
    if (spool_can_accept(world.spool, message->size, &fault) != 0) {
        sim_say("message %u not accepted: %s", message->number, fault.text);
        return;
    }
    uint8_t random[10];
    sim_random_fill(&world.random, random, sizeof random);
    units_id(net_wall(world.loop), random, message->id);
    message->count = (size_t)sim_random_between(&world.random, 1, DELIVERIES);
    for (size_t i = 0; i < message->count; i++) {
        message->deliveries[i] = (struct delivery){.message = message, .state = DELIVERY_WAITING};
    }
    message->stage = spool_stage_new(world.spool, on_writable, message);
    message->state = MESSAGE_STAGED;
    write_on(message);
}

static void on_arrival(void *ctx)
{
    (void)ctx;
    if (world.next == MESSAGES || world.faults_over) {
        return;
    }
    struct message *message = &world.messages[world.next];
    message->number = world.next++;
    receive(message);
    sim_gateway_after(sim_random_between(&world.random, 0, 4 * SIM_SECOND), on_arrival, NULL);
}

/* ---- life and death ---- */

static void after_crash(struct message *message)
{
    if (message->state == MESSAGE_STAGED) {
        message->state = MESSAGE_NONE;
    } else if (message->state == MESSAGE_ASKED) {
        message->state = MESSAGE_MAYBE;
    }
    for (size_t i = 0; i < message->count; i++) {
        struct delivery *delivery = &message->deliveries[i];
        if (delivery->state == DELIVERY_HELD) {
            delivery->must_be_uncertain = true;
            delivery->state = DELIVERY_WAITING;
        } else if (delivery->state == DELIVERY_FINISHING) {
            /* It was in our hands: until the settlement is durable, it may have been filed. */
            delivery->state = delivery->settles_as == DELIVERY_WAITING ? DELIVERY_WAITING : DELIVERY_MAYBE_SETTLED;
        }
    }
}

static void on_crash(void *ctx)
{
    (void)ctx;
    sim_say("--- crash");
    sim_disk_crash();
    for (size_t i = 0; i < world.next; i++) {
        after_crash(&world.messages[i]);
    }
    sim_gateway_after(SIM_SECOND, open_spool, NULL);
}

static void open_spool(void *ctx)
{
    (void)ctx;
    struct fault fault = FAULT_INIT;
    struct spool_options options = {.store = sim_store(),
                                    .path = "/spool",
                                    .segment_size = 128 << 10,
                                    .own_segment_over = 32 << 10,
                                    .minimum_free = 256 << 10,
                                    .history_ms = 60000,
                                    .check_every_ms = 400000};
    if (spool_open(&world.spool, world.loop, &options, &world.log, &fault) != 0) {
        sim_say("the spool does not open: %s", fault.text);
        if (world.faults_over) {
            sim_fail("on a good disk the spool does not open: %s", fault.text);
        }
        sim_gateway_after(SIM_SECOND, open_spool, NULL);
        return;
    }
    sim_say("the spool is open");
    spool_set_offer(world.spool, on_offer, NULL);
    sim_gateway_after(sim_random_between(&world.random, 0, SIM_SECOND), on_arrival, NULL);
    sim_gateway_after(sim_random_between(&world.random, 0, SIM_SECOND), on_poll, NULL);
}

static void on_fault(void *ctx, const struct sim_fault *fault, bool begin)
{
    (void)ctx;
    world_fault(fault, begin, DISK);
}

static bool all_settled(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < world.next; i++) {
        for (size_t k = 0; world.messages[i].state >= MESSAGE_ASKED && k < world.messages[i].count; k++) {
            enum delivery_state state = world.messages[i].deliveries[k].state;
            if (world.messages[i].state == MESSAGE_DURABLE && state < DELIVERY_MAYBE_SETTLED) {
                return false;
            }
        }
    }
    return true;
}

/* What an operator's clock that was put back keeps waiting. */
static bool none_waits(void *ctx)
{
    (void)ctx;
    struct spool_counts counts;
    spool_count(world.spool, &counts);
    return counts.waiting == 0;
}

/* Those whose settlement was cut off by a crash must have shown by then what became of it. */
static void check_all_settled(void)
{
    char name[16];
    for (size_t i = 0; i < world.next; i++) {
        struct message *message = &world.messages[i];
        for (size_t k = 0; message->state == MESSAGE_DURABLE && k < message->count; k++) {
            if (message->deliveries[k].state < DELIVERY_MAYBE_SETTLED) {
                sim_fail("delivery %s was acknowledged and never settled (state %d)",
                         name_of(&message->deliveries[k], name), message->deliveries[k].state);
            }
        }
    }
    struct spool_counts counts;
    spool_count(world.spool, &counts);
    if (counts.waiting != 0) {
        sim_fail("the spool counts %llu deliveries that wait, and all are settled", (unsigned long long)counts.waiting);
    }
}

void world_spool(void)
{
    sim_random_init(&world.random, sim_seed(), "world", 0);
    world_log_init(&world.log);
    world.loop = net_loop_new();
    sim_disk_begin(DISK, sim_faults_disk);
    sim_on_crash(on_crash, NULL);
    sim_faults_start(on_fault, NULL);
    sim_gateway_after(0, open_spool, NULL);
    sim_run(NULL, NULL, SIM_FAULTS_HORIZON + 70 * SIM_SECOND);
    sim_faults_end();
    sim_disk_set_capacity(DISK);
    world.faults_over = true;
    sim_say("--- all is well from now on");
    if (sim_random_chance(&world.random, 50)) {
        sim_crash();
    }
    sim_run(all_settled, NULL, sim_now() + SETTLE_TIME);
    /* What may still come, comes within the next polls. */
    sim_run(NULL, NULL, sim_now() + 2 * SIM_MINUTE);
    sim_run(all_settled, NULL, sim_now() + SETTLE_TIME);
    sim_run(none_waits, NULL, sim_now() + CLOCK_TIME);
    check_all_settled();
}

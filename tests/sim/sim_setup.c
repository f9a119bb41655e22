/*
 * sim_setup - see sim_setup.h. The texts are put together from pieces that the seed orders and chooses.
 */
#include "sim_setup.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sim.h"
#include "sim_disk.h"

#define LOAD_MOST (10 * (uint64_t)SIM_SECOND) /* a load that ended read what stood there so long before */
#define SEEN_BY   (20 * (uint64_t)SIM_SECOND) /* what was written is found and loaded so long after */
#define TEXT_MAX  20000

const struct sim_listener_info sim_listeners[SIM_LISTENERS] = {
    [SIM_LISTENER_PLAIN] = {.port = 2525, .once = true},
    [SIM_LISTENER_STARTTLS] = {.port = 2587, .starttls = true, .auth = true},
    [SIM_LISTENER_TLS] = {.port = 2465, .tls = true, .auth = true},
    [SIM_LISTENER_LMTP] = {.port = 2424, .lmtp = true},
    [SIM_LISTENER_PROXY] = {.port = 2526, .proxy = true},
    [SIM_LISTENER_DELIVERED] = {.port = 2527, .delivered = true},
};

const struct sim_place_info sim_places[SIM_PLACES] = {
    [SIM_PLACE_INBOX] = {0, "INBOX"},       [SIM_PLACE_ONE] = {0, "Lists/One"},
    [SIM_PLACE_ONE_ELSE] = {1, "Else/One"}, [SIM_PLACE_TWO] = {1, "Two"},
    [SIM_PLACE_BOTH_A] = {0, "Lists/Both"}, [SIM_PLACE_BOTH_B] = {1, "Three"},
    [SIM_PLACE_COPY] = {1, "Copies"},       [SIM_PLACE_COPY_ELSE] = {0, "Else/Copies"},
    [SIM_PLACE_REROUTED] = {1, "Rerouted"},
};

const char *const sim_upstreams[2] = {"a", "b"};
const char *const sim_recipients[SIM_RECIPIENTS] = {"any@gw.sim",  "one@gw.sim",    "two@gw.sim",
                                                    "both@gw.sim", "nobody@gw.sim", "later@gw.sim"};
const char *const sim_moods[SIM_MOODS] = {"plain", "hold", "reject", "defer", "discard", "copy"};

static struct {
    struct sim_random random;
    bool starttls;        /* of upstream a; else it is spoken to in clear */
    unsigned order, body; /* of the rules; whether one looks into the body */
    bool matches;         /* moods by patterns instead of lists */
    unsigned fallback_s;  /* the upstreams stand in for each other after so many seconds; 0: they do not */
    bool standby;         /* each upstream has a second address */
    unsigned give_up_s;   /* 0: not within the world's time */
    unsigned wanted;      /* the version that stands in the file, and ... */
    uint64_t wanted_us;   /* ... since when, virtual time */
    struct {
        unsigned possible; /* 1 << version of the rules that may be in force */
        uint64_t taken_us; /* when a load last ended well */
    } machines[SIM_MACHINES];
    unsigned connections[2]; /* to the upstreams */
    unsigned nodes;
    const char *shutdown; /* how long an end may take, ... */
    const char *command;  /* ... and the answer to a command */
} setup = {.nodes = 1, .shutdown = "25s", .command = "40s"};

void sim_setup_set_nodes(unsigned nodes)
{
    static const char *const times[] = {"25s", "1s", "200ms"};
    struct sim_random random;
    setup.nodes = nodes;
    sim_random_init(&random, sim_seed(), "nodes", 0);
    setup.shutdown = times[sim_random_between(&random, 0, 2)];
    setup.command = sim_random_chance(&random, 30) ? "40s" : "100s";
}

unsigned sim_setup_nodes(void)
{
    return setup.nodes;
}

bool sim_setup_has_fallback(enum sim_place place)
{
    return setup.fallback_s > 0 && (place == SIM_PLACE_INBOX || place == SIM_PLACE_ONE || place == SIM_PLACE_TWO);
}

bool sim_setup_has_standby(void)
{
    return setup.standby;
}

bool sim_setup_gives_up(void)
{
    return setup.give_up_s > 0;
}

/* No folder is of both servers. */
int sim_place_of(unsigned server, const char *folder)
{
    for (int i = 0; i < SIM_PLACES; i++) {
        bool is_here = sim_places[i].server == server || sim_setup_has_fallback((enum sim_place)i);
        if (is_here && strcmp(sim_places[i].folder, folder) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- the oracle ---- */

unsigned sim_setup_places(enum sim_mood mood, unsigned recipients, unsigned version)
{
    const unsigned of_recipient[SIM_RECIPIENTS_GOOD] = {
        1u << SIM_PLACE_INBOX, 1u << (version == 0 ? SIM_PLACE_ONE : SIM_PLACE_ONE_ELSE), 1u << SIM_PLACE_TWO,
        1u << SIM_PLACE_BOTH_A | 1u << SIM_PLACE_BOTH_B};
    unsigned places = 0;
    if (mood == SIM_MOOD_REJECT || mood == SIM_MOOD_DEFER || mood == SIM_MOOD_DISCARD) {
        return 0;
    }
    for (size_t i = 0; i < SIM_RECIPIENTS_GOOD; i++) {
        places |= (recipients >> i & 1) ? of_recipient[i] : 0;
    }
    unsigned copy = 1u << (version == 0 ? SIM_PLACE_COPY : SIM_PLACE_COPY_ELSE);
    return mood == SIM_MOOD_COPY ? places | copy : places;
}

/* ---- rules ---- */

static void add_mood(struct buf *out, enum sim_mood mood, const char *action)
{
    buf_printf(out, " {\"name\": \"%s\", \"if\": ", sim_moods[mood]);
    if (setup.matches) {
        buf_printf(out, "{\"header\": \"X-Sim-Mood\", \"matches\": \"^%s$\"}", sim_moods[mood]);
    } else {
        buf_printf(out, "{\"header\": \"X-Sim-Mood\", \"is\": \"%s\"}", sim_moods[mood]);
    }
    buf_printf(out, ", \"then\": [%s]},\n", action);
}

static void add_place(struct buf *out, enum sim_place place)
{
    unsigned server = sim_places[place].server;
    buf_printf(out, "{\"fileinto\": {\"upstream\": \"%s\", \"folder\": \"%s\"", sim_upstreams[server],
               sim_places[place].folder);
    if (sim_setup_has_fallback(place)) {
        buf_printf(out, ", \"fallback\": \"%s\"", sim_upstreams[1 - server]);
    }
    buf_append_text(out, "}}, ");
}

static void add_recipient(struct buf *out, unsigned which, unsigned version)
{
    buf_printf(out, " {\"name\": \"to %u\", \"if\": {\"field\": \"to\", \"is\": \"%s\"}, \"then\": [", which,
               sim_recipients[which]);
    switch (which) {
    case 1:
        add_place(out, version == 0 ? SIM_PLACE_ONE : SIM_PLACE_ONE_ELSE);
        break;
    case 2:
        add_place(out, SIM_PLACE_TWO);
        break;
    case 3:
        add_place(out, SIM_PLACE_BOTH_A);
        add_place(out, SIM_PLACE_BOTH_B);
        break;
    case 4:
        buf_append_text(out, "{\"reject\": \"nobody of that name\"}]},\n");
        return;
    default:
        buf_append_text(out, "{\"defer\": \"later\"}]},\n");
        return;
    }
    buf_append_text(out, "{\"stop\": true}]},\n");
}

static void rules_text(struct buf *out, unsigned version)
{
    static const unsigned orders[][5] = {{4, 5, 1, 2, 3}, {5, 4, 3, 1, 2}, {4, 5, 2, 1, 3}, {5, 4, 3, 2, 1}};
    const struct sim_place_info *copy = &sim_places[version == 0 ? SIM_PLACE_COPY : SIM_PLACE_COPY_ELSE];
    struct buf action;
    buf_init(&action, 300);
    buf_printf(&action, "{\"copy\": {\"upstream\": \"%s\", \"folder\": \"%s\"}}", sim_upstreams[copy->server],
               copy->folder);
    buf_append_text(out, "{\"rules\": [\n");
    /* Refusals come first: what depends on the message could still take it, and then nothing is certain at RCPT TO. */
    for (size_t i = 0; i < 2; i++) {
        add_recipient(out, orders[setup.order][i], version);
    }
    if (setup.body != 0) {
        buf_append_text(out, " {\"name\": \"body\", \"if\": {\"field\": \"body\", \"contains\": \"no text has this\"}, "
                             "\"then\": [{\"discard\": true}]},\n");
    }
    add_mood(out, SIM_MOOD_HOLD, "{\"hold\": true}");
    add_mood(out, SIM_MOOD_REJECT, "{\"reject\": \"not this one\"}");
    add_mood(out, SIM_MOOD_DEFER, "{\"defer\": \"not now\"}");
    add_mood(out, SIM_MOOD_DISCARD, "{\"discard\": true}");
    add_mood(out, SIM_MOOD_COPY, buf_text(&action));
    for (size_t i = 2; i < 5; i++) {
        add_recipient(out, orders[setup.order][i], version);
    }
    /* Broken: an upstream that does not exist would take everything. */
    buf_printf(out, " {\"name\": \"last\", \"if\": {\"field\": \"from\", \"is\": \"%s\"}, \"then\": [",
               version == SIM_SETUP_BROKEN ? "sender0@client.sim" : "nobody@nowhere.sim");
    buf_printf(out, "{\"fileinto\": {\"upstream\": \"%s\", \"folder\": \"Wrong\"}}]}\n]}\n",
               version == SIM_SETUP_BROKEN ? "c" : "a");
    buf_done(&action);
}

/* ---- the configuration ---- */

static void add_listener(struct buf *out, enum sim_listener which)
{
    const struct sim_listener_info *info = &sim_listeners[which];
    buf_printf(out, "  {\"name\": \"l%u\", \"address\": \"127.0.0.1:%u\"", which, info->port);
    if (info->starttls || info->tls) {
        buf_printf(out, ", \"tls\": {\"mode\": \"%s\", \"certificate\": \"/etc/tls.crt\", \"key\": \"/etc/tls.key\"%s}",
                   info->tls ? "implicit" : "starttls", info->tls ? "" : ", \"required\": true");
    }
    if (info->auth) {
        buf_append_text(out, ", \"auth\": {\"users\": \"/etc/users.json\", \"required\": true}");
    }
    if (info->proxy) {
        buf_append_text(out, ", \"proxy_protocol\": [\"127.0.0.0/8\"], \"allow\": [\"192.0.2.0/25\"]");
    }
    if (info->once) {
        buf_append_text(out, ", \"duplicate_window\": \"24h\"");
    }
    if (info->delivered) {
        buf_append_text(out, ", \"acknowledge\": \"delivered\", \"timeouts\": {\"acknowledge\": \"30s\"}");
    }
    buf_printf(out, "%s}%s\n", info->lmtp ? ", \"protocol\": \"lmtp\"" : "", which + 1 < SIM_LISTENERS ? "," : "");
}

static void add_upstream(struct buf *out, unsigned which)
{
    const char *tls = which == 1 ? "implicit" : setup.starttls ? "starttls" : "none";
    char standby[60] = "";
    if (setup.standby) {
        snprintf(standby, sizeof standby, "\"standby\": [\"imap-%s2.sim:%u\"], ", sim_upstreams[which],
                 which == 1 ? 993 : 143);
    }
    buf_printf(out,
               "  \"%s\": {\"address\": \"imap-%s.sim:%u\", %s\"tls\": {\"mode\": \"%s\"}, %s\"connections\": %u,\n"
               "   \"auth\": {\"username\": \"u\", \"password\": \"p\"},"
               " \"timeouts\": {\"connect\": \"20s\", \"command\": \"%s\"},\n"
               "   \"retry\": {\"initial\": \"5s\", \"maximum\": \"2m\", \"failback\": \"20s\", \"fallback_after\": "
               "\"%us\", \"give_up\": "
               "\"%us\"}}%s\n",
               sim_upstreams[which], sim_upstreams[which], which == 1 ? 993 : 143, standby, tls,
               strcmp(tls, "none") == 0 ? "\"insecure\": true, " : "", setup.connections[which], setup.command,
               setup.fallback_s > 0 ? setup.fallback_s : 3600, setup.give_up_s > 0 ? setup.give_up_s : 432000,
               which == 0 ? "," : "");
}

static void write_config(void)
{
    struct buf out;
    buf_init(&out, TEXT_MAX);
    buf_printf(&out, "{\"hostname\": \"gw.sim\", \"shutdown_timeout\": \"%s\", \"listeners\": [\n", setup.shutdown);
    for (unsigned i = 0; i < SIM_LISTENERS; i++) {
        add_listener(&out, (enum sim_listener)i);
    }
    buf_append_text(&out, " ],\n \"upstreams\": {\n");
    add_upstream(&out, 0);
    add_upstream(&out, 1);
    buf_printf(
        &out,
        " },\n \"spool\": {\"path\": \"/spool\", \"minimum_free\": \"1MiB\", \"active\": %u, \"check_every\": \"60s\"},"
        " \"rules\": [\"rules.d/*.json\"],\n"
        " \"default\": {\"upstream\": \"a\", \"folder\": \"INBOX\"%s}}\n",
        SIM_ACTIVE, sim_setup_has_fallback(SIM_PLACE_INBOX) ? ", \"fallback\": \"b\"" : "");
    sim_disk_put("/etc/mailweir.json", buf_bytes(&out).ptr, out.len);
    buf_done(&out);
}

void sim_setup_write_rules(unsigned version)
{
    struct buf out;
    buf_init(&out, TEXT_MAX);
    rules_text(&out, version);
    sim_disk_put("/etc/rules.d/rules.json", buf_bytes(&out).ptr, out.len);
    buf_done(&out);
    for (unsigned i = 0; i < 2; i++) {
        setup.connections[i] = (unsigned)sim_random_between(&setup.random, 1, SIM_CONNECTIONS);
    }
    write_config();
    sim_say("rules of version %u stand in the file", version);
    setup.wanted = version;
    setup.wanted_us = sim_now();
    for (unsigned i = 0; i < SIM_MACHINES; i++) {
        setup.machines[i].possible |= version == SIM_SETUP_BROKEN ? 0 : 1u << version;
    }
}

unsigned sim_setup_versions(unsigned machine)
{
    return setup.machines[machine].possible;
}

void sim_setup_started(void)
{
    if (setup.wanted == SIM_SETUP_BROKEN) {
        sim_fail("broken rules were taken");
    }
    setup.machines[sim_machine()].possible = 1u << setup.wanted;
}

void sim_setup_taken(void)
{
    setup.machines[sim_machine()].taken_us = sim_now();
    if (sim_now() - setup.wanted_us > LOAD_MOST) {
        sim_setup_started();
    }
}

void sim_setup_runs(void)
{
    unsigned machine = sim_machine();
    bool is_known = setup.machines[machine].taken_us > setup.wanted_us && sim_now() - setup.wanted_us > SEEN_BY;
    if (is_known && setup.wanted != SIM_SETUP_BROKEN) {
        setup.machines[machine].possible = 1u << setup.wanted;
    }
}

/* The hash is SIM_PASSWORD's, of the cheapest kind that is taken: every login of every world costs one. */
static const char users_text[] =
    "{\"users\": {\"" SIM_USER "\": {\"password\": \"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\"}}}";

bool sim_setup_starttls(unsigned server)
{
    return server == 0 && setup.starttls;
}

void sim_setup_begin(void)
{
    sim_random_init(&setup.random, sim_seed(), "setup", 0);
    setup.starttls = sim_random_chance(&setup.random, 50);
    setup.order = (unsigned)sim_random_between(&setup.random, 0, 3);
    setup.body = sim_random_chance(&setup.random, 30);
    setup.matches = sim_random_chance(&setup.random, 50);
    setup.fallback_s = sim_random_chance(&setup.random, 50) ? (unsigned)sim_random_between(&setup.random, 5, 40) : 0;
    setup.give_up_s = setup.fallback_s == 0 && sim_random_chance(&setup.random, 40)
                          ? (unsigned)sim_random_between(&setup.random, 10, 90)
                          : 0;
    setup.standby = sim_random_chance(&setup.random, 25);
    sim_disk_put("/etc/tls.crt", "certificate\n", 12);
    sim_disk_put("/etc/tls.key", "key\n", 4);
    sim_disk_put("/etc/users.json", users_text, strlen(users_text));
    sim_setup_write_rules(0);
}

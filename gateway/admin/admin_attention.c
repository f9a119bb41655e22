/*
 * admin_attention - what an operator should look at now, the worst first: what is wrong, since when, and the command
 * that mends it. Status, top and the page show the same; a line of the log tells when it changes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin_figures.h"
#include "admin/admin_life.h"
#include "admin/admin_summary.h"
#include "dispatch/dispatch_condition.h"
#include "spool/spool_node.h"
#include "spool/spool_overflow.h"

#define TEXT_MAX     600
#define DAY_SECONDS  INT64_C(86400)
#define DEAD_COMMAND "mailweir queue list --state dead"
#define SUMMARY_MS   5000 /* what waits for upstreams in trouble is asked so often */
#define DISK_MARGIN  (256u << 20)
/* Refusals and refused logins of so many minutes are looked at together; fewer than the least are nobody's concern. */
#define WINDOW_MINUTES 10
#define REFUSALS_LEAST 20
#define LOGINS_LEAST   10

enum severity { STOPPED, TROUBLE, NOTICE, SEVERITIES };
static const char *const severities[SEVERITIES] = {[STOPPED] = "stopped", [TROUBLE] = "trouble", [NOTICE] = "notice"};

/* about: a stable word for what it is about, by which a change is known. command may be NULL. */
__attribute__((format(printf, 6, 7))) static void add(json_t *list, enum severity severity, const char *about,
                                                      int64_t since_ms, const char *command, const char *format, ...)
{
    char text[TEXT_MAX], since[25];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_time(since_ms, since);
    json_t *words = json_string(text); /* a server's words stand in it, and end anywhere */
    json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:s?,s:s?}", "severity", severities[severity], "about", about,
                                          "text", words != NULL ? words : json_string("see the log"), "since",
                                          since_ms == 0 ? NULL : since, "command", command));
}

/* ---- upstreams ---- */

/* How many wait, as a number and in words behind the text. */
static void add_waiting(json_t *list, uint64_t waiting, const char *upstream)
{
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    json_object_set_new(last, "waiting", json_integer((json_int_t)waiting));
    if (upstream != NULL) {
        json_object_set_new(last, "upstream", json_string(upstream));
    }
    if (waiting > 0) {
        json_object_set_new(last, "text",
                            json_sprintf("%s; %llu %s", json_string_value(json_object_get(last, "text")),
                                         (unsigned long long)waiting, waiting == 1 ? "waits" : "wait"));
    }
}

static void say_paused(json_t *list, const struct dispatch_state *state, const char *about)
{
    const struct spool_pause *pause = &state->pause;
    char command[300];
    snprintf(command, sizeof command, "mailweir queue resume %.250s", state->config->name);
    add(list, TROUBLE, about, pause->since_ms, command,
        "paused by %s: nothing is delivered to \"%s\" until somebody resumes it",
        pause->by[0] == '\0' ? "an operator" : pause->by, state->config->name);
}

/* A pause of all is one thing, however many upstreams there are. */
static bool say_all_paused(const struct admin *admin, json_t *list)
{
    const struct dispatch *dispatch = gateway_dispatch(admin->gateway);
    struct dispatch_state state;
    struct gateway_counts counts;
    if (dispatch_upstream_count(dispatch) == 0) {
        return false;
    }
    dispatch_state(dispatch, 0, &state);
    if (!state.pause.on || !state.pause.all) {
        return false;
    }
    gateway_count(admin->gateway, &counts);
    add(list, TROUBLE, "all upstreams paused", state.pause.since_ms, "mailweir queue resume",
        "all upstreams are paused by %s: nothing is delivered until somebody resumes them",
        state.pause.by[0] == '\0' ? "an operator" : state.pause.by);
    add_waiting(list, counts.spool.waiting, NULL);
    return true;
}

static void say_upstream(const struct admin *admin, json_t *list, const struct dispatch_state *state)
{
    enum dispatch_condition condition = dispatch_condition_of(state);
    int64_t since = dispatch_condition_since(state);
    const char *name = state->config->name;
    char about[300], command[300];
    snprintf(about, sizeof about, "upstream %.200s %s", name, dispatch_condition_name(condition));
    snprintf(command, sizeof command, "mailweir upstreams %.250s", name);
    if (condition == DISPATCH_OPEN) {
        return;
    }
    if (condition == DISPATCH_PAUSED) {
        say_paused(list, state, about);
    } else if (condition == DISPATCH_FULL) {
        add(list, TROUBLE, about, since, command, "the mailbox of \"%s\" is full: %.300s", name,
            state->last_fault_ms == 0 ? "there was no room in the mailbox before the gateway started, either"
                                      : state->last_fault->text);
    } else if (condition == DISPATCH_THROTTLED) {
        add(list, NOTICE, about, since, NULL,
            "the server of \"%s\" asked the gateway to slow down, and deliveries to it wait: %.300s", name,
            state->last_fault->text);
    } else {
        add(list, TROUBLE, about, since, command, "\"%s\" takes no mail: %.400s", name,
            state->last_fault_ms == 0
                ? "the server was not reached, or refused mail, before the gateway started, either"
                : state->last_fault->text);
    }
    add_waiting(list, admin_summary_waiting(admin, name), name);
}

/* ---- nodes of one queue ---- */

#define SKEW_MS INT64_C(60000)

static void say_nodes(const struct admin *admin, json_t *list)
{
    const struct spool *spool = gateway_spool(admin->gateway);
    struct spool_node_counts counts;
    if (!spool_node_count(spool, &counts)) {
        return;
    }
    if (counts.margin_ms == 0) {
        add(list, STOPPED, "lease lost", 0, "mailweir status",
            "the database has not heard from this node for longer than its lease lasts: the node sends nothing until "
            "the database is reached again");
    }
    if (gateway_rules_differ(admin->gateway)) {
        add(list, NOTICE, "rules differ", 0, "mailweir status",
            "the nodes of this queue have different rules: the same mail goes another way, depending on who takes it");
    }
    if (counts.skew_ms > SKEW_MS || counts.skew_ms < -SKEW_MS) {
        add(list, NOTICE, "clocks differ", 0, NULL,
            "the database's clock is %lld s %s this machine's: set both by NTP; due times follow the database's clock",
            (long long)((counts.skew_ms < 0 ? -counts.skew_ms : counts.skew_ms) / 1000),
            counts.skew_ms < 0 ? "behind" : "ahead of");
    }
}

static void say_overflow(const struct admin *admin, json_t *list)
{
    struct spool_overflow_state state;
    if (!gateway_overflow(admin->gateway, &state)) {
        return;
    }
    unsigned long long messages = state.messages;
    const char *plural = messages == 1 ? "" : "s";
    if (state.in_use) {
        add(list, TROUBLE, "overflow", state.since_ms, NULL,
            "the database does not answer, so new mail is kept in %.200s on this machine (%llu message%s so far) and "
            "goes to the database when it answers again: %.200s",
            state.path, messages, plural, state.fault.text);
    } else if (messages > 0 && fault_is_set(&state.fault)) {
        add(list, TROUBLE, "overflow stuck", 0, NULL,
            "%llu message%s kept in %.200s on this machine cannot be handed over to the database: %.200s", messages,
            plural, state.path, state.fault.text);
    } else if (messages > 0) {
        add(list, NOTICE, "overflow", 0, NULL,
            "the database did not answer: %llu message%s kept in %.200s on this machine meanwhile go to it now",
            messages, plural, state.path);
    }
}

/* Files of certificates are watched. */
#define RENEW "renew the certificate; the gateway reads the new file by itself"

/* whose: "of the listener"; todo: who can mend it, and how. left: seconds; INT64_MIN: there is no certificate. */
static void say_expiry(json_t *list, const char *whose, const char *name, const char *todo, int64_t left)
{
    char about[400];
    long long days = (long long)(left / DAY_SECONDS);
    snprintf(about, sizeof about, "certificate %.100s %.200s %s", whose, name, left < 0 ? "expired" : "expires");
    if (left != INT64_MIN && left < 0) {
        add(list, TROUBLE, about, 0, NULL, "the certificate %s \"%s\" has expired: %s", whose, name, todo);
    } else if (left != INT64_MIN && left < CONFIG_EXPIRY_DAYS * DAY_SECONDS) {
        add(list, NOTICE, about, 0, NULL, "the certificate %s \"%s\" expires in %lld day%s: %s", whose, name, days,
            days == 1 ? "" : "s", todo);
    }
}

static void say_upstreams(const struct admin *admin, json_t *list)
{
    const struct dispatch *dispatch = gateway_dispatch(admin->gateway);
    bool all_paused = say_all_paused(admin, list);
    for (size_t i = 0; i < dispatch_upstream_count(dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(dispatch, i, &state);
        if (!all_paused) {
            say_upstream(admin, list, &state);
        }
        const char *name = state.config->name;
        say_expiry(list, "of the server of the upstream", name, "those who run that server must renew the certificate",
                   state.pool.certificate_expires_s);
        say_expiry(list, "that mailweir shows to the upstream", name, RENEW, state.pool.own_expires_s);
    }
}

/* ---- the rest ---- */

static void say_checks(const struct admin *admin, json_t *list)
{
    struct gateway_check checks[GATEWAY_CHECKS];
    disregard(gateway_ready(admin->gateway, checks));
    for (size_t i = 0; i < GATEWAY_CHECKS; i++) {
        if (!checks[i].good) {
            add(list, STOPPED, checks[i].name, 0, NULL, "no mail is taken: %s: %s", checks[i].name, checks[i].reason);
        }
    }
}

static void say_certificates(const struct admin *admin, json_t *list)
{
    const struct config *config = gateway_config(admin->gateway);
    for (size_t i = 0; i < config->listeners.count; i++) {
        const char *name = config_listener_at(config, i)->name;
        say_expiry(list, "of the listener", name, RENEW, gateway_certificate_seconds(admin->gateway, name));
    }
    if (admin->certificate_expires != 0) {
        say_expiry(list, "of the page and the API, under", "admin", RENEW,
                   admin->certificate_expires - net_wall(admin->loop) / 1000);
    }
}

static void say_disk(const struct admin *admin, json_t *list)
{
    uint64_t octets, minimum;
    spool_room(gateway_spool(admin->gateway), &octets, &minimum);
    if (octets >= minimum && octets < 2 * minimum + DISK_MARGIN) {
        add(list, TROUBLE, "disk", 0, NULL,
            "the disk of the spool has %llu MiB left; below %llu MiB no mail is taken: make room",
            (unsigned long long)(octets >> 20), (unsigned long long)(minimum >> 20));
    }
}

/* What happened at the listeners in the last minutes. */
static void say_refusals(const struct admin *admin, json_t *list)
{
    uint64_t accepted = admin_figures_sum(admin, ADMIN_FIGURE_ACCEPTED, WINDOW_MINUTES);
    uint64_t refused = admin_figures_sum(admin, ADMIN_FIGURE_REFUSED, WINDOW_MINUTES);
    uint64_t logins = admin_figures_sum(admin, ADMIN_FIGURE_LOGIN_FAILURES, WINDOW_MINUTES);
    if (refused >= REFUSALS_LEAST && refused > accepted) {
        add(list, NOTICE, "refusals", 0, "mailweir find state:refused since:10m",
            "%llu of %llu messages were refused in the last %d minutes", (unsigned long long)refused,
            (unsigned long long)(refused + accepted), WINDOW_MINUTES);
    }
    if (logins >= LOGINS_LEAST) {
        add(list, NOTICE, "logins", 0, "mailweir clients",
            "%llu logins of clients were refused in the last %d minutes: a client has a wrong password, or somebody is "
            "guessing",
            (unsigned long long)logins, WINDOW_MINUTES);
    }
}

/* What the background check of the spool has found; with a torn index the gateway is not ready either. */
static void say_damage(const struct admin *admin, json_t *list)
{
    struct spool_health health;
    spool_health(gateway_spool(admin->gateway), &health);
    if (health.is_torn) {
        add(list, STOPPED, "spool torn", 0, "mailweir spool rebuild",
            "the spool's index is damaged, and mail may wait unseen: stop the gateway and rebuild the index (%.300s)",
            health.reason);
    } else if (health.damaged > 0) {
        add(list, TROUBLE, "spool damaged", 0, "mailweir spool check",
            "%llu messages in the spool are damaged: their octets differ from what was acknowledged: %.400s",
            (unsigned long long)health.damaged, health.reason);
    }
}

static void say_queue(const struct admin *admin, json_t *list)
{
    struct gateway_counts counts;
    struct gateway_state state;
    gateway_count(admin->gateway, &counts);
    gateway_state(admin->gateway, &state);
    const char *warning = spool_disk_warning(gateway_spool(admin->gateway));
    if (warning != NULL) {
        add(list, TROUBLE, "spool", 0, NULL, "%s", warning);
    }
    say_damage(admin, list);
    if (!state.last_load_good) {
        add(list, TROUBLE, "reload", 0, "mailweir check",
            "the last change of configuration or rules was refused; the previous ones stay in force");
    }
    if (counts.spool.dead > 0) {
        add(list, NOTICE, "dead letters", 0, DEAD_COMMAND, "%llu dead letter%s for an operator",
            (unsigned long long)counts.spool.dead, counts.spool.dead == 1 ? " waits" : "s wait");
    }
}

/* Mail may go in and out of the queue, and still not arrive. */
static void say_probe(const struct admin *admin, json_t *list)
{
    struct gateway_probe_state state;
    gateway_probe_state(admin->gateway, &state);
    if (state.known && state.step[0] != '\0') {
        add(list, TROUBLE, "probe", 0, "mailweir probe",
            "the probe message does not arrive; it fails at the step \"%s\": %s", state.step, state.text);
    }
}

static int rank_of(const json_t *one)
{
    const char *severity = json_string_value(json_object_get(one, "severity"));
    int at = 0;
    while (strcmp(severities[at], severity) != 0) {
        at++;
    }
    return at;
}

json_t *admin_attention(const struct admin *admin)
{
    json_t *found = json_array(), *sorted = json_array(), *one;
    size_t i;
    say_checks(admin, found);
    say_upstreams(admin, found);
    say_nodes(admin, found);
    say_overflow(admin, found);
    say_certificates(admin, found);
    say_disk(admin, found);
    say_refusals(admin, found);
    say_queue(admin, found);
    say_probe(admin, found);
    for (int severity = 0; severity < SEVERITIES; severity++) {
        json_array_foreach(found, i, one)
        {
            if (rank_of(one) == severity) {
                json_array_append(sorted, one);
            }
        }
    }
    json_decref(found);
    return sorted;
}

/* ---- the log ---- */

static bool is_in(const json_t *list, const json_t *one)
{
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)(uintptr_t)list, i, other)
    {
        if (json_equal(json_object_get(other, "about"), json_object_get(one, "about"))) {
            return true;
        }
    }
    return false;
}

static const char *text_of(const json_t *one, const char *name)
{
    return json_string_value(json_object_get(one, name));
}

static void log_change(const struct admin *admin, const json_t *one, bool over)
{
    if (over) {
        log_event(admin->log, LOG_LEVEL_INFO, "attention_over", LOG_STR("about", text_of(one, "about")));
    } else {
        log_event(admin->log, LOG_LEVEL_WARNING, "attention", LOG_STR("about", text_of(one, "about")),
                  LOG_STR("note", text_of(one, "text")), LOG_STR("command", text_of(one, "command")));
    }
}

/* Those of list that are not in other. */
static void log_changes(const struct admin *admin, json_t *list, const json_t *other, bool over)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        if (!is_in(other, one)) {
            log_change(admin, one, over);
        }
    }
}

static bool is_about_upstreams(const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (json_object_get(one, "upstream") != NULL) {
            return true;
        }
    }
    return false;
}

void admin_attention_tick(struct admin *admin)
{
    json_t *now = admin_attention(admin);
    log_changes(admin, now, admin->attention, false);
    log_changes(admin, admin->attention, now, true);
    json_decref(admin->attention);
    admin->attention = now;
    if (is_about_upstreams(now) && !admin_summary_is_fresh(admin, SUMMARY_MS)) {
        admin_summary_ask(admin, NULL, NULL);
    }
}

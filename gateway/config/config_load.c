/*
 * config_load - from files to a checked configuration with its rule set; see config.h.
 *
 * Reads through net_file only, before the loop runs or on a lane. Nothing is logged here: problems go to the caller.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_check.h"
#include "config/config_private.h"
#include "config/config_spool.h"
#include "config/config_table.h"

#define TRACE_ROOM 8192 /* octets of Return-Path, Received and other fields of ours */

/* Where tokens come from, as the pool wants to know it. */
static void resolve_token(struct config_upstream *upstream)
{
    struct upstream_token_options *token = &upstream->token;
    token->command = upstream->token_command.count > 0 ? upstream->token_command.items : NULL;
    if (token->key_file != NULL) {
        token->subject = token->subject != NULL ? token->subject : upstream->username;
        /* Google is who gives out such keys for mailboxes, and this is its one scope for IMAP. */
        token->scope = token->scope != NULL ? token->scope : "https://mail.google.com/";
    }
}

/* What the profile says stands where the operator says nothing. */
static void resolve_upstreams(struct config *config)
{
    struct config_upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        upstream_profile_resolve(upstream_profile_at(upstreams[i].profile), upstreams[i].settings);
        resolve_token(&upstreams[i]);
    }
}

/* No listener announces more than every upstream takes, with room for the fields that are put in front. */
static void bound_message_sizes(struct config *config)
{
    /* A 552 at MAIL is heard by the sender, who can do something; a NO to APPEND makes a dead letter. */
    struct config_listener *listeners = config->listeners.items;
    uint64_t most = UINT64_MAX;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        uint64_t known = config_upstream_at(config, i)->settings[UPSTREAM_MESSAGE_MAX];
        most = known > TRACE_ROOM && known - TRACE_ROOM < most ? known - TRACE_ROOM : most;
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        listeners[i].max_message_size = listeners[i].max_message_size < most ? listeners[i].max_message_size : most;
    }
}

static void read_config(struct config *config, const struct document *json, struct problems *problems)
{
    struct config_reader reader = {.json = json,
                                   .problems = problems,
                                   .arena = config->arena,
                                   .folder = config_folder_of(config->arena, config->file),
                                   .noting = config};
    config_read(&reader, &config_root_table, "", document_root(json), config);
    config_spool_settle(config);
    document_place(json, "/spool/path", &config->spool_line, &config->spool_column);
    resolve_upstreams(config);
    bound_message_sizes(config);
    config_resolve_probe(config);
    config_check(config, json, problems);
    config_load_rule_files(config, reader.folder, problems);
    config_check_open(config, problems);
}

struct config *config_load(const char *file, struct problems *problems)
{
    struct config *config = config_load_untested(file, problems);
    if (config != NULL && filters_tests_check(config->rule_set, config_read_beside, config, problems) > 0) {
        config_free(&config);
    }
    return config;
}

/* Rules are objects there; a configuration has the names of files instead, and listeners. */
static bool is_rule_file(json_t *root)
{
    json_t *rules = json_object_get(root, "rules");
    return json_object_get(root, "listeners") == NULL && json_object_get(root, "upstreams") == NULL &&
           (json_is_object(json_array_get(rules, 0)) || json_object_get(root, "groups") != NULL ||
            json_object_get(root, "tests") != NULL || json_object_get(root, "conditions") != NULL);
}

struct config *config_load_untested(const char *file, struct problems *problems)
{
    struct config *config = config_new(file);
    config_note_source(config, file);
    struct bytes text = config_file_text(config->arena, file, problems);
    struct document *json = text.ptr == NULL ? NULL : document_parse(config->file, text, problems);
    if (json != NULL && is_rule_file(document_root(json))) {
        problems_add(problems, PROBLEM_ERROR, config->file, 1, 1, "",
                     "this is a rule file, not a configuration: name the configuration that lists it in \"rules\", or "
                     "run only its tests with \"mailweir test %s\"",
                     file);
    } else if (json != NULL) {
        read_config(config, json, problems);
    }
    document_free(&json);
    if (problems_errors(problems) > 0) {
        config_free(&config);
    }
    return config;
}

struct config *config_load_part(const char *file, struct problems *problems)
{
    struct config *config = config_new(file);
    struct bytes text = config_file_text(config->arena, file, problems);
    struct document *json = text.ptr == NULL ? NULL : document_parse(config->file, text, problems);
    if (json == NULL || !json_is_object(document_root(json))) {
        document_free(&json);
        config_free(&config);
        return NULL;
    }
    struct config_reader reader = {.json = json,
                                   .problems = problems,
                                   .arena = config->arena,
                                   .folder = config_folder_of(config->arena, config->file)};
    config_read(&reader, &config_root_table, "", document_root(json), config);
    config_spool_settle(config);
    config_resolve_probe(config);
    document_free(&json);
    return config;
}

struct config *config_load_rules(const char *file, struct problems *problems)
{
    /* What else is wrong there is not asked: rules are tested where secrets and certificates do not belong. */
    struct problems *unasked = problems_new();
    struct config *config = config_load_part(file, unasked);
    if (config == NULL) {
        for (size_t i = 0; i < problems_count(unasked); i++) {
            const struct problem *problem = problems_at(unasked, i);
            problems_add(problems, problem->severity, problem->file, problem->line, problem->column, problem->pointer,
                         "%s", problem->text);
        }
    } else {
        config_load_rule_files(config, config_folder_of(config->arena, config->file), problems);
    }
    problems_free(&unasked);
    if (config != NULL && config->rule_set == NULL) {
        config_free(&config);
    }
    return config;
}

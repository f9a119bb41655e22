/*
 * cmd_upstreams - does every upstream work? Each address of each account is tried in turn; or the table of profiles is
 * printed. 1 when one of them does not work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/cli_login.h"
#include "cli/cli_upstreams.h"

/* ---- profiles ---- */

/* Every setting of a profile, with its value and the reason for it, its own or that of "generic". */
static json_t *tell_profile(const struct upstream_profile *profile)
{
    json_t *settings = json_object();
    for (size_t k = 0; k < UPSTREAM_SETTINGS; k++) {
        enum upstream_setting setting = (enum upstream_setting)k;
        const char *why;
        uint64_t value = upstream_profile_value(profile, setting, &why);
        json_t *told = upstream_profile_is_switch(setting) ? json_boolean(value != 0) : json_integer((json_int_t)value);
        json_object_set_new(settings, upstream_profile_setting_name(setting),
                            json_pack("{s:o,s:s}", "value", told, "why", why));
    }
    return json_pack("{s:s,s:s,s:o}", "name", profile->name, "about", profile->about, "settings", settings);
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
}

static void print_profiles_json(void)
{
    const struct upstream_profile *profile;
    json_t *all = json_array();
    for (size_t i = 0; (profile = upstream_profile_at(i)) != NULL; i++) {
        json_array_append_new(all, tell_profile(profile));
    }
    print_json(all);
}

static void print_profiles(void)
{
    const struct upstream_profile *profile;
    for (size_t i = 0; (profile = upstream_profile_at(i)) != NULL; i++) {
        printf("%s: %s\n", profile->name, profile->about);
        for (size_t k = 0; k < UPSTREAM_SETTINGS; k++) {
            enum upstream_setting setting = (enum upstream_setting)k;
            const char *why;
            uint64_t value = upstream_profile_value(profile, setting, &why);
            bool own = i == 0 || profile->values[k].why != NULL;
            const char *word = value != 0 ? "yes" : "no";
            char number[32];
            snprintf(number, sizeof number, "%" PRIu64, value);
            if (own) {
                printf("  %-20s %10s  %s\n", upstream_profile_setting_name(setting),
                       upstream_profile_is_switch(setting) ? word : number, why);
            }
        }
    }
    printf("\nWhat a profile does not set is as in \"generic\". \"connections\", \"retry.settle\" and the keys of "
           "\"limits\" override each value.\n");
}

/* ---- the command ---- */

static bool is_chosen(const char *name, int count, char **names)
{
    for (int i = 1; i <= count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return count == 0;
}

static int try_all(const struct config *config, int count, char **names, const char *probe, bool as_json)
{
    int tried = 0, failed = 0;
    json_t *all = json_array();
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        size_t places = is_chosen(upstream->name, count, names) ? cli_upstreams_places(upstream) : 0;
        for (size_t place = 0; place < places; place++) {
            json_t *one = cli_upstreams_try(config, upstream, place, probe, NULL);
            tried++;
            failed += !json_is_true(json_object_get(one, "good"));
            if (!as_json) {
                cli_upstreams_print(one);
            }
            json_array_append_new(all, one);
        }
    }
    if (as_json) {
        print_json(all);
    } else {
        printf("%d tried, %d failed\n", tried, failed);
        json_decref(all);
    }
    return failed > 0 || tried == 0 ? 1 : EX_OK;
}

int cmd_upstreams(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *probe = NULL;
    bool profiles = false, as_json = false;
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "json", .flag = &as_json, .help = "print everything that was found, as JSON"},
        {.name = "probe",
         .value = &probe,
         .help =
             "file a message into this folder, find it by its id and remove it; test folder names by creating some"},
        {.name = "profiles", .flag = &profiles, .help = "print what mailweir knows about kinds of servers"},
        {.name = NULL}};
    int exit_code;
    int names = cli_parse(command, options, argc, argv, &exit_code);
    if (names < 0) {
        return exit_code;
    }
    if (profiles) {
        (as_json ? print_profiles_json : print_profiles)();
        return EX_OK;
    }
    struct config *config = cli_load_config(file, false);
    if (config == NULL) {
        return 1;
    }
    bool logs_in = names == 2 && strcmp(argv[1], "login") == 0;
    int result = logs_in ? cli_login(config, argv[2]) : try_all(config, names, argv, probe, as_json);
    config_free(&config);
    return result;
}

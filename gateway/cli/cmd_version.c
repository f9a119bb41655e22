/*
 * cmd_version - which mailweir this is; as JSON, also what is built in: for whoever reports a fault, or asks which of
 * his machines have the library that one was found in.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/cli.h"
#include "upstream/upstream_profile.h"

/* "name=version,name=version,", as the build found them. */
static json_t *libraries(void)
{
    json_t *all = json_object();
    struct bytes rest = bytes_of(MAILWEIR_BUILT_WITH);
    while (rest.len > 0) {
        struct bytes one = bytes_cut(&rest, ',');
        struct bytes name = bytes_cut(&one, '=');
        if (name.len > 0) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)name.len, (const char *)name.ptr);
            json_object_set_new(all, key, json_stringn((const char *)one.ptr, one.len));
        }
    }
    return all;
}

static json_t *profiles(void)
{
    const struct upstream_profile *profile;
    json_t *all = json_array();
    for (size_t i = 0; (profile = upstream_profile_at(i)) != NULL; i++) {
        json_array_append_new(all, json_string(profile->name));
    }
    return all;
}

static void print_json(void)
{
    json_t *told =
        json_pack("{s:s, s:s, s:s, s:o, s:[s,s], s:[s,s], s:[s,s], s:o}", "version", MAILWEIR_VERSION, "compiler",
                  MAILWEIR_COMPILER, "build_type", MAILWEIR_BUILD_TYPE, "libraries", libraries(), "stores", "local",
                  "postgresql", "protocols", "smtp", "lmtp", "sandbox", "seccomp", "landlock", "profiles", profiles());
    json_dumpf(expect_memory(told), stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(told);
}

int cmd_version(const struct cli_command *command, int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{.name = "json", .flag = &json, .help = "print JSON, with what is built in"},
                                         {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    if (json) {
        print_json();
    } else {
        printf("mailweir %s\n", MAILWEIR_VERSION);
    }
    return EX_OK;
}

/* admin_routes: paths are found with their parameters; the OpenAPI description says of each route what the table says. */
#include <ctype.h>
#include <string.h>

#include <jansson.h>

#include "admin/admin_routes.h"
#include "test.h"

static void paths_are_found_with_their_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *route, *parameter;
        bool exists;
    } cases[] = {
        {"GET", "/", "/", "", true},
        {"HEAD", "/livez", "/livez", "", true},
        {"GET", "/api/v1/messages/abc", "/api/v1/messages/{id}", "abc", true},
        {"POST", "/api/v1/upstreams/corp/pause", "/api/v1/upstreams/{name}/pause", "corp", true},
        {"POST", "/api/v1/upstreams/corp/paus", NULL, "", false},
        {"POST", "/api/v1/upstreams//pause", NULL, "", false},
        {"POST", "/api/v1/upstreams/a/b/pause", NULL, "", false},
        {"GET", "/api/v1/reload", NULL, "", true},
        {"GET", "/api/v1/status/", NULL, "", false},
        {"GET", "", NULL, "", false},
        {"GET", "/page/../x", NULL, "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char parameter[256] = "";
        bool exists;
        const struct admin_route *route = admin_route_find(cases[i].method, cases[i].path, parameter, &exists);
        assert_int_equal(exists, cases[i].exists);
        if (cases[i].route == NULL) {
            assert_null(route);
        } else {
            assert_non_null(route);
            assert_string_equal(route->path, cases[i].route);
            assert_string_equal(parameter, cases[i].parameter);
        }
    }
}

static void long_parameters_are_refused(void **state)
{
    (void)state;
    char path[400] = "/api/v1/messages/", parameter[256];
    bool exists;
    size_t before = strlen(path);
    memset(path + before, 'x', 255);
    path[before + 255] = '\0';
    assert_non_null(admin_route_find("GET", path, parameter, &exists));
    strncat(path, "x", 2);
    assert_null(admin_route_find("GET", path, parameter, &exists));
}

static void the_description_says_what_the_table_says(void **state)
{
    (void)state;
    json_t *description = json_load_file(SOURCE_DIR "/deploy/doc/openapi.json", JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(description);
    json_t *paths = json_object_get(description, "paths"), *operations;
    size_t described = 0, routes = 0;
    const char *path;
    json_object_foreach(paths, path, operations)
    {
        described += json_object_size(operations);
    }
    for (const struct admin_route *route = admin_routes; route->method != NULL; route++, routes++) {
        char method[8] = "";
        for (size_t i = 0; route->method[i] != '\0'; i++) {
            method[i] = (char)tolower((unsigned char)route->method[i]);
        }
        json_t *operation = json_object_get(json_object_get(paths, route->path), method);
        if (operation == NULL) {
            fail_msg("openapi.json does not describe %s %s", route->method, route->path);
        }
        assert_string_equal(json_string_value(json_object_get(operation, "summary")), route->summary);
        bool open = json_array_size(json_object_get(operation, "security")) == 0;
        assert_int_equal(open, route->access == ADMIN_OPEN || route->access == ADMIN_LOGIN);
        bool has_body = route->access == ADMIN_WRITE || route->access == ADMIN_OWN || route->access == ADMIN_LOGIN;
        assert_int_equal(json_object_get(operation, "requestBody") != NULL, has_body);
    }
    assert_int_equal(described, routes);
    json_decref(description);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_found_with_their_parameters),
        cmocka_unit_test(long_parameters_are_refused),
        cmocka_unit_test(the_description_says_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

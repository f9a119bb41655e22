/*
 * fuzz_admin_route - paths of the admin API: the first line is the method, the rest the path. A parameter is one segment, ends within its room, and belongs to a
 * route; a route that is found is found again by its path.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_routes.h"
#include "base/bytes.h"
#include "base/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = expect_calloc(1, size + 1), parameter[256] = "";
    if (size > 0) {
        memcpy(text, data, size);
    }
    char *path = strchr(text, '\n');
    bool exists = false;
    if (path != NULL) {
        *path++ = '\0';
        const struct admin_route *route = admin_route_find(text, path, parameter, &exists);
        EXPECT(memchr(parameter, '\0', sizeof parameter) != NULL && strchr(parameter, '/') == NULL);
        EXPECT(route == NULL || (exists && (strchr(route->path, '{') != NULL || strcmp(route->path, path) == 0)));
        EXPECT(route == NULL || parameter[0] == '\0' || strstr(path, parameter) != NULL);
    }
    free(text);
    return 0;
}

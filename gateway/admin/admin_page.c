/*
 * admin_page - the built-in page: its files, from gateway/admin/page, are part of the program.
 *
 * It loads nothing from elsewhere and may run nothing that is not one of these files (Content-Security-Policy); what it
 * shows it asks from the API like any other client.
 */
#include "admin/admin_page.h"

#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".svg", "image/svg+xml"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(dot, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

static void answer_file(struct admin_request *request, const struct admin_page_file *file)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(file->len, (void *)file->data, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", type_of(file->name));
    MHD_add_response_header(response, "Content-Security-Policy", policy);
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    admin_answer_response(request, 200, response);
}

static void answer_name(struct admin_request *request, const char *name)
{
    for (const struct admin_page_file *file = admin_page_files; file->name != NULL; file++) {
        if (strcmp(file->name, name) == 0) {
            answer_file(request, file);
            return;
        }
    }
    admin_answer_error(request, 404, "path", "the page has no file \"%s\"", name);
}

void admin_get_page(struct admin_request *request)
{
    answer_name(request, "index.html");
}

void admin_get_page_file(struct admin_request *request)
{
    answer_name(request, request->parameter);
}

/*
 * admin_token - whose token that is; see admin_access.h.
 */
#include <stdio.h>
#include <string.h>

#include "admin/admin_access.h"

const char *admin_access_header(const struct admin_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

bool admin_access_equal(const char *text, const char *secret)
{
    size_t len = strlen(text), secret_len = strlen(secret);
    unsigned differs = len != secret_len;
    for (size_t i = 0; i < len; i++) {
        differs |= (unsigned)text[i] ^ (unsigned)secret[i < secret_len ? i : 0];
    }
    return differs == 0;
}

bool admin_has_tokens(const struct admin *admin)
{
    const struct config_admin *config = &gateway_config(admin->gateway)->admin;
    return config->token != NULL || config->tokens.count > 0;
}

static void set_who(struct admin_who *who_r, const char *name, enum config_admin_role role)
{
    snprintf(who_r->name, sizeof who_r->name, "%s", name);
    who_r->role = role;
    who_r->named = true;
}

bool admin_access_token(const struct admin *admin, const char *token, struct admin_who *who_r)
{
    const struct config_admin *config = &gateway_config(admin->gateway)->admin; /* a reload may bring others */
    const struct config_admin_token *tokens = config->tokens.items;
    bool found = config->token != NULL && admin_access_equal(token, config->token);
    if (found) {
        set_who(who_r, "admin", CONFIG_ADMIN_OPERATE);
    }
    for (size_t i = 0; i < config->tokens.count; i++) { /* all of them, so that the time does not tell which it was */
        if (admin_access_equal(token, tokens[i].token)) {
            set_who(who_r, tokens[i].name, tokens[i].role);
            found = true;
        }
    }
    return found;
}

/*
 * imapc_names - behind the login, for who wants to know which folders there are: LIST "" "*" (RFC 9051 section 6.3.9).
 * See imapc_private.h.
 */
#include "engine/imapc_private.h"

void imapc_names_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "LIST");
    imap_command_word(command, "\"\" \"*\"");
    imap_command_end(command);
    engine->options.names->complete = true;
    imapc_send(engine);
}

static void add_names(struct imapc_engine *engine, struct bytes name, char delimiter)
{
    struct imapc_names *names = engine->options.names;
    size_t before = names->list.len;
    if (imap_name_unmap(&names->list, name, delimiter, engine->utf8) < 0) {
        buf_truncate(&names->list, before); /* rules cannot mean it */
    } else if (buf_append_octet(&names->list, '\0') < 0) {
        buf_truncate(&names->list, before);
        names->complete = false;
    } else {
        names->count++;
    }
}

/* With a personal prefix, rules may write the folder with it or without. */
static void add_name(struct imapc_engine *engine, struct bytes name, char delimiter)
{
    struct bytes prefix = bytes_of(engine->namespaces.count > 0 ? engine->namespaces.items[0].prefix : "");
    add_names(engine, name, delimiter);
    if (prefix.len > 0 && name.len > prefix.len && bytes_equal_nocase(bytes_slice(name, 0, prefix.len), prefix)) {
        add_names(engine, bytes_from(name, prefix.len), delimiter);
    }
}

/* (\HasNoChildren) "/" "Sent" */
void imapc_names_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct bytes rest = reply->args;
    struct imap_token token, delimiter;
    struct buf name;
    if (!bytes_is_nocase(reply->name, "LIST") || imap_token_next(&rest, &token) < 0 || token.kind != IMAP_TOKEN_OPEN) {
        return;
    }
    while (imap_token_next(&rest, &token) == 0 && token.kind == IMAP_TOKEN_ATOM) {
        if (bytes_is_nocase(token.text, "\\Noselect") || bytes_is_nocase(token.text, "\\NonExistent")) {
            return;
        }
    }
    buf_init(&name, IMAP_NAME_MAX);
    if (imap_token_next(&rest, &delimiter) == 0 && imap_token_next(&rest, &token) == 0 &&
        imap_token_copy(&token, &name) == 0) {
        bool levels = delimiter.kind == IMAP_TOKEN_STRING && delimiter.text.len > 0;
        add_name(engine, buf_bytes(&name), levels ? (char)delimiter.text.ptr[delimiter.text.len - 1] : '\0');
    }
    buf_done(&name);
}

void imapc_names_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_names *names = engine->options.names;
    names->complete = names->complete && reply->status == IMAP_STATUS_OK;
    imapc_check_go_on(engine);
}

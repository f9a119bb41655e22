/*
 * imapc_elsewhere - what was filed and is missing in its folder may have been moved by a filter of the server or by a
 * person: the newest mail of the account's other places is looked through, those that are for everything, for the
 * archive, the trash and junk (RFC 6154). See imapc_private.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "engine/imapc_private.h"

static const enum imap_special_use uses[] = {IMAP_SPECIAL_ALL, IMAP_SPECIAL_ARCHIVE, IMAP_SPECIAL_TRASH,
                                             IMAP_SPECIAL_JUNK};
#define USES (sizeof uses / sizeof uses[0])
_Static_assert(USES == IMAPC_ELSEWHERE_PLACES, "a name for each place");

void imapc_elsewhere_forget(struct imapc_engine *engine)
{
    for (size_t i = 0; i < USES; i++) {
        free(engine->elsewhere[i]);
        engine->elsewhere[i] = NULL;
    }
}

void imapc_elsewhere_go_on(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    struct imapc_folders *folders = engine->options.folders;
    if (locate->missing == 0 || locate->places == USES || folders == NULL) {
        imapc_locate_end(engine);
    } else if (!imapc_folders_knows_uses(folders, engine->now) && locate->places == 0 && !engine->special.learned) {
        imapc_enter(engine, IMAPC_PHASE_USES);
    } else {
        imapc_enter(engine, IMAPC_PHASE_ELSEWHERE);
    }
}

void imapc_elsewhere_uses_enter(struct imapc_engine *engine)
{
    engine->special.plain = !(engine->capabilities.has & IMAP_CAP_SPECIAL_USE);
    imapc_list_enter(engine);
}

void imapc_elsewhere_uses_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status == IMAP_STATUS_OK) {
        imapc_folders_take_uses(engine->options.folders, engine->special.found, engine->now);
    }
    engine->special.learned = true;
    imapc_enter(engine, IMAPC_PHASE_ELSEWHERE);
}

/* The server's name of the place, into name; false: there is none, or it is the folder itself. */
static bool name_of(struct imapc_engine *engine, enum imap_special_use use, struct buf *name)
{
    const char *known = imapc_folders_of_use(engine->options.folders, use);
    const char *by_name = engine->options.special_names == NULL ? NULL : engine->options.special_names[use];
    by_name = by_name != NULL ? by_name : imap_special_name(use) + 1;
    bool is_named = true;
    if (known != NULL) {
        buf_append_text(name, known);
    } else {
        is_named = imap_name_map(name, bytes_of(by_name), &engine->namespaces, engine->utf8) == 0;
    }
    return is_named && !bytes_equal(buf_bytes(name), buf_bytes(&engine->folder));
}

const char *imapc_elsewhere_name(struct imapc_engine *engine)
{
    size_t place = engine->locate.places - 1;
    if (engine->elsewhere[place] != NULL) {
        return engine->elsewhere[place];
    }
    char delimiter = engine->namespaces.count > 0 ? engine->namespaces.items[0].delimiter : '\0';
    struct buf server, folder;
    buf_init(&server, IMAP_NAME_MAX);
    buf_init(&folder, IMAP_NAME_MAX);
    bool is_known = name_of(engine, uses[place], &server) &&
                    imap_name_unmap(&folder, buf_bytes(&server), delimiter, engine->utf8) == 0 && folder.len > 0;
    engine->elsewhere[place] = expect_strdup(is_known ? buf_text(&folder) : imap_special_name(uses[place]));
    buf_done(&server);
    buf_done(&folder);
    return engine->elsewhere[place];
}

void imapc_elsewhere_enter(struct imapc_engine *engine)
{
    struct buf name;
    buf_init(&name, IMAP_NAME_MAX);
    bool is_named = name_of(engine, uses[engine->locate.places++], &name);
    if (is_named) {
        engine->locate.end = 0;
        struct imap_command *command = imapc_begin(engine, "EXAMINE");
        imap_command_string(command, buf_bytes(&name));
        imap_command_end(command);
        imapc_send(engine);
    }
    buf_done(&name);
    if (!is_named) {
        imapc_elsewhere_go_on(engine);
    }
}

void imapc_elsewhere_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool has_mail = reply->status == IMAP_STATUS_OK && engine->locate.end > 0;
    if (has_mail) {
        imapc_enter(engine, IMAPC_PHASE_ELSEWHERE_FETCH);
    } else {
        imapc_elsewhere_go_on(engine);
    }
}

void imapc_elsewhere_fetch_enter(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    locate->window = IMAPC_ELSEWHERE_MAX;
    imapc_fetch_enter(engine);
}

void imapc_elsewhere_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply; /* it may find, and proves nothing else */
    imapc_elsewhere_go_on(engine);
}

/*
 * imapc_elsewhere - what was filed and is missing in its folder may have been moved by a filter of the server or by a
 * person: the newest mail of the account's other places is looked through, those that are for everything, for the
 * archive, the trash and junk (RFC 6154); and before them the folder by the name that it had when the message went out,
 * where settings have changed that since. See imapc_private.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_private.h"

static const enum imap_special_use uses[] = {IMAP_SPECIAL_ALL, IMAP_SPECIAL_ARCHIVE, IMAP_SPECIAL_TRASH,
                                             IMAP_SPECIAL_JUNK};
#define PLACES IMAPC_ELSEWHERE_PLACES
_Static_assert(sizeof uses / sizeof uses[0] + 1 == PLACES, "a name for each place, and the one that it had");

void imapc_elsewhere_forget(struct imapc_engine *engine)
{
    for (size_t i = 0; i < PLACES; i++) {
        free(engine->elsewhere[i]);
        engine->elsewhere[i] = NULL;
    }
}

void imapc_elsewhere_go_on(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    struct imapc_folders *folders = engine->options.folders;
    if (locate->missing == 0 || locate->places == PLACES || folders == NULL) {
        imapc_flags_after_look(engine);
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

/* The first other name that a folder had when a message went out that is missing. */
static bool former_name(struct imapc_engine *engine, struct buf *name)
{
    const struct imapc_locating *locate = &engine->locate;
    char former[DOUBT_NAME_MAX];
    for (size_t i = 0; i < locate->count; i++) {
        const struct imapc_wanted *wanted = &locate->wanted[i];
        bool is_missing = wanted->uid == 0 && wanted->elsewhere == NULL;
        if (is_missing && doubt_name_read(wanted->doubt->mark.folder, former) &&
            !bytes_is(buf_bytes(&engine->folder), former)) {
            buf_append_text(name, former);
            return true;
        }
    }
    return false;
}

/* The server's name of the place, into name; false: there is none, or it is the folder itself. */
static bool name_of(struct imapc_engine *engine, size_t place, struct buf *name)
{
    if (place == 0) {
        return former_name(engine, name);
    }
    enum imap_special_use use = uses[place - 1];
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
    bool is_known = name_of(engine, place, &server) &&
                    imap_name_unmap(&folder, buf_bytes(&server), delimiter, engine->utf8) == 0 && folder.len > 0;
    const char *by_use = place > 0 ? imap_special_name(uses[place - 1]) : "the folder's former name";
    engine->elsewhere[place] = expect_strdup(is_known ? buf_text(&folder) : by_use);
    buf_done(&server);
    buf_done(&folder);
    return engine->elsewhere[place];
}

void imapc_elsewhere_enter(struct imapc_engine *engine)
{
    struct buf name;
    buf_init(&name, IMAP_NAME_MAX);
    bool is_named = name_of(engine, engine->locate.places++, &name);
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

void imapc_elsewhere_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply; /* it may find, and proves nothing else */
    imapc_elsewhere_go_on(engine);
}

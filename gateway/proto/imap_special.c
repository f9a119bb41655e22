/*
 * imap_special - the table of special uses; see imap_special.h.
 */
#include "proto/imap_special.h"

static const char *const names[IMAP_SPECIAL_USES] = {
    [IMAP_SPECIAL_ALL] = "\\All",         [IMAP_SPECIAL_ARCHIVE] = "\\Archive", [IMAP_SPECIAL_DRAFTS] = "\\Drafts",
    [IMAP_SPECIAL_FLAGGED] = "\\Flagged", [IMAP_SPECIAL_JUNK] = "\\Junk",       [IMAP_SPECIAL_SENT] = "\\Sent",
    [IMAP_SPECIAL_TRASH] = "\\Trash",
};

/* Gmail's XLIST, and servers that took it over. */
static const struct {
    const char *name;
    enum imap_special_use use;
} others[] = {
    {"\\AllMail", IMAP_SPECIAL_ALL},
    {"\\Spam", IMAP_SPECIAL_JUNK},
    {"\\Starred", IMAP_SPECIAL_FLAGGED},
};

bool imap_special_is_named(struct bytes folder)
{
    return folder.len > 0 && folder.ptr[0] == '\\';
}

int imap_special_find(struct bytes folder)
{
    for (int i = 0; i < IMAP_SPECIAL_USES; i++) {
        if (bytes_is_nocase(folder, names[i])) {
            return i;
        }
    }
    return -1;
}

int imap_special_of_attribute(struct bytes attribute)
{
    int use = imap_special_find(attribute);
    for (size_t i = 0; use < 0 && i < sizeof others / sizeof others[0]; i++) {
        if (bytes_is_nocase(attribute, others[i].name)) {
            use = (int)others[i].use;
        }
    }
    return use;
}

const char *imap_special_name(enum imap_special_use use)
{
    return names[use];
}

void imap_special_list(struct buf *out)
{
    for (size_t i = 0; i < IMAP_SPECIAL_USES; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
}

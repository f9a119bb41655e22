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

enum imap_special_use imap_special_find(struct bytes folder)
{
    size_t use = 0;
    while (use < IMAP_SPECIAL_USES && !bytes_is_nocase(folder, names[use])) {
        use++;
    }
    return (enum imap_special_use)use;
}

enum imap_special_use imap_special_of_attribute(struct bytes attribute)
{
    enum imap_special_use use = imap_special_find(attribute);
    for (size_t i = 0; use == IMAP_SPECIAL_USES && i < sizeof others / sizeof others[0]; i++) {
        if (bytes_is_nocase(attribute, others[i].name)) {
            use = others[i].use;
        }
    }
    return use;
}

static const char *const gmail_roots[] = {"[Gmail]/", "[Google Mail]/"};

static const struct {
    const char *name;
    enum imap_special_use use;
} gmail_names[] = {
    {"All Mail", IMAP_SPECIAL_ALL}, {"Drafts", IMAP_SPECIAL_DRAFTS},   {"Sent Mail", IMAP_SPECIAL_SENT},
    {"Spam", IMAP_SPECIAL_JUNK},    {"Starred", IMAP_SPECIAL_FLAGGED}, {"Trash", IMAP_SPECIAL_TRASH},
    {"Bin", IMAP_SPECIAL_TRASH},
};

/* Octets of Gmail's root that it begins with; 0: it does not. */
static size_t gmail_root(struct bytes folder)
{
    for (size_t i = 0; i < sizeof gmail_roots / sizeof gmail_roots[0]; i++) {
        if (bytes_starts_nocase(folder, gmail_roots[i])) {
            return bytes_of(gmail_roots[i]).len;
        }
    }
    return 0;
}

bool imap_special_is_gmail(struct bytes folder)
{
    return gmail_root(folder) > 0;
}

enum imap_special_use imap_special_of_gmail(struct bytes folder)
{
    size_t root = gmail_root(folder);
    for (size_t i = 0; root > 0 && i < sizeof gmail_names / sizeof gmail_names[0]; i++) {
        if (bytes_is_nocase(bytes_from(folder, root), gmail_names[i].name)) {
            return gmail_names[i].use;
        }
    }
    return IMAP_SPECIAL_USES;
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

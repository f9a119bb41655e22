/*
 * mail_view_private - what the files of mail_view share.
 */
#ifndef MAILWEIR_MAIL_MAIL_VIEW_PRIVATE_H
#define MAILWEIR_MAIL_MAIL_VIEW_PRIVATE_H

#include <string.h>

#include "mail/mail_decode.h"
#include "mail/mail_part.h"
#include "mail/mail_view.h"

#define MAIL_VIEW_ATTACHMENTS_MAX (MAIL_PART_COUNT_MAX * 2) /* those in winmail.dat included */

struct mail_view_reader {
    const struct mail_source *source;
    struct arena *arena;
    struct fault *fault;
    struct mail_view *view;
    unsigned wanted;
    size_t attachment_size;
    unsigned encoded_depth; /* messages around that came encoded */
    size_t text_octets;     /* decoded so far */
    size_t room;            /* parts, and texts, for which there is room so far, those still to come included */
    size_t part_octets;     /* the same of the texts of parts */
    bool arena_full;
};

/* Of a part that is text. */
struct mail_view_kind {
    struct bytes type; /* the Content-Type field, unfolded; empty when there is none */
    bool is_html;
};

/* Notes a limit: the first counts. */
static inline void mail_view_hit(struct mail_view_reader *reader, const char *limit)
{
    if (reader->view->limit == NULL) {
        reader->view->limit = limit;
    }
}

/* Notes an error, each once. */
static inline void mail_view_error(struct mail_view_reader *reader, const char *error)
{
    struct mail_view *view = reader->view;
    for (size_t i = 0; i < view->error_count; i++) {
        if (strcmp(view->errors[i], error) == 0) {
            return;
        }
    }
    if (view->error_count < MAIL_VIEW_ERRORS_MAX) {
        view->errors[view->error_count++] = error;
    }
}

/* The encoding of the part's content; one that is not known is noted. */
enum mail_encoding mail_view_encoding(struct mail_view_reader *reader, const struct mail_part *part);
/* Decodes the part's content into out, as far as it has room, or (NULL) only counts: octets decoded. */
uint64_t mail_view_decode(struct mail_view_reader *reader, const struct mail_part *part, enum mail_encoding encoding,
                          struct buf *out);

/* Adds the part's text to the view, as far as there is room for it. */
void mail_view_add_text(struct mail_view_reader *reader, const struct mail_part *part,
                        const struct mail_view_kind *kind);

/* The part's content as text, of whatever type it is, as far as there is room for it. */
struct bytes mail_view_part_text(struct mail_view_reader *reader, const struct mail_part *part,
                                 const struct mail_view_kind *kind);

#endif

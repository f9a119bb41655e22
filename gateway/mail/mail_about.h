/*
 * mail_about - what people remember of a message: its subject, and who wrote to whom as its header says. Kept with the
 * envelope so that the message can be found by it.
 */
#ifndef MAILWEIR_MAIL_MAIL_ABOUT_H
#define MAILWEIR_MAIL_MAIL_ABOUT_H

#include "base/arena.h"
#include "mail/mail_envelope.h"

/* Octets of a subject and of one address with its name; addresses of a message; octets of the header that are read. */
#define MAIL_ABOUT_TEXT_MAX   400u
#define MAIL_ABOUT_EACH_MAX   64u
#define MAIL_ABOUT_HEADER_MAX (256u << 10)

/* Whether it is kept at all. */
struct mail_about {
    bool subject, addresses;
};

/*
 * Fills in subject, header_from (From, Sender, Reply-To) and header_to (To, Cc) of the envelope from the header
 * section: decoded, valid UTF-8, without control characters, cut at the limits. They live in the arena; when that is
 * full, they stay NULL: nobody refuses mail because it could not be found later.
 */
void mail_about_read(const struct mail_about *wanted, struct bytes header, struct arena *arena,
                     struct mail_envelope *envelope);

#endif

/*
 * mail_view_words - encoded words (RFC 2047) made fit for GMime. Internal to mail_view.
 *
 * GMime joins neighbouring encoded words before it decodes them, and reads base64 no further than its padding: of words that were padded one by one, as
 * many programs write them, all but the first would be lost.
 */
#ifndef MAILWEIR_MAIL_MAIL_VIEW_WORDS_H
#define MAILWEIR_MAIL_MAIL_VIEW_WORDS_H

#include "base/buf.h"

/*
 * The value with each word in padded base64 that another word follows written in "Q", which GMime decodes by itself. The result is the value itself where
 * there is nothing to mend (mended_r is then empty), else it lies in mended_r. The caller gives mended_r back (buf_done).
 */
struct bytes mail_view_mend_words(struct bytes value, struct buf *mended_r);

#endif

/*
 * mail_fold - a text as the words that somebody would type who looks for it: small letters without accents, one blank
 * between two words, nothing else. Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_FOLD_H
#define MAILWEIR_MAIL_MAIL_FOLD_H

#include "base/buf.h"

/*
 * Appends the words of a text (valid UTF-8), each with a blank behind it. Letters are compared as NFKD without marks
 * (Unicode standard annex 15), so that "Müller" is found by "muller". A character of a script without blanks between
 * words (Han, Kana) is a word of its own: any part of such a text can be found.
 */
void mail_fold_words(struct bytes text, struct buf *out);

#endif

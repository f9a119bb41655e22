/*
 * filters_text - UTF-8 texts from mail made fit for use: valid, bounded, without control characters.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_TEXT_H
#define MAILWEIR_FILTERS_FILTERS_TEXT_H

#include "base/buf.h"
#include "base/must_use.h"

/*
 * Decodes one character at the head of text: its length in octets with *character_r; an octet that begins no valid
 * UTF-8 sequence counts as one character U+FFFD. text must not be empty.
 */
size_t filters_text_next(struct bytes text, uint32_t *character_r);
/* Appends the character in UTF-8. */
STICKS_TO_BUF int filters_text_append(struct buf *out, uint32_t character);
/* Appends text with its case folded: simple folding of Unicode. */
STICKS_TO_BUF int filters_text_fold(struct bytes text, struct buf *out);
/* Whether folding surely changes nothing: ASCII without capitals. */
bool filters_text_is_folded(struct bytes text);
/* At most max octets of text, never ending inside a character. */
struct bytes filters_text_cut(struct bytes text, size_t max);
/* Appends text with every octet that is not valid UTF-8 replaced by U+FFFD. */
STICKS_TO_BUF int filters_text_valid(struct bytes text, struct buf *out);
/* C0 and C1 controls, DEL, line and paragraph separators, and the marks that reorder or hide text. */
bool filters_text_is_control(uint32_t character);

/*
 * Appends at most `max` octets of text as a part of one folder level: "/" and control characters become "_", runs of
 * blanks one blank; never ends inside a character.
 */
void filters_text_level(struct bytes text, size_t max, struct buf *out);

/*
 * What is wrong with the text as a folder's name before anything is filled in: an empty level, a control character ...;
 * NULL when nothing is.
 */
const char *filters_text_folder_error(const char *text);

#endif

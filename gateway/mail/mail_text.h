/*
 * mail_text - the text of a part as rules look at it: lines that end in LF, paragraphs of format=flowed (RFC 3676) on
 * one line, and paragraphs of wrapped text on one line. Pure; UTF-8 in and out.
 */
#ifndef MAILWEIR_MAIL_MAIL_TEXT_H
#define MAILWEIR_MAIL_MAIL_TEXT_H

#include "base/buf.h"
#include "base/must_use.h"

/* Appends the text with LF for each line end (CR LF, LF, or a CR that stands alone). -1 when out is full. */
STICKS_TO_BUF int mail_text_lines(struct bytes text, struct buf *out);

/* Appends lines of format=flowed with its paragraphs on one line each (RFC 3676 section 4.2). del_sp: the blank at a
 * soft line end is none of the text. */
STICKS_TO_BUF int mail_text_flowed(struct bytes lines, bool del_sp, struct buf *out);

/*
 * Appends lines with each paragraph on one line: lines that follow each other without an empty one are joined by a
 * blank, quote marks and blanks at both their ends left out, and characters that take no room (soft hyphens, zero-width
 * ones). False when that is nothing new: no line followed another.
 */
bool mail_text_paragraphs(struct bytes lines, struct buf *out);

/* The length of a character at the head of text that takes no room, or 0. */
size_t mail_text_invisible(struct bytes text);

#endif

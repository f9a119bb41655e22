/*
 * filters_coarse - a coarser pattern over a simpler alphabet: for engines that know octets alone. Internal.
 *
 * A text becomes one octet for each character: those of ASCII stay what they are, all others are FILTERS_COARSE_OTHER.
 * A pattern becomes one over that alphabet which matches wherever the pattern itself does (and perhaps elsewhere): what
 * looks around is left out, what repeats often may repeat for ever, and all characters beyond ASCII are alike. So the
 * answer "no" is that of the pattern, in every version of Unicode; the answer "yes" is to be asked of the pattern.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_COARSE_H
#define MAILWEIR_FILTERS_FILTERS_COARSE_H

#include "base/buf.h"
#include "base/must_use.h"

#define FILTERS_COARSE_OTHER   0x80u
#define FILTERS_COARSE_REPEATS 8u /* what must stand there more often may stand there for ever */

/* Appends the coarse pattern. False when there is none: the pattern has in it what is not known here. It must have
 * compiled. nocase: as it is compiled, and as the coarse one is to be. */
MUST_USE bool filters_coarse_pattern(const char *pattern, bool nocase, struct buf *out);
/*
 * text_r: the text, valid UTF-8, in one octet for each character; in room, which is as long as it, unless it is ASCII.
 * False when nothing can be said by it: it has one of the two characters that are letters of ASCII where case does not
 * count.
 */
MUST_USE bool filters_coarse_text(struct bytes text, uint8_t *room, struct bytes *text_r);

#endif

/*
 * nearest - the known word that was probably meant, for error messages.
 */
#ifndef MAILWEIR_DOCUMENT_NEAREST_H
#define MAILWEIR_DOCUMENT_NEAREST_H

/* The word of `known` nearest to `word` by edit distance, or NULL when none is near. */
const char *nearest_word(const char *word, const char *const *known);

#endif

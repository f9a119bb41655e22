/*
 * filters_automata - many patterns in one pass over a text, by Vectorscan: which of them surely do not match. Internal.
 *
 * What the library is asked are coarse patterns over coarse texts (filters_coarse.h). It grows in parts while others
 * look: a part is there for them whole, or not at all. Where the program was built without it, it is always empty.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_AUTOMATA_H
#define MAILWEIR_FILTERS_FILTERS_AUTOMATA_H

#include "base/bytes.h"
#include "base/must_use.h"
#include "filters/filters_pattern.h"

#define FILTERS_AUTOMATA_PART 256u /* patterns that are made into one automaton, in about a tenth of a second */

struct filters_automata;

/* Whether the program was built with it, and the processor can do it. */
bool filters_automata_possible(void);
/* For the patterns of a set with numbers below `numbers`, in at most so many parts. */
MUST_USE struct filters_automata *filters_automata_new(size_t parts, size_t numbers);
void filters_automata_free(struct filters_automata **automata);
/*
 * The next part, of at most FILTERS_AUTOMATA_PART patterns; slow. Returns how many of them are in it: of the others it
 * says nothing. By one thread at a time, while others look.
 */
size_t filters_automata_add(struct filters_automata *automata, const struct filters_pattern *const *patterns,
                            size_t count);
/* Octets that its parts take. */
size_t filters_automata_octets(const struct filters_automata *automata);

/* Which patterns are in the parts that are there now: a look is at those, whatever comes meanwhile. */
struct filters_automata_look {
    struct filters_automata *automata;
    size_t parts;
    void *scratch;
};
/* Sets the bits of the patterns that it knows, by number. False: there is nothing to look with. */
MUST_USE bool filters_automata_begin(struct filters_automata *automata, struct filters_automata_look *look_r,
                                     uint64_t *ruled_out);
/* Clears those that may match the text, which is valid UTF-8. False: it could not look, and nothing is known. */
MUST_USE bool filters_automata_look(struct filters_automata_look *look, struct bytes text, uint64_t *ruled_out);
void filters_automata_end(struct filters_automata_look *look);

#endif

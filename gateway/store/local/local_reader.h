/*
 * local_reader - bodies out of segments; used by one thread at a time.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_READER_H
#define MAILWEIR_STORE_LOCAL_LOCAL_READER_H

#include "base/must_use.h"
#include "store/local/local_index.h"

struct local_reader;
MUST_USE struct local_reader *local_reader_new(const char *folder, struct local_index *index);
/* Closes the index too. */
void local_reader_free(struct local_reader **reader);
/* Leaves the index to its owner. */
void local_reader_release(struct local_reader **reader);
struct local_index *local_reader_index(struct local_reader *reader);
/*
 * Reads from the body of a message, wherever it lies now. *checked is set once the whole body matched its checksum;
 * until then each call makes sure of it first. Octets read, or -1 with a fault: "damaged" when the body is not what was
 * acknowledged.
 */
MUST_USE ptrdiff_t local_reader_read(struct local_reader *reader, uint64_t message, struct store_place *place,
                                     bool *checked, uint64_t offset, void *into, size_t len, struct fault *fault);

#endif

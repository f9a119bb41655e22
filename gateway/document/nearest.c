/*
 * nearest - the known word that was probably meant; see nearest.h.
 */
#include "document/nearest.h"

#include <string.h>

#include "base/bytes.h"

/* Three rows of it lie on the stack; what is longer is no slip of the pen. */
#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static bool same(char a, char b)
{
    return octet_lower((uint8_t)a) == octet_lower((uint8_t)b);
}

/* Edit distance with neighbouring letters swapped counting as one (optimal string alignment); case does not count. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *two = rows[0], *one = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b_len; j++) {
        one[j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            row[j] = least(one[j] + 1, row[j - 1] + 1, one[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
                row[j] = least(row[j], two[j - 2] + 1, row[j]);
            }
        }
        unsigned *oldest = two;
        two = one, one = row, row = oldest;
    }
    return one[b_len];
}

const char *nearest_word(const char *word, const char *const *known)
{
    size_t len = strnlen(word, WORD_MAX + 1);
    if (len == 0 || len > WORD_MAX) {
        return NULL;
    }
    const char *nearest = NULL;
    unsigned best = len < 4 ? 2 : (unsigned)(len / 3) + 2; /* the first distance that is too far */
    for (; *known != NULL; known++) {
        size_t known_len = strnlen(*known, WORD_MAX + 1);
        unsigned far = known_len > WORD_MAX ? best : distance(word, len, *known, known_len);
        /* When as many letters are wrong as there are, it is another word: "up" is not "if". */
        if (far < best && far < len) {
            best = far;
            nearest = *known;
        }
    }
    return nearest;
}

/*
 * replay - a fuzz target's seeds, one after the other, and the same changes of them each time: cut short, an octet another, a piece of another seed put
 * in. What the target promises is checked as ever; what branches it takes is counted (tests/coverage/measure).
 *
 * usage: replay_NAME ROUNDS FILE...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_MAX  ((size_t)64 << 10)
#define SEEDS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
    uint8_t *octets;
    size_t len;
};

static uint64_t draw = UINT64_C(0x9E3779B97F4A7C15);

static size_t below(size_t limit)
{
    draw ^= draw << 13;
    draw ^= draw >> 7;
    draw ^= draw << 17;
    return limit == 0 ? 0 : (size_t)(draw >> 16) % limit;
}

/* In memory of its very size, so that who reads on is seen. */
static void run(const uint8_t *octets, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, octets, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static size_t change(uint8_t *work, size_t len, const struct seed *other)
{
    static const char chosen[] = "\0\r\n \t\"'\\()<>[]{}=+-/*%@.,:;09azAZ\x7f\x80\xc3\xff";
    size_t at = below(len), piece = below(32);
    switch (below(5)) {
    case 0:
        return at;
    case 1:
        work[at] = (uint8_t)chosen[below(sizeof chosen)];
        return len;
    case 2:
        work[at] = (uint8_t)below(256);
        return len;
    case 3:
        if (piece > len - at) {
            piece = len - at;
        }
        memmove(work + at, work + at + piece, len - at - piece);
        return len - piece;
    default:
        if (piece > other->len) {
            piece = other->len;
        }
        if (len + piece > SEED_MAX) {
            return len;
        }
        memmove(work + at + piece, work + at, len - at);
        memcpy(work + at, other->octets + below(other->len - piece + 1), piece);
        return len + piece;
    }
}

static struct seed read_seed(const char *path)
{
    struct seed seed = {.octets = calloc(1, SEED_MAX)};
    FILE *file = fopen(path, "rb");
    if (file == NULL || seed.octets == NULL) {
        perror(path);
        exit(2);
    }
    seed.len = fread(seed.octets, 1, SEED_MAX, file);
    fclose(file);
    return seed;
}

int main(int argc, char **argv)
{
    static struct seed seeds[SEEDS_MAX];
    static uint8_t work[SEED_MAX];
    size_t count = 0;
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    for (int i = 2; i < argc && count < SEEDS_MAX; i++) {
        seeds[count++] = read_seed(argv[i]);
    }
    run((const uint8_t *)"", 0);
    for (size_t i = 0; i < count; i++) {
        run(seeds[i].octets, seeds[i].len);
    }
    for (int round = 0; count > 0 && round < rounds; round++) {
        const struct seed *seed = &seeds[below(count)];
        size_t len = seed->len;
        memcpy(work, seed->octets, len);
        for (size_t changes = 1 + below(4); changes > 0 && len > 0; changes--) {
            len = change(work, len, &seeds[below(count)]);
        }
        run(work, len);
    }
    for (size_t i = 0; i < count; i++) {
        free(seeds[i].octets);
    }
    return 0;
}

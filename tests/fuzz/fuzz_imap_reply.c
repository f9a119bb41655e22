/* The IMAP response parser: any octets, cut where the input says; both ways of feeding give the same responses, tokens are walked. */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "proto/imap_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t hash, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ text.ptr[i]) * UINT64_C(1099511628211);
    }
    return hash * 31 + text.len;
}

static uint64_t walk(struct bytes args)
{
    struct imap_token token;
    uint64_t hash = 0;
    while (imap_token_next(&args, &token) == 0 && token.kind != IMAP_TOKEN_END) {
        hash = mix(hash, token.text);
    }
    return hash;
}

static uint64_t feed(const uint8_t *data, size_t size, size_t step)
{
    struct imap_reply_parser parser;
    struct imap_reply reply;
    uint64_t hash = 0;
    int result = 0;
    imap_reply_init(&parser);
    for (size_t at = 0; at < size && result >= 0; at += step) {
        struct bytes piece = bytes_at(data + at, size - at < step ? size - at : step);
        do {
            size_t used;
            result = imap_reply_next(&parser, piece, &used, &reply);
            piece = bytes_from(piece, used);
            if (result == 1) {
                hash = mix(mix(mix(hash, reply.tag), reply.code), reply.text) + (uint64_t)reply.kind + walk(reply.args);
            }
        } while (result == 1 && piece.len > 0);
    }
    EXPECT(parser.text.len <= IMAP_REPLY_TEXT_MAX);
    imap_reply_done(&parser);
    return hash + (result < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    EXPECT(feed(data, size, size + 1) == feed(data, size, 1));
    return 0;
}

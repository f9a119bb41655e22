/*
 * fuzz_proxy_header - PROXY headers of both versions: whatever is cut off at its end asks for more or says the same, what is accepted names an address that is
 * one, and what stands behind it changes nothing.
 */
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "base/network.h"
#include "proto/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct proxy_header *header)
{
    uint8_t address[16];
    EXPECT(memchr(header->address, '\0', sizeof header->address) != NULL);
    EXPECT(header->is_local || strcmp(header->address, "unix") == 0 ||
           network_address_parse(address, bytes_of(header->address)) == 0);
}

static void check_prefixes(struct bytes input, size_t used)
{
    struct proxy_header header;
    size_t ignored;
    for (size_t len = 0; len < used; len++) {
        EXPECT(proxy_header_parse(bytes_slice(input, 0, len), &header, &ignored) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header = {.port = 0}, again = {.port = 0};
    size_t used = 0, used_again = 0;
    struct bytes input = bytes_at(data, size);
    int result = proxy_header_parse(input, &header, &used);
    EXPECT(result >= -1 && result <= 1 && used <= size);
    if (result == 1) {
        EXPECT(used > 0 && used <= PROXY_HEADER_MAX);
        check_address(&header);
        check_prefixes(input, used);
        EXPECT(proxy_header_parse(bytes_slice(input, 0, used), &again, &used_again) == 1 && used == used_again);
        EXPECT(strcmp(header.address, again.address) == 0 && header.port == again.port);
    }
    EXPECT(result != 0 || size < PROXY_HEADER_MAX);
    return 0;
}

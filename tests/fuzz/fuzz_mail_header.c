/*
 * fuzz_mail_header - the header walker over any octets: every field lies inside the section, the section inside the message, and a
 * message that is cut in half never has another header than the whole one once its end was seen.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "mail/mail_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes message = bytes_at(data, size);
    bool complete;
    size_t length = mail_header_length(message, &complete), walked = 0;
    EXPECT(length <= size);
    struct bytes section = bytes_slice(message, 0, length), rest = section;
    struct mail_header_field field;
    while (mail_header_next(&rest, &field) == 1) {
        EXPECT(field.name.len > 0 && field.whole.len > 0);
        EXPECT(field.odd || field.whole.len > field.name.len);
        EXPECT(field.whole.ptr == section.ptr + walked);
        walked += field.whole.len;
        struct buf line;
        buf_init(&line, field.value.len);
        EXPECT(mail_header_unfold(field.value, &line) == 0);
        EXPECT(bytes_find_octet(buf_bytes(&line), '\n') < 0);
        buf_done(&line);
    }
    EXPECT(length >= walked && length <= walked + 2);
    bool half_complete;
    size_t half = mail_header_length(bytes_slice(message, 0, size / 2), &half_complete);
    EXPECT(half <= size / 2 && (!half_complete || half == length));
    return 0;
}

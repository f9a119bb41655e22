/*
 * What a server says in words, and the folder that it says it of: any octets are judged, in one way, and what goes into a fault is printable; names go into the
 * server's writing and back.
 */
#include <string.h>

#include "base/expect.h"
#include "base/fault.h"
#include "engine/imapc_refusal.h"
#include "engine/outage.h"
#include "proto/imap_name.h"
#include "proto/imap_special.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(struct bytes line, struct bytes folder)
{
    static const enum imap_status statuses[] = {IMAP_STATUS_NO, IMAP_STATUS_BAD, IMAP_STATUS_BYE};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct imap_reply reply = {.kind = IMAP_REPLY_TAGGED, .status = statuses[i], .text = line};
        struct imapc_refusal refusal = imapc_refusal_about(&reply, folder);
        struct fault fault = FAULT_INIT;
        EXPECT(refusal.code != NULL && (refusal.class == FAULT_TEMP || refusal.class == FAULT_PERM));
        EXPECT(!refusal.create || refusal.class == FAULT_PERM);
        fault_set(&fault, refusal.class, refusal.code, "append", "%.*s", (int)line.len, (const char *)line.ptr);
        EXPECT(bytes_is_utf8(bytes_of(fault.text)));
        EXPECT(outage_words(fault.text, folder) != 0);
        (void)imapc_refusal_is_there(&reply);
        (void)imapc_refusal_is_parent(&reply);
    }
}

static void name(struct bytes folder)
{
    struct imap_namespaces spaces = {.items = {{.prefix = "INBOX.", .delimiter = '.'}}, .count = 1};
    struct buf mapped, back;
    buf_init(&mapped, IMAP_NAME_MAX);
    buf_init(&back, IMAP_NAME_MAX * 4);
    if (imap_name_map(&mapped, folder, &spaces, false) == 0) {
        EXPECT(mapped.len > 0 && !bytes_has_control(buf_bytes(&mapped)));
        EXPECT(imap_name_unmap(&back, buf_bytes(&mapped), '.', false) == 0);
    }
    EXPECT(imap_special_of_gmail(folder) == IMAP_SPECIAL_USES || imap_special_is_gmail(folder));
    buf_done(&mapped);
    buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes line = bytes_at(data, size), folder = bytes_cut(&line, '\n');
    judge(line, folder);
    name(folder);
    return 0;
}

/* fuzz_handover.c -- the words of a takeover. There is one way to write each message, so a text that is one
 * is exactly what the message is written as; and a text of this version that is none has no such message.
 *
 * The input is the text.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "net/handover.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_string(data, size), again[HANDOVER_TEXT_MAX];
    struct handover_message m = {.word = HANDOVER_HELLO};
    int r = handover_parse(&m, text, size);

    if (r == 0) {
        HOLDS(m.word <= HANDOVER_LATE && m.n <= HANDOVER_MAX);
        HOLDS(handover_text(again, &m) == size && memcmp(again, text, size) == 0);
    } else {
        HOLDS(r == -EPROTO || r == -EPROTONOSUPPORT);
        HOLDS(m.word == HANDOVER_HELLO && m.n == 0);
        HOLDS(size != 22 || memcmp(text, "meari-takeover 1 hello", 22) != 0);
    }
    free(text);
    return 0;
}

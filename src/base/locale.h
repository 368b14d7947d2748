/* locale.h -- what the user's terminal and files speak, as LC_ALL, LC_CTYPE and LANG say.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LOCALE_H
#define BASE_LOCALE_H

#include <stdbool.h>

/* UTF-8? The program's own locale is not changed by the question. Opens files. */
bool locale_is_utf8(void);

#endif

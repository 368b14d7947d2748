/* locale.c -- see locale.h.
 *
 * SPDX-License-Identifier: MIT */
#include "locale.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

bool locale_is_utf8(void)
{
    locale_t user = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool is;

    if (!user) /* one that is not installed */
        return false;
    is = strcmp(nl_langinfo_l(CODESET, user), "UTF-8") == 0;
    freelocale(user);
    return is;
}

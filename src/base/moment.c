/* moment.c -- see moment.h.
 *
 * SPDX-License-Identifier: MIT */
#include "moment.h"

#include "clock.h"
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* All of 'text' as 'format' has it; strptime(3) would go on beyond the digits it needs and before blanks. */
static bool all_of(const char *text, const char *format, struct tm *t)
{
    const char *end = strptime(text, format, t);

    return end && *end == '\0' && !strpbrk(text, " \t\n");
}

int moment_parse(int64_t *ret_real_ns, const char *text, int64_t now_real_ns)
{
    time_t now = (time_t)(now_real_ns / NS_PER_S), moment;
    struct tm t = {0};
    uint64_t seconds;
    int day;

    if (units_count(&seconds, text) == 0 && strspn(text, "0123456789") == strlen(text)) {
        if (seconds > INT64_MAX / NS_PER_S)
            return -EINVAL;
        *ret_real_ns = (int64_t)seconds * NS_PER_S;
        return 0;
    }
    if (all_of(text, "%Y-%m-%dT%H:%M:%SZ", &t)) {
        day = t.tm_mday;
        moment = timegm(&t);
        if (t.tm_mday != day) /* the 31st of February would become the 3rd of March */
            return -EINVAL;
    } else {
        localtime_r(&now, &t);
        t.tm_isdst = -1;
        if (!all_of(text, "%H:%M:%S", &t))
            return -EINVAL;
        moment = mktime(&t);
    }
    if (moment < 0 || moment > INT64_MAX / NS_PER_S)
        return -EINVAL;
    *ret_real_ns = (int64_t)moment * NS_PER_S;
    return 0;
}

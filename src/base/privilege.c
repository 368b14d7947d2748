/* privilege.c -- see privilege.h.
 *
 * SPDX-License-Identifier: MIT */
#include "privilege.h"

#include "err.h"
#include "units.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_MAX_BYTES 255

/* --- who ---------------------------------------------------------------------------------------- */

/* A user's or a group's number. The last one means "leave it" to setresuid(2), so it is none. */
static bool parse_id(uint32_t *ret, const char *text)
{
    uint64_t value;

    /* of the grammar of counts only the digits */
    if (strspn(text, "0123456789") != strlen(text) || units_count(&value, text) < 0 ||
        value >= UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

/* Nothing was found: because there is none, or because the data base could not be asked? What else
 * errno may be is a way to say "none" (getpwnam(3)). */
static int no_such(const char *what, const char *name, int code, struct err *err)
{
    char quote[ERR_QUOTE_MAX];

    err_quote(quote, name);
    if (code == EIO || code == EMFILE || code == ENFILE || code == ENOMEM || code == EINTR)
        return err_set(err, code, "--user: cannot look up the %s '%s'", what, quote);
    return err_usage(err, "--user: there is no %s '%s'", what, quote);
}

/* The user, and the group that comes with it; a number need not be in any data base. */
static int find_user(struct identity *ret, const char *name, bool want_group, struct err *err)
{
    const struct passwd *entry;
    int code;

    errno = 0;
    entry = getpwnam(name);
    code = errno;
    if (!entry && parse_id(&ret->uid, name)) {
        code = 0;
        entry = getpwuid(ret->uid);
        if (!entry && want_group)
            return err_usage(err, "--user: user %s has no group of its own: say %s:GROUP", name,
                             name);
        if (!entry)
            return 0;
    }
    if (!entry)
        return no_such("user", name, code, err);
    *ret = (struct identity){entry->pw_uid, entry->pw_gid};
    return 0;
}

static int find_group(struct identity *ret, const char *name, struct err *err)
{
    const struct group *entry;
    int code;

    errno = 0;
    entry = getgrnam(name);
    code = errno;
    if (entry)
        ret->gid = entry->gr_gid;
    else if (!parse_id(&ret->gid, name))
        return no_such("group", name, code, err);
    return 0;
}

int privilege_parse(struct identity *ret, const char *text, struct err *err)
{
    char user[NAME_MAX_BYTES + 1];
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    int r;

    if (n == 0 || n >= sizeof user || (colon && !colon[1])) {
        char quote[ERR_QUOTE_MAX];

        return err_usage(err, "--user: '%s' is not USER or USER:GROUP", err_quote(quote, text));
    }
    memcpy(user, text, n);
    user[n] = '\0';
    r = find_user(ret, user, !colon, err);
    if (r == 0 && colon)
        r = find_group(ret, colon + 1, err);
    if (r == 0 && ret->uid == 0)
        return err_usage(err, "--user: that is root; leave the option out to stay root");
    return r;
}

const char *privilege_name(char out[static PRIVILEGE_NAME_MAX])
{
    const struct passwd *entry = getpwuid(geteuid());

    if (entry)
        snprintf(out, PRIVILEGE_NAME_MAX, "%s", entry->pw_name);
    else
        snprintf(out, PRIVILEGE_NAME_MAX, "%u", geteuid());
    return out;
}

/* --- capabilities ------------------------------------------------------------------------------- */

#define CAPS_MAX (32 * _LINUX_CAPABILITY_U32S_3)

struct capabilities {
    struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

static int capabilities_get(struct capabilities *ret)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

    return syscall(SYS_capget, &header, ret->half) == -1 ? -errno : 0;
}

static int capabilities_set(const struct capabilities *caps)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

    return syscall(SYS_capset, &header, caps->half) == -1 ? -errno : 0;
}

static bool capabilities_any(const struct capabilities *caps)
{
    static const struct capabilities none;

    return memcmp(caps, &none, sizeof none) != 0;
}

static bool has(const struct capabilities *caps, unsigned cap)
{
    return caps->half[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

/* What a program that is executed could still get. Without CAP_SETPCAP the kernel refuses this, and
 * no-new-privileges has to do. */
static int shrink_bounding_set(struct err *err)
{
    struct capabilities caps;
    int r = capabilities_get(&caps);

    if (r < 0)
        return err_set(err, -r, "cannot read the capabilities");
    if (!has(&caps, CAP_SETPCAP))
        return 0;
    /* the first one that this kernel does not know ends it (EINVAL) */
    for (unsigned long cap = 0; cap < CAPS_MAX && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
         cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
            return err_set(err, errno, "cannot take capability %lu out of the bounding set", cap);
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
            return err_set(err, EPERM, "capability %lu stays in the bounding set", cap);
    }
    return 0;
}

static int drop_capabilities(struct err *err)
{
    static const struct capabilities none;
    struct capabilities caps;
    int r = capabilities_get(&caps);

    /* not asked for where there is nothing to drop: a service manager's filter may forbid capset(2)
     * to who has no use for it */
    if (r == 0 && capabilities_any(&caps))
        r = capabilities_set(&none);
    if (r == 0)
        r = capabilities_get(&caps);
    if (r < 0)
        return err_set(err, -r, "cannot drop the capabilities");
    /* the ambient set is kept within the permitted and inheritable ones, so it is empty, too */
    if (capabilities_any(&caps))
        return err_set(err, EPERM, "capabilities are left after they were dropped");
    return 0;
}

/* --- the steps ---------------------------------------------------------------------------------- */

/* Is this what we are already? Then nothing needs a privilege. (Groups that an unprivileged process has
 * it cannot lay down.) */
static bool is_us(const struct identity *who)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;

    return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == who->uid &&
           e == who->uid && s == who->uid && rg == who->gid && eg == who->gid && sg == who->gid;
}

/* "cannot become user 65534, group 65534: setgroups: Operation not permitted" */
static int cannot_become(const struct identity *who, const char *call, int code, struct err *err)
{
    return err_set(err, code, "cannot become user %u, group %u%s: %s", who->uid, who->gid,
                   code == EPERM && geteuid() != 0 ? " (only root can become somebody else)" : "",
                   call);
}

static int become(const struct identity *who, struct err *err)
{
    if (geteuid() != 0 && is_us(who))
        return 0;
    if (setgroups(0, NULL) == -1)
        return cannot_become(who, "setgroups", errno, err);
    if (setresgid(who->gid, who->gid, who->gid) == -1)
        return cannot_become(who, "setresgid", errno, err);
    if (setresuid(who->uid, who->uid, who->uid) == -1)
        return cannot_become(who, "setresuid", errno, err);
    if (getgroups(0, NULL) != 0)
        return cannot_become(who, "groups are left", EPERM, err);
    if (!is_us(who))
        return cannot_become(who, "the kernel says we are somebody else", EPERM, err);
    return 0;
}

/* Now that all is given up: nobody can become root again. */
static int try_to_get_root_back(struct err *err)
{
    if (setuid(0) != -1 || seteuid(0) != -1 || setresuid(0, 0, 0) != -1)
        return err_set(err, EPERM, "root was given up and could be had again");
    return 0;
}

static int forgo_new_privileges(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return err_set(err, errno, "cannot forgo new privileges");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(err, EPERM, "no-new-privileges was set and is not in force");
    return 0;
}

int privilege_give_up(const struct identity *who, struct err *err)
{
    int r = shrink_bounding_set(err);

    if (r == 0 && who)
        r = become(who, err);
    if (r == 0)
        r = drop_capabilities(err);
    if (r == 0)
        r = forgo_new_privileges(err);
    if (r == 0 && geteuid() != 0)
        r = try_to_get_root_back(err);
    return r;
}

#include "privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool privileges_caller(struct caller *caller) {
    *caller = (struct caller){.uid = getuid(), .gid = getgid(), .privileged = geteuid() == 0};
    return caller->privileged || (geteuid() == caller->uid && getegid() == caller->gid);
}

bool privileges_hold(const struct caller *caller) {
    return !caller->privileged || setresuid(0, 0, 0) == 0;
}

static bool is_all(uid_t uid, gid_t gid) {
    uid_t uids[3];
    gid_t gids[3];
    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return false;
    for (int i = 0; i < 3; i++) {
        if (uids[i] != uid || gids[i] != gid)
            return false;
    }
    return true;
}

static bool has_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0, sizeof sets);
    if (syscall(SYS_capget, &header, sets) < 0)
        return true;
    return (sets[0].effective | sets[0].permitted | sets[1].effective | sets[1].permitted) != 0;
}

static bool can_return(void) {
    return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setresuid(0, (uid_t)-1, (uid_t)-1) == 0 ||
           has_capabilities();
}

bool privileges_drop(const struct caller *caller) {
    if (caller->privileged) {
        if (setresgid(caller->gid, caller->gid, caller->gid) < 0 ||
            setresuid(caller->uid, caller->uid, caller->uid) < 0)
            return false;
        if (!is_all(caller->uid, caller->gid) || (caller->uid != 0 && can_return())) {
            errno = EPERM;
            return false;
        }
    }
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

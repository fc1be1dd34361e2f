/* What a user may try on a process: `intruder PID` names each way in that is open, one a line. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_file(int pid, const char *name, int flags) {
    char path[64];
    char byte;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, flags);
    if (fd < 0)
        return;
    /* Some files of /proc judge when they are read. */
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY) != 0 || read(fd, &byte, 1) == 1)
        printf("%s\n", name);
    close(fd);
}

static void try_link(int pid, const char *name) {
    char path[64];
    char target[256];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    if (readlink(path, target, sizeof target) >= 0)
        printf("%s\n", name);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    int pid = atoi(argv[1]);
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {(void *)main, 1};

    try_file(pid, "mem", O_RDWR);
    try_file(pid, "environ", O_RDONLY);
    try_file(pid, "maps", O_RDONLY);
    try_file(pid, "auxv", O_RDONLY);
    try_file(pid, "syscall", O_RDONLY);
    try_file(pid, "fd", O_RDONLY | O_DIRECTORY);
    try_file(pid, "fd/3", O_RDWR);
    try_file(pid, "map_files", O_RDONLY | O_DIRECTORY);
    try_file(pid, "clear_refs", O_WRONLY);
    try_link(pid, "cwd");
    try_link(pid, "exe");
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) == 1)
        printf("process_vm_readv\n");
    for (int fd = 0; fd < 16; fd++) {
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd >= 0 && syscall(438 /* pidfd_getfd */, pidfd, fd, 0) >= 0)
            printf("pidfd_getfd %d\n", fd);
        close(pidfd);
    }
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
        printf("ptrace\n");
    return 0;
}

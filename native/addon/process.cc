#include "process.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <link.h>
#include <malloc.h>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

Napi::Value process_peer_credentials(const Napi::CallbackInfo &info) {
    if (info.Length() != 1 || !info[0].IsNumber())
        throw Napi::TypeError::New(info.Env(), "a descriptor is wanted");
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(info[0].As<Napi::Number>().Int32Value(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        throw Napi::Error::New(info.Env(), std::strerror(errno));
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("pid", static_cast<double>(peer.pid));
    object.Set("uid", static_cast<double>(peer.uid));
    object.Set("gid", static_cast<double>(peer.gid));
    return object;
}

// No core files, no tracing by the same user, no privileges through exec.
Napi::Value process_harden(const Napi::CallbackInfo &info) {
    const rlimit core = {0, 0};
    if (setrlimit(RLIMIT_CORE, &core) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        throw Napi::Error::New(info.Env(), std::strerror(errno));
    return info.Env().Undefined();
}

// The program's own read-only pages: the kernel maps them again on use.
static int release_program(dl_phdr_info *object, size_t, void *) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) &segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0)
            continue;
        const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
        const uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(page - 1);
        if (begin < end)
            (void)madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
    }
    // The program is the first object; the libraries' pages are shared with other processes.
    return 1;
}

Napi::Value process_release_memory(const Napi::CallbackInfo &info) {
    (void)dl_iterate_phdr(release_program, nullptr);
    (void)malloc_trim(0);
    return info.Env().Undefined();
}

// One datagram, as in sd_notify(3): Node has no Unix datagram sockets.
Napi::Value process_notify(const Napi::CallbackInfo &info) {
    if (info.Length() != 2 || !info[0].IsString() || !info[1].IsString())
        throw Napi::TypeError::New(info.Env(), "a path and a state are wanted");
    std::string path = info[0].As<Napi::String>().Utf8Value();
    std::string state = info[1].As<Napi::String>().Utf8Value();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() < 2 || path.size() >= sizeof address.sun_path)
        throw Napi::TypeError::New(info.Env(), "the path is too short or too long");
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw Napi::Error::New(info.Env(), std::strerror(errno));
    ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                          reinterpret_cast<const sockaddr *>(&address), size);
    int error = errno;
    close(fd);
    if (sent < 0)
        throw Napi::Error::New(info.Env(), std::strerror(error));
    return info.Env().Undefined();
}

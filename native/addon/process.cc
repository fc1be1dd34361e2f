#include "process.h"

#include <cerrno>
#include <cstring>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

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

// No core files, no debugger of the same user, no privileges through execution.
Napi::Value process_harden(const Napi::CallbackInfo &info) {
    const rlimit core = {0, 0};
    if (setrlimit(RLIMIT_CORE, &core) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        throw Napi::Error::New(info.Env(), std::strerror(errno));
    return info.Env().Undefined();
}

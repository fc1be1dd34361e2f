// Unix functions that Node lacks: accounts, peer credentials, host name, hardening, service notification.
#include <napi.h>

#include "accounts.h"
#include "process.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
    exports.Set("userByName", Napi::Function::New(env, accounts_user_by_name, "userByName"));
    exports.Set("userById", Napi::Function::New(env, accounts_user_by_id, "userById"));
    exports.Set("groupsOf", Napi::Function::New(env, accounts_groups_of, "groupsOf"));
    exports.Set("canonicalHostName",
                Napi::Function::New(env, accounts_canonical_host_name, "canonicalHostName"));
    exports.Set("peerCredentials", Napi::Function::New(env, process_peer_credentials, "peerCredentials"));
    exports.Set("hardenProcess", Napi::Function::New(env, process_harden, "hardenProcess"));
    exports.Set("releaseMemory", Napi::Function::New(env, process_release_memory, "releaseMemory"));
    exports.Set("notify", Napi::Function::New(env, process_notify, "notify"));
    return exports;
}

NODE_API_MODULE(unix, init)

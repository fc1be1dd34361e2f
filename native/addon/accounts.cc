#include "accounts.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <grp.h>
#include <pwd.h>
#include <string>
#include <vector>

extern "C" {
#include "account.h"
}

namespace {

constexpr size_t kMaxEntry = 1024 * 1024;

// Calls a getpw…_r or getgr…_r function with a growing buffer.
template <typename Entry>
Entry *look_up(Napi::Env env, Entry *entry, std::vector<char> *buffer,
               const std::function<int(Entry *, char *, size_t, Entry **)> &call) {
    for (size_t size = 4096; size <= kMaxEntry; size *= 4) {
        Entry *found = nullptr;
        buffer->resize(size);
        int error = call(entry, buffer->data(), buffer->size(), &found);
        if (error == 0)
            return found;
        if (error == ENOENT || error == ESRCH)
            return nullptr;
        if (error != ERANGE)
            throw Napi::Error::New(env, std::strerror(error));
    }
    throw Napi::Error::New(env, "the entry is too long");
}

Napi::Value user_object(Napi::Env env, const passwd *user) {
    if (user == nullptr)
        return env.Undefined();
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", user->pw_name);
    object.Set("uid", static_cast<double>(user->pw_uid));
    object.Set("gid", static_cast<double>(user->pw_gid));
    object.Set("gecos", user->pw_gecos == nullptr ? "" : user->pw_gecos);
    object.Set("home", user->pw_dir);
    object.Set("shell", user->pw_shell);
    bridge_account account;
    Napi::Array groups = Napi::Array::New(env);
    if (account_by_name(&account, user->pw_name)) {
        for (size_t i = 0; i < account.group_count; i++)
            groups.Set(static_cast<uint32_t>(i), Napi::String::New(env, account.groups[i]));
        account_free(&account);
    }
    object.Set("groups", groups);
    return object;
}

// A look-up on libuv's thread pool, settled on JavaScript's thread.
class AccountLookup : public Napi::AsyncWorker {
  public:
    AccountLookup(Napi::Env env, uid_t uid)
        : Napi::AsyncWorker(env, "account"), deferred(Napi::Promise::Deferred::New(env)), uid(uid) {
    }
    ~AccountLookup() override {
        account_free(&account);
    }
    Napi::Promise promise() const {
        return deferred.Promise();
    }
    void Execute() override {
        found = account_by_uid(&account, uid);
    }
    void OnOK() override {
        if (!found) {
            deferred.Resolve(Env().Undefined());
            return;
        }
        Napi::Object object = Napi::Object::New(Env());
        Napi::Array groups = Napi::Array::New(Env());
        for (size_t i = 0; i < account.group_count; i++)
            groups.Set(static_cast<uint32_t>(i), Napi::String::New(Env(), account.groups[i]));
        object.Set("name", account.name);
        object.Set("uid", static_cast<double>(account.uid));
        object.Set("gecos", account.gecos);
        object.Set("groups", groups);
        if (account.groups_error != nullptr)
            object.Set("groupsError", account.groups_error);
        deferred.Resolve(object);
    }

  private:
    Napi::Promise::Deferred deferred;
    uid_t uid;
    bool found = false;
    bridge_account account{};
};

std::string text_argument(const Napi::CallbackInfo &info) {
    if (info.Length() != 1 || !info[0].IsString())
        throw Napi::TypeError::New(info.Env(), "a name is wanted");
    return info[0].As<Napi::String>().Utf8Value();
}

} // namespace

Napi::Value accounts_user_by_name(const Napi::CallbackInfo &info) {
    std::string name = text_argument(info);
    passwd entry;
    std::vector<char> buffer;
    return user_object(info.Env(),
                       look_up<passwd>(info.Env(), &entry, &buffer,
                                       [&name](passwd *to, char *data, size_t size, passwd **found) {
                                           return getpwnam_r(name.c_str(), to, data, size, found);
                                       }));
}

Napi::Value accounts_user_by_id(const Napi::CallbackInfo &info) {
    if (info.Length() != 1 || !info[0].IsNumber())
        throw Napi::TypeError::New(info.Env(), "a uid is wanted");
    uid_t uid = info[0].As<Napi::Number>().Uint32Value();
    passwd entry;
    std::vector<char> buffer;
    return user_object(info.Env(),
                       look_up<passwd>(info.Env(), &entry, &buffer,
                                       [uid](passwd *to, char *data, size_t size, passwd **found) {
                                           return getpwuid_r(uid, to, data, size, found);
                                       }));
}

Napi::Value accounts_account_by_id(const Napi::CallbackInfo &info) {
    if (info.Length() != 1 || !info[0].IsNumber())
        throw Napi::TypeError::New(info.Env(), "a uid is wanted");
    // A queued look-up owns itself.
    auto *lookup = new AccountLookup(info.Env(), info[0].As<Napi::Number>().Uint32Value());
    Napi::Promise promise = lookup->promise();
    lookup->Queue();
    return promise;
}

Napi::Value accounts_group_by_name(const Napi::CallbackInfo &info) {
    std::string name = text_argument(info);
    group entry;
    std::vector<char> buffer;
    const group *found = look_up<group>(info.Env(), &entry, &buffer,
                                        [&name](group *to, char *data, size_t size, group **result) {
                                            return getgrnam_r(name.c_str(), to, data, size, result);
                                        });
    if (found == nullptr)
        return info.Env().Undefined();
    Napi::Object object = Napi::Object::New(info.Env());
    Napi::Array members = Napi::Array::New(info.Env());
    for (uint32_t i = 0; found->gr_mem[i] != nullptr; i++)
        members.Set(i, Napi::String::New(info.Env(), found->gr_mem[i]));
    object.Set("name", found->gr_name);
    object.Set("gid", static_cast<double>(found->gr_gid));
    object.Set("members", members);
    return object;
}

Napi::Value accounts_canonical_host_name(const Napi::CallbackInfo &info) {
    char *name = account_host_name();
    if (name == nullptr)
        throw Napi::Error::New(info.Env(), "out of memory");
    Napi::String result = Napi::String::New(info.Env(), name);
    std::free(name);
    return result;
}

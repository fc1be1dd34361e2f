#include "accounts.h"

#include <cstdlib>
#include <string>

extern "C" {
#include "account.h"
}

namespace {

// Undefined when there is no such user. Throws when the name service failed.
Napi::Value user_object(Napi::Env env, const account &user) {
    if (user.error != nullptr)
        throw Napi::Error::New(env, user.error);
    if (user.name == nullptr)
        return env.Undefined();
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", user.name);
    object.Set("uid", static_cast<double>(user.uid));
    object.Set("gid", static_cast<double>(user.gid));
    object.Set("gecos", user.gecos);
    return object;
}

Napi::Value groups_object(Napi::Env env, const account_groups &groups) {
    Napi::Object object = Napi::Object::New(env);
    if (groups.error != nullptr) {
        object.Set("error", groups.error);
        return object;
    }
    Napi::Array names = Napi::Array::New(env);
    for (size_t i = 0; i < groups.count; i++)
        names.Set(static_cast<uint32_t>(i), Napi::String::New(env, groups.names[i]));
    object.Set("names", names);
    return object;
}

// Looks a user up on libuv's thread pool, and then the user's groups if they are wanted.
class Lookup : public Napi::AsyncWorker {
  public:
    Lookup(Napi::Env env, uid_t uid, bool with_groups)
        : Napi::AsyncWorker(env, "account"), deferred(Napi::Promise::Deferred::New(env)), uid(uid),
          with_groups(with_groups) {
    }
    ~Lookup() override {
        account_groups_free(&groups);
        account_free(&user);
    }
    Napi::Promise promise() const {
        return deferred.Promise();
    }
    void Execute() override {
        bool found = account_by_uid(&user, uid);
        if (with_groups && found)
            account_groups_read(&groups, &user);
        else if (with_groups)
            groups.error = user.error != nullptr ? user.error : "the user does not exist";
    }
    void OnOK() override {
        try {
            deferred.Resolve(with_groups ? groups_object(Env(), groups) : user_object(Env(), user));
        } catch (const Napi::Error &error) {
            deferred.Reject(error.Value());
        }
    }

  private:
    Napi::Promise::Deferred deferred;
    uid_t uid;
    bool with_groups;
    account user{};
    account_groups groups{};
};

Napi::Value look_up(const Napi::CallbackInfo &info, bool with_groups) {
    if (info.Length() != 1 || !info[0].IsNumber())
        throw Napi::TypeError::New(info.Env(), "a uid is wanted");
    // A queued worker frees itself.
    auto *lookup = new Lookup(info.Env(), info[0].As<Napi::Number>().Uint32Value(), with_groups);
    Napi::Promise promise = lookup->promise();
    lookup->Queue();
    return promise;
}

} // namespace

Napi::Value accounts_user_by_name(const Napi::CallbackInfo &info) {
    if (info.Length() != 1 || !info[0].IsString())
        throw Napi::TypeError::New(info.Env(), "a name is wanted");
    account user;
    (void)account_by_name(&user, info[0].As<Napi::String>().Utf8Value().c_str());
    try {
        Napi::Value object = user_object(info.Env(), user);
        account_free(&user);
        return object;
    } catch (...) {
        account_free(&user);
        throw;
    }
}

Napi::Value accounts_user_by_id(const Napi::CallbackInfo &info) {
    return look_up(info, false);
}

Napi::Value accounts_groups_of(const Napi::CallbackInfo &info) {
    return look_up(info, true);
}

Napi::Value accounts_canonical_host_name(const Napi::CallbackInfo &info) {
    char *name = account_host_name();
    if (name == nullptr)
        throw Napi::Error::New(info.Env(), "out of memory");
    Napi::String result = Napi::String::New(info.Env(), name);
    std::free(name);
    return result;
}

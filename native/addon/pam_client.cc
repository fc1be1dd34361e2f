// A PAM client: logs a user in through libpam on a separate thread, with the conversation in JavaScript.
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <napi.h>
#include <optional>
#include <security/pam_appl.h>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Message {
    int style;
    std::string text;
};

using Answers = std::optional<std::vector<std::string>>;

struct Login;

// Runs on JavaScript's thread: calls the conversation and waits for its promise.
void converse(Napi::Env env, Napi::Function callback, Login *login, void *);
using Conversation = Napi::TypedThreadSafeFunction<Login, void, converse>;

struct Login {
    explicit Login(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {
    }

    Napi::Promise::Deferred deferred;
    Conversation conversation;
    std::thread thread;
    std::string service;
    std::string user;
    std::string confdir;
    std::optional<std::string> rhost;
    std::optional<std::string> tty;
    int flags = 0;
    bool mute = false;

    // One conversation at a time; the mutex guards everything below.
    std::mutex mutex;
    std::condition_variable answered;
    std::vector<Message> messages;
    Answers answers;
    bool settled = false;

    int code = PAM_SYSTEM_ERR;
    std::string message;
};

void settle(Login *login, Answers answers) {
    std::lock_guard<std::mutex> lock(login->mutex);
    login->answers = std::move(answers);
    login->settled = true;
    login->answered.notify_one();
}

Answers answers_from(const Napi::Value &value, size_t count) {
    if (!value.IsArray())
        return std::nullopt;
    Napi::Array array = value.As<Napi::Array>();
    if (array.Length() != count)
        return std::nullopt;
    std::vector<std::string> answers;
    for (uint32_t i = 0; i < count; i++) {
        Napi::Value answer = array.Get(i);
        answers.push_back(answer.IsString() ? answer.As<Napi::String>().Utf8Value() : std::string());
    }
    return answers;
}

void converse(Napi::Env env, Napi::Function callback, Login *login, void *) {
    if (env == nullptr || callback.IsEmpty()) {
        settle(login, std::nullopt);
        return;
    }
    try {
        Napi::Array messages = Napi::Array::New(env);
        for (uint32_t i = 0; i < login->messages.size(); i++) {
            Napi::Object message = Napi::Object::New(env);
            message.Set("style", login->messages[i].style);
            message.Set("text", login->messages[i].text);
            messages.Set(i, message);
        }
        size_t count = login->messages.size();
        Napi::Object promise = callback.Call({messages}).As<Napi::Object>();
        Napi::Function then = promise.Get("then").As<Napi::Function>();
        then.Call(promise, {Napi::Function::New(env,
                                                [login, count](const Napi::CallbackInfo &info) {
                                                    settle(login, answers_from(info[0], count));
                                                }),
                            Napi::Function::New(
                                env, [login](const Napi::CallbackInfo &) { settle(login, std::nullopt); })});
    } catch (const Napi::Error &) {
        settle(login, std::nullopt);
    }
}

void forget(pam_response *responses, int count) {
    for (int i = 0; i < count; i++) {
        if (responses[i].resp != nullptr) {
            explicit_bzero(responses[i].resp, std::strlen(responses[i].resp));
            std::free(responses[i].resp);
        }
    }
    std::free(responses);
}

// PAM's conversation function, on the login's thread.
int pam_converse(int count, const pam_message **messages, pam_response **responses, void *context) {
    auto *login = static_cast<Login *>(context);
    if (count <= 0 || count > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    {
        std::unique_lock<std::mutex> lock(login->mutex);
        login->messages.clear();
        for (int i = 0; i < count; i++)
            login->messages.push_back(
                {messages[i]->msg_style, messages[i]->msg == nullptr ? "" : messages[i]->msg});
        login->settled = false;
    }
    if (login->conversation.BlockingCall() != napi_ok)
        return PAM_CONV_ERR;
    std::unique_lock<std::mutex> lock(login->mutex);
    login->answered.wait(lock, [login] { return login->settled; });
    if (!login->answers)
        return PAM_CONV_ERR;
    auto *result = static_cast<pam_response *>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
    if (result == nullptr)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++) {
        bool asks =
            messages[i]->msg_style == PAM_PROMPT_ECHO_ON || messages[i]->msg_style == PAM_PROMPT_ECHO_OFF;
        if (!asks)
            continue;
        result[i].resp = strdup((*login->answers)[static_cast<size_t>(i)].c_str());
        if (result[i].resp == nullptr) {
            forget(result, count);
            return PAM_BUF_ERR;
        }
    }
    *responses = result;
    return PAM_SUCCESS;
}

void run(Login *login) {
    pam_handle_t *pamh = nullptr;
    const pam_conv conversation = {pam_converse, login};
    const pam_conv mute = {nullptr, nullptr};
    login->code = pam_start_confdir(login->service.c_str(), login->user.c_str(),
                                    login->mute ? &mute : &conversation, login->confdir.c_str(), &pamh);
    if (login->code == PAM_SUCCESS && login->rhost)
        login->code = pam_set_item(pamh, PAM_RHOST, login->rhost->c_str());
    if (login->code == PAM_SUCCESS && login->tty)
        login->code = pam_set_item(pamh, PAM_TTY, login->tty->c_str());
    if (login->code == PAM_SUCCESS)
        login->code = pam_authenticate(pamh, login->flags);
    login->message = pam_strerror(pamh, login->code);
    if (pamh != nullptr)
        (void)pam_end(pamh, login->code);
    (void)login->conversation.Release();
}

std::optional<std::string> optional_text(const Napi::Object &options, const char *name) {
    Napi::Value value = options.Get(name);
    if (!value.IsString())
        return std::nullopt;
    return value.As<Napi::String>().Utf8Value();
}

std::string text(const Napi::Object &options, const char *name) {
    auto value = optional_text(options, name);
    if (!value)
        throw Napi::TypeError::New(options.Env(), std::string(name) + " is missing");
    return *value;
}

Napi::Value authenticate(const Napi::CallbackInfo &info) {
    Napi::Env env = info.Env();
    if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsFunction())
        throw Napi::TypeError::New(env, "options and a conversation are wanted");
    Napi::Object options = info[0].As<Napi::Object>();
    auto login = std::make_unique<Login>(env);
    login->service = text(options, "service");
    login->user = text(options, "user");
    login->confdir = text(options, "confdir");
    login->rhost = optional_text(options, "rhost");
    login->tty = optional_text(options, "tty");
    login->flags = options.Get("silent").ToBoolean() ? PAM_SILENT : 0;
    login->mute = options.Get("mute").ToBoolean();

    Login *owned = login.release();
    Napi::Promise promise = owned->deferred.Promise();
    // The finalizer runs on JavaScript's thread after the login's thread has released the function.
    owned->conversation = Conversation::New(
        env, info[1].As<Napi::Function>(), "PAM conversation", 0, 1, owned,
        [](Napi::Env env, void *, Login *login) {
            login->thread.join();
            Napi::Object result = Napi::Object::New(env);
            result.Set("code", login->code);
            result.Set("message", login->message);
            login->deferred.Resolve(result);
            delete login;
        },
        static_cast<void *>(nullptr));
    owned->thread = std::thread(run, owned);
    return promise;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    exports.Set("authenticate", Napi::Function::New(env, authenticate, "authenticate"));
    return exports;
}

} // namespace

NODE_API_MODULE(pam_client, init)

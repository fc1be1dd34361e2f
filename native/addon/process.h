// Functions for this process and for the peer of a socket.
#ifndef PROCESS_H
#define PROCESS_H

#include <napi.h>

Napi::Value process_peer_credentials(const Napi::CallbackInfo &info);
Napi::Value process_harden(const Napi::CallbackInfo &info);
Napi::Value process_release_memory(const Napi::CallbackInfo &info);
Napi::Value process_notify(const Napi::CallbackInfo &info);

#endif

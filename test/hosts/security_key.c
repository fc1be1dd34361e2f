/* A security key in software, for ssh's SecurityKeyProvider: its key handle is the private key. It says that
 * it was touched unless /tmp/no-touch exists. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libcrypto's, whose headers may not be installed. */
extern void *EVP_PKEY_new_raw_private_key(int type, void *engine, const unsigned char *key, size_t length);
extern int EVP_PKEY_get_raw_public_key(const void *key, unsigned char *public, size_t *length);
extern void *EVP_MD_CTX_new(void);
extern int EVP_DigestSignInit(void *context, void **pkey, const void *type, void *engine, void *key);
extern int EVP_DigestSign(void *context, unsigned char *out, size_t *length, const unsigned char *data,
                          size_t size);
extern unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);
extern int RAND_bytes(unsigned char *bytes, int length);
#define EVP_PKEY_ED25519 1087

/* The interface of OpenSSH's sk-api.h. */
enum { ED25519 = 1, TOUCHED = 1, FAILED = -1 };

struct sk_enroll_response {
    uint8_t flags;
    uint8_t *public_key;
    size_t public_key_len;
    uint8_t *key_handle;
    size_t key_handle_len;
    uint8_t *signature;
    size_t signature_len;
    uint8_t *attestation_cert;
    size_t attestation_cert_len;
    uint8_t *authdata;
    size_t authdata_len;
};

struct sk_sign_response {
    uint8_t flags;
    uint32_t counter;
    uint8_t *sig_r;
    size_t sig_r_len;
    uint8_t *sig_s;
    size_t sig_s_len;
};

uint32_t sk_api_version(void) {
    return 0x000a0000;
}

int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t challenge_len, const char *application,
              uint8_t flags, const char *pin, void **options, struct sk_enroll_response **response) {
    (void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
    if (algorithm != ED25519)
        return FAILED;
    struct sk_enroll_response *made = calloc(1, sizeof *made);
    made->flags = flags;
    made->key_handle = malloc(made->key_handle_len = 32);
    made->public_key = malloc(made->public_key_len = 32);
    RAND_bytes(made->key_handle, 32);
    void *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, made->key_handle, 32);
    EVP_PKEY_get_raw_public_key(key, made->public_key, &made->public_key_len);
    made->signature = calloc(1, made->signature_len = 1);
    *response = made;
    return 0;
}

int sk_sign(uint32_t algorithm, const uint8_t *data, size_t data_len, const char *application,
            const uint8_t *key_handle, size_t key_handle_len, uint8_t flags, const char *pin, void **options,
            struct sk_sign_response **response) {
    unsigned char text[32 + 1 + 4 + 32];
    (void)flags, (void)pin, (void)options;
    if (algorithm != ED25519)
        return FAILED;
    struct sk_sign_response *made = calloc(1, sizeof *made);
    made->flags = access("/tmp/no-touch", F_OK) < 0 ? TOUCHED : 0;
    made->counter = 1;
    SHA256((const unsigned char *)application, strlen(application), text);
    text[32] = made->flags;
    memcpy(text + 33, "\0\0\0\1", 4);
    SHA256(data, data_len, text + 37);
    void *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key_handle, key_handle_len);
    void *context = EVP_MD_CTX_new();
    made->sig_r = malloc(made->sig_r_len = 64);
    if (!EVP_DigestSignInit(context, NULL, NULL, NULL, key) ||
        !EVP_DigestSign(context, made->sig_r, &made->sig_r_len, text, sizeof text))
        return FAILED;
    *response = made;
    return 0;
}

int sk_load_resident_keys(const char *pin, void **options, void ***keys, size_t *count) {
    (void)pin, (void)options, (void)keys, (void)count;
    return FAILED;
}

/* The frames of PROTOCOL.md. Pure: no sockets, no policy. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION 2
#define FRAME_MAX_FACTS 1048576
#define FRAME_MAX 16384
#define FRAME_MAX_CONFIG 65536
#define FRAME_MAX_AUTHORITIES 917504

enum frame_type {
    FRAME_HOST_HELLO = 1,
    FRAME_FACTS = 2,
    FRAME_ANSWER = 3,
    FRAME_CANCEL = 4,
    FRAME_GROUPS = 5,
    FRAME_FORGET = 6,
    FRAME_ENGINE_HELLO = 65,
    FRAME_PROMPT = 66,
    FRAME_STATUS = 67,
    FRAME_LOG = 68,
    FRAME_HEARTBEAT = 69,
    FRAME_VERDICT = 70,
    FRAME_NEEDS = 71,
};

enum frame_tag {
    TAG_VERSION = 1,
    TAG_RELEASE = 2,
    TAG_PROGRAM = 16,
    TAG_SERVICE = 17,
    TAG_USER = 18,
    TAG_RHOST = 19,
    TAG_TTY = 20,
    TAG_RUSER = 21,
    TAG_FLAGS = 22,
    TAG_CALLER_UID = 23,
    TAG_ACCOUNT_NAME = 24,
    TAG_ACCOUNT_UID = 25,
    TAG_ACCOUNT_GECOS = 26,
    TAG_ACCOUNT_ERROR = 27,
    TAG_CALLER_ERROR = 28,
    TAG_CALLER_NAME = 29,
    TAG_CALLER_GECOS = 30,
    TAG_GROUP = 31,
    TAG_GROUPS_ERROR = 32,
    TAG_COMMAND = 33,
    TAG_CONFIG_PATH = 34,
    TAG_CONFIG_TEXT = 35,
    TAG_HOST_NAME = 36,
    TAG_DEADLINE = 37,
    TAG_DUO_USER = 38,
    TAG_ENV_FACTOR = 39,
    TAG_LOGIN_FLAGS = 40,
    TAG_IKEY = 41,
    TAG_SKEY = 42,
    TAG_API_HOST = 43,
    TAG_AUTHORITIES = 44,
    TAG_HTTP_PROXY = 45,
    TAG_HTTPS_TIMEOUT = 46,
    TAG_TLS_VERIFY = 47,
    TAG_TEXT = 48,
    TAG_FAILED = 49,
    TAG_SIGNAL = 50,
    TAG_GROUPS_OF = 51,
    TAG_PRIORITY = 52,
    TAG_CHANNEL = 53,
    TAG_OUTCOME = 54,
    TAG_CODE = 55,
    TAG_ERROR = 57,
    TAG_MOTD = 58,
    TAG_LOGIN_UID = 59,
    TAG_FIELDS = 60,
    TAG_SESSION = 61,
    TAG_AUTH_INFO = 62,
    TAG_CODE_FILE = 63,
};

/* More than the highest tag. */
#define FRAME_TAGS 64

/* A frame that is being written. Starts zeroed. The first failure (memory, length) is kept until frame_end
 * reports it. */
struct frame_writer {
    unsigned char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

void frame_begin(struct frame_writer *writer, enum frame_type type);
void frame_number(struct frame_writer *writer, enum frame_tag tag, uint32_t value);
void frame_bytes(struct frame_writer *writer, enum frame_tag tag, const void *value, size_t length);
/* Omits the field when value is NULL. */
void frame_text(struct frame_writer *writer, enum frame_tag tag, const char *value);
/* Writes the length. False: out of memory, or longer than the type allows. */
bool frame_end(struct frame_writer *writer);
/* Zeroes the content. */
void frame_free(struct frame_writer *writer);

/* One decoded frame of the engine's. Texts point into the reader and are not terminated; absent ones are
 * empty. */
struct frame_text_field {
    const char *data;
    size_t length;
};

struct frame_message {
    enum frame_type type;
    uint32_t numbers[FRAME_TAGS];
    struct frame_text_field texts[FRAME_TAGS];
};

/* The received bytes, at most one frame. Starts zeroed. */
struct frame_reader {
    unsigned char data[4 + FRAME_MAX];
    size_t length;
    size_t used;
};

enum frame_result { FRAME_NONSENSE = -1, FRAME_INCOMPLETE = 0, FRAME_COMPLETE = 1 };

/* Room for bytes from the socket; never 0 after FRAME_INCOMPLETE. */
size_t frame_room(struct frame_reader *reader, unsigned char **room);
/* Reports how many bytes were received. */
void frame_arrived(struct frame_reader *reader, size_t length);
/* Decodes the next frame. The message is valid until the reader is used again. FRAME_NONSENSE: *why has the
 * reason. */
enum frame_result frame_next(struct frame_reader *reader, struct frame_message *message, const char **why);

/* True when a C string is UTF-8. */
bool frame_is_text(const char *value);

/* A text as a C string, to be freed; NULL when out of memory. */
char *frame_dup(const struct frame_text_field *text);

#endif

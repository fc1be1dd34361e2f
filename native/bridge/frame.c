#include "frame.h"

#include <stdlib.h>
#include <string.h>

/* ---- encoding ---- */

static void put_u32(unsigned char *at, uint32_t value) {
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

static uint32_t get_u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

/* A user can have thousands of groups. */
static size_t frame_limit(enum frame_type type) {
    return type == FRAME_FACTS || type == FRAME_GROUPS ? FRAME_MAX_FACTS : FRAME_MAX;
}

/* After a failure there is no room. */
static bool has_room(struct frame_writer *writer, size_t more) {
    writer->failed = writer->failed || writer->data == NULL || more > writer->capacity - writer->length;
    return !writer->failed;
}

void frame_begin(struct frame_writer *writer, enum frame_type type) {
    frame_free(writer);
    /* Doubles the memory in one step and zeroes the old copy, which can hold skey. */
    writer->capacity = 4 + (frame_limit(type));
    writer->data = malloc(writer->capacity);
    if (!has_room(writer, 5))
        return;
    writer->data[4] = (unsigned char)type;
    writer->length = 5;
}

void frame_bytes(struct frame_writer *writer, enum frame_tag tag, const void *value, size_t length) {
    if (!has_room(writer, 5 + length))
        return;
    unsigned char *at = writer->data + writer->length;
    at[0] = (unsigned char)tag;
    put_u32(at + 1, (uint32_t)length);
    if (length > 0)
        memcpy(at + 5, value, length);
    writer->length += 5 + length;
}

void frame_number(struct frame_writer *writer, enum frame_tag tag, uint32_t value) {
    unsigned char bytes[4];
    put_u32(bytes, value);
    frame_bytes(writer, tag, bytes, sizeof bytes);
}

void frame_text(struct frame_writer *writer, enum frame_tag tag, const char *value) {
    if (value != NULL)
        frame_bytes(writer, tag, value, strlen(value));
}

bool frame_end(struct frame_writer *writer) {
    if (!has_room(writer, 0))
        return false;
    put_u32(writer->data, (uint32_t)writer->length - 4);
    return true;
}

void frame_free(struct frame_writer *writer) {
    if (writer->data != NULL) {
        explicit_bzero(writer->data, writer->length);
        free(writer->data);
    }
    memset(writer, 0, sizeof *writer);
}

/* ---- decoding ---- */

size_t frame_room(struct frame_reader *reader, unsigned char **room) {
    if (reader->used > 0) {
        reader->length -= reader->used;
        memmove(reader->data, reader->data + reader->used, reader->length);
        reader->used = 0;
    }
    *room = reader->data + reader->length;
    return sizeof reader->data - reader->length;
}

void frame_arrived(struct frame_reader *reader, size_t length) {
    reader->length += length;
}

/* Well-formed UTF-8 as RFC 3629 has it, without NUL. */
static bool is_text(const unsigned char *at, size_t length) {
    const unsigned char *end = at + length;
    while (at < end) {
        unsigned char lead = *at++;
        if (lead == 0)
            return false;
        if (lead < 0x80)
            continue;
        size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < more)
            return false;
        if ((lead == 0xe0 && at[0] < 0xa0) || (lead == 0xed && at[0] > 0x9f) ||
            (lead == 0xf0 && at[0] < 0x90) || (lead == 0xf4 && at[0] > 0x8f))
            return false;
        for (size_t i = 0; i < more; i++) {
            if ((*at++ & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

#define BIT(tag) ((uint64_t)1 << (tag))

/* Fields with a number; all others have a text. */
#define NUMBERS                                                                                              \
    (BIT(TAG_VERSION) | BIT(TAG_GROUPS_OF) | BIT(TAG_PRIORITY) | BIT(TAG_CHANNEL) | BIT(TAG_OUTCOME) |       \
     BIT(TAG_CODE) | BIT(TAG_MOTD))

/* The engine's frames, with their required and optional fields. */
static const struct shape {
    uint64_t required;
    uint64_t optional;
} shapes[] = {
    [FRAME_ENGINE_HELLO] = {BIT(TAG_VERSION), BIT(TAG_RELEASE)},
    [FRAME_PROMPT] = {BIT(TAG_TEXT), 0},
    [FRAME_STATUS] = {BIT(TAG_TEXT), 0},
    [FRAME_LOG] = {BIT(TAG_PRIORITY) | BIT(TAG_TEXT) | BIT(TAG_CHANNEL), BIT(TAG_FIELDS)},
    [FRAME_HEARTBEAT] = {0, 0},
    [FRAME_VERDICT] = {BIT(TAG_OUTCOME) | BIT(TAG_CODE) | BIT(TAG_ERROR), BIT(TAG_MOTD) | BIT(TAG_CODE_FILE)},
    [FRAME_NEEDS] = {BIT(TAG_GROUPS_OF), 0},
};

/* NULL, or the reason. */
static const char *read_fields(struct frame_message *message, const unsigned char *at,
                               const unsigned char *end) {
    const struct shape *shape = &shapes[message->type];
    uint64_t seen = 0;
    while (at < end) {
        if (end - at < 5)
            return "a field runs past its frame";
        unsigned char tag = at[0];
        uint32_t length = get_u32(at + 1);
        at += 5;
        if (length > (size_t)(end - at))
            return "a field runs past its frame";
        if (tag >= FRAME_TAGS || ((shape->required | shape->optional) & BIT(tag)) == 0)
            return "a field that does not belong to its frame";
        if (seen & BIT(tag))
            return "a repeated field";
        seen |= BIT(tag);
        if ((NUMBERS & BIT(tag)) == 0) {
            if (!is_text(at, length))
                return "a text that is not UTF-8";
            message->texts[tag] = (struct frame_text_field){(const char *)at, length};
        } else {
            if (length != 4)
                return "a number that is not 32 bits long";
            message->numbers[tag] = get_u32(at);
        }
        at += length;
    }
    return (seen & shape->required) == shape->required ? NULL : "a frame without a required field";
}

enum frame_result frame_next(struct frame_reader *reader, struct frame_message *message, const char **why) {
    const unsigned char *at = reader->data + reader->used;
    size_t held = reader->length - reader->used;
    memset(message, 0, sizeof *message);
    *why = NULL;
    if (held < 4)
        return FRAME_INCOMPLETE;
    uint32_t length = get_u32(at);
    if (length == 0)
        *why = "an empty frame";
    else if (length > FRAME_MAX)
        *why = "a frame that is too long";
    else if (held > 4 && (at[4] < FRAME_ENGINE_HELLO || at[4] > FRAME_NEEDS))
        *why = "a frame of unknown type";
    if (*why != NULL)
        return FRAME_NONSENSE;
    if (held - 4 < length)
        return FRAME_INCOMPLETE;
    message->type = (enum frame_type)at[4];
    *why = read_fields(message, at + 5, at + 4 + length);
    reader->used += 4 + length;
    return *why == NULL ? FRAME_COMPLETE : FRAME_NONSENSE;
}

bool frame_is_text(const char *value) {
    return is_text((const unsigned char *)value, strlen(value));
}

char *frame_dup(const struct frame_text_field *text) {
    return text->length == 0 ? strdup("") : strndup(text->data, text->length);
}

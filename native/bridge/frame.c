#include "frame.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static void put_u32(unsigned char *at, uint32_t value) {
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

static uint32_t get_u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
}

/* Grows into fresh memory, so that what was there (it can hold skey) is zeroed and not left to the heap. */
static bool writer_reserve(struct frame_writer *writer, size_t more) {
    if (writer->failed)
        return false;
    if (more > FRAME_MAX_FACTS + 4 - writer->length) {
        writer->failed = true;
        return false;
    }
    size_t needed = writer->length + more;
    if (needed <= writer->capacity)
        return true;
    size_t capacity = writer->capacity == 0 ? 1024 : writer->capacity;
    while (capacity < needed)
        capacity *= 2;
    unsigned char *data = malloc(capacity);
    if (data == NULL) {
        writer->failed = true;
        return false;
    }
    if (writer->data != NULL) {
        memcpy(data, writer->data, writer->length);
        explicit_bzero(writer->data, writer->capacity);
        free(writer->data);
    }
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

void frame_begin(struct frame_writer *writer, enum frame_type type) {
    frame_free(writer);
    if (!writer_reserve(writer, 5))
        return;
    put_u32(writer->data, 0);
    writer->data[4] = (unsigned char)type;
    writer->length = 5;
}

void frame_bytes(struct frame_writer *writer, enum frame_tag tag, const void *value, size_t length) {
    if (length > FRAME_MAX_FACTS)
        writer->failed = true;
    if (!writer_reserve(writer, 5 + length))
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
    if (writer->failed || writer->length < 5)
        return false;
    size_t limit = writer->data[4] == FRAME_FACTS ? FRAME_MAX_FACTS : FRAME_MAX;
    size_t length = writer->length - 4;
    if (length > limit)
        return false;
    put_u32(writer->data, (uint32_t)length);
    return true;
}

void frame_free(struct frame_writer *writer) {
    if (writer->data != NULL) {
        explicit_bzero(writer->data, writer->capacity);
        free(writer->data);
    }
    memset(writer, 0, sizeof *writer);
}

/* ---- reading ---- */

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

/* Where a field of this frame goes: exactly one of the two, or neither when the type has no such tag. */
struct place {
    uint32_t *number;
    struct frame_text_field *text;
};

static struct place place_of(struct frame_message *message, unsigned char tag) {
    const struct place nowhere = {NULL, NULL};
    switch (message->type) {
    case FRAME_ENGINE_HELLO:
        if (tag == TAG_VERSION)
            return (struct place){&message->version, NULL};
        if (tag == TAG_RELEASE)
            return (struct place){NULL, &message->release};
        return nowhere;
    case FRAME_PROMPT:
        if (tag == TAG_ECHO)
            return (struct place){&message->echo, NULL};
        if (tag == TAG_TEXT)
            return (struct place){NULL, &message->text};
        return nowhere;
    case FRAME_STATUS:
        if (tag == TAG_TEXT)
            return (struct place){NULL, &message->text};
        return nowhere;
    case FRAME_LOG:
        if (tag == TAG_PRIORITY)
            return (struct place){&message->priority, NULL};
        if (tag == TAG_CHANNEL)
            return (struct place){&message->channel, NULL};
        if (tag == TAG_TEXT)
            return (struct place){NULL, &message->text};
        return nowhere;
    case FRAME_VERDICT:
        if (tag == TAG_OUTCOME)
            return (struct place){&message->outcome, NULL};
        if (tag == TAG_CODE)
            return (struct place){&message->code, NULL};
        if (tag == TAG_MOTD)
            return (struct place){&message->motd, NULL};
        if (tag == TAG_STAGE)
            return (struct place){NULL, &message->stage};
        if (tag == TAG_ERROR)
            return (struct place){NULL, &message->error};
        return nowhere;
    case FRAME_HEARTBEAT:
    default:
        return nowhere;
    }
}

static bool is_engine_type(unsigned char type) {
    return type >= FRAME_ENGINE_HELLO && type <= FRAME_VERDICT;
}

/* Which fields a type must have, as bits of (tag - 48), HELLO's apart. */
#define BIT(tag) ((uint32_t)1 << ((tag)-TAG_TEXT))

static bool has_all(enum frame_type type, uint64_t seen) {
    uint32_t fields = (uint32_t)(seen >> TAG_TEXT);
    uint32_t wanted = 0;
    if (type == FRAME_ENGINE_HELLO)
        return (seen & ((uint64_t)1 << TAG_VERSION)) != 0;
    if (type == FRAME_PROMPT)
        wanted = BIT(TAG_TEXT) | BIT(TAG_ECHO);
    else if (type == FRAME_STATUS)
        wanted = BIT(TAG_TEXT);
    else if (type == FRAME_LOG)
        wanted = BIT(TAG_PRIORITY) | BIT(TAG_TEXT) | BIT(TAG_CHANNEL);
    else if (type == FRAME_VERDICT)
        wanted = BIT(TAG_OUTCOME) | BIT(TAG_CODE) | BIT(TAG_STAGE) | BIT(TAG_ERROR);
    return (fields & wanted) == wanted;
}

static const char *read_fields(struct frame_message *message, const unsigned char *at,
                               const unsigned char *end) {
    uint64_t seen = 0;
    while (at < end) {
        if (end - at < 5)
            return "a field runs past its frame";
        unsigned char tag = at[0];
        uint32_t length = get_u32(at + 1);
        at += 5;
        if (length > (size_t)(end - at))
            return "a field runs past its frame";
        struct place place = place_of(message, tag);
        if (place.number == NULL && place.text == NULL)
            return "a field that its frame does not have";
        if (seen & ((uint64_t)1 << tag))
            return "a field that stands twice";
        seen |= (uint64_t)1 << tag;
        if (place.number != NULL) {
            if (length != 4)
                return "a number that is no 32-bit number";
            *place.number = get_u32(at);
        } else {
            if (!is_text(at, length))
                return "a text that is no text";
            *place.text = (struct frame_text_field){(const char *)at, length, true};
        }
        at += length;
    }
    return has_all(message->type, seen) ? NULL : "a frame that lacks a field";
}

enum frame_result frame_next(struct frame_reader *reader, struct frame_message *message, const char **why) {
    const unsigned char *at = reader->data + reader->used;
    size_t held = reader->length - reader->used;
    memset(message, 0, sizeof *message);
    *why = NULL;
    if (held < 4)
        return FRAME_INCOMPLETE;
    uint32_t length = get_u32(at);
    if (length == 0) {
        *why = "an empty frame";
        return FRAME_NONSENSE;
    }
    if (length > FRAME_MAX) {
        *why = "a frame that is too long";
        return FRAME_NONSENSE;
    }
    if (held > 4 && !is_engine_type(at[4])) {
        *why = "a frame of unknown type";
        return FRAME_NONSENSE;
    }
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
    char *copy = malloc(text->length + 1);
    if (copy == NULL)
        return NULL;
    if (text->length > 0)
        memcpy(copy, text->data, text->length);
    copy[text->length] = '\0';
    return copy;
}

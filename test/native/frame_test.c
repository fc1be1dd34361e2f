/* frame.c with test/fixtures/frames, which the TypeScript tests read too: frame_test DIRECTORY */
#include "frame.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "facts.h"

int check_failures = 0;

#define MAX_BYTES 4096

struct field {
    unsigned tag;
    unsigned char value[MAX_BYTES];
    size_t length;
};

struct fixture {
    unsigned type;
    bool from_engine;
    struct field fields[32];
    size_t field_count;
    unsigned char frame[MAX_BYTES];
    size_t length;
};

static size_t from_hex(const char *text, unsigned char *bytes) {
    size_t length = 0;
    unsigned byte;
    if (text[0] == '-')
        return 0;
    while (length < MAX_BYTES && sscanf(text + 2 * length, "%2x", &byte) == 1)
        bytes[length++] = (unsigned char)byte;
    return length;
}

static bool read_fixture(const char *path, struct fixture *fixture) {
    static char line[4 * MAX_BYTES];
    FILE *file = fopen(path, "re");
    memset(fixture, 0, sizeof *fixture);
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "type %u", &fixture->type) == 1)
            fixture->from_engine = fixture->type >= 64;
        else if (strncmp(line, "from engine", 11) == 0)
            fixture->from_engine = true;
        else if (strncmp(line, "frame ", 6) == 0)
            fixture->length = from_hex(line + 6, fixture->frame);
        else if (fixture->field_count < 32 &&
                 sscanf(line, "field %u %n", &fixture->fields[fixture->field_count].tag, &at) == 1) {
            struct field *field = &fixture->fields[fixture->field_count++];
            field->length = from_hex(line + at, field->value);
        }
    }
    fclose(file);
    return fixture->length > 0;
}

/* Passes the bytes one by one, as a socket may deliver them. */
static enum frame_result feed(struct frame_reader *reader, const unsigned char *bytes, size_t length,
                              struct frame_message *message, const char **why) {
    enum frame_result result = FRAME_INCOMPLETE;
    for (size_t i = 0; i < length && result == FRAME_INCOMPLETE; i++) {
        unsigned char *room;
        if (frame_room(reader, &room) == 0) {
            CHECK(false, "no room after %zu bytes", i);
            return FRAME_NONSENSE;
        }
        *room = bytes[i];
        frame_arrived(reader, 1);
        result = frame_next(reader, message, why);
    }
    return result;
}

static bool text_is(const struct frame_text_field *text, const struct field *field) {
    return text->length == field->length && memcmp(text->data, field->value, field->length) == 0;
}

static uint32_t number_of(const struct field *field) {
    return (uint32_t)field->value[0] << 24 | (uint32_t)field->value[1] << 16 |
           (uint32_t)field->value[2] << 8 | field->value[3];
}

static bool field_is(const struct frame_message *message, const struct field *field) {
    switch (field->tag) {
    case TAG_RELEASE:
    case TAG_TEXT:
    case TAG_ERROR:
    case TAG_CODE_FILE:
        return text_is(&message->texts[field->tag], field);
    default:
        return field->tag < FRAME_TAGS && field->length == 4 &&
               message->numbers[field->tag] == number_of(field);
    }
}

static void check_good(const char *path, const struct fixture *fixture) {
    if (fixture->from_engine) {
        struct frame_reader *reader = calloc(1, sizeof *reader);
        struct frame_message message;
        const char *why = NULL;
        enum frame_result result = feed(reader, fixture->frame, fixture->length, &message, &why);
        CHECK(result == FRAME_COMPLETE, "%s: %s", path, why == NULL ? "incomplete" : why);
        CHECK(message.type == fixture->type, "%s", path);
        for (size_t i = 0; i < fixture->field_count; i++)
            CHECK(field_is(&message, &fixture->fields[i]), "%s: tag %u", path, fixture->fields[i].tag);
        free(reader);
        return;
    }
    struct frame_writer writer = {0};
    frame_begin(&writer, (enum frame_type)fixture->type);
    for (size_t i = 0; i < fixture->field_count; i++)
        frame_bytes(&writer, (enum frame_tag)fixture->fields[i].tag, fixture->fields[i].value,
                    fixture->fields[i].length);
    CHECK(frame_end(&writer), "%s", path);
    CHECK(writer.length == fixture->length && memcmp(writer.data, fixture->frame, fixture->length) == 0, "%s",
          path);
    frame_free(&writer);
}

static void check_nonsense(const char *path, const struct fixture *fixture) {
    struct frame_reader *reader = calloc(1, sizeof *reader);
    struct frame_message message;
    const char *why = NULL;
    if (fixture->from_engine) {
        CHECK(feed(reader, fixture->frame, fixture->length, &message, &why) == FRAME_NONSENSE, "%s", path);
        CHECK(why != NULL, "%s: nothing says what is wrong", path);
    }
    free(reader);
}

static size_t check_directory(const char *directory, void (*check)(const char *, const struct fixture *)) {
    static struct fixture fixture;
    size_t count = 0;
    DIR *open = opendir(directory);
    struct dirent *entry;
    while (open != NULL && (entry = readdir(open)) != NULL) {
        char path[4096];
        const char *suffix = strrchr(entry->d_name, '.');
        if (suffix == NULL || strcmp(suffix, ".frame") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        CHECK(read_fixture(path, &fixture), "%s can't be read", path);
        check(path, &fixture);
        count++;
    }
    if (open != NULL)
        closedir(open);
    return count;
}

/* Two frames in one read, and one frame in two reads. */
static void check_stream(void) {
    static const unsigned char bytes[] = {0, 0, 0, 1, 69, 0, 0, 0, 6, 67, 48, 0, 0, 0, 0, 0, 0};
    struct frame_reader *reader = calloc(1, sizeof *reader);
    struct frame_message message;
    const char *why;
    unsigned char *room;
    CHECK(frame_room(reader, &room) >= sizeof bytes, "too little room");
    memcpy(room, bytes, sizeof bytes);
    frame_arrived(reader, sizeof bytes);
    CHECK(frame_next(reader, &message, &why) == FRAME_COMPLETE && message.type == FRAME_HEARTBEAT, "first");
    CHECK(frame_next(reader, &message, &why) == FRAME_COMPLETE && message.type == FRAME_STATUS, "second");
    CHECK(frame_next(reader, &message, &why) == FRAME_INCOMPLETE, "third");
    free(reader);
}

static void check_limits(void) {
    struct frame_writer writer = {0};
    char *long_text = malloc(FRAME_MAX_FACTS + 2);
    memset(long_text, 'a', FRAME_MAX_FACTS + 1);
    long_text[FRAME_MAX_FACTS + 1] = '\0';
    frame_begin(&writer, FRAME_FACTS);
    frame_text(&writer, TAG_CONFIG_TEXT, long_text);
    CHECK(!frame_end(&writer), "FACTS that are too long");
    long_text[FRAME_MAX] = '\0';
    frame_begin(&writer, FRAME_ANSWER);
    frame_text(&writer, TAG_TEXT, long_text);
    CHECK(!frame_end(&writer), "an ANSWER that is too long");
    frame_begin(&writer, FRAME_FACTS);
    frame_text(&writer, TAG_CONFIG_TEXT, long_text);
    CHECK(frame_end(&writer), "the same in FACTS");
    frame_free(&writer);
    CHECK(writer.data == NULL, "freed");
    free(long_text);
}

/*
 * Any input is a frame, a violation or incomplete. The sequence is fixed, so that a failure is
 * reproducible.
 */
static void check_noise(void) {
    uint32_t state = 1;
    struct frame_reader *reader = malloc(sizeof *reader);
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[64];
        struct frame_message message;
        const char *why;
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (unsigned char)(state >> 24);
        }
        bytes[0] = bytes[1] = bytes[2] = 0;
        bytes[3] &= 0x3f;
        bytes[4] = (unsigned char)(65 + bytes[4] % 7);
        memset(reader, 0, sizeof *reader);
        (void)feed(reader, bytes, sizeof bytes, &message, &why);
    }
    free(reader);
}

/* The ids of the caller, from the process and from the kernel. */
static void check_caller(void) {
    struct frame_writer frame = {0};
    struct bridge_facts facts = {.program = "pam", .service = "sudo", .user = "alice", .host_name = "host"};
    static const unsigned char ruser[] = {TAG_RUSER, 0, 0, 0, 4, 'b', 'e', 'r', 't'};
    static const unsigned char session[] = {TAG_SESSION, 0, 0, 0, 4, 0, 0, 0, 9};
    static const unsigned char auth_info[] = {TAG_AUTH_INFO, 0, 0, 0, 2, 'p', '\n'};
    static const unsigned char flags[] = {TAG_FLAGS, 0, 0, 0, 4, 0, 0, 0, 4};
    static const unsigned char login_uid[] = {TAG_LOGIN_UID, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff};
    for (int known = 0; known < 2; known++) {
        facts.ruser = known ? "bert" : NULL;
        facts.login_uid_known = known != 0;
        facts.login_uid = UINT32_MAX;
        facts.session_known = known != 0;
        facts.session = 9;
        facts.auth_info = known ? "p\n" : NULL;
        facts.passed_before = known != 0;
        facts_put(&frame, &facts, 1000);
        CHECK(frame_end(&frame), "%zu bytes", frame.length);
        CHECK((memmem(frame.data, frame.length, ruser, sizeof ruser) != NULL) == (known != 0), "ruser");
        CHECK((memmem(frame.data, frame.length, login_uid, sizeof login_uid) != NULL) == (known != 0),
              "login_uid");
        CHECK((memmem(frame.data, frame.length, session, sizeof session) != NULL) == (known != 0), "session");
        CHECK((memmem(frame.data, frame.length, auth_info, sizeof auth_info) != NULL) == (known != 0),
              "auth_info");
        CHECK((memmem(frame.data, frame.length, flags, sizeof flags) != NULL) == (known != 0), "flags");
    }
    frame_free(&frame);
}

/* sudo with all files of a large directory on its command line must work. */
static void check_long_command(void) {
    static const char character[] = "\xe2\x82\xac";
    const size_t length = 3 * 500000;
    char *command = malloc(length + 1);
    struct frame_writer frame = {0};
    if (command == NULL)
        abort();
    for (size_t i = 0; i < length; i++)
        command[i] = character[i % 3];
    command[length] = '\0';
    const struct bridge_facts facts = {
        .program = "pam", .service = "sudo", .user = "alice", .host_name = "host", .command = command};
    facts_put(&frame, &facts, 1000);
    CHECK(frame_end(&frame), "%zu bytes", frame.length);
    const unsigned char *sent = memmem(frame.data, frame.length, character, 3);
    size_t kept = 0;
    while (sent != NULL && sent + kept < frame.data + frame.length && sent[kept] >= 0x80)
        kept++;
    CHECK(kept >= 20000 && kept % 3 == 0, "%zu bytes", kept);
    frame_free(&frame);
    free(command);
}

int main(int argc, char **argv) {
    char nonsense[4096];
    if (argc != 2)
        return 2;
    snprintf(nonsense, sizeof nonsense, "%s/nonsense", argv[1]);
    CHECK(check_directory(argv[1], check_good) >= 10, "too few fixtures in %s", argv[1]);
    CHECK(check_directory(nonsense, check_nonsense) >= 20, "too few fixtures in %s", nonsense);
    check_stream();
    check_limits();
    check_noise();
    check_long_command();
    check_caller();
    return check_failures == 0 ? 0 : 1;
}

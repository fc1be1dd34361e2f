/*
 * A program that asks Duo for a second factor, in C and in C++:
 *
 * cc -o login login.c $(pkg-config --cflags --libs duo_ts)
 * c++ -o login -x c++ login.c -x none $(pkg-config --cflags --libs duo_ts)
 *
 * login [-as] [-c command] [-f cafile] [-i client_ip] APPLICATION USERNAME
 *
 * APPLICATION is a file with three words: API host, ikey and skey. They are in a file because every user
 * can read command lines. -a is DUO_FLAG_AUTO, -s is DUO_FLAG_SYNC. The exit status is the duo_code_t.
 */
#include <duo.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct application {
    char host[256];
    char ikey[64];
    char skey[64];
};

static int read_application(const char *path, struct application *application) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    int words = fscanf(file, "%255s %63s %63s", application->host, application->ikey, application->skey);
    fclose(file);
    return words == 3;
}

static int usage(void) {
    fprintf(stderr, "usage: login [-as] [-c command] [-f cafile] [-i client_ip] APPLICATION USERNAME\n");
    return DUO_CLIENT_ERROR;
}

int main(int argc, char **argv) {
    struct application application;
    const char *command = NULL;
    const char *cafile = NULL;
    const char *client_ip = NULL;
    int flags = 0;
    int option;

    while ((option = getopt(argc, argv, "asc:f:i:")) != -1) {
        switch (option) {
        case 'a':
            flags |= DUO_FLAG_AUTO;
            break;
        case 's':
            flags |= DUO_FLAG_SYNC;
            break;
        case 'c':
            command = optarg;
            break;
        case 'f':
            cafile = optarg;
            break;
        case 'i':
            client_ip = optarg;
            break;
        default:
            return usage();
        }
    }
    if (argc - optind != 2)
        return usage();
    if (!read_application(argv[optind], &application)) {
        fprintf(stderr, "%s: not an API host, an ikey and an skey\n", argv[optind]);
        return DUO_CLIENT_ERROR;
    }

    duo_t *duo = duo_open(application.ikey, application.skey, "example/1.0", cafile);
    explicit_bzero(application.skey, sizeof application.skey);
    if (duo == NULL) {
        fprintf(stderr, "no Duo API handle: %s\n", strerror(errno));
        return DUO_LIB_ERROR;
    }
    duo_set_host(duo, application.host);

    duo_code_t code = duo_login(duo, argv[optind + 1], client_ip, flags, command);
    if (code == DUO_OK)
        printf("Welcome, %s.\n", argv[optind + 1]);
    else
        fprintf(stderr, "No entry: %s\n", duo_geterr(duo));
    duo_close(duo);
    return (int)code;
}

/* Makes one call of the C library go wrong, on files below given folders: for tests, by LD_PRELOAD.

   fault_arm(call, number, mode, error, folders) lets the number-th such call, counted from 1, fail, answer with an
   error after it was done, be short, or kill the process. Number 0 only counts. fault_counts tells how many there
   were. fsync and fdatasync do nothing: power cuts are not what is tried here, and a trial takes a tenth of the time.
   The names and the order of the calls are those of CALLS in injector.py. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum call { RENAME, RENAMEAT2, LINK, SYMLINK, UNLINK, MKDIR, RMDIR, OPEN, OPENDIR, STAT, READ, WRITE, COPY, TRUNCATE,
            UTIME, FSYNC, FLOCK, CLOSE, NUM_CALLS };
enum mode { FAIL, DONE_THEN_ERROR, SHORT, KILL_BEFORE, KILL_AFTER };
enum { LONGEST = 4096, MOST_FOLDERS = 8 };

static struct { int call, number, mode, error; } armed = {-1, 0, 0, 0};
static int counts[NUM_CALLS];
static char folders[MOST_FOLDERS][LONGEST];
static int num_folders;

void fault_arm(int call, int number, int mode, int error, const char *below) {
    num_folders = 0;
    for (const char *end; *below && num_folders < MOST_FOLDERS; below = *end ? end + 1 : end) {
        end = strchrnul(below, '\n');
        snprintf(folders[num_folders++], LONGEST, "%.*s", (int)(end - below), below);
    }
    memset(counts, 0, sizeof counts);
    armed.call = call, armed.number = number, armed.mode = mode, armed.error = error;
}

void fault_counts(int *found) { memcpy(found, counts, sizeof counts); }

static int is_below(const char *path) {
    if (path)
        for (int i = 0; i < num_folders; i++)
            if (!strncmp(path, folders[i], strlen(folders[i])))
                return 1;
    return 0;
}

static int is_open_below(int file) {
    char name[64], path[LONGEST];
    int before = errno;
    if (!num_folders)
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    errno = before;
    return length > 0 && (path[length] = 0, is_below(path));
}

static int is_at_below(int folder, const char *path) {
    return is_below(path) || (path && path[0] != '/' && folder != AT_FDCWD && is_open_below(folder));
}

static int goes_wrong(enum call call) {
    counts[call]++;
    return armed.call == (int)call && counts[call] == armed.number;
}

static void die(void) {
    for (;;)
        kill(getpid(), SIGKILL);
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* What a call answers: `done` does it, `half` does half of it, `failed` is its answer for an error. */
#define ANSWER(call, concerned, type, done, half, failed) \
    do { \
        if (!((concerned) && goes_wrong(call))) \
            return done; \
        if (armed.mode == KILL_BEFORE) \
            die(); \
        if (armed.mode == SHORT) \
            return half; \
        if (armed.mode != FAIL) { \
            type answer = done; \
            (void)answer; \
        } \
        if (armed.mode == KILL_AFTER) \
            die(); \
        errno = armed.error; \
        return failed; \
    } while (0)
#define ANSWER_INT(call, concerned, done) ANSWER(call, concerned, int, done, done, -1)
#define SOME(size) ((size) > 1 ? (size) / 2 : (size))

int rename(const char *from, const char *to) {
    REAL(rename);
    ANSWER_INT(RENAME, is_below(from) || is_below(to), real(from, to));
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2);
    ANSWER_INT(RENAMEAT2, is_below(from) || is_below(to), real(a, from, b, to, flags));
}
int link(const char *from, const char *to) {
    REAL(link);
    ANSWER_INT(LINK, is_below(from) || is_below(to), real(from, to));
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(linkat);
    ANSWER_INT(LINK, is_at_below(a, from) || is_at_below(b, to), real(a, from, b, to, flags));
}
int symlink(const char *content, const char *path) {
    REAL(symlink);
    ANSWER_INT(SYMLINK, is_below(path), real(content, path));
}
int unlink(const char *path) {
    REAL(unlink);
    ANSWER_INT(UNLINK, is_below(path), real(path));
}
int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    ANSWER_INT(UNLINK, is_at_below(folder, path), real(folder, path, flags));
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    ANSWER_INT(MKDIR, is_below(path), real(path, mode));
}
int rmdir(const char *path) {
    REAL(rmdir);
    ANSWER_INT(RMDIR, is_below(path), real(path));
}

/* An open file that is answered with an error is closed, as nobody else could. */
static int closed(int file) {
    REAL(close);
    return file < 0 ? file : real(file);
}
#define IS_MADE(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)
#define OPENS(concerned, arguments) \
    REAL_OPEN; \
    mode_t mode = 0; \
    if (IS_MADE(flags)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    } \
    if (!(concerned) || !goes_wrong(OPEN)) \
        return real arguments; \
    if (armed.mode == KILL_BEFORE) \
        die(); \
    if (armed.mode != FAIL) \
        closed(real arguments); \
    if (armed.mode == KILL_AFTER) \
        die(); \
    errno = armed.error; \
    return -1
#define REAL_OPEN REAL(open)
int open(const char *path, int flags, ...) { OPENS(is_below(path), (path, flags, mode)); }
#undef REAL_OPEN
#define REAL_OPEN REAL(open64)
int open64(const char *path, int flags, ...) { OPENS(is_below(path), (path, flags, mode)); }
#undef REAL_OPEN
#define REAL_OPEN REAL(openat)
int openat(int folder, const char *path, int flags, ...) {
    OPENS(is_at_below(folder, path), (folder, path, flags, mode));
}
#undef REAL_OPEN
#define REAL_OPEN REAL(openat64)
int openat64(int folder, const char *path, int flags, ...) {
    OPENS(is_at_below(folder, path), (folder, path, flags, mode));
}
DIR *opendir(const char *path) {
    REAL(opendir);
    ANSWER(OPENDIR, is_below(path), DIR *, real(path), real(path), NULL);
}

#define STATS(name, kind) \
    int name(const char *path, struct kind *found) { \
        REAL(name); \
        ANSWER_INT(STAT, is_below(path), real(path, found)); \
    }
STATS(stat, stat)
STATS(stat64, stat64)
STATS(lstat, stat)
STATS(lstat64, stat64)
#define STATS_AT(name, kind) \
    int name(int folder, const char *path, struct kind *found, int flags) { \
        REAL(name); \
        ANSWER_INT(STAT, is_at_below(folder, path), real(folder, path, found, flags)); \
    }
STATS_AT(fstatat, stat)
STATS_AT(fstatat64, stat64)
#define STATS_FILE(name, kind) \
    int name(int file, struct kind *found) { \
        REAL(name); \
        ANSWER_INT(STAT, is_open_below(file), real(file, found)); \
    }
STATS_FILE(fstat, stat)
STATS_FILE(fstat64, stat64)

ssize_t read(int file, void *bytes, size_t size) {
    REAL(read);
    ANSWER(READ, is_open_below(file), ssize_t, real(file, bytes, size), real(file, bytes, SOME(size)), -1);
}
ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write);
    ANSWER(WRITE, is_open_below(file), ssize_t, real(file, bytes, size), real(file, bytes, SOME(size)), -1);
}
#define READS_AT(name, offset_kind) \
    ssize_t name(int file, void *bytes, size_t size, offset_kind at) { \
        REAL(name); \
        ANSWER(READ, is_open_below(file), ssize_t, real(file, bytes, size, at), real(file, bytes, SOME(size), at), -1); \
    }
READS_AT(pread, off_t)
READS_AT(pread64, off64_t)
#define WRITES_AT(name, offset_kind) \
    ssize_t name(int file, const void *bytes, size_t size, offset_kind at) { \
        REAL(name); \
        ANSWER(WRITE, is_open_below(file), ssize_t, real(file, bytes, size, at), real(file, bytes, SOME(size), at), -1); \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real)
        real = (ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile");
    ANSWER(COPY, is_open_below(to), ssize_t, real(to, from, at, size), real(to, from, at, SOME(size)), -1);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real)
        real = (ssize_t(*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
    ANSWER(COPY, is_open_below(to), ssize_t, real(to, from, at, size), real(to, from, at, SOME(size)), -1);
}
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
    REAL(copy_file_range);
    ANSWER(COPY, is_open_below(to), ssize_t, real(from, a, to, b, size, flags),
           real(from, a, to, b, SOME(size), flags), -1);
}

int ftruncate(int file, off_t size) {
    REAL(ftruncate);
    ANSWER_INT(TRUNCATE, is_open_below(file), real(file, size));
}
int ftruncate64(int file, off64_t size) {
    REAL(ftruncate64);
    ANSWER_INT(TRUNCATE, is_open_below(file), real(file, size));
}
int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    REAL(utimensat);
    ANSWER_INT(UTIME, is_at_below(folder, path), real(folder, path, times, flags));
}
int futimens(int file, const struct timespec times[2]) {
    REAL(futimens);
    ANSWER_INT(UTIME, is_open_below(file), real(file, times));
}
int fsync(int file) { ANSWER_INT(FSYNC, is_open_below(file), 0); }
int fdatasync(int file) { ANSWER_INT(FSYNC, is_open_below(file), 0); }
int flock(int file, int operation);
int flock(int file, int operation) {
    REAL(flock);
    ANSWER_INT(FLOCK, is_open_below(file), real(file, operation));
}
int close(int file) {
    REAL(close);
    int concerned = is_open_below(file);
    ANSWER_INT(CLOSE, concerned, real(file));
}

/* Stands before the system's calls, in a process started with LD_PRELOAD: the n-th of them on files below a folder
   fails or ends the process, and the clock on the wall says something else. It sees what Rust and C do as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, KILL, HALF_KILL, NO_SPACE, IO_WRITE, IO_FSYNC, IO_RENAME };
enum { WRITE = 1, FSYNC = 2, RENAME = 4, MAKE = 8, REMOVE = 16 };

static long at, count, synced_again, looks, offset_seconds, drift_seconds;
static int what;
static char below[PATH_MAX];
static struct stat failed;
static int has_failed;

void shim_arm(long number, int kind, const char *folder) {
    at = number, what = kind, count = synced_again = has_failed = 0;
    strncpy(below, folder, sizeof below - 1);
}
long shim_count(void) { return count; }
long shim_synced_again(void) { return synced_again; }
void shim_clock(long offset, long drift) { offset_seconds = offset, drift_seconds = drift, looks = 0; }

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int under(const char *path) { return *below && !strncmp(path, below, strlen(below)); }

static int of_descriptor(int descriptor) {
    char name[64], path[PATH_MAX] = "";
    int saved = errno;
    if (!*below) return 0;
    strcpy(name, "/proc/self/fd/");
    char digits[16]; int n = 0, d = descriptor;
    do digits[n++] = '0' + d % 10; while (d /= 10);
    for (char *end = name + strlen(name); n; *end++ = digits[--n], *end = 0);
    ssize_t length = readlink(name, path, sizeof path - 1);
    errno = saved;
    return length > 0 && under(path);
}

static int of_path(int folder, const char *path) { return *path == '/' ? under(path) : of_descriptor(folder); }

/* Whether this call is the one: then errno is set, or the process is gone. */
static int struck(int kind) {
    static const int meant[] = {0, WRITE | FSYNC | RENAME | MAKE | REMOVE, WRITE, WRITE | RENAME | MAKE, WRITE, FSYNC,
                                RENAME};
    if (!what || !(meant[what] & kind) || ++count != at) return 0;
    if (what == KILL) kill(getpid(), SIGKILL);
    errno = what == NO_SPACE ? ENOSPC : EIO;
    return 1;
}

static int written(int descriptor) { return of_descriptor(descriptor) && struck(WRITE); }

ssize_t write(int f, const void *data, size_t n) {
    REAL(write);
    if (!written(f)) return real(f, data, n);
    if (what == HALF_KILL) { real(f, data, n / 2); kill(getpid(), SIGKILL); }
    return -1;
}
ssize_t writev(int f, const struct iovec *parts, int n) {
    REAL(writev);
    if (!written(f)) return real(f, parts, n);
    if (what == HALF_KILL) { (void)!write(f, parts->iov_base, parts->iov_len / 2); kill(getpid(), SIGKILL); }
    return -1;
}
ssize_t pwrite(int f, const void *data, size_t n, off_t o) {
    REAL(pwrite);
    if (!written(f)) return real(f, data, n, o);
    if (what == HALF_KILL) { real(f, data, n / 2, o); kill(getpid(), SIGKILL); }
    return -1;
}
ssize_t pwrite64(int f, const void *data, size_t n, off64_t o) { return pwrite(f, data, n, o); }
int ftruncate(int f, off_t n) { REAL(ftruncate); return what != HALF_KILL && written(f) ? -1 : real(f, n); }
int ftruncate64(int f, off64_t n) { return ftruncate(f, n); }
ssize_t copy_file_range(int f, off64_t *a, int g, off64_t *b, size_t n, unsigned flags) {
    REAL(copy_file_range);
    return what != HALF_KILL && written(g) ? -1 : real(f, a, g, b, n, flags);
}

static int synced(int f) {
    struct stat found;
    if (!of_descriptor(f) || fstat(f, &found)) return 0;
    /* A folder is not meant: a new entry makes the whole of it dirty, and the next fsync writes it anew. */
    if (has_failed && S_ISREG(found.st_mode) && found.st_ino == failed.st_ino && found.st_dev == failed.st_dev)
        synced_again++;
    if (!struck(FSYNC)) return 0;
    failed = found, has_failed = 1;
    dup(f); /* so that no new file gets its inode number */
    errno = EIO;
    return 1;
}
int fsync(int f) { REAL(fsync); return synced(f) ? -1 : real(f); }
int fdatasync(int f) { REAL(fdatasync); return synced(f) ? -1 : real(f); }

int rename(const char *a, const char *b) {
    REAL(rename);
    return of_path(AT_FDCWD, b) && struck(RENAME) ? -1 : real(a, b);
}
int renameat(int f, const char *a, int g, const char *b) {
    REAL(renameat);
    return of_path(g, b) && struck(RENAME) ? -1 : real(f, a, g, b);
}
int renameat2(int f, const char *a, int g, const char *b, unsigned flags) {
    REAL(renameat2);
    return of_path(g, b) && struck(RENAME) ? -1 : real(f, a, g, b, flags);
}
int mkdir(const char *a, mode_t m) { REAL(mkdir); return of_path(AT_FDCWD, a) && struck(MAKE) ? -1 : real(a, m); }
int mkdirat(int f, const char *a, mode_t m) { REAL(mkdirat); return of_path(f, a) && struck(MAKE) ? -1 : real(f, a, m); }
int unlink(const char *a) { REAL(unlink); return of_path(AT_FDCWD, a) && struck(REMOVE) ? -1 : real(a); }
int unlinkat(int f, const char *a, int flags) {
    REAL(unlinkat);
    return of_path(f, a) && struck(REMOVE) ? -1 : real(f, a, flags);
}
int rmdir(const char *a) { REAL(rmdir); return of_path(AT_FDCWD, a) && struck(REMOVE) ? -1 : real(a); }

static long moved(void) { return offset_seconds + drift_seconds * looks++; }
static int of_the_wall(clockid_t id) { return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE; }

int clock_gettime(clockid_t id, struct timespec *now) {
    REAL(clock_gettime);
    int code = real(id, now);
    if (!code && of_the_wall(id)) now->tv_sec += moved();
    return code;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int code = real(now, zone);
    if (!code) now->tv_sec += moved();
    return code;
}
time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}

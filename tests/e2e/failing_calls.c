/* Makes one call of a program fail: loaded with LD_PRELOAD, it counts the calls of one kind on files
   and directories below a directory, and gives the nth an error instead of carrying it out.

     FAILING_CALLS  write, sync or rename
     FAILING_AT     which one, from 1 on; 0: none, they are only counted
     FAILING_ERROR  errno
     FAILING_UNDER  a directory, canonical
     FAILING_TOLD   a file; gets "COUNT" at the end, and "hit CALL PATH" when the call was made */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long count;

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? "" : value;
}

/* Opened anew each time: the program may close what it does not know. */
static void tell(const char *format, ...) {
  char line[PATH_MAX + 100];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  int fd = open(setting("FAILING_TOLD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  if (real(fd, line, (size_t)size) < 0) abort();
  close(fd);
}

/* Whether this call of `kind` on `fd` (and `name` below it) is to fail. */
static int fails(const char *kind, int fd, const char *name) {
  if (strcmp(setting("FAILING_CALLS"), kind) != 0) return 0;
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) size = 0;
  path[size] = '\0';
  if (name != NULL && name[0] == '/') snprintf(path, sizeof path, "%s", name);
  const char *under = setting("FAILING_UNDER");
  if (*under == '\0' || strncmp(path, under, strlen(under)) != 0) return 0;
  long at = atol(setting("FAILING_AT"));
  if (atomic_fetch_add(&count, 1) + 1 != at) return 0;
  tell("hit %s %s %s\n", kind, path, name == NULL ? "" : name);
  errno = atoi(setting("FAILING_ERROR"));
  return 1;
}

static int is_file(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

__attribute__((destructor)) static void end(void) {
  if (*setting("FAILING_CALLS") != '\0') tell("%ld\n", atomic_load(&count));
}

#define REAL(result, name, ...) \
  result (*real)(__VA_ARGS__) = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return is_file(fd) && fails("write", fd, NULL) ? -1 : real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return fails("write", fd, NULL) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return fails("write", fd, NULL) ? -1 : real(fd, data, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int many, off_t offset) {
  REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
  return fails("write", fd, NULL) ? -1 : real(fd, pieces, many, offset);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int many, off64_t offset) {
  REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
  return fails("write", fd, NULL) ? -1 : real(fd, pieces, many, offset);
}

int fsync(int fd) {
  REAL(int, "fsync", int);
  return fails("sync", fd, NULL) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return fails("sync", fd, NULL) ? -1 : real(fd);
}

int syncfs(int fd) {
  REAL(int, "syncfs", int);
  return fails("sync", fd, NULL) ? -1 : real(fd);
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  return fails("rename", -1, to) ? -1 : real(from, to);
}

int renameat(int from, const char *from_name, int to, const char *to_name) {
  REAL(int, "renameat", int, const char *, int, const char *);
  return fails("rename", to, to_name) ? -1 : real(from, from_name, to, to_name);
}

int renameat2(int from, const char *from_name, int to, const char *to_name, unsigned flags) {
  REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
  return fails("rename", to, to_name) ? -1 : real(from, from_name, to, to_name, flags);
}

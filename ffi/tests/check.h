/* What the tests share: checks that count, and a client on the server under test. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <lockkeeper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Long enough for a server under valgrind on a busy machine. */
#define PATIENCE_MS 30000

static int tests_failed;
static int test_failed;
static const char *connect_string;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);              \
      test_failed = 1;                                                            \
    }                                                                             \
  } while (0)

/* A status, and that the last error tells the same. */
#define CHECK_STATUS(call, expected)                                              \
  do {                                                                            \
    lk_status_t status_ = (call);                                                 \
    const lk_error_t *error_ = lk_last_error();                                   \
    if (status_ != (expected) || error_ == NULL || error_->code != status_ ||     \
        (status_ == LK_OK) != (error_->text.len == 0)) {                          \
      printf("%s:%d: %s gave %" PRId32 " (%s), not %s\n", __FILE__, __LINE__,     \
             #call, status_, error_ == NULL ? "" : error_->text.ptr, #expected);  \
      test_failed = 1;                                                            \
    }                                                                             \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, LK_OK)

/* As CHECK_OK, where going on makes no sense. */
#define REQUIRE_OK(call)                                                          \
  do {                                                                            \
    lk_status_t required_ = (call);                                               \
    if (required_ != LK_OK) {                                                     \
      printf("%s:%d: %s gave %" PRId32 " (%s)\n", __FILE__, __LINE__, #call,      \
             required_, lk_last_error()->text.ptr);                               \
      exit(2);                                                                    \
    }                                                                             \
  } while (0)

static inline void run_test(const char *name, void (*test)(void)) {
  test_failed = 0;
  test();
  tests_failed += test_failed;
  printf("test %s ... %s\n", name, test_failed ? "FAILED" : "ok");
  fflush(stdout);
}

#define RUN(test) run_test(#test, test)

static inline int equals(lk_str_t text, const char *expected) {
  return text.len == strlen(expected) && strcmp(text.ptr, expected) == 0;
}

static inline int contains(lk_str_t text, const char *part) {
  return strstr(text.ptr, part) != NULL;
}

static inline void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* A new client. */
static inline lk_client_t *connect_client(void) {
  lk_config_t *config;
  lk_client_t *client;
  REQUIRE_OK(lk_config_new(connect_string, -1, &config));
  REQUIRE_OK(lk_config_session_timeout(config, 20000));
  REQUIRE_OK(lk_client_connect(config, &client));
  lk_config_free(config);
  return client;
}

static inline void close_client(lk_client_t *client) {
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  lk_client_free(client);
}

/* A path that no other run of a test uses, below the root; good for eight more. */
static inline const char *fresh(const char *name) {
  static char paths[8][64];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "/c-%s-%ld", name, (long)getpid());
  return path;
}

static inline lk_lock_t *new_lock(const lk_client_t *client, const char *path) {
  lk_lock_t *lock;
  REQUIRE_OK(lk_lock_new(client, path, -1, LK_LAYOUT_CURATOR, 0, NULL, 0, &lock));
  return lock;
}

/* The arguments of every test program: the connect string. */
static inline void begin_tests(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s CONNECT\n", argv[0]);
    exit(2);
  }
  connect_string = argv[1];
  /* A test that hangs ends the program. */
  alarm(10 * PATIENCE_MS / 1000);
}

static inline int end_tests(void) { return tests_failed == 0 ? 0 : 1; }

#endif

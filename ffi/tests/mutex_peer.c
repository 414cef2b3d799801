/* The C lock as a contender in the tests between libraries; testing/e2e/README.md has the lines.
 *
 * Arguments: CONNECT LOCK_PATH NAME. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <lockkeeper.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS_MAX = 64, CLOSE_MS = 10000, LINE_MAX_LEN = 1024 };

static const char *connect_string, *lock_path, *peer_name;

/* Ends the program with a line that the harness shows. */
static void fail(const char *what, const char *why) {
  printf("failed %s: %s\n", what, why);
  fflush(stdout);
  _exit(1);
}

static void need(lk_status_t status, const char *what) {
  if (status != LK_OK) {
    fail(what, lk_last_error()->text.ptr);
  }
}

static void say(const char *line) {
  puts(line);
  fflush(stdout);
}

struct contender {
  lk_client_t *client;
  lk_lock_t *lock;
  lk_guard_t *guard;
};

static void begin(struct contender *contender, const char *who) {
  lk_config_t *config;
  need(lk_config_new(connect_string, -1, &config), "config");
  need(lk_config_session_timeout(config, 10000), "session timeout");
  need(lk_client_connect(config, &contender->client), "connect");
  lk_config_free(config);
  need(lk_lock_new(contender->client, lock_path, -1, LK_LAYOUT_CURATOR, 0, who, -1,
                   &contender->lock),
       "lock");
  contender->guard = NULL;
}

static void end(struct contender *contender) {
  lk_guard_free(contender->guard);
  lk_lock_free(contender->lock);
  need(lk_client_close(contender->client, CLOSE_MS), "close");
  lk_client_free(contender->client);
}

static void release(struct contender *contender) {
  need(lk_guard_release(contender->guard, LK_FOREVER), "release");
  lk_guard_free(contender->guard);
  contender->guard = NULL;
}

/* Fence, and the name of the znode with its number. */
static int64_t describe(const lk_guard_t *guard, const char **znode, int *sequence) {
  int64_t fence;
  lk_str_t path;
  need(lk_guard_fence(guard, &fence), "fence");
  need(lk_guard_path(guard, &path), "path");
  *znode = strrchr(path.ptr, '/') + 1;
  *sequence = atoi(path.ptr + path.len - 10);
  return fence;
}

static void acquire(struct contender *contender, int64_t patience_ms) {
  const char *znode;
  int sequence;
  int64_t fence;
  lk_status_t status = lk_lock_acquire(contender->lock, patience_ms, &contender->guard);
  if (status == LK_ETIMEDOUT) {
    say("timeout");
    return;
  }
  need(status, "acquire");
  fence = describe(contender->guard, &znode, &sequence);
  printf("acquired %" PRId64 " %d %s\n", fence, sequence, znode);
  fflush(stdout);
}

static FILE *oracle_link(const char *address) {
  char host[LINE_MAX_LEN];
  const char *colon = strrchr(address, ':');
  struct addrinfo hints, *found;
  int link;
  if (colon == NULL || (size_t)(colon - address) >= sizeof host) {
    fail("oracle", address);
  }
  memcpy(host, address, (size_t)(colon - address));
  host[colon - address] = 0;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
    fail("oracle", address);
  }
  link = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  if (link < 0 || connect(link, found->ai_addr, found->ai_addrlen) != 0) {
    fail("oracle", "does not listen");
  }
  freeaddrinfo(found);
  return fdopen(link, "r+");
}

static void tell_oracle(FILE *oracle, const char *report) {
  char answer[LINE_MAX_LEN];
  if (send(fileno(oracle), report, strlen(report), 0) != (ssize_t)strlen(report) ||
      fgets(answer, sizeof answer, oracle) == NULL) {
    fail("oracle", "is gone");
  }
  if (strcmp(answer, "ok\n") != 0) {
    fail(report, answer);
  }
}

struct run {
  char who[LINE_MAX_LEN];
  const char *oracle;
  int count;
};

static void *run_session(void *argument) {
  struct run *run = argument;
  struct contender contender;
  FILE *oracle = oracle_link(run->oracle);
  begin(&contender, run->who);
  for (int i = 0; i < run->count; i++) {
    char report[2 * LINE_MAX_LEN];
    const char *znode;
    int sequence;
    int64_t fence;
    need(lk_lock_acquire(contender.lock, LK_FOREVER, &contender.guard), "acquire");
    fence = describe(contender.guard, &znode, &sequence);
    snprintf(report, sizeof report, "enter %s %" PRId64 " %d\n", run->who, fence, sequence);
    tell_oracle(oracle, report);
    snprintf(report, sizeof report, "exit %s\n", run->who);
    tell_oracle(oracle, report);
    release(&contender);
  }
  end(&contender);
  fclose(oracle);
  return NULL;
}

static void run_all(int count, const char *oracle, int sessions) {
  static struct run runs[SESSIONS_MAX];
  pthread_t threads[SESSIONS_MAX];
  if (sessions < 0 || sessions > SESSIONS_MAX) {
    fail("run", "too many sessions");
  }
  for (int i = 0; i < sessions; i++) {
    snprintf(runs[i].who, sizeof runs[i].who, "%.900s-%d", peer_name, i);
    runs[i].oracle = oracle;
    runs[i].count = count;
    if (pthread_create(&threads[i], NULL, run_session, &runs[i]) != 0) {
      fail("run", "no thread");
    }
  }
  for (int i = 0; i < sessions; i++) {
    pthread_join(threads[i], NULL);
  }
  printf("done %d\n", count * sessions);
  fflush(stdout);
}

int main(int argc, char **argv) {
  char line[LINE_MAX_LEN], oracle[LINE_MAX_LEN];
  struct contender contender;
  int64_t patience_ms;
  int count, sessions;
  if (argc != 4) {
    fprintf(stderr, "usage: %s CONNECT LOCK_PATH NAME\n", argv[0]);
    return 2;
  }
  connect_string = argv[1];
  lock_path = argv[2];
  peer_name = argv[3];
  begin(&contender, peer_name);
  say("ready");
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
    if (sscanf(line, "acquire %" SCNd64, &patience_ms) == 1) {
      acquire(&contender, patience_ms);
    } else if (strcmp(line, "release\n") == 0) {
      release(&contender);
      say("released");
    } else if (sscanf(line, "run %d %1023s %d", &count, oracle, &sessions) == 3) {
      run_all(count, oracle, sessions);
    } else {
      fail("unknown command", line);
    }
  }
  end(&contender);
  return 0;
}

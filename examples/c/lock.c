/* A lock that several programs pass on, with the fence that keeps a late holder out.
 *
 *     cc lock.c -llockkeeper -o lock
 *     ./lock --connect 127.0.0.1:2181
 *
 * Some processes contend for one lock. Whoever holds it writes a line and its fence to a ledger,
 * which is a pipe here. The ledger stands for the resource that the lock protects, and it does
 * what such a resource should do: it refuses whoever comes with a smaller fence than it has seen.
 *
 * Threads do not survive a fork, so each process makes its own client after it. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <lockkeeper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTENDERS = 4, ROUNDS = 3, DEADLINE_MS = 60000 };

struct entry {
  int contender, round;
  int64_t fence;
};

static void need(lk_status_t status, const char *what) {
  if (status != LK_OK) {
    fprintf(stderr, "%s: %s\n", what, lk_last_error()->text.ptr);
    exit(1);
  }
}

/* Runs on a thread of the library. A program would tell its work to stop. */
static void lost(void *user, lk_guard_state_t state, lk_loss_t loss) {
  fprintf(stderr, "contender %d: lock lost, state %" PRId32 ", reason %" PRId32 "\n",
          *(const int *)user, state, loss);
}

static void take_turn(lk_lock_t *lock, int contender, int round, int ledger) {
  struct entry entry;
  lk_guard_t *guard;
  memset(&entry, 0, sizeof entry);
  entry.contender = contender;
  entry.round = round;
  need(lk_lock_acquire(lock, DEADLINE_MS, &guard), "acquire");
  need(lk_guard_on_lost(guard, lost, &contender, NULL), "on_lost");
  need(lk_guard_fence(guard, &entry.fence), "fence");
  if (write(ledger, &entry, sizeof entry) != (ssize_t)sizeof entry) {
    perror("ledger");
    exit(1);
  }
  /* Fails if the lock was lost meanwhile: the last chance to notice it. */
  need(lk_guard_release(guard, DEADLINE_MS), "release");
  lk_guard_free(guard);
}

static void contend(const char *connect, int contender, int ledger) {
  char label[32];
  lk_config_t *config;
  lk_client_t *client;
  lk_lock_t *lock;
  snprintf(label, sizeof label, "contender %d", contender);
  need(lk_config_new(connect, -1, &config), "config");
  need(lk_config_session_timeout(config, 10000), "session timeout");
  need(lk_client_connect(config, &client), "connect");
  lk_config_free(config);
  need(lk_lock_new(client, "/examples/c-lock", -1, LK_LAYOUT_CURATOR, 0, label, -1, &lock), "lock");
  for (int round = 0; round < ROUNDS; round++) {
    take_turn(lock, contender, round, ledger);
  }
  lk_lock_free(lock);
  need(lk_client_close(client, DEADLINE_MS), "close");
  lk_client_free(client);
}

int main(int argc, char **argv) {
  int ledger[2], turns = 0, failures = 0, status;
  int64_t highest = 0;
  struct entry entry;
  if (argc != 3 || strcmp(argv[1], "--connect") != 0) {
    fprintf(stderr, "usage: %s --connect HOST:PORT\n", argv[0]);
    return 2;
  }
  if (lk_check_version() != 0) {
    fprintf(stderr, "liblockkeeper %s is too old\n", lk_version_string());
    return 2;
  }
  if (pipe(ledger) != 0) {
    perror("pipe");
    return 1;
  }
  for (int contender = 0; contender < CONTENDERS; contender++) {
    pid_t child = fork();
    if (child < 0) {
      perror("fork");
      return 1;
    }
    if (child == 0) {
      close(ledger[0]);
      contend(argv[2], contender, ledger[1]);
      return 0;
    }
  }
  close(ledger[1]);
  while (read(ledger[0], &entry, sizeof entry) == (ssize_t)sizeof entry) {
    printf("contender %d, round %d: holds with fence %" PRId64 "%s\n", entry.contender,
           entry.round, entry.fence, entry.fence > highest ? "" : " - too late, refused");
    failures += entry.fence <= highest;
    highest = entry.fence > highest ? entry.fence : highest;
    turns++;
  }
  close(ledger[0]);
  while (wait(&status) > 0) {
    failures += status != 0;
  }
  printf("%d turns, %d failures\n", turns, failures);
  return turns == CONTENDERS * ROUNDS && failures == 0 ? 0 : 1;
}

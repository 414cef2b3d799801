/* A holder that is paused for longer than its session lives. The lock goes on without it, and when
 * it wakes it is told. Holder and heir are two processes, made before there is any client. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int to_parent[2];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int lost_calls, drop_calls;
static lk_guard_state_t lost_state;

static void lost(void *user, lk_guard_state_t state, lk_loss_t loss) {
  (void)user, (void)loss;
  pthread_mutex_lock(&mutex);
  lost_calls++;
  lost_state = state;
  pthread_mutex_unlock(&mutex);
}

static void dropped(void *user) {
  (void)user;
  pthread_mutex_lock(&mutex);
  drop_calls++;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&mutex);
}

/* Acquires, tells its fence, and waits to hear that it has lost. */
static void hold(void) {
  lk_config_t *config;
  lk_client_t *client;
  lk_lock_t *lock;
  lk_guard_t *guard, *none;
  lk_guard_state_t state = 0;
  lk_loss_t loss = 0;
  lk_client_state_t client_state = 0;
  int64_t fence = 0;
  REQUIRE_OK(lk_config_new(connect_string, -1, &config));
  REQUIRE_OK(lk_config_session_timeout(config, 3000));
  REQUIRE_OK(lk_client_connect(config, &client));
  lk_config_free(config);
  lock = new_lock(client, "/locks/c-pause");
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_on_lost(guard, lost, NULL, dropped));
  CHECK_OK(lk_guard_fence(guard, &fence));
  CHECK(write(to_parent[1], &fence, sizeof fence) == (ssize_t)sizeof fence);

  pthread_mutex_lock(&mutex);
  while (drop_calls == 0) {
    pthread_cond_wait(&changed, &mutex);
  }
  CHECK(lost_calls == 1);
  CHECK(lost_state == LK_GUARD_POSSIBLY_LOST || lost_state == LK_GUARD_LOST);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < PATIENCE_MS / 10 && state != LK_GUARD_LOST; i++) {
    CHECK_OK(lk_guard_state(guard, &state, &loss));
    sleep_ms(10);
  }
  CHECK(state == LK_GUARD_LOST && loss == LK_LOSS_EXPIRED);
  CHECK_OK(lk_client_state(client, &client_state));
  CHECK(client_state == LK_CLIENT_EXPIRED);
  CHECK_STATUS(lk_lock_acquire(lock, PATIENCE_MS, &none), LK_SESSIONEXPIRED);
  CHECK_STATUS(lk_guard_release(guard, PATIENCE_MS), LK_ELOST);
  CHECK_STATUS(lk_client_close(client, PATIENCE_MS), LK_SESSIONEXPIRED);
  lk_guard_free(guard);
  lk_lock_free(lock);
  lk_client_free(client);
}

static void a_paused_holder_learns_of_its_loss(void) {
  int64_t before = 0, after = 0;
  int status = -1;
  pid_t child;
  lk_client_t *client;
  lk_lock_t *lock;
  lk_guard_t *guard;
  CHECK(pipe(to_parent) == 0);
  child = fork();
  if (child == 0) {
    hold();
    exit(test_failed);
  }
  CHECK(read(to_parent[0], &before, sizeof before) == (ssize_t)sizeof before);
  CHECK(kill(child, SIGSTOP) == 0);
  client = connect_client();
  lock = new_lock(client, "/locks/c-pause");
  CHECK_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_fence(guard, &after));
  CHECK(after > before);
  CHECK(kill(child, SIGCONT) == 0);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(a_paused_holder_learns_of_its_loss);
  return end_tests();
}

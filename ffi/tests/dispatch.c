/* Callbacks of every kind, run by a loop of the program's own or by the client's thread. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <poll.h>
#include <pthread.h>

/* What callbacks saw. Each changes it under the mutex, since in some tests it is another thread. */
struct seen {
  int called, dropped;
  lk_status_t code;
  int retriable;
  char path[64];
  lk_guard_t *guard;
  lk_client_state_t states[8];
  pthread_t thread;
  lk_client_t *client;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void note_error(struct seen *seen, const lk_error_t *error) {
  seen->called++;
  seen->code = error->code;
  seen->retriable = error->retriable;
  snprintf(seen->path, sizeof seen->path, "%s", error->path.ptr);
  CHECK((error->code == LK_OK) == (error->text.len == 0));
  seen->thread = pthread_self();
}

static void acquired(void *user, const lk_error_t *error, lk_guard_t *guard) {
  struct seen *seen = user;
  pthread_mutex_lock(&mutex);
  note_error(seen, error);
  seen->guard = guard;
  CHECK((error->code == LK_OK) == (guard != NULL));
  pthread_mutex_unlock(&mutex);
}

static void done(void *user, const lk_error_t *error) {
  pthread_mutex_lock(&mutex);
  note_error(user, error);
  pthread_mutex_unlock(&mutex);
}

static void changed(void *user, lk_client_state_t state) {
  struct seen *seen = user;
  pthread_mutex_lock(&mutex);
  seen->states[seen->called++ % 8] = state;
  seen->thread = pthread_self();
  pthread_mutex_unlock(&mutex);
}

static void dropped(void *user) {
  pthread_mutex_lock(&mutex);
  ((struct seen *)user)->dropped++;
  pthread_mutex_unlock(&mutex);
}

static int get(const int *value) {
  int now;
  pthread_mutex_lock(&mutex);
  now = *value;
  pthread_mutex_unlock(&mutex);
  return now;
}

static lk_client_t *connect_dispatched(void) {
  lk_config_t *config;
  lk_client_t *client;
  REQUIRE_OK(lk_config_new(connect_string, -1, &config));
  REQUIRE_OK(lk_config_session_timeout(config, 20000));
  REQUIRE_OK(lk_config_dispatch(config, true));
  REQUIRE_OK(lk_client_connect(config, &client));
  lk_config_free(config);
  return client;
}

static int is_readable(const lk_client_t *client, int timeout_ms) {
  struct pollfd fd = {-1, POLLIN, 0};
  CHECK_OK(lk_dispatch_fd(client, &fd.fd));
  return poll(&fd, 1, timeout_ms) == 1;
}

/* A program's loop, until a count is reached. */
static void loop_until(const lk_client_t *client, const int *count, int expected) {
  while (*count < expected) {
    if (!is_readable(client, PATIENCE_MS)) {
      CHECK(!"a callback came in time");
      return;
    }
    CHECK_OK(lk_dispatch(client));
  }
}

static void await(const int *count, int expected) {
  for (int i = 0; i < PATIENCE_MS / 10 && get(count) < expected; i++) {
    sleep_ms(10);
  }
  CHECK(get(count) == expected);
}

static void null_is_refused(void) {
  lk_client_t *client = connect_dispatched();
  lk_lock_t *lock = new_lock(client, "/locks/c-null");
  lk_guard_t *guard;
  lk_call_t *call = (lk_call_t *)&call;
  struct seen seen = {0};
  int fd;
  CHECK_STATUS(lk_config_dispatch(NULL, true), LK_EINVAL);
  CHECK_STATUS(lk_client_on_state(NULL, changed, &seen, dropped), LK_EINVAL);
  CHECK_STATUS(lk_client_on_state(client, NULL, &seen, dropped), LK_EINVAL);
  CHECK_STATUS(lk_dispatch_fd(NULL, &fd), LK_EINVAL);
  CHECK_STATUS(lk_dispatch_fd(client, NULL), LK_EINVAL);
  CHECK_STATUS(lk_dispatch(NULL), LK_EINVAL);
  CHECK_STATUS(lk_lock_acquire_async(NULL, 0, acquired, &seen, dropped, &call), LK_EINVAL);
  CHECK(call == NULL);
  CHECK_STATUS(lk_lock_acquire_async(lock, 0, NULL, &seen, dropped, &call), LK_EINVAL);
  CHECK_STATUS(lk_guard_release_async(NULL, 0, done, &seen, dropped, &call), LK_EINVAL);
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_STATUS(lk_guard_release_async(guard, 0, NULL, &seen, dropped, &call), LK_EINVAL);
  CHECK_OK(lk_guard_confirm(guard, PATIENCE_MS));
  CHECK(call == NULL && seen.called == 0);
  /* What was handed over with a call that failed was dropped before it returned. */
  CHECK(seen.dropped == 6);
  lk_call_free(NULL);
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
}

static void callbacks_wait_for_the_loop(void) {
  lk_client_t *client = connect_dispatched();
  struct seen seen = {0};
  CHECK(!is_readable(client, 0));
  CHECK_OK(lk_dispatch(client));
  CHECK_OK(lk_client_on_state(client, changed, &seen, dropped));
  CHECK(is_readable(client, PATIENCE_MS));
  CHECK(seen.called == 0);
  CHECK_OK(lk_dispatch(client));
  CHECK(seen.called == 1 && seen.states[0] == LK_CLIENT_CONNECTED);
  CHECK(pthread_equal(seen.thread, pthread_self()));
  CHECK(!is_readable(client, 0));
  /* One thread, which moves bytes. */
  CHECK(system("test $(grep -l '^lk-' /proc/$PPID/task/*/comm | wc -l) = 1") == 0);
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  loop_until(client, &seen.dropped, 1);
  CHECK(seen.called == 2 && seen.states[1] == LK_CLIENT_CLOSED);
  lk_client_free(client);
  CHECK(seen.dropped == 1);
}

static void a_lock_goes_from_one_to_the_next_in_a_loop(void) {
  lk_client_t *client = connect_dispatched();
  lk_lock_t *lock = new_lock(client, "/locks/c-loop");
  struct seen first = {0}, second = {0}, release = {0};
  int64_t fence = 0, later = 0;
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, &first, dropped, NULL));
  CHECK_OK(lk_lock_acquire_async(lock, PATIENCE_MS, acquired, &second, dropped, NULL));
  loop_until(client, &first.dropped, 1);
  CHECK(first.called == 1 && first.code == LK_OK && second.called == 0);
  CHECK_OK(lk_guard_fence(first.guard, &fence));
  CHECK_OK(lk_guard_release_async(first.guard, PATIENCE_MS, done, &release, dropped, NULL));
  CHECK_STATUS(lk_guard_release_async(first.guard, 0, done, NULL, NULL, NULL), LK_ERELEASED);
  loop_until(client, &release.dropped, 1);
  loop_until(client, &second.dropped, 1);
  CHECK(release.called == 1 && release.code == LK_OK);
  CHECK(second.called == 1 && second.code == LK_OK);
  CHECK_OK(lk_guard_fence(second.guard, &later));
  CHECK(later > fence);
  lk_guard_free(first.guard);
  lk_guard_free(second.guard);
  lk_lock_free(lock);
  close_client(client);
}

static void a_callback_is_told_the_error(void) {
  lk_client_t *client = connect_dispatched(), *other = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-told"), *same = new_lock(other, "/locks/c-told");
  lk_guard_t *held;
  lk_str_t path;
  struct seen late = {0}, lost = {0}, mine = {0}, closed = {0};
  REQUIRE_OK(lk_lock_acquire(same, PATIENCE_MS, &held));
  CHECK_OK(lk_lock_acquire_async(lock, 200, acquired, &late, dropped, NULL));
  loop_until(client, &late.dropped, 1);
  CHECK(late.called == 1 && late.code == LK_ETIMEDOUT && late.retriable);
  CHECK(strcmp(late.path, "/locks/c-told") == 0);
  /* The thread's own last error is not the callback's. */
  CHECK(lk_last_error()->code == LK_OK);
  CHECK_OK(lk_guard_release(held, PATIENCE_MS));
  lk_guard_free(held);

  CHECK_OK(lk_lock_acquire_async(lock, PATIENCE_MS, acquired, &mine, dropped, NULL));
  loop_until(client, &mine.dropped, 1);
  CHECK_OK(lk_guard_path(mine.guard, &path));
  CHECK_OK(lk_delete(other, path.ptr, -1, LK_ANY_VERSION, PATIENCE_MS));
  for (int i = 0; i < PATIENCE_MS / 10; i++) {
    lk_guard_state_t state = 0;
    CHECK_OK(lk_guard_state(mine.guard, &state, NULL));
    if (state == LK_GUARD_LOST) {
      break;
    }
    sleep_ms(10);
  }
  CHECK_OK(lk_guard_release_async(mine.guard, PATIENCE_MS, done, &lost, dropped, NULL));
  loop_until(client, &lost.dropped, 1);
  CHECK(lost.called == 1 && lost.code == LK_ELOST);
  lk_guard_free(mine.guard);

  /* Closing ends what is under way. */
  REQUIRE_OK(lk_lock_acquire(same, PATIENCE_MS, &held));
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, &closed, dropped, NULL));
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  loop_until(client, &closed.dropped, 1);
  CHECK(closed.called == 1 && closed.code == LK_CLOSING);
  lk_guard_free(held);
  lk_lock_free(lock);
  lk_lock_free(same);
  lk_client_free(client);
  close_client(other);
}

static void a_call_that_is_given_up_leaves_the_queue(void) {
  lk_client_t *client = connect_dispatched(), *other = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-up"), *same = new_lock(other, "/locks/c-up");
  lk_guard_t *held;
  lk_call_t *call;
  size_t position = 0;
  struct seen waiting = {0}, granted = {0};
  REQUIRE_OK(lk_lock_acquire(same, PATIENCE_MS, &held));
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, &waiting, dropped, &call));
  for (int i = 0; i < PATIENCE_MS / 10 && position != 2; i++) {
    CHECK_OK(lk_lock_queue_position(same, PATIENCE_MS, &position));
    sleep_ms(10);
  }
  CHECK(position == 2);
  lk_call_free(call);
  loop_until(client, &waiting.dropped, 1);
  CHECK(waiting.called == 0);
  CHECK_OK(lk_guard_release(held, PATIENCE_MS));
  lk_guard_free(held);

  /* Given up when the grant already waits for the loop: the lock goes back. */
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, &granted, dropped, &call));
  CHECK(is_readable(client, PATIENCE_MS));
  lk_call_free(call);
  CHECK_OK(lk_dispatch(client));
  CHECK(granted.called == 0 && granted.dropped == 1);
  REQUIRE_OK(lk_lock_acquire(same, PATIENCE_MS, &held));
  lk_guard_free(held);
  lk_lock_free(lock);
  lk_lock_free(same);
  close_client(client);
  close_client(other);
}

static void misuse(void *user, lk_client_state_t state) {
  struct seen *seen = user;
  lk_result_t *result;
  (void)state;
  seen->called++;
  CHECK_STATUS(lk_get(seen->client, "/", -1, PATIENCE_MS, &result), LK_ECALLBACK);
  CHECK_STATUS(lk_dispatch(seen->client), LK_ECALLBACK);
  CHECK_STATUS(lk_client_close(seen->client, PATIENCE_MS), LK_ECALLBACK);
  lk_client_free(seen->client);
}

static void a_callback_must_not_block_but_may_free(void) {
  struct seen seen = {0}, waiting = {0};
  seen.client = connect_dispatched();
  CHECK_OK(lk_client_on_state(seen.client, misuse, &seen, dropped));
  CHECK_OK(lk_client_on_state(seen.client, changed, &waiting, dropped));
  loop_until(seen.client, &seen.called, 1);
  /* The client was freed there, so its end was the end of all its callbacks. */
  CHECK(seen.dropped == 1 && waiting.dropped == 1);
}

static void free_client(void *user, lk_client_state_t state) {
  struct seen *seen = user;
  (void)state;
  seen->called++;
  lk_client_free(seen->client);
}

/* Freeing does not wait there, so what it leaves is dropped by whoever has it. */
static void a_callback_may_free_another_client(void) {
  lk_client_t *client = connect_dispatched(), *other = connect_dispatched();
  struct seen seen = {0}, waiting = {0};
  seen.client = other;
  CHECK_OK(lk_client_on_state(other, changed, &waiting, dropped));
  CHECK(is_readable(other, PATIENCE_MS));
  CHECK_OK(lk_client_on_state(client, free_client, &seen, dropped));
  loop_until(client, &seen.called, 1);
  await(&waiting.dropped, 1);
  CHECK(waiting.called == 0);
  seen.client = NULL;
  lk_client_free(client);
  CHECK(seen.dropped == 1);
}

static void what_waits_at_the_end_is_dropped(void) {
  lk_client_t *client = connect_dispatched();
  lk_lock_t *lock = new_lock(client, "/locks/c-end");
  lk_guard_t *held;
  lk_call_t *call;
  struct seen state = {0}, lock_seen = {0};
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &held));
  CHECK_OK(lk_client_on_state(client, changed, &state, dropped));
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, &lock_seen, dropped, &call));
  CHECK(is_readable(client, PATIENCE_MS));
  lk_guard_free(held);
  lk_lock_free(lock);
  lk_client_free(client);
  CHECK(state.called == 0 && state.dropped == 1);
  CHECK(lock_seen.called == 0 && lock_seen.dropped == 1);
  lk_call_free(call);
}

static void without_a_loop_the_thread_calls(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-thread");
  struct seen state = {0}, grant = {0}, release = {0};
  int fd;
  CHECK_STATUS(lk_dispatch(client), LK_EINVAL);
  CHECK(contains(lk_last_error()->text, "lk_config_dispatch"));
  CHECK_STATUS(lk_dispatch_fd(client, &fd), LK_EINVAL);
  CHECK_OK(lk_client_on_state(client, changed, &state, dropped));
  CHECK_OK(lk_lock_acquire_async(lock, PATIENCE_MS, acquired, &grant, dropped, NULL));
  await(&grant.dropped, 1);
  CHECK(grant.called == 1 && grant.code == LK_OK);
  CHECK_OK(lk_guard_release_async(grant.guard, PATIENCE_MS, done, &release, dropped, NULL));
  await(&release.dropped, 1);
  CHECK(release.called == 1 && release.code == LK_OK);
  CHECK(pthread_equal(grant.thread, release.thread));
  CHECK(!pthread_equal(grant.thread, pthread_self()));
  lk_guard_free(grant.guard);
  lk_lock_free(lock);
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  await(&state.dropped, 1);
  CHECK(state.called == 2);
  CHECK(state.states[0] == LK_CLIENT_CONNECTED && state.states[1] == LK_CLIENT_CLOSED);
  lk_client_free(client);
}

static pthread_barrier_t meeting;

static void meet(void *user, lk_client_state_t state) {
  (void)user, (void)state;
  pthread_barrier_wait(&meeting);
  pthread_barrier_wait(&meeting);
}

static void *dispatch_once(void *client) {
  CHECK_OK(lk_dispatch(client));
  return NULL;
}

static void one_thread_dispatches_at_a_time(void) {
  lk_client_t *client = connect_dispatched();
  pthread_t thread;
  CHECK(pthread_barrier_init(&meeting, NULL, 2) == 0);
  CHECK_OK(lk_client_on_state(client, meet, NULL, NULL));
  CHECK(is_readable(client, PATIENCE_MS));
  CHECK(pthread_create(&thread, NULL, dispatch_once, client) == 0);
  pthread_barrier_wait(&meeting);
  CHECK_STATUS(lk_dispatch(client), LK_EBUSY);
  pthread_barrier_wait(&meeting);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(lk_dispatch(client));
  lk_client_free(client);
  pthread_barrier_destroy(&meeting);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(callbacks_wait_for_the_loop);
  RUN(a_lock_goes_from_one_to_the_next_in_a_loop);
  RUN(a_callback_is_told_the_error);
  RUN(a_call_that_is_given_up_leaves_the_queue);
  RUN(a_callback_must_not_block_but_may_free);
  RUN(a_callback_may_free_another_client);
  RUN(what_waits_at_the_end_is_dropped);
  RUN(without_a_loop_the_thread_calls);
  RUN(one_thread_dispatches_at_a_time);
  return end_tests();
}

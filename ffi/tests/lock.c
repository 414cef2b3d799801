/* The lock: contention, deadlines, losses and callbacks. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

static void null_is_refused(void) {
  lk_lock_t *lock = NULL;
  lk_guard_t *guard = (lk_guard_t *)&guard;
  lk_guard_state_t state;
  lk_str_t path;
  size_t position;
  int64_t number;
  lk_client_t *client = connect_client();
  CHECK_STATUS(lk_lock_new(NULL, "/l", -1, LK_LAYOUT_CURATOR, 0, NULL, 0, &lock), LK_EINVAL);
  CHECK_STATUS(lk_lock_new(client, NULL, -1, LK_LAYOUT_CURATOR, 0, NULL, 0, &lock), LK_EINVAL);
  CHECK_STATUS(lk_lock_new(client, "/l", -1, LK_LAYOUT_CURATOR, 0, NULL, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_lock_new(client, "/l", -1, 3, 0, NULL, 0, &lock), LK_EINVAL);
  CHECK_STATUS(lk_lock_new(client, "/l", -1, LK_LAYOUT_CURATOR, 0, "\xff", 1, &lock), LK_EINVAL);
  CHECK_STATUS(lk_lock_new(client, "l", -1, LK_LAYOUT_CURATOR, 0, NULL, 0, &lock), LK_BADARGUMENTS);
  CHECK(lock == NULL);
  CHECK_STATUS(lk_lock_acquire(NULL, 0, &guard), LK_EINVAL);
  CHECK(guard == NULL);
  CHECK_STATUS(lk_lock_try(NULL, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_lock_queue_position(NULL, 0, &position), LK_EINVAL);
  CHECK_STATUS(lk_guard_fence(NULL, &number), LK_EINVAL);
  CHECK_STATUS(lk_guard_path(NULL, &path), LK_EINVAL);
  CHECK_STATUS(lk_guard_state(NULL, &state, NULL), LK_EINVAL);
  CHECK_STATUS(lk_guard_remaining(NULL, &number), LK_EINVAL);
  CHECK_STATUS(lk_guard_on_lost(NULL, NULL, NULL, NULL), LK_EINVAL);
  CHECK_STATUS(lk_guard_confirm(NULL, 0), LK_EINVAL);
  CHECK_STATUS(lk_guard_release(NULL, 0), LK_EINVAL);
  lk_lock_free(NULL);
  lk_guard_free(NULL);
  close_client(client);
}

static void a_guard_tells_what_it_holds(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock;
  lk_guard_t *guard;
  lk_guard_state_t state = 0;
  lk_loss_t loss = -1;
  lk_str_t path;
  lk_result_t *result;
  lk_stat_t stat;
  lk_bytes_t label;
  int64_t fence = 0, left_ms = 0;
  REQUIRE_OK(lk_lock_new(client, "/locks/c-guard", -1, LK_LAYOUT_CURATOR, 0, "tester", -1, &lock));
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_fence(guard, &fence));
  CHECK_OK(lk_guard_path(guard, &path));
  CHECK(contains(path, "/locks/c-guard/_c_"));
  CHECK_OK(lk_get(client, path.ptr, (ptrdiff_t)path.len, PATIENCE_MS, &result));
  CHECK_OK(lk_result_stat(result, &stat));
  CHECK(stat.czxid == fence);
  label = lk_result_data(result);
  CHECK(label.len > 0 && label.ptr[0] == '{');
  lk_result_free(result);
  CHECK_OK(lk_guard_state(guard, &state, &loss));
  CHECK(state == LK_GUARD_HELD && loss == LK_LOSS_NONE);
  CHECK_OK(lk_guard_remaining(guard, &left_ms));
  CHECK(left_ms > 0);
  CHECK_OK(lk_guard_confirm(guard, PATIENCE_MS));
  CHECK_STATUS(lk_guard_fence(guard, NULL), LK_EINVAL);
  CHECK_STATUS(lk_guard_path(guard, NULL), LK_EINVAL);
  CHECK_STATUS(lk_guard_state(guard, NULL, NULL), LK_EINVAL);
  CHECK_STATUS(lk_guard_remaining(guard, NULL), LK_EINVAL);

  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  CHECK_STATUS(lk_guard_release(guard, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_guard_confirm(guard, PATIENCE_MS), LK_ERELEASED);
  CHECK_OK(lk_guard_state(guard, &state, NULL));
  CHECK(state == LK_GUARD_RELEASED);
  CHECK_OK(lk_guard_remaining(guard, &left_ms));
  CHECK(left_ms == 0);
  CHECK_OK(lk_guard_fence(guard, &fence));
  CHECK(stat.czxid == fence);
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
}

static void two_clients_contend(void) {
  lk_client_t *one = connect_client(), *two = connect_client();
  lk_lock_t *first = new_lock(one, "/locks/c-two"), *second = new_lock(two, "/locks/c-two");
  lk_guard_t *held, *guard;
  int64_t fence = 0, later = 0;
  size_t position = 9;
  CHECK_OK(lk_lock_queue_position(second, PATIENCE_MS, &position));
  CHECK(position == 0);
  REQUIRE_OK(lk_lock_try(first, PATIENCE_MS, &held));
  CHECK_OK(lk_lock_queue_position(second, PATIENCE_MS, &position));
  CHECK(position == 1);
  CHECK_STATUS(lk_lock_queue_position(second, PATIENCE_MS, NULL), LK_EINVAL);
  CHECK_STATUS(lk_lock_try(second, PATIENCE_MS, &guard), LK_EBUSY);
  CHECK(guard == NULL && lk_last_error()->retriable);
  CHECK(equals(lk_last_error()->path, "/locks/c-two"));
  CHECK_STATUS(lk_lock_acquire(second, 300, &guard), LK_ETIMEDOUT);
  CHECK(guard == NULL && lk_last_error()->retriable && !lk_last_error()->maybe_applied);
  CHECK_OK(lk_guard_fence(held, &fence));
  CHECK_OK(lk_guard_release(held, PATIENCE_MS));
  REQUIRE_OK(lk_lock_acquire(second, LK_FOREVER, &guard));
  CHECK_OK(lk_guard_fence(guard, &later));
  CHECK(later > fence);
  lk_guard_free(held);
  /* Freed without a release: given back in the background. */
  lk_guard_free(guard);
  REQUIRE_OK(lk_lock_acquire(first, PATIENCE_MS, &guard));
  lk_guard_free(guard);
  lk_lock_free(first);
  lk_lock_free(second);
  close_client(one);
  close_client(two);
}

/* What a callback saw. The mutex is the test's: the callback runs on another thread. */
struct seen {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int called, dropped;
  lk_guard_state_t state;
  lk_loss_t loss;
  lk_status_t blocking, harmless;
  pthread_t thread;
  lk_client_t *client;
  lk_guard_t *guard;
};

#define SEEN {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0, 1, 0, NULL, NULL}

static void lost(void *user, lk_guard_state_t state, lk_loss_t loss) {
  struct seen *seen = user;
  lk_result_t *result;
  lk_client_state_t client_state;
  pthread_mutex_lock(&seen->mutex);
  seen->called++;
  seen->state = state;
  seen->loss = loss;
  seen->thread = pthread_self();
  if (seen->client != NULL) {
    seen->blocking = lk_get(seen->client, "/", -1, PATIENCE_MS, &result);
    seen->harmless = lk_client_state(seen->client, &client_state);
  }
  if (seen->guard != NULL) {
    lk_guard_free(seen->guard);
  }
  pthread_cond_broadcast(&seen->changed);
  pthread_mutex_unlock(&seen->mutex);
}

static void dropped(void *user) {
  struct seen *seen = user;
  pthread_mutex_lock(&seen->mutex);
  seen->dropped++;
  pthread_cond_broadcast(&seen->changed);
  pthread_mutex_unlock(&seen->mutex);
}

static void await_drop(struct seen *seen) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += PATIENCE_MS / 1000;
  pthread_mutex_lock(&seen->mutex);
  while (seen->dropped == 0 &&
         pthread_cond_timedwait(&seen->changed, &seen->mutex, &deadline) == 0) {
  }
  pthread_mutex_unlock(&seen->mutex);
}

static void a_deleted_znode_loses_the_lock(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-deleted");
  lk_guard_t *guard;
  lk_guard_state_t state;
  lk_loss_t loss;
  lk_str_t path;
  struct seen seen = SEEN, late = SEEN;
  seen.client = client;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_on_lost(guard, lost, &seen, dropped));
  CHECK_OK(lk_guard_path(guard, &path));
  CHECK_OK(lk_delete(other, path.ptr, -1, LK_ANY_VERSION, PATIENCE_MS));
  await_drop(&seen);
  CHECK(seen.called == 1 && seen.dropped == 1);
  CHECK(seen.state == LK_GUARD_LOST && seen.loss == LK_LOSS_DELETED);
  CHECK(!pthread_equal(seen.thread, pthread_self()));
  CHECK(seen.blocking == LK_ECALLBACK && seen.harmless == LK_OK);
  CHECK_OK(lk_guard_state(guard, &state, &loss));
  CHECK(state == LK_GUARD_LOST && loss == LK_LOSS_DELETED);
  /* Too late to be told in time, so at once. */
  CHECK_OK(lk_guard_on_lost(guard, lost, &late, dropped));
  await_drop(&late);
  CHECK(late.called == 1 && late.dropped == 1);
  CHECK(pthread_equal(late.thread, seen.thread));
  CHECK_STATUS(lk_guard_confirm(guard, PATIENCE_MS), LK_ELOST);
  CHECK_STATUS(lk_guard_release(guard, PATIENCE_MS), LK_ELOST);
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
  close_client(other);
}

static void a_closed_session_loses_the_lock(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-closed");
  lk_guard_t *guard, *none;
  struct seen seen = SEEN;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  /* The last owner of the session frees itself on the callback thread. */
  seen.guard = guard;
  CHECK_OK(lk_guard_on_lost(guard, lost, &seen, dropped));
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  CHECK_STATUS(lk_lock_acquire(lock, PATIENCE_MS, &none), LK_CLOSING);
  await_drop(&seen);
  CHECK(seen.called == 1 && seen.dropped == 1);
  CHECK(seen.state == LK_GUARD_LOST && seen.loss == LK_LOSS_CLOSED);
  lk_lock_free(lock);
  lk_client_free(client);
}

static void a_hook_that_is_not_called_is_dropped(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-hooks");
  lk_guard_t *guard;
  struct seen released = SEEN, freed = SEEN, refused = SEEN, invalid = SEEN;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_on_lost(guard, lost, &released, dropped));
  CHECK_STATUS(lk_guard_on_lost(guard, NULL, &invalid, dropped), LK_EINVAL);
  CHECK(invalid.called == 0 && invalid.dropped == 1);
  CHECK_OK(lk_guard_on_lost(guard, lost, NULL, NULL));
  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  await_drop(&released);
  CHECK(released.called == 0 && released.dropped == 1);
  CHECK_STATUS(lk_guard_on_lost(guard, lost, &refused, dropped), LK_ERELEASED);
  CHECK(refused.called == 0 && refused.dropped == 1);
  lk_guard_free(guard);
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_on_lost(guard, lost, &freed, dropped));
  lk_guard_free(guard);
  lk_lock_free(lock);
  /* The end of the client's threads is the end of all its hooks. */
  lk_client_free(client);
  CHECK(freed.called == 0 && freed.dropped == 1);
  CHECK(released.dropped == 1);
}

static void objects_may_be_freed_in_any_order(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-order");
  lk_guard_t *guard;
  lk_guard_state_t state;
  lk_client_free(client);
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  lk_lock_free(lock);
  CHECK_OK(lk_guard_state(guard, &state, NULL));
  CHECK(state == LK_GUARD_HELD);
  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  lk_guard_free(guard);
}

static void layouts_are_the_libraries(void) {
  static const lk_layout_t layouts[] = {LK_LAYOUT_CURATOR, LK_LAYOUT_GO_ZK, LK_LAYOUT_KAZOO};
  static const char *const markers[] = {"-lock-", "-lock-", "__lock__"};
  lk_client_t *client = connect_client();
  for (int i = 0; i < 3; i++) {
    lk_lock_t *lock;
    lk_guard_t *guard;
    lk_str_t path;
    REQUIRE_OK(lk_lock_new(client, "/locks/c-layout", -1, layouts[i], 0, NULL, 0, &lock));
    REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
    CHECK_OK(lk_guard_path(guard, &path));
    CHECK(contains(path, markers[i]));
    CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
    lk_guard_free(guard);
    lk_lock_free(lock);
  }
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(a_guard_tells_what_it_holds);
  RUN(two_clients_contend);
  RUN(a_deleted_znode_loses_the_lock);
  RUN(a_closed_session_loses_the_lock);
  RUN(a_hook_that_is_not_called_is_dropped);
  RUN(objects_may_be_freed_in_any_order);
  RUN(layouts_are_the_libraries);
  return end_tests();
}

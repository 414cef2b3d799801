/* Locks that are more than a mutex, and what may be asked of a mutex besides. */
#define _POSIX_C_SOURCE 200809L
#include "seen.h"

static lk_lock_t *lock_with(const lk_client_t *client, const char *path, lk_layout_t layout,
                            lk_lock_options_t options) {
  lk_lock_t *lock;
  REQUIRE_OK(lk_lock_new(client, path, -1, layout, options, NULL, 0, &lock));
  return lock;
}

static void await_queue(const lk_lock_t *lock, size_t length) {
  size_t position = length + 1;
  for (int i = 0; i < PATIENCE_MS / 10 && position != length; i++) {
    CHECK_OK(lk_lock_queue_position(lock, PATIENCE_MS, &position));
    sleep_ms(10);
  }
  CHECK(position == length);
}

/* Deletes the child of a path that waits: the one with the highest number. */
static void delete_last_child(const lk_client_t *client, const char *path) {
  char child[256] = "";
  lk_result_t *children;
  REQUIRE_OK(lk_children(client, path, -1, PATIENCE_MS, &children));
  for (size_t i = 0; i < lk_result_children_len(children); i++) {
    lk_str_t name = lk_result_child(children, i);
    const char *best = strrchr(child, '-');
    if (best == NULL || strcmp(strrchr(name.ptr, '-'), best) > 0) {
      snprintf(child, sizeof child, "%s/%s", path, name.ptr);
    }
  }
  lk_result_free(children);
  CHECK_OK(lk_delete(client, child, -1, LK_ANY_VERSION, PATIENCE_MS));
}

static void null_is_refused(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *one = (lk_lock_t *)&one, *two = (lk_lock_t *)&two, *mutex;
  lk_guard_t *guard, *guards[2] = {(lk_guard_t *)&one, (lk_guard_t *)&one};
  bool flag = true;
  CHECK_STATUS(lk_lock_new(client, "/l", -1, 0, 8, NULL, 0, &one), LK_EINVAL);
  CHECK(one == NULL);
  CHECK_STATUS(lk_lock_numbers_run_out(NULL, &flag), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_new(NULL, "/l", -1, 0, 0, NULL, 0, &one, &two), LK_EINVAL);
  CHECK(two == NULL);
  CHECK_STATUS(lk_rwlock_new(client, "/l", -1, 0, 0, NULL, 0, NULL, &two), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_new(client, "/l", -1, 0, 0, NULL, 0, &one, NULL), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_new(client, "/l", -1, 3, 0, NULL, 0, &one, &two), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_new(client, "/l", -1, 0, LK_LOCK_STRICT, NULL, 0, &one, &two), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_new(client, "l", -1, 0, 0, NULL, 0, &one, &two), LK_BADARGUMENTS);
  CHECK_STATUS(lk_rwlock_upgrade(NULL, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_downgrade(NULL, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_new(NULL, "/l", -1, 1, NULL, 0, 0, &one), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_new(client, "/l", -1, LK_LIMIT_SHARED, NULL, 0, 0, &one), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_new(client, "/l", -1, 1, "/count", -1, 0, &one), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_new(client, "/l", -1, 1, NULL, 0, LK_LOCK_STRICT, &one), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_acquire_many(NULL, 2, 0, guards), LK_EINVAL);
  CHECK(guards[0] == NULL && guards[1] == NULL);
  mutex = new_lock(client, "/locks/c-null");
  CHECK_STATUS(lk_lock_numbers_run_out(mutex, NULL), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_acquire_many(mutex, 1, 0, guards), LK_EINVAL);
  CHECK_STATUS(lk_semaphore_acquire_many(mutex, 1, 0, NULL), LK_EINVAL);
  /* A mutex is neither a reader nor a writer, and stays. */
  REQUIRE_OK(lk_lock_acquire(mutex, PATIENCE_MS, &guards[0]));
  CHECK_STATUS(lk_rwlock_upgrade(guards[0], 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_rwlock_downgrade(guards[0], 0, &guard), LK_EINVAL);
  CHECK_OK(lk_guard_release(guards[0], PATIENCE_MS));
  CHECK_STATUS(lk_rwlock_upgrade(guards[0], 0, &guard), LK_ERELEASED);
  CHECK_STATUS(lk_rwlock_downgrade(guards[0], 0, &guard), LK_ERELEASED);
  lk_guard_free(guards[0]);
  lk_lock_free(mutex);
  close_client(client);
}

static void a_strict_fence_is_the_zxid_of_a_claim(void) {
  lk_client_t *client = connect_client();
  lk_lock_t *lock = lock_with(client, "/locks/c-strict", LK_LAYOUT_CURATOR, LK_LOCK_STRICT);
  lk_guard_t *guard;
  lk_result_t *result;
  lk_stat_t stat;
  lk_str_t path;
  int64_t fence = 0, left_ms = 0;
  bool run_out = true;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  CHECK_OK(lk_guard_fence(guard, &fence));
  CHECK_OK(lk_guard_path(guard, &path));
  REQUIRE_OK(lk_get(client, path.ptr, -1, PATIENCE_MS, &result));
  CHECK_OK(lk_result_stat(result, &stat));
  CHECK(stat.mzxid == fence && stat.czxid < fence);
  lk_result_free(result);
  CHECK_OK(lk_guard_remaining(guard, &left_ms));
  CHECK(left_ms > 0);
  CHECK_OK(lk_lock_numbers_run_out(lock, &run_out));
  CHECK(!run_out);
  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
}

static void a_deleted_waiter_queues_again_if_it_is_to(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  const char *path = fresh("requeue");
  lk_lock_t *lock = new_lock(client, path);
  lk_lock_t *again = lock_with(other, path, LK_LAYOUT_CURATOR, LK_LOCK_REQUEUE);
  struct seen plain = {0}, requeued = {0};
  lk_guard_t *held;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &held));
  CHECK_OK(lk_lock_acquire_async(lock, LK_FOREVER, see_guard, &plain, see_drop, NULL));
  await_queue(lock, 2);
  delete_last_child(client, path);
  AWAIT(plain.dropped == 1);
  CHECK(plain.code == LK_ENODEGONE);
  CHECK_OK(lk_lock_acquire_async(again, LK_FOREVER, see_guard, &requeued, see_drop, NULL));
  await_queue(lock, 2);
  delete_last_child(client, path);
  CHECK_OK(lk_guard_release(held, PATIENCE_MS));
  AWAIT(requeued.dropped == 1);
  CHECK(requeued.called == 1 && requeued.code == LK_OK);
  lk_guard_free(requeued.guard);
  lk_guard_free(held);
  lk_lock_free(lock);
  lk_lock_free(again);
  close_client(client);
  close_client(other);
}

static void names_that_would_not_wait_are_refused(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("blind");
  lk_lock_t *kazoo = lock_with(client, path, LK_LAYOUT_KAZOO, 0);
  lk_lock_t *curator = lock_with(client, path, LK_LAYOUT_CURATOR, LK_LOCK_REFUSE_BLIND);
  lk_guard_t *held, *none;
  REQUIRE_OK(lk_lock_acquire(kazoo, PATIENCE_MS, &held));
  CHECK_STATUS(lk_lock_acquire(curator, PATIENCE_MS, &none), LK_ELAYOUT);
  CHECK(contains(lk_last_error()->text, "same layout"));
  lk_guard_free(held);
  lk_lock_free(kazoo);
  lk_lock_free(curator);
  close_client(client);
}

static void readers_share_and_writers_do_not(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  const char *path = fresh("rwlock");
  lk_lock_t *readers, *writers, *others_readers, *others_writers;
  lk_guard_t *first, *second, *writer, *reader, *none;
  struct seen waiting = {0};
  lk_str_t name;
  int64_t read = 0, written = 0;
  bool run_out = true;
  REQUIRE_OK(lk_rwlock_new(client, path, -1, LK_LAYOUT_CURATOR, 0, "one", -1, &readers, &writers));
  REQUIRE_OK(lk_rwlock_new(other, path, -1, LK_LAYOUT_CURATOR, LK_LOCK_REQUEUE, NULL, 0,
                           &others_readers, &others_writers));
  REQUIRE_OK(lk_lock_acquire(readers, PATIENCE_MS, &first));
  REQUIRE_OK(lk_lock_try(others_readers, PATIENCE_MS, &second));
  CHECK_OK(lk_guard_path(first, &name));
  CHECK(contains(name, "__READ__"));
  CHECK_STATUS(lk_lock_try(writers, PATIENCE_MS, &none), LK_EBUSY);
  CHECK_STATUS(lk_lock_acquire(writers, 200, &none), LK_ETIMEDOUT);

  /* A reader becomes a writer when the other readers have gone, but not past another writer. What
   * gave up leaves in the background. */
  await_queue(readers, 2);
  CHECK_STATUS(lk_rwlock_upgrade(first, 200, &none), LK_ETIMEDOUT);
  await_queue(readers, 2);
  CHECK_OK(lk_lock_acquire_async(others_writers, LK_FOREVER, see_guard, &waiting, see_drop, NULL));
  await_queue(readers, 3);
  CHECK_STATUS(lk_rwlock_upgrade(first, PATIENCE_MS, &none), LK_EUPGRADE);
  CHECK_OK(lk_guard_release(second, PATIENCE_MS));
  CHECK(waiting.called == 0);
  CHECK_OK(lk_guard_fence(first, &read));
  CHECK_OK(lk_guard_release(first, PATIENCE_MS));
  AWAIT(waiting.dropped == 1);
  CHECK(waiting.code == LK_OK);
  CHECK_OK(lk_guard_fence(waiting.guard, &written));
  CHECK(written > read);
  CHECK_STATUS(lk_lock_try(readers, PATIENCE_MS, &none), LK_EBUSY);
  CHECK_STATUS(lk_rwlock_upgrade(waiting.guard, PATIENCE_MS, &none), LK_EINVAL);

  /* A writer becomes a reader, and its guard is used up. */
  REQUIRE_OK(lk_rwlock_downgrade(waiting.guard, PATIENCE_MS, &reader));
  CHECK_STATUS(lk_rwlock_downgrade(waiting.guard, PATIENCE_MS, &none), LK_ERELEASED);
  CHECK_STATUS(lk_guard_release(waiting.guard, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_rwlock_downgrade(reader, PATIENCE_MS, &none), LK_EINVAL);
  REQUIRE_OK(lk_rwlock_upgrade(reader, PATIENCE_MS, &writer));
  CHECK_OK(lk_guard_confirm(writer, PATIENCE_MS));
  CHECK_OK(lk_guard_release(writer, PATIENCE_MS));
  CHECK_OK(lk_guard_confirm(reader, PATIENCE_MS));
  REQUIRE_OK(lk_lock_try(readers, PATIENCE_MS, &none));
  lk_guard_free(none);
  CHECK_OK(lk_lock_numbers_run_out(writers, &run_out));
  CHECK(!run_out);
  lk_guard_free(first);
  lk_guard_free(second);
  lk_guard_free(waiting.guard);
  lk_guard_free(writer);
  lk_guard_free(reader);
  lk_lock_free(readers);
  lk_lock_free(writers);
  lk_lock_free(others_readers);
  lk_lock_free(others_writers);
  close_client(client);
  close_client(other);
}

static void a_semaphore_has_so_many_leases(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  const char *path = fresh("semaphore");
  lk_lock_t *semaphore, *same, *another;
  lk_guard_t *many[2], *four[4], *none;
  struct seen waiting = {0};
  int64_t first = 0, second = 0;
  bool run_out = true;
  REQUIRE_OK(lk_semaphore_new(client, path, -1, 3, NULL, 0, 0, &semaphore));
  REQUIRE_OK(lk_semaphore_new(other, path, -1, 3, NULL, 0, LK_LOCK_REQUEUE, &same));
  REQUIRE_OK(lk_semaphore_new(other, path, -1, 4, NULL, 0, 0, &another));
  REQUIRE_OK(lk_semaphore_acquire_many(semaphore, 2, PATIENCE_MS, many));
  CHECK_OK(lk_guard_fence(many[0], &first));
  CHECK_OK(lk_guard_fence(many[1], &second));
  CHECK(first != second);
  await_queue(semaphore, 0);
  REQUIRE_OK(lk_lock_try(same, PATIENCE_MS, &waiting.guard));
  await_queue(semaphore, 0);
  CHECK_STATUS(lk_lock_try(same, PATIENCE_MS, &none), LK_EBUSY);
  CHECK_STATUS(lk_lock_acquire(same, 200, &none), LK_ETIMEDOUT);
  CHECK_STATUS(lk_semaphore_acquire_many(semaphore, 4, PATIENCE_MS, four), LK_ECONFLICT);
  CHECK(four[0] == NULL && four[3] == NULL);
  CHECK(equals(lk_last_error()->path, path));
  lk_guard_free(waiting.guard);
  CHECK_OK(lk_guard_release(many[0], PATIENCE_MS));
  CHECK_STATUS(lk_lock_acquire(another, PATIENCE_MS, &none), LK_ECONFLICT);
  CHECK(contains(lk_last_error()->text, "limit of 3"));

  /* One that waits gets the lease that is given back. */
  REQUIRE_OK(lk_semaphore_acquire_many(same, 2, PATIENCE_MS, four));
  CHECK_OK(lk_lock_acquire_async(same, LK_FOREVER, see_guard, &waiting, see_drop, NULL));
  await_queue(semaphore, 1);
  CHECK_OK(lk_guard_release(many[1], PATIENCE_MS));
  AWAIT(waiting.dropped == 1);
  CHECK(waiting.code == LK_OK);
  await_queue(semaphore, 0);
  CHECK_OK(lk_lock_numbers_run_out(semaphore, &run_out));
  CHECK(!run_out);
  lk_guard_free(waiting.guard);
  lk_guard_free(four[0]);
  lk_guard_free(four[1]);
  lk_guard_free(many[0]);
  lk_guard_free(many[1]);
  lk_lock_free(semaphore);
  lk_lock_free(same);
  lk_lock_free(another);
  close_client(client);
  close_client(other);
}

static void a_limit_may_be_a_shared_count(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("shared"), *count = fresh("shared-count");
  lk_lock_t *semaphore;
  lk_guard_t *first, *none;
  struct seen waiting = {0};
  REQUIRE_OK(lk_semaphore_new(client, path, -1, LK_LIMIT_SHARED, count, -1, 0, &semaphore));
  CHECK_STATUS(lk_lock_acquire(semaphore, PATIENCE_MS, &none), LK_ECONFLICT);
  CHECK_OK(lk_count_set(client, count, -1, 1, LK_NO_VERSION, PATIENCE_MS, NULL));
  REQUIRE_OK(lk_lock_acquire(semaphore, PATIENCE_MS, &first));
  CHECK_OK(lk_lock_acquire_async(semaphore, LK_FOREVER, see_guard, &waiting, see_drop, NULL));
  await_queue(semaphore, 1);
  CHECK(waiting.called == 0);
  CHECK_OK(lk_count_set(client, count, -1, 2, LK_ANY_VERSION, PATIENCE_MS, NULL));
  AWAIT(waiting.dropped == 1);
  CHECK(waiting.code == LK_OK);
  lk_guard_free(first);
  lk_guard_free(waiting.guard);
  lk_lock_free(semaphore);
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(a_strict_fence_is_the_zxid_of_a_claim);
  RUN(a_deleted_waiter_queues_again_if_it_is_to);
  RUN(names_that_would_not_wait_are_refused);
  RUN(readers_share_and_writers_do_not);
  RUN(a_semaphore_has_so_many_leases);
  RUN(a_limit_may_be_a_shared_count);
  return end_tests();
}

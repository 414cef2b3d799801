/* What processes share: values, counts, configurations that pass a check or are not taken. */
#define _POSIX_C_SOURCE 200809L
#include "seen.h"

static void see_count(void *user, const lk_error_t *error, const lk_count_t *count) {
  struct seen *seen = begin_seen(user, error);
  if (count != NULL) {
    snprintf(seen->data, sizeof seen->data, "%" PRId32, count->value);
  }
  end_seen();
}

/* Good are one to three digits. */
static bool check_limit(void *user, const lk_result_t *found, char *reason, size_t size) {
  lk_bytes_t data = lk_result_data(found);
  (void)user;
  if (data.len == 0) {
    return false;
  }
  if (data.len > 3 || data.ptr[0] < '0' || data.ptr[0] > '9') {
    snprintf(reason, size, "limit must have one to three digits, not %zu", data.len);
    return false;
  }
  return true;
}

static bool data_is(const lk_result_t *result, const char *expected) {
  lk_bytes_t data = lk_result_data(result);
  return data.len == strlen(expected) && memcmp(data.ptr, expected, data.len) == 0;
}

static void put(const lk_client_t *client, const char *path, const char *value) {
  REQUIRE_OK(lk_value_set(client, path, -1, value, strlen(value), LK_ANY_VERSION, PATIENCE_MS, NULL));
}

static void null_is_refused(void) {
  lk_client_t *client = connect_client();
  lk_result_t *result = (lk_result_t *)&result;
  lk_follow_t *follow = (lk_follow_t *)&follow;
  lk_call_t *call = (lk_call_t *)&call;
  struct seen seen = {0};
  lk_count_t count;
  lk_key_t twice[] = {{"a", -1, "1", 1}, {"a", 1, "2", 1}}, no_name = {NULL, -1, "1", 1};
  CHECK_STATUS(lk_value_get(NULL, "/v", -1, 0, &result), LK_EINVAL);
  CHECK(result == NULL);
  CHECK_STATUS(lk_value_get(client, "v", -1, 0, &result), LK_BADARGUMENTS);
  CHECK_STATUS(lk_value_set(client, "/v", -1, NULL, 1, LK_ANY_VERSION, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_value_set(client, "/v", -1, "a", 1, -3, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_value_watch(client, "/v", -1, NULL, &seen, see_drop, &call), LK_EINVAL);
  CHECK(call == NULL && seen.dropped == 1);
  CHECK_STATUS(lk_count_get(NULL, "/v", -1, 0, &count), LK_EINVAL);
  CHECK_STATUS(lk_count_set(client, "/v", -1, 1, -3, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_count_watch(NULL, "/v", -1, see_count, &seen, see_drop, NULL), LK_EINVAL);
  CHECK(seen.dropped == 2);
  CHECK_STATUS(lk_follow_value(NULL, "/v", -1, NULL, NULL, &seen, see_drop, &follow), LK_EINVAL);
  CHECK(follow == NULL && seen.dropped == 3);
  CHECK_STATUS(lk_follow_value(client, "/v", -1, NULL, NULL, &seen, see_drop, NULL), LK_EINVAL);
  CHECK_STATUS(lk_follow_keys(client, "/v", -1, 2, NULL, NULL, &seen, see_drop, &follow), LK_EINVAL);
  CHECK(seen.dropped == 5 && seen.called == 0);
  CHECK_STATUS(lk_follow_get(NULL, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_follow_status(NULL), LK_EINVAL);
  CHECK_STATUS(lk_publish_keys(client, "/v", -1, 0, NULL, 1, NULL, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_publish_keys(client, "/v", -1, 2, NULL, 0, NULL, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_publish_keys(client, "/v", -1, 0, twice, 2, NULL, 0, NULL), LK_EINVAL);
  CHECK(contains(lk_last_error()->text, "twice"));
  CHECK_STATUS(lk_publish_keys(client, "/v", -1, 0, &no_name, 1, NULL, 0, NULL), LK_EINVAL);
  CHECK(lk_result_revision(NULL) == 0 && lk_result_version(NULL) == LK_NO_VERSION);
  CHECK(lk_result_value(NULL, 0).ptr == NULL);
  lk_follow_free(NULL);
  close_client(client);
}

static void a_value_is_replaced_by_who_has_seen_it(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  struct seen seen = {0};
  lk_result_t *first, *result;
  lk_call_t *call;
  CHECK_OK(lk_value_watch(other, "/c-value", -1, see_result, &seen, see_drop, &call));
  AWAIT(seen.called == 1 && seen.code == LK_NONODE);
  CHECK_STATUS(lk_value_get(client, "/c-value", -1, PATIENCE_MS, &result), LK_NONODE);
  CHECK(equals(lk_last_error()->path, "/c-value"));
  REQUIRE_OK(lk_value_set(client, "/c-value", -1, "one", 3, LK_NO_VERSION, PATIENCE_MS, &first));
  CHECK(data_is(first, "one") && lk_result_version(first) == 0);
  AWAIT(seen.code == LK_OK && strcmp(seen.data, "one") == 0);
  CHECK_STATUS(lk_value_set(client, "/c-value", -1, "x", 1, LK_NO_VERSION, PATIENCE_MS, NULL),
               LK_ECHANGED);
  REQUIRE_OK(lk_value_set(other, "/c-value", -1, "two", 3, lk_result_version(first), PATIENCE_MS,
                          &result));
  CHECK(lk_result_version(result) == 1 && lk_result_revision(result) > lk_result_revision(first));
  lk_result_free(result);
  CHECK_STATUS(lk_value_set(client, "/c-value", -1, "x", 1, lk_result_version(first), PATIENCE_MS,
                            &result),
               LK_ECHANGED);
  CHECK(result == NULL && !lk_last_error()->maybe_applied);
  AWAIT(strcmp(seen.data, "two") == 0);
  put(client, "/c-value", "three");
  AWAIT(strcmp(seen.data, "three") == 0);
  REQUIRE_OK(lk_value_get(client, "/c-value", -1, PATIENCE_MS, &result));
  CHECK(data_is(result, "three") && lk_result_version(result) == 2);
  lk_result_free(result);
  lk_result_free(first);
  /* Once it is given up it is told nothing. */
  lk_call_free(call);
  AWAIT(seen.dropped == 1);
  CHECK_OK(lk_delete(client, "/c-value", -1, LK_ANY_VERSION, PATIENCE_MS));
  CHECK(strcmp(seen.data, "three") == 0 && seen.code == LK_OK);
  close_client(client);
  close_client(other);
}

static void a_count_is_four_bytes(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  struct seen seen = {0};
  lk_count_t count = {0, 0, 0}, next;
  CHECK_STATUS(lk_count_get(client, "/c-count", -1, PATIENCE_MS, &count), LK_NONODE);
  CHECK_OK(lk_count_watch(other, "/c-count", -1, see_count, &seen, see_drop, NULL));
  CHECK_OK(lk_count_set(client, "/c-count", -1, -7, LK_NO_VERSION, PATIENCE_MS, &count));
  CHECK(count.value == -7 && count.version == 0 && count.revision > 0);
  CHECK_OK(lk_count_get(client, "/c-count", -1, PATIENCE_MS, &next));
  CHECK(next.value == -7 && next.revision == count.revision);
  CHECK_STATUS(lk_count_get(client, "/c-count", -1, PATIENCE_MS, NULL), LK_EINVAL);
  CHECK_OK(lk_count_set(client, "/c-count", -1, 8, count.version, PATIENCE_MS, &next));
  CHECK_STATUS(lk_count_set(client, "/c-count", -1, 9, count.version, PATIENCE_MS, NULL),
               LK_ECHANGED);
  AWAIT(strcmp(seen.data, "8") == 0 && seen.code == LK_OK);
  /* Somebody else's data is told, and the next number again. */
  put(client, "/c-count", "no number");
  AWAIT(seen.code == LK_ECONFLICT);
  CHECK_STATUS(lk_count_get(client, "/c-count", -1, PATIENCE_MS, &next), LK_ECONFLICT);
  CHECK_OK(lk_count_set(client, "/c-count", -1, 10, LK_ANY_VERSION, PATIENCE_MS, NULL));
  AWAIT(strcmp(seen.data, "10") == 0 && seen.code == LK_OK);
  CHECK_OK(lk_delete(client, "/c-count", -1, LK_ANY_VERSION, PATIENCE_MS));
  AWAIT(seen.code == LK_NONODE);
  /* The end of the session is the last that is told. */
  CHECK_OK(lk_client_close(other, PATIENCE_MS));
  AWAIT(seen.dropped == 1);
  CHECK(seen.code == LK_CLOSING);
  lk_client_free(other);
  close_client(client);
}

static void only_what_passes_the_check_is_good(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  struct seen seen = {0};
  lk_follow_t *follow;
  lk_result_t *good;
  int64_t revision;
  REQUIRE_OK(lk_follow_value(other, "/c-limit", -1, check_limit, see_result, &seen, see_drop, &follow));
  AWAIT(seen.called == 1 && seen.code == LK_NONODE);
  CHECK_STATUS(lk_follow_status(follow), LK_NONODE);
  CHECK_STATUS(lk_follow_get(follow, 0, &good), LK_NONODE);
  CHECK(good == NULL);
  put(client, "/c-limit", "no digits");
  AWAIT(seen.code == LK_EREJECTED);
  CHECK_STATUS(lk_follow_get(follow, 100, &good), LK_EREJECTED);
  CHECK(equals(lk_last_error()->text, "limit must have one to three digits, not 9"));
  CHECK(equals(lk_last_error()->path, "/c-limit"));
  put(client, "/c-limit", "10");
  REQUIRE_OK(lk_follow_get(follow, PATIENCE_MS, &good));
  CHECK(data_is(good, "10") && lk_result_version(good) == LK_NO_VERSION);
  revision = lk_result_revision(good);
  lk_result_free(good);
  CHECK_OK(lk_follow_status(follow));
  AWAIT(seen.code == LK_OK && strcmp(seen.data, "10") == 0);

  /* What is refused, without a word, and what goes away change nothing. */
  put(client, "/c-limit", "");
  AWAIT(seen.code == LK_EREJECTED);
  CHECK(strcmp(seen.data, "10") == 0 && strcmp(seen.text, "refused by the check") == 0);
  CHECK_OK(lk_delete(client, "/c-limit", -1, LK_ANY_VERSION, PATIENCE_MS));
  AWAIT(seen.code == LK_NONODE && strcmp(seen.data, "10") == 0);
  REQUIRE_OK(lk_follow_get(follow, 0, &good));
  CHECK(lk_result_revision(good) == revision);
  lk_result_free(good);
  CHECK_OK(lk_client_close(other, PATIENCE_MS));
  AWAIT(seen.dropped == 1);
  CHECK(seen.code == LK_CLOSING);
  CHECK_STATUS(lk_follow_status(follow), LK_CLOSING);
  REQUIRE_OK(lk_follow_get(follow, PATIENCE_MS, &good));
  lk_result_free(good);
  lk_client_free(other);
  lk_follow_free(follow);
  close_client(client);
}

static void freeing_ends_following(void) {
  lk_client_t *client = connect_client();
  struct seen seen = {0};
  lk_follow_t *follow;
  REQUIRE_OK(lk_follow_value(client, "/c-free", -1, NULL, see_result, &seen, see_drop, &follow));
  AWAIT(seen.called == 1);
  lk_follow_free(follow);
  AWAIT(seen.dropped == 1);
  put(client, "/c-free", "later");
  CHECK_OK(lk_delete(client, "/c-free", -1, LK_ANY_VERSION, PATIENCE_MS));
  CHECK(seen.called == 1);
  /* The last owner of the session. */
  REQUIRE_OK(lk_follow_value(client, "/c-free", -1, NULL, NULL, NULL, NULL, &follow));
  lk_client_free(client);
  lk_follow_free(follow);
}

static void keys_are_seen_whole(lk_keys_layout_t layout, const char *path) {
  lk_client_t *client = connect_client(), *other = connect_client();
  lk_lock_t *lock = new_lock(client, "/locks/c-publisher");
  lk_key_t keys[] = {{"port", -1, "5432", 4}, {"hosting", 4, "db1", 3}, {"none", -1, NULL, 0}};
  lk_key_t bad = {"a/b", -1, "1", 1};
  struct seen seen = {0};
  lk_guard_t *guard;
  lk_follow_t *follow;
  lk_result_t *found;
  lk_bytes_t value;
  lk_str_t held;
  int64_t revision = 0, next = 0;
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  REQUIRE_OK(lk_follow_keys(other, path, -1, layout, NULL, see_result, &seen, see_drop, &follow));
  CHECK_OK(lk_publish_keys(client, path, -1, layout, keys, 3, guard, PATIENCE_MS, &revision));
  REQUIRE_OK(lk_follow_get(follow, PATIENCE_MS, &found));
  CHECK(lk_result_revision(found) == revision && lk_result_children_len(found) == 3);
  CHECK(equals(lk_result_child(found, 0), "host") && equals(lk_result_child(found, 1), "none"));
  CHECK(equals(lk_result_child(found, 2), "port") && lk_result_child(found, 3).len == 0);
  value = lk_result_value(found, 0);
  CHECK(value.len == 3 && memcmp(value.ptr, "db1", 3) == 0);
  CHECK(lk_result_value(found, 1).len == 0 && lk_result_value(found, 3).ptr == NULL);
  lk_result_free(found);
  CHECK_STATUS(lk_publish_keys(client, path, -1, layout, &bad, 1, guard, PATIENCE_MS, NULL),
               LK_ECONFLICT);
  CHECK_OK(lk_publish_keys(client, path, -1, layout, keys, 1, guard, PATIENCE_MS, &next));
  CHECK(next > revision);
  /* A publisher that has lost its lock changes nothing. */
  CHECK_OK(lk_guard_path(guard, &held));
  CHECK_OK(lk_delete(other, held.ptr, -1, LK_ANY_VERSION, PATIENCE_MS));
  CHECK_STATUS(lk_publish_keys(client, path, -1, layout, keys, 2, guard, PATIENCE_MS, NULL),
               LK_ELOST);
  CHECK_STATUS(lk_guard_release(guard, PATIENCE_MS), LK_ELOST);
  CHECK_STATUS(lk_publish_keys(client, path, -1, layout, keys, 2, guard, PATIENCE_MS, NULL),
               LK_ERELEASED);
  do {
    REQUIRE_OK(lk_follow_get(follow, PATIENCE_MS, &found));
    revision = lk_result_revision(found);
    CHECK(lk_result_children_len(found) == (revision == next ? 1 : 3));
    lk_result_free(found);
  } while (revision < next);
  CHECK(revision == next);
  lk_guard_free(guard);
  lk_follow_free(follow);
  lk_lock_free(lock);
  AWAIT(seen.dropped == 1);
  close_client(client);
  close_client(other);
}

static void versions_are_published_as_a_whole(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("keys");
  lk_key_t key = {"a", -1, "1", 1};
  keys_are_seen_whole(LK_KEYS_VERSIONS, path);
  CHECK_OK(lk_publish_keys(client, path, -1, LK_KEYS_VERSIONS, &key, 1, NULL, PATIENCE_MS, NULL));
  close_client(client);
}

static void keys_in_place_are_published_under_a_guard(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("ready");
  lk_key_t key = {"a", -1, "1", 1};
  CHECK_STATUS(lk_publish_keys(client, path, -1, LK_KEYS_READY, &key, 1, NULL, PATIENCE_MS, NULL),
               LK_ECONFLICT);
  CHECK(contains(lk_last_error()->text, "guard"));
  keys_are_seen_whole(LK_KEYS_READY, path);
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(a_value_is_replaced_by_who_has_seen_it);
  RUN(a_count_is_four_bytes);
  RUN(only_what_passes_the_check_is_good);
  RUN(freeing_ends_following);
  RUN(versions_are_published_as_a_whole);
  RUN(keys_in_place_are_published_under_a_guard);
  return end_tests();
}

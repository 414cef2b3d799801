/* Where processes wait for each other: barrier, double barrier, latch, meeting point. */
#define _POSIX_C_SOURCE 200809L
#include "seen.h"

static void null_is_refused(void) {
  lk_client_t *client = connect_client();
  lk_guard_t *guard = (lk_guard_t *)&guard;
  lk_result_t *result = (lk_result_t *)&result;
  lk_call_t *call = (lk_call_t *)&call;
  struct seen seen = {0};
  bool flag;
  size_t count;
  CHECK_STATUS(lk_barrier_close(NULL, "/b", -1, 0, &flag), LK_EINVAL);
  CHECK_STATUS(lk_barrier_close(client, NULL, -1, 0, &flag), LK_EINVAL);
  CHECK_STATUS(lk_barrier_close(client, "b", -1, 0, &flag), LK_BADARGUMENTS);
  CHECK(equals(lk_last_error()->path, "b"));
  CHECK_STATUS(lk_barrier_open(NULL, "/b", -1, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_barrier_is_closed(NULL, "/b", -1, 0, &flag), LK_EINVAL);
  CHECK_STATUS(lk_barrier_is_closed(client, "/c-none", -1, PATIENCE_MS, NULL), LK_EINVAL);
  CHECK_STATUS(lk_barrier_wait(NULL, "/b", -1, 0), LK_EINVAL);
  CHECK_STATUS(lk_barrier_wait_async(NULL, "/b", -1, 0, see_done, &seen, see_drop, &call),
               LK_EINVAL);
  CHECK(call == NULL && seen.dropped == 1);
  CHECK_STATUS(lk_barrier_wait_async(client, "/b", -1, 0, NULL, &seen, see_drop, &call), LK_EINVAL);
  CHECK(seen.dropped == 2);
  CHECK_STATUS(lk_double_barrier_enter(NULL, "/b", -1, 1, LK_NO_ROUND, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_double_barrier_enter(client, "/b", -1, 1, -2, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_double_barrier_enter(client, "/b", -1, 1, 0, 0, NULL), LK_EINVAL);
  CHECK_STATUS(lk_double_barrier_enter(client, "/b", -1, 0, 0, 0, &guard), LK_ECONFLICT);
  CHECK(contains(lk_last_error()->text, "1 to 5000 parties"));
  CHECK_STATUS(lk_double_barrier_enter_async(client, "/b", -1, 1, 0, 0, NULL, &seen, see_drop, NULL),
               LK_EINVAL);
  CHECK(seen.dropped == 3);
  CHECK_STATUS(lk_double_barrier_members(NULL, &result), LK_EINVAL);
  CHECK_STATUS(lk_latch_count_down(NULL, "/b", -1, 1, NULL, 0, 0, &count), LK_EINVAL);
  CHECK_STATUS(lk_latch_count_down(client, "/b", -1, 0, NULL, 0, 0, &count), LK_ECONFLICT);
  CHECK_STATUS(lk_latch_count_down(client, "/b", -1, 1, "a/b", -1, 0, &count), LK_ECONFLICT);
  CHECK_STATUS(lk_latch_missing(NULL, "/b", -1, 1, 0, &count), LK_EINVAL);
  CHECK_STATUS(lk_latch_wait(NULL, "/b", -1, 1, 0), LK_EINVAL);
  CHECK_STATUS(lk_latch_wait_async(client, "/b", -1, 1, 0, NULL, &seen, see_drop, NULL), LK_EINVAL);
  CHECK(seen.dropped == 4);
  CHECK_STATUS(lk_latch_reset(NULL, "/b", -1, 1, 0), LK_EINVAL);
  CHECK_STATUS(lk_rendezvous_fill(client, "/b", -1, NULL, 1, 0), LK_EINVAL);
  CHECK_STATUS(lk_rendezvous_fill(client, "/b", -1, NULL, 0, 0), LK_ECONFLICT);
  CHECK_STATUS(lk_rendezvous_occupy(client, "/b", -1, NULL, 0, PATIENCE_MS, &guard), LK_ECONFLICT);
  CHECK_STATUS(lk_rendezvous_wait(NULL, "/b", -1, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_rendezvous_wait_async(client, "/b", -1, 0, NULL, &seen, see_drop, NULL),
               LK_EINVAL);
  CHECK(seen.dropped == 5);
  CHECK_STATUS(lk_rendezvous_vacated(client, "/b", -1, NULL, 0), LK_EINVAL);
  CHECK_STATUS(lk_rendezvous_vacated_async(client, "/b", -1, NULL, 0, see_done, &seen, see_drop, NULL),
               LK_EINVAL);
  CHECK(seen.dropped == 6 && seen.called == 0);
  CHECK(guard == NULL && result == NULL);
  close_client(client);
}

static void a_barrier_holds_until_it_is_opened(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  struct seen seen = {0}, late = {0}, given_up = {0};
  lk_call_t *call;
  bool changed = false, is_closed = false;
  CHECK_OK(lk_barrier_wait(client, "/c-gate", -1, PATIENCE_MS));
  CHECK_OK(lk_barrier_close(client, "/c-gate", -1, PATIENCE_MS, &changed));
  CHECK(changed);
  CHECK_OK(lk_barrier_close(other, "/c-gate", -1, PATIENCE_MS, &changed));
  CHECK(!changed);
  CHECK_OK(lk_barrier_is_closed(other, "/c-gate", -1, PATIENCE_MS, &is_closed));
  CHECK(is_closed);
  CHECK_STATUS(lk_barrier_wait(client, "/c-gate", -1, 200), LK_ETIMEDOUT);
  CHECK(lk_last_error()->retriable && equals(lk_last_error()->path, "/c-gate"));
  CHECK_OK(lk_barrier_wait_async(other, "/c-gate", -1, 200, see_done, &late, see_drop, NULL));
  AWAIT(late.dropped == 1);
  CHECK(late.called == 1 && late.code == LK_ETIMEDOUT);
  CHECK_OK(lk_barrier_wait_async(other, "/c-gate", -1, LK_FOREVER, see_done, &seen, see_drop, NULL));
  CHECK_OK(
      lk_barrier_wait_async(other, "/c-gate", -1, LK_FOREVER, see_done, &given_up, see_drop, &call));
  lk_call_free(call);
  AWAIT(given_up.dropped == 1);
  CHECK(given_up.called == 0 && seen.called == 0);
  CHECK_OK(lk_barrier_open(client, "/c-gate", -1, PATIENCE_MS, &changed));
  CHECK(changed);
  AWAIT(seen.dropped == 1);
  CHECK(seen.called == 1 && seen.code == LK_OK);
  CHECK_OK(lk_barrier_open(client, "/c-gate", -1, PATIENCE_MS, NULL));
  CHECK_OK(lk_barrier_is_closed(other, "/c-gate", -1, PATIENCE_MS, &is_closed));
  CHECK(!is_closed);
  close_client(client);
  close_client(other);
}

static void parties_go_in_and_come_out_together(void) {
  lk_client_t *one = connect_client(), *two = connect_client(), *three = connect_client();
  const char *path = fresh("meeting");
  struct seen entered = {0}, left = {0};
  lk_guard_t *mine, *none;
  lk_guard_state_t state = 0;
  lk_result_t *members;
  lk_lock_t *lock;
  CHECK_STATUS(lk_double_barrier_enter(one, path, -1, 2, 0, 200, &none), LK_ETIMEDOUT);
  CHECK_OK(lk_double_barrier_enter_async(one, path, -1, 2, 0, PATIENCE_MS, see_guard,
                                         &entered, see_drop, NULL));
  REQUIRE_OK(lk_double_barrier_enter(two, path, -1, 2, 0, PATIENCE_MS, &mine));
  AWAIT(entered.dropped == 1);
  CHECK(entered.called == 1 && entered.code == LK_OK);
  CHECK_STATUS(lk_double_barrier_enter(three, path, -1, 2, 0, PATIENCE_MS, &none),
               LK_ECONFLICT);
  CHECK(contains(lk_last_error()->text, "next round"));
  CHECK_OK(lk_guard_state(mine, &state, NULL));
  CHECK(state == LK_GUARD_HELD);
  CHECK_OK(lk_guard_confirm(mine, PATIENCE_MS));
  CHECK_OK(lk_double_barrier_members(mine, &members));
  CHECK(lk_result_children_len(members) == 2);
  lk_result_free(members);
  lock = new_lock(one, "/locks/c-no-party");
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &none));
  CHECK_STATUS(lk_double_barrier_members(none, &members), LK_EINVAL);
  lk_guard_free(none);
  lk_lock_free(lock);

  /* Who leaves waits for the others. */
  CHECK_OK(lk_guard_release_async(entered.guard, LK_FOREVER, see_done, &left, see_drop, NULL));
  CHECK_OK(lk_guard_confirm(mine, PATIENCE_MS));
  AWAIT(left.called == 0);
  CHECK_OK(lk_guard_release(mine, PATIENCE_MS));
  AWAIT(left.dropped == 1);
  CHECK(left.called == 1 && left.code == LK_OK);
  CHECK_STATUS(lk_guard_release(mine, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_double_barrier_members(mine, &members), LK_ERELEASED);
  lk_guard_free(mine);
  lk_guard_free(entered.guard);
  /* The next round is another meeting. */
  REQUIRE_OK(lk_double_barrier_enter(three, path, -1, 1, 1, PATIENCE_MS, &mine));
  lk_guard_free(mine);
  REQUIRE_OK(lk_double_barrier_enter(three, fresh("alone"), -1, 1, LK_NO_ROUND, PATIENCE_MS, &mine));
  lk_guard_free(mine);
  close_client(one);
  close_client(two);
  close_client(three);
}

static void a_latch_opens_when_all_have_arrived(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  const char *path = fresh("latch");
  struct seen seen = {0};
  size_t missing = 9;
  CHECK_OK(lk_latch_missing(client, path, -1, 2, PATIENCE_MS, &missing));
  CHECK(missing == 2);
  CHECK_STATUS(lk_latch_wait(client, path, -1, 2, 200), LK_ETIMEDOUT);
  CHECK_OK(lk_latch_wait_async(other, path, -1, 2, LK_FOREVER, see_done, &seen, see_drop, NULL));
  CHECK_OK(lk_latch_count_down(client, path, -1, 2, "me", -1, PATIENCE_MS, &missing));
  CHECK(missing == 1);
  CHECK_OK(lk_latch_count_down(other, path, -1, 2, "me", -1, PATIENCE_MS, &missing));
  CHECK(missing == 1 && seen.called == 0);
  CHECK_STATUS(lk_latch_missing(client, path, -1, 3, PATIENCE_MS, &missing), LK_ECONFLICT);
  CHECK(contains(lk_last_error()->text, "same count"));
  CHECK_OK(lk_latch_count_down(client, path, -1, 2, NULL, 0, PATIENCE_MS, NULL));
  AWAIT(seen.dropped == 1);
  CHECK(seen.called == 1 && seen.code == LK_OK);
  CHECK_OK(lk_latch_wait(client, path, -1, 2, PATIENCE_MS));
  CHECK_OK(lk_latch_reset(client, path, -1, 2, PATIENCE_MS));
  CHECK_OK(lk_latch_missing(other, path, -1, 2, PATIENCE_MS, &missing));
  CHECK(missing == 2);
  CHECK_OK(lk_latch_reset(client, path, -1, 2, PATIENCE_MS));
  close_client(client);
  close_client(other);
}

static void who_waits_gets_what_is_left_for_it(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  struct seen found = {0}, gone = {0};
  lk_guard_t *guard, *none;
  lk_result_t *met, *names;
  lk_bytes_t data;
  CHECK_STATUS(lk_rendezvous_wait(client, "/c-point", -1, 200, &met), LK_ETIMEDOUT);
  CHECK(met == NULL);
  CHECK_OK(lk_rendezvous_wait_async(other, "/c-point", -1, LK_FOREVER, see_result, &found, see_drop,
                                    NULL));
  REQUIRE_OK(lk_rendezvous_occupy(client, "/c-point", -1, "here", 4, PATIENCE_MS, &guard));
  AWAIT(found.dropped == 1);
  CHECK(found.called == 1 && found.code == LK_OK && strcmp(found.data, "here") == 0);
  REQUIRE_OK(lk_rendezvous_wait(other, "/c-point", -1, PATIENCE_MS, &met));
  data = lk_result_data(met);
  CHECK(data.len == 4 && memcmp(data.ptr, "here", 4) == 0);
  CHECK_STATUS(lk_rendezvous_occupy(other, "/c-point", -1, "me", 2, 200, &none), LK_ETIMEDOUT);
  CHECK_STATUS(lk_rendezvous_vacated(other, "/c-point", -1, met, 200), LK_ETIMEDOUT);
  CHECK_OK(lk_children(other, "/", -1, PATIENCE_MS, &names));
  CHECK_STATUS(lk_rendezvous_vacated(other, "/c-point", -1, names, 200), LK_EINVAL);
  lk_result_free(names);
  CHECK_OK(lk_rendezvous_vacated_async(other, "/c-point", -1, met, LK_FOREVER, see_done, &gone,
                                       see_drop, NULL));
  CHECK_OK(lk_guard_release(guard, PATIENCE_MS));
  lk_guard_free(guard);
  AWAIT(gone.dropped == 1);
  CHECK(gone.called == 1 && gone.code == LK_OK);
  /* What stands there for good is another one. */
  CHECK_OK(lk_rendezvous_fill(client, "/c-point", -1, "then", 4, PATIENCE_MS));
  CHECK_OK(lk_rendezvous_vacated(other, "/c-point", -1, met, PATIENCE_MS));
  lk_result_free(met);
  CHECK_STATUS(lk_rendezvous_occupy(client, "/c-point", -1, "me", 2, PATIENCE_MS, &none),
               LK_ECONFLICT);
  CHECK_OK(lk_delete(client, "/c-point", -1, LK_ANY_VERSION, PATIENCE_MS));
  close_client(client);
  close_client(other);
}

/* Closing ends what is under way, with a reason. */
static void a_closed_client_ends_every_wait(void) {
  lk_client_t *client = connect_client();
  struct seen barrier = {0}, meeting = {0}, latch = {0}, point = {0};
  CHECK_OK(lk_barrier_close(client, "/c-shut", -1, PATIENCE_MS, NULL));
  CHECK_OK(lk_barrier_wait_async(client, "/c-shut", -1, LK_FOREVER, see_done, &barrier, see_drop,
                                 NULL));
  CHECK_OK(lk_double_barrier_enter_async(client, "/c-shut-2", -1, 2, 0, LK_FOREVER, see_guard,
                                         &meeting, see_drop, NULL));
  CHECK_OK(lk_latch_wait_async(client, "/c-shut-3", -1, 2, LK_FOREVER, see_done, &latch, see_drop,
                               NULL));
  CHECK_OK(lk_rendezvous_wait_async(client, "/c-shut-4", -1, LK_FOREVER, see_result, &point, see_drop,
                                    NULL));
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  AWAIT(barrier.dropped == 1 && meeting.dropped == 1 && latch.dropped == 1 && point.dropped == 1);
  CHECK(barrier.code == LK_CLOSING && meeting.code == LK_CLOSING);
  CHECK(latch.code == LK_CLOSING && point.code == LK_CLOSING);
  CHECK_STATUS(lk_barrier_wait(client, "/c-shut", -1, PATIENCE_MS), LK_CLOSING);
  lk_client_free(client);
  client = connect_client();
  CHECK_OK(lk_barrier_open(client, "/c-shut", -1, PATIENCE_MS, NULL));
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(a_barrier_holds_until_it_is_opened);
  RUN(parties_go_in_and_come_out_together);
  RUN(a_latch_opens_when_all_have_arrived);
  RUN(who_waits_gets_what_is_left_for_it);
  RUN(a_closed_client_ends_every_wait);
  return end_tests();
}

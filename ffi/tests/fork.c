/* What a forked child may do with its parent's objects: nothing that the parent or the server
 * notices. The child tells what it saw through a pipe, and ends without any cleaning up. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static lk_client_t *client;
static lk_lock_t *lock;
static lk_guard_t *guard;
static lk_call_t *call;
static lk_follow_t *follow;
static lk_membership_t *membership;
static lk_election_t *election;
static lk_candidate_t *candidate;

static int hooks_dropped;

static void lost(void *user, lk_guard_state_t state, lk_loss_t loss) {
  (void)user, (void)state, (void)loss;
}

static void changed(void *user, lk_client_state_t state) { (void)user, (void)state; }

static void acquired(void *user, const lk_error_t *error, lk_guard_t *granted) {
  (void)user, (void)error;
  lk_guard_free(granted);
}

static void found(void *user, const lk_error_t *error, const lk_result_t *result) {
  (void)user, (void)error, (void)result;
}

static void counted(void *user, const lk_error_t *error, const lk_count_t *value) {
  (void)user, (void)error, (void)value;
}

static void done(void *user, const lk_error_t *error) { (void)user, (void)error; }

static void dropped(void *user) {
  (void)user;
  hooks_dropped++;
}

/* Every call on every object. */
static void use_all(void) {
  lk_guard_t *no_guard;
  lk_lock_t *no_lock;
  lk_result_t *result;
  lk_client_state_t state;
  lk_str_t path;
  size_t position;
  int64_t number;
  int fd;
  CHECK_STATUS(lk_client_state(client, &state), LK_EFORKED);
  CHECK(contains(lk_last_error()->text, "before a fork"));
  CHECK_STATUS(lk_client_session_id(client, &number), LK_EFORKED);
  CHECK_STATUS(lk_client_session_timeout(client, &number), LK_EFORKED);
  CHECK_STATUS(lk_create(client, "/a", -1, NULL, 0, 0, PATIENCE_MS, &result), LK_EFORKED);
  CHECK_STATUS(lk_get(client, "/", -1, PATIENCE_MS, &result), LK_EFORKED);
  CHECK_STATUS(lk_set(client, "/", -1, NULL, 0, -1, PATIENCE_MS, &result), LK_EFORKED);
  CHECK_STATUS(lk_delete(client, "/a", -1, -1, PATIENCE_MS), LK_EFORKED);
  CHECK_STATUS(lk_exists(client, "/", -1, PATIENCE_MS, &result), LK_EFORKED);
  CHECK_STATUS(lk_children(client, "/", -1, PATIENCE_MS, &result), LK_EFORKED);
  CHECK_STATUS(lk_client_on_state(client, changed, NULL, dropped), LK_EFORKED);
  CHECK(hooks_dropped == 1);
  CHECK_STATUS(lk_dispatch_fd(client, &fd), LK_EFORKED);
  CHECK_STATUS(lk_dispatch(client), LK_EFORKED);
  CHECK_STATUS(lk_client_close(client, PATIENCE_MS), LK_EFORKED);
  CHECK_STATUS(lk_lock_new(client, "/a", -1, 0, 0, NULL, 0, &no_lock), LK_EFORKED);
  CHECK_STATUS(lk_lock_acquire(lock, PATIENCE_MS, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_lock_acquire_async(lock, 0, acquired, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 2);
  CHECK_STATUS(lk_lock_try(lock, PATIENCE_MS, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_lock_queue_position(lock, PATIENCE_MS, &position), LK_EFORKED);
  CHECK_STATUS(lk_guard_fence(guard, &number), LK_EFORKED);
  CHECK_STATUS(lk_guard_path(guard, &path), LK_EFORKED);
  CHECK_STATUS(lk_guard_state(guard, &state, NULL), LK_EFORKED);
  CHECK_STATUS(lk_guard_remaining(guard, &number), LK_EFORKED);
  CHECK_STATUS(lk_guard_on_lost(guard, lost, NULL, dropped), LK_EFORKED);
  CHECK(hooks_dropped == 3);
  CHECK_STATUS(lk_guard_confirm(guard, PATIENCE_MS), LK_EFORKED);
  CHECK_STATUS(lk_guard_release(guard, PATIENCE_MS), LK_EFORKED);
  CHECK_STATUS(lk_guard_release_async(guard, 0, done, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 4);
}

/* Every call that names a recipe by its path. */
static void use_recipes(void) {
  lk_guard_t *no_guard;
  lk_result_t *result;
  size_t count;
  bool flag;
  hooks_dropped = 0;
  CHECK_STATUS(lk_barrier_close(client, "/a", -1, 0, NULL), LK_EFORKED);
  CHECK_STATUS(lk_barrier_open(client, "/a", -1, 0, NULL), LK_EFORKED);
  CHECK_STATUS(lk_barrier_is_closed(client, "/a", -1, 0, &flag), LK_EFORKED);
  CHECK_STATUS(lk_barrier_wait(client, "/a", -1, 0), LK_EFORKED);
  CHECK_STATUS(lk_barrier_wait_async(client, "/a", -1, 0, done, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 1);
  CHECK_STATUS(lk_double_barrier_enter(client, "/a", -1, 1, 0, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(
      lk_double_barrier_enter_async(client, "/a", -1, 1, 0, 0, acquired, NULL, dropped, NULL),
      LK_EFORKED);
  CHECK(hooks_dropped == 2);
  CHECK_STATUS(lk_double_barrier_members(guard, &result), LK_EFORKED);
  CHECK_STATUS(lk_latch_count_down(client, "/a", -1, 1, NULL, 0, 0, NULL), LK_EFORKED);
  CHECK_STATUS(lk_latch_missing(client, "/a", -1, 1, 0, &count), LK_EFORKED);
  CHECK_STATUS(lk_latch_wait(client, "/a", -1, 1, 0), LK_EFORKED);
  CHECK_STATUS(lk_latch_wait_async(client, "/a", -1, 1, 0, done, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 3);
  CHECK_STATUS(lk_latch_reset(client, "/a", -1, 1, 0), LK_EFORKED);
  CHECK_STATUS(lk_rendezvous_fill(client, "/a", -1, "a", 1, 0), LK_EFORKED);
  CHECK_STATUS(lk_rendezvous_occupy(client, "/a", -1, "a", 1, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_rendezvous_wait(client, "/a", -1, 0, &result), LK_EFORKED);
  CHECK_STATUS(lk_rendezvous_wait_async(client, "/a", -1, 0, found, NULL, dropped, NULL),
               LK_EFORKED);
  CHECK(hooks_dropped == 4);
  CHECK_STATUS(lk_rendezvous_vacated(client, "/a", -1, NULL, 0), LK_EFORKED);
  CHECK_STATUS(lk_rendezvous_vacated_async(client, "/a", -1, NULL, 0, done, NULL, dropped, NULL),
               LK_EFORKED);
  CHECK(hooks_dropped == 5);
}

static void use_values(void) {
  lk_result_t *result;
  lk_follow_t *none;
  lk_count_t value;
  hooks_dropped = 0;
  CHECK_STATUS(lk_value_get(client, "/a", -1, 0, &result), LK_EFORKED);
  CHECK_STATUS(lk_value_set(client, "/a", -1, NULL, 0, LK_ANY_VERSION, 0, NULL), LK_EFORKED);
  CHECK_STATUS(lk_value_watch(client, "/a", -1, found, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 1);
  CHECK_STATUS(lk_count_get(client, "/a", -1, 0, &value), LK_EFORKED);
  CHECK_STATUS(lk_count_set(client, "/a", -1, 1, LK_ANY_VERSION, 0, NULL), LK_EFORKED);
  CHECK_STATUS(lk_count_watch(client, "/a", -1, counted, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 2);
  CHECK_STATUS(lk_follow_value(client, "/a", -1, NULL, found, NULL, dropped, &none), LK_EFORKED);
  CHECK(hooks_dropped == 3);
  CHECK_STATUS(lk_follow_keys(client, "/a", -1, 0, NULL, found, NULL, dropped, &none), LK_EFORKED);
  CHECK(hooks_dropped == 4);
  CHECK_STATUS(lk_follow_get(follow, 0, &result), LK_EFORKED);
  CHECK_STATUS(lk_follow_status(follow), LK_EFORKED);
  CHECK_STATUS(lk_publish_keys(client, "/a", -1, 0, NULL, 0, NULL, 0, NULL), LK_EFORKED);
}

static void happened(void *user, const lk_error_t *error, lk_member_event_t event,
                     const lk_member_t *member) {
  (void)user, (void)error, (void)event, (void)member;
}

static void use_members(void) {
  lk_membership_t *no_membership;
  lk_candidate_t *no_candidate;
  lk_election_t *no_election;
  lk_guard_t *no_guard;
  lk_lock_t *no_lock, *no_other;
  lk_result_t *result;
  lk_str_t path;
  int32_t state;
  bool flag;
  hooks_dropped = 0;
  CHECK_STATUS(lk_group_join(client, "/a", -1, 0, "a", -1, NULL, 0, 0, &no_membership), LK_EFORKED);
  CHECK_STATUS(lk_group_members(client, "/a", -1, 0, 0, &result), LK_EFORKED);
  CHECK_STATUS(lk_group_watch(client, "/a", -1, 0, happened, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 1);
  CHECK_STATUS(lk_membership_path(membership, &path), LK_EFORKED);
  CHECK_STATUS(lk_membership_state(membership, &state, NULL), LK_EFORKED);
  CHECK_STATUS(lk_membership_on_state(membership, lost, NULL, dropped), LK_EFORKED);
  CHECK(hooks_dropped == 2);
  CHECK_STATUS(lk_membership_update(membership, NULL, 0, 0), LK_EFORKED);
  CHECK_STATUS(lk_membership_leave(membership, 0), LK_EFORKED);
  CHECK_STATUS(lk_election_new(client, "/a", -1, 0, 0, NULL, 0, &no_election), LK_EFORKED);
  CHECK_STATUS(lk_election_lead(election, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_election_try(election, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_election_candidates(election, 0, &result), LK_EFORKED);
  CHECK_STATUS(lk_election_watch(election, happened, NULL, dropped, NULL), LK_EFORKED);
  CHECK(hooks_dropped == 3);
  CHECK_STATUS(lk_election_join(election, NULL, NULL, dropped, &no_candidate), LK_EFORKED);
  CHECK(hooks_dropped == 4);
  CHECK_STATUS(lk_candidate_state(candidate, &state, NULL), LK_EFORKED);
  CHECK_STATUS(lk_candidate_lead(candidate, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_candidate_resign(candidate, 0), LK_EFORKED);
  CHECK_STATUS(lk_candidate_close(candidate, 0), LK_EFORKED);
  CHECK_STATUS(lk_rwlock_new(client, "/a", -1, 0, 0, NULL, 0, &no_lock, &no_other), LK_EFORKED);
  CHECK_STATUS(lk_rwlock_upgrade(guard, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_rwlock_downgrade(guard, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_semaphore_new(client, "/a", -1, 1, NULL, 0, 0, &no_lock), LK_EFORKED);
  CHECK_STATUS(lk_semaphore_acquire_many(lock, 1, 0, &no_guard), LK_EFORKED);
  CHECK_STATUS(lk_lock_numbers_run_out(lock, &flag), LK_EFORKED);
}

static void free_all(void) {
  lk_call_free(call);
  lk_follow_free(follow);
  lk_membership_free(membership);
  lk_candidate_free(candidate);
  lk_election_free(election);
  lk_guard_free(guard);
  lk_lock_free(lock);
  lk_client_free(client);
}

/* A child of its own right: it waits for the lock that its parent holds. */
static void contend_anew(void) {
  lk_client_t *own = connect_client();
  lk_lock_t *same = new_lock(own, "/locks/c-fork");
  lk_guard_t *none;
  CHECK_STATUS(lk_lock_try(same, PATIENCE_MS, &none), LK_EBUSY);
  lk_lock_free(same);
  close_client(own);
}

/* Runs a body in a child; whether it found all as it should be. */
static int in_child(void (*body)(void)) {
  int pipe_ends[2];
  char verdict = 'x';
  pid_t child;
  if (pipe(pipe_ends) != 0) {
    return 0;
  }
  fflush(stdout);
  child = fork();
  if (child == 0) {
    test_failed = 0;
    body();
    fflush(stdout);
    verdict = test_failed ? 'n' : 'y';
    _exit(write(pipe_ends[1], &verdict, 1) == 1 ? 0 : 1);
  }
  close(pipe_ends[1]);
  if (read(pipe_ends[0], &verdict, 1) != 1) {
    verdict = 'x';
  }
  close(pipe_ends[0]);
  waitpid(child, NULL, 0);
  return verdict == 'y';
}

/* The parent holds the lock, and waits for it a second time. */
static void check_still_held(void) {
  lk_guard_state_t state = 0;
  size_t position = 0;
  CHECK_OK(lk_guard_state(guard, &state, NULL));
  CHECK(state == LK_GUARD_HELD);
  CHECK_OK(lk_guard_confirm(guard, PATIENCE_MS));
  CHECK_OK(lk_lock_queue_position(lock, PATIENCE_MS, &position));
  CHECK(position == 2);
  CHECK_OK(lk_membership_state(membership, &state, NULL));
  CHECK(state == LK_GUARD_HELD);
}

static void a_child_is_refused(void) {
  CHECK(in_child(use_all));
  CHECK(in_child(use_recipes));
  CHECK(in_child(use_values));
  CHECK(in_child(use_members));
  check_still_held();
}

static void a_child_frees_and_the_session_goes_on(void) {
  CHECK(in_child(free_all));
  check_still_held();
}

static void a_child_makes_a_client_of_its_own(void) {
  CHECK(in_child(contend_anew));
  check_still_held();
}

static void descriptors_close_on_exec(void) {
  CHECK(system("! ls -l /proc/$$/fd | grep -E 'eventpoll|eventfd|socket:'") == 0);
}

static void await_queue(size_t length) {
  size_t position = 0;
  for (int i = 0; i < PATIENCE_MS / 10 && position != length; i++) {
    CHECK_OK(lk_lock_queue_position(lock, PATIENCE_MS, &position));
    sleep_ms(10);
  }
  CHECK(position == length);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  client = connect_client();
  lock = new_lock(client, "/locks/c-fork");
  REQUIRE_OK(lk_lock_acquire(lock, PATIENCE_MS, &guard));
  REQUIRE_OK(lk_lock_acquire_async(lock, LK_FOREVER, acquired, NULL, NULL, &call));
  await_queue(2);
  REQUIRE_OK(lk_follow_value(client, "/c-fork", -1, NULL, NULL, NULL, NULL, &follow));
  REQUIRE_OK(lk_group_join(client, "/c-fork-group", -1, 0, "me", -1, NULL, 0, PATIENCE_MS, &membership));
  REQUIRE_OK(lk_election_new(client, "/c-fork-election", -1, 0, 0, NULL, 0, &election));
  REQUIRE_OK(lk_election_join(election, NULL, NULL, NULL, &candidate));
  RUN(a_child_is_refused);
  RUN(a_child_frees_and_the_session_goes_on);
  RUN(a_child_makes_a_client_of_its_own);
  RUN(descriptors_close_on_exec);
  lk_call_free(call);
  lk_follow_free(follow);
  lk_membership_free(membership);
  lk_candidate_free(candidate);
  lk_election_free(election);
  REQUIRE_OK(lk_guard_release(guard, PATIENCE_MS));
  lk_guard_free(guard);
  lk_lock_free(lock);
  close_client(client);
  return end_tests();
}

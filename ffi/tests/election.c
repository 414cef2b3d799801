/* Elections: terms and their fences, candidates that go on standing, and who watches. */
#define _POSIX_C_SOURCE 200809L
#include "seen.h"

static lk_election_t *election_with(const lk_client_t *client, const char *path,
                                    lk_election_options_t options, const char *id) {
  lk_election_t *election;
  REQUIRE_OK(
      lk_election_new(client, path, -1, LK_ELECTION_LATCH, options, id, id ? -1 : 0, &election));
  return election;
}

static void await_candidates(const lk_election_t *election, size_t count) {
  size_t found = count + 1;
  for (int i = 0; i < PATIENCE_MS / 10 && found != count; i++) {
    lk_result_t *result;
    REQUIRE_OK(lk_election_candidates(election, PATIENCE_MS, &result));
    found = lk_result_members_len(result);
    lk_result_free(result);
    sleep_ms(10);
  }
  CHECK(found == count);
}

static void null_is_refused(void) {
  lk_client_t *client = connect_client();
  lk_election_t *election = (lk_election_t *)&election;
  lk_candidate_t *candidate = (lk_candidate_t *)&candidate;
  lk_guard_t *guard = (lk_guard_t *)&guard;
  lk_result_t *result = (lk_result_t *)&result;
  lk_call_t *call = (lk_call_t *)&call;
  lk_candidate_state_t state;
  struct seen seen = {0};
  CHECK_STATUS(lk_election_new(NULL, "/e", -1, 0, 0, NULL, 0, &election), LK_EINVAL);
  CHECK(election == NULL);
  CHECK_STATUS(lk_election_new(client, "/e", -1, 3, 0, NULL, 0, &election), LK_EINVAL);
  CHECK_STATUS(lk_election_new(client, "/e", -1, 0, 8, NULL, 0, &election), LK_EINVAL);
  CHECK_STATUS(lk_election_new(client, "e", -1, 0, 0, NULL, 0, &election), LK_BADARGUMENTS);
  CHECK_STATUS(lk_election_lead(NULL, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_election_try(NULL, 0, &guard), LK_EINVAL);
  CHECK(guard == NULL);
  CHECK_STATUS(lk_election_candidates(NULL, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_election_watch(NULL, see_member, &seen, see_drop, &call), LK_EINVAL);
  CHECK(call == NULL && seen.dropped == 1);
  CHECK_STATUS(lk_election_join(NULL, NULL, &seen, see_drop, &candidate), LK_EINVAL);
  CHECK(candidate == NULL && seen.dropped == 2);
  election = election_with(client, "/c-null", 0, NULL);
  CHECK_STATUS(lk_election_watch(election, NULL, &seen, see_drop, NULL), LK_EINVAL);
  CHECK_STATUS(lk_election_join(election, NULL, &seen, see_drop, NULL), LK_EINVAL);
  CHECK(seen.dropped == 4 && seen.called == 0);
  CHECK_STATUS(lk_candidate_state(NULL, &state, NULL), LK_EINVAL);
  CHECK_STATUS(lk_candidate_lead(NULL, 0, &guard), LK_EINVAL);
  CHECK_STATUS(lk_candidate_resign(NULL, 0), LK_EINVAL);
  CHECK_STATUS(lk_candidate_close(NULL, 0), LK_EINVAL);
  lk_candidate_free(NULL);
  lk_election_free(NULL);
  lk_election_free(election);
  close_client(client);
}

static void terms_have_ascending_fences(void) {
  lk_client_t *one = connect_client(), *two = connect_client();
  const char *path = fresh("terms");
  lk_election_t *first = election_with(one, path, LK_ELECTION_STRICT, "first");
  lk_election_t *second = election_with(two, path, LK_ELECTION_REFUSE_BLIND, "second");
  struct seen lost = {0}, kept = {0};
  lk_guard_t *leader, *next, *none;
  lk_result_t *result;
  lk_member_t member;
  lk_guard_state_t state = 0;
  lk_str_t node;
  int64_t fence = 0, later = 0, session = 0;
  REQUIRE_OK(lk_election_lead(first, PATIENCE_MS, &leader));
  CHECK_STATUS(lk_election_try(second, PATIENCE_MS, &none), LK_EBUSY);
  CHECK_STATUS(lk_election_lead(second, 200, &none), LK_ETIMEDOUT);
  CHECK(equals(lk_last_error()->path, path));
  CHECK_OK(lk_guard_fence(leader, &fence));
  CHECK_OK(lk_guard_path(leader, &node));
  CHECK(contains(node, "-latch-"));
  await_candidates(second, 1);
  REQUIRE_OK(lk_election_candidates(second, PATIENCE_MS, &result));
  CHECK_OK(lk_result_member(result, 0, &member));
  CHECK_OK(lk_client_session_id(one, &session));
  CHECK(equals(member.id, "first") && member.joined == fence && member.session == session);
  CHECK(member.data.ptr == NULL && strcmp(member.path.ptr, node.ptr) == 0);
  lk_result_free(result);
  CHECK_OK(lk_guard_confirm(leader, PATIENCE_MS));
  CHECK_OK(lk_guard_on_lost(leader, see_state, &kept, see_drop));
  CHECK_OK(lk_guard_release(leader, PATIENCE_MS));
  AWAIT(kept.dropped == 1);
  lk_guard_free(leader);

  REQUIRE_OK(lk_election_try(second, PATIENCE_MS, &next));
  CHECK_OK(lk_guard_fence(next, &later));
  CHECK(later > fence);
  CHECK_OK(lk_guard_on_lost(next, see_state, &lost, see_drop));
  CHECK_OK(lk_guard_path(next, &node));
  CHECK_OK(lk_delete(one, node.ptr, -1, LK_ANY_VERSION, PATIENCE_MS));
  AWAIT(lost.dropped == 1);
  CHECK(lost.called == 1 && lost.state == LK_GUARD_LOST && lost.code == LK_LOSS_DELETED);
  CHECK_OK(lk_guard_state(next, &state, NULL));
  CHECK(state == LK_GUARD_LOST);
  lk_guard_free(next);
  lk_election_free(first);
  lk_election_free(second);
  close_client(one);
  close_client(two);
}

static void a_candidate_stands_term_after_term(void) {
  lk_client_t *one = connect_client(), *two = connect_client(), *three = connect_client();
  const char *path = fresh("standing");
  lk_election_t *first = election_with(one, path, LK_ELECTION_PUBLISH, "first");
  lk_election_t *second = election_with(two, path, LK_ELECTION_PUBLISH, "second");
  lk_election_t *watching = election_with(three, path, 0, NULL);
  struct seen ours = {0}, theirs = {0}, watch = {0};
  lk_candidate_t *candidate, *other;
  lk_candidate_state_t state = 0;
  lk_guard_state_t held = 0;
  lk_loss_t loss = 0;
  lk_guard_t *leader, *same, *none;
  lk_call_t *call;
  int64_t fence = 0, of_guard = 0;
  CHECK_OK(lk_election_watch(watching, see_member, &watch, see_drop, &call));
  REQUIRE_OK(lk_election_join(first, see_candidate, &ours, see_drop, &candidate));
  REQUIRE_OK(lk_candidate_lead(candidate, PATIENCE_MS, &leader));
  AWAIT(ours.state == LK_CANDIDATE_LEADING);
  CHECK_OK(lk_candidate_state(candidate, &state, &fence));
  CHECK(state == LK_CANDIDATE_LEADING && fence == ours.fence);
  CHECK_STATUS(lk_candidate_state(candidate, NULL, NULL), LK_EINVAL);
  CHECK_OK(lk_guard_fence(leader, &of_guard));
  CHECK(of_guard == fence);
  AWAIT(watch.event == LK_MEMBER_LEADS && strcmp(watch.data, "first") == 0 && watch.fence == fence);
  REQUIRE_OK(lk_election_join(second, see_candidate, &theirs, see_drop, &other));
  await_candidates(watching, 2);
  CHECK_OK(lk_candidate_state(other, &state, &fence));
  CHECK(state == LK_CANDIDATE_WAITING && fence == 0);
  CHECK_STATUS(lk_candidate_lead(other, 0, &none), LK_ETIMEDOUT);
  CHECK_OK(lk_candidate_resign(other, PATIENCE_MS));

  /* A handle more or less is no matter; stepping down is, for all of them. */
  REQUIRE_OK(lk_candidate_lead(candidate, 0, &same));
  lk_guard_free(same);
  CHECK_OK(lk_guard_state(leader, &held, NULL));
  CHECK(held == LK_GUARD_HELD);
  CHECK_OK(lk_candidate_resign(candidate, PATIENCE_MS));
  CHECK_OK(lk_guard_state(leader, &held, &loss));
  CHECK(held == LK_GUARD_LOST && loss == LK_LOSS_RESIGNED);
  lk_guard_free(leader);
  REQUIRE_OK(lk_candidate_lead(other, PATIENCE_MS, &leader));
  CHECK_OK(lk_guard_fence(leader, &fence));
  CHECK(fence > of_guard);
  AWAIT(watch.event == LK_MEMBER_LEADS && strcmp(watch.data, "second") == 0 && watch.fence == fence);
  AWAIT(ours.state == LK_CANDIDATE_WAITING && ours.fence == 0);

  /* Who releases the guard ends the term, and stands again. */
  CHECK_OK(lk_guard_release(leader, PATIENCE_MS));
  lk_guard_free(leader);
  AWAIT(ours.state == LK_CANDIDATE_LEADING && ours.fence > fence);
  await_candidates(watching, 2);
  CHECK_OK(lk_candidate_close(candidate, PATIENCE_MS));
  CHECK_STATUS(lk_candidate_close(candidate, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_candidate_resign(candidate, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_candidate_lead(candidate, PATIENCE_MS, &none), LK_ERELEASED);
  CHECK_OK(lk_candidate_state(candidate, &state, NULL));
  CHECK(state == LK_CANDIDATE_CLOSED);
  AWAIT(ours.dropped == 1);
  CHECK(ours.state == LK_CANDIDATE_CLOSED && ours.code == LK_OK);
  lk_candidate_free(candidate);

  /* The end of a session is the end of a candidate. */
  CHECK_OK(lk_client_close(two, PATIENCE_MS));
  AWAIT(theirs.dropped == 1);
  CHECK(theirs.state == LK_CANDIDATE_ENDED && theirs.code != LK_OK);
  CHECK_OK(lk_candidate_state(other, &state, NULL));
  CHECK(state == LK_CANDIDATE_ENDED);
  CHECK(lk_candidate_lead(other, PATIENCE_MS, &none) == theirs.code);
  lk_candidate_free(other);
  lk_call_free(call);
  AWAIT(watch.dropped == 1);
  lk_election_free(first);
  lk_election_free(second);
  lk_election_free(watching);
  close_client(one);
  lk_client_free(two);
  close_client(three);
}

static void *close_candidate(void *candidate) {
  CHECK_OK(lk_candidate_close(candidate, PATIENCE_MS));
  return NULL;
}

static void closing_ends_whoever_waits_to_lead(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("waiting");
  lk_election_t *election = election_with(client, path, 0, NULL);
  lk_guard_t *leader, *none;
  lk_candidate_t *candidate;
  pthread_t thread;
  REQUIRE_OK(lk_election_lead(election, PATIENCE_MS, &leader));
  REQUIRE_OK(lk_election_join(election, NULL, NULL, NULL, &candidate));
  await_candidates(election, 2);
  CHECK(pthread_create(&thread, NULL, close_candidate, candidate) == 0);
  CHECK(lk_candidate_lead(candidate, LK_FOREVER, &none) != LK_OK);
  CHECK(lk_last_error()->code == LK_ELOST || lk_last_error()->code == LK_ERELEASED);
  CHECK(pthread_join(thread, NULL) == 0);
  lk_candidate_free(candidate);
  /* Freed without being closed: it leaves in the background. */
  REQUIRE_OK(lk_election_join(election, NULL, NULL, NULL, &candidate));
  lk_candidate_free(candidate);
  await_candidates(election, 1);
  lk_guard_free(leader);
  lk_election_free(election);
  close_client(client);
}

static void layouts_are_the_libraries(void) {
  static const char *const markers[] = {"-latch-", "-lock-", "__lock__"};
  lk_client_t *client = connect_client();
  for (lk_election_layout_t layout = LK_ELECTION_LATCH; layout <= LK_ELECTION_KAZOO; layout++) {
    lk_election_t *election;
    lk_guard_t *leader;
    lk_str_t path;
    REQUIRE_OK(lk_election_new(client, "/c-layouts", -1, layout, 0, NULL, 0, &election));
    REQUIRE_OK(lk_election_lead(election, PATIENCE_MS, &leader));
    CHECK_OK(lk_guard_path(leader, &path));
    CHECK(contains(path, markers[layout]));
    CHECK_OK(lk_guard_release(leader, PATIENCE_MS));
    lk_guard_free(leader);
    lk_election_free(election);
  }
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(terms_have_ascending_fences);
  RUN(a_candidate_stands_term_after_term);
  RUN(closing_ends_whoever_waits_to_lead);
  RUN(layouts_are_the_libraries);
  return end_tests();
}

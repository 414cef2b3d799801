/* Who is there: members, what they say about themselves, and who watches them. */
#define _POSIX_C_SOURCE 200809L
#include "seen.h"

static lk_membership_t *join(const lk_client_t *client, const char *path, const char *id,
                             const char *data) {
  lk_membership_t *membership;
  REQUIRE_OK(lk_group_join(client, path, -1, LK_GROUP_CURATOR, id, -1, data, strlen(data), PATIENCE_MS,
                           &membership));
  return membership;
}

static void null_is_refused(void) {
  lk_client_t *client = connect_client();
  lk_membership_t *membership = (lk_membership_t *)&membership;
  lk_result_t *result = (lk_result_t *)&result;
  lk_call_t *call = (lk_call_t *)&call;
  lk_guard_state_t state;
  lk_member_t member;
  lk_str_t path;
  struct seen seen = {0};
  CHECK_STATUS(lk_group_join(NULL, "/g", -1, 0, "a", -1, NULL, 0, 0, &membership), LK_EINVAL);
  CHECK(membership == NULL);
  CHECK_STATUS(lk_group_join(client, "/g", -1, 0, NULL, -1, NULL, 0, 0, &membership), LK_EINVAL);
  CHECK_STATUS(lk_group_join(client, "/g", -1, 0, "a", -1, NULL, 1, 0, &membership), LK_EINVAL);
  CHECK_STATUS(lk_group_join(client, "/g", -1, 2, "a", -1, NULL, 0, 0, &membership), LK_EINVAL);
  CHECK_STATUS(lk_group_join(client, "g", -1, 0, "a", -1, NULL, 0, 0, &membership), LK_BADARGUMENTS);
  CHECK_STATUS(lk_group_join(client, "/g", -1, 0, "a/b", -1, NULL, 0, PATIENCE_MS, &membership),
               LK_ECONFLICT);
  CHECK_STATUS(lk_group_members(NULL, "/g", -1, 0, 0, &result), LK_EINVAL);
  CHECK(result == NULL);
  CHECK_STATUS(lk_group_watch(client, "/g", -1, 0, NULL, &seen, see_drop, &call), LK_EINVAL);
  CHECK(call == NULL && seen.dropped == 1);
  CHECK_STATUS(lk_membership_path(NULL, &path), LK_EINVAL);
  CHECK_STATUS(lk_membership_state(NULL, &state, NULL), LK_EINVAL);
  CHECK_STATUS(lk_membership_on_state(NULL, see_state, &seen, see_drop), LK_EINVAL);
  CHECK(seen.dropped == 2 && seen.called == 0);
  CHECK_STATUS(lk_membership_update(NULL, NULL, 0, 0), LK_EINVAL);
  CHECK_STATUS(lk_membership_leave(NULL, 0), LK_EINVAL);
  CHECK_STATUS(lk_result_member(NULL, 0, &member), LK_EINVAL);
  CHECK(lk_result_members_len(NULL) == 0);
  lk_membership_free(NULL);
  close_client(client);
}

static void members_come_and_go(void) {
  lk_client_t *one = connect_client(), *two = connect_client(), *watcher = connect_client();
  const char *path = fresh("group");
  lk_membership_t *first, *second, *none;
  lk_result_t *result;
  lk_guard_state_t state = 0;
  lk_member_t member;
  lk_str_t node;
  struct seen seen = {0};
  lk_call_t *call;
  int64_t session = 0, joined;
  CHECK_OK(lk_group_members(watcher, path, -1, LK_GROUP_CURATOR, PATIENCE_MS, &result));
  CHECK(lk_result_members_len(result) == 0);
  lk_result_free(result);
  first = join(one, path, "first", "1");
  CHECK_OK(lk_group_watch(watcher, path, -1, LK_GROUP_CURATOR, see_member, &seen, see_drop, &call));
  AWAIT(seen.event == LK_MEMBER_JOINED && strcmp(seen.data, "first") == 0);
  second = join(two, path, "second", "");
  AWAIT(seen.event == LK_MEMBER_JOINED && strcmp(seen.data, "second") == 0);
  CHECK_STATUS(lk_group_join(two, path, -1, 0, "second", -1, NULL, 0, PATIENCE_MS, &none),
               LK_ECONFLICT);
  CHECK_STATUS(lk_group_join(two, path, -1, 0, "first", -1, NULL, 0, 200, &none), LK_ETIMEDOUT);

  CHECK_OK(lk_membership_update(first, "2", 1, PATIENCE_MS));
  CHECK_OK(lk_group_members(watcher, path, -1, LK_GROUP_CURATOR, PATIENCE_MS, &result));
  CHECK(lk_result_members_len(result) == 2);
  CHECK_OK(lk_result_member(result, 0, &member));
  CHECK(equals(member.id, "first") && member.data.len == 1 && member.data.ptr[0] == '2');
  CHECK_OK(lk_client_session_id(one, &session));
  CHECK_OK(lk_membership_path(first, &node));
  CHECK(member.session == session && strcmp(member.path.ptr, node.ptr) == 0);
  joined = member.joined;
  CHECK_OK(lk_result_member(result, 1, &member));
  CHECK(equals(member.id, "second") && member.data.ptr != NULL && member.data.len == 0);
  CHECK(member.joined > joined);
  CHECK_STATUS(lk_result_member(result, 2, &member), LK_EINVAL);
  CHECK_STATUS(lk_result_member(result, 0, NULL), LK_EINVAL);
  lk_result_free(result);

  CHECK_OK(lk_membership_leave(first, PATIENCE_MS));
  AWAIT(seen.event == LK_MEMBER_LEFT && strcmp(seen.data, "first") == 0);
  CHECK_OK(lk_membership_state(first, &state, NULL));
  CHECK(state == LK_GUARD_RELEASED);
  CHECK_STATUS(lk_membership_leave(first, PATIENCE_MS), LK_ERELEASED);
  CHECK_STATUS(lk_membership_update(first, NULL, 0, PATIENCE_MS), LK_ERELEASED);
  CHECK_OK(lk_membership_path(first, &node));
  CHECK(contains(node, "/first"));
  lk_membership_free(first);
  /* Freed without leaving: it leaves in the background. */
  lk_membership_free(second);
  AWAIT(seen.event == LK_MEMBER_LEFT && strcmp(seen.data, "second") == 0);
  CHECK(seen.dropped == 0);
  lk_call_free(call);
  AWAIT(seen.dropped == 1);
  close_client(one);
  close_client(two);
  close_client(watcher);
}

static void a_member_that_is_deleted_comes_back(void) {
  lk_client_t *client = connect_client(), *admin = connect_client();
  const char *path = fresh("back");
  lk_membership_t *membership = join(client, path, "me", "here");
  struct seen states = {0}, view = {0}, refused = {0};
  lk_guard_state_t state = 0;
  lk_loss_t loss = -1;
  lk_result_t *made;
  lk_stat_t stat;
  lk_str_t node;
  int64_t joined;
  CHECK_OK(lk_membership_state(membership, &state, &loss));
  CHECK(state == LK_GUARD_HELD && loss == LK_LOSS_NONE);
  CHECK_STATUS(lk_membership_state(membership, NULL, &loss), LK_EINVAL);
  CHECK_STATUS(lk_membership_path(membership, NULL), LK_EINVAL);
  CHECK_STATUS(lk_membership_on_state(membership, NULL, &refused, see_drop), LK_EINVAL);
  CHECK(refused.dropped == 1);
  CHECK_OK(lk_membership_on_state(membership, see_state, &states, see_drop));
  AWAIT(states.called == 1 && states.state == LK_GUARD_HELD);
  CHECK_OK(lk_group_watch(admin, path, -1, LK_GROUP_CURATOR, see_member, &view, see_drop, NULL));
  AWAIT(view.event == LK_MEMBER_JOINED);
  joined = view.fence;
  CHECK_OK(lk_membership_path(membership, &node));
  CHECK_OK(lk_delete(admin, node.ptr, -1, LK_ANY_VERSION, PATIENCE_MS));
  AWAIT(states.called > 1 && states.state == LK_GUARD_HELD);
  REQUIRE_OK(lk_get(admin, node.ptr, -1, PATIENCE_MS, &made));
  CHECK_OK(lk_result_stat(made, &stat));
  CHECK(stat.czxid > joined && lk_result_data(made).len == 4);
  lk_result_free(made);
  /* The end of the session is the end of both. */
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  AWAIT(states.dropped == 1);
  CHECK(states.state == LK_GUARD_LOST && states.code == LK_LOSS_CLOSED);
  AWAIT(view.event == LK_MEMBER_LEFT);
  CHECK_OK(lk_client_close(admin, PATIENCE_MS));
  AWAIT(view.dropped == 1);
  CHECK(view.code == LK_CLOSING);
  lk_membership_free(membership);
  lk_client_free(client);
  lk_client_free(admin);
}

static void a_party_of_kazoo_has_no_room_for_data(void) {
  lk_client_t *client = connect_client();
  const char *path = fresh("party");
  lk_membership_t *membership, *none;
  lk_result_t *result;
  lk_member_t member;
  CHECK_STATUS(lk_group_join(client, path, -1, LK_GROUP_KAZOO, "me", -1, "x", 1, PATIENCE_MS, &none),
               LK_ECONFLICT);
  REQUIRE_OK(
      lk_group_join(client, path, -1, LK_GROUP_KAZOO, "me", -1, NULL, 0, PATIENCE_MS, &membership));
  CHECK_STATUS(lk_membership_update(membership, "x", 1, PATIENCE_MS), LK_ECONFLICT);
  CHECK_OK(lk_group_members(client, path, -1, LK_GROUP_KAZOO, PATIENCE_MS, &result));
  CHECK(lk_result_members_len(result) == 1);
  CHECK_OK(lk_result_member(result, 0, &member));
  CHECK(equals(member.id, "me") && contains(member.path, "__party__"));
  lk_result_free(result);
  lk_membership_free(membership);
  close_client(client);
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(null_is_refused);
  RUN(members_come_and_go);
  RUN(a_member_that_is_deleted_comes_back);
  RUN(a_party_of_kazoo_has_no_room_for_data);
  return end_tests();
}

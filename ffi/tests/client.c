/* Versions, settings, clients and the operations on znodes. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <signal.h>
#include <unistd.h>

static void versions_agree(void) {
  char text[32];
  CHECK(lk_check_version() == 0);
  CHECK(lk_abi_version() == LK_ABI_VERSION);
  CHECK(lk_version_number() == LK_VERSION_NUMBER);
  CHECK((LK_VERSION_NUMBER & 0xff) == 0);
  snprintf(text, sizeof text, "%d.%d.%d", LK_VERSION_MAJOR, LK_VERSION_MINOR, LK_VERSION_PATCH);
  CHECK(strcmp(lk_version_string(), text) == 0);
}

static void every_status_has_a_text(void) {
  static const lk_status_t all[] = {
      LK_OK,           LK_SYSTEMERROR,   LK_RUNTIMEINCONSISTENCY,    LK_CONNECTIONLOSS,
      LK_UNIMPLEMENTED, LK_OPERATIONTIMEOUT, LK_BADARGUMENTS,        LK_NONODE,
      LK_NOAUTH,       LK_BADVERSION,    LK_NOCHILDRENFOREPHEMERALS, LK_NODEEXISTS,
      LK_NOTEMPTY,     LK_SESSIONEXPIRED, LK_INVALIDACL,             LK_AUTHFAILED,
      LK_CLOSING,      LK_SESSIONMOVED,  LK_NOTREADONLY,             LK_QUOTAEXCEEDED,
      LK_THROTTLEDOP,  LK_EINVAL,        LK_EFORKED,                 LK_EPANIC,
      LK_ECALLBACK,    LK_ERELEASED,     LK_EUNREACHABLE,            LK_EPROTOCOL,
      LK_EQUEUEFULL,   LK_ESYSTEM,       LK_ETIMEDOUT,               LK_EBUSY,
      LK_ELOST,        LK_ENODEGONE,     LK_ELAYOUT,                 LK_ECONFLICT,
      LK_ECHANGED,     LK_EREJECTED,              LK_EUPGRADE,
      LK_ENUMBERS};
  const char *other = lk_status_text(LK_EOTHER);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    CHECK(strcmp(lk_status_text(all[i]), other) != 0);
  }
  CHECK(strcmp(lk_status_text(12345), other) == 0);
}

static void null_is_refused(void) {
  lk_client_t *client = (lk_client_t *)&client;
  lk_config_t *config = NULL;
  lk_result_t *result = NULL;
  lk_client_state_t state;
  lk_stat_t stat;
  int64_t number;
  CHECK_STATUS(lk_config_new(NULL, -1, &config), LK_EINVAL);
  CHECK_STATUS(lk_config_new("a:1", -1, NULL), LK_EINVAL);
  CHECK_STATUS(lk_config_new("a:1", -2, &config), LK_EINVAL);
  CHECK(contains(lk_last_error()->text, "-2"));
  CHECK_STATUS(lk_config_new("\xff", 1, &config), LK_EINVAL);
  CHECK(config == NULL);
  CHECK_STATUS(lk_config_session_timeout(NULL, 1), LK_EINVAL);
  CHECK_STATUS(lk_config_connect_timeout(NULL, 1), LK_EINVAL);
  CHECK_STATUS(lk_config_auth(NULL, "digest", -1, "a:b", 3), LK_EINVAL);
  CHECK_STATUS(lk_client_connect(NULL, &client), LK_EINVAL);
  CHECK(client == NULL);
  CHECK_STATUS(lk_client_close(NULL, 0), LK_EINVAL);
  CHECK_STATUS(lk_client_state(NULL, &state), LK_EINVAL);
  CHECK_STATUS(lk_client_session_id(NULL, &number), LK_EINVAL);
  CHECK_STATUS(lk_client_session_timeout(NULL, &number), LK_EINVAL);
  CHECK_STATUS(lk_create(NULL, "/a", -1, NULL, 0, LK_PERSISTENT, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_get(NULL, "/a", -1, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_set(NULL, "/a", -1, NULL, 0, LK_ANY_VERSION, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_delete(NULL, "/a", -1, LK_ANY_VERSION, 0), LK_EINVAL);
  CHECK_STATUS(lk_exists(NULL, "/a", -1, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_children(NULL, "/a", -1, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_result_stat(NULL, &stat), LK_EINVAL);
  CHECK(equals(lk_result_path(NULL), ""));
  CHECK(lk_result_data(NULL).ptr == NULL);
  CHECK(lk_result_children_len(NULL) == 0);
  CHECK(equals(lk_result_child(NULL, 0), ""));
  lk_config_free(NULL);
  lk_client_free(NULL);
  lk_result_free(NULL);
}

static void settings_are_checked(void) {
  lk_config_t *config;
  lk_client_t *client;
  REQUIRE_OK(lk_config_new("nonsense,,", -1, &config));
  CHECK_STATUS(lk_config_session_timeout(config, 0), LK_EINVAL);
  CHECK_STATUS(lk_config_session_timeout(config, INT64_C(1) << 31), LK_EINVAL);
  CHECK_OK(lk_config_session_timeout(config, 5000));
  CHECK_OK(lk_config_connect_timeout(config, LK_FOREVER));
  CHECK_STATUS(lk_config_auth(config, "digest", -1, NULL, 3), LK_EINVAL);
  CHECK_STATUS(lk_config_auth(config, NULL, -1, "a:b", 3), LK_EINVAL);
  CHECK_STATUS(lk_client_connect(config, &client), LK_BADARGUMENTS);
  CHECK_STATUS(lk_client_connect(config, NULL), LK_EINVAL);
  lk_config_free(config);
  /* Port 1 of the loopback address: nobody listens. */
  REQUIRE_OK(lk_config_new("127.0.0.1:1 is cut off", 11, &config));
  CHECK_OK(lk_config_connect_timeout(config, 300));
  CHECK_STATUS(lk_client_connect(config, &client), LK_EUNREACHABLE);
  CHECK(lk_last_error()->retriable && !lk_last_error()->maybe_applied);
  CHECK(client == NULL);
  lk_config_free(config);
}

static void a_client_tells_of_its_session(void) {
  lk_client_t *client = connect_client();
  lk_client_state_t state = 0;
  int64_t id = 0, timeout_ms = 0;
  CHECK_OK(lk_client_state(client, &state));
  CHECK(state == LK_CLIENT_CONNECTED);
  CHECK_OK(lk_client_session_id(client, &id));
  CHECK(id != 0);
  CHECK_OK(lk_client_session_timeout(client, &timeout_ms));
  CHECK(timeout_ms > 0);
  CHECK_STATUS(lk_client_state(client, NULL), LK_EINVAL);
  CHECK_STATUS(lk_client_session_id(client, NULL), LK_EINVAL);
  CHECK_STATUS(lk_client_session_timeout(client, NULL), LK_EINVAL);
  close_client(client);
}

static void znodes_come_and_go(void) {
  lk_client_t *client = connect_client();
  lk_result_t *result;
  lk_stat_t stat;
  lk_bytes_t data;
  CHECK_OK(lk_create(client, "/c-test and more", 7, "a\0b", 3, LK_PERSISTENT, PATIENCE_MS,
                     &result));
  CHECK(equals(lk_result_path(result), "/c-test"));
  CHECK_OK(lk_result_stat(result, &stat));
  CHECK(stat.czxid > 0 && stat.czxid == stat.mzxid && stat.version == 0);
  CHECK(stat.data_length == 3 && stat.ephemeral_owner == 0);
  CHECK_STATUS(lk_result_stat(result, NULL), LK_EINVAL);
  CHECK(lk_result_data(result).ptr == NULL);
  lk_result_free(result);

  CHECK_OK(lk_get(client, "/c-test", -1, PATIENCE_MS, &result));
  data = lk_result_data(result);
  CHECK(data.len == 3 && memcmp(data.ptr, "a\0b", 3) == 0);
  lk_result_free(result);

  CHECK_OK(lk_set(client, "/c-test", -1, NULL, 0, 0, PATIENCE_MS, &result));
  CHECK_OK(lk_result_stat(result, &stat));
  CHECK(stat.version == 1 && stat.mzxid > stat.czxid);
  lk_result_free(result);
  CHECK_OK(lk_get(client, "/c-test", -1, LK_FOREVER, &result));
  CHECK(lk_result_data(result).ptr != NULL && lk_result_data(result).len == 0);
  lk_result_free(result);
  CHECK_STATUS(lk_set(client, "/c-test", -1, "", 0, 0, PATIENCE_MS, &result), LK_BADVERSION);
  CHECK(result == NULL);

  CHECK_OK(lk_create(client, "/c-test/s-", -1, NULL, 0, LK_EPHEMERAL_SEQUENTIAL, PATIENCE_MS,
                     &result));
  CHECK(contains(lk_result_path(result), "/c-test/s-0000000000"));
  lk_result_free(result);
  CHECK_OK(lk_children(client, "/c-test", -1, PATIENCE_MS, &result));
  CHECK(lk_result_children_len(result) == 1);
  CHECK(equals(lk_result_child(result, 0), "s-0000000000"));
  CHECK(equals(lk_result_child(result, 1), ""));
  CHECK_STATUS(lk_result_stat(result, &stat), LK_EINVAL);
  lk_result_free(result);

  CHECK_OK(lk_exists(client, "/c-test", -1, PATIENCE_MS, &result));
  CHECK_OK(lk_result_stat(result, &stat));
  CHECK(stat.num_children == 1);
  lk_result_free(result);
  CHECK_STATUS(lk_delete(client, "/c-test", -1, LK_ANY_VERSION, PATIENCE_MS), LK_NOTEMPTY);
  CHECK_OK(lk_delete(client, "/c-test/s-0000000000", -1, 0, PATIENCE_MS));
  CHECK_OK(lk_delete(client, "/c-test", -1, 1, PATIENCE_MS));
  close_client(client);
}

static void errors_say_what_and_where(void) {
  lk_client_t *client = connect_client();
  lk_result_t *result;
  CHECK_STATUS(lk_get(client, "/c-missing", -1, PATIENCE_MS, &result), LK_NONODE);
  CHECK(result == NULL);
  CHECK(equals(lk_last_error()->path, "/c-missing"));
  CHECK(contains(lk_last_error()->text, "znode does not exist"));
  CHECK(!lk_last_error()->retriable && !lk_last_error()->maybe_applied);
  CHECK_STATUS(lk_exists(client, "/c-missing", -1, PATIENCE_MS, &result), LK_NONODE);
  CHECK(equals(lk_last_error()->path, "/c-missing"));
  CHECK_STATUS(lk_children(client, "/c-missing", -1, PATIENCE_MS, &result), LK_NONODE);
  CHECK_STATUS(lk_delete(client, "/c-missing", -1, -1, PATIENCE_MS), LK_NONODE);
  CHECK_STATUS(lk_create(client, "/", 1, NULL, 0, 0, PATIENCE_MS, &result), LK_NODEEXISTS);
  CHECK_STATUS(lk_get(client, "no/path", -1, PATIENCE_MS, &result), LK_BADARGUMENTS);
  CHECK(equals(lk_last_error()->path, "no/path"));
  CHECK_STATUS(lk_get(client, "/a\0b", 4, PATIENCE_MS, &result), LK_BADARGUMENTS);
  CHECK_STATUS(lk_get(client, NULL, 0, PATIENCE_MS, &result), LK_EINVAL);
  CHECK_STATUS(lk_get(client, "/a", -1, PATIENCE_MS, NULL), LK_EINVAL);
  CHECK_STATUS(lk_create(client, "/a", -1, NULL, 1, 0, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_create(client, "/a", -1, "", SIZE_MAX, 0, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_create(client, "/a", -1, NULL, 0, 5, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_create(client, "/a", -1, NULL, 0, -1, 0, &result), LK_EINVAL);
  CHECK_STATUS(lk_delete(client, "/a", -1, -2, 0), LK_EINVAL);
  CHECK_OK(lk_exists(client, "/", -1, PATIENCE_MS, &result));
  CHECK(lk_last_error()->text.len == 0 && lk_last_error()->path.len == 0);
  lk_result_free(result);
  close_client(client);
}

static void a_closed_client_refuses(void) {
  lk_client_t *client = connect_client();
  lk_client_state_t state;
  lk_result_t *result;
  CHECK_OK(lk_client_close(client, PATIENCE_MS));
  CHECK_STATUS(lk_client_close(client, PATIENCE_MS), LK_CLOSING);
  CHECK_STATUS(lk_get(client, "/", -1, PATIENCE_MS, &result), LK_CLOSING);
  CHECK(equals(lk_last_error()->path, "/"));
  CHECK_OK(lk_client_state(client, &state));
  CHECK(state == LK_CLIENT_CLOSED);
  lk_client_free(client);
}

static void a_freed_client_closes_its_session(void) {
  lk_client_t *client = connect_client(), *other = connect_client();
  lk_result_t *result;
  CHECK_OK(lk_create(client, "/c-freed", -1, NULL, 0, LK_EPHEMERAL, PATIENCE_MS, &result));
  lk_result_free(result);
  lk_client_free(client);
  CHECK_STATUS(lk_exists(other, "/c-freed", -1, PATIENCE_MS, &result), LK_NONODE);
  close_client(other);
}

static void credentials_are_shown(void) {
  lk_config_t *config;
  lk_client_t *client;
  REQUIRE_OK(lk_config_new(connect_string, -1, &config));
  CHECK_OK(lk_config_auth(config, "digest", -1, "user:secret", 11));
  CHECK_OK(lk_client_connect(config, &client));
  close_client(client);
  /* The config was not used up, and an unknown scheme is refused. */
  CHECK_OK(lk_config_auth(config, "no-such-scheme", -1, "x", 1));
  CHECK_STATUS(lk_client_connect(config, &client), LK_AUTHFAILED);
  lk_config_free(config);
}

static volatile sig_atomic_t signals_taken;

static void take_signal(int number) {
  (void)number;
  signals_taken++;
}

/* A signal to the process goes to any thread that takes it: to none while this one does not. */
static void threads_take_no_signals(void) {
  lk_client_t *client;
  lk_result_t *result;
  struct sigaction action;
  sigset_t user, before;
  memset(&action, 0, sizeof action);
  action.sa_handler = take_signal;
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  client = connect_client();
  sigemptyset(&user);
  sigaddset(&user, SIGUSR1);
  CHECK(pthread_sigmask(SIG_BLOCK, &user, &before) == 0);
  /* Connecting has left this thread's own signals as they were. */
  CHECK(sigismember(&before, SIGUSR1) == 0);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK_OK(lk_exists(client, "/", -1, PATIENCE_MS, &result));
  lk_result_free(result);
  sleep_ms(100);
  CHECK(signals_taken == 0);
  CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
  CHECK(signals_taken == 1);
  close_client(client);
}

/* A thread names itself when it first runs, and is listed until the system has cleaned up. */
static int holds_in_time(const char *command) {
  for (int i = 0; i < PATIENCE_MS / 10; i++) {
    if (system(command) == 0) {
      return 1;
    }
    sleep_ms(10);
  }
  return 0;
}

static void threads_have_names(void) {
  lk_client_t *client = connect_client();
  CHECK(holds_in_time("test $(grep -l -E '^lk-(io|callback)$' /proc/$PPID/task/*/comm | wc -l) = 2"));
  close_client(client);
  CHECK(holds_in_time("test $(ls /proc/$PPID/task | wc -l) = 1"));
}

int main(int argc, char **argv) {
  begin_tests(argc, argv);
  RUN(versions_agree);
  RUN(every_status_has_a_text);
  RUN(null_is_refused);
  RUN(settings_are_checked);
  RUN(a_client_tells_of_its_session);
  RUN(znodes_come_and_go);
  RUN(errors_say_what_and_where);
  RUN(a_closed_client_refuses);
  RUN(a_freed_client_closes_its_session);
  RUN(credentials_are_shown);
  RUN(threads_take_no_signals);
  RUN(threads_have_names);
  return end_tests();
}

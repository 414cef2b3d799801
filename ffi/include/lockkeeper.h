/**
 * @file
 * Lockkeeper: a client of ZooKeeper ensembles, and a lock with fences on it.
 *
 * Made from the Rust sources by `cargo xtask header`; changes belong there.
 *
 * Errors. A call that can fail gives an `lk_status_t`: 0, or a negative number. What it was to give
 * comes through a last argument called `out`, which holds NULL after a failure if it is an object.
 * lk_last_error() tells more about the last such call of this thread. "As every call of a client"
 * stands for LK_CONNECTIONLOSS, LK_OPERATIONTIMEOUT (the deadline), LK_SESSIONEXPIRED, LK_CLOSING,
 * LK_AUTHFAILED, LK_BADARGUMENTS (the path), LK_NOTREADONLY, LK_THROTTLEDOP, LK_EPROTOCOL,
 * LK_EQUEUEFULL, LK_EINVAL, LK_EFORKED, LK_ECALLBACK. Any call may give LK_EPANIC.
 *
 * Objects. All are opaque. Whoever receives one frees it, with the function of its type and not
 * with free(); those functions accept NULL. An object that was freed must not be used in any way:
 * nothing can notice that. Using one after its close or release is an error with a code.
 *
 * Strings and bytes. Strings are UTF-8 and go in as pointer and length; -1 as length stands for a
 * NUL at the end. They are copied. Strings that come out have a NUL behind them and live as long as
 * the object they were asked of, or for ever where that is said.
 *
 * Time. Timeouts are in milliseconds; below 0 (LK_FOREVER) there is none, 0 is over at once.
 *
 * | Object         | Shared between threads            | Notes                                    |
 * |----------------|-----------------------------------|------------------------------------------|
 * | lk_config_t    | no, may move                      | read by connecting, may be used again    |
 * | lk_client_t    | yes                               | the last free alone, after all calls     |
 * | lk_lock_t      | yes                               | each call is a contender of its own      |
 * | lk_guard_t     | yes                               | freed alone, after all calls             |
 * | lk_call_t      | no, may move                      | only to give the call up                 |
 * | lk_result_t    | no, may move                      | freed by the receiver                    |
 * | lk_error_t     | one per thread                    | valid until the thread's next call       |
 *
 * Threads. A client has the threads "lk-io", "lk-callback" and, while a host name is looked up,
 * "lk-lookup". They take no signals, and a broken connection raises no SIGPIPE.
 *
 * Callbacks. A function goes in with `user`, which it is given, and `drop`, which is called once
 * with `user` when the function will not be called any more, whether or not it ever was. Both run
 * on the client's thread "lk-callback", or on the thread that is in lk_dispatch() if the client was
 * made with lk_config_dispatch(): one after the other, in the order in which their reasons came,
 * with no lock of the library held. A call that blocks gives LK_ECALLBACK there; those that never
 * block, and all frees, are allowed. They must return, and must not throw. What waits for its turn
 * when the client's last object is freed may only be dropped. A call that ends in "_async" starts
 * an operation and returns; its function is told the end.
 *
 * Fork. Clients, locks, guards and calls stay with the process that made them: in a forked child
 * every call gives LK_EFORKED without touching them, frees do nothing, and callbacks never run. The
 * memory, and descriptors that all close on exec, are left behind until then. A child may make
 * clients of its own. Configs and results are plain memory and may be used in both.
 */

#ifndef LOCKKEEPER_H
#define LOCKKEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version of this header, `0xMMmmpp00`. */
#define LK_VERSION_NUMBER \
  ((uint32_t)LK_VERSION_MAJOR << 24 | (uint32_t)LK_VERSION_MINOR << 16 | \
   (uint32_t)LK_VERSION_PATCH << 8)


/**
 * Number of the ABI: programs run with a library of the same number, if it is not older than
 * their header. It is part of the shared library's name.
 */
#define LK_ABI_VERSION 0

/**
 * First number of the header's version.
 */
#define LK_VERSION_MAJOR 0

/**
 * Second number of the header's version.
 */
#define LK_VERSION_MINOR 1

/**
 * Third number of the header's version.
 */
#define LK_VERSION_PATCH 0

/**
 * As a timeout: for as long as it takes.
 */
#define LK_FOREVER -1

/**
 * As a version: whatever it is.
 */
#define LK_ANY_VERSION -1

/**
 * An operation that was started and ends by calling a function. Only needed to give it up.
 */
typedef struct lk_call_t lk_call_t;

/**
 * A session with an ensemble. Any number of threads may use it at once.
 */
typedef struct lk_client_t lk_client_t;

/**
 * Settings for clients. Only one thread at a time may use it; connecting reads it and leaves it
 * as it is, so it may serve for the next client too. May be used on both sides of a fork.
 */
typedef struct lk_config_t lk_config_t;

/**
 * A lock that is held until it is released or freed, or lost. Any number of threads may use it.
 *
 * A process that was paused, or whose packets were late, may act after its session expired and
 * the lock went to somebody else. The fence lets the resource itself refuse whoever comes late.
 */
typedef struct lk_guard_t lk_guard_t;

/**
 * A lock on a path. Any number of threads may use it at once; each call that acquires is a
 * contender of its own, so a thread that holds the lock and asks again waits for itself.
 */
typedef struct lk_lock_t lk_lock_t;

/**
 * What an operation found or made. Belongs to whoever received it; one thread at a time may use
 * it, it may wander, and it may be used on both sides of a fork.
 */
typedef struct lk_result_t lk_result_t;

/**
 * How a call ended: 0 for good, ZooKeeper's own negative codes, or one of this library's below
 * -1000. Others than those listed may come from newer servers.
 */
typedef int32_t lk_status_t;

/**
 * A string that belongs to the object it was asked of. A NUL follows it; never a NULL pointer.
 */
typedef struct lk_str_t {
  /**
   * UTF-8.
   */
  const char *ptr;
  /**
   * Bytes without the NUL.
   */
  size_t len;
} lk_str_t;

/**
 * How a call ended: the last one on this thread that gave an `lk_status_t`, or one whose end a
 * callback is told. Its fields do not change within a major version.
 */
typedef struct lk_error_t {
  /**
   * What the call returned.
   */
  lk_status_t code;
  /**
   * Nothing was done, and the same call may succeed if it is made again.
   */
  bool retriable;
  /**
   * A write was sent and its reply never came: it may have been carried out, or still be.
   */
  bool maybe_applied;
  /**
   * One sentence for people; empty for `LK_OK`.
   */
  struct lk_str_t text;
  /**
   * The znode it is about, or empty.
   */
  struct lk_str_t path;
} lk_error_t;

/**
 * Where a session stands.
 */
typedef int32_t lk_client_state_t;

/**
 * Told where a session stands. Runs as every callback; see "Callbacks" above.
 *
 * @param state  one of `LK_CLIENT_*`
 */
typedef void (*lk_client_state_fn)(void *user, lk_client_state_t state);

/**
 * Frees what a callback's `user` points to. Called exactly once, after the last call of the
 * callback or in its place, and where callbacks run.
 */
typedef void (*lk_drop_fn)(void *user);

/**
 * The kind of znode that is created.
 */
typedef int32_t lk_create_mode_t;

/**
 * Bytes that belong to the object they were asked of. `ptr` is NULL for data that is null, which
 * other clients can write; data of no bytes has a pointer.
 */
typedef struct lk_bytes_t {
  /**
   * The first byte, or NULL.
   */
  const uint8_t *ptr;
  /**
   * How many there are.
   */
  size_t len;
} lk_bytes_t;

/**
 * A znode's metadata, as ZooKeeper's `Stat`. Its fields do not change within a major version.
 */
typedef struct lk_stat_t {
  /**
   * Transaction that created the znode.
   */
  int64_t czxid;
  /**
   * Transaction that last set its data.
   */
  int64_t mzxid;
  /**
   * When it was created, ms since 1970 on the leader's clock.
   */
  int64_t ctime;
  /**
   * When its data was last set, ms since 1970 on the leader's clock.
   */
  int64_t mtime;
  /**
   * How often the data was set.
   */
  int32_t version;
  /**
   * How many children were created or deleted.
   */
  int32_t cversion;
  /**
   * How often the ACL was set.
   */
  int32_t aversion;
  /**
   * Bytes of data.
   */
  int32_t data_length;
  /**
   * The session an ephemeral belongs to, else 0.
   */
  int64_t ephemeral_owner;
  /**
   * Transaction that last created or deleted a child.
   */
  int64_t pzxid;
  /**
   * Children now.
   */
  int32_t num_children;
} lk_stat_t;

/**
 * The names that contenders give their znodes. All users of a path must use the same.
 */
typedef int32_t lk_layout_t;

/**
 * Told how waiting for a lock ended. Runs as every callback; see "Callbacks" above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` for a grant
 * @param guard  what is held, to be freed with `lk_guard_free`; NULL after an error
 */
typedef void (*lk_acquired_fn)(void *user, const struct lk_error_t *error, struct lk_guard_t *guard);

/**
 * What may be relied on.
 */
typedef int32_t lk_guard_state_t;

/**
 * Why a lock was lost.
 */
typedef int32_t lk_loss_t;

/**
 * Told that a lock must not be relied on any more; at most once. Runs as every callback; see
 * "Callbacks" above.
 *
 * @param state  `LK_GUARD_POSSIBLY_LOST` or `LK_GUARD_LOST`
 * @param loss   why, for `LK_GUARD_LOST`
 */
typedef void (*lk_lost_fn)(void *user, lk_guard_state_t state, lk_loss_t loss);

/**
 * Told how an operation ended that gives nothing else. Runs as every callback; see "Callbacks"
 * above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` if it was done
 */
typedef void (*lk_done_fn)(void *user, const struct lk_error_t *error);

/**
 * It was done.
 */
#define LK_OK 0

/**
 * The server is in trouble.
 */
#define LK_SYSTEMERROR -1

/**
 * An earlier part of a multi failed.
 */
#define LK_RUNTIMEINCONSISTENCY -2

/**
 * The link broke before the reply came; see `maybe_applied`.
 */
#define LK_CONNECTIONLOSS -4

/**
 * The server does not know the operation.
 */
#define LK_UNIMPLEMENTED -6

/**
 * No reply before the call's deadline; see `maybe_applied`.
 */
#define LK_OPERATIONTIMEOUT -7

/**
 * A path or another value that ZooKeeper does not allow.
 */
#define LK_BADARGUMENTS -8

/**
 * There is no znode at the path.
 */
#define LK_NONODE -101

/**
 * The ACL does not permit it.
 */
#define LK_NOAUTH -102

/**
 * The znode has another version.
 */
#define LK_BADVERSION -103

/**
 * Ephemerals have no children.
 */
#define LK_NOCHILDRENFOREPHEMERALS -108

/**
 * There is a znode at the path already.
 */
#define LK_NODEEXISTS -110

/**
 * The znode has children.
 */
#define LK_NOTEMPTY -111

/**
 * The session has ended; a new client is needed.
 */
#define LK_SESSIONEXPIRED -112

/**
 * The ACL is not valid.
 */
#define LK_INVALIDACL -114

/**
 * The ensemble refused a credential.
 */
#define LK_AUTHFAILED -115

/**
 * The client was closed.
 */
#define LK_CLOSING -116

/**
 * The session was moved to another server.
 */
#define LK_SESSIONMOVED -118

/**
 * A write to a server that only reads.
 */
#define LK_NOTREADONLY -119

/**
 * A quota would be exceeded.
 */
#define LK_QUOTAEXCEEDED -125

/**
 * The server was too busy and did not carry the request out.
 */
#define LK_THROTTLEDOP -127

/**
 * An argument is NULL, not UTF-8, or out of range. Nothing was done.
 */
#define LK_EINVAL -1001

/**
 * The object was made before a fork, by another process. Nothing was done.
 */
#define LK_EFORKED -1002

/**
 * A bug in the library. The text says where; free the object.
 */
#define LK_EPANIC -1003

/**
 * A call that blocks was made from a callback. Nothing was done.
 */
#define LK_ECALLBACK -1004

/**
 * The guard has been released before.
 */
#define LK_ERELEASED -1005

/**
 * No server took the session in the time set for connecting.
 */
#define LK_EUNREACHABLE -1006

/**
 * The server sent what cannot be understood.
 */
#define LK_EPROTOCOL -1007

/**
 * Too many calls wait for replies.
 */
#define LK_EQUEUEFULL -1008

/**
 * The system gave no thread or descriptor.
 */
#define LK_ESYSTEM -1009

/**
 * The lock was not granted before the deadline. Nothing of the attempt is left behind.
 */
#define LK_ETIMEDOUT -1101

/**
 * Somebody else holds the lock or waits for it, or dispatches.
 */
#define LK_EBUSY -1102

/**
 * The lock had been lost before the call.
 */
#define LK_ELOST -1103

/**
 * Somebody deleted the znode that waited for the lock.
 */
#define LK_ENODEGONE -1104

/**
 * The path is shared with a lock of another layout.
 */
#define LK_ELAYOUT -1105

/**
 * A failure that this version of the library has no code for.
 */
#define LK_EOTHER -1199

/**
 * No session yet.
 */
#define LK_CLIENT_CONNECTING 1

/**
 * In touch with a server that takes writes.
 */
#define LK_CLIENT_CONNECTED 2

/**
 * In touch with a server that has lost its quorum and only reads.
 */
#define LK_CLIENT_CONNECTED_READ_ONLY 3

/**
 * Out of touch; the session may live or not, and calls wait.
 */
#define LK_CLIENT_SUSPENDED 4

/**
 * The session has ended. Final.
 */
#define LK_CLIENT_EXPIRED 5

/**
 * A credential was refused. Final.
 */
#define LK_CLIENT_AUTH_FAILED 6

/**
 * Closed by its owner. Final.
 */
#define LK_CLIENT_CLOSED 7

/**
 * Stays until it is deleted.
 */
#define LK_PERSISTENT 0

/**
 * Goes with its session; has no children.
 */
#define LK_EPHEMERAL 1

/**
 * Persistent, with a number of ten digits appended to its name.
 */
#define LK_PERSISTENT_SEQUENTIAL 2

/**
 * Ephemeral, with a number of ten digits appended to its name.
 */
#define LK_EPHEMERAL_SEQUENTIAL 3

/**
 * Removed by the server some time after its last child.
 */
#define LK_CONTAINER 4

/**
 * Those of Curator's InterProcessMutex.
 */
#define LK_LAYOUT_CURATOR 0

/**
 * Those of go-zk, which share a path with Curator's.
 */
#define LK_LAYOUT_GO_ZK 1

/**
 * Those of kazoo's Lock.
 */
#define LK_LAYOUT_KAZOO 2

/**
 * The lock is held.
 */
#define LK_GUARD_HELD 1

/**
 * The link is down, but nobody else can hold the lock yet: finish or stop.
 */
#define LK_GUARD_SUSPENDED 2

/**
 * Somebody else may hold the lock: stop. It may turn out to be held.
 */
#define LK_GUARD_POSSIBLY_LOST 3

/**
 * The lock is not held any more. Final.
 */
#define LK_GUARD_LOST 4

/**
 * It was given back. Final.
 */
#define LK_GUARD_RELEASED 5

/**
 * It was not.
 */
#define LK_LOSS_NONE 0

/**
 * The client was closed.
 */
#define LK_LOSS_CLOSED 1

/**
 * The session expired.
 */
#define LK_LOSS_EXPIRED 2

/**
 * Somebody deleted the guard's znode.
 */
#define LK_LOSS_DELETED 3

/**
 * For a reason that this version of the library has no number for.
 */
#define LK_LOSS_OTHER 4

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The ABI of the library that is running, to be compared with `LK_ABI_VERSION`.
 */
uint32_t lk_abi_version(void);

/**
 * The version of the library that is running, `0xMMmmpp00`, to be compared with
 * `LK_VERSION_NUMBER`.
 */
uint32_t lk_version_number(void);

/**
 * The same as text, such as "1.2.3"; valid for ever.
 */
const char *lk_version_string(void);

/**
 * A code in words, such as "znode does not exist"; valid for ever. Never blocks.
 */
const char *lk_status_text(lk_status_t status);

/**
 * What the last call did on this thread: the error behind a status.
 *
 * Never blocks. Gives NULL only while the thread ends. The object belongs to the library and is
 * valid until the next call on this thread that gives an `lk_status_t`.
 */
const struct lk_error_t *lk_last_error(void);

/**
 * Settings for a client of `host:port[,host:port]*[/chroot]`.
 *
 * The string is copied and read when connecting. Never blocks. Fails with `LK_EINVAL`.
 *
 * @param out  where the object goes; the caller frees it with `lk_config_free`
 */
lk_status_t lk_config_new(const char *connect, ptrdiff_t connect_len, struct lk_config_t **out);

/**
 * The session timeout to ask for, 1 ms to 2^31 - 1 ms; 10 s if this is not called. Servers bring
 * it into their own limits. Never blocks. Fails with `LK_EINVAL`.
 */
lk_status_t lk_config_session_timeout(struct lk_config_t *config, int64_t timeout_ms);

/**
 * How long connecting may take, ms, or `LK_FOREVER`; 30 s if this is not called. Never blocks.
 * Fails with `LK_EINVAL`.
 */
lk_status_t lk_config_connect_timeout(struct lk_config_t *config, int64_t timeout_ms);

/**
 * A credential to show to every server, such as `digest` and `user:password`; may be called
 * again for another one. Both are copied. Never blocks. Fails with `LK_EINVAL`.
 */
lk_status_t lk_config_auth(struct lk_config_t *config,
                           const char *scheme,
                           ptrdiff_t scheme_len,
                           const void *credential,
                           size_t credential_len);

/**
 * Whether callbacks wait for `lk_dispatch`, where they run on a thread of the caller's, such as one
 * with an event loop; if not, or if this is not called, they run on a thread `lk-callback`. Never
 * blocks. Fails with `LK_EINVAL`.
 */
lk_status_t lk_config_dispatch(struct lk_config_t *config, bool dispatch);

/**
 * Frees settings; NULL is allowed. Clients that were made with them go on. Never blocks.
 */
void lk_config_free(struct lk_config_t *config);

/**
 * Connects and waits until requests flow.
 *
 * Blocks for at most the config's connect timeout. Starts two threads, or one with
 * `lk_config_dispatch`, which take no signals. The config stays the caller's. Fails with
 * `LK_EUNREACHABLE`, `LK_AUTHFAILED`, `LK_BADARGUMENTS` for a connect string that cannot be read,
 * `LK_ESYSTEM`, `LK_EINVAL`, `LK_ECALLBACK`.
 *
 * @param out  where the client goes; the caller frees it with `lk_client_free`
 */
lk_status_t lk_client_connect(const struct lk_config_t *config, struct lk_client_t **out);

/**
 * Ends the session: its ephemerals are deleted and its locks are lost.
 *
 * Blocks until the server has confirmed it, for at most `timeout_ms` and never much longer than
 * five seconds; other calls of this client end with `LK_CLOSING`. Fails with `LK_OPERATIONTIMEOUT`
 * (closing goes on in the background), `LK_SESSIONEXPIRED` if the session had ended before,
 * `LK_CLOSING` if it was called before, `LK_EINVAL`, `LK_EFORKED`, `LK_ECALLBACK`. The client is
 * still to be freed.
 */
lk_status_t lk_client_close(struct lk_client_t *client, int64_t timeout_ms);

/**
 * Gives a client up; NULL is allowed. No call of it may be under way.
 *
 * The session is closed, and the client's threads end, when its locks and guards have been freed
 * too; the last of these calls blocks until then, for a little more than five seconds at most and
 * for as long as a callback runs. With `lk_config_dispatch` it drops the callbacks that wait. In a
 * callback it does not block, and what it drops may be dropped on a thread of the library. In a
 * forked child it does nothing: the parent's session goes on.
 */
void lk_client_free(struct lk_client_t *client);

/**
 * Where the session stands now, one of `LK_CLIENT_*`. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 */
lk_status_t lk_client_state(const struct lk_client_t *client, lk_client_state_t *out);

/**
 * Asks to be told of the session's state: of the present one, and then of each new one until the
 * final one. A state that was over before its turn came is left out; the latest one never is. May
 * be called for any number of functions.
 *
 * Never blocks. `drop` runs exactly once: behind the final state, or when the client's last object
 * is freed; and if this call fails, before it returns. Fails with `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 */
lk_status_t lk_client_on_state(const struct lk_client_t *client,
                               lk_client_state_fn changed,
                               void *user,
                               lk_drop_fn drop);

/**
 * A descriptor that can be read while callbacks wait for `lk_dispatch`: for poll, epoll, libuv and
 * the like. It belongs to the client, to be neither read nor closed, and is gone with the client's
 * last object. Never blocks. Fails with `LK_EINVAL`, also without `lk_config_dispatch`, and
 * `LK_EFORKED`.
 */
lk_status_t lk_dispatch_fd(const struct lk_client_t *client, int *out);

/**
 * Runs the callbacks that wait now on this thread, in order; returns at once if there are none.
 *
 * Does not block, unless one of them does. Those that come meanwhile wait for the next call. The
 * client may be freed in a callback. Fails with `LK_EINVAL`, also without `lk_config_dispatch`,
 * `LK_EBUSY` if another thread dispatches, `LK_ECALLBACK`, `LK_EFORKED`.
 */
lk_status_t lk_dispatch(const struct lk_client_t *client);

/**
 * The session's id, as `ephemeral_owner` shows it. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 */
lk_status_t lk_client_session_id(const struct lk_client_t *client, int64_t *out);

/**
 * The session timeout that the server has set, ms. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 */
lk_status_t lk_client_session_timeout(const struct lk_client_t *client, int64_t *out);

/**
 * Creates a znode that everybody may read and write.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_NONODE` (no parent), `LK_NODEEXISTS`,
 * `LK_NOCHILDRENFOREPHEMERALS`, `LK_NOAUTH`, `LK_QUOTAEXCEEDED`, and as every call of a client.
 *
 * @param data  NULL with a length of 0 for no data
 * @param mode  one of `LK_PERSISTENT` and those behind it
 * @param out   where path and metadata go, to be freed with `lk_result_free`
 */
lk_status_t lk_create(const struct lk_client_t *client,
                      const char *path,
                      ptrdiff_t path_len,
                      const void *data_ptr,
                      size_t data_len,
                      lk_create_mode_t mode,
                      int64_t timeout_ms,
                      struct lk_result_t **out);

/**
 * Reads a znode's data and metadata.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_NOAUTH`, and as every call of a
 * client.
 *
 * @param out  where data and metadata go, to be freed with `lk_result_free`
 */
lk_status_t lk_get(const struct lk_client_t *client,
                   const char *path,
                   ptrdiff_t path_len,
                   int64_t timeout_ms,
                   struct lk_result_t **out);

/**
 * Sets a znode's data.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_BADVERSION`, `LK_NOAUTH`,
 * `LK_QUOTAEXCEEDED`, and as every call of a client.
 *
 * @param data     NULL with a length of 0 for no data
 * @param version  the version that the data must have, or `LK_ANY_VERSION`
 * @param out      where the new metadata goes, to be freed with `lk_result_free`
 */
lk_status_t lk_set(const struct lk_client_t *client,
                   const char *path,
                   ptrdiff_t path_len,
                   const void *data_ptr,
                   size_t data_len,
                   int32_t version,
                   int64_t timeout_ms,
                   struct lk_result_t **out);

/**
 * Deletes a znode that has no children.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_BADVERSION`, `LK_NOTEMPTY`,
 * `LK_NOAUTH`, and as every call of a client.
 *
 * @param version  the version that the data must have, or `LK_ANY_VERSION`
 */
lk_status_t lk_delete(const struct lk_client_t *client,
                      const char *path,
                      ptrdiff_t path_len,
                      int32_t version,
                      int64_t timeout_ms);

/**
 * Whether there is a znode at a path, and its metadata: `LK_NONODE` if there is none.
 *
 * Blocks for at most `timeout_ms`. Fails as every call of a client.
 *
 * @param out  where the metadata goes, to be freed with `lk_result_free`
 */
lk_status_t lk_exists(const struct lk_client_t *client,
                      const char *path,
                      ptrdiff_t path_len,
                      int64_t timeout_ms,
                      struct lk_result_t **out);

/**
 * Lists the names of a znode's children, in no order.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_NOAUTH`, and as every call of a
 * client.
 *
 * @param out  where the names go, to be freed with `lk_result_free`
 */
lk_status_t lk_children(const struct lk_client_t *client,
                        const char *path,
                        ptrdiff_t path_len,
                        int64_t timeout_ms,
                        struct lk_result_t **out);

/**
 * The path of a znode that was created, with its number if it has one; empty for the results of
 * other operations and for NULL. Never blocks. Belongs to the result.
 */
struct lk_str_t lk_result_path(const struct lk_result_t *result);

/**
 * The data of a znode that was read; NULL if it is null, and for the results of other operations
 * and for NULL. Never blocks. Belongs to the result.
 */
struct lk_bytes_t lk_result_data(const struct lk_result_t *result);

/**
 * The metadata of a znode that was created, read, set or found. Never blocks. Fails with
 * `LK_EINVAL`, also for a list of children, which has none.
 */
lk_status_t lk_result_stat(const struct lk_result_t *result, struct lk_stat_t *out);

/**
 * How many children were listed; 0 for the results of other operations and for NULL. Never
 * blocks.
 */
size_t lk_result_children_len(const struct lk_result_t *result);

/**
 * The name of a child, without slashes, in no order; empty beyond the last. Never blocks. Belongs
 * to the result.
 */
struct lk_str_t lk_result_child(const struct lk_result_t *result, size_t index);

/**
 * Frees a result and all that was asked of it; NULL is allowed. Never blocks.
 */
void lk_result_free(struct lk_result_t *result);

/**
 * Gives an operation up if it is not over, and frees the call; NULL is allowed.
 *
 * Never blocks. The operation's function is not called any more; on the thread `lk-callback` it
 * may be running, until its `drop` is called. In a forked child it does nothing.
 */
void lk_call_free(struct lk_call_t *call);

/**
 * A lock on a path, whose ancestors are created when they are needed.
 *
 * Never blocks and sends nothing. The lock keeps what it needs of the client, which may be freed
 * before it. Fails with `LK_BADARGUMENTS` if the path is not valid, `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param layout  one of `LK_LAYOUT_*`
 * @param label   what other contenders may read about this one, or NULL
 * @param out     where the lock goes; the caller frees it with `lk_lock_free`
 */
lk_status_t lk_lock_new(const struct lk_client_t *client,
                        const char *path,
                        ptrdiff_t path_len,
                        lk_layout_t layout,
                        const char *label,
                        ptrdiff_t label_len,
                        struct lk_lock_t **out);

/**
 * Waits for the lock.
 *
 * Blocks for at most `timeout_ms`, whatever happens meanwhile. Contenders are served in the order
 * in which they came. After any error nothing is held, and what the attempt had created is
 * deleted in the background. Fails with `LK_ETIMEDOUT`, `LK_ENODEGONE`, and as every call of a
 * client.
 *
 * @param out  where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_lock_acquire(const struct lk_lock_t *lock,
                            int64_t timeout_ms,
                            struct lk_guard_t **out);

/**
 * As `lk_lock_acquire`, without waiting: `acquired` is told the end.
 *
 * Never blocks. A lock that is granted after the call was given up is released in the background.
 * Fails with `LK_EINVAL`, `LK_EFORKED`; then `acquired` is not called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_lock_acquire_async(const struct lk_lock_t *lock,
                                  int64_t timeout_ms,
                                  lk_acquired_fn acquired,
                                  void *user,
                                  lk_drop_fn drop,
                                  struct lk_call_t **call);

/**
 * Takes the lock if nobody holds it or waits for it.
 *
 * Blocks for a round trip or two, at most `timeout_ms`. Fails with `LK_EBUSY`, `LK_ETIMEDOUT` if
 * the server did not answer in time, and as every call of a client.
 *
 * @param out  where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_lock_try(const struct lk_lock_t *lock, int64_t timeout_ms, struct lk_guard_t **out);

/**
 * How many contenders a new one would find ahead of it; 0 if the lock is free.
 *
 * Blocks for a round trip, at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a
 * client.
 */
lk_status_t lk_lock_queue_position(const struct lk_lock_t *lock, int64_t timeout_ms, size_t *out);

/**
 * Frees a lock; NULL is allowed. Its guards stay held. No call of it may be under way. Blocks
 * only as `lk_client_free` says. In a forked child it does nothing.
 */
void lk_lock_free(struct lk_lock_t *lock);

/**
 * The number to hand to the resource with every write: larger for every later holder. It stays
 * after the release. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
 */
lk_status_t lk_guard_fence(const struct lk_guard_t *guard, int64_t *out);

/**
 * Path of the znode that stands for this hold; it stays after the release. Belongs to the guard.
 * Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
 */
lk_status_t lk_guard_path(const struct lk_guard_t *guard, struct lk_str_t *out);

/**
 * What may be relied on now, one of `LK_GUARD_*`. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param loss  where the reason of a loss goes, one of `LK_LOSS_*`; or NULL
 */
lk_status_t lk_guard_state(const struct lk_guard_t *guard,
                           lk_guard_state_t *state,
                           lk_loss_t *loss);

/**
 * How long the lock is certain to stay held if the link broke now, ms; 0 if it is not certain
 * now. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
 */
lk_status_t lk_guard_remaining(const struct lk_guard_t *guard, int64_t *out_ms);

/**
 * Asks to be told when the lock must not be relied on any more; may be called for any number of
 * functions. If that is so already, it is the turn of `lost` at once.
 *
 * Never blocks. `drop` runs exactly once, whether or not `lost` ever does: behind it, or when the
 * guard is released or freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
 * `LK_ERELEASED`, `LK_EFORKED`.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 */
lk_status_t lk_guard_on_lost(const struct lk_guard_t *guard,
                             lk_lost_fn lost,
                             void *user,
                             lk_drop_fn drop);

/**
 * Proves that the lock is held now, by a write that a quorum agrees to.
 *
 * Blocks for at most `timeout_ms`. What it proves may be over when it returns. Fails with
 * `LK_ELOST`, `LK_ERELEASED`, `LK_OPERATIONTIMEOUT`, and as every call of a client.
 */
lk_status_t lk_guard_confirm(const struct lk_guard_t *guard, int64_t timeout_ms);

/**
 * Gives the lock back and waits until its znode is gone.
 *
 * Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` the release goes on in the
 * background. Fails with `LK_ELOST` if the lock had been lost before, `LK_ERELEASED` if it was
 * called before, and as every call of a client. The guard is still to be freed.
 */
lk_status_t lk_guard_release(struct lk_guard_t *guard, int64_t timeout_ms);

/**
 * As `lk_guard_release`, without waiting: `done` is told the end.
 *
 * Never blocks; the lock is being given back when this returns, and giving the call up does not
 * stop it. Fails with `LK_ERELEASED`, `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_guard_release_async(struct lk_guard_t *guard,
                                   int64_t timeout_ms,
                                   lk_done_fn done,
                                   void *user,
                                   lk_drop_fn drop,
                                   struct lk_call_t **call);

/**
 * Frees a guard; NULL is allowed. A lock that is still held is released in the background. No
 * call of it may be under way. Blocks only as `lk_client_free` says. In a forked child it does
 * nothing: the parent still holds the lock.
 */
void lk_guard_free(struct lk_guard_t *guard);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LOCKKEEPER_H */

/**
 * Whether the library that is running can serve a program that was compiled with this header: the
 * same ABI, and not older. 0 if so, else -1. Never blocks.
 */
static inline int lk_check_version(void) {
  return lk_abi_version() == LK_ABI_VERSION && lk_version_number() >= LK_VERSION_NUMBER ? 0 : -1;
}


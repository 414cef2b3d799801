/**
 * @file
 * Lockkeeper: a client of ZooKeeper ensembles, and recipes for coordination on it.
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
 * | lk_election_t  | yes                               | each call is a candidate of its own      |
 * | lk_candidate_t | yes                               | freed alone, after all calls             |
 * | lk_membership_t| yes                               | freed alone, after all calls             |
 * | lk_follow_t    | yes                               | freed alone, after all calls             |
 * | lk_call_t      | no, may move                      | only to give the call up                 |
 * | lk_result_t    | no, may move                      | freed by the receiver                    |
 * | lk_error_t     | one per thread                    | valid until the thread's next call       |
 *
 * Recipes. Most are a path and nothing else, so their calls take a client and a path; all users of
 * the path must say the same about it. What is held is a guard, whatever gave it.
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
 * Fork. All objects but configs and results stay with the process that made them: in a forked child
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
 * As a version: none; for a write, that there is to be nothing yet.
 */
#define LK_NO_VERSION -2

/**
 * As a limit: what the shared count says.
 */
#define LK_LIMIT_SHARED 0

/**
 * As a round: the only one, at the path itself.
 */
#define LK_NO_ROUND -1

/**
 * Something that was started and calls a function. Only needed to give it up.
 */
typedef struct lk_call_t lk_call_t;

/**
 * A candidate that stands for leadership, term after term, until it is closed or freed or its
 * session ends. Any number of threads may use it.
 */
typedef struct lk_candidate_t lk_candidate_t;

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
 * An election on a path. Any number of threads may use it at once; each call that asks to lead is a
 * candidate of its own.
 */
typedef struct lk_election_t lk_election_t;

/**
 * A configuration that is being followed until this is freed: the last good value is at hand
 * without a request. Any number of threads may use it.
 */
typedef struct lk_follow_t lk_follow_t;

/**
 * Something that is held until it is released or freed, or lost: a lock, a term of leadership, a
 * place inside a double barrier, a meeting point. Any number of threads may use it.
 *
 * A process that was paused, or whose packets were late, may act after its session expired and
 * the lock went to somebody else. The fence lets the resource itself refuse whoever comes late.
 */
typedef struct lk_guard_t lk_guard_t;

/**
 * A lock on a path: a mutex, a side of a read/write lock, or a semaphore. Any number of threads may
 * use it at once; each call that acquires is a contender of its own, so a thread that holds the lock
 * and asks again waits for itself.
 */
typedef struct lk_lock_t lk_lock_t;

/**
 * Being a member of a group, until it is left or freed. If somebody else deletes the znode it is
 * made again; the end of the session ends it for good. Any number of threads may use it.
 */
typedef struct lk_membership_t lk_membership_t;

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
 * Somebody who takes part in a group or in an election. What it points to belongs to the object it
 * was asked of, or is valid until the callback returns. Its fields do not change within a major
 * version.
 */
typedef struct lk_member_t {
  /**
   * What it calls itself.
   */
  struct lk_str_t id;
  /**
   * Path of its znode.
   */
  struct lk_str_t path;
  /**
   * What a member of a group says about itself; NULL for others.
   */
  struct lk_bytes_t data;
  /**
   * Its session; 0 where it is not known.
   */
  int64_t session;
  /**
   * The zxid of its znode's creation; of who leads it is the fence.
   */
  int64_t joined;
} lk_member_t;

/**
 * The names that contenders give their znodes. All users of a path must use the same.
 */
typedef int32_t lk_layout_t;

/**
 * Settings of a lock, added up; 0 for none.
 */
typedef uint32_t lk_lock_options_t;

/**
 * Told how waiting for something to hold ended. Runs as every callback; see "Callbacks" above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` for a grant
 * @param guard  what is held, to be freed with `lk_guard_free`; NULL after an error
 */
typedef void (*lk_acquired_fn)(void *user, const struct lk_error_t *error, struct lk_guard_t *guard);

/**
 * The names of candidates' znodes. All users of a path must use the same.
 */
typedef int32_t lk_election_layout_t;

/**
 * Settings of an election, added up; 0 for none.
 */
typedef uint32_t lk_election_options_t;

/**
 * What became of somebody.
 */
typedef int32_t lk_member_event_t;

/**
 * Told what became of somebody. Runs as every callback; see "Callbacks" above.
 *
 * @param error   never NULL, valid until the function returns; its code is `LK_OK` for an event
 * @param event   one of `LK_MEMBER_*`
 * @param member  valid until the function returns; NULL after an error
 */
typedef void (*lk_member_fn)(void *user,
                             const struct lk_error_t *error,
                             lk_member_event_t event,
                             const struct lk_member_t *member);

/**
 * How a candidate fares.
 */
typedef int32_t lk_candidate_state_t;

/**
 * Told how a candidate fares. Runs as every callback; see "Callbacks" above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` unless the state
 *               is `LK_CANDIDATE_ENDED`
 * @param state  one of `LK_CANDIDATE_*`
 * @param fence  of the term, while there is one; else 0
 */
typedef void (*lk_candidate_fn)(void *user,
                                const struct lk_error_t *error,
                                lk_candidate_state_t state,
                                int64_t fence);

/**
 * What may be relied on.
 */
typedef int32_t lk_guard_state_t;

/**
 * Why a lock was lost.
 */
typedef int32_t lk_loss_t;

/**
 * Told what may be relied on. Runs as every callback; see "Callbacks" above.
 *
 * @param state  one of `LK_GUARD_*`
 * @param loss   why, for `LK_GUARD_LOST`
 */
typedef void (*lk_guard_state_fn)(void *user, lk_guard_state_t state, lk_loss_t loss);

/**
 * Told how an operation ended that gives nothing else. Runs as every callback; see "Callbacks"
 * above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` if it was done
 */
typedef void (*lk_done_fn)(void *user, const struct lk_error_t *error);

/**
 * Told what was found. Runs as every callback; see "Callbacks" above.
 *
 * @param error   never NULL, valid until the function returns; its code is `LK_OK` for a result
 * @param result  valid until the function returns; NULL if there is none
 */
typedef void (*lk_result_fn)(void *user,
                             const struct lk_error_t *error,
                             const struct lk_result_t *result);

/**
 * A state of a shared count. Its fields do not change within a major version.
 */
typedef struct lk_count_t {
  /**
   * The zxid of the write that made it: larger means later.
   */
  int64_t revision;
  /**
   * The number.
   */
  int32_t value;
  /**
   * The version that `lk_count_set` compares.
   */
  int32_t version;
} lk_count_t;

/**
 * Told a state of a shared count. Runs as every callback; see "Callbacks" above.
 *
 * @param error  never NULL, valid until the function returns; its code is `LK_OK` for a count
 * @param count  valid until the function returns; NULL if there is none
 */
typedef void (*lk_count_fn)(void *user,
                            const struct lk_error_t *error,
                            const struct lk_count_t *count);

/**
 * How the keys of a configuration lie. All users of a path must use the same.
 */
typedef int32_t lk_keys_layout_t;

/**
 * A key of a configuration and its value. Its fields do not change within a major version.
 */
typedef struct lk_key_t {
  /**
   * One element of a path.
   */
  const char *name;
  /**
   * Bytes of the name, or -1 for a NUL at its end.
   */
  ptrdiff_t name_len;
  /**
   * The first byte of the value; NULL for none.
   */
  const void *value;
  /**
   * How many bytes there are.
   */
  size_t value_len;
} lk_key_t;

/**
 * Looks whether a configuration is good. Runs as every callback; see "Callbacks" above.
 *
 * @param found   what is published, valid until the function returns
 * @param reason  room for a sentence that says why not, with a NUL at its end
 * @param size    how much room there is
 * @return  whether it is good
 */
typedef bool (*lk_check_fn)(void *user, const struct lk_result_t *found, char *reason, size_t size);

/**
 * How members' znodes are called. All users of a path must use the same.
 */
typedef int32_t lk_group_layout_t;

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
 * What was held has been given back before.
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
 * What was waited for did not come before the deadline. Nothing of the attempt is left behind.
 */
#define LK_ETIMEDOUT -1101

/**
 * Somebody else holds the lock or waits for it, or dispatches; or another call is under way.
 */
#define LK_EBUSY -1102

/**
 * What was held had been lost before the call.
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
 * What is at the path does not go with what was asked for. The text says what to change.
 */
#define LK_ECONFLICT -1106

/**
 * Somebody else was faster: what was to be replaced is not there any more. Read it again.
 */
#define LK_ECHANGED -1107

/**
 * What is published is not good, or not whole. The text says why.
 */
#define LK_EREJECTED -1108

/**
 * Another writer waits for the reader that would become one. Release the read lock to let it through.
 */
#define LK_EUPGRADE -1109

/**
 * The server's numbers for the path are used up. Delete the path when nobody uses it.
 */
#define LK_ENUMBERS -1110

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
 * Nothing: there is an error instead.
 */
#define LK_MEMBER_NONE 0

/**
 * It is in the group.
 */
#define LK_MEMBER_JOINED 1

/**
 * It has left the group, or its session has ended.
 */
#define LK_MEMBER_LEFT 2

/**
 * It leads.
 */
#define LK_MEMBER_LEADS 3

/**
 * It led: its term was over when that was looked up, and the next leader has not written yet.
 */
#define LK_MEMBER_LED 4

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
 * Grants, fences and guards count only what a quorum has vouched for: a write more for each grant,
 * and one now and then while it is held. All users of a path must have it or none.
 */
#define LK_LOCK_STRICT 1

/**
 * A waiter whose znode somebody deletes queues again at the tail; without it, `LK_ENODEGONE`.
 */
#define LK_LOCK_REQUEUE 2

/**
 * Fails with `LK_ELAYOUT` when it finds contenders that would not wait for this layout's names.
 */
#define LK_LOCK_REFUSE_BLIND 4

/**
 * Those of Curator's `LeaderLatch`.
 */
#define LK_ELECTION_LATCH 0

/**
 * Those of Curator's `LeaderSelector`.
 */
#define LK_ELECTION_SELECTOR 1

/**
 * Those of kazoo's `Election`.
 */
#define LK_ELECTION_KAZOO 2

/**
 * Leads only while connected; without it, also without a link while nobody else can lead.
 */
#define LK_ELECTION_STRICT 1

/**
 * Each leader writes its id and fence beside the path before it acts, for `lk_election_watch`.
 */
#define LK_ELECTION_PUBLISH 2

/**
 * Fails with `LK_ELAYOUT` when it finds candidates that would not wait for this layout's names.
 */
#define LK_ELECTION_REFUSE_BLIND 4

/**
 * It stands in the queue.
 */
#define LK_CANDIDATE_WAITING 1

/**
 * It leads.
 */
#define LK_CANDIDATE_LEADING 2

/**
 * The link is down, but nobody else can lead yet.
 */
#define LK_CANDIDATE_SUSPENDED 3

/**
 * Somebody else may lead: stop.
 */
#define LK_CANDIDATE_POSSIBLY_LOST 4

/**
 * It left because it was closed. Final.
 */
#define LK_CANDIDATE_CLOSED 5

/**
 * It stands no more: its session is over, or the server refused. Final.
 */
#define LK_CANDIDATE_ENDED 6

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
 * It was given up through another handle, or its candidate was closed.
 */
#define LK_LOSS_RESIGNED 4

/**
 * For a reason that this version of the library has no number for.
 */
#define LK_LOSS_OTHER 5

/**
 * Each publication in a directory of its own that never changes, and a pointer to one of them.
 */
#define LK_KEYS_VERSIONS 0

/**
 * The keys below the path, and `ready` beside them while they are whole. Published under a guard
 * only.
 */
#define LK_KEYS_READY 1

/**
 * As those of Curator's `GroupMember`: by the members' ids.
 */
#define LK_GROUP_CURATOR 0

/**
 * As those of kazoo's `Party`, which have no room for data.
 */
#define LK_GROUP_KAZOO 1

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
 * The zxid of the write that made what was read or set: larger means later. 0 for the results of
 * other operations and for NULL. Never blocks.
 */
int64_t lk_result_revision(const struct lk_result_t *result);

/**
 * The version of the data that was read or set, to be compared by the next write; `LK_NO_VERSION`
 * for a configuration, the results of other operations and NULL. Never blocks.
 */
int32_t lk_result_version(const struct lk_result_t *result);

/**
 * How many children were listed, or keys; 0 for the results of other operations and for NULL. Never
 * blocks.
 */
size_t lk_result_children_len(const struct lk_result_t *result);

/**
 * The name of a child, without slashes, in no order, or of a key; empty beyond the last. Never
 * blocks. Belongs to the result.
 */
struct lk_str_t lk_result_child(const struct lk_result_t *result, size_t index);

/**
 * The value of a key of a configuration; NULL for other children, beyond the last and for NULL. Never
 * blocks. Belongs to the result.
 */
struct lk_bytes_t lk_result_value(const struct lk_result_t *result,
                                  size_t index);

/**
 * How many members of a group were listed, or candidates; 0 for the results of other operations and
 * for NULL. Never blocks.
 */
size_t lk_result_members_len(const struct lk_result_t *result);

/**
 * A member of a group, or a candidate. Never blocks. Fails with `LK_EINVAL`, also beyond the last.
 *
 * @param out  where it goes; what it points to belongs to the result
 */
lk_status_t lk_result_member(const struct lk_result_t *result,
                             size_t index,
                             struct lk_member_t *out);

/**
 * Frees a result and all that was asked of it; NULL is allowed. Never blocks.
 */
void lk_result_free(struct lk_result_t *result);

/**
 * Gives a call up if it is not over, and frees it; NULL is allowed.
 *
 * Never blocks. The call's function is not called any more; on the thread `lk-callback` it
 * may be running, until its `drop` is called. In a forked child it does nothing.
 */
void lk_call_free(struct lk_call_t *call);

/**
 * A mutex on a path, whose ancestors are created when they are needed.
 *
 * Never blocks and sends nothing. The lock keeps what it needs of the client, which may be freed
 * before it. Fails with `LK_BADARGUMENTS` if the path is not valid, `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param layout   one of `LK_LAYOUT_*`
 * @param options  sum of `LK_LOCK_*`, or 0
 * @param label    what other contenders may read about this one, or NULL
 * @param out      where the lock goes; the caller frees it with `lk_lock_free`
 */
lk_status_t lk_lock_new(const struct lk_client_t *client,
                        const char *path,
                        ptrdiff_t path_len,
                        lk_layout_t layout,
                        lk_lock_options_t options,
                        const char *label,
                        ptrdiff_t label_len,
                        struct lk_lock_t **out);

/**
 * Waits for the lock.
 *
 * Blocks for at most `timeout_ms`, whatever happens meanwhile. Contenders are served in the order
 * in which they came. After any error nothing is held, and what the attempt had created is
 * deleted in the background. Fails with `LK_ETIMEDOUT`, `LK_ENODEGONE`, `LK_ELAYOUT`,
 * `LK_ENUMBERS`, for a semaphore with `LK_ECONFLICT` if the path says another limit or none, and as
 * every call of a client.
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
 * Takes the lock if nobody is in the way: for a mutex and a writer anybody, for a reader writers, for
 * a semaphore its limit and whoever waits.
 *
 * Blocks for a round trip or two, at most `timeout_ms`. Fails with `LK_EBUSY`, `LK_ETIMEDOUT` if
 * the server did not answer in time, and as every call of a client.
 *
 * @param out  where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_lock_try(const struct lk_lock_t *lock,
                        int64_t timeout_ms,
                        struct lk_guard_t **out);

/**
 * How many contenders a new one would find ahead of it, for a reader as for a writer, and for a
 * semaphore those that wait; 0 if the lock is free.
 *
 * Blocks for a round trip, at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a
 * client.
 */
lk_status_t lk_lock_queue_position(const struct lk_lock_t *lock, int64_t timeout_ms, size_t *out);

/**
 * Whether a contender of this lock has got a number of 2^30 or more: the server counts to 2^31, and
 * then nobody is let in any more (`LK_ENUMBERS`). Stop using the path, delete it, and the count
 * begins anew. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
 */
lk_status_t lk_lock_numbers_run_out(const struct lk_lock_t *lock, bool *out);

/**
 * Frees a lock; NULL is allowed. Its guards stay held. No call of it may be under way. Blocks
 * only as `lk_client_free` says. In a forked child it does nothing.
 */
void lk_lock_free(struct lk_lock_t *lock);

/**
 * Both sides of a read/write lock on a path: many hold the one together, one holds the other alone,
 * and all stand in one queue. A writer's fence is larger than those of all holders before it.
 *
 * Never blocks and sends nothing. Fails as `lk_lock_new`.
 *
 * @param layout   one of `LK_LAYOUT_*`
 * @param options  sum of `LK_LOCK_REQUEUE` and `LK_LOCK_REFUSE_BLIND`, or 0
 * @param label    what other contenders may read about this one, or NULL
 * @param readers  where the lock for reading goes; the caller frees it with `lk_lock_free`
 * @param writers  where the lock for writing goes; the caller frees it with `lk_lock_free`
 */
lk_status_t lk_rwlock_new(const struct lk_client_t *client,
                          const char *path,
                          ptrdiff_t path_len,
                          lk_layout_t layout,
                          lk_lock_options_t options,
                          const char *label,
                          ptrdiff_t label_len,
                          struct lk_lock_t **readers,
                          struct lk_lock_t **writers);

/**
 * Gives a reader the right to write in addition, as soon as the other readers have gone: what was
 * read still holds then. The reader's guard stays, to be released or kept to go on reading.
 *
 * Blocks for at most `timeout_ms`. Fails at once with `LK_EUPGRADE` if a writer stands in the queue
 * already, with `LK_ELOST` if the guard is lost, `LK_EINVAL` also for other guards,
 * `LK_ERELEASED`, and as `lk_lock_acquire`. Until it returns the guard cannot be released
 * (`LK_EBUSY`).
 *
 * @param out  where the writer's guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_rwlock_upgrade(const struct lk_guard_t *guard,
                              int64_t timeout_ms,
                              struct lk_guard_t **out);

/**
 * Makes a reader of a writer, in one transaction: no other writer gets in between.
 *
 * Blocks for at most `timeout_ms`. The writer's guard is given back, also by an error, after which
 * neither is held; it is still to be freed. Fails with `LK_ELOST`, `LK_EINVAL` also for other
 * guards, which stay, `LK_ERELEASED`, `LK_EBUSY`, and as `lk_lock_acquire`.
 *
 * @param out  where the reader's guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_rwlock_downgrade(struct lk_guard_t *guard,
                                int64_t timeout_ms,
                                struct lk_guard_t **out);

/**
 * A semaphore on a path, that many may hold at once: each lease is a guard. The znodes are those of
 * Curator's `InterProcessSemaphoreV2`.
 *
 * Never blocks and sends nothing. Fails as `lk_lock_new`.
 *
 * @param limit    how many may hold it; written to the path by who comes first, and who says
 *                 another number is refused
 * @param count    path of a shared count that says how many, instead of the limit, which must then
 *                 be `LK_LIMIT_SHARED`; else NULL
 * @param options  `LK_LOCK_REQUEUE` or 0
 * @param out      where the lock goes; the caller frees it with `lk_lock_free`
 */
lk_status_t lk_semaphore_new(const struct lk_client_t *client,
                             const char *path,
                             ptrdiff_t path_len,
                             size_t limit,
                             const char *count,
                             ptrdiff_t count_len,
                             lk_lock_options_t options,
                             struct lk_lock_t **out);

/**
 * Waits for so many leases of a semaphore at once; nobody else is admitted in between. They may be
 * released one by one.
 *
 * Blocks for at most `timeout_ms`. After any error none is held, and all of `out` is NULL. Fails
 * with `LK_ECONFLICT` also if there are never so many, `LK_EINVAL` also for other locks, and as
 * `lk_lock_acquire`.
 *
 * @param out  room for `leases` guards; the caller frees each with `lk_guard_free`
 */
lk_status_t lk_semaphore_acquire_many(const struct lk_lock_t *semaphore,
                                      size_t leases,
                                      int64_t timeout_ms,
                                      struct lk_guard_t **out);

/**
 * An election on a path, whose ancestors are created when they are needed.
 *
 * Never blocks and sends nothing. Fails with `LK_BADARGUMENTS` if the path is not valid,
 * `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param layout   one of `LK_ELECTION_LATCH` and those behind it
 * @param options  sum of `LK_ELECTION_STRICT` and those behind it, or 0
 * @param id       what a candidate calls itself, or NULL for `host:pid`
 * @param out      where the election goes; the caller frees it with `lk_election_free`
 */
lk_status_t lk_election_new(const struct lk_client_t *client,
                            const char *path,
                            ptrdiff_t path_len,
                            lk_election_layout_t layout,
                            lk_election_options_t options,
                            const char *id,
                            ptrdiff_t id_len,
                            struct lk_election_t **out);

/**
 * Waits to lead. A candidate whose znode somebody deletes queues again at the tail.
 *
 * Blocks for at most `timeout_ms`. Candidates lead in the order in which they came.
 * `lk_guard_release` resigns. After any error this candidate does not stand. Fails with
 * `LK_ETIMEDOUT`, `LK_ELAYOUT`, `LK_ENUMBERS`, and as every call of a client.
 *
 * @param out  where the guard of the term goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_election_lead(const struct lk_election_t *election,
                             int64_t timeout_ms,
                             struct lk_guard_t **out);

/**
 * Leads if nobody else stands.
 *
 * Blocks for a round trip or two, at most `timeout_ms`. Fails with `LK_EBUSY`, and as
 * `lk_election_lead`.
 *
 * @param out  where the guard of the term goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_election_try(const struct lk_election_t *election,
                            int64_t timeout_ms,
                            struct lk_guard_t **out);

/**
 * Lists everybody who stands, as members of a result, the leader first.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
 *
 * @param out  where the candidates go, to be freed with `lk_result_free`
 */
lk_status_t lk_election_candidates(const struct lk_election_t *election,
                                   int64_t timeout_ms,
                                   struct lk_result_t **out);

/**
 * Asks to be told who leads, without standing and without waking candidates; they must be made with
 * `LK_ELECTION_PUBLISH`. Each leader is told of at most once, in the order of their fences; short
 * terms may be left out, and ends are not told. An error is the last call.
 *
 * Never blocks. `drop` runs exactly once: when the call is given up, behind an error, or when the
 * client's last object is freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param happened  told `LK_MEMBER_LEADS`, or `LK_MEMBER_LED` and, if it is confirmed later, again
 * @param user      handed to both functions
 * @param drop      frees `user`; or NULL
 * @param call      where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_election_watch(const struct lk_election_t *election,
                              lk_member_fn happened,
                              void *user,
                              lk_drop_fn drop,
                              struct lk_call_t **call);

/**
 * Frees an election; NULL is allowed. Its guards, candidates and watches stay. No call of it may be
 * under way. Blocks only as `lk_client_free` says. In a forked child it does nothing.
 */
void lk_election_free(struct lk_election_t *election);

/**
 * Joins an election with a candidate that goes on standing: a term that ends is followed by another
 * place at the tail.
 *
 * Never blocks; the requests leave in the background. `drop` runs exactly once, behind the final
 * state or when the client's last object is freed; and if this call fails, before it returns. Fails
 * with `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param changed  told each state in order, those in between may be left out; or NULL
 * @param user     handed to both functions
 * @param drop     frees `user`; or NULL
 * @param out      where the candidate goes; the caller frees it with `lk_candidate_free`
 */
lk_status_t lk_election_join(const struct lk_election_t *election,
                             lk_candidate_fn changed,
                             void *user,
                             lk_drop_fn drop,
                             struct lk_candidate_t **out);

/**
 * How a candidate fares now, one of `LK_CANDIDATE_*`. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param fence  where the term's fence goes, 0 while there is none; or NULL
 */
lk_status_t lk_candidate_state(const struct lk_candidate_t *candidate,
                               lk_candidate_state_t *state,
                               int64_t *fence);

/**
 * The guard of a candidate's term. With a timeout, waits for one.
 *
 * Blocks for at most `timeout_ms`; with 0 never, and may then be called in a callback. The guard is
 * one of several handles: freeing it leaves the term to the candidate, releasing it ends the term.
 * Fails with `LK_ETIMEDOUT`, `LK_ELOST` if it was closed meanwhile, `LK_ERELEASED` if before, and
 * with what the candidate ended with.
 *
 * @param out  where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_candidate_lead(const struct lk_candidate_t *candidate,
                              int64_t timeout_ms,
                              struct lk_guard_t **out);

/**
 * Steps down and queues again at the tail, in one transaction; the next candidate leads. Who does
 * not lead stays where it is.
 *
 * Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` it goes on in the background. Fails
 * with `LK_ELOST` if the term had been lost before, `LK_ERELEASED`, and as every call of a client.
 */
lk_status_t lk_candidate_resign(const struct lk_candidate_t *candidate, int64_t timeout_ms);

/**
 * Leaves the election, and waits until the znode is gone.
 *
 * Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` it goes on in the background. Fails
 * with `LK_ELOST` if a term had been lost before, `LK_ERELEASED` if it was called before, and as
 * every call of a client. The candidate is still to be freed.
 */
lk_status_t lk_candidate_close(struct lk_candidate_t *candidate, int64_t timeout_ms);

/**
 * Frees a candidate; NULL is allowed. One that still stands leaves in the background, and its term
 * ends. No call of it may be under way. Blocks only as `lk_client_free` says. In a forked child it
 * does nothing: the parent's still stands.
 */
void lk_candidate_free(struct lk_candidate_t *candidate);

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
 * Asks to be told when it must not be relied on any more; may be called for any number of functions.
 * If that is so already, it is the turn of `lost` at once; it is called once. A leader of a strict
 * election is told when its link is down, too.
 *
 * Never blocks. `drop` runs exactly once, whether or not `lost` ever does: behind it, or when the
 * guard is released or freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
 * `LK_ERELEASED`, `LK_EFORKED`.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 */
lk_status_t lk_guard_on_lost(const struct lk_guard_t *guard,
                             lk_guard_state_fn lost,
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

/**
 * Closes the barrier at a path: until it is opened, everybody waits. The znode is that of Curator's
 * `DistributedBarrier` and kazoo's `Barrier`; it outlives who made it.
 *
 * Blocks for at most `timeout_ms`. Fails as every call of a client.
 *
 * @param changed  where it goes whether the barrier was open, or NULL; through a broken link it
 *                 may say no of what this call did
 */
lk_status_t lk_barrier_close(const struct lk_client_t *client,
                             const char *path,
                             ptrdiff_t path_len,
                             int64_t timeout_ms,
                             bool *changed);

/**
 * Opens the barrier at a path and wakes everybody.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the znode has children, and as
 * every call of a client.
 *
 * @param changed  where it goes whether the barrier was closed, or NULL; as `lk_barrier_close`
 */
lk_status_t lk_barrier_open(const struct lk_client_t *client,
                            const char *path,
                            ptrdiff_t path_len,
                            int64_t timeout_ms,
                            bool *changed);

/**
 * Whether the barrier at a path is closed, as the ensemble has it now.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
 */
lk_status_t lk_barrier_is_closed(const struct lk_client_t *client,
                                 const char *path,
                                 ptrdiff_t path_len,
                                 int64_t timeout_ms,
                                 bool *out);

/**
 * Waits until the barrier at a path is open; it may be closed again by then.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
 * call of a client.
 */
lk_status_t lk_barrier_wait(const struct lk_client_t *client,
                            const char *path,
                            ptrdiff_t path_len,
                            int64_t timeout_ms);

/**
 * As `lk_barrier_wait`, without waiting: `done` is told the end.
 *
 * Never blocks. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_barrier_wait_async(const struct lk_client_t *client,
                                  const char *path,
                                  ptrdiff_t path_len,
                                  int64_t timeout_ms,
                                  lk_done_fn done,
                                  void *user,
                                  lk_drop_fn drop,
                                  struct lk_call_t **call);

/**
 * Waits until all parties are at the double barrier at a path, and goes in with them. Its znodes are
 * those of Curator's `DistributedDoubleBarrier`.
 *
 * `lk_guard_release` leaves, and waits until all who went in have left or are gone;
 * `lk_guard_free` leaves without waiting. A meeting is held once: for the next one take the next
 * round.
 *
 * Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
 * `LK_ETIMEDOUT`, `LK_ECONFLICT` if the meeting has begun without this party or for a number of
 * parties that cannot be, `LK_ELOST` if its znode was deleted by somebody else, and as every call
 * of a client.
 *
 * @param parties  how many meet, 1 to 5,000; the same for all
 * @param round    a number below the path, 0 or more, or `LK_NO_ROUND`
 * @param out      where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_double_barrier_enter(const struct lk_client_t *client,
                                    const char *path,
                                    ptrdiff_t path_len,
                                    size_t parties,
                                    int64_t round,
                                    int64_t timeout_ms,
                                    struct lk_guard_t **out);

/**
 * As `lk_double_barrier_enter`, without waiting: `entered` is told the end.
 *
 * Never blocks. Who is given a place after the call was given up leaves. Fails with
 * `LK_ECONFLICT` for a number of parties that cannot be, `LK_BADARGUMENTS`, `LK_EINVAL`,
 * `LK_EFORKED`; then `entered` is not called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_double_barrier_enter_async(const struct lk_client_t *client,
                                          const char *path,
                                          ptrdiff_t path_len,
                                          size_t parties,
                                          int64_t round,
                                          int64_t timeout_ms,
                                          lk_acquired_fn entered,
                                          void *user,
                                          lk_drop_fn drop,
                                          struct lk_call_t **call);

/**
 * Names of the znodes that were counted in with a party of a double barrier, as children of a
 * result; none if a Curator party opened the barrier, which does not write them down.
 *
 * Never blocks. Fails with `LK_EINVAL`, also for other guards, `LK_ERELEASED`, `LK_EFORKED`.
 *
 * @param out  where the names go, to be freed with `lk_result_free`
 */
lk_status_t lk_double_barrier_members(const struct lk_guard_t *guard, struct lk_result_t **out);

/**
 * Arrives at the latch at a path, which opens for good when `count` have arrived. Who arrives and
 * dies has arrived.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the path holds another count or no
 * latch, for a count that cannot be and an id that is no name, and as every call of a client.
 *
 * @param count    how many the latch is for, 1 to 5,000; the same for all
 * @param id       a name that counts once, whoever sends it, also after a restart; NULL for one
 *                 that nobody else has
 * @param missing  where it goes how many are missing now, or NULL
 */
lk_status_t lk_latch_count_down(const struct lk_client_t *client,
                                const char *path,
                                ptrdiff_t path_len,
                                size_t count,
                                const char *id,
                                ptrdiff_t id_len,
                                int64_t timeout_ms,
                                size_t *missing);

/**
 * How many arrivals are missing at the latch at a path; 0 once it is open.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT`, and as `lk_latch_count_down`.
 *
 * @param count  how many the latch is for
 */
lk_status_t lk_latch_missing(const struct lk_client_t *client,
                             const char *path,
                             ptrdiff_t path_len,
                             size_t count,
                             int64_t timeout_ms,
                             size_t *out);

/**
 * Waits until the latch at a path is open.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT`, and as
 * `lk_latch_count_down`.
 *
 * @param count  how many the latch is for
 */
lk_status_t lk_latch_wait(const struct lk_client_t *client,
                          const char *path,
                          ptrdiff_t path_len,
                          size_t count,
                          int64_t timeout_ms);

/**
 * As `lk_latch_wait`, without waiting: `done` is told the end.
 *
 * Never blocks. Fails with `LK_ECONFLICT` for a count that cannot be, `LK_BADARGUMENTS`,
 * `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
 *
 * @param count  how many the latch is for
 * @param user   handed to both functions
 * @param drop   frees `user`; or NULL
 * @param call   where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_latch_wait_async(const struct lk_client_t *client,
                                const char *path,
                                ptrdiff_t path_len,
                                size_t count,
                                int64_t timeout_ms,
                                lk_done_fn done,
                                void *user,
                                lk_drop_fn drop,
                                struct lk_call_t **call);

/**
 * Closes the latch at a path again with nobody arrived, in one transaction.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` also if somebody else does so at the
 * same time, and as `lk_latch_count_down`.
 *
 * @param count  how many the latch is for
 */
lk_status_t lk_latch_reset(const struct lk_client_t *client,
                           const char *path,
                           ptrdiff_t path_len,
                           size_t count,
                           int64_t timeout_ms);

/**
 * Leaves data at a meeting point, for all who wait and all who come; of several the last counts.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if there are no bytes, and as every
 * call of a client.
 */
lk_status_t lk_rendezvous_fill(const struct lk_client_t *client,
                               const char *path,
                               ptrdiff_t path_len,
                               const void *data_ptr,
                               size_t data_len,
                               int64_t timeout_ms);

/**
 * Leaves data at a meeting point for as long as the guard is held. Waits while another session's
 * data is there.
 *
 * Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
 * `LK_ETIMEDOUT`, `LK_ECONFLICT` if there are no bytes or a persistent znode is there, and as every
 * call of a client.
 *
 * @param out  where the guard goes; the caller frees it with `lk_guard_free`
 */
lk_status_t lk_rendezvous_occupy(const struct lk_client_t *client,
                                 const char *path,
                                 ptrdiff_t path_len,
                                 const void *data_ptr,
                                 size_t data_len,
                                 int64_t timeout_ms,
                                 struct lk_guard_t **out);

/**
 * Waits until something stands at a meeting point. A znode without data does not count.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
 * call of a client.
 *
 * @param out  where data and metadata go, to be freed with `lk_result_free`
 */
lk_status_t lk_rendezvous_wait(const struct lk_client_t *client,
                               const char *path,
                               ptrdiff_t path_len,
                               int64_t timeout_ms,
                               struct lk_result_t **out);

/**
 * As `lk_rendezvous_wait`, without waiting: `found` is told the end.
 *
 * Never blocks. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`; then `found` is not
 * called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_rendezvous_wait_async(const struct lk_client_t *client,
                                     const char *path,
                                     ptrdiff_t path_len,
                                     int64_t timeout_ms,
                                     lk_result_fn found,
                                     void *user,
                                     lk_drop_fn drop,
                                     struct lk_call_t **call);

/**
 * Waits until what was met is not there any more, also if something else has taken its place.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
 * call of a client.
 *
 * @param met  what `lk_rendezvous_wait` gave
 */
lk_status_t lk_rendezvous_vacated(const struct lk_client_t *client,
                                  const char *path,
                                  ptrdiff_t path_len,
                                  const struct lk_result_t *met,
                                  int64_t timeout_ms);

/**
 * As `lk_rendezvous_vacated`, without waiting: `done` is told the end.
 *
 * Never blocks, and copies what it needs of `met`. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
 * `LK_EFORKED`; then `done` is not called.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_rendezvous_vacated_async(const struct lk_client_t *client,
                                        const char *path,
                                        ptrdiff_t path_len,
                                        const struct lk_result_t *met,
                                        int64_t timeout_ms,
                                        lk_done_fn done,
                                        void *user,
                                        lk_drop_fn drop,
                                        struct lk_call_t **call);

/**
 * The value at a path, as this client's server has it, which may lag: what Curator calls
 * `SharedValue`.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_NONODE` if there is none,
 * `LK_ETIMEDOUT`, and as every call of a client.
 *
 * @param out  where data, revision and version go, to be freed with `lk_result_free`
 */
lk_status_t lk_value_get(const struct lk_client_t *client,
                         const char *path,
                         ptrdiff_t path_len,
                         int64_t timeout_ms,
                         struct lk_result_t **out);

/**
 * Replaces the value at a path, or makes it.
 *
 * Blocks for at most `timeout_ms`. It is sent once: if `maybe_applied` is set, the value may be the
 * new one, or may have been for a while. Fails with `LK_ECHANGED` if the version is another one,
 * and as every call of a client.
 *
 * @param data     NULL with a length of 0 for no bytes
 * @param version  the version that is replaced, `LK_NO_VERSION`, or `LK_ANY_VERSION`
 * @param out      where the new state goes, to be freed with `lk_result_free`; or NULL
 */
lk_status_t lk_value_set(const struct lk_client_t *client,
                         const char *path,
                         ptrdiff_t path_len,
                         const void *data_ptr,
                         size_t data_len,
                         int32_t version,
                         int64_t timeout_ms,
                         struct lk_result_t **out);

/**
 * Asks to be told of the value at a path: of the present state, and then of each new one, of which
 * those in between may be left out. While there is none the error is `LK_NONODE`; another error is
 * the last call.
 *
 * Never blocks. `drop` runs exactly once: when the call is given up, when the session is over, or
 * when the client's last object is freed; and if this call fails, before it returns. Fails with
 * `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_value_watch(const struct lk_client_t *client,
                           const char *path,
                           ptrdiff_t path_len,
                           lk_result_fn changed,
                           void *user,
                           lk_drop_fn drop,
                           struct lk_call_t **call);

/**
 * The number at a path, as this client's server has it, which may lag: four bytes, the highest
 * first, as Curator's `SharedCount` has it.
 *
 * Blocks for at most `timeout_ms`, through broken links. Fails with `LK_NONODE` if there is none,
 * `LK_ECONFLICT` if the data is no such number, `LK_ETIMEDOUT`, and as every call of a client.
 */
lk_status_t lk_count_get(const struct lk_client_t *client,
                         const char *path,
                         ptrdiff_t path_len,
                         int64_t timeout_ms,
                         struct lk_count_t *out);

/**
 * Replaces the number at a path, or makes it. As `lk_value_set`.
 *
 * @param version  the version that is replaced, `LK_NO_VERSION`, or `LK_ANY_VERSION`
 * @param out      where the new state goes, or NULL
 */
lk_status_t lk_count_set(const struct lk_client_t *client,
                         const char *path,
                         ptrdiff_t path_len,
                         int32_t value,
                         int32_t version,
                         int64_t timeout_ms,
                         struct lk_count_t *out);

/**
 * As `lk_value_watch`, for a number; data that is no number is told as `LK_ECONFLICT`, and is not
 * the last call.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 * @param call  where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_count_watch(const struct lk_client_t *client,
                           const char *path,
                           ptrdiff_t path_len,
                           lk_count_fn changed,
                           void *user,
                           lk_drop_fn drop,
                           struct lk_call_t **call);

/**
 * Publishes several keys in place of all there were, as a whole: readers never see half of it,
 * whenever this process dies.
 *
 * Blocks for at most `timeout_ms`. With a guard every write goes through only while it is held, and
 * its client does the writing; it must not be released meanwhile (`LK_EBUSY`). Fails with
 * `LK_ELOST` if the guard is lost, `LK_ECHANGED` if somebody else has published meanwhile,
 * `LK_ECONFLICT` if a key cannot be called that, there are more than 5,000, or the layout needs a
 * guard, `LK_ERELEASED`, and as every call of a client. Unless `maybe_applied` is set, readers see
 * nothing of what failed.
 *
 * @param layout    one of `LK_KEYS_*`
 * @param keys      `keys_len` of them, each name once; NULL for none
 * @param guard     of a lock, of a leader; or NULL
 * @param revision  where the zxid goes that orders it, or NULL
 */
lk_status_t lk_publish_keys(const struct lk_client_t *client,
                            const char *path,
                            ptrdiff_t path_len,
                            lk_keys_layout_t layout,
                            const struct lk_key_t *keys,
                            size_t keys_len,
                            const struct lk_guard_t *guard,
                            int64_t timeout_ms,
                            int64_t *revision);

/**
 * Follows the data of the znode at a path.
 *
 * Never blocks; the first look is on its way. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param check    asked of each value, those in between left out; NULL if every one is good
 * @param changed  told how each look went, and the last good value; or NULL. The error is `LK_OK`
 *                 if what is published is that value, `LK_NONODE` if nothing is, `LK_EREJECTED`
 *                 with the reason if it is refused, or what the server or the session says
 * @param user     handed to all three functions
 * @param drop     frees `user` when this is freed or the last call was made; or NULL
 * @param out      where it goes; the caller frees it with `lk_follow_free`
 */
lk_status_t lk_follow_value(const struct lk_client_t *client,
                            const char *path,
                            ptrdiff_t path_len,
                            lk_check_fn check,
                            lk_result_fn changed,
                            void *user,
                            lk_drop_fn drop,
                            struct lk_follow_t **out);

/**
 * Follows a configuration of several keys, which is seen whole or not at all: its keys are children
 * of the results, ordered by name. As `lk_follow_value`.
 *
 * @param layout  one of `LK_KEYS_*`
 */
lk_status_t lk_follow_keys(const struct lk_client_t *client,
                           const char *path,
                           ptrdiff_t path_len,
                           lk_keys_layout_t layout,
                           lk_check_fn check,
                           lk_result_fn changed,
                           void *user,
                           lk_drop_fn drop,
                           struct lk_follow_t **out);

/**
 * The last good value. With a timeout, waits for the first one.
 *
 * Blocks for at most `timeout_ms`; with 0 never, and may then be called in a callback. With
 * `lk_config_dispatch` nothing is known before callbacks have run. While there is no good value it
 * fails as `lk_follow_status`.
 *
 * @param out  where data or keys and the revision go, to be freed with `lk_result_free`
 */
lk_status_t lk_follow_get(const struct lk_follow_t *follow,
                          int64_t timeout_ms,
                          struct lk_result_t **out);

/**
 * How the latest look went: `LK_OK` if what is published is the last good value.
 *
 * Never blocks. Fails with `LK_NONODE` if nothing is published, `LK_EREJECTED` if what is published
 * is not good or not whole, `LK_NOAUTH` if the server does not show it, `LK_ETIMEDOUT` before the
 * first look, `LK_EINVAL`, `LK_EFORKED`, and for good as every call of a client whose session is
 * over.
 */
lk_status_t lk_follow_status(const struct lk_follow_t *follow);

/**
 * Ends following; NULL is allowed. No call of it may be under way. Blocks only as `lk_client_free`
 * says. On the thread `lk-callback` one of its functions may be running until `drop` is called. In
 * a forked child it does nothing.
 */
void lk_follow_free(struct lk_follow_t *follow);

/**
 * Joins the group at a path. Waits while another session is there under the same id: after a
 * restart that is the process's former self, until its session expires.
 *
 * Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
 * `LK_ETIMEDOUT`, `LK_ECONFLICT` if the id cannot stand in a path, if this client is there under it
 * already, or if the layout has no room for data, and as every call of a client.
 *
 * @param layout  one of `LK_GROUP_*`
 * @param data    what the member says about itself; NULL with a length of 0 for no bytes
 * @param out     where the membership goes; the caller frees it with `lk_membership_free`
 */
lk_status_t lk_group_join(const struct lk_client_t *client,
                          const char *path,
                          ptrdiff_t path_len,
                          lk_group_layout_t layout,
                          const char *id,
                          ptrdiff_t id_len,
                          const void *data_ptr,
                          size_t data_len,
                          int64_t timeout_ms,
                          struct lk_membership_t **out);

/**
 * Lists the members of the group at a path, those who joined first in front, as the ensemble has
 * them now.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
 *
 * @param layout  one of `LK_GROUP_*`
 * @param out     where the members go, to be freed with `lk_result_free`
 */
lk_status_t lk_group_members(const struct lk_client_t *client,
                             const char *path,
                             ptrdiff_t path_len,
                             lk_group_layout_t layout,
                             int64_t timeout_ms,
                             struct lk_result_t **out);

/**
 * Asks to be told who joins the group at a path and who leaves; those who are there already join
 * first. An error is the last call.
 *
 * Never blocks. Behind a broken link comes the difference. Who watches is told of every change, so
 * that a group of n that all watch costs n * n events: let those watch who need to. `drop` runs
 * exactly once: when the call is given up, behind an error, or when the client's last object is
 * freed; and if this call fails, before it returns. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param layout    one of `LK_GROUP_*`
 * @param happened  told `LK_MEMBER_JOINED` and `LK_MEMBER_LEFT`
 * @param user      handed to both functions
 * @param drop      frees `user`; or NULL
 * @param call      where the call goes, to be freed with `lk_call_free`; or NULL
 */
lk_status_t lk_group_watch(const struct lk_client_t *client,
                           const char *path,
                           ptrdiff_t path_len,
                           lk_group_layout_t layout,
                           lk_member_fn happened,
                           void *user,
                           lk_drop_fn drop,
                           struct lk_call_t **call);

/**
 * Path of the member's znode; it stays when the group is left. Belongs to the membership. Never
 * blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
 */
lk_status_t lk_membership_path(const struct lk_membership_t *membership, struct lk_str_t *out);

/**
 * What others see, as far as is known, one of `LK_GUARD_*`. Lost because the znode was deleted is
 * followed by held; lost for another reason is final. Never blocks. Fails with `LK_EINVAL`,
 * `LK_EFORKED`.
 *
 * @param loss  where the reason of a loss goes, one of `LK_LOSS_*`; or NULL
 */
lk_status_t lk_membership_state(const struct lk_membership_t *membership,
                                lk_guard_state_t *state,
                                lk_loss_t *loss);

/**
 * Asks to be told of the state of a membership: of the present one, and then of each new one, of
 * which those in between may be left out.
 *
 * Never blocks. `drop` runs exactly once: behind the last state, when the group is left or the
 * membership freed; and if this call fails, before it returns. Fails with `LK_EINVAL`,
 * `LK_ERELEASED`, `LK_EFORKED`.
 *
 * @param user  handed to both functions
 * @param drop  frees `user`; or NULL
 */
lk_status_t lk_membership_on_state(const struct lk_membership_t *membership,
                                   lk_guard_state_fn changed,
                                   void *user,
                                   lk_drop_fn drop);

/**
 * Changes what a member says about itself. Watches do not report it.
 *
 * Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the layout has no room for data,
 * `LK_ERELEASED`, and as every call of a client.
 *
 * @param data  NULL with a length of 0 for no bytes
 */
lk_status_t lk_membership_update(const struct lk_membership_t *membership,
                                 const void *data_ptr,
                                 size_t data_len,
                                 int64_t timeout_ms);

/**
 * Leaves the group, and waits until the znode is gone.
 *
 * Blocks for at most `timeout_ms`; after `LK_OPERATIONTIMEOUT` leaving goes on in the background.
 * Fails with `LK_ERELEASED` if it was called before, `LK_EBUSY` during an update, and as every call
 * of a client. The membership is still to be freed.
 */
lk_status_t lk_membership_leave(struct lk_membership_t *membership, int64_t timeout_ms);

/**
 * Frees a membership; NULL is allowed. Who is still there leaves in the background. No call of it
 * may be under way. Blocks only as `lk_client_free` says. In a forked child it does nothing: the
 * parent is still a member.
 */
void lk_membership_free(struct lk_membership_t *membership);

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


/* What callbacks saw, for tests in which the client's own thread calls them. */
#ifndef SEEN_H
#define SEEN_H

#include "check.h"

#include <pthread.h>

/* The latest call; changed under the mutex, and read under it or behind `dropped`. */
struct seen {
  int called, dropped;
  lk_status_t code;
  char text[200];
  char data[64];
  lk_guard_t *guard;
  lk_member_event_t event;
  int32_t state;
  int64_t fence;
};

static pthread_mutex_t seen_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t seen_changed = PTHREAD_COND_INITIALIZER;

static inline struct seen *begin_seen(void *user, const lk_error_t *error) {
  struct seen *seen = user;
  pthread_mutex_lock(&seen_mutex);
  seen->called++;
  seen->code = error->code;
  snprintf(seen->text, sizeof seen->text, "%s", error->text.ptr);
  return seen;
}

static inline void end_seen(void) {
  pthread_cond_broadcast(&seen_changed);
  pthread_mutex_unlock(&seen_mutex);
}

static inline void see_drop(void *user) {
  pthread_mutex_lock(&seen_mutex);
  ((struct seen *)user)->dropped++;
  end_seen();
}

static inline void see_done(void *user, const lk_error_t *error) {
  begin_seen(user, error);
  end_seen();
}

static inline void see_guard(void *user, const lk_error_t *error, lk_guard_t *guard) {
  begin_seen(user, error)->guard = guard;
  CHECK((error->code == LK_OK) == (guard != NULL));
  end_seen();
}

static inline void copy_bytes(char *to, size_t size, lk_bytes_t bytes) {
  snprintf(to, size, "%.*s", (int)bytes.len, bytes.ptr == NULL ? "" : (const char *)bytes.ptr);
}

static inline void see_result(void *user, const lk_error_t *error, const lk_result_t *result) {
  struct seen *seen = begin_seen(user, error);
  copy_bytes(seen->data, sizeof seen->data, lk_result_data(result));
  end_seen();
}

static inline void see_member(void *user, const lk_error_t *error, lk_member_event_t event,
                              const lk_member_t *member) {
  struct seen *seen = begin_seen(user, error);
  CHECK((error->code == LK_OK) == (member != NULL) && (member == NULL) == (event == LK_MEMBER_NONE));
  seen->event = event;
  if (member != NULL) {
    snprintf(seen->data, sizeof seen->data, "%s", member->id.ptr);
    seen->fence = member->joined;
  }
  end_seen();
}

static inline void see_state(void *user, lk_guard_state_t state, lk_loss_t loss) {
  struct seen *seen = user;
  pthread_mutex_lock(&seen_mutex);
  seen->called++;
  seen->state = state;
  seen->code = loss;
  end_seen();
}

static inline void see_candidate(void *user, const lk_error_t *error, lk_candidate_state_t state,
                                 int64_t fence) {
  struct seen *seen = begin_seen(user, error);
  CHECK((error->code == LK_OK) == (state != LK_CANDIDATE_ENDED));
  seen->state = state;
  seen->fence = fence;
  end_seen();
}

/* Waits until a condition on what callbacks change holds. */
#define AWAIT(condition)                                                               \
  do {                                                                                 \
    struct timespec deadline_;                                                         \
    clock_gettime(CLOCK_REALTIME, &deadline_);                                         \
    deadline_.tv_sec += PATIENCE_MS / 1000;                                            \
    pthread_mutex_lock(&seen_mutex);                                                   \
    while (!(condition) &&                                                             \
           pthread_cond_timedwait(&seen_changed, &seen_mutex, &deadline_) == 0) {      \
    }                                                                                  \
    CHECK(condition);                                                                  \
    pthread_mutex_unlock(&seen_mutex);                                                 \
  } while (0)

#endif

/* A publisher changes a configuration of three keys; readers follow it and never act on half.
 *
 *     cc config.c -llockkeeper -pthread -o config
 *     ./config --connect 127.0.0.1:2181
 *
 * Each row is a publication: its revision and what it says, once all readers have it. Two go wrong on
 * purpose: one does not pass the readers' check, so they keep what they have, and one comes from a
 * publisher that has lost its lock, so nobody sees it. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <lockkeeper.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READERS = 3, PUBLICATIONS = 5, DEADLINE_MS = 60000 };

#define PATH "/examples/c-config"

/* What a reader makes of the keys. Its callbacks run on a thread of its client's. */
struct reader {
  lk_client_t *client;
  lk_follow_t *follow;
  char host[32];
  int soft, hard;
  int64_t revision;
  lk_status_t status;
  char reason[160];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int failures;

static void need(lk_status_t status, const char *what) {
  if (status != LK_OK) {
    fprintf(stderr, "%s: %s\n", what, lk_last_error()->text.ptr);
    exit(1);
  }
}

static lk_client_t *connect_to(const char *servers) {
  lk_config_t *config;
  lk_client_t *client;
  need(lk_config_new(servers, -1, &config), "config");
  need(lk_client_connect(config, &client), "connect");
  lk_config_free(config);
  return client;
}

/* The value of a key as text that ends with a NUL. */
static void text_of(const lk_result_t *keys, const char *name, char *to, size_t size) {
  to[0] = '\0';
  for (size_t i = 0; i < lk_result_children_len(keys); i++) {
    if (strcmp(lk_result_child(keys, i).ptr, name) == 0) {
      lk_bytes_t value = lk_result_value(keys, i);
      snprintf(to, size, "%.*s", (int)value.len, (const char *)value.ptr);
    }
  }
}

static int number_of(const lk_result_t *keys, const char *name) {
  char text[32];
  text_of(keys, name, text, sizeof text);
  return atoi(text);
}

/* A soft limit above the hard one is a mistake, or half of a change. */
static bool check(void *user, const lk_result_t *keys, char *reason, size_t size) {
  int soft = number_of(keys, "soft"), hard = number_of(keys, "hard");
  (void)user;
  if (soft > hard) {
    snprintf(reason, size, "soft %d is above hard %d", soft, hard);
  }
  return soft <= hard;
}

static void see(void *user, const lk_error_t *error, const lk_result_t *good) {
  struct reader *reader = user;
  pthread_mutex_lock(&mutex);
  reader->status = error->code;
  snprintf(reader->reason, sizeof reader->reason, "%s", error->text.ptr);
  if (error->code == LK_OK) {
    text_of(good, "host", reader->host, sizeof reader->host);
    reader->soft = number_of(good, "soft");
    reader->hard = number_of(good, "hard");
    reader->revision = lk_result_revision(good);
  }
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

/* Waits until every reader has the last publication, or has refused it. */
static void await_readers(struct reader *readers, lk_status_t status, int64_t revision) {
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < READERS; i++) {
    while (readers[i].status != status || readers[i].revision < revision) {
      pthread_cond_wait(&changed, &mutex);
    }
  }
  pthread_mutex_unlock(&mutex);
}

static lk_status_t publish(const lk_client_t *client, const lk_guard_t *guard, int number, int soft,
                           int hard, int64_t *revision) {
  char texts[3][32];
  lk_key_t keys[] = {{"host", -1, texts[0], 0}, {"soft", -1, texts[1], 0}, {"hard", -1, texts[2], 0}};
  snprintf(texts[0], sizeof texts[0], "db%d", number);
  snprintf(texts[1], sizeof texts[1], "%d", soft);
  snprintf(texts[2], sizeof texts[2], "%d", hard);
  for (int i = 0; i < 3; i++) {
    keys[i].value_len = strlen(texts[i]);
  }
  return lk_publish_keys(client, PATH, -1, LK_KEYS_VERSIONS, keys, 3, guard, DEADLINE_MS, revision);
}

int main(int argc, char **argv) {
  static struct reader readers[READERS];
  lk_client_t *client;
  lk_lock_t *lock;
  lk_guard_t *guard;
  lk_str_t held;
  int64_t fence, revision = 0;
  if (argc != 3 || strcmp(argv[1], "--connect") != 0) {
    fprintf(stderr, "usage: %s --connect HOST:PORT\n", argv[0]);
    return 2;
  }
  client = connect_to(argv[2]);
  need(lk_lock_new(client, PATH "-publisher", -1, LK_LAYOUT_CURATOR, 0, NULL, 0, &lock), "lock");
  need(lk_lock_acquire(lock, DEADLINE_MS, &guard), "acquire");
  need(lk_guard_fence(guard, &fence), "fence");
  printf("published under a lock with fence %" PRId64 "\n\n", fence);
  for (int i = 0; i < READERS; i++) {
    readers[i].client = connect_to(argv[2]);
    need(lk_follow_keys(readers[i].client, PATH, -1, LK_KEYS_VERSIONS, check, see, &readers[i], NULL,
                        &readers[i].follow),
         "follow");
  }
  printf("revision      host  soft  hard\n");
  for (int number = 1; number <= PUBLICATIONS; number++) {
    need(publish(client, guard, number, 10 * number, 20 * number, &revision), "publish");
    await_readers(readers, LK_OK, revision);
    printf("%-12" PRId64 "  %-4s  %4d  %4d\n", revision, readers[0].host, readers[0].soft,
           readers[0].hard);
  }

  need(publish(client, guard, 9, 2, 1, NULL), "publish");
  await_readers(readers, LK_EREJECTED, revision);
  printf("\nrejected: %s; the last good one stands\n", readers[0].reason);
  /* An operator takes the lock away; the publisher has not noticed yet. */
  need(lk_guard_path(guard, &held), "path");
  need(lk_delete(readers[0].client, held.ptr, -1, LK_ANY_VERSION, DEADLINE_MS), "delete");
  if (publish(client, guard, 10, 1, 2, NULL) == LK_ELOST) {
    printf("refused: the publisher has lost its lock\n");
  } else {
    printf("a deposed publisher was not refused: %s\n", lk_last_error()->text.ptr);
    failures++;
  }

  for (int i = 0; i < READERS; i++) {
    lk_follow_free(readers[i].follow);
    lk_client_free(readers[i].client);
    /* Behind the client's last object no callback runs. */
    failures += readers[i].revision != revision || readers[i].soft > readers[i].hard;
  }
  lk_guard_free(guard);
  lk_lock_free(lock);
  lk_client_free(client);
  printf("%d publications, %d readers, %d failures\n", PUBLICATIONS, READERS, failures);
  return failures == 0 ? 0 : 1;
}

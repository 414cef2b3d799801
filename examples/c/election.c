/* Candidates in processes of their own lead one after the other, each in its own event loop.
 *
 *     cc election.c -llockkeeper -o election
 *     ./election --connect 127.0.0.1:2181
 *
 * Each candidate leads for some terms: it ends all but the last by releasing the guard, which puts
 * it back at the tail of the queue, and leaves behind the last. Each row is a term, as its leader
 * wrote it to a ledger, which is a pipe here. The fences ascend, so that a resource which keeps the
 * highest one can refuse a leader that was paused and has not noticed its end.
 *
 * Threads do not survive a fork, so each process makes its own client after it. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <lockkeeper.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANDIDATES = 3, TERMS = 3, DEADLINE_MS = 60000 };

#define PATH "/examples/c-election"

struct entry {
  int candidate, term;
  int64_t fence;
};

struct candidate {
  lk_candidate_t *handle;
  struct entry entry;
  int ledger;
  bool is_done;
};

static void need(lk_status_t status, const char *what) {
  if (status != LK_OK) {
    fprintf(stderr, "%s: %s\n", what, lk_last_error()->text.ptr);
    exit(1);
  }
}

static lk_client_t *connect_to(const char *servers, bool dispatch) {
  lk_config_t *config;
  lk_client_t *client;
  need(lk_config_new(servers, -1, &config), "config");
  need(lk_config_dispatch(config, dispatch), "dispatch");
  need(lk_client_connect(config, &client), "connect");
  lk_config_free(config);
  return client;
}

static void released(void *user, const lk_error_t *error) {
  (void)user;
  if (error->code != LK_OK) {
    fprintf(stderr, "release: %s\n", error->text.ptr);
    exit(1);
  }
}

/* Runs in the loop below. A program would start its work here, and stop it in every other state. */
static void changed(void *user, const lk_error_t *error, lk_candidate_state_t state, int64_t fence) {
  struct candidate *candidate = user;
  lk_guard_t *guard;
  if (state == LK_CANDIDATE_ENDED) {
    fprintf(stderr, "candidate %d: %s\n", candidate->entry.candidate, error->text.ptr);
    exit(1);
  }
  if (state != LK_CANDIDATE_LEADING || fence == candidate->entry.fence) {
    return;
  }
  candidate->entry.fence = fence;
  candidate->entry.term++;
  if (write(candidate->ledger, &candidate->entry, sizeof candidate->entry) !=
      (ssize_t)sizeof candidate->entry) {
    perror("ledger");
    exit(1);
  }
  candidate->is_done = candidate->entry.term == TERMS;
  /* With a timeout of 0 it may be called here; the term may be over by now. */
  if (!candidate->is_done && lk_candidate_lead(candidate->handle, 0, &guard) == LK_OK) {
    need(lk_guard_release_async(guard, DEADLINE_MS, released, NULL, NULL, NULL), "release");
    lk_guard_free(guard);
  }
}

static void stand(const char *servers, int number, int ledger) {
  struct candidate candidate;
  struct pollfd fd;
  char id[32];
  lk_client_t *client = connect_to(servers, true);
  lk_election_t *election;
  memset(&candidate, 0, sizeof candidate);
  candidate.entry.candidate = number;
  candidate.ledger = ledger;
  snprintf(id, sizeof id, "candidate %d", number);
  need(lk_election_new(client, PATH, -1, LK_ELECTION_LATCH, LK_ELECTION_PUBLISH, id, -1, &election),
       "election");
  need(lk_election_join(election, changed, &candidate, NULL, &candidate.handle), "join");
  fd.events = POLLIN;
  need(lk_dispatch_fd(client, &fd.fd), "descriptor");
  while (!candidate.is_done) {
    if (poll(&fd, 1, DEADLINE_MS) != 1) {
      fprintf(stderr, "candidate %d: nothing happens\n", number);
      exit(1);
    }
    need(lk_dispatch(client), "dispatch");
  }
  need(lk_candidate_close(candidate.handle, DEADLINE_MS), "close");
  lk_candidate_free(candidate.handle);
  lk_election_free(election);
  lk_client_free(client);
}

/* Runs on a thread of the library. Short terms may be left out. */
static void observe(void *user, const lk_error_t *error, lk_member_event_t event,
                    const lk_member_t *leader) {
  (void)event, (void)leader;
  *(int *)user += error->code == LK_OK;
}

int main(int argc, char **argv) {
  int ledger[2], terms = 0, failures = 0, observed = 0, status;
  int64_t highest = 0;
  struct entry entry;
  lk_client_t *client;
  lk_election_t *election;
  if (argc != 3 || strcmp(argv[1], "--connect") != 0) {
    fprintf(stderr, "usage: %s --connect HOST:PORT\n", argv[0]);
    return 2;
  }
  if (pipe(ledger) != 0) {
    perror("pipe");
    return 1;
  }
  for (int number = 1; number <= CANDIDATES; number++) {
    pid_t child = fork();
    if (child < 0) {
      perror("fork");
      return 1;
    }
    if (child == 0) {
      close(ledger[0]);
      stand(argv[2], number, ledger[1]);
      return 0;
    }
  }
  close(ledger[1]);
  client = connect_to(argv[2], false);
  need(lk_election_new(client, PATH, -1, LK_ELECTION_LATCH, 0, NULL, 0, &election), "election");
  need(lk_election_watch(election, observe, &observed, NULL, NULL), "watch");
  while (read(ledger[0], &entry, sizeof entry) == (ssize_t)sizeof entry) {
    printf("candidate %d, term %d: leads with fence %" PRId64 "%s\n", entry.candidate, entry.term,
           entry.fence, entry.fence > highest ? "" : " - too late, refused");
    failures += entry.fence <= highest;
    highest = entry.fence > highest ? entry.fence : highest;
    terms++;
  }
  close(ledger[0]);
  while (wait(&status) > 0) {
    failures += status != 0;
  }
  lk_election_free(election);
  lk_client_free(client);
  printf("%d terms, %d of them observed, %d failures\n", terms, observed, failures);
  return terms == CANDIDATES * TERMS && failures == 0 ? 0 : 1;
}

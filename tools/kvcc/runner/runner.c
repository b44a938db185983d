/* runner.c: runs kernels of another architecture for `kvcc verify`, step by step as mailbox.h says.
 *
 *   runner FD ADDRESS BYTES       the arena: an open file, where to map it (hexadecimal), and how much of it to begin with
 *
 * kvcc compiles it with the runtime's sources, links it with the kernels, and starts it through the command of --runner. */
#include "tools/kvcc/runner/mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int arenaFile;
static char *arena;
static uint64_t mappedBytes;

/* Maps the arena up to `bytes`. The address is asked for, not forced: whatever lies there stays. */
static int mapUpTo(uint64_t bytes) {
  if (bytes <= mappedBytes)
    return 1;
  char *want = arena + mappedBytes;
  void *seen = mmap(want, (size_t)(bytes - mappedBytes), PROT_READ | PROT_WRITE, MAP_SHARED, arenaFile, (off_t)mappedBytes);
  if (seen != want) {
    fprintf(stderr, "runner: cannot map the arena at %p: %s\n", (void *)want, seen == MAP_FAILED ? strerror(errno) : "taken");
    return 0;
  }
  mappedBytes = bytes;
  return 1;
}

/* Copies of the descriptors lie one after another in the mailbox's tables. */
typedef struct writer {
  char *next, *end; /* null when something did not fit */
} writer;

static void *reserve(writer *w, size_t bytes) {
  const size_t room = (bytes + 63) / 64 * 64;
  if (!w->next || (size_t)(w->end - w->next) < room)
    return w->next = NULL;
  void *place = w->next;
  w->next += room;
  return place;
}

static void *copy(writer *w, const void *bytes, size_t count) {
  void *place = reserve(w, count);
  return place ? memcpy(place, bytes, count) : NULL;
}

static const char *copyText(writer *w, const char *text) { return copy(w, text, strlen(text) + 1); }

static void copyDescriptors(kv_mailbox *mailbox) {
  const size_t behind = (sizeof *mailbox + 63) / 64 * 64;
  writer w = {(char *)mailbox + behind, (char *)mailbox + KV_MAILBOX_BYTES};
  kv_kernel *kernels = reserve(&w, (size_t)kv_runner_num_kernels * sizeof *kernels);
  for (int32_t i = 0; i < kv_runner_num_kernels && w.next; ++i) {
    kernels[i] = *kv_runner_kernels[i];
    kernels[i].name = copyText(&w, kernels[i].name);
    kernels[i].cache = copyText(&w, kernels[i].cache);
    kernels[i].num_gpu_variants = 0; /* it has no GPU */
    kernels[i].gpu_variants = NULL;
    kernels[i].ranges = NULL; /* code */
    kv_argument_spec *arguments = copy(&w, kernels[i].arguments, (size_t)kernels[i].num_arguments * sizeof *arguments);
    kernels[i].arguments = arguments;
    for (int64_t j = 0; j < kernels[i].num_arguments && w.next; ++j)
      arguments[j].name = copyText(&w, arguments[j].name);
    kv_variant *variants = copy(&w, kernels[i].variants, (size_t)kernels[i].num_variants * sizeof *variants);
    kernels[i].variants = variants;
    for (int64_t j = 0; j < kernels[i].num_variants && w.next; ++j)
      variants[j].target = copyText(&w, variants[j].target);
  }
  mailbox->kernels = kernels;
  mailbox->num_kernels = w.next ? kv_runner_num_kernels : -1;
}

static void serve(kv_mailbox *mailbox) {
  const kv_kernel *kernel = kv_runner_kernels[mailbox->kernel];
  const kv_variant *variant = &kernel->variants[mailbox->variant];
  kv_status status = KV_OK;
  switch (mailbox->request) {
  case KV_REQUEST_SELECT:
    kv_select_target(kernel, mailbox->target, &status);
    break;
  case KV_REQUEST_WORKSPACE:
    mailbox->bytes = kv_step_workspace_bytes(kernel, variant, &mailbox->step, kv_drive_threads((kv_drive)mailbox->drive));
    status = mailbox->bytes < 0 ? KV_ERROR_WORKSPACE : KV_OK;
    break;
  case KV_REQUEST_RUN:
    status = kv_drive_step(kernel, variant, &mailbox->step, (kv_drive)mailbox->drive);
    break;
  }
  mailbox->status = (int32_t)status;
  snprintf(mailbox->text, sizeof mailbox->text, "%s", status == KV_OK ? "" : kv_last_error());
}

static int answer(void) {
  const char bell = KV_RUNNER_BELL;
  return write(STDOUT_FILENO, &bell, 1) == 1;
}

static int nextRequest(void) {
  char bell;
  ssize_t count;
  do
    count = read(STDIN_FILENO, &bell, 1);
  while (count < 0 && errno == EINTR);
  return count == 1;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "runner: kvcc verify --runner starts this program\n");
    return 2;
  }
  arenaFile = atoi(argv[1]);
  arena = (char *)(uintptr_t)strtoull(argv[2], NULL, 16);
  if (!mapUpTo(strtoull(argv[3], NULL, 10)))
    return 3;
  kv_mailbox *mailbox = (kv_mailbox *)(void *)arena;
  if (mailbox->layout != KV_MAILBOX_LAYOUT) {
    fprintf(stderr, "runner: the sources it was compiled from are not those of this kvcc\n");
    return 5;
  }
  copyDescriptors(mailbox);
  if (!answer())
    return 4;
  while (nextRequest()) {
    if (!mapUpTo(mailbox->arena_bytes))
      return 3;
    serve(mailbox);
    if (!answer())
      return 4;
  }
  return 0;
}

/* processors.c: how many processors this process may use: its affinity, and the quota of its control group (`docker --cpus`,
 * `CPUQuota=` of systemd, limits of Kubernetes), which no other call tells. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One line of a file of a control group, "" where it cannot be read. */
static void readLine(const char *folder, const char *name, char *text, int size) {
  char path[4096 + 128];
  text[0] = 0;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "re");
  if (!file)
    return;
  if (!fgets(text, size, file))
    text[0] = 0;
  fclose(file);
}

/* Whole processors of the group in `folder`; 0: no quota. Half of one is one. Fractions are left: a thread that runs out of quota
 * stops all others at the end of their phase. */
static int64_t quotaOf(const char *folder, int unified) {
  char text[64];
  long long quota = 0, period = 0;
  if (unified) {
    readLine(folder, "cpu.max", text, sizeof text);
    if (sscanf(text, "%lld %lld", &quota, &period) != 2) /* "max 100000" */
      return 0;
  } else {
    readLine(folder, "cpu.cfs_quota_us", text, sizeof text);
    quota = atoll(text); /* -1: none */
    readLine(folder, "cpu.cfs_period_us", text, sizeof text);
    period = atoll(text);
  }
  return quota > 0 && period > 0 ? kvrt_max(quota / period, 1) : 0;
}

static int hasWord(const char *list, const char *word) {
  const size_t length = strlen(word);
  for (const char *at = list; (at = strstr(at, word)); at += length)
    if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length]))
      return 1;
  return 0;
}

/* The path of this process in the hierarchy of the processor controller, as /proc/self/cgroup has it: "4:cpu,cpuacct:/path", or
 * "0::/path" of the unified one. */
static int pathOfProcess(const char *root, int unified, char *path, size_t size) {
  char line[4096], file[4096 + 64];
  snprintf(file, sizeof file, "%s/proc/self/cgroup", root);
  FILE *groups = fopen(file, "re");
  int found = 0;
  while (groups && !found && fgets(line, sizeof line, groups)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *end = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!end)
      continue;
    *end = 0;
    found = unified ? strcmp(controllers, ":") == 0 : hasWord(controllers + 1, "cpu");
    if (found)
      snprintf(path, size, "%s", end + 1);
  }
  if (groups)
    fclose(groups);
  return found;
}

/* The least quota of the process's group and of those around it, in the hierarchy mounted at `point`, of which `top` is the part
 * that this mount shows. */
static int64_t quotaBelow(const char *root, const char *point, const char *top, int unified) {
  char path[4096], folder[4096 + 64];
  if (!pathOfProcess(root, unified, path, sizeof path))
    return 0;
  const size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
  const int inside = strncmp(path, top, length) == 0 && !strstr(path, "/.."); /* else of another name space: only the top is seen */
  const size_t base = strlen(root) + strlen(point);
  if (base + strlen(path) >= sizeof folder)
    return 0;
  snprintf(folder, sizeof folder, "%s%s%s", root, point, inside ? path + length : "");
  int64_t least = 0;
  for (;;) {
    const int64_t quota = quotaOf(folder, unified);
    if (quota && (!least || quota < least))
      least = quota;
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < base)
      return least;
    *slash = 0;
  }
}

int64_t kvrt_processor_quota(const char *root) {
  char line[4096], file[4096 + 64];
  snprintf(file, sizeof file, "%s/proc/self/mountinfo", root);
  FILE *mounts = fopen(file, "re");
  int64_t least = 0;
  /* "25 1 0:20 TOP POINT OPTIONS FIELDS... - TYPE SOURCE SUPEROPTIONS" */
  while (mounts && fgets(line, sizeof line, mounts)) {
    char top[1024], point[1024], type[32], options[1024];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%*s %*s %*s %1023s %1023s", top, point) != 2 ||
        sscanf(rest, " - %31s %*s %1023s", type, options) != 2)
      continue;
    const int unified = strcmp(type, "cgroup2") == 0;
    if (!unified && (strcmp(type, "cgroup") != 0 || !hasWord(options, "cpu")))
      continue;
    const int64_t quota = quotaBelow(root, point, top, unified);
    if (quota && (!least || quota < least))
      least = quota;
  }
  if (mounts)
    fclose(mounts);
  return least;
}

static int64_t countProcessors(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return CPU_COUNT(&set);
#endif
  return kvrt_max(sysconf(_SC_NPROCESSORS_ONLN), 1);
}

int64_t kvrt_processors(void) {
  const int64_t processors = countProcessors(), quota = kvrt_processor_quota("");
  return quota ? kvrt_min(processors, quota) : processors;
}

/* features.c: prints what the runtime finds on the processor it runs on; ctest runs it on processors that qemu plays. */
#include "kv/kv.h"

#include <stdio.h>

void kvrt_feature_names(uint64_t features, char *text, size_t size);

int main(void) {
  char text[256];
  kvrt_feature_names(kv_cpu_features(), text, sizeof text);
  printf("features: %s\n", text);
  return 0;
}

/* init.c: structs of callers, of the size that they have there. */
#include "internal.h"

#include "kv/kv_gpu.h"

void kv_step_init_as(kv_step *step, uint32_t struct_size, uint32_t abi_version) {
  memset(step, 0, struct_size);
  step->struct_size = struct_size;
  step->abi_version = abi_version;
}

void(kv_step_init)(kv_step *step) { kv_step_init(step); }

void kv_gpu_launch_init_as(kv_gpu_launch *launch, uint32_t struct_size) {
  memset(launch, 0, struct_size);
  launch->struct_size = struct_size;
}

void(kv_gpu_launch_init)(kv_gpu_launch *launch) { kv_gpu_launch_init(launch); }

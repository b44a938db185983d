// One file, three targets, three attributes; nothing but the attribute and the orders changes.
// RUN: kv-opt %s --kv-select-schedule=target=generic | FileCheck %s --check-prefixes=CHECK,GENERIC
// RUN: kv-opt %s --kv-select-schedule=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: kv-opt %s --kv-select-schedule=target=x86-64-v4+vnni | FileCheck %s --check-prefixes=CHECK,DOTS
!codes = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>,
                   value = <i8, group = 64, sym, scale = f32>, layout = <paged 16, key = auto, value = auto>>
!floats = !kv.cache<name = "f", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>,
                    layout = <paged 16, key = "[t, h, d]", value = "[t, h, d]">>

// CHECK-LABEL: @codes(
// CHECK-SAME: layout = <paged 16, tile = 16, key = "[d/4, t, d%4]", value = "[t/4, d, t%4]">>
// CHECK: kv.append {{.*}} {schedule = #kv.schedule<item = <queries = 1, {{.*}} rows = <one = 1,
// An accuracy class allows row operands of so many bits, a target has instructions for some of them.
// CHECK: kv.attend {{.*}} accuracy( exact)
// CHECK-SAME: scores = <dot = f32, {{.*}} sums = <dot = f32,
// CHECK: kv.attend {{.*}} accuracy( high)
// GENERIC-SAME: schedule = #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, rows = <one = 4, {{.*}} block = <tokens = 16,
// GENERIC-SAME: scores = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, {{.*}} sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, {{.*}} team = <lanes = 4>>
// WIDE-SAME: schedule = #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, rows = <one = 4, {{.*}} block = <tokens = 64,
// WIDE-SAME: scores = <dot = s16, {{.*}} sums = <dot = s16, {{.*}} team = <lanes = 16>>
// DOTS-SAME: schedule = #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, rows = <one = 4, {{.*}} block = <tokens = 64,
// DOTS-SAME: scores = <dot = u8s8x2, {{.*}} sums = <dot = s8u8x2, {{.*}} team = <lanes = 16>>
// CHECK: kv.attend {{.*}} accuracy( fast)
// GENERIC-SAME: scores = <dot = f32, {{.*}} sums = <dot = f32,
// WIDE-SAME: scores = <dot = s16, {{.*}} sums = <dot = s16,
// DOTS-SAME: scores = <dot = u8s8, {{.*}} sums = <dot = s8u8,
func.func @codes(%c: !codes, %q: tensor<?x8x64xf32>, %k: tensor<?x2x64xf32>) {
  kv.append %k, %k to %c : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !codes
  %0 = kv.attend %q on %c scale(0.125) accuracy(exact) queries(1, 8) : tensor<?x8x64xf32>, !codes -> tensor<?x8x64xf32>
  %1 = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 8) : tensor<?x8x64xf32>, !codes -> tensor<?x8x64xf32>
  %2 = kv.attend %q on %c scale(0.125) accuracy(fast) queries(1, 8) : tensor<?x8x64xf32>, !codes -> tensor<?x8x64xf32>
  return
}

// Orders that were written stay; scalar codecs have no integer record; 1 to 128 rows of an item, tiles of at most 8.
// CHECK-LABEL: @floats(
// CHECK-SAME: layout = <paged 16, key = "[t, h, d]", value = "[t, h, d]">>
// CHECK: kv.append_attend {{.*}}schedule = #kv.schedule<item = <queries = 10, {{.*}} rows = <one = 6, many = {{.*}} scores = <dot = f32, load = <transposed[0, 16] of 32>, {{.*}} sums = <dot = f32, load = <vector[0] of 16>,
func.func @floats(%c: !floats, %q: tensor<?x24x64xf32>, %k: tensor<?x2x64xf32>) {
  %0 = kv.append_attend %q, %k, %k on %c scale(0.125) accuracy(fast) queries(1, 512)
       : tensor<?x24x64xf32>, tensor<?x2x64xf32>, tensor<?x2x64xf32>, !floats -> tensor<?x24x64xf32>
  return
}

// Items of more rows than a tile of one query have tiles of as many rows as registers hold the sums of.
// CHECK-LABEL: @prompts(
// CHECK: kv.attend {{.*}}schedule = #kv.schedule<item = <queries = 32, {{.*}} rows = <one = 4,
// GENERIC-SAME: many = 6, {{.*}} scores = <{{.*}} manySlice = 8
// WIDE-SAME: many = 8, {{.*}} scores = <{{.*}} manySlice = 32{{.*}} sums = <{{.*}} manySlice = 32
// CHECK: kv.attend {{.*}}schedule = #kv.schedule<item = <queries = 10, {{.*}} rows = <one = 6,
func.func @prompts(%c: !floats, %q: tensor<?x8x64xf32>, %wide: tensor<?x24x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(fast) queries(2, 512) : tensor<?x8x64xf32>, !floats -> tensor<?x8x64xf32>
  %1 = kv.attend %wide on %c scale(0.125) accuracy(fast) queries(2, 512) : tensor<?x24x64xf32>, !floats -> tensor<?x24x64xf32>
  return
}

// What a schedule says of this target holds, what it says of another does not.
// CHECK-LABEL: @overrides(
// GENERIC: #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, {{.*}} block = <tokens = 16, ahead = 4>, scores = <dot = f32,
// WIDE: #kv.schedule<item = <queries = 8, heads = 1, split = 512>, {{.*}} block = <tokens = 128>, scores = <dot = f32, {{.*}} unroll = 2, decode = once>, sums
// DOTS: #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, {{.*}} block = <tokens = 64, ahead = 2>, scores = <dot = s16, {{.*}} sums = <dot = s16,
func.func @overrides(%c: !codes, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(fast) queries(1, 8) {schedules = {
      "x86-64-v4" = {block = 128 : i64, split = 512 : i64, unroll = 2 : i64, prefetch = 0 : i64, heads = 1 : i64, dot = "fma"},
      "x86-64-v4+vnni" = {dot = "vpdpwssd"}}} : tensor<?x8x64xf32>, !codes -> tensor<?x8x64xf32>
  return
}

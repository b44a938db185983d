// Blocks that every row sees whole are computed without masks, where the schedule has classes of them.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops,kv-skip-blocks),canonicalize,cse)" | FileCheck %s
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops,kv-skip-blocks,kv-decompose-attend-block),canonicalize,cse)" | FileCheck %s --check-prefix=TILES
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#classes = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 8, softmax = 8>, block = <tokens = 32, ahead = 1, masks = classes>,
                        scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
#always = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 8, softmax = 8>, block = <tokens = 32, ahead = 1>,
                       scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
// A causal mask: the first query sees all tokens of the block.
// CHECK-LABEL: func.func @c_causal.attend(
// CHECK: kv.acquire
// CHECK: %[[SEEN:.*]] = arith.minsi
// CHECK-NEXT: %[[END:.*]] = arith.trunci %[[SEEN]]
// CHECK: %[[WHOLE:.*]] = arith.cmpi sge, %[[END]], %c32_i32
// CHECK: scf.if %[[WHOLE]] {
// CHECK:   kv.attend_block one {{.*}} whole accuracy
// CHECK: } else {
// CHECK-NOT: whole
// CHECK:   kv.attend_block one
// Nothing of a whole block is masked; limits are of edge blocks alone.
// TILES-LABEL: func.func @c_causal.attend(
// TILES: kv.acquire
// TILES: scf.if
// TILES-NOT: kv.index
// TILES: kv.product {{.*}}, key
// TILES-NOT: kv.index
// TILES-NOT: -0x1.0p
// TILES: kv.weigh %{{[0-9]*}} for value
// TILES: kv.product {{.*}}, value f32 as values of {{.*}} over[%c0_i64, %c32_i64) unroll 0 init %{{[0-9]*}} :
// TILES: } else {
// TILES: kv.index
// TILES: kv.weigh %{{[0-9]*}} before
// TILES: kv.product {{.*}}, value f32 as values of {{.*}} limits[
func.func @c_causal(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #classes}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// A window: the last query's begins with the block or before.
// CHECK-LABEL: func.func @c_window.attend(
// CHECK: %[[BEGIN:.*]] = arith.cmpi sle, %{{.*}}, %c0_i32
// CHECK: %[[WHOLE:.*]] = arith.andi %{{.*}}, %[[BEGIN]]
// CHECK: scf.if %[[WHOLE]] {
func.func @c_window(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index):
         %c64 = arith.constant 64 : i32
         %far = arith.subi %i, %j : i32
         %near = arith.cmpi slt, %far, %c64 : i32
         %past = arith.cmpi sle, %j, %i : i32
         %seen = arith.andi %near, %past : i1
         kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #classes} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// CHECK-LABEL: func.func @c_always.attend(
// CHECK: kv.acquire
// CHECK-NOT: scf.if
// CHECK: kv.attend_block
func.func @c_always(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #always}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

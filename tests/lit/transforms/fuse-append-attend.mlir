// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-fuse-append-attend))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>

// Fires: the score region and every attribute go along.
// CHECK-LABEL: @fires(
// CHECK-NOT: kv.append %
// CHECK: %[[OUT:.*]], %[[LSE:.*]] = kv.append_attend %[[Q:.*]], %[[K:.*]], %[[V:.*]] on %[[C:.*]] scale(1.250000e-01) accuracy( exact) queries(1, 8) score {
// CHECK:   kv.yield
// CHECK: } {schedules = {generic = {block = 32 : i64}}} :
// CHECK-NEXT: return %[[OUT]], %[[LSE]]
func.func @fires(%c: !cache, %q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>, %v: tensor<?x2x64xf32>) -> (tensor<?x4x64xf32>, tensor<?x4xf32>) {
  kv.append %k, %v to %c : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !cache
  %o, %lse = kv.attend %q on %c scale(0.125) accuracy(exact) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %t = math.tanh %s : f32
    kv.yield %t : f32
  } {schedules = {generic = {block = 32 : i64}}} : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x64xf32>, tensor<?x4xf32>
}

// Ops that do not touch the cache may stand between.
// CHECK-LABEL: @between(
// CHECK: arith.addf
// CHECK-NEXT: kv.append_attend
func.func @between(%c: !cache, %q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>) -> tensor<?x4x64xf32> {
  kv.append %k, %k to %c : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !cache
  %twice = arith.addf %q, %q : tensor<?x4x64xf32>
  %o = kv.attend %twice on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return %o : tensor<?x4x64xf32>
}

// Does not fire: nothing was appended, or to another cache.
// CHECK-LABEL: @other_cache(
// CHECK: kv.append %
// CHECK: kv.attend
func.func @other_cache(%c: !cache, %d: !cache, %q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>) -> tensor<?x4x64xf32> {
  kv.append %k, %k to %d : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !cache
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return %o : tensor<?x4x64xf32>
}

// Refuses: another attend sees the cache between them; only it fuses.
// CHECK-LABEL: @read_between(
// CHECK-NOT: kv.append %
// CHECK: kv.append_attend
// CHECK: kv.attend
// CHECK: return
func.func @read_between(%c: !cache, %q: tensor<?x4x64xf32>, %k: tensor<?x2x64xf32>) -> (tensor<?x4x64xf32>, tensor<?x4x64xf32>) {
  kv.append %k, %k to %c : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !cache
  %a = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  %b = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return %a, %b : tensor<?x4x64xf32>, tensor<?x4x64xf32>
}

// Refuses: more tokens than queries.
// CHECK-LABEL: @numbers_differ(
// CHECK: kv.append %
// CHECK: kv.attend
func.func @numbers_differ(%c: !cache, %q: tensor<1x4x64xf32>, %k: tensor<5x2x64xf32>) -> tensor<1x4x64xf32> {
  kv.append %k, %k to %c : tensor<5x2x64xf32>, tensor<5x2x64xf32>, !cache
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<1x4x64xf32>, !cache -> tensor<1x4x64xf32>
  return %o : tensor<1x4x64xf32>
}

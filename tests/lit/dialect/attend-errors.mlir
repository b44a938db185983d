// One mistake for each rule of kv.attend and kv.yield (KvOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// attend C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x3x64xf32>) {
  // expected-error @+1 {{expected a query of [queries, a positive multiple of 2, 64], got 'tensor<?x3x64xf32>'}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x3x64xf32>, !cache -> tensor<?x3x32xf32>
  return
}

// -----
// attend C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x0x64xf32>) {
  // expected-error @+1 {{expected a query of [queries, a positive multiple of 2, 64], got 'tensor<?x0x64xf32>'}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x0x64xf32>, !cache -> tensor<?x0x32xf32>
  return
}

// -----
// attend C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected an output of [queries, 4, 32], got 'tensor<?x4x64xf32>'}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return
}

// -----
// attend C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected an lse of [queries, 4], got 'tensor<?x2xf32>'}}
  %0:2 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>, tensor<?x2xf32>
  return
}

// -----
// attend C3
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected a score region of (f32, i32, i32, index) that ends in kv.yield}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32):
    kv.yield %s : f32
  } : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// attend C3
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected a score region of (f32, i32, i32, index) that ends in kv.yield}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    llvm.unreachable
  } : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// attend C4
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected queries from at least 1 to at least as many, got 0 to 8}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(0, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// attend C4
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected queries from at least 1 to at least as many, got 8 to 4}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(8, 4) : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// attend C5
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected a positive finite scale}}
  %0 = kv.attend %q on %c scale(0x7FF0000000000000) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// yield C1
func.func @f(%s: f32) {
  // expected-error @+1 {{expects parent op to be one of 'kv.attend, kv.append_attend, kv.attend_block, kv.for_blocks'}}
  kv.yield %s : f32
}

// -----
// attend C7
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected a mask region of (i32, i32, index) that yields i1}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x32xf32>
  return
}

// -----
// attend C8
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x4x64xf32>, %sinks: tensor<2xf32>) {
  // expected-error @+1 {{expected sinks of [4], got 'tensor<2xf32>'}}
  %0 = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 8) sinks %sinks : tensor<?x4x64xf32>, !cache sinks tensor<2xf32> -> tensor<?x4x32xf32>
  return
}

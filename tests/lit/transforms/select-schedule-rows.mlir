// What kernels are told of rows and blocks, and derive no more: row tiles, softmax, where the state is, how often codes are decoded.
// RUN: kv-opt %s --kv-select-schedule=target=x86-64-v4 | FileCheck %s --check-prefixes=VECTOR
// RUN: kv-opt %s --kv-select-schedule=target=sm_90 | FileCheck %s --check-prefixes=THREADS
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>

// An item is one row tile, whose state fits the registers of threads.
// VECTOR-LABEL: @alone(
// VECTOR: rows = <one = 4, softmax = 4>, block = <tokens = 64, ahead = 1>,
// VECTOR-NOT: decode = once
// THREADS-LABEL: @alone(
// THREADS: rows = <one = 8, softmax = 8>, block = <tokens = 64, stages = 1, state = registers>,
func.func @alone(%c: !cache, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 1) : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// Some items have several, which share decoded codes; threads work on taller tiles, whose state is in scratch.
// VECTOR-LABEL: @some(
// VECTOR: rows = <one = 4, many = 8, softmax = 4, manySoftmax = 4>,
// VECTOR-SAME: scores = <{{.*}} decode = once>, sums = <{{.*}} decode = once>,
// THREADS-LABEL: @some(
// THREADS: rows = <one = 16, softmax = 16>, block = <tokens = 64, stages = 1>,
func.func @some(%c: !cache, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 16) : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// All items do.
// VECTOR-LABEL: @all(
// VECTOR: rows = <one = 4, many = 8, always = true, softmax = 4, manySoftmax = 4>,
func.func @all(%c: !cache, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(high) queries(2, 16) : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// A softmax with a score of its own is long: both kinds of items share it.
// VECTOR-LABEL: @capped(
// VECTOR: rows = <one = 4, many = 8, softmax = 4, manySoftmax = 4, share = true>,
func.func @capped(%c: !cache, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 16) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %t = math.tanh %s : f32
    kv.yield %t : f32
  } : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

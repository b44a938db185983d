// kv.for_blocks becomes loops: blocks, heads inside; a block is acquired where it is worked on and names the one ahead.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops),canonicalize,cse)" | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
#near = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// CHECK-LABEL: func.func @c_a.attend(
// CHECK-NOT: !kv.state
// CHECK-DAG: %[[MAX:.*]] = kv.scratch "max" : memref<2x1xf32>
// CHECK-DAG: %[[SUM:.*]] = kv.scratch "sum" : memref<2x1xf32>
// CHECK-DAG: %[[ACC:.*]] = kv.scratch "acc" : memref<2x32xf32>
// CHECK: kv.start_rows {{.*}} state %[[MAX]], %[[SUM]], %[[ACC]] for
// CHECK: scf.for
// CHECK:   scf.if
// CHECK:     scf.for
// CHECK:       %[[BLOCK:.*]] = kv.acquire {{.*}} ahead
// CHECK:       kv.attend_block one {{.*}}, %[[BLOCK]]{{.*}} state %[[MAX]], %[[SUM]], %[[ACC]] for
// CHECK-NOT: kv.for_blocks
// CHECK: kv.finish {{.*}} state %[[MAX]], %[[SUM]], %[[ACC]] unit
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf16>) -> (tensor<?x4x32xf16>, tensor<?x4xf32>) {
  %o, %lse = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #schedule}
             : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x32xf16>, tensor<?x4xf32>
}

// Nothing is asked for ahead.
// CHECK-LABEL: func.func @c_near.attend(
// CHECK: kv.acquire
// CHECK-NOT: ahead
// CHECK: kv.attend_block
func.func @c_near(%c: !cache, %q: tensor<?x4x64xf16>) -> (tensor<?x4x32xf16>, tensor<?x4xf32>) {
  %o, %lse = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #near}
             : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x32xf16>, tensor<?x4xf32>
}

// Where blocks are staged their loop is the innermost: the state goes around it as values, which the last block leaves in scratch.
#staged = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, stages = 1, state = registers>,
                       scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                       sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8, threads = 32>>
// CHECK-LABEL: func.func @c_staged.attend(
// CHECK: %[[MAX:.*]] = kv.scratch "max"
// CHECK: kv.start_rows rows
// CHECK-NOT: state
// CHECK: %[[STATE:.*]]:3 = scf.for {{.*}} iter_args(%[[M:.*]] = %{{.*}}, %[[S:.*]] = %{{.*}}, %[[A:.*]] = %{{.*}}) -> (tensor<2xf32>, tensor<2xf32>, tensor<2x32xf32>)
// CHECK:   %[[BLOCK:.*]] = kv.acquire
// CHECK:   %[[NEXT:.*]]:3 = kv.attend_block one {{.*}} %[[BLOCK]]{{.*}} state %[[M]], %[[S]], %[[A]]
// CHECK:   scf.yield %[[NEXT]]#0, %[[NEXT]]#1, %[[NEXT]]#2
// CHECK: kv.store %[[STATE]]#0 to %[[MAX]]
func.func @c_staged(%c: !cache, %q: tensor<?x4x64xf16>) -> (tensor<?x4x32xf16>, tensor<?x4xf32>) {
  %o, %lse = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #staged}
             : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x32xf16>, tensor<?x4xf32>
}

// Ranges of a mask, and the two kinds of row tiles, hand the state on: all of it is in the same scratch.
#many = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2>,
                     block = <tokens = 32>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16>,
                     sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32, manySlice = 16>, team = <lanes = 8>>
// CHECK-LABEL: func.func @c_ranges.attend(
// CHECK-NOT: !kv.state
// CHECK: %[[MAX:.*]] = kv.scratch "max"
// CHECK: scf.for
// CHECK:   scf.if
// CHECK:     kv.attend_block one {{.*}} state %[[MAX]]
// CHECK:   } else {
// CHECK:     kv.attend_block many {{.*}} state %[[MAX]]
// CHECK: kv.finish {{.*}} state %[[MAX]]
func.func @c_ranges(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index):
         %c16 = arith.constant 16 : i32
         %far = arith.subi %i, %j : i32
         %near = arith.cmpi slt, %far, %c16 : i32
         %past = arith.cmpi sle, %j, %i : i32
         %seen = arith.andi %near, %past : i1
         kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #many} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

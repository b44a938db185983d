// Rows of any number become row tiles of the schedule's sizes.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows),canonicalize,cse)" | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#one = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
#many = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2>,
                     block = <tokens = 32, ahead = 1>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                     sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32, manySlice = 16, decode = once>, team = <lanes = 8>>
#always = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, always = true, softmax = 2, manySoftmax = 2>,
                     block = <tokens = 32, ahead = 1>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                     sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32, manySlice = 16, decode = once>, team = <lanes = 8>>
#share = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2, share = true>,
                     block = <tokens = 32, ahead = 1>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                     sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32, manySlice = 16, decode = once>, team = <lanes = 8>>

// One row tile is all that an item has.
// CHECK-LABEL: func.func @c_one.attend(
// CHECK-NOT: scf.if
// CHECK: kv.for_blocks
// CHECK: kv.attend_block one
func.func @c_one(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 1) {schedule = #one} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// Items of one row tile have a loop over blocks, those of several another.
// CHECK-LABEL: func.func @c_many.attend(
// CHECK: %[[FITS:.*]] = arith.cmpi sle, %{{.*}}, %c2_i64
// CHECK: %[[STATE:.*]] = scf.if %[[FITS]] -> (!kv.state<8 x 32>) {
// CHECK:   %[[ONE:.*]] = kv.for_blocks
// CHECK:   kv.attend_block one
// CHECK:   scf.yield %[[ONE]]
// CHECK: } else {
// CHECK:   kv.for_blocks
// CHECK:   kv.attend_block many
// CHECK: kv.finish {{.*}} state %[[STATE]]
func.func @c_many(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #many} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// Every item has several.
// CHECK-LABEL: func.func @c_always.attend(
// CHECK-NOT: scf.if
// CHECK: kv.attend_block many
func.func @c_always(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(2, 8) {schedule = #always} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// A softmax that both share stands in one loop.
// CHECK-LABEL: func.func @c_share.attend(
// CHECK-NOT: scf.if
// CHECK: kv.attend_block either
func.func @c_share(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #share} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

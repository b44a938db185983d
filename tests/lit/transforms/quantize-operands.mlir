// Rows and products of numbers become what their dot record multiplies.
// RUN: kv-opt %s -split-input-file --kv-quantize-operands --canonicalize --cse | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, scale = f32>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = u8s8, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = s8u8, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// Rounded rows are words, relative to their greatest; memory is asked for ahead of packing. The sum begins at 0, and what it joins is
// fetched after it.
// CHECK-LABEL: func.func @rounded(
// CHECK: %[[HOME:.*]] = kv.scratch "p" : memref<2x8xi32>
// CHECK: %[[GREATEST:.*]] = kv.reduce umax
// CHECK: %[[UNIT:.*]] = arith.addf
// CHECK: kv.ask
// CHECK: kv.pack %{{.*}} to %[[HOME]][%{{.*}}, %{{.*}}] for value s8u8
// CHECK: %[[UNITS:.*]] = kv.product %[[HOME]][%{{.*}}], value s8u8 of {{.*}} -> tensor<2x32xi32>
// CHECK: %[[SUM:.*]] = arith.sitofp %[[UNITS]]
// CHECK: %[[WORTH:.*]] = kv.spread %[[UNIT]] along 0
// CHECK: %[[BEFORE:.*]] = kv.fetch %[[ACC:.*]][
// CHECK: %[[INIT:.*]] = arith.mulf %[[BEFORE]]
// CHECK: math.fma %[[SUM]], %[[WORTH]], %[[INIT]]
// Keys' codes are shifted: the sum begins at what that adds to it.
// CHECK: %[[OFROW:.*]] = kv.fetch %{{.*}} -> tensor<2xf32>
// CHECK: %[[LESS:.*]] = arith.mulf %[[OFROW]], %{{.*}} : tensor<2xf32>
// CHECK: %[[START:.*]] = arith.fptosi %[[LESS]]
// CHECK: %[[FROM:.*]] = kv.spread %[[START]] along 0
// CHECK: %[[CODES:.*]] = kv.product %{{.*}}, key u8s8 of {{.*}} init %[[FROM]]
// CHECK: arith.sitofp %[[CODES]]
func.func @rounded(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x16xi32>, %qsum: memref<2x1xf32>, %w: tensor<2x32xf32>, %c: tensor<2xf32>, %acc: memref<2x32xf32>)
    -> (tensor<2x32xf32>, tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<2x32xf32>
  kv.operands %w to %home[%n] for value of !cache ask %b lift 16777216.0 : tensor<2x32xf32> to memref<2x32xf32> ask !kv.block<32 of !cache>
  %before = kv.fetch %acc[%n, %n] : memref<2x32xf32> -> tensor<2x32xf32>
  %correction = kv.spread %c along 0 : tensor<2xf32> -> tensor<2x32xf32>
  %init = arith.mulf %before, %correction : tensor<2x32xf32>
  %t = kv.product %home[%n], value s8u8 as numbers of %b contract t at %n over [%n, %n) unroll 0 init %init : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  %0 = arith.constant 0.0 : f32
  %none = kv.spread %0 along 0 : f32 -> tensor<2x32xf32>
  %s = kv.product %q[%n], key u8s8 as numbers of %b contract d at %n over [%n, %n) unroll 0 init %none sums %qsum[%n]
       : memref<2x16xi32> sums memref<2x1xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return %s, %t : tensor<2x32xf32>, tensor<2x32xf32>
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <bf16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
// Rows of f32 are stored as they are. What is added apart begins at 0.
// CHECK-LABEL: func.func @floats(
// CHECK: %[[HOME:.*]] = kv.scratch "p" : memref<2x32xf32>
// CHECK: kv.store %[[W:.*]] to %[[HOME]]
// CHECK-NOT: kv.ask
// CHECK: kv.product %[[HOME]][%{{.*}}], value f32 of {{.*}} init %[[ACC:[a-z0-9]*]] :
// CHECK: %[[NONE:.*]] = kv.spread %cst along 0
// CHECK: %[[SUM:.*]] = kv.product %[[HOME]][%{{.*}}], value f32 of {{.*}} init %[[NONE]] :
// CHECK: arith.addf %[[SUM]], %[[ACC]]
func.func @floats(%b: !kv.block<32 of !cache>, %n: i64, %w: tensor<2x32xf32>, %acc: tensor<2x32xf32>) -> (tensor<2x32xf32>, tensor<2x32xf32>)
    attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<2x32xf32>
  kv.operands %w to %home[%n] for value of !cache ask %b : tensor<2x32xf32> to memref<2x32xf32> ask !kv.block<32 of !cache>
  %s = kv.product %home[%n], value f32 as numbers of %b contract t at %n over [%n, %n) unroll 0 init %acc : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  %t = kv.product %home[%n], value f32 as numbers of %b contract t at %n over [%n, %n) unroll 0 init %acc apart : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return %s, %t : tensor<2x32xf32>, tensor<2x32xf32>
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, scale = f32>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 4, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = u8s8, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = s8u8, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// What rows are worth that are packed a few at a time goes through scratch, fetched ahead of the loop over channels.
// CHECK-LABEL: func.func @parts(
// CHECK: %[[UNITS:.*]] = kv.scratch "pscale" : memref<4x1xf32>
// CHECK: scf.for
// CHECK:   kv.pack
// CHECK:   kv.store %{{.*}} to %[[UNITS]]
// CHECK: }
// CHECK: kv.fetch %[[UNITS]]{{.*}} -> tensor<4xf32>
// CHECK: scf.for
// CHECK:   kv.product
func.func @parts(%b: !kv.block<32 of !cache>, %n: i64, %w: tensor<2x32xf32>, %c: tensor<4x32xf32>, %acc: memref<4x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<4x32xf32>
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  scf.for %row = %c0 to %n step %c1 : i64 {
    kv.operands %w to %home[%row] for value of !cache : tensor<2x32xf32> to memref<4x32xf32>
  }
  scf.for %x = %c0 to %n step %c1 : i64 {
    %t = kv.product %home[%c0], value s8u8 as numbers of %b contract t at %x over [%c0, %n) unroll 0 init %c : memref<4x32xf32>, !kv.block<32 of !cache> -> tensor<4x32xf32>
    kv.store %t to %acc[%c0, %x] : tensor<4x32xf32>, memref<4x32xf32>
  }
  return
}

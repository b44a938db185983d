// Products of values become products of numbers; a codec's scales and zeros go where they are constant over what is summed.
// RUN: kv-opt %s -split-input-file --kv-fold-scales --canonicalize --cse | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 32, sym, scale = f32>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = s8u8, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// A key's scale multiplies the sum of its group.
// CHECK-LABEL: func.func @symmetric(
// CHECK: scf.for %[[PART:.*]] = %c0_i64 to %c2_i64 step %c1_i64 iter_args(%[[BEFORE:.*]] = %[[NONE:.*]]) ->
// CHECK:   %[[BEGIN:.*]] = arith.muli %[[PART]], %c32_i64
// CHECK:   %[[END:.*]] = arith.addi %[[BEGIN]], %c32_i64
// CHECK:   %[[SUM:.*]] = kv.product %{{.*}}, key f32 as numbers of %[[B:.*]] contract d at %{{.*}} over[%[[BEGIN]], %[[END]]) unroll 0 init %[[NONE]]
// CHECK:   %[[SCALES:.*]] = kv.read key scale of %[[B]][%{{.*}}] group %[[PART]]
// CHECK:   %[[SCALE:.*]] = kv.spread %[[SCALES]] along 1
// CHECK:   %[[SCORE:.*]] = arith.mulf %[[SUM]], %[[SCALE]]
// CHECK:   arith.addf %[[BEFORE]], %[[SCORE]]
// A value's multiplies its probability, before that is rounded, and only where a row sees the token.
// CHECK: %[[OF:.*]] = kv.read value scale
// CHECK: %[[LIFTED:.*]] = arith.mulf {{.*}} : tensor<2x32xf32>
// CHECK: %[[WEIGHT:.*]] = arith.mulf %[[P:.*]], %[[LIFTED]]
// CHECK: %[[SEEN:.*]] = arith.select %{{.*}}, %[[WEIGHT]], %{{.*}}
// CHECK: kv.operands %[[SEEN]] to %{{.*}} lift 0x4170000000000000
// Codes are numbers: what past a row's end they are does not matter.
// CHECK: kv.product %{{.*}}, value s8u8 as numbers of
// CHECK-NOT: limits
func.func @symmetric(%b: !kv.block<32 of !cache>, %n: i64, %x: i64, %q: memref<2x64xf32>, %p: tensor<2x32xf32>, %seen: tensor<2xi32>, %acc: tensor<2x32xf32>)
    -> (tensor<2x32xf32>, tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<2x32xf32>
  %c0 = arith.constant 0 : i64
  %c64 = arith.constant 64 : i64
  %0 = arith.constant 0.0 : f32
  %none = kv.spread %0 along 0 : f32 -> tensor<2x32xf32>
  %s = kv.product %q[%c0], key f32 as values of %b contract d at %x over [%c0, %c64) unroll 0 init %none : memref<2x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  %w = kv.weigh %p before %seen for value of %b group %c0 : tensor<2x32xf32> before tensor<2xi32> of !kv.block<32 of !cache> -> tensor<2x32xf32>
  kv.operands %w to %home[%c0] for value of !cache : tensor<2x32xf32> to memref<2x32xf32>
  %t = kv.product %home[%c0], value s8u8 as values of %b contract t at %x over [%c0, %n) unroll 0 init %acc limits [%n, %n] : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return %s, %t : tensor<2x32xf32>, tensor<2x32xf32>
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u8, group = 64, asym, scale = f32>, value = <u8, group = 32, asym, scale = f16>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// Zeros add their part of the sum of the rows: of q as it is at hand, of p as it is summed here.
// CHECK-LABEL: func.func @asymmetric(
// CHECK: %[[CODES:.*]] = kv.product %{{.*}} as numbers
// CHECK: kv.read key zero
// CHECK: %[[SUMS:.*]] = kv.fetch %{{.*}} -> tensor<2xf32>
// CHECK: %[[SUM:.*]] = kv.spread %[[SUMS]] along 0
// CHECK: %[[ZEROS:.*]] = arith.mulf %{{.*}}, %[[SUM]]
// CHECK: arith.addf %{{.*}}, %[[ZEROS]]
// CHECK: kv.read value zero
// CHECK: %[[BIAS:.*]] = kv.reduce add
// CHECK: kv.operands %{{.*}} to %{{.*}}
// CHECK: %[[OFROWS:.*]] = kv.spread %[[BIAS]] along 0
// CHECK: %[[INIT:.*]] = arith.addf %[[ACC:.*]], %[[OFROWS]]
// CHECK: kv.product {{.*}} as numbers {{.*}} init %[[INIT]]
func.func @asymmetric(%b: !kv.block<32 of !cache>, %n: i64, %x: i64, %q: memref<2x64xf32>, %qsum: memref<2x1xf32>, %p: tensor<2x32xf32>, %seen: tensor<2xi32>, %acc: tensor<2x32xf32>)
    -> (tensor<2x32xf32>, tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<2x32xf32>
  %c0 = arith.constant 0 : i64
  %c64 = arith.constant 64 : i64
  %0 = arith.constant 0.0 : f32
  %none = kv.spread %0 along 0 : f32 -> tensor<2x32xf32>
  %s = kv.product %q[%c0], key f32 as values of %b contract d at %x over [%c0, %c64) unroll 0 init %none sums %qsum[%c0]
       : memref<2x64xf32> sums memref<2x1xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  %w = kv.weigh %p before %seen for value of %b group %c0 : tensor<2x32xf32> before tensor<2xi32> of !kv.block<32 of !cache> -> tensor<2x32xf32>
  kv.operands %w to %home[%c0] for value of !cache : tensor<2x32xf32> to memref<2x32xf32>
  %t = kv.product %home[%c0], value f32 as values of %b contract t at %x over [%c0, %n) unroll 0 init %acc : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return %s, %t : tensor<2x32xf32>, tensor<2x32xf32>
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <bf16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
// Values that are stored as they are have nothing outside; they may be NaN where a row does not see them.
// CHECK-LABEL: func.func @scalar(
// CHECK-NOT: kv.read
// CHECK: kv.operands %[[P:.*]] to
// CHECK: kv.product {{.*}}, value f32 as numbers {{.*}} limits[
func.func @scalar(%b: !kv.block<32 of !cache>, %n: i64, %p: tensor<2x32xf32>, %seen: tensor<2xi32>, %acc: tensor<2x32xf32>) -> tensor<2x32xf32>
    attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "p" : memref<2x32xf32>
  %w = kv.weigh %p before %seen for value of %b group %n : tensor<2x32xf32> before tensor<2xi32> of !kv.block<32 of !cache> -> tensor<2x32xf32>
  kv.operands %w to %home[%n] for value of !cache : tensor<2x32xf32> to memref<2x32xf32>
  %t = kv.product %home[%n], value f32 as values of %b contract t at %n over [%n, %n) unroll 0 init %acc limits [%n, %n] : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return %t : tensor<2x32xf32>
}

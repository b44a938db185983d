// kv.attend becomes two kernels of one item: attend over blocks of tokens, and merge of its splits.
// RUN: kv-opt %s --kv-tile-attend --canonicalize --cse | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 32, unroll = 0,
                         prefetch = 1, keyDot = f32, valueDot = f32>
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf16>) -> (tensor<?x4x32xf16>, tensor<?x4xf32>) {
  %o, %lse = kv.attend %q on %c scale(0.125) mask(causal) accuracy(high) queries(1, 8) {schedule = #schedule}
             : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x32xf16>, tensor<?x4xf32>
}
// CHECK-NOT: kv.attend %
// CHECK-LABEL: func.func @c_a.attend(
// CHECK-SAME: kv.kernel, kv.schedule = #kv.schedule<rows = 2,
// The state of every row lives in scratch: maximum, sum and accumulator.
// CHECK-DAG: %[[Q:.*]] = kv.scratch "q" : memref<2x64xf32>
// CHECK-DAG: %[[MAX:.*]] = kv.scratch "max" : memref<2x1xf32>
// CHECK-DAG: %[[SUM:.*]] = kv.scratch "sum" : memref<2x1xf32>
// CHECK-DAG: %[[ACC:.*]] = kv.scratch "acc" : memref<2x32xf32>
// Rows first, then blocks of tokens, heads inside. The block ahead is named.
// CHECK: scf.for
// CHECK:   kv.store %{{.*}} to %[[Q]]
// CHECK: scf.for
// CHECK:   %[[BLOCK:.*]] = kv.acquire {{.*}} ahead
// CHECK:   kv.attend_block one rows[{{.*}}] of %[[Q]], %[[BLOCK]][{{.*}} state %[[MAX]], %[[SUM]], %[[ACC]] group(2) least(2) scale(1.250000e-01) mask( causal) accuracy( high)
// Finished rows where the item is alone, partial ones where it is a split.
// CHECK: scf.if
// CHECK:   kv.save {{.*}} as f16
// CHECK:   math.log2
// CHECK: } else {
// CHECK:   kv.save {{.*}} as f32
// CHECK-LABEL: func.func @c_a.merge(
// CHECK: kv.exp2
// CHECK: kv.save {{.*}} as f16

// Items of more rows than one tile have a loop of their own.
#many = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 4, heads = 1, lanes = 8, keySlice = 32, valueSlice = 32, unroll = 0,
                     prefetch = 1, keyDot = f32, valueDot = f32, manyRows = 4, manyKeySlice = 16, manyValueSlice = 16, softmaxRows = 2>
func.func @c_many(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask(causal) accuracy(high) queries(1, 8) {schedule = #many}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}
// CHECK-LABEL: func.func @c_many.attend(
// CHECK: scf.if
// CHECK: kv.acquire
// CHECK: kv.attend_block one
// CHECK: } else {
// CHECK: kv.acquire
// CHECK: kv.attend_block many

// A score goes with the block, with all that it uses: constants, and declared arrays as the step's arguments.
func.func @c_score(%c: !cache, %q: tensor<?x4x64xf16>, %unused: tensor<4xf32>, %slope: tensor<4xf32>) -> tensor<?x4x32xf16> {
  %cap = arith.constant 30.0 : f32
  %o = kv.attend %q on %c scale(0.125) mask(all) accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %a = tensor.extract %slope[%h] : tensor<4xf32>
    %t = arith.addf %s, %a : f32
    %r = arith.minimumf %t, %cap : f32
    kv.yield %r : f32
  } {schedule = #schedule} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}
// CHECK-LABEL: func.func @c_score.attend(
// CHECK: kv.attend_block {{.*}} mask( all) accuracy( high) score {
// CHECK: ^bb0(%[[S:.*]]: f32, %{{.*}}: i32, %{{.*}}: i32, %[[H:.*]]: index):
// CHECK: %[[HEAD:.*]] = arith.index_cast %[[H]] : index to i64
// CHECK: %[[SLOPE:.*]] = kv.argument 1[%[[HEAD]]] : f32
// CHECK: arith.addf %[[S]], %[[SLOPE]]

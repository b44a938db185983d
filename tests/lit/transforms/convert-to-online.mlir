// kv.attend becomes two kernels of one item: attend, a loop over blocks of tokens with a state, and merge of its splits.
// RUN: kv-opt %s --kv-analyze-mask --kv-convert-to-online --canonicalize --cse | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf16>) -> (tensor<?x4x32xf16>, tensor<?x4xf32>) {
  %o, %lse = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #schedule}
             : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>, tensor<?x4xf32>
  return %o, %lse : tensor<?x4x32xf16>, tensor<?x4xf32>
}
// CHECK-NOT: kv.attend %
// CHECK-LABEL: func.func @c_a.attend(
// CHECK-SAME: kv.kernel, kv.schedule = #kv.schedule<item = <queries = 1,
// CHECK: %[[SEQ:.*]] = kv.item seq
// CHECK: %[[LENGTH:.*]] = kv.step seq_lens[%[[SEQ]]]
// CHECK-DAG: %[[Q:.*]] = kv.scratch "q" : memref<2x64xf32>
// CHECK-DAG: %[[NONE:.*]] = kv.start_state : <2 x 32>
// The rows of each kv head, then all blocks, then the results of each kv head. The scale and log2 e are in the rows' factor.
// CHECK: scf.for
// CHECK:   kv.start_rows rows[{{.*}}] of f16 seq %[[SEQ]] {{.*}} to %[[Q]] for {{.*}} factor(0.18{{.*}}) group(2) accuracy( high)
// CHECK: %[[END:.*]] = kv.for_blocks[%{{.*}}, %{{.*}}) of %{{.*}} heads[%{{.*}}] rows %{{.*}} init %[[NONE]] {
// CHECK: ^bb0(%[[HEAD:.*]]: i64, %[[FIRST:.*]]: i64, %[[BLOCK:.*]]: !kv.block<32 of {{.*}}>, %[[TOKEN:.*]]: i64, %[[COUNT:.*]]: i64, %[[STATE:.*]]: !kv.state<2 x 32>):
// CHECK:   %[[NEXT:.*]] = kv.attend_block any rows[%[[FIRST]], {{.*}}] of %[[Q]], %[[BLOCK]][%[[TOKEN]], %[[COUNT]]] head %[[HEAD]] {{.*}} state %[[STATE]] for {{.*}} group(2) least(2) scale(1.250000e-01) sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%{{.*}}] accuracy( high)
// CHECK:   kv.yield %[[NEXT]]
// CHECK: scf.for
// CHECK:   kv.finish rows[{{.*}}] seq %[[SEQ]] {{.*}} state %[[END]] unit(1.250000e-01) group(2) as <f16, heads = 4, lse = true>
// CHECK-LABEL: func.func @c_a.merge(
// CHECK: kv.exp2
// CHECK: kv.save {{.*}} as f16

// A score goes with the block, with all that it uses: constants, and declared arrays as the step's arguments.
func.func @c_score(%c: !cache, %q: tensor<?x4x64xf16>, %unused: tensor<4xf32>, %slope: tensor<4xf32>) -> tensor<?x4x32xf16> {
  %cap = arith.constant 30.0 : f32
  %o = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %a = tensor.extract %slope[%h] : tensor<4xf32>
    %t = arith.addf %s, %a : f32
    %r = arith.minimumf %t, %cap : f32
    kv.yield %r : f32
  } {schedule = #schedule} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}
// CHECK-LABEL: func.func @c_score.attend(
// CHECK: kv.attend_block {{.*}} sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%{{.*}}] accuracy( high) score {
// CHECK: ^bb0(%[[S:.*]]: f32, %{{.*}}: i32, %{{.*}}: i32, %[[H:.*]]: index):
// CHECK: %[[HEAD:.*]] = arith.index_cast %[[H]] : index to i64
// CHECK: %[[SLOPE:.*]] = kv.argument 1[%[[HEAD]]] : f32
// CHECK: arith.addf %[[S]], %[[SLOPE]]

// A score region becomes the same ops on tiles: s and j along lanes, i, h and declared arrays along rows.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops,kv-decompose-attend-block))" | FileCheck %s
// Constants may have been moved out of the region.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),canonicalize,kv-convert-to-online,canonicalize,func.func(kv-split-rows,kv-order-loops,kv-decompose-attend-block))" | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <transposed[0, 16] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf32>, %slope: tensor<4xf32>) -> tensor<?x4x64xf32> {
  %o = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %cap = arith.constant 30.0 : f32
    %a = tensor.extract %slope[%h] : tensor<4xf32>
    %d = arith.subi %j, %i : i32
    %f = arith.sitofp %d : i32 to f32
    %b = arith.mulf %a, %f : f32
    %t = arith.addf %s, %b : f32
    %r = arith.minimumf %t, %cap : f32
    kv.yield %r : f32
  } {schedule = #schedule} : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return %o : tensor<?x4x64xf32>
}
// CHECK-LABEL: func.func @c_a.attend(
// CHECK: kv.acquire
// CHECK: %[[PRODUCT:.*]] = kv.product
// CHECK: %[[S:.*]] = arith.mulf %[[PRODUCT]]
// CHECK: %[[I:.*]] = kv.rows {{.*}} : i32, i32 -> tensor<2xi32>
// CHECK: kv.rows {{.*}} : i32, i32 -> tensor<2xi32>
// CHECK: %[[J:.*]] = kv.index {{.*}} : tensor<32xi32>
// CHECK-DAG: %[[ROWS:.*]] = kv.spread %[[I]] along 0 : tensor<2xi32> -> tensor<2x32xi32>
// CHECK-DAG: %[[TOKENS:.*]] = kv.spread %[[J]] along 1 : tensor<32xi32> -> tensor<2x32xi32>
// CHECK: %[[SLOPE:.*]] = kv.rows {{.*}} : f32, f32 -> tensor<2xf32>
// CHECK: kv.spread %[[SLOPE]] along 0 : tensor<2xf32> -> tensor<2x32xf32>
// CHECK: arith.subi %[[TOKENS]], %[[ROWS]] : tensor<2x32xi32>
// CHECK: arith.sitofp
// CHECK: arith.addf %[[S]]
// CHECK: %[[CAP:.*]] = arith.constant 3.000000e+01 : f32
// CHECK: %[[CAPS:.*]] = kv.spread %[[CAP]] along 0 : f32 -> tensor<2x32xf32>
// CHECK: arith.minimumf %{{.*}}, %[[CAPS]] : tensor<2x32xf32>

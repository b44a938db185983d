// Operations of the online level print as they parse, in both forms.
// RUN: kv-opt %s | kv-opt | FileCheck %s
// RUN: kv-opt %s --mlir-print-op-generic | kv-opt | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 32, key = "[h, t/4, d, t%4]", value = "[h, t, d]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 64, unroll = 0,
                         prefetch = 0, keyDot = u8s8, valueDot = f32>
// CHECK-LABEL: @homes
func.func @homes(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x16xi32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>, %r: memref<2x1xi32>)
    attributes {kv.schedule = #schedule} {
  // CHECK: kv.attend_block either rows[%[[N:.*]], %[[N]], %[[N]]] of %[[Q:.*]] scales %[[M:.*]] rest %[[Q]] if %{{.*}} sums %[[M]], %{{.*}}[%[[N]], %[[N]]] head %[[N]] query %[[N]] past %[[N]] state %[[M]], %[[M]], %{{.*}} group(2) least(2) scale(1.250000e-01) mask( causal) accuracy( high) score {
  kv.attend_block either rows[%n, %n, %n] of %q scales %m rest %q if %r sums %m, %b[%n, %n] head %n query %n past %n state %m, %m, %a
                  group(2) least(2) scale(0.125) mask(causal) accuracy(high) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    kv.yield %s : f32
  } : memref<2x16xi32> scales memref<2x1xf32> rest memref<2x16xi32>, memref<2x1xi32> sums memref<2x1xf32>, !kv.block<32 of !cache>,
      memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// CHECK-LABEL: @values
func.func @values(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: tensor<2xf32>, %a: tensor<2x64xf32>)
    attributes {kv.schedule = #schedule} {
  // CHECK: %{{.*}}:3 = kv.attend_block one rows{{.*}} -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  %x:3 = kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a group(2) least(2) scale(0.125)
         mask(all) accuracy(exact) : memref<2x64xf32>, !kv.block<32 of !cache>, tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
         -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  return
}

// Row operands that functions of Halide read lie as they are numbered; others stay in the order of the schedule's load.
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-number-operands))' | FileCheck %s
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-number-operands,kv-distribute-tiles,canonicalize))' | FileCheck %s --check-prefix=ORDER
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i4, group = 64, sym, scale = f32>, value = <f32>,
                   layout = <paged 32, key = "[h, t/16, d/8, t%16, d%4, d/4%2]", value = "[h, t, d]">>
#halide = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 32>,
                       scores = <dot = u8s8, load = <vector[0, 8, 16, 24, 4, 12, 20, 28] of 32>, slice = 32>,
                       sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>, route = halide>
#own = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 32>,
                    scores = <dot = u8s8, load = <vector[0, 8, 16, 24, 4, 12, 20, 28] of 32>, slice = 32>,
                    sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>

// CHECK-LABEL: @numbered(
// CHECK: kv.pack {{.*}} {numbered}
// ORDER-LABEL: @numbered(
// ORDER: %[[BYTES:.*]] = arith.trunci %{{.*}} : vector<8xi32> to vector<8xi8>
// ORDER-NOT: vector.shuffle
// ORDER: llvm.store %[[BYTES]]
func.func @numbered(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #halide} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %t = kv.load %step[%zero] as f32 : !llvm.ptr -> tensor<1x8xf32, #kv.tile<lanes = 8, dim = 1>>
  kv.pack %t to %q[%zero, %zero] for key u8s8 of !cache : tensor<1x8xf32, #kv.tile<lanes = 8, dim = 1>>, memref<1x16xi32>
  return
}

// CHECK-LABEL: @own(
// CHECK: kv.pack
// CHECK-NOT: numbered
// CHECK: return
// ORDER-LABEL: @own(
func.func @own(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #own} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %t = kv.load %step[%zero] as f32 : !llvm.ptr -> tensor<1x8xf32, #kv.tile<lanes = 8, dim = 1>>
  kv.pack %t to %q[%zero, %zero] for key u8s8 of !cache : tensor<1x8xf32, #kv.tile<lanes = 8, dim = 1>>, memref<1x16xi32>
  return
}

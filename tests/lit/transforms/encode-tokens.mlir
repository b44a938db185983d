// kv.encode_token becomes what its codec's family makes: grouped codes in a loop over groups, scalars at once.
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-encode-tokens,canonicalize,cse))' | FileCheck %s
!codes = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u4, group = 32, asym, scale = f16>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/8, t%16, d%4, d/4%2]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>

// Keys: two groups of 32, each with a zero and a scale in f16.
// CHECK-LABEL: @encodes(
// CHECK: %[[BITS:.*]] = kv.scratch "bits" : memref<1x64xi32>
// CHECK-NOT: kv.encode_token
// CHECK: scf.for
// CHECK:   kv.load {{.*}} as f16 : !llvm.ptr -> tensor<1x32xf32>
// CHECK:   kv.reduce max
// CHECK:   kv.reduce min
// CHECK:   kv.narrow f16
// CHECK:   arith.divf {{.*}} : f32
// CHECK:   arith.fptosi
// CHECK:   kv.store %{{.*}} to %[[BITS]]
// CHECK:   kv.parameter_address key scale
// CHECK:   llvm.store {{.*}} : i16
// CHECK:   kv.parameter_address key zero
// CHECK:   llvm.store {{.*}} : i16
// CHECK: }
// CHECK: kv.scatter %[[BITS]] to key
// Values: f16 as it is.
// CHECK: kv.encode %{{.*}} as f16
// CHECK-NOT: kv.parameter_address
// CHECK: kv.scatter %[[BITS]] to value
func.func @encodes(%k: !llvm.ptr, %v: !llvm.ptr, %page: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #schedule} {
  %bits = kv.scratch "bits" : memref<1x64xi32>
  kv.encode_token %k[%n] as f16 to key of %page head %n slot %n by %bits in !codes : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  kv.encode_token %v[%n] as f16 to value of %page head %n slot %n by %bits in !codes : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  return
}

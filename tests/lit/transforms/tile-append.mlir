// kv.append becomes the kernel of one item: loops over tokens and groups of channels.
// RUN: kv-opt %s --kv-tile-append --canonicalize --cse | FileCheck %s
!codes = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u4, group = 32, asym, scale = f16>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/8, t%16, d%4, d/4%2]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>

// A loop over the item's tokens; grouped codes in a loop over groups, scalars at once.
func.func @c_append(%c: !codes, %k: tensor<?x2x64xf16>, %v: tensor<?x2x32xf16>) {
  kv.append %k, %v to %c {schedule = #schedule} : tensor<?x2x64xf16>, tensor<?x2x32xf16>, !codes
  return
}
// CHECK-NOT: kv.append
// CHECK-LABEL: func.func @c_append.append(
// CHECK-SAME: kv.kernel, kv.schedule = #kv.schedule<item = <queries = 1,
// CHECK: %[[BITS:.*]] = kv.scratch "bits" : memref<1x64xi32>
// CHECK: scf.for
// A token's page and slot come from slot_mapping, or from the sequence's length and its table.
// CHECK:   scf.if {{.*}} -> (i64, i64)
// CHECK:     arith.divsi
// CHECK:   } else {
// CHECK:     arith.divui
// Slot -1 skips the token.
// CHECK:   arith.cmpi sge
// CHECK:   scf.if
// Keys: two groups of 32, each with a zero and a scale in f16.
// CHECK:     scf.for
// CHECK:       kv.load {{.*}} as f16 : !llvm.ptr -> tensor<1x32xf32>
// CHECK:       kv.reduce max
// CHECK:       kv.reduce min
// CHECK:       kv.narrow f16
// CHECK:       arith.divf {{.*}} : f32
// CHECK:       arith.fptosi
// CHECK:       kv.store %{{.*}} to %[[BITS]]
// CHECK:       kv.parameter_address key scale
// CHECK:       llvm.store {{.*}} : i16
// CHECK:       kv.parameter_address key zero
// CHECK:       llvm.store {{.*}} : i16
// CHECK:     }
// CHECK:     kv.scatter %[[BITS]] to key
// Values: f16 as it is.
// CHECK:     kv.encode %{{.*}} as f16
// CHECK-NOT: kv.parameter_address
// CHECK:     kv.scatter %[[BITS]] to value

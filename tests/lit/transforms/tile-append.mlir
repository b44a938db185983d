// kv.append becomes the kernel of one item: a loop over tokens.
// RUN: kv-opt %s --kv-tile-append --canonicalize --cse | FileCheck %s
!codes = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u4, group = 32, asym, scale = f16>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/8, t%16, d%4, d/4%2]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>

// A loop over the item's tokens, whose keys and values are encoded.
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
// CHECK:     kv.encode_token %{{.*}}[%{{.*}}] as f16 to key of %[[PAGE:.*]] head %[[HEAD:.*]] slot %[[SLOT:.*]] by %[[BITS]]
// CHECK:     kv.encode_token %{{.*}}[%{{.*}}] as f16 to value of %[[PAGE]] head %[[HEAD]] slot %[[SLOT]] by %[[BITS]]

// kv.attend_block by itself, in a function that has no scratch yet: it gets it at its start.
// RUN: kv-opt %s --kv-decompose-attend-block | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, ahead = 1>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
// CHECK-LABEL: func.func @alone(
// CHECK: kv.scratch "p"
// CHECK: kv.product
func.func @alone(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(0.125)
                  sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}

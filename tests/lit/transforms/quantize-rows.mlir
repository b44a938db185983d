// kv.start_rows becomes row operands as the key record takes them, and the state of no tokens.
// RUN: kv-opt %s --kv-quantize-rows --canonicalize --cse | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 32, key = "[h, t/4, d/4, t%4, d%4]", value = "[h, t, d]">>
#floats = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                       scores = <dot = f32, load = <single[0] of 8>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
#bytes = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                      scores = <dot = u8s8, load = <rows[0, 8, 16, 24] of 32>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                      team = <lanes = 8>>

// As f32: what the step has.
// CHECK-LABEL: func.func @floats(
// CHECK-SAME: %[[N:.*]]: i64, %[[Q:.*]]: memref<2x64xf32>, %[[M:.*]]: memref<2x1xf32>, %[[ACC:.*]]: memref<2x32xf32>
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     %[[ROW:.*]] = kv.load {{.*}} as f16
// CHECK:     kv.store %[[ROW]] to %[[Q]]
// CHECK-NOT: kv.pack
// CHECK:   kv.store {{.*}} to %[[M]]
// CHECK:   kv.store {{.*}} to %[[ACC]]
func.func @floats(%n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %acc: memref<2x32xf32>) attributes {kv.schedule = #floats} {
  kv.start_rows rows[%n, %n, %n] of f16 seq %n head %n query %n to %q state %m, %m, %acc for !cache factor(0.18) group(2) accuracy(high)
      : memref<2x64xf32> state memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}

// As bytes: the greatest magnitude gives the scale; what rounding leaves of a row with outliers is packed, too. The state is another's.
// CHECK-LABEL: func.func @bytes(
// CHECK-SAME: %[[N:.*]]: i64, %[[Q:.*]]: memref<2x16xi32>, %[[SCALES:.*]]: memref<2x1xf32>, %[[REFINED:.*]]: memref<2x1xi32>, %[[SUMS:.*]]: memref<2x1xf32>
// CHECK: %[[FLOATS:.*]] = kv.scratch "qfloats" : memref<1x64xf32>
// CHECK: kv.store {{.*}} to %[[FLOATS]]
// CHECK: kv.reduce max
// CHECK: kv.store {{.*}} to %[[SCALES]]
// CHECK: kv.pack {{.*}} to %[[Q]]
// CHECK: kv.pack {{.*}} to %[[Q]]
// CHECK: kv.store {{.*}} to %[[REFINED]]
// CHECK: kv.store {{.*}} to %[[SUMS]]
func.func @bytes(%n: i64, %q: memref<2x16xi32>, %s: memref<2x1xf32>, %r: memref<2x1xi32>, %sums: memref<2x1xf32>) attributes {kv.schedule = #bytes} {
  kv.start_rows rows[%n, %n, %n] of f32 seq %n head %n query %n to %q scales %s rest %q if %r sums %sums for !cache factor(0.18) group(2)
      accuracy(high) : memref<2x16xi32> scales memref<2x1xf32> rest memref<2x16xi32>, memref<2x1xi32> sums memref<2x1xf32>
  return
}

// kv.finish becomes o and lse where the item is alone, and a partial result where it is a split.
// RUN: kv-opt %s --kv-lower-finish --canonicalize --cse | FileCheck %s
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
// CHECK-LABEL: func.func @finish(
// CHECK-SAME: %[[M:.*]]: memref<2x1xf32>, %[[ACC:.*]]: memref<2x32xf32>)
// CHECK: %[[PARTIAL:.*]] = kv.item partial
// CHECK: scf.if
// CHECK:   kv.fetch %[[ACC]]
// CHECK:   kv.save {{.*}} as bf16
// CHECK:   math.log2
// CHECK: } else {
// CHECK:   kv.item num_partials
// CHECK:   kv.save {{.*}} as f32
func.func @finish(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %head: i64, %m: memref<2x1xf32>, %acc: memref<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  kv.finish rows[%n, %n] seq %n head %head of %n query %n state %m, %m, %acc unit(0.69) group(2) as <bf16, heads = 4, lse = true>
      : memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}

// A row's scale is a part of the unit; who has asked for no lse gets none.
// CHECK-LABEL: func.func @scaled(
// CHECK-SAME: %[[SCALES:[a-z0-9]+]]: memref<2x1xf32>) attributes
// CHECK: %[[SCALE:.*]] = kv.fetch %[[SCALES]][
// CHECK: %[[NUMBER:.*]] = kv.row %[[SCALE]]
// CHECK: %[[UNIT:.*]] = arith.mulf %[[NUMBER]], %cst
// CHECK: arith.mulf %{{.*}}, %[[UNIT]]
// CHECK-NOT: math.log2
func.func @scaled(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %head: i64, %m: memref<2x1xf32>, %acc: memref<2x32xf32>, %s: memref<2x1xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  kv.finish rows[%n, %n] seq %n head %head of %n query %n scales %s state %m, %m, %acc unit(0.69) group(2) as <f32, heads = 4, lse = false>
      : scales memref<2x1xf32>, memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}

// kv.attend_block becomes products, softmax and accumulation on tiles.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops,kv-decompose-attend-block),canonicalize,cse)" | FileCheck %s
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
// CHECK-NOT: kv.attend
// CHECK-LABEL: func.func @c_a.attend(
// What crosses a loop lives in scratch: row operands, maximum, sum and accumulator of every row.
// CHECK-DAG: %[[Q:.*]] = kv.scratch "q" : memref<2x64xf32>
// CHECK-DAG: %[[MAX:.*]] = kv.scratch "max" : memref<2x1xf32>
// CHECK-DAG: %[[SUM:.*]] = kv.scratch "sum" : memref<2x1xf32>
// CHECK-DAG: %[[ACC:.*]] = kv.scratch "acc" : memref<2x32xf32>
// CHECK-DAG: %[[P:.*]] = kv.scratch "p" : memref<2x32xf32>
// CHECK: scf.for
// CHECK:   kv.acquire {{.*}} ahead
// CHECK:     kv.product %[[Q]]{{.*}} key f32 as values
// CHECK:     kv.rows
// CHECK:     kv.index
// CHECK:     arith.cmpi slt
// CHECK:     kv.fetch %[[MAX]]
// CHECK:     kv.reduce max
// CHECK:     kv.ask %{{[a-z0-9]*}} :
// CHECK:     kv.exp2
// CHECK:     kv.reduce add
// CHECK:     kv.store %{{.*}} to %[[SUM]]
// CHECK:     kv.store %{{.*}} to %[[MAX]]
// What codes are is left to others: probabilities are weighed, and products are of values.
// CHECK-NOT: kv.read
// CHECK:     %[[WEIGHTS:.*]] = kv.weigh %{{.*}} before %{{.*}} for value of
// CHECK:     kv.operands %[[WEIGHTS]] to %[[P]]
// CHECK:     kv.fetch %[[ACC]]
// CHECK:     kv.product %[[P]]{{.*}} value f32 as values
// CHECK:     kv.store %{{.*}} to %[[ACC]]
// Items of more rows than one tile: with an own kind of tile, which shares the block with others. Softmax works on two of its rows at
// a time; what it knows of a row goes to products through scratch.
#many = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2>,
                     block = <tokens = 32, ahead = 1>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                     sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32, manySlice = 16, decode = once>, team = <lanes = 8>>
func.func @c_many(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #many}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}
// CHECK-LABEL: func.func @c_many.attend(
// CHECK-DAG: %[[P:.*]] = kv.scratch "p" : memref<4x32xf32>
// CHECK-DAG: %[[S:.*]] = kv.scratch "s" : memref<4x32xf32>
// CHECK-DAG: %[[CORRECTION:.*]] = kv.scratch "correction" : memref<4x1xf32>
// CHECK: scf.if
// CHECK: kv.acquire
// CHECK-NOT: kv.share
// CHECK: kv.product {{.*}} -> tensor<2x32xf32>
// CHECK: } else {
// CHECK: %[[BLOCK:.*]] = kv.acquire
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: %[[MINE:.*]] = kv.share %[[BLOCK]] row %[[ROW]] of %{{.*}} tiles of 4 fewest 1 :
// CHECK: kv.product {{.*}}, key f32 as values of %[[MINE]] {{.*}} -> tensor<4x16xf32>
// CHECK: kv.store {{.*}} to %[[S]]
// CHECK: scf.for
// CHECK:   kv.fetch %[[S]]{{.*}} -> tensor<2x16xf32>
// CHECK:   kv.ask %[[MINE]] :
// CHECK:   kv.exp2
// CHECK:   kv.store {{.*}} to %[[CORRECTION]]
// CHECK:   kv.operands {{.*}} to %[[P]]{{.*}} ask %[[MINE]] :
// CHECK: kv.fetch %[[CORRECTION]]{{.*}} -> tensor<4xf32>
// CHECK: kv.product %[[P]]{{.*}}, value f32 as values of %[[MINE]] {{.*}} -> tensor<4x16xf32>

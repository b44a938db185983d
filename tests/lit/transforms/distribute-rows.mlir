// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-distribute-tiles,canonicalize,cse))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f32>, value = <f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 2, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>
!codes = !kv.cache<name = "codes", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>,
                   value = <i8, group = 64, sym, scale = f32>,
                   layout = <paged 32, tile = 32, key = "[d/4, t, d%4]", value = "[t/4, d, t%4]">>
#lanes = #kv.tile<lanes = 8, dim = 1>

// What all rows see is multiplied as it is; past that a row's own tokens are, each by a mask of its own.
// CHECK-LABEL: @limits(
// CHECK-SAME: i64, %[[FIRST:[a-z0-9]+]]: i64, %[[SECOND:[a-z0-9]+]]: i64)
// CHECK: %[[ALL:.*]] = arith.minsi %[[FIRST]], %[[SECOND]]
// CHECK: arith.maxsi %[[ALL]], %{{.*}}
// CHECK: %[[SUMS:[0-9]+]]:2 = scf.for
// CHECK-NOT: arith.andi
// CHECK-COUNT-8: kv.dot f32
// CHECK: scf.yield
// CHECK: scf.for %[[Z:.*]] = %{{.*}} to %[[SECOND]] step %{{.*}} iter_args(%[[X:.*]] = %[[SUMS]]#0, %[[Y:.*]] = %[[SUMS]]#1)
// CHECK: arith.cmpi slt, %[[Z]], %[[FIRST]]
// CHECK: arith.andi
// CHECK: %[[OFFIRST:.*]] = arith.bitcast
// CHECK: arith.cmpi slt, %[[Z]], %[[SECOND]]
// CHECK: arith.andi
// CHECK: %[[OFSECOND:.*]] = arith.bitcast
// CHECK: kv.dot f32 %[[X]], %[[OFFIRST]],
// CHECK: kv.dot f32 %[[Y]], %[[OFSECOND]],
// CHECK: scf.yield
func.func @limits(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %first: i64, %second: i64) attributes {kv.kernel, kv.schedule = #schedule} {
  %p = kv.scratch "p" : memref<2x32xf32>
  %zero = arith.constant 0 : i64
  %x = arith.constant 0.0 : f32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %init = kv.spread %x along 0 : f32 -> tensor<2x8xf32, #lanes>
  %s = kv.product %p[%zero], value f32 of %block contract t at %zero over [%zero, %second) unroll 4 init %init limits [%first, %second]
       : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x8xf32, #lanes>
  kv.store %s to %p[%zero, %zero] : tensor<2x8xf32, #lanes>, memref<2x32xf32>
  return
}

// What rounding has left of rows is multiplied under a branch, and counts one part in 256.
// CHECK-LABEL: @rest(
// CHECK-SAME: i64, %[[IF:[a-z0-9]+]]: i1)
// CHECK-DAG: %[[BITS:.*]] = arith.constant dense<8> : vector<8xi32>
// CHECK-DAG: %[[NONE:.*]] = arith.constant dense<0> : vector<8xi32>
// CHECK-DAG: %[[WHOLE:.*]] = arith.constant dense<5> : vector<8xi32>
// CHECK: %[[ROWS:.*]] = kv.item scratch : !llvm.ptr
// CHECK: %[[LEFT:.*]] = llvm.getelementptr %[[ROWS]][64]
// CHECK: %[[INIT:[0-9]+]]:4 = scf.if %[[IF]] -> (vector<8xi32>
// CHECK: %[[REST:[0-9]+]]:4 = scf.for %[[Z:[a-z0-9]+]] = {{.*}} iter_args(%{{.*}} = %[[NONE]],
// CHECK: llvm.getelementptr %[[LEFT]][%[[Z]]]
// CHECK: kv.dot u8s8
// CHECK: %[[SMALL:.*]] = arith.shrsi %[[REST]]#0, %[[BITS]] : vector<8xi32>
// CHECK: %[[START:.*]] = arith.addi %[[SMALL]], %[[WHOLE]] : vector<8xi32>
// CHECK: scf.yield %[[START]],
// CHECK: } else {
// CHECK: scf.yield %[[WHOLE]],
// CHECK: scf.for %[[Z:[a-z0-9]+]] = {{.*}} iter_args(%{{.*}} = %[[INIT]]#0
// CHECK: llvm.getelementptr %[[ROWS]][%[[Z]]]
// CHECK: kv.dot u8s8
func.func @rest(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %if: i1) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %left = kv.scratch "rest" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %end = arith.constant 64 : i64
  %x = arith.constant 5 : i32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !codes>
  %init = kv.spread %x along 0 : i32 -> tensor<1x32xi32, #lanes>
  %s = kv.product %q[%zero], key u8s8 of %block contract d at %zero over [%zero, %end) unroll 2 init %init rest %left if %if
       : memref<1x16xi32> rest memref<1x16xi32>, !kv.block<32 of !codes> -> tensor<1x32xi32, #lanes>
  %f = arith.sitofp %s : tensor<1x32xi32, #lanes> to tensor<1x32xf32, #lanes>
  kv.save %f to %step[%zero] as f32 : tensor<1x32xf32, #lanes>, !llvm.ptr
  return
}

// A loop over blocks that a team of threads reads: each is copied into a ring, as many iterations before as there are stages.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-stage-blocks),canonicalize,cse)" --split-input-file --verify-diagnostics | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#staged = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, stages = 2>,
                       scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                       sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8, threads = 32>>
// CHECK-LABEL: func.func @loop(
// CHECK-SAME: %[[FIRST:[a-z0-9]*]]: i64, %[[LAST:[a-z0-9]*]]: i64
// CHECK: %[[RING:.*]] = kv.scratch "ring" : memref<3x
// CHECK: scf.for
// CHECK:   scf.if
// CHECK:     %[[SOON:.*]] = kv.acquire
// CHECK:     kv.stage %[[SOON]] to %[[RING]]
// CHECK:   kv.commit
// CHECK: scf.for %[[AT:.*]] = %[[FIRST]] to %[[LAST]]
// CHECK:   %[[AHEAD:.*]] = arith.addi %[[AT]], %c2_i64
// CHECK:   %[[TOKEN:.*]] = arith.muli %[[AHEAD]], %c32_i64
// CHECK:   %[[REST:.*]] = arith.subi %{{.*}}, %[[TOKEN]]
// CHECK:   %[[COUNT:.*]] = arith.minsi %[[REST]]
// CHECK:   %[[SOME:.*]] = arith.cmpi sgt, %[[COUNT]]
// CHECK:   scf.if %[[SOME]]
// CHECK:     kv.acquire {{.*}}[%[[TOKEN]], %[[COUNT]]]
// CHECK:     kv.stage
// CHECK:   kv.commit
// CHECK:   %[[BLOCK:.*]] = kv.staged %[[RING]]{{.*}} pending 2
// CHECK-NOT: kv.acquire
// CHECK:   kv.read value scale of %[[BLOCK]]
func.func @loop(%first: i64, %last: i64, %end: i64, %pages: !llvm.ptr, %home: memref<32x1xf32>) attributes {kv.schedule = #staged} {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c32 = arith.constant 32 : i64
  scf.for %at = %first to %last step %c1 : i64 {
    %token = arith.muli %at, %c32 : i64
    %rest = arith.subi %end, %token : i64
    %count = arith.minsi %rest, %c32 : i64
    %b = kv.acquire %pages by %c32, %pages[%token, %count] head %c0 : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
    %scales = kv.read value scale of %b[%c0] group %c0 : !kv.block<32 of !cache> -> tensor<32xf32>
    kv.store %scales to %home[%c0, %c0] : tensor<32xf32>, memref<32x1xf32>
  }
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#staged = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32, stages = 2>,
                       scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                       sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8, threads = 32>>
func.func @alone(%n: i64, %pages: !llvm.ptr) -> !kv.block<32 of !cache> attributes {kv.schedule = #staged} {
  // expected-error @+1 {{expected the loop over blocks around it, as kv-order-loops makes it}}
  %b = kv.acquire %pages by %n, %pages[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  return %b : !kv.block<32 of !cache>
}

// In a team of threads maps come from products: a matrix record's sums have one of their own, whatever the shape of other tiles.
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-place-tiles))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f32>,
                   layout = <paged 64, key = "[h, t/16, d/8, t%16, d%8]", value = "[h, t, d]">>
!scaled = !kv.cache<name = "s", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f32>,
                   layout = <paged 64, key = "[h, t/16, d/8, t%16, d%8]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 16, softmax = 16>, block = <tokens = 64>,
                         scores = <dot = f16, load = <rows[0, 16] of 32>, slice = 64>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 32, threads = 32>>

// Scores by a matrix record, sums by f32: numbers of rows go from the one map to the other.
// CHECK-LABEL: @mixed(
// CHECK: %[[SCORES:.*]] = kv.product {{.*}} -> tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK: kv.read {{.*}} -> tensor<64xf32, #kv.map<[-1, 0, 1]>>
// CHECK: arith.mulf {{.*}} : tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK: %[[MAX:.*]] = kv.reduce max %{{.*}} : tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>> -> tensor<16xf32, #kv.map<[2, 3, 4]>>
// CHECK: %[[BEFORE:.*]] = kv.fetch {{.*}} -> tensor<16xf32, #kv.map<[2, 3, 4]>>
// CHECK: %[[CORRECTION:.*]] = arith.subf %[[BEFORE]], %[[MAX]] : tensor<16xf32, #kv.map<[2, 3, 4]>>
// CHECK: %[[ALLROWS:.*]] = kv.relayout %[[CORRECTION]] : tensor<16xf32, #kv.map<[2, 3, 4]>> -> tensor<16xf32, #kv.map<[]>>
// CHECK: kv.store %[[CORRECTION]]
// CHECK: kv.fetch {{.*}} -> tensor<16x32xf32, #kv.map<[], [0, 1, 2, 3, 4]>>
// CHECK: kv.spread %[[ALLROWS]] along 0 : tensor<16xf32, #kv.map<[]>> -> tensor<16x32xf32, #kv.map<[], [0, 1, 2, 3, 4]>>
// CHECK: kv.product {{.*}} -> tensor<16x32xf32, #kv.map<[], [0, 1, 2, 3, 4]>>
func.func @mixed(%p: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<16x32xi32>
  %w = kv.scratch "w" : memref<16x64xf32>
  %m = kv.scratch "m" : memref<16x1xf32>
  %acc = kv.scratch "acc" : memref<16x64xf32>
  %zero = arith.constant 0 : i64
  %none = arith.constant dense<0.0> : tensor<16x64xf32>
  %block = kv.acquire %p by %n, %p[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<64 of !scaled>
  %codes = kv.product %q[%zero], key f16 of %block contract d at %zero over [%zero, %n) unroll 0 init %none
       : memref<16x32xi32>, !kv.block<64 of !scaled> -> tensor<16x64xf32>
  %scale = kv.read key scale of %block[%zero] group %zero : !kv.block<64 of !scaled> -> tensor<64xf32>
  %scales = kv.spread %scale along 1 : tensor<64xf32> -> tensor<16x64xf32>
  %s = arith.mulf %codes, %scales : tensor<16x64xf32>
  %max = kv.reduce max %s : tensor<16x64xf32> -> tensor<16xf32>
  %before = kv.fetch %m[%zero, %zero] : memref<16x1xf32> -> tensor<16xf32>
  %correction = arith.subf %before, %max : tensor<16xf32>
  kv.store %correction to %m[%zero, %zero] : tensor<16xf32>, memref<16x1xf32>
  %old = kv.fetch %acc[%zero, %zero] : memref<16x64xf32> -> tensor<16x32xf32>
  %c = kv.spread %correction along 0 : tensor<16xf32> -> tensor<16x32xf32>
  %init = arith.mulf %old, %c : tensor<16x32xf32>
  %sum = kv.product %w[%zero], value f32 of %block contract t at %zero over [%zero, %n) unroll 0 init %init
       : memref<16x64xf32>, !kv.block<64 of !scaled> -> tensor<16x32xf32>
  kv.store %sum to %acc[%zero, %zero] : tensor<16x32xf32>, memref<16x64xf32>
  return
}

// 16 rows that no product has to do with lie along threads; those that a loop or a condition carries lie as what they become.
// CHECK-LABEL: @follows(
// CHECK: kv.fetch {{.*}} -> tensor<16x64xf32, #kv.map<[], [0, 1, 2, 3, 4]>>
// CHECK: kv.spread {{.*}} -> tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK: scf.for {{.*}} -> (tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>)
// CHECK: kv.product
// CHECK: scf.yield {{.*}} : tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK: scf.if {{.*}} -> (tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>)
// CHECK: scf.yield {{.*}} : tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK: kv.fetch {{.*}} -> tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK-NOT: kv.relayout
// CHECK: return
func.func @follows(%p: !llvm.ptr, %n: i64, %which: i1) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<16x32xi32>
  %home = kv.scratch "home" : memref<16x64xf32>
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %x = arith.constant 0.0 : f32
  %copy = kv.fetch %home[%zero, %zero] : memref<16x64xf32> -> tensor<16x64xf32>
  kv.store %copy to %home[%zero, %zero] : tensor<16x64xf32>, memref<16x64xf32>
  %block = kv.acquire %p by %n, %p[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<64 of !cache>
  %none = kv.spread %x along 0 : f32 -> tensor<16x64xf32>
  %sum = scf.for %k = %zero to %n step %one iter_args(%t = %none) -> (tensor<16x64xf32>) : i64 {
    %s = kv.product %q[%zero], key f16 of %block contract d at %zero over [%zero, %n) unroll 0 init %t
         : memref<16x32xi32>, !kv.block<64 of !cache> -> tensor<16x64xf32>
    scf.yield %s : tensor<16x64xf32>
  }
  %chosen = scf.if %which -> (tensor<16x64xf32>) {
    scf.yield %sum : tensor<16x64xf32>
  } else {
    %other = kv.fetch %home[%zero, %zero] : memref<16x64xf32> -> tensor<16x64xf32>
    scf.yield %other : tensor<16x64xf32>
  }
  kv.store %chosen to %home[%zero, %zero] : tensor<16x64xf32>, memref<16x64xf32>
  return
}

// A fetch whose users disagree is one for each: reading needs no barrier, a relayout does.
// CHECK-LABEL: @disagree(
// CHECK: %[[ONE:.*]] = kv.fetch %[[HOME:.*]][%[[ROW:.*]], %[[ROW]]] : memref<16x64xf32> -> tensor<16x64xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
// CHECK-NEXT: %[[OTHER:.*]] = kv.fetch %[[HOME]][%[[ROW]], %[[ROW]]] : memref<16x64xf32> -> tensor<16x64xf32, #kv.map<[], [0, 1, 2, 3, 4]>>
// CHECK: kv.product {{.*}} init %[[ONE]]
// CHECK: kv.product {{.*}} init %[[OTHER]]
// CHECK-NOT: kv.relayout
// CHECK: return
func.func @disagree(%p: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<16x32xi32>
  %w = kv.scratch "w" : memref<16x64xf32>
  %home = kv.scratch "home" : memref<16x64xf32>
  %zero = arith.constant 0 : i64
  %block = kv.acquire %p by %n, %p[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<64 of !cache>
  %init = kv.fetch %home[%zero, %zero] : memref<16x64xf32> -> tensor<16x64xf32>
  %s = kv.product %q[%zero], key f16 of %block contract d at %zero over [%zero, %n) unroll 0 init %init
       : memref<16x32xi32>, !kv.block<64 of !cache> -> tensor<16x64xf32>
  kv.store %s to %w[%zero, %zero] : tensor<16x64xf32>, memref<16x64xf32>
  %t = kv.product %w[%zero], value f32 of %block contract t at %zero over [%zero, %n) unroll 0 init %init
       : memref<16x64xf32>, !kv.block<64 of !cache> -> tensor<16x64xf32>
  kv.store %t to %home[%zero, %zero] : tensor<16x64xf32>, memref<16x64xf32>
  return
}

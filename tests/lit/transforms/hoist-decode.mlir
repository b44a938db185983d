// What several row tiles of a block multiply is decoded once, ahead of the loop over them, where the schedule says so.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-hoist-decode),canonicalize,cse)" --split-input-file --verify-diagnostics | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2>,
                         block = <tokens = 32>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                         sums = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16>, team = <lanes = 8>>
// CHECK-LABEL: func.func @several(
// CHECK: %[[KEYS:.*]] = kv.scratch "keys" : memref<128x16xf32>
// CHECK: %[[BLOCK:.*]] = kv.acquire
// CHECK: scf.if %[[ALONE:.*]] {
// CHECK-NEXT: } else {
// CHECK:   scf.for
// CHECK:     scf.for
// CHECK:       %[[CODES:.*]] = kv.decode key of %[[BLOCK]] contract d
// CHECK:       kv.store %[[CODES]] to %[[KEYS]]
// CHECK: scf.for
// CHECK:   %[[MINE:.*]] = kv.share %[[BLOCK]] {{.*}} unless
// Rows and limits stay the product's; slice 1 begins after the 64 channels of slice 0.
// CHECK:   kv.multiply %{{.*}}, %[[KEYS]][%c64_i64] of %[[MINE]] contract d {{.*}} unroll 4 {{.*}} -> tensor<4x16xf32>
// A product of values decodes each code as it multiplies it, and so does one of a row tile that is alone.
// CHECK:   kv.product {{.*}}, value f32 of %[[MINE]]
// CHECK:   kv.product {{.*}}, key f32 of %[[BLOCK]]
func.func @several(%base: !llvm.ptr, %n: i64, %alone: i1, %q: memref<4x64xf32>, %p: memref<4x32xf32>, %s: memref<4x32xf32>)
    attributes {kv.schedule = #schedule} {
  %c0 = arith.constant 0 : i64
  %c4 = arith.constant 4 : i64
  %c16 = arith.constant 16 : i64
  %c64 = arith.constant 64 : i64
  %zero = arith.constant 0.0 : f32
  %block = kv.acquire %base by %n, %base[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %init = kv.spread %zero along 0 : f32 -> tensor<4x16xf32>
  scf.for %row = %c0 to %n step %c4 : i64 {
    %mine = kv.share %block row %row of %n tiles of 4 fewest 2 unless %alone : !kv.block<32 of !cache>
    %0 = kv.product %q[%row], key f32 of %mine contract d at %c16 over [%c0, %c64) unroll 0 init %init
         : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x16xf32>
    kv.store %0 to %s[%c0, %c0] : tensor<4x16xf32>, memref<4x32xf32>
    %1 = kv.product %p[%row], value f32 of %mine contract t at %c16 over [%c0, %n) unroll 0 init %init
         : memref<4x32xf32>, !kv.block<32 of !cache> -> tensor<4x16xf32>
    kv.store %1 to %s[%c0, %c0] : tensor<4x16xf32>, memref<4x32xf32>
    %2 = kv.product %q[%row], key f32 of %block contract d at %c16 over [%c0, %c64) unroll 0 init %init
         : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x16xf32>
    kv.store %2 to %s[%c0, %c0] : tensor<4x16xf32>, memref<4x32xf32>
  }
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 2, many = 4, softmax = 2, manySoftmax = 2>,
                         block = <tokens = 32>, scores = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16, decode = once>,
                         sums = <dot = f32, load = <vector[0] of 16>, slice = 32, manySlice = 16>, team = <lanes = 8>>
func.func @given(%block: !kv.block<32 of !cache>, %n: i64, %q: memref<4x64xf32>, %init: tensor<4x16xf32>) -> tensor<4x16xf32>
    attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a block that is acquired, and the loop over row tiles around it}}
  %mine = kv.share %block row %n of %n tiles of 4 fewest 2 : !kv.block<32 of !cache>
  %0 = kv.product %q[%n], key f32 of %mine contract d at %n over [%n, %n) unroll 0 init %init
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

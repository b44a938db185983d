// Products and places to ask say which bytes of the block ahead they prefetch: keys' first, softmax's, then values'.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-plan-prefetch),canonicalize,cse)" | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 16, valueDim = 16, key = <f16>, value = <f16>,
                   layout = <paged 32, tile = 32, key = "[d, t]", value = "[t, d]">>
#schedule = #kv.schedule<item = <queries = 4, heads = 1, split = 64>, rows = <one = 8, many = 8, softmax = 4, manySoftmax = 4>,
                         block = <tokens = 32, ahead = 1>, scores = <dot = f32, load = <vector[0] of 16>, slice = 16, manySlice = 16, decode = once>,
                         sums = <dot = f32, load = <vector[0] of 16>, slice = 16, manySlice = 16>, team = <lanes = 8>>

// A row tile alone: a line for each iteration, from where the slices before end; softmax's lines lie between.
// CHECK-LABEL: func.func @alone(
// CHECK: kv.product {{.*}} at %c0_i64 {{.*}} ask[%c0_i64, %c64_i64] lines 1
// CHECK: kv.product {{.*}} at %c16_i64 {{.*}} ask[%c256_i64, %c64_i64] lines 1
// CHECK: scf.for %[[PART:.*]] =
// CHECK:   %[[ROWS:.*]] = arith.muli %[[PART]], %c16_i64
// CHECK:   %[[LINE:.*]] = arith.divui %[[ROWS]], %c8_i64
// CHECK:   %[[BYTE:.*]] = arith.muli %[[LINE]], %c64_i64
// CHECK:   %[[FIRST:.*]] = arith.addi %[[BYTE]], %c512_i64
// CHECK:   kv.ask %{{.*}} from %[[FIRST]] lines 4
// CHECK:   kv.ask %{{.*}} from %{{.*}} lines 4
// CHECK: kv.product {{.*}}, value f32 {{.*}} ask[%c1536_i64, %c64_i64] lines 1
func.func @alone(%base: !llvm.ptr, %n: i64, %q: memref<8x16xf32>, %p: memref<8x32xf32>, %s: memref<8x32xf32>)
    attributes {kv.schedule = #schedule} {
  %c0 = arith.constant 0 : i64
  %c4 = arith.constant 4 : i64
  %c8 = arith.constant 8 : i64
  %c16 = arith.constant 16 : i64
  %zero = arith.constant 0.0 : f32
  %block = kv.acquire %base by %n, %base[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %init = kv.spread %zero along 0 : f32 -> tensor<8x16xf32>
  %0 = kv.product %q[%c0], key f32 of %block contract d at %c0 over [%c0, %c16) unroll 0 init %init
       : memref<8x16xf32>, !kv.block<32 of !cache> -> tensor<8x16xf32>
  kv.store %0 to %s[%c0, %c0] : tensor<8x16xf32>, memref<8x32xf32>
  %1 = kv.product %q[%c0], key f32 of %block contract d at %c16 over [%c0, %c16) unroll 0 init %init
       : memref<8x16xf32>, !kv.block<32 of !cache> -> tensor<8x16xf32>
  kv.store %1 to %s[%c0, %c16] : tensor<8x16xf32>, memref<8x32xf32>
  scf.for %part = %c0 to %c8 step %c4 : i64 {
    kv.ask %block : !kv.block<32 of !cache>
    kv.ask %block : !kv.block<32 of !cache>
  }
  %2 = kv.product %p[%c0], value f32 of %block contract t at %c0 over [%c0, %n) unroll 0 init %init
       : memref<8x32xf32>, !kv.block<32 of !cache> -> tensor<8x16xf32>
  kv.store %2 to %s[%c0, %c0] : tensor<8x16xf32>, memref<8x32xf32>
  return
}

// Row tiles that share the block ask for a part each; a place that both kinds of row tile pass asks as the item has one or several.
// CHECK-LABEL: func.func @several(
// CHECK: %[[TILES:.*]] = arith.maxsi
// CHECK: %[[SHARE:.*]] = arith.divui %c16777216_i64, %[[TILES]]
// CHECK: scf.for %[[ROW:.*]] =
// CHECK-NOT: kv.share
// CHECK:   arith.muli %{{.*}}, %[[SHARE]]
// CHECK:   kv.multiply {{.*}} ask[
// CHECK:   scf.for %[[PART:.*]] =
// CHECK:     arith.muli %[[PART]]
// CHECK:     %[[FROM:.*]] = arith.select %{{.*}}, %{{.*}}, %{{.*}} : i64
// CHECK:     kv.ask %{{.*}} from %[[FROM]] lines
func.func @several(%base: !llvm.ptr, %n: i64, %alone: i1, %q: memref<8x16xf32>, %keys: memref<32x16xf32>, %s: memref<8x32xf32>)
    attributes {kv.schedule = #schedule} {
  %c0 = arith.constant 0 : i64
  %c4 = arith.constant 4 : i64
  %c8 = arith.constant 8 : i64
  %c16 = arith.constant 16 : i64
  %zero = arith.constant 0.0 : f32
  %block = kv.acquire %base by %n, %base[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %init = kv.spread %zero along 0 : f32 -> tensor<8x16xf32>
  scf.for %row = %c0 to %n step %c8 : i64 {
    %mine = kv.share %block row %row of %n tiles of 8 fewest 2 unless %alone : !kv.block<32 of !cache>
    %0 = kv.multiply %q[%row], %keys[%c16] of %mine contract d over [%c0, %c16) unroll 4 init %init
         : memref<8x16xf32>, memref<32x16xf32>, !kv.block<32 of !cache> -> tensor<8x16xf32>
    kv.store %0 to %s[%c0, %c0] : tensor<8x16xf32>, memref<8x32xf32>
    scf.for %part = %c0 to %c8 step %c4 : i64 {
      kv.ask %mine : !kv.block<32 of !cache>
    }
  }
  return
}

// Nothing is ahead: nobody asks.
// CHECK-LABEL: func.func @near(
// CHECK-NOT: ask
func.func @near(%base: !llvm.ptr, %n: i64, %q: memref<8x16xf32>, %init: tensor<8x16xf32>) -> tensor<8x16xf32>
    attributes {kv.schedule = #schedule} {
  %block = kv.acquire %base by %n, %base[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  kv.ask %block : !kv.block<32 of !cache>
  %0 = kv.product %q[%n], key f32 of %block contract d at %n over [%n, %n) unroll 0 init %init
       : memref<8x16xf32>, !kv.block<32 of !cache> -> tensor<8x16xf32>
  return %0 : tensor<8x16xf32>
}

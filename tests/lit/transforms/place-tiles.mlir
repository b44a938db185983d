// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-place-tiles))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 16>>

// Fires: [rows, columns] along columns, tokens along lanes, rows in a vector of their own, and what is computed from each of them alike.
// CHECK-LABEL: @places(
// CHECK: kv.read key scale {{.*}} -> tensor<32xf32, #kv.tile<lanes = 16, dim = 0>>
// CHECK: arith.mulf {{.*}} : tensor<32xf32, #kv.tile<lanes = 16, dim = 0>>
// CHECK: kv.index {{.*}} : tensor<32xi32, #kv.tile<lanes = 16, dim = 0>>
// CHECK: kv.rows {{.*}} -> tensor<2xi32, #kv.tile<lanes = 2, dim = 0>>
// CHECK: kv.fetch {{.*}} -> tensor<2xf32, #kv.tile<lanes = 2, dim = 0>>
// CHECK: kv.spread {{.*}} along 1 : tensor<32xf32, #kv.tile<lanes = 16, dim = 0>> -> tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
// CHECK: kv.spread {{.*}} along 0 : tensor<2xi32, #kv.tile<lanes = 2, dim = 0>> -> tensor<2x32xi32, #kv.tile<lanes = 16, dim = 1>>
// CHECK: arith.cmpi {{.*}} : tensor<2x32xi32, #kv.tile<lanes = 16, dim = 1>>
// CHECK: kv.product {{.*}} -> tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
// CHECK: kv.reduce max {{.*}} -> tensor<2xf32, #kv.tile<lanes = 2, dim = 0>>
// CHECK: scf.for {{.*}} -> (tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>)
// A row alone is a scalar.
// CHECK: kv.reduce add {{.*}} -> tensor<1xf32, #kv.tile<lanes = 1, dim = -1>>
// A row of 8 has no 16 lanes.
// CHECK: kv.load {{.*}} -> tensor<1x8xf32, #kv.tile<lanes = 8, dim = 1>>
func.func @places(%p: !llvm.ptr, %n: i64, %i: i32) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<2x64xf32>
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %block = kv.acquire %p by %n, %p[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %scale = kv.read key scale of %block[%zero] group %zero : !kv.block<32 of !cache> -> tensor<32xf32>
  %square = arith.mulf %scale, %scale : tensor<32xf32>
  %index = kv.index %i : tensor<32xi32>
  %limit = kv.rows %i, %i : i32, i32 -> tensor<2xi32>
  %max = kv.fetch %q[%zero, %zero] : memref<2x64xf32> -> tensor<2xf32>
  %init = kv.spread %square along 1 : tensor<32xf32> -> tensor<2x32xf32>
  %limits = kv.spread %limit along 0 : tensor<2xi32> -> tensor<2x32xi32>
  %mask = arith.cmpi slt, %limits, %limits : tensor<2x32xi32>
  %s = kv.product %q[%zero], key f32 of %block contract d at %zero over [%zero, %n) unroll 0 init %init
       : memref<2x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  %m = kv.reduce max %s : tensor<2x32xf32> -> tensor<2xf32>
  %sum = scf.for %k = %zero to %n step %one iter_args(%t = %s) -> (tensor<2x32xf32>) : i64 {
    %u = arith.addf %t, %s : tensor<2x32xf32>
    scf.yield %u : tensor<2x32xf32>
  }
  %row = kv.fetch %q[%zero, %zero] : memref<2x64xf32> -> tensor<1x32xf32>
  %alone = kv.reduce add %row : tensor<1x32xf32> -> tensor<1xf32>
  %short = kv.load %p[%n] as f16 : !llvm.ptr -> tensor<1x8xf32>
  return
}

// Does not fire: no kernel.
// CHECK-LABEL: @other(
// CHECK: kv.load {{.*}} -> tensor<1x8xf32>
func.func @other(%p: !llvm.ptr, %n: i64) {
  %short = kv.load %p[%n] as f16 : !llvm.ptr -> tensor<1x8xf32>
  return
}

// A constant that is a tile, as folding leaves them, becomes a scalar that is spread.
// CHECK-LABEL: @constants(
// CHECK: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK: kv.spread %[[ZERO]] along 0 : i32 -> tensor<2x32xi32, #kv.tile<lanes = 16, dim = 1>>
// CHECK: %[[FALSE:.*]] = arith.constant false
// CHECK: kv.spread %[[FALSE]] along 0 : i1 -> tensor<2x32xi1, #kv.tile<lanes = 16, dim = 1>>
// CHECK: arith.select
func.func @constants(%x: i32) attributes {kv.kernel, kv.schedule = #schedule} {
  %zero = arith.constant dense<0> : tensor<2x32xi32>
  %never = arith.constant dense<false> : tensor<2x32xi1>
  %tile = kv.spread %x along 0 : i32 -> tensor<2x32xi32>
  %sum = arith.select %never, %tile, %zero : tensor<2x32xi1>, tensor<2x32xi32>
  return
}

// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-place-barriers))' | FileCheck %s
#vector = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                       scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                       sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>
#threads = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                        scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                        sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 32, threads = 32>>

// Before the first write: whoever ran before may still read. Then between a write and a read, not between two reads, and the other
// way; at the end for whoever comes after.
// CHECK-LABEL: @straight(
// CHECK: arith.constant 1
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.store
// CHECK-NEXT: kv.store
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.fetch
// CHECK-NEXT: kv.fetch
// CHECK-NEXT: arith.addf
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.store
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: return
func.func @straight(%step: !llvm.ptr, %item: !llvm.ptr, %tile: tensor<1x32xf32>) attributes {kv.kernel, kv.schedule = #threads} {
  %home = kv.scratch "home" : memref<2x32xf32>
  %0 = arith.constant 0 : i64
  %1 = arith.constant 1 : i64
  kv.store %tile to %home[%0, %0] : tensor<1x32xf32>, memref<2x32xf32>
  kv.store %tile to %home[%1, %0] : tensor<1x32xf32>, memref<2x32xf32>
  %a = kv.fetch %home[%0, %0] : memref<2x32xf32> -> tensor<1x32xf32>
  %b = kv.fetch %home[%1, %0] : memref<2x32xf32> -> tensor<1x32xf32>
  %sum = arith.addf %a, %b : tensor<1x32xf32>
  kv.store %sum to %home[%0, %0] : tensor<1x32xf32>, memref<2x32xf32>
  return
}

// An iteration follows another one, and code after a loop may follow none.
// CHECK-LABEL: @loop(
// CHECK: scf.for
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.fetch
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.store
// CHECK-NEXT: }
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.fetch
// CHECK-NEXT: return
func.func @loop(%step: !llvm.ptr, %item: !llvm.ptr, %count: i64) attributes {kv.kernel, kv.schedule = #threads} {
  %0 = arith.constant 0 : i64
  %1 = arith.constant 1 : i64
  %home = kv.scratch "home" : memref<2x32xf32>
  scf.for %i = %0 to %count step %1 : i64 {
    %a = kv.fetch %home[%0, %0] : memref<2x32xf32> -> tensor<1x32xf32>
    kv.store %a to %home[%1, %0] : tensor<1x32xf32>, memref<2x32xf32>
  }
  %b = kv.fetch %home[%1, %0] : memref<2x32xf32> -> tensor<1x32xf32>
  return
}

// A tile goes to other threads through scratch: the op waits between its store and its loads, but not for whom it follows. What a
// thread has itself goes nowhere.
// CHECK-LABEL: @relayout(
// CHECK: scf.for
// CHECK-NEXT: kv.relayout
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.relayout
// CHECK-NEXT: kv.fetch
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: kv.store
// CHECK-NEXT: }
func.func @relayout(%step: !llvm.ptr, %item: !llvm.ptr, %tile: tensor<16xf32, #kv.map<[]>>, %count: i64)
    attributes {kv.kernel, kv.schedule = #threads} {
  %0 = arith.constant 0 : i64
  %1 = arith.constant 1 : i64
  %home = kv.scratch "home" : memref<16x1xf32>
  scf.for %i = %0 to %count step %1 : i64 {
    %own = kv.relayout %tile : tensor<16xf32, #kv.map<[]>> -> tensor<16xf32, #kv.map<[2, 3, 4]>>
    %all = kv.relayout %own : tensor<16xf32, #kv.map<[2, 3, 4]>> -> tensor<16xf32, #kv.map<[]>>
    %old = kv.fetch %home[%0, %0] : memref<16x1xf32> -> tensor<16xf32, #kv.map<[]>>
    kv.store %all to %home[%0, %0] : tensor<16xf32, #kv.map<[]>>, memref<16x1xf32>
  }
  return
}

// A variable of a thread's own is not memory of the team; a place in scratch is.
// CHECK-LABEL: @own(
// CHECK: kv.barrier
// CHECK-NEXT: llvm.store
// CHECK: llvm.alloca
// CHECK-NEXT: llvm.store
// CHECK-NEXT: kv.barrier
// CHECK-NEXT: return
func.func @own(%step: !llvm.ptr, %item: !llvm.ptr, %place: !llvm.ptr, %value: f32) attributes {kv.kernel, kv.schedule = #threads} {
  llvm.store %value, %place : f32, !llvm.ptr
  %one = arith.constant 1 : i64
  %own = llvm.alloca %one x f32 : (i64) -> !llvm.ptr
  llvm.store %value, %own : f32, !llvm.ptr
  return
}

// Lanes of a vector wait for nobody.
// CHECK-LABEL: @vector(
// CHECK-NOT: kv.barrier
// CHECK: return
func.func @vector(%step: !llvm.ptr, %item: !llvm.ptr, %tile: tensor<1x32xf32>) attributes {kv.kernel, kv.schedule = #vector} {
  %0 = arith.constant 0 : i64
  %home = kv.scratch "home" : memref<2x32xf32>
  kv.store %tile to %home[%0, %0] : tensor<1x32xf32>, memref<2x32xf32>
  %a = kv.fetch %home[%0, %0] : memref<2x32xf32> -> tensor<1x32xf32>
  return
}

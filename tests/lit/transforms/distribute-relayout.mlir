// kv.relayout on vectors, inside a thread and between threads.
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-distribute-tiles,canonicalize,cse))' | FileCheck %s
#vector = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                       scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                       sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>
#threads = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 16, softmax = 16>, block = <tokens = 64>,
                        scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                        sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 32, threads = 32>>

// A column of a 2 x 4 tile is a vector of two lanes, a row of four.
// CHECK-LABEL: @vectors(
// CHECK: %[[ROW0:.*]] = llvm.load {{.*}} -> vector<4xf32>
// CHECK: %[[ROW1:.*]] = llvm.load {{.*}} -> vector<4xf32>
// CHECK: %[[A0:.*]] = vector.extract %[[ROW0]][0] : f32 from vector<4xf32>
// CHECK: %[[A3:.*]] = vector.extract %[[ROW0]][3] : f32 from vector<4xf32>
// CHECK: %[[B0:.*]] = vector.extract %[[ROW1]][0] : f32 from vector<4xf32>
// CHECK: %[[B3:.*]] = vector.extract %[[ROW1]][3] : f32 from vector<4xf32>
// CHECK: vector.from_elements %[[A0]], %[[B0]] : vector<2xf32>
// CHECK: vector.from_elements %[[A3]], %[[B3]] : vector<2xf32>
func.func @vectors(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #vector} {
  %home = kv.scratch "home" : memref<2x4xf32>
  %zero = arith.constant 0 : i64
  %rows = kv.fetch %home[%zero, %zero] : memref<2x4xf32> -> tensor<2x4xf32, #kv.tile<lanes = 4, dim = 1>>
  %columns = kv.relayout %rows : tensor<2x4xf32, #kv.tile<lanes = 4, dim = 1>> -> tensor<2x4xf32, #kv.tile<lanes = 2, dim = 0>>
  kv.store %columns to %home[%zero, %zero] : tensor<2x4xf32, #kv.tile<lanes = 2, dim = 0>>, memref<2x4xf32>
  return
}

// Every thread has all rows, and takes its own by three bits of its number.
// CHECK-LABEL: @inside(
// CHECK-NOT: kv.barrier
// CHECK: %[[LANE:.*]] = kv.lane
// CHECK: arith.andi %[[LANE]], %c16
// CHECK: arith.andi %[[LANE]], %c8
// CHECK: arith.andi %[[LANE]], %c4
// CHECK-NOT: kv.barrier
// CHECK: return
func.func @inside(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #threads} {
  %home = kv.scratch "home" : memref<16x1xf32>
  %zero = arith.constant 0 : i64
  %all = kv.fetch %home[%zero, %zero] : memref<16x1xf32> -> tensor<16xf32, #kv.map<[]>>
  %own = kv.relayout %all : tensor<16xf32, #kv.map<[]>> -> tensor<16xf32, #kv.map<[2, 3, 4]>>
  %sum = arith.addf %own, %own : tensor<16xf32, #kv.map<[2, 3, 4]>>
  kv.store %sum to %home[%zero, %zero] : tensor<16xf32, #kv.map<[2, 3, 4]>>, memref<16x1xf32>
  return
}

// One of the four threads that hold a row stores it, in scratch behind the kernel's own; all wait and read all rows.
// CHECK-LABEL: @between(
// CHECK-SAME: kv.scratch_bytes = 128
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %{{.*}}[64]
// CHECK: scf.if
// CHECK-COUNT-2: llvm.store {{.*}} : f32, !llvm.ptr
// CHECK-NEXT: }
// CHECK-NEXT: kv.barrier
// CHECK-COUNT-16: llvm.load
// CHECK-NOT: llvm.load
// CHECK: return
func.func @between(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #threads} {
  %home = kv.scratch "home" : memref<16x1xf32>
  %zero = arith.constant 0 : i64
  %own = kv.fetch %home[%zero, %zero] : memref<16x1xf32> -> tensor<16xf32, #kv.map<[2, 3, 4]>>
  %all = kv.relayout %own : tensor<16xf32, #kv.map<[2, 3, 4]>> -> tensor<16xf32, #kv.map<[]>>
  %sum = arith.addf %all, %all : tensor<16xf32, #kv.map<[]>>
  kv.store %sum to %home[%zero, %zero] : tensor<16xf32, #kv.map<[]>>, memref<16x1xf32>
  return
}

// What a condition yields is its parts.
// CHECK-LABEL: @branches(
// CHECK: %[[PARTS:.*]]:2 = scf.if %{{.*}} -> (vector<8xf32>, vector<8xf32>)
// CHECK: llvm.store %[[PARTS]]#0
// CHECK: llvm.store %[[PARTS]]#1
func.func @branches(%step: !llvm.ptr, %item: !llvm.ptr, %which: i1) attributes {kv.kernel, kv.schedule = #vector} {
  %home = kv.scratch "home" : memref<1x16xf32>
  %zero = arith.constant 0 : i64
  %x = arith.constant 1.0 : f32
  %tile = scf.if %which -> (tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>) {
    %a = kv.fetch %home[%zero, %zero] : memref<1x16xf32> -> tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>
    scf.yield %a : tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>
  } else {
    %b = kv.spread %x along 0 : f32 -> tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>
    scf.yield %b : tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>
  }
  kv.store %tile to %home[%zero, %zero] : tensor<1x16xf32, #kv.tile<lanes = 8, dim = 1>>, memref<1x16xf32>
  return
}

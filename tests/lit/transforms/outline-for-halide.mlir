// On the Halide route a function of its own joins each row tile with a block, and one stores a token; on the other nothing happens.
// RUN: kv-opt %s --pass-pipeline="builtin.module(func.func(kv-analyze-mask),kv-convert-to-online,func.func(kv-split-rows,kv-order-loops),kv-outline-for-halide,canonicalize,cse)" | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t/4, d, t%4]">>
#halide = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>, route = halide>
#own = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>

// The function's declaration says what it is to do. A score reads the second array: two are passed.
// CHECK: func.func private @c_a_attend_rows2({{.*}}) -> i32 attributes {kv.halide = {arrays = 2 : i64, cache = !kv.cache<
// CHECK-SAME: rows = 2 : i64
// CHECK-SAME: score = [{name = "array", {{.*}}value = 1.000000e+00 : f64}, {name = "arith.addf"

// CHECK-LABEL: func.func @c_append.append(
// CHECK: %[[TOKEN:.*]] = kv.scratch "values" : memref<1x32xf32>
// CHECK: kv.load %arg0[{{.*}}] as f16 : !llvm.ptr -> tensor<1x32xf32>
// CHECK: kv.store %{{.*}} to %[[TOKEN]]
// CHECK: kv.store_token @c_append_append_values, %[[TOKEN]] as value to %arg1 head %{{.*}} slot %{{.*}}
func.func @c_append.append(%v: !llvm.ptr, %page: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #halide} {
  %bits = kv.scratch "bits" : memref<1x64xi32>
  kv.encode_token %v[%n] as f16 to value of %page head %n slot %n by %bits in !cache : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  return
}

// CHECK-LABEL: func.func @c_own.append(
// CHECK: kv.encode_token
func.func @c_own.append(%v: !llvm.ptr, %page: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #own} {
  %bits = kv.scratch "bits" : memref<1x64xi32>
  kv.encode_token %v[%n] as f16 to value of %page head %n slot %n by %bits in !cache : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  return
}

// CHECK-LABEL: func.func @c_a.attend(
// CHECK-DAG: %[[MAX:.*]] = kv.scratch "max"
// CHECK-DAG: %[[LIMIT:.*]] = kv.scratch "limit" : memref<2x1xi32>
// CHECK-DAG: %[[NEW:.*]] = kv.scratch "newmax" : memref<2x1xf32>
// CHECK-DAG: %[[ARRAYS:.*]] = kv.scratch "arrays" : memref<4x1xf32>
// CHECK: kv.acquire
// CHECK: kv.store {{.*}} to %[[LIMIT]]
// CHECK: kv.argument 1
// CHECK: kv.store {{.*}} to %[[ARRAYS]]
// CHECK: kv.attend_rows @c_a_attend_rows2 of {{.*}} limits %[[LIMIT]]
// CHECK: %[[FOUND:.*]] = kv.fetch %[[NEW]]
// CHECK: kv.store %[[FOUND]] to %[[MAX]]
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf16>, %unused: tensor<4xf32>, %slope: tensor<4xf32>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %a = tensor.extract %slope[%h] : tensor<4xf32>
    %t = arith.addf %s, %a : f32
    kv.yield %t : f32
  } {schedule = #halide} : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

// CHECK-LABEL: func.func @c_b.attend(
// CHECK-NOT: kv.attend_rows
// CHECK: kv.attend_block
func.func @c_b(%c: !cache, %q: tensor<?x4x64xf16>) -> tensor<?x4x32xf16> {
  %o = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedule = #own}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x32xf16>
  return %o : tensor<?x4x32xf16>
}

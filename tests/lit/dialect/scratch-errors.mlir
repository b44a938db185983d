// One mistake for each rule of the operations on scratch and on the step's tensors (KvTileOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// scratch C1
func.func @f() {
  // expected-error @+1 {{expected static positive sizes, got 'memref<?x64xf32>'}}
  %h = kv.scratch "h" : memref<?x64xf32>
  return
}

// -----
// fetch C1
func.func @f(%h: memref<4x64xi32>, %n: i64) {
  // expected-error @+1 {{expected a tile of 'i32', got 'tensor<4x64xf32>'}}
  %t = kv.fetch %h[%n, %n] : memref<4x64xi32> -> tensor<4x64xf32>
  return
}

// -----
// fetch C2
func.func @f(%h: memref<4x64xf32>, %n: i64) {
  // expected-error @+1 {{expected a tile of [rows] or [rows, columns] no larger than 'memref<4x64xf32>', got 'tensor<8x64xf32>'}}
  %t = kv.fetch %h[%n, %n] : memref<4x64xf32> -> tensor<8x64xf32>
  return
}

// -----
// fetch C2
func.func @f(%h: memref<4x64xf32>, %n: i64) {
  // expected-error @+1 {{no larger than 'memref<4x64xf32>', got 'tensor<1x1x8xf32>'}}
  %t = kv.fetch %h[%n, %n] : memref<4x64xf32> -> tensor<1x1x8xf32>
  return
}

// -----
// store C1
func.func @f(%h: memref<4x64xi32>, %t: tensor<4x64xf32>, %n: i64) {
  // expected-error @+1 {{expected a tile of 'i32', got 'tensor<4x64xf32>'}}
  kv.store %t to %h[%n, %n] : tensor<4x64xf32>, memref<4x64xi32>
  return
}

// -----
// store C2: a row of 64 is no column of 4
func.func @f(%h: memref<4x64xf32>, %t: tensor<64xf32>, %n: i64) {
  // expected-error @+1 {{no larger than 'memref<4x64xf32>', got 'tensor<64xf32>'}}
  kv.store %t to %h[%n, %n] : tensor<64xf32>, memref<4x64xf32>
  return
}

// -----
// load C1
func.func @f(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected a tile of [1, channels], got 'tensor<64xf32>'}}
  %t = kv.load %p[%n] as f16 : !llvm.ptr -> tensor<64xf32>
  return
}

// -----
// load C2
func.func @f(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected a stored type of f32, f16 or bf16, got 'i16'}}
  %t = kv.load %p[%n] as i16 : !llvm.ptr -> tensor<1x64xf32>
  return
}

// -----
// save C1
func.func @f(%p: !llvm.ptr, %n: i64, %t: tensor<2x64xf32>) {
  // expected-error @+1 {{expected a tile of [1, channels], got 'tensor<2x64xf32>'}}
  kv.save %t to %p[%n] as f32 : tensor<2x64xf32>, !llvm.ptr
  return
}

// -----
// save C2
func.func @f(%p: !llvm.ptr, %n: i64, %t: tensor<1x64xf32>) {
  // expected-error @+1 {{expected a stored type of f32, f16 or bf16, got 'f64'}}
  kv.save %t to %p[%n] as f64 : tensor<1x64xf32>, !llvm.ptr
  return
}

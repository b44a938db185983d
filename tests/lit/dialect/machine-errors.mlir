// One mistake for each rule of the operations that tiles become (KvMachineOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// dot C1
func.func @f(%acc: vector<16xf32>, %i: vector<16xi32>) {
  // expected-error @+1 {{expected an accumulator of 'i32' and operands of 'i32' for the record u8s8, got 'vector<16xf32>' and 'vector<16xi32>'}}
  %0 = kv.dot u8s8 %acc, %i, %i : vector<16xi32> -> vector<16xf32>
  return
}

// -----
// dot C1
func.func @f(%acc: vector<16xf32>, %i: vector<16xi32>) {
  // expected-error @+1 {{expected an accumulator of 'f32' and operands of 'f32' for the record f32}}
  %0 = kv.dot f32 %acc, %i, %i : vector<16xi32> -> vector<16xf32>
  return
}

// -----
// dot C2
func.func @f(%acc: vector<8xf32>, %x: vector<16xf32>) {
  // expected-error @+1 {{expected an accumulator with the lanes of its operands, got 'vector<8xf32>' and 'vector<16xf32>'}}
  %0 = kv.dot f32 %acc, %x, %x : vector<16xf32> -> vector<8xf32>
  return
}

// -----
// widen C1
func.func @f(%x: vector<16xi16>) {
  // expected-error @+1 {{expected source and result of one shape, got 'vector<16xi16>' and 'vector<8xf32>'}}
  %0 = kv.widen f16 %x : vector<16xi16> -> vector<8xf32>
  return
}

// -----
// narrow C1
func.func @f(%x: f32) {
  // expected-error @+1 {{expected source and result of one shape, got 'f32' and 'vector<8xi16>'}}
  %0 = kv.narrow f16 %x : f32 -> vector<8xi16>
  return
}

// -----
// widen C2
func.func @f(%x: i16) {
  // expected-error @+1 {{expected f16 or f8e4m3, got bf16}}
  %0 = kv.widen bf16 %x : i16 -> f32
  return
}

// -----
// narrow C2
func.func @f(%x: f32) {
  // expected-error @+1 {{expected f16 or f8e4m3, got bf16}}
  %0 = kv.narrow bf16 %x : f32 -> i16
  return
}

// -----
// widen C3
func.func @f(%x: vector<4xi32>) {
  // expected-error @+1 {{expected 8 bits from 25 on and a result of more, got 'vector<4xi32>' and 'vector<4xf32>'}}
  %0 = kv.widen f8e4m3 %x at 25 : vector<4xi32> -> vector<4xf32>
  return
}

// -----
// widen C3
func.func @f(%x: i16) {
  // expected-error @+1 {{expected 16 bits from 0 on and a result of more, got 'i16' and 'f16'}}
  %0 = kv.widen f16 %x : i16 -> f16
  return
}

// -----
// narrow C3
func.func @f(%x: f32) {
  // expected-error @+1 {{expected 8 bits, got 'i16'}}
  %0 = kv.narrow f8e4m3 %x : f32 -> i16
  return
}

// -----
// exchange C1
func.func @f(%x: f32) {
  // expected-error @+1 {{expected a distance that is a power of two, got 3}}
  %0 = kv.exchange %x with 3 : f32
  return
}

// -----
// dot C1
func.func @f(%acc: vector<4xf32>, %x: vector<4xi32>) {
  // expected-error @+1 {{expected an accumulator of 'f32' and operands of 'i16' for the record f16}}
  %0 = kv.dot f16 %acc, %x, %x : vector<4xi32> -> vector<4xf32>
  return
}

// -----
// dot C3
func.func @f(%acc: vector<2xi32>, %x: vector<2xi32>) {
  // expected-error @+1 {{expected whole groups of four lanes for the record s8s8mm, got 'vector<2xi32>'}}
  %0 = kv.dot s8s8mm %acc, %x, %x : vector<2xi32> -> vector<2xi32>
  return
}

// -----
// mma C1
func.func @f(%s: f32, %w: i32) {
  // expected-error @+1 {{expected the record f16 or bf16, got s8s8}}
  %0:4 = kv.mma s8s8 (%s, %s, %s, %s), (%w, %w, %w, %w), (%w, %w)
  return
}

// -----
// copy C1
func.func @f(%p: !llvm.ptr) {
  // expected-error @+1 {{expected 4, 8 or 16 bytes, got 12}}
  kv.copy 12 from %p to %p : !llvm.ptr, !llvm.ptr
  return
}

// One mistake for each rule of products and of what they multiply (KvProductOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// decode C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%block: !kv.block<32 of !c>, %n: i64) {
  // expected-error @+1 {{expected a tile of at most 64 by 32, got 'tensor<4x64xf32>'}}
  %0 = kv.decode key of %block contract d[%n, %n] : !kv.block<32 of !c> -> tensor<4x64xf32>
  return
}

// -----
// multiply C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%rows: memref<4x64xi32>, %numbers: memref<64x16xf32>, %n: i64, %t: tensor<4x16xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected homes of f32, got 'memref<4x64xi32>' and 'memref<64x16xf32>'}}
  %0 = kv.multiply %rows[%n], %numbers[%n] of %b contract d over [%n, %n) unroll 4 init %t : memref<4x64xi32>, memref<64x16xf32>, !kv.block<32 of !c> -> tensor<4x16xf32>
  return
}

// -----
// multiply C2
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%rows: memref<4x64xf32>, %numbers: memref<64x16xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected a result of at most 4 rows and 16 columns, got 'tensor<4x32xf32>'}}
  %0 = kv.multiply %rows[%n], %numbers[%n] of %b contract d over [%n, %n) unroll 4 init %t : memref<4x64xf32>, memref<64x16xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// multiply C3
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%rows: memref<4x64xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected to ask for nothing, or from a byte in steps, got 1 values}}
  %0 = kv.multiply %rows[%n], %rows[%n] of %b contract d over [%n, %n) unroll 4 init %t ask [%n] lines 1 : memref<4x64xf32>, memref<4x64xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// product C4
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected to ask for nothing, or from a byte in steps, got 1 values}}
  %0 = kv.product %q[%n], key f32 of %b contract d at %n over [%n, %n) unroll 4 init %t ask [%n] lines 1 : memref<4x64xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// product C5
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected no limits or starts, or 4 of each, of values that are no codes, got 3}}
  %0 = kv.product %q[%n], value f32 of %b contract t at %n over [%n, %n) unroll 4 init %t limits [%n, %n, %n] : memref<4x64xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// product C5
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected no limits or starts, or 4 of each, of values that are no codes, got 2}}
  %0 = kv.product %q[%n], value f32 of %b contract t at %n over [%n, %n) unroll 4 init %t starts [%n, %n] : memref<4x64xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// product C6
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %w: memref<4x16xi32>, %n: i64, %if: i1, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected what rounding has left, and when to add it, of an integer record}}
  %0 = kv.product %q[%n], key f32 of %b contract d at %n over [%n, %n) unroll 4 init %t rest %w if %if : memref<4x64xf32> rest memref<4x16xi32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

// -----
// multiply C4
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%rows: memref<4x64xf32>, %n: i64, %t: tensor<4x32xf32>, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected no limits or starts, or 4 of each, got 2}}
  %0 = kv.multiply %rows[%n], %rows[%n] of %b contract d over [%n, %n) unroll 4 init %t limits [%n, %n] : memref<4x64xf32>, memref<4x64xf32>, !kv.block<32 of !c> -> tensor<4x32xf32>
  return
}

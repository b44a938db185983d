// One mistake for each rule of the operations on blocks, pages and row operands (KvTileOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// pack C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%t: tensor<4x64xf32>, %h: memref<4x16xi32>, %n: i64) {
  // expected-error @+1 {{expected a record of less than f32 and a home of i32, got f32}}
  kv.pack %t to %h[%n, %n] for key f32 of !cache : tensor<4x64xf32>, memref<4x16xi32>
  return
}

// -----
// pack C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%t: tensor<4x64xf32>, %h: memref<4x64xf32>, %n: i64) {
  // expected-error @+1 {{expected a record of less than f32 and a home of i32, got u8s8 and 'memref<4x64xf32>'}}
  kv.pack %t to %h[%n, %n] for key u8s8 of !cache : tensor<4x64xf32>, memref<4x64xf32>
  return
}

// -----
// pack C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%t: tensor<8x64xf32>, %h: memref<4x16xi32>, %n: i64) {
  // expected-error @+1 {{expected a tile of [rows, columns] with at most 4 rows, got 'tensor<8x64xf32>'}}
  kv.pack %t to %h[%n, %n] for key u8s8 of !cache : tensor<8x64xf32>, memref<4x16xi32>
  return
}

// -----
// pack C3
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%t: tensor<4x64xf32>, %h: memref<4x16xi32>, %n: i64) {
  // expected-error @+1 {{expected a codec of integer elements, got #kv.codec<f16>}}
  kv.pack %t to %h[%n, %n] for value s8u8 of !cache : tensor<4x64xf32>, memref<4x16xi32>
  return
}

// -----
// scatter C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%bits: memref<1x32xi32>, %p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected bits of i32 with at least 64 columns, got 'memref<1x32xi32>'}}
  kv.scatter %bits to key of %p head %n slot %n in !cache : memref<1x32xi32>, !llvm.ptr
  return
}

// -----
// scatter C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%bits: memref<1x64xf32>, %p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected bits of i32 with at least 64 columns, got 'memref<1x64xf32>'}}
  kv.scatter %bits to value of %p head %n slot %n in !cache : memref<1x64xf32>, !llvm.ptr
  return
}

// -----
// parameter_address C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected a codec with a zero, got #kv.codec<i8, group = 64, sym, scale = f32>}}
  %a = kv.parameter_address key zero of %p head %n slot %n group %n in !cache : !llvm.ptr -> !llvm.ptr
  return
}

// -----
// acquire C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%p: !llvm.ptr, %n: i64) {
  // expected-error @+1 {{expected nothing or a head, a token and a count ahead, got 1 values}}
  %b = kv.acquire %p by %n, %p[%n, %n] head %n ahead [%n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  return
}

// -----
// read C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%b: !kv.block<32 of !cache>, %n: i64) {
  // expected-error @+1 {{expected a codec with a scale, got #kv.codec<f16>}}
  %t = kv.read value scale of %b[%n] group %n : !kv.block<32 of !cache> -> tensor<32xf32>
  return
}

// -----
// read C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%b: !kv.block<32 of !cache>, %n: i64) {
  // expected-error @+1 {{expected a tile of at most 32 tokens, got 'tensor<64xf32>'}}
  %t = kv.read key scale of %b[%n] group %n : !kv.block<32 of !cache> -> tensor<64xf32>
  return
}

// -----
// product C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x32xi32>) {
  // expected-error @+1 {{expected rows of i32 and a result of i32 for the record u8s8}}
  %t = kv.product %q[%n], key u8s8 of %b contract d at %n over [%n, %n) unroll 1 init %init
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x32xi32>
  return
}

// -----
// product C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x32xi32>) {
  // expected-error @+1 {{expected rows of f32 and a result of f32 for the record f32}}
  %t = kv.product %q[%n], key f32 of %b contract d at %n over [%n, %n) unroll 1 init %init
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x32xi32>
  return
}

// -----
// product C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%p: memref<4x16xi32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x32xi32>) {
  // expected-error @+1 {{expected a codec of integer elements for the record s16, got #kv.codec<f16>}}
  %t = kv.product %p[%n], value s16 of %b contract t at %n over [%n, %n) unroll 1 init %init
       : memref<4x16xi32>, !kv.block<32 of !cache> -> tensor<4x32xi32>
  return
}

// -----
// product C3: keys have as many columns as the block has tokens
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x64xf32>) {
  // expected-error @+1 {{expected a result of at most 4 rows and 32 columns, got 'tensor<4x64xf32>'}}
  %t = kv.product %q[%n], key f32 of %b contract d at %n over [%n, %n) unroll 1 init %init
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<4x64xf32>
  return
}

// -----
// product C3: values have as many columns as channels
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%p: memref<4x32xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x128xf32>) {
  // expected-error @+1 {{expected a result of at most 4 rows and 64 columns, got 'tensor<4x128xf32>'}}
  %t = kv.product %p[%n], value f32 of %b contract t at %n over [%n, %n) unroll 1 init %init
       : memref<4x32xf32>, !kv.block<32 of !cache> -> tensor<4x128xf32>
  return
}

// -----
// product C3: rows
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x64xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<8x32xf32>) {
  // expected-error @+1 {{expected a result of at most 4 rows and 32 columns, got 'tensor<8x32xf32>'}}
  %t = kv.product %q[%n], key f32 of %b contract d at %n over [%n, %n) unroll 1 init %init
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<8x32xf32>
  return
}

// -----
// product C1: of values
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x16xi32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x32xi32>) {
  // expected-error @+1 {{expected a result of f32 for a product of values, got 'tensor<4x32xi32>'}}
  %t = kv.product %q[%n], key u8s8 as values of %b contract d at %n over [%n, %n) unroll 1 init %init
       : memref<4x16xi32>, !kv.block<32 of !cache> -> tensor<4x32xi32>
  return
}

// -----
// product C7
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%q: memref<4x16xi32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x32xi32>, %sums: memref<4x1xf32>) {
  // expected-error @+1 {{expected no `sums` and nothing `apart` of a product of codes}}
  %t = kv.product %q[%n], key u8s8 of %b contract d at %n over [%n, %n) unroll 1 init %init sums %sums[%n]
       : memref<4x16xi32> sums memref<4x1xf32>, !kv.block<32 of !cache> -> tensor<4x32xi32>
  return
}

// -----
// product C7: apart
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%p: memref<4x32xf32>, %b: !kv.block<32 of !cache>, %n: i64, %init: tensor<4x64xf32>) {
  // expected-error @+1 {{expected no `sums` and nothing `apart` of a product of codes}}
  %t = kv.product %p[%n], value f32 of %b contract t at %n over [%n, %n) unroll 1 init %init apart
       : memref<4x32xf32>, !kv.block<32 of !cache> -> tensor<4x64xf32>
  return
}

// -----
// weigh C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %p: tensor<4x32xf32>, %end: tensor<4xi32>) {
  // expected-error @+1 {{expected as many weights as probabilities, all [rows, tokens] of one shape}}
  %w = kv.weigh %p before %end for value of %b group %n : tensor<4x32xf32> before tensor<4xi32> of !kv.block<32 of !cache> -> tensor<4x16xf32>
  return
}

// -----
// weigh C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %p: tensor<4x32xf32>, %end: tensor<2xi32>) {
  // expected-error @+1 {{expected bounds of i32 for 4 rows, got 'tensor<2xi32>'}}
  %w = kv.weigh %p before %end for value of %b group %n : tensor<4x32xf32> before tensor<2xi32> of !kv.block<32 of !cache> -> tensor<4x32xf32>
  return
}

// -----
// operands C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%n: i64, %p: tensor<4x32xf32>, %home: memref<4x32xf32>) {
  // expected-error @+1 {{expected tiles of one shape that fit a home of f32, got 'memref<4x32xf32>'}}
  kv.operands %p, %p to %home[%n] for value of !cache : tensor<4x32xf32>, tensor<4x32xf32> to memref<4x32xf32>
  return
}

// -----
// operands C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
func.func @f(%n: i64, %p: tensor<4x32xf32>, %home: memref<4x32xf32>) {
  // expected-error @+1 {{expected a positive `lift`, got -1.000000e+00}}
  kv.operands %p to %home[%n] for value of !cache lift -1.0 : tensor<4x32xf32> to memref<4x32xf32>
  return
}

// -----
// stage C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
func.func @f(%p: !llvm.ptr, %n: i64, %ring: memref<3x64xi8>) {
  %block = kv.acquire %p by %n, %p[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<16 of !cache>
  // expected-error @+1 {{expected slots of 4352 bytes, got 'memref<3x64xi8>'}}
  kv.stage %block to %ring[%n] : !kv.block<16 of !cache>, memref<3x64xi8>
  return
}

// -----
// staged C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
func.func @f(%n: i64, %ring: memref<3x4352xi8>) {
  // expected-error @+1 {{expected a block of a cache of one head and 16 slots, got '!kv.cache<name = "c", heads = 2}}
  %0 = kv.staged %ring[%n] pending 2 : memref<3x4352xi8> -> !kv.block<16 of !cache>
  return
}

// -----
// staged C1
!one = !kv.cache<name = "c", heads = 1, keyDim = 64, valueDim = 72, key = <f16>, value = <f16>,
                 layout = <dense 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
func.func @f(%n: i64, %ring: memref<3x64xi8>) {
  // expected-error @+1 {{expected slots of 4352 bytes, got 'memref<3x64xi8>'}}
  %0 = kv.staged %ring[%n] pending 2 : memref<3x64xi8> -> !kv.block<16 of !one>
  return
}

// -----
// staged C2
!one = !kv.cache<name = "c", heads = 1, keyDim = 64, valueDim = 72, key = <f16>, value = <f16>,
                 layout = <dense 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
func.func @f(%n: i64, %ring: memref<3x4352xi8>) {
  // expected-error @+1 {{expected `pending` from 0, got -1}}
  %0 = kv.staged %ring[%n] pending -1 : memref<3x4352xi8> -> !kv.block<16 of !one>
  return
}

// One mistake for each rule of the operations on tiles alone (KvTileOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// encode C1
func.func @f(%t: tensor<1x64xf32>) {
  // expected-error @+1 {{expected a float, got u8}}
  %0 = kv.encode %t as u8 : tensor<1x64xf32> -> tensor<1x64xi32>
  return
}

// -----
// encode C2
func.func @f(%t: tensor<1x64xf32>) {
  // expected-error @+1 {{expected a result of i32 in the shape of 'tensor<1x64xf32>', got 'tensor<1x32xi32>'}}
  %0 = kv.encode %t as f16 : tensor<1x64xf32> -> tensor<1x32xi32>
  return
}

// -----
// index C1
func.func @f(%i: i32) {
  // expected-error @+1 {{expected a tile of rank 1 and of i32, got 'tensor<2x32xi32>'}}
  %0 = kv.index %i : tensor<2x32xi32>
  return
}

// -----
// rows C1
func.func @f(%x: f32) {
  // expected-error @+1 {{expected a tile of 2 rows, got 'tensor<4xf32>'}}
  %0 = kv.rows %x, %x : f32, f32 -> tensor<4xf32>
  return
}

// -----
// rows C2
func.func @f(%x: i32) {
  // expected-error @+1 {{expected values of 'f32', got 'i32'}}
  %0 = kv.rows %x, %x : i32, i32 -> tensor<2xf32>
  return
}

// -----
// row C1
func.func @f(%t: tensor<2xf32>) {
  // expected-error @+1 {{expected a tile of one row, got 'tensor<2xf32>'}}
  %0 = kv.row %t : tensor<2xf32> -> f32
  return
}

// -----
// row C2
func.func @f(%t: tensor<1xi32>) {
  // expected-error @+1 {{expected a value of 'i32', got 'f32'}}
  %0 = kv.row %t : tensor<1xi32> -> f32
  return
}

// -----
// spread C1
func.func @f(%x: i32) {
  // expected-error @+1 {{expected a result of 'i32', got 'tensor<2x32xf32>'}}
  %0 = kv.spread %x along 0 : i32 -> tensor<2x32xf32>
  return
}

// -----
// spread C2
func.func @f(%t: tensor<2xf32>) {
  // expected-error @+1 {{expected a tile of rank 1 spread along 0 or 1 of one of rank 2, got 'tensor<2xf32>' along 2 of 'tensor<2x32xf32>'}}
  %0 = kv.spread %t along 2 : tensor<2xf32> -> tensor<2x32xf32>
  return
}

// -----
// spread C2
func.func @f(%t: tensor<2xf32>) {
  // expected-error @+1 {{expected a tile of rank 1 spread along 0 or 1 of one of rank 2, got 'tensor<2xf32>' along 0 of 'tensor<2xf32>'}}
  %0 = kv.spread %t along 0 : tensor<2xf32> -> tensor<2xf32>
  return
}

// -----
// spread C3
func.func @f(%t: tensor<2xf32>) {
  // expected-error @+1 {{expected a source of 32 elements, got 'tensor<2xf32>'}}
  %0 = kv.spread %t along 1 : tensor<2xf32> -> tensor<2x32xf32>
  return
}

// -----
// spread C4
func.func @f(%t: tensor<2xf32, #kv.tile<lanes = 1, dim = 0>>) {
  // expected-error @+1 {{expected a source of rows in one vector or in every lane}}
  %0 = kv.spread %t along 0 : tensor<2xf32, #kv.tile<lanes = 1, dim = 0>> -> tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
  return
}

// -----
// spread C4
func.func @f(%t: tensor<32xf32, #kv.tile<lanes = 8, dim = 0>>) {
  // expected-error @+1 {{expected a source along the lanes of the result}}
  %0 = kv.spread %t along 1 : tensor<32xf32, #kv.tile<lanes = 8, dim = 0>> -> tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
  return
}

// -----
// spread C4
func.func @f(%t: tensor<16xf32, #kv.map<[]>>) {
  // expected-error @+1 {{expected a source that lies as dimension 0 of the result does}}
  %0 = kv.spread %t along 0 : tensor<16xf32, #kv.map<[]>> -> tensor<16x8xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>
  return
}

// -----
// reduce C1
func.func @f(%t: tensor<2x32xf32>) {
  // expected-error @+1 {{expected [rows, columns] reduced to [rows], got 'tensor<2x32xf32>' and 'tensor<32xf32>'}}
  %0 = kv.reduce add %t : tensor<2x32xf32> -> tensor<32xf32>
  return
}

// -----
// reduce C2
func.func @f(%t: tensor<2x32xi32>) {
  // expected-error @+1 {{expected f32 elements}}
  %0 = kv.reduce add %t : tensor<2x32xi32> -> tensor<2xi32>
  return
}

// -----
// reduce C2
func.func @f(%t: tensor<2x32xf32>) {
  // expected-error @+1 {{expected i32 elements}}
  %0 = kv.reduce umax %t : tensor<2x32xf32> -> tensor<2xf32>
  return
}

// -----
// reduce C3
func.func @f(%t: tensor<4x32xf32, #kv.tile<lanes = 16, dim = 1>>) {
  // expected-error @+1 {{expected rows in one vector or in every lane, or as the threads have them}}
  %0 = kv.reduce max %t : tensor<4x32xf32, #kv.tile<lanes = 16, dim = 1>> -> tensor<4xf32, #kv.tile<lanes = 2, dim = 0>>
  return
}

// -----
// reduce C3
func.func @f(%t: tensor<16x8xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>>) {
  // expected-error @+1 {{expected rows in one vector or in every lane, or as the threads have them}}
  %0 = kv.reduce max %t : tensor<16x8xf32, #kv.map<[2, 3, 4], [-1, 0, 1]>> -> tensor<16xf32, #kv.map<[]>>
  return
}

// -----
// relayout C1
func.func @f(%t: tensor<16xf32, #kv.map<[]>>) {
  // expected-error @+1 {{expected one shape and element type}}
  %0 = kv.relayout %t : tensor<16xf32, #kv.map<[]>> -> tensor<16xi32, #kv.map<[2, 3, 4]>>
  return
}

// -----
// relayout C2
func.func @f(%t: tensor<16xf32, #kv.map<[]>>) {
  // expected-error @+1 {{expected encodings of one kind}}
  %0 = kv.relayout %t : tensor<16xf32, #kv.map<[]>> -> tensor<16xf32, #kv.tile<lanes = 16, dim = 0>>
  return
}

// -----
// relayout C2
func.func @f(%t: tensor<16xf32, #kv.map<[]>>) {
  // expected-error @+1 {{expected encodings of one kind}}
  %0 = kv.relayout %t : tensor<16xf32, #kv.map<[]>> -> tensor<16xf32>
  return
}

// -----
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

// -----
// share C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected `rows` and `fewest` from 1, got 4 and 0}}
  %0 = kv.share %b row %n of %n tiles of 4 fewest 0 : !kv.block<32 of !c>
  return
}

// -----
// ask C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %b: !kv.block<32 of !c>) {
  // expected-error @+1 {{expected `lines` from 0, got -1}}
  kv.ask %b from %n lines -1 : !kv.block<32 of !c>
  return
}

// -----
// attend_rows C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %b: !kv.block<32 of !c>, %q: memref<4x64xf32>, %l: memref<4x1xf32>, %s: memref<4x1xf32>) {
  // expected-error @+1 {{expected limits of i32 and other homes of f32, got 'memref<4x1xf32>' and 'memref<4x64xf32>'}}
  kv.attend_rows @f of %b rows %n count %n, %q limits %l from %s, %s to %s, %s, %q
      : !kv.block<32 of !c>, memref<4x64xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x64xf32>
  return
}

// -----
// attend_rows C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %b: !kv.block<32 of !c>, %q: memref<4x64xf32>, %l: memref<4x1xi32>, %s: memref<4x1xf32>) {
  // expected-error @+1 {{expected rounded queries in words of i32, got 'memref<4x64xf32>'}}
  kv.attend_rows @f of %b rows %n count %n, %q limits %l from %s, %s to %s, %s, %q rounded %s
      : !kv.block<32 of !c>, memref<4x64xf32>, memref<4x1xi32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x64xf32> rounded memref<4x1xf32>
  return
}

// -----
// attend_rows C2
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %b: !kv.block<32 of !c>, %q: memref<4x32xf32>, %l: memref<4x1xi32>, %s: memref<4x1xf32>) {
  // expected-error @+1 {{expected queries of 64 channels and accumulators of 64, got 32 and 32}}
  kv.attend_rows @f of %b rows %n count %n, %q limits %l from %s, %s to %s, %s, %q
      : !kv.block<32 of !c>, memref<4x32xf32>, memref<4x1xi32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x32xf32>
  return
}

// -----
// store_token C1
!c = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
func.func @f(%n: i64, %page: !llvm.ptr, %x: memref<1x32xf32>) {
  // expected-error @+1 {{expected a token of 1 x 64 f32, got 'memref<1x32xf32>'}}
  kv.store_token @f, %x as value to %page head %n slot %n in !c : memref<1x32xf32>, !llvm.ptr
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

// -----
// exp2 C1
func.func @f(%x: f32) {
  // expected-error @+1 {{expected from 1 to 23 bits of precision, got 24}}
  %y = kv.exp2 %x {bits = 24 : i64} : f32
  return
}

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
// exp2 C1
func.func @f(%x: f32) {
  // expected-error @+1 {{expected from 1 to 23 bits of precision, got 24}}
  %y = kv.exp2 %x {bits = 24 : i64} : f32
  return
}

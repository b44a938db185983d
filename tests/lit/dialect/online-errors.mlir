// One mistake for each rule of the operations of the online level (KvOnlineOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// attend_block C1
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a state of one value and its next, of three homes, or of one row tile as many tiles, three or more, as results of their types}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m for !cache group(2) least(2) scale(0.125) sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n]
                  accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// attend_block C1
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: tensor<2xf32>, %a: tensor<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{of one row tile as many tiles}}
  %x:3 = kv.attend_block many rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(0.125)
         sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
         -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// attend_block C2
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a positive finite scale, and `group` and `least` of at least 1}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(-0.125)
                  sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// attend_block C3
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a score region of (f32, i32, i32, index) that ends in kv.yield}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(0.125)
                  sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n] accuracy(high) score {
  ^bb0(%s: f32, %i: i32):
    kv.yield %s : f32
  } : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
// attend_block C4
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) {
  // expected-error @+1 {{expected a function with a `kv.schedule`}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(0.125)
                  sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// start_rows C1
func.func @f(%n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a state of three homes or none, got 2}}
  kv.start_rows rows[%n, %n, %n] of f16 seq %n head %n query %n to %q state %m, %m for !cache factor(0.18) group(2) accuracy(high)
      : memref<2x64xf32> state memref<2x1xf32>, memref<2x1xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// start_rows C2
func.func @f(%n: i64, %q: memref<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected f32, f16 or bf16, a positive finite factor, and a `group` of at least 1}}
  kv.start_rows rows[%n, %n, %n] of f64 seq %n head %n query %n to %q for !cache factor(0.18) group(2) accuracy(high) : memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// start_rows C3
func.func @f(%n: i64, %q: memref<2x64xi32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected rows of 64 f32, got 'memref<2x64xi32>'}}
  kv.start_rows rows[%n, %n, %n] of f16 seq %n head %n query %n to %q for !cache factor(0.18) group(2) accuracy(high) : memref<2x64xi32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
// start_rows C3
func.func @f(%n: i64, %q: memref<2x64xf32>) {
  // expected-error @+1 {{expected a function with a `kv.schedule`}}
  kv.start_rows rows[%n, %n, %n] of f16 seq %n head %n query %n to %q for !cache factor(0.18) group(2) accuracy(high) : memref<2x64xf32>
  return
}

// -----
// for_blocks C1
func.func @f(%n: i64, %table: !llvm.ptr, %none: !kv.state<2 x 64>) {
  // expected-error @+1 {{expected a body of (i64, i64, a block, i64, i64, the state)}}
  %end = kv.for_blocks [%n, %n) of %table heads [%n, %n] rows %n init %none {
  ^bb0(%head: i64, %first: i64, %block: i64, %token: i64, %count: i64, %state: !kv.state<2 x 64>):
    kv.yield %state : !kv.state<2 x 64>
  } : !llvm.ptr -> !kv.state<2 x 64>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// for_blocks C2
func.func @f(%n: i64, %table: !llvm.ptr, %q: memref<2x64xf32>, %none: !kv.state<2 x 64>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected one `kv.attend_block` in the body, whose state it yields}}
  %end = kv.for_blocks [%n, %n) of %table heads [%n, %n] rows %n init %none {
  ^bb0(%head: i64, %first: i64, %b: !kv.block<32 of !cache>, %token: i64, %count: i64, %state: !kv.state<2 x 64>):
    %next = kv.attend_block any rows[%first, %n, %n] of %q, %b[%token, %count] head %head query %n past %n state %state for !cache group(2) least(2) scale(0.125)
            sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, !kv.state<2 x 64> -> !kv.state<2 x 64>
    %again = kv.attend_block any rows[%first, %n, %n] of %q, %b[%token, %count] head %head query %n past %n state %next for !cache group(2) least(2) scale(0.125)
             sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, !kv.state<2 x 64> -> !kv.state<2 x 64>
    kv.yield %again : !kv.state<2 x 64>
  } : !llvm.ptr -> !kv.state<2 x 64>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// for_blocks C2
func.func @f(%n: i64, %table: !llvm.ptr, %q: memref<2x64xf32>, %none: !kv.state<2 x 64>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected one `kv.attend_block` in the body, whose state it yields}}
  %end = kv.for_blocks [%n, %n) of %table heads [%n, %n] rows %n init %none {
  ^bb0(%head: i64, %first: i64, %b: !kv.block<32 of !cache>, %token: i64, %count: i64, %state: !kv.state<2 x 64>):
    %next = kv.attend_block any rows[%first, %n, %n] of %q, %b[%token, %count] head %head query %n past %n state %state for !cache group(2) least(2) scale(0.125)
            sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, !kv.state<2 x 64> -> !kv.state<2 x 64>
    kv.yield %state : !kv.state<2 x 64>
  } : !llvm.ptr -> !kv.state<2 x 64>
  return
}

// -----
// finish C1
func.func @f(%n: i64, %m: memref<2x1xf32>, %a: memref<2x64xf32>) {
  // expected-error @+1 {{expected a positive finite unit and a `group` of at least 1}}
  kv.finish rows[%n, %n] seq %n head %n of %n query %n state %m, %m, %a unit(0.69) group(0) as <f16, heads = 4, lse = false>
      : memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
// finish C2
func.func @f(%n: i64, %m: memref<2x1xf32>) {
  // expected-error @+1 {{expected a state of one value or of three homes, got 2 values}}
  kv.finish rows[%n, %n] seq %n head %n of %n query %n state %m, %m unit(0.69) group(1) as <f16, heads = 4, lse = false>
      : memref<2x1xf32>, memref<2x1xf32>
  return
}

// -----
// state C1
// expected-error @+1 {{expected at least one row and one channel, got 0 x 64}}
func.func private @f(!kv.state<0 x 64>)

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
// encode_token C1
func.func @f(%p: !llvm.ptr, %n: i64, %bits: memref<1x64xi32>) {
  // expected-error @+1 {{expected f32, f16 or bf16, got 'i8'}}
  kv.encode_token %p[%n] as i8 to key of %p head %n slot %n by %bits in !cache : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
// encode_token C2
func.func @f(%p: !llvm.ptr, %n: i64, %bits: memref<1x32xi32>) {
  // expected-error @+1 {{expected a row of i32 with at least 64 columns, got 'memref<1x32xi32>'}}
  kv.encode_token %p[%n] as f16 to key of %p head %n slot %n by %bits in !cache : !llvm.ptr, !llvm.ptr, memref<1x32xi32>
  return
}

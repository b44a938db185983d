// One mistake for each rule of the operations on the step and its item (KvStepOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// step C1
func.func @f(%i: i64) {
  // expected-error @+1 {{expected an array of numbers, and `pages` is none}}
  %x = kv.step pages[%i] : i64
  return
}

// -----
// step C1
func.func @f(%i: i64) {
  // expected-error @+1 {{expected an array of numbers, and `num_seqs` is none}}
  %x = kv.step num_seqs[%i] : i64
  return
}

// -----
// step C2
func.func @f(%i: i64) {
  // expected-error @+1 {{expected `seq_lens` to be i64, got '!llvm.ptr'}}
  %x = kv.step seq_lens[%i] : !llvm.ptr
  return
}

// -----
// step C2
func.func @f() {
  // expected-error @+1 {{expected `seq_lens` to be a pointer, got 'i64'}}
  %x = kv.step seq_lens : i64
  return
}

// -----
// item C1
func.func @f() {
  // expected-error @+1 {{expected `partial` to be a pointer, got 'i64'}}
  %x = kv.item partial : i64
  return
}

// -----
// argument C1
func.func @f(%i: i64) {
  // expected-error @+1 {{expected one of 16 arrays, got number 16}}
  %x = kv.argument 16[%i] : f32
  return
}

// -----
// set_item C1
func.func @f(%item: !llvm.ptr) {
  // expected-error @+1 {{expected `head` to be i64, got '!llvm.ptr'}}
  kv.set_item head of %item = %item : !llvm.ptr, !llvm.ptr
  return
}

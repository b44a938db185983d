// What is no union of runs of tokens that ascend with the query.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --pass-pipeline='builtin.module(func.func(kv-analyze-mask))'
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>

func.func @nothing(%c: !cache, %q: !rows) -> !rows {
  // expected-error @+1 {{a mask that lets nothing pass attends nothing}}
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %later = arith.cmpi sgt, %j, %i : i32
    %past = arith.cmpi sle, %j, %i : i32
    %seen = arith.andi %later, %past : i1
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @falls(%c: !cache, %q: !rows) -> !rows {
  // expected-error @+1 {{a bound of `j` falls as `i` grows; bounds of a mask stay or grow}}
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %hundred = arith.constant 100 : i32
    %sum = arith.addi %i, %j : i32
    %seen = arith.cmpi slt, %sum, %hundred : i32
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @order(%c: !cache, %q: !rows) -> !rows {
  // expected-error @+1 {{which of two runs of tokens begins first depends on `i`}}
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %hundred = arith.constant 100 : i32
    %seventh = arith.cmpi eq, %j, %hundred : i32
    %own = arith.cmpi eq, %j, %i : i32
    %seen = arith.ori %seventh, %own : i1
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @terms(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    // expected-error @+1 {{a mask compares sums and differences of `i`, `j` and numbers}}
    %product = arith.muli %i, %j : i32
    %seen = arith.cmpi slt, %product, %i : i32
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @noKey(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %hundred = arith.constant 100 : i32
    // expected-error @+1 {{a comparison of a mask bounds `j`: it has `j` once, on one side}}
    %seen = arith.cmpi slt, %i, %hundred : i32
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @wide(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %wide = arith.constant 2000000000 : i32
    // expected-error @+1 {{a mask's numbers are at most 2^30, got 2000000000}}
    %seen = arith.cmpi slt, %j, %wide : i32
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>
func.func @together(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %wide = arith.constant 1073741824 : i32
    %first = arith.addi %i, %wide : i32
    // expected-error @+1 {{a mask's numbers are at most 2^30 together, got 2147483648}}
    %second = arith.addi %first, %wide : i32
    %seen = arith.cmpi sle, %j, %second : i32
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

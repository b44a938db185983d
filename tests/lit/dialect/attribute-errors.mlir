// One mistake for each rule of KvAttrs.td.
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// codec C1
// expected-error @+1 {{expected a positive group for an integer codec, got 0}}
func.func private @f() attributes {a = #kv.codec<i8, group = 0, sym, scale = f32>}

// -----
// codec C1
// expected-error @+1 {{expected a positive group for an integer codec, got 0}}
func.func private @f() attributes {a = #kv.codec<u4>}

// -----
// codec C1
// expected-error @+1 {{expected no group for a scalar codec, got 8}}
func.func private @f() attributes {a = #kv.codec<f16, group = 8, sym, scale = f32>}

// -----
// codec C2
// expected-error @+1 {{expected a scale of f32 or f16, got bf16}}
func.func private @f() attributes {a = #kv.codec<i8, group = 8, sym, scale = bf16>}

// -----
// A word of another table.
// expected-error @+1 {{expected `sym` or `asym`, got `symmetric`}}
func.func private @f() attributes {a = #kv.codec<i8, group = 8, symmetric, scale = f32>}

// -----
// order C1
// expected-error @+1 {{expected each coordinate once, but coordinate `d` is missing}}
func.func private @f() attributes {a = #kv.order<"[h, t]">}

// -----
// order C1
// expected-error @+1 {{expected each coordinate once, but coordinate `d` is not covered exactly once}}
func.func private @f() attributes {a = #kv.order<"[h, t, d/8, d%4]">}

// -----
// order C1
// expected-error @+1 {{expected each coordinate once, but coordinate `t` is not covered exactly once}}
func.func private @f() attributes {a = #kv.order<"[t, h, d, t]">}

// -----
// order C1
// expected-error @+1 {{expected each coordinate once, but coordinate `t` has no outermost digit without `%`}}
func.func private @f() attributes {a = #kv.order<"[h, d, t%16]">}

// -----
// Not a digit.
// expected-error @+1 {{expected digits of `h`, `t` and `d` with positive divisors, got `x`}}
func.func private @f() attributes {a = #kv.order<"[h, t, d, x]">}

// -----
// Not an order.
// expected-error @+1 {{expected an order such as "[h, t/16, d, t%16]", got "h, t, d"}}
func.func private @f() attributes {a = #kv.order<"h, t, d">}

// -----
// layout C1
// expected-error @+1 {{expected a page of at least one slot, got 0}}
func.func private @f() attributes {a = #kv.layout<paged 0, key = auto, value = auto>}

// -----
// layout C2
// expected-error @+1 {{expected a tile of a multiple of 16 tokens, got 24}}
func.func private @f() attributes {a = #kv.layout<paged 64, tile = 24, key = auto, value = auto>}

// -----
// layout C2
// expected-error @+1 {{a tile is of one head: expected an order without `h`, got [h, t, d]}}
func.func private @f() attributes {a = #kv.layout<paged 64, tile = 32, key = auto, value = "[h, t, d]">}

// -----
// layout C2
// expected-error @+1 {{expected an order with `h`, got [t, d]}}
func.func private @f() attributes {a = #kv.layout<paged 64, key = "[t, d]", value = auto>}

// -----
// tile C1
// expected-error @+1 {{expected lanes along dimension 0 or 1, or one lane and dimension -1, got 0 along 1}}
func.func private @f() attributes {a = #kv.tile<lanes = 0, dim = 1>}

// -----
// tile C1
// expected-error @+1 {{expected lanes along dimension 0 or 1, or one lane and dimension -1, got 16 along -1}}
func.func private @f() attributes {a = #kv.tile<lanes = 16, dim = -1>}

// -----
// schedule C1
// expected-error @+1 {{expected positive numbers, unroll and prefetch from 0}}
func.func private @f() attributes {a = #kv.schedule<rows = 0, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 16, keySlice = 64, valueSlice = 64, unroll = 0, prefetch = 1, keyDot = f32, valueDot = f32>}

// -----
// schedule C1
// expected-error @+1 {{expected positive numbers, unroll and prefetch from 0}}
func.func private @f() attributes {a = #kv.schedule<rows = 1, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 16, keySlice = 64, valueSlice = 64, unroll = 0, prefetch = -1, keyDot = f32, valueDot = f32>}

// -----
// schedule C2
// expected-error @+1 {{expected a block of whole key slices and slices of whole teams of 16, got a block of 64 and slices of 48 and 64}}
func.func private @f() attributes {a = #kv.schedule<rows = 1, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 16, keySlice = 48, valueSlice = 64, unroll = 0, prefetch = 1, keyDot = f32, valueDot = f32>}

// -----
// schedule C2
// expected-error @+1 {{slices of whole teams of 16, got a block of 64 and slices of 64 and 24}}
func.func private @f() attributes {a = #kv.schedule<rows = 1, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 16, keySlice = 64, valueSlice = 24, unroll = 0, prefetch = 1, keyDot = f32, valueDot = f32>}

// -----
// schedule C3
// expected-error @+1 {{expected lanes that divide a team of 24 threads, got 16}}
func.func private @f() attributes {a = #kv.schedule<rows = 1, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 16, keySlice = 64, valueSlice = 64, unroll = 0, prefetch = 1, keyDot = f32, valueDot = f32, threads = 24>}

// -----
// map C1
// expected-error @+1 {{expected every bit of a thread's number at most once, got bit 2 twice}}
func.func private @f() attributes {a = #kv.map<[2, 3, 4], [-1, 2]>}

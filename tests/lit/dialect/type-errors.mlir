// One mistake for each rule of KvTypes.td.
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// cache C1
// expected-error @+1 {{expected at least one head, got 0}}
func.func private @f(!kv.cache<name = "c", heads = 0, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>)

// -----
// cache C1
// expected-error @+1 {{expected a key dimension that is a multiple of 8 from 8 to 576, got 60}}
func.func private @f(!kv.cache<name = "c", heads = 2, keyDim = 60, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>)

// -----
// cache C1
// expected-error @+1 {{expected a value dimension that is a multiple of 8 from 8 to 576, got 584}}
func.func private @f(!kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 584, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>)

// -----
// cache C2
// expected-error @+1 {{expected a key group that divides 64, got 48}}
func.func private @f(!kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 48, sym, scale = f32>, value = <f16>, layout = <paged 16, key = auto, value = auto>>)

// -----
// cache C2
// expected-error @+1 {{expected a value group that divides 64, got 128}}
func.func private @f(!kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <i8, group = 128, sym, scale = f32>, layout = <paged 16, key = auto, value = auto>>)

// -----
// cache C3
// expected-error @+1 {{expected an even fastest digit for 4-bit key codes, got an extent of 15}}
func.func private @f(!kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i4, group = 64, sym, scale = f32>, value = <f16>, layout = <paged 15, key = "[h, d, t]", value = auto>>)

// -----
// cache C3
// expected-error @+1 {{expected an even fastest digit for 4-bit value codes, got an extent of 3}}
func.func private @f(!kv.cache<name = "c", heads = 3, keyDim = 64, valueDim = 64, key = <f16>, value = <u4, group = 64, asym, scale = f32>, layout = <paged 16, key = auto, value = "[t, d, h]">>)

// -----
// cache C4
// expected-error @+1 {{expected both 4-bit key codes of a byte to be of one head and one run of 16 tokens, got `h` with divisor 1 as the fastest digit}}
func.func private @f(!kv.cache<name = "c", heads = 4, keyDim = 64, valueDim = 64, key = <i4, group = 64, sym, scale = f32>, value = <f16>, layout = <paged 16, key = "[t, d, h]", value = auto>>)

// -----
// cache C4
// expected-error @+1 {{expected both 4-bit value codes of a byte to be of one head and one run of 16 tokens, got `t` with divisor 16 as the fastest digit}}
func.func private @f(!kv.cache<name = "c", heads = 4, keyDim = 64, valueDim = 64, key = <f16>, value = <u4, group = 64, asym, scale = f32>, layout = <paged 64, key = auto, value = "[h, t%16, d, t/16]">>)

// -----
// Bytes of one channel with its neighbour, or of tokens 8 apart, are stored whole.
func.func private @f(!kv.cache<name = "c", heads = 4, keyDim = 64, valueDim = 64, key = <i4, group = 64, sym, scale = f32>, value = <i4, group = 64, sym, scale = f32>, layout = <paged 64, key = "[t, h, d]", value = "[h, d, t/16, t%8, t/8%2]">>)

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
// item C1
// expected-error @+1 {{expected positive numbers of queries, heads and tokens of a split, got 0, 1 and 64}}
func.func private @f() attributes {a = #kv.item<queries = 0, heads = 1, split = 64>}

// -----
// row_tiles C1
// expected-error @+1 {{expected a softmax of rows that divide a row tile of 6, got 4}}
func.func private @f() attributes {a = #kv.row_tiles<one = 6, softmax = 4>}

// -----
// row_tiles C2
// expected-error @+1 {{expected a softmax of rows that divide each of several row tiles of 8, got 3}}
func.func private @f() attributes {a = #kv.row_tiles<one = 4, many = 8, softmax = 4, manySoftmax = 3>}

// -----
// row_tiles C2
// expected-error @+1 {{expected several row tiles where there are always such, or they share a softmax}}
func.func private @f() attributes {a = #kv.row_tiles<one = 4, softmax = 4, share = true>}

// -----
// row_tiles C3
// expected-error @+1 {{expected a shared softmax of as many rows of one row tile as of several, got 3 and 4}}
func.func private @f() attributes {a = #kv.row_tiles<one = 6, many = 8, softmax = 3, manySoftmax = 4, share = true>}

// -----
// block_plan C1
// expected-error @+1 {{expected tokens in a block, and blocks ahead from 0, got 64, -1 and 0}}
func.func private @f() attributes {a = #kv.block_plan<tokens = 64, ahead = -1>}

// -----
// block_plan C2
// expected-error @+1 {{expected blocks that are asked for or copied ahead, got 1 and 2}}
func.func private @f() attributes {a = #kv.block_plan<tokens = 64, ahead = 1, stages = 2>}

// -----
// block_plan C3
// expected-error @+1 {{expected a state in scratch where no blocks are copied ahead}}
func.func private @f() attributes {a = #kv.block_plan<tokens = 64, ahead = 1, state = registers>}

// -----
// load C1
// expected-error @+1 {{expected elements that begin in the 16 bits of a lane}}
func.func private @f() attributes {a = #kv.load<vector[0, 16] of 16>}

// -----
// product_plan C1
// expected-error @+1 {{expected a slice, and no negative numbers, got 0, 32 and an unroll of 0}}
func.func private @f() attributes {a = #kv.product_plan<dot = f32, load = <single[0] of 32>, slice = 0, manySlice = 32>}

// -----
// product_plan C2
// expected-error @+1 {{expected several row tiles that are multiplied as f32 where codes are decoded once, got s16 and slices of 32}}
func.func private @f() attributes {a = #kv.product_plan<dot = s16, load = <single[0] of 32>, slice = 64, manySlice = 32, decode = once>}

// -----
// team C1
// expected-error @+1 {{expected lanes that divide a team of 24 threads, got 16}}
func.func private @f() attributes {a = #kv.team<lanes = 16, threads = 24>}

// -----
// schedule C1
// expected-error @+1 {{expected slices of whole teams of 16, got 24}}
func.func private @f() attributes {a = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 64>,
    scores = <dot = f32, load = <vector[0] of 32>, slice = 64>,
    sums = <dot = f32, load = <vector[0] of 32>, slice = 24>, team = <lanes = 16>>}

// -----
// schedule C2
// expected-error @+1 {{expected a block of whole slices of scores, got 64 tokens and slices of 48}}
func.func private @f() attributes {a = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 64>,
    scores = <dot = f32, load = <vector[0] of 32>, slice = 48>,
    sums = <dot = f32, load = <vector[0] of 32>, slice = 64>, team = <lanes = 16>>}

// -----
// schedule C3
// expected-error @+1 {{expected a slice for several row tiles where there are any, got row tiles of 8 rows and slices of 0}}
func.func private @f() attributes {a = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, many = 8, softmax = 1, manySoftmax = 4>,
    block = <tokens = 64>, scores = <dot = f32, load = <vector[0] of 32>, slice = 64, manySlice = 32>,
    sums = <dot = f32, load = <vector[0] of 32>, slice = 64>, team = <lanes = 16>>}

// -----
// schedule C4
// expected-error @+1 {{expected a team of threads where blocks are copied ahead}}
func.func private @f() attributes {a = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>,
    block = <tokens = 64, stages = 2>, scores = <dot = f32, load = <vector[0] of 32>, slice = 64>,
    sums = <dot = f32, load = <vector[0] of 32>, slice = 64>, team = <lanes = 16>>}

// -----
// map C1
// expected-error @+1 {{expected every bit of a thread's number at most once, got bit 2 twice}}
func.func private @f() attributes {a = #kv.map<[2, 3, 4], [-1, 2]>}

// -----
// output C1
// expected-error @+1 {{expected f32, f16 or bf16 and at least one head, got 'f64' and 4}}
func.func private @f() attributes {a = #kv.output<f64, heads = 4, lse = true>}

// -----
// output C1
// expected-error @+1 {{expected f32, f16 or bf16 and at least one head, got 'f16' and 0}}
func.func private @f() attributes {a = #kv.output<f16, heads = 0, lse = true>}

// -----
// visible C1
// expected-error @+1 {{expected one to 4 runs of a low and a high map each, all but the last with an end}}
func.func private @f() attributes {a = #kv.visible<low = [(i) -> (), (i) -> ()], high = [(i) -> (), (i) -> ()]>}

// -----
// visible C1
// expected-error @+1 {{expected one to 4 runs of a low and a high map each, all but the last with an end}}
func.func private @f() attributes {a = #kv.visible<low = [(i) -> ()], high = [(i) -> (1), (i) -> ()]>}

// -----
// visible C2
// expected-error @+1 {{expected bounds that never fall as the one dimension grows, got affine_map<(d0) -> (-d0 + 4)>}}
func.func private @f() attributes {a = #kv.visible<low = [(i) -> ()], high = [(i) -> (4 - i)]>}

// -----
// visible C2
// expected-error @+1 {{expected bounds that never fall as the one dimension grows, got affine_map<(d0, d1) -> (d0 + d1)>}}
func.func private @f() attributes {a = #kv.visible<low = [(i) -> ()], high = [(i, j) -> (i + j)]>}

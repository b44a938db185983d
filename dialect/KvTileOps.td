// Levels 1 and 2 of the kv dialect: kernels of one work item as loops over blocks of tokens, on tiles.
//
// At level 1 a tile is a plain tensor. PlaceTiles adds an encoding (#kv.tile) that says which lane holds which element, and
// DistributeTiles turns tiles into vectors. What crosses a rolled loop lives in scratch (a memref made by kv.scratch). All indices
// are i64. `rows` of a product are row operands: [row][element of the contraction] in the format of the product's dot record.
#ifndef KV_TILE_OPS_TD
#define KV_TILE_OPS_TD

include "dialect/KvOnlineOps.td"

def Kv_Tile : RankedTensorOf<[F32, I32, I1]>;

def Kv_ScratchOp : Kv_Op<"scratch", [MemoryEffects<[MemAlloc]>]> {
  let summary = "memory of this item alone, 64-byte aligned, [rows][columns]";
  let description = [{
    Rules:
    - C1: the sizes are static and positive.
  }];
  let arguments = (ins StrAttr:$name);
  let results = (outs Kv_Home:$home);
  let assemblyFormat = "$name attr-dict `:` type($home)";
  let hasVerifier = 1;
}

def Kv_FetchOp : Kv_Op<"fetch", [MemoryEffects<[MemRead]>]> {
  let summary = "read a tile from scratch; a rank-1 tile is one column";
  let description = [{
    Rules:
    - C1: the tile has the home's element type.
    - C2: the tile is [rows] or [rows, columns], no larger than the home.
  }];
  let arguments = (ins Kv_Home:$home, I64:$row, I64:$column);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$home `[` $row `,` $column `]` attr-dict `:` type($home) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_StoreOp : Kv_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a tile to scratch; a rank-1 tile is one column";
  let description = [{
    Rules:
    - C1: the tile has the home's element type.
    - C2: the tile is [rows] or [rows, columns], no larger than the home.
  }];
  let arguments = (ins Kv_Tile:$tile, Kv_Home:$home, I64:$row, I64:$column);
  let assemblyFormat = "$tile `to` $home `[` $row `,` $column `]` attr-dict `:` type($tile) `,` type($home)";
  let hasVerifier = 1;
}

def Kv_PackOp : Kv_Op<"pack", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a tile to scratch as row operands of a dot record, rounded to what it multiplies";
  let description = [{
    Rounds to the nearest, halves to even; magnitudes of integers stay below 2^22. Column c of the tile is element `column + c` of the
    contraction. For integer records elements of one lane lie together, in the order in which the loader of the stream yields them;
    for f16, and bf16 of a codec of bf16, they lie as they are numbered. So do all of them where `numbered` is, for whoever reads
    them by other loads.

    Rules:
    - C1: the record is not f32 and the home holds i32.
    - C2: the tile is [rows, columns] with no more rows than the home.
    - C3: for an integer record, the codec of the stream has integer elements.
  }];
  let arguments = (ins Kv_F32Tile:$tile, Kv_Home:$home, I64:$row, I64:$column, Kv_StreamAttr:$stream, Kv_DotAttr:$dot,
                       TypeAttrOf<Kv_CacheType>:$cache, UnitAttr:$numbered);
  let assemblyFormat = "$tile `to` $home `[` $row `,` $column `]` `for` $stream $dot `of` $cache attr-dict `:` type($tile) `,` type($home)";
  let hasVerifier = 1;
}

def Kv_LoadOp : Kv_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "read a row of a tensor of the step as f32";
  let description = [{
    Rules:
    - C1: the tile is [1, channels].
    - C2: the stored type is f32, f16 or bf16.
  }];
  let arguments = (ins LLVM_AnyPointer:$base, I64:$element, TypeAttr:$stored);
  let results = (outs Kv_F32Tile:$tile);
  let assemblyFormat = "$base `[` $element `]` `as` $stored attr-dict `:` type($base) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_SaveOp : Kv_Op<"save", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a row of a tensor of the step, rounded from f32 to its type";
  let description = [{
    Rules:
    - C1: the tile is [1, channels].
    - C2: the stored type is f32, f16 or bf16.
  }];
  let arguments = (ins Kv_F32Tile:$tile, LLVM_AnyPointer:$base, I64:$element, TypeAttr:$stored);
  let assemblyFormat = "$tile `to` $base `[` $element `]` `as` $stored attr-dict `:` type($tile) `,` type($base)";
  let hasVerifier = 1;
}

def Kv_ScatterOp : Kv_Op<"scatter", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "write the stored bits of one token and head to their places in a page";
  let description = [{
    `bits` holds one element of i32 for each channel, in its low bits; `slot` is the token's place in the page.

    Rules:
    - C1: `bits` is i32 with a column for each channel of the stream.
  }];
  let arguments = (ins Kv_Home:$bits, LLVM_AnyPointer:$page, Kv_StreamAttr:$stream, TypeAttrOf<Kv_CacheType>:$cache, I64:$head,
                       I64:$slot);
  let assemblyFormat = "$bits `to` $stream `of` $page `head` $head `slot` $slot `in` $cache attr-dict `:` type($bits) `,` type($page)";
  let hasVerifier = 1;
}

def Kv_EncodeOp : Kv_Op<"encode", [Pure]> {
  let summary = "f32 to the stored bits of a scalar codec, rounded to nearest even";
  let description = [{
    Rules:
    - C1: the element is a float.
    - C2: the result is i32 of the source's shape.
  }];
  let arguments = (ins Kv_F32Tile:$source, Kv_ElementAttr:$element);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$source `as` $element attr-dict `:` type($source) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_ParameterAddressOp : Kv_Op<"parameter_address", [Pure]> {
  let summary = "address of the scale or zero of a token and group in a page";
  let description = [{
    Rules:
    - C1: the codec of the stream has the parameter.
  }];
  let arguments = (ins LLVM_AnyPointer:$page, Kv_StreamAttr:$stream, Kv_ParameterAttr:$parameter, TypeAttrOf<Kv_CacheType>:$cache,
                       I64:$head, I64:$slot, I64:$group);
  let results = (outs LLVM_AnyPointer:$address);
  let assemblyFormat = [{
    $stream $parameter `of` $page `head` $head `slot` $slot `group` $group `in` $cache attr-dict `:` type($page) `->` type($address)
  }];
  let hasVerifier = 1;
}

def Kv_AcquireOp : Kv_Op<"acquire", [MemoryEffects<[MemRead]>]> {
  let summary = "find the pages of a block of tokens";
  let description = [{
    `table` is the sequence's row of the block table; `token` the first token of the block, of which `count` are there. Entries of the
    table past the last of them are not read. With `ahead`, another block of the sequence, maybe of another head: every read of this
    block also prefetches the same part of that one, so that memory is asked for at the pace at which it is used. Where that one is whole
    tiles of pages, they are asked for from their first line to their last, by the ops that say so: see kv.ask and Pacing.h.

    Rules:
    - C1: `ahead` is nothing, or a head, a token and a count.
  }];
  let arguments = (ins LLVM_AnyPointer:$pages, I64:$stride, LLVM_AnyPointer:$table, I64:$head, I64:$token, I64:$count,
                       Variadic<I64>:$ahead);
  let results = (outs Kv_BlockType:$block);
  let assemblyFormat = [{
    $pages `by` $stride `,` $table `[` $token `,` $count `]` `head` $head (`ahead` `[` $ahead^ `]`)? attr-dict
    `:` type($pages) `,` type($table) `->` type($block)
  }];
  let hasVerifier = 1;
}

def Kv_ShareOp : Kv_Op<"share", [Pure, AllTypesMatch<["block", "mine"]>]> {
  let summary = "a block as one of several row tiles has it, which work on it one after another";
  let description = [{
    The tile's first row is `row` of `padded`, which are whole tiles of `rows` rows; there are `fewest` tiles at least. What of the block
    is decoded once is decoded before the first tile (HoistDecode), and each asks for its part of the block ahead (PlanPrefetch). Where
    `alone` holds, the item has one row tile of the other kind, whose products take the block as it is.

    Rules:
    - C1: `rows` and `fewest` are positive.
  }];
  let arguments = (ins Kv_BlockType:$block, I64:$row, I64:$padded, I64Attr:$rows, I64Attr:$fewest, Optional<I1>:$alone);
  let results = (outs Kv_BlockType:$mine);
  let assemblyFormat = [{
    $block `row` $row `of` $padded `tiles` `of` $rows `fewest` $fewest (`unless` $alone^)? attr-dict `:` type($block)
  }];
  let hasVerifier = 1;
}

def Kv_AskOp : Kv_Op<"ask"> {
  let summary = "prefetch lines of the block ahead from a byte of its tiles on";
  let description = [{
    Between the parts of the tile that the next elementwise op computes. Nothing where the block ahead is not whole tiles. Without `from` it
    is a place where work is long enough to ask for some lines; PlanPrefetch says which.

    Rules:
    - C1: `lines` is not negative.
  }];
  let arguments = (ins Kv_BlockType:$block, Optional<I64>:$from, DefaultValuedAttr<I64Attr, "0">:$lines);
  let assemblyFormat = "$block (`from` $from^ `lines` $lines)? attr-dict `:` type($block)";
  let hasVerifier = 1;
}

def Kv_AttendRowsOp : Kv_Op<"attend_rows", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "scores, softmax and accumulation of a row tile and a block, by a function of its own";
  let description = [{
    Of rows `row` and on, as many as `limits` has, and the first `count` tokens of the block, of which row r sees limits[r]:
    newMaximum and newSum become maximum and sum of the rows with the block; the accumulators are corrected and added to.
    The function's arguments are buffers of Halide (compiler/halide/Plan.h). Rounded queries are bytes in the order of their channels,
    with a scale for each row and, where codes are shifted or have zeros, sums of each run of channels; where `refined` is true, what
    rounding has left of them, `rest`, is multiplied too. A score expression knows where the first token is in the sequence,
    and more of each row.

    Rules:
    - C1: limits are i32, the other homes that all have f32; queries are f32, or words of bytes where they are rounded.
    - C2: rows of the queries are the block's keys long, accumulators its values.
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, Kv_BlockType:$block, I64:$row, I64:$count, Kv_Home:$queries, Kv_Home:$limits,
                       Kv_Home:$maximum, Kv_Home:$sum, Kv_Home:$newMaximum, Kv_Home:$newSum, Kv_Home:$accumulator,
                       Variadic<Kv_Home>:$rounding, Optional<Kv_Home>:$rest, Optional<I1>:$refined,
                       Optional<I64>:$token, Variadic<Kv_Home>:$known);
  let assemblyFormat = [{
    $function `of` $block `rows` $row `count` $count `,` $queries `limits` $limits `from` $maximum `,` $sum `to` $newMaximum `,`
    $newSum `,` $accumulator (`rounded` $rounding^)? (`rest` $rest^ `if` $refined)? (`score` $token^ `,` $known)? attr-dict `:` type($block) `,` type($queries) `,` type($limits) `,`
    type($maximum) `,` type($sum) `,` type($newMaximum) `,` type($newSum) `,` type($accumulator) (`rounded` type($rounding)^)?
    (`rest` type($rest)^)?
    (`score` type($known)^)?
  }];
  let hasVerifier = 1;
}

def Kv_StoreTokenOp : Kv_Op<"store_token", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "encode and store a token of one head, by a function of its own";
  let description = [{
    The function's arguments are buffers of Halide (compiler/halide/Plan.h).

    Rules:
    - C1: the token is f32, one row of as many channels as the stream has.
  }];
  let arguments = (ins FlatSymbolRefAttr:$function, Kv_Home:$token, LLVM_AnyPointer:$page, Kv_StreamAttr:$stream,
                       TypeAttrOf<Kv_CacheType>:$cache, I64:$head, I64:$slot);
  let assemblyFormat = [{
    $function `,` $token `as` $stream `to` $page `head` $head `slot` $slot `in` $cache attr-dict `:` type($token) `,` type($page)
  }];
  let hasVerifier = 1;
}

def Kv_StageOp : Kv_Op<"stage", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "start to copy a block's head into a slot of a ring in scratch, without waiting for it";
  let description = [{
    A slot holds a page of a cache of one head and as many slots as the block has tokens, with the orders and codecs of the block's.

    Rules:
    - C1: a slot of the ring is a page of the staged cache.
  }];
  let arguments = (ins Kv_BlockType:$block, Kv_Home:$ring, I64:$slot);
  let assemblyFormat = "$block `to` $ring `[` $slot `]` attr-dict `:` type($block) `,` type($ring)";
  let hasVerifier = 1;
}

def Kv_StagedOp : Kv_Op<"staged", [MemoryEffects<[MemRead]>]> {
  let summary = "wait for a staged block; it is read from the ring";
  let description = [{
    Waits until no more than `pending` groups of copies, the youngest, are under way (see kv.commit).

    Rules:
    - C1: a slot of the ring is a page of the block's cache, which has one head and the block's tokens.
    - C2: `pending` is not negative.
  }];
  let arguments = (ins Kv_Home:$ring, I64:$slot, I64Attr:$pending);
  let results = (outs Kv_BlockType:$block);
  let assemblyFormat = "$ring `[` $slot `]` `pending` $pending attr-dict `:` type($ring) `->` type($block)";
  let hasVerifier = 1;
}

def Kv_ReadOp : Kv_Op<"read", [MemoryEffects<[MemRead]>]> {
  let summary = "scales or zeros of consecutive tokens of a block, for one group of channels";
  let description = [{
    Rules:
    - C1: the codec of the stream has the parameter.
    - C2: the tile is [tokens], no more than the block has.
  }];
  let arguments = (ins Kv_BlockType:$block, Kv_StreamAttr:$stream, Kv_ParameterAttr:$parameter, I64:$token, I64:$group);
  let results = (outs Kv_F32Tile:$tile);
  let assemblyFormat = "$stream $parameter `of` $block `[` $token `]` `group` $group attr-dict `:` type($block) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_DecodeOp : Kv_Op<"decode", [MemoryEffects<[MemRead]>]> {
  let summary = "codes of a block as f32: values, or of integer codecs centred codes as numbers";
  let description = [{
    tile[i, j] is element z + i, x + j of the stream, for a product that contracts z: of `d` z counts channels and x tokens of the block,
    of `t` z counts tokens of the block and x channels. Of tokens past the end it may be anything.

    Rules:
    - C1: the tile is [z, x], no more than the block has tokens and the cache channels.
  }];
  let arguments = (ins Kv_BlockType:$block, Kv_StreamAttr:$stream, Kv_ContractAttr:$contract, I64:$z, I64:$x);
  let results = (outs Kv_F32Tile:$tile);
  let assemblyFormat = "$stream `of` $block `contract` $contract `[` $z `,` $x `]` attr-dict `:` type($block) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_IndexOp : Kv_Op<"index", [Pure]> {
  let summary = "start, start + 1, ...";
  let description = [{
    Rules:
    - C1: the tile is of rank 1 and of i32.
  }];
  let arguments = (ins I32:$start);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$start attr-dict `:` type($tile)";
  let hasVerifier = 1;
}

def Kv_RowsOp : Kv_Op<"rows", [Pure]> {
  let summary = "a rank-1 tile from one scalar for each row";
  let description = [{
    Rules:
    - C1: the tile is of rank 1 with as many rows as values.
    - C2: the values have the tile's element type.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_RowOp : Kv_Op<"row", [Pure]> {
  let summary = "the scalar of a rank-1 tile of one row";
  let description = [{
    Rules:
    - C1: the source is a tile of one row.
    - C2: the value has the source's element type.
  }];
  let arguments = (ins Kv_Tile:$source);
  let results = (outs AnyTypeOf<[F32, I32]>:$value);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($value)";
  let hasVerifier = 1;
}

def Kv_SpreadOp : Kv_Op<"spread", [Pure]> {
  let summary = "repeat a scalar, or a rank-1 tile along `dim` of a rank-2 tile";
  let description = [{
    `dim` is the dimension of the result that the source lies along: 0 for rows, 1 for tokens or channels.

    Rules:
    - C1: the result has the source's element type.
    - C2: a tile is of rank 1 and the result of rank 2, and `dim` is 0 or 1.
    - C3: the source is as long as the result's dimension `dim`.
    - C4: where tiles have encodings, rows of the source are one vector or in every lane, its columns lie along the lanes of the
      result; in a team of threads the source lies as dimension `dim` of the result does.
  }];
  let arguments = (ins AnyTypeOf<[Kv_Tile, F32, I32, I1]>:$source, I64Attr:$dim);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$source `along` $dim attr-dict `:` type($source) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_ReduceOp : Kv_Op<"reduce", [Pure]> {
  let summary = "reduce the last dimension; the order of operations depends on the tile's shape and encoding alone";
  let description = [{
    Rules:
    - C1: the source is [rows, columns] and the result [rows].
    - C2: `umax` is of i32, the greatest as unsigned numbers; the others are of f32.
    - C3: where tiles have encodings, the result is one vector or in every lane; in a team of threads it lies as the rows of the
      source do.
  }];
  let arguments = (ins Kv_ReductionAttr:$kind, Kv_Tile:$source);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$kind $source attr-dict `:` type($source) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_RelayoutOp : Kv_Op<"relayout", [Pure]> {
  let summary = "the same tile by another map";
  let description = [{
    kv-place-tiles puts it where two maps meet that disagree. Vectors are taken apart and put together again. In a team of threads,
    where each thread holds all that the result wants of it, the thread's number chooses; else the tile goes through scratch of the
    op's own: the threads write it, wait for each other and read it.

    Rules:
    - C1: source and result have one shape and one element type.
    - C2: both have encodings, of one kind.
  }];
  let arguments = (ins Kv_Tile:$source);
  let results = (outs Kv_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
  let hasVerifier = 1;
}

def Kv_Exp2Op : Kv_Op<"exp2", [Pure, SameOperandsAndResultType, Elementwise]> {
  let summary = "2 to the power of x, for x <= 0; below -126 the result may be 0, below -127 it is, of NaN it is NaN";
  let description = [{
    With a relative error of at most 2^-bits.

    Rules:
    - C1: `bits` is from 1 to 23.
  }];
  let arguments = (ins AnyTypeOf<[Kv_F32Tile, F32, VectorOfAnyRankOf<[F32]>]>:$x, DefaultValuedAttr<I64Attr, "23">:$bits);
  let results = (outs AnyTypeOf<[Kv_F32Tile, F32, VectorOfAnyRankOf<[F32]>]>:$y);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Kv_WeighOp : Kv_Op<"weigh", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "probabilities of a block's tokens as weights of the values of a group of channels";
  let description = [{
    Products of values take probabilities as they are. FoldScales makes of them what products of numbers take: of token t,
    p[r, t] * scale[t], and 0 where row r does not see t, whose scale may be NaN. The tiles are consecutive tokens of the block; row r
    sees those before end[r], or all, and with `begin` those from begin[r] on.

    Rules:
    - C1: there are as many weights as probabilities, and all are [rows, tokens] of one shape.
    - C2: `end` and `begin` are i32, a number for each row.
  }];
  let arguments = (ins Variadic<Kv_F32Tile>:$probabilities, Optional<Kv_Tile>:$end, Optional<Kv_Tile>:$begin, Kv_BlockType:$block,
                       Kv_StreamAttr:$stream, I64:$group);
  let results = (outs Variadic<Kv_F32Tile>:$weights);
  let assemblyFormat = [{
    $probabilities (`before` $end^)? (`from` $begin^)? `for` $stream `of` $block `group` $group attr-dict
    `:` type($probabilities) (`before` type($end)^)? (`from` type($begin)^)? `of` type($block) `->` type($weights)
  }];
  let hasVerifier = 1;
}

def Kv_OperandsOp : Kv_Op<"operands", [MemoryEffects<[MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "write tiles to scratch as rows of products with a stream, to be rounded as its record asks";
  let description = [{
    The tiles are consecutive elements of the contraction, of rows `row` and on of the home, whose products nothing else multiplies.
    They are `lift` times what products are to take. QuantizeOperands makes of it a kv.store of each tile, or where the record rounds
    rows a kv.pack, and then asks for some lines of block `ask` before each.

    Rules:
    - C1: the tiles are [rows, elements] of one shape and fit the home, which is of f32.
    - C2: `lift` is positive and finite.
  }];
  let arguments = (ins Variadic<Kv_F32Tile>:$tiles, Kv_Home:$home, I64:$row, Kv_StreamAttr:$stream, TypeAttrOf<Kv_CacheType>:$cache,
                       Optional<Kv_BlockType>:$ask, DefaultValuedAttr<F64Attr, "1.0">:$lift);
  let assemblyFormat = [{
    $tiles `to` $home `[` $row `]` `for` $stream `of` $cache (`ask` $ask^)? (`lift` $lift^)? attr-dict
    `:` type($tiles) `to` type($home) (`ask` type($ask)^)?
  }];
  let hasVerifier = 1;
}

def Kv_FormEnum : Kv_Enum<"Form", "what of a stream a product takes", [
  I32EnumAttrCase<"values", 0>,  // what the elements stand for: zero + scale * number
  I32EnumAttrCase<"numbers", 1>, // the numbers of its codes, or values of scalar codecs: scales and zeros are outside
  I32EnumAttrCase<"codes", 2>    // what its record multiplies: of integer codes the numbers, shifted and times a factor
]>;
def Kv_FormAttr : EnumAttr<Kv_Dialect, Kv_FormEnum, "form">;

def Kv_ProductOp : Kv_Op<"product", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments, TypesMatchWith<"init has the result's type", "tile", "init", "$_self">]> {
  let summary = "init + rows x a tile of a block";
  let description = [{
    result[r, x] = init[r, x] + sum over z in [zBegin, zEnd) of operand(rows)[row + r][z] * elements[x, z]
    `contract d`: z counts channels and x tokens of the block; `contract t`: z counts tokens of the block and x channels. What the
    elements are `form` says: FoldScales makes numbers of values, QuantizeOperands codes of numbers. Elements outside
    [zBegin, zEnd) do not matter; with `limits`, one for each row, neither do those of row r at limits[r] and later, though they may be
    NaN and other rows' own; with `starts`, neither do those of row r before starts[r]. Both ascend, from zBegin to zEnd.

    `rest`: what rounding to an integer record has left of the rows, in units of 2^-8 and words of the record's one-byte or one-part form;
    it is multiplied too, and its sum rounded to whole units, where `refined` is true.

    `sums[n]`: the sum of row r's operands over [zBegin, zEnd) is element n + r of the home, for codes with a shift or zeros. Where a
    product of values has several, of equal runs of the contraction, those of a run follow those of all rows of the run before.
    `apart`: the sum is added to init as a whole, not product by product.

    A block that several row tiles read asks for the block ahead in parts, where that is whole tiles of pages: `ask [from, step] lines N`
    asks in each iteration, number i from 0, for N lines from byte from + i * step of those tiles on.

    Rules:
    - C1: of codes, row operands are f32 for the record f32, else i32, and the result is i32 for integer records, else f32; of
      others, the result is f32.
    - C2: an integer record needs a codec of integer elements.
    - C3: the result is [rows, x], no more than the home has rows and the block tokens (`contract d`) or the stream channels (`contract t`).
    - C4: `ask` is nothing, or two bytes.
    - C5: `limits` and `starts` are nothing, or of values or of elements that are no codes, where tokens are contracted, a number for
      each row.
    - C6: `rest` and `refined` stand together, for an integer record.
    - C7: products of codes have no `sums` and are not `apart`.
  }];
  let arguments = (ins Kv_Home:$rows, I64:$row, Kv_BlockType:$block, Kv_StreamAttr:$stream, Kv_DotAttr:$dot,
                       DefaultValuedAttr<Kv_FormAttr, "Form::codes">:$form, Kv_ContractAttr:$contract, I64:$x, I64:$zBegin,
                       I64:$zEnd, I64Attr:$unroll, RankedTensorOf<[F32, I32]>:$init, UnitAttr:$apart, Variadic<I64>:$limits,
                       Variadic<I64>:$starts, Optional<Kv_Home>:$rest, Optional<I1>:$refined, Optional<Kv_Home>:$sums,
                       Optional<I64>:$firstSum, Variadic<I64>:$ask, DefaultValuedAttr<I64Attr, "0">:$lines);
  let results = (outs RankedTensorOf<[F32, I32]>:$tile);
  let assemblyFormat = [{
    $rows `[` $row `]` `,` $stream $dot (`as` $form^)? `of` $block `contract` $contract `at` $x `over` `[` $zBegin `,` $zEnd `)`
    `unroll` $unroll `init` $init (`apart` $apart^)? (`limits` `[` $limits^ `]`)? (`starts` `[` $starts^ `]`)?
    (`rest` $rest^ `if` $refined)? (`sums` $sums^ `[` $firstSum `]`)? (`ask` `[` $ask^ `]` `lines` $lines)? attr-dict
    `:` type($rows) (`rest` type($rest)^)? (`sums` type($sums)^)? `,` type($block) `->` type($tile)
  }];
  let hasVerifier = 1;
}

def Kv_MultiplyOp : Kv_Op<"multiply", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments, TypesMatchWith<"init has the result's type", "tile", "init", "$_self">]> {
  let summary = "init + rows x numbers in scratch, such as kv.decode has brought there";
  let description = [{
    result[r, x] = init[r, x] + sum over z in [zBegin, zEnd) of rows[row + r][z] * numbers[first + z][x]
    `block` is where the numbers come from, and the product contracts `contract` of it; for `limits`, `starts` and what `ask` asks see kv.product. An
    iteration takes `unroll` z.

    Rules:
    - C1: both homes are of f32.
    - C2: the result is [rows, columns], no more than `rows` has rows and `numbers` columns.
    - C3: `ask` is nothing, or two bytes.
    - C4: `limits` and `starts` are nothing, or a number for each row.
  }];
  let arguments = (ins Kv_Home:$rows, I64:$row, Kv_Home:$numbers, I64:$first, Kv_BlockType:$block, Kv_ContractAttr:$contract,
                       I64:$zBegin, I64:$zEnd, I64Attr:$unroll, Kv_F32Tile:$init, Variadic<I64>:$limits, Variadic<I64>:$starts,
                       Variadic<I64>:$ask, DefaultValuedAttr<I64Attr, "0">:$lines);
  let results = (outs Kv_F32Tile:$tile);
  let assemblyFormat = [{
    $rows `[` $row `]` `,` $numbers `[` $first `]` `of` $block `contract` $contract `over` `[` $zBegin `,` $zEnd `)` `unroll` $unroll `init` $init
    (`limits` `[` $limits^ `]`)? (`starts` `[` $starts^ `]`)? (`ask` `[` $ask^ `]` `lines` $lines)? attr-dict `:` type($rows) `,` type($numbers) `,` type($block) `->` type($tile)
  }];
  let hasVerifier = 1;
}

// What a team holds: a vector, or in a team of threads a scalar of each.
def Kv_Lanes : AnyTypeOf<[F32, I16, I32, VectorOfAnyRankOf<[F32, I16, I32]>]>;

def Kv_DotOp : Kv_Op<"dot", [Pure, TypesMatchWith<"accumulator has the result's type", "result", "acc", "$_self">,
                             TypesMatchWith<"both operands have one type", "cache", "row", "$_self">]> {
  let summary = "one step of a dot record on a team: acc[lane] += sum over depth of cache[lane] * row[lane]";
  let description = [{
    Rules:
    - C1: the accumulator is of i32 for integer records, else of f32; operands are of f32 for the record f32, of i16, the bits of a
      half, for f16, else of i32.
    - C2: accumulator and operands have the same lanes.
    - C3: a record on 2 rows x 2 columns has whole groups of four lanes: of the operands the two words of one and of the other column or
      row, of the accumulator row by row its two columns.
  }];
  let arguments = (ins Kv_Lanes:$acc, Kv_Lanes:$cache, Kv_Lanes:$row, Kv_DotAttr:$dot);
  let results = (outs Kv_Lanes:$result);
  let assemblyFormat = "$dot $acc `,` $cache `,` $row attr-dict `:` type($cache) `->` type($result)";
  let hasVerifier = 1;
}

def Kv_LaneOp : Kv_Op<"lane", [Pure]> {
  let summary = "number of this thread in its team, from 0";
  let results = (outs I64:$lane);
  let assemblyFormat = "attr-dict";
}

def Kv_BarrierOp : Kv_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "every thread of the team waits for the others and sees what they have stored";
  let assemblyFormat = "attr-dict";
}

def Kv_ExchangeOp : Kv_Op<"exchange", [Pure, SameOperandsAndResultType]> {
  let summary = "the value that the thread whose number differs by `distance` in one bit has here; every thread of the team takes part";
  let description = [{
    Rules:
    - C1: `distance` is a power of two.
  }];
  let arguments = (ins AnyTypeOf<[F32, I32]>:$source, I64Attr:$distance);
  let results = (outs AnyTypeOf<[F32, I32]>:$result);
  let assemblyFormat = "$source `with` $distance attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def Kv_CopyOp : Kv_Op<"copy", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "start to copy some bytes to memory of the team, without waiting for them";
  let description = [{
    Rules:
    - C1: 4, 8 or 16 bytes, to which both addresses are aligned.
  }];
  let arguments = (ins LLVM_AnyPointer:$source, LLVM_AnyPointer:$target, I64Attr:$bytes);
  let assemblyFormat = "$bytes `from` $source `to` $target attr-dict `:` type($source) `,` type($target)";
  let hasVerifier = 1;
}

def Kv_CommitOp : Kv_Op<"commit", [MemoryEffects<[MemWrite]>]> {
  let summary = "what this thread has started to copy since the last one becomes a group, maybe an empty one";
  let assemblyFormat = "attr-dict";
}

def Kv_AwaitOp : Kv_Op<"await", [MemoryEffects<[MemWrite]>]> {
  let summary = "wait for this thread's groups of copies, save the youngest `pending`; others see them after a barrier";
  let arguments = (ins I64Attr:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def Kv_ReadTransposedOp : Kv_Op<"read_transposed", [MemoryEffects<[MemRead]>]> {
  let summary = "four tiles of 8 x 8 halves from memory of the team, each transposed, by all its 32 threads";
  let description = [{
    Thread 8i + r gives the address, a multiple of 16, of row r of tile i. With g = thread / 4 and t = thread % 4 a thread receives of
    each tile what rows 2t, in the low half, and 2t + 1 have in column g: columns of kv.mma, contraction first, or its rows.
  }];
  let arguments = (ins LLVM_AnyPointer:$address);
  let results = (outs I32:$tile0, I32:$tile1, I32:$tile2, I32:$tile3);
  let assemblyFormat = "$address attr-dict `:` type($address)";
}

def Kv_MmaOp : Kv_Op<"mma", [Pure]> {
  let summary = "one step of a matrix record: sums[16 rows x 8 columns] += rows[16 x 16] * columns[16 x 8], by all threads of a team";
  let description = [{
    Operands are f16 or bf16, two to an i32, low half first; sums are f32. With g = thread / 4 and t = thread % 4 a thread holds of
    the sums (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1); of the rows, contraction last, (g, 2t..), (g + 8, 2t..),
    (g, 2t + 8..), (g + 8, 2t + 8..), two each; of the columns, contraction first, (2t.., g), (2t + 8.., g).

    Rules:
    - C1: the record is f16 or bf16.
  }];
  let arguments = (ins Kv_DotAttr:$dot, F32:$sum0, F32:$sum1, F32:$sum2, F32:$sum3, I32:$row0, I32:$row1, I32:$row2, I32:$row3,
                       I32:$column0, I32:$column1);
  let results = (outs F32:$result0, F32:$result1, F32:$result2, F32:$result3);
  let assemblyFormat = [{
    $dot `(` $sum0 `,` $sum1 `,` $sum2 `,` $sum3 `)` `,` `(` $row0 `,` $row1 `,` $row2 `,` $row3 `)` `,`
    `(` $column0 `,` $column1 `)` attr-dict
  }];
  let hasVerifier = 1;
}

// Stored elements, and numbers: a vector, or in a team of threads a scalar of each.
def Kv_Bits : AnyTypeOf<[I8, I16, I32, VectorOfAnyRankOf<[I8, I16, I32]>]>;
def Kv_F32s : AnyTypeOf<[F32, VectorOfAnyRankOf<[F32]>]>;
def Kv_Numbers : AnyTypeOf<[F32, F16, VectorOfAnyRankOf<[F32, F16]>]>;

def Kv_WidenOp : Kv_Op<"widen", [Pure]> {
  let summary = "float elements to a wider type, exact; NaN stays NaN";
  let description = [{
    result[lane] = the number whose bits are those of source[lane] from `bit` on.

    Rules:
    - C1: source and result have one shape.
    - C2: the element is f16 or f8e4m3.
    - C3: the source has the element's bits from `bit` on, and the result more.
  }];
  let arguments = (ins Kv_ElementAttr:$element, Kv_Bits:$source, DefaultValuedAttr<I64Attr, "0">:$bit);
  let results = (outs Kv_Numbers:$result);
  let assemblyFormat = "$element $source (`at` $bit^)? attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def Kv_NarrowOp : Kv_Op<"narrow", [Pure]> {
  let summary = "f32 to the bits of a float element, to nearest even, subnormal ones kept";
  let description = [{
    f16 overflows to infinity, and NaN stays NaN. f8e4m3 has no infinity: what is finite saturates at 448, what is not becomes 0x7f.

    Rules:
    - C1: source and result have one shape.
    - C2: the element is f16 or f8e4m3.
    - C3: the result has the element's bits.
  }];
  let arguments = (ins Kv_ElementAttr:$element, Kv_F32s:$source);
  let results = (outs Kv_Bits:$result);
  let assemblyFormat = "$element $source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

#endif

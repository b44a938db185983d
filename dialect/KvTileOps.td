// Levels 1 and 2 of the kv dialect: kernels of one work item as loops over blocks of tokens, on tiles. KvProductOps.td has what
// multiplies a block, KvMachineOps.td what tiles become.
//
// At level 1 a tile is a plain tensor. PlaceTiles adds an encoding (#kv.tile) that says which lane holds which element, and
// DistributeTiles turns tiles into vectors. What crosses a rolled loop lives in scratch (a memref made by kv.scratch). All indices
// are i64.
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

#endif

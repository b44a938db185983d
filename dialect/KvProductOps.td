// Products of rows and a block of tokens, at levels 1 and 2. `rows` are row operands: [row][element of the contraction] in the format
// of the product's dot record.
#ifndef KV_PRODUCT_OPS_TD
#define KV_PRODUCT_OPS_TD

include "dialect/KvTileOps.td"

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

#endif

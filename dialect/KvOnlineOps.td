// The online level of the kv dialect: attention over blocks of tokens, with what each row has so far as its state.
#ifndef KV_ONLINE_OPS_TD
#define KV_ONLINE_OPS_TD

include "dialect/KvStepOps.td"

def Kv_RowTilesEnum : Kv_Enum<"RowTiles", "the row tiles of an item", [
  I32EnumAttrCase<"one", 0>,    // one, of schedule.rows
  I32EnumAttrCase<"many", 1>,   // several, of schedule.manyRows
  I32EnumAttrCase<"either", 2>  // as its number of rows says
]>;
def Kv_RowTilesAttr : EnumAttr<Kv_Dialect, Kv_RowTilesEnum, "row_tiles">;

def Kv_F32Tile : RankedTensorOf<[F32]>;
def Kv_Home : MemRefRankOf<[AnyType], [2]>;

def Kv_AttendBlockOp : Kv_Op<"attend_block", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "joins a block of tokens to the state of an item's rows on one kv head";
  let description = [{
    A row is a (query, query head) pair: row n of the head, 0 <= n < `rows`, has query `query` + n / group of the step and query head
    `head` * group + n % group; its query is at position `past` + query of the sequence. `padded` rows are whole row tiles; those past
    the last repeat it. Of the block's tokens, the first of which is number `token` of the sequence, `count` are there. Row n sees
    all of them, or under a causal mask those up to its own position; what it does not see adds nothing to it, whatever that holds.

    With the scores s' of the tokens that a row sees, in the units of its operands:
      m' = max(m, max s'),  sum' = sum * 2^(u (m - m')) + add 2^(u (s' - m')),  acc' = acc * 2^(u (m - m')) + add 2^(u (s' - m')) value

    `queries` are row operands of the schedule's key record, in the homes of all heads, those of this head from row `first` on. Where
    the record rounds them, `scales` has a row's unit, and of integer records `rest` what rounding leaves of rows with outliers,
    `refined` whether a row tile has such; `sums` has, run by run of channels, the sums of operands that codes with a shift or zeros
    need. A step has `least` rows of a head at least. The state is three homes, maximum, sum and accumulator; or, of one row tile, as many tiles: maximum, sum, and slice
    by slice of the channels accumulators, which `next` has with the block.

    Rules:
    - C1: homes of the state are three; of tiles there are as many results, of the same types, and row tiles `one`.
    - C2: the scale is positive and finite, `group` and `least` are positive.
    - C3: the score region takes (f32, i32, i32, index) and yields f32.
    - C4: the function has a schedule.
  }];
  let arguments = (ins Kv_BlockType:$block, I64:$token, I64:$count, I64:$head, I64:$first, I64:$rows, I64:$padded, I64:$query,
                       I64:$past, Kv_Home:$queries, Optional<Kv_Home>:$scales, Optional<Kv_Home>:$rest,
                       Optional<Kv_Home>:$refined, Optional<Kv_Home>:$sums,
                       Variadic<AnyTypeOf<[Kv_Home, Kv_F32Tile]>>:$state, Kv_RowTilesAttr:$tiles, I64Attr:$group, I64Attr:$least,
                       F64Attr:$scale, Kv_MaskAttr:$mask, Kv_AccuracyAttr:$accuracy);
  let results = (outs Variadic<Kv_F32Tile>:$next);
  // Entry block: (s: f32, i: i32, j: i32, h: index), as of kv.attend, with kv.argument for the declared arrays.
  let regions = (region MaxSizedRegion<1>:$score);
  let assemblyFormat = [{
    $tiles `rows` `[` $first `,` $rows `,` $padded `]` `of` $queries (`scales` $scales^)? (`rest` $rest^ `if` $refined)?
    (`sums` $sums^)? `,` $block `[` $token `,` $count `]` `head` $head `query` $query `past` $past `state` $state
    `group` `(` $group `)` `least` `(` $least `)` `scale` `(` $scale `)` `mask` `(` $mask `)` `accuracy` `(` $accuracy `)`
    (`score` $score^)? attr-dict `:` type($queries) (`scales` type($scales)^)? (`rest` type($rest)^ `,` type($refined))?
    (`sums` type($sums)^)? `,` type($block) `,` type($state) (`->` type($next)^)?
  }];
  let hasVerifier = 1;
}

#endif

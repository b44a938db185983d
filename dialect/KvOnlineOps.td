// The online level of the kv dialect: attention over blocks of tokens, with what each row has so far as its state.
#ifndef KV_ONLINE_OPS_TD
#define KV_ONLINE_OPS_TD

include "dialect/KvStepOps.td"

def Kv_TilesEnum : Kv_Enum<"Tiles", "how many row tiles an item has", [
  I32EnumAttrCase<"any", 0>,    // not cut yet
  I32EnumAttrCase<"one", 1>,    // one, of the rows that the schedule has for it
  I32EnumAttrCase<"many", 2>,   // several, of the rows that the schedule has for them
  I32EnumAttrCase<"either", 3>  // one or several, as the number of rows says
]>;
def Kv_TilesAttr : EnumAttr<Kv_Dialect, Kv_TilesEnum, "tiles">;

def Kv_F32Tile : RankedTensorOf<[F32]>;
def Kv_Home : MemRefRankOf<[AnyType], [2]>;

def Kv_StartStateOp : Kv_Op<"start_state", [Pure]> {
  let summary = "the state of no tokens: maximum -infinity, sum and accumulator 0";
  let results = (outs Kv_StateType:$state);
  let assemblyFormat = "attr-dict `:` type($state)";
}

def Kv_EncodeTokenOp : Kv_Op<"encode_token", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "encode one token of a kv head and store it in a page";
  let description = [{
    Channel c of the token is element `element` + c of a tensor of the step, of type `type`. Its codes, scales and zeros go to slot
    `slot` of the page; `bits` is scratch for the codes.

    Rules:
    - C1: the type is f32, f16 or bf16.
    - C2: `bits` is one row of i32 with a column for each channel of the stream, or more.
  }];
  let arguments = (ins LLVM_AnyPointer:$tensor, I64:$element, LLVM_AnyPointer:$page, I64:$head, I64:$slot, Kv_Home:$bits,
                       TypeAttr:$type, Kv_StreamAttr:$stream, TypeAttrOf<Kv_CacheType>:$cache);
  let assemblyFormat = [{
    $tensor `[` $element `]` `as` $type `to` $stream `of` $page `head` $head `slot` $slot `by` $bits `in` $cache attr-dict
    `:` type($tensor) `,` type($page) `,` type($bits)
  }];
  let hasVerifier = 1;
}

def Kv_StartRowsOp : Kv_Op<"start_rows", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "the item's queries of one kv head as row operands";
  let description = [{
    Rows, `queries` and what belongs to it are those of kv.attend_block; a row's values are the step's q of type `type`. A row's unit in
    `scales` is what one of its operands is worth, times `factor`. With homes of a state, which OrderLoops gives, those of the rows
    become what kv.start_state says.

    Rules:
    - C1: a state is three homes or none.
    - C2: the type is f32, f16 or bf16; `factor` and `group` are positive.
    - C3: rows of the queries are the cache's keys long, as the function's schedule rounds them.
  }];
  let arguments = (ins I64:$seq, I64:$head, I64:$first, I64:$rows, I64:$padded, I64:$query, Kv_Home:$queries,
                       Optional<Kv_Home>:$scales, Optional<Kv_Home>:$rest, Optional<Kv_Home>:$refined, Optional<Kv_Home>:$sums,
                       Variadic<Kv_Home>:$state, TypeAttrOf<Kv_CacheType>:$cache, TypeAttr:$type, F64Attr:$factor, I64Attr:$group,
                       Kv_AccuracyAttr:$accuracy);
  let assemblyFormat = [{
    `rows` `[` $first `,` $rows `,` $padded `]` `of` $type `seq` $seq `head` $head `query` $query `to` $queries (`scales` $scales^)?
    (`rest` $rest^ `if` $refined)? (`sums` $sums^)? (`state` $state^)? `for` $cache `factor` `(` $factor `)` `group` `(` $group `)`
    `accuracy` `(` $accuracy `)` attr-dict `:` type($queries) (`scales` type($scales)^)?
    (`rest` type($rest)^ `,` type($refined))? (`sums` type($sums)^)? (`state` type($state)^)?
  }];
  let hasVerifier = 1;
}

def Kv_ForBlocksOp : Kv_Op<"for_blocks", [SingleBlock, RecursiveMemoryEffects, TypesMatchWith<"init has the result's type", "end_state", "init", "$_self">]> {
  let summary = "for every block of an item's tokens and every kv head of it";
  let description = [{
    Tokens [begin, end) of the sequence, in blocks of as many as the schedule says, or fewer at an end; a block is inside a page or holds
    whole pages, and `begin` is where one begins. Blocks, and heads [head, head + heads) in each, are in the order of the schedule.
    `table` is the sequence's row of the block table. The body has of each kv head: its number, the first of its rows in the homes of
    the item, of which it has `padded`; the block, the number of its first token in the sequence and how many there are, at least one;
    and the state so far, of which it yields the next. The result is the state after the last.

    Rules:
    - C1: the body has (i64, i64, a block, i64, i64, the state).
    - C2: the body has one kv.attend_block, whose state it yields.
  }];
  let arguments = (ins I64:$begin, I64:$end, I64:$head, I64:$heads, I64:$padded, LLVM_AnyPointer:$table, Kv_StateType:$init);
  let results = (outs Kv_StateType:$end_state);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `[` $begin `,` $end `)` `of` $table `heads` `[` $head `,` $heads `]` `rows` $padded `init` $init $body attr-dict
    `:` type($table) `->` type($end_state)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The kv.attend_block of the body.
    AttendBlockOp getAttend();
  }];
}

def Kv_FinishOp : Kv_Op<"finish", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "results of an item's rows on one kv head: o and lse, or the partial result of a split";
  let description = [{
    Rows are those of kv.attend_block. With maximum m, sum and accumulator of a row, o = acc / sum in the output's type, and where
    `output` has lse and the caller wants it, lse = u m + log(sum), where u is `unit`, times the row's scale where there are any. A row
    that has seen nothing has o = 0 and lse = -infinity. With an argument a[heads] of sinks, exp(a[h]) is one more term of a row's sum
    that no value goes with: lse = log(exp(a[h]) + exp(u m) sum). An item with a place for partial results leaves u m, sum and
    accumulator there instead: those of head `firstHead` come first.

    Rules:
    - C1: `unit` and `group` are positive.
    - C2: the state is one value, or three homes.
  }];
  let arguments = (ins I64:$seq, I64:$head, I64:$firstHead, I64:$first, I64:$rows, I64:$query, Optional<Kv_Home>:$scales,
                       Variadic<AnyTypeOf<[Kv_StateType, Kv_Home]>>:$state, F64Attr:$unit, I64Attr:$group,
                       Kv_OutputAttr:$output);
  let assemblyFormat = [{
    `rows` `[` $first `,` $rows `]` `seq` $seq `head` $head `of` $firstHead `query` $query (`scales` $scales^)? `state` $state
    `unit` `(` $unit `)` `group` `(` $group `)` `as` $output attr-dict
    `:` (`scales` type($scales)^ `,`)? type($state)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether OrderLoops has placed the state. Then it is in these homes.
    bool isPlaced() { return getState().size() == 3; }
    ::mlir::Value getMaximum() { return getState()[0]; }
    ::mlir::Value getSum() { return getState()[1]; }
    ::mlir::Value getAccumulator() { return getState()[2]; }
  }];
}

def Kv_AttendBlockOp : Kv_Op<"attend_block", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "joins a block of tokens to the state of an item's rows on one kv head";
  let description = [{
    A row is a (query, query head) pair: row n of the head, 0 <= n < `rows`, has query `query` + n / group of the step and query head
    `head` * group + n % group; its query is at position `past` + query of the sequence. `padded` rows are whole row tiles; those past
    the last repeat it. Of the block's tokens, the first of which is number `token` of the sequence, `count` are there. Row n sees those
    that its query sees of run `run` of `sees` and of no run before it; what it does not see adds nothing to it, whatever that holds.
    Of a `whole` block every row sees all tokens that the block has room for.
    `cache` is what the block's tokens were appended to: a staged block has rows of its own length.

    With the scores s' of the tokens that a row sees, in the units of its operands:
      m' = max(m, max s'),  sum' = sum * 2^(u (m - m')) + add 2^(u (s' - m')),  acc' = acc * 2^(u (m - m')) + add 2^(u (s' - m')) value

    `queries` are row operands of the schedule's key record, in the homes of all heads, those of this head from row `first` on. Where
    the record rounds them, `scales` has a row's unit, and of integer records `rest` what rounding leaves of rows with outliers,
    `refined` whether a row tile has such; `sums` has, run by run of channels, the sums of operands that codes with a shift or zeros
    need. A step has `least` rows of a head at least. The state is one value, of all rows of the item, and `next` it with the block;
    or, once OrderLoops has placed it, three homes, maximum, sum and accumulator, or of one row tile as many tiles: maximum, sum, and
    slice by slice of the channels accumulators, which `next` has with the block.

    Rules:
    - C1: the state is one value, and so is the result; or three homes, without a result; or tiles of row tiles `one`, with as many
      results of their types.
    - C2: the scale is positive and finite, `group` and `least` are positive.
    - C3: the score region takes (f32, i32, i32, index) and yields f32.
    - C4: the function has a schedule.
  }];
  let arguments = (ins Kv_BlockType:$block, I64:$token, I64:$count, I64:$head, I64:$first, I64:$rows, I64:$padded, I64:$query,
                       I64:$past, I64:$run, Kv_Home:$queries, Optional<Kv_Home>:$scales, Optional<Kv_Home>:$rest,
                       Optional<Kv_Home>:$refined, Optional<Kv_Home>:$sums,
                       Variadic<AnyTypeOf<[Kv_StateType, Kv_Home, Kv_F32Tile]>>:$state, TypeAttrOf<Kv_CacheType>:$cache, Kv_TilesAttr:$tiles, I64Attr:$group, I64Attr:$least,
                       F64Attr:$scale, Kv_VisibleAttr:$sees, UnitAttr:$whole, Kv_AccuracyAttr:$accuracy);
  let results = (outs Variadic<AnyTypeOf<[Kv_StateType, Kv_F32Tile]>>:$next);
  // Entry block: (s: f32, i: i32, j: i32, h: index), as of kv.attend, with kv.argument for the declared arrays.
  let regions = (region MaxSizedRegion<1>:$score);
  let extraClassDeclaration = [{
    /// Whether OrderLoops has placed the state.
    bool isPlaced() { return getState().size() >= 3; }
  }];
  let assemblyFormat = [{
    $tiles `rows` `[` $first `,` $rows `,` $padded `]` `of` $queries (`scales` $scales^)? (`rest` $rest^ `if` $refined)?
    (`sums` $sums^)? `,` $block `[` $token `,` $count `]` `head` $head `query` $query `past` $past `state` $state `for` $cache
    `group` `(` $group `)` `least` `(` $least `)` `scale` `(` $scale `)` `sees` $sees `[` $run `]` (`whole` $whole^)? `accuracy`
    `(` $accuracy `)` (`score` $score^)? attr-dict `:` type($queries) (`scales` type($scales)^)? (`rest` type($rest)^ `,` type($refined))?
    (`sums` type($sums)^)? `,` type($block) `,` type($state) (`->` type($next)^)?
  }];
  let hasVerifier = 1;
}

#endif

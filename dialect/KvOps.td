// Level 0 of the kv dialect: what a `.kv` file says, for one sequence. The reference interpreter executes these ops.
#ifndef KV_OPS_TD
#define KV_OPS_TD

include "dialect/KvTypes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

class Kv_Op<string opMnemonic, list<Trait> traits = []> : Op<Kv_Dialect, opMnemonic, traits>;

def Kv_Float : AnyTypeOf<[F32, F16, BF16]>;
def Kv_Rows : RankedTensorOf<[Kv_Float]>;
def Kv_RowStat : RankedTensorOf<[F32]>;

def Kv_YieldOp : Kv_Op<"yield", [Terminator, Pure, ParentOneOf<["AttendOp", "AppendAttendOp", "AttendBlockOp", "ForBlocksOp"]>]> {
  let summary = "result of a mask or score region, or the state of a kv.for_blocks with a block";
  let description = [{
    Rules:
    - C1: it ends a region of an attend or of a kv.for_blocks.
  }];
  let arguments = (ins AnyTypeOf<[F32, I1, Kv_StateType]>:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Kv_AppendOp : Kv_Op<"append"> {
  let summary = "store new tokens at the end of a sequence";
  let description = [{
    `keys` is `[tokens, heads, keyDim]`, `values` is `[tokens, heads, valueDim]`. Each group of channels is converted to f32 and
    encoded by its codec. Appending n tokens at once stores the same bytes as one by one.

    Rules:
    - C1: keys and values have the cache's heads and dimensions.
    - C2: keys and values have the same element type and number of tokens.
  }];
  let arguments = (ins Kv_Rows:$keys, Kv_Rows:$values, Arg<Kv_CacheType, "", [MemRead, MemWrite]>:$cache);
  let assemblyFormat = "$keys `,` $values `to` $cache attr-dict `:` type($keys) `,` type($values) `,` type($cache)";
  let hasVerifier = 1;
}

class Kv_AttendLike<string opMnemonic, list<Trait> traits> : Kv_Op<opMnemonic, traits> {
  let results = (outs Kv_Rows:$output, Optional<Kv_RowStat>:$lse);
  // Entry blocks: mask (i: i32, j: i32, h: index), empty when every query sees every token; score (s: f32, i, j, h), empty when
  // the score is s itself. They may use values defined above them.
  let regions = (region MaxSizedRegion<1>:$mask, MaxSizedRegion<1>:$score);
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// How its rows leave, with what each array that its function declares is to it.
    OutputAttr getOutputForm();
  }];
}

def Kv_AttendOp : Kv_AttendLike<"attend", []> {
  let summary = "attention of new queries over a sequence's cache";
  let description = [{
    `query` is `[queries, Hq, keyDim]`; query n is at position i = length - queries + n, where length counts the tokens in the cache.
    For each query head h, kv head g = h / (Hq / heads), and each key j that the mask lets pass:
      s = scale * sum_d query[n, h, d] * key[g, j, d];  s' = score(s, i, j, h)
      output[n, h, :] = sum_j softmax_j(s') * value[g, j, :],   lse[n, h] = log sum_j exp(s')
    A query that sees no key gives output 0 and lse -inf. With `sinks`, a number a of each query head, exp(a) joins the denominator:
      output[n, h, :] = sum_j exp(s'_j) * value[g, j, :] / (exp(a) + sum_j exp(s'_j)),   lse[n, h] = log(exp(a) + sum_j exp(s'_j))
    `visible` says what the mask lets pass; kv-analyze-mask writes it.

    Rules:
    - C1: the query's heads are a positive multiple of the cache's heads and its dimension is keyDim.
    - C2: the output is [queries, Hq, valueDim]; lse is [queries, Hq].
    - C3: the score region takes (f32, i32, i32, index) and yields f32.
    - C4: 1 <= the least number of queries <= the greatest.
    - C5: the scale is positive and finite.
    - C7: the mask region takes (i32, i32, index) and yields i1.
    - C8: sinks are [Hq].
  }];
  let arguments = (ins Kv_Rows:$query, Arg<Kv_CacheType, "", [MemRead]>:$cache, Optional<Kv_RowStat>:$sinks, F64Attr:$scale,
                       Kv_AccuracyAttr:$accuracy, I64Attr:$minQueries, I64Attr:$maxQueries,
                       OptionalAttr<DictionaryAttr>:$schedules, OptionalAttr<Kv_VisibleAttr>:$visible);
  let assemblyFormat = [{
    $query `on` $cache `scale` `(` $scale `)` (`mask` $mask^)? `accuracy` `(` $accuracy `)`
    `queries` `(` $minQueries `,` $maxQueries `)` (`score` $score^)? (`sinks` $sinks^)? attr-dict `:` type($query) `,` type($cache)
    (`sinks` type($sinks)^)? `->` type($output) (`,` type($lse)^)?
  }];
}

def Kv_AppendAttendOp : Kv_AttendLike<"append_attend", []> {
  let summary = "append, then attend, as one step";
  let description = [{
    Same meaning, bit for bit, as the two ops in turn.

    Rules: those of kv.append (C1, C2) and of kv.attend (C1 to C5, C7, C8).
    - C6: as many new tokens as queries.
  }];
  let arguments = (ins Kv_Rows:$query, Kv_Rows:$keys, Kv_Rows:$values, Arg<Kv_CacheType, "", [MemRead, MemWrite]>:$cache,
                       Optional<Kv_RowStat>:$sinks, F64Attr:$scale, Kv_AccuracyAttr:$accuracy, I64Attr:$minQueries, I64Attr:$maxQueries,
                       OptionalAttr<DictionaryAttr>:$schedules, OptionalAttr<Kv_VisibleAttr>:$visible);
  let assemblyFormat = [{
    $query `,` $keys `,` $values `on` $cache `scale` `(` $scale `)` (`mask` $mask^)? `accuracy` `(` $accuracy `)`
    `queries` `(` $minQueries `,` $maxQueries `)` (`score` $score^)? (`sinks` $sinks^)? attr-dict `:` type($query) `,` type($keys) `,`
    type($values) `,` type($cache) (`sinks` type($sinks)^)? `->` type($output) (`,` type($lse)^)?
  }];
}

def Kv_MergeOp : Kv_Op<"merge", [Pure]> {
  let summary = "join attention over two disjoint sets of keys";
  let description = [{
    With m = max(lseA, lseB), wA = exp(lseA - m), wB = exp(lseB - m):
      output = (wA * outputA + wB * outputB) / (wA + wB),  lse = m + log(wA + wB); both sides empty give 0 and -inf.

    Rules:
    - C1: both outputs and the result have one type, both lse and the result's have one type, and lse is output without channels.
  }];
  let arguments = (ins Kv_Rows:$outputA, Kv_RowStat:$lseA, Kv_Rows:$outputB, Kv_RowStat:$lseB);
  let results = (outs Kv_Rows:$output, Kv_RowStat:$lse);
  let assemblyFormat = [{
    `(` $outputA `,` $lseA `)` `,` `(` $outputB `,` $lseB `)` attr-dict `:` type($outputA) `,` type($lseA) `,` type($outputB) `,`
    type($lseB) `->` type($output) `,` type($lse)
  }];
  let hasVerifier = 1;
}

#endif

// What tiles become: neutral instructions on vectors, or on a thread's scalars. Each has a fallback in compiler/targets/generic/.
#ifndef KV_MACHINE_OPS_TD
#define KV_MACHINE_OPS_TD

include "dialect/KvProductOps.td"

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

// What a kernel is told: fields of the step and of its item, by name. LowerEntry makes loads of them; nothing else knows where a
// field lies.
#ifndef KV_STEP_OPS_TD
#define KV_STEP_OPS_TD

include "dialect/KvOps.td"
include "mlir/Dialect/LLVMIR/LLVMOpBase.td"

// Fields of kv_step that code reads (runtime/include/kv/kv_abi.h says what each one holds).
def Kv_StepFieldEnum : Kv_Enum<"StepField", "a field of kv_step", [
  I32EnumAttrCase<"pages", 0>, I32EnumAttrCase<"page_stride", 1>, I32EnumAttrCase<"num_seqs", 2>,
  I32EnumAttrCase<"query_start_loc", 3>, I32EnumAttrCase<"seq_lens", 4>, I32EnumAttrCase<"block_table", 5>,
  I32EnumAttrCase<"block_table_stride", 6>, I32EnumAttrCase<"slot_mapping", 7>,
  I32EnumAttrCase<"q", 8>, I32EnumAttrCase<"q_token_stride", 9>, I32EnumAttrCase<"q_head_stride", 10>,
  I32EnumAttrCase<"k", 11>, I32EnumAttrCase<"k_token_stride", 12>, I32EnumAttrCase<"k_head_stride", 13>,
  I32EnumAttrCase<"v", 14>, I32EnumAttrCase<"v_token_stride", 15>, I32EnumAttrCase<"v_head_stride", 16>,
  I32EnumAttrCase<"o", 17>, I32EnumAttrCase<"o_token_stride", 18>, I32EnumAttrCase<"o_head_stride", 19>,
  I32EnumAttrCase<"lse", 20>, I32EnumAttrCase<"workspace", 21>]>;
def Kv_StepFieldAttr : EnumAttr<Kv_Dialect, Kv_StepFieldEnum, "step_field">;

def Kv_ItemFieldEnum : Kv_Enum<"ItemField", "a field of kv_item", [
  I32EnumAttrCase<"seq", 0>, I32EnumAttrCase<"head", 1>, I32EnumAttrCase<"num_heads", 2>, I32EnumAttrCase<"query_begin", 3>,
  I32EnumAttrCase<"query_end", 4>, I32EnumAttrCase<"token_begin", 5>, I32EnumAttrCase<"token_end", 6>,
  I32EnumAttrCase<"partial", 7>, I32EnumAttrCase<"num_partials", 8>, I32EnumAttrCase<"scratch", 9>]>;
def Kv_ItemFieldAttr : EnumAttr<Kv_Dialect, Kv_ItemFieldEnum, "item_field">;

def Kv_Field : AnyTypeOf<[I64, LLVM_AnyPointer]>;

// Nothing writes a step or an item while a kernel runs: reading a field has no effect.
def Kv_StepOp : Kv_Op<"step", [NoMemoryEffect, DeclareOpInterfaceMethods<ConditionallySpeculatable>]> {
  let summary = "a field of the step, or an entry of the array that it points to";
  let description = [{
    The step is the function's first argument.

        %length = kv.step seq_lens[%seq] : i64
        %pages = kv.step pages : !llvm.ptr

    A field may be read where nobody asks for it, an entry may not: its index may be none.

    Rules:
    - C1: only an array of numbers has entries.
    - C2: a number and an entry are i64, all else a pointer.
  }];
  let arguments = (ins Kv_StepFieldAttr:$field, Optional<I64>:$index);
  let results = (outs Kv_Field:$value);
  let assemblyFormat = "$field (`[` $index^ `]`)? attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Kv_ItemOp : Kv_Op<"item", [Pure]> {
  let summary = "a field of the item";
  let description = [{
    The item is the function's second argument.

    Rules:
    - C1: a number is i64, a field that points is a pointer.
  }];
  let arguments = (ins Kv_ItemFieldAttr:$field);
  let results = (outs Kv_Field:$value);
  let assemblyFormat = "$field attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Kv_ArgumentOp : Kv_Op<"argument", [NoMemoryEffect]> {
  let summary = "an entry of an array that the attend declares";
  let description = [{
    Rules:
    - C1: `number` is the place of an array that a step has room for.
  }];
  let arguments = (ins I64Attr:$number, I64:$index);
  let results = (outs F32:$value);
  let assemblyFormat = "$number `[` $index `]` attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Kv_NewItemOp : Kv_Op<"new_item", [MemoryEffects<[MemAlloc]>]> {
  let summary = "an item of the function's own, to call another kernel with; its fields are not set";
  let results = (outs LLVM_AnyPointer:$item);
  let assemblyFormat = "attr-dict `:` type($item)";
}

def Kv_SetItemOp : Kv_Op<"set_item", [MemoryEffects<[MemWrite]>]> {
  let summary = "set a field of an item of the function's own";
  let description = [{
    Rules:
    - C1: a number is i64, a field that points takes a pointer.
  }];
  let arguments = (ins Kv_ItemFieldAttr:$field, LLVM_AnyPointer:$item, Kv_Field:$value);
  let assemblyFormat = "$field `of` $item `=` $value attr-dict `:` type($item) `,` type($value)";
  let hasVerifier = 1;
}

#endif

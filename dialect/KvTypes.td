// Types of the kv dialect.
#ifndef KV_TYPES_TD
#define KV_TYPES_TD

include "dialect/KvSchedule.td"

def Kv_CacheType : TypeDef<Kv_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "the cache of one sequence";
  let description = [{
    A reference to what has been appended so far: for each kv head and token, `keyDim` key channels and `valueDim` value channels,
    stored by their codecs.

    Rules:
    - C1: heads, keyDim and valueDim are positive; dims are multiples of 8, at most 576.
    - C2: a codec's group divides its dimension.
    - C3: rows of 4-bit codes fill whole bytes: the fastest digit of their order has an even extent.
    - C4: the two 4-bit codes of a byte are of one head and one aligned run of 16 tokens: others are stored by other threads.
  }];
  let parameters = (ins "mlir::StringAttr":$name, "int64_t":$heads, "int64_t":$keyDim, "int64_t":$valueDim, "CodecAttr":$key,
                        "CodecAttr":$value, "LayoutAttr":$layout);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    CodecAttr getCodec(Stream stream) const { return stream == Stream::key ? getKey() : getValue(); }
    int64_t getDim(Stream stream) const { return stream == Stream::key ? getKeyDim() : getValueDim(); }
    /// Channels that share a scale: a group of the codec, or all where it has no scale. And how many such runs there are.
    int64_t getRun(Stream stream) const { return getCodec(stream).hasScale() ? getCodec(stream).getGroup() : getDim(stream); }
    int64_t getGroups(Stream stream) const { return getDim(stream) / getRun(stream); }
    OrderAttr getOrder(Stream stream) const { return stream == Stream::key ? getLayout().getKey() : getLayout().getValue(); }
  }];
}

def Kv_BlockType : TypeDef<Kv_Dialect, "Block"> {
  let mnemonic = "block";
  let summary = "a block of tokens of one kv head, found in its pages";
  let parameters = (ins "CacheType":$cache, "int64_t":$tokens);
  let assemblyFormat = "`<` $tokens `of` $cache `>`";
}

def Kv_StateType : TypeDef<Kv_Dialect, "State"> {
  let mnemonic = "state";
  let summary = "what attention has so far of an item's rows";
  let description = [{
    Of each row, as kv.attend_block joins them: the maximum, the sum and the accumulator of `channels` values. `!kv.state<32 x 128>`
    is of 32 rows. OrderLoops says where it is kept. `!kv.state<32 x 128, 2>` would also have what two observers keep of each row and
    token; no pass lowers it yet, and OrderLoops refuses it.

    Rules:
    - C1: rows and channels are positive; observers are not negative.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$channels, DefaultValuedParameter<"int64_t", "0">:$observers);
  let assemblyFormat = "`<` $rows `x` $channels (`,` $observers^)? `>`";
  let genVerifyDecl = 1;
}

#endif

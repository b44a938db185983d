// How a kernel is computed: #kv.schedule and its groups of choices.
#ifndef KV_SCHEDULE_TD
#define KV_SCHEDULE_TD

include "dialect/KvAttrs.td"

def Kv_RouteEnum : Kv_Enum<"Route", "who makes the code of a row tile and a block", [
  I32EnumAttrCase<"mlir", 0>, I32EnumAttrCase<"halide", 1>]>;

def Kv_ItemAttr : Kv_Attr<"Item", "item"> {
  let summary = "what one call of a kernel works on";
  let description = [{
    queries: of a sequence. heads: kv heads of an item of one query; each block of tokens is worked on for all of them before the
    next, so that pages are read whole. split: tokens.

    Rules:
    - C1: every number is positive.
  }];
  let parameters = (ins "int64_t":$queries, "int64_t":$heads, "int64_t":$split);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kv_RowTilesAttr : Kv_Attr<"RowTiles", "row_tiles"> {
  let summary = "how the rows of an item, which are (query, head) pairs, are cut";
  let description = [{
    one: rows of the row tile of an item that has but one. many: rows of each row tile of items that have several, which share what
    is read of a block; 0 where no item has. always: every item has several. softmax, manySoftmax: rows that softmax works on at a
    time, of one row tile and of each of several. share: one softmax serves both kinds of items; scores, and what sums need of it,
    then go through scratch.

    Rules:
    - C1: softmax is positive and divides one.
    - C2: manySoftmax is positive and divides many; or both are 0, and neither `always` nor `share` holds.
    - C3: a shared softmax works on as many rows of both, and some items have one row tile.
  }];
  let parameters = (ins "int64_t":$one, DefaultValuedParameter<"int64_t", "0">:$many,
                        DefaultValuedParameter<"bool", "false">:$always, "int64_t":$softmax,
                        DefaultValuedParameter<"int64_t", "0">:$manySoftmax, DefaultValuedParameter<"bool", "false">:$share);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kv_StatePlaceEnum : Kv_Enum<"StatePlace", "where a row tile's maxima, sums and accumulators are between blocks", [
  I32EnumAttrCase<"scratch", 0>, I32EnumAttrCase<"registers", 1>]>;

def Kv_MasksEnum : Kv_Enum<"Masks", "which blocks are computed with a mask", [
  I32EnumAttrCase<"always", 0>, // every one
  I32EnumAttrCase<"classes", 1> // those of which a row does not see a token: two kinds of code
]>;

def Kv_BlockPlanAttr : Kv_Attr<"BlockPlan", "block_plan"> {
  let summary = "how the tokens of a split are walked through";
  let description = [{
    tokens: of a step of the loop. ahead: how many blocks ahead, in the order of work, memory is asked for. stages: how many blocks
    ahead are copied into a ring in the memory of a team of threads, which has room for one more. state: where maxima, sums and
    accumulators of the rows are from a block to the next. masks: whether blocks of which every row sees all tokens have code of their
    own, without a mask.

    Rules:
    - C1: tokens are positive; ahead and stages are not negative.
    - C2: blocks are asked for or copied ahead, not both.
    - C3: the state is in registers only where blocks are copied.
  }];
  let parameters = (ins "int64_t":$tokens, DefaultValuedParameter<"int64_t", "0">:$ahead,
                        DefaultValuedParameter<"int64_t", "0">:$stages,
                        DefaultValuedParameter<"StatePlace", "StatePlace::scratch">:$state,
                        DefaultValuedParameter<"Masks", "Masks::always">:$masks);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

// How the lanes of a load lie in memory.
def Kv_LoadKindEnum : Kv_Enum<"LoadKind", "how the lanes of a load lie", [
  I32EnumAttrCase<"vector", 0>,    // one after another: one vector load
  I32EnumAttrCase<"halves", 1>,    // one after another, two in a byte
  I32EnumAttrCase<"rows", 2>,      // apart, each lane's elements together: one scalar load a lane
  I32EnumAttrCase<"single", 3>,    // every element is apart
  I32EnumAttrCase<"transposed", 4> // read the other way about, and transposed
]>;

def Kv_LoadAttr : Kv_Attr<"Load", "load"> {
  let summary = "what one load of a stream brings: consecutive x in the lanes of a team, consecutive z in the bits of each";
  let description = [{
    The lanes lie along x, which a product keeps; z is what it contracts. elementBits: where the elements of consecutive z begin in
    a lane. laneBits: that are read of a lane.

        #kv.load<vector[0, 8, 16, 24] of 32>    four bytes of one token, or channel, in each lane

    `transposed`: as many words as lanes follow one another in each lane's row. A vector reads them row by row and transposes them
    in registers; a thread reads its own row. For a matrix record, eight columns lie together, and an instruction transposes them.

    Rules:
    - C1: there is an element, and every element begins in the lane's bits.
  }];
  let parameters = (ins "LoadKind":$kind, ArrayRefParameter<"int64_t">:$elementBits, "int64_t":$laneBits);
  let assemblyFormat = "`<` $kind `[` $elementBits `]` `of` $laneBits `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements of a lane.
    int64_t getPack() const { return int64_t(getElementBits().size()); }
  }];
}

def Kv_DecodingEnum : Kv_Enum<"Decoding", "how often the codes of a block are decoded", [
  I32EnumAttrCase<"each", 0>, // by each row tile, as it multiplies them
  I32EnumAttrCase<"once", 1>  // into scratch, for all row tiles
]>;

def Kv_ProductPlanAttr : Kv_Attr<"ProductPlan", "product_plan"> {
  let summary = "how rows are multiplied by a stream of a block";
  let description = [{
    load: how codes are read. slice: tokens of one accumulation of scores, channels of one of sums; manySlice: the same of items
    with several row tiles, 0 where there are none. unroll: loads of an iteration; 0: as they suit. decode: whether each of several
    row tiles decodes the codes, or numbers are left in scratch for all of them.

    Rules:
    - C1: slice is positive; manySlice and unroll are not negative.
    - C2: codes are decoded once for several row tiles that are multiplied as f32, and for no others.
  }];
  let parameters = (ins "Dot":$dot, "LoadAttr":$load, "int64_t":$slice, DefaultValuedParameter<"int64_t", "0">:$manySlice,
                        DefaultValuedParameter<"int64_t", "0">:$unroll,
                        DefaultValuedParameter<"Decoding", "Decoding::each">:$decode);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The slice in an item with one row tile, or with several.
    int64_t sliceOf(bool several) const { return several ? getManySlice() : getSlice(); }
  }];
}

def Kv_TeamAttr : Kv_Attr<"Team", "team"> {
  let summary = "who works on an item";
  let description = [{
    lanes: along tokens for scores, along channels for sums. threads: of a team whose lanes are threads, which have registers of
    their own, exchange values by an instruction and see what others have stored only after a barrier; 0: lanes are those of a
    vector.

    Rules:
    - C1: lanes are positive, and divide the threads of a team that has any.
  }];
  let parameters = (ins "int64_t":$lanes, DefaultValuedParameter<"int64_t", "0">:$threads);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kv_ScheduleAttr : Kv_Attr<"Schedule", "schedule"> {
  let summary = "how a kernel is computed; written by SelectSchedule, read by everything after it";
  let description = [{
    scores: q . k, which contracts channels. sums: p . v, which contracts tokens. route: `halide` where what an attend does with a
    row tile and a block is a function that Halide makes.

        #kv.schedule<item = <queries = 8, heads = 2, split = 2048>, rows = <one = 4, many = 8, softmax = 4, manySoftmax = 4>,
                     block = <tokens = 64, ahead = 1>,
                     scores = <dot = u8s8, load = <vector[0, 8, 16, 24] of 32>, slice = 64, manySlice = 32>,
                     sums = <dot = s8u8, load = <vector[0, 8, 16, 24] of 32>, slice = 64, manySlice = 32>, team = <lanes = 16>>

    Rules:
    - C1: slices are whole teams.
    - C2: a block is whole slices of scores.
    - C3: products have a slice for several row tiles where there are such, and nowhere else.
    - C4: blocks are copied ahead by a team of threads.
  }];
  let parameters = (ins "ItemAttr":$item, "RowTilesAttr":$rows, "BlockPlanAttr":$block, "ProductPlanAttr":$scores,
                        "ProductPlanAttr":$sums, "TeamAttr":$team, DefaultValuedParameter<"Route", "Route::mlir">:$route);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The plan of the product that contracts channels, or tokens.
    ProductPlanAttr plan(Contract contract) const { return contract == Contract::d ? getScores() : getSums(); }
  }];
}

#endif

// Attributes of the kv dialect: codecs, orders, layouts, maps of tiles. Those of schedules are in KvSchedule.td.
#ifndef KV_ATTRS_TD
#define KV_ATTRS_TD

include "dialect/KvDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Kv_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::kv";
  let genSpecializedAttr = 0;
}

// Element types of a codec, in kv_type's order (runtime/include/kv/kv_abi.h), which dialect/KvAttrs.cpp checks.
def Kv_ElementEnum : Kv_Enum<"Element", "element type of a codec", [
  I32EnumAttrCase<"f32", 0>, I32EnumAttrCase<"f16", 1>, I32EnumAttrCase<"bf16", 2>,
  I32EnumAttrCase<"i8", 3>, I32EnumAttrCase<"u8", 4>, I32EnumAttrCase<"i4", 5>, I32EnumAttrCase<"u4", 6>,
  I32EnumAttrCase<"f8e4m3", 7>]>;

def Kv_ZeroEnum : Kv_Enum<"ZeroPoint", "where a group's zero lies", [
  I32EnumAttrCase<"sym", 0>, I32EnumAttrCase<"asym", 1>]>;

def Kv_LayoutKindEnum : Kv_Enum<"LayoutKind", "how tokens are found", [
  I32EnumAttrCase<"dense", 0>, I32EnumAttrCase<"paged", 1>]>;

def Kv_AccuracyEnum : Kv_Enum<"Accuracy", "tolerance promised by an attend", [
  I32EnumAttrCase<"exact", 0>, I32EnumAttrCase<"high", 1>, I32EnumAttrCase<"fast", 2>]>;

// In kv_argument_role's order, which dialect/KvAttrs.cpp checks.
def Kv_ArgumentRoleEnum : Kv_Enum<"ArgumentRole", "what a declared array is to an attend", [
  I32EnumAttrCase<"array", 0>, // of a score or mask expression
  I32EnumAttrCase<"sinks", 1>, I32EnumAttrCase<"mask", 2>, I32EnumAttrCase<"scales", 3>, I32EnumAttrCase<"rope", 4>]>;

def Kv_ElementAttr : EnumAttr<Kv_Dialect, Kv_ElementEnum, "element">;
def Kv_AccuracyAttr : EnumAttr<Kv_Dialect, Kv_AccuracyEnum, "accuracy">;

class Kv_Attr<string name, string attrMnemonic> : AttrDef<Kv_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Kv_CodecAttr : Kv_Attr<"Codec", "codec"> {
  let summary = "how a group of channels of one token and head is stored";
  let description = [{
    `#kv.codec<f16>` stores values; `#kv.codec<i8, group = 128, sym, scale = f32>` stores integer codes and one scale (and, for
    `asym`, one zero of the same type) for each `group` consecutive channels. Rounding is defined in compiler/frontend/language.md.

    Rules:
    - C1: integer elements have a positive group; scalar elements have none (0).
    - C2: the scale is f32 or f16.
  }];
  let parameters = (ins "Element":$element, "int64_t":$group, "ZeroPoint":$zero, "Element":$scale);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bits of one stored element: 32, 16, 8 or 4.
    int64_t bits() const;
    /// Whether codes are integers: whatever the stored bits, they are finite numbers.
    bool isInteger() const { return isCode(getElement()); }
    /// The parameters of a group of channels: value = zero + scale * number.
    bool hasScale() const { return getGroup() != 0; }
    bool hasZero() const { return hasScale() && getZero() == ZeroPoint::asym; }
    bool has(CodecParameter parameter) const { return parameter == CodecParameter::scale ? hasScale() : hasZero(); }
    /// Codes of unsigned elements are stored with this added; asym codes of signed elements with it subtracted.
    int64_t storedBias() const;
  }];
}

def Kv_OrderAttr : Kv_Attr<"Order", "order"> {
  let summary = "the order of elements in a region of a page";
  let description = [{
    Digits from slowest to fastest: `[h, t/16, d/4, t%16, d%4]`. A digit of coordinate c with divisor v and extent e is
    `c / v % e`; extent 0 is the outermost digit of its coordinate and takes what is left (padded up). `auto` is the order
    that a family of processors wants and stands for no digits.

    Rules:
    - C1: the digits of each coordinate cover it exactly once; an order inside a tile has none of h.
  }];
  let parameters = (ins ArrayRefParameter<"Digit">:$digits);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isAuto() const { return getDigits().empty(); }
    /// The order as written in a `.kv` file: `[h, t/16, d]` or `auto`.
    std::string str() const;
  }];
}

def Kv_LayoutAttr : Kv_Attr<"Layout", "layout"> {
  let summary = "where tokens live: dense(N) or paged(P), and the orders inside a page";
  let description = [{
    Without a tile, a page is one region after another: key codes, value codes, scales. With `tile = T` it is cut into tiles of T tokens
    of one head, in the order [t/T, h], and each tile holds such regions of its own; the orders are then of the tokens and channels of a
    tile. Orders are `auto` together or apart; where both are, so may be the tile (0).

    Rules:
    - C1: a page has at least one slot.
    - C2: a tile is a multiple of 16 tokens; orders have digits of h exactly where there is no tile.
  }];
  let parameters = (ins "LayoutKind":$kind, "int64_t":$slots, "int64_t":$tile, "OrderAttr":$key, "OrderAttr":$value);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Kv_StreamEnum : Kv_Enum<"Stream", "which half of a cache", [I32EnumAttrCase<"key", 0>, I32EnumAttrCase<"value", 1>]>;
def Kv_StreamAttr : EnumAttr<Kv_Dialect, Kv_StreamEnum, "stream">;

def Kv_ContractEnum : Kv_Enum<"Contract", "what a product sums over: channels give scores, tokens give sums", [
  I32EnumAttrCase<"d", 0>, I32EnumAttrCase<"t", 1>]>;
def Kv_ContractAttr : EnumAttr<Kv_Dialect, Kv_ContractEnum, "contract">;

def Kv_ReductionEnum : Kv_Enum<"Reduction", "how a tile is reduced", [
  I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"min", 2>, I32EnumAttrCase<"umax", 3>]>;
def Kv_ReductionAttr : EnumAttr<Kv_Dialect, Kv_ReductionEnum, "reduction">;

def Kv_ParameterEnum : Kv_Enum<"CodecParameter", "a number that says how codes are decoded", [
  I32EnumAttrCase<"scale", 0>, I32EnumAttrCase<"zero", 1>]>;
def Kv_ParameterAttr : EnumAttr<Kv_Dialect, Kv_ParameterEnum, "parameter">;

// A dot record: one way to multiply a tile of the cache by rows and add. A lane's 32 bits hold `depth` elements of the contraction.
// dialect/DotRecord.h says what each one is.
def Kv_DotEnum : Kv_Enum<"Dot", "dot record", [
  I32EnumAttrCase<"f32", 0>,     // f32 x f32 -> f32, depth 1
  I32EnumAttrCase<"u8s8", 1>,    // cache u8 x rows s8 -> i32, depth 4
  I32EnumAttrCase<"s8u8", 2>,    // cache s8 x rows u8 -> i32, depth 4
  I32EnumAttrCase<"s16", 3>,     // cache s16 x rows s16 -> i32, depth 2
  I32EnumAttrCase<"s8s8", 4>,    // cache s8 x rows s8 -> i32, depth 4
  I32EnumAttrCase<"u8u8", 5>,    // cache u8 x rows u8 -> i32, depth 4
  I32EnumAttrCase<"f16", 6>,     // cache f16 x rows f16 -> f32, depth 2
  I32EnumAttrCase<"bf16", 7>,    // cache bf16 x rows bf16 -> f32, depth 2
  I32EnumAttrCase<"bf16x2", 8>,  // cache bf16 x rows of two bf16, whose sum they are -> f32, depth 2
  I32EnumAttrCase<"s8s8mm", 9>,  // the same on 2 rows x 2 columns in every 4 lanes, two words of each
  I32EnumAttrCase<"s8u8mm", 10>,
  I32EnumAttrCase<"u8u8mm", 11>,
  I32EnumAttrCase<"bf16mm", 12>,
  I32EnumAttrCase<"u8s8x2", 13>, // rows of 16 bits as two bytes: 256 * high + low, one after the other
  I32EnumAttrCase<"s8u8x2", 14>,
  I32EnumAttrCase<"s8s8x2", 15>,
  I32EnumAttrCase<"u8u8x2", 16>
]>;
def Kv_DotAttr : EnumAttr<Kv_Dialect, Kv_DotEnum, "dot">;

def Kv_OutputAttr : Kv_Attr<"Output", "output"> {
  let summary = "how finished rows of attention leave";
  let description = [{
        #kv.output<f16, heads = 32, lse = true>
        #kv.output<f16, heads = 64, lse = false, arguments = [array, sinks]>     the step's second array has the sinks

    Rules:
    - C1: the type is f32, f16 or bf16, and there is at least one query head.
  }];
  let parameters = (ins "::mlir::Type":$type, "int64_t":$heads, "bool":$lse,
                        OptionalArrayRefParameter<"::kv::ArgumentRole">:$arguments);
  let assemblyFormat = [{
    `<` $type `,` `heads` `=` $heads `,` `lse` `=` $lse (`,` `arguments` `=` `[` $arguments^ `]`)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The number of the step's argument that has this role, if one has.
    std::optional<int64_t> find(ArgumentRole role) const;
  }];
}

def Kv_VisibleAttr : Kv_Attr<"Visible", "visible"> {
  let summary = "which tokens a query sees, as runs of tokens that ascend with its position";
  let description = [{
    A query at position i of a sequence of n tokens sees, of each run, tokens j with max(0, low(i)...) <= j < min(n, high(i)...). A token
    in several runs counts as one of the first of them. Bounds never fall as i grows.

        #kv.visible<low = [() -> ()], high = [(d0) -> (d0 + 1)]>           j <= i
        #kv.visible<low = [(d0) -> (d0 - 4095)], high = [(d0) -> (d0 + 1)]>    j <= i && i - j < 4096

    Rules:
    - C1: there are from one to four runs, each with a low and a high map; all but the last have an end.
    - C2: maps are of one dimension, and bounds are sums of multiples, by numbers that are not negative, of it and of its quotients by
          positive numbers.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::AffineMap">:$low, ArrayRefParameter<"::mlir::AffineMap">:$high);
  let assemblyFormat = "`<` `low` `=` `[` $low `]` `,` `high` `=` `[` $high `]` `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static constexpr size_t maxRuns = 4; // KV_MAX_RANGES
    int64_t getRuns() const { return int64_t(getLow().size()); }
    /// Whether a run begins past token 0.
    bool hasLow() const;
    /// Whether queries of one sequence may see different tokens.
    bool differs() const;
    /// Whether every query sees its own token, in the one run that there is.
    bool seesItself() const;
  }];
}

def Kv_TileAttr : Kv_Attr<"Tile", "tile"> {
  let summary = "which lane of a team holds which element of a tile";
  let description = [{
    `#kv.tile<lanes = 16, dim = 1>`: dimension 1 lies along lanes, 16 at a time; the others along registers. dim -1: every lane holds
    every element. The encoding of a ranked tensor at level 2.

    Rules:
    - C1: dim is 0 or 1 with at least one lane, or -1 with one.
  }];
  let parameters = (ins "int64_t":$lanes, "int64_t":$dim);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kv_MapAttr : Kv_Attr<"Map", "map"> {
  let summary = "which thread of a team holds which element of a tile";
  let description = [{
    For each dimension of the tile, which bit of the thread's number is bit 0, 1, ... of the coordinate; -1, and every bit past the
    list, is held in registers. Bits of the thread's number that no dimension has make no difference. The encoding of a ranked tensor at
    level 2 in a team of threads, as #kv.tile is in a vector.

        #kv.map<[2, 3, 4], [-1, 0, 1]>     16 x 8 sums of a matrix instruction: four of each thread

    Rules:
    - C1: every bit of the thread's number appears once at most.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::DenseI64ArrayAttr">:$dims);
  let assemblyFormat = "`<` $dims `>`";
  let genVerifyDecl = 1;
}

#endif

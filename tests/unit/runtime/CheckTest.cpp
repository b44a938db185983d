// CheckTest.cpp: every malformed argument has a status of its own and a sentence that names it.
#include "Batch.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

using kv::test::Batch;

namespace {

// What a case may spoil. Each starts valid.
struct Spoiled {
  Batch batch{{{33, 1}, {20, 3}, {0, 0}, {100, 1}}};
  kv_kernel kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  kv_variant variant = fakeVariants[KV_OP_APPEND_ATTEND][1];
  std::vector<int64_t> slots;
  int32_t threads = 2;
  kv_argument_spec declared = {"slopes", KV_ARGUMENT_F32, KV_ROLE_ARRAY, {KV_AXIS_HEADS_Q}};
  kv_step &step = batch.step;

  Spoiled() {
    batch.sizeWorkspace(kernel, threads);
    for (size_t b = 0; b < batch.sequences.size(); ++b)
      for (int32_t i = 0; i < batch.sequences[b].queries; ++i) {
        const int64_t token = batch.sequences[b].length - batch.sequences[b].queries + i;
        slots.push_back(batch.table[b * step.block_table_stride + token / 16] * int64_t(16) + token % 16);
      }
    step.slot_mapping = slots.data();
  }
  void dense() {
    kernel.tokens.kind = KV_TOKENS_DENSE;
    step.slot_mapping = nullptr;
    step.block_table = nullptr;
    kernel.tokens.page_tokens = 128;
  }
  /// Has the kernel declare an array, and the step bring it.
  kv_argument_spec &declare() {
    kernel.num_arguments = 1;
    kernel.arguments = &declared;
    step.arguments[0] = {step.lse, FAKE_HEADS_Q, {0, 0}};
    return declared;
  }
  kv_status check() { return kv_check(&kernel, &variant, &step, threads); }
};

template <typename T> const T *offByOneByte(const T *pointer) {
  return reinterpret_cast<const T *>(reinterpret_cast<const char *>(pointer) + 1);
}

struct Case {
  const char *name;
  kv_status status;
  const char *words; // in the sentence
  std::function<void(Spoiled &)> spoil;
};

const Case cases[] = {
    {"abi", KV_ERROR_ABI_VERSION, "step has ABI version 1; this runtime has 2", [](Spoiled &s) { s.step.abi_version = 1; }},
    {"size", KV_ERROR_STRUCT_SIZE, "struct_size is 64; fake_append_decode reads 760 bytes",
     [](Spoiled &s) { s.step.struct_size = 64; }},
    {"sizeOdd", KV_ERROR_STRUCT_SIZE, "expected a multiple of 8", [](Spoiled &s) { s.step.struct_size += 4; }},
    {"sizeHuge", KV_ERROR_STRUCT_SIZE, "at most 65536", [](Spoiled &s) { s.step.struct_size = 1 << 20; }},
    {"flags", KV_ERROR_RESERVED, "flags are 0x3; expected 0 or 0x1", [](Spoiled &s) { s.step.flags = 3; }},
    {"hardened", KV_ERROR_UNUSED, "flags ask for a hardened variant; generic of fake_append_decode is none",
     [](Spoiled &s) { s.step.flags = KV_STEP_HARDENED; }},
    {"more", KV_ERROR_UNUSED, "more[0] is given; fake_append_decode has the streams k and v alone",
     [](Spoiled &s) { s.step.more[0] = s.step.k; }},
    {"moreStride", KV_ERROR_UNUSED, "more[1] is given", [](Spoiled &s) { s.step.more[1].head_stride = 8; }},
    {"positions", KV_ERROR_UNUSED, "positions is given; fake_append_decode has no rope",
     [](Spoiled &s) { s.step.positions = s.step.seq_lens; }},
    {"kept", KV_ERROR_UNUSED, "kept is given; fake_append_decode keeps all tokens",
     [](Spoiled &s) { s.step.kept = s.batch.lengths.data(); }},
    {"evict", KV_ERROR_UNUSED, "evict is given; fake_append_decode keeps all tokens",
     [](Spoiled &s) { s.step.evict = s.step.seq_lens; }},
    {"tail", KV_ERROR_UNUSED, "tail_table is given; fake_append_decode has no tail",
     [](Spoiled &s) { s.step.tail_table = s.step.block_table; }},
    {"tailStride", KV_ERROR_UNUSED, "tail_table_stride is given", [](Spoiled &s) { s.step.tail_table_stride = 1; }},
    {"late", KV_ERROR_UNUSED, "late is given; fake_append_decode has no states", [](Spoiled &s) { s.step.late = s.step.lse; }},
    {"lateStride", KV_ERROR_UNUSED, "late_stride is given", [](Spoiled &s) { s.step.late_stride = -1; }},
    {"selected", KV_ERROR_UNUSED, "selected is given; fake_append_decode reads all pages",
     [](Spoiled &s) { s.step.selected = s.batch.table.data(); }},
    {"selectedStride", KV_ERROR_UNUSED, "selected_stride is given", [](Spoiled &s) { s.step.selected_stride = 1; }},
    {"counters", KV_ERROR_UNUSED, "counters is given; fake_append_decode counts nothing",
     [](Spoiled &s) { s.step.counters = reinterpret_cast<uint64_t *>(s.slots.data()); }},
    {"kernelAbi", KV_ERROR_ABI_VERSION, "kernel has ABI version 9", [](Spoiled &s) { s.kernel.abi_version = 9; }},
    {"kernelSize", KV_ERROR_STRUCT_SIZE, "kernel's struct_size", [](Spoiled &s) { s.kernel.struct_size = 8; }},
    {"kernelName", KV_ERROR_KERNEL, "no name", [](Spoiled &s) { s.kernel.name = nullptr; }},
    {"kernelOp", KV_ERROR_KERNEL, "op is 3", [](Spoiled &s) { s.kernel.op = 3; }},
    {"kernelQType", KV_ERROR_KERNEL, "q_type is 3", [](Spoiled &s) { s.kernel.q_type = KV_TYPE_I8; }},
    {"kernelOType", KV_ERROR_KERNEL, "o_type is 6", [](Spoiled &s) { s.kernel.o_type = KV_TYPE_U4; }},
    {"kernelHeads", KV_ERROR_KERNEL, "heads_kv 0", [](Spoiled &s) { s.kernel.heads_kv = 0; }},
    {"kernelGroup", KV_ERROR_KERNEL, "heads_q is 5", [](Spoiled &s) { s.kernel.heads_q = 5; }},
    {"kernelDim", KV_ERROR_KERNEL, "dim_v -8", [](Spoiled &s) { s.kernel.dim_v = -8; }},
    {"kernelPage", KV_ERROR_KERNEL, "page of 0 tokens", [](Spoiled &s) { s.kernel.tokens.page_tokens = 0; }},
    {"kernelPageBytes", KV_ERROR_KERNEL, "100 bytes", [](Spoiled &s) { s.kernel.page_bytes = 100; }},
    {"kernelQueries", KV_ERROR_KERNEL, "queries 9 .. 8", [](Spoiled &s) { s.kernel.min_queries = 9, s.kernel.max_queries = 8; }},
    {"kernelNeeds", KV_ERROR_RESERVED, "needs is 0x4 (select), which this runtime does not do",
     [](Spoiled &s) { s.kernel.needs = KV_NEEDS_SELECT; }},
    {"kernelKind", KV_ERROR_KERNEL, "tokens.kind is 2", [](Spoiled &s) { s.kernel.tokens.kind = KV_TOKENS_RING; }},
    {"kernelStreams", KV_ERROR_KERNEL, "num_streams is 3", [](Spoiled &s) { s.kernel.num_streams = 3; }},
    {"kernelStreamDims", KV_ERROR_KERNEL, "of 8, 8 channels", [](Spoiled &s) { s.kernel.stream_dims[1] = 8; }},
    {"kernelRanges", KV_ERROR_KERNEL, "ranges is null", [](Spoiled &s) { s.kernel.ranges = nullptr; }},
    {"kernelStepFew", KV_ERROR_KERNEL, "step_bytes is 752; this runtime's steps have 760 .. ",
     [](Spoiled &s) { s.kernel.step_bytes -= 8; }},
    {"kernelStepMany", KV_ERROR_KERNEL, "step_bytes is ", [](Spoiled &s) { s.kernel.step_bytes = sizeof(kv_step) + 8; }},
    {"kernelRows", KV_ERROR_KERNEL, "variant_size 104", [](Spoiled &s) { s.kernel.variant_size -= 8; }},
    {"kernelArguments", KV_ERROR_KERNEL, "num_arguments is 17", [](Spoiled &s) { s.kernel.num_arguments = 17; }},
    {"kernelArgumentsNull", KV_ERROR_KERNEL, "1 arguments at ", [](Spoiled &s) { s.kernel.num_arguments = 1; }},
    {"kernelArgumentsSize", KV_ERROR_KERNEL, "argument_size 24", [](Spoiled &s) { s.declare(), s.kernel.argument_size = 24; }},
    {"kernelArgumentName", KV_ERROR_KERNEL, "argument 0 has no name", [](Spoiled &s) { s.declare().name = nullptr; }},
    {"kernelArgumentType", KV_ERROR_KERNEL, "argument 0, slopes, has type 1, role 0, axes 1, 0, 0, 0; this runtime knows f32 [Hq]",
     [](Spoiled &s) { s.declare().type = KV_ARGUMENT_I32; }},
    {"kernelArgumentRole", KV_ERROR_KERNEL, "role 2", [](Spoiled &s) { s.declare().role = KV_ROLE_MASK; }},
    {"kernelArgumentAxes", KV_ERROR_KERNEL, "axes 1, 5, 0, 0", [](Spoiled &s) { s.declare().axes[1] = KV_AXIS_TOKENS; }},
    {"kernelVariants", KV_ERROR_KERNEL, "no variants", [](Spoiled &s) { s.kernel.num_variants = 0; }},
    {"variantTarget", KV_ERROR_VARIANT, "no target", [](Spoiled &s) { s.variant.target = nullptr; }},
    {"variantFeatures", KV_ERROR_TARGET_FEATURES, "bit 63", [](Spoiled &s) { s.variant.features = 1ull << 63; }},
    {"variantSplit", KV_ERROR_VARIANT, "split_tokens 0", [](Spoiled &s) { s.variant.split_tokens = 0; }},
    {"variantBlock", KV_ERROR_VARIANT, "query_block -1", [](Spoiled &s) { s.variant.query_block = -1; }},
    {"variantHeads", KV_ERROR_VARIANT, "item_heads 0", [](Spoiled &s) { s.variant.item_heads = 0; }},
    {"variantScratch", KV_ERROR_VARIANT, "scratch_bytes -1", [](Spoiled &s) { s.variant.scratch_bytes = -1; }},
    {"variantFlags", KV_ERROR_VARIANT, "flags are 0x2; this runtime knows 0x1", [](Spoiled &s) { s.variant.flags = 2; }},
    {"variantAlign", KV_ERROR_VARIANT, "align_tokens 5; expected to divide split_tokens 32",
     [](Spoiled &s) { s.variant.align_tokens = 5; }},
    {"variantAlignNone", KV_ERROR_VARIANT, "align_tokens 0", [](Spoiled &s) { s.variant.align_tokens = 0; }},
    {"variantRow", KV_ERROR_VARIANT, "row_bytes 6; expected a multiple of 4", [](Spoiled &s) { s.variant.row_bytes = 6; }},
    {"variantRowNone", KV_ERROR_VARIANT, "row_bytes 0", [](Spoiled &s) { s.variant.row_bytes = 0; }},
    {"variantToken", KV_ERROR_VARIANT, "token_bytes 4; expected 0 without observers",
     [](Spoiled &s) { s.variant.token_bytes = 4; }},
    {"variantAttend", KV_ERROR_VARIANT, "no attend", [](Spoiled &s) { s.variant.run[KV_PHASE_ATTEND] = nullptr; }},
    {"variantMerge", KV_ERROR_VARIANT, "merge", [](Spoiled &s) { s.variant.run[KV_PHASE_MERGE] = nullptr; }},
    {"variantOfAnother", KV_ERROR_VARIANT, "none of the kernel's", [](Spoiled &s) { std::swap(s.variant.run[0], s.variant.run[2]); }},
    {"variantAppend", KV_ERROR_VARIANT, "no append", [](Spoiled &s) { s.variant.run[KV_PHASE_APPEND] = nullptr; }},
    {"threadsNone", KV_ERROR_THREADS, "threads is 0", [](Spoiled &s) { s.threads = 0; }},
    {"threadsMany", KV_ERROR_THREADS, "threads is 1025", [](Spoiled &s) { s.threads = 1025; }},
    {"seqs", KV_ERROR_NUM_SEQS, "num_seqs is -1", [](Spoiled &s) { s.step.num_seqs = -1; }},
    {"startsNull", KV_ERROR_QUERY_START_LOC, "is null", [](Spoiled &s) { s.step.query_start_loc = nullptr; }},
    {"startsFirst", KV_ERROR_QUERY_START_LOC, "[0] is 1; expected 0", [](Spoiled &s) { s.batch.starts[0] = 1; }},
    {"startsDescend", KV_ERROR_QUERY_START_LOC, "[3] is 2 after 4", [](Spoiled &s) { s.batch.starts[3] = 2; }},
    {"startsAlign", KV_ERROR_ALIGNMENT, "query_start_loc",
     [](Spoiled &s) { s.step.query_start_loc = offByOneByte(s.step.query_start_loc); }},
    {"lensNull", KV_ERROR_SEQ_LENS, "seq_lens is null", [](Spoiled &s) { s.step.seq_lens = nullptr; }},
    {"lensShort", KV_ERROR_SEQ_LENS, "seq_lens[1] is 2; expected at least its 3", [](Spoiled &s) { s.batch.lengths[1] = 2; }},
    {"lensIdle", KV_ERROR_SEQ_LENS, "seq_lens[2] is -1; expected at least its 0", [](Spoiled &s) { s.batch.lengths[2] = -1; }},
    {"lensAlign", KV_ERROR_ALIGNMENT, "seq_lens", [](Spoiled &s) { s.step.seq_lens = offByOneByte(s.step.seq_lens); }},
    {"lensDense", KV_ERROR_SEQ_LENS, "dense cache holds 99", [](Spoiled &s) { s.dense(), s.kernel.tokens.page_tokens = 99; }},
    {"queriesMany", KV_ERROR_QUERIES, "sequence 1 has 3 queries; fake_append_decode takes 1 .. 2",
     [](Spoiled &s) { s.kernel.max_queries = 2; }},
    {"queriesFew", KV_ERROR_QUERIES, "sequence 0 has 1 queries", [](Spoiled &s) { s.kernel.min_queries = 2; }},
    {"pagesNull", KV_ERROR_PAGES, "pages is null", [](Spoiled &s) { s.step.pages = nullptr; }},
    {"pagesAlign", KV_ERROR_PAGES, "multiple of 64", [](Spoiled &s) { s.step.pages = static_cast<char *>(s.step.pages) + 32; }},
    {"pagesWrap", KV_ERROR_PAGES, "leave the address space", [](Spoiled &s) { s.step.num_pages = INT64_MAX; }},
    {"strideAlign", KV_ERROR_PAGE_STRIDE, "page_stride is 3080", [](Spoiled &s) { s.step.page_stride += 8; }},
    {"strideSmall", KV_ERROR_PAGE_STRIDE, "at least page_bytes 3072", [](Spoiled &s) { s.step.page_stride -= 64; }},
    {"strideNegative", KV_ERROR_PAGE_STRIDE, "page_stride is -6400", [](Spoiled &s) { s.step.page_stride = -6400; }},
    {"numPages", KV_ERROR_NUM_PAGES, "num_pages is -1", [](Spoiled &s) { s.step.num_pages = -1; }},
    {"numPagesDense", KV_ERROR_NUM_PAGES, "one for each of 4 sequences", [](Spoiled &s) { s.dense(), s.step.num_pages = 3; }},
    {"tableNull", KV_ERROR_BLOCK_TABLE, "block_table is null", [](Spoiled &s) { s.step.block_table = nullptr; }},
    {"tableNarrow", KV_ERROR_BLOCK_TABLE, "sequence 3 of 100 tokens needs 7", [](Spoiled &s) { s.step.block_table_stride = 6; }},
    {"tableAlign", KV_ERROR_ALIGNMENT, "block_table", [](Spoiled &s) { s.step.block_table = offByOneByte(s.step.block_table); }},
    {"tableNegative", KV_ERROR_PAGE_NUMBER, "block_table[0][2] is -1", [](Spoiled &s) { s.batch.table[2] = -1; }},
    {"tableLarge", KV_ERROR_PAGE_NUMBER, "block_table[3][6] is 15; expected a page 0 .. 14",
     [](Spoiled &s) { s.batch.table[3 * 7 + 6] = 15; }},
    {"tableStrideHuge", KV_ERROR_BLOCK_TABLE, "stride is 2305843009213693952; expected 0 ..",
     [](Spoiled &s) { s.step.block_table_stride = int64_t(1) << 61; }},
    {"tableStrideMost", KV_ERROR_BLOCK_TABLE, "expected 0 .. 2^31 - 1", [](Spoiled &s) { s.step.block_table_stride = INT64_MAX; }},
    {"tableStrideNegative", KV_ERROR_BLOCK_TABLE, "stride is -1", [](Spoiled &s) { s.step.block_table_stride = -1; }},
    {"tableWraps", KV_ERROR_BLOCK_TABLE, "4 rows of 2147483647 entries leaves the address space",
     [](Spoiled &s) {
       s.step.block_table_stride = INT32_MAX;
       s.step.block_table = reinterpret_cast<const int32_t *>(UINTPTR_MAX - (uintptr_t(1) << 34) + 1);
     }},
    {"tableRepeats", KV_ERROR_PAGE_REPEATED, "block_table[0][2] is", [](Spoiled &s) { s.batch.table[2] = s.batch.table[0]; }},
    {"tableRepeatsInALongRow", KV_ERROR_PAGE_REPEATED, ", as block_table[3][1] is; expected each page of a sequence once",
     [](Spoiled &s) { s.batch.table[3 * 7 + 6] = s.batch.table[3 * 7 + 1]; }},
    {"tableOf64Bits", KV_ERROR_PAGE_REPEATED, "block_table[0][1] is 0, as block_table[0][0] is", // 0, 0, 1, 0
     [](Spoiled &s) { s.batch.table[0] = 0, s.batch.table[1] = 0, s.batch.table[2] = 1; }},
    {"slotsAlign", KV_ERROR_ALIGNMENT, "slot_mapping", [](Spoiled &s) { s.step.slot_mapping = offByOneByte(s.step.slot_mapping); }},
    {"slotsLarge", KV_ERROR_SLOT_MAPPING, "slot_mapping[4] is 240", [](Spoiled &s) { s.slots[4] = 240; }},
    {"slotsNegative", KV_ERROR_SLOT_MAPPING, "slot_mapping[0] is -2", [](Spoiled &s) { s.slots[0] = -2; }},
    {"slotsElsewhere", KV_ERROR_SLOT_MAPPING, "puts token 32 of sequence 0 in slot", [](Spoiled &s) { s.slots[0] ^= 1; }},
    {"qNull", KV_ERROR_TENSOR, "q.data is null", [](Spoiled &s) { s.step.q.data = nullptr; }},
    {"kNull", KV_ERROR_TENSOR, "k.data is null", [](Spoiled &s) { s.step.k.data = nullptr; }},
    {"vNull", KV_ERROR_TENSOR, "v.data is null", [](Spoiled &s) { s.step.v.data = nullptr; }},
    {"oNull", KV_ERROR_TENSOR, "o.data is null", [](Spoiled &s) { s.step.o.data = nullptr; }},
    {"qAlign", KV_ERROR_ALIGNMENT, "q.data is ", [](Spoiled &s) { s.step.q.data = static_cast<const char *>(s.step.q.data) + 2; }},
    {"qToken", KV_ERROR_TENSOR_STRIDE, "q.token_stride is 0", [](Spoiled &s) { s.step.q.token_stride = 0; }},
    {"kHead", KV_ERROR_TENSOR_STRIDE, "k.head_stride is 7; expected at least 8", [](Spoiled &s) { s.step.k.head_stride = 7; }},
    {"vNegative", KV_ERROR_TENSOR_STRIDE, "v.token_stride is -32", [](Spoiled &s) { s.step.v.token_stride = -32; }},
    {"oOverlap", KV_ERROR_TENSOR_STRIDE, "5 tokens and 4 heads overlap", [](Spoiled &s) { s.step.o.token_stride = 32; }},
    {"pagesFar", KV_ERROR_PAGES, "leave the address space", [](Spoiled &s) { s.step.page_stride = int64_t(1) << 62; }},
    {"kFar", KV_ERROR_TENSOR_STRIDE, "address space", [](Spoiled &s) { s.step.k.token_stride = int64_t(1) << 56; }},
    {"vFar", KV_ERROR_TENSOR_STRIDE, "address space", [](Spoiled &s) { s.step.v.head_stride = INT64_MAX; }},
    {"oHuge", KV_ERROR_TENSOR_STRIDE, "address space", [](Spoiled &s) { s.step.o.token_stride = INT64_MAX / 2; }},
    {"lseNone", KV_ERROR_LSE, "lse is given", [](Spoiled &s) { s.kernel.has_lse = 0; }},
    {"lseAlign", KV_ERROR_ALIGNMENT, "lse is ", [](Spoiled &s) { s.step.lse = const_cast<float *>(offByOneByte(s.step.lse)); }},
    {"argumentNull", KV_ERROR_ARGUMENTS, "arguments[0].data is null; fake_append_decode declares slopes",
     [](Spoiled &s) { s.declare(), s.step.arguments[0].data = nullptr; }},
    {"argumentShort", KV_ERROR_ARGUMENTS, "arguments[0].count is 3; expected a number of slopes for each of 4 query heads",
     [](Spoiled &s) { s.declare(), s.step.arguments[0].count = 3; }},
    {"argumentStride", KV_ERROR_ARGUMENTS, "arguments[0].stride is 0, 4; expected 0, as slopes has one axis",
     [](Spoiled &s) { s.declare(), s.step.arguments[0].stride[1] = 4; }},
    {"argumentFar", KV_ERROR_ARGUMENTS, "leaves the address space",
     [](Spoiled &s) { s.declare(), s.step.arguments[0].count = INT64_MAX; }},
    {"argumentMany", KV_ERROR_ARGUMENTS, "arguments[3] is given; fake_append_decode declares 0",
     [](Spoiled &s) { s.step.arguments[3].data = s.step.lse; }},
    {"argumentLast", KV_ERROR_ARGUMENTS, "arguments[15] is given; fake_append_decode declares 1",
     [](Spoiled &s) { s.declare(), s.step.arguments[15].stride[1] = 1; }},
    {"argumentAlign", KV_ERROR_ALIGNMENT, "arguments[0].data is",
     [](Spoiled &s) { s.declare(), s.step.arguments[0].data = offByOneByte<float>(s.step.lse); }},
    {"workNull", KV_ERROR_WORKSPACE, "workspace is null", [](Spoiled &s) { s.step.workspace = nullptr; }},
    {"workAlign", KV_ERROR_WORKSPACE, "multiple of 64",
     [](Spoiled &s) { s.step.workspace = static_cast<char *>(s.step.workspace) + 16; }},
    {"workSmall", KV_ERROR_WORKSPACE, "for 2 threads", [](Spoiled &s) { s.step.workspace_bytes -= 1; }},
    {"workThreads", KV_ERROR_WORKSPACE, "for 3 threads", [](Spoiled &s) { s.threads = 3; }},
};

TEST(Check, TheSetupIsValid) {
  Spoiled setup;
  EXPECT_EQ(setup.check(), KV_OK) << kv_last_error();
  Spoiled dense;
  dense.dense();
  EXPECT_EQ(dense.check(), KV_OK) << kv_last_error();
  Spoiled declares;
  declares.declare();
  EXPECT_EQ(declares.check(), KV_OK) << kv_last_error();
}

// A caller of an earlier release of this ABI has a shorter step, one of a later release a longer one.
TEST(Check, StepsOfOtherSizes) {
  Spoiled s;
  s.step.counters = reinterpret_cast<uint64_t *>(s.slots.data());
  s.step.evict = s.step.seq_lens;
  s.step.flags = 99;
  s.step.struct_size = static_cast<uint32_t>(s.kernel.step_bytes); // what lies behind is not the step's
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
  s.step.struct_size += 8;
  EXPECT_EQ(s.check(), KV_ERROR_RESERVED);
  EXPECT_STREQ(kv_last_error(), "flags are 0x63; expected 0 or 0x1");
  s.step.flags = 0;
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
  s.step.struct_size = offsetof(kv_step, counters);
  EXPECT_EQ(s.check(), KV_ERROR_UNUSED);
  s.step.evict = nullptr;
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
  EXPECT_EQ(kv_run_variant(&s.kernel, &s.variant, &s.step, nullptr), KV_OK) << kv_last_error();

  struct {
    kv_step step;
    uint64_t more[4];
  } longer = {};
  s.step.counters = nullptr;
  longer.step = s.step;
  longer.step.struct_size = sizeof longer;
  EXPECT_EQ(kv_check(&s.kernel, &s.variant, &longer.step, s.threads), KV_OK) << kv_last_error();
  EXPECT_EQ(kv_run_variant(&s.kernel, &s.variant, &longer.step, nullptr), KV_OK) << kv_last_error();
  longer.more[2] = 1;
  EXPECT_EQ(kv_check(&s.kernel, &s.variant, &longer.step, s.threads), KV_ERROR_RESERVED);
  EXPECT_EQ(kv_last_error(), "byte " + std::to_string(sizeof(kv_step) + 16) + " of the step is not 0; this runtime knows " +
                                 std::to_string(sizeof(kv_step)));
}

TEST(Check, AHardenedVariantRunsAStepThatAsksForIt) {
  Spoiled s;
  s.variant.flags = KV_VARIANT_HARDENED;
  s.step.flags = KV_STEP_HARDENED;
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
}

TEST(Check, EveryMalformedArgumentHasItsStatus) {
  for (const Case &c : cases) {
    SCOPED_TRACE(c.name);
    Spoiled setup;
    c.spoil(setup);
    EXPECT_EQ(setup.check(), c.status) << kv_last_error();
    EXPECT_NE(std::string(kv_last_error()).find(c.words), std::string::npos) << kv_last_error();
  }
}

TEST(Check, EveryStatusOfAStepHasACase) {
  std::set<int> seen = {KV_OK, KV_ERROR_NULL, KV_ERROR_NO_VARIANT, KV_ERROR_TARGET_UNKNOWN};
  for (const Case &c : cases)
    seen.insert(c.status);
  for (int status = KV_OK; status <= KV_ERROR_THREADS; ++status)
    EXPECT_TRUE(seen.count(status)) << kv_status_text(static_cast<kv_status>(status));
  EXPECT_TRUE(seen.count(KV_ERROR_PAGE_REPEATED));
  EXPECT_TRUE(seen.count(KV_ERROR_UNUSED));
}

TEST(Check, ARefusedStepTouchesNothing) {
  for (const Case &c : cases) {
    Spoiled setup;
    const std::vector<char> cache = setup.batch.cacheBytes();
    c.spoil(setup);
    const kv_executor executor = {[](void *, int32_t, kv_part_fn, void *) { FAIL(); }, nullptr, setup.threads, 0};
    EXPECT_EQ(kv_run_variant(&setup.kernel, &setup.variant, &setup.step, &executor), c.status) << c.name;
    for (float value : setup.batch.o)
      ASSERT_EQ(value, -7);
    setup.step.page_stride = FAKE_PAGE_BYTES;
    setup.step.num_pages = cache.size() / FAKE_PAGE_BYTES;
    EXPECT_EQ(setup.batch.cacheBytes(), cache);
  }
}

TEST(Check, UnusedFieldsAreIgnored) {
  Spoiled setup;
  setup.kernel = fakeKernels[KV_OP_APPEND];
  setup.variant = fakeVariants[KV_OP_APPEND][1];
  setup.step.q.data = setup.step.o.data = nullptr;
  setup.step.block_table = nullptr; // slot_mapping says it all
  EXPECT_EQ(setup.check(), KV_OK) << kv_last_error();
  Spoiled attend;
  attend.kernel = fakeKernels[KV_OP_ATTEND];
  attend.variant = fakeVariants[KV_OP_ATTEND][1];
  attend.step.k.data = attend.step.v.data = nullptr;
  attend.slots[0] = -5;
  attend.step.lse = nullptr;
  EXPECT_EQ(attend.check(), KV_OK) << kv_last_error();
  Spoiled past; // entries past a sequence's length, and sequences without queries, may hold anything
  past.batch.table[3] = 1 << 30;
  past.batch.lengths[2] = 1000000;
  EXPECT_EQ(past.check(), KV_OK) << kv_last_error();
}

// Pages that sequences read together, and entries that a step does not use, are nobody's mistake.
TEST(Check, SequencesMaySharePagesToRead) {
  Spoiled s;
  s.step.slot_mapping = nullptr;
  for (int64_t i = 0; i < 2; ++i)
    s.batch.table[3 * 7 + i] = s.batch.table[i]; // a prefix of sequence 0 in sequence 3
  s.batch.table[3] = s.batch.table[0];           // past the end
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
  s.kernel = fakeKernels[KV_OP_APPEND];
  s.variant = fakeVariants[KV_OP_APPEND][1];
  s.batch.table[3 * 7 + 1] = s.batch.table[3 * 7]; // not read by an append of token 99
  EXPECT_EQ(s.check(), KV_OK) << kv_last_error();
}

TEST(Check, NullsAndParts) {
  Spoiled s;
  EXPECT_EQ(kv_check(nullptr, &s.variant, &s.step, 1), KV_ERROR_NULL);
  EXPECT_EQ(kv_check(&s.kernel, nullptr, &s.step, 1), KV_ERROR_NULL);
  EXPECT_EQ(kv_check(&s.kernel, &s.variant, nullptr, 1), KV_ERROR_NULL);
  EXPECT_EQ(kv_run(nullptr, &s.step, nullptr), KV_ERROR_NULL);
  EXPECT_EQ(kv_run(&s.kernel, nullptr, nullptr), KV_ERROR_NULL);
  kv_executor executor = {nullptr, nullptr, 2, 0};
  EXPECT_EQ(kv_run(&s.kernel, &s.step, &executor), KV_ERROR_NULL);
  executor = kv_pool_executor(nullptr);
  EXPECT_EQ(kv_run(&s.kernel, &s.step, &executor), KV_ERROR_THREADS);
  executor.reserved = 1;
  EXPECT_EQ(kv_run(&s.kernel, &s.step, &executor), KV_ERROR_RESERVED);
  EXPECT_EQ(kv_run_part(nullptr, &s.variant, &s.step, 0, 0, 1), KV_ERROR_NULL);
  EXPECT_EQ(kv_run_part(&s.kernel, &s.variant, &s.step, 4, 0, 1), KV_ERROR_PHASE);
  EXPECT_EQ(kv_run_part(&s.kernel, &s.variant, &s.step, -1, 0, 1), KV_ERROR_PHASE);
  EXPECT_EQ(kv_run_part(&s.kernel, &s.variant, &s.step, 0, 1, 1), KV_ERROR_PART);
  EXPECT_EQ(kv_run_part(&s.kernel, &s.variant, &s.step, 0, -1, 1), KV_ERROR_PART);
  EXPECT_EQ(kv_run_part(&s.kernel, &s.variant, &s.step, 0, 0, 0), KV_ERROR_THREADS);
  EXPECT_EQ(kv_phase_items(&s.kernel, &s.variant, &s.step, 4), -1);
  EXPECT_EQ(kv_phase_items(&s.kernel, nullptr, &s.step, 0), -1);
}

} // namespace

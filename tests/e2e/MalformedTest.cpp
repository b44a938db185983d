// MalformedTest.cpp: compiled kernels' descriptors are sound, and a malformed step of each is refused before anything is touched.
// (The runtime's own tests have a case for every rule; here each kernel's numbers meet them.)
#include "Fixture.h"

#include <functional>

using namespace kv::e2e;

namespace {

class Malformed : public EachVariant {};
KV_E2E(Malformed);

struct Spoil {
  kv_status status;
  std::function<void(kv_step &)> apply;
};

TEST_P(Malformed, EveryWrongFieldIsAStatus) {
  const kv_kernel *kernel = kernels().fused;
  kv_status status;
  const kv_variant *variant = kv_select_target(kernel, GetParam().target, &status);
  ASSERT_NE(variant, nullptr) << kv_last_error();
  const auto queries = static_cast<int32_t>(kernel->min_queries > 0 ? kernel->min_queries : 1);
  const std::vector<Sequence> sequences = {{1, queries, queries}, {2, queries, queries}};
  const StepTensors tensors(kernels(), sequences, options());
  // Memory that faults on any access: a refused step reads and writes none of it.
  const PageMemory pages(kernel->page_bytes, PageMemory::guardedStride(kernel->page_bytes), 4, true, Side::left);
  std::vector<int32_t> table = {2, 0}, starts = {0, queries, 2 * queries}, lengths = {queries, queries};
  kv_step valid;
  kv_step_init(&valid);
  tensors.attach(valid);
  valid.query_start_loc = starts.data();
  valid.seq_lens = lengths.data();
  valid.pages = pages.base();
  valid.page_stride = PageMemory::guardedStride(kernel->page_bytes);
  valid.num_pages = 4;
  valid.block_table = table.data();
  valid.block_table_stride = 1;
  valid.workspace_bytes = kv_step_workspace_bytes(kernel, variant, &valid, 1);
  const Buffer workspace("workspace", valid.workspace_bytes, Side::left, 64);
  valid.workspace = workspace.data();
  ASSERT_EQ(kv_check(kernel, variant, &valid, 1), KV_OK) << kv_last_error();

  std::vector<int32_t> badTable = {2, 4}, badStarts = {0, queries, queries - 1}, badLengths = {queries, queries - 1};
  std::vector<int32_t> farStarts = {0, queries, static_cast<int32_t>(queries + kernel->max_queries + 1)};
  std::vector<int32_t> farLengths = {queries, static_cast<int32_t>(kernel->max_queries + 1)};
  std::vector<int64_t> slots(2 * queries, 4 * kernel->tokens.page_tokens);
  std::vector<Spoil> spoils = {
      {KV_ERROR_ABI_VERSION, [](kv_step &s) { s.abi_version = 0; }},
      {KV_ERROR_STRUCT_SIZE, [](kv_step &s) { s.struct_size = 752; }},
      {KV_ERROR_RESERVED, [](kv_step &s) { s.flags = 2; }},
      {KV_ERROR_UNUSED, [](kv_step &s) { s.flags = KV_STEP_HARDENED; }},
      {KV_ERROR_UNUSED, [](kv_step &s) { s.more[0] = s.k; }},
      {KV_ERROR_UNUSED, [](kv_step &s) { s.positions = s.seq_lens; }},
      {KV_ERROR_UNUSED, [](kv_step &s) { s.evict = s.seq_lens; }},
      {KV_ERROR_UNUSED, [](kv_step &s) { s.tail_table = s.block_table; }},
      {KV_ERROR_PAGES, [](kv_step &s) { s.pages = nullptr; }},
      {KV_ERROR_PAGES, [](kv_step &s) { s.pages = static_cast<char *>(s.pages) + 8; }},
      {KV_ERROR_PAGE_STRIDE, [&](kv_step &s) { s.page_stride = kernel->page_bytes - 64; }},
      {KV_ERROR_PAGE_STRIDE, [](kv_step &s) { s.page_stride += 32; }},
      {KV_ERROR_NUM_PAGES, [](kv_step &s) { s.num_pages = -4; }},
      {KV_ERROR_NUM_SEQS, [](kv_step &s) { s.num_seqs = -1; }},
      {KV_ERROR_QUERY_START_LOC, [](kv_step &s) { s.query_start_loc = nullptr; }},
      {KV_ERROR_QUERY_START_LOC, [&](kv_step &s) { s.query_start_loc = badStarts.data(); }},
      {KV_ERROR_SEQ_LENS, [](kv_step &s) { s.seq_lens = nullptr; }},
      {KV_ERROR_SEQ_LENS, [&](kv_step &s) { s.seq_lens = badLengths.data(); }},
      {KV_ERROR_QUERIES, [&](kv_step &s) { s.query_start_loc = farStarts.data(), s.seq_lens = farLengths.data(); }},
      {KV_ERROR_BLOCK_TABLE, [](kv_step &s) { s.block_table_stride = 0; }},
      {KV_ERROR_PAGE_NUMBER, [&](kv_step &s) { s.block_table = badTable.data(); }},
      {KV_ERROR_PAGE_NUMBER, [](kv_step &s) { s.num_pages = 2; }},
      {KV_ERROR_SLOT_MAPPING, [&](kv_step &s) { s.slot_mapping = slots.data(); }},
      {KV_ERROR_TENSOR, [](kv_step &s) { s.q.data = nullptr; }},
      {KV_ERROR_TENSOR, [](kv_step &s) { s.k.data = nullptr; }},
      {KV_ERROR_TENSOR, [](kv_step &s) { s.v.data = nullptr; }},
      {KV_ERROR_TENSOR, [](kv_step &s) { s.o.data = nullptr; }},
      {KV_ERROR_TENSOR_STRIDE, [](kv_step &s) { s.q.token_stride = 1; }},
      {KV_ERROR_TENSOR_STRIDE, [](kv_step &s) { s.k.token_stride = -1; }},
      {KV_ERROR_TENSOR_STRIDE, [](kv_step &s) { s.v.token_stride = 0; }},
      {KV_ERROR_TENSOR_STRIDE, [&](kv_step &s) { s.o.token_stride = kernel->dim_v - 1; }},
      {KV_ERROR_ALIGNMENT, [](kv_step &s) { s.o.data = static_cast<const char *>(s.o.data) + 1; }},
  };
  if (kernel->num_arguments > 0)
    for (const auto &spoil :
         {+[](kv_argument &a) { a.data = nullptr; }, +[](kv_argument &a) { --a.count; }, +[](kv_argument &a) { a.stride[0] = 1; }})
      spoils.push_back({KV_ERROR_ARGUMENTS, [=](kv_step &s) { spoil(s.arguments[0]); }});
  spoils.push_back({KV_ERROR_ARGUMENTS, [&](kv_step &s) { s.arguments[kernel->num_arguments].data = s.q.data; }});
  if (!kernel->has_lse)
    spoils.push_back({KV_ERROR_LSE, [](kv_step &s) { s.lse = static_cast<float *>(s.workspace); }});
  if (kernel->tokens.kind != KV_TOKENS_DENSE)
    spoils.push_back({KV_ERROR_BLOCK_TABLE, [](kv_step &s) { s.block_table = nullptr; }});
  if (valid.workspace_bytes > 0) {
    spoils.push_back({KV_ERROR_WORKSPACE, [](kv_step &s) { s.workspace = nullptr; }});
    spoils.push_back({KV_ERROR_WORKSPACE, [](kv_step &s) { s.workspace_bytes -= 1; }});
  }
  for (size_t i = 0; i < spoils.size(); ++i) {
    kv_step step = valid;
    spoils[i].apply(step);
    EXPECT_EQ(faultOf([&] { status = kv_run_variant(kernel, variant, &step, nullptr); }), "") << "case " << i;
    EXPECT_EQ(status, spoils[i].status) << "case " << i << ": " << kv_last_error();
  }
}

TEST_P(Malformed, KernelsOfOneCacheAgree) {
  const Kernels &k = kernels();
  EXPECT_EQ(k.append->op, KV_OP_APPEND);
  EXPECT_EQ(k.attend->op, KV_OP_ATTEND);
  EXPECT_EQ(k.fused->op, KV_OP_APPEND_ATTEND);
  for (const kv_kernel *other : {k.append, k.attend}) {
    EXPECT_EQ(other->layout_hash, k.fused->layout_hash);
    EXPECT_EQ(other->page_bytes, k.fused->page_bytes);
    EXPECT_EQ(other->tokens.page_tokens, k.fused->tokens.page_tokens);
    EXPECT_EQ(other->num_variants, k.fused->num_variants);
    EXPECT_EQ(other->q_type, k.fused->q_type);
    EXPECT_STREQ(other->cache, k.fused->cache);
  }
}

} // namespace

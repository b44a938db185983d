#include "tools/kvcc/BenchCase.h"
#include "dialect/Visible.h"
#include "kv/kv_tokens.h"

#include "tools/kvcc/Tensor.h"

#include <fmt/format.h>

#include <algorithm>

namespace kv {

/// Most tokens appended at a time while filling.
static constexpr int64_t mostFillTokens = 512;
/// No more memory than this for copies of the caches.
static constexpr size_t mostPageBytes = size_t(3) << 30;

static int64_t nextPrime(int64_t least) {
  auto isPrime = [](int64_t number) {
    for (int64_t divisor = 2; divisor * divisor <= number; ++divisor)
      if (number % divisor == 0)
        return false;
    return true;
  };
  while (!isPrime(least))
    ++least;
  return least;
}

/// The first has the whole context. Multiples of the golden ratio spread the others evenly, in no order that suits a scheduler.
static std::vector<int32_t> lengthsOf(const BenchSetup &setup) {
  int64_t least = std::max((setup.context + 3) / 4, setup.queries);
  auto choices = static_cast<uint64_t>(setup.mixedLengths ? setup.context - least + 1 : 1);
  std::vector<int32_t> lengths;
  for (int64_t b = 0; b < setup.batch; ++b) {
    uint32_t fraction = static_cast<uint32_t>(b) * 2654435769u; // of 2^32
    lengths.push_back(static_cast<int32_t>(setup.context - static_cast<int64_t>(choices * fraction >> 32)));
  }
  return lengths;
}

BenchCase::BenchCase(const BenchSetup &setup, size_t coldBytes, const BenchCase *other) : setup(setup), lengths(lengthsOf(setup)) {
  shareOutPages();
  if (other && canTakeCachesOf(*other))
    caches = other->caches;
  const bool areFilled = caches != nullptr;
  allocate(coldBytes);
  if (error().empty() && !areFilled)
    fill();
  if (error().empty())
    setup.machine->time(setup.row, {&steps[0]}, bounds);
}

bool BenchCase::canTakeCachesOf(const BenchCase &other) const {
  return other.error().empty() && other.setup.machine == setup.machine && other.setup.cache == setup.cache &&
         other.setup.row.kernel->layout_hash == setup.row.kernel->layout_hash && other.lengths == lengths;
}

uint8_t *BenchCase::place(size_t bytes, const void *from) {
  memory.push_back(setup.machine->allocate(std::max<size_t>(bytes, 64)));
  if (from && error().empty())
    setup.machine->write(memory.back().get(), from, bytes);
  return memory.back().get();
}

double BenchCase::bytesPerStep() const {
  double perToken = bytesPerToken(setup.cache->type);
  int64_t touched = setup.queries * setup.batch;
  if (setup.spec->kind != KV_OP_APPEND) {
    touched = 0;
    for (int32_t length : lengths)
      touched += countTokens(setup.spec->visible, setup.queries, length);
  }
  return perToken * static_cast<double>(touched);
}

llvm::ArrayRef<uint8_t> BenchCase::coldMemory() const {
  const size_t copy = static_cast<size_t>(firstPages.back() * setup.row.kernel->page_bytes),
               all = copy * static_cast<size_t>(copies);
  if (all < setup.machine->coldBytes())
    return {};
  const size_t half = (static_cast<size_t>(caches->nextCopy) * copy + all / 2) % all, bytes = all / 4;
  return {caches->pages.get() + std::min(half, all - bytes) / 64 * 64, bytes};
}

double BenchCase::flopsPerStep() const {
  if (setup.spec->kind == KV_OP_APPEND)
    return 0;
  const kv_kernel &kernel = *setup.row.kernel;
  int64_t pairs = 0;
  for (int32_t length : lengths)
    pairs += countSeen(setup.spec->visible, setup.queries, length);
  return 2 * static_cast<double>((kernel.dim_k + kernel.dim_v) * kernel.heads_q) * static_cast<double>(pairs);
}

void BenchCase::shareOutPages() {
  const kv_kernel &kernel = *setup.row.kernel;
  firstPages = {0};
  for (int32_t length : lengths) {
    int64_t pages = kernel.tokens.kind == KV_TOKENS_DENSE ? 1 : kv_entries(kernel.tokens, length);
    firstPages.push_back(firstPages.back() + pages);
    tableStride = std::max(tableStride, pages);
    tokens += length;
  }
}

void BenchCase::allocate(size_t coldBytes) {
  const kv_kernel &kernel = *setup.row.kernel;
  fillTokens = std::min(mostFillTokens, setup.context);
  if (kernel.tokens.kind == KV_TOKENS_DENSE && setup.context > kernel.tokens.page_tokens) {
    problem = fmt::format("a context of {} does not fit `dense({})`", setup.context, kernel.tokens.page_tokens);
    return;
  }
  int64_t stepPages = firstPages.back();
  size_t stepBytes = static_cast<size_t>(stepPages * kernel.page_bytes);
  double touched = bytesPerToken(setup.cache->type) * static_cast<double>(tokens);
  copies = static_cast<int64_t>(static_cast<double>(coldBytes) / touched) + 1;
  // Cases that take turns on the copies meet all of them when their number is a prime.
  if (copies > 1)
    copies = nextPrime(copies);
  // A step that reads so much by itself, or is only run hot, needs no second copy.
  copies = std::min(copies, std::max<int64_t>(std::min<int64_t>(copies, 2), static_cast<int64_t>(mostPageBytes / stepBytes)));

  int64_t rows = setup.batch * setup.queries, fillRows = std::max(rows, fillTokens);
  int64_t headsQ = std::max<int64_t>(kernel.heads_q, 1);
  auto type = static_cast<kv_type>(kernel.q_type);
  bounds = {setup.batch, rows, setup.queries, setup.context};
  fillBounds = {1, fillTokens, fillTokens, setup.context};
  std::vector<int32_t> queryStartLoc;
  for (int64_t b = 0; b <= setup.batch; ++b)
    queryStartLoc.push_back(static_cast<int32_t>(b * setup.queries));
  std::vector<int32_t> blockTable; // the pages of a sequence lie one after another
  for (int64_t copy = 0; copy < copies; ++copy)
    for (size_t b = 0; b < lengths.size(); ++b)
      for (int64_t page = 0; page < tableStride; ++page) {
        bool used = page < firstPages[b + 1] - firstPages[b];
        blockTable.push_back(used ? static_cast<int32_t>(copy * stepPages + firstPages[b] + page) : -1);
      }

  kv_step step;
  kv_step_init(&step);
  if (!caches)
    caches = std::make_shared<Caches>(Caches{setup.machine->allocate(stepBytes * static_cast<size_t>(copies))});
  step.pages = caches->pages.get();
  step.page_stride = kernel.page_bytes;
  step.num_pages = stepPages * copies;
  step.num_seqs = setup.batch;
  step.query_start_loc = place(queryStartLoc);
  step.seq_lens = place(lengths);
  step.block_table = place(blockTable);
  step.block_table_stride = tableStride;
  step.q.data = place(toBytes(randomRows(rows, headsQ, kernel.dim_k, 2.0f, 1), type));
  step.q.head_stride = kernel.dim_k;
  step.q.token_stride = kernel.dim_k * headsQ;
  step.k.data = place(toBytes(randomRows(fillRows, kernel.heads_kv, kernel.dim_k, 8.0f, 2), type));
  step.k.head_stride = kernel.dim_k;
  step.k.token_stride = kernel.dim_k * kernel.heads_kv;
  step.v.data = place(toBytes(randomRows(fillRows, kernel.heads_kv, kernel.dim_v, 2.0f, 3), type));
  step.v.head_stride = kernel.dim_v;
  step.v.token_stride = kernel.dim_v * kernel.heads_kv;
  step.o.data = place(static_cast<size_t>(rows * headsQ * kernel.dim_v * 4));
  step.o.head_stride = kernel.dim_v;
  step.o.token_stride = kernel.dim_v * headsQ;
  step.lse = kernel.has_lse ? reinterpret_cast<float *>(place(static_cast<size_t>(rows * headsQ * 4))) : nullptr;
  const float *param = place(std::vector<float>(static_cast<size_t>(headsQ), 0.01f));
  for (int32_t i = 0; i < kernel.num_arguments; ++i)
    step.arguments[i] = {param, headsQ, {0, 0}};
  if (!error().empty())
    return;
  step.workspace_bytes = std::max(setup.machine->workspaceBytes(setup.row, step, bounds),
                                  setup.machine->workspaceBytes(setup.append, step, fillBounds));
  if (error().empty())
    step.workspace = place(static_cast<size_t>(std::max<int64_t>(step.workspace_bytes, 0)));
  for (int64_t copy = 0; copy < copies; ++copy) {
    steps.push_back(step);
    step.block_table += tableStride * setup.batch;
  }
}

void BenchCase::fill() {
  BenchMachine &machine = *setup.machine;
  // The first sequence, by append.
  kv_step step = steps[0];
  std::vector<int32_t> startLoc = {0, 0}, length = {0};
  int32_t *startLocThere = place(startLoc), *lengthThere = place(length);
  step.num_seqs = 1;
  step.query_start_loc = startLocThere;
  step.seq_lens = lengthThere;
  for (int64_t done = 0; done < setup.context && error().empty(); done += startLoc[1]) {
    startLoc[1] = static_cast<int32_t>(std::min(fillTokens, setup.context - done));
    length[0] = static_cast<int32_t>(done + startLoc[1]);
    machine.write(startLocThere, startLoc.data(), 2 * sizeof(int32_t));
    machine.write(lengthThere, length.data(), sizeof(int32_t));
    machine.time(setup.append, {&step}, fillBounds);
  }
  // All others begin as it does; then so does every batch.
  auto *first = static_cast<uint8_t *>(step.pages);
  auto page = static_cast<size_t>(setup.row.kernel->page_bytes);
  for (size_t b = 1; b < lengths.size() && error().empty(); ++b) {
    size_t begin = static_cast<size_t>(firstPages[b]) * page, end = static_cast<size_t>(firstPages[b + 1]) * page;
    machine.copy(first + begin, first, end - begin);
  }
  size_t batch = static_cast<size_t>(firstPages.back()) * page, all = batch * static_cast<size_t>(copies);
  for (size_t done = batch; done < all && error().empty(); done *= 2)
    machine.copy(first + done, first, std::min(done, all - done));
}

Sample BenchCase::run(int count, bool cold) {
  Sample sample = undisturbed([&] { return runOnce(count, cold); });
  sample.seconds /= count;
  return sample;
}

Sample BenchCase::runOnce(int count, bool cold) {
  if (!cold) // what was measured in between has taken the cache's place
    setup.machine->time(setup.row, {&steps[0], &steps[0]}, bounds);
  order.clear();
  for (int i = 0; i < count; ++i) {
    order.push_back(&steps[static_cast<size_t>(cold ? caches->nextCopy : 0)]);
    if (cold)
      caches->nextCopy = (caches->nextCopy + 1) % copies;
  }
  return setup.machine->time(setup.row, order, bounds);
}

} // namespace kv

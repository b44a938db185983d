#include "tools/kvcc/BenchMachine.h"
#include "tools/kvcc/FmaPeak.h"
#include "tools/kvcc/ReadBandwidth.h"

#include <cstring>
#include <new>
#include <optional>

namespace kv {
namespace {

class BenchProcessor : public BenchMachine {
public:
  explicit BenchProcessor(int threads) : memory(4 * lastLevelCacheBytes()) {
    if (!memory.data()) {
      note("the system has no memory to measure its bandwidth with");
    } else if (kv_pool_create(threads, &pool) != KV_OK) {
      note(kv_last_error());
    } else {
      std::memset(memory.data(), 1, memory.size());
      executor = kv_pool_executor(pool);
      reader.emplace(llvm::ArrayRef(memory.data(), memory.size()), executor);
      peak.emplace(executor);
    }
  }
  ~BenchProcessor() override { kv_pool_destroy(pool); }

  int threads() const override { return executor.threads; }
  const char *yardstick() const override { return "streaming read"; }
  size_t coldBytes() const override { return memory.size(); }
  Rate bandwidth(llvm::ArrayRef<uint8_t> of) override {
    if (of.empty())
      return reader->measure({memory.data(), memory.size()}, turn);
    size_t first = 0;
    return reader->measure(of, first);
  }
  Rate multiplyAddRate() override { return peak->measure(); }

  Memory allocate(size_t bytes) override;
  void write(void *to, const void *from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy(void *to, const void *from, size_t bytes) override { std::memcpy(to, from, bytes); }

  int64_t workspaceBytes(const Runnable &row, const kv_step &, const kv_bounds &bounds) override {
    int64_t bytes = kv_workspace_bytes(row.kernel, row.variant, &bounds, executor.threads);
    if (bytes < 0)
      note(kv_last_error());
    return bytes;
  }

  Sample time(const Runnable &row, llvm::ArrayRef<const kv_step *> steps, const kv_bounds &) override {
    kv_status status = KV_OK;
    Stopwatch watch(executor.threads);
    for (const kv_step *step : steps)
      if (kv_status one = kv_run_variant(row.kernel, row.variant, step, &executor))
        status = one;
    Sample sample = watch.stop();
    if (status != KV_OK)
      note(kv_last_error());
    return sample;
  }

private:
  HugeBuffer memory; ///< that bandwidth() reads where nothing else is to be read
  size_t turn = 0;   ///< of its pieces
  kv_pool *pool = nullptr;
  kv_executor executor = {};
  std::optional<ReadBandwidth> reader;
  std::optional<FmaPeak> peak;
};

BenchMachine::Memory BenchProcessor::allocate(size_t bytes) {
  // Small ones side by side: huge pages would put all their starts into one set of the first-level cache.
  if (bytes < size_t(1) << 20) {
    constexpr std::align_val_t line{64};
    Memory small(static_cast<uint8_t *>(::operator new(bytes, line)), [](uint8_t *start) { ::operator delete(start, line); });
    std::memset(small.get(), 0, bytes);
    return small;
  }
  auto buffer = std::make_shared<HugeBuffer>(bytes);
  if (!buffer->data())
    note("the system has no memory for the caches");
  return Memory(buffer, buffer->data());
}

} // namespace

std::unique_ptr<BenchMachine> makeBenchProcessor(int threads) { return std::make_unique<BenchProcessor>(threads); }

} // namespace kv

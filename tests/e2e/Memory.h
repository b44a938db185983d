// Memory.h: buffers whose neighbours cannot be touched, and a way to learn which buffer a fault belongs to.
#ifndef KV_TESTS_E2E_MEMORY_H
#define KV_TESTS_E2E_MEMORY_H

#include <cstdint>
#include <functional>
#include <string>

namespace kv::e2e {

enum class Side { left, right }; // where the buffer touches its guard

/// What memory holds before anyone writes it. The patterns are NaN or Inf whether read as f32, f16 or bf16.
enum class Poison { zero, nan, inf, random };

/// `bytes` bytes between two megabytes that fault on any access. With Side::right the last byte is next to the guard, with
/// Side::left the first one. Aligned to `alignment` either way, so with Side::right `bytes` is a multiple of it.
class Buffer {
public:
  Buffer() = default;
  Buffer(std::string name, int64_t bytes, Side side, int64_t alignment);
  Buffer(Buffer &&other) noexcept { swap(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer();

  void *data() const { return start; }
  int64_t size() const { return bytes; }
  void fill(Poison poison) const;
  void makeReadOnly() const;

private:
  friend std::string describe(const void *address);
  void swap(Buffer &other);
  void enlist();

  std::string name;
  char *mapping = nullptr, *start = nullptr;
  int64_t mappingBytes = 0, bytes = 0;
};

/// Pages of a cache, `count` of them `stride` bytes apart. With `guarded` each page lies between pages of the system that fault,
/// and so do pages that are never opened; otherwise memory is taken as it is touched, so that the pages may spread over terabytes.
class PageMemory {
public:
  PageMemory(int64_t pageBytes, int64_t stride, int64_t count, bool guarded, Side side);
  ~PageMemory();
  PageMemory(const PageMemory &) = delete;

  /// The stride that a guarded memory needs.
  static int64_t guardedStride(int64_t pageBytes);

  void open(int64_t page) const;  // guarded: makes it accessible
  void close(int64_t page) const; // and again not
  void *base() const { return start; }
  char *page(int64_t index) const { return start + index * stride; }
  void fill(int64_t page, Poison poison) const;

private:
  char *mapping, *start;
  int64_t mappingBytes, pageBytes, stride;
  bool guarded;
};

void fillBytes(void *memory, int64_t bytes, Poison poison, uint64_t seed);

/// Runs `body` on this thread. "" or where the memory access was that it died of.
std::string faultOf(const std::function<void()> &body);

} // namespace kv::e2e
#endif

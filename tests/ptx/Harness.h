// Harness.h: what the tests share: small kernels around one instruction, and launches of kernels from text.
#ifndef KV_TESTS_PTX_HARNESS_H
#define KV_TESTS_PTX_HARNESS_H

#include "Machine.h"

#include "gtest/gtest.h"

#include <string>
#include <vector>

namespace kv::ptx::test {

/// `.version`, `.target sm_90`, `.address_size`, then `body`.
std::string moduleText(const std::string &body);
/// A module that has to parse.
std::unique_ptr<Module> parsed(const std::string &text);
/// The error of a module that must not.
std::string parseError(const std::string &text);

struct Source {
  unsigned bits;               // 16, 32, 64; 1 for a predicate
  std::vector<uint64_t> lanes; // repeated up to 32
};

/// Runs `op %d, %a, %b ...;` on 32 lanes: what is in %d of `bits` bits (1: a predicate). `tail` follows the sources: ", 0x80".
std::vector<uint64_t> evaluate(const std::string &op, unsigned bits, const std::vector<Source> &sources,
                               const std::string &tail = "");

/// A device with buffers, for kernels whose parameters are addresses and numbers.
class Scene {
public:
  explicit Scene(const std::string &text) : module(parsed(moduleText(text))) {}
  explicit Scene(std::unique_ptr<Module> module) : module(std::move(module)) {}

  template <class T> uint64_t buffer(const std::vector<T> &content) {
    const uint64_t address = machine.allocate(int64_t(content.size() * sizeof(T)));
    machine.copyIn(address, content.data(), int64_t(content.size() * sizeof(T)));
    return address;
  }
  uint64_t uninitialised(int64_t bytes) { return machine.allocate(bytes); }
  template <class T> std::vector<T> read(uint64_t address, size_t count) const {
    std::vector<T> content(count);
    EXPECT_TRUE(machine.copyOut(content.data(), address, int64_t(count * sizeof(T))));
    return content;
  }
  template <class T> void pass(const T &value) { parameters.push_back(parameter(value)); }

  /// The only kernel, or the named one. "" or the fault's text.
  std::string run(Dim3 grid, Dim3 block, int64_t shared = 0, uint64_t seed = 0, std::string_view kernel = {});

  Machine machine;
  std::unique_ptr<Module> module;
  std::vector<std::vector<uint8_t>> parameters;
  std::optional<Fault> fault;
};

uint64_t bitsOf(float value);
uint64_t bitsOf(double value);
float floatOf(uint64_t bits);

} // namespace kv::ptx::test
#endif

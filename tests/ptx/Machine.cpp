// Machine.cpp: see Machine.h.
#include "Grid.h"

#include <cstring>
#include <fmt/format.h>

namespace kv::ptx {

const Kernel *Module::find(std::string_view name) const {
  const auto found = kernels.find(name);
  return found == kernels.end() ? nullptr : found->second.get();
}

void Variable::place(uint64_t at) {
  address = at;
  for (const Use &use : uses)
    use.row->fill(lowBits(at + uint64_t(use.addend), use.bits));
}

int64_t Kernel::staticShared() const {
  int64_t total = 0;
  for (const auto &[start, bytes] : shared)
    total += bytes;
  return total;
}

Machine::Machine(Options options) : options(options), device(std::make_unique<DeviceMemory>()) {}
Machine::~Machine() = default;

uint64_t Machine::allocate(int64_t bytes, int64_t alignment) { return device->allocate(bytes, alignment); }
bool Machine::free(uint64_t address) { return device->free(address); }

bool Machine::copyIn(uint64_t to, const void *from, int64_t bytes) {
  Block *block = device->find(to, uint64_t(bytes));
  if (!block)
    return false;
  std::memcpy(block->data() + (to - block->base), from, size_t(bytes));
  std::memset(block->marks() + (to - block->base), 1, size_t(bytes));
  return true;
}

bool Machine::copyOut(void *to, uint64_t from, int64_t bytes) const {
  const Block *block = device->find(from, uint64_t(bytes));
  if (!block)
    return false;
  const int64_t offset = int64_t(from - block->base);
  std::memcpy(to, block->data() + offset, size_t(bytes));
  if (!block->initialised(offset, bytes))
    for (int64_t i = 0; i < bytes; ++i)
      if (!block->marks()[offset + i])
        static_cast<uint8_t *>(to)[i] = 0xcd;
  return true;
}

bool Machine::copy(uint64_t to, uint64_t from, int64_t bytes) {
  Block *target = device->find(to, uint64_t(bytes)), *source = device->find(from, uint64_t(bytes));
  if (!target || !source)
    return false;
  std::memmove(target->data() + (to - target->base), source->data() + (from - source->base), size_t(bytes));
  std::memmove(target->marks() + (to - target->base), source->marks() + (from - source->base), size_t(bytes));
  return true;
}

bool Machine::fill(uint64_t to, uint8_t byte, int64_t bytes) {
  Block *block = device->find(to, uint64_t(bytes));
  if (!block)
    return false;
  std::memset(block->data() + (to - block->base), byte, size_t(bytes));
  std::memset(block->marks() + (to - block->base), 1, size_t(bytes));
  return true;
}

bool Machine::initialised(uint64_t from, int64_t bytes) const {
  const Block *block = device->find(from, uint64_t(bytes));
  return block && block->initialised(int64_t(from - block->base), bytes);
}

void Machine::load(Module &module) {
  if (module.owner)
    return;
  module.owner = this;
  for (const auto &variable : module.variables) {
    if (variable->space != Space::global && variable->space != Space::constant)
      continue;
    const uint64_t address = allocate(variable->bytes, variable->alignment);
    std::vector<uint8_t> bytes = variable->initial;
    bytes.resize(size_t(variable->bytes)); // PTX ISA 5.4.4: variables without a value start as zero
    copyIn(address, bytes.data(), variable->bytes);
    device->find(address, 0)->constant = variable->space == Space::constant;
    variable->place(address);
  }
}

void Machine::unload(Module &module) {
  if (module.owner != this)
    return;
  for (const auto &variable : module.variables)
    if (variable->space == Space::global || variable->space == Space::constant)
      free(variable->address);
  module.owner = nullptr;
}

std::optional<Fault> Machine::launch(Module &module, std::string_view name, Dim3 grid, Dim3 block, int64_t sharedBytes,
                                     const std::vector<std::vector<uint8_t>> &parameters, uint64_t seed) {
  stats = {};
  auto bad = [&](std::string message) {
    Fault fault;
    fault.kind = FaultKind::badLaunch;
    fault.kernel = name;
    fault.message = std::move(message);
    return fault;
  };
  const Kernel *kernel = module.find(name);
  if (!kernel)
    return bad("no such kernel");
  const unsigned threads = block.count();
  const unsigned limits[3] = {block.x, block.y, block.z};
  if (!grid.count() || !threads || threads > 1024)
    return bad(fmt::format("{} threads a CTA, {} CTAs; expected 1 to 1024 and at least 1", threads, grid.count()));
  const unsigned most = kernel->maxThreads[0] * kernel->maxThreads[1] * kernel->maxThreads[2];
  if (most && threads > most)
    return bad(fmt::format("{} threads a CTA; `.maxntid` allows {}", threads, most));
  if (kernel->requiredThreads[0])
    for (int axis = 0; axis < 3; ++axis)
      if (limits[axis] != kernel->requiredThreads[axis])
        return bad(fmt::format("{} threads on axis {}; `.reqntid` says {}", limits[axis], axis, kernel->requiredThreads[axis]));
  if (kernel->staticShared() + sharedBytes > options.sharedLimit)
    return bad(
        fmt::format("{} bytes of shared memory; the device has {}", kernel->staticShared() + sharedBytes, options.sharedLimit));
  if (parameters.size() != kernel->parameters.size())
    return bad(fmt::format("{} parameters; the kernel has {}", parameters.size(), kernel->parameters.size()));
  if (module.owner && module.owner != this)
    return bad("the module is loaded in another machine");
  load(module);

  Block parameterBlock(0, kernel->parameterBytes);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Variable &declared = kernel->parameters[i];
    if (int64_t(parameters[i].size()) != declared.bytes)
      return bad(fmt::format("parameter {} of {} bytes; the kernel declares {}", i, parameters[i].size(), declared.bytes));
    std::memcpy(parameterBlock.data() + declared.address, parameters[i].data(), parameters[i].size());
    std::memset(parameterBlock.marks() + declared.address, 1, parameters[i].size());
  }
  try {
    Grid run{*this, *device,      module,      *kernel,
             grid,  block,        sharedBytes, std::move(parameterBlock),
             stats, ++launches,   seed,        std::mt19937_64(seed),
             {},    options.races};
    run.run();
  } catch (const Fault &fault) {
    return fault;
  }
  return std::nullopt;
}

} // namespace kv::ptx

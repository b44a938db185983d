// Runs compiled kernels in this process: the very bytes that go into the static library are linked in memory.
#ifndef KV_TOOLS_KVCC_LOADER_H
#define KV_TOOLS_KVCC_LOADER_H

#include "compiler/driver/Compiled.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace llvm::orc {
class LLJIT;
}

namespace kv {

/// Keeps the code of one compilation in memory; kernels die with it.
class Loader {
public:
  ~Loader();
  Loader(Loader &&) noexcept;

  /// Links the objects (kernels and descriptor tables). The machine must be of their architecture.
  static llvm::Expected<Loader> load(llvm::ArrayRef<ObjectFile> objects);

  /// The descriptor of a kernel, as the header declares it: `llama3_decode`.
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) const;

private:
  explicit Loader(std::unique_ptr<llvm::orc::LLJIT> jit);
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace kv

#endif

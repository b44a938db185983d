#include "tools/kvcc/Loader.h"

#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

using namespace llvm;

namespace kv {

Loader::Loader(std::unique_ptr<orc::LLJIT> jit) : jit(std::move(jit)) {}
Loader::Loader(Loader &&) noexcept = default;
Loader::~Loader() = default;

Expected<Loader> Loader::load(ArrayRef<ObjectFile> objects) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto jit = orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();

  // memcpy and memset are all that a kernel may ask of the process.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));

  for (const ObjectFile &object : objects)
    if (Error error = (*jit)->addObjectFile(MemoryBuffer::getMemBufferCopy(object.bytes, object.name)))
      return std::move(error);
  return Loader(std::move(*jit));
}

Expected<const kv_kernel *> Loader::kernel(StringRef name) const {
  auto address = jit->lookup(name);
  if (!address)
    return address.takeError();
  return address->toPtr<const kv_kernel *>();
}

} // namespace kv

#include "tools/kvcc/BenchKernels.h"

#include "llvm/Object/Archive.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/TargetParser/Host.h"

#include <fmt/format.h>

namespace kv {

BenchKernels::BenchKernels(Source &source, llvm::ArrayRef<const Target *> targets) {
  CompileOptions options;
  options.targets = targets.vec();
  outcome = compile(source, options, compiled);
  if (outcome != CompileStatus::ok)
    return;
  auto loaded = Loader::load(compiled.objects);
  if (loaded) {
    loader.emplace(std::move(*loaded));
  } else {
    outcome = CompileStatus::internalError;
    wrong = llvm::toString(loaded.takeError());
  }
}

llvm::Expected<BenchSetup> BenchKernels::setup(const KernelSpec &spec, llvm::StringRef target, bool library) const {
  const CacheSpec &cache = compiled.module.caches[spec.cache];
  const Loader &kernels = library ? *other : *loader;
  auto kernel = kernels.kernel(spec.name);
  auto append = kernels.kernel(cache.name + "_append");
  if (library && (!kernel || !append)) {
    llvm::consumeError(llvm::joinErrors(kernel.takeError(), append.takeError()));
    return llvm::createStringError("the library has no `" + spec.name + "`: it is not of this file");
  }
  if (!kernel || !append)
    return llvm::joinErrors(kernel.takeError(), append.takeError());
  // The first fields of a descriptor are those of every version; no others are read before they are known to be there.
  for (const kv_kernel *each : {*kernel, *append})
    if (library && each->abi_version != KV_ABI_VERSION)
      return llvm::createStringError(
          fmt::format("the library has ABI version {}; this kvcc runs {}", each->abi_version, KV_ABI_VERSION));
  BenchSetup setup;
  setup.cache = &cache;
  setup.spec = &spec;
  setup.row = findRow(*kernel, target);
  setup.append = findRow(*append, target);
  if (!setup.row || !setup.append)
    return llvm::createStringError("`" + spec.name + "` has no code for `" + target + "`" + (library ? " in the library" : ""));
  return setup;
}

/// The objects of this machine's architecture.
static llvm::Expected<std::vector<ObjectFile>> readObjects(llvm::MemoryBufferRef library) {
  auto archive = llvm::object::Archive::create(library);
  if (!archive)
    return archive.takeError();
  const llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  std::vector<ObjectFile> objects;
  llvm::Error error = llvm::Error::success();
  for (const llvm::object::Archive::Child &child : (*archive)->children(error)) {
    auto bytes = child.getMemoryBufferRef();
    auto object = bytes ? llvm::object::ObjectFile::createObjectFile(*bytes) : bytes.takeError();
    if (!object)
      return llvm::joinErrors(std::move(error), object.takeError());
    if ((*object)->getArch() == host.getArch())
      objects.push_back({bytes->getBufferIdentifier().str(), bytes->getBuffer().str()});
  }
  if (error)
    return std::move(error);
  return objects;
}

llvm::Error BenchKernels::loadLibrary(llvm::StringRef file) {
  auto buffer = llvm::MemoryBuffer::getFile(file);
  if (!buffer)
    return llvm::createFileError(file, buffer.getError());
  auto objects = readObjects(**buffer);
  auto loaded = objects ? Loader::load(*objects) : objects.takeError();
  if (!loaded)
    return llvm::createFileError(file, loaded.takeError());
  other.emplace(std::move(*loaded));
  return llvm::Error::success();
}

} // namespace kv

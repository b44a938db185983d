#include "tools/kvcc/BenchKernels.h"

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

llvm::Expected<BenchSetup> BenchKernels::setup(const KernelSpec &spec, llvm::StringRef target) const {
  const CacheSpec &cache = compiled.module.caches[spec.cache];
  auto kernel = loader->kernel(spec.name);
  auto append = loader->kernel(cache.name + "_append");
  if (!kernel || !append)
    return llvm::joinErrors(kernel.takeError(), append.takeError());
  BenchSetup setup;
  setup.cache = &cache;
  setup.spec = &spec;
  setup.row = findRow(*kernel, target);
  setup.append = findRow(*append, target);
  return setup;
}

} // namespace kv

// What is right in a file, and a surprise to whoever pays for it: room that padding takes, codecs that cost accuracy.
#ifndef KV_DRIVER_ADVICE_H
#define KV_DRIVER_ADVICE_H

#include "compiler/driver/Source.h"

namespace kv {

struct Advice {
  size_t cache; ///< index into ModuleSpec::caches
  llvm::SMRange range;
  std::string text;
  bool isWarning; ///< said by every command that reads the file for its own sake; else by `explain`
};

/// Looks at every cache of a read file.
std::vector<Advice> findAdvice(const Source &source);

/// Says the warnings on stderr, each at its place in the file.
void warnOfCaches(Source &source);

} // namespace kv

#endif
